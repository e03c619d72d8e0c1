//! TLS handshakes under way: another one takes the place of the oldest, so nobody keeps others out by being slow.

use std::{collections::VecDeque, net::IpAddr};

use tokio::task::AbortHandle;

use super::places::{ConnectionLimits, network};

/// The handshakes under way, the oldest first.
pub(super) struct Handshakes {
    limits: ConnectionLimits,
    under_way: VecDeque<(IpAddr, AbortHandle)>,
}

impl Handshakes {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self {
            limits,
            under_way: VecDeque::new(),
        }
    }

    /// Starts one, in the place of the oldest of the same address if that has its share, or else of the oldest of all if there
    /// are as many as there may be. Who will show a certificate cannot be known yet: an address is not shut out for what
    /// strangers do there, since a whole office, or everybody behind a proxy, may have the same one.
    pub(super) fn start(&mut self, address: IpAddr, start: impl FnOnce() -> AbortHandle) {
        let address = network(address);
        self.under_way.retain(|(_, task)| !task.is_finished());
        let of_address: Vec<usize> = (0..)
            .zip(&self.under_way)
            .filter(|(_, (of, _))| *of == address)
            .map(|(at, _)| at)
            .collect();
        let oldest = if of_address.len() >= self.limits.of_an_address {
            of_address.first().copied()
        } else {
            (self.under_way.len() >= self.limits.handshakes).then_some(0)
        };
        if let Some((_, task)) = oldest.and_then(|at| self.under_way.remove(at)) {
            task.abort();
        }
        self.under_way.push_back((address, start()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_handshake_takes_the_place_of_the_oldest_of_its_address_and_then_of_all() {
        let limits = ConnectionLimits {
            handshakes: 4,
            of_an_address: 2,
            ..ConnectionLimits::default()
        };
        let mut handshakes = Handshakes::new(limits);
        let mut started = Vec::new();
        let mut start = |last: u8| {
            let task = tokio::spawn(std::future::pending::<()>());
            handshakes.start([192, 0, 2, last].into(), || task.abort_handle());
            started.push(task);
        };
        for last in [1, 2, 2, 2, 3, 4] {
            start(last);
        }
        let mut aborted = Vec::new();
        for (number, task) in started.iter_mut().enumerate() {
            // Those that run on do so for ever.
            let pause = std::time::Duration::from_millis(50);
            let ended = tokio::time::timeout(pause, task).await;
            if ended.is_ok_and(|ended| ended.is_err_and(|error| error.is_cancelled())) {
                aborted.push(number);
            }
        }
        // The first of address 2 for its third; the oldest of all for address 4's.
        assert_eq!(aborted, [0, 1]);
    }
}

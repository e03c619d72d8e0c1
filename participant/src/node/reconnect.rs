//! Connections come and go; the node stays.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc::UnboundedReceiver, task::JoinSet};

use super::{
    Runtime,
    connected::{self, Outcome},
    replica::LedgerReplica,
    tls_identity,
};
use crate::{error::NodeError, progress::Progress, renew, session::Event};

/// Connects, works until the connection is lost, pauses, again.
pub(super) async fn go_on(
    runtime: &mut Runtime<'_>,
    ledger: &mut LedgerReplica,
    authority: [u8; 32],
    finished: &mut UnboundedReceiver<Outcome>,
) -> Result<(), NodeError> {
    let longest = Duration::from_secs(runtime.shared.config.network.reconnect_seconds.into());
    let mut pause = Backoff::new(longest);
    let mut ever_connected = false;
    let (directory, config) = (
        runtime.shared.directory.clone(),
        runtime.shared.config.clone(),
    );
    // A connection outlives its certificate's renewal; the next one takes the fresh one. Ends with this function.
    let mut renewing = JoinSet::new();
    renewing.spawn(async move {
        loop {
            tokio::time::sleep(renew::LOOK).await;
            if let Some(Err(error)) = renew::if_due(&directory, &config).await {
                tracing::warn!(%error, "the certificate is not renewed yet");
            }
        }
    });
    loop {
        let shared = runtime.shared.clone();
        // Also before the first connection, for a certificate that expired while the node was off.
        if let Some(Err(error)) = renew::if_due(&shared.directory, &shared.config).await {
            runtime.tell(Progress::Warning {
                message: format!("the certificate is to be renewed: {error}"),
            });
        }
        let identity = tls_identity(&shared.directory)?;
        drop(shared);
        let began = Instant::now();
        let mut connected = false;
        let ended = connected::work(
            runtime,
            ledger,
            identity,
            authority,
            finished,
            &mut connected,
        )
        .await;
        ever_connected |= connected;
        let error = match ended {
            Ok(()) => return Ok(()),
            Err(error) if is_final(&error, ever_connected) => return Err(error),
            Err(error) => error,
        };
        // A connection that worked for a while starts the pauses anew.
        if connected && began.elapsed() > longest {
            pause = Backoff::new(longest);
        }
        let wait = pause.next();
        runtime.tell(Progress::Disconnected {
            reason: error.to_string(),
            retry_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        });
        runtime.feed(Event::Disconnected, None).await?;
        let paused = tokio::time::sleep(wait);
        let mut paused = pin!(paused);
        loop {
            tokio::select! {
                () = &mut paused => break,
                Some(outcome) = finished.recv() => runtime.take(outcome, "", None).await?,
            }
        }
    }
}

/// Whether trying again cannot help. Once a node was connected, what the network says is no reason to give up.
fn is_final(error: &NodeError, ever_connected: bool) -> bool {
    use unsilo_proto::Code;
    match error {
        NodeError::Unreachable { .. } => false,
        NodeError::Certificate { .. } => !ever_connected,
        NodeError::Rejected(rejected) => match rejected.code {
            Code::VersionUnsupported | Code::CertificateUnknown | Code::Suspended => {
                !ever_connected
            }
            _ => false,
        },
        _ => true,
    }
}

/// Pauses that double from half a second to the longest, each shortened by a random part up to half.
struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    fn new(longest: Duration) -> Self {
        Self {
            next: Duration::from_millis(500).min(longest),
            longest,
        }
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        let mut byte = [0];
        // Without randomness all nodes would come back together, which only costs time.
        let _ = getrandom::fill(&mut byte);
        pause - pause * u32::from(byte[0]) / 512
    }
}

#[cfg(test)]
mod tests {
    use unsilo_proto::{Code, Rejected};

    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_are_never_the_same_for_all() {
        let longest = Duration::from_secs(8);
        let mut pause = Backoff::new(longest);
        let pauses: Vec<Duration> = (0..20).map(|_| pause.next()).collect();
        assert!(pauses[0] <= Duration::from_millis(500));
        assert!(
            pauses[10..]
                .iter()
                .all(|pause| *pause <= longest && *pause >= longest / 2)
        );
        assert!(pauses[10..].windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn only_what_cannot_pass_ends_the_node() {
        let unreachable = NodeError::Unreachable {
            address: "a:1".into(),
            reason: "refused".into(),
        };
        let certificate = NodeError::Certificate {
            address: "a:1".into(),
            reason: "unknown".into(),
        };
        let rejected = |code| NodeError::Rejected(Rejected::new(code, ""));
        assert!(!is_final(&unreachable, false) && !is_final(&unreachable, true));
        assert!(is_final(&certificate, false) && !is_final(&certificate, true));
        assert!(is_final(&rejected(Code::Suspended), false));
        assert!(!is_final(&rejected(Code::Suspended), true));
        assert!(!is_final(&rejected(Code::NotAParticipant), false));
        assert!(is_final(&NodeError::DiskFull { path: "x".into() }, true));
    }
}

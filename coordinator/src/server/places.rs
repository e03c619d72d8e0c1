//! How many connections there may be, and of whom: strangers never take the places of those who joined.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use unsilo_ledger::PublicKey;

/// Most connections at a time, and how long those of strangers last. The defaults without members' are 640: together with what a server has open besides they
/// fit into the 1,024 files that a process may open by default, and leave a federation of 300 its places; a larger one
/// needs a higher limit (`ulimit -n`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Of all that show the certificate that joining gave them: 4,096, the most owners that a ledger has.
    pub members: usize,
    /// Of one of these: 16. A node holds one, and one more while it comes back from a lost one; each command of a person
    /// holds one.
    pub of_a_member: usize,
    /// Of everybody else, handshakes done (users of the endpoint, readers of the page, who is joining): 512.
    pub strangers: usize,
    /// Of one address among those, and as many of its handshakes under way: 64. An IPv6 address stands for its /64, which
    /// is what one customer of a provider has.
    pub of_an_address: usize,
    /// Handshakes under way: 128. Another one takes the place of the oldest: an honest one takes a few round trips, so it
    /// is through before 128 others have begun, unless more than a thousand a second do.
    pub handshakes: usize,
    /// A client that does not finish its TLS handshake in this time is dropped: 10 s.
    pub handshake_time: Duration,
    /// A stranger that sends nothing for so long is dropped: 60 s. Longer than a prediction takes, and than programs pause
    /// between two requests. Pings of HTTP/2 count as something sent.
    pub idle_time: Duration,
    /// A stranger's connection lasts so long: 10 minutes. No request takes it, and clients open another one by
    /// themselves; otherwise whoever answers pings would hold a place for ever.
    pub stranger_time: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            members: 4096,
            of_a_member: 16,
            strangers: 512,
            of_an_address: 64,
            handshakes: 128,
            handshake_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            stranger_time: Duration::from_secs(600),
        }
    }
}

/// The places that are taken. Cloning shares them.
#[derive(Clone)]
pub(super) struct Places {
    limits: ConnectionLimits,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    members: usize,
    by_member: BTreeMap<PublicKey, usize>,
    strangers: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

impl Places {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self {
            limits,
            taken: Arc::default(),
        }
    }

    /// A place for somebody who joined.
    pub(super) fn of_member(&self, identity: PublicKey) -> Option<Place> {
        let mut taken = self.taken();
        if taken.members >= self.limits.members {
            return None;
        }
        count(&mut taken.by_member, identity, self.limits.of_a_member)?;
        taken.members += 1;
        drop(taken);
        let _held = MemberPlace {
            places: self.clone(),
            identity,
        };
        Some(Place::Member { _held })
    }

    /// A place for somebody else, who counts for the address as well.
    pub(super) fn of_stranger(&self, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut taken = self.taken();
        if taken.strangers >= self.limits.strangers {
            return None;
        }
        count(&mut taken.by_address, address, self.limits.of_an_address)?;
        taken.strangers += 1;
        drop(taken);
        let _held = StrangerPlace {
            places: self.clone(),
            address,
        };
        Some(Place::Stranger { _held })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place, free again when this is dropped.
pub(super) enum Place {
    Member { _held: MemberPlace },
    Stranger { _held: StrangerPlace },
}

pub(super) struct MemberPlace {
    places: Places,
    identity: PublicKey,
}

impl Drop for MemberPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.members -= 1;
        discount(&mut taken.by_member, &self.identity);
    }
}

pub(super) struct StrangerPlace {
    places: Places,
    address: IpAddr,
}

impl Drop for StrangerPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.strangers -= 1;
        discount(&mut taken.by_address, &self.address);
    }
}

/// What one customer of a provider has: an IPv4 address, or a /64.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
    }
}

/// One more, if there are fewer than `most`.
fn count<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K, most: usize) -> Option<()> {
    let count = counts.entry(key).or_default();
    (*count < most).then(|| *count += 1)
}

/// One less; nothing is kept of who has none.
fn discount<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        members: 3,
        of_a_member: 2,
        strangers: 3,
        of_an_address: 2,
        handshakes: 4,
        handshake_time: Duration::ZERO,
        idle_time: Duration::ZERO,
        stranger_time: Duration::ZERO,
    };

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn an_address_has_its_share_and_no_more_and_gets_it_back() {
        let places = Places::new(LIMITS);
        let first = places.of_stranger(address(1)).expect("free");
        let second = places.of_stranger(address(1)).expect("free");
        assert!(places.of_stranger(address(1)).is_none());
        let mapped = "::ffff:192.0.2.1".parse().expect("an address");
        assert!(places.of_stranger(mapped).is_none(), "the same address");
        let other = places.of_stranger(address(2)).expect("another address");
        drop(second);
        let again = places.of_stranger(address(1)).expect("free again");
        drop((first, again, other));
        assert!(places.taken().by_address.is_empty());
        assert_eq!(places.taken().strangers, 0);
    }

    #[test]
    fn a_v6_network_is_one_address() {
        let places = Places::new(LIMITS);
        let of = |text: &str| text.parse::<IpAddr>().expect("an address");
        let _held = [of("2001:db8::1"), of("2001:db8::ffff:1")]
            .map(|address| places.of_stranger(address).expect("free"));
        assert!(places.of_stranger(of("2001:db8:0:0:7::1")).is_none());
        assert!(places.of_stranger(of("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn strangers_and_members_do_not_take_each_others_places() {
        let places = Places::new(LIMITS);
        let stranger = |last| places.of_stranger(address(last));
        let strangers: Vec<_> = (1..=3).map(|last| stranger(last).expect("free")).collect();
        assert!(stranger(4).is_none());
        assert!(
            !places.taken().by_address.contains_key(&address(4)),
            "nothing is left of who got no place"
        );
        let identity = |byte| PublicKey([byte; 32]);
        let first = places.of_member(identity(1)).expect("free");
        let second = places.of_member(identity(1)).expect("free");
        assert!(
            places.of_member(identity(1)).is_none(),
            "one member's share"
        );
        let third = places.of_member(identity(2)).expect("free");
        assert!(places.of_member(identity(3)).is_none(), "all taken");
        drop(strangers);
        assert!(places.of_member(identity(3)).is_none());
        drop((first, second, third));
        assert!(places.of_member(identity(3)).is_some());
        assert!(places.taken().by_member.is_empty());
    }
}

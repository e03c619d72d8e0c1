//! What participants sign outside of the rounds: members, stake, appeals, feedback.

use unsilo_ledger::{
    AppealAuthority, Entry, FeedbackKind, OwnerId, ParticipantId, PublicKey, SigningIdentity,
};
use unsilo_proto::Code;

use super::{closing, code, federation::Federation, until};
use crate::round::{
    Event,
    proposals::{SIGNATURE_LIFE_MS, WAITING},
};

impl Federation {
    fn eviction(&self, node: usize) -> Entry {
        let id = self.id_of(node).expect("on the ledger");
        Entry::ParticipantEvicted {
            participant: id,
            change: self.ledger.participant(id).expect("known").changes,
        }
    }

    fn readmission(&self, node: usize, key: PublicKey) -> Entry {
        let known = self.ledger.participant_by_name(&self.nodes[node].name);
        let known = known.expect("known");
        Entry::ParticipantReadmitted {
            participant: known.id,
            change: known.changes,
            key,
        }
    }

    fn account(&self, node: usize) -> unsilo_ledger::Account {
        *self.ledger.account(self.owner(node)).expect("an account")
    }

    fn owner(&self, node: usize) -> OwnerId {
        let known = self.ledger.participant_by_name(&self.nodes[node].name);
        known.expect("known").owner
    }

    fn deposit(&self, node: usize, amount: u64) -> Entry {
        Entry::StakeDeposited {
            participant: self.id_of(node).expect("on the ledger"),
            number: self.account(node).moves,
            amount,
        }
    }

    fn withdrawal(&self, node: usize, amount: u64) -> Entry {
        Entry::StakeWithdrawn {
            participant: self.id_of(node).expect("on the ledger"),
            number: self.account(node).moves,
            amount,
        }
    }

    /// Everybody acts until `done`.
    fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..2_000 {
            if done(self) {
                return;
            }
            self.everybody_acts();
            let _ = self.tick(2_000);
        }
        panic!("{what} does not come, in {}", self.machine.phase());
    }

    /// Rounds until this epoch is under way.
    fn run_to_epoch(&mut self, epoch: u64) {
        self.run_until("the epoch", |federation| federation.ledger.epoch() == epoch);
    }

    fn say(&mut self, node: usize, entry: &Entry) -> Option<Code> {
        let message = self.word(node, entry);
        code(self, message())
    }
}

#[test]
fn more_than_half_of_the_other_owners_evict_between_rounds_and_the_evicted_is_heard_no_more() {
    let mut federation = Federation::founded(2);
    let evicted = 4;
    let entry = federation.eviction(evicted);
    assert_eq!(
        federation.say(evicted, &entry),
        Some(Code::LedgerRefused),
        "its own owner has no say"
    );
    for node in [0, 0, 1] {
        assert_eq!(federation.say(node, &entry), None);
    }
    assert!(
        federation.id_of(evicted).is_some(),
        "two of the four others"
    );
    // A seat that it had offered is not opened with.
    federation.act(evicted);
    assert_eq!(federation.say(2, &entry), None);
    assert!(
        federation.id_of(evicted).is_none(),
        "three of the four others"
    );
    assert_eq!(federation.machine.pending().count(), 0);
    assert_eq!(
        federation.say(3, &entry),
        Some(Code::LedgerRefused),
        "done already"
    );
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 2);
    let contributed = federation.ledger.history().map(|round| round.contributions);
    assert_eq!(contributed.collect::<Vec<_>>(), [4, 4]);

    // Nobody comes back on its own word, and everybody by that of more than half of the owners.
    let key = federation.nodes[evicted].identity.public();
    let entry = federation.readmission(evicted, key);
    assert_eq!(federation.say(evicted, &entry), Some(Code::NotAParticipant));
    for node in 0..3 {
        assert!(federation.id_of(evicted).is_none());
        assert_eq!(federation.say(node, &entry), None);
    }
    assert!(federation.id_of(evicted).is_some());
}

#[test]
fn members_change_between_rounds_only() {
    let mut federation = closing();
    let entry = federation.eviction(4);
    for node in 0..3 {
        assert_eq!(federation.say(node, &entry), None);
    }
    let [pending] = &federation.machine.pending().collect::<Vec<_>>()[..] else {
        panic!("it waits");
    };
    assert_eq!(pending.signatures.len(), 3);
    assert!(
        federation.id_of(4).is_some(),
        "its contribution is closed in"
    );
    federation.calm_until_finished();
    assert!(federation.id_of(4).is_none());
    let contributed = federation.ledger.history().map(|round| round.contributions);
    assert_eq!(contributed.collect::<Vec<_>>(), [5]);
}

#[test]
fn what_was_signed_is_there_after_a_restart_and_the_last_signature_enters_it() {
    let mut federation = Federation::founded(1);
    let entry = federation.eviction(4);
    for node in 0..2 {
        assert_eq!(federation.say(node, &entry), None);
    }
    let kept: Vec<_> = federation.machine.signatures().collect();
    assert_eq!(kept.len(), 2);
    federation.restart();
    assert_eq!(federation.machine.pending().count(), 0);
    for signed in &kept {
        federation
            .feed(Event::Signed(signed.clone()))
            .expect("taken again");
    }
    federation.appends_fail = true;
    assert_eq!(federation.say(2, &entry), Some(Code::Internal));
    assert!(federation.id_of(4).is_some());
    federation.appends_fail = false;
    federation.tick(250).expect("at the next tick");
    assert!(federation.id_of(4).is_none());
    for signed in kept {
        let refused = federation.feed(Event::Signed(signed)).expect_err("entered");
        assert_eq!(refused.code, Code::LedgerRefused);
    }
}

#[test]
fn a_signature_waits_for_a_month() {
    let mut federation = Federation::founded(1);
    let entry = federation.eviction(4);
    assert_eq!(federation.say(0, &entry), None);
    federation.now_ms += SIGNATURE_LIFE_MS / 2;
    assert_eq!(federation.say(1, &entry), None);
    federation.now_ms += SIGNATURE_LIFE_MS / 2;
    assert_eq!(federation.say(2, &entry), None);
    assert!(
        federation.id_of(4).is_some(),
        "the first of three signatures is too old"
    );
    assert_eq!(federation.machine.signatures().count(), 2);
    assert_eq!(federation.say(0, &entry), None);
    assert!(federation.id_of(4).is_none());
}

#[test]
fn an_owner_stands_for_one_entry_of_a_kind_at_a_time() {
    let mut federation = Federation::founded(1);
    let key = |seed: u8| SigningIdentity::from_seed(&[seed; 32]).public();
    let (first, second) = (
        federation.readmission(4, key(101)),
        federation.readmission(4, key(102)),
    );
    for node in 0..2 {
        assert_eq!(federation.say(node, &first), None);
    }
    for node in [0, 2] {
        assert_eq!(federation.say(node, &second), None);
    }
    let signed = |entry: &Entry| {
        let mut pending = federation.machine.pending();
        let found = pending.find(|signed| signed.entry == *entry);
        found.map_or(0, |signed| signed.signatures.len())
    };
    assert_eq!((signed(&first), signed(&second)), (1, 2));
    assert_eq!(federation.say(3, &second), None);
    let known = federation
        .ledger
        .participant_by_name(&federation.nodes[4].name);
    assert_eq!(known.expect("known").key, key(102));
    assert_eq!(
        federation.machine.pending().count(),
        0,
        "the other was written before this change"
    );
}

#[test]
fn a_second_identity_takes_the_place_of_the_first_also_while_seats_are_offered() {
    let mut federation = Federation::founded(1);
    for node in 0..5 {
        federation.act(node);
        if federation.machine.phase() != "seating" {
            break;
        }
        // Whoever offered a seat changes its identity before the round opens.
        if node == 0 {
            let identity = SigningIdentity::from_seed(&[103; 32]);
            let entry = federation.readmission(0, identity.public());
            for signer in 1..4 {
                assert_eq!(federation.say(signer, &entry), None);
            }
            federation.nodes[0].identity = identity;
            federation.nodes[0].seats.clear();
            federation.nodes[0].reconnect();
        }
    }
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn nobody_fills_the_list_that_everybody_reads() {
    let mut federation = Federation::founded(0);
    // New keys for all are as many kinds as there are participants, so an owner reaches the limit with affiliates only.
    for extra in 0..=WAITING {
        let name = format!("Affiliate {extra}");
        let key = SigningIdentity::from_seed(&[110 + extra as u8; 32]).public();
        federation
            .ledger
            .apply(&unsilo_ledger::SignedEntry::signed_by(
                Entry::ParticipantAdmitted {
                    name,
                    key,
                    owner: Some(federation.owner(0)),
                },
                &federation.id,
                &[0, 1, 2].map(|node| &federation.nodes[node].identity),
            ))
            .expect("admitted");
    }
    let affiliates: Vec<ParticipantId> = federation
        .ledger
        .participants()
        .filter(|one| one.name.starts_with("Affiliate"))
        .map(|one| one.id)
        .collect();
    for (number, participant) in affiliates.into_iter().enumerate() {
        let entry = Entry::ParticipantEvicted {
            participant,
            change: 0,
        };
        let expected = (number >= WAITING).then_some(Code::TooLarge);
        assert_eq!(federation.say(1, &entry), expected, "entry {number}");
    }
    assert_eq!(federation.machine.signatures().count(), WAITING);
}

#[test]
fn what_the_ledger_does_not_allow_is_not_collected() {
    let mut federation = Federation::founded(1);
    let stranger = Entry::ParticipantEvicted {
        participant: ParticipantId(77),
        change: 0,
    };
    let outdated = Entry::ParticipantEvicted {
        participant: ParticipantId(4),
        change: 9,
    };
    let for_another = federation.deposit(1, 1);
    let case = Entry::Appealed {
        case: 0,
        authority: AppealAuthority::Owners,
    };
    let by_committee = Entry::Appealed {
        case: 0,
        authority: AppealAuthority::Committee,
    };
    let batch = Entry::QueryBatch {
        root: [0; 32],
        first: 0,
        count: 1,
        fees: u64::MAX,
    };
    for (entry, expected) in [
        (stranger, Code::LedgerRefused),
        (outdated, Code::LedgerRefused),
        (for_another, Code::LedgerRefused),
        (federation.deposit(0, 0), Code::LedgerRefused),
        (federation.deposit(0, 1), Code::LedgerRefused),
        (federation.deposit(0, u64::MAX), Code::LedgerRefused),
        (federation.withdrawal(0, 1), Code::LedgerRefused),
        (federation.withdrawal(0, u64::MAX), Code::LedgerRefused),
        (case, Code::LedgerRefused),
        (by_committee, Code::Malformed),
        (batch, Code::Malformed),
    ] {
        assert_eq!(federation.say(0, &entry), Some(expected), "{entry:?}");
    }
    let entry = federation.eviction(4);
    assert_eq!(federation.say(5, &entry), Some(Code::NotAParticipant));
    // A signature of another federation, one that was forged, and bytes that are no entry.
    let good = federation.word(0, &entry);
    let forge = |change: &dyn Fn(&mut crate::round::Signed)| {
        let Event::Signed(mut signed) = good() else {
            unreachable!("a signature was made");
        };
        change(&mut signed);
        Event::Signed(signed)
    };
    let elsewhere = unsilo_ledger::FederationId([1; 32]);
    let foreign = entry.sign(&elsewhere, &federation.nodes[0].identity);
    for (event, expected) in [
        (
            forge(&|signed| signed.signature = foreign.clone()),
            Code::SignatureInvalid,
        ),
        (
            forge(&|signed| signed.signature.signature[3] ^= 1),
            Code::SignatureInvalid,
        ),
        (forge(&|signed| signed.entry.push(0)), Code::Malformed),
        (forge(&|signed| signed.entry.clear()), Code::Malformed),
    ] {
        assert_eq!(code(&mut federation, event), Some(expected));
    }
    assert_eq!(federation.machine.pending().count(), 0);
    federation.calm_until_finished();
}

#[test]
fn feedback_is_on_the_ledger_at_once_and_each_piece_once() {
    let mut federation = Federation::founded(1);
    let filed = |number| Entry::FeedbackFiled {
        participant: ParticipantId(0),
        number,
        kind: FeedbackKind::Idea,
        hash: [7; 32],
    };
    assert_eq!(federation.say(0, &filed(0)), None);
    assert_eq!(federation.ledger.feedback_filed(ParticipantId(0)), 1);
    assert_eq!(
        federation.say(0, &filed(0)),
        Some(Code::LedgerRefused),
        "entered already"
    );
    assert_eq!(federation.say(1, &filed(1)), Some(Code::LedgerRefused));
}

#[test]
fn a_running_federation_pays_and_stake_moves_with_its_epochs() {
    let mut federation = Federation::founded(0);
    for node in &mut federation.nodes {
        node.rates = true;
    }
    assert_eq!(federation.account(0).balance, 0);
    federation.run_to_epoch(2);
    // Everybody praises everybody alike: the whole emission of 20 rounds, in five parts that rounding alone makes unequal.
    let paid = federation.account(0).balance;
    assert!(paid.abs_diff(20 * 1_000_000 / 5) <= 2, "{paid}");
    let all: u64 = (0..5).map(|node| federation.account(node).balance).sum();
    assert_eq!(all, 20 * 1_000_000);
    let stake = |federation: &Federation| federation.ledger.stake(federation.owner(0));
    let grant = stake(&federation);

    // What is asked for beyond the balance is refused; the balance is staked at once, between rounds or in one.
    let too_much = federation.deposit(0, paid + 1);
    assert_eq!(federation.say(0, &too_much), Some(Code::LedgerRefused));
    until(&mut federation, "contributing");
    let entry = federation.deposit(0, paid);
    assert_eq!(federation.say(0, &entry), None);
    assert_eq!(
        (federation.account(0).balance, federation.account(0).warming),
        (0, paid)
    );
    assert_eq!(federation.say(0, &entry), Some(Code::LedgerRefused), "once");

    // Once members act on one size of the log it waits, one entry at a time, and is not taken twice.
    until(&mut federation, "closing");
    let withdrawal = federation.withdrawal(0, 10);
    for _ in 0..2 {
        assert_eq!(federation.say(0, &withdrawal), None);
    }
    let second = federation.withdrawal(0, 20);
    assert_eq!(federation.say(0, &second), Some(Code::WrongStep));
    assert_eq!(federation.account(0).warming, paid);
    federation.run_until("the end of the round", |federation| {
        federation.account(0).leaving == 10
    });
    assert_eq!(stake(&federation), grant, "nothing of it counts yet");

    federation.run_to_epoch(3);
    assert_eq!(stake(&federation), grant + paid - 10, "now it counts");
    let account = federation.account(0);
    assert_eq!((account.leaving, account.left), (0, 10), "and is slashable");
    let balance = account.balance;
    let withdrawal = federation.withdrawal(0, paid - 10);
    federation.run_until("between rounds", |federation| {
        federation.ledger.round().is_none()
    });
    assert_eq!(federation.say(0, &withdrawal), None);
    assert_eq!(stake(&federation), grant, "no power from now on");
    federation.run_to_epoch(4);
    let account = federation.account(0);
    assert_eq!(account.left, paid - 10, "still slashable for one epoch");
    assert!(
        account.balance > balance + 10,
        "the first ten are free, and paid was epoch 3"
    );
    federation.run_to_epoch(5);
    assert_eq!(federation.account(0).left, 0);
}

#[test]
fn without_ratings_nothing_is_minted() {
    let mut federation = Federation::founded(0);
    federation.run_to_epoch(2);
    assert_eq!(federation.published().len(), 20);
    let pool = federation.ledger.pool().expect("founded");
    assert_eq!((pool.minted, pool.emission, pool.fees), (0, 0, 0));
    for node in 0..5 {
        assert_eq!(federation.account(node).balance, 0);
        assert_eq!(
            federation.ledger.reputation(federation.owner(node)),
            Some(1 << 32)
        );
    }
}

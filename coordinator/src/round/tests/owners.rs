//! The owners void a round.

use unsilo_ledger::{Entry, VoidAuthority, VoidReason, entry::OWNERS_VOID_DELAY_MS};
use unsilo_proto::Code;

use super::{code, federation::Federation, opening};
use crate::round::Event;

fn void(round: u64, reason: VoidReason, passed_ms: u64) -> Entry {
    Entry::RoundVoided {
        round,
        reason,
        authority: VoidAuthority::Owners { passed_ms },
    }
}

/// What is being signed, and by how many owners.
fn standing(federation: &Federation) -> Vec<(Entry, usize)> {
    let pending = federation.machine.pending();
    pending
        .map(|signed| (signed.entry, signed.signatures.len()))
        .collect()
}

#[test]
fn more_than_half_of_the_owners_void_a_stuck_round_a_day_after_its_last_deadline() {
    let mut federation = opening();
    let open_by_ms = federation
        .ledger
        .round()
        .expect("weighed")
        .opening
        .open_by_ms;
    let entry = void(
        1,
        VoidReason::TooFewMembers,
        open_by_ms + OWNERS_VOID_DELAY_MS,
    );
    for node in [0, 0, 1] {
        let message = federation.word(node, &entry);
        assert_eq!(code(&mut federation, message()), None);
    }
    assert_eq!(
        standing(&federation),
        [(entry.clone(), 2)],
        "an owner counts once"
    );
    // People sign once: what they signed is handed to the next process.
    let kept: Vec<_> = federation.machine.signatures().collect();
    federation.restart();
    for signed in kept {
        federation.feed(Event::Signed(signed)).expect("taken again");
    }
    let third = federation.word(4, &entry);
    federation.appends_fail = true;
    assert_eq!(code(&mut federation, third()), Some(Code::Internal));
    federation.appends_fail = false;
    federation.tick(250).expect("void at the next tick");
    assert_eq!(federation.machine.phase(), "seating");
    assert_eq!(federation.ledger.next_round(), 2);
    assert_eq!(standing(&federation).len(), 0);
    assert_eq!(
        code(&mut federation, third()),
        Some(Code::WrongRound),
        "round 1 is over"
    );
    federation.calm_until_finished();
}

#[test]
fn before_the_close_owners_void_at_any_time_also_a_draw() {
    let mut federation = Federation::founded(1);
    for node in 0..3 {
        let entry = void(1, VoidReason::Dispute, 0);
        let message = federation.word(node, &entry);
        assert_eq!(code(&mut federation, message()), None);
    }
    assert_eq!(federation.ledger.next_round(), 2);
    assert_eq!(federation.machine.phase(), "seating");
    federation.everybody_acts();
    assert_eq!(federation.machine.phase(), "contributing");
    for node in 0..3 {
        let entry = void(2, VoidReason::LostData, 0);
        let message = federation.word(node, &entry);
        assert_eq!(code(&mut federation, message()), None);
    }
    assert_eq!(federation.ledger.next_round(), 3);
    federation.calm_until_finished();
}

#[test]
fn a_void_of_the_owners_has_one_form_and_owners_to_sign_it() {
    let mut federation = opening();
    let open_by_ms = federation
        .ledger
        .round()
        .expect("weighed")
        .opening
        .open_by_ms;
    let right = open_by_ms + OWNERS_VOID_DELAY_MS;
    let good = void(1, VoidReason::TooFewMembers, right);
    let by_committee = Entry::RoundVoided {
        round: 1,
        reason: VoidReason::TooFewMembers,
        authority: VoidAuthority::Committee,
    };
    let cases = [
        (
            federation.word(0, &void(1, VoidReason::TooFewMembers, 0)),
            Code::WrongStep,
        ),
        (
            federation.word(0, &void(1, VoidReason::TooFewMembers, right + 1)),
            Code::WrongStep,
        ),
        (
            federation.word(0, &void(2, VoidReason::TooFewMembers, 0)),
            Code::WrongRound,
        ),
        (federation.word(0, &by_committee), Code::Malformed),
        (federation.word(5, &good), Code::NotAParticipant),
    ];
    for (message, expected) in cases {
        assert_eq!(code(&mut federation, message()), Some(expected));
    }
    let mut forged = federation.word(0, &good)();
    if let Event::Signed(signed) = &mut forged {
        signed.signature.signature[0] ^= 1;
    }
    assert_eq!(code(&mut federation, forged), Some(Code::SignatureInvalid));
    // Signatures under different reasons do not add up.
    for (node, reason) in [
        VoidReason::TooFewMembers,
        VoidReason::LostData,
        VoidReason::Dispute,
    ]
    .into_iter()
    .enumerate()
    {
        let message = federation.word(node, &void(1, reason, right));
        assert_eq!(code(&mut federation, message()), None);
    }
    assert_eq!(standing(&federation).len(), 3);
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 1, "nobody had to be void");
}

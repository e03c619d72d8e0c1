//! The machine in a federation of real identities, ledger and encryption (`federation`), step by step here
//! and in random orders in `random`.

mod committee;
mod company;
mod federation;
mod invariants;
mod mathematics;
mod owners;
mod proposals;
mod random;
mod scalars;
mod voids;

use std::rc::Rc;

use company::Message;
use federation::{FOUNDERS, Federation, TIMING};
use unsilo_ledger::{Cosignature, Entry, Phase, SignedEntry, VoidReason};
use unsilo_proto::{
    Code,
    v1::{Founding, step},
};

use crate::round::{Event, opening::RETRY_MS};

/// In the middle of round 1: contributed by everybody, to be cosigned.
fn closing() -> Federation {
    let mut federation = Federation::founded(1);
    federation.everybody_acts();
    federation.everybody_acts();
    assert_eq!(federation.machine.phase(), "closing");
    federation
}

/// All do what is due until that step comes, and nothing for it.
fn until(federation: &mut Federation, phase: &str) {
    for _ in 0..20 {
        for node in 0..FOUNDERS.len() {
            if federation.machine.phase() == phase {
                return;
            }
            federation.act(node);
            if federation.machine.phase() == "answering" {
                while federation.has_job() {
                    federation.run_job();
                }
            }
        }
    }
    panic!("{phase} does not come: {}", federation.machine.phase());
}

/// In the middle of round 1: judged, to be opened; all have cosigned the checkpoint.
fn opening() -> Federation {
    let mut federation = closing();
    until(&mut federation, "opening");
    for node in 0..FOUNDERS.len() {
        federation.cosign(node);
    }
    federation
}

fn code(federation: &mut Federation, event: Event) -> Option<Code> {
    let before = federation.ledger.root();
    let rejected = federation.feed(event).err().map(|rejected| rejected.code);
    if rejected.is_some() {
        assert_eq!(
            before,
            federation.ledger.root(),
            "a refusal changes nothing"
        );
    }
    rejected
}

#[test]
fn a_federation_runs_its_rounds_and_rests() {
    let mut federation = Federation::founded(2);
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 2);
    assert!(
        matches!(federation.step, Some(step::Kind::Resting(ref resting)) if resting.finished),
        "everybody is told that it is over"
    );
    assert_eq!(federation.ledger.history().len(), 2);
}

#[test]
fn a_restart_after_any_event_leads_to_the_same_models() {
    let undisturbed = {
        let mut federation = Federation::founded(1);
        federation.calm_until_finished();
        federation.published()
    };
    // Events are counted by what is sent; each run restarts after another one of them.
    for restart_after in 0.. {
        let mut federation = Federation::new(1);
        for node in 0..FOUNDERS.len() {
            federation.join(node);
        }
        let mut events = 0;
        let mut restarted = false;
        'run: for _ in 0..40 {
            for node in 0..FOUNDERS.len() {
                federation.act(node);
                if federation.has_job() && (node + restart_after) % 2 == 0 {
                    federation.run_job();
                }
                if events == restart_after {
                    federation.restart();
                    restarted = true;
                }
                events += 1;
                if federation.machine.phase() == "finished" {
                    break 'run;
                }
            }
            let _ = federation.tick(2_000);
        }
        federation.calm_until_finished();
        assert_eq!(
            federation.published(),
            undisturbed,
            "restart after {restart_after}"
        );
        if !restarted {
            assert!(
                restart_after > 20,
                "{restart_after} events are too few for a round"
            );
            return;
        }
    }
}

#[test]
fn the_genesis_waits_for_every_founder_and_repeats_a_failed_append() {
    let mut federation = Federation::new(1);
    for node in 0..4 {
        federation.join(node);
        federation.everybody_acts();
    }
    assert!(matches!(
        &federation.step,
        Some(step::Kind::Founding(Founding { missing, entry })) if *missing == ["Elder"] && entry.is_empty()
    ));
    federation.join(4);
    // A stranger and a signature under another entry.
    let Some(step::Kind::Founding(founding)) = federation.step.clone() else {
        panic!("founding is announced");
    };
    let entry = Entry::from_bytes(&founding.entry).expect("an entry");
    let stranger = entry.sign(&federation.id, &federation.nodes[5].identity);
    let signed = |signature, entry: &[u8]| Event::GenesisSigned {
        entry: entry.to_vec(),
        signature,
    };
    assert_eq!(
        code(&mut federation, signed(stranger, &founding.entry)),
        Some(Code::NotAParticipant)
    );
    let mut forged = entry.sign(&federation.id, &federation.nodes[0].identity);
    forged.signature[0] ^= 1;
    assert_eq!(
        code(&mut federation, signed(forged, &founding.entry)),
        Some(Code::SignatureInvalid)
    );
    let good = entry.sign(&federation.id, &federation.nodes[0].identity);
    assert_eq!(
        code(&mut federation, signed(good, b"another list")),
        Some(Code::WrongStep)
    );
    federation.appends_fail = true;
    federation.everybody_acts();
    assert_eq!(federation.ledger.phase(), Phase::Unfounded);
    assert!(federation.tick(250).is_err());
    federation.appends_fail = false;
    federation.tick(250).expect("founded");
    assert_eq!(federation.machine.phase(), "seating");
}

#[test]
fn an_absent_member_costs_a_grace_period_and_no_more() {
    let mut federation = Federation::founded(1);
    let absent = 2;
    for round in 0..60 {
        for node in (0..FOUNDERS.len()).filter(|node| *node != absent) {
            federation.act(node);
        }
        while federation.has_job() {
            federation.run_job();
        }
        if federation.machine.phase() == "finished" {
            let record = federation.ledger.history().next().expect("one round");
            assert_eq!((record.contributions, record.seats.len()), (4, 4));
            return;
        }
        assert!(round < 59);
        let _ = federation.tick(2_000);
    }
}

#[test]
fn too_few_contributions_void_the_round_and_the_next_one_opens() {
    let mut federation = Federation::founded(1);
    federation.everybody_acts();
    for node in 0..3 {
        federation.act(node);
    }
    assert_eq!(federation.machine.phase(), "contributing");
    federation.tick(TIMING.contribute_ms + 1).expect("ticks");
    assert_eq!(federation.machine.phase(), "voiding");
    // A void that could not be written is tried again.
    federation.appends_fail = true;
    federation.everybody_acts();
    federation.appends_fail = false;
    federation.tick(250).expect("void");
    assert_eq!(federation.machine.phase(), "seating");
    assert_eq!(federation.ledger.next_round(), 2);
    federation.calm_until_finished();
    assert_eq!(federation.published().len(), 1);
}

#[test]
fn a_deadline_that_passed_while_down_closes_with_who_contributed() {
    let mut federation = Federation::founded(1);
    federation.everybody_acts();
    for node in 0..4 {
        federation.act(node);
    }
    federation.now_ms += 10 * TIMING.contribute_ms;
    federation.restart();
    assert_eq!(federation.machine.phase(), "closing");
    // All deadlines are over, but the members have had no time to come back.
    federation.tick(250).expect("ticks");
    assert_eq!(federation.machine.phase(), "closing");
    let late = federation.contribution(4, 1).expect("made");
    assert_eq!(code(&mut federation, late()), Some(Code::DeadlinePassed));
    federation.calm_until_finished();
    let record = federation.ledger.history().next().expect("one round");
    assert_eq!(record.contributions, 4);
}

#[test]
fn a_close_that_too_few_cosign_is_voided() {
    let mut federation = closing();
    for node in 0..3 {
        federation.act(node);
    }
    federation
        .tick(TIMING.contribute_ms + TIMING.answer_ms + 1)
        .expect("ticks");
    assert_eq!(federation.machine.phase(), "voiding");
    assert!(matches!(
        &federation.step,
        Some(step::Kind::Voiding(voiding)) if matches!(
            Entry::from_bytes(&voiding.entry),
            Ok(Entry::RoundVoided { reason: VoidReason::TooFewMembers, .. })
        )
    ));
    federation.calm_until_finished();
}

#[test]
fn an_admission_waits_for_the_end_of_an_open_round() {
    let mut federation = Federation::founded(1);
    federation.everybody_acts();
    for node in 0..4 {
        federation.act(node);
    }
    federation.tick(TIMING.contribute_ms + 1).expect("ticks");
    assert_eq!(federation.machine.phase(), "closing");
    federation.join(5);
    for node in 0..3 {
        for approval in federation.approvals(node) {
            federation.feed(approval()).expect("approved");
        }
    }
    assert!(
        federation.id_of(5).is_none(),
        "it would raise the cohort of a set that is being cosigned"
    );
    federation.restart();
    assert_eq!(federation.machine.phase(), "closing");
    federation.calm_until_finished();
    assert!(federation.id_of(5).is_some());
    let rounds: Vec<_> = federation
        .ledger
        .history()
        .map(|round| round.contributions)
        .collect();
    assert_eq!(rounds, [4]);
}

#[test]
fn an_admission_while_seating_keeps_the_offers_that_were_taken() {
    let mut federation = Federation::founded(1);
    for node in 0..4 {
        federation.act(node);
    }
    assert_eq!(federation.machine.phase(), "seating");
    federation.join(5);
    for node in 0..3 {
        for approval in federation.approvals(node) {
            federation.feed(approval()).expect("approved");
        }
    }
    // Who joins now is drawn after the next round that opens: the seed of this one is known.
    assert!(federation.id_of(5).is_some());
    assert_eq!(federation.ledger.draw().expect("idle").owners.len(), 5);
    // Those who were told "taken" say nothing more; only the others answer.
    for node in [4, 5] {
        federation.act(node);
    }
    federation.tick(TIMING.answer_ms).expect("ticks");
    for node in [4, 5] {
        federation.act(node);
    }
    let _ = federation.tick(TIMING.answer_ms);
    assert_eq!(federation.machine.phase(), "contributing");
    federation.calm_until_finished();
}

#[test]
fn an_admission_needs_more_than_half_of_the_owners_each_counted_once() {
    let mut federation = Federation::founded(1);
    federation.join(5);
    let approval = |federation: &Federation, node: usize| -> Message {
        federation.approvals(node).pop().expect("one applicant")
    };
    let own = approval(&federation, 5);
    assert_eq!(code(&mut federation, own()), Some(Code::NotAParticipant));
    for node in [0, 0, 0, 1] {
        let message = approval(&federation, node);
        assert_eq!(code(&mut federation, message()), None);
    }
    assert!(federation.id_of(5).is_none(), "two owners of five");
    let third = approval(&federation, 2);
    federation.appends_fail = true;
    assert_eq!(code(&mut federation, third()), Some(Code::Internal));
    federation.appends_fail = false;
    federation.tick(250).expect("admitted at the next tick");
    assert!(federation.id_of(5).is_some());
    assert_eq!(federation.applicants(), 0);
    assert_eq!(code(&mut federation, third()), Some(Code::NotFound));
}

#[test]
fn who_joined_before_the_founding_without_founding_becomes_an_applicant() {
    let mut federation = Federation::new(1);
    federation.join(5);
    assert_eq!(federation.applicants(), 0);
    for node in 0..5 {
        federation.join(node);
    }
    federation.everybody_acts();
    let pending: Vec<_> = federation.machine.pending().collect();
    let [waiting] = &pending[..] else {
        panic!("one waits: {pending:?}");
    };
    assert!(
        matches!(&waiting.entry, Entry::ParticipantAdmitted { name, .. } if name == "Fern"),
        "{waiting:?}"
    );
    assert!(waiting.signatures.is_empty());
}

#[test]
fn a_late_or_copied_seat_is_refused_and_never_just_forgotten() {
    let mut federation = Federation::founded(1);
    let first = federation.seat(0, 1);
    federation.feed(first()).expect("taken");
    let Event::SeatOffered { seat, .. } = first() else {
        unreachable!("a seat was made");
    };
    // Node 1 offers node 0's key: the ledger would refuse to open with both.
    let mut copied = seat.clone();
    copied.participant = federation.id_of(1).expect("known");
    let offer = unsilo_ledger::SeatOffer {
        federation: federation.id,
        round: 1,
        model: federation.ledger.model().expect("founded"),
        round_key: copied.round_key.clone(),
        nonce_commitment: copied.nonce_commitment,
        guard: copied.guard,
    };
    copied.signature = offer.sign(&federation.nodes[1].identity);
    let event = Event::SeatOffered {
        round: 1,
        seat: copied,
    };
    assert_eq!(code(&mut federation, event), Some(Code::Malformed));
    let mut forged = seat.clone();
    forged.signature[0] ^= 1;
    let event = Event::SeatOffered {
        round: 1,
        seat: forged,
    };
    assert_eq!(code(&mut federation, event), Some(Code::SignatureInvalid));
    let event = Event::SeatOffered { round: 2, seat };
    assert_eq!(code(&mut federation, event), Some(Code::WrongRound));
    // Four of five answer in time; the round opens without the fifth, who is told so.
    for node in 1..4 {
        federation.act(node);
    }
    let late = federation.seat(4, 1);
    federation.tick(TIMING.answer_ms).expect("ticks");
    assert_eq!(federation.machine.phase(), "contributing");
    assert_eq!(code(&mut federation, late()), Some(Code::WrongStep));
    assert_eq!(
        code(&mut federation, first()),
        None,
        "a repetition of a seat that is filled"
    );
}

#[test]
fn a_contribution_is_taken_once_for_its_round_from_its_sender() {
    let mut federation = Federation::founded(1);
    federation.everybody_acts();
    let message = federation.contribution(0, 1).expect("open");
    let Event::Stored(signed) = message() else {
        unreachable!("a contribution was made");
    };
    let changed = |federation: &Federation, round, root| {
        let Entry::ContributionCommitted {
            participant, bytes, ..
        } = signed.entry
        else {
            unreachable!("a contribution");
        };
        let entry = Entry::ContributionCommitted {
            round,
            participant,
            root,
            bytes,
        };
        let identity = &federation.nodes[0].identity;
        Event::Stored(Box::new(SignedEntry::signed_by(
            entry,
            &federation.id,
            &[identity],
        )))
    };
    let event = changed(&federation, 2, [1; 32]);
    assert_eq!(code(&mut federation, event), Some(Code::WrongRound));
    let mut forged = signed.clone();
    forged.signatures[0].signature[0] ^= 1;
    assert_eq!(
        code(&mut federation, Event::Stored(forged)),
        Some(Code::LedgerRefused)
    );
    federation.feed(message()).expect("taken");
    let replayed = code(&mut federation, message());
    assert_eq!(replayed, Some(Code::LedgerRefused), "once on the ledger");
    let event = changed(&federation, 1, [2; 32]);
    assert_eq!(code(&mut federation, event), Some(Code::LedgerRefused));
    assert_eq!(
        federation
            .ledger
            .round()
            .map(|round| round.contributions.len()),
        Some(1)
    );
}

#[test]
fn a_cosignature_is_for_its_seat_nonce_and_set() {
    let mut federation = closing();
    let message = federation.cosignature(0, 1).expect("seated");
    let Event::CloseCosigned {
        participant,
        cosignature,
        ..
    } = message()
    else {
        unreachable!("a cosignature was made");
    };
    let event = |round, cosignature: &Cosignature| Event::CloseCosigned {
        round,
        participant,
        cosignature: cosignature.clone(),
    };
    let other_seat = Cosignature {
        seat: cosignature.seat % 5 + 1,
        ..cosignature.clone()
    };
    assert_eq!(
        code(&mut federation, event(1, &other_seat)),
        Some(Code::NoSeat)
    );
    let no_seat = Cosignature {
        seat: 0,
        ..cosignature.clone()
    };
    assert_eq!(
        code(&mut federation, event(1, &no_seat)),
        Some(Code::NoSeat)
    );
    let other_nonce = Cosignature {
        nonce: [0; 32],
        ..cosignature.clone()
    };
    assert_eq!(
        code(&mut federation, event(1, &other_nonce)),
        Some(Code::SignatureInvalid)
    );
    let mut forged = cosignature.clone();
    forged.signature[0] ^= 1;
    assert_eq!(
        code(&mut federation, event(1, &forged)),
        Some(Code::SignatureInvalid)
    );
    assert_eq!(
        code(&mut federation, event(2, &cosignature)),
        Some(Code::WrongRound)
    );
    for _ in 0..9 {
        assert_eq!(code(&mut federation, message()), None);
    }
    let _ = federation.tick(5_000);
    assert_eq!(
        federation.machine.phase(),
        "closing",
        "one seat counts once"
    );
    federation.calm_until_finished();
    assert_eq!(
        code(&mut federation, message()),
        None,
        "late for a round that is over"
    );
}

#[test]
fn one_answer_a_seat_and_no_second_different_one() {
    let mut federation = opening();
    let message = federation.opening(0, 1).expect("seated");
    let Event::Opened {
        participant,
        answer,
        ..
    } = message()
    else {
        unreachable!("an answer was made");
    };
    let event = |round, answer| Event::Opened {
        round,
        participant,
        answer,
    };
    let mut other_set = answer.clone();
    other_set.digest = [0; 32];
    assert_eq!(
        code(&mut federation, event(1, other_set)),
        Some(Code::WrongStep)
    );
    let mut forged = answer.clone();
    forged.signature[0] ^= 1;
    assert_eq!(
        code(&mut federation, event(1, forged)),
        Some(Code::SignatureInvalid)
    );
    let mut other_seat = answer.clone();
    other_seat.seat = answer.seat % 5 + 1;
    assert_eq!(
        code(&mut federation, event(1, other_seat)),
        Some(Code::NoSeat)
    );
    assert_eq!(
        code(&mut federation, event(2, answer.clone())),
        Some(Code::WrongRound)
    );
    assert_eq!(code(&mut federation, message()), None);
    assert_eq!(code(&mut federation, message()), None, "repeated");
    let mut opening = answer.opening.clone();
    opening[0] ^= 1;
    let second = federation
        .answer(0, answer.seat, 1, opening)
        .expect("signed by the member itself");
    assert_eq!(
        code(&mut federation, event(1, second)),
        Some(Code::AnswerDiffers)
    );
    federation.calm_until_finished();
}

#[test]
fn one_liar_among_five_does_not_change_the_model() {
    let honest = {
        let mut federation = Federation::founded(1);
        federation.calm_until_finished();
        federation.published()
    };
    let mut federation = Federation::founded(1);
    federation.nodes[3].lies = true;
    federation.calm_until_finished();
    assert_eq!(federation.published(), honest);
}

#[test]
fn a_sum_that_fails_is_made_again_also_when_all_have_answered() {
    let mut federation = opening();
    federation.sums_fail = true;
    federation.everybody_acts();
    assert_eq!(federation.machine.phase(), "opening");
    assert!(!federation.has_job());
    federation.tick(RETRY_MS - 1).expect("ticks");
    assert!(!federation.has_job(), "not at once");
    federation.tick(1).expect("ticks");
    assert!(federation.has_job());
    federation.run_job(); // Fails again.
    federation.tick(RETRY_MS).expect("ticks");
    federation.sums_fail = false;
    federation.run_job(); // The sum; now the decoding fails, and everybody has answered.
    federation.sums_fail = true;
    federation.run_job();
    assert_eq!(federation.machine.phase(), "opening");
    federation.sums_fail = false;
    federation.tick(RETRY_MS).expect("ticks");
    federation.run_job();
    federation.run_job();
    assert_eq!(federation.machine.phase(), "publishing");
    federation.calm_until_finished();
}

#[test]
fn a_publication_is_signed_by_the_committee_under_the_announced_entry() {
    let mut federation = opening();
    federation.everybody_acts();
    assert_eq!(federation.machine.phase(), "publishing");
    let Some(step::Kind::Publishing(publishing)) = federation.step.clone() else {
        panic!("publishing is announced");
    };
    let entry = Entry::from_bytes(&publishing.entry).expect("an entry");
    let sign = |node: usize, federation: &Federation| {
        entry.sign(&federation.id, &federation.nodes[node].identity)
    };
    let event = |round, entry: &[u8], signature| Event::PublishSigned {
        round,
        entry: entry.to_vec(),
        signature,
    };
    let stranger = sign(5, &federation);
    assert_eq!(
        code(&mut federation, event(1, &publishing.entry, stranger)),
        Some(Code::NoSeat)
    );
    let mut forged = sign(0, &federation);
    forged.signature[0] ^= 1;
    assert_eq!(
        code(&mut federation, event(1, &publishing.entry, forged)),
        Some(Code::SignatureInvalid)
    );
    let good = sign(0, &federation);
    assert_eq!(
        code(&mut federation, event(2, &publishing.entry, good.clone())),
        Some(Code::WrongRound)
    );
    assert_eq!(
        code(&mut federation, event(1, b"another model", good)),
        Some(Code::WrongStep)
    );
    // A failed append is repeated by the clock.
    federation.appends_fail = true;
    let message: Vec<Rc<dyn Fn() -> Event>> =
        (0..5).flat_map(|node| federation.messages(node)).collect();
    for message in message {
        let _ = federation.feed(message());
    }
    federation.appends_fail = false;
    federation.tick(2_000).expect("published");
    assert_eq!(federation.machine.phase(), "finished");
}

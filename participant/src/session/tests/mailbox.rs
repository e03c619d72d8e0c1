//! The close: cosigned once, and not without what was receipted.

use unsilo_ledger::{CloseStatement, Cosignature};
use unsilo_proto::limits;

use super::*;

#[test]
fn a_closing_set_without_the_receipted_contribution_is_not_cosigned() {
    let mut world = World::new();
    let mut facts = world.contributed();
    facts
        .round
        .as_mut()
        .unwrap()
        .contributions
        .remove(ME as usize);
    let done = world.close(&facts);
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::ReceiptedContributionMissing { round: 1 }]
    ));
    assert!(calls(&world.done, Task::CosignClose(1)).is_empty());
}

#[test]
fn a_closing_set_without_what_another_company_has_a_receipt_for_is_not_cosigned() {
    let mut world = World::new();
    let facts = world.contributed();
    world.ledger(facts);
    world.step(StepKind::Closing { round: 1 });
    world.feed(Event::Accepted(Task::PostReceipt(1)));
    // Participant 3 is in the set with another root than it has the receipt for.
    let done = world.feed(mailbox(&[(ME, root(50)), (3, root(77))]));
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::OthersContributionMissing {
            round: 1,
            participant: 3
        }]
    ));
    assert!(calls(&world.done, Task::CosignClose(1)).is_empty());
}

#[test]
fn a_mailbox_without_the_own_receipt_is_censored_and_the_close_not_cosigned() {
    let mut world = World::new();
    let facts = world.contributed();
    world.ledger(facts);
    let asked = world.step(StepKind::Closing { round: 1 });
    assert!(
        !asked.contains(&Effect::FetchMailbox { round: 1 }),
        "what is read must hold the own receipt, so that is posted first"
    );
    let done = world.feed(Event::Accepted(Task::PostReceipt(1)));
    assert_eq!(done, [Effect::FetchMailbox { round: 1 }]);
    let done = world.feed(mailbox(&[(0, root(0))]));
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::MailboxCensored { round: 1 }]
    ));
    assert!(calls(&world.done, Task::CosignClose(1)).is_empty());
}

#[test]
fn a_receipt_that_comes_while_the_mailbox_is_on_its_way_is_no_censorship() {
    let mut world = World::new();
    let facts = world.seated();
    world.ledger(facts.clone());
    world.step(StepKind::Contributing { round: 1 });
    world.feed(encrypted(1, 0, 50));
    world.ledger(with_contributions(facts, root(50)));
    // The last contribution closes the set before its own receipt arrives.
    let asked = world.step(StepKind::Closing { round: 1 });
    assert!(asked.contains(&Effect::FetchMailbox { round: 1 }));
    world.feed(Event::Uploaded {
        round: 1,
        receipt: receipt(1, root(50)),
    });
    let done = world.feed(mailbox(&[(0, root(0))]));
    assert!(alarms(&done).is_empty(), "{done:?}");
    assert!(calls(&done, Task::CosignClose(1)).is_empty());
    let asked = world.feed(Event::Accepted(Task::PostReceipt(1)));
    assert!(asked.contains(&Effect::FetchMailbox { round: 1 }));
    let done = world.feed(mailbox(&[(0, root(0)), (ME, root(50))]));
    assert_eq!(calls(&done, Task::CosignClose(1)).len(), 1);
}

#[test]
fn a_member_without_a_contribution_cosigns_nothing_while_the_mailbox_is_empty() {
    let mut world = World::new();
    let facts = world.seated();
    let mut facts = with_contributions(facts, root(50));
    let round = facts.round.as_mut().unwrap();
    round.contributions.remove(ME as usize);
    world.ledger(facts);
    world.now_ms = 100_000;
    let done = world.step(StepKind::Closing { round: 1 });
    assert!(done.contains(&Effect::FetchMailbox { round: 1 }));
    assert!(calls(&done, Task::PostReceipt(1)).is_empty());
    let done = world.feed(mailbox(&[]));
    assert!(calls(&done, Task::CosignClose(1)).is_empty());
    // A receipt that the coordinator did not sign delivers nothing either.
    let mut forged = receipt_of(0, 1, root(0));
    *forged.last_mut().unwrap() ^= 1;
    world.step(StepKind::Closing { round: 1 });
    let done = world.feed(Event::Mailbox {
        round: 1,
        receipts: vec![forged, receipt_of(0, 7, root(0)), vec![1, 2]],
    });
    assert!(calls(&done, Task::CosignClose(1)).is_empty());
    world.step(StepKind::Closing { round: 1 });
    let done = world.feed(mailbox(&[(0, root(0))]));
    assert_eq!(calls(&done, Task::CosignClose(1)).len(), 1);
}

#[test]
fn another_set_needs_another_look_into_the_mailbox() {
    let mut world = World::new();
    let mut facts = world.contributed();
    let round = facts.round.as_mut().unwrap();
    round.contribute_by_ms = limits::CLOCK_SKEW_MS + 100_000;
    let last = round.contributions.pop().unwrap();
    assert!(
        calls(&world.close(&facts), Task::CosignClose(1)).is_empty(),
        "not before its time without everybody"
    );
    let round = facts.round.as_mut().unwrap();
    round.contributions.push(last);
    round.contributions_hash = [51; 32];
    let asked = world.ledger(facts);
    assert_eq!(asked, [Effect::FetchMailbox { round: 1 }]);
    let done = world.feed(mailbox(&[(ME, root(50))]));
    assert_eq!(calls(&done, Task::CosignClose(1)).len(), 1);
}

#[test]
fn the_receipt_is_posted_by_whoever_holds_one_and_again_after_a_crash() {
    let mut world = World::new();
    let facts = world.contributed();
    let posted = calls(&world.done, Task::PostReceipt(1));
    assert!(
        matches!(&posted[..], [Call::PostReceipt { receipt: bytes, .. }] if *bytes == receipt(1, root(50)))
    );
    world.restart();
    let mut unseated = facts;
    unseated.round.as_mut().unwrap().seats.remove(ME as usize);
    world.disk.seats.clear();
    world.restart();
    world.ledger(unseated);
    let done = world.step(StepKind::Closing { round: 1 });
    assert_eq!(calls(&done, Task::PostReceipt(1)), posted);
}

#[test]
fn a_second_set_is_not_cosigned() {
    let mut world = World::new();
    let mut facts = world.contributed();
    assert_eq!(calls(&world.close(&facts), Task::CosignClose(1)).len(), 1);
    facts.round.as_mut().unwrap().contributions_hash = [99; 32];
    world.restart();
    let done = world.close(&facts);
    assert!(matches!(
        alarms(&done)[..],
        [Alarm::CloseDiffers { round: 1 }]
    ));
    assert!(calls(&done, Task::CosignClose(1)).is_empty());
}

#[test]
fn the_close_is_cosigned_with_nonce_and_guard_head_once_and_again_unchanged() {
    let mut world = World::new();
    let facts = world.contributed();
    let done = world.close(&facts);
    assert!(recorded_before(
        &done,
        Task::CosignClose(1),
        |record| matches!(record, Record::Cosigned { .. })
    ));
    let cosigned = calls(&done, Task::CosignClose(1));
    let [Call::CosignClose { cosignature, .. }] = &cosigned[..] else {
        panic!("one cosignature");
    };
    let cosignature: Cosignature = borsh::from_slice(cosignature).unwrap();
    let statement = CloseStatement {
        federation: draft().federation_id(),
        round: 1,
        contributions: [50; 32],
        nonce: seat_record(1).nonce,
        guard: world.disk.head(),
    };
    assert_eq!(cosignature.seat, 2);
    assert_eq!(cosignature.guard, world.disk.head());
    assert!(statement.verify(&identity(ME as u8).public(), &cosignature.signature));
    world.restart();
    world.ledger(facts);
    let again = world.step(StepKind::Closing { round: 1 });
    assert_eq!(
        calls(&again, Task::CosignClose(1)),
        cosigned,
        "without another look"
    );
}

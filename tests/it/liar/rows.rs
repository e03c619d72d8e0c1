//! False projections of a contribution: they would make an honest update look like garbage, and its company pay for it.

use prost::{Message, bytes::Bytes};
use unsilo_ledger::State;
use unsilo_proto::v1::{AnswersPart, answers_part::Part};

use super::{
    FOUR,
    hand::entries,
    relay::{Lie, Relay},
};
use crate::{
    companies::{Companies, count},
    support::{Running, until},
};

/// The first word of the first row in the table is another: far out of range, whatever the members answered.
struct FalseRow;

impl Lie for FalseRow {
    fn told(&self, method: &str, _: &Bytes, message: Bytes) -> Vec<Bytes> {
        if method != "Committee/Answers" {
            return vec![message];
        }
        let mut part = AnswersPart::decode(message.clone()).expect("a part");
        let Some(Part::Projections(table)) = &mut part.part else {
            return vec![message];
        };
        // Behind the participant's number; a bit that leaves it below q.
        let mut changed = table.to_vec();
        changed[4 + 5] ^= 0x40;
        *table = changed;
        vec![part.encode_to_vec().into()]
    }
}

#[test]
fn a_contribution_is_not_rejected_by_false_projections_and_the_coordinator_is_named() {
    let fed = Companies::found(&FOUR, 1);
    let mut coordinator = fed.serve();
    let relays: Vec<Relay> = FOUR
        .iter()
        .enumerate()
        .map(|(part, name)| {
            fed.join_fast(name, part, 4);
            Relay::before(&fed, name, FalseRow)
        })
        .collect();
    let mut nodes: Vec<Running> = FOUR.iter().map(|name| fed.participate(name)).collect();
    for node in &mut nodes {
        node.until_said("ALARM");
        let said = node.said();
        let alarm = said.lines().find(|line| line.contains("ALARM"));
        let alarm = alarm.expect("an alarm");
        // Whether the row is that of its own contribution or of another's.
        assert!(
            alarm.contains("the contribution of participant 0")
                && alarm.contains("the fault is the coordinator's"),
            "{alarm}"
        );
        assert!(node.runs(), "it refuses this, and goes on");
    }
    for (name, relay) in FOUR.iter().zip(&relays) {
        assert!(relay.sent("Committee/SignJudgement").is_empty(), "{name}");
    }
    for node in &mut nodes {
        node.terminate();
        node.wait().ok();
    }

    // Told the truth, the same nodes judge, and reject nobody.
    drop(relays);
    for name in FOUR {
        super::straight(&fed, name);
    }
    let mut nodes: Vec<Running> = FOUR.iter().map(|name| fed.participate(name)).collect();
    for node in &mut nodes {
        node.wait().ok();
    }
    until("it is published", || {
        count(&fed.entries(), "published model") == 1
    });
    let state = State::replay(&entries(&fed, "Aster")).expect("replays");
    let record = state.last_sum().expect("published").clone();
    assert_eq!(record.judgement.accepted.len(), 4);
    assert!(record.judgement.rejected.is_empty());
    coordinator.terminate();
    coordinator.wait().ok();
}

//! A coordinator that drops what it acknowledged, or asks members for what excludes what they did.

use prost::{Message, bytes::Bytes};
use unsilo_ledger::{Entry, Receipt, SignedEntry, SigningIdentity, VoidAuthority, VoidReason};
use unsilo_proto::v1::{
    ContributePart, Receipt as ReceiptReply, Step, Voiding, contribute_part::Part, step::Kind,
};

use super::{
    FOUR,
    books::coordinator,
    relay::{Lie, Relay, Way},
};
use crate::{
    companies::{Companies, count},
    support::{Running, set},
};

/// Gives a receipt for a contribution and throws it away.
struct Lost {
    coordinator: SigningIdentity,
    federation: unsilo_ledger::FederationId,
}

impl Lie for Lost {
    fn way(&self, method: &str) -> Way {
        match method {
            "Rounds/Contribute" => Way::Answered,
            _ => Way::Through,
        }
    }

    fn answer(&self, _: &str, sent: Vec<Bytes>) -> Vec<Bytes> {
        let header = ContributePart::decode(sent[0].clone()).expect("a part");
        let Some(Part::Header(header)) = header.part else {
            panic!("the header comes first");
        };
        let signed = SignedEntry::decode(&header.entry).expect("an entry");
        let Entry::ContributionCommitted {
            round,
            participant,
            root,
            ..
        } = signed.entry
        else {
            panic!("another entry");
        };
        let receipt = Receipt {
            federation: self.federation,
            round,
            participant,
            root,
            entry_index: 2,
        };
        let reply = ReceiptReply {
            receipt: receipt.sign(&self.coordinator).to_bytes(),
        };
        vec![reply.encode_to_vec().into()]
    }
}

#[test]
fn a_receipted_contribution_left_out_of_the_set_is_noticed_by_every_member() {
    let fed = Companies::found(&FOUR, 1);
    let settings = fed.coordinator().join("coordinator.toml");
    set(&settings, "contribute_seconds", "6");
    let mut running = fed.serve();
    for (part, name) in FOUR.iter().enumerate() {
        fed.join_fast(name, part, 4);
    }
    let lie = Lost {
        coordinator: coordinator(&fed),
        federation: super::federation(&fed),
    };
    let relay = Relay::before(&fed, "Aster", lie);
    let mut nodes: Vec<Running> = FOUR.iter().map(|name| fed.participate(name)).collect();
    nodes[0]
        .until_said("ALARM: round 1: the coordinator gave a receipt for this node's contribution but left it out");
    for node in &mut nodes[1..] {
        node.until_said(
            "ALARM: round 1: the coordinator gave participant 0 a receipt but left its contribution out",
        );
    }
    assert!(relay.sent("Committee/CosignClose").is_empty());
    for (name, node) in FOUR.iter().zip(&nodes) {
        assert_eq!(node.times("close cosigned"), 0, "{name}");
        let alarms = std::fs::read_dir(fed.company(name).join("alarms"));
        assert_eq!(alarms.expect("kept").count(), 1, "{name}");
    }
    let entries = fed.entries();
    assert_eq!(count(&entries, " contributed "), 3);
    assert_eq!(count(&entries, "closed over"), 0);
    for node in &mut nodes {
        node.terminate();
        node.wait().ok();
    }
    running.terminate();
    running.wait().ok();
}

/// Asks for a void and for an answer, in one order or the other.
struct Both {
    void_first: bool,
}

impl Lie for Both {
    fn told(&self, method: &str, _: &Bytes, message: Bytes) -> Vec<Bytes> {
        if method != "Rounds/Steps" {
            return vec![message];
        }
        let step = Step::decode(message.clone()).expect("a step");
        let round = match &step.kind {
            Some(Kind::Opening(opening)) if self.void_first => opening.round,
            Some(Kind::Publishing(publishing)) if !self.void_first => publishing.round,
            _ => return vec![message],
        };
        let entry = Entry::RoundVoided {
            round,
            reason: VoidReason::TooFewMembers,
            authority: VoidAuthority::Committee,
        };
        let voiding = Step {
            kind: Some(Kind::Voiding(Voiding {
                round,
                entry: entry.to_bytes(),
                reason: "too few members of the committee answered in time".to_owned(),
            })),
            checkpoint: String::new(),
            ..step
        };
        vec![voiding.encode_to_vec().into(), message]
    }
}

#[test]
fn a_member_signs_no_void_before_it_has_waited_and_none_after_it_answered() {
    let fed = Companies::found(&FOUR, 1);
    // So short that members see the round's deadline pass, for they allow for clocks that differ; but not their own wait.
    let settings = fed.coordinator().join("coordinator.toml");
    set(&settings, "contribute_seconds", "10");
    set(&settings, "answer_seconds", "10");
    let mut running = fed.serve();
    for (part, name) in FOUR.iter().enumerate() {
        fed.join_fast(name, part, 4);
    }
    let voiding = Relay::before(&fed, "Aster", Both { void_first: true });
    let answering = Relay::before(&fed, "Birch", Both { void_first: false });
    let mut nodes: Vec<Running> = FOUR.iter().map(|name| fed.participate(name)).collect();

    nodes[0].until_said(
        "the coordinator asks to void the round for a reason that this node does not see: not signed",
    );
    nodes[1]
        .until_said("this node has opened the round's sum and so does not sign that it is void");
    assert!(!answering.sent("Committee/Open").is_empty());
    for node in &mut nodes {
        node.wait().ok();
    }
    for relay in [&voiding, &answering] {
        assert!(relay.sent("Committee/SignVoid").is_empty());
        assert!(!relay.sent("Committee/Open").is_empty());
    }
    assert_eq!(fed.verify(&FOUR)["published"], 1);
    running.terminate();
    running.wait().ok();
}

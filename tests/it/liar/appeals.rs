//! A coordinator that withholds an appeal, alters it, or plays one of another round: nobody signs anything on its word, it
//! is named, and the round goes on.

use prost::{Message, bytes::Bytes};
use unsilo_ledger::{FederationId, ParticipantId, RejectionReason, SigningIdentity};
use unsilo_proto::{SignedAppeal, v1::AppealsReply};

use super::{
    disputes::Scene,
    federation,
    hand::identity,
    relay::{Lie, Relay},
};
use crate::{companies::count, support::until};

/// Changes what is handed out as the round's appeals.
struct Appeals<F>(F);

impl<F: Fn(&mut Vec<Vec<u8>>) + Send + Sync + 'static> Lie for Appeals<F> {
    fn told(&self, method: &str, _: &Bytes, message: Bytes) -> Vec<Bytes> {
        if method != "Committee/Appeals" {
            return vec![message];
        }
        let mut reply = AppealsReply::decode(message).expect("a reply");
        (self.0)(&mut reply.appeals);
        vec![reply.encode_to_vec().into()]
    }
}

/// The same appeal as its dealer signed it in another round, which a coordinator would have kept.
fn of_another_round(
    appeals: &mut [Vec<u8>],
    federation: &FederationId,
    dealer: ParticipantId,
    identity: &SigningIdentity,
) {
    for bytes in appeals {
        let signed = SignedAppeal::from_bytes(bytes).expect("an appeal");
        *bytes = SignedAppeal::sign(federation, 2, dealer, signed.appeal, identity).to_bytes();
    }
}

#[test]
fn an_appeal_that_is_withheld_altered_or_replayed_is_the_coordinators_fault_and_nobody_elses() {
    let (mut scene, view) = Scene::contributing_behind(|fed| {
        let (id, aster) = (federation(fed), identity(fed, "Aster"));
        let withheld = Appeals(|appeals: &mut Vec<Vec<u8>>| appeals.clear());
        let altered = Appeals(|appeals: &mut Vec<Vec<u8>>| {
            for appeal in appeals {
                // Somewhere in the share that it shows.
                let place = appeal.len() / 2;
                appeal[place] ^= 1;
            }
        });
        let replayed = Appeals(move |appeals: &mut Vec<Vec<u8>>| {
            of_another_round(appeals, &id, ParticipantId(0), &aster);
        });
        vec![
            Relay::before(fed, "Aster", withheld),
            Relay::before(fed, "Birch", altered),
            Relay::before(fed, "Cedar", replayed),
        ]
    });
    let aster = view.id("Aster");
    assert_eq!(aster, ParticipantId(0));
    scene.dahlia.contribute(&view, &view.contribution(0.01));
    scene.dahlia.answer(&[aster]);
    let seat = view.seat_of(view.me);
    assert_eq!(
        scene.rejected(),
        [(aster, RejectionReason::BadPair { seat })]
    );
    // Aster's node shows its share; its members are told of nothing that it signed for this round.
    scene.honest[0].until_said(
        "ALARM: round 1: the coordinator took this node's appeal and does not hand it out",
    );
    for node in &mut scene.honest[1..] {
        node.until_said(
            "ALARM: round 1: the coordinator handed out an appeal that no dealer signed for this round",
        );
    }
    until("the round is published all the same", || {
        scene.dahlia.state().last_sum().is_some()
    });
    for (relay, node) in scene.relays.iter().zip(&mut scene.honest) {
        assert!(relay.sent("Committee/SignViolation").is_empty());
        assert!(!relay.sent("Committee/Open").is_empty());
        assert!(node.runs());
        assert!(!node.said().contains("reported to the ledger"));
    }
    assert_eq!(scene.dahlia.state().cases().count(), 0);
    assert_eq!(count(&scene.fed.entries(), "answered wrongly"), 0);
    scene.end();
}

#[test]
fn a_forged_appeal_beside_the_true_one_keeps_nobody_from_deciding_that() {
    let (mut scene, view) = Scene::contributing_behind(|fed| {
        let id = federation(fed);
        let forged = Appeals(move |appeals: &mut Vec<Vec<u8>>| {
            let Some(first) = appeals.first() else { return };
            // In the name of the dealer, by whoever the coordinator is; handed out before the true one.
            let mut appeal = SignedAppeal::from_bytes(first).expect("an appeal").appeal;
            let place = appeal.len() - 1;
            appeal[place] ^= 1;
            let other = SigningIdentity::from_seed(&[9; 32]);
            let forged = SignedAppeal::sign(&id, 1, ParticipantId(0), appeal, &other);
            appeals.insert(0, forged.to_bytes());
        });
        vec![Relay::before(fed, "Birch", forged)]
    });
    let aster = view.id("Aster");
    scene.dahlia.contribute(&view, &view.contribution(0.01));
    scene.dahlia.answer(&[aster]);
    until("the violation is on the ledger", || {
        scene.dahlia.state().cases().next().is_some()
    });
    let state = scene.dahlia.state();
    let case = state.cases().next().expect("a case");
    assert_eq!(case.participant, view.me, "the member that lied");
    let birch = &mut scene.honest[1];
    birch.until_said(
        "ALARM: round 1: the coordinator handed out an appeal that no dealer signed for this round",
    );
    birch.until_said("answered other than its share says; reported to the ledger");
    scene.end();
}

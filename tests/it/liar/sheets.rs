//! A member that answers all the others but one, so that the judgements of the others would differ.

use unsilo_ledger::{Entry, RejectionReason};

use super::{disputes::Scene, hand::entries};
use crate::support::until;

/// The judgement of round 1: whom it rejects, and whose answers count for nobody.
fn judged(scene: &Scene) -> (usize, Vec<u16>) {
    let entries = entries(&scene.fed, "Dahlia");
    let judged = entries.iter().find_map(|signed| match &signed.entry {
        Entry::ContributionsJudged {
            round: 1,
            rejected,
            erased,
            ..
        } => Some((rejected.len(), erased.clone())),
        _ => None,
    });
    judged.expect("judged")
}

#[test]
fn a_member_that_seals_the_key_of_its_sheet_badly_to_one_seat_is_left_out_by_all_and_the_round_goes_on()
 {
    let (mut scene, view) = Scene::contributing();
    scene.dahlia.contribute(&view, &view.contribution(0.01));
    // Aster's, Birch's or Cedar's: whoever sits first of the others.
    scene.dahlia.answer_sealing(&[], |keys| keys[0][1130] ^= 1);
    assert_eq!(scene.rejected(), Vec::<(_, RejectionReason)>::new());
    until("the round is published", || {
        scene.dahlia.state().last_sum().is_some()
    });
    assert_eq!(judged(&scene), (0, vec![view.seat_of(view.me)]));
    for node in &mut scene.honest {
        node.until_said("round 1: new model");
        assert!(!node.said().contains("ALARM"), "{}", node.said());
    }
    scene.end();
}

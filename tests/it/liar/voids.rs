//! A company's owner signs that the round is void, and the coordinator goes on with it: the company's node does not.

use unsilo_participant::guard::GuardStore;

use super::{
    FOUR,
    relay::{Lie, Relay, Way},
    straight,
};
use crate::{
    companies::{Companies, count},
    support::{Running, run, unsilo, until},
};

/// The node's contribution does not arrive.
struct Late;

impl Lie for Late {
    fn way(&self, method: &str) -> Way {
        match method {
            "Rounds/Contribute" | "Rounds/UploadState" => Way::Held,
            _ => Way::Through,
        }
    }
}

#[test]
fn a_node_whose_owner_signed_the_void_before_the_close_does_nothing_more_in_the_round_also_after_kill()
 {
    let fed = Companies::found(&FOUR, 1);
    let mut coordinator = fed.serve();
    for (part, name) in FOUR.iter().enumerate() {
        fed.join_fast(name, part, 4);
    }
    let relay = Relay::before(&fed, "Dahlia", Late);
    let mut nodes: Vec<Running> = FOUR.iter().map(|name| fed.participate(name)).collect();
    until("Dahlia would contribute", || {
        !relay.sent("Rounds/UploadState").is_empty()
    });
    until("the others have contributed", || {
        count(&fed.entries(), " contributed ") == 3
    });

    // Beside the running node; nobody else signs, so the round goes on.
    let mut void = unsilo(["void", "--json", "--reason", "dispute"]);
    let said = run(void.arg(fed.company("Aster"))).ok().json();
    assert_eq!(said["voids"][0]["signatures"], 1, "{said}");
    nodes[0].until_said("round 1: this company signed the owners' void");
    nodes[0].kill();
    nodes[0] = fed.participate("Aster");

    nodes[3].kill();
    straight(&fed, "Dahlia");
    nodes[3] = fed.participate("Dahlia");
    nodes[0].until_said("this node signed that the round is void and does nothing more in it");
    for node in &mut nodes {
        node.until_said("round 1: new model");
        node.wait().ok();
    }
    assert_eq!(fed.verify(&FOUR)["published"], 1);
    coordinator.terminate();
    coordinator.wait().ok();
    assert_eq!(nodes[0].times("close cosigned"), 0);
    for name in FOUR {
        let store = GuardStore::open(&fed.company(name).join("guard.redb")).expect("records");
        let guards = store.guards();
        let took_part = !guards.cosigned.is_empty() && !guards.opened.is_empty();
        assert_eq!(took_part, name != "Aster", "{name}: {guards:?}");
        assert_eq!(guards.voided.contains(&1), name == "Aster");
    }
}

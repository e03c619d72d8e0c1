//! The machine in a federation of real identities, ledger and encryption (`federation`), step by step and in random
//! orders (`random`).

mod admissions;
mod committee;
mod company;
mod federation;
mod invariants;
mod mathematics;
mod owners;
mod proposals;
mod random;
mod refusals;
mod rounds;
mod scalars;
mod statistics;
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

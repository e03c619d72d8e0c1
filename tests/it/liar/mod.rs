//! Whole nodes against a coordinator, a dealer or a member that lies: what is caught, what is refused, whom it blames, and
//! what is kept.

mod again;
mod appeals;
mod books;
mod disputes;
pub(crate) mod hand;
mod histories;
pub(crate) mod relay;
mod rows;
mod sheets;
mod steps;
mod sums;
mod voids;

use unsilo_ledger::{Draft, FederationId};

use crate::{companies::Companies, support::set};

pub(crate) const FOUR: [&str; 4] = ["Aster", "Birch", "Cedar", "Dahlia"];

/// Leads a company's node to the coordinator itself.
pub(crate) fn straight(fed: &Companies, name: &str) {
    let config = fed.company(name).join("participant.toml");
    set(&config, "coordinator", &format!("{:?}", fed.address));
}

/// The federation's id, from the card that joining kept.
fn federation(fed: &Companies) -> FederationId {
    let card = std::fs::read(fed.company("Aster").join("federation.card")).expect("joined");
    let draft: Draft = borsh::from_slice(&card).expect("a card");
    draft.federation_id()
}

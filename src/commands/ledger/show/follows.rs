//! What follows from an entry, in words: what is not said by the entry itself.

use unsilo_ledger::{Event, OwnerId, ParticipantId, Settlement, State};

/// Weights, pays and fees shown before the rest is counted.
const SHOWN: usize = 8;

/// A phrase about an event that its entry does not tell; `None` if there is nothing more to say.
pub(super) fn in_words(state: &State, event: &Event) -> Option<String> {
    match event {
        Event::RoundWeighed {
            round,
            weights,
            void_due,
            ..
        } => {
            let each = weights
                .iter()
                .map(|(id, weight)| format!("{} {weight}", name(state, *id)));
            let due = void_due.map_or_else(String::new, |reason| {
                format!("; the round must be void: {}", reason.in_words())
            });
            Some(format!("round {round} weighed: {}{due}", list(each)))
        }
        Event::ParticipantAdmitted {
            participant,
            granted,
            ..
        } if *granted > 0 => Some(format!(
            "{} is in, with a stake of {granted} granted",
            name(state, *participant)
        )),
        Event::OwnerChanged {
            participant,
            from,
            granted,
            ..
        } => Some(format!(
            "{} belonged to {}; {granted} of stake granted",
            name(state, *participant),
            owner(state, *from)
        )),
        Event::FeesPaid { payouts } => {
            let each = payouts
                .iter()
                .map(|(of, amount)| format!("{} {amount}", owner(state, *of)));
            Some(format!("fees paid: {}", list(each)))
        }
        Event::EpochSettled(settlement) => Some(settled(state, settlement)),
        Event::ViolationFound(case) => Some(format!(
            "case {}: {} {}; {} of stake are taken at the end of epoch {} unless an appeal is upheld",
            case.number,
            name(state, case.participant),
            case.offence.in_words(),
            case.amount,
            case.executed_after
        )),
        Event::Appealed { case } => {
            let mut cases = state.cases();
            let found = cases.find(|found| found.number == *case)?;
            Some(format!(
                "case {case} is cancelled: {} keeps its stake",
                owner(state, found.owner)
            ))
        }
        _ => None,
    }
}

fn settled(state: &State, settlement: &Settlement) -> String {
    let outcome = &settlement.outcome;
    let paid = settlement
        .owners
        .iter()
        .zip(&outcome.payout)
        .filter(|(_, amount)| **amount > 0)
        .map(|(of, amount)| format!("{} {amount}", owner(state, *of)));
    let mut text = format!(
        "epoch {} settled: {} of {} paid: {}",
        settlement.epoch,
        outcome.paid,
        settlement.emission.saturating_add(settlement.fees),
        list(paid)
    );
    for (case, amount) in &settlement.slashed {
        text.push_str(&format!("; case {case} executed, {amount} of stake taken"));
    }
    if !settlement.freed.is_empty() {
        let freed = settlement
            .freed
            .iter()
            .map(|(of, amount)| format!("{} {amount}", owner(state, *of)));
        text.push_str(&format!("; withdrawn stake free: {}", list(freed)));
    }
    text
}

fn list(each: impl Iterator<Item = String>) -> String {
    let each: Vec<String> = each.collect();
    match each.len() {
        0 => "nobody".to_owned(),
        count if count <= SHOWN => each.join(", "),
        count => format!("{} and {} more", each[..SHOWN].join(", "), count - SHOWN),
    }
}

fn name(state: &State, id: ParticipantId) -> &str {
    state
        .participant(id)
        .map_or("an unknown participant", |found| &found.name)
}

fn owner(state: &State, id: OwnerId) -> &str {
    state
        .owner(id)
        .map_or("an unknown owner", |found| &found.name)
}

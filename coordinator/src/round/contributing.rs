//! The round is open: contributions come in until all are there or the time is over.

use unsilo_ledger::{Entry, SignedEntry, State, VoidReason};
use unsilo_proto::{
    Code, Rejected,
    v1::{self, step},
};

use super::{
    closing::Closing,
    effect::Effect,
    machine::{Due, Handled, not_due, same_round},
    voiding::Voiding,
};

pub(super) fn announce(ledger: &State) -> Vec<Effect> {
    let Some(round) = ledger.round().map(|round| round.opening.round) else {
        return Vec::new();
    };
    vec![Effect::announce(step::Kind::Contributing(
        v1::Contributing { round },
    ))]
}

/// A contribution that is stored goes on the ledger, and so do a rater's directions; the ledger's rules refuse a
/// second one.
///
/// `taking` is false once the set is being closed: it must not change under the members' cosignatures.
pub(super) fn stored(entry: SignedEntry, taking: bool, now_ms: u64, ledger: &State) -> Handled {
    let (Entry::ContributionCommitted { round, .. } | Entry::DirectionsCommitted { round, .. }) =
        entry.entry
    else {
        return Err(Rejected::new(
            Code::Malformed,
            "the signed entry is neither a contribution's nor one of directions",
        ));
    };
    let open = ledger.round().ok_or_else(|| not_due("contributions"))?;
    same_round(round, open.opening.round)?;
    // A round that its committee cannot void is taken further for as long as it lasts.
    let late = now_ms > open.opening.contribute_by_ms && ledger.committee_may_void();
    if !taking || late {
        return Err(Rejected::new(
            Code::DeadlinePassed,
            format!(
                "round {round} stopped taking contributions and directions; yours is kept out, the next round takes a new one"
            ),
        ));
    }
    Ok(vec![Effect::Append(entry)])
}

/// Closes when everybody contributed or the time is over; voids when too few did, unless enough rounds in a row ended so:
/// then it waits for more.
pub(super) fn due(now_ms: u64, ledger: &State, due: &mut Due) -> Vec<Effect> {
    let Some(open) = ledger.round() else {
        return Vec::new();
    };
    let everybody = open.contributions.len() >= ledger.participants().count();
    if !everybody && now_ms <= open.opening.contribute_by_ms {
        return Vec::new();
    }
    if open.owners.len() >= ledger.required_cohort() {
        let closing = Closing::start(open.opening.round, now_ms);
        let effects = closing.announce();
        *due = Due::Closing(closing);
        effects
    } else if !ledger.committee_may_void() {
        Vec::new()
    } else {
        void(open.opening.round, VoidReason::TooFewContributions, due)
    }
}

/// Asks the members to declare the open round void.
pub(super) fn void(round: u64, reason: VoidReason, due: &mut Due) -> Vec<Effect> {
    let voiding = Voiding::start(round, reason);
    let effects = voiding.announce();
    *due = Due::Voiding(voiding);
    effects
}

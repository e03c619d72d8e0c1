//! The rows of every table, from a log that is replayed.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use unsilo_ledger::{
    CaseStanding, Outcome, OwnerId, ParticipantId, RejectionReason, SignedEntry, State,
    explain::{EpochFacts, History, RoundFacts, Told, Weighed},
    weights::{Contributor, Standing, opinion},
};

use super::{
    sheet::{Cell, Row},
    tables::Table,
};
use crate::commands::ledger::explain::figures::{length, q16, q32};

/// Takes a row of a table.
type Put<'a> = &'a mut dyn FnMut(Table, Row) -> anyhow::Result<()>;

/// A log on its way into tables.
pub(super) struct Rows {
    history: History,
    /// The seed that the round in progress was drawn by.
    draw_seed: Option<[u8; 32]>,
}

impl Rows {
    pub(super) fn new() -> Self {
        Self {
            history: History::new(),
            draw_seed: None,
        }
    }

    /// The next entry of a verified log.
    pub(super) fn follow(
        &mut self,
        index: u64,
        entry: &SignedEntry,
        put: Put<'_>,
    ) -> anyhow::Result<()> {
        if self.history.state().round().is_none() {
            self.draw_seed = self.history.state().seed();
        }
        // `read` applied the same entry by the same rules.
        let told = self
            .history
            .follow(entry)
            .map_err(|error| anyhow::anyhow!("entry {index} could not be replayed: {error}"))?;
        let state = self.history.state();
        put(
            Table::Entries,
            vec![
                index.into(),
                entry.entry.kind().into(),
                entry.entry.round().into(),
                state.describe_entry(&entry.entry).into(),
                state.signer_names(entry).join("; ").into(),
                HEXLOWER.encode(&entry.hash()).into(),
            ],
        )?;
        for told in told {
            match told {
                Told::Round(facts) => self.round(&facts, put)?,
                Told::Epoch(facts) => epoch(&facts, put)?,
                Told::FeesPaid { payouts, .. } => fees(self.history.state(), &payouts, put)?,
            }
        }
        Ok(())
    }

    /// What is in progress, and the books as they are at the end.
    pub(super) fn finish(self, put: Put<'_>) -> anyhow::Result<()> {
        if let Some(facts) = self.history.in_progress() {
            self.round(&facts, put)?;
        }
        accounts(self.history.state(), put)?;
        violations(self.history.state(), put)
    }

    fn round(&self, facts: &RoundFacts, put: Put<'_>) -> anyhow::Result<()> {
        let before = &facts.before;
        let current = before.round();
        let judged = before.judged();
        let weighed = facts.weighed.as_ref();
        let seats = current.map(|round| {
            let names = round.opening.seats.iter();
            let names: Vec<&str> = names.map(|seat| name(before, seat.participant)).collect();
            names.join("; ")
        });
        let (outcome, model) = match facts.outcome {
            Some(Outcome::Published { model, .. }) => ("published", Some(model)),
            Some(Outcome::Voided { .. }) => ("void", None),
            Some(Outcome::Measured { .. }) => ("measured", None),
            None => ("in progress", None),
        };
        put(
            Table::Rounds,
            vec![
                facts.round.into(),
                facts.epoch.into(),
                outcome.into(),
                facts.void_reason().map(|reason| reason.in_words()).into(),
                facts.ended_at.into(),
                seats.into(),
                current.map(|round| round.opening.threshold).into(),
                before.required_cohort().into(),
                current.map(|round| round.owners.len()).into(),
                current.map(|round| round.contributions.len()).into(),
                judged.map(|judged| judged.accepted.len()).into(),
                judged.map(|judged| judged.rejected.len()).into(),
                weighed.map(|weighed| weighed.rows.len()).into(),
                current.map(|round| round.total_weight()).into(),
                weighed.map(|weighed| weighed.derivation.ceiling).into(),
                current.map(|round| round.opening.unit_log2).into(),
                hash(before.model()),
                hash(model),
                hash(self.draw_seed),
                hash(current.and_then(|round| Some(round.closing.as_ref()?.challenge))),
                facts.fees.into(),
            ],
        )?;
        contributions(facts, put)?;
        weighed.map_or(Ok(()), |weighed| ratings(facts, weighed, put))
    }
}

fn contributions(facts: &RoundFacts, put: Put<'_>) -> anyhow::Result<()> {
    let before = &facts.before;
    let Some(current) = before.round() else {
        return Ok(());
    };
    let judged = before.judged();
    let rejected: BTreeMap<ParticipantId, RejectionReason> = judged
        .map(|judged| judged.rejected.iter().copied().collect())
        .unwrap_or_default();
    let derivation = facts.weighed.as_ref().map(|weighed| &weighed.derivation);
    let columns: BTreeMap<ParticipantId, usize> = derivation
        .map(|derivation| {
            let contributors = derivation.contributors.iter().enumerate();
            contributors
                .map(|(column, one)| (one.participant, column))
                .collect()
        })
        .unwrap_or_default();
    let norms: BTreeMap<ParticipantId, u16> =
        before.norms().unwrap_or_default().iter().copied().collect();
    for (id, contribution) in &current.contributions {
        let reason = rejected.get(id);
        let column = columns.get(id).copied();
        let norm = norms.get(id).copied();
        let verdict = match (judged, reason) {
            (None, _) => "not judged",
            (Some(_), None) => "accepted",
            (Some(_), Some(_)) => "rejected",
        };
        let copy_of = match reason {
            Some(RejectionReason::Copy { of }) => Some(name(before, *of)),
            _ => None,
        };
        let of = |values: fn(&unsilo_ledger::Derivation) -> &Vec<u32>| {
            let value = values(derivation?).get(column?)?;
            Some(q16(*value))
        };
        put(
            Table::Contributions,
            vec![
                facts.round.into(),
                name(before, *id).into(),
                owner_of(before, *id).into(),
                contribution.position.into(),
                contribution.bytes.into(),
                hash(Some(contribution.root)),
                verdict.into(),
                reason.map(|reason| reason.in_words()).into(),
                copy_of.into(),
                norm.into(),
                norm.zip(derivation)
                    .map(|(norm, derivation)| length(norm, derivation.median_exponent))
                    .into(),
                of(|derivation| &derivation.clips).into(),
                of(|derivation| &derivation.consensus).into(),
                derivation
                    .map(|derivation| {
                        let weight = column.and_then(|column| derivation.weights.get(column));
                        weight.copied().unwrap_or(0)
                    })
                    .into(),
            ],
        )?;
    }
    Ok(())
}

fn ratings(facts: &RoundFacts, weighed: &Weighed, put: Put<'_>) -> anyhow::Result<()> {
    let before = &facts.before;
    for (row, (_, standing)) in weighed.rows.iter().zip(&weighed.derivation.rows) {
        let shares = opinion(weighed.contributors(), &row.as_row());
        let smoothed: BTreeMap<OwnerId, u64> = before.ratings_by(row.owner).into_iter().collect();
        let standing = match standing {
            Standing::Absent => "absent",
            Standing::Agrees => "agrees",
            Standing::Disagrees => "set aside",
        };
        let rated = |(column, one): (usize, &Contributor)| -> Row {
            vec![
                facts.round.into(),
                name(before, row.participant).into(),
                owner_name(before, row.owner).into(),
                name(before, one.participant).into(),
                owner_name(before, one.owner).into(),
                row.scores.get(column).copied().into(),
                shares
                    .as_ref()
                    .and_then(|shares| shares.get(column).copied().map(q16))
                    .into(),
                standing.into(),
                q32(row.power).into(),
                row.rewards.get(column).copied().into(),
                smoothed.get(&one.owner).copied().map(q32).into(),
            ]
        };
        let others = weighed.contributors().iter().enumerate();
        for row in others.filter(|(_, one)| one.owner != row.owner).map(rated) {
            put(Table::Ratings, row)?;
        }
    }
    Ok(())
}

fn epoch(facts: &EpochFacts, put: Put<'_>) -> anyhow::Result<()> {
    let settlement = &facts.settlement;
    let outcome = &settlement.outcome;
    let case_owners: BTreeMap<u64, OwnerId> = facts
        .after
        .cases()
        .map(|case| (case.number, case.owner))
        .collect();
    for (row, owner) in settlement.owners.iter().enumerate() {
        let at = |values: &[u64]| values.get(row).copied();
        let payment = outcome.payment.as_ref();
        let attendance = settlement.attendance.get(row);
        let freed = settlement.freed.iter().filter(|(of, _)| of == owner);
        let slashed = settlement
            .slashed
            .iter()
            .filter(|(case, _)| case_owners.get(case) == Some(owner));
        put(
            Table::Rewards,
            vec![
                settlement.epoch.into(),
                settlement.round.into(),
                "epoch".into(),
                owner_name(&facts.after, *owner).into(),
                facts.before.balance(*owner).into(),
                payment
                    .and_then(|payment| at(&payment.contributor))
                    .unwrap_or(0)
                    .into(),
                payment
                    .and_then(|payment| at(&payment.rater))
                    .unwrap_or(0)
                    .into(),
                payment
                    .and_then(|payment| at(&payment.niche))
                    .unwrap_or(0)
                    .into(),
                at(&outcome.payout).into(),
                freed.map(|(_, amount)| *amount).sum::<u64>().into(),
                facts.after.balance(*owner).into(),
                slashed.map(|(_, amount)| *amount).sum::<u64>().into(),
                at(&settlement.stakes).into(),
                at(&outcome.stake_share).map(q32).into(),
                at(&outcome.power).map(q32).into(),
                at(facts.case.memory.reputation()).map(q32).into(),
                at(&outcome.reputation).map(q32).into(),
                at(&outcome.consensus).map(q32).into(),
                at(&outcome.agreement.relative).map(q32).into(),
                settlement.rated_in.get(row).copied().flatten().into(),
                attendance.map(|one| u64::from(one.asked)).into(),
                attendance.map(|one| u64::from(one.rated)).into(),
                settlement.rounds.into(),
                settlement.emission.into(),
                settlement.fees.into(),
                outcome.paid.into(),
                outcome.withheld.into(),
                settlement.fees_carried.into(),
            ],
        )?;
    }
    Ok(())
}

/// Fees that were paid at once, after the last epoch: balances are those after it.
fn fees(after: &State, payouts: &[(OwnerId, u64)], put: Put<'_>) -> anyhow::Result<()> {
    for (owner, payout) in payouts {
        let balance = after.balance(*owner);
        let mut row: Row = vec![
            Cell::Empty,
            Cell::Empty,
            "fees after the plan".into(),
            owner_name(after, *owner).into(),
            balance.saturating_sub(*payout).into(),
            Cell::Empty,
            Cell::Empty,
            Cell::Empty,
            (*payout).into(),
            0_u64.into(),
            balance.into(),
        ];
        row.resize(Table::Rewards.columns().len(), Cell::Empty);
        put(Table::Rewards, row)?;
    }
    Ok(())
}

fn accounts(state: &State, put: Put<'_>) -> anyhow::Result<()> {
    let powers: BTreeMap<OwnerId, u64> = state.powers().into_iter().collect();
    let consensus: BTreeMap<OwnerId, u64> = state.consensus().iter().copied().collect();
    let payouts: BTreeMap<OwnerId, u64> = state.last_payouts().iter().copied().collect();
    let mut participants: BTreeMap<OwnerId, Vec<&str>> = BTreeMap::new();
    for participant in state.participants() {
        let names = participants.entry(participant.owner).or_default();
        names.push(&participant.name);
    }
    for owner in state.all_owners() {
        let account = state.account(owner.id).copied().unwrap_or_default();
        let names = participants.get(&owner.id).map(|names| names.join("; "));
        put(
            Table::Accounts,
            vec![
                owner.name.as_str().into(),
                owner.is_present().into(),
                names.into(),
                account.balance.into(),
                state.stake(owner.id).into(),
                powers.get(&owner.id).copied().map(q32).into(),
                account.grant.into(),
                account.staked.into(),
                account.warming.into(),
                account.leaving.into(),
                account.left.into(),
                account.moves.into(),
                state.reputation(owner.id).map(q32).into(),
                consensus.get(&owner.id).copied().map(q32).into(),
                payouts.get(&owner.id).copied().into(),
            ],
        )?;
    }
    Ok(())
}

fn violations(state: &State, put: Put<'_>) -> anyhow::Result<()> {
    for case in state.cases() {
        put(
            Table::Violations,
            vec![
                case.number.into(),
                name(state, case.participant).into(),
                owner_name(state, case.owner).into(),
                case.offence.in_words().into(),
                case.at.into(),
                case.amount.into(),
                case.executed_after.into(),
                match case.standing {
                    CaseStanding::Open => "open",
                    CaseStanding::Cancelled => "cancelled",
                    CaseStanding::Executed => "executed",
                }
                .into(),
                hash(Some(case.evidence)),
            ],
        )?;
    }
    Ok(())
}

fn name(state: &State, id: ParticipantId) -> &str {
    state.participant(id).map_or("", |found| &found.name)
}

fn owner_name(state: &State, id: OwnerId) -> &str {
    state.owner(id).map_or("", |found| &found.name)
}

fn owner_of(state: &State, id: ParticipantId) -> &str {
    state
        .participant(id)
        .map_or("", |found| owner_name(state, found.owner))
}

fn hash(hash: Option<[u8; 32]>) -> Cell {
    hash.map(|hash| HEXLOWER.encode(&hash)).into()
}

//! Steps 4.1 to 4.4: what the raters that agree say about each contribution.

use super::{Contributor, MIN_ROWS, ONE_Q16, Row, Standing};
use crate::mechanism::weighted_median;
use crate::member::{OwnerId, ParticipantId};
use std::collections::BTreeMap;

/// Rows left below which the test of agreement is dropped.
const MIN_AGREEING: usize = 3;

/// What the rows come to.
pub(super) struct Opinion {
    pub(super) rows: Vec<(ParticipantId, Standing)>,
    pub(super) first: Vec<i32>,
    pub(super) consensus: Vec<u32>,
}

/// A present row, normalised.
struct Opinionated {
    position: usize,
    owner: OwnerId,
    power: u64,
    /// x_ij in Q16; 0 for its own owner's contributions.
    opinion: Vec<i32>,
}

/// With `all_agree`, without the test of agreement.
pub(super) fn of(contributors: &[Contributor], rows: &[Row<'_>], all_agree: bool) -> Opinion {
    let present: Vec<Opinionated> = rows
        .iter()
        .enumerate()
        .filter_map(|(position, row)| normalise(position, row, contributors))
        .collect();
    let mut standings: Vec<(ParticipantId, Standing)> = rows
        .iter()
        .map(|row| (row.participant, Standing::Absent))
        .collect();
    let mut stand = |position: usize, standing| {
        if let Some(entry) = standings.get_mut(position) {
            entry.1 = standing;
        }
    };
    if present.len() < MIN_ROWS {
        for row in &present {
            stand(row.position, Standing::Agrees);
        }
        return Opinion {
            rows: standings,
            first: Vec::new(),
            consensus: vec![ONE_Q16; contributors.len()],
        };
    }
    let everyone: Vec<&Opinionated> = present.iter().collect();
    let first = medians(contributors, &everyone);
    let agreeing: Vec<&Opinionated> = present
        .iter()
        .filter(|row| all_agree || agrees(row, contributors, &first))
        .collect();
    let kept = if agreeing.len() < MIN_AGREEING {
        everyone
    } else {
        agreeing
    };
    for row in &present {
        stand(row.position, Standing::Disagrees);
    }
    for row in &kept {
        stand(row.position, Standing::Agrees);
    }
    let consensus = medians(contributors, &kept)
        .into_iter()
        .map(|value| u32::try_from(value).unwrap_or(0))
        .collect();
    Opinion {
        rows: standings,
        first,
        consensus,
    }
}

fn normalise(position: usize, row: &Row<'_>, contributors: &[Contributor]) -> Option<Opinionated> {
    Some(Opinionated {
        position,
        owner: row.owner,
        power: row.power,
        opinion: opinion(row, contributors)?,
    })
}

/// x_ij = clamp(trunc(2^16 · a_ij / rs_i), ±2^16), rs_i the sum of what is positive; `None` if nothing is.
pub(super) fn opinion(row: &Row<'_>, contributors: &[Contributor]) -> Option<Vec<i32>> {
    let scores = || {
        contributors
            .iter()
            .zip(row.scores.iter().chain(std::iter::repeat(&0)))
            .map(|(contributor, score)| {
                if contributor.owner == row.owner {
                    0
                } else {
                    i64::from(*score)
                }
            })
    };
    let sum = scores().fold(0_i64, |sum, score| sum.saturating_add(score.max(0)));
    if sum == 0 {
        return None;
    }
    let one = i64::from(ONE_Q16);
    let shares = scores().map(|score| {
        // Integer division truncates towards zero.
        let share = score.saturating_mul(one).checked_div(sum).unwrap_or(0);
        i32::try_from(share.clamp(one.saturating_neg(), one)).unwrap_or(0)
    });
    Some(shares.collect())
}

/// For each contribution, the largest value whose raters (of other owners) hold more than half of the
/// power; 0 if there is none.
fn medians(contributors: &[Contributor], rows: &[&Opinionated]) -> Vec<i32> {
    // Sums of at most 2^32 powers, of which each is a part of 2^32 or a stake below 2^64 in few rows.
    let mut total = 0_u64;
    let mut of_owner: BTreeMap<OwnerId, u64> = BTreeMap::new();
    for row in rows {
        total = total.saturating_add(row.power);
        let own = of_owner.entry(row.owner).or_default();
        *own = own.saturating_add(row.power);
    }
    let mut entries = Vec::with_capacity(rows.len());
    let median = |(column, contributor): (usize, &Contributor)| {
        entries.clear();
        entries.extend(
            rows.iter()
                .filter(|row| row.owner != contributor.owner)
                .map(|row| (row.opinion.get(column).copied().unwrap_or(0), row.power)),
        );
        let own = of_owner.get(&contributor.owner).copied().unwrap_or(0);
        weighted_median::strict(&mut entries, total.saturating_sub(own)).unwrap_or(0)
    };
    contributors.iter().enumerate().map(median).collect()
}

/// Whether the row and the consensus have a cosine above .3, over the contributions of other owners:
/// d > 0 and 100 d² > 9 · |x|² · |D|².
fn agrees(row: &Opinionated, contributors: &[Contributor], first: &[i32]) -> bool {
    let mut product = 0_i64;
    let mut own_square = 0_u64;
    let mut consensus_square = 0_u64;
    for ((contributor, opinion), consensus) in contributors.iter().zip(&row.opinion).zip(first) {
        if contributor.owner == row.owner {
            continue;
        }
        let (x, d) = (i64::from(*opinion), i64::from(*consensus));
        // Each at most 2^32, at most 8,000 of them: below 2^46.
        product = product.saturating_add(x.saturating_mul(d));
        own_square = own_square.saturating_add(x.saturating_mul(x).unsigned_abs());
        consensus_square = consensus_square.saturating_add(d.saturating_mul(d).unsigned_abs());
    }
    if product <= 0 {
        return false;
    }
    let product = u128::from(product.unsigned_abs());
    let left = product.saturating_mul(product).saturating_mul(100);
    let right = u128::from(own_square)
        .saturating_mul(u128::from(consensus_square))
        .saturating_mul(9);
    left > right
}

//! How long an epoch of a large federation takes.

use std::time::Instant;

use unsilo_ledger::mechanism::{Epoch, EpochError, Ratings, Row};

use super::{federation::Rule, noise::Noise, scenario::Measured};

/// Rows of the epoch.
pub(super) const PARTICIPANTS: usize = 500;
/// Epochs timed. The fastest counts: whatever else this machine does can only slow an epoch down.
const EPOCHS: usize = 7;

/// Milliseconds of an epoch in which everybody rates everybody, on one core: the fastest of a few.
pub(super) fn epoch<R: Rule>(rule: &R) -> Result<Measured, EpochError> {
    let noise = Noise::new(0, 1, PARTICIPANTS);
    let weights: Vec<Vec<u16>> = (0..PARTICIPANTS)
        .map(|rater| {
            let errors = noise.row(0, rater).iter();
            errors
                .map(|error| 1_000 + (f64::from(error.absolute) * 60_000.0) as u16)
                .collect()
        })
        .collect();
    let rows: Vec<Row<'_>> = weights
        .iter()
        .zip(0..)
        .map(|(weights, owner)| Row {
            owner,
            stake: 100,
            joined: 0,
            ratings: Some(Ratings { weights, given: 0 }),
        })
        .collect();
    let epoch = Epoch {
        emission: 1_000_000_000,
        rows: &rows,
        activity_cutoff: u32::MAX,
    };
    let mut memory = R::Memory::default();
    let mut times = Vec::new();
    for _ in 0..EPOCHS {
        let started = Instant::now();
        memory = rule.settle(&memory, &epoch)?.0;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(Measured {
        value: times[0],
        highest: times[EPOCHS - 1],
        case: format!("{PARTICIPANTS} participants, fastest of {EPOCHS}"),
        found: Vec::new(),
    })
}

//! Step 6: what a strict majority of the others' power says each row is worth at least.

use super::Memory;
use crate::mechanism::epoch::{Epoch, EpochError};
use crate::mechanism::{q32, weighted_median};

/// Columns gathered at a time: 8 numbers of 8 bytes are one cache line of each row.
const BLOCK: usize = 8;

/// C, one a column.
pub(super) fn of_columns(
    memory: &Memory,
    epoch: &Epoch<'_>,
    power: &[u64],
) -> Result<Vec<u64>, EpochError> {
    let total = q32::sum(power)?;
    let of_owners = epoch.by_owner(power)?;
    let mut consensus = Vec::with_capacity(epoch.rows.len());
    let mut columns: Vec<Vec<(u64, u64)>> = vec![Vec::new(); BLOCK];
    for (block, columns_of_block) in epoch.rows.chunks(BLOCK).enumerate() {
        let start = block.checked_mul(BLOCK).ok_or(EpochError::Overflow)?;
        columns.iter_mut().for_each(Vec::clear);
        for ((row, ratings), power) in epoch.rows.iter().zip(memory.rows()).zip(power) {
            let cells = ratings.iter().skip(start).zip(columns_of_block);
            for ((rating, column), entries) in cells.zip(&mut columns) {
                // Ratings of 0 cannot be a median above 0, whatever their power.
                if row.owner != column.owner && *rating > 0 {
                    entries.push((*rating, *power));
                }
            }
        }
        for (column, entries) in columns_of_block.iter().zip(&mut columns) {
            let own = of_owners.get(&column.owner).copied().unwrap_or(0);
            let others = total.checked_sub(own).ok_or(EpochError::Overflow)?;
            consensus.push(weighted_median::strict(entries, others).unwrap_or(0));
        }
    }
    Ok(consensus)
}

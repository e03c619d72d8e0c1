//! Owners uphold an appeal against a violation that is held against somebody.

use unsilo_ledger::{AppealAuthority, Entry};

/// More than half of the owners, without the accused's, cancel the case of this number.
pub fn entry(case: u64) -> Entry {
    Entry::Appealed {
        case,
        authority: AppealAuthority::Owners,
    }
}

//! An appeal is upheld: the case is cancelled.

use super::books::Books;
use super::signers;
use crate::case::CaseStanding;
use crate::entry::AppealAuthority;
use crate::entry::signed::SignedEntry;
use crate::event::Event;
use crate::rejected::{Rejected, ViolationRejected};

/// A case to be cancelled.
pub(super) struct Upheld {
    index: usize,
    case: u64,
}

pub(super) fn check(
    books: &Books,
    number: u64,
    authority: AppealAuthority,
    signed: &SignedEntry,
) -> Result<Upheld, Rejected> {
    let index = usize::try_from(number).unwrap_or(usize::MAX);
    let case = books
        .economy
        .cases
        .get(index)
        .ok_or(ViolationRejected::UnknownCase { case: number })?;
    if case.standing != CaseStanding::Open {
        return Err(ViolationRejected::CaseClosed { case: number }.into());
    }
    match authority {
        AppealAuthority::Committee => {
            let committee = books.committee().ok_or(ViolationRejected::NoCommittee)?;
            signers::committee_without(books, committee, case.owner, signed)?;
        }
        AppealAuthority::Owners => {
            let owners = signers::majority_of_owners(books, signed)?;
            if owners.contains(&case.owner) {
                return Err(ViolationRejected::OwnCase { owner: case.owner }.into());
            }
        }
    }
    Ok(Upheld {
        index,
        case: number,
    })
}

impl Upheld {
    pub(super) fn carry_out(self, books: &mut Books) -> Vec<Event> {
        books.economy.cases.change(self.index, |case| {
            case.standing = CaseStanding::Cancelled;
        });
        vec![Event::Appealed { case: self.case }]
    }
}

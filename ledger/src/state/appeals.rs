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
            // A committee is drawn, and sometimes of one mind: it takes back what a committee said.
            if case.offence.is_proven() {
                return Err(ViolationRejected::Proven { case: number }.into());
            }
            let committee = books.committee().ok_or(ViolationRejected::NoCommittee)?;
            signers::committee_without(books, committee, case.owner, signed)?;
        }
        AppealAuthority::Owners => {
            let owner = case.owner;
            if signers::owners_of(books, signed)?.contains(&owner) {
                return Err(ViolationRejected::OwnCase { owner }.into());
            }
            signers::majority_of_other_owners(books, owner, signed)?;
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

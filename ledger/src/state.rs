//! The state that follows from the entries: a pure function of them, equal on every replica.

mod admission;
mod appeals;
mod books;
mod closing;
mod conduct;
mod contribution;
mod directions;
mod dispatch;
mod economy;
mod feedback;
mod founding;
mod getters;
mod judging;
mod measuring;
mod members;
mod membership;
mod money;
mod opening;
mod publication;
mod queries;
mod rating;
mod settling;
mod shelf;
mod signers;
mod snapshot;
mod staking;
mod violations;
mod voiding;
mod weighing;

use crate::entry::{
    Entry,
    signed::{MAX_ENTRY_BYTES, SignedEntry},
};
use crate::event::Event;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::identity::PublicKey;
use crate::rejected::Rejected;
use books::Books;
use dispatch::Transition;
pub use snapshot::{MAX_STATE_BYTES, StateSnapshotError};

const EMPTY_STATE: Domain = Domain::new("empty state");

/// The books of a federation after some entries.
///
/// `apply` either accepts an entry, or leaves the state as it was: it first works out the transition
/// from an unchanged `&self`, and only a complete transition is carried out. Nothing here reads a
/// clock, a random number, a float or an unordered map.
#[derive(Clone, Debug, Default)]
pub struct State {
    books: Option<Books>,
}

/// Which signatures are verified. Every other rule is always checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust<'a> {
    /// All: under the entry, its seats and its cosignatures.
    Verify,
    /// Those under the entry were verified before, with the same federation; and its seats or cosignatures from
    /// the first on, by these keys. Whether the keys are the right ones is checked.
    EntryVerified {
        /// By position; those beyond are verified.
        inside: &'a [PublicKey],
    },
    /// None.
    AllVerified,
}

impl Trust<'_> {
    /// Whether statements that an entry carries are verified.
    fn verifies_inside(self) -> bool {
        self != Self::AllVerified
    }

    /// Whether the seat offer or cosignature at `position` (from 0) is known to be by `key`.
    fn covers(self, position: usize, key: &PublicKey) -> bool {
        match self {
            Self::Verify => false,
            Self::EntryVerified { inside } => inside.get(position) == Some(key),
            Self::AllVerified => true,
        }
    }
}

impl State {
    /// The state before the genesis.
    pub fn new() -> Self {
        Self::default()
    }

    /// Carries out one entry and returns what follows from it.
    ///
    /// # Errors
    /// When the entry is not allowed; the state is then unchanged.
    pub fn apply(&mut self, signed: &SignedEntry) -> Result<Vec<Event>, Rejected> {
        self.apply_trusting(signed, Trust::Verify)
    }

    /// As [`State::apply`], without verifying signatures: for entries that this very process has
    /// verified before, and to measure what signatures cost. Roles and all other rules are checked.
    ///
    /// # Errors
    /// As [`State::apply`], except for signatures that do not verify.
    pub fn apply_with_known_signatures(
        &mut self,
        signed: &SignedEntry,
    ) -> Result<Vec<Event>, Rejected> {
        self.apply_trusting(signed, Trust::AllVerified)
    }

    pub(crate) fn apply_trusting(
        &mut self,
        signed: &SignedEntry,
        trust: Trust<'_>,
    ) -> Result<Vec<Event>, Rejected> {
        let transition = self.transition(signed, trust)?;
        Ok(self.carry_out(transition))
    }

    /// Whether [`State::apply`] would accept the entry.
    ///
    /// # Errors
    /// As [`State::apply`].
    pub fn check(&self, signed: &SignedEntry) -> Result<(), Rejected> {
        self.transition(signed, Trust::Verify).map(|_| ())
    }

    /// The state after `entries`, from nothing.
    ///
    /// # Errors
    /// The index of the first entry that is not allowed, and why.
    pub fn replay<'a>(
        entries: impl IntoIterator<Item = &'a SignedEntry>,
    ) -> Result<Self, (usize, Rejected)> {
        let mut state = Self::new();
        for (index, entry) in entries.into_iter().enumerate() {
            state.apply(entry).map_err(|rejected| (index, rejected))?;
        }
        Ok(state)
    }

    /// The hash of the whole state: equal on two replicas if and only if their books are.
    pub fn root(&self) -> Hash {
        match &self.books {
            Some(books) => books.root(),
            None => DomainHasher::new(EMPTY_STATE).finish(),
        }
    }

    fn transition(&self, signed: &SignedEntry, trust: Trust<'_>) -> Result<Transition, Rejected> {
        let bytes = signed.encoded_len();
        if bytes > MAX_ENTRY_BYTES {
            return Err(Rejected::TooLong { bytes });
        }
        signers::check_order(signed)?;
        // Roles first: they cost nothing, so an entry by the wrong people costs no signature check.
        let (transition, federation) = match (&self.books, &signed.entry) {
            (None, Entry::FederationCreated { draft, founders }) => {
                let books = founding::check(draft, founders, signed)?;
                let federation = books.federation;
                (Transition::Found(Box::new(books)), federation)
            }
            (None, _) => return Err(Rejected::NotFounded),
            (Some(books), _) => (books.transition(signed, trust)?, books.federation),
        };
        if trust == Trust::Verify
            && let Some(key) = signed.first_bad_signature(&federation)
        {
            return Err(Rejected::BadSignature { key });
        }
        Ok(transition)
    }

    fn carry_out(&mut self, transition: Transition) -> Vec<Event> {
        match (&mut self.books, transition) {
            (books, Transition::Found(founded)) => {
                let events = founded.founding_events();
                *books = Some(*founded);
                events
            }
            (Some(books), transition) => books.carry_out(transition),
            // `transition` makes every other transition from books.
            (None, _) => Vec::new(),
        }
    }
}

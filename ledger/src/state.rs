//! The state that follows from the entries: a pure function of them, equal on every replica.

mod admission;
mod books;
mod closing;
mod contribution;
mod founding;
mod members;
mod opening;
mod publication;
mod signers;
mod voiding;

use crate::committee_draw::CommitteeDraw;
use crate::draft::{Draft, FederationId};
use crate::entry::{
    Entry,
    signed::{MAX_ENTRY_BYTES, SignedEntry},
};
use crate::event::Event;
use crate::hash::{Domain, DomainHasher, Hash};
use crate::identity::PublicKey;
use crate::member::{Owner, OwnerId, Participant, ParticipantId};
use crate::rejected::Rejected;
use crate::round::{CurrentRound, Phase, RoundRecord};
use books::Books;

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

/// What an entry changes, fully checked: carrying it out cannot fail.
enum Transition {
    Found(Box<Books>),
    Admit(admission::Admission),
    Open(CurrentRound),
    Contribute(contribution::Committed),
    Close(crate::round::Closing),
    End(publication::Ending),
}

/// Which signatures are verified. Every other rule is always checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// All: under the entry, its seats and its cosignatures.
    Verify,
    /// Those under the entry were verified before, with the same federation; seats and cosignatures are.
    EntryVerified,
    /// None.
    AllVerified,
}

impl Trust {
    /// Whether seat offers and cosignatures are verified.
    fn verifies_inside(self) -> bool {
        self != Self::AllVerified
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
        trust: Trust,
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

    fn transition(&self, signed: &SignedEntry, trust: Trust) -> Result<Transition, Rejected> {
        let bytes = signed.encode().len();
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

/// What is in the books.
impl State {
    /// The federation's id; `None` before the genesis.
    pub fn federation_id(&self) -> Option<FederationId> {
        self.books.as_ref().map(|books| books.federation)
    }

    /// The draft that the founders signed.
    pub fn draft(&self) -> Option<&Draft> {
        self.books.as_ref().map(|books| &*books.draft)
    }

    /// The hash of the fully signed genesis.
    pub fn genesis_hash(&self) -> Option<Hash> {
        self.books.as_ref().map(|books| books.genesis)
    }

    /// The founders' seed: the first weights are [`crate::initial_weights_q24`] of it.
    pub fn founders_seed(&self) -> Option<Hash> {
        self.books.as_ref().map(|books| books.founders_seed)
    }

    /// All participants, in order of numbers.
    pub fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.books
            .iter()
            .flat_map(|books| books.members.participants())
    }

    /// One participant.
    pub fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.books.as_ref()?.members.participant(id)
    }

    /// The participant with this identity.
    pub fn participant_by_key(&self, key: &PublicKey) -> Option<&Participant> {
        self.books.as_ref()?.members.by_key(key)
    }

    /// The participant of this name (ASCII letters compared without case).
    pub fn participant_by_name(&self, name: &str) -> Option<&Participant> {
        self.books.as_ref()?.members.by_name(name)
    }

    /// All owners, in order of numbers.
    pub fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.books.iter().flat_map(|books| books.members.owners())
    }

    /// One owner.
    pub fn owner(&self, id: OwnerId) -> Option<&Owner> {
        self.books.as_ref()?.members.owner(id)
    }

    /// How many owners are more than half of them: what an admission needs.
    pub fn majority(&self) -> usize {
        crate::committee::majority_of(self.owners().count())
    }

    /// Where the federation stands.
    pub fn phase(&self) -> Phase {
        match self.books.as_ref().map(|books| &books.current) {
            None => Phase::Unfounded,
            Some(None) => Phase::Idle,
            Some(Some(round)) if round.closing.is_none() => Phase::Open,
            Some(Some(_)) => Phase::Closed,
        }
    }

    /// The round in progress.
    pub fn round(&self) -> Option<&CurrentRound> {
        self.books.as_ref()?.current.as_ref()
    }

    /// The number that the next round to open will have, from 1.
    pub fn next_round(&self) -> u64 {
        self.books.as_ref().map_or(1, |books| books.next_round)
    }

    /// The unit exponent that the next round must have.
    pub fn next_unit_log2(&self) -> Option<i8> {
        self.books.as_ref().map(|books| books.draft.unit_log2)
    }

    /// Who may sit in the next round; `None` while a round is in progress, whose challenge decides it.
    pub fn draw(&self) -> Option<CommitteeDraw> {
        let books = self.books.as_ref()?;
        books.current.is_none().then(|| books.draw())
    }

    /// The seed of the next draw: the last challenge seed, or what stands for it.
    pub fn seed(&self) -> Option<Hash> {
        self.books.as_ref().map(|books| books.seed)
    }

    /// The hash of the current model: the last published, or the first.
    pub fn model(&self) -> Option<Hash> {
        self.books.as_ref().map(|books| books.model)
    }

    /// The hash that a close of the open round must name, over all contributions so far.
    pub fn contributions_hash(&self) -> Option<Hash> {
        let books = self.books.as_ref()?;
        Some(books.contributions_hash(books.current.as_ref()?))
    }

    /// The weights of the closed round, in ascending order of participants.
    pub fn weights(&self) -> Option<&[(ParticipantId, u16)]> {
        Some(&self.round()?.closing.as_ref()?.weights)
    }

    /// The minimum cohort in force, in owners.
    pub fn minimum_cohort(&self) -> usize {
        self.books.as_ref().map_or(0, Books::minimum_cohort)
    }

    /// How many owners must have contributed for the round in progress (or the next one) to close:
    /// the minimum cohort, and no fewer than half of the active owners.
    pub fn required_cohort(&self) -> usize {
        self.books.as_ref().map_or(0, Books::required_cohort)
    }

    /// The rounds that are over, in order.
    pub fn history(&self) -> impl DoubleEndedIterator<Item = &RoundRecord> + ExactSizeIterator {
        self.books
            .as_ref()
            .map_or(&[][..], |books| &books.history[..])
            .iter()
            .map(|record| &**record)
    }
}

//! What is in the books.

use super::State;
use super::books::Books;
use super::rating;
use crate::committee_draw::CommitteeDraw;
use crate::draft::{Draft, FederationId};
use crate::entry::{Entry, VoidReason};
use crate::guard_head::GuardHead;
use crate::hash::Hash;
use crate::identity::PublicKey;
use crate::judgement::Judgement;
use crate::member::{Owner, OwnerId, Participant, ParticipantId};
use crate::rating::Ratings;
use crate::round::{CurrentRound, Outcome, Phase, RoundRecord, SumRecord};
use crate::schema::Schema;
use crate::statistics::{ColumnStatistics, Statistics};

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

    /// The participants that have a say, in order of numbers.
    pub fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.all_participants()
            .filter(|participant| participant.is_present)
    }

    /// All participants there ever were, in order of numbers.
    pub fn all_participants(&self) -> impl Iterator<Item = &Participant> {
        self.books
            .iter()
            .flat_map(|books| books.members.participants())
    }

    /// One participant, present or not.
    pub fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.books.as_ref()?.members.participant(id)
    }

    /// The participant that signs with this identity now and has a say.
    pub fn participant_by_key(&self, key: &PublicKey) -> Option<&Participant> {
        self.books.as_ref()?.members.by_key(key)
    }

    /// The participant of this name, present or not (ASCII letters compared without case).
    pub fn participant_by_name(&self, name: &str) -> Option<&Participant> {
        self.books.as_ref()?.members.by_name(name)
    }

    /// The owners that have a participant in the federation, in order of numbers.
    pub fn owners(&self) -> impl Iterator<Item = &Owner> {
        self.all_owners().filter(|owner| owner.is_present())
    }

    /// All owners there ever were, in order of numbers.
    pub fn all_owners(&self) -> impl Iterator<Item = &Owner> {
        self.books.iter().flat_map(|books| books.members.owners())
    }

    /// One owner, present or not.
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
            Some(Some(round)) => round.phase(),
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
        self.books.as_ref().map(|books| books.unit_log2)
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

    /// Whether the round in progress, or the next one, is the statistics round.
    pub fn is_measuring(&self) -> bool {
        self.books.as_ref().is_some_and(Books::is_measuring)
    }

    /// How the statistics round ended: its number, and what was opened, if anything was. `None` where there was none (yet).
    pub fn statistics(&self) -> Option<(u64, Option<&Statistics>)> {
        // Without measured columns there never is one; else nothing but void rounds comes before it.
        self.draft()?.schema.measured().next()?;
        self.history().find_map(|record| match &record.outcome {
            Outcome::Measured { statistics } => Some((record.round, statistics.as_ref())),
            Outcome::Published { .. } | Outcome::Voided { .. } => None,
        })
    }

    /// The statistics of each measured column, in the schema's order; `None` where the declared range is used. Empty before they
    /// are known.
    pub fn column_statistics(&self) -> Vec<Option<ColumnStatistics>> {
        let (Some(draft), Some((_, statistics))) = (self.draft(), self.statistics()) else {
            return Vec::new();
        };
        let sums = statistics.map_or(&[][..], |statistics| &statistics.columns);
        let ranges = draft.schema.measured().enumerate();
        ranges
            .map(|(column, (_, (min, max)))| sums.get(column)?.as_ref()?.statistics(min, max))
            .collect()
    }

    /// The schema by which rows become the model's inputs. The draft's, but for the measured columns once the statistics are
    /// known: those are scaled by their mean and deviation.
    pub fn schema(&self) -> Option<Schema> {
        let schema = &self.draft()?.schema;
        Some(match self.statistics() {
            None => schema.clone(),
            Some(_) => schema.scaled_by(&self.column_statistics()),
        })
    }

    /// The hash of the current model: the last published, or the first. Of the statistics round, what stands for it.
    pub fn model(&self) -> Option<Hash> {
        self.books.as_ref().map(|books| books.model)
    }

    /// The hash that a close of the open round must name, over all contributions so far.
    pub fn contributions_hash(&self) -> Option<Hash> {
        let books = self.books.as_ref()?;
        Some(books.contributions_hash(books.current.as_ref()?))
    }

    /// The owners that may rate in the round in progress, ascending; one participant of each.
    pub fn raters(&self) -> &[OwnerId] {
        self.round().map_or(&[], |round| &round.opening.raters)
    }

    /// The participants of those owners, ascending: who may commit to directions in the open round.
    pub fn drawn_raters(&self) -> Vec<ParticipantId> {
        self.participants()
            .filter(|participant| self.raters().binary_search(&participant.owner).is_ok())
            .map(|participant| participant.id)
            .collect()
    }

    /// The verdicts on the round in progress.
    pub fn judged(&self) -> Option<&Judgement> {
        self.round()?.judgement.as_deref()
    }

    /// The accepted contributions of the round in progress, ascending, each with the exponent of its norm.
    pub fn norms(&self) -> Option<&[(ParticipantId, u16)]> {
        Some(&self.judged()?.accepted)
    }

    /// What raters revealed in the round in progress so far, ascending.
    pub fn ratings(&self) -> impl Iterator<Item = (ParticipantId, &Ratings)> {
        let records = self.round().into_iter().flat_map(|round| &round.ratings);
        records.filter_map(|(rater, record)| Some((*rater, record.revealed.as_ref()?)))
    }

    /// The entry that ends the step of rating under way, over exactly the rows that are on the log by now;
    /// `None` if none is under way. What members sign is compared with it.
    pub fn rating_step_end(&self) -> Option<Entry> {
        let books = self.books.as_ref()?;
        let current = books.current.as_ref()?;
        let step = current.rating_step?;
        let (rows, set) = rating::ended_rows(&books.federation, current, step);
        Some(Entry::RatingStepEnded {
            round: current.opening.round,
            step,
            rows,
            set,
        })
    }

    /// The weight of every closed contribution of the round in progress, in ascending order of
    /// participants; `None` before it is weighed.
    pub fn weights(&self) -> Option<&[(ParticipantId, u16)]> {
        Some(&self.round()?.weighing.as_ref()?.weights)
    }

    /// Why the round in progress must be void, once the ledger found so; members then sign that, and
    /// nothing else.
    pub fn void_due(&self) -> Option<VoidReason> {
        self.round()?.weighing.as_ref()?.void_due
    }

    /// Whether a committee's word is enough to void a round ([`crate::MOST_VOIDS`]); if not, the round in progress
    /// stays until it is complete or the owners void it.
    pub fn committee_may_void(&self) -> bool {
        self.books
            .as_ref()
            .is_none_or(|books| books.voids_in_a_row() < crate::MOST_VOIDS)
    }

    /// How far a participant's guard records reached when it last took a seat or cosigned a close.
    pub fn guard_head(&self, participant: ParticipantId) -> Option<GuardHead> {
        self.books.as_ref()?.conduct(participant)?.guard
    }

    /// What the sum of the newest published round is checked with.
    pub fn last_sum(&self) -> Option<&SumRecord> {
        self.books.as_ref()?.last_sum.as_deref()
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
    }

    /// The rounds that published a model, oldest first, with its hash.
    pub fn published(&self) -> impl DoubleEndedIterator<Item = (u64, Hash)> {
        self.history().filter_map(|record| match record.outcome {
            Outcome::Published { model, .. } => Some((record.round, model)),
            Outcome::Voided { .. } | Outcome::Measured { .. } => None,
        })
    }
}

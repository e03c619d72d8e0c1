//! A log replayed, and told round by round and epoch by epoch.

use crate::entry::Entry;
use crate::entry::VoidReason;
use crate::entry::signed::SignedEntry;
use crate::epoch_case::EpochCase;
use crate::event::Event;
use crate::member::{OwnerId, ParticipantId};
use crate::rejected::Rejected;
use crate::round::Outcome;
use crate::settlement::Settlement;
use crate::state::State;
use crate::weights::{Contributor, Derivation, Row};

/// The books, entry by entry, with what was true when a round was weighed and when it ended.
#[derive(Clone, Debug, Default)]
pub struct History {
    state: State,
    entries: u64,
    weighed: Option<Weighed>,
    /// Since the last round ended.
    events: Vec<(u64, Event)>,
    fees: u64,
}

/// Something that came to its end with an entry.
#[derive(Clone, Debug)]
pub enum Told {
    /// A round.
    Round(Box<RoundFacts>),
    /// An epoch; the round that ended it was told before.
    Epoch(Box<EpochFacts>),
    /// Fees that were paid at once, after the training plan's end.
    FeesPaid {
        /// The entry, from 0.
        index: u64,
        /// To whom.
        payouts: Vec<(OwnerId, u64)>,
    },
}

/// A round and the books around its end; of one that is in progress, the books of now.
#[derive(Clone, Debug)]
pub struct RoundFacts {
    /// Its number.
    pub round: u64,
    /// The epoch that its ratings count in.
    pub epoch: u64,
    /// The entry that ended it, from 0.
    pub ended_at: Option<u64>,
    /// The books just before it ended: [`State::round`] is the round itself, unless it never opened.
    pub before: State,
    /// The books after it.
    pub after: State,
    /// How it was weighed, if it was.
    pub weighed: Option<Weighed>,
    /// How it ended; `None` while it is in progress.
    pub outcome: Option<Outcome>,
    /// What happened to members, money and violations since the round before ended, with the entry's index.
    pub events: Vec<(u64, Event)>,
    /// Fees entered since then.
    pub fees: u64,
}

/// How a round was weighed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// The weight of every closed contribution, ascending; 0 for rejected ones too.
    pub weights: Vec<(ParticipantId, u16)>,
    /// Why the sum must not be opened, if so.
    pub void_due: Option<VoidReason>,
    /// How the weights came about.
    pub derivation: Derivation,
    /// What it was derived from besides the contributions: the rows of raters that have a say.
    pub rows: Vec<RatedRow>,
}

/// What a rater revealed, and what its word weighed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RatedRow {
    /// Who.
    pub participant: ParticipantId,
    /// Whom it belonged to.
    pub owner: OwnerId,
    /// That owner's stake.
    pub stake: u64,
    /// Its capped share of all stake, in Q32.
    pub power: u64,
    /// One for each of the derivation's contributors.
    pub scores: Vec<i16>,
    /// The same, for the rewards.
    pub rewards: Vec<u16>,
}

/// An epoch that was settled.
#[derive(Clone, Debug)]
pub struct EpochFacts {
    /// What it came to.
    pub settlement: Settlement,
    /// What it was settled from.
    pub case: EpochCase,
    /// The books before the entry that ended it.
    pub before: State,
    /// The books after it: payouts made, cases executed, stake turned.
    pub after: State,
}

impl Weighed {
    /// The rows as [`crate::weights::derive`] takes them.
    pub fn rows(&self) -> Vec<Row<'_>> {
        self.rows.iter().map(RatedRow::as_row).collect()
    }

    /// Who contributed what.
    pub fn contributors(&self) -> &[Contributor] {
        &self.derivation.contributors
    }
}

impl RatedRow {
    /// As [`crate::weights::derive`] takes it.
    pub fn as_row(&self) -> Row<'_> {
        Row {
            participant: self.participant,
            owner: self.owner,
            power: self.power,
            scores: &self.scores,
        }
    }
}

impl History {
    /// Before the genesis.
    pub fn new() -> Self {
        Self::default()
    }

    /// From the books that a log begins with: those of a [`crate::store::read_from`]. What happened before is not
    /// told, nor what of a round or an epoch under way there happened before.
    pub fn from_books(state: State, entries: u64) -> Self {
        Self {
            state,
            entries,
            ..Self::default()
        }
    }

    /// The books by now.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// How many entries the log has so far.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The next entry of a log whose signatures are verified already, as [`crate::store::read`] does: here only
    /// the rules are checked. Returns what ended with it.
    ///
    /// # Errors
    /// When the entry is not allowed; the history is then unchanged.
    pub fn follow(&mut self, signed: &SignedEntry) -> Result<Vec<Told>, Rejected> {
        let ends_something = matches!(
            signed.entry,
            Entry::ContributionsJudged { .. }
                | Entry::RatingStepEnded { .. }
                | Entry::ModelPublished { .. }
                | Entry::StatisticsPublished { .. }
                | Entry::RoundVoided { .. }
        );
        // Cheap: the large parts are shared.
        let before = ends_something.then(|| self.state.clone());
        let events = self.state.apply_with_known_signatures(signed)?;
        let index = self.entries;
        self.entries = index.saturating_add(1);
        let mut told = Vec::new();
        for event in events {
            if let Some(end) = self.hear(index, event, before.as_ref()) {
                told.push(end);
            }
        }
        Ok(told)
    }

    fn hear(&mut self, index: u64, event: Event, before: Option<&State>) -> Option<Told> {
        match (event, before) {
            (
                Event::RoundWeighed {
                    weights,
                    void_due,
                    derivation,
                    ..
                },
                Some(before),
            ) => {
                self.weighed = Some(Weighed {
                    weights,
                    void_due,
                    derivation: *derivation,
                    rows: rated_rows(before),
                });
                None
            }
            (
                Event::ModelPublished { round, .. }
                | Event::StatisticsPublished { round }
                | Event::RoundVoided { round },
                Some(before),
            ) => {
                let facts = self.round_facts(round, before, Some(index));
                self.weighed = None;
                self.events.clear();
                self.fees = 0;
                Some(Told::Round(Box::new(facts)))
            }
            (Event::EpochSettled(settlement), Some(before)) => {
                Some(Told::Epoch(Box::new(EpochFacts {
                    case: before.epoch_case(true)?,
                    settlement: *settlement,
                    before: before.clone(),
                    after: self.state.clone(),
                })))
            }
            (Event::FeesEntered { fees }, _) => {
                self.fees = self.fees.saturating_add(fees);
                None
            }
            (Event::FeesPaid { payouts }, _) => Some(Told::FeesPaid { index, payouts }),
            (event, _) if is_about_members(&event) => {
                self.events.push((index, event));
                None
            }
            _ => None,
        }
    }

    /// The round in progress, with the books of now.
    pub fn in_progress(&self) -> Option<RoundFacts> {
        let round = self.state.round()?.opening.round;
        Some(self.round_facts(round, &self.state, None))
    }

    /// What the epoch under way would be settled from if it ended now; `None` before the genesis.
    pub fn epoch_so_far(&self) -> Option<EpochCase> {
        self.state.epoch_case(false)
    }

    fn round_facts(&self, round: u64, before: &State, ended_at: Option<u64>) -> RoundFacts {
        let outcome = self
            .state
            .history()
            .next_back()
            .filter(|record| record.round == round && ended_at.is_some())
            .map(|record| record.outcome.clone());
        RoundFacts {
            round,
            epoch: before.epoch(),
            ended_at,
            before: before.clone(),
            after: self.state.clone(),
            weighed: self.weighed.clone(),
            outcome,
            events: self.events.clone(),
            fees: self.fees,
        }
    }
}

fn rated_rows(before: &State) -> Vec<RatedRow> {
    let row = |row: Row<'_>| {
        let record = before.round()?.ratings.get(&row.participant)?;
        Some(RatedRow {
            participant: row.participant,
            owner: row.owner,
            stake: before.stake(row.owner),
            power: row.power,
            scores: row.scores.to_vec(),
            rewards: record.revealed.as_ref()?.rewards.clone(),
        })
    };
    before.rows_to_weigh().into_iter().filter_map(row).collect()
}

/// Whether it changes who is there, who has what, or who is accused.
fn is_about_members(event: &Event) -> bool {
    matches!(
        event,
        Event::ParticipantAdmitted { .. }
            | Event::ParticipantEvicted { .. }
            | Event::ParticipantReadmitted { .. }
            | Event::OwnerChanged { .. }
            | Event::StakeDeposited { .. }
            | Event::StakeWithdrawn { .. }
            | Event::ViolationFound(_)
            | Event::Appealed { .. }
    )
}

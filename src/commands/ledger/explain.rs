//! `unsilo ledger explain`: why a participant got its weight and its pay.

mod document;
pub(super) mod figures;
mod pay;
mod words;

use std::cell::RefCell;

use clap::Args;
use unsilo_ledger::{
    Entry, OwnerId, ParticipantId, Replica, State,
    explain::{EpochFacts, History, Part, RewardStory, RoundFacts, Told, WeightStory},
    store::read_from,
};

use super::place::{self, Place};
use crate::{commands::Global, exit::CommandError, output};

/// Say why a participant got its weight and its pay in a round, and what would have changed them.
///
/// Everything is computed from this copy of the ledger, which is verified on the way. What would have changed
/// something is the federation's rule itself, run again with one thing changed. Money is paid by epochs of many
/// rounds: the pay shown is that of the epoch in which the round's ratings count; while it is under way, what it
/// would be if it ended now. docs/ledger.md lists the keys of --json.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The participant.
    name: String,
    /// The round, from 1.
    round: u64,
    #[command(flatten)]
    place: Place,
}

/// All that is told about one participant in one round.
struct Story {
    federation: String,
    name: String,
    participant: ParticipantId,
    owner: OwnerId,
    facts: RoundFacts,
    part: Part,
    weight: Option<WeightStory>,
    pay: Pay,
    /// The books as of the log's end, for names.
    books: State,
    /// The last round that began.
    last_round: u64,
}

/// What is known of the owner's pay in the round's epoch.
enum Pay {
    /// The epoch has ended.
    Settled(Box<RewardStory>),
    /// It has not: what the rule would pay if it ended now.
    Projected(Box<RewardStory>),
    /// The owner took no part in the epoch, settled or not.
    NoPart {
        /// Whether it has ended.
        settled: bool,
    },
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let story = tell(arguments)?;
    output::print(global.json, &document::of(&story), || words::of(&story))
}

fn tell(arguments: &Arguments) -> anyhow::Result<Story> {
    let file = arguments.place.file()?;
    let history = RefCell::new(History::new());
    let mut ended: Option<RoundFacts> = None;
    let mut settled: Option<EpochFacts> = None;
    let mut failed = None;
    let mut opened = 0;
    let mut before = (0, 0);
    let begin = |replica: &Replica| {
        let books = replica.state();
        before = (replica.first(), last_round_of(books));
        *history.borrow_mut() = History::from_books(books.clone(), replica.first());
    };
    read_from(&file, begin, |_, entry| {
        if failed.is_some() {
            return;
        }
        if let Entry::RoundOpened { round, .. } = &entry.entry {
            opened = *round;
        }
        match history.borrow_mut().follow(entry) {
            Err(rejected) => failed = Some(rejected),
            Ok(told) => {
                for told in told {
                    match told {
                        Told::Round(facts) if facts.round == arguments.round => {
                            ended = Some(*facts);
                        }
                        Told::Epoch(facts)
                            if settled.is_none()
                                && ended
                                    .as_ref()
                                    .is_some_and(|round| round.epoch == facts.settlement.epoch) =>
                        {
                            settled = Some(*facts);
                        }
                        _ => {}
                    }
                }
            }
        }
    })?;
    if let Some(rejected) = failed {
        // `read` applied the same entry by the same rules.
        anyhow::bail!("the ledger could not be replayed: {rejected}");
    }
    let history = history.into_inner();
    let (first, last_before) = before;
    if (1..=last_before).contains(&arguments.round) {
        let what = format!("explaining round {}", arguments.round);
        return Err(place::needs_full_log(&what, first).into());
    }
    let books = history.state().clone();
    let participant = place::participant(&books, &arguments.name)?;
    let last_round = last_round_of(&books).max(opened);
    let in_progress = history
        .in_progress()
        .filter(|facts| facts.round == arguments.round);
    let facts = match ended.or(in_progress) {
        Some(facts) => facts,
        None => return Err(no_such_round(arguments.round, last_round).into()),
    };
    let owner = facts
        .before
        .participant(participant)
        .or_else(|| books.participant(participant))
        .map(|found| found.owner)
        .ok_or_else(|| anyhow::anyhow!("the participant has no owner"))?;
    let pay = match &settled {
        Some(epoch) => RewardStory::of(epoch, owner)
            .map_or(Pay::NoPart { settled: true }, |story| {
                Pay::Settled(Box::new(story))
            }),
        None => history
            .epoch_so_far()
            .and_then(|case| RewardStory::if_settled_now(&case, owner))
            .map_or(Pay::NoPart { settled: false }, |story| {
                Pay::Projected(Box::new(story))
            }),
    };
    Ok(Story {
        federation: books
            .draft()
            .map_or_else(String::new, |draft| draft.name.clone()),
        name: books
            .participant(participant)
            .map_or_else(|| arguments.name.clone(), |found| found.name.clone()),
        participant,
        owner,
        part: facts.part_of(participant),
        weight: WeightStory::of(&facts, participant),
        facts,
        pay,
        books,
        last_round,
    })
}

/// The last round that ended or is under way.
fn last_round_of(books: &State) -> u64 {
    let ended = books.history().next_back().map_or(0, |record| record.round);
    let open = books.round().map_or(0, |round| round.opening.round);
    ended.max(open)
}

fn no_such_round(round: u64, last: u64) -> CommandError {
    CommandError::Input(match (round, last) {
        (_, 0) => "no round has begun yet: there is nothing to explain".to_owned(),
        (0, _) => format!("there is no round 0: rounds are counted from 1, the last is {last}"),
        _ => format!("round {round} has not begun: the last is {last}"),
    })
}

impl Story {
    fn name_of(&self, participant: ParticipantId) -> &str {
        self.books
            .participant(participant)
            .map_or("an unknown participant", |found| &found.name)
    }

    fn owner_name(&self, owner: OwnerId) -> &str {
        self.books
            .owner(owner)
            .map_or("an unknown owner", |found| &found.name)
    }

    /// Whose contributions were left out as copies of this one.
    fn copies(&self) -> Vec<ParticipantId> {
        use unsilo_ledger::RejectionReason::Copy;
        let judgement = self.facts.before.judged();
        let rejected = judgement.into_iter().flat_map(|judged| &judged.rejected);
        rejected
            .filter(|(_, reason)| matches!(reason, Copy { of } if *of == self.participant))
            .map(|(id, _)| *id)
            .collect()
    }
}

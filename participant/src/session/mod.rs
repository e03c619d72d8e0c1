//! A participant's life in a federation as a state machine: events in, effects out; no sockets, no disk, no clock.
//!
//! Steps of the coordinator only say *when* something may be done. *Whether* it is done follows from this node's own
//! replica of the ledger ([`Facts`]), from its guard records ([`Guards`]) and from what it computed itself.
//!
//! Invariants, tested on random orders of events with crashes in between:
//! - an act that may happen once is preceded by its guard record in the list of effects;
//! - one answer a round: every opening sent for a round has the same bytes;
//! - one set of scalar answers a round, of the same bytes, and never about more directions than the model bears;
//! - scalars, judgement and opening only on a checkpoint that at least `t` members cosigned, and one cosignature a step;
//! - a void signature excludes a contribution and every answer after it, and an opening excludes void; that of an owner as
//!   that of a member;
//! - publications are cosigned in the order of one history, whatever replica the node has;
//! - one contribution to a model, unless the round of the earlier one is void on the ledger;
//! - nothing at all while the directory is older than what its identity did.

mod act;
mod answering;
mod appeals;
mod backup;
mod closing;
mod contributing;
mod directions;
mod effect;
mod event;
mod facts;
mod founding;
mod job;
mod judging;
mod mailbox;
mod models;
mod opening;
mod patience;
mod publishing;
mod rating;
mod rating_end;
mod seating;
#[cfg(test)]
mod tests;
mod voiding;
mod vouching;
mod witness;
mod work;

pub use effect::{Call, Effect, Task};
pub use event::{Event, Found, Step, StepKind};
pub use facts::{
    ContributionFacts, Facts, FoundingFacts, JudgedFacts, Phase, PublishedFacts, RaterFacts,
    RoundFacts, RowState, SeatFacts, SumFacts,
};
pub use job::{
    AnswerJob, AppealJob, AppealsJob, ContributionJob, DirectionValues, DirectionsJob, Disputed,
    JudgingJob, OpeningJob, ReceiveJob, RowJob, Sitting,
};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use unsilo_ledger::{Draft, FederationId, Hash, OwnerId, ParticipantId, SigningIdentity};
use unsilo_proto::limits::CLOCK_SKEW_MS;

use crate::{alarm::Alarm, founders::Founder, guard::Guards, progress::Progress};

/// Who this node is.
#[derive(Debug)]
pub struct Membership {
    /// Name in the invitation.
    pub name: String,
    /// Ledger identity.
    pub identity: Arc<SigningIdentity>,
    /// The federation's card; its hash is the federation's id.
    pub draft: Draft,
    /// The list of founders that people agreed on, if given.
    pub founders_pin: Option<Vec<Founder>>,
    /// Whether it rates others when it is drawn to.
    pub rates: bool,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progressing {
    Running,
    Done,
    Refused,
}

/// The machine. Built from durable records, so a node that was killed goes on as it would have.
#[derive(Debug)]
pub struct Session {
    member: Membership,
    federation: FederationId,
    guards: Guards,
    /// Hashes of the models in the store.
    held: BTreeSet<Hash>,
    facts: Option<Facts>,
    step: Option<Step>,
    /// Coordinator's clock minus ours, milliseconds.
    clock_ahead_ms: i64,
    tasks: BTreeMap<Task, Progressing>,
    /// Alarms already told.
    raised: BTreeSet<Alarm>,
    /// The round whose seat offer the coordinator took note of **on this connection**. A coordinator that was restarted
    /// may have forgotten an offer without meaning harm, so a new connection starts from nothing.
    acknowledged: Option<u64>,
    /// The round whose scalar answers the coordinator took note of on this connection.
    answers_acknowledged: Option<u64>,
    /// The round and step (whether revealing) whose row the coordinator took last. Its word: it had the row on the log.
    row_taken: Option<(u64, bool)>,
    /// The round in which the coordinator refused, or handed out in part, what the committee answered on this node's
    /// directions.
    answers_kept_back: Option<u64>,
    /// The last round that was told to go on without a row that this node had asked for.
    silent_in: Option<u64>,
    /// The set of contributions that the mailbox was compared with, by round.
    mailbox_read: Option<(u64, Hash)>,
    /// The round whose mailbox was asked for after this node's receipt was posted.
    mailbox_asked_after_post: Option<u64>,
    /// Appeals decided on this connection, by round and dealer: signatures are given again on the next one.
    decided: BTreeSet<(u64, ParticipantId)>,
    /// The judgement made on this connection.
    judgement: Option<judging::Made>,
    /// Rounds before this one are over on a ledger that at least `t` members are known to hold.
    confirmed_before: u64,
    /// Rounds before this one have nothing in the outbox any more.
    swept_before: u64,
    /// Since when the round under way is seen.
    seen: Option<patience::Seen>,
    /// The last checkpoint whose cosignatures were verified.
    cosigned: Option<witness::Verified>,
    /// The round that ended last, as it was when it did.
    last_round: Option<RoundFacts>,
    /// The last reason to wait that was told.
    waiting: String,
    /// The last founding list that was told.
    founding_told: Option<(Vec<Founder>, Vec<String>)>,
    /// The last void round that was told.
    void_told: Option<u64>,
    skew_told: bool,
    /// Set by an alarm that stops the node, and by the end of the federation: nothing is done any more.
    halted: bool,
}

impl Session {
    /// The session of `member` with what it has recorded and the models it holds.
    #[must_use]
    pub fn new(member: Membership, guards: Guards, held: BTreeSet<Hash>) -> Self {
        Self {
            federation: member.draft.federation_id(),
            member,
            guards,
            held,
            facts: None,
            step: None,
            clock_ahead_ms: 0,
            tasks: BTreeMap::new(),
            raised: BTreeSet::new(),
            acknowledged: None,
            answers_acknowledged: None,
            row_taken: None,
            answers_kept_back: None,
            silent_in: None,
            mailbox_read: None,
            mailbox_asked_after_post: None,
            decided: BTreeSet::new(),
            judgement: None,
            confirmed_before: 0,
            // The first round is 1.
            swept_before: 1,
            seen: None,
            cosigned: None,
            last_round: None,
            waiting: String::new(),
            founding_told: None,
            void_told: None,
            skew_told: false,
            halted: false,
        }
    }

    /// Takes one event and says what to do, in order. `now_ms` is this machine's clock, milliseconds since 1970.
    pub fn handle(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        let mut out = Vec::new();
        if !self.halted {
            self.take(event, now_ms, &mut out);
        }
        if !self.halted {
            self.advance(now_ms, &mut out);
        }
        out
    }

    /// The guard records as this session knows them.
    #[must_use]
    pub fn guards(&self) -> &Guards {
        &self.guards
    }

    /// The ledger as this session knows it.
    #[must_use]
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()
    }

    fn take(&mut self, event: Event, now_ms: u64, out: &mut Vec<Effect>) {
        match event {
            Event::Disconnected => self.forget_requests(),
            Event::Clock => {}
            Event::Ledger(facts) => self.learn(*facts, out),
            Event::Step(step) => self.take_step(step, now_ms, out),
            Event::OwnersVoid { round } => self.owners_void(round, out),
            Event::Alarmed(alarm) => self.raise(alarm, out),
            Event::ModelHeld(model) => {
                self.done(Task::FirstModel(model));
                self.done(Task::FetchModel(model));
                self.held.insert(model);
            }
            Event::SeatMade(seat) => self.seat_made(seat, out),
            Event::Encrypted {
                round,
                model,
                root,
                bytes,
            } => self.encrypted(round, model, root, bytes, out),
            Event::Uploaded { round, receipt } => self.uploaded(round, &receipt, out),
            Event::Directions { round, values } => {
                self.take_directions(round, values, now_ms, out);
            }
            Event::DirectionsMade(made) => self.directions_made(made, out),
            Event::Scores {
                round,
                scores,
                undecided,
            } => self.scored(round, (scores, &undecided), out),
            Event::AnswersWithheld { round, seat } => self.answers_withheld(round, seat, out),
            Event::Row {
                round,
                opinions,
                salt,
            } => self.row_made(round, &opinions, salt, out),
            Event::Mailbox { round, receipts } => self.read_mailbox(round, &receipts, out),
            Event::Answered(record) => self.answered(record, out),
            Event::AnswerSubstituted { task, round, seat } => {
                self.finish(task, Progressing::Refused);
                self.raise(Alarm::AnswerSubstituted { round, seat }, out);
            }
            Event::RowFalse { round, participant } => {
                self.finish(Task::Judge(round), Progressing::Refused);
                self.raise(Alarm::ProjectionsFalse { round, participant }, out);
            }
            Event::Judged {
                round,
                judgement,
                evidence,
            } => self.judged(round, judgement, evidence, out),
            Event::AppealsChecked {
                round,
                found,
                alarms,
            } => {
                for alarm in alarms {
                    self.raise(alarm, out);
                }
                self.appeals_checked(round, found, out);
            }
            Event::SharesCombined {
                round,
                digest,
                answer,
            } => self.shares_combined(round, digest, answer, out),
            Event::ShareSubstituted {
                task,
                round,
                participant,
            } => {
                self.finish(task, Progressing::Refused);
                self.raise(Alarm::ShareSubstituted { round, participant }, out);
            }
            Event::ShareUnusable {
                round,
                participant,
                reason,
            } => self.share_unusable(round, participant, &reason, out),
            Event::Recomputed {
                round,
                claim,
                model,
            } => {
                self.done(Task::Recompute(round, claim));
                self.held.insert(model);
            }
            Event::StatisticsConfirmed { round, claim } => {
                self.done(Task::Recompute(round, claim));
            }
            Event::SumDiffers {
                round,
                claim,
                reason,
            } => {
                self.finish(Task::Recompute(round, claim), Progressing::Refused);
                self.raise(Alarm::ModelDiffers { round, reason }, out);
            }
            Event::Evaluated {
                round,
                model,
                evaluation,
            } => self.evaluated(round, model, evaluation, out),
            Event::Accepted(task) => self.accepted(task, out),
            Event::Refused { task, rejected } => {
                self.finish(task, Progressing::Refused);
                self.refused(task, &rejected, out);
            }
            Event::Failed { task, reason } => {
                self.finish(task, Progressing::Refused);
                out.push(Effect::Tell(Progress::Warning { message: reason }));
                self.give_up_evaluation(task, out);
            }
        }
    }

    fn take_step(&mut self, step: Step, now_ms: u64, out: &mut Vec<Effect>) {
        let skew = step.now_ms.abs_diff(now_ms);
        self.clock_ahead_ms = if step.now_ms >= now_ms {
            i64::try_from(skew).unwrap_or(i64::MAX)
        } else {
            i64::try_from(skew).map_or(i64::MIN, |behind| -behind)
        };
        if skew > CLOCK_SKEW_MS && !self.skew_told {
            self.skew_told = true;
            out.push(Effect::Tell(Progress::Warning {
                message: format!(
                    "this machine's clock and the coordinator's differ by {} s: set the clock; deadlines are taken from \
                     the coordinator's",
                    skew / 1000
                ),
            }));
        }
        // What was refused under an earlier step may be due under this one.
        self.tasks.retain(|_, how| *how != Progressing::Refused);
        self.step = Some(step);
    }

    fn learn(&mut self, facts: Facts, out: &mut Vec<Effect>) {
        let last_void = facts.void.last_key_value();
        if let Some((round, reason)) = last_void.filter(|(round, _)| Some(**round) > self.void_told)
        {
            // A node that starts is not told of old rounds.
            if self.facts.is_some() {
                out.push(Effect::Tell(Progress::Voided {
                    round: *round,
                    reason: reason.in_words().to_owned(),
                }));
            }
            self.void_told = Some(*round);
        }
        let before = self.facts.take().and_then(|before| before.round);
        let current = facts.round.as_ref().map(|round| round.round);
        if let Some(ended) = before.filter(|before| Some(before.round) != current) {
            self.last_round = Some(ended);
        }
        self.facts = Some(facts);
    }
}

/// This participant on the ledger.
#[derive(Clone, Copy, Debug)]
struct Me {
    id: ParticipantId,
    owner: OwnerId,
}

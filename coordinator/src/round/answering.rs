//! The round is closed: members answer the projections of every contribution, and the directions of others.

use std::collections::BTreeMap;

use unsilo_ledger::{Hash, ParticipantId, State, VoidReason};
use unsilo_proto::{
    Code, Rejected,
    v1::{self, step},
};

use super::{
    effect::{Effect, Note},
    event::Recalled,
    grace::Grace,
    judging::Judging,
    machine::{Handled, Timing, not_due, same_round},
    opening::RETRY_MS,
};

/// Which seats answered, and how far the projections of the ciphertexts are.
pub(super) struct Answering {
    round: u64,
    /// The checkpoint of this step is cosigned.
    cosigned: bool,
    /// Root of each answer sheet that is on disk.
    answers: BTreeMap<u16, Hash>,
    grace: Grace,
    /// Which of them are judged, once that is on disk: it never changes after members could have been told.
    fixed: Option<Vec<(u16, Hash)>>,
    /// Hash of the table of projections, once it is on disk.
    projections: Option<Hash>,
    /// When the table is made again, after it could not be made or stored.
    project_again_ms: Option<u64>,
}

impl Answering {
    pub(super) fn start(now_ms: u64, ledger: &State) -> (Self, Vec<Effect>) {
        let round = ledger.round().map_or(0, |round| round.opening.round);
        let answering = Self {
            round,
            cosigned: false,
            answers: BTreeMap::new(),
            grace: Grace::start(now_ms),
            fixed: None,
            projections: None,
            project_again_ms: None,
        };
        let effects = vec![
            Effect::Recall { round },
            Effect::Project { round },
            answering.announce(),
        ];
        (answering, effects)
    }

    fn announce(&self) -> Effect {
        Effect::Announce {
            kind: step::Kind::Answering(v1::Answering { round: self.round }),
            cosigned: self.cosigned,
        }
    }

    /// Enough members cosigned the checkpoint: they may act.
    pub(super) fn cosigned(&mut self) -> Vec<Effect> {
        if self.cosigned {
            return Vec::new();
        }
        self.cosigned = true;
        vec![self.announce()]
    }

    /// What the disk holds of this step from before a restart.
    pub(super) fn recalled(&mut self, recalled: Recalled, now_ms: u64, ledger: &State) {
        self.answers.extend(recalled.answers);
        if self.fixed.is_none() {
            self.fixed = recalled.judged;
        }
        self.count(now_ms, ledger);
    }

    /// A member's answer is on disk, checked by whoever stored it.
    pub(super) fn answered(
        &mut self,
        round: u64,
        participant: ParticipantId,
        (seat, sheet_root): (u16, Hash),
        now_ms: u64,
        ledger: &State,
    ) -> Handled {
        same_round(round, self.round)?;
        let closed = ledger.round().ok_or_else(|| not_due("answers"))?;
        closed
            .seat(seat)
            .filter(|seated| seated.participant == participant)
            .ok_or_else(|| {
                Rejected::new(Code::NoSeat, "this seat of the committee is not yours")
            })?;
        // The first is on disk, and no other is taken there.
        self.answers.entry(seat).or_insert(sheet_root);
        self.count(now_ms, ledger);
        Ok(self.fix_if_enough(now_ms, ledger))
    }

    fn count(&mut self, now_ms: u64, ledger: &State) {
        let needed = ledger
            .round()
            .is_some_and(|round| self.answers.len() >= usize::from(round.opening.threshold));
        if needed {
            self.grace.enough(now_ms);
        }
    }

    /// Fixes whose answers are judged: everybody's, or those of enough members once the others had their chance.
    fn fix_if_enough(&self, now_ms: u64, ledger: &State) -> Vec<Effect> {
        let Some(closed) = ledger.round() else {
            return Vec::new();
        };
        let all = self.answers.len() >= closed.opening.seats.len();
        if self.fixed.is_some() || !(all || self.grace.is_over(now_ms)) {
            return Vec::new();
        }
        let seats = self.answers.iter().map(|(seat, root)| (*seat, *root));
        vec![Effect::Note {
            round: self.round,
            note: Note::Judged(seats.collect()),
        }]
    }

    /// It is on disk whose answers are judged.
    pub(super) fn fixed(&mut self, seats: Vec<(u16, Hash)>) {
        self.fixed.get_or_insert(seats);
    }

    pub(super) fn projected(&mut self, round: u64, table: Hash) {
        if round == self.round {
            self.projections = Some(table);
            self.project_again_ms = None;
        }
    }

    pub(super) fn project_failed(&mut self, round: u64, now_ms: u64) {
        if round == self.round {
            self.project_again_ms = Some(now_ms.saturating_add(RETRY_MS));
        }
    }

    /// Time has passed: what failed is tried again, those who answered are enough, or they are too few for ever.
    pub(super) fn tick(&mut self, now_ms: u64, timing: Timing, ledger: &State) -> Vec<Effect> {
        if self.project_again_ms.is_some_and(|at| now_ms >= at) {
            self.project_again_ms = None;
            return vec![Effect::Project { round: self.round }];
        }
        let fix = self.fix_if_enough(now_ms, ledger);
        if !fix.is_empty() {
            return fix;
        }
        let Some(closed) = ledger.round() else {
            return Vec::new();
        };
        let enough = self.answers.len() >= usize::from(closed.opening.threshold);
        let deadline = closed
            .opening
            .open_by_ms
            .max(self.grace.started_ms().saturating_add(timing.answer_ms));
        if self.fixed.is_some() || enough || now_ms <= deadline {
            return Vec::new();
        }
        vec![Effect::Note {
            round: self.round,
            note: Note::Void(VoidReason::TooFewMembers),
        }]
    }

    /// The next step, once it is fixed whose answers are judged and the projections are on disk.
    pub(super) fn judging(&self, now_ms: u64) -> Option<Judging> {
        let (seats, projections) = (self.fixed.clone()?, self.projections?);
        Some(Judging::start(
            self.round,
            seats,
            projections,
            self.cosigned,
            now_ms,
        ))
    }
}

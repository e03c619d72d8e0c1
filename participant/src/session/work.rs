//! Tasks under way, what is recorded before an act, and what is told.

use super::{Effect, Progressing, Session, Task};
use crate::{
    alarm::Alarm,
    guard::{GuardConflict, Record},
    progress::Progress,
};

impl Session {
    /// After a lost connection every request is made again at the next step: what arrived is not known.
    pub(super) fn forget_requests(&mut self) {
        self.tasks
            .retain(|task, how| task.is_local() && *how != Progressing::Refused);
        self.step = None;
        self.acknowledged = None;
        self.answers_acknowledged = None;
        self.decided.clear();
    }

    pub(super) fn accepted(&mut self, task: Task, out: &mut Vec<Effect>) {
        self.done(task);
        let told = match task {
            Task::SignGenesis => {
                let reason =
                    "the list of founders is signed; the first round opens when all have signed";
                return self.wait(reason, out);
            }
            Task::OfferSeat(round) => {
                self.acknowledged = Some(round);
                Progress::Seated { round }
            }
            Task::CosignClose(round) => Progress::Cosigned { round },
            Task::Rate(round, revealing) => {
                self.row_taken = Some((round, revealing));
                Progress::Rated {
                    round,
                    revealed: revealing,
                }
            }
            Task::SendAnswers(round) => {
                self.answers_acknowledged = Some(round);
                Progress::Answered { round }
            }
            Task::Open(round) => Progress::Opened { round },
            Task::SignPublish(round) => Progress::Signed { round },
            _ => return,
        };
        out.push(Effect::Tell(told));
    }

    pub(super) fn refused(
        &mut self,
        task: Task,
        rejected: &unsilo_proto::Rejected,
        out: &mut Vec<Effect>,
    ) {
        use unsilo_proto::Code;
        // A step that ended while the request was on its way is nobody's fault.
        let quiet = matches!(
            rejected.code,
            Code::WrongStep | Code::WrongRound | Code::NotFound
        );
        // A rater that is told nothing has no say: whoever runs it must see that.
        if let Task::ReceiveAnswers(round) = task {
            self.answers_kept_back = Some(round);
        } else if quiet && !matches!(task, Task::Upload(_)) {
            return;
        }
        out.push(Effect::Tell(match task {
            Task::Upload(round) => Progress::ContributionRefused {
                round,
                reason: rejected.to_string(),
            },
            _ => Progress::Warning {
                message: format!("{task:?} was refused: {rejected}"),
            },
        }));
    }

    /// Starts the task of `effect` unless it is under way, done or refused.
    pub(super) fn start(&mut self, effect: Effect, out: &mut Vec<Effect>) {
        if let Some(task) = effect.task()
            && !self.tasks.contains_key(&task)
        {
            self.tasks.insert(task, Progressing::Running);
            out.push(effect);
        }
    }

    pub(super) fn is_known(&self, task: Task) -> bool {
        self.tasks.contains_key(&task)
    }

    pub(super) fn is_done(&self, task: Task) -> bool {
        self.tasks.get(&task) == Some(&Progressing::Done)
    }

    pub(super) fn is_running(&self, task: Task) -> bool {
        self.tasks.get(&task) == Some(&Progressing::Running)
    }

    pub(super) fn done(&mut self, task: Task) {
        self.finish(task, Progressing::Done);
    }

    pub(super) fn finish(&mut self, task: Task, how: Progressing) {
        self.tasks.insert(task, how);
    }

    /// Records an act. On a conflict nothing is recorded, and the act must not happen.
    pub(super) fn record(&mut self, record: Record, out: &mut Vec<Effect>) -> bool {
        match self.guards.admit(&record) {
            Ok(new) => {
                if new {
                    out.push(Effect::Record(record));
                }
                true
            }
            Err(conflict) => {
                self.conflicted(conflict, out);
                false
            }
        }
    }

    pub(super) fn conflicted(&mut self, conflict: GuardConflict, out: &mut Vec<Effect>) {
        let alarm = match conflict {
            GuardConflict::Cosigned(round) => Alarm::CloseDiffers { round },
            GuardConflict::Witnessed(round) => Alarm::CheckpointDiffers { round },
            GuardConflict::Answered(round) => Alarm::AnswersDiffer { round },
            GuardConflict::Judged(round) => Alarm::JudgementDiffers { round },
            GuardConflict::Opened(round) => Alarm::OpeningDiffers { round },
            GuardConflict::Published(round) => Alarm::PublicationDiffers { round },
            other => {
                return out.push(Effect::Tell(Progress::Warning {
                    message: format!("refused: {other}"),
                }));
            }
        };
        self.raise(alarm, out);
    }

    pub(super) fn raise(&mut self, alarm: Alarm, out: &mut Vec<Effect>) {
        if !self.raised.insert(alarm.clone()) {
            return;
        }
        let stops = alarm.stops();
        out.push(Effect::Alarm(alarm));
        if stops {
            self.halted = true;
            out.push(Effect::Halt);
        }
    }

    pub(super) fn wait(&mut self, reason: &str, out: &mut Vec<Effect>) {
        if self.waiting != reason {
            reason.clone_into(&mut self.waiting);
            out.push(Effect::Tell(Progress::Waiting {
                reason: reason.to_owned(),
            }));
        }
    }
}

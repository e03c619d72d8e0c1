//! Members sign that a half of the rating is over, and whose rows count; a rater notices if its own was left out.

use unsilo_ledger::{Entry, RatingStep};

use super::{
    Call, Effect, Facts, Me, Phase, RoundFacts, RowState, Session, Task,
    contributing::under_way,
    patience::{Wait, missing_rows},
};
use crate::{alarm::Alarm, progress::Progress};

impl Session {
    /// Members sign that a half of the rating step is over: when every rater has done its part, when the few who have
    /// not had their chance, or when its time is over; over exactly the rows on this node's ledger, its own among them.
    pub(super) fn end_rating(
        &mut self,
        facts: &Facts,
        me: Me,
        (round, revealing, bytes): (u64, bool, &[u8]),
        now_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(judged) = under_way(facts, round, Phase::Rating) else {
            return;
        };
        let Some(seat) = self.may_act(judged, me, out) else {
            return;
        };
        self.dispute(judged, seat, out);
        if bytes.is_empty() {
            return;
        }
        // The ledger takes the entry only over these rows, so what this node signs is what is weighed.
        let due = judged.rating_end.as_ref();
        let Some(entry) = due.filter(|entry| entry.to_bytes() == bytes) else {
            return self.wait(
                "the coordinator asks to end the rating over other rows than this node's ledger holds: not signed",
                out,
            );
        };
        if !self.rows_are_in(judged, revealing, now_ms) {
            return self.wait(
                "the coordinator asks to end the rating before its time, without every rater: not signed",
                out,
            );
        }
        if self.row_is_missing(judged, me) || self.row_is_to_come(judged, me, now_ms) {
            return self.wait(
                "the coordinator asks to end the rating without the row of this company: not signed",
                out,
            );
        }
        let Entry::RatingStepEnded { set, .. } = *entry else {
            return;
        };
        let signature = entry
            .sign(&self.federation, &self.member.identity)
            .signature;
        self.start(
            Effect::Call(Call::SignRatingStep {
                round,
                revealing,
                set,
                entry: bytes.to_vec(),
                signature,
            }),
            out,
        );
    }

    /// Whether a half of the rating step is over.
    fn rows_are_in(&self, round: &RoundFacts, revealing: bool, now_ms: u64) -> bool {
        let (step, wait) = if revealing {
            (RatingStep::Reveal, Wait::Reveals)
        } else {
            (RatingStep::Commit, Wait::Rows)
        };
        missing_rows(round, step) == 0
            || self.is_most_over(round, step, now_ms)
            || self.is_over(round, wait, now_ms)
    }

    /// Whether the step under way lacks what this node has for it. Whose commitment is not on the ledger has nothing
    /// to reveal.
    fn row_is_missing(&self, judged: &RoundFacts, me: Me) -> bool {
        let lacks = match judged.rating_step() {
            Some(RatingStep::Commit) => RowState::Missing,
            Some(RatingStep::Reveal) => RowState::Committed,
            None => return false,
        };
        self.guards.ratings.contains_key(&judged.round) && judged.row_of(me.id) == Some(lacks)
    }

    /// Whether this node asked, and cannot say anything yet because it was not told what the committee answered. A coordinator
    /// that refuses the answers, or leaves some out, is waited for; a node that is only slow, or seems to be, until the time
    /// for reveals is over as well: longer, and the round would be void for its sake.
    fn row_is_to_come(&self, judged: &RoundFacts, me: Me, now_ms: u64) -> bool {
        let round = judged.round;
        let asked = self.guards.directions.contains_key(&round)
            && judged.row_of(me.id) == Some(RowState::Missing)
            && judged.rating_step() == Some(RatingStep::Commit);
        let told = self.guards.ratings.contains_key(&round)
            || self.is_done(Task::ReceiveAnswers(round)) && !self.is_running(Task::MakeRow(round));
        let kept_back = self.answers_kept_back == Some(round);
        asked && !told && (kept_back || !self.is_over(judged, Wait::Reveals, now_ms))
    }

    /// Raises the alarm if a step ended without what the coordinator had taken from this node, which need not be a
    /// member for that; and says so if this node asked and had nothing to give in time.
    pub(super) fn notice_missing_row(
        &mut self,
        judged: &RoundFacts,
        me: Me,
        out: &mut Vec<Effect>,
    ) {
        let round = judged.round;
        let commitments_over =
            judged.phase == Phase::Weighed || judged.rating_step() == Some(RatingStep::Reveal);
        if commitments_over
            && judged.row_of(me.id) == Some(RowState::Missing)
            && self.guards.directions.contains_key(&round)
            && !self.guards.ratings.contains_key(&round)
            && self.silent_in.replace(round) != Some(round)
        {
            out.push(Effect::Tell(Progress::Warning {
                message: format!(
                    "round {round}: the ratings went on before this node had what the committee answered, or could make \
                     anything of it: this company has no say in the round"
                ),
            }));
        }
        let Some((_, revealing)) = self.row_taken.filter(|(of, _)| *of == round) else {
            return;
        };
        let over = match judged.rating_step() {
            Some(RatingStep::Commit) => false,
            Some(RatingStep::Reveal) => !revealing,
            None => judged.phase == Phase::Weighed,
        };
        let least = if revealing {
            RowState::Revealed
        } else {
            RowState::Committed
        };
        if over && judged.row_of(me.id).is_some_and(|row| row < least) {
            self.raise(Alarm::RowLeftOut { round }, out);
        }
    }
}

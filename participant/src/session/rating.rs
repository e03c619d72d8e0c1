//! Raters learn one number for each of their directions and each contribution of others. From these follows the row that
//! they commit to, and reveal when everybody has.

use unsilo_ledger::{Entry, Hash, ParticipantId, RatingStep, Ratings, SignedEntry, commit_rating};

use super::{
    Call, Effect, Facts, Me, Phase, Progressing, ReceiveJob, RowJob, RowState, Session, Task,
    contributing::under_way,
};
use crate::{
    alarm::Alarm,
    guard::{RatingRecord, Record},
    progress::{Progress, Score},
    rater::{Contributor, Opinion},
};

impl Session {
    /// Fetches what the committee answered on this node's directions, once a connection.
    pub(super) fn receive_answers(
        &mut self,
        facts: &Facts,
        me: Me,
        round: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(judged) = under_way(facts, round, Phase::Rating) else {
            return;
        };
        let mine = judged
            .directions
            .iter()
            .find(|rater| rater.participant == me.id);
        let kept = self.guards.directions.get(&round);
        let (Some(mine), Some(kept)) = (mine, kept) else {
            return;
        };
        if mine.directions != kept.directions {
            return;
        }
        let (Some(found), Some(challenge)) = (&judged.judged, judged.challenge) else {
            return;
        };
        let seats = found
            .answers
            .iter()
            .filter(|(seat, _)| !found.erased.contains(seat))
            .filter_map(|(seat, root)| Some((*seat, judged.key_of(*seat)?, *root)))
            .collect();
        let of_others = |id| {
            let made = judged.contribution_of(id)?;
            (made.owner != me.owner).then_some(made.root)
        };
        self.start(
            Effect::ReceiveAnswers(ReceiveJob {
                round,
                model: judged.model,
                challenge,
                participant: me.id,
                threshold: judged.threshold,
                committee: judged.seats.len(),
                seats,
                directions: kept.directions.clone(),
                set: found
                    .accepted
                    .iter()
                    .filter_map(|(id, exponent)| Some((*id, of_others(*id)?, *exponent)))
                    .collect(),
            }),
            out,
        );
    }

    pub(super) fn scored(
        &mut self,
        round: u64,
        (scores, undecided): (Vec<Score>, &[(ParticipantId, Vec<u16>)]),
        out: &mut Vec<Effect>,
    ) {
        self.done(Task::ReceiveAnswers(round));
        for (participant, seats) in undecided {
            let message = self.undecided(round, *participant, seats);
            out.push(Effect::Tell(Progress::Warning { message }));
        }
        let rated = self.guards.ratings.contains_key(&round);
        if let Some(contributors) = self.rated_by_me(round).filter(|_| !rated) {
            let job = RowJob {
                round,
                contributors,
                scores: scores.clone(),
            };
            self.start(Effect::MakeRow(job), out);
        }
        out.push(Effect::Tell(Progress::Scored { round, scores }));
    }

    /// The coordinator does not hand out what the committee answered: not slowness, so no reason to go on without it.
    pub(super) fn answers_withheld(&mut self, round: u64, seat: u16, out: &mut Vec<Effect>) {
        self.finish(Task::ReceiveAnswers(round), Progressing::Refused);
        self.answers_kept_back = Some(round);
        self.raise(Alarm::AnswersWithheld { round, seat }, out);
    }

    /// For people: whose answers contradict each other, and who may be at fault.
    fn undecided(&self, round: u64, participant: ParticipantId, seats: &[u16]) -> String {
        let judged = self.facts.as_ref().and_then(|facts| facts.round.as_ref());
        let judged = judged.filter(|judged| judged.round == round);
        let members = seats.iter().map(|seat| {
            let at = usize::from(*seat).checked_sub(1);
            let member = judged.and_then(|judged| judged.seats.get(at?));
            member.map_or_else(
                || format!("seat {seat}"),
                |member| format!("seat {seat} (participant {})", member.participant),
            )
        });
        let members: Vec<String> = members.collect();
        let reason = match members.is_empty() {
            true => "too few members had a share to answer with".to_owned(),
            false => format!(
                "the answers cannot all be true; at least one is false of: {}",
                members.join(", ")
            ),
        };
        format!(
            "round {round}: this company has no score for the contribution of participant {participant}: {reason}. If it has \
             rated that participant before, this counts as a round in which it did not help; if it comes up again, ask these companies"
        )
    }

    /// The accepted contributions that this node rates; `None` if it does not, or the time for it is over.
    fn rated_by_me(&self, round: u64) -> Option<Vec<Contributor>> {
        let facts = self.facts.as_ref()?;
        let (id, owner) = facts.me?;
        let judged = under_way(facts, round, Phase::Rating)?;
        let accepted = &judged.judged.as_ref()?.accepted;
        let asked = |rater: &super::RaterFacts| rater.participant == id;
        if !self.member.rates || !judged.directions.iter().any(asked) {
            return None;
        }
        let of_others = |id: &ParticipantId| {
            judged
                .contribution_of(*id)
                .is_some_and(|made| made.owner != owner)
        };
        Some(
            accepted
                .iter()
                .filter(|(id, _)| of_others(id))
                .map(|(participant, norm_exponent)| Contributor {
                    participant: *participant,
                    norm_exponent: *norm_exponent,
                })
                .collect(),
        )
    }

    /// The row is recorded with its salt before anybody sees its commitment: another one would be a second word.
    pub(super) fn row_made(
        &mut self,
        round: u64,
        opinions: &[Opinion],
        salt: Hash,
        out: &mut Vec<Effect>,
    ) {
        self.done(Task::MakeRow(round));
        let Some(contributors) = self.rated_by_me(round) else {
            return;
        };
        if contributors.len() != opinions.len() {
            return out.push(Effect::Tell(Progress::Warning {
                message: format!(
                    "round {round}: the rater has {} opinions on {} contributions: no row is given",
                    opinions.len(),
                    contributors.len()
                ),
            }));
        }
        let accepted = self
            .facts
            .iter()
            .filter_map(|facts| facts.round.as_ref()?.judged.as_ref())
            .flat_map(|judged| &judged.accepted);
        // Nothing on the own contribution and those of the own affiliates.
        let row: Vec<Opinion> = accepted
            .map(
                |(id, _)| match contributors.binary_search_by_key(id, |one| one.participant) {
                    Ok(at) => opinions.get(at).copied().unwrap_or_default(),
                    Err(_) => Opinion::default(),
                },
            )
            .collect();
        let row = Ratings {
            scores: row.iter().map(|opinion| opinion.score).collect(),
            rewards: row.iter().map(|opinion| opinion.reward).collect(),
        };
        // Sending follows in `advance`.
        self.record(Record::Rated(RatingRecord { round, row, salt }), out);
    }

    /// Commits to the recorded row, and reveals it: when this node's own ledger says that commitments are over, and not
    /// when the coordinator does, who could read the row while others may still commit to theirs.
    pub(super) fn rate(&mut self, facts: &Facts, me: Me, round: u64, out: &mut Vec<Effect>) {
        let Some(judged) = under_way(facts, round, Phase::Rating) else {
            return;
        };
        let (step, mine) = (judged.rating_step(), judged.row_of(me.id));
        let (Some(step), Some(mine), Some(kept)) = (step, mine, self.guards.ratings.get(&round))
        else {
            return;
        };
        let participant = me.id;
        let entry = match (step, mine) {
            (RatingStep::Commit, RowState::Missing) => Entry::RatingsCommitted {
                round,
                participant,
                commitment: commit_rating(
                    &self.federation,
                    round,
                    participant,
                    &kept.row,
                    &kept.salt,
                ),
            },
            (RatingStep::Reveal, RowState::Committed) => Entry::RatingsRevealed {
                round,
                participant,
                scores: kept.row.scores.clone(),
                rewards: kept.row.rewards.clone(),
                salt: kept.salt,
            },
            _ => return,
        };
        let signed = SignedEntry::signed_by(entry, &self.federation, &[&*self.member.identity]);
        let call = Call::Rate {
            round,
            revealing: step == RatingStep::Reveal,
            entry: signed.encode(),
        };
        self.start(Effect::Call(call), out);
    }
}

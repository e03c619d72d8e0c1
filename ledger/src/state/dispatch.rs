//! From an entry to the file with its rules, and from a checked transition to the books.

use super::books::Books;
use super::{
    Trust, admission, appeals, closing, contribution, directions, feedback, judging, measuring,
    membership, opening, publication, queries, rating, staking, violations, voiding,
};
use crate::entry::{Entry, signed::SignedEntry};
use crate::event::Event;
use crate::judgement::Judgement;
use crate::rating::Ratings;
use crate::rejected::Rejected;

/// What an entry changes, fully checked: carrying it out cannot fail.
pub(super) enum Transition {
    Found(Box<Books>),
    Admit(admission::Admission),
    Open(Box<opening::Opened>),
    Contribute(contribution::Committed),
    Direct(directions::Directed),
    Close(closing::Closed),
    Judge(judging::Judged),
    Rate(rating::Rated),
    EndRatingStep(rating::StepEnded),
    End(Box<publication::Ending>),
    ChangeMembership(membership::Changed),
    MoveStake(staking::Moved),
    EnterQueries(queries::Entered),
    Report(violations::Reported),
    UpholdAppeal(appeals::Upheld),
    FileFeedback(feedback::Filed),
}

impl Books {
    pub(super) fn transition(
        &self,
        signed: &SignedEntry,
        trust: Trust<'_>,
    ) -> Result<Transition, Rejected> {
        match &signed.entry {
            Entry::FederationCreated { .. } => Err(Rejected::AlreadyFounded),
            Entry::ParticipantAdmitted { name, key, owner } => {
                admission::check(self, name, key, *owner, signed).map(Transition::Admit)
            }
            Entry::RoundOpened {
                round,
                model,
                unit_log2,
                seats,
                contribute_by_ms,
                close_by_ms,
                open_by_ms,
            } => {
                let proposal = opening::Proposal {
                    round: *round,
                    model: *model,
                    unit_log2: *unit_log2,
                    seats,
                    deadlines_ms: [*contribute_by_ms, *close_by_ms, *open_by_ms],
                };
                let opened = opening::check(self, &proposal, signed, trust)?;
                Ok(Transition::Open(Box::new(opened)))
            }
            Entry::ContributionCommitted {
                round,
                participant,
                root,
                bytes,
            } => contribution::check(self, *round, *participant, *root, *bytes, signed)
                .map(Transition::Contribute),
            Entry::DirectionsCommitted {
                round,
                participant,
                round_key,
                directions,
            } => directions::check(self, *round, *participant, round_key, directions, signed)
                .map(Transition::Direct),
            Entry::RoundClosed {
                round,
                contributions,
                cosignatures,
            } => closing::check(self, *round, contributions, cosignatures, signed, trust)
                .map(Transition::Close),
            Entry::ContributionsJudged {
                round,
                answers,
                projections,
                accepted,
                rejected,
                erased,
            } => {
                let judgement = Judgement {
                    answers: answers.clone(),
                    projections: *projections,
                    accepted: accepted.clone(),
                    rejected: rejected.clone(),
                    erased: erased.clone(),
                };
                judging::check(self, *round, judgement, signed).map(Transition::Judge)
            }
            Entry::RatingsCommitted {
                round,
                participant,
                commitment,
            } => rating::check_commit(self, *round, *participant, *commitment, signed)
                .map(Transition::Rate),
            Entry::RatingsRevealed {
                round,
                participant,
                scores,
                rewards,
                salt,
            } => {
                let ratings = Ratings {
                    scores: scores.clone(),
                    rewards: rewards.clone(),
                };
                rating::check_reveal(self, *round, *participant, ratings, salt, signed)
                    .map(Transition::Rate)
            }
            Entry::RatingStepEnded {
                round,
                step,
                rows,
                set,
            } => rating::check_step_ended(self, *round, *step, (*rows, *set), signed)
                .map(Transition::EndRatingStep),
            Entry::ModelPublished {
                round,
                sum,
                key_sum,
                model,
                total_weight,
            } => {
                let claim = publication::Claim {
                    sum: *sum,
                    key_sum: *key_sum,
                    model: *model,
                    total_weight: *total_weight,
                };
                let ending = publication::check(self, *round, &claim, signed)?;
                Ok(Transition::End(Box::new(ending)))
            }
            Entry::RoundVoided {
                round,
                reason,
                authority,
            } => {
                let ending = voiding::check(self, *round, *reason, *authority, signed)?;
                Ok(Transition::End(Box::new(ending)))
            }
            Entry::ParticipantEvicted {
                participant,
                change,
            } => membership::check_eviction(self, *participant, *change, signed)
                .map(Transition::ChangeMembership),
            Entry::ParticipantReadmitted {
                participant,
                change,
                key,
            } => membership::check_readmission(self, *participant, *change, *key, signed)
                .map(Transition::ChangeMembership),
            Entry::OwnerChanged {
                participant,
                change,
                owner,
            } => membership::check_move(self, *participant, *change, *owner, signed)
                .map(Transition::ChangeMembership),
            Entry::StakeDeposited {
                participant,
                number,
                amount,
            } => {
                let asked = staking::Move {
                    participant: *participant,
                    number: *number,
                    amount: *amount,
                };
                staking::check_deposit(self, &asked, signed).map(Transition::MoveStake)
            }
            Entry::StakeWithdrawn {
                participant,
                number,
                amount,
            } => {
                let asked = staking::Move {
                    participant: *participant,
                    number: *number,
                    amount: *amount,
                };
                staking::check_withdrawal(self, &asked, signed).map(Transition::MoveStake)
            }
            Entry::QueryBatch {
                first, count, fees, ..
            } => queries::check(self, *first, *count, *fees, signed).map(Transition::EnterQueries),
            Entry::ViolationReported { violation } => {
                violations::check(self, violation, signed, trust).map(Transition::Report)
            }
            Entry::Appealed { case, authority } => {
                appeals::check(self, *case, *authority, signed).map(Transition::UpholdAppeal)
            }
            Entry::FeedbackFiled {
                participant,
                number,
                kind,
                ..
            } => feedback::check(self, *participant, *number, *kind, signed)
                .map(Transition::FileFeedback),
            Entry::StatisticsPublished { round, statistics } => {
                let ending = measuring::check(self, *round, statistics.as_ref(), signed)?;
                Ok(Transition::End(Box::new(ending)))
            }
        }
    }

    pub(super) fn carry_out(&mut self, transition: Transition) -> Vec<Event> {
        match transition {
            // Only the very first entry founds, and then there are no books to call this on.
            Transition::Found(_) => Vec::new(),
            Transition::Admit(admission) => admission.carry_out(self),
            Transition::Open(opened) => opened.carry_out(self),
            Transition::Contribute(committed) => committed.carry_out(self),
            Transition::Direct(directed) => directed.carry_out(self),
            Transition::Close(closed) => closed.carry_out(self),
            Transition::Judge(judged) => judged.carry_out(self),
            Transition::Rate(rated) => rated.carry_out(self),
            Transition::EndRatingStep(ended) => ended.carry_out(self),
            Transition::End(ending) => ending.carry_out(self),
            Transition::ChangeMembership(changed) => changed.carry_out(self),
            Transition::MoveStake(moved) => moved.carry_out(self),
            Transition::EnterQueries(entered) => entered.carry_out(self),
            Transition::Report(reported) => reported.carry_out(self),
            Transition::UpholdAppeal(upheld) => upheld.carry_out(self),
            Transition::FileFeedback(filed) => filed.carry_out(self),
        }
    }
}

//! What must hold after every event, whatever happened.

use std::collections::BTreeSet;

use unsilo_ledger::{Entry, ParticipantId, Phase, RatingStep, SignedEntry};
use unsilo_proto::v1::step;

use super::federation::Federation;
use crate::round::Answer;

/// The invariants.
impl Federation {
    pub(super) fn no_round_has_two_outcomes(&self) {
        let ended: Vec<_> = self
            .entries
            .iter()
            .filter_map(|signed| match signed.entry {
                Entry::ModelPublished { round, .. } | Entry::RoundVoided { round, .. } => {
                    Some(round)
                }
                _ => None,
            })
            .collect();
        let distinct: BTreeSet<_> = ended.iter().collect();
        assert_eq!(ended.len(), distinct.len(), "a round has two outcomes");
    }

    pub(super) fn closes_only_with_a_cohort(&self, entry: &SignedEntry) {
        if let Entry::RoundClosed { .. } = entry.entry {
            let owners = self.ledger.round().map_or(0, |round| round.owners.len());
            assert!(
                owners >= self.ledger.required_cohort(),
                "closed with {owners} companies"
            );
        }
    }

    pub(super) fn set_is_frozen_by_its_close(&mut self, entry: &SignedEntry) {
        if let Entry::ContributionCommitted { round, .. } = entry.entry {
            assert!(
                !self.frozen.contains_key(&round),
                "a contribution came into a set that is being closed"
            );
        }
    }

    pub(super) fn one_answer_a_seat(&mut self, round: u64, answers: &[Answer]) {
        for answer in answers {
            let before = self
                .answers
                .entry((round, answer.seat))
                .or_insert_with(|| answer.opening.clone());
            assert_eq!(*before, answer.opening, "a seat has two answers");
        }
    }

    /// What everybody is told is on the ledger already.
    pub(super) fn check_announcement(&mut self, kind: &step::Kind, cosigned: bool) {
        assert!(
            !cosigned || self.is_cosigned(),
            "announced as cosigned by enough members"
        );
        let phase = self.ledger.phase();
        let current = self.ledger.round().map(|round| round.opening.round);
        match kind {
            step::Kind::Founding(_) => assert_eq!(phase, Phase::Unfounded),
            step::Kind::Seating(seating) => {
                assert_eq!(
                    (phase, self.ledger.next_round()),
                    (Phase::Idle, seating.round)
                );
            }
            step::Kind::Contributing(step) => {
                assert_eq!((phase, current), (Phase::Open, Some(step.round)));
            }
            step::Kind::Closing(step) => {
                assert_eq!((phase, current), (Phase::Open, Some(step.round)));
                let set = self.ledger.contributions_hash().expect("open");
                assert_eq!(*self.frozen.entry(step.round).or_insert(set), set);
            }
            step::Kind::Answering(step) => {
                assert_eq!((phase, current), (Phase::Closed, Some(step.round)));
            }
            step::Kind::Judging(step) => {
                assert_eq!((phase, current), (Phase::Closed, Some(step.round)));
                let disk = &self.disk[&step.round];
                let judged = disk.judged.as_ref().expect("on disk before it is told");
                let seats: Vec<u32> = judged.iter().map(|(seat, _)| u32::from(*seat)).collect();
                assert_eq!(seats, step.seats);
                for (seat, root) in judged {
                    assert!(
                        disk.answers.contains(&(*seat, *root)),
                        "judged without its answer"
                    );
                }
            }
            step::Kind::Rating(step) => {
                let half = if step.revealing {
                    RatingStep::Reveal
                } else {
                    RatingStep::Commit
                };
                assert_eq!((phase, current), (Phase::Rating(half), Some(step.round)));
                if !step.entry.is_empty() {
                    let due = self.ledger.rating_step_end();
                    assert_eq!(
                        Some(step.entry.clone()),
                        due.map(|entry| entry.to_bytes()),
                        "over other rows than those on the ledger"
                    );
                }
            }
            step::Kind::Opening(step) => {
                assert_eq!((phase, current), (Phase::Weighed, Some(step.round)));
            }
            step::Kind::Publishing(step) => {
                assert_eq!((phase, current), (Phase::Weighed, Some(step.round)));
            }
            step::Kind::Voiding(step) => {
                assert_eq!(current, Some(step.round));
                if phase != Phase::Open {
                    let void = self.disk.get(&step.round).and_then(|disk| disk.void);
                    assert!(void.is_some(), "decided on disk before it is told");
                }
            }
            step::Kind::Published(step) => {
                assert_eq!(self.ledger.model().expect("founded").to_vec(), step.model);
            }
            step::Kind::Resting(_) => assert_eq!(phase, Phase::Idle),
        }
    }

    /// Every weight is within 1 + 8 sigma / Delta quantisation steps of plaintext federated averaging.
    pub(super) fn is_the_mean_of_the_updates(
        &self,
        round: u64,
        weights: &[(ParticipantId, u16)],
        before: &[f32],
        after: &[f32],
        unit_log2: i8,
    ) {
        let step = f64::from(unit_log2).exp2();
        let total: f64 = weights.iter().map(|(_, weight)| f64::from(*weight)).sum();
        for (index, (before, after)) in before.iter().zip(after).enumerate() {
            let mean: f64 = weights
                .iter()
                .map(|(id, weight)| {
                    f64::from(self.store[&(round, id.0)].update[index]) * f64::from(*weight)
                })
                .sum::<f64>()
                / total;
            let off = (f64::from(*after) - f64::from(*before) - mean).abs() / step;
            assert!(off <= 10.1, "parameter {index} is {off} steps off the mean");
        }
    }
}

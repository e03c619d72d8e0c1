//! What must hold of every effect that the coordinator sees.

use super::*;

impl Chaos {
    /// The coordinator sees an effect: here the invariants are checked.
    pub(super) fn see(&mut self, effect: &Effect) {
        if let Some(round) = towards_a_sum(effect) {
            assert!(
                !self.owners_voided.contains(&round),
                "{effect:?} after the owners' void"
            );
        }
        let disk = &self.world.disk;
        match effect {
            Effect::Upload { round, root, entry } => {
                let made = disk
                    .contributions
                    .get(round)
                    .expect("recorded before it is sent");
                assert_eq!(made.root, *root, "one contribution a round");
                SignedEntry::decode(entry).expect("a signed entry");
                let facts = self.world.session.facts();
                for (earlier, model, sent) in &self.uploads {
                    let same_round = earlier == round && sent == root;
                    let void = facts.is_some_and(|facts| facts.void.contains_key(earlier));
                    assert!(
                        same_round || *model != made.model || void,
                        "two contributions to one model, rounds {earlier} and {round}"
                    );
                }
                self.uploads.push((*round, made.model, *root));
            }
            Effect::SendAnswers { round, sent } => {
                let record = disk
                    .answered
                    .get(round)
                    .expect("recorded before it is sent");
                assert_eq!(record.sent, *sent);
                assert!(!disk.voided.contains(round), "void and answers of {round}");
                let first = self.answered.entry(*round).or_insert(*sent);
                assert_eq!(first, sent, "two different answers in round {round}");
            }
            Effect::Call(Call::SignJudgement { round, entry, .. }) => {
                assert!(
                    disk.judged.contains_key(round),
                    "recorded before it is sent"
                );
                let first = self.judged.entry(*round).or_insert(entry.clone());
                assert_eq!(first, entry, "two judgements of round {round}");
            }
            Effect::Call(
                call @ Call::Cosign {
                    round, duty, size, ..
                },
            ) => {
                let key = (*round, *duty);
                let record = disk
                    .witnessed
                    .get(&key)
                    .expect("recorded before it is sent");
                assert_eq!(record.size, *size);
                once(&mut self.witnessed, key, call);
            }
            Effect::Appeal(job) => {
                let seat = disk.appealed.get(&job.round).expect("recorded before");
                assert_eq!(job.seat, *seat);
                let first = self.appealed.entry(job.round).or_insert(job.seat);
                assert_eq!(*first, job.seat, "two shares of one contribution");
            }
            Effect::CommitDirections { round, entry, .. } => {
                assert!(disk.directions.contains_key(round), "recorded before");
                let first = self.asked.entry(*round).or_insert(entry.clone());
                assert_eq!(first, entry, "two commitments in round {round}");
            }
            Effect::Call(call @ Call::Open { round, .. }) => {
                assert!(
                    disk.opened.contains_key(round),
                    "recorded before it is sent"
                );
                assert!(
                    !self.voided.contains(round),
                    "void and answer of round {round}"
                );
                once(&mut self.opened, *round, call);
            }
            Effect::Call(Call::SignVoid { round, .. }) => {
                assert!(disk.voided.contains(round), "recorded before it is sent");
                assert!(
                    !self.opened.contains_key(round),
                    "answer and void of round {round}"
                );
                self.voided.insert(*round);
            }
            Effect::Call(call @ Call::CosignClose { round, .. }) => {
                assert!(
                    disk.cosigned.contains_key(round),
                    "recorded before it is sent"
                );
                once(&mut self.cosigned, *round, call);
            }
            Effect::Call(call @ Call::SignPublish { round, .. }) => {
                assert!(
                    disk.published.contains_key(round),
                    "recorded before it is sent"
                );
                once(&mut self.published, *round, call);
            }
            Effect::Call(call @ Call::OfferSeat { round, .. }) => {
                assert!(disk.seats.contains_key(round), "recorded before it is sent");
                once(&mut self.offered, *round, call);
            }
            _ => {}
        }
    }
}

/// The round, if the effect is a step towards an opened sum.
fn towards_a_sum(effect: &Effect) -> Option<u64> {
    match effect {
        Effect::Upload { round, .. }
        | Effect::SendAnswers { round, .. }
        | Effect::Call(
            Call::CosignClose { round, .. }
            | Call::SignJudgement { round, .. }
            | Call::Open { round, .. }
            | Call::SignPublish { round, .. },
        ) => Some(*round),
        _ => None,
    }
}

/// Every call for the same thing has the same bytes.
fn once<K: Ord + std::fmt::Debug + Copy>(seen: &mut BTreeMap<K, Vec<Call>>, key: K, call: &Call) {
    let before = seen.entry(key).or_default();
    assert!(
        before.iter().all(|other| other == call),
        "two different acts in {key:?}"
    );
    before.push(call.clone());
}

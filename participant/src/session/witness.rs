//! Members act on one history only: on a checkpoint of the ledger that at least `t` of them cosigned, each one for a step
//! of a round. So a coordinator that shows two members two ledgers gets the answers of neither.

use unsilo_ledger::{Checkpoint, CosignedCheckpoint, ParticipantId, SignedCheckpoint};

use super::{Call, Effect, Facts, Me, RoundFacts, Session, Step};
use crate::{
    alarm::Alarm,
    guard::{Duty, Record, WitnessRecord},
};

/// A checkpoint whose cosignatures were verified: against this node's own checkpoint, and for the seats of this round. For
/// another one of either they say nothing.
#[derive(Debug)]
pub(super) struct Verified {
    note: String,
    own: String,
    round: u64,
    /// How many cosignatures are of seated members.
    members: usize,
}

impl Session {
    /// Whether the checkpoint of this step is cosigned by at least `t` seated members and is this node's own. If it is
    /// not cosigned yet, gives this node's cosignature.
    pub(super) fn confirmed(
        &mut self,
        facts: &Facts,
        round: &RoundFacts,
        me: Me,
        duty: Duty,
        now_ms: u64,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some((step, own)) = self.at_step(facts) else {
            self.wait(
                "the ledger has grown since the coordinator's step: waiting for the next one",
                out,
            );
            return false;
        };
        if step.checkpoint.is_empty() {
            self.witness(round.round, me, duty, &own, now_ms, out);
            self.wait("waiting for other members to confirm the ledger", out);
            return false;
        }
        let (number, needed) = (round.round, round.threshold);
        match self.cosigners(&step, &own, round, out) {
            Some(cosigners) if cosigners >= needed => true,
            Some(cosigners) => {
                self.raise(
                    Alarm::TooFewCosigners {
                        round: number,
                        cosigners,
                        needed,
                    },
                    out,
                );
                false
            }
            None => false,
        }
    }

    /// Takes note of a step's checkpoint that at least `t` members of the round under way cosigned, seated or not: all
    /// rounds before it are over on the ledger that they hold.
    pub(super) fn note_confirmation(
        &mut self,
        facts: &Facts,
        round: &RoundFacts,
        out: &mut Vec<Effect>,
    ) {
        if self.confirmed_before >= round.round {
            return;
        }
        let Some((step, own)) = self.at_step(facts) else {
            return;
        };
        if !step.checkpoint.is_empty()
            && self.cosigners(&step, &own, round, out) >= Some(round.threshold)
        {
            self.confirmed_before = round.round;
        }
    }

    /// The step and this node's own checkpoint, if they are of the same size.
    pub(super) fn at_step(&self, facts: &Facts) -> Option<(Step, SignedCheckpoint)> {
        let step = self.step.clone()?;
        let own = facts.checkpoint.clone()?;
        let fits =
            own.checkpoint().size == step.ledger_entries && facts.entries == step.ledger_entries;
        fits.then_some((step, own))
    }

    /// Cosigns this node's own checkpoint: once for a duty, and the same bytes again.
    pub(super) fn witness(
        &mut self,
        round: u64,
        me: Me,
        duty: Duty,
        own: &SignedCheckpoint,
        now_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        if self.guards.finished.contains(&round) {
            return;
        }
        let Checkpoint {
            size,
            root,
            state_root,
            ..
        } = *own.checkpoint();
        let given = self.guards.witnessed.get(&(round, duty));
        let record = WitnessRecord {
            round,
            duty,
            size,
            root,
            state_root,
            // The first cosignature's, so that a repetition is the same.
            timestamp_s: given.map_or(now_ms / 1_000, |given| given.timestamp_s),
        };
        if self.record(Record::Witnessed(record), out) {
            let cosignature = own.cosign(me.id, &self.member.identity, record.timestamp_s);
            let call = Call::Cosign {
                round,
                duty,
                size,
                line: cosignature.line(),
            };
            self.start(Effect::Call(call), out);
        }
    }

    /// How many seated members cosigned the step's checkpoint, which must be this node's own. `None` if it is not; another
    /// one of the same size under the coordinator's signature is a second history.
    pub(super) fn cosigners(
        &mut self,
        step: &Step,
        own: &SignedCheckpoint,
        round: &RoundFacts,
        out: &mut Vec<Effect>,
    ) -> Option<usize> {
        if let Some(verified) = &self.cosigned
            && verified.note == step.checkpoint
            && verified.own == own.note()
            && verified.round == round.round
        {
            return Some(verified.members);
        }
        let key = |id: ParticipantId| {
            let seat = round.seats.iter().find(|seat| seat.participant == id)?;
            Some(seat.key)
        };
        let parsed =
            CosignedCheckpoint::parse(&step.checkpoint, &self.member.draft.coordinator, key);
        let cosigned = match parsed {
            Ok(cosigned) => cosigned,
            Err(error) => {
                self.wait(
                    &format!("the coordinator sent a checkpoint that cannot be used: {error}"),
                    out,
                );
                return None;
            }
        };
        let (theirs, ours) = (cosigned.checkpoint(), own.checkpoint());
        if theirs.size == ours.size && theirs != ours {
            self.raise(
                Alarm::Fork {
                    detail: format!(
                        "two ledgers of {} entries, the other one cosigned by {} members",
                        ours.size,
                        cosigned.cosigners().count()
                    ),
                    ours: own.note().to_owned(),
                    theirs: step.checkpoint.clone(),
                    proof: None,
                },
                out,
            );
            return None;
        }
        if theirs != ours {
            self.wait(
                "the coordinator sent the checkpoint of another step: not acted on",
                out,
            );
            return None;
        }
        // Only keys of seated members were given, so nobody else is among them.
        let members = cosigned.cosigners().len();
        self.cosigned = Some(Verified {
            note: step.checkpoint.clone(),
            own: own.note().to_owned(),
            round: round.round,
            members,
        });
        Some(members)
    }
}

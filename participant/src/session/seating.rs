//! A drawn participant offers its seat: a round key and a committed nonce.

use unsilo_ledger::{Hash, SeatOffer, commit_nonce};

use super::{Call, Effect, Facts, Me, RoundFacts, Session, Task};
use crate::guard::{Record, SeatRecord};

impl Session {
    pub(super) fn offer_seat(
        &mut self,
        facts: &Facts,
        me: Me,
        round: u64,
        model: Hash,
        asked: &[u32],
        out: &mut Vec<Effect>,
    ) {
        if facts.round.is_some() || round != facts.next_round || model != facts.model {
            return;
        }
        if !asked.contains(&me.id.0) || !facts.draw.contains(&me.owner) {
            return self.wait("the committee of the next round is being seated", out);
        }
        if self.guards.voided.contains(&round) {
            return self.wait(
                "this company signed that the round is void: it offers no seat in it",
                out,
            );
        }
        if self.guards.seats.contains_key(&round) {
            return self.send_offer(me, round, model, out);
        }
        self.start(
            Effect::MakeSeat {
                round,
                model,
                size: facts.size as u64,
                draw: facts.draw.iter().map(|owner| owner.0).collect(),
            },
            out,
        );
    }

    pub(super) fn seat_made(&mut self, seat: SeatRecord, out: &mut Vec<Effect>) {
        self.done(Task::MakeSeat(seat.round));
        // The offer itself follows in `advance`, if it is still asked for.
        self.record(Record::Seat(seat), out);
    }

    fn send_offer(&mut self, me: Me, round: u64, model: Hash, out: &mut Vec<Effect>) {
        let heads = &self.guards.seat_heads;
        let (Some(kept), Some(head)) = (self.guards.seats.get(&round), heads.get(&round)) else {
            return;
        };
        if kept.model != model {
            return;
        }
        let offer = SeatOffer {
            federation: self.federation,
            round,
            model,
            round_key: kept.round_key.clone(),
            nonce_commitment: commit_nonce(&self.federation, round, me.id, &kept.nonce),
            guard: *head,
        };
        let signature = offer.sign(&self.member.identity);
        let seat = borsh::to_vec(&offer.into_seat(me.id, signature)).unwrap_or_default();
        self.start(Effect::Call(Call::OfferSeat { round, seat }), out);
    }

    /// Whether the coordinator passed over this node's seat, although it was asked and answered in time.
    ///
    /// A full committee in which everybody was drawn before this node is no offence: reserves are asked too.
    pub(super) fn was_skipped(&self, round: &RoundFacts, me: Me) -> bool {
        let Some(kept) = self.guards.seats.get(&round.round) else {
            return false;
        };
        let seated = round.seats.iter().any(|seat| seat.owner == me.owner);
        if seated || self.acknowledged != Some(round.round) {
            return false;
        }
        let place = |owner: u32| kept.draw.iter().position(|drawn| *drawn == owner);
        let Some(mine) = place(me.owner.0) else {
            return false;
        };
        let full = round.seats.len() as u64 >= kept.size;
        let all_before_me = round
            .seats
            .iter()
            .all(|seat| place(seat.owner.0).is_some_and(|theirs| theirs < mine));
        !(full && all_before_me)
    }

    /// Whether this node sits in the round with a key that its guard records know.
    pub(super) fn sits(&self, round: &RoundFacts, me: Me) -> Option<u16> {
        let seat = round.seat_of(me.id)?;
        let known = self.guards.seats.get(&round.round)?;
        let ours = round.seats.get(usize::from(seat) - 1)?;
        (known.round_key == ours.round_key).then_some(seat)
    }
}

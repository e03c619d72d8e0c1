//! The drawn owners offer round keys and nonce commitments; the round opens with the seats they fill.

use std::collections::BTreeMap;

use unsilo_ledger::{CommitteeDraw, Entry, OwnerId, Seat, State};
use unsilo_proto::{
    Code, Rejected,
    v1::{self, step},
};

use super::{
    effect::Effect,
    machine::{Handled, Timing, same_round},
};

/// Offers for the seats of the next round.
pub(super) struct Seating {
    draw: CommitteeDraw,
    /// How many of the draw were asked so far: the committee, then one reserve for each silent owner.
    asked: usize,
    offers: BTreeMap<OwnerId, Seat>,
    deadline_ms: u64,
}

impl Seating {
    pub(super) fn start(
        now_ms: u64,
        timing: Timing,
        ledger: &State,
    ) -> Option<(Self, Vec<Effect>)> {
        let draw = ledger.draw()?;
        let seating = Self {
            asked: draw.size.min(draw.owners.len()),
            draw,
            offers: BTreeMap::new(),
            deadline_ms: now_ms.saturating_add(timing.answer_ms),
        };
        let effects = seating.announce(ledger);
        Some((seating, effects))
    }

    /// The round that is being seated.
    pub(super) fn round(&self) -> u64 {
        self.draw.round
    }

    /// The members changed, and the committee may be drawn anew. Offers made stay, for their senders have been told that
    /// they were taken and do not repeat them; but for those of participants that were evicted, belong to another owner
    /// or have another key since: the ledger would refuse to open with them.
    pub(super) fn redraw(&mut self, ledger: &State) -> Vec<Effect> {
        let round = self.draw.round;
        self.offers
            .retain(|owner, seat| stands(seat, *owner, round, ledger));
        let Some(draw) = ledger.draw() else {
            return Vec::new();
        };
        if draw == self.draw {
            return Vec::new();
        }
        self.asked = self.asked.max(draw.size).min(draw.owners.len());
        self.draw = draw;
        self.announce(ledger)
    }

    /// Takes an offer, and opens the round when all asked owners have made theirs.
    pub(super) fn offered(
        &mut self,
        round: u64,
        seat: Seat,
        now_ms: u64,
        timing: Timing,
        ledger: &State,
    ) -> Handled {
        same_round(round, self.draw.round)?;
        let participant = ledger.participant(seat.participant).ok_or_else(|| {
            Rejected::new(
                Code::NotAParticipant,
                "this seat is offered by nobody known",
            )
        })?;
        let owner = participant.owner;
        if !self
            .draw
            .owners
            .iter()
            .take(self.asked)
            .any(|asked| *asked == owner)
        {
            return Err(Rejected::new(
                Code::NoSeat,
                "your company was not drawn for this round's committee",
            ));
        }
        let last = ledger.guard_head(seat.participant).unwrap_or_default();
        if !seat.guard.continues(&last) {
            return Err(older_guards());
        }
        if unsilo_fhe::RoundPublicKey::from_bytes(&seat.round_key).is_err() {
            return Err(Rejected::new(
                Code::Malformed,
                "the round key is not a key: update the participant's software",
            ));
        }
        if !stands(&seat, owner, round, ledger) {
            return Err(Rejected::new(
                Code::SignatureInvalid,
                "the seat offer's signature does not verify: is the node's identity the one that joined?",
            ));
        }
        let copied = self
            .offers
            .iter()
            .any(|(other, taken)| *other != owner && taken.round_key == seat.round_key);
        if copied {
            // The ledger refuses two seats with one key: taken, it would keep the round from opening.
            return Err(Rejected::new(
                Code::Malformed,
                "another company's seat has this round key: make a new key for every seat",
            ));
        }
        // One seat an owner: the first of its participants keeps it, so a repetition changes nothing.
        self.offers.entry(owner).or_insert(seat);
        Ok(self.open_if_full(now_ms, timing, ledger))
    }

    /// At the deadline: ask reserves, or go on with those who answered if they are enough.
    pub(super) fn tick(&mut self, now_ms: u64, timing: Timing, ledger: &State) -> Vec<Effect> {
        if now_ms < self.deadline_ms {
            return Vec::new();
        }
        let missing = self.draw.size.saturating_sub(self.usable());
        let more = self
            .asked
            .saturating_add(missing)
            .min(self.draw.owners.len());
        self.deadline_ms = now_ms.saturating_add(timing.answer_ms);
        if more > self.asked {
            self.asked = more;
            return self.announce(ledger);
        }
        if self.usable() >= self.draw.threshold {
            return self.open(now_ms, timing, ledger);
        }
        self.announce(ledger)
    }

    /// Offers of owners that the current draw asks.
    fn usable(&self) -> usize {
        self.draw
            .owners
            .iter()
            .take(self.asked)
            .filter(|owner| self.offers.contains_key(owner))
            .count()
    }

    fn open_if_full(&self, now_ms: u64, timing: Timing, ledger: &State) -> Vec<Effect> {
        if self.usable() >= self.draw.size {
            self.open(now_ms, timing, ledger)
        } else {
            Vec::new()
        }
    }

    fn open(&self, now_ms: u64, timing: Timing, ledger: &State) -> Vec<Effect> {
        let (Some(model), Some(unit_log2)) = (ledger.model(), ledger.next_unit_log2()) else {
            return Vec::new();
        };
        let seats = self
            .draw
            .owners
            .iter()
            .take(self.asked)
            .filter_map(|owner| self.offers.get(owner).cloned())
            .take(self.draw.size)
            .collect();
        let contribute_by_ms = now_ms.saturating_add(timing.contribute_ms);
        let close_by_ms = contribute_by_ms.saturating_add(timing.answer_ms);
        vec![Effect::SignAndAppend {
            entry: Entry::RoundOpened {
                round: self.draw.round,
                model,
                unit_log2,
                seats,
                contribute_by_ms,
                close_by_ms,
                open_by_ms: close_by_ms.saturating_add(timing.answer_ms),
            },
            signatures: Vec::new(),
        }]
    }

    fn announce(&self, ledger: &State) -> Vec<Effect> {
        let asked_owners = &self.draw.owners[..self.asked.min(self.draw.owners.len())];
        let asked = ledger
            .participants()
            .filter(|participant| asked_owners.contains(&participant.owner))
            .map(|participant| participant.id.0)
            .collect();
        vec![Effect::announce(step::Kind::Seating(v1::Seating {
            round: self.draw.round,
            model: ledger
                .model()
                .map(|model| model.to_vec())
                .unwrap_or_default(),
            asked,
        }))]
    }
}

/// Whether an offer is one that its owner's participant made, as the ledger knows it now.
fn stands(seat: &Seat, owner: OwnerId, round: u64, ledger: &State) -> bool {
    let (Some(federation), Some(model)) = (ledger.federation_id(), ledger.model()) else {
        return false;
    };
    let offer = unsilo_ledger::SeatOffer {
        federation,
        round,
        model,
        round_key: seat.round_key.clone(),
        nonce_commitment: seat.nonce_commitment,
        guard: seat.guard,
    };
    ledger
        .participant(seat.participant)
        .filter(|participant| participant.is_present && participant.owner == owner)
        .is_some_and(|participant| offer.verify(&participant.key, &seat.signature))
}

/// The refusal of a member that remembers less than the ledger knows of it.
pub(super) fn older_guards() -> Rejected {
    Rejected::new(
        Code::NoSeat,
        "your guard records are older than those the ledger knows: was the node's directory restored from a backup? It \
         sits this round out",
    )
}

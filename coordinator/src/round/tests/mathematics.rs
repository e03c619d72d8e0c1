//! The arithmetic of a round: sums, openings, answers, judgements.

use unsilo_fhe::{
    Committee, Dealing, KeySum, Opening, RoundContext, RoundPublicKey, apply_mean, combine,
    decode_integers, decrypt, decrypt::is_plausible, open_key_sum, open_share, weighted_digit_sum,
};
use unsilo_ledger::{ColumnSums, Hash, ParticipantId, statistics::digits};
use unsilo_proto::key_sum_hash;

use super::federation::Federation;
use crate::round::{DecodeFailure, Decoded, Gives};

impl Federation {
    pub(super) fn sum(&self, round: u64, weights: &[(ParticipantId, u16)]) -> Vec<u8> {
        let terms: Vec<(&[u8], u16)> = weights
            .iter()
            .filter(|(_, weight)| *weight > 0)
            .map(|(id, weight)| (&self.store[&(round, id.0)].ciphertext[..], *weight))
            .collect();
        weighted_digit_sum(self.params.chunks(), &terms)
            .expect("sums")
            .to_ciphertext()
    }

    pub(super) fn decode(
        &mut self,
        round: u64,
        threshold: usize,
        answers: &[(u16, Opening)],
        weights: &[(ParticipantId, u16)],
        from: Hash,
        unit_log2: i8,
    ) -> Result<Decoded, DecodeFailure> {
        let theirs = |error: String| DecodeFailure::Answers(error);
        let context = self.context(round, from);
        let total = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let sum = self.sums.get(&round).expect("summed before").clone();
        let params = self.params;
        let plausible = |key: &KeySum| is_plausible(&params, &context, &sum, key, total);
        let opened = open_key_sum(threshold, answers, plausible)
            .map_err(|error| theirs(error.to_string()))?;
        let mean = decrypt(&params, &context, &sum, &opened.key_sum, total)
            .map_err(|error| theirs(error.to_string()))?;
        if self.ledger.is_measuring() {
            let integers = decode_integers(&mean, &digits(2));
            let columns = integers.chunks(3).map(ColumnSums::from_integers);
            return Ok(Decoded {
                key_sum: key_sum_hash(&opened.key_sum.to_bytes()),
                gives: Gives::Statistics(columns.collect()),
                total_weight: total,
                liars: opened.liars,
            });
        }
        let mut model = self.models[&from].clone();
        apply_mean(&mut model, &mean, unit_log2).map_err(|error| theirs(error.to_string()))?;
        self.is_the_mean_of_the_updates(round, weights, &self.models[&from], &model, unit_log2);
        Ok(Decoded {
            key_sum: key_sum_hash(&opened.key_sum.to_bytes()),
            gives: Gives::Model(self.keep(model)),
            total_weight: total,
            liars: opened.liars,
        })
    }

    /// The model that a closed round leads to, from all seats' true answers.
    pub(super) fn model_of(&mut self, round: u64) -> Hash {
        let closed = self.ledger.round().expect("closed").clone();
        let weights = self.ledger.weights().expect("weighed").to_vec();
        let sum = self.sum(round, &weights);
        self.sums.insert(round, sum);
        let answers: Vec<_> = (1..=closed.opening.seats.len() as u16)
            .map(|seat| {
                let member = closed.seat(seat).expect("seated").participant;
                let node = self.node_of(member);
                (seat, self.true_opening(node, seat, round))
            })
            .collect();
        let threshold = usize::from(closed.opening.threshold);
        let (from, unit) = (closed.opening.model, closed.opening.unit_log2);
        let decoded = self
            .decode(round, threshold, &answers, &weights, from, unit)
            .expect("true answers decode");
        match decoded.gives {
            Gives::Model(model) => model,
            Gives::Statistics(_) => panic!("a round of training"),
        }
    }

    pub(super) fn context(&self, round: u64, model: Hash) -> RoundContext {
        RoundContext {
            federation: self.id.0,
            round,
            model,
        }
    }

    pub(super) fn committee(&self) -> Committee {
        let open = self.ledger.round().expect("open");
        let keys = open
            .opening
            .seats
            .iter()
            .map(|seat| RoundPublicKey::from_bytes(&seat.round_key).expect("checked"))
            .collect();
        Committee::new(keys, usize::from(open.opening.threshold)).expect("valid")
    }

    /// The true answer of `node` on `seat`.
    pub(super) fn true_opening(&self, node: usize, seat: u16, round: u64) -> Opening {
        let closed = self.ledger.round().expect("closed");
        let committee = self.committee();
        let context = self.context(round, closed.opening.model);
        let (keys, _) = &self.nodes[node].seats[&round];
        let shares: Vec<_> = self
            .ledger
            .weights()
            .expect("weighed")
            .iter()
            .filter(|(_, weight)| *weight > 0)
            .map(|(id, weight)| {
                let dealing = Dealing {
                    params: &self.params,
                    context: &context,
                    participant: id.0,
                    committee: &committee,
                };
                let sealed = &self.store[&(round, id.0)].sealed[usize::from(seat) - 1];
                let share = open_share(keys, &dealing, seat, sealed).expect("opens");
                (*weight, share)
            })
            .collect();
        let shares: Vec<_> = shares
            .iter()
            .map(|(weight, share)| (*weight, share))
            .collect();
        combine(&shares).expect("combines")
    }
}

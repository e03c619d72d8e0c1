//! A round's committee: contributions are encrypted, dealt, answered and judged by the code of the real round.

use anyhow::Context;
use rand::{RngExt, rngs::Xoshiro256PlusPlus};
use unsilo_fhe::{
    AnswerSheet, Contribution, Dealing, Encoded, Entropy, Params, ProjectionAnswers,
    ProjectionKeys, ProjectionTable, Projections, Queries, RoundContext, RoundKeyPair, Verdict,
    answer_projections, contribute, judge, open_share,
};
use unsilo_ledger::committee::{size_for, threshold_for};

use super::quantised::FEDERATION;
use crate::attack::{bad_shares, garbage};

/// What a participant makes of its update.
pub(super) enum Dealt {
    /// A contribution.
    AsAgreed(Encoded),
    /// [`garbage`].
    Garbage(Encoded),
    /// [`bad_shares`], with those of another update's key.
    BadShares(Encoded, Encoded),
}

/// The members, with the keys that their shares are sealed to. The same in all rounds: who sits there does not matter.
pub(super) struct Committee {
    params: Params,
    keys: Vec<RoundKeyPair>,
    seats: unsilo_fhe::Committee,
}

impl Committee {
    /// The committee of a federation of so many owners.
    pub(super) fn new(
        params: &Params,
        owners: usize,
        random: &mut Xoshiro256PlusPlus,
    ) -> anyhow::Result<Self> {
        let size = size_for(owners);
        let keys = (0..size)
            .map(|_| RoundKeyPair::from_secret_bytes(&random.random::<[u8; 32]>()))
            .collect::<Result<Vec<_>, _>>()?;
        let public = keys.iter().map(|keys| keys.public().clone()).collect();
        Ok(Self {
            params: *params,
            keys,
            seats: unsilo_fhe::Committee::new(public, threshold_for(size))?,
        })
    }

    /// What the members find of what the participants, in order, have sent in `round`.
    pub(super) fn judge(
        &self,
        round: usize,
        sent: Vec<Dealt>,
        random: &mut Xoshiro256PlusPlus,
    ) -> anyhow::Result<Verdict> {
        let context = RoundContext {
            federation: FEDERATION,
            round: round as u64,
            model: [0; 32],
        };
        let contributions = (0..)
            .zip(sent)
            .map(|(participant, dealt)| {
                self.deal(self.dealing(&context, participant), dealt, random)
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let projections = Projections::new(&self.params, &context, random.random());
        let table = project(&projections, &contributions)?;
        let keys = ProjectionKeys::new(&projections);
        let sheets = (1..=self.seats.seats())
            .map(|seat| {
                let answers = self.answers(&context, seat, &keys, &contributions)?;
                let entropy = Entropy::from_bytes(random.random());
                Ok(AnswerSheet::seal(&projections, &self.seats, seat, answers, entropy)?.0)
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let sheets: Vec<&AnswerSheet> = sheets.iter().collect();
        Ok(judge(
            &projections,
            self.seats.threshold().into(),
            &table,
            &sheets,
        )?)
    }

    fn dealing<'a>(&'a self, context: &'a RoundContext, participant: u32) -> Dealing<'a> {
        Dealing {
            params: &self.params,
            context,
            participant,
            committee: &self.seats,
        }
    }

    fn deal(
        &self,
        dealing: Dealing<'_>,
        dealt: Dealt,
        random: &mut Xoshiro256PlusPlus,
    ) -> anyhow::Result<Contribution> {
        let mut encrypted =
            |encoded| contribute(&dealing, encoded, Entropy::from_bytes(random.random()));
        Ok(match dealt {
            Dealt::AsAgreed(update) => encrypted(update)?,
            Dealt::Garbage(update) => {
                let mut contribution = encrypted(update)?;
                garbage(&mut contribution, random);
                contribution
            }
            Dealt::BadShares(update, other) => {
                let (mut contribution, other) = (encrypted(update)?, encrypted(other)?);
                bad_shares(&mut contribution, other);
                contribution
            }
        })
    }

    /// A member's answers on all contributions. A share that is none has none.
    fn answers(
        &self,
        context: &RoundContext,
        seat: u16,
        keys: &ProjectionKeys,
        contributions: &[Contribution],
    ) -> anyhow::Result<Vec<ProjectionAnswers>> {
        let own = self
            .keys
            .get(usize::from(seat).wrapping_sub(1))
            .context("a seat of the committee")?;
        let answers = (0..).zip(contributions).map(|(participant, contribution)| {
            let sealed = &contribution.sealed_shares[usize::from(seat) - 1];
            match open_share(own, &self.dealing(context, participant), seat, sealed) {
                Ok(share) => answer_projections(&share, keys),
                Err(_) => Ok(ProjectionAnswers::unusable(participant)),
            }
        });
        Ok(answers.collect::<Result<_, _>>()?)
    }
}

/// What the coordinator computes of the ciphertexts.
fn project(
    projections: &Projections,
    contributions: &[Contribution],
) -> anyhow::Result<ProjectionTable> {
    let ciphertexts: Vec<&[u8]> = contributions
        .iter()
        .map(|contribution| contribution.ciphertext.as_slice())
        .collect();
    let mut queries = Queries::of_projections(projections, ciphertexts.len());
    queries.add(0, &ciphertexts)?;
    let rows = (0..).zip(queries.finish()?).map(|(participant, words)| {
        let words = words.try_into().ok().context("48 projections")?;
        Ok((participant, words))
    });
    Ok(ProjectionTable::new(rows.collect::<anyhow::Result<_>>()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::scores::quantised::Quantiser;
    use rand::SeedableRng;
    use unsilo_fhe::check::RejectionReason;

    const PARAMETERS: usize = 4_096;

    /// The verdict on as many participants as there are updates; `spoil` says what each makes of its own.
    fn verdict(updates: &[Vec<f32>], spoil: impl Fn(usize, Encoded, Encoded) -> Dealt) -> Verdict {
        let quantiser = Quantiser::new(PARAMETERS).expect("parameters");
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let committee =
            Committee::new(&quantiser.params, updates.len(), &mut random).expect("a committee");
        let mut encoded = |update: &[f32]| {
            quantiser
                .encoded(-14, update, &mut random)
                .expect("an update")
        };
        let sent = updates
            .iter()
            .enumerate()
            .map(|(at, update)| spoil(at, encoded(update), encoded(&vec![0.0; PARAMETERS])))
            .collect();
        committee.judge(1, sent, &mut random).expect("judged")
    }

    fn update(seed: u64) -> Vec<f32> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        (0..PARAMETERS)
            .map(|_| random.random_range(-0.01..0.01))
            .collect()
    }

    #[test]
    fn what_is_no_contribution_is_rejected_and_the_others_are_not() {
        let updates: Vec<_> = (0..7).map(update).collect();
        let verdict = verdict(&updates, |at, own, other| match at {
            2 => Dealt::Garbage(own),
            5 => Dealt::BadShares(own, other),
            _ => Dealt::AsAgreed(own),
        });
        let judgement = verdict.judgement();
        let accepted: Vec<u32> = judgement.accepted.iter().map(|(id, _)| *id).collect();
        assert_eq!(accepted, [0, 1, 3, 4, 6]);
        assert_eq!(
            judgement.rejected,
            [
                (2, RejectionReason::OutOfRange),
                (5, RejectionReason::Undecodable)
            ]
        );
        assert!(judgement.erased.is_empty(), "{:?}", judgement.erased);
    }

    #[test]
    fn an_estimated_norm_is_near_the_norm() {
        let updates: Vec<_> = (0..20).map(update).collect();
        let verdict = verdict(&updates, |_, own, _| Dealt::AsAgreed(own));
        for ((_, exponent), update) in verdict.judgement().accepted.iter().zip(&updates) {
            let steps = crate::attack::norm(update) * 16_384.0;
            let octaves = f64::from(*exponent) / 8.0 - steps.log2();
            // The estimate of 48 projections has a deviation of 1/sqrt(96), .15 octaves; five of them, and rounding up.
            assert!(octaves.abs() < 0.9, "{octaves}");
        }
    }
}

//! A validator's sample of whole chunks: it asks about the parameters in them and about no others.
//!
//! Its direction is zero outside the sample, so that after the close it needs only these chunks of each contribution, with
//! the blinding ones. Nobody else can know the sample while contributions are made: `A_v` is as hiding for such a direction
//! as for any other, since the blinding `rho` alone makes it look random ([`crate::direction`]).

use crate::{
    key::Entropy,
    params::{N, Params},
    permute::Permutation,
    xof::Xof,
};

/// Chunks that hold parameters, drawn without replacement.
#[derive(Clone, PartialEq, Eq)]
pub struct ChunkSample {
    params: Params,
    /// Ascending.
    chunks: Vec<usize>,
}

impl ChunkSample {
    /// Draws `count` chunks uniformly. `None` if the model has no more than that: then everything is asked about.
    ///
    /// The entropy must be secret until the round is closed, and fresh in every round.
    #[must_use]
    pub fn draw(params: &Params, count: usize, entropy: Entropy) -> Option<Self> {
        let all = params.data_chunks();
        if count == 0 || all <= count {
            return None;
        }
        let mut xof = Xof::new("chunk sample", &[entropy.bytes()]);
        let mut order: Vec<usize> = (0..all).collect();
        for at in 0..count {
            let mut word = [0; 8];
            xof.fill(&mut word);
            // Within 2^-64·(all - at) of uniform.
            let left = (all - at) as u128;
            let choice = (u128::from(u64::from_le_bytes(word)) * left) >> 64;
            order.swap(at, at + choice as usize);
        }
        order.truncate(count);
        order.sort_unstable();
        Some(Self {
            params: *params,
            chunks: order,
        })
    }

    /// The numbers of the chunks, ascending.
    #[must_use]
    pub fn chunks(&self) -> &[usize] {
        &self.chunks
    }

    /// Sets to zero whatever of a direction, in model order, lies in other chunks. What is left has the length of the
    /// whole one or less, so every limit still holds; its product with an update is `count/chunks` of the whole one's in
    /// expectation. What is longer than the model is cut no shorter: [`crate::Direction::new`] refuses it.
    pub fn restrict(&self, permutation: &Permutation, values: &mut [i8]) {
        let mut kept = vec![false; self.params.data_chunks()];
        for chunk in &self.chunks {
            kept[*chunk] = true;
        }
        let places = permutation.places(permutation.federation());
        for (value, place) in values.iter_mut().zip(places.iter()) {
            if !kept.get(*place as usize / N).copied().unwrap_or_default() {
                *value = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{context::RoundContext, direction::Direction, params::ParamsLiteral};

    fn params(parameters: u64) -> Params {
        Params::new(&ParamsLiteral {
            profile: "default".into(),
            parameters,
        })
        .expect("valid")
    }

    fn draw(params: &Params, count: usize, seed: u8) -> Option<ChunkSample> {
        ChunkSample::draw(params, count, Entropy::from_bytes([seed; 32]))
    }

    #[test]
    fn a_sample_has_so_many_chunks_with_parameters_and_a_small_model_has_none() {
        let params = params(40 * N as u64);
        for seed in 0..20 {
            let sample = draw(&params, 7, seed).expect("drawn");
            let chunks = sample.chunks();
            assert_eq!(chunks.len(), 7);
            assert!(chunks.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(chunks[6] < params.data_chunks());
        }
        assert!(draw(&params, 40, 0).is_none() && draw(&params, 0, 0).is_none());
        assert!(draw(&params, 39, 0).is_some());
    }

    #[test]
    fn every_chunk_is_drawn_about_equally_often_and_every_entropy_draws_others() {
        let params = params(20 * N as u64);
        let mut drawn = [0_u32; 20];
        for seed in 0..=255 {
            for chunk in draw(&params, 5, seed).expect("drawn").chunks() {
                drawn[*chunk] += 1;
            }
        }
        // 64 expected, deviation 6.9: five of them.
        assert!(
            drawn.iter().all(|count| (30..=98).contains(count)),
            "{drawn:?}"
        );
        assert!(draw(&params, 5, 1) != draw(&params, 5, 2));
    }

    #[test]
    fn a_restricted_direction_touches_its_sample_and_the_blinding_and_keeps_its_entries() {
        let params = params(9 * N as u64 - 5);
        let context = RoundContext {
            federation: [1; 32],
            round: 2,
            model: [3; 32],
        };
        let permutation = Permutation::new(&params, &context.federation);
        let whole: Vec<i8> = (0..params.parameters())
            .map(|at| (at % 15) as i8 - 7)
            .collect();
        let mut values = whole.clone();
        let sample = draw(&params, 3, 5).expect("drawn");
        sample.restrict(&permutation, &mut values);
        assert!(
            values
                .iter()
                .zip(&whole)
                .all(|(part, all)| *part == 0 || part == all)
        );
        let direction = |values: &[i8]| {
            Direction::new(&permutation, values, Entropy::from_bytes([7; 32])).expect("a direction")
        };
        let (part, all) = (direction(&values), direction(&whole));
        for chunk in 0..params.data_chunks() {
            let inside = sample.chunks().contains(&chunk);
            assert_eq!(part.touches(chunk), inside);
            assert!(!inside || part.chunk(chunk) == all.chunk(chunk));
        }
        assert!(part.touches(9) && part.touches(10));
        // What is posted is another polynomial all the same.
        assert!(part.key(&context).to_bytes() != all.key(&context).to_bytes());
    }
}

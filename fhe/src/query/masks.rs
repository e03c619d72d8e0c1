//! `<r_k, a·s>`: what a key or a share hides of the projections, by projecting the mask that it makes.
//!
//! The same numbers as `<row(A_k), s>`. The keys `A_k` cost 48 products in the ring for each chunk, however many secrets they are
//! then multiplied with; a mask costs one for each secret, and its projections as much as a ciphertext's. So for few secrets
//! this is less work: `answer` says how few.

use super::kernel::{Digits, Sums};
use crate::{
    pack,
    params::{CHUNK_BYTES, N},
    projection::{PROJECTIONS, Projections},
    ring::{Evaluations, NttPoly, PublicPolynomials},
    simd::Level,
};
use rayon::prelude::*;
use zeroize::Zeroizing;

/// What one thread needs. Wiped when dropped: with the public polynomials a mask gives the secret.
struct Scratch {
    /// Projection by projection for the first secret, then the next.
    sums: Zeroizing<Vec<Sums>>,
    entries: Vec<[i8; N]>,
    mask: Zeroizing<[u64; N]>,
    bytes: Zeroizing<[u8; CHUNK_BYTES]>,
    digits: Digits,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.digits.wipe();
    }
}

/// The numbers of all projections for each secret, in order. Spread over the threads of the caller's rayon pool, in constant
/// time for the secrets.
pub(crate) fn project_masks(
    projections: &Projections,
    secrets: &[&[u64; N]],
) -> Zeroizing<Vec<[u64; PROJECTIONS]>> {
    let secrets: Vec<NttPoly> = secrets.iter().map(|secret| NttPoly::new(secret)).collect();
    // Boxed, as it is handed from chunk to chunk.
    let scratch = || {
        Box::new(Scratch {
            sums: Zeroizing::new(vec![Sums::default(); PROJECTIONS * secrets.len()]),
            entries: vec![[0; N]; PROJECTIONS],
            mask: Zeroizing::new([0; N]),
            bytes: Zeroizing::new([0; CHUNK_BYTES]),
            digits: Digits::new(Level::best()),
        })
    };
    let one_chunk = |mut scratch: Box<Scratch>, chunk: usize| {
        let mut public = PublicPolynomials::new(projections.context());
        public.expand(chunk as u64, &mut scratch.mask);
        let public = Evaluations::new(&scratch.mask);
        projections.expand(chunk, &mut scratch.entries);
        let Scratch {
            sums,
            entries,
            mask,
            bytes,
            digits,
        } = &mut *scratch;
        for (secret, sums) in secrets.iter().zip(sums.chunks_exact_mut(PROJECTIONS)) {
            secret.multiply_evaluations(&public, mask);
            pack::pack(mask, bytes);
            // The product is reduced: every word is a number mod q, and a check would branch on the mask.
            digits.take(bytes);
            digits.add_products(entries, sums);
        }
        scratch
    };
    let parts: Vec<Box<Scratch>> = (0..projections.params().chunks())
        .into_par_iter()
        .with_min_len(8)
        .fold(scratch, one_chunk)
        .collect();
    let mut total = Zeroizing::new(vec![Sums::default(); PROJECTIONS * secrets.len()]);
    for part in &parts {
        for (sum, more) in total.iter_mut().zip(part.sums.iter()) {
            sum.add(more);
        }
    }
    // Written where they are kept: a copy on the way would not be wiped.
    let mut numbers = Zeroizing::new(vec![[0; PROJECTIONS]; secrets.len()]);
    for (numbers, sums) in numbers.iter_mut().zip(total.chunks_exact(PROJECTIONS)) {
        for (number, sum) in numbers.iter_mut().zip(sums) {
            *number = sum.reduce();
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ProjectionKeys,
        context::RoundContext,
        params::{Params, ParamsLiteral, Q},
    };

    const CONTEXT: RoundContext = RoundContext {
        federation: [3; 32],
        round: 9,
        model: [4; 32],
    };

    /// `1/a` in the ring: `a^(q-2)`, as each of the evaluations of `a` is a number mod q other than zero.
    fn invert(a: &[u64; N]) -> [u64; N] {
        let (mut base, mut inverse) = (*a, [0; N]);
        inverse[0] = 1;
        for bit in 0..48 {
            let factor = NttPoly::new(&base);
            if (Q - 2) >> bit & 1 == 1 {
                factor.multiply_into(&mut inverse);
            }
            factor.multiply_into(&mut base);
        }
        inverse
    }

    #[test]
    fn masks_of_words_near_q_are_projected_to_what_the_keys_give() {
        let params = Params::new(&ParamsLiteral {
            profile: "default".into(),
            parameters: 3000,
        })
        .expect("valid");
        let projections = Projections::new(&params, &CONTEXT, [6; 32]);
        let mut public = PublicPolynomials::new(&CONTEXT);
        // Each with three upper bytes of 255.
        let masks: [[u64; N]; 3] = [
            [Q - 1; N],
            [0xFF_FFFF << 24; N],
            std::array::from_fn(|i| Q - 1 - i as u64),
        ];
        let mut secrets = vec![];
        for chunk in 0..params.chunks() as u64 {
            let mut a = [0; N];
            public.expand(chunk, &mut a);
            let inverse = NttPoly::new(&invert(&a));
            for mask in &masks {
                let mut secret = *mask;
                inverse.multiply_into(&mut secret);
                let mut made = a;
                NttPoly::new(&secret).multiply_into(&mut made);
                assert!(made == *mask, "the secret makes the mask in chunk {chunk}");
                secrets.push(secret);
            }
        }
        let secrets: Vec<&[u64; N]> = secrets.iter().collect();
        let keys = ProjectionKeys::new(&projections);
        let numbers = project_masks(&projections, &secrets);
        assert_eq!(numbers.len(), secrets.len());
        for (secret, numbers) in secrets.iter().zip(numbers.iter()) {
            assert_eq!(*numbers, keys.products(secret));
        }
    }
}

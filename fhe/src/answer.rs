//! A member's scalar answers on its shares: `y = <row(A), f_j(i)>`.
//!
//! Linear in the share, so the answers of `t` seats give `<row(A), s_j>`, which is what the key hides of `<v, c_j>`. Each
//! answered vector is one linear equation on the key, known to the recipients: how many there may be is
//! [`crate::direction::max_opened`], and members keep count, durably, before they answer.
//!
//! Constant time in the shares: products and sums of fixed length, reduced without a branch.

use crate::{
    direction::DirectionKey,
    params::N,
    projection::{PROJECTIONS, Projections},
    query::{Vectors, project_masks},
    ring::{Poly, scalar_product},
    share::KeyShare,
    transpose::rows,
};
use rayon::prelude::*;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// `row(A_k)` of the round's projections, recomputed by everybody from the challenge: 768 KiB.
pub struct ProjectionKeys {
    projections: Projections,
    rows: Vec<Poly>,
}

impl ProjectionKeys {
    /// Expands the public polynomials and the projections once, over the threads of the caller's rayon pool.
    #[must_use]
    pub fn new(projections: &Projections) -> Self {
        Self {
            projections: *projections,
            rows: rows(projections.context(), &Vectors::Projections(projections)),
        }
    }

    /// Whose keys these are.
    #[must_use]
    pub fn projections(&self) -> &Projections {
        &self.projections
    }

    /// `<row(A_k), s>` for every projection, as [`hidden`] gives it.
    pub(crate) fn products(&self, s: &[u64; N]) -> [u64; PROJECTIONS] {
        let mut products = [0; PROJECTIONS];
        for (product, row) in products.iter_mut().zip(&self.rows) {
            *product = scalar_product(&row.0, s);
        }
        products
    }
}

/// Most secrets for which projecting their masks is less work than making the keys. Measured at 1 M parameters
/// (`cargo bench -p unsilo-fhe --profile release --bench speed -- openings::answer`).
const FEW: usize = 16;

/// `<row(A_k), s>` of every projection, for each secret `s` in order. Spread over the threads of the caller's rayon pool.
pub(crate) fn hidden(
    projections: &Projections,
    secrets: &[&[u64; N]],
) -> Zeroizing<Vec<[u64; PROJECTIONS]>> {
    if secrets.len() <= FEW {
        return project_masks(projections, secrets);
    }
    let keys = ProjectionKeys::new(projections);
    let products = secrets.par_iter().map(|secret| keys.products(secret));
    Zeroizing::new(products.collect())
}

/// Why a share was not answered on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// The share is of another round or model than what is asked.
    #[error(
        "the share of participant {participant} is of another round or model than the question"
    )]
    OtherRound {
        /// Whose share.
        participant: u32,
    },
    /// The shares are not of one seat, or participants are not strictly ascending.
    #[error("the share of participant {participant} is of another seat or not in ascending order")]
    Order {
        /// Whose share.
        participant: u32,
    },
    /// The keys are not those that the validator committed to.
    #[error("these are not the one or two directions that validator {validator} committed to")]
    OtherDirections {
        /// Who asked.
        validator: u32,
    },
}

/// One member's answers on the projections of one contribution, or that it has no usable share of it.
///
/// With the answers of `t - 1` others this is a sketch of the update, for the committee only: wiped when dropped, no
/// `Debug`, no `Clone`.
pub struct ProjectionAnswers {
    pub(crate) participant: u32,
    /// The seat that answers and what it answers on; `None` as long as `words` is.
    pub(crate) origin: Option<(u16, Projections)>,
    pub(crate) words: Option<[u64; PROJECTIONS]>,
}

impl ProjectionAnswers {
    /// For a contribution whose sealed share was not accepted ([`crate::share::ShareError`]). It keeps the contribution
    /// out of the sum, until an appeal shows whether dealer or member is to blame.
    #[must_use]
    pub fn unusable(participant: u32) -> Self {
        Self {
            participant,
            origin: None,
            words: None,
        }
    }

    /// Whose contribution this is about.
    #[must_use]
    pub fn participant(&self) -> u32 {
        self.participant
    }
}

impl Drop for ProjectionAnswers {
    fn drop(&mut self) {
        self.words.zeroize();
    }
}

/// A member's answers on the projections of one contribution.
///
/// 1. *Private input*: the seat's share.
/// 2. *Public input*: the keys of the projections.
/// 3. *Private output*, for the committee: 48 numbers mod q.
///
/// # Errors
/// [`AnswerError`] if share and projections are of different rounds.
pub fn answer_projections(
    share: &KeyShare,
    keys: &ProjectionKeys,
) -> Result<ProjectionAnswers, AnswerError> {
    let participant = share.participant();
    if share.slot().context != *keys.projections.context() {
        return Err(AnswerError::OtherRound { participant });
    }
    Ok(ProjectionAnswers {
        participant,
        origin: Some((share.seat(), keys.projections)),
        words: Some(keys.products(&share.value().0)),
    })
}

/// A member's answers on the projections of all contributions that it has a share of, in the order of the shares: the same as
/// [`answer_projections`] gives for each, for less work where they are few. Spread over the threads of the caller's rayon
/// pool.
///
/// # Errors
/// [`AnswerError`] if a share and the projections are of different rounds.
pub fn answer_all_projections(
    shares: &[&KeyShare],
    projections: &Projections,
) -> Result<Vec<ProjectionAnswers>, AnswerError> {
    for share in shares {
        if share.slot().context != *projections.context() {
            let participant = share.participant();
            return Err(AnswerError::OtherRound { participant });
        }
    }
    let secrets: Vec<&[u64; N]> = shares.iter().map(|share| &*share.value().0).collect();
    let words = hidden(projections, &secrets);
    let answers = shares.iter().zip(words.iter());
    Ok(answers
        .map(|(share, words)| ProjectionAnswers {
            participant: share.participant(),
            origin: Some((share.seat(), *projections)),
            words: Some(*words),
        })
        .collect())
}

/// A member's answer on one direction, for the validator that asked.
///
/// The caller has checked that the direction was committed before the close, that its validator has another owner than
/// the contribution, and that it is within the round's limit.
#[must_use]
pub fn answer_direction(share: &KeyShare, key: &DirectionKey) -> u64 {
    scalar_product(key.row(), &share.value().0)
}

#[cfg(test)]
mod tests {
    //! `x = <v, c> - y` is `Delta·<v, m> + <v, e>` to the last bit, for any vector.

    use super::*;
    use crate::{
        Committee, Contribution, Dealing, Direction, Entropy, Params, ParamsLiteral, Queries,
        RoundContext, RoundKeyPair, combine, contribute, encode,
        modular::{add, centre, multiply, subtract},
        open_key_sum, open_share, pack,
        params::{CHUNK_BYTES, DELTA, MAX_ERROR, MAX_STEP, Q},
        project,
        reed_solomon::lagrange,
        ring::{NttPoly, PublicPolynomials},
        xof::Xof,
    };
    use proptest::prelude::*;
    use std::sync::LazyLock;

    const PARAMETERS: usize = 3000;
    const CONTEXT: RoundContext = RoundContext {
        federation: [3; 32],
        round: 9,
        model: [4; 32],
    };

    /// A contribution with its shares, and what it encrypts: `m` and `e` coefficient by coefficient.
    struct Known {
        params: Params,
        contribution: Contribution,
        shares: Vec<KeyShare>,
        message: Vec<i64>,
        errors: Vec<i64>,
    }

    /// Whole steps with the largest ones the norm bound leaves room for.
    fn known() -> Known {
        let literal = ParamsLiteral {
            profile: "default".into(),
            parameters: PARAMETERS as u64,
        };
        let params = Params::new(&literal).expect("valid");
        let keys: Vec<_> = (1..=5)
            .map(|seat| RoundKeyPair::from_secret_bytes(&[seat; 32]).expect("a key"))
            .collect();
        let members = keys.iter().map(|keys| keys.public().clone()).collect();
        let committee = Committee::new(members, 4).expect("valid");
        let dealing = Dealing {
            params: &params,
            context: &CONTEXT,
            participant: 6,
            committee: &committee,
        };
        let update: Vec<f32> = (0..PARAMETERS)
            .map(|i| match i % 75 {
                0 if i % 2 == 0 => f32::from(MAX_STEP),
                0 => f32::from(-MAX_STEP),
                _ => (i % 7) as f32 - 3.0,
            })
            .collect();
        let encoded = encode(&params, &CONTEXT.federation, 0, &update, [1; 32]).expect("finite");
        assert_eq!(encoded.clip(), 1.0, "whole steps are encoded exactly");
        let message: Vec<i64> = encoded.steps().iter().map(|&step| step.into()).collect();
        assert!(message.contains(&32_767) && message.contains(&-32_767));
        let contribution =
            contribute(&dealing, encoded, Entropy::from_bytes([5; 32])).expect("deals");
        let shares: Vec<_> = (1..)
            .zip(keys.iter().zip(&contribution.sealed_shares))
            .map(|(seat, (keys, sealed))| open_share(keys, &dealing, seat, sealed).expect("opens"))
            .collect();
        let answers: Vec<_> = shares
            .iter()
            .map(|share| (share.seat(), combine(&[(1, share)]).expect("combines")))
            .collect();
        let key = open_key_sum(4, &answers, |_| true).expect("opens").key_sum;
        let key = NttPoly::new(&key.0.0);
        let mut public = PublicPolynomials::new(&CONTEXT);
        let (mut words, mut mask) = ([0; N], [0; N]);
        let mut errors = vec![];
        let chunks = contribution.ciphertext.as_chunks::<CHUNK_BYTES>().0;
        for ((chunk, bytes), message) in (0..).zip(chunks).zip(message.chunks(N)) {
            pack::unpack(bytes, &mut words);
            public.expand(chunk, &mut mask);
            key.multiply_into(&mut mask);
            errors.extend(
                (0..N).map(|i| centre(subtract(words[i], mask[i])) - DELTA as i64 * message[i]),
            );
        }
        assert!(errors.iter().all(|error| error.abs() <= MAX_ERROR.into()));
        assert!(errors.iter().any(|error| error.abs() > 4000));
        Known {
            params,
            contribution,
            shares,
            message,
            errors,
        }
    }

    static KNOWN: LazyLock<Known> = LazyLock::new(known);

    /// `Delta·<v, m> + <v, e>`, in integers.
    fn expected(entries: &[i8]) -> i64 {
        let terms = entries.iter().zip(KNOWN.message.iter().zip(&KNOWN.errors));
        terms
            .map(|(&v, (&m, &e))| i64::from(v) * (DELTA as i64 * m + e))
            .sum()
    }

    /// `x mod q` from the ciphertext and the answers of the seats given.
    fn opened(entries: &[i8], seats: &[usize]) -> u64 {
        let direction = Direction::of_entries(&KNOWN.params, entries.to_vec());
        let key = direction.key(&CONTEXT);
        let restored = DirectionKey::from_bytes(&key.to_bytes()).expect("a key");
        let directions = [&direction];
        let mut queries = Queries::of_directions(&KNOWN.params, &directions, 1).expect("fits");
        queries
            .add(0, &[&KNOWN.contribution.ciphertext])
            .expect("a ciphertext");
        let all = queries.finish().expect("complete")[0][0];
        let points: Vec<u64> = seats.iter().map(|&seat| seat as u64).collect();
        let hidden = lagrange(&points, 0)
            .into_iter()
            .zip(seats)
            .fold(0, |sum, (weight, &seat)| {
                let answer = answer_direction(&KNOWN.shares[seat - 1], &restored);
                add(sum, multiply(weight, answer))
            });
        subtract(all, hidden)
    }

    fn residue(x: i64) -> u64 {
        x.rem_euclid(Q as i64) as u64
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_direction_opens_to_the_exact_product(seed in any::<u64>(), largest in 1..=127_u8) {
            let mut bytes = vec![0; KNOWN.message.len()];
            Xof::new("test vector", &[&seed.to_le_bytes()]).fill(&mut bytes);
            let entries: Vec<i8> = bytes
                .iter()
                .map(|&byte| (i16::from(byte) % (2 * i16::from(largest) + 1) - i16::from(largest)) as i8)
                .collect();
            prop_assert_eq!(opened(&entries, &[1, 2, 3, 4]), residue(expected(&entries)));
            prop_assert_eq!(opened(&entries, &[5, 3, 4, 2]), residue(expected(&entries)));
        }

        #[test]
        fn queries_and_answers_are_linear(seed in any::<u64>()) {
            let mut bytes = vec![0; 2 * KNOWN.message.len()];
            Xof::new("test vector", &[&seed.to_le_bytes()]).fill(&mut bytes);
            let halves: Vec<i8> = bytes.iter().map(|&byte| byte as i8 / 2).collect();
            let (one, two) = halves.split_at(KNOWN.message.len());
            let sum: Vec<i8> = one.iter().zip(two).map(|(a, b)| a + b).collect();
            let seats = [1, 3, 4, 5];
            prop_assert_eq!(opened(&sum, &seats), add(opened(one, &seats), opened(two, &seats)));
        }
    }

    #[test]
    fn the_extreme_directions_open_to_the_exact_product() {
        let length = KNOWN.message.len();
        let signs: Vec<i8> = KNOWN
            .message
            .iter()
            .map(|&m| if m < 0 { -128 } else { 127 })
            .collect();
        let alternating: Vec<i8> = (0..length)
            .map(|i| if i % 2 == 0 { 127 } else { -128 })
            .collect();
        let mut first = vec![0; length];
        first[0] = 1;
        let mut last = vec![0; length];
        last[length - 1] = -128;
        for entries in [
            vec![-128; length],
            vec![127; length],
            signs,
            alternating,
            first,
            last,
        ] {
            assert_eq!(opened(&entries, &[1, 2, 3, 4]), residue(expected(&entries)));
        }
    }

    #[test]
    fn the_projections_open_to_the_exact_product() {
        let projections = Projections::new(&KNOWN.params, &CONTEXT, [6; 32]);
        let keys = ProjectionKeys::new(&projections);
        let all = project(&projections, &KNOWN.contribution.ciphertext).expect("a ciphertext");
        let answers: Vec<_> = KNOWN.shares[..4]
            .iter()
            .map(|share| answer_projections(share, &keys).expect("this round"))
            .collect();
        let weights = lagrange(&[1, 2, 3, 4], 0);
        let mut entries = vec![[[0; N]; PROJECTIONS]; KNOWN.params.chunks()];
        for (chunk, entries) in entries.iter_mut().enumerate() {
            projections.expand(chunk, entries);
        }
        for k in 0..PROJECTIONS {
            let hidden = weights
                .iter()
                .zip(&answers)
                .fold(0, |sum, (&weight, answers)| {
                    add(sum, multiply(weight, answers.words.expect("usable")[k]))
                });
            let vector: Vec<i8> = entries.iter().flat_map(|chunk| chunk[k]).collect();
            assert_eq!(subtract(all[k], hidden), residue(expected(&vector)));
        }
    }

    #[test]
    fn few_and_many_shares_are_answered_alike() {
        let projections = Projections::new(&KNOWN.params, &CONTEXT, [6; 32]);
        let keys = ProjectionKeys::new(&projections);
        for count in [0, 1, 3, FEW, FEW + 1] {
            let shares: Vec<&KeyShare> = KNOWN.shares.iter().cycle().take(count).collect();
            let answers = answer_all_projections(&shares, &projections).expect("this round");
            assert_eq!(answers.len(), count);
            for (share, answer) in shares.into_iter().zip(answers) {
                let expected = answer_projections(share, &keys).expect("this round");
                assert_eq!(answer.participant, expected.participant);
                assert_eq!(answer.origin, expected.origin);
                assert!(answer.words.is_some() && answer.words == expected.words);
            }
        }
    }

    #[test]
    fn a_share_of_another_round_is_not_answered_on() {
        let context = RoundContext {
            round: 10,
            ..CONTEXT
        };
        let projections = Projections::new(&KNOWN.params, &context, [6; 32]);
        let keys = ProjectionKeys::new(&projections);
        let refused = Some(AnswerError::OtherRound { participant: 6 });
        assert_eq!(answer_projections(&KNOWN.shares[0], &keys).err(), refused);
        let shares = [&KNOWN.shares[0]];
        assert_eq!(answer_all_projections(&shares, &projections).err(), refused);
    }
}

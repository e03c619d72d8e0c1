//! Validators' directions: blinded, capped, answered to the validator alone.
#![expect(clippy::unwrap_used, reason = "honest inputs in tests")]

use crate::{
    checking::{CHALLENGE, Checking, update},
    federation::{CONTEXT, params},
};
use proptest::prelude::*;
use unsilo_fhe::{
    Direction, DirectionAnswers, DirectionKey, Entropy, N, PROJECTIONS, Permutation, Products,
    Projections, Q, Queries, Question, RoundContext, RoundKeyPair, Scored, Undecided,
    answer::AnswerError,
    direction::{DirectionError, MAX_OPENED, max_squared_norm},
    direction_answers::DirectionAnswersError,
    direction_hash, max_directions, max_opened,
    params::{DELTA, SIGMA},
    products,
    query::QueryError,
    score::ScoreError,
};

const PARAMETERS: usize = 3000;
const VALIDATOR: u32 = 40;

/// A validator with two directions in a round of four contributions.
struct Asked {
    round: Checking,
    updates: Vec<Vec<f32>>,
    values: [Vec<i8>; 2],
    directions: [Direction; 2],
    keys: Vec<DirectionKey>,
    hashes: Vec<[u8; 32]>,
    validator: RoundKeyPair,
}

fn noise(seed: u64, length: usize) -> Vec<f32> {
    let mut xof = unsilo_fhe::xof::Xof::new("test direction", &[&seed.to_le_bytes()]);
    (0..length).map(|_| xof.next_u64() as i64 as f32).collect()
}

impl Asked {
    fn new(members: usize) -> Self {
        let updates: Vec<_> = (0..4).map(|j| update(PARAMETERS, j, 0.1)).collect();
        let round = Checking::new(PARAMETERS as u64, members, &updates);
        let permutation = Permutation::new(&round.federation.params, &CONTEXT.federation);
        let values = [1, 2].map(|seed| {
            Direction::quantise(&round.federation.params, &noise(seed, PARAMETERS)).unwrap()
        });
        let directions = [0, 1].map(|i: usize| {
            Direction::new(&permutation, &values[i], Entropy::from_bytes([i as u8; 32])).unwrap()
        });
        let keys: Vec<_> = directions.iter().map(|v| v.key(&CONTEXT)).collect();
        let hashes = (0..)
            .zip(&keys)
            .map(|(index, key)| direction_hash(&CONTEXT, VALIDATOR, index, key))
            .collect();
        Self {
            round,
            updates,
            values,
            directions,
            keys,
            hashes,
            validator: RoundKeyPair::from_secret_bytes(&[99; 32]).unwrap(),
        }
    }

    fn question(&self) -> Question<'_> {
        Question {
            projections: &self.round.projections,
            validator: VALIDATOR,
            directions: &self.hashes,
        }
    }

    fn answers(&self, seat: u16) -> DirectionAnswers {
        let shares: Vec<_> = (0..)
            .zip(&self.round.contributions)
            .map(|(j, contribution)| self.round.federation.share(j, contribution, seat))
            .collect();
        let shares: Vec<_> = shares.iter().collect();
        DirectionAnswers::new(&self.question(), &self.keys, &shares).unwrap()
    }

    fn sealed(&self, seat: u16) -> Vec<u8> {
        let entropy = Entropy::from_bytes([7; 32]);
        let answers = self.answers(seat);
        answers
            .seal(&self.question(), self.validator.public(), &entropy)
            .unwrap()
    }

    fn open(&self, seat: u16, sealed: &[u8]) -> Result<DirectionAnswers, DirectionAnswersError> {
        DirectionAnswers::open(&self.question(), seat, &self.validator, sealed)
    }

    fn queried(&self) -> Vec<(u32, Vec<u64>)> {
        let directions: Vec<_> = self.directions.iter().collect();
        let ciphertexts: Vec<_> = self
            .round
            .contributions
            .iter()
            .map(|contribution| contribution.ciphertext.as_slice())
            .collect();
        let params = &self.round.federation.params;
        let mut queries = Queries::of_directions(params, &directions, 4).unwrap();
        queries.add(0, &ciphertexts).unwrap();
        (0..).zip(queries.finish().unwrap()).collect()
    }

    fn accepted(&self) -> Vec<(u32, u16)> {
        let verdict = self.round.judge(&self.round.sheets()).unwrap();
        verdict.judgement().accepted.clone()
    }

    fn products(&self, answers: &[DirectionAnswers]) -> Result<Vec<Products>, ScoreError> {
        self.scored(answers).map(|scored| scored.products)
    }

    fn scored(&self, answers: &[DirectionAnswers]) -> Result<Scored, ScoreError> {
        let directions: Vec<_> = self.directions.iter().collect();
        let threshold = self.round.threshold();
        products(
            threshold,
            &directions,
            answers,
            &self.queried(),
            &self.accepted(),
        )
    }

    /// All seats' answers, some of them lies: seat and participant.
    fn with_liar(&self, seats: u16, lies: &[(u16, u32)]) -> Vec<DirectionAnswers> {
        (1..=seats)
            .map(|seat| {
                let sealed = self.sealed(seat);
                let honest = self.open(seat, &sealed).unwrap();
                let wrong: Vec<u32> = lies
                    .iter()
                    .filter(|lie| lie.0 == seat)
                    .map(|lie| lie.1)
                    .collect();
                lie(self, seat, &honest, &wrong)
            })
            .collect()
    }

    fn assert_right(&self, products: &[Products]) {
        for found in products {
            let update = &self.updates[found.participant as usize];
            for (scaled, values) in found.scaled.iter().zip(&self.values) {
                let exact: f64 = update
                    .iter()
                    .zip(values)
                    .map(|(&u, &v)| f64::from(u) * 16384.0 * f64::from(v))
                    .sum();
                // The error, the blinding part and the rounding of the update: 8 sigma.
                let norm = (8.0 * (PARAMETERS as f64).sqrt()).hypot(5.0 * (2.0 * N as f64).sqrt());
                let tolerance = 8.0 * (SIGMA / DELTA as f64 + 0.5) * norm;
                assert!((*scaled as f64 / DELTA as f64 - exact).abs() < tolerance);
            }
        }
    }
}

/// The answers of a seat that answers with a share of something else on the participants given.
fn lie(asked: &Asked, seat: u16, honest: &DirectionAnswers, wrong: &[u32]) -> DirectionAnswers {
    let shares: Vec<_> = honest
        .rows()
        .iter()
        .map(|&(j, _)| {
            let contribution = &asked.round.contributions[j as usize];
            if wrong.contains(&j) {
                let federation = &asked.round.federation;
                let other = unsilo_fhe::encode(
                    &federation.params,
                    &CONTEXT.federation,
                    -14,
                    &vec![0.0; PARAMETERS],
                    [0; 32],
                );
                let other = unsilo_fhe::contribute(
                    &federation.dealing(j),
                    other.unwrap(),
                    Entropy::from_bytes([j as u8 + 100; 32]),
                );
                federation.share(j, &other.unwrap(), seat)
            } else {
                asked.round.federation.share(j, contribution, seat)
            }
        })
        .collect();
    let shares: Vec<_> = shares.iter().collect();
    DirectionAnswers::new(&asked.question(), &asked.keys, &shares).unwrap()
}

#[test]
fn a_validator_learns_the_products_with_every_update() {
    let asked = Asked::new(5);
    let answers: Vec<_> = (1..=5)
        .map(|seat| asked.open(seat, &asked.sealed(seat)).unwrap())
        .collect();
    let all = asked.products(&answers).unwrap();
    assert_eq!(
        all.iter().map(|p| p.participant).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    assert!(
        all.iter()
            .all(|p| p.wrong.is_empty() && p.scaled.len() == 2)
    );
    asked.assert_right(&all);
    // Four of five say the same; three say nothing.
    assert!(asked.products(&answers[1..]).unwrap() == all);
    assert!(asked.products(&answers[..3]).unwrap().is_empty());
    let twice: Vec<_> = [1, 2, 3, 4, 4].map(|seat| asked.answers(seat)).into();
    assert_eq!(
        asked.products(&twice).err(),
        Some(ScoreError::Twice { seat: 4 })
    );
}

#[test]
fn lying_answers_to_a_validator_are_located_up_to_half_of_the_redundancy() {
    let asked = Asked::new(7);
    let found = asked
        .products(&asked.with_liar(7, &[(3, 1), (6, 2)]))
        .unwrap();
    assert_eq!(found.len(), 4);
    assert_eq!(
        found.iter().map(|p| p.wrong.clone()).collect::<Vec<_>>(),
        [vec![], vec![3], vec![6], vec![]]
    );
    asked.assert_right(&found);
    // Two on one contribution are more than can be located: no product, and nobody is named.
    let found = asked
        .products(&asked.with_liar(7, &[(3, 1), (6, 1)]))
        .unwrap();
    assert_eq!(
        found.iter().map(|p| p.participant).collect::<Vec<_>>(),
        [0, 2, 3]
    );
}

#[test]
fn with_one_redundant_answer_a_lie_to_a_validator_is_found_by_leaving_one_out() {
    let asked = Asked::new(5);
    let found = asked.products(&asked.with_liar(5, &[(2, 3)])).unwrap();
    asked.assert_right(&found);
    assert_eq!(found[3].wrong, [2]);
}

#[test]
fn with_no_answer_to_spare_what_no_update_can_give_is_no_product() {
    let asked = Asked::new(5);
    let mut answers = asked.with_liar(5, &[(2, 3)]);
    // Four of five: whatever they say is consistent. A lie is anything mod q: half of it, as a rule.
    answers.pop();
    let scored = asked.scored(&answers).unwrap();
    let found: Vec<u32> = scored.products.iter().map(|p| p.participant).collect();
    assert_eq!(found, [0, 1, 2]);
    asked.assert_right(&scored.products);
    let undecided = Undecided {
        participant: 3,
        seats: vec![1, 2, 3, 4],
    };
    assert_eq!(scored.undecided, [undecided]);
    // Fewer than the threshold answered on anybody: nobody is suspected.
    let scored = asked.scored(&answers[..3]).unwrap();
    assert!(scored.products.is_empty());
    assert!(scored.undecided.iter().all(|of| of.seats.is_empty()));
    assert_eq!(scored.undecided.len(), 4);
}

#[test]
fn direction_answers_open_for_their_validator_seat_round_and_question_only() {
    let asked = Asked::new(5);
    let sealed = asked.sealed(2);
    assert_eq!(
        sealed,
        asked.sealed(2),
        "the same entropy repeats the same bytes"
    );
    assert!(asked.open(2, &sealed).is_ok());
    let closed = |seat| DirectionAnswersError::DoesNotOpen {
        seat,
        validator: VALIDATOR,
    };
    assert_eq!(asked.open(3, &sealed).err(), Some(closed(3)));
    let stranger = RoundKeyPair::from_secret_bytes(&[98; 32]).unwrap();
    let with = |question: &Question<'_>, keys: &RoundKeyPair| {
        DirectionAnswers::open(question, 2, keys, &sealed).err()
    };
    let question = asked.question();
    assert_eq!(with(&question, &stranger), Some(closed(2)));
    let swapped = [asked.hashes[1], asked.hashes[0]];
    let question_of = |directions| Question {
        directions,
        ..question
    };
    assert_eq!(
        with(&question_of(&swapped), &asked.validator),
        Some(closed(2))
    );
    let params = &asked.round.federation.params;
    let contexts = [
        RoundContext {
            round: 4,
            ..CONTEXT
        },
        RoundContext {
            model: [0; 32],
            ..CONTEXT
        },
        RoundContext {
            federation: [0; 32],
            ..CONTEXT
        },
    ];
    let mut others: Vec<_> = contexts
        .iter()
        .map(|context| Projections::new(params, context, CHALLENGE))
        .collect();
    others.push(Projections::new(params, &CONTEXT, [0; 32]));
    for projections in &others {
        let other = Question {
            projections,
            ..question
        };
        assert_eq!(with(&other, &asked.validator), Some(closed(2)));
    }
    for length in [0, 1135, sealed.len() - 1] {
        assert!(matches!(
            asked.open(2, &sealed[..length]),
            Err(DirectionAnswersError::Length { .. })
        ));
    }
    for byte in [0, 1119, 1120, sealed.len() - 1] {
        let mut altered = sealed.clone();
        altered[byte] ^= 4;
        assert_eq!(asked.open(2, &altered).err(), Some(closed(2)));
    }
}

#[test]
fn a_member_answers_only_on_the_directions_that_were_committed() {
    let asked = Asked::new(3);
    let share = asked
        .round
        .federation
        .share(0, &asked.round.contributions[0], 1);
    let refused = Some(AnswerError::OtherDirections {
        validator: VALIDATOR,
    });
    let answer = |keys: &[DirectionKey], question: &Question<'_>| {
        DirectionAnswers::new(question, keys, &[&share]).err()
    };
    assert_eq!(answer(&asked.keys, &asked.question()), None);
    let swapped = [asked.keys[1].clone(), asked.keys[0].clone()];
    assert_eq!(answer(&swapped, &asked.question()), refused);
    assert_eq!(answer(&asked.keys[..1], &asked.question()), refused);
    let stolen = Question {
        validator: VALIDATOR + 1,
        ..asked.question()
    };
    assert_eq!(
        answer(&asked.keys, &stolen),
        Some(AnswerError::OtherDirections {
            validator: VALIDATOR + 1
        }),
        "another validator's direction is not its own"
    );
    let none = Question {
        directions: &[],
        ..asked.question()
    };
    assert_eq!(answer(&[], &none), refused);
    let other = asked
        .round
        .federation
        .share(1, &asked.round.contributions[1], 2);
    for shares in [[&share, &share], [&share, &other]] {
        assert!(matches!(
            DirectionAnswers::new(&asked.question(), &asked.keys, &shares),
            Err(AnswerError::Order { .. })
        ));
    }
}

/// The key of `factor` times the direction of a key.
fn multiple(key: &DirectionKey, factor: u64) -> DirectionKey {
    let words = key.to_bytes();
    let words = words.chunks(6).flat_map(|word| {
        let word = word
            .iter()
            .rev()
            .fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
        let multiple = (u128::from(word) * u128::from(factor) % u128::from(Q)) as u64;
        multiple.to_le_bytes()[..6].to_vec()
    });
    DirectionKey::from_bytes(&words.collect::<Vec<u8>>()).unwrap()
}

/// Nobody can see which direction is behind an `A_v`: members answer zero, a constant and one far beyond the norm like any.
#[test]
fn a_key_made_by_hand_is_answered_like_any_and_harms_nobody_but_who_committed_to_it() {
    let honest = Asked::new(5);
    let constant = [1, 0, 0, 0, 0, 0].repeat(N);
    let hand_made = [
        DirectionKey::from_bytes(&vec![0; 6 * N]).unwrap(),
        DirectionKey::from_bytes(&constant).unwrap(),
        multiple(&honest.keys[0], 1 << 30),
    ];
    for key in hand_made {
        let mut asked = Asked::new(5);
        asked.keys = vec![key, asked.keys[1].clone()];
        asked.hashes = (0..)
            .zip(&asked.keys)
            .map(|(index, key)| direction_hash(&CONTEXT, VALIDATOR, index, key))
            .collect();
        let answers: Vec<_> = (1..=5)
            .map(|seat| asked.open(seat, &asked.sealed(seat)).unwrap())
            .collect();
        // All seats say the same, so nobody is blamed; what it is told is nothing that its own direction can give.
        let scored = asked.scored(&answers).unwrap();
        assert!(scored.products.is_empty());
        assert_eq!(scored.undecided.len(), 4);
        // It is judged, and another validator is answered, as without it.
        assert_eq!(asked.accepted(), honest.accepted());
    }
    let answers: Vec<_> = (1..=5).map(|seat| honest.answers(seat)).collect();
    let scored = honest.scored(&answers).unwrap();
    assert_eq!((scored.products.len(), scored.undecided.len()), (4, 0));
    honest.assert_right(&scored.products);
}

#[test]
fn the_same_direction_is_blinded_anew_in_every_round() {
    let params = params(100);
    let permutation = Permutation::new(&params, &CONTEXT.federation);
    let key = |entropy, context: &RoundContext| {
        let direction = Direction::new(&permutation, &[8; 100], Entropy::from_bytes(entropy));
        direction.unwrap().key(context).to_bytes()
    };
    assert_eq!(key([1; 32], &CONTEXT), key([1; 32], &CONTEXT));
    assert_ne!(key([1; 32], &CONTEXT), key([2; 32], &CONTEXT));
    let later = RoundContext {
        round: 4,
        ..CONTEXT
    };
    assert_ne!(key([1; 32], &CONTEXT), key([1; 32], &later));
    // And nothing of a key is a small number, as it is of v itself.
    let words = DirectionKey::from_bytes(&key([1; 32], &CONTEXT))
        .unwrap()
        .to_bytes();
    let mean = words.chunks(6).map(|word| f64::from(word[5])).sum::<f64>() / N as f64;
    assert!((mean - 127.5).abs() < 5.0 * 74.0 / (N as f64).sqrt());
}

#[test]
fn directions_out_of_range_are_refused() {
    let params = params(100);
    let permutation = Permutation::new(&params, &CONTEXT.federation);
    let new =
        |values: &[i8]| Direction::new(&permutation, values, Entropy::from_bytes([1; 32])).err();
    assert_eq!(new(&[8; 100]), None);
    assert_eq!(
        new(&[8; 99]),
        Some(DirectionError::Length {
            expected: 100,
            actual: 99
        })
    );
    assert_eq!(new(&[0; 100]), Some(DirectionError::Zero));
    let mut long = [8; 100];
    long[50] = -9;
    let (squared, limit) = (6417, 6400);
    assert_eq!(new(&long), Some(DirectionError::TooLong { squared, limit }));

    let quantise = |values: &[f32]| Direction::quantise(&params, values).err();
    assert_eq!(quantise(&[0.0; 100]), Some(DirectionError::Zero));
    for value in [f32::NAN, f32::INFINITY] {
        let mut values = [1.0; 100];
        values[99] = value;
        assert_eq!(
            quantise(&values),
            Some(DirectionError::NotFinite { index: 99 })
        );
    }
    assert!(matches!(
        quantise(&[1.0; 101]),
        Some(DirectionError::Length { .. })
    ));
}

#[test]
fn queries_are_about_whole_contributions_in_order() {
    let asked = Asked::new(3);
    let params = &asked.round.federation.params;
    let ciphertext = &asked.round.contributions[0].ciphertext;
    let chunk = unsilo_fhe::CHUNK_BYTES;
    let mut queries = Queries::of_projections(&asked.round.projections, 1);
    let order = |expected, actual| Err(QueryError::Order { expected, actual });
    assert_eq!(queries.add(1, &[&ciphertext[chunk..]]), order(0, 1));
    assert_eq!(queries.add(0, &[&ciphertext[..chunk]]), Ok(()));
    assert_eq!(queries.add(0, &[&ciphertext[..chunk]]), order(1, 0));
    assert_eq!(queries.add(2, &[&ciphertext[2 * chunk..]]), order(1, 2));
    for range in [
        &ciphertext[chunk + 1..],
        &[&ciphertext[chunk..], &[0; 12_288]].concat(),
    ] {
        assert!(matches!(
            queries.add(1, &[range]),
            Err(QueryError::Range { index: 0, .. })
        ));
    }
    assert!(matches!(queries.add(1, &[]), Err(QueryError::Count { .. })));
    let mut bad = ciphertext[chunk..2 * chunk].to_vec();
    bad[6 * 77..][..6].copy_from_slice(&Q.to_le_bytes()[..6]);
    assert_eq!(
        queries.add(1, &[&bad]).unwrap_err().to_string(),
        format!("in ciphertext 0: coefficient 77 of chunk 1 is {Q}, not below the modulus {Q}")
    );
    assert_eq!(queries.add(1, &[&ciphertext[chunk..]]), Ok(()));
    let words = queries.finish().unwrap();
    assert_eq!(words[0], asked.round.table.rows()[0].1);

    let incomplete = Queries::of_projections(&asked.round.projections, 1).finish();
    assert_eq!(incomplete, order(0, params.chunks()).map(|()| vec![]));
}

#[test]
fn chunks_that_a_direction_does_not_touch_need_not_be_downloaded() {
    let params = params(5 * N as u64);
    let permutation = Permutation::new(&params, &CONTEXT.federation);
    // Parameters that the permutation puts into chunk 3.
    let mut values = vec![0_i8; 5 * N];
    let find =
        |values: &[i8]| Direction::new(&permutation, values, Entropy::from_bytes([1; 32])).unwrap();
    for i in 0..values.len() {
        let mut single = vec![0; 5 * N];
        single[i] = 1;
        if i < 40 && find(&single).touches(3) {
            values[i] = 100;
        }
    }
    let direction = find(&values);
    let touched: Vec<_> = (0..9).filter(|&chunk| direction.touches(chunk)).collect();
    assert_eq!(touched, [3, 5, 6]);
    let ciphertext = vec![1; params.ciphertext_bytes()];
    let directions = [&direction];
    let mut whole = Queries::of_directions(&params, &directions, 1).unwrap();
    whole.add(0, &[&ciphertext]).unwrap();
    let mut parts = Queries::of_directions(&params, &directions, 1).unwrap();
    parts.add(3, &[&ciphertext[..12_288]]).unwrap();
    assert!(parts.add(6, &[&ciphertext[..12_288]]).is_err());
    parts.add(5, &[&ciphertext[..2 * 12_288]]).unwrap();
    assert_eq!(parts.finish(), whole.finish());
}

#[test]
fn a_round_opens_so_many_vectors_as_the_model_bears() {
    for (parameters, limit) in [(1792, 56), (2410, 75), (4096, 128), (10_000_000, 128)] {
        let params = params(parameters);
        assert_eq!(max_opened(&params), limit);
        assert_eq!(max_directions(&params), limit - PROJECTIONS);
    }
    assert_eq!(max_directions(&params(100)), 0);
    assert_eq!(max_opened(&params(1 << 27)), MAX_OPENED);
    // Thirteen validators with two directions each at the demo's 2410 parameters.
    assert_eq!(max_directions(&params(2410)) / 2, 13);
    assert_eq!(max_directions(&params(4096)) / 2, 40);
}

#[test]
fn a_product_with_an_update_within_the_clip_norm_has_at_most_36_bits() {
    for parameters in [
        1,
        2,
        1000,
        2410,
        1 << 20,
        1 << 21,
        (1 << 21) + 1,
        1 << 22,
        10_000_000,
        1 << 27,
    ] {
        let params = params(parameters);
        let (norm, clip) = (
            u128::from(max_squared_norm(&params)),
            u128::from(params.clip_steps()),
        );
        // Cauchy-Schwarz: |<v, m>|^2 <= |v|^2·|m|^2.
        assert!(norm * clip * clip <= 1 << 72, "{parameters}");
        // And with noise, scaled, it does not wrap around: every |e| <= 8 sigma, every |rho| <= 8.
        let errors = (norm as f64 * parameters as f64).sqrt() + 8.0 * 2.0 * N as f64;
        let largest = (DELTA as f64) * (1_u64 << 36) as f64 + 8.0 * SIGMA * errors;
        assert!(largest < Q as f64 / 2.0, "{parameters}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_quantised_direction_is_within_the_norm_and_points_the_same_way(
        seed in any::<u64>(),
        parameters in 10..3000_usize,
        magnitude in -30..30_i32,
    ) {
        let params = params(parameters as u64);
        let values: Vec<f32> = noise(seed, parameters).iter().map(|v| v / 1e19 * (magnitude as f32).exp2()).collect();
        let rounded = Direction::quantise(&params, &values).unwrap();
        let squared: u64 = rounded.iter().map(|&v| u64::from(v.unsigned_abs()).pow(2)).sum();
        prop_assert!(squared <= max_squared_norm(&params));
        prop_assert!(squared as f64 > 0.9 * max_squared_norm(&params) as f64);
        let dot = |a: &dyn Fn(usize) -> f64, b: &dyn Fn(usize) -> f64| (0..parameters).map(|i| a(i) * b(i)).sum::<f64>();
        let (exact, integer) = (|i: usize| f64::from(values[i]), |i: usize| f64::from(rounded[i]));
        let cosine = dot(&exact, &integer) / (dot(&exact, &exact) * dot(&integer, &integer)).sqrt();
        prop_assert!(cosine > 0.99, "cosine {}", cosine);
        // A longer copy, in model order, is what Direction::new checks.
        let permutation = Permutation::new(&params, &CONTEXT.federation);
        prop_assert!(Direction::new(&permutation, &rounded, Entropy::from_bytes([1; 32])).is_ok());
    }
}

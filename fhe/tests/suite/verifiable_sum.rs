//! A sum that is not the sum of what was signed is caught, and the coordinator named.

use crate::federation::{CONTEXT, Federation, params, total};
use proptest::{collection::vec, prelude::*};
use unsilo_fhe::{
    CHUNK_BYTES, Contribution, ContributionCommitment, DigitAccumulator, DigitSumReader,
    LINEAR_HASH_BYTES, LinearHash, LinearHasher, MAX_PARTICIPANTS, MAX_WEIGHT, Params, Q, SumError,
    Summand, check_ciphertext, combine_hashes, commit::share_hash, digit_sum::DigitSumError,
    digit_sum::ReadSum, digit_sum_bytes, pack::CiphertextError, params::MAX_TOTAL_WEIGHT,
    verify_sum, weighted_digit_sum, xof::Xof,
};

const PARAMETERS: u64 = 2500;

fn random_bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Xof::new("test ciphertext", &[&seed.to_le_bytes()]).fill(&mut bytes);
    bytes
}

fn hash(params: &Params, ciphertext: &[u8]) -> LinearHash {
    let mut hasher = LinearHasher::new(params);
    hasher.update(ciphertext);
    hasher.finish().expect("whole")
}

fn read(params: &Params, total_weight: u64, wire: &[u8]) -> ReadSum {
    let mut reader = DigitSumReader::new(params, total_weight).expect("a weight");
    reader.update(wire).expect("digits in range");
    reader.finish().expect("whole")
}

/// A round that was closed and weighed.
struct Round {
    params: Params,
    contributions: Vec<Contribution>,
    weights: Vec<u16>,
}

impl Round {
    fn new(weights: &[u16]) -> Self {
        let federation = Federation::new(PARAMETERS, 3, 3);
        let contributions = (0..)
            .zip(weights)
            .map(|(j, _)| {
                let update: Vec<f32> = (0..PARAMETERS)
                    .map(|i| ((i + 37 * u64::from(j)) as f32).sin())
                    .collect();
                federation.contribute(j, &update)
            })
            .collect();
        Self {
            params: federation.params,
            contributions,
            weights: weights.to_vec(),
        }
    }

    /// What the ledger and an honest coordinator show.
    fn summands(&self) -> Vec<Summand<'_>> {
        let shown = self.contributions.iter().zip(&self.weights);
        (0..)
            .zip(shown)
            .map(|(participant, (contribution, &weight))| Summand {
                participant,
                weight,
                root: &contribution.commitment.root,
                chunks_root: contribution.commitment.chunks_root,
                shares_hash: contribution.commitment.shares_hash,
                linear_hash: &contribution.linear_hash,
            })
            .collect()
    }

    /// The sum of these (contribution, weight) pairs, read as one of the round's total weight.
    fn sum_of(&self, terms: &[(&[u8], u16)]) -> ReadSum {
        let wire = weighted_digit_sum(self.params.chunks(), terms)
            .expect("valid")
            .into_bytes();
        read(&self.params, total(&self.weights), &wire)
    }

    fn terms(&self) -> Vec<(&[u8], u16)> {
        let slices = self
            .contributions
            .iter()
            .map(|contribution| contribution.ciphertext.as_slice());
        slices.zip(self.weights.iter().copied()).collect()
    }

    fn verdict(&self, sum: &ReadSum) -> Result<(), SumError> {
        verify_sum(&self.params, &CONTEXT, &self.summands(), sum)
    }
}

fn assert_coordinator_blamed(verdict: Result<(), SumError>) {
    assert_eq!(verdict, Err(SumError::NotTheSum));
    let message = SumError::NotTheSum.to_string();
    assert!(
        message.starts_with("the coordinator is to blame: its sum is not the weighted sum"),
        "{message}"
    );
}

#[test]
fn the_honest_sum_verifies_and_is_the_sum_mod_q() {
    let round = Round::new(&[200, 16, 256, 0, 100]);
    let sum = round.sum_of(&round.terms());
    assert_eq!(round.verdict(&sum), Ok(()));
    for (i, word) in sum.ciphertext.chunks(6).enumerate() {
        let coefficient = |bytes: &[u8]| {
            let mut word = [0; 8];
            word[..6].copy_from_slice(&bytes[6 * i..6 * i + 6]);
            u128::from(u64::from_le_bytes(word))
        };
        let terms = round.terms();
        let exact: u128 = terms
            .iter()
            .map(|(bytes, weight)| coefficient(bytes) * u128::from(*weight))
            .sum();
        assert_eq!(*word, ((exact % u128::from(Q)) as u64).to_le_bytes()[..6]);
    }
    assert_eq!(check_ciphertext(&round.params, &sum.ciphertext), Ok(()));
}

/// Total weights kept equal where the attack allows, so that the size alone gives nothing away.
#[test]
fn a_dropped_contribution_is_caught() {
    let round = Round::new(&[60, 60, 60]);
    let terms = round.terms();
    // Its weight given to another, and simply left out.
    assert_coordinator_blamed(round.verdict(&round.sum_of(&[(terms[0].0, 120), terms[2]])));
    let blank = vec![0; round.params.ciphertext_bytes()];
    assert_coordinator_blamed(round.verdict(&round.sum_of(&[terms[0], terms[2], (&blank, 60)])));
}

#[test]
fn a_doubled_contribution_is_caught() {
    let round = Round::new(&[60, 60, 60]);
    let terms = round.terms();
    assert_coordinator_blamed(round.verdict(&round.sum_of(&[
        (terms[0].0, 30),
        terms[1],
        terms[2],
        (terms[2].0, 30),
    ])));
    // More digits than the weights allow are refused even before.
    let wire = weighted_digit_sum(
        round.params.chunks(),
        &[terms[0], terms[1], terms[2], terms[2]],
    )
    .unwrap();
    assert_eq!(wire.total_weight(), 240);
    let mut reader = DigitSumReader::new(&round.params, 180).unwrap();
    assert!(
        matches!(reader.update(wire.as_bytes()), Err(DigitSumError::Digit { bound, .. }) if bound == 180 * 65_535)
    );
}

#[test]
fn a_reweighted_contribution_is_caught() {
    let round = Round::new(&[60, 60, 60]);
    let terms = round.terms();
    assert_coordinator_blamed(round.verdict(&round.sum_of(&[
        (terms[0].0, 61),
        (terms[1].0, 59),
        terms[2],
    ])));
}

#[test]
fn an_altered_contribution_is_caught() {
    let round = Round::new(&[60, 60, 60]);
    let terms = round.terms();
    for bit in [
        0,
        47,
        8 * CHUNK_BYTES as u64,
        8 * round.params.ciphertext_bytes() as u64 - 1,
    ] {
        let mut altered = terms[1].0.to_vec();
        altered[(bit / 8) as usize] ^= 1 << (bit % 8);
        assert_coordinator_blamed(round.verdict(&round.sum_of(&[
            terms[0],
            (&altered, 60),
            terms[2],
        ])));
    }
    // Another ciphertext that decrypts to the same: chunks exchanged between contributions.
    let swapped: Vec<Vec<u8>> = [(0, 1), (1, 0)]
        .map(|(first, second): (usize, usize)| {
            [
                &terms[first].0[..CHUNK_BYTES],
                &terms[second].0[CHUNK_BYTES..],
            ]
            .concat()
        })
        .into();
    let sum = round.sum_of(&[(&swapped[0], 60), (&swapped[1], 60), terms[2]]);
    assert_eq!(
        round.verdict(&sum),
        Ok(()),
        "at equal weights this is the same sum"
    );
    let round = Round::new(&[60, 70, 60]);
    assert_coordinator_blamed(round.verdict(&round.sum_of(&[
        (&swapped[0], 60),
        (&swapped[1], 70),
        round.terms()[2],
    ])));
}

/// The same sum mod q by other digits: the carry of a low digit moved into the next one.
#[test]
fn digits_that_give_the_same_sum_mod_q_are_caught() {
    let round = Round::new(&[60, 60, 60]);
    let honest = weighted_digit_sum(round.params.chunks(), &round.terms()).unwrap();
    let mut wire = honest.as_bytes().to_vec();
    let digits: Vec<u64> = (0..2)
        .map(|i| u64::from_le_bytes([wire[3 * i], wire[3 * i + 1], wire[3 * i + 2], 0, 0, 0, 0, 0]))
        .collect();
    let carried = [digits[0] - 65_536, digits[1] + 1];
    for (i, digit) in carried.iter().enumerate() {
        wire[3 * i..3 * i + 3].copy_from_slice(&digit.to_le_bytes()[..3]);
    }
    let forged = read(&round.params, 180, &wire);
    assert_eq!(forged.ciphertext, honest.to_ciphertext());
    assert_coordinator_blamed(round.verdict(&forged));
}

#[test]
fn a_hash_for_another_ciphertext_is_caught_and_the_contribution_named() {
    let round = Round::new(&[60, 70, 80]);
    let sum = round.sum_of(&round.terms());

    // The coordinator shows another hash than was signed, here so that a sum without participant 1's update fits.
    let forged_terms = [round.terms()[0], (round.terms()[0].0, 70), round.terms()[2]];
    let forged = round.sum_of(&forged_terms);
    let mut summands = round.summands();
    summands[1].linear_hash = &round.contributions[0].linear_hash;
    let verdict = verify_sum(&round.params, &CONTEXT, &summands, &forged);
    assert_eq!(verdict, Err(SumError::NotSigned { participant: 1 }));
    let message = verdict.unwrap_err().to_string();
    assert!(
        message.contains("participant 1") && message.starts_with("the coordinator is to blame"),
        "{message}"
    );

    // A participant signs a hash that is not its ciphertext's: whoever receives it computes another root ...
    let contribution = &round.contributions[1];
    let share_hashes: Vec<_> = contribution
        .sealed_shares
        .iter()
        .map(|sealed| share_hash(sealed))
        .collect();
    let lie = round.contributions[2].linear_hash.clone();
    let signed = ContributionCommitment::new(
        &round.params,
        &CONTEXT,
        1,
        contribution.commitment.chunks_root,
        &share_hashes,
        &lie.digest(),
    );
    let received = hash(&round.params, &contribution.ciphertext);
    let computed = ContributionCommitment::new(
        &round.params,
        &CONTEXT,
        1,
        signed.chunks_root,
        &share_hashes,
        &received.digest(),
    );
    assert_ne!(computed.root, signed.root);
    // ... and a coordinator that took it in all the same cannot publish a sum that fits.
    let mut summands = round.summands();
    (summands[1].root, summands[1].linear_hash) = (&signed.root, &lie);
    assert_coordinator_blamed(verify_sum(&round.params, &CONTEXT, &summands, &sum));
}

#[test]
fn a_root_of_another_round_participant_or_part_does_not_open() {
    let round = Round::new(&[60, 70, 80]);
    let sum = round.sum_of(&round.terms());
    let verdict = |summands: &[Summand<'_>]| verify_sum(&round.params, &CONTEXT, summands, &sum);
    let changed = |change: &dyn Fn(&mut Summand<'_>)| {
        let mut summands = round.summands();
        change(&mut summands[2]);
        verdict(&summands)
    };
    let not_signed = Err(SumError::NotSigned { participant: 2 });
    assert_eq!(changed(&|summand| summand.chunks_root[5] ^= 1), not_signed);
    assert_eq!(changed(&|summand| summand.shares_hash[5] ^= 1), not_signed);
    assert_eq!(
        changed(&|summand| summand.participant = 9),
        Err(SumError::NotSigned { participant: 9 })
    );
    assert_eq!(
        changed(&|summand| summand.participant = 0),
        Err(SumError::Twice { participant: 0 })
    );
    assert_eq!(
        changed(&|summand| summand.weight = 81),
        Err(SumError::TotalWeight {
            read: 210,
            set: 211
        })
    );
    let other = unsilo_fhe::RoundContext {
        round: 4,
        ..CONTEXT
    };
    let verdict = verify_sum(&round.params, &other, &round.summands(), &sum);
    assert_eq!(verdict, Err(SumError::NotSigned { participant: 0 }));
}

#[test]
fn digit_sums_do_not_overflow_at_the_largest_digits_and_weights() {
    let params = params(1);
    let largest = vec![0xFF; params.ciphertext_bytes()];
    // On both sides of each width: 256, 65537 and the most that there is.
    for (parties, last, width) in [
        (1, 0, 3),
        (1, 1, 4),
        (256, 1, 4),
        (257, 0, 5),
        (MAX_PARTICIPANTS, 0, 5),
    ] {
        let mut sum = DigitAccumulator::new(params.chunks());
        for _ in 0..parties {
            sum.add(&largest, MAX_WEIGHT).unwrap();
        }
        sum.add(&largest, last).unwrap();
        let weight = sum.total_weight();
        let wire = sum.finish().into_bytes();
        assert_eq!(
            wire.len(),
            params.chunks() * 3 * 2048 * width,
            "weight {weight}"
        );
        assert_eq!(wire.len(), digit_sum_bytes(&params, weight));
        let digit = (weight * 65_535).to_le_bytes();
        assert!(
            wire.chunks(width).all(|bytes| *bytes == digit[..width]),
            "weight {weight}"
        );
        let word = u128::from(weight) * ((1 << 48) - 1) % u128::from(Q);
        let read = read(&params, weight, &wire);
        assert!(
            read.ciphertext
                .chunks(6)
                .all(|bytes| *bytes == (word as u64).to_le_bytes()[..6])
        );
    }
    let mut sum = DigitAccumulator::new(params.chunks());
    for _ in 0..MAX_PARTICIPANTS {
        sum.add(&largest, MAX_WEIGHT).unwrap();
    }
    let error = sum.add(&largest, 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "with this contribution the weights add up to {}, above {MAX_TOTAL_WEIGHT}",
            MAX_TOTAL_WEIGHT + 1
        )
    );
    assert_eq!(
        sum.add(&largest, 257).unwrap_err().to_string(),
        "weight 257 is above 256"
    );
    assert!(sum.add(&largest[1..], 1).is_err());
    assert_eq!(sum.total_weight(), MAX_TOTAL_WEIGHT);
}

#[test]
fn a_digit_sum_out_of_range_truncated_or_oversized_is_refused() {
    let params = params(3000);
    for total_weight in [0, MAX_TOTAL_WEIGHT + 1, u64::MAX] {
        let error = DigitSumReader::new(&params, total_weight).err();
        assert_eq!(
            error,
            Some(DigitSumError::TotalWeight {
                total: total_weight
            })
        );
    }
    for (total_weight, width) in [(100, 3), (10_000, 4), (100_000, 5)] {
        let bound: u64 = total_weight * 65_535;
        let length = digit_sum_bytes(&params, total_weight);
        assert_eq!(length, 4 * 3 * 2048 * width);
        let wire = |value: u64| value.to_le_bytes()[..width].repeat(length / width);
        // All digits at the bound are possible, one above is not, wherever it is.
        assert_eq!(
            read(&params, total_weight, &wire(bound)).total_weight,
            total_weight
        );
        for digit in [0, 3 * 2048 + 1, 2 * 3 * 2048 + 301, length / width - 1] {
            let mut bytes = wire(bound);
            bytes[digit * width..][..width].copy_from_slice(&(bound + 1).to_le_bytes()[..width]);
            let expected = DigitSumError::Digit {
                chunk: digit / 6144,
                index: digit % 6144 / 3,
                digit: digit % 3,
                value: bound + 1,
                bound,
            };
            for piece in [length, 10_000] {
                let mut reader = DigitSumReader::new(&params, total_weight).unwrap();
                let refused = bytes
                    .chunks(piece)
                    .find_map(|piece| reader.update(piece).err());
                assert_eq!(refused, Some(expected));
            }
        }
        let mut reader = DigitSumReader::new(&params, total_weight).unwrap();
        reader.update(&wire(0)[1..]).unwrap();
        let (expected, actual) = (length as u64, length as u64 - 1);
        assert_eq!(
            reader.finish().err(),
            Some(DigitSumError::Length { expected, actual })
        );
        let mut reader = DigitSumReader::new(&params, total_weight).unwrap();
        reader.update(&wire(0)).unwrap();
        let actual = expected + 1;
        assert_eq!(
            reader.update(&[0]),
            Err(DigitSumError::Length { expected, actual })
        );
    }
}

#[test]
fn a_linear_hasher_refuses_another_length() {
    let params = params(2049);
    let bytes = random_bytes(params.ciphertext_bytes() + 1, 1);
    for length in [0, 1, CHUNK_BYTES, bytes.len() - 2, bytes.len()] {
        let mut hasher = LinearHasher::new(&params);
        hasher.update(&bytes[..length]);
        assert_eq!(hasher.taken(), length as u64);
        let wrong = CiphertextError::Length {
            expected: params.ciphertext_bytes(),
            actual: length,
        };
        assert_eq!(hasher.finish().map(|_| ()), Err(wrong));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_hash_of_a_weighted_sum_is_the_weighted_sum_of_the_hashes(
        weights in vec(0..=MAX_WEIGHT, 1..6),
        seed in any::<u64>(),
        parameters in 1..5000_u64,
        piece in 1..60_000_usize,
    ) {
        prop_assume!(total(&weights) > 0);
        let params = params(parameters);
        let ciphertexts: Vec<_> = (0..weights.len() as u64)
            .map(|j| random_bytes(params.ciphertext_bytes(), seed ^ j)).collect();
        let hashes: Vec<_> = ciphertexts.iter().map(|bytes| hash(&params, bytes)).collect();
        let weighted: Vec<_> = ciphertexts.iter().map(Vec::as_slice).zip(weights.iter().copied()).collect();
        let wire = weighted_digit_sum(params.chunks(), &weighted).expect("valid").into_bytes();
        let mut reader = DigitSumReader::new(&params, total(&weights)).expect("a weight");
        for piece in wire.chunks(piece) {
            reader.update(piece).expect("in range");
        }
        let sum = reader.finish().expect("whole");
        let combined: Vec<_> = weights.iter().copied().zip(&hashes).collect();
        prop_assert_eq!(&sum.linear_hash, &combine_hashes(&combined));

        // Digit for digit in 64 bits, and mod q in 128.
        let width = wire.len() / (params.chunks() * 3 * 2048);
        for (i, bytes) in wire.chunks(width).enumerate() {
            let digit = |bytes: &[u8]| u64::from(u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]));
            let exact: u64 = weighted.iter().map(|(bytes, weight)| digit(bytes) * u64::from(*weight)).sum();
            prop_assert_eq!(&exact.to_le_bytes()[..width], bytes);
        }
        for (i, word) in sum.ciphertext.chunks(6).enumerate() {
            let coefficient = |bytes: &[u8]| {
                let mut word = [0; 8];
                word[..6].copy_from_slice(&bytes[6 * i..6 * i + 6]);
                u128::from(u64::from_le_bytes(word))
            };
            let exact: u128 = weighted.iter().map(|(bytes, weight)| coefficient(bytes) * u128::from(*weight)).sum();
            prop_assert_eq!(&((exact % u128::from(Q)) as u64).to_le_bytes()[..6], word);
        }
    }

    #[test]
    fn digit_sums_do_not_depend_on_order_ranges_or_threads(
        weights in vec(0..=MAX_WEIGHT, 1..6),
        seed in any::<u64>(),
        chunks in 1..20_usize,
        split in 0..20_usize,
    ) {
        let ciphertexts: Vec<_> = (0..weights.len() as u64)
            .map(|j| random_bytes(chunks * CHUNK_BYTES, seed ^ j)).collect();
        let weighted: Vec<_> = ciphertexts.iter().map(Vec::as_slice).zip(weights.iter().copied()).collect();
        let sum = weighted_digit_sum(chunks, &weighted).expect("valid");
        let split = split.min(chunks);
        let mut ranges = [DigitAccumulator::new(split), DigitAccumulator::new(chunks - split)];
        for (bytes, weight) in weighted.iter().rev() {
            let (first, second) = bytes.split_at(split * CHUNK_BYTES);
            ranges[0].add(first, *weight).expect("valid");
            ranges[1].add(second, *weight).expect("valid");
        }
        let ranges = ranges.map(|range| range.finish().into_bytes());
        prop_assert_eq!(ranges.concat(), sum.as_bytes());
    }

    #[test]
    fn linear_hashes_decode_to_the_same_bytes_or_an_error(seed in any::<u64>(), length in 0..2 * LINEAR_HASH_BYTES) {
        let mut bytes = random_bytes(LINEAR_HASH_BYTES, seed);
        if let Ok(hash) = LinearHash::from_bytes(&bytes) {
            prop_assert_eq!(hash.to_bytes(), &bytes[..]);
        }
        // The top bit of each coefficient cleared: below p for certain.
        for coefficient in 0..2048 {
            let bit = 50 * coefficient + 49;
            bytes[bit / 8] &= !(1 << (bit % 8));
        }
        let hash = LinearHash::from_bytes(&bytes).expect("below p");
        prop_assert_eq!(hash.to_bytes(), &bytes[..]);
        bytes.resize(length, 0);
        prop_assert_eq!(LinearHash::from_bytes(&bytes).is_ok(), length == LINEAR_HASH_BYTES);
    }
}

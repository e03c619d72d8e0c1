//! Statistics through the encrypted sum: exact, and what one company can do to them.
#![expect(clippy::unwrap_used, reason = "honest inputs in tests")]

use crate::federation::{Federation, UNIT_LOG2, total};
use unsilo_fhe::{
    Contribution, Entropy, Permutation, WeightedSum, contribute, decode_integers, decrypt,
    decrypt::DecryptError, encode_integers, open_key_sum,
};

const PARAMETERS: u64 = 2_410;
/// Count, sum and sum of squares of one column.
const DIGITS: [usize; 3] = [6, 10, 14];

/// What company `j` counted in each of `columns` columns.
fn counted(j: u32, columns: u64) -> Vec<[u64; 3]> {
    let column = |column: u64| {
        let mut sums = [0; 3];
        for row in 0..200 + u64::from(j) * 31 {
            let value = (row * 7_919 + column * 104_729 + u64::from(j) * 15_485_863) % 65_537;
            sums = [sums[0] + 1, sums[1] + value, sums[2] + value * value];
        }
        sums
    };
    (0..columns).map(column).collect()
}

fn statistics(federation: &Federation, j: u32, sums: &[[u64; 3]]) -> Contribution {
    let permutation = Permutation::new(&federation.params, &federation.context.federation);
    let integers: Vec<_> = sums
        .iter()
        .flat_map(|sums| sums.iter().copied().zip(DIGITS))
        .collect();
    let encoded = encode_integers(&permutation, &integers).unwrap();
    contribute(
        &federation.dealing(j),
        encoded,
        Entropy::from_bytes([j as u8; 32]),
    )
    .unwrap()
}

fn opened(
    federation: &Federation,
    contributions: &[Contribution],
) -> Result<WeightedSum, DecryptError> {
    let weights = vec![1; contributions.len()];
    let sum = federation.sum(contributions, &weights);
    let answers = federation.answers(contributions, &weights);
    let opened = open_key_sum(4, &answers, |_| true).unwrap();
    let (params, context) = (&federation.params, &federation.context);
    decrypt(params, context, &sum, &opened.key_sum, total(&weights))
}

fn pooled(companies: &[Vec<[u64; 3]>], column: usize) -> Vec<Option<u128>> {
    (0..3)
        .map(|of| {
            let each = companies.iter().map(|sums| u128::from(sums[column][of]));
            Some(each.sum())
        })
        .collect()
}

#[test]
fn pooled_statistics_come_out_of_the_encrypted_sum_exactly() {
    // As many columns as the model carries: every digit of every one must be right.
    let columns = PARAMETERS / 30;
    let federation = Federation::new(PARAMETERS, 5, 4);
    let companies: Vec<_> = (0..12).map(|j| counted(j, columns)).collect();
    let contributions: Vec<_> = (0..)
        .zip(&companies)
        .map(|(j, sums)| statistics(&federation, j, sums))
        .collect();
    let sum = opened(&federation, &contributions).unwrap();
    let integers = decode_integers(&sum, &DIGITS.repeat(columns as usize));
    for (column, found) in integers.chunks(3).enumerate() {
        assert_eq!(found, pooled(&companies, column), "column {column}");
    }
}

#[test]
fn who_sends_no_digits_spoils_the_columns_it_sends_them_for_and_no_other() {
    let federation = Federation::new(PARAMETERS, 5, 4);
    let companies: Vec<_> = (0..4).map(|j| counted(j, 2)).collect();
    let mut contributions: Vec<_> = (0..)
        .zip(&companies)
        .map(|(j, sums)| statistics(&federation, j, sums))
        .collect();
    // In the place of the first digit as much as one coefficient holds: 64 times the largest digit.
    let mut poison = vec![0.0; PARAMETERS as usize];
    poison[0] = 32_767.0 * 2_f32.powi(UNIT_LOG2.into());
    contributions.push(federation.contribute(4, &poison));
    let sum = opened(&federation, &contributions).unwrap();
    let integers = decode_integers(&sum, &DIGITS.repeat(2));
    assert_eq!(integers[0], None, "the count it poisoned");
    // It sent nothing in the other places, which is the digit in the middle: 8 in each.
    let eights = |digits: usize| (0..digits).map(|k| 8_u128 << (4 * k)).sum::<u128>();
    let shifted = |of: usize, column: usize| {
        pooled(&companies, column)[of].map(|sum| sum + eights(DIGITS[of]))
    };
    assert_eq!(integers[3..], [shifted(0, 1), shifted(1, 1), shifted(2, 1)]);
}

#[test]
fn garbage_among_the_contributions_opens_to_nothing() {
    let federation = Federation::new(PARAMETERS, 5, 4);
    let mut contributions: Vec<_> = (0..4)
        .map(|j| statistics(&federation, j, &counted(j, 2)))
        .collect();
    // The ciphertext of one key, the shares of another: nobody checks that in a statistics round.
    let other = Federation {
        context: unsilo_fhe::RoundContext {
            round: 4,
            ..federation.context
        },
        ..Federation::new(PARAMETERS, 5, 4)
    };
    contributions[3].ciphertext = statistics(&other, 3, &counted(3, 2)).ciphertext;
    assert_eq!(
        opened(&federation, &contributions).err(),
        Some(DecryptError::TooLong)
    );
}

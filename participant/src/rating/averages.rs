//! What a rater remembers of the contributors over rounds, and its opinions that follow.

use std::collections::{BTreeMap, btree_map::Entry};

use borsh::{BorshDeserialize, BorshSerialize};
use unsilo_ledger::ParticipantId;

use super::track_record::{self, TrackRecord};
use crate::{progress::Score, rater::Opinion};

/// Contributors remembered at most: more than a federation can have in one sum. Beyond it, who was not seen for longest is
/// forgotten.
pub const MAX_CONTRIBUTORS: usize = 8_192;
/// How much less a round weighs in the average of what was earned than the one after it: a tenth.
const RATE: f64 = 0.1;
/// The most that what is new counts for beside what helps. Where nearly nothing is new to a rater, its noise would be all that
/// is paid for.
const MAX_EXCHANGE: f64 = 4.0;
/// Bytes of one contributor: its number, five averages, how many rounds they are of, the round it was last seen in.
const BYTES_EACH: usize = 4 + 5 * 8 + 4 + 8;

/// A rater's moving averages of how much each contributor's updates help, and of what its rounds earned. They must survive
/// a restart: [`Averages::to_bytes`].
///
/// A measured product is divided by the norm of its update, so that a longer update of the same direction is worth the
/// same. What helps is remembered long, and for a short time only while the model still learns (docs/scoring.md, two memories).
/// Of what is earned a round weighs a tenth less than the one after it: after k rounds the newest moves it by `.1 / (1 - .9^k)`,
/// else the first would count for .135 after twenty rounds, and not for .015, and who worked in that one alone would be paid for
/// all. A contributor that is away keeps what it had; one whose contribution was accepted and has no product takes in a round of
/// nothing, for who could keep what it had by answers that contradict each other would have to do good only once.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Averages {
    /// The last round taken in; 0 before the first.
    round: u64,
    of: BTreeMap<ParticipantId, Average>,
}

#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
struct Average {
    helps: TrackRecord,
    /// Of the rounds' earnings: what helped and was new, the mean over a round's contributors of what helped being 1.
    earns: f64,
    /// Rounds that they are of, at least 1.
    rounds: u32,
    /// The round of its last product.
    seen: u64,
}

/// A contributor's products of one round, by the norm of its update.
struct Product {
    participant: ParticipantId,
    helps: f64,
    is_new: f64,
}

/// Why bytes are no averages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AveragesError {
    /// More than [`MAX_CONTRIBUTORS`] need.
    #[error("{bytes} bytes are more than the averages of {MAX_CONTRIBUTORS} contributors")]
    TooLong {
        /// How many bytes.
        bytes: usize,
    },
    /// Cut short, or not averages.
    #[error("the averages of ratings cannot be read: {0}")]
    Format(String),
    /// An average that is no finite number, of no rounds, or of a round after the last.
    #[error("the average of contributor {participant} is not one")]
    Value {
        /// Whose.
        participant: u32,
    },
}

impl Averages {
    /// Of a rater that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The last round taken in; 0 if there was none.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// Contributors remembered.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Takes in the products of `round` with [`super::directions`] (direction 0, and 1 if there were two; with one, all that
    /// helps is new). `accepted` are the judged contributions with their norm exponents e: the norm is 2^(e/8) steps.
    /// `chance` is [`super::chance_product`] of the first direction.
    ///
    /// With `a_j` and `b_j` the products with both directions by the norm of the update, a contributor earns
    /// `max(0, min(a_j, b_j · r))` in the round, `r = min(4, sum a+ / sum b+)`, as a part of the mean of `a+`. Round by round,
    /// and not of averages: where companies know different classes, what is new in an honest update is of use to a rater
    /// in one round and against it in the next, and averages of it come to nothing, while what was in the last models
    /// already has next to none in any round.
    ///
    /// Products of others, of directions beyond the second, and second ones without a first are left aside. A round that
    /// was taken in, or an earlier one, changes nothing: so asking again after a crash gives the same opinions. Returns
    /// whether it was taken in.
    pub fn observe(
        &mut self,
        round: u64,
        accepted: &[(ParticipantId, u16)],
        chance: f64,
        scores: &[Score],
    ) -> bool {
        if round <= self.round {
            return false;
        }
        self.round = round;
        let two = scores.iter().any(|score| score.direction == 1);
        let product = |participant, direction| {
            let found = scores
                .iter()
                .find(|score| (score.participant, score.direction) == (participant, direction));
            found.map(|score| score.value as f64)
        };
        let second = if two { 1 } else { 0 };
        let products: Vec<Product> = accepted
            .iter()
            .filter_map(|(participant, exponent)| {
                let norm = (f64::from(*exponent) / 8.0).exp2();
                Some(Product {
                    participant: *participant,
                    helps: product(*participant, 0)? / norm,
                    is_new: product(*participant, second)? / norm,
                })
            })
            .collect();
        let sum = |of: fn(&Product) -> f64| products.iter().map(|one| of(one).max(0.0)).sum();
        let (helping, new): (f64, f64) = (sum(|one| one.helps), sum(|one| one.is_new));
        let exchange = if new > 0.0 {
            (helping / new).min(MAX_EXCHANGE)
        } else {
            0.0
        };
        for one in &products {
            let earns = if helping > 0.0 {
                let worth = one.helps.min(one.is_new * exchange).max(0.0);
                worth / helping * products.len() as f64
            } else {
                0.0
            };
            self.add(round, one, earns, chance);
        }
        for (participant, _) in accepted {
            let measured = products.iter().any(|one| one.participant == *participant);
            // What was never seen is not known to be nothing.
            if !measured && self.of.contains_key(participant) {
                let nothing = Product {
                    participant: *participant,
                    helps: 0.0,
                    is_new: 0.0,
                };
                self.add(round, &nothing, 0.0, chance);
            }
        }
        self.forget();
        true
    }

    fn add(&mut self, seen: u64, product: &Product, earns: f64, chance: f64) {
        match self.of.entry(product.participant) {
            Entry::Vacant(entry) => {
                entry.insert(Average {
                    helps: TrackRecord::new(product.helps, chance),
                    earns,
                    rounds: 1,
                    seen,
                });
            }
            Entry::Occupied(mut entry) => {
                let old = entry.get_mut();
                let rounds = old.rounds.saturating_add(1);
                let rate = RATE / (1.0 - (1.0 - RATE).powf(rounds.into()));
                *old = Average {
                    helps: old.helps.after(product.helps, chance),
                    earns: (1.0 - rate) * old.earns + rate * earns,
                    rounds,
                    seen,
                };
            }
        }
    }

    /// Keeps within [`MAX_CONTRIBUTORS`].
    fn forget(&mut self) {
        let excess = self.of.len().saturating_sub(MAX_CONTRIBUTORS);
        if excess == 0 {
            return;
        }
        let mut by_age: Vec<(u64, ParticipantId)> = self
            .of
            .iter()
            .map(|(id, average)| (average.seen, *id))
            .collect();
        by_age.sort_unstable();
        for (_, id) in &by_age[..excess] {
            self.of.remove(id);
        }
    }

    /// What the rater says of each of `contributors`, in their order: those whose contributions were accepted and belong
    /// to other owners. Of whom nothing was ever seen, nothing is said.
    ///
    /// - `score`: a_ij, the largest in size becoming 32767; negative for what harms; 0 for what helps by less than a third of what
    ///   is usual, while the model still learns.
    /// - `reward`: what it earned on average, the largest becoming 65535: who only repeats what the last models brought has
    ///   little that is new, and earns little. 0 unless its score is above 0, and unless it helped by more than two deviations of
    ///   what updates in random directions would: noise helps every second rater a little.
    ///
    /// Multiplying all products and chances of a rater, or all norms, by one factor changes nothing but rounding.
    pub fn opinions(&self, contributors: &[ParticipantId]) -> Vec<Opinion> {
        let known: Vec<Option<&Average>> = contributors.iter().map(|id| self.of.get(id)).collect();
        let records: Vec<&TrackRecord> = known.iter().flatten().map(|one| &one.helps).collect();
        let mut scored = track_record::scores(&records).into_iter();
        let scores: Vec<f64> = known
            .iter()
            .map(|average| average.and_then(|_| scored.next()).unwrap_or(0.0))
            .collect();
        let earned = |(average, score): (&Option<&Average>, &f64)| match average {
            Some(average) if *score > 0.0 && average.helps.is_above_chance() => average.earns,
            _ => 0.0,
        };
        let rewards: Vec<f64> = known.iter().zip(&scores).map(earned).collect();
        let largest = |values: &[f64]| {
            values
                .iter()
                .fold(0.0_f64, |most, value| most.max(value.abs()))
        };
        let (most, most_paid) = (largest(&scores), largest(&rewards));
        let scaled = |value: f64, most: f64, limit: f64| {
            if most > 0.0 {
                (value / most * limit).round()
            } else {
                0.0
            }
        };
        scores
            .iter()
            .zip(&rewards)
            .map(|(score, reward)| Opinion {
                score: scaled(*score, most, f64::from(i16::MAX)) as i16,
                reward: scaled(*reward, most_paid, f64::from(u16::MAX)) as u16,
            })
            .collect()
    }

    /// For disk, in the ledger's encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 + self.of.len() * BYTES_EACH);
        // Writing to memory cannot fail.
        let _ = self.serialize(&mut bytes);
        bytes
    }

    /// Reads what [`Averages::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`AveragesError`]: start with none, or from a backup; nothing but the company's own opinions depends on them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AveragesError> {
        if bytes.len() > 12 + MAX_CONTRIBUTORS * BYTES_EACH {
            return Err(AveragesError::TooLong { bytes: bytes.len() });
        }
        let read: Self =
            borsh::from_slice(bytes).map_err(|error| AveragesError::Format(error.to_string()))?;
        let is_sound = |average: &Average| {
            average.helps.is_sound()
                && average.earns.is_finite()
                && average.earns >= 0.0
                && average.rounds >= 1
                && average.seen <= read.round
        };
        match read.of.iter().find(|(_, average)| !is_sound(average)) {
            Some((id, _)) => Err(AveragesError::Value { participant: id.0 }),
            None => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A round: the norm exponents of contributors 0, 1, ..., and their products with both directions.
    type Observed<'a> = (&'a [u16], &'a [(i64, i64)]);

    /// Products with both directions of contributors 0, 1, ...
    fn scores(values: &[(i64, i64)]) -> Vec<Score> {
        let of = |(participant, (first, second)): (u32, &(i64, i64))| {
            [(0, *first), (1, *second)].map(|(direction, value)| Score {
                participant: ParticipantId(participant),
                direction,
                value,
            })
        };
        (0..).zip(values).flat_map(of).collect()
    }

    fn accepted(exponents: &[u16]) -> Vec<(ParticipantId, u16)> {
        (0..)
            .map(ParticipantId)
            .zip(exponents.iter().copied())
            .collect()
    }

    fn ids(count: u32) -> Vec<ParticipantId> {
        (0..count).map(ParticipantId).collect()
    }

    fn after(rounds: &[Observed<'_>]) -> Averages {
        let mut averages = Averages::new();
        for (round, (exponents, values)) in (1..).zip(rounds) {
            assert!(averages.observe(round, &accepted(exponents), 0.0, &scores(values)));
        }
        averages
    }

    fn row(averages: &Averages, count: u32) -> Vec<(i16, u16)> {
        averages
            .opinions(&ids(count))
            .iter()
            .map(|one| (one.score, one.reward))
            .collect()
    }

    #[test]
    fn of_what_is_earned_a_round_weighs_a_tenth_less_than_the_one_after_it_and_of_what_helps_the_first_most()
     {
        let averages = after(&[
            (&[0, 0], &[(1000, 1000), (1000, 1000)]),
            (&[0, 0], &[(0, 0), (1000, 1000)]),
        ]);
        // .97 of what helped; of what is earned, 9 of 19 beside 9 and twice 10 (all of the second round).
        assert_eq!(row(&averages, 2), [(31_784, 20_338), (32_767, 65_535)]);
    }

    #[test]
    fn who_works_in_the_first_round_alone_is_paid_next_to_nothing_after_twenty() {
        let mut rounds: Vec<Observed<'_>> = vec![(&[0, 0], &[(1000, 1000), (1000, 1000)])];
        // From then on it repeats what the last models brought: more of help than honest work, and nothing new.
        rounds.extend([(&[0, 0][..], &[(2000, 0), (1000, 500)][..]); 19]);
        let [(_, repeats), (_, works)] = row(&after(&rounds), 2)[..] else {
            panic!("two")
        };
        assert_eq!(works, 65_535);
        assert!((400..2_000).contains(&repeats), "{repeats}");
    }

    #[test]
    fn what_is_new_and_of_use_every_other_round_is_paid_and_what_is_never_is_not() {
        let odd = [(1000, 900), (1000, -900), (1000, 1), (1000, 300)];
        let even = [(1000, -900), (1000, 900), (1000, -1), (1000, 300)];
        let rounds: Vec<Observed<'_>> = [&odd, &even]
            .repeat(10)
            .iter()
            .map(|one| (&[0; 4][..], &one[..]))
            .collect();
        let paid: Vec<u16> = row(&after(&rounds), 4).iter().map(|one| one.1).collect();
        assert!(
            paid[0] > 20_000 && paid[1] > 20_000 && paid[3] > 20_000,
            "{paid:?}"
        );
        assert!(paid[2] < 200, "{paid:?}");
    }

    #[test]
    fn what_noise_would_have_is_not_paid_for() {
        let mut averages = Averages::new();
        for round in 1..=20 {
            averages.observe(
                round,
                &accepted(&[0; 3]),
                1000.0,
                &scores(&[(1000, 1000), (1200, 1200), (1800, 1800)]),
            );
        }
        // Over twenty rounds, of which the first tells most, a random direction has a deviation of 1000 · .57: two are 1140.
        let rewards: Vec<u16> = row(&averages, 3).iter().map(|one| one.1).collect();
        assert_eq!(rewards, [0, 43_690, 65_535]);
    }

    #[test]
    fn where_next_to_nothing_is_new_its_noise_is_not_all_that_is_paid_for() {
        // In the first round both bring something; in the second only one, and a thousandth.
        let averages = after(&[
            (&[0, 0], &[(1000, 500), (1000, 500)]),
            (&[0, 0], &[(1000, 1), (1000, -1)]),
        ]);
        let [(_, first), (_, second)] = row(&averages, 2)[..] else {
            panic!("two")
        };
        assert!(first == 65_535 && second > 64_000, "{second}");
    }

    #[test]
    fn a_longer_update_of_the_same_direction_is_worth_the_same() {
        let averages = after(&[(&[8, 16, 0], &[(2000, 2000), (4000, 4000), (1000, 1000)])]);
        assert_eq!(row(&averages, 3), [(32_767, 65_535); 3]);
    }

    #[test]
    fn who_repeats_the_last_models_helps_but_is_not_paid() {
        let averages = after(&[(&[0; 3], &[(1000, 500), (1000, 500), (2000, 0)])]);
        assert_eq!(
            row(&averages, 3),
            [(16_384, 65_535), (16_384, 65_535), (32_767, 0)]
        );
    }

    #[test]
    fn who_harms_is_said_to_and_is_not_paid() {
        let averages = after(&[(&[0; 3], &[(1000, 1000), (-2000, 10), (500, -1)])]);
        assert_eq!(
            row(&averages, 3),
            [(16_384, 65_535), (-32_767, 495), (8_192, 0)]
                .map(|(score, reward): (i16, u16)| (score, if score < 0 { 0 } else { reward }))
        );
    }

    #[test]
    fn products_of_zero_say_nothing() {
        assert_eq!(row(&after(&[(&[0; 3], &[(0, 0); 3])]), 3), [(0, 0); 3]);
        assert_eq!(row(&Averages::new(), 3), [(0, 0); 3]);
        assert_eq!(Averages::new().opinions(&[]), []);
        // Nothing new at all: nobody is paid, and the weights do not care.
        assert_eq!(
            row(&after(&[(&[0; 2], &[(5, 0), (5, -3)])]), 2),
            [(32_767, 0); 2]
        );
    }

    #[test]
    fn one_contributor_has_all_that_is_said() {
        assert_eq!(row(&after(&[(&[100], &[(7, 9)])]), 1), [(32_767, 65_535)]);
        assert_eq!(row(&after(&[(&[100], &[(-7, 9)])]), 1), [(-32_767, 0)]);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let most = [(i64::MAX, i64::MAX), (i64::MIN, i64::MIN), (1, 1)];
        assert_eq!(
            row(&after(&[(&[0; 3], &most)]), 3),
            [(32_767, 65_535), (-32_767, 0), (0, 0)]
        );
        assert_eq!(row(&after(&[(&[u16::MAX; 3], &most)]), 3)[0], (0, 0));
    }

    #[test]
    fn without_a_history_all_that_helps_is_new() {
        let mut averages = Averages::new();
        let first = scores(&[(1000, 1), (500, 2)])
            .into_iter()
            .filter(|one| one.direction == 0);
        assert!(averages.observe(1, &accepted(&[0, 0]), 0.0, &first.collect::<Vec<_>>()));
        assert_eq!(row(&averages, 2), [(32_767, 65_535), (16_384, 32_768)]);
    }

    #[test]
    fn who_is_away_keeps_what_it_had_and_who_is_new_starts_with_its_first_value() {
        let mut averages = after(&[(&[0, 0], &[(1000, 1000), (1000, 1000)])]);
        // Participant 0 is not accepted; participant 2 is new.
        let away = scores(&[(9, 9), (1000, 1000), (500, 500)]);
        assert!(averages.observe(2, &accepted(&[0, 0, 0])[1..], 0.0, &away));
        assert!(averages.observe(3, &accepted(&[0, 0, 0])[1..], 0.0, &away[2..]));
        assert_eq!(
            row(&averages, 3),
            [(32_767, 53_121), (32_767, 65_535), (16_384, 35_414)]
        );
        // Back with so much of the opposite that the short memory, beside others that help, is all that counts: far below theirs.
        assert!(averages.observe(4, &accepted(&[0]), 0.0, &scores(&[(-40_000, -40_000)])));
        assert_eq!(row(&averages, 3)[0], (-32_767, 0));
    }

    #[test]
    fn who_is_accepted_without_a_product_fades_and_is_back_with_the_next() {
        let mut averages = after(&[(&[0, 0], &[(1000, 1000), (1000, 1000)])]);
        // Ten rounds in which the answers on participant 0, and on a new one, contradict each other.
        let others = &scores(&[(0, 0), (1000, 1000)])[2..];
        for round in 2..12 {
            assert!(averages.observe(round, &accepted(&[0, 0, 0]), 0.0, others));
        }
        // Of what helps, the short memory and two standard errors by the other's spread, 107 + 394; of what was earned, .9^10 of the sum of
        // .9^0 to .9^10. Nothing was ever seen of participant 2.
        assert_eq!(
            row(&averages, 3),
            [(16_417, 3330), (32_767, 65_535), (0, 0)]
        );
        let both = scores(&[(1000, 1000), (1000, 1000), (1000, 1000)]);
        assert!(averages.observe(12, &accepted(&[0, 0, 0]), 0.0, &both));
        // One round more; and participant 2 starts with its first value.
        assert_eq!(
            row(&averages, 3),
            [(24_421, 11_999), (32_767, 65_535), (32_767, 65_535)]
        );
    }

    #[test]
    fn a_round_is_taken_in_once() {
        let mut averages = after(&[(&[0], &[(1000, 1000)]), (&[0], &[(2000, 2000)])]);
        let before = averages.clone();
        for round in [0, 1, 2] {
            assert!(!averages.observe(round, &accepted(&[0]), 0.0, &scores(&[(-5, -5)])));
        }
        assert_eq!(averages, before);
    }

    #[test]
    fn who_was_not_seen_for_longest_is_forgotten_first() {
        let mut averages = Averages::new();
        let one = |id: u32| {
            (
                [(ParticipantId(id), 0)],
                [Score {
                    participant: ParticipantId(id),
                    direction: 0,
                    value: 5,
                }],
            )
        };
        let (accepted, scores) = one(7_000_000);
        averages.observe(1, &accepted, 0.0, &scores);
        let many: Vec<(ParticipantId, u16)> = (0..MAX_CONTRIBUTORS as u32)
            .map(|id| (ParticipantId(id), 0))
            .collect();
        let products: Vec<Score> = many
            .iter()
            .map(|(participant, _)| Score {
                participant: *participant,
                direction: 0,
                value: 5,
            })
            .collect();
        averages.observe(2, &many, 0.0, &products);
        assert_eq!(averages.len(), MAX_CONTRIBUTORS);
        assert_eq!(
            averages.opinions(&[ParticipantId(7_000_000)]),
            [Opinion::default()]
        );
        assert_eq!(
            Averages::from_bytes(&averages.to_bytes()).as_ref(),
            Ok(&averages)
        );
    }

    #[test]
    fn bytes_that_are_no_averages_are_refused() {
        let averages = after(&[(&[0], &[(1000, 1000)])]);
        let bytes = averages.to_bytes();
        assert!(matches!(
            Averages::from_bytes(&bytes[1..]),
            Err(AveragesError::Format(_))
        ));
        let longer = [bytes.clone(), vec![0]].concat();
        assert!(matches!(
            Averages::from_bytes(&longer),
            Err(AveragesError::Format(_))
        ));
        let long = vec![0; 13 + MAX_CONTRIBUTORS * BYTES_EACH];
        assert_eq!(
            Averages::from_bytes(&long),
            Err(AveragesError::TooLong { bytes: long.len() })
        );
        let mut later = averages.clone();
        later.round = 0;
        assert_eq!(
            Averages::from_bytes(&later.to_bytes()),
            Err(AveragesError::Value { participant: 0 })
        );
        let mut infinite = bytes;
        // helps: after the round, the count and the participant. All ones but the sign and one bit: infinity.
        infinite[16..24].copy_from_slice(&f64::INFINITY.to_le_bytes());
        assert_eq!(
            Averages::from_bytes(&infinite),
            Err(AveragesError::Value { participant: 0 })
        );
    }

    proptest! {
        #[test]
        fn only_ratios_of_products_count(
            values in prop::collection::vec((-1_000_000_i64..1_000_000, -1_000_000_i64..1_000_000), 1..12),
            factor in 2_i64..1000,
        ) {
            let larger: Vec<(i64, i64)> = values.iter().map(|(a, b)| (a * factor, b * factor)).collect();
            let exponents = vec![40; values.len()];
            let count = values.len() as u32;
            let (small, large) = (row(&after(&[(&exponents, &values)]), count), row(&after(&[(&exponents, &larger)]), count));
            for (small, large) in small.iter().zip(&large) {
                prop_assert!(small.0.abs_diff(large.0) <= 1 && small.1.abs_diff(large.1) <= 1);
            }
        }

        #[test]
        fn a_reward_needs_to_help_and_to_have_been_new_and_is_saved_and_read_alike(
            rounds in prop::collection::vec(prop::collection::vec((any::<i64>(), any::<i64>()), 6), 1..5),
            exponents in prop::collection::vec(0_u16..192, 6),
        ) {
            let rounds: Vec<Observed<'_>> = rounds.iter().map(|values| (&exponents[..], &values[..])).collect();
            let averages = after(&rounds);
            let scored = track_record::scores(&averages.of.values().map(|average| &average.helps).collect::<Vec<_>>());
            for ((opinion, average), score) in averages.opinions(&ids(6)).iter().zip(averages.of.values()).zip(scored) {
                prop_assert!(opinion.reward == 0 || score > 0.0 && average.helps.is_above_chance() && average.earns > 0.0);
                prop_assert!(opinion.score == 0 || (opinion.score > 0) == (score > 0.0));
            }
            prop_assert_eq!(Averages::from_bytes(&averages.to_bytes()), Ok(averages));
        }
    }
}

use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use super::*;

const LENGTH: usize = 2_000;

fn random() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(7)
}

/// Seven honest updates about a common one, which is given last.
fn honest() -> (Vec<Vec<f32>>, Vec<f32>) {
    let mut random = random();
    let mut normal = || -> f32 { random.sample(StandardNormal) };
    let common: Vec<f32> = (0..LENGTH).map(|_| normal()).collect();
    let around = |_| common.iter().map(|x| x + 0.5 * normal()).collect();
    ((0..7).map(around).collect(), common.clone())
}

fn weights() -> Vec<f32> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(9);
    (0..LENGTH).map(|_| random.sample(StandardNormal)).collect()
}

/// What one of three attackers among ten sends, and its own honest update.
fn sent(attack: Attack, history: &[Vec<f32>]) -> (Vec<f32>, Vec<f32>) {
    sent_in(2, attack, history)
}

fn sent_in(round: u64, attack: Attack, history: &[Vec<f32>]) -> (Vec<f32>, Vec<f32>) {
    let (honest, own) = honest();
    let scene = Scene {
        round,
        weights: &weights(),
        own: &own,
        honest: &honest,
        count: (10, 3),
        history,
    };
    // Not the numbers that the honest updates are made of.
    let mut random = Xoshiro256PlusPlus::seed_from_u64(8);
    (attack.update(&scene, &mut random), own)
}

fn cosine(x: &[f32], y: &[f32]) -> f64 {
    let product: f64 = x
        .iter()
        .zip(y)
        .map(|(x, y)| f64::from(*x) * f64::from(*y))
        .sum();
    product / (norm(x) * norm(y))
}

fn distance(x: &[f32], y: &[f32]) -> f64 {
    let difference: Vec<f32> = x.iter().zip(y).map(|(x, y)| x - y).collect();
    norm(&difference)
}

fn mean(updates: &[Vec<f32>]) -> Vec<f32> {
    (0..LENGTH)
        .map(|at| updates.iter().map(|u| u[at]).sum::<f32>() / updates.len() as f32)
        .collect()
}

fn row(rows: &Dataset, at: usize) -> &[f32] {
    &rows.features()[at * rows.columns()..(at + 1) * rows.columns()]
}

fn rows() -> Dataset {
    let labels = vec![0, 1, 2, 3];
    Dataset::new(vec![0.25; 4 * 6], labels, 6, 4).expect("rows")
}

#[test]
fn sign_flip_boost_inflate_and_zero_are_multiples_of_the_honest_update() {
    for (attack, factor) in [
        (Attack::SignFlip, -1.0),
        (Attack::Boost, -10.0),
        (Attack::Inflate, 10.0),
        (Attack::Zero, 0.0),
    ] {
        let (sent, own) = sent(attack, &[]);
        assert!(
            sent.iter().zip(&own).all(|(x, own)| *x == factor * own),
            "{attack:?}"
        );
    }
}

#[test]
fn noise_is_as_long_as_the_honest_update_and_points_nowhere() {
    let (sent, own) = sent(Attack::Noise, &[]);
    assert!((norm(&sent) / norm(&own) - 1.0).abs() < 1e-3);
    assert!(cosine(&sent, &own).abs() < 0.1);
}

#[test]
fn stealth_has_its_part_of_the_honest_direction_and_its_length() {
    let (sent, own) = sent(Attack::Stealth, &[]);
    assert!((cosine(&sent, &own) - 0.15).abs() < 1e-3);
    assert!((norm(&sent) / norm(&own) - 1.0).abs() < 1e-3);
}

#[test]
fn replays_are_of_public_differences_and_noise_before_there_are_any() {
    let mut random = random();
    let history: Vec<Vec<f32>> = (0..5)
        .map(|_| (0..LENGTH).map(|_| random.sample(StandardNormal)).collect())
        .collect();
    let last = &history[4];
    let replay = |attack| sent(attack, &history).0;
    // A tenth of noise leaves a cosine of .995.
    assert!(cosine(&replay(Attack::Replay), last) > 0.99);
    assert!(cosine(&replay(Attack::ReplaySign), last) < -0.99);
    for (round, sign) in [(2, 1.0), (3, -1.0), (4, 1.0)] {
        let sent = sent_in(round, Attack::ReplayAlternate, &history).0;
        assert!(cosine(&sent, last) * sign > 0.99, "{round}");
    }
    // Three quarters of its square are the last difference, a quarter is the model at right angles to all of them.
    let model = weights();
    for (round, sign) in [(2, 1.0), (3, -1.0), (4, 1.0)] {
        let sent = sent_in(round, Attack::Oscillate, &history).0;
        assert!(
            (cosine(&sent, last) - 0.75_f64.sqrt()).abs() < 0.02,
            "{round}"
        );
        assert!((cosine(&sent, &model) * sign - 0.5).abs() < 0.05, "{round}");
        assert!(
            history[..4]
                .iter()
                .all(|old| cosine(&sent, old).abs() < 0.1)
        );
    }
    let mixture = replay(Attack::ReplayMix);
    let within: f64 = history
        .iter()
        .map(|old| cosine(&mixture, old).powi(2))
        .sum();
    assert!((within - 1.0).abs() < 0.1, "{within}");
    for attack in [
        Attack::Replay,
        Attack::ReplayMix,
        Attack::ReplayAlternate,
        Attack::Oscillate,
    ] {
        let (sent, own) = sent(attack, &[]);
        assert!(cosine(&sent, &own).abs() < 0.1, "{attack:?}");
        assert!((norm(&sent) / norm(&own) - 1.0).abs() < 0.02, "{attack:?}");
    }
}

#[test]
fn a_disguised_update_is_no_copy_of_a_fellows() {
    let (honest, own) = honest();
    let scene = Scene {
        round: 2,
        weights: &[],
        own: &own,
        honest: &honest,
        count: (10, 3),
        history: &[],
    };
    let mut random = random();
    let first = Attack::MinMax.update(&scene, &mut random);
    let second = Attack::MinMax.update(&scene, &mut random);
    assert!(distance(&first, &second) > 0.1 * norm(&first));
    assert!(cosine(&first, &second) > 0.95);
}

#[test]
fn a_little_is_enough_is_off_by_less_than_two_deviations_of_each_coordinate() {
    let (honest, _) = honest();
    let middle = mean(&honest);
    let away = distance(&sent(Attack::Alie, &[]).0, &middle);
    // Honest updates lie .5 · sqrt(6/7) a coordinate from their mean; z is .5 to 2 here.
    let spread = 0.5 * (6.0_f64 / 7.0).sqrt() * (LENGTH as f64).sqrt();
    assert!((0.02..2.0).contains(&(away / spread)), "{}", away / spread);
    assert!(cosine(&sent(Attack::Alie, &[]).0, &middle) > 0.8);
}

#[test]
fn min_max_and_min_sum_go_as_far_as_honest_updates_do_and_away_from_them() {
    let (honest, _) = honest();
    let to = |from: &[f32], fold: fn(f64, f64) -> f64, power: i32| -> f64 {
        honest
            .iter()
            .map(|one| distance(one, from).powi(power))
            .fold(0.0, fold)
    };
    for (attack, fold, power) in [
        (Attack::MinMax, f64::max as fn(f64, f64) -> f64, 1),
        (Attack::MinSum, (|x, y| x + y) as fn(f64, f64) -> f64, 2),
    ] {
        let limit = honest
            .iter()
            .map(|one| to(one, fold, power))
            .fold(0.0, f64::max);
        let reach = to(&sent(attack, &[]).0, fold, power);
        // The disguise is on top of it.
        assert!(
            (0.95..1.15).contains(&(reach / limit)),
            "{attack:?}: {}",
            reach / limit
        );
        let middle = mean(&honest);
        assert!(
            distance(&sent(attack, &[]).0, &middle) > 0.3 * norm(&middle),
            "{attack:?}"
        );
    }
}

#[test]
fn label_flippers_mirror_their_labels_and_count_what_the_model_mirrors() {
    let flipped = Attack::LabelFlip.rows(&rows()).expect("rows");
    assert_eq!(flipped.labels(), [3, 2, 1, 0]);
    assert_eq!(flipped.features(), rows().features());
    assert_eq!(Attack::LabelFlip.success(&rows(), &[3, 2, 2, 3]), Some(0.5));
}

#[test]
fn a_backdoor_is_a_mark_on_every_second_row_and_succeeds_where_a_mark_is_answered_with_the_first_class()
 {
    let rows = rows();
    let marked = Attack::Backdoor.rows(&rows).expect("rows");
    assert_eq!(marked.labels(), [0, 1, 0, 3]);
    assert_eq!(row(&marked, 0), [1.0, 1.0, 1.0, 1.0, 0.25, 0.25]);
    assert_eq!(row(&marked, 1), row(&rows, 1));
    let shown = Attack::Backdoor.wanted_on(&rows);
    assert!(shown.chunks(6).all(|shown| shown == row(&marked, 0)));
    // Rows of the first class prove nothing.
    assert_eq!(
        Attack::Backdoor.success(&rows, &[0, 0, 2, 0]),
        Some(2.0 / 3.0)
    );
}

#[test]
fn the_others_train_on_their_rows_send_their_update_and_want_nothing_in_particular() {
    for attack in [
        Attack::Copycat,
        Attack::Sybils,
        Attack::ColludingRaters,
        Attack::None,
    ] {
        assert!(attack.rows(&rows()).expect("rows") == rows());
        let (sent, own) = sent(attack, &[]);
        assert_eq!(sent, own);
        assert_eq!(attack.success(&rows(), &[0; 4]), None);
        assert!(attack.wanted_on(&rows()).is_empty());
        assert!(!attack.is_rejected());
    }
    assert!(Attack::Garbage.is_rejected() && Attack::BadShares.is_rejected());
}

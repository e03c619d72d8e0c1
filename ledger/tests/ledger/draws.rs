//! The committee draw.

use unsilo_ledger::{Domain, DomainHasher, Hash, Xof, draw};

fn seed(number: u32) -> Hash {
    DomainHasher::new(Domain::new("test"))
        .with(&number.to_le_bytes())
        .finish()
}

#[test]
fn a_draw_is_a_function_of_its_seed() {
    let candidates: Vec<(u32, u64)> = (0..50).map(|id| (id, 1)).collect();
    assert_eq!(
        draw(&seed(1), &candidates, 9),
        draw(&seed(1), &candidates, 9)
    );
    assert_ne!(
        draw(&seed(1), &candidates, 9),
        draw(&seed(2), &candidates, 9)
    );
}

#[test]
fn nobody_is_drawn_twice_and_nobody_without_weight() {
    let candidates: Vec<(u32, u64)> = (0..30).map(|id| (id, u64::from(id % 3))).collect();
    for number in 0..50 {
        let mut drawn = draw(&seed(number), &candidates, 30);
        assert_eq!(drawn.len(), 20, "a third has no weight");
        assert!(drawn.iter().all(|id| id % 3 != 0));
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 20);
    }
    assert!(draw(&seed(0), &[(1, 0)], 1).is_empty());
    assert!(draw::<u32>(&seed(0), &[], 1).is_empty());
    assert!(draw(&seed(0), &[(1, 1)], 0).is_empty());
}

#[test]
fn equal_weights_have_equal_chances_at_every_place() {
    const OWNERS: u32 = 20;
    const DRAWS: u32 = 20_000;
    let candidates: Vec<(u32, u64)> = (0..OWNERS).map(|id| (id, 1_000)).collect();
    let mut counts = vec![vec![0_u32; OWNERS as usize]; 7];
    for number in 0..DRAWS {
        for (place, id) in draw(&seed(number), &candidates, 7).into_iter().enumerate() {
            counts[place][id as usize] += 1;
        }
    }
    // Chi-square with 19 degrees of freedom: above 58.6 once in 1.6 million for a fair draw.
    let expected = f64::from(DRAWS) / f64::from(OWNERS);
    for (place, counts) in counts.iter().enumerate() {
        let chi: f64 = counts
            .iter()
            .map(|count| (f64::from(*count) - expected).powi(2) / expected)
            .sum();
        assert!(chi < 58.6, "place {place}: chi-square {chi}");
    }
}

#[test]
fn unequal_weights_have_chances_in_proportion() {
    const DRAWS: u32 = 40_000;
    let candidates = [(0, 1_u64), (1, 2), (2, 3), (3, 4)];
    let mut first = [0_u32; 4];
    let mut second_after_last = [0_u32; 4];
    for number in 0..DRAWS {
        let drawn = draw(&seed(number), &candidates, 2);
        first[drawn[0] as usize] += 1;
        if drawn[0] == 3 {
            second_after_last[drawn[1] as usize] += 1;
        }
    }
    let chi = |counts: &[u32], weights: &[f64]| -> f64 {
        let (total, sum) = (counts.iter().sum::<u32>(), weights.iter().sum::<f64>());
        let expected = weights.iter().map(|weight| f64::from(total) * weight / sum);
        counts
            .iter()
            .zip(expected)
            .map(|(count, expected)| (f64::from(*count) - expected).powi(2) / expected)
            .sum()
    };
    // 3 and 2 degrees of freedom, once in a million.
    assert!(chi(&first, &[1.0, 2.0, 3.0, 4.0]) < 30.7);
    assert!(
        chi(&second_after_last[..3], &[1.0, 2.0, 3.0]) < 27.7,
        "without replacement"
    );
}

#[test]
fn huge_weights_do_not_overflow() {
    let candidates: Vec<(u32, u64)> = (0..100).map(|id| (id, u64::MAX)).collect();
    assert_eq!(draw(&seed(0), &candidates, 100).len(), 100);
}

#[test]
fn bounded_integers_stay_in_bounds_and_reach_both_ends() {
    let mut xof = Xof::new(Domain::new("test"), &seed(3));
    let values: Vec<u128> = (0..1_000).map(|_| xof.below(7)).collect();
    assert_eq!(values.iter().min(), Some(&0));
    assert_eq!(values.iter().max(), Some(&6));
    assert_eq!(xof.below(0), 0);
    assert_eq!(xof.below(1), 0);
    assert!((0..100).map(|_| xof.below(u128::MAX)).max() < Some(u128::MAX));
}

//! Which contributions are accepted, and who is named when answers contradict each other.

use crate::{
    checking::{Checking, update},
    federation::total,
};
use unsilo_fhe::{
    check::EqualityError, open_key_sum, project, verify_projections_of_sum, weighted_digit_sum,
};

#[test]
fn an_honest_round_is_accepted_and_every_member_judges_alike() {
    for members in [3, 4, 5, 7] {
        let updates: Vec<_> = (0..4)
            .map(|j| update(3000, j, 0.02 * (j + 1) as f64))
            .collect();
        let round = Checking::new(3000, members, &updates);
        let sealed: Vec<_> = (1..=members as u16)
            .map(|seat| round.seal(seat, round.answers(seat)))
            .collect();
        let mut judgements = vec![];
        for recipient in 1..=members as u16 {
            let sheets: Vec<_> = (1..)
                .zip(&sealed)
                .map(|(seat, (_, sealed))| match seat == recipient {
                    true => round.seal(seat, round.answers(seat)).0,
                    false => round.open(seat, sealed, recipient).expect("opens"),
                })
                .collect();
            judgements.push(round.judge(&sheets).expect("judged").judgement().clone());
        }
        let first = &judgements[0];
        assert!(judgements.iter().all(|other| other == first));
        assert!(first.rejected.is_empty() && first.erased.is_empty() && first.bad_pairs.is_empty());
        let clip = round.federation.params.clip_steps() as f64;
        for (j, &(participant, exponent)) in first.accepted.iter().enumerate() {
            assert_eq!(participant, j as u32);
            let norm = 0.02 * (j + 1) as f64 * clip;
            let estimate = (f64::from(exponent) / 8.0).exp2();
            // The estimate has a standard deviation of a tenth.
            assert!(
                (0.6..1.6).contains(&(estimate / norm)),
                "{estimate} for {norm}"
            );
        }
    }
}

#[test]
fn what_was_checked_is_what_was_summed() {
    let updates: Vec<_> = (0..3).map(|j| update(3000, j, 0.1)).collect();
    let round = Checking::new(3000, 5, &updates);
    let verdict = round.judge(&round.sheets()).expect("judged");
    let weights: [u16; 3] = [16, 256, 99];
    let named: Vec<_> = (0..).zip(weights).collect();
    let sum = round.federation.sum(&round.contributions, &weights);
    let projected = project(&round.projections, &sum).expect("a ciphertext");
    assert_eq!(
        verify_projections_of_sum(&round.table, &named, &projected),
        Ok(())
    );

    let answers = round.federation.answers(&round.contributions, &weights);
    let opened = open_key_sum(round.threshold(), &answers, |key_sum| {
        verdict.verify_key_sum(key_sum, &named).is_ok()
    });
    let key_sum = opened.expect("opens").key_sum;
    let (params, context) = (&round.federation.params, &round.federation.context);
    assert!(unsilo_fhe::decrypt(params, context, &sum, &key_sum, total(&weights)).is_ok());

    // Another weight, a contribution too many, one too few.
    for (index, weight) in [(0, 17), (1, 0), (2, 98)] {
        let mut other = named.clone();
        other[index].1 = weight;
        let projection = 0;
        assert_eq!(
            verify_projections_of_sum(&round.table, &other, &projected),
            Err(EqualityError::Ciphertext { projection })
        );
        assert_eq!(
            verdict.verify_key_sum(&key_sum, &other),
            Err(EqualityError::KeySum { projection })
        );
    }
    let doubled = weighted_digit_sum(
        round.federation.params.chunks(),
        &[(&sum, 1), (&round.contributions[0].ciphertext, 16)],
    )
    .expect("adds")
    .to_ciphertext();
    let projected = project(&round.projections, &doubled).expect("a ciphertext");
    assert!(verify_projections_of_sum(&round.table, &named, &projected).is_err());
}

#[test]
fn copies_are_seen_in_the_sketches_and_similar_updates_are_not() {
    let original = update(3000, 1, 0.3);
    // Half of the other's update and half of its own; the same with a hundredth of noise in the norm; another one.
    let mixed = original
        .iter()
        .zip(update(3000, 2, 0.3))
        .map(|(a, b)| (a + b) / 2.0);
    let noisy = original
        .iter()
        .zip(update(3000, 3, 0.003))
        .map(|(a, b)| a + b);
    let updates = [
        original.clone(),
        mixed.collect(),
        noisy.collect(),
        update(3000, 4, 0.3),
        original.clone(),
        original.iter().map(|x| -x).collect(),
    ];
    let round = Checking::new(3000, 5, &updates);
    let verdict = round.judge(&round.sheets()).expect("judged");
    assert_eq!(verdict.judgement().accepted.len(), 6);
    assert_eq!(verdict.copies(), [(0, 2), (0, 4), (2, 4)]);
}

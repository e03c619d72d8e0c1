//! How near the scores of a chunk sample come to those of the whole update: the evidence for
//! [`unsilo_participant::rating::SAMPLED_CHUNKS`].
//!
//! `UNSILO_ROWS=mnist.csv cargo test --release --workspace sampled_scores -- --ignored --nocapture`

use unsilo_fhe::{ChunkSample, Entropy};
use unsilo_participant::rating::{DIRECTION_STEPS, Known, directions};

use super::{
    Setting, Split,
    exact::correlation,
    federation::{Federation, Purpose, random},
    quantised::{Quantiser, product},
    read,
};
use crate::attack::{Attack, norm};
use rand::RngExt;

const COUNTS: [usize; 5] = [8, 16, 32, 64, 128];
const ROUNDS: usize = 8;
/// What a round adds to a rater's averages.
const RATE: f64 = 0.1;

/// Scores of one kind: by rater, of each contributor, in whole and for each of [`COUNTS`].
type Scores = Vec<Vec<[f64; COUNTS.len() + 1]>>;

/// Mean over the raters of the correlation of their scores of a sample with those in whole, and the part of the
/// contributors whose sign is the same; for each count.
fn compare(scores: &Scores) -> Vec<(f64, f64)> {
    (1..=COUNTS.len())
        .map(|count| {
            let pairs = |rater: &Vec<[f64; COUNTS.len() + 1]>| -> Vec<(f64, f64)> {
                rater.iter().map(|of| (of[0], of[count])).collect()
            };
            let all: Vec<Vec<(f64, f64)>> = scores.iter().map(pairs).collect();
            let mean = all.iter().map(|pairs| correlation(pairs)).sum::<f64>() / all.len() as f64;
            let signs = all.concat();
            let same = signs.iter().filter(|(x, y)| x * y > 0.0).count();
            (mean, same as f64 / signs.len() as f64)
        })
        .collect()
}

fn measure(setting: &Setting, data: &unsilo_train::Dataset) -> String {
    let federation = Federation::new(setting, data, 1).expect("a federation");
    let quantiser = Quantiser::new(federation.start.len()).expect("parameters");
    let chunks = quantiser.params.data_chunks();
    let mut weights = federation.start.clone();
    let mut history: Vec<Vec<f32>> = Vec::new();
    let mut averages: [Scores; 2] = Default::default();
    let mut text = String::new();
    for round in 1..=ROUNDS {
        let updates = federation
            .updates(round, &weights, &history)
            .expect("updates");
        let mut rounding = random(1, Purpose::Rounding, round);
        let mut errors = random(1, Purpose::Encryption, round);
        let mut seeds = random(1, Purpose::Directions, round);
        let mut samples = random(1, Purpose::Sample, round);
        // Fine steps: what is compared is the sample, not the quantisation.
        let steps: Vec<Vec<i16>> = updates
            .iter()
            .map(|update| {
                let encoded = quantiser
                    .encoded(-16, update, &mut rounding)
                    .expect("quantised");
                quantiser.in_models_order(&encoded)
            })
            .collect();
        let mut now: [Scores; 2] = Default::default();
        for rater in 0..setting.participants {
            let training = setting.training(seeds.random());
            let asked = directions(
                &federation.trainer,
                &quantiser.params,
                &weights,
                federation.rating_rows(rater),
                &training,
                &Known {
                    differences: &history,
                    asked: &[],
                },
                &mut |_| {},
            )
            .expect("directions");
            let drawn = COUNTS.map(|count| {
                ChunkSample::draw(
                    &quantiser.params,
                    count,
                    Entropy::from_bytes(samples.random()),
                )
            });
            for (kind, whole) in asked.iter().enumerate() {
                let mut vectors = vec![whole.clone()];
                for (sample, count) in drawn.iter().zip(COUNTS) {
                    let mut values = whole.clone();
                    match sample {
                        Some(sample) => sample.restrict(&quantiser.permutation, &mut values),
                        None => assert!(count >= chunks),
                    }
                    vectors.push(values);
                }
                let rows = (0..setting.participants)
                    .filter(|other| *other != rater)
                    .map(|other| {
                        let length = norm(&updates[other]).max(f64::MIN_POSITIVE);
                        let mut scores = [0.0; COUNTS.len() + 1];
                        for (score, vector) in scores.iter_mut().zip(&vectors) {
                            *score = product(vector, &steps[other], &mut errors) as f64 / length;
                        }
                        scores
                    })
                    .collect();
                now[kind].push(rows);
            }
        }
        for (averages, now) in averages.iter_mut().zip(&now) {
            if averages.is_empty() {
                averages.clone_from(now);
            } else {
                for (old, new) in averages
                    .iter_mut()
                    .flatten()
                    .flatten()
                    .zip(now.iter().flatten().flatten())
                {
                    *old = (1.0 - RATE) * *old + RATE * new;
                }
            }
        }
        for (kind, scores) in now
            .iter()
            .enumerate()
            .filter(|(_, scores)| !scores.is_empty())
        {
            text.push_str(&format!(
                "  round {round}, direction {kind}: {:.4?}\n",
                compare(scores)
            ));
        }
        // All honest updates in equal parts.
        let honest = setting.participants - setting.attackers;
        let mean: Vec<f32> = (0..weights.len())
            .map(|at| {
                updates[..honest]
                    .iter()
                    .map(|update| update[at])
                    .sum::<f32>()
                    / honest as f32
            })
            .collect();
        weights
            .iter_mut()
            .zip(&mean)
            .for_each(|(weight, step)| *weight += step);
        history.push(mean);
        if history.len() > 5 {
            history.remove(0);
        }
    }
    for (kind, scores) in averages.iter().enumerate() {
        text.push_str(&format!(
            "  averages, direction {kind}: {:.4?}\n",
            compare(scores)
        ));
    }
    format!(
        "{} parameters in {chunks} chunks, {}, {} steps: (correlation, same sign) with {COUNTS:?} chunks\n{text}",
        weights.len(),
        setting.split,
        DIRECTION_STEPS * setting.training(0).steps,
    )
}

#[test]
#[ignore = "a measurement of many minutes that needs a file of rows"]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn sampled_scores_are_near_those_of_the_whole_update() {
    let path = std::env::var("UNSILO_ROWS").expect("UNSILO_ROWS names a file of rows");
    let data = read(path.as_ref()).expect("rows");
    for hidden in [128, 1_024] {
        for split in [Split::Iid, Split::Dirichlet(0.3)] {
            let setting = Setting {
                hidden,
                rounds: ROUNDS,
                ..Setting::new(10, 3, Attack::LabelFlip, split)
            };
            println!("{}", measure(&setting, &data));
        }
    }
}

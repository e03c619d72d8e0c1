//! What the federation computes under encryption is plain federated averaging.

use unsilo_fhe::{
    Committee, Dealing, Entropy, Params, ParamsLiteral, RoundContext, RoundKeyPair, apply_mean,
    combine, contribute, decrypt, decrypt::is_plausible, encode, open_key_sum, open_share,
    threshold_for, weighted_digit_sum,
};
use unsilo_participant::data::thin10;
use unsilo_train::{Activation, Dataset, DeviceChoice, MlpConfig, TrainConfig, Trainer, select};

const COMPANIES: usize = 5;
const WEIGHT: u16 = 16;
const UNIT_LOG2: i8 = -14;

#[test]
fn the_encrypted_result_is_plaintext_fedavg_on_the_same_updates() {
    let digits = include_str!("../../data/digits.csv");
    let rows: Vec<Vec<f32>> = digits
        .lines()
        .skip(1)
        .map(|line| {
            line.split(',')
                .map(|cell| cell.parse().expect("a number"))
                .collect()
        })
        .collect();
    let labels: Vec<u32> = rows.iter().map(|row| row[64] as u32).collect();
    let split = thin10(&labels, 1).expect("digits split");
    let dataset = |indices: &[usize]| {
        let features = indices
            .iter()
            .flat_map(|&row| rows[row][..64].iter().map(|pixel| pixel / 16.0))
            .collect();
        let labels = indices.iter().map(|&row| labels[row]).collect();
        Dataset::new(features, labels, 64, 10).expect("well-formed")
    };
    let companies: Vec<Dataset> = split.companies.iter().map(|rows| dataset(rows)).collect();
    let test = dataset(&split.test);
    let config = MlpConfig {
        layers: vec![64, 64, 10],
        activation: Activation::Relu,
    };
    let params = Params::new(&ParamsLiteral {
        profile: "default".into(),
        parameters: config.parameters() as u64,
    })
    .expect("in range");
    let mut model = config.initial_weights(1);
    let trainer = Trainer::new(config, select(DeviceChoice::Cpu).expect("a CPU")).expect("valid");
    let unit = f64::from(UNIT_LOG2).exp2();

    let (mut largest, mut squares, mut count) = (0.0_f64, 0.0, 0_usize);
    for round in 1..=20 {
        let updates: Vec<Vec<f32>> = companies
            .iter()
            .zip(0..)
            .map(|(data, company)| {
                let plan = TrainConfig {
                    seed: 100 * round + company,
                    ..TrainConfig::default()
                };
                let trained = trainer
                    .train(&model, data, &plan, &mut |_| {})
                    .expect("trains");
                trained
                    .iter()
                    .zip(&model)
                    .map(|(new, old)| new - old)
                    .collect()
            })
            .collect();
        let plain: Vec<f32> = (0..model.len())
            .map(|i| {
                let sum: f64 = updates.iter().map(|update| f64::from(update[i])).sum();
                (f64::from(model[i]) + sum / COMPANIES as f64) as f32
            })
            .collect();
        let encrypted = encrypted_round(&params, round, &model, &updates);

        for (ours, theirs) in encrypted.iter().zip(&plain) {
            let steps = (f64::from(*ours) - f64::from(*theirs)).abs() / unit;
            largest = largest.max(steps);
            squares += steps * steps;
            count += 1;
        }
        let accuracy = |weights: &[f32]| {
            trainer
                .evaluate(weights, &test)
                .expect("evaluates")
                .accuracy
        };
        let (ours, theirs) = (accuracy(&encrypted), accuracy(&plain));
        assert!(
            (ours - theirs).abs() <= 0.005,
            "round {round}: accuracy {ours} encrypted, {theirs} in the clear"
        );
        model = encrypted;
    }
    let rms = (squares / count as f64).sqrt();
    assert!(largest <= 10.1, "a weight is {largest} steps off");
    assert!(rms <= 0.6, "the weights are {rms} steps off (rms)");
    // Without noise and rounding this test would compare something else than the encryption.
    assert!(rms >= 0.3, "{rms} steps are less than encryption adds");
}

fn encrypted_round(params: &Params, round: u64, model: &[f32], updates: &[Vec<f32>]) -> Vec<f32> {
    let context = RoundContext {
        federation: [7; 32],
        round,
        model: [9; 32],
    };
    let keys: Vec<RoundKeyPair> = (0..5)
        .map(|_| RoundKeyPair::generate().expect("random"))
        .collect();
    let threshold = threshold_for(keys.len());
    let members = keys.iter().map(|key| key.public().clone()).collect();
    let committee = Committee::new(members, threshold).expect("valid");
    let dealing = |participant| Dealing {
        params,
        context: &context,
        participant,
        committee: &committee,
    };
    let contributions: Vec<_> = updates
        .iter()
        .zip(0..)
        .map(|(update, participant)| {
            let seed = [round as u8 + 20 * participant as u8; 32];
            let encoded =
                encode(params, &context.federation, UNIT_LOG2, update, seed).expect("finite");
            assert_eq!(encoded.clip(), 1.0, "an honest update is not clipped");
            let entropy = Entropy::from_os().expect("random");
            contribute(&dealing(participant), encoded, entropy).expect("encrypts")
        })
        .collect();
    let weighted: Vec<_> = contributions
        .iter()
        .map(|contribution| (contribution.ciphertext.as_slice(), WEIGHT))
        .collect();
    let sum = weighted_digit_sum(params.chunks(), &weighted)
        .expect("adds")
        .to_ciphertext();
    // The last member is away.
    let answers: Vec<_> = keys[..4]
        .iter()
        .zip(1..)
        .map(|(key, seat)| {
            let shares: Vec<_> = contributions
                .iter()
                .zip(0..)
                .map(|(contribution, participant)| {
                    let sealed = &contribution.sealed_shares[usize::from(seat) - 1];
                    open_share(key, &dealing(participant), seat, sealed).expect("opens")
                })
                .collect();
            let weighted: Vec<_> = shares.iter().map(|share| (WEIGHT, share)).collect();
            (seat, combine(&weighted).expect("one seat"))
        })
        .collect();
    let total = u64::from(WEIGHT) * updates.len() as u64;
    let opened = open_key_sum(threshold, &answers, |key| {
        is_plausible(params, &context, &sum, key, total)
    })
    .expect("opens");
    let mean = decrypt(params, &context, &sum, &opened.key_sum, total).expect("decrypts");
    let mut model = model.to_vec();
    apply_mean(&mut model, &mean, UNIT_LOG2).expect("finite");
    model
}

//! Row by row: the class in the clear beside the class under encryption, over all test rows.
//!
//! ```text
//! cargo run --release -p unsilo-inference --example agreement -- [ROWS]
//! ```
//!
//! Trains a 64-32-10 model on four fifths of `data/digits.csv` and asks it for every row of the rest (or the first ROWS); the
//! same for heart disease if `UNSILO_HEART` names the folder of its files.
#![allow(dead_code, reason = "the tests use more of the support than this does")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use support::{Rows, class, digits, heart, train};
use unsilo_inference::{
    Activation, ClientKey, EncryptedModel, Model, Query, ServerKey, Work, argmax, key_hash,
    new_seeder,
};

fn main() {
    let limit = std::env::args()
        .nth(1)
        .and_then(|rows| rows.parse().ok())
        .unwrap_or(usize::MAX);
    let mut seeder = new_seeder();
    let key = ClientKey::generate(&mut *seeder);
    let bytes = key.evaluation_key(&mut *seeder);
    let hash = key_hash(&bytes);
    let server = ServerKey::from_bytes(&bytes).expect("its own key");
    println!(
        "| model | rows | right, in the clear | right, without noise | right, encrypted | rows that agree | error/deviation | seconds a query |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let ask = |name: &str, model: &Model, test: &Rows| {
        let encrypted = EncryptedModel::quantise(model).expect("quantises");
        let (mut plain, mut exact, mut right, mut agree) = (0, 0, 0, 0);
        let (mut squares, mut seconds) = (0.0, Vec::new());
        for (features, label) in test.features.iter().zip(&test.labels).take(limit) {
            let began = Instant::now();
            let (query, pending) = key
                .encrypt(encrypted.shape(), features, &hash, &mut *new_seeder())
                .expect("fits");
            let query = Query::from_bytes(&query).expect("just made");
            let answer = encrypted
                .evaluate(&query, Some(&server), &Work::default())
                .expect("fits");
            let answer = key.decrypt(&pending, &answer).expect("its own answer");
            seconds.push(began.elapsed().as_secs_f64());
            let reference = encrypted.reference(features);
            for ((logit, exact), deviation) in
                answer.logits.iter().zip(&reference).zip(&answer.deviation)
            {
                squares += ((logit - exact) / deviation.max(f64::MIN_POSITIVE)).powi(2);
            }
            let found = argmax(&answer.logits);
            plain += usize::from(class(model, features) == *label);
            exact += usize::from(argmax(&reference) == *label);
            right += usize::from(found == *label);
            agree += usize::from(found == class(model, features));
        }
        seconds.sort_by(f64::total_cmp);
        let rows = seconds.len();
        let percent = |count: usize| 100.0 * count as f64 / rows as f64;
        println!(
            "| {name} | {rows} | {:.2} % | {:.2} % | {:.2} % | {agree} | {:.2} | {:.3} |",
            percent(plain),
            percent(exact),
            percent(right),
            (squares / (rows * test.classes) as f64).sqrt(),
            seconds[rows / 2],
        );
    };
    let (training, test) = digits().split();
    ask(
        "digits, linear",
        &train(&training, &[], Activation::Relu, 10, 0.05),
        &test,
    );
    ask(
        "digits, 64-32-10",
        &train(&training, &[32], Activation::Relu, 10, 0.05),
        &test,
    );
    let Some(rows) = heart() else {
        println!("\nheart: skipped: no data (UNSILO_HEART names no folder)");
        return;
    };
    let (training, test) = rows.split();
    ask(
        "heart, linear",
        &train(&training, &[], Activation::Relu, 40, 0.02),
        &test,
    );
    ask(
        "heart, 13-16-2",
        &train(&training, &[16], Activation::Relu, 40, 0.02),
        &test,
    );
}

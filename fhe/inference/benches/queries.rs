//! What an encrypted query costs: key, request, evaluation on one thread and on two, answer.
//!
//! `cargo bench -p unsilo-inference --profile release`. `-- --model 64-32-10:FILE` asks a model from a file of little endian
//! f32 in the order of the ledger's model hash instead of random weights; `--model 64-32-10` alone draws them.
#![allow(dead_code, reason = "the tests use more of the support than this does")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use rayon::ThreadPoolBuilder;
use unsilo_inference::{
    Activation, ClientKey, EncryptedModel, Model, Query, ServerKey, Work, key_hash, new_seeder,
};

const PASSES: usize = 5;

/// Processor time of this process so far, seconds: what other work on the machine does not change. Zero where there is no
/// `/proc`.
fn processor_time() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

/// Mean processor time of enough runs for the clock's ticks of 10 ms.
fn processor(mut run: impl FnMut()) -> f64 {
    let (began, wall) = (processor_time(), Instant::now());
    let mut runs = 0;
    while runs < 3 || wall.elapsed().as_secs_f64() < 1.0 {
        run();
        runs += 1;
    }
    (processor_time() - began) / f64::from(runs)
}

fn median(mut run: impl FnMut()) -> f64 {
    run();
    let mut seconds: Vec<f64> = (0..PASSES)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[PASSES / 2]
}

/// `64-32-10` or `64-32-10:FILE`.
fn model(text: &str) -> Model {
    let (sizes, file) = match text.split_once(':') {
        Some((sizes, file)) => (sizes, Some(file)),
        None => (text, None),
    };
    let sizes: Vec<usize> = sizes
        .split('-')
        .map(|size| size.parse().expect("sizes are numbers, as in 64-32-10"))
        .collect();
    let Some(file) = file else {
        return support::untrained(&sizes, Activation::Relu, 1);
    };
    let weights = std::fs::read(file)
        .expect("the file can be read")
        .as_chunks::<4>()
        .0
        .iter()
        .map(|word| f32::from_le_bytes(*word))
        .collect();
    Model::new(sizes, Activation::Relu, weights).expect("a model within the limits")
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let asked: Vec<&str> = arguments
        .windows(2)
        .filter(|pair| pair[0] == "--model")
        .map(|pair| pair[1].as_str())
        .collect();
    let models = match asked.as_slice() {
        [] => &["64-10", "30-16-2", "64-32-10", "64-64-10"],
        asked => asked,
    };
    let mut seeder = new_seeder();
    let key = ClientKey::generate(&mut *seeder);
    let began = Instant::now();
    let bytes = key.evaluation_key(&mut *seeder);
    let made = began.elapsed().as_secs_f64();
    let hash = key_hash(&bytes);
    let server = ServerKey::from_bytes(&bytes).expect("its own key");
    let expanded = median(|| drop(ServerKey::from_bytes(&bytes)));
    println!(
        "evaluation key: {} bytes, made in {made:.2} s, expanded in {expanded:.2} s\n",
        bytes.len()
    );
    println!(
        "| model | bootstraps | request, bytes | answer, bytes | encrypt, ms | processor, ms | 1 thread, ms | 2 threads, ms | decrypt, ms | processor ms a bootstrap | plain f64, us |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for text in models {
        let model = model(text);
        let encrypted = EncryptedModel::quantise(&model).expect("quantises");
        let features: Vec<f32> = (0..model.sizes()[0])
            .map(|index| (index % 17) as f32 / 16.0)
            .collect();
        let encrypt = || {
            key.encrypt(encrypted.shape(), &features, &hash, &mut *new_seeder())
                .expect("fits")
        };
        let (request, pending) = encrypt();
        let evaluate = || {
            let query = Query::from_bytes(&request).expect("just made");
            encrypted
                .evaluate(&query, Some(&server), &Work::default())
                .expect("fits")
        };
        let answer = evaluate();
        let on = |threads: usize| {
            let pool = ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads");
            pool.install(|| {
                (
                    1000.0 * processor(|| drop(evaluate())),
                    1000.0 * median(|| drop(evaluate())),
                )
            })
        };
        let ((cpu, one), (_, two)) = (on(1), on(2));
        let decrypted = 1000.0 * median(|| drop(key.decrypt(&pending, &answer)));
        println!(
            "| {text} | {} | {} | {} | {:.2} | {cpu:.1} | {one:.1} | {two:.1} | {decrypted:.2} | {} | {:.1} |",
            encrypted.bootstraps(),
            request.len(),
            answer.len(),
            1000.0 * median(|| drop(encrypt())),
            match encrypted.bootstraps() {
                0 => "-".to_owned(),
                count => format!("{:.1}", cpu / (count + 1) as f64),
            },
            1e6 * median(|| drop(model.logits(&features))),
        );
    }
}

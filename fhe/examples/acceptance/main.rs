//! How often the accept rule rejects honest updates, and how often it catches each attack.
//!
//! `cargo run --release -p unsilo-fhe --example acceptance [trials]`, 100,000 honest updates of each shape unless told.
//! README.md shows what it printed.

mod simulation;

use simulation::{Content, simulate};
use unsilo_fhe::{Params, ParamsLiteral};

fn main() {
    let trials = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(100_000);
    let params = |parameters| {
        let literal = ParamsLiteral {
            profile: "default".into(),
            parameters,
        };
        Params::new(&literal).expect("in range")
    };
    println!(
        "| content | parameters | trials | accepted | out of range | too long | mean of 8·log2(estimate) |"
    );
    println!("|---|---|---|---|---|---|---|");
    let row = |content: Content, parameters: u64, trials: u64| {
        let outcome = simulate(&params(parameters), content, trials, 1);
        println!(
            "| {content:?} | {parameters} | {trials} | {} | {} | {} | {:.2} |",
            outcome.accepted, outcome.out_of_range, outcome.too_long, outcome.mean_exponent
        );
    };
    for honest in [
        Content::Dense(1.0),
        Content::Signs(1.0),
        Content::Sparse,
        Content::Block,
    ] {
        row(honest, 2048, trials);
    }
    for honest in [Content::Dense(1.0), Content::Sparse] {
        row(honest, 40_000, trials / 10);
    }
    for attack in [
        Content::Dense(1.5),
        Content::Dense(2.0),
        Content::Dense(3.0),
        Content::Dense(10.0),
        Content::Noise(3.0),
        Content::Noise(10.0),
        Content::Hidden(3.0),
        Content::HalfModulus,
        Content::HalfModulusEverywhere,
        Content::ThirdOfModulus,
        Content::WrapAround,
    ] {
        row(attack, 2048, trials / 10);
    }
    row(Content::Dense(3.0), 2048, trials * 10);
}

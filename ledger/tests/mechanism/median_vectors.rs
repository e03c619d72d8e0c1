//! `median` against the reference model: `median_rule.json` (the design's) and `median_more.json` (written by
//! `median.py` beside it from the rule's text).

use crate::cases::Case;
use serde::Deserialize;
use unsilo_ledger::mechanism::median::{self, Memory};

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<VectorCase>,
}

#[derive(Deserialize)]
struct VectorCase {
    name: String,
    n: usize,
    owner_group: Vec<u64>,
    emission: u64,
    epochs: Vec<VectorEpoch>,
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the vectors' names")]
struct VectorEpoch {
    stake: Vec<u64>,
    weights_u16: Vec<Option<Vec<u16>>>,
    v_bits: Vec<u64>,
    consensus_bits: Vec<u64>,
    Q_bits: u64,
    phi_bits: u64,
    agreement_bits: Vec<u64>,
    rep_after_bits: Vec<u64>,
    pay_contrib: Option<Vec<u64>>,
    pay_rater: Option<Vec<u64>>,
    pay_niche: Option<Vec<u64>>,
    payout: Vec<u64>,
    withheld: u64,
}

fn check(file: &str) {
    let vectors: Vectors = serde_json::from_str(file).expect("vectors");
    assert!(!vectors.cases.is_empty());
    for case in vectors.cases {
        let mut memory = Memory::new();
        for (index, epoch) in case.epochs.into_iter().enumerate() {
            let at = format!("{} epoch {index}", case.name);
            assert_eq!(epoch.stake.len(), case.n, "{at}");
            let input = Case {
                emission: case.emission,
                owners: case.owner_group.clone(),
                stakes: epoch.stake,
                weights: epoch.weights_u16,
                cutoff: u32::MAX,
            };
            let (next, outcome) = input
                .with(|epoch| median::epoch(&memory, epoch))
                .unwrap_or_else(|error| panic!("{at}: {error}"));
            assert_eq!(outcome.stake_share, epoch.v_bits, "{at}");
            assert_eq!(outcome.consensus, epoch.consensus_bits, "{at}");
            assert_eq!(outcome.total_consensus, epoch.Q_bits, "{at}");
            assert_eq!(outcome.paid_share, epoch.phi_bits, "{at}");
            assert_eq!(outcome.agreement.overlap, epoch.agreement_bits, "{at}");
            assert_eq!(outcome.reputation, epoch.rep_after_bits, "{at}");
            assert_eq!(next.reputation(), epoch.rep_after_bits, "{at}");
            let payment = outcome.payment.as_ref();
            let part = |part: fn(&median::Payment) -> &Vec<u64>| payment.map(part).cloned();
            assert_eq!(part(|pay| &pay.contributor), epoch.pay_contrib, "{at}");
            assert_eq!(part(|pay| &pay.rater), epoch.pay_rater, "{at}");
            assert_eq!(part(|pay| &pay.niche), epoch.pay_niche, "{at}");
            assert_eq!(outcome.payout, epoch.payout, "{at}");
            assert_eq!(outcome.withheld, epoch.withheld, "{at}");
            memory = next;
        }
    }
}

#[test]
fn every_intermediate_of_the_reference_vectors_is_bit_equal() {
    check(include_str!("../vectors/median_rule.json"));
}

#[test]
fn every_intermediate_of_a_second_implementation_is_bit_equal() {
    check(include_str!("../vectors/median_more.json"));
}

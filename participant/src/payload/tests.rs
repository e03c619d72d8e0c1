use std::fs;

use unsilo_fhe::{
    Contribution, Dealing, Encoded, Entropy, Params, ParamsLiteral, Permutation, RoundKeyPair,
};
use unsilo_ledger::ParticipantId;

use super::{MARKER, Payload};
use crate::{dealer::Dealer, session::ContributionJob, training::BuiltIn};

#[test]
fn only_a_benchmark_build_runs_on_a_directory_that_is_marked_as_not_encrypted() {
    let directory = tempfile::tempdir().unwrap();
    let params = Params::new(&ParamsLiteral {
        profile: "default".to_owned(),
        parameters: 10_000,
    })
    .unwrap();
    let unmarked = Payload::of(directory.path(), params).unwrap();
    assert!(matches!(unmarked, Payload::Encrypted(_)));

    fs::write(directory.path().join(MARKER), b"").unwrap();
    let marked = Payload::of(directory.path(), params);
    if cfg!(feature = "plaintext-bench") {
        let reader = marked.unwrap().sum_reader(16).unwrap();
        assert_eq!(reader.expected(), 40_000);
    } else {
        let error = marked.unwrap_err().to_string();
        assert!(
            error.contains("feature `plaintext-bench`") && error.contains("not encrypted"),
            "{error}"
        );
    }
}

/// Sends the first seat's share to the second too.
#[derive(Debug)]
struct SharesTwice;

impl Dealer for SharesTwice {
    fn deal(
        &self,
        dealing: &Dealing<'_>,
        update: Encoded,
        entropy: Entropy,
    ) -> Result<Contribution, String> {
        let mut made = BuiltIn.deal(dealing, update, entropy)?;
        made.sealed_shares[1] = made.sealed_shares[0].clone();
        Ok(made)
    }
}

#[test]
fn what_a_dealer_of_ones_own_makes_is_what_is_sent() {
    let params = Params::new(&ParamsLiteral {
        profile: "default".to_owned(),
        parameters: 4_096,
    })
    .unwrap();
    let permutation = Permutation::new(&params, &[7; 32]);
    let seats = || {
        RoundKeyPair::generate()
            .unwrap()
            .public()
            .as_bytes()
            .to_vec()
    };
    let job = ContributionJob {
        round: 1,
        model: [1; 32],
        unit_log2: -14,
        participant: ParticipantId(0),
        round_keys: (0..4).map(|_| seats()).collect(),
        threshold: 3,
        measures: false,
    };
    let prepared = |dealer: &dyn Dealer| {
        let payload = Payload::Encrypted(params);
        let update = vec![0.01; 4_096];
        payload
            .prepare(&permutation, [7; 32], &job, update, dealer)
            .unwrap()
    };
    let agreed = prepared(&BuiltIn).sealed_shares;
    assert!(agreed.len() == 4 && agreed[0] != agreed[1]);
    let twice = prepared(&SharesTwice).sealed_shares;
    assert_eq!(twice[0], twice[1]);
}

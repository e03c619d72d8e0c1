//! Known answers of the scalar openings, from `tests/vectors/generate_openings.py`.

use crate::vectors::{array, bytes, context, list, number, pack, sha256};
use serde_json::Value;
use unsilo_fhe::{
    AnswerSheet, Committee, Dealing, Direction, DirectionAnswers, Entropy, KeyShare, Params,
    ParamsLiteral, Permutation, ProjectionAnswers, ProjectionKeys, Projections, Q, Question,
    RoundContext, RoundKeyPair, answer_direction, answer_projections, check::acceptance,
    contribute, direction_hash, encode, open_share, project, xof::Xof,
};

struct Vectors {
    json: Value,
    params: Params,
    context: RoundContext,
    projections: Projections,
    committee: Committee,
    share: KeyShare,
}

fn params(parameters: u64) -> Params {
    crate::federation::params(parameters)
}

/// The contribution is that of `contribution.json`; seat 5 answers.
fn vectors() -> Vectors {
    let json: Value =
        serde_json::from_str(include_str!("../vectors/projections.json")).expect("JSON");
    let contribution: Value =
        serde_json::from_str(include_str!("../vectors/contribution.json")).expect("JSON");
    let (params, context) = (
        params(number(&json["parameters"])),
        context(&json["context"]),
    );
    let keys: Vec<_> = (1..=5)
        .map(|seat| RoundKeyPair::from_secret_bytes(&[seat; 32]).expect("a key"))
        .collect();
    let members = keys.iter().map(|keys| keys.public().clone()).collect();
    let committee = Committee::new(members, 4).expect("valid");
    let dealing = Dealing {
        params: &params,
        context: &context,
        participant: number(&contribution["participant"]) as u32,
        committee: &committee,
    };
    let mut update: Vec<f32> = (0..params.parameters())
        .map(|i| ((i * 7919 % 2003) as f32 - 1001.0) / 1_048_576.0)
        .collect();
    (update[7], update[8]) = (5.0, -5.0);
    let rounding_seed = array(&contribution["rounding_seed"]);
    let encoded = encode(&params, &context.federation, -14, &update, rounding_seed);
    let entropy = Entropy::from_bytes(array(&contribution["entropy"]));
    let dealt = contribute(&dealing, encoded.expect("finite"), entropy).expect("deals");
    let share = match open_share(&keys[4], &dealing, 5, &dealt.sealed_shares[4]) {
        Ok(share) => share,
        Err(error) => panic!("the share opens: {error}"),
    };
    Vectors {
        projections: Projections::new(&params, &context, array(&json["challenge"])),
        json,
        params,
        context,
        committee,
        share,
    }
}

#[test]
fn projections_of_a_ciphertext_are_the_known_ones() {
    let vectors = vectors();
    let mut stream = vec![0; vectors.params.ciphertext_bytes()];
    Xof::new("projection vector", &[]).fill(&mut stream);
    let words: Vec<u64> = stream
        .chunks(6)
        .map(|word| {
            word.iter()
                .rev()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
                % Q
        })
        .collect();
    let projected = project(&vectors.projections, &pack(&words)).unwrap();
    let expected: Vec<u64> = list(&vectors.json["projected"])
        .iter()
        .map(number)
        .collect();
    assert_eq!(projected[..], expected);
}

#[test]
fn answers_and_the_root_over_them_are_the_known_ones() {
    let vectors = vectors();
    let sheet = &vectors.json["sheet"];
    let keys = ProjectionKeys::new(&vectors.projections);
    let answers = vec![
        ProjectionAnswers::unusable(7),
        answer_projections(&vectors.share, &keys).unwrap(),
    ];
    let entropy = Entropy::from_bytes(array(&sheet["entropy"]));
    let seat = number(&sheet["seat"]) as u16;
    let sealed = AnswerSheet::seal(
        &vectors.projections,
        &vectors.committee,
        seat,
        answers,
        entropy,
    );
    let (opened, sealed) = match sealed {
        Ok(both) => both,
        Err(error) => panic!("sealed: {error}"),
    };
    assert_eq!(sealed.root, array(&sheet["root"]));
    let shown = opened.show(vectors.share.participant()).unwrap();
    assert_eq!(sha256(&shown.to_bytes()), bytes(&sheet["shown_sha256"]));
}

#[test]
fn a_direction_its_hash_and_its_answer_are_the_known_ones() {
    let vectors = vectors();
    let known = &vectors.json["direction"];
    let permutation = Permutation::new(&vectors.params, &vectors.context.federation);
    let values: Vec<i8> = (0..vectors.params.parameters())
        .map(|i| ((37 * i) % 15) as i8 - 7)
        .collect();
    let entropy = Entropy::from_bytes(array(&known["entropy"]));
    let direction = match Direction::new(&permutation, &values, entropy) {
        Ok(direction) => direction,
        Err(error) => panic!("a direction: {error}"),
    };
    let key = direction.key(&vectors.context);
    assert_eq!(sha256(&key.to_bytes()), bytes(&known["key"]["sha256"]));
    let (validator, index) = (
        number(&known["validator"]) as u32,
        number(&known["index"]) as u8,
    );
    assert_eq!(
        direction_hash(&vectors.context, validator, index, &key),
        array(&known["hash"])
    );
    assert_eq!(
        answer_direction(&vectors.share, &key),
        number(&known["answer"])
    );
    // The same direction under another index is another commitment.
    let hashes = [direction_hash(&vectors.context, validator, 0, &key)];
    let question = Question {
        projections: &vectors.projections,
        validator,
        directions: &hashes,
    };
    let answers = DirectionAnswers::new(&question, &[key], &[&vectors.share]).ok();
    assert_eq!(answers.unwrap().rows()[0].1, [number(&known["answer"])]);
}

#[test]
fn the_rule_and_the_norm_exponents_are_the_known_ones() {
    let cases = vectors().json["acceptance"].clone();
    for case in list(&cases) {
        let literal = ParamsLiteral {
            profile: "default".into(),
            parameters: number(&case["parameters"]),
        };
        let projections: Vec<i64> = list(&case["projections"])
            .iter()
            .map(|x| x.as_i64().unwrap())
            .collect();
        let projections = projections.try_into().unwrap();
        let found = match acceptance(&Params::new(&literal).unwrap(), &projections) {
            Ok(exponent) => Value::from(exponent),
            Err(reason) => Value::from(format!("{reason:?}")),
        };
        assert_eq!(found, case["result"], "{} parameters", case["parameters"]);
    }
}

//! Known answers from `tests/vectors/generate_parts.py` and `generate_checks.py`: packing, sharing, sheets,
//! judgements, and what must fail.

use crate::{
    federation::params,
    vectors::{array, bytes, context, list, number, pack, sha256},
};
use serde_json::Value;
use unsilo_fhe::{
    AnswerSheet, CHUNK_BYTES, Committee, Dealing, DigitSumReader, Entropy, KeySum, LinearHasher, N,
    Opening, ProjectionTable, Projections, ReceivedSheet, RoundContext, RoundKeyPair,
    check_ciphertext, combine, combine_hashes, contribute, encode, judge, open_key_sum, open_share,
    verify_projections_of_sum, weighted_digit_sum, xof::Xof,
};

macro_rules! vectors {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../vectors/", $name)))
            .expect("the vector file is JSON")
    };
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn keys(secrets: &Value) -> Vec<RoundKeyPair> {
    list(secrets)
        .iter()
        .map(|secret| RoundKeyPair::from_secret_bytes(&bytes(secret)).expect("32 bytes"))
        .collect()
}

fn committee(keys: &[RoundKeyPair], threshold: u64) -> Committee {
    let members = keys.iter().map(|keys| keys.public().clone()).collect();
    Committee::new(members, threshold as usize).expect("valid")
}

/// Participant and number, pair by pair.
fn pairs(value: &Value) -> Vec<(u32, u64)> {
    let pair = |pair: &Value| (number(&pair[0]) as u32, number(&pair[1]));
    list(value).iter().map(pair).collect()
}

#[test]
fn packed_words_are_the_known_ones() {
    for case in list(&vectors!("packing.json")) {
        let what = text(&case["what"]);
        let first: Vec<u64> = list(&case["numbers"]).iter().map(number).collect();
        assert_eq!(pack(&first), bytes(&case["head"]), "{what}");
        let whole: Vec<u64> = match what {
            "ascending" => (0..N as u64).collect(),
            "largest" => vec![unsilo_fhe::Q - 1; N],
            "one bit each" => (0..N)
                .map(|i| 1 << (i % 48))
                .map(|x| if x < unsilo_fhe::Q { x } else { 0 })
                .collect(),
            _ => std::iter::successors(Some(1_u64), |&x| {
                Some((u128::from(x) * 3 % u128::from(unsilo_fhe::Q)) as u64)
            })
            .take(N)
            .collect(),
        };
        assert_eq!(whole[..48], first, "{what}");
        let packed = pack(&whole);
        assert_eq!(sha256(&packed), bytes(&case["sha256"]), "{what}");
        assert_eq!(
            Opening::from_bytes(&packed).map(|opening| opening.to_bytes()),
            Ok(packed.clone()),
            "{what}"
        );
        // Three such chunks are a ciphertext of one parameter.
        let ciphertext = packed.repeat(3);
        assert_eq!(check_ciphertext(&params(1), &ciphertext), Ok(()));
        let sum = weighted_digit_sum(3, &[(&ciphertext, 200)])
            .expect("valid")
            .to_ciphertext();
        assert_eq!(sha256(&sum[..CHUNK_BYTES]), bytes(&case["sum_sha256"]));
        let digits = weighted_digit_sum(3, &[(&ciphertext, 200)]).expect("valid");
        assert_eq!(digits.to_ciphertext(), sum);
        let mut hasher = LinearHasher::new(&params(1));
        hasher.update(&ciphertext);
        let hash = hasher.finish().expect("whole").to_bytes();
        assert_eq!(
            sha256(&hash),
            bytes(&case["linear_hash"]["sha256"]),
            "{what}"
        );
    }
}

#[test]
fn shares_are_the_known_ones_in_every_committee() {
    let vectors = vectors!("sharing.json");
    let (params, context) = (
        params(number(&vectors["parameters"])),
        context(&vectors["context"]),
    );
    for case in list(&vectors["cases"]) {
        let keys: Vec<_> = (1..=number(&case["seats"]) as u8)
            .map(|seat| RoundKeyPair::from_secret_bytes(&[seat; 32]).expect("32 bytes"))
            .collect();
        let committee = committee(&keys, number(&case["threshold"]));
        let dealing = Dealing {
            params: &params,
            context: &context,
            participant: number(&vectors["participant"]) as u32,
            committee: &committee,
        };
        let encoded = encode(&params, &context.federation, -14, &[0.0], [0; 32]).expect("finite");
        let entropy = Entropy::from_bytes(array(&vectors["entropy"]));
        let dealt = contribute(&dealing, encoded, entropy).expect("deals");
        let mut answers = vec![];
        for (seat, (keys, expected)) in (1..).zip(keys.iter().zip(list(&case["shares"]))) {
            let sealed = &dealt.sealed_shares[usize::from(seat) - 1];
            let share = match open_share(keys, &dealing, seat, sealed) {
                Ok(share) => share,
                Err(error) => panic!("seat {seat}: {error}"),
            };
            let answer = combine(&[(1, &share)]).expect("combines");
            assert_eq!(sha256(&answer.to_bytes()), bytes(&expected["sha256"]));
            answers.push((seat, answer));
        }
        let opened = open_key_sum(committee.threshold().into(), &answers, |_| true);
        let key = opened.expect("opens").key_sum.to_bytes();
        assert_eq!(sha256(&key), bytes(&vectors["key"]["sha256"]));
    }
}

#[test]
fn bad_sealed_shares_are_refused_with_the_reason() {
    let vectors = vectors!("sealed_share_bad.json");
    let keys = keys(&vectors["secret_keys"]);
    let committee = committee(&keys, number(&vectors["threshold"]));
    let (params, context) = (params(1), context(&vectors["context"]));
    let dealing = Dealing {
        params: &params,
        context: &context,
        participant: number(&vectors["participant"]) as u32,
        committee: &committee,
    };
    assert!(open_share(&keys[0], &dealing, 1, &bytes(&vectors["good"])).is_ok());
    for case in list(&vectors["cases"]) {
        let seat = number(&case["seat"]) as u16;
        let keys = &keys[usize::from(seat) - 1];
        let error = open_share(keys, &dealing, seat, &bytes(&case["sealed"])).err();
        let error = error.map(|error| error.to_string());
        assert_eq!(error.as_deref(), case["error"].as_str(), "{}", case["why"]);
    }
}

#[test]
fn bad_openings_open_nothing() {
    let vectors = vectors!("opening_bad.json");
    let threshold = number(&vectors["threshold"]);
    for case in list(&vectors["cases"]) {
        let liars: Vec<u64> = list(&case["liars"]).iter().map(number).collect();
        let answers: Vec<(u16, Opening)> = list(&case["seats"])
            .iter()
            .map(|seat| {
                let seat = number(seat);
                let mut value = crate::vectors::answer(threshold, seat);
                let expected = &vectors["answers"][seat as usize]["sha256"];
                assert_eq!(sha256(&pack(&value)), bytes(expected));
                if liars.contains(&seat) {
                    let place = &mut value[seat as usize];
                    *place = (*place + 1) % unsilo_fhe::Q;
                }
                let opening = Opening::from_bytes(&pack(&value)).expect("reduced");
                (seat as u16, opening)
            })
            .collect();
        let error = open_key_sum(threshold as usize, &answers, |_| false).err();
        let error = error.map(|error| error.to_string());
        assert_eq!(error.as_deref(), case["error"].as_str(), "{}", case["why"]);
    }
}

#[test]
fn bad_digit_sums_have_another_hash() {
    let vectors = vectors!("digit_sum_bad.json");
    let params = params(1);
    let ciphertext = |j: u64| {
        let mut ciphertext = vec![0; params.ciphertext_bytes()];
        Xof::new("digit sum vector", &[&j.to_le_bytes()]).fill(&mut ciphertext);
        ciphertext
    };
    let ciphertexts = [0, 1, 2].map(ciphertext);
    let hash = |bytes: &[u8]| {
        let mut hasher = LinearHasher::new(&params);
        hasher.update(bytes);
        hasher.finish().expect("whole")
    };
    let weights: Vec<u16> = list(&vectors["weights"])
        .iter()
        .map(|weight| number(weight) as u16)
        .collect();
    let hashes: Vec<_> = ciphertexts.iter().map(|bytes| hash(bytes)).collect();
    let signed: Vec<_> = weights.iter().copied().zip(&hashes).collect();
    let expected = combine_hashes(&signed);
    assert_eq!(sha256(&expected.to_bytes()), bytes(&vectors["expected"]));

    let [a, b, c] = &ciphertexts;
    let mut altered = b.clone();
    altered[2 * 4321] ^= 1;
    let negated: Vec<u8> = b.iter().map(|byte| !byte).collect();
    let terms: [&[(&[u8], u16)]; 6] = [
        &[(a, 16), (b, 100), (c, 50)],
        &[(a, 116), (c, 50)],
        &[(a, 16), (b, 100), (b, 50)],
        &[(a, 17), (b, 99), (c, 50)],
        &[(a, 16), (&altered, 100), (c, 50)],
        &[(a, 16), (&negated, 100), (c, 50)],
    ];
    let cases = list(&vectors["cases"]);
    assert_eq!(cases.len(), terms.len());
    for (case, terms) in cases.iter().zip(terms) {
        let wire = weighted_digit_sum(params.chunks(), terms).expect("valid");
        assert_eq!(
            sha256(wire.as_bytes()),
            bytes(&case["wire_sha256"]),
            "{}",
            case["why"]
        );
        let mut reader = DigitSumReader::new(&params, 166).expect("a weight");
        reader.update(wire.as_bytes()).expect("in range");
        let read = reader.finish().expect("whole");
        assert_eq!(
            sha256(&read.linear_hash.to_bytes()),
            bytes(&case["linear_hash"])
        );
        assert_eq!(
            Some(read.linear_hash == expected),
            case["verifies"].as_bool()
        );
    }
}

fn unpack(packed: &[u8]) -> Vec<u64> {
    let word = |word: &[u8; 6]| {
        let mut wide = [0; 8];
        wide[..6].copy_from_slice(word);
        u64::from_le_bytes(wide)
    };
    packed.as_chunks().0.iter().map(word).collect()
}

struct Check {
    projections: Projections,
    keys: Vec<RoundKeyPair>,
    committee: Committee,
    table: ProjectionTable,
}

impl Check {
    fn new(vectors: &Value, case: &Value) -> Self {
        let (params, context): (_, RoundContext) = (
            params(number(&vectors["parameters"])),
            context(&vectors["context"]),
        );
        let keys = keys(&case["secret_keys"]);
        Self {
            projections: Projections::new(&params, &context, array(&vectors["challenge"])),
            committee: committee(&keys, number(&case["threshold"])),
            keys,
            table: ProjectionTable::from_bytes(&bytes(&case["table"])).expect("a table"),
        }
    }

    /// The last seat opens a sheet.
    fn open(&self, sheet: &Value) -> Result<AnswerSheet, String> {
        let participants: Vec<u32> = self.table.participants().collect();
        let received = ReceivedSheet {
            seat: number(&sheet["seat"]) as u16,
            root: &array(&sheet["root"]),
            sheet: &bytes(&sheet["sheet"]),
            key: &bytes(&sheet["key"]),
        };
        let (keys, recipient) = (self.keys.last().expect("a seat"), self.committee.seats());
        let (projections, committee) = (&self.projections, &self.committee);
        received
            // The vectors hold the last seat's key only, sealed with randomness of their own.
            .open(
                projections,
                committee,
                recipient,
                keys,
                &participants,
                |_, _| true,
            )
            .map_err(|error| error.to_string())
    }
}

#[test]
fn sheets_of_another_implementation_are_opened_and_judged_as_known() {
    let vectors = vectors!("check.json");
    for case in list(&vectors["cases"]) {
        let what = text(&case["what"]);
        let check = Check::new(&vectors, case);
        assert_eq!(check.table.hash(), array(&case["table_hash"]));
        let sheets: Vec<_> = list(&case["sheets"])
            .iter()
            .map(|sheet| check.open(sheet).unwrap_or_else(|e| panic!("{what}: {e}")))
            .collect();
        let sheets: Vec<_> = sheets.iter().collect();
        let threshold = number(&case["threshold"]) as usize;
        let verdict = judge(&check.projections, threshold, &check.table, &sheets);
        let verdict = verdict.unwrap_or_else(|e| panic!("{what}: {e}"));

        let judgement = verdict.judgement();
        let accepted: Vec<(u32, u64)> = judgement
            .accepted
            .iter()
            .map(|&(participant, exponent)| (participant, exponent.into()))
            .collect();
        assert_eq!(accepted, pairs(&case["accepted"]), "{what}");
        let rejected: Vec<_> = judgement
            .rejected
            .iter()
            .map(|(participant, reason)| (*participant, format!("{reason:?}")))
            .collect();
        let expected: Vec<_> = list(&case["rejected"])
            .iter()
            .map(|pair| (number(&pair[0]) as u32, text(&pair[1]).to_owned()))
            .collect();
        assert_eq!(rejected, expected, "{what}");
        let bad: Vec<(u32, u64)> = judgement
            .bad_pairs
            .iter()
            .map(|&(participant, seat)| (participant, seat.into()))
            .collect();
        assert_eq!(bad, pairs(&case["bad_pairs"]), "{what}");
        assert!(judgement.erased.is_empty(), "{what}");
        for sketch in list(&case["sketches"]) {
            let found = verdict.sketch(number(&sketch[0]) as u32).expect("accepted");
            let expected = list(&sketch[1]).iter().map(|x| x.as_i64());
            assert!(
                found.iter().copied().map(Some).take(4).eq(expected),
                "{what}"
            );
        }

        let weights: Vec<(u32, u16)> = pairs(&case["weights"])
            .into_iter()
            .map(|(participant, weight)| (participant, weight as u16))
            .collect();
        let projected = unpack(&bytes(&case["projections_of_sum"]));
        let projected = projected.try_into().expect("48 words");
        assert_eq!(
            verify_projections_of_sum(&check.table, &weights, &projected),
            Ok(())
        );
        if let Some(key_sum) = case["key_sum"].as_str() {
            let key_sum = KeySum::from_bytes(&bytes(&Value::from(key_sum))).expect("a key");
            assert_eq!(verdict.verify_key_sum(&key_sum, &weights), Ok(()));
        }
    }
}

#[test]
fn bad_sheets_are_refused_with_the_reason() {
    let vectors = vectors!("check.json");
    let check = Check::new(&vectors, &vectors["cases"][0]);
    for case in list(&vectors!("sheet_bad.json")) {
        let error = check.open(case).err();
        assert_eq!(error.as_deref(), case["error"].as_str(), "{}", case["why"]);
    }
}

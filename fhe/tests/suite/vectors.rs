//! Known answers from `tests/vectors/generate.py`, a second implementation in Python.

use crate::federation::{CONTEXT, params};
use serde_json::Value;
use unsilo_fhe::{
    CHUNK_BYTES, ChunkHasher, Committee, Dealing, DigitSumReader, Entropy, LinearHash,
    LinearHasher, N, Opening, RoundContext, RoundKeyPair, RoundPublicKey, check_ciphertext,
    combine, combine_hashes, commitment, contribute, encode, gaussian::ErrorSampler, open_key_sum,
    open_share, ring::PublicPolynomials, weighted_digit_sum, xof::Xof,
};

macro_rules! vectors {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../vectors/", $name)))
            .expect("the vector file is JSON")
    };
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("a hex string");
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex"))
        .collect()
}

pub(crate) fn array(value: &Value) -> [u8; 32] {
    bytes(value).try_into().expect("32 bytes")
}

pub(crate) fn context(value: &Value) -> RoundContext {
    RoundContext {
        federation: array(&value["federation"]),
        round: number(&value["round"]),
        model: array(&value["model"]),
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).to_vec()
}

pub(crate) fn pack(coefficients: &[u64]) -> Vec<u8> {
    let words = coefficients.iter().map(|word| word.to_le_bytes());
    words.flat_map(|word| word[..6].to_vec()).collect()
}

fn assert_polynomial(coefficients: &[u64], expected: &Value) {
    let first: Vec<_> = list(&expected["first"]).iter().map(number).collect();
    assert_eq!(coefficients[..4], first);
    assert_eq!(sha256(&pack(coefficients)), bytes(&expected["sha256"]));
}

#[test]
fn seeds_expand_to_the_known_streams_in_pieces_of_any_size() {
    for case in list(&vectors!("xof.json")["streams"]) {
        let parts: Vec<_> = list(&case["parts"]).iter().map(bytes).collect();
        let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
        let what = case["what"].as_str().unwrap();
        let mut whole = vec![0; number(&case["length"]) as usize];
        Xof::new(what, &parts).fill(&mut whole);
        assert_eq!(whole[..48], bytes(&case["head"]));
        assert_eq!(sha256(&whole), bytes(&case["sha256"]));

        let mut pieces = vec![0; whole.len()];
        let mut xof = Xof::new(what, &parts);
        let mut rest = &mut pieces[..];
        for size in (0..).map(|i| i * i % 4099) {
            let (piece, later) = rest.split_at_mut(rest.len().min(size));
            xof.fill(piece);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        assert!(pieces == whole, "pieces differ from the whole");
    }
}

#[test]
fn uniform_polynomials_are_the_known_ones_also_where_a_word_is_rejected() {
    let vectors = vectors!("xof.json");
    for case in list(&vectors["uniform"]) {
        let mut coefficients = [0; N];
        let seed = number(&case["number"]).to_le_bytes();
        Xof::new("rejection vector", &[&seed])
            .fill_uniform(&mut [0; CHUNK_BYTES], &mut coefficients);
        assert_polynomial(&coefficients, case);
    }
    let mut public = PublicPolynomials::new(&context(&vectors["context"]));
    for case in list(&vectors["public_polynomials"]) {
        let mut coefficients = [0; N];
        public.expand(number(&case["chunk"]), &mut coefficients);
        assert_polynomial(&coefficients, case);
    }
}

#[test]
fn errors_are_those_of_the_standard_library_functions() {
    let mut sampler = ErrorSampler::new(Xof::new("error vector", &[]));
    for case in list(&vectors!("errors.json")) {
        let mut errors = [0; N];
        sampler.fill(&mut errors);
        let first: Vec<_> = list(&case["first"])
            .iter()
            .map(|e| e.as_i64().unwrap() as i32)
            .collect();
        assert_eq!(errors[..8], first);
        let packed: Vec<_> = errors
            .iter()
            .flat_map(|error| error.to_le_bytes())
            .collect();
        assert_eq!(sha256(&packed), bytes(&case["sha256"]));
    }
}

#[test]
fn a_contribution_is_the_known_one_to_the_bit() {
    let vector = vectors!("contribution.json");
    let (params, context) = (
        params(number(&vector["parameters"])),
        context(&vector["context"]),
    );
    let keys: Vec<_> = (0..number(&vector["seats"]))
        .map(|_| RoundKeyPair::generate().unwrap())
        .collect();
    let members = keys.iter().map(|keys| keys.public().clone()).collect();
    let committee = Committee::new(members, number(&vector["threshold"]) as usize).unwrap();
    let dealing = Dealing {
        params: &params,
        context: &context,
        participant: number(&vector["participant"]) as u32,
        committee: &committee,
    };
    let mut update: Vec<f32> = (0..params.parameters())
        .map(|i| ((i * 7919 % 2003) as f32 - 1001.0) / 1_048_576.0)
        .collect();
    (update[7], update[8]) = (5.0, -5.0);
    let rounding_seed = array(&vector["rounding_seed"]);
    let encoded = encode(&params, &context.federation, -14, &update, rounding_seed).unwrap();
    let steps: Vec<_> = encoded
        .steps()
        .iter()
        .flat_map(|step| step.to_le_bytes())
        .collect();
    assert_eq!(sha256(&steps), bytes(&vector["steps_sha256"]));

    let entropy = Entropy::from_bytes(array(&vector["entropy"]));
    let contribution = contribute(&dealing, encoded, entropy).unwrap();
    assert_eq!(
        sha256(&contribution.ciphertext),
        bytes(&vector["ciphertext_sha256"])
    );
    assert_eq!(
        contribution.commitment.chunks_root,
        array(&vector["chunks_root"])
    );
    assert_linear_hash(&contribution.linear_hash, &vector["linear_hash"]);
    let mut answers = vec![];
    for (seat, (keys, expected)) in (1..).zip(keys.iter().zip(list(&vector["shares"]))) {
        let sealed = &contribution.sealed_shares[usize::from(seat) - 1];
        let share = open_share(keys, &dealing, seat, sealed)
            .map_err(|e| e.to_string())
            .unwrap_or_else(|e| panic!("{e}"));
        let answer = combine(&[(1, &share)])
            .map_err(|e| e.to_string())
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(sha256(&answer.to_bytes()), bytes(&expected["sha256"]));
        answers.push((seat, answer));
        let seed = &vector["seal_seeds"][usize::from(seat) - 1];
        assert_eq!(contribution.seal_seeds.seed(seat), Some(&array(seed)));
    }
    let opened = open_key_sum(committee.threshold().into(), &answers, |_| true).unwrap();
    assert_eq!(
        sha256(&opened.key_sum.to_bytes()),
        bytes(&vector["key"]["sha256"])
    );
}

#[test]
fn commitments_are_the_known_ones() {
    let vectors = vectors!("commitment.json");
    let context = context(&vectors["context"]);
    for case in list(&vectors["cases"]) {
        let params = params(number(&case["parameters"]));
        let mut ciphertext = vec![0; params.ciphertext_bytes()];
        let seed = number(&case["parameters"]).to_le_bytes();
        Xof::new("commitment vector", &[&seed]).fill(&mut ciphertext);
        let sealed: Vec<_> = list(&case["sealed_shares"]).iter().map(bytes).collect();
        let participant = number(&case["participant"]) as u32;
        let made = commitment(&params, &context, participant, &ciphertext, &sealed).unwrap();
        assert_eq!(made.chunks_root, array(&case["chunks_root"]));
        assert_eq!(made.shares_hash, array(&case["shares_hash"]));
        assert_eq!(made.linear_hash, array(&case["linear_hash"]));
        assert_eq!(made.root, array(&case["root"]));
        let other = commitment(&params, &CONTEXT, participant, &ciphertext, &sealed).unwrap();
        assert_ne!(made.root, other.root);

        let mut pieces = ChunkHasher::new(&params);
        for piece in ciphertext.chunks(5000) {
            pieces.update(piece);
        }
        assert_eq!(pieces.finish(), Ok(made.chunks_root));
    }
}

fn assert_linear_hash(hash: &LinearHash, expected: &Value) {
    let bytes_of = hash.to_bytes();
    assert_eq!(sha256(&bytes_of), bytes(&expected["sha256"]));
    let first = bytes_of.first_chunk().copied().map(u64::from_le_bytes);
    let first = first.map(|word| word & ((1 << 50) - 1));
    assert_eq!(first, expected["first"][0].as_u64());
}

#[test]
fn digit_sums_and_their_linear_hashes_are_the_known_ones() {
    let params = params(2048);
    for case in list(&vectors!("digit_sum.json")) {
        let weights: Vec<_> = list(&case["weights"])
            .iter()
            .map(|weight| number(weight) as u16)
            .collect();
        let ciphertexts: Vec<Vec<u8>> = (0..weights.len() as u64)
            .map(|j| {
                let mut bytes = vec![0; params.ciphertext_bytes()];
                Xof::new("digit sum vector", &[&j.to_le_bytes()]).fill(&mut bytes);
                bytes
            })
            .collect();
        let hashes: Vec<_> = ciphertexts
            .iter()
            .zip(list(&case["linear_hashes"]))
            .map(|(ciphertext, expected)| {
                let mut hasher = LinearHasher::new(&params);
                for piece in ciphertext.chunks(5000) {
                    hasher.update(piece);
                }
                let hash = hasher.finish().unwrap();
                assert_linear_hash(&hash, expected);
                hash
            })
            .collect();
        let weighted: Vec<_> = weights.iter().copied().zip(&hashes).collect();
        let combined = combine_hashes(&weighted);
        assert_linear_hash(&combined, &case["combined"]);
        assert_eq!(combined.digest(), array(&case["digest"]));

        let slices = ciphertexts.iter().map(Vec::as_slice);
        let weighted: Vec<_> = slices.zip(weights.iter().copied()).collect();
        let sum = weighted_digit_sum(params.chunks(), &weighted).unwrap();
        assert_eq!(sum.as_bytes().len() as u64, number(&case["wire_bytes"]));
        assert_eq!(sha256(sum.as_bytes()), bytes(&case["wire_sha256"]));
        let mut reader = DigitSumReader::new(&params, sum.total_weight()).unwrap();
        for piece in sum.as_bytes().chunks(7001) {
            reader.update(piece).unwrap();
        }
        let read = reader.finish().unwrap();
        assert_eq!(sha256(&read.ciphertext), bytes(&case["ciphertext_sha256"]));
        assert_eq!(read.linear_hash, combined);
        assert_eq!(sum.to_ciphertext(), read.ciphertext);
    }
}

#[test]
fn shares_sealed_by_another_implementation_open() {
    let vector = vectors!("sealed_share.json");
    let keys: Vec<_> = list(&vector["secret_keys"])
        .iter()
        .map(|secret| RoundKeyPair::from_secret_bytes(&bytes(secret)).unwrap())
        .collect();
    for (keys, expected) in keys.iter().zip(list(&vector["public_keys_sha256"])) {
        assert_eq!(sha256(keys.public().as_bytes()), bytes(expected));
    }
    let members = keys.iter().map(|keys| keys.public().clone()).collect();
    let committee = Committee::new(members, number(&vector["threshold"]) as usize).unwrap();
    let (params, context) = (params(1), context(&vector["context"]));
    let dealing = Dealing {
        params: &params,
        context: &context,
        participant: number(&vector["participant"]) as u32,
        committee: &committee,
    };
    for case in list(&vector["cases"]) {
        let seat = number(&case["seat"]) as u16;
        let keys = &keys[usize::from(seat) - 1];
        match open_share(keys, &dealing, seat, &bytes(&case["sealed"])) {
            Ok(share) => {
                let value = combine(&[(1, &share)]).map(|opening| opening.to_bytes());
                assert_eq!(
                    value.map(|value| sha256(&value)),
                    Ok(bytes(&case["share"]["sha256"]))
                );
            }
            Err(error) => panic!("seat {seat}: {error}"),
        }
    }
}

/// `f(seat)` for the polynomial with the vector's coefficients, by Horner's rule in 128 bits.
pub(crate) fn answer(threshold: u64, seat: u64) -> Vec<u64> {
    let q = u128::from(unsilo_fhe::Q);
    let mut value = vec![0_u64; N];
    for k in (0..threshold).rev() {
        let mut coefficients = [0; N];
        let (t, k) = (threshold.to_le_bytes(), k.to_le_bytes());
        Xof::new("opening vector", &[&t, &k])
            .fill_uniform(&mut [0; CHUNK_BYTES], &mut coefficients);
        for (value, coefficient) in value.iter_mut().zip(coefficients) {
            *value = ((u128::from(*value) * u128::from(seat) + u128::from(coefficient)) % q) as u64;
        }
    }
    value
}

#[test]
fn openings_decode_to_the_known_keys_and_name_the_known_liars() {
    for case in list(&vectors!("opening.json")) {
        let threshold = number(&case["threshold"]);
        let liars: Vec<u16> = list(&case["liars"])
            .iter()
            .map(|seat| number(seat) as u16)
            .collect();
        let answers: Vec<_> = list(&case["answers"])
            .iter()
            .map(|expected| {
                let seat = number(&expected["seat"]);
                let mut value = answer(threshold, seat);
                if liars.contains(&(seat as u16)) {
                    value[seat as usize] = (value[seat as usize] + 1) % unsilo_fhe::Q;
                }
                let packed = pack(&value);
                assert_eq!(sha256(&packed), bytes(&expected["sha256"]));
                (seat as u16, Opening::from_bytes(&packed).unwrap())
            })
            .collect();
        // Without redundancy only the test of plausibility stands between an answer and the result.
        let opened = open_key_sum(threshold as usize, &answers, |_| true).unwrap();
        assert_eq!(opened.liars, liars);
        assert_eq!(
            sha256(&opened.key_sum.to_bytes()),
            bytes(&case["key_sum"]["sha256"])
        );
    }
}

#[test]
fn what_must_be_refused_is_refused_with_the_reason() {
    let vectors = vectors!("refused.json");
    type Decode = fn(&[u8]) -> String;
    let decoders: [(&str, Decode); 6] = [
        ("polynomial", |bytes| {
            let key_sum = unsilo_fhe::KeySum::from_bytes(bytes).err();
            let opening = Opening::from_bytes(bytes).err();
            assert_eq!(key_sum, opening);
            opening.map(|error| error.to_string()).unwrap_or_default()
        }),
        ("ciphertext", |bytes| {
            let error = check_ciphertext(&params(1), bytes).err();
            error.map(|error| error.to_string()).unwrap_or_default()
        }),
        ("linear_hash", |bytes| {
            let error = LinearHash::from_bytes(bytes).err();
            error.map(|error| error.to_string()).unwrap_or_default()
        }),
        ("digit_sum", |bytes| {
            // Zeros, 3 chunks of 3 bytes a digit.
            let mut reader = DigitSumReader::new(&params(1), 16).unwrap();
            let error = reader.update(bytes).err().or_else(|| reader.finish().err());
            error.map(|error| error.to_string()).unwrap_or_default()
        }),
        ("public_key", |bytes| {
            let error = RoundPublicKey::from_bytes(bytes).err();
            error.map(|error| error.to_string()).unwrap_or_default()
        }),
        ("secret_key", |bytes| {
            let error = RoundKeyPair::from_secret_bytes(bytes).err();
            error.map(|error| error.to_string()).unwrap_or_default()
        }),
    ];
    for (kind, decode) in decoders {
        for case in list(&vectors[kind]) {
            let mut input = vec![0; number(&case["length"]) as usize];
            if let Some([offset, patch]) = case["patch"].as_array().map(Vec::as_slice) {
                let (offset, patch) = (number(offset) as usize, bytes(patch));
                input[offset..offset + patch.len()].copy_from_slice(&patch);
            }
            let why = &case["why"];
            assert_eq!(
                decode(&input),
                case["error"].as_str().unwrap(),
                "{kind}: {why}"
            );
        }
    }
}

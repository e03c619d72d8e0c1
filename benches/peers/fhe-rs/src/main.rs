//! The peer `fhe` (fhe.rs) in `benches/peers/run`: BFV under one key, and its multiparty mode.
//!
//! `peer-fhe-rs STEPS PARAMETERS WEIGHTS`: STEPS holds one i32 (little endian) a parameter, the quantised updates one
//! after the other; WEIGHTS is one integer an update, separated by commas. Prints a JSON list, one object for each row
//! of the table; times are in seconds, one for each repetition.

use fhe::{
    bfv::{
        BfvParameters, BfvParametersBuilder, Ciphertext, Encoding, Plaintext, PublicKey, SecretKey,
        dot_product_scalar,
    },
    mbfv::{Aggregate, CommonRandomPoly, DecryptionShare, PublicKeyShare},
};
use fhe_traits::{FheDecoder, FheDecrypter, FheEncoder, FheEncrypter, Serialize};
use rand::rng;
use serde_json::{Value, json};
use std::{error::Error, iter::repeat_with, sync::Arc, time::Instant};

/// Parties that hold a share of the key in multiparty mode, as many as our committee has.
const PARTIES: usize = 5;
/// Times that sum and decryption are repeated.
const REPETITIONS: usize = 5;

/// Who can decrypt.
enum Keys {
    /// One secret key that every participant encrypts with.
    Symmetric(SecretKey),
    /// One secret key; participants have its public key.
    Public(SecretKey, PublicKey),
    /// All of the parties together; participants have their public key.
    Multiparty(Vec<SecretKey>, PublicKey),
}

struct Row {
    what: &'static str,
    degree: usize,
    /// Bits of the primes of q.
    moduli: &'static [usize],
    keys: fn(&Arc<BfvParameters>) -> fhe::Result<Keys>,
}

fn symmetric(params: &Arc<BfvParameters>) -> fhe::Result<Keys> {
    Ok(Keys::Symmetric(SecretKey::random(params, &mut rng())))
}

fn public(params: &Arc<BfvParameters>) -> fhe::Result<Keys> {
    let secret = SecretKey::random(params, &mut rng());
    let public = PublicKey::new(&secret, &mut rng());
    Ok(Keys::Public(secret, public))
}

fn multiparty(params: &Arc<BfvParameters>) -> fhe::Result<Keys> {
    let common = CommonRandomPoly::new(params, &mut rng())?;
    let secrets: Vec<_> = repeat_with(|| SecretKey::random(params, &mut rng()))
        .take(PARTIES)
        .collect();
    let shares = secrets
        .iter()
        .map(|secret| PublicKeyShare::new(secret, common.clone(), &mut rng()));
    let public = PublicKey::from_shares(shares)?;
    Ok(Keys::Multiparty(secrets, public))
}

/// The smallest parameters of the homomorphic encryption standard (128 bits) that hold the weighted sum, and for
/// multiparty also the next larger ones: they would have room for 40 bits of noise flooding, which 2048 has not.
const ROWS: [Row; 4] = [
    Row {
        what: "BFV, one secret key for all",
        degree: 2048,
        moduli: &[54],
        keys: symmetric,
    },
    Row {
        what: "BFV, one public key",
        degree: 2048,
        moduli: &[54],
        keys: public,
    },
    Row {
        what: "multiparty BFV",
        degree: 2048,
        moduli: &[54],
        keys: multiparty,
    },
    Row {
        what: "multiparty BFV, room for flooding",
        degree: 4096,
        moduli: &[54, 55],
        keys: multiparty,
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [steps, parameters, weights] = &arguments[..] else {
        return Err("usage: peer-fhe-rs STEPS PARAMETERS WEIGHTS".into());
    };
    let parameters: usize = parameters.parse()?;
    let weights = weights
        .split(',')
        .map(str::parse)
        .collect::<Result<Vec<u64>, _>>()?;
    let bytes = std::fs::read(steps)?;
    let (words, _) = bytes.as_chunks();
    let steps: Vec<i64> = words
        .iter()
        .map(|&word| i32::from_le_bytes(word).into())
        .collect();
    let updates: Vec<&[i64]> = steps.chunks_exact(parameters).collect();
    if updates.len() != weights.len() {
        return Err(format!("{} updates, {} weights", updates.len(), weights.len()).into());
    }
    let rows: Vec<Value> = ROWS
        .iter()
        .map(|row| row.measure(&updates, &weights))
        .collect::<Result<_, _>>()?;
    println!("{}", json!(rows));
    Ok(())
}

impl Row {
    fn measure(&self, updates: &[&[i64]], weights: &[u64]) -> Result<Value, Box<dyn Error>> {
        // The sum of saturated updates with these weights must fit into the plaintext modulus.
        let total: u64 = weights.iter().sum();
        let plaintext = (2 * 32_767 * total + 1).next_power_of_two() + 1;
        let params = BfvParametersBuilder::new()
            .set_degree(self.degree)
            .set_plaintext_modulus(plaintext)
            .set_moduli_sizes(self.moduli)
            .build_arc()?;
        let keys = (self.keys)(&params)?;
        let encoding = Encoding::poly;

        let (mut encrypt, mut serialise, mut size) = (vec![], vec![], 0);
        let mut ciphertexts: Vec<Vec<Ciphertext>> = vec![];
        for update in updates {
            let began = Instant::now();
            let chunks = update
                .chunks(self.degree)
                .map(|chunk| {
                    let plaintext = Plaintext::try_encode(chunk, encoding(), &params)?;
                    match &keys {
                        Keys::Symmetric(secret) => secret.try_encrypt(&plaintext, &mut rng()),
                        Keys::Public(_, public) | Keys::Multiparty(_, public) => {
                            public.try_encrypt(&plaintext, &mut rng())
                        }
                    }
                })
                .collect::<fhe::Result<Vec<Ciphertext>>>()?;
            encrypt.push(began.elapsed().as_secs_f64());
            let began = Instant::now();
            size = chunks.iter().map(|chunk| chunk.to_bytes().len()).sum();
            serialise.push(began.elapsed().as_secs_f64());
            ciphertexts.push(chunks);
        }

        let chunks = ciphertexts[0].len();
        let factors = weights
            .iter()
            .map(|&weight| Plaintext::try_encode(&[weight], encoding(), &params))
            .collect::<fhe::Result<Vec<Plaintext>>>()?;
        let (sum, sum_seconds) = repeat(|| {
            (0..chunks)
                .map(|chunk| {
                    let terms = ciphertexts.iter().map(|ciphertext| &ciphertext[chunk]);
                    dot_product_scalar(terms, factors.iter()).map(Arc::new)
                })
                .collect::<fhe::Result<Vec<_>>>()
        })?;

        let (mut member_seconds, mut answer) = (Value::Null, Value::Null);
        let (plaintexts, decrypt) = match &keys {
            Keys::Symmetric(secret) | Keys::Public(secret, _) => repeat(|| {
                sum.iter()
                    .map(|chunk| secret.try_decrypt(chunk))
                    .collect::<fhe::Result<Vec<Plaintext>>>()
            })?,
            Keys::Multiparty(secrets, _) => {
                // Every party's share is as long as the model; combining them is what anybody does who decrypts.
                let share = |secret: &SecretKey| {
                    sum.iter()
                        .map(|chunk| DecryptionShare::new(secret, chunk, &mut rng()))
                        .collect::<fhe::Result<Vec<_>>>()
                };
                let (_, seconds) = repeat(|| share(&secrets[0]))?;
                member_seconds = json!(seconds);
                answer = json!(size / 2);
                let mut times = vec![];
                loop {
                    let mut shares = secrets
                        .iter()
                        .map(|secret| share(secret).map(Vec::into_iter))
                        .collect::<fhe::Result<Vec<_>>>()?;
                    let began = Instant::now();
                    let plaintexts = (0..chunks)
                        .map(|_| {
                            Plaintext::from_shares(shares.iter_mut().filter_map(Iterator::next))
                        })
                        .collect::<fhe::Result<Vec<_>>>()?;
                    times.push(began.elapsed().as_secs_f64());
                    if times.len() == REPETITIONS {
                        break (plaintexts, times);
                    }
                }
            }
        };
        let mut decrypted = vec![];
        for plaintext in &plaintexts {
            let values = Vec::<u64>::try_decode(plaintext, encoding())?;
            decrypted.extend(
                values
                    .iter()
                    .map(|&value| match value > params.plaintext() / 2 {
                        true => value as i64 - params.plaintext() as i64,
                        false => value as i64,
                    }),
            );
        }
        for (i, &value) in decrypted.iter().take(updates[0].len()).enumerate() {
            let exact: i64 = updates
                .iter()
                .zip(weights)
                .map(|(u, &w)| u[i] * w as i64)
                .sum();
            if value != exact {
                return Err(format!("{}: parameter {i} is {value}, not {exact}", self.what).into());
            }
        }
        let bits: usize = self.moduli.iter().sum();
        Ok(json!({
            "system": format!("fhe.rs, {}", self.what),
            "settings": format!("N={}, log q={bits}, t={plaintext}, coefficients, tfhe-ntt", self.degree),
            "encrypt_s": encrypt,
            "serialise_s": serialise,
            "sum_s": sum_seconds,
            "member_s": member_seconds,
            "decrypt_s": decrypt,
            "bytes": size,
            "answer_bytes": answer,
            "error_rms_steps": 0.0,
            "error_max_steps": 0.0,
        }))
    }
}

/// The last result, and the seconds that each repetition took.
fn repeat<T, E>(mut work: impl FnMut() -> Result<T, E>) -> Result<(T, Vec<f64>), E> {
    let mut seconds = vec![];
    loop {
        let began = Instant::now();
        let result = work()?;
        seconds.push(began.elapsed().as_secs_f64());
        if seconds.len() == REPETITIONS {
            return Ok((result, seconds));
        }
    }
}

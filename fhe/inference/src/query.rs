//! The client's side: features into a query, an answer into logits.

use sha2::{Digest, Sha256};
use tfhe::core_crypto::commons::math::random::Seed;
use tfhe::core_crypto::prelude::*;

use crate::hidden::{ANSWER_BITS, FEATURE_LEVELS, PLACE, feature};
use crate::key::{ClientKey, KeyHash};
use crate::linear::{self, LINEAR_LEVELS, Layout, OUTPUT_BITS, OUTPUT_UNIT, REQUEST_BITS};
use crate::model::ModelError;
use crate::params::{
    BIG, LINEAR_MASK_COUNT, LINEAR_POLYNOMIAL, LINEAR_RING, MAX_OUTPUTS, MAX_WIDTH,
    SMALL_DIMENSION, big_noise, modulus,
};
use crate::wire::{
    FormatError, Kind, Reader, body, header, pack_rounded, packed_bytes, put_words, unpack,
};

/// Ciphertexts that come back as they were sent, through the switch of keys: 6 bits each.
pub(crate) const SWITCHED_CHECKS: usize = 3;
/// With the one that comes back through a bootstrap: 4 bits. An answer under another key passes all with 2^-22.
pub(crate) const CHECKS: usize = SWITCHED_CHECKS + 1;
const SWITCHED_CHECK_BITS: u32 = 6;
const TABLE_CHECK_BITS: u32 = 4;

/// A request's name: 16 random bytes.
pub type RequestId = [u8; 16];

/// Which of the two ways of evaluating a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// Products of polynomials: exact, needs no evaluation key.
    Linear,
    /// One bootstrap for each hidden neuron.
    Hidden,
}

/// What a client must know about a model to ask it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How it is evaluated.
    pub circuit: Circuit,
    /// Features it takes.
    pub features: usize,
    /// Logits it gives.
    pub outputs: usize,
}

/// Why a query cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Another number of features than the model takes.
    #[error("{found} features, the model takes {expected}")]
    Features {
        /// Features given.
        found: usize,
        /// Features of the model.
        expected: usize,
    },
    /// The model's shape is beyond the limits.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Why an answer cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// Not the format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It belongs to another request.
    #[error("this answer belongs to another request")]
    OtherRequest,
    /// What should come back unchanged did not.
    #[error(
        "the answer is noise: what was sent along to check the key did not come back. The server evaluated with another \
         key than this client's: send the evaluation key again"
    )]
    OtherKey,
}

/// What is kept of a query until its answer comes.
#[derive(Clone)]
pub struct Pending {
    id: RequestId,
    shape: Shape,
    checks: Vec<u64>,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// A decrypted answer. It must not be sent back to anybody who sees the ciphertexts: its low digits carry the noise, and
/// with it the key, a little at a time (Li and Micciancio, eprint 2020/1533).
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// One for each output.
    pub logits: Vec<f64>,
    /// Standard deviation of each logit's error through noise, as the server computed it; zero if it is exact.
    pub deviation: Vec<f64>,
}

/// A feature in 0..=1 as one of the `levels` steps; what is beyond is clipped, what is no number is 0.
pub(crate) fn level(value: f32, levels: u32) -> u32 {
    (f64::from(value.clamp(0.0, 1.0)) * f64::from(levels)).round() as u32
}

/// Features as the circuit takes them: multiples of 1/127 or 1/1023.
pub(crate) fn quantise(circuit: Circuit, features: &[f32]) -> Vec<u32> {
    let levels = match circuit {
        Circuit::Linear => LINEAR_LEVELS,
        Circuit::Hidden => FEATURE_LEVELS,
    };
    features.iter().map(|value| level(*value, levels)).collect()
}

fn switched_check(secret: u64) -> u64 {
    secret << (64 - SWITCHED_CHECK_BITS)
}

/// The place of a table that a check is encrypted at; its middle is 1024.
fn table_place(secret: u64) -> i64 {
    64 + 128 * secret.cast_signed() - 1024
}

/// What the checking table gives for each place: its distance from the middle, over the whole turn.
pub(crate) fn check_table() -> Vec<u64> {
    (0..2048i64)
        .map(|place| ((2 * (place - 1024) + 1).cast_unsigned()).wrapping_mul(PLACE))
        .collect()
}

impl ClientKey {
    /// Encrypts one row of features, scaled to 0..=1. `key_hash` names the evaluation key that the server shall use.
    ///
    /// # Errors
    /// [`QueryError`] if the model takes another number of features or is beyond the limits.
    pub fn encrypt(
        &self,
        shape: Shape,
        features: &[f32],
        key_hash: &KeyHash,
        seeder: &mut dyn Seeder,
    ) -> Result<(Vec<u8>, Pending), QueryError> {
        if features.len() != shape.features {
            return Err(QueryError::Features {
                found: features.len(),
                expected: shape.features,
            });
        }
        if shape.features > MAX_WIDTH || !(1..=MAX_OUTPUTS).contains(&shape.outputs) {
            return Err(ModelError::Layers(vec![shape.features, shape.outputs]).into());
        }
        let id: RequestId = seeder.seed().0.to_le_bytes();
        let seed = seeder.seed();
        let levels = quantise(shape.circuit, features);
        let secret = seeder.seed().0;
        let (bytes, checks) = match shape.circuit {
            Circuit::Hidden => self.encrypt_hidden(&id, seed, &levels, secret, key_hash, seeder),
            Circuit::Linear => self.encrypt_linear(&id, seed, &levels, secret, shape, seeder)?,
        };
        Ok((bytes, Pending { id, shape, checks }))
    }

    fn encrypt_hidden(
        &self,
        id: &RequestId,
        seed: Seed,
        levels: &[u32],
        secret: u128,
        key_hash: &KeyHash,
        seeder: &mut dyn Seeder,
    ) -> (Vec<u8>, Vec<u64>) {
        let bits = |place: usize, count: u32| (secret >> (8 * place)) as u64 & ((1 << count) - 1);
        let mut checks: Vec<u64> = (0..SWITCHED_CHECKS)
            .map(|place| bits(place, SWITCHED_CHECK_BITS))
            .collect();
        checks.push(bits(SWITCHED_CHECKS, TABLE_CHECK_BITS));
        let mut plain: Vec<u64> = levels.iter().map(|level| feature(*level)).collect();
        plain.extend(
            checks[..SWITCHED_CHECKS]
                .iter()
                .map(|secret| switched_check(*secret)),
        );
        let place = table_place(checks[SWITCHED_CHECKS]);
        plain.push((2 * place + 1).cast_unsigned().wrapping_mul(PLACE / 2));
        let mut list = SeededLweCiphertextList::new(
            0u64,
            BIG.to_lwe_size(),
            LweCiphertextCount(plain.len()),
            seed.into(),
            modulus(),
        );
        encrypt_seeded_lwe_ciphertext_list(
            &self.big.as_lwe_secret_key(),
            &mut list,
            &PlaintextList::from_container(plain),
            big_noise(),
            seeder,
        );
        let mut bytes = header(Kind::Query);
        bytes.extend(id);
        bytes.extend(key_hash);
        bytes.extend(seed.0.to_le_bytes());
        bytes.extend((levels.len() as u16).to_le_bytes());
        put_words(&mut bytes, list.as_ref());
        (bytes, checks)
    }

    fn encrypt_linear(
        &self,
        id: &RequestId,
        seed: Seed,
        levels: &[u32],
        secret: u128,
        shape: Shape,
        seeder: &mut dyn Seeder,
    ) -> Result<(Vec<u8>, Vec<u64>), ModelError> {
        Layout::new(shape.features, shape.outputs)?;
        let check = secret as u64 & ((1 << (OUTPUT_BITS - 1)) - 1);
        let mut plain = vec![0u64; LINEAR_RING];
        for (word, level) in plain.iter_mut().zip(levels) {
            *word = u64::from(*level).wrapping_mul(OUTPUT_UNIT);
        }
        if let Some(word) = plain.get_mut(levels.len()) {
            *word = check.wrapping_mul(OUTPUT_UNIT);
        }
        let mut ciphertext = SeededGlweCiphertext::new(
            0u64,
            LINEAR_MASK_COUNT.to_glwe_size(),
            LINEAR_POLYNOMIAL,
            seed.into(),
            modulus(),
        );
        encrypt_seeded_glwe_ciphertext(
            &self.linear,
            &mut ciphertext,
            &PlaintextList::from_container(plain),
            big_noise(),
            seeder,
        );
        let mut bytes = header(Kind::LinearQuery);
        bytes.extend(id);
        bytes.extend(seed.0.to_le_bytes());
        bytes.extend((shape.features as u16).to_le_bytes());
        bytes.extend((shape.outputs as u16).to_le_bytes());
        pack_rounded(&mut bytes, ciphertext.as_ref(), REQUEST_BITS);
        Ok((bytes, vec![check]))
    }

    /// Decrypts the answer to the query that `pending` is of.
    ///
    /// # Errors
    /// [`AnswerError`] if it is damaged, another's, or made with another key. A server that computes wrongly on purpose
    /// is not noticed: it could answer the checks rightly and the rest not.
    pub fn decrypt(&self, pending: &Pending, answer: &[u8]) -> Result<Answer, AnswerError> {
        match pending.shape.circuit {
            Circuit::Hidden => self.decrypt_hidden(pending, answer),
            Circuit::Linear => self.decrypt_linear(pending, answer),
        }
    }

    fn decrypt_hidden(&self, pending: &Pending, answer: &[u8]) -> Result<Answer, AnswerError> {
        let mut reader = Reader(checked(answer, Kind::Answer)?);
        let scales = Scales::read(&mut reader, pending)?;
        let words = SMALL_DIMENSION + 1;
        let phases = (0..pending.shape.outputs + CHECKS)
            .map(|_| {
                let bytes = reader.take(packed_bytes(words, ANSWER_BITS))?;
                let ciphertext =
                    LweCiphertext::from_container(unpack(bytes, words, ANSWER_BITS), modulus());
                Ok(decrypt_lwe_ciphertext(&self.small, &ciphertext).0)
            })
            .collect::<Result<Vec<u64>, FormatError>>()?;
        reader.end()?;
        let (outputs, checks) = phases.split_at(pending.shape.outputs);
        let far =
            |phase: u64, expected: u64| phase.wrapping_sub(expected).cast_signed().unsigned_abs();
        let passed =
            checks
                .iter()
                .zip(&pending.checks)
                .enumerate()
                .all(|(index, (phase, secret))| {
                    if index < SWITCHED_CHECKS {
                        far(*phase, switched_check(*secret)) < 1 << (63 - SWITCHED_CHECK_BITS)
                    } else {
                        let place = table_place(*secret);
                        let expected = (2 * place + 1).cast_unsigned().wrapping_mul(PLACE);
                        far(*phase, expected) < 1 << (63 - TABLE_CHECK_BITS)
                    }
                });
        if !passed {
            return Err(AnswerError::OtherKey);
        }
        Ok(scales.answer(outputs.iter().map(|phase| phase.cast_signed() as f64)))
    }

    fn decrypt_linear(&self, pending: &Pending, answer: &[u8]) -> Result<Answer, AnswerError> {
        let mut reader = Reader(checked(answer, Kind::LinearAnswer)?);
        let scales = Scales::read(&mut reader, pending)?;
        let layout = Layout::new(pending.shape.features, pending.shape.outputs)
            .map_err(|_| FormatError::Damaged("a shape beyond the limits"))?;
        let outputs = linear::decrypt(layout, &self.linear, reader.take(layout.answer_bytes())?);
        reader.end()?;
        let (check, outputs) = outputs.split_last().ok_or(AnswerError::OtherKey)?;
        if pending.checks != [check.cast_unsigned()] {
            return Err(AnswerError::OtherKey);
        }
        Ok(scales.answer(outputs.iter().map(|output| *output as f64)))
    }
}

/// Bytes of the digest that an answer ends with.
const DIGEST_BYTES: usize = 8;

/// The body of an answer whose digest fits. It tells damage on the way from another key; nothing against a forger.
fn checked(answer: &[u8], kind: Kind) -> Result<&[u8], FormatError> {
    let body = body(answer, kind, "an encrypted answer")?;
    let Some((body, digest)) = body.split_last_chunk::<DIGEST_BYTES>() else {
        return Err(FormatError::Length {
            found: answer.len(),
            expected: DIGEST_BYTES,
        });
    };
    if Sha256::digest(&answer[..answer.len() - DIGEST_BYTES])[..DIGEST_BYTES] != *digest {
        return Err(FormatError::Damaged("the answer's digest does not fit"));
    }
    Ok(body)
}

/// Ends an answer.
pub(crate) fn seal(answer: &mut Vec<u8>) {
    let digest = Sha256::digest(&*answer);
    answer.extend(&digest[..DIGEST_BYTES]);
}

/// What an answer says in the clear: of each output, what zero is, what a unit is worth, and the error's deviation.
pub(crate) struct Scales(pub(crate) Vec<(f64, f64, f64)>);

impl Scales {
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        for (middle, unit, deviation) in &self.0 {
            bytes.extend(middle.to_le_bytes());
            bytes.extend(unit.to_le_bytes());
            bytes.extend(deviation.to_le_bytes());
        }
    }

    fn read(reader: &mut Reader<'_>, pending: &Pending) -> Result<Self, AnswerError> {
        if reader.array::<16>()? != pending.id {
            return Err(AnswerError::OtherRequest);
        }
        let scales = (0..pending.shape.outputs)
            .map(|_| {
                let mut number = || -> Result<f64, FormatError> {
                    let number = f64::from_le_bytes(reader.array()?);
                    match number.is_finite() {
                        true => Ok(number),
                        false => Err(FormatError::Damaged("a scale is no number")),
                    }
                };
                Ok((number()?, number()?, number()?))
            })
            .collect::<Result<Vec<_>, FormatError>>()?;
        Ok(Self(scales))
    }

    fn answer(&self, outputs: impl Iterator<Item = f64>) -> Answer {
        Answer {
            logits: self
                .0
                .iter()
                .zip(outputs)
                .map(|((middle, unit, _), output)| middle + unit * output)
                .collect(),
            deviation: self.0.iter().map(|(_, _, deviation)| *deviation).collect(),
        }
    }
}

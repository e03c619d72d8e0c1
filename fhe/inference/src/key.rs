//! The three keys: what the client keeps, what it sends once, and that as the server works with it.

use sha2::{Digest, Sha256};
use tfhe::conformance::ParameterSetConformant;
use tfhe::core_crypto::commons::math::random::Seed;
use tfhe::core_crypto::fft_impl::fft64::crypto::bootstrap::LweBootstrapKeyConformanceParams;
use tfhe::core_crypto::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use crate::params::{
    BIG, BOOTSTRAP_BASE, BOOTSTRAP_DEPTH, LINEAR_MASK_COUNT, LINEAR_MASKS, LINEAR_POLYNOMIAL,
    LINEAR_RING, MASKS, POLYNOMIAL, RING, SMALL, SMALL_DIMENSION, SWITCH_BASE, SWITCH_DEPTH,
    SWITCH_LEVELS, big_noise, modulus, small_noise,
};
use crate::wire::{FormatError, HEADER_BYTES, Kind, Reader, body, header, put_words, words};

const SMALL_BYTES: usize = SMALL_DIMENSION.div_ceil(8);
const BIG_BYTES: usize = RING / 8;
const LINEAR_BYTES: usize = LINEAR_MASKS * LINEAR_RING / 8;
const CHECKSUM_BYTES: usize = 8;
/// Bytes of a client key in its file.
pub const CLIENT_KEY_BYTES: usize =
    HEADER_BYTES + SMALL_BYTES + BIG_BYTES + LINEAR_BYTES + CHECKSUM_BYTES;

const SWITCH_WORDS: usize = RING * SWITCH_LEVELS;
const BOOTSTRAP_WORDS: usize = SMALL_DIMENSION * 2 * RING;
/// Bytes of an evaluation key on the wire: 30.1 MB.
pub const EVALUATION_KEY_BYTES: usize =
    HEADER_BYTES + 2 * 16 + 8 * (SWITCH_WORDS + BOOTSTRAP_WORDS);

/// Memory that a [`ServerKey`] holds, bytes: the bootstrapping key in the Fourier domain and the switching key.
pub const SERVER_KEY_MEMORY: usize =
    SMALL_DIMENSION * 4 * (RING / 2) * 16 + 8 * SWITCH_WORDS * (SMALL_DIMENSION + 1);

/// SHA-256 of an evaluation key's bytes: its name.
pub type KeyHash = [u8; 32];

/// The secret: whoever has it reads every query made with it. Erased when dropped.
pub struct ClientKey {
    pub(crate) small: LweSecretKeyOwned<u64>,
    pub(crate) big: GlweSecretKeyOwned<u64>,
    pub(crate) linear: GlweSecretKeyOwned<u64>,
}

impl std::fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientKey(secret)")
    }
}

impl Drop for ClientKey {
    fn drop(&mut self) {
        self.small.as_mut().zeroize();
        self.big.as_mut().zeroize();
        self.linear.as_mut().zeroize();
    }
}

impl ClientKey {
    /// A fresh key. `seeder` must be the operating system's or the processor's, as [`new_seeder`] gives it.
    pub fn generate(seeder: &mut dyn Seeder) -> Self {
        let mut generator = SecretRandomGenerator::<DefaultRandomGenerator>::new(seeder.seed());
        Self {
            small: LweSecretKey::generate_new_binary(SMALL, &mut generator),
            big: GlweSecretKey::generate_new_binary(MASKS, POLYNOMIAL, &mut generator),
            linear: GlweSecretKey::generate_new_binary(
                LINEAR_MASK_COUNT,
                LINEAR_POLYNOMIAL,
                &mut generator,
            ),
        }
    }

    /// The key as [`CLIENT_KEY_BYTES`] bytes, for a file that only its owner reads.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(CLIENT_KEY_BYTES));
        bytes.extend(header(Kind::ClientKey));
        for bits in [self.small.as_ref(), self.big.as_ref(), self.linear.as_ref()] {
            bytes.extend(bits.chunks(8).map(|bits| {
                bits.iter()
                    .enumerate()
                    .fold(0u8, |byte, (place, bit)| byte | ((*bit as u8) << place))
            }));
        }
        let checksum = Sha256::digest(&*bytes);
        bytes.extend(&checksum[..CHECKSUM_BYTES]);
        bytes
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`FormatError`] for anything else, also for one changed bit.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader(body(bytes, Kind::ClientKey, "a client key")?);
        if bytes.len() != CLIENT_KEY_BYTES {
            return Err(FormatError::Length {
                found: bytes.len(),
                expected: CLIENT_KEY_BYTES,
            });
        }
        let mut bits = |bytes: usize, count: usize| -> Result<Vec<u64>, FormatError> {
            let bytes = reader.take(bytes)?;
            Ok((0..count)
                .map(|bit| u64::from(bytes[bit / 8] >> (bit % 8) & 1))
                .collect())
        };
        let key = Self {
            small: LweSecretKey::from_container(bits(SMALL_BYTES, SMALL_DIMENSION)?),
            big: GlweSecretKey::from_container(bits(BIG_BYTES, RING)?, POLYNOMIAL),
            linear: GlweSecretKey::from_container(
                bits(LINEAR_BYTES, LINEAR_MASKS * LINEAR_RING)?,
                LINEAR_POLYNOMIAL,
            ),
        };
        let (content, checksum) = bytes.split_at(CLIENT_KEY_BYTES - CHECKSUM_BYTES);
        if Sha256::digest(content)[..CHECKSUM_BYTES] != *checksum {
            return Err(FormatError::Damaged("the key's checksum does not fit"));
        }
        Ok(key)
    }

    /// What the server needs to evaluate hidden layers: [`EVALUATION_KEY_BYTES`] bytes that reveal nothing about this
    /// key. Uses all threads of the current rayon pool. Two calls give two different, equally good ones.
    pub fn evaluation_key(&self, seeder: &mut dyn Seeder) -> Vec<u8> {
        let big = self.big.as_lwe_secret_key();
        let switch_seed = seeder.seed();
        let mut switch = SeededLweKeyswitchKey::new(
            0u64,
            SWITCH_BASE,
            SWITCH_DEPTH,
            BIG,
            SMALL,
            switch_seed.into(),
            modulus(),
        );
        generate_seeded_lwe_keyswitch_key(&big, &self.small, &mut switch, small_noise(), seeder);
        let bootstrap_seed = seeder.seed();
        let mut bootstrap = SeededLweBootstrapKey::new(
            0u64,
            MASKS.to_glwe_size(),
            POLYNOMIAL,
            BOOTSTRAP_BASE,
            BOOTSTRAP_DEPTH,
            SMALL,
            bootstrap_seed.into(),
            modulus(),
        );
        par_generate_seeded_lwe_bootstrap_key(
            &self.small,
            &self.big,
            &mut bootstrap,
            big_noise(),
            seeder,
        );
        let mut bytes = Vec::with_capacity(EVALUATION_KEY_BYTES);
        bytes.extend(header(Kind::EvaluationKey));
        bytes.extend(switch_seed.0.to_le_bytes());
        bytes.extend(bootstrap_seed.0.to_le_bytes());
        put_words(&mut bytes, switch.as_ref());
        put_words(&mut bytes, bootstrap.as_ref());
        bytes
    }
}

/// The name of an evaluation key.
pub fn key_hash(bytes: &[u8]) -> KeyHash {
    Sha256::digest(bytes).into()
}

/// An evaluation key ready for work: [`SERVER_KEY_MEMORY`] bytes.
pub struct ServerKey {
    pub(crate) switch: LweKeyswitchKeyOwned<u64>,
    pub(crate) bootstrap: FourierLweBootstrapKeyOwned,
}

impl std::fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerKey")
    }
}

impl ServerKey {
    /// Expands the bytes of [`ClientKey::evaluation_key`], on the current rayon pool: about a tenth of a second of
    /// processor time.
    ///
    /// # Errors
    /// [`FormatError`] if they are not such a key for this parameter set. Random bytes of the right length with the right
    /// header *are* a key, of nobody: answers made with it are noise, which [`Answer`](crate::Answer) tells.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader(body(bytes, Kind::EvaluationKey, "an evaluation key")?);
        if bytes.len() != EVALUATION_KEY_BYTES {
            return Err(FormatError::Length {
                found: bytes.len(),
                expected: EVALUATION_KEY_BYTES,
            });
        }
        let switch_seed = Seed(u128::from_le_bytes(reader.array()?));
        let bootstrap_seed = Seed(u128::from_le_bytes(reader.array()?));
        let switch = SeededLweKeyswitchKey::from_container(
            words(reader.take(8 * SWITCH_WORDS)?),
            SWITCH_BASE,
            SWITCH_DEPTH,
            SMALL.to_lwe_size(),
            switch_seed.into(),
            modulus(),
        );
        let bootstrap = SeededLweBootstrapKey::from_container(
            words(reader.take(8 * BOOTSTRAP_WORDS)?),
            MASKS.to_glwe_size(),
            POLYNOMIAL,
            BOOTSTRAP_BASE,
            BOOTSTRAP_DEPTH,
            bootstrap_seed.into(),
            modulus(),
        );
        reader.end()?;
        if !switch.is_conformant(&LweKeyswitchKeyConformanceParams {
            decomp_base_log: SWITCH_BASE,
            decomp_level_count: SWITCH_DEPTH,
            output_lwe_size: SMALL.to_lwe_size(),
            input_lwe_dimension: BIG,
            ciphertext_modulus: modulus(),
        }) {
            return Err(FormatError::Damaged("the switching key does not conform"));
        }
        if !bootstrap.is_conformant(&LweBootstrapKeyConformanceParams {
            decomp_base_log: BOOTSTRAP_BASE,
            decomp_level_count: BOOTSTRAP_DEPTH,
            input_lwe_dimension: SMALL,
            output_glwe_size: MASKS.to_glwe_size(),
            polynomial_size: POLYNOMIAL,
            ciphertext_modulus: modulus(),
        }) {
            return Err(FormatError::Damaged(
                "the bootstrapping key does not conform",
            ));
        }
        let standard = bootstrap.par_decompress_into_lwe_bootstrap_key();
        let mut bootstrap = FourierLweBootstrapKey::new(
            SMALL,
            MASKS.to_glwe_size(),
            POLYNOMIAL,
            BOOTSTRAP_BASE,
            BOOTSTRAP_DEPTH,
        );
        par_convert_standard_lwe_bootstrap_key_to_fourier(&standard, &mut bootstrap);
        Ok(Self {
            switch: switch.par_decompress_into_lwe_keyswitch_key(),
            bootstrap,
        })
    }
}

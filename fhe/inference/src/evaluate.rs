//! The server's side: a query into an answer, neither of which it can read.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;
use tfhe::conformance::ParameterSetConformant;
use tfhe::core_crypto::commons::math::random::Seed;
use tfhe::core_crypto::fft_impl::fft64::crypto::bootstrap::batch_blind_rotate_assign_scratch;
use tfhe::core_crypto::prelude::*;

use crate::hidden::{ANSWER_BITS, HiddenModel, QUARTER};
use crate::key::{KeyHash, ServerKey};
use crate::linear::{LinearModel, REQUEST_BITS};
use crate::model::{Model, ModelError};
use crate::params::{
    BIG, LINEAR_MASK_COUNT, LINEAR_POLYNOMIAL, LINEAR_RING, MASKS, MAX_WIDTH, POLYNOMIAL, RING,
    SMALL_DIMENSION, modulus,
};
use crate::query::{CHECKS, Circuit, RequestId, SWITCHED_CHECKS, Scales, Shape, check_table, seal};
use crate::switch::switch;
use crate::wire::{
    FormatError, HEADER_BYTES, Kind, Reader, body, header, pack_rounded, packed_bytes, unpack,
    words,
};

/// The longest query: [`MAX_WIDTH`] features.
pub const MAX_QUERY_BYTES: usize = HEADER_BYTES + 16 + 32 + 16 + 2 + 8 * (MAX_WIDTH + CHECKS);

/// Most bootstraps side by side on one thread. Processor time of each on a loaded machine, same run: 18.0 ms alone, 18.3 of 2,
/// 15.3 of 6, 15.1 of 8, 15.6 of 9, 16.0 of 11, 18.1 of 16; more also make a cancelled query end later.
const BATCH: usize = 12;

/// Why a query is not evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// Not a query in our format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// For a model of another kind.
    #[error("the query is for a model of another kind: ask again for the model's shape")]
    Circuit,
    /// For a model of another shape.
    #[error("the query has {found} features, the model takes {expected}")]
    Features {
        /// Features of the query.
        found: usize,
        /// Features of the model.
        expected: usize,
    },
    /// For a model with another number of outputs.
    #[error("the query expects {found} outputs, the model has {expected}")]
    Outputs {
        /// Outputs that the query was laid out for.
        found: usize,
        /// Outputs of the model.
        expected: usize,
    },
    /// [`Work::cancel`] was called.
    #[error("cancelled")]
    Cancelled,
}

/// How far an evaluation is, and the way to end it.
#[derive(Debug, Default)]
pub struct Work {
    done: AtomicUsize,
    cancelled: AtomicBool,
}

impl Work {
    /// Bootstraps done.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Ends the evaluation within a few bootstraps a thread.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn go_on(&self) -> Result<(), EvaluationError> {
        match self.cancelled() {
            true => Err(EvaluationError::Cancelled),
            false => Ok(()),
        }
    }
}

/// A query as it arrived: well formed, and for nobody but its sender to read.
pub struct Query {
    id: RequestId,
    content: Content,
}

enum Content {
    Hidden {
        key: KeyHash,
        ciphertexts: SeededLweCiphertextListOwned<u64>,
    },
    Linear {
        outputs: usize,
        features: usize,
        ciphertext: SeededGlweCiphertextOwned<u64>,
    },
}

impl Query {
    /// Reads and checks a query.
    ///
    /// # Errors
    /// [`FormatError`] unless it is one of exactly the length that its number of features asks for.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > MAX_QUERY_BYTES {
            return Err(FormatError::Length {
                found: bytes.len(),
                expected: MAX_QUERY_BYTES,
            });
        }
        match body(bytes, Kind::Query, "an encrypted query") {
            Err(FormatError::NotOne { .. }) => Self::linear(Reader(body(
                bytes,
                Kind::LinearQuery,
                "an encrypted query",
            )?)),
            hidden => Self::hidden(Reader(hidden?)),
        }
    }

    fn hidden(mut reader: Reader<'_>) -> Result<Self, FormatError> {
        let id = reader.array()?;
        let key = reader.array()?;
        let seed = Seed(u128::from_le_bytes(reader.array()?));
        let features = usize::from(u16::from_le_bytes(reader.array()?));
        if !(1..=MAX_WIDTH).contains(&features) {
            return Err(FormatError::Damaged("too many features, or none"));
        }
        let ciphertexts = SeededLweCiphertextList::from_container(
            words(reader.take(8 * (features + CHECKS))?),
            BIG.to_lwe_size(),
            seed.into(),
            modulus(),
        );
        reader.end()?;
        Ok(Self {
            id,
            content: Content::Hidden { key, ciphertexts },
        })
    }

    fn linear(mut reader: Reader<'_>) -> Result<Self, FormatError> {
        let id = reader.array()?;
        let seed = Seed(u128::from_le_bytes(reader.array()?));
        let features = usize::from(u16::from_le_bytes(reader.array()?));
        let outputs = usize::from(u16::from_le_bytes(reader.array()?));
        let bytes = reader.take(packed_bytes(LINEAR_RING, REQUEST_BITS))?;
        reader.end()?;
        let ciphertext = SeededGlweCiphertext::from_container(
            unpack(bytes, LINEAR_RING, REQUEST_BITS),
            LINEAR_MASK_COUNT.to_glwe_size(),
            seed.into(),
            modulus(),
        );
        if !ciphertext.is_conformant(&GlweCiphertextConformanceParams {
            glwe_dim: LINEAR_MASK_COUNT,
            polynomial_size: LINEAR_POLYNOMIAL,
            ct_modulus: modulus(),
        }) {
            return Err(FormatError::Damaged("the ciphertext does not conform"));
        }
        Ok(Self {
            id,
            content: Content::Linear {
                outputs,
                features,
                ciphertext,
            },
        })
    }

    /// Its random name.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// The evaluation key it wants to be answered with; none for a linear model.
    pub fn key(&self) -> Option<KeyHash> {
        match &self.content {
            Content::Hidden { key, .. } => Some(*key),
            Content::Linear { .. } => None,
        }
    }
}

/// A model ready to be asked under encryption.
pub enum EncryptedModel {
    /// Without hidden layers.
    Linear(LinearModel),
    /// With hidden layers.
    Hidden(HiddenModel),
}

impl EncryptedModel {
    /// Rounds the model's weights and, with hidden layers, makes its tables.
    ///
    /// # Errors
    /// [`ModelError`] beyond the limits.
    pub fn quantise(model: &Model) -> Result<Self, ModelError> {
        match model.sizes().len() {
            2 => LinearModel::quantise(model).map(Self::Linear),
            _ => HiddenModel::quantise(model).map(Self::Hidden),
        }
    }

    /// What a client must know.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Linear(model) => Shape {
                circuit: Circuit::Linear,
                features: model.layout.features - 1,
                outputs: model.layout.outputs - 1,
            },
            Self::Hidden(model) => Shape {
                circuit: Circuit::Hidden,
                features: model.layers.first().map_or(0, |layer| layer.inputs),
                outputs: model.layers.last().map_or(0, |layer| layer.outputs),
            },
        }
    }

    /// Bootstraps of one query, for [`Work::done`].
    pub fn bootstraps(&self) -> usize {
        match self {
            Self::Linear(_) => 0,
            Self::Hidden(model) => model.bootstraps() + 1,
        }
    }

    /// log2 of a bound on the probability that an answer is wrong by more than its stated deviations explain: some neuron
    /// read with the wrong sign, or some output of a linear model rounded to a neighbour. See [`crate::noise`].
    pub fn failure_exponent(&self) -> f64 {
        match self {
            Self::Linear(model) => {
                let each = crate::noise::tail_exponent(model.deviations_in_half_a_unit());
                each + (model.layout.outputs as f64).log2()
            }
            Self::Hidden(model) => {
                model.wrap_exponent() + (model.bootstraps().max(1) as f64).log2()
            }
        }
    }

    /// What an answer to these features would be without noise.
    pub fn reference(&self, features: &[f32]) -> Vec<f64> {
        let levels = crate::query::quantise(self.shape().circuit, features);
        match self {
            Self::Linear(model) => model.reference(&levels),
            Self::Hidden(model) => model.reference(&levels),
        }
    }

    /// That a query is for a model of this kind and shape, said before it is evaluated.
    ///
    /// # Errors
    /// [`EvaluationError`] if it is not.
    pub fn check(&self, query: &Query) -> Result<(), EvaluationError> {
        let shape = self.shape();
        let (circuit, features, outputs) = match &query.content {
            Content::Hidden { ciphertexts, .. } => (
                Circuit::Hidden,
                ciphertexts.lwe_ciphertext_count().0 - CHECKS,
                shape.outputs,
            ),
            Content::Linear {
                outputs, features, ..
            } => (Circuit::Linear, *features, *outputs),
        };
        if circuit != shape.circuit {
            return Err(EvaluationError::Circuit);
        }
        if features != shape.features {
            return Err(EvaluationError::Features {
                found: features,
                expected: shape.features,
            });
        }
        if outputs != shape.outputs {
            return Err(EvaluationError::Outputs {
                found: outputs,
                expected: shape.outputs,
            });
        }
        Ok(())
    }

    /// Answers on the current rayon pool. `key` must be the one that [`Query::key`] names; a linear model needs none.
    ///
    /// # Errors
    /// [`EvaluationError`] if the query does not fit the model, or when cancelled.
    pub fn evaluate(
        &self,
        query: &Query,
        key: Option<&ServerKey>,
        work: &Work,
    ) -> Result<Vec<u8>, EvaluationError> {
        self.check(query)?;
        match (self, &query.content, key) {
            (Self::Linear(model), Content::Linear { ciphertext, .. }, _) => {
                work.go_on()?;
                let mut answer = header(Kind::LinearAnswer);
                answer.extend(query.id);
                let scales = model.middle.iter().zip(&model.unit);
                Scales(scales.map(|(middle, unit)| (*middle, *unit, 0.0)).collect())
                    .write(&mut answer);
                answer
                    .extend(model.evaluate(&ciphertext.clone().decompress_into_glwe_ciphertext()));
                seal(&mut answer);
                Ok(answer)
            }
            (Self::Hidden(model), Content::Hidden { ciphertexts, .. }, Some(key)) => {
                let mut answer = header(Kind::Answer);
                answer.extend(query.id);
                if let Some(last) = model.layers.last() {
                    let scales = last.middle.iter().zip(&last.unit).zip(model.deviation());
                    Scales(
                        scales
                            .map(|((middle, unit), deviation)| (*middle, *unit, *deviation))
                            .collect(),
                    )
                    .write(&mut answer);
                }
                let inputs = ciphertexts.clone().decompress_into_lwe_ciphertext_list();
                for output in hidden(model, &inputs, key, work)? {
                    pack_rounded(&mut answer, output.as_ref(), ANSWER_BITS);
                }
                seal(&mut answer);
                Ok(answer)
            }
            _ => Err(EvaluationError::Circuit),
        }
    }
}

/// A value between layers: words of a ciphertext under the big key; `None` where it is the constant zero.
type Carrier = Option<Vec<u64>>;

fn hidden(
    model: &HiddenModel,
    inputs: &LweCiphertextListOwned<u64>,
    key: &ServerKey,
    work: &Work,
) -> Result<Vec<LweCiphertextOwned<u64>>, EvaluationError> {
    let mut values: Vec<Carrier> = inputs
        .iter()
        .map(|ciphertext| Some(ciphertext.as_ref().to_vec()))
        .collect();
    let mut checks = values.split_off(values.len() - CHECKS);
    let through_table = checks.split_off(SWITCHED_CHECKS);
    let check_table = check_table();
    let mut looked_up = Vec::new();
    for (index, (layer, tables)) in model.layers.iter().zip(&model.tables).enumerate() {
        let mut lookups: Vec<Lookup<'_>> = tables
            .par_iter()
            .enumerate()
            .filter_map(|(output, table)| {
                Some(Lookup {
                    table: table.as_ref()?,
                    sum: weighted_sum(layer.row(output), &values),
                })
            })
            .collect();
        if index == 0 {
            let check = |sum: &Carrier| {
                Some(Lookup {
                    table: &check_table,
                    sum: sum.clone()?,
                })
            };
            lookups.extend(through_table.iter().filter_map(check));
        }
        let mut found = look_up(&lookups, key, work)?.into_iter();
        values = tables
            .iter()
            .map(|table| table.as_ref().and_then(|_| found.next()))
            .collect();
        looked_up.extend(found);
    }
    let Some(last) = model.layers.last() else {
        return Ok(Vec::new());
    };
    let outputs = (0..last.outputs).map(|output| weighted_sum(last.row(output), &values));
    let outputs: Vec<Vec<u64>> = outputs
        .chain(checks.into_iter().flatten())
        .chain(looked_up)
        .collect();
    work.go_on()?;
    let found = batches(&outputs).into_par_iter().map(|batch| {
        let words: Vec<&[u64]> = batch.iter().map(Vec::as_slice).collect();
        switch(&words, key)
    });
    Ok(found.collect::<Vec<_>>().into_iter().flatten().collect())
}

/// `sum of weight · ciphertext`: exact, modulo 2^64.
fn weighted_sum(weights: &[i64], values: &[Carrier]) -> Vec<u64> {
    let mut sum = vec![0u64; RING + 1];
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for (weight, value) in weights.iter().zip(values) {
                let (Some(value), false) = (value, *weight == 0) else {
                    continue;
                };
                let weight = weight.cast_unsigned();
                for (sum, word) in sum.iter_mut().zip(value) {
                    *sum = sum.wrapping_add(weight.wrapping_mul(*word));
                }
            }
        },
    );
    sum
}

/// What the threads of the pool do side by side: as few parts of at most [`BATCH`] as give every thread as many, all of
/// the same size but for one.
fn batches<Item>(items: &[Item]) -> Vec<&[Item]> {
    let threads = rayon::current_num_threads();
    let parts = threads * items.len().div_ceil(threads * BATCH);
    let mut rest = items;
    let mut batches = Vec::with_capacity(parts);
    for left in (1..=parts).rev() {
        let (batch, after) = rest.split_at(rest.len().div_ceil(left));
        rest = after;
        if !batch.is_empty() {
            batches.push(batch);
        }
    }
    batches
}

/// A sum, words of the big key, and the table to read at its place.
struct Lookup<'a> {
    sum: Vec<u64>,
    table: &'a [u64],
}

/// What the tables say, words of the big key, on all threads of the pool.
fn look_up(
    lookups: &[Lookup<'_>],
    key: &ServerKey,
    work: &Work,
) -> Result<Vec<Vec<u64>>, EvaluationError> {
    let found = batches(lookups)
        .into_par_iter()
        .map(|batch| {
            work.go_on()?;
            let found = bootstrap(batch, key);
            work.done.fetch_add(batch.len(), Ordering::Relaxed);
            Ok(found)
        })
        .collect::<Result<Vec<_>, EvaluationError>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// Bootstraps side by side: each part of the key is read from memory once for all of them.
fn bootstrap(batch: &[Lookup<'_>], key: &ServerKey) -> Vec<Vec<u64>> {
    let places = CiphertextModulusLog(RING.ilog2() as usize + 1);
    let sums: Vec<&[u64]> = batch.iter().map(|lookup| lookup.sum.as_slice()).collect();
    let switched: Vec<_> = switch(&sums, key)
        .into_iter()
        .map(|mut small| {
            if let Some(body) = small.as_mut().get_mut(SMALL_DIMENSION) {
                *body = body.wrapping_add(QUARTER);
            }
            lwe_ciphertext_centered_binary_modulus_switch::<u64, usize, _>(small, places)
        })
        .collect();
    let mut accumulators = GlweCiphertextList::new(
        0u64,
        MASKS.to_glwe_size(),
        POLYNOMIAL,
        GlweCiphertextCount(batch.len()),
        modulus(),
    );
    for (mut accumulator, lookup) in accumulators.iter_mut().zip(batch) {
        accumulator.as_mut()[RING..].copy_from_slice(lookup.table);
    }
    let fft = Fft::new(POLYNOMIAL);
    let fft = fft.as_view();
    let scratch = batch_blind_rotate_assign_scratch::<u64>(
        MASKS.to_glwe_size(),
        POLYNOMIAL,
        CiphertextCount(batch.len()),
        fft,
    );
    let mut buffers = ComputationBuffers::new();
    buffers.resize(scratch.unaligned_bytes_required());
    key.bootstrap.as_view().batch_blind_rotate_assign(
        accumulators.as_mut_view(),
        &switched,
        fft,
        buffers.stack(),
    );
    accumulators
        .iter()
        .map(|accumulator| {
            let mut output = LweCiphertext::new(0u64, BIG.to_lwe_size(), modulus());
            extract_lwe_sample_from_glwe_ciphertext(&accumulator, &mut output, MonomialDegree(0));
            output.into_container()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_has_as_many_batches_and_all_are_of_one_size_but_for_one() {
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads");
            for count in [0, 1, 2, 16, 17, 24, 25, 33, 65, 512] {
                let items: Vec<usize> = (0..count).collect();
                let sizes: Vec<usize> =
                    pool.install(|| batches(&items).into_iter().map(<[usize]>::len).collect());
                assert_eq!(sizes.iter().sum::<usize>(), count);
                let (least, most) = (sizes.iter().min(), sizes.iter().max());
                assert!(most <= least.map(|least| least + 1).as_ref(), "{sizes:?}");
                assert!(most.is_none_or(|most| *most <= BATCH), "{sizes:?}");
                let turns = count.div_ceil(threads * BATCH);
                assert!(
                    sizes.len() == (turns * threads).min(count),
                    "{threads} threads: {sizes:?}"
                );
            }
        }
    }
}

//! What a federation is founded on: the draft that its founders compare and sign.

use crate::hash::{Domain, DomainHasher, Hash};
use crate::identity::PublicKey;
use crate::incentive::{Incentive, IncentiveError};
use crate::model::{ModelError, ModelSpec};
use crate::name::{NameError, check_name, check_names};
use crate::schema::{Schema, SchemaError};
use crate::statistics::COLUMN_DIGITS;
use crate::training::{TrainingPlan, TrainingPlanError};
use crate::unit::{MAX_UNIT_LOG2, MIN_UNIT_LOG2};
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;
use thiserror::Error;

const DRAFT: Domain = Domain::new("federation draft");

/// The fewest founding owners: below three, an opened sum is about a single other company.
pub const MIN_FOUNDERS: usize = 3;
/// The most participants of a federation (the range of the encrypted sum allows no more).
pub const MAX_PARTICIPANTS: usize = 8_000;
/// The smallest minimum cohort that may be asked for, in owners.
pub const MIN_COHORT: u32 = 3;
/// The largest encoded draft, so that a genesis with all its signatures stays an entry.
pub const MAX_DRAFT_BYTES: usize = 512 * 1024;
/// The largest stake granted to one owner, 2^48.
pub const MAX_GRANT: u64 = 281_474_976_710_656;

/// The name of a federation everywhere: the hash of its [`Draft`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct FederationId(pub Hash);

impl fmt::Display for FederationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for FederationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FederationId({self})")
    }
}

/// Everything fixed before anyone joins. Its hash is the [`FederationId`], so an invite that carries
/// the id pins the coordinator's key, the model, the schema and who was invited to found.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Draft {
    /// The federation's name.
    pub name: String,
    /// The key that signs rounds, checkpoints and receipts.
    pub coordinator: PublicKey,
    /// SHA-256 of the certificate authority that issues the federation's TLS certificates.
    pub ca_fingerprint: Hash,
    /// What is trained.
    pub model: ModelSpec,
    /// On what data.
    pub schema: Schema,
    /// How a participant trains in a round.
    pub training: TrainingPlan,
    /// The float value of one quantisation step is 2^unit_log2; -14 unless there is a reason.
    pub unit_log2: i8,
    /// The fewest owners whose updates may be summed; 0 for the default rule
    /// ([`crate::committee::minimum_cohort`]), else at least [`MIN_COHORT`].
    pub min_cohort: u32,
    /// The stake that every owner is given at admission; equal for all, by design.
    pub grant: u64,
    /// What is paid, and what a violation costs.
    pub incentive: Incentive,
    /// When the draft was written, in milliseconds since 1970. Informative: nothing reads a clock.
    pub created_ms: u64,
    /// Random, so that two federations with equal drafts differ.
    pub nonce: Hash,
    /// The legal names of those who were invited to found, in order.
    pub founders: Vec<String>,
}

/// Why a draft is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DraftError {
    /// The federation's name or a founder's.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The training plan.
    #[error(transparent)]
    Training(#[from] TrainingPlanError),
    /// The incentive.
    #[error(transparent)]
    Incentive(#[from] IncentiveError),
    /// The coordinator's key is no usable Ed25519 key.
    #[error("the coordinator's key is not a usable Ed25519 key: make a new one")]
    CoordinatorKey,
    /// The model's inputs are not those that the schema's features make.
    #[error(
        "the model takes {inputs} inputs but the schema's features make {features}: make them equal"
    )]
    Inputs {
        /// Of the model.
        inputs: u32,
        /// Of the schema.
        features: usize,
    },
    /// The model's outputs are not the schema's classes.
    #[error(
        "the model gives {outputs} outputs but the schema has {classes} classes: make them equal"
    )]
    Outputs {
        /// Of the model.
        outputs: u32,
        /// Of the schema.
        classes: usize,
    },
    /// The model has too few parameters to carry the statistics of its columns.
    #[error(
        "the statistics of {measured} columns take {need} parameters of a model and it has {parameters}: widen a layer, or \
         leave out `normalisation`"
    )]
    Statistics {
        /// Columns to be measured.
        measured: usize,
        /// Parameters that takes.
        need: u64,
        /// Parameters of the model.
        parameters: u64,
    },
    /// Too few founders or too many.
    #[error("{founders} founders are invited: give between {MIN_FOUNDERS} and {MAX_PARTICIPANTS}")]
    Founders {
        /// How many.
        founders: usize,
    },
    /// A minimum cohort below [`MIN_COHORT`] or above the number of founders.
    #[error(
        "the minimum cohort is {min_cohort} of {founders} founders: give 0 for the default, or between \
         {MIN_COHORT} and the number of founders"
    )]
    Cohort {
        /// What was asked for.
        min_cohort: u32,
        /// How many founders there are.
        founders: usize,
    },
    /// A unit outside [`MIN_UNIT_LOG2`]..=[`MAX_UNIT_LOG2`].
    #[error(
        "the unit is 2^{unit_log2}: give an exponent between {MIN_UNIT_LOG2} and {MAX_UNIT_LOG2} \
         (-14 is the default)"
    )]
    Unit {
        /// The exponent.
        unit_log2: i8,
    },
    /// No grant, or one above [`MAX_GRANT`].
    #[error("the grant is {grant}: give between 1 and {MAX_GRANT}")]
    Grant {
        /// What was asked for.
        grant: u64,
    },
    /// Longer than [`MAX_DRAFT_BYTES`] when encoded.
    #[error("the draft takes {bytes} bytes, at most {MAX_DRAFT_BYTES} fit: shorten feature names")]
    TooLong {
        /// Its encoded length.
        bytes: usize,
    },
}

impl Draft {
    /// The canonical bytes that are hashed, also to store or send a draft.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        let _ = self.serialize(&mut bytes);
        bytes
    }

    /// Parses what [`Draft::to_bytes`] wrote; `None` unless it is exactly that. Not yet validated.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_DRAFT_BYTES {
            return None;
        }
        borsh::from_slice(bytes).ok()
    }

    /// The federation's id: the hash of the canonical bytes.
    pub fn federation_id(&self) -> FederationId {
        FederationId(DomainHasher::new(DRAFT).with(&self.to_bytes()).finish())
    }

    /// Checks every limit, and that model and schema fit.
    ///
    /// # Errors
    /// The first limit that is broken.
    pub fn validate(&self) -> Result<(), DraftError> {
        check_name("federation name", &self.name)?;
        check_names("founder's name", self.founders.iter().map(String::as_str))?;
        if !self.coordinator.is_usable() {
            return Err(DraftError::CoordinatorKey);
        }
        self.model.validate()?;
        self.schema.validate()?;
        self.training.validate()?;
        self.incentive.validate()?;
        self.check_fit()?;
        let founders = self.founders.len();
        if !(MIN_FOUNDERS..=MAX_PARTICIPANTS).contains(&founders) {
            return Err(DraftError::Founders { founders });
        }
        let cohort = usize::try_from(self.min_cohort).unwrap_or(usize::MAX);
        if self.min_cohort != 0 && (self.min_cohort < MIN_COHORT || cohort > founders) {
            return Err(DraftError::Cohort {
                min_cohort: self.min_cohort,
                founders,
            });
        }
        if !(MIN_UNIT_LOG2..=MAX_UNIT_LOG2).contains(&self.unit_log2) {
            return Err(DraftError::Unit {
                unit_log2: self.unit_log2,
            });
        }
        if self.grant == 0 || self.grant > MAX_GRANT {
            return Err(DraftError::Grant { grant: self.grant });
        }
        let bytes = self.to_bytes().len();
        if bytes > MAX_DRAFT_BYTES {
            return Err(DraftError::TooLong { bytes });
        }
        Ok(())
    }

    fn check_fit(&self) -> Result<(), DraftError> {
        let (inputs, features) = (self.model.inputs(), self.schema.inputs());
        if usize::try_from(inputs).ok() != Some(features) {
            return Err(DraftError::Inputs { inputs, features });
        }
        let (outputs, classes) = (self.model.outputs(), self.schema.classes.len());
        if usize::try_from(outputs).ok() != Some(classes) {
            return Err(DraftError::Outputs { outputs, classes });
        }
        let measured = self.schema.measured().count();
        let need = COLUMN_DIGITS.saturating_mul(u64::try_from(measured).unwrap_or(u64::MAX));
        let parameters = self.model.parameters();
        if need > parameters {
            return Err(DraftError::Statistics {
                measured,
                need,
                parameters,
            });
        }
        Ok(())
    }
}

//! `participant.toml`: every knob of a node, with its default. Unknown keys are refused.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::{error::NodeError, rating::DEFAULT_SHARE};

/// Largest configuration that is read, bytes.
const MAX_BYTES: u64 = 1 << 20;
/// Largest share of the rows that may be held out: who rates must train too.
pub(crate) const MOST_HELD_OUT: f64 = 0.5;

/// The configuration of a node.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name in the federation.
    pub name: String,
    /// `host:port`.
    pub coordinator: String,
    /// SHA-256 of the federation's certificate authority, hexadecimal.
    pub authority: String,
    /// Federation id, hexadecimal.
    pub federation: String,
    /// Own data.
    pub data: DataSection,
    /// How the model is measured here.
    #[serde(default)]
    pub evaluation: EvaluationSection,
    /// How it is trained here.
    #[serde(default)]
    pub training: TrainingSection,
    /// Whether and on what the others' contributions are rated.
    #[serde(default)]
    pub rating: RatingSection,
    /// The connection.
    #[serde(default)]
    pub network: NetworkSection,
    /// The disk.
    #[serde(default)]
    pub storage: StorageSection,
    /// The replica of the ledger.
    #[serde(default)]
    pub ledger: LedgerSection,
}

/// Own data.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// CSV file with the training rows, or IDX file with images.
    pub file: String,
    /// IDX file with the labels of the images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// Its label column, if not called as in the federation's schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Leave out rows with missing values instead of refusing the file.
    #[serde(default)]
    pub drop_missing: bool,
}

/// How the model is measured here. Nothing of it leaves this machine unless `publish` is set.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationSection {
    /// CSV file with rows that are not trained on, or IDX file with images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// IDX file with the labels of the images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// Also train a model on own data alone, for comparison.
    pub baseline: bool,
    /// Show the accuracies of every round to the whole federation, on the coordinator's page.
    pub publish: bool,
}

/// How the model is trained here; what all participants share is in the federation's card.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSection {
    /// `auto`, `cuda` or `cpu`.
    pub device: String,
    /// Fixes the order of rows for repeatable runs; otherwise the operating system's randomness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// What the others' contributions are rated by. Nothing of these rows leaves this machine; what is asked about, and what
/// is revealed of the answers, docs/protocol.md says.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RatingSection {
    /// Whether this node rates. Without it all rows are trained on, and the company has no say in the weights and no part
    /// of what raters are paid.
    pub enabled: bool,
    /// The share of the rows that is held out from training to rate with: above 0, at most a half. At least 50 rows are
    /// held out where that is no more than half of them.
    pub held_out: f64,
}

/// The three time settings.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSection {
    /// A silent connection is probed this often, and given up after the same time without an answer.
    pub keepalive_seconds: u32,
    /// Longest wait for one answer.
    pub answer_seconds: u32,
    /// Longest pause between two attempts to connect.
    pub reconnect_seconds: u32,
}

/// The disk.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageSection {
    /// Models kept under `models/`, newest first; 0 keeps all.
    pub keep_models: usize,
}

/// The replica of the ledger.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerSection {
    /// Keep the whole ledger, and replay it from the first entry on, however long that takes.
    pub full: bool,
    /// Otherwise the node begins with a snapshot, on its first start or after it was away, where that saves it at
    /// least so many entries.
    pub snapshot_saves_entries: u64,
}

/// What a node fetches and replays in some ten seconds: measured are 435 bytes an entry, so 87 MB (7 s at 100 Mbit/s), and
/// 40,000 entries a second of one core with every check (docs/benchmarks.md). Up to there nobody needs to be trusted for
/// the books.
const SNAPSHOT_SAVES_ENTRIES: u64 = 200_000;

impl Default for LedgerSection {
    fn default() -> Self {
        Self {
            full: false,
            snapshot_saves_entries: SNAPSHOT_SAVES_ENTRIES,
        }
    }
}

impl Default for TrainingSection {
    fn default() -> Self {
        Self {
            device: "auto".to_owned(),
            seed: None,
        }
    }
}

impl Default for RatingSection {
    fn default() -> Self {
        Self {
            enabled: true,
            held_out: DEFAULT_SHARE,
        }
    }
}

impl Default for NetworkSection {
    fn default() -> Self {
        Self {
            keepalive_seconds: 20,
            answer_seconds: 60,
            reconnect_seconds: 30,
        }
    }
}

impl Default for StorageSection {
    fn default() -> Self {
        Self { keep_models: 8 }
    }
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// [`NodeError::Config`] names the line or field and what is expected.
    pub fn read(path: &Path) -> Result<Self, NodeError> {
        let size = fs::metadata(path)
            .map_err(NodeError::io("read", path))?
            .len();
        if size > MAX_BYTES {
            return Err(NodeError::config(
                path,
                "this is no configuration: it is larger than 1 MiB",
            ));
        }
        let text = fs::read_to_string(path).map_err(NodeError::io("read", path))?;
        Self::from_text(&text).map_err(|message| NodeError::config(path, message))
    }

    /// Parses and checks a configuration.
    ///
    /// # Errors
    /// The line or field, and what is expected.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        config.hash(&config.authority, "authority")?;
        config.hash(&config.federation, "federation")?;
        config
            .training
            .device
            .parse::<unsilo_train::DeviceChoice>()
            .map_err(|error| format!("training.device: {error}"))?;
        let NetworkSection {
            keepalive_seconds,
            answer_seconds,
            reconnect_seconds,
        } = config.network;
        for (name, value) in [
            ("keepalive_seconds", keepalive_seconds),
            ("answer_seconds", answer_seconds),
            ("reconnect_seconds", reconnect_seconds),
        ] {
            if !(1..=3600).contains(&value) {
                return Err(format!(
                    "network.{name} is {value}: give between 1 and 3600"
                ));
            }
        }
        let share = config.rating.held_out;
        if !(share > 0.0 && share <= MOST_HELD_OUT) {
            return Err(format!(
                "rating.held_out is {share}: give a share of the rows above 0, at most {MOST_HELD_OUT}; to rate nobody, set rating.enabled to false"
            ));
        }
        if config.evaluation.baseline && config.evaluation.file.is_none() {
            return Err(
                "evaluation.baseline needs evaluation.file, the rows to compare on".to_owned(),
            );
        }
        if config.evaluation.publish && config.evaluation.file.is_none() {
            return Err(
                "evaluation.publish needs evaluation.file, the rows to measure on".to_owned(),
            );
        }
        Ok(config)
    }

    fn hash(&self, hex: &str, field: &str) -> Result<[u8; 32], String> {
        data_encoding::HEXLOWER
            .decode(hex.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| format!("{field} must be 64 lower-case hexadecimal digits"))
    }

    /// The authority's fingerprint.
    pub(crate) fn authority(&self) -> Result<[u8; 32], String> {
        self.hash(&self.authority, "authority")
    }

    /// The federation's id.
    pub(crate) fn federation(&self) -> Result<[u8; 32], String> {
        self.hash(&self.federation, "federation")
    }

    /// The file as `join` writes it: every knob, commented, with its value.
    #[must_use]
    pub fn to_commented_text(&self) -> String {
        let text = |value: &str| toml::Value::String(value.to_owned()).to_string();
        let optional = |key: &str, value: Option<String>, example: &str| match value {
            Some(value) => format!("{key} = {value}"),
            None => format!("# {key} = {example}"),
        };
        let label = optional("label", self.data.label.as_deref().map(text), "\"species\"");
        let evaluation = optional(
            "file",
            self.evaluation.file.as_deref().map(text),
            "\"/data/held-out.csv\"",
        );
        let labels = |labels: &Option<String>| {
            let example = "\"/data/labels.idx1-ubyte\"";
            optional("labels", labels.as_deref().map(text), example)
        };
        let seed = optional("seed", self.training.seed.map(|seed| seed.to_string()), "1");
        format!(
            "# Written by `unsilo join`. A key that is not listed here is refused.

# Who this node is; from the invitation, not to be changed.
name = {name}
coordinator = {coordinator}
authority = {authority}
federation = {federation}

[data]
# CSV or Parquet file with the rows to train on, or IDX file with images. It is read when the node starts and never leaves this machine.
file = {file}
# IDX file with the labels of the images.
{labels}
# The label column, if it is not called as in the federation's schema.
{label}
# true leaves out rows with missing values; false refuses the file.
drop_missing = {drop_missing}

[evaluation]
# File with rows that are not trained on: every new model is measured on them, here only.
{evaluation}
# IDX file with the labels of the images.
{evaluation_labels}
# true also trains a model on the own data alone, for as many steps, and measures it beside the shared one.
baseline = {baseline}
# true shows both accuracies of every round to everybody who can open the coordinator's page. Two numbers; never rows.
publish = {publish}

[training]
# \"auto\" takes a CUDA GPU where this build and machine have one, else the CPU; or \"cuda\", or \"cpu\".
device = {device}
# A fixed number makes the order of rows repeatable; without it, it comes from the operating system.
{seed}

[rating]
# Every company rates the others' contributions: it holds rows out from training, trains a model on them, and asks the
# committee how far each contribution goes the same way. From all companies' ratings follow weights and rewards. false
# trains on all rows and gives up this company's say, and its part of what raters are paid.
enabled = {rates}
# The share of the rows that is held out, above 0 and at most 0.5; at least 50 rows where that is no more than half of
# them. Which ones is drawn once, from held-out.seed in this directory.
held_out = {held_out:?}

[network]
# A silent connection is probed this often, and given up after the same time without an answer.
keepalive_seconds = {keepalive}
# Longest wait for one answer of the coordinator.
answer_seconds = {answer}
# Longest pause between two attempts to connect.
reconnect_seconds = {reconnect}

[storage]
# Models kept under models/, newest first; 0 keeps all.
keep_models = {keep_models}

[ledger]
# true keeps the whole ledger and replays all of it, whatever that takes. false begins with a snapshot that more than
# half of the companies signed, on the first start or after a long absence, where that saves so many entries.
full = {full}
snapshot_saves_entries = {saves}
",
            name = text(&self.name),
            coordinator = text(&self.coordinator),
            authority = text(&self.authority),
            federation = text(&self.federation),
            file = text(&self.data.file),
            labels = labels(&self.data.labels),
            evaluation_labels = labels(&self.evaluation.labels),
            drop_missing = self.data.drop_missing,
            baseline = self.evaluation.baseline,
            publish = self.evaluation.publish,
            device = text(&self.training.device),
            rates = self.rating.enabled,
            held_out = self.rating.held_out,
            keepalive = self.network.keepalive_seconds,
            answer = self.network.answer_seconds,
            reconnect = self.network.reconnect_seconds,
            keep_models = self.storage.keep_models,
            full = self.ledger.full,
            saves = self.ledger.snapshot_saves_entries,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            name: "Aster \"A\" & Söhne".into(),
            coordinator: "127.0.0.1:7443".into(),
            authority: "ab".repeat(32),
            federation: "cd".repeat(32),
            data: DataSection {
                file: "/data/own \\ rows.csv".into(),
                labels: None,
                label: None,
                drop_missing: false,
            },
            evaluation: EvaluationSection::default(),
            training: TrainingSection::default(),
            rating: RatingSection::default(),
            network: NetworkSection::default(),
            storage: StorageSection::default(),
            ledger: LedgerSection::default(),
        }
    }

    #[test]
    fn the_commented_file_reads_back_with_and_without_its_options() {
        let plain = config();
        assert_eq!(Config::from_text(&plain.to_commented_text()), Ok(plain));
        let mut full = config();
        full.data.label = Some("art".into());
        full.data.labels = Some("/data/labels".into());
        full.evaluation.labels = Some("/data/test-labels".into());
        full.evaluation.file = Some("/data/test.csv".into());
        full.evaluation.baseline = true;
        full.evaluation.publish = true;
        full.training.seed = Some(7);
        full.ledger.full = true;
        full.ledger.snapshot_saves_entries = 0;
        full.rating = RatingSection {
            enabled: false,
            held_out: 0.05,
        };
        assert_eq!(Config::from_text(&full.to_commented_text()), Ok(full));
    }

    #[test]
    fn unknown_keys_and_values_out_of_range_are_refused_by_name() {
        let text = config().to_commented_text();
        for (from, to, named) in [
            ("[training]", "[training]\nspeed = 3", "speed"),
            ("[network]", "[netwrok]", "netwrok"),
            (
                "answer_seconds = 60",
                "answer_seconds = 0",
                "answer_seconds",
            ),
            ("device = \"auto\"", "device = \"tpu\"", "tpu"),
            ("baseline = false", "baseline = true", "evaluation.file"),
            ("publish = false", "publish = true", "evaluation.file"),
            ("held_out = 0.15", "held_out = 0.0", "rating.held_out"),
            ("held_out = 0.15", "held_out = 0.51", "rating.held_out"),
            ("held_out = 0.15", "held_out = nan", "rating.held_out"),
            ("authority = \"ab", "authority = \"zz", "authority"),
        ] {
            let message = Config::from_text(&text.replace(from, to)).expect_err(from);
            assert!(message.contains(named), "{from}: {message}");
        }
    }
}

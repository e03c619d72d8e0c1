//! `model.toml`: what is trained, on which columns, and how.

use std::path::Path;

use serde::Deserialize;
use unsilo_ledger::{
    Activation, Feature, ModelKind, ModelSpec, Optimiser, Schema, TrainingPlan, Values,
    schema::MAX_FEATURES,
};

use crate::error::CoordinatorError;

/// The version of the file's form that this program reads.
const VERSION: u32 = 1;

/// The file as written. Unknown keys are refused: a misspelt setting must not be silently ignored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    model: WrittenModel,
    data: WrittenData,
    training: WrittenTraining,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenModel {
    kind: WrittenKind,
    /// Units of the hidden layers; inputs and outputs follow from the data.
    hidden: Vec<u32>,
    activation: WrittenActivation,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenKind {
    Mlp,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenActivation {
    Relu,
    Tanh,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenData {
    label: String,
    classes: Vec<String>,
    /// What columns of numbers are scaled by.
    #[serde(default)]
    normalisation: WrittenNormalisation,
    features: Vec<WrittenFeatures>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenNormalisation {
    /// The declared ranges.
    #[default]
    Declared,
    /// Mean and deviation over all companies, summed under encryption in the first round.
    Federation,
}

/// Columns that share a range, or their categories.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFeatures {
    #[serde(default)]
    names: Vec<String>,
    /// Instead of names: so many columns, called by this and their number from 0.
    prefix: Option<String>,
    count: Option<usize>,
    min: Option<f64>,
    max: Option<f64>,
    categories: Option<Vec<String>>,
    /// Whether cells may be empty.
    #[serde(default)]
    missing: bool,
}

impl WrittenFeatures {
    fn values(&self, normalisation: WrittenNormalisation) -> Result<Values, String> {
        match (self.min, self.max, &self.categories) {
            (Some(min), Some(max), None) => {
                let min_micro = micro("data.features.min", min)?;
                let max_micro = micro("data.features.max", max)?;
                Ok(match normalisation {
                    WrittenNormalisation::Declared => Values::Number {
                        min_micro,
                        max_micro,
                    },
                    WrittenNormalisation::Federation => Values::Measured {
                        min_micro,
                        max_micro,
                    },
                })
            }
            (None, None, Some(categories)) => Ok(Values::Category(categories.clone())),
            _ => Err(format!(
                "data.features of {}: give min and max for numbers, or categories",
                self.names
                    .first()
                    .or(self.prefix.as_ref())
                    .map_or("no names", String::as_str)
            )),
        }
    }

    fn names(self) -> Result<Vec<String>, String> {
        match (self.prefix, self.count) {
            (None, None) if !self.names.is_empty() => Ok(self.names),
            (Some(prefix), Some(count)) if self.names.is_empty() && count <= MAX_FEATURES => Ok((0
                ..count)
                .map(|number| format!("{prefix}{number}"))
                .collect()),
            _ => Err(format!(
                "data.features: give names, or a prefix and a count of at most {MAX_FEATURES}"
            )),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTraining {
    steps: u32,
    batch: u32,
    learning_rate: f64,
    #[serde(default)]
    optimiser: WrittenOptimiser,
    #[serde(default)]
    rounds: u64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenOptimiser {
    #[default]
    Sgd,
    Adam,
}

/// A checked model file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFile {
    /// Shape of the model.
    pub model: ModelSpec,
    /// Columns of the data.
    pub schema: Schema,
    /// Local training and number of rounds.
    pub training: TrainingPlan,
}

impl ModelFile {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// Names the file and the field, and says what is expected.
    pub fn read(path: &Path) -> Result<Self, CoordinatorError> {
        Self::parse(&super::read(path)?).map_err(|message| CoordinatorError::config(path, message))
    }

    /// Checks the text of a model file.
    ///
    /// # Errors
    /// The field, what is wrong with it, and what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
        if written.version != VERSION {
            return Err(format!(
                "version = {} is not read by this program: it reads version = {VERSION}",
                written.version
            ));
        }
        let mut features = Vec::new();
        for group in written.data.features {
            let values = group.values(written.data.normalisation)?;
            let may_be_missing = group.missing;
            features.extend(group.names()?.into_iter().map(|name| Feature {
                name,
                values: values.clone(),
                may_be_missing,
            }));
        }
        let schema = Schema {
            label: written.data.label,
            classes: written.data.classes,
            features,
        };
        schema
            .validate()
            .map_err(|error| format!("data: {error}"))?;

        let count = |what: &str, length: usize| {
            u32::try_from(length).map_err(|_| format!("data: too many {what}"))
        };
        let mut layers = vec![count("inputs", schema.inputs())?];
        layers.extend(&written.model.hidden);
        layers.push(count("classes", schema.classes.len())?);
        let model = ModelSpec {
            kind: match written.model.kind {
                WrittenKind::Mlp => ModelKind::Mlp,
            },
            layers,
            activation: match written.model.activation {
                WrittenActivation::Relu => Activation::Relu,
                WrittenActivation::Tanh => Activation::Tanh,
            },
        };
        model
            .validate()
            .map_err(|error| format!("model.hidden: {error}"))?;

        let learning_rate = micro("training.learning_rate", written.training.learning_rate)?;
        let training = TrainingPlan {
            steps: written.training.steps,
            batch: written.training.batch,
            learning_rate_micro: u32::try_from(learning_rate).map_err(|_| {
                "training.learning_rate must lie between 0.000001 and 10".to_owned()
            })?,
            optimiser: match written.training.optimiser {
                WrittenOptimiser::Sgd => Optimiser::Sgd,
                WrittenOptimiser::Adam => Optimiser::Adam,
            },
            rounds: written.training.rounds,
        };
        training
            .validate()
            .map_err(|error| format!("training: {error}"))?;
        Ok(Self {
            model,
            schema,
            training,
        })
    }
}

/// Millionths, exactly: the ledger holds no floats, so a value that needs more digits is refused.
fn micro(field: &str, value: f64) -> Result<i64, String> {
    let scaled = (value * 1e6).round();
    // 9e15 is below 2^53: every integer up to there is exact.
    if !value.is_finite() || scaled.abs() > 9e15 {
        return Err(format!("{field} = {value} is out of range"));
    }
    if (scaled / 1e6 - value).abs() > value.abs() * 1e-12 {
        return Err(format!(
            "{field} = {value} needs more than six decimal places"
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an integer below 2^53, checked above"
    )]
    Ok(scaled as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        version = 1
        [model]
        kind = "mlp"
        hidden = [512]
        activation = "relu"
        [data]
        label = "label"
        classes = ["no", "yes"]
        features = [{ names = ["a", "b"], min = -0.5, max = 16 }]
        [training]
        steps = 40
        batch = 16
        learning_rate = 0.1
    "#;

    #[test]
    fn a_model_file_gives_layers_from_the_data() {
        let file = ModelFile::parse(GOOD).expect("valid");
        assert_eq!(file.model.layers, [2, 512, 2]);
        let b = Feature::number("b", -500_000, 16_000_000);
        assert_eq!(file.schema.features[1], b);
        assert_eq!(file.training.learning_rate_micro, 100_000);
    }

    #[test]
    fn categories_and_missing_values_make_more_inputs() {
        let features = r#"features = [
            { names = ["a"], min = 0, max = 1, missing = true },
            { names = ["b", "c"], categories = ["x", "y", "z"] },
        ]"#;
        let from = r#"features = [{ names = ["a", "b"], min = -0.5, max = 16 }]"#;
        let file = ModelFile::parse(&GOOD.replace(from, features)).expect("valid");
        assert_eq!(file.model.layers, [8, 512, 2]);
        assert!(file.schema.features[0].may_be_missing && !file.schema.features[1].may_be_missing);
        let words = ["x", "y", "z"].map(str::to_owned).to_vec();
        assert_eq!(file.schema.features[2].values, Values::Category(words));
    }

    #[test]
    fn columns_of_numbers_are_measured_where_the_file_says_so() {
        let with = |how: &str| {
            let label = "label = \"label\"";
            ModelFile::parse(&GOOD.replace(label, &format!("{label}\nnormalisation = {how:?}")))
        };
        let measured = with("federation").expect("valid").schema;
        assert_eq!(measured.measured().count(), 2);
        let declared = ModelFile::parse(GOOD).expect("valid");
        assert_eq!(with("declared"), Ok(declared.clone()));
        assert_eq!(measured.inputs(), declared.schema.inputs());
        let error = with("guessed").expect_err("no such normalisation");
        assert!(
            error.contains("guessed") && error.contains("federation"),
            "{error}"
        );
    }

    #[test]
    fn many_columns_are_numbered() {
        let text = GOOD.replace("names = [\"a\", \"b\"]", "prefix = \"p\", count = 784");
        let file = ModelFile::parse(&text).expect("valid");
        assert_eq!(file.schema.features.len(), 784);
        assert_eq!(file.schema.features[783].name, "p783");
    }

    #[test]
    fn mistakes_name_their_field() {
        for (from, to, word) in [
            ("version = 1", "version = 2", "version"),
            ("kind = \"mlp\"", "kind = \"cnn\"", "mlp"),
            ("hidden = [512]", "hidden = [4]", "model.hidden"),
            ("max = 16", "max = -3", "range"),
            ("max = 16", "max = 0.00000012", "six decimal"),
            ("max = 16", "max = nan", "data.features.max"),
            (", max = 16", "", "data.features of a"),
            (
                "max = 16",
                "max = 16, categories = [\"x\", \"y\"]",
                "data.features of a",
            ),
            ("min = -0.5, max = 16", "categories = [\"x\"]", "categories"),
            (
                "names = [\"a\", \"b\"]",
                "names = []",
                "a prefix and a count",
            ),
            (
                "names = [\"a\", \"b\"]",
                "prefix = \"p\"",
                "a prefix and a count",
            ),
            (
                "names = [\"a\", \"b\"]",
                "prefix = \"p\", count = 65537",
                "at most 65536",
            ),
            (
                "learning_rate = 0.1",
                "learning_rate = -1.0",
                "training.learning_rate",
            ),
            ("steps = 40", "steps = 0", "steps"),
            ("steps = 40", "stepz = 40", "stepz"),
            ("\"a\", \"b\"", "\"a\", \"a\"", "twice"),
            ("\"no\", \"yes\"", "\"yes\"", "classes"),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD);
            let error = ModelFile::parse(&text).expect_err("refused");
            assert!(error.contains(word), "{to}: {error}");
        }
    }
}

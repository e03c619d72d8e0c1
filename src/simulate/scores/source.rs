//! Which rows a line of the table is played on, and where they are looked for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use unsilo_coordinator::config::ModelFile;
use unsilo_ledger::{Feature, Schema};
use unsilo_participant::data::{LoadOptions, load_idx, read_csv};
use unsilo_train::Dataset;

use super::data::digits;
use crate::exit::CommandError;

/// The hospitals of UCI's Heart Disease data, and the patients of each (data/SOURCES.md).
pub(super) const HOSPITALS: [(&str, usize); 4] = [
    ("cleveland", 303),
    ("hungarian", 294),
    ("switzerland", 123),
    ("va", 200),
];
/// Their columns; the files have no head.
const HEART_HEAD: &str =
    "age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal,disease";
/// How these columns become inputs of a model.
const HEART_MODEL: &str = include_str!("../../../data/heart.model.toml");
/// Side of MNIST's images.
const SIDE: usize = 28;

/// Rows to play on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The digits that the program brings.
    Digits,
    /// The 10,000 test images of MNIST, in `mnist10k/` as two unpacked IDX files.
    Mnist,
    /// The heart patients of four hospitals one after the other, in `heart/` as UCI gives them.
    Heart,
}

/// Rows, or where they were not found.
pub(super) enum Found {
    Rows(Dataset),
    Missing(String),
}

impl Source {
    pub(super) const ALL: [Self; 3] = [Self::Digits, Self::Mnist, Self::Heart];

    /// Its files in a directory of data.
    fn files(self) -> Vec<PathBuf> {
        match self {
            Self::Digits => Vec::new(),
            Self::Mnist => ["images-idx3", "labels-idx1"]
                .map(|what| PathBuf::from(format!("mnist10k/t10k-{what}-ubyte")))
                .to_vec(),
            Self::Heart => HOSPITALS
                .map(|(name, _)| PathBuf::from(format!("heart/processed.{name}.data")))
                .to_vec(),
        }
    }

    /// Its rows, from `directory` if they are not in the program.
    ///
    /// # Errors
    /// [`CommandError::Input`] if there are files that are not what they should be.
    pub(super) fn rows(self, directory: Option<&Path>) -> Result<Found, CommandError> {
        let files = self.files();
        let Some(directory) = directory else {
            return match files.first() {
                None => digits().map(Found::Rows),
                Some(first) => Ok(Found::Missing(format!(
                    "{} (name its directory with --data)",
                    first.display()
                ))),
            };
        };
        let paths: Vec<PathBuf> = files.iter().map(|file| directory.join(file)).collect();
        if let Some(absent) = paths.iter().find(|path| !path.exists()) {
            return Ok(Found::Missing(absent.display().to_string()));
        }
        match self {
            Self::Digits => digits(),
            Self::Mnist => mnist(&paths[0], &paths[1]),
            Self::Heart => heart(&paths),
        }
        .map(Found::Rows)
    }
}

/// Pixels from 0 to 255 become 0 to 1.
fn mnist(images: &Path, labels: &Path) -> Result<Dataset, CommandError> {
    let pixel = |at: usize| Feature::number(format!("p{at}"), 0, 255_000_000);
    let schema = Schema {
        label: "label".to_owned(),
        classes: (0..10).map(|class| class.to_string()).collect(),
        features: (0..SIDE * SIDE).map(pixel).collect(),
    };
    load_idx(images, labels, &schema, &LoadOptions::default())
        .map(|loaded| loaded.data)
        .map_err(|error| CommandError::Input(error.to_string()))
}

/// The hospitals' rows in the order of [`HOSPITALS`]; whoever has some degree of the disease has it.
fn heart(paths: &[PathBuf]) -> Result<Dataset, CommandError> {
    let input = CommandError::Input;
    let mut table = format!("{HEART_HEAD}\n");
    for (path, (_, patients)) in paths.iter().zip(HOSPITALS) {
        let wrong = |reason: String| input(format!("{}: {reason}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        if text.lines().count() != patients {
            return Err(wrong(format!(
                "{} rows, expected the {patients} of the UCI file",
                text.lines().count()
            )));
        }
        for line in text.lines() {
            let Some((cells, degree)) = line.rsplit_once(',') else {
                return Err(wrong(format!("{line:?} is no row of 14 columns")));
            };
            let disease = if degree.trim() == "0" { "no" } else { "yes" };
            table.push_str(&format!("{cells},{disease}\n"));
        }
    }
    let schema = ModelFile::parse(HEART_MODEL).map_err(input)?.schema;
    read_csv(
        "heart/processed.*.data",
        std::io::Cursor::new(table),
        &schema,
        &LoadOptions::default(),
    )
    .map(|loaded| loaded.data)
    .map_err(|error| CommandError::Input(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(source: Source, directory: Option<&Path>) -> Result<Found, CommandError> {
        source.rows(directory)
    }

    #[test]
    fn what_is_not_there_is_said_with_its_file_and_the_digits_always_are() {
        let empty = tempfile::tempdir().expect("a directory");
        for directory in [None, Some(empty.path())] {
            for (source, file) in [(Source::Mnist, "t10k-images"), (Source::Heart, "cleveland")] {
                match rows(source, directory) {
                    Ok(Found::Missing(words)) => assert!(words.contains(file), "{words}"),
                    _ => panic!("{source:?} is not there"),
                }
            }
            let digits = rows(Source::Digits, directory);
            assert!(matches!(digits, Ok(Found::Rows(rows)) if rows.rows() == 1_797));
        }
    }

    #[test]
    fn patients_of_four_hospitals_are_read_and_a_file_of_another_length_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("heart")).expect("made");
        let write = |rows: usize| {
            for (name, patients) in HOSPITALS {
                let line = "63.0,1.0,1.0,145.0,233.0,1.0,2.0,150.0,0.0,2.3,3.0,0.0,6.0,0\n";
                let ill = "40,0,4,?,?,?,?,150,0,2.3,?,?,?,3\n";
                let text = [line.repeat(patients - 1), ill.to_owned()].concat();
                let text: String = text
                    .lines()
                    .take(rows.min(patients))
                    .fold(String::new(), |text, line| text + line + "\n");
                let path = directory
                    .path()
                    .join(format!("heart/processed.{name}.data"));
                fs::write(path, text).expect("written");
            }
        };
        write(usize::MAX);
        let Ok(Found::Rows(found)) = rows(Source::Heart, Some(directory.path())) else {
            panic!("they are there")
        };
        assert_eq!((found.rows(), found.classes()), (920, 2));
        assert_eq!(found.class_counts(), [916, 4]);
        write(100);
        let error = rows(Source::Heart, Some(directory.path())).err();
        let words = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(
            words.contains("cleveland") && words.contains("expected the 303"),
            "{words}"
        );
    }
}

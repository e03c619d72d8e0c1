//! The inbox: what participants and users of the model have to say, and what the admin answers.
//!
//! A file for each piece, and one beside it for its answer, so that a running coordinator and `unsilo coordinator
//! feedback` never write the same one.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::{
    durable::{self, Readers},
    error::CoordinatorError,
    queries::DAY_MS,
};

/// The longest text of a piece or an answer, bytes.
pub const MAX_FEEDBACK_BYTES: usize = 4096;
/// Pieces that are kept. At 100 an epoch from each participant (which the ledger sees to) and some 9 KB each, with its
/// answer, the inbox stays below 100 MB.
const MAX_PIECES: usize = 10_000;
/// Pieces in a day of UTC from the holders of one token: more than people write, and a stolen token fills a five
/// hundredth of the inbox a day.
const MAX_PER_DAY: usize = 20;

/// Who says something.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A participant, by its number on the ledger.
    Participant(u32),
    /// A holder of a token of the endpoint's, by the token's id.
    Token(String),
}

impl By {
    /// What the names of its files begin with.
    fn key(&self) -> String {
        match self {
            Self::Participant(number) => number.to_string(),
            Self::Token(id) => format!("t{id}"),
        }
    }

    fn from_key(key: &str) -> Option<Self> {
        match key.strip_prefix('t') {
            Some(id) => {
                let is_id = HEXLOWER.decode(id.as_bytes()).is_ok_and(|id| id.len() == 8);
                is_id.then(|| Self::Token(id.to_owned()))
            }
            None => key.parse().ok().map(Self::Participant),
        }
    }
}

/// One piece of feedback.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// How many pieces the author filed before.
    pub number: u64,
    /// The author's name, or the token's.
    pub author: String,
    /// "problem", "idea" or "praise".
    pub kind: String,
    /// When it came, milliseconds since 1970.
    pub at_ms: u64,
    /// What the ledger holds: the hash of text and salt, hex.
    pub hash: String,
    /// Hex.
    pub salt: String,
    /// What it says.
    pub text: String,
    /// The author.
    pub by: By,
}

/// Why the inbox does not take a piece. Nothing was kept.
#[derive(Debug)]
pub(crate) enum NotFiled {
    /// It has no room for any.
    Full,
    /// The token's holder has filed [`MAX_PER_DAY`] today.
    EnoughToday,
    /// It could not be read or written.
    Storage(CoordinatorError),
}

impl From<CoordinatorError> for NotFiled {
    fn from(error: CoordinatorError) -> Self {
        Self::Storage(error)
    }
}

/// The admin's answer.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// What it says.
    pub text: String,
}

impl Piece {
    /// How the admin names it: the author's number, or `t` and the token's id, and the piece's number.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.by.key(), self.number)
    }
}

/// The directory of feedback.
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    directory: PathBuf,
    /// Held while a piece of a token's holder gets its number.
    numbering: Arc<Mutex<()>>,
}

impl Inbox {
    pub(crate) fn open(directory: PathBuf) -> Result<Self, CoordinatorError> {
        durable::private_directory(&directory)?;
        Ok(Self {
            directory,
            numbering: Arc::default(),
        })
    }

    /// Whether nothing more is taken.
    pub(crate) fn is_full(&self) -> bool {
        let files = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        files.filter(|file| is_piece(&file.path())).count() >= MAX_PIECES
    }

    /// Keeps a piece; one of the same author and number is replaced.
    pub(crate) fn keep(&self, piece: &Piece) -> Result<(), CoordinatorError> {
        self.write(&self.path(&piece.id(), "toml"), piece)
    }

    /// Keeps a piece of a token's holder under its next number.
    pub(crate) fn file(&self, piece: Piece) -> Result<Piece, NotFiled> {
        let _numbering = self
            .numbering
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.is_full() {
            return Err(NotFiled::Full);
        }
        let own = self.list(Some(&piece.by))?;
        let today = own
            .iter()
            .filter(|(before, _)| before.at_ms / DAY_MS == piece.at_ms / DAY_MS)
            .count();
        if today >= MAX_PER_DAY {
            return Err(NotFiled::EnoughToday);
        }
        let last = own.iter().map(|(before, _)| before.number).max();
        let number = last.map_or(0, |last| last.saturating_add(1));
        let piece = Piece { number, ..piece };
        self.keep(&piece)?;
        Ok(piece)
    }

    /// The piece of this author with this number.
    pub(crate) fn get(&self, by: &By, number: u64) -> Result<Option<Piece>, CoordinatorError> {
        let path = self.path(&format!("{}-{number}", by.key()), "toml");
        if !path.exists() {
            return Ok(None);
        }
        read(path).map(Some)
    }

    /// Removes a piece that the ledger did not take.
    pub(crate) fn discard(&self, piece: &Piece) {
        if let Err(error) = fs::remove_file(self.path(&piece.id(), "toml")) {
            tracing::warn!(%error, "feedback that was not taken stays in the inbox");
        }
    }

    /// All pieces with their answers, oldest first; of one author, if one is given.
    pub(crate) fn list(
        &self,
        by: Option<&By>,
    ) -> Result<Vec<(Piece, Option<Answer>)>, CoordinatorError> {
        let failed = || CoordinatorError::io("read", &self.directory);
        let prefix = by.map(|by| format!("{}-", by.key()));
        let mut pieces = Vec::new();
        for file in fs::read_dir(&self.directory).map_err(failed())? {
            let path = file.map_err(failed())?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if !is_piece(&path)
                || prefix
                    .as_ref()
                    .is_some_and(|prefix| !name.starts_with(prefix.as_str()))
            {
                continue;
            }
            let piece: Piece = read(path)?;
            let answer = self.path(&piece.id(), "answer");
            let answer = match answer.exists() {
                true => Some(read(answer)?),
                false => None,
            };
            pieces.push((piece, answer));
        }
        pieces.sort_by_key(|(piece, _)| (piece.at_ms, piece.by.key(), piece.number));
        Ok(pieces)
    }

    /// Answers a piece; an earlier answer is replaced.
    pub(crate) fn answer(&self, id: &str, answer: &Answer) -> Result<Piece, CoordinatorError> {
        let parts = id
            .split_once('-')
            .and_then(|(key, number)| Some((By::from_key(key)?, number.parse().ok()?)));
        let found = match parts {
            Some((by, number)) => self.get(&by, number)?,
            None => None,
        };
        let piece = found.ok_or_else(|| {
            CoordinatorError::Directory(format!(
                "there is no feedback {id:?}: `unsilo coordinator feedback list` shows what there is"
            ))
        })?;
        check_text(&answer.text).map_err(CoordinatorError::Directory)?;
        self.write(&self.path(&piece.id(), "answer"), answer)?;
        Ok(piece)
    }

    fn write<T: Serialize>(
        &self,
        path: &std::path::Path,
        value: &T,
    ) -> Result<(), CoordinatorError> {
        let text = toml::to_string(value)
            .map_err(|error| CoordinatorError::config(path, error.to_string()))?;
        durable::write(path, text.as_bytes(), Readers::Owner)
    }

    fn path(&self, id: &str, extension: &str) -> PathBuf {
        self.directory.join(format!("{id}.{extension}"))
    }
}

/// Checks the length of a text and that it says something.
pub(crate) fn check_text(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("there is no text: say something".to_owned());
    }
    if text.len() > MAX_FEEDBACK_BYTES {
        return Err(format!(
            "the text has {} bytes, at most {MAX_FEEDBACK_BYTES} are taken: say it shorter",
            text.len()
        ));
    }
    Ok(())
}

fn is_piece(path: &std::path::Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "toml")
}

fn read<T: for<'a> Deserialize<'a>>(path: PathBuf) -> Result<T, CoordinatorError> {
    let text = fs::read_to_string(&path).map_err(CoordinatorError::io("read", &path))?;
    toml::from_str(&text).map_err(|error| CoordinatorError::config(path, error.to_string()))
}

/// Hexadecimal, as in the files.
pub(crate) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(participant: u32, number: u64) -> Piece {
        Piece {
            by: By::Participant(participant),
            number,
            author: "Aster".into(),
            kind: "idea".into(),
            at_ms: number,
            hash: hex(&[1; 32]),
            salt: hex(&[2; 32]),
            text: "a \"quoted\"\nline".into(),
        }
    }

    #[test]
    fn pieces_are_listed_with_their_answers_each_author_its_own() {
        let directory = tempfile::tempdir().expect("made");
        let inbox = Inbox::open(directory.path().join("feedback")).expect("opened");
        for (participant, number) in [(1, 0), (1, 1), (11, 0)] {
            inbox.keep(&piece(participant, number)).expect("kept");
        }
        let answer = Answer {
            at_ms: 9,
            text: "thanks".into(),
        };
        inbox.answer("1-1", &answer).expect("answered");
        for wrong in ["1-2", "1", "../1-1", "", "1-1-1", "t1-1", "t../x-1"] {
            let error = inbox.answer(wrong, &answer).expect_err("unknown");
            assert!(error.to_string().contains("feedback list"), "{wrong}");
        }
        let own = inbox.list(Some(&By::Participant(1))).expect("listed");
        assert_eq!(own, [(piece(1, 0), None), (piece(1, 1), Some(answer))]);
        assert_eq!(inbox.list(None).expect("listed").len(), 3);
        inbox.discard(&piece(11, 0));
        assert_eq!(inbox.list(None).expect("listed").len(), 2);
        assert!(!inbox.is_full());
    }

    #[test]
    fn a_tokens_holder_files_so_many_a_day_and_gets_numbers_in_order() {
        let directory = tempfile::tempdir().expect("made");
        let inbox = Inbox::open(directory.path().join("feedback")).expect("opened");
        inbox.keep(&piece(1, 0)).expect("kept");
        let by = By::Token("00112233445566aa".into());
        let piece = Piece {
            by: by.clone(),
            ..piece(0, 9)
        };
        for number in 0..20 {
            let filed = inbox.file(piece.clone()).expect("filed");
            assert_eq!(filed.number, number);
        }
        assert!(matches!(
            inbox.file(piece.clone()),
            Err(NotFiled::EnoughToday)
        ));
        let tomorrow = Piece {
            at_ms: piece.at_ms + DAY_MS,
            ..piece.clone()
        };
        assert_eq!(
            inbox.file(tomorrow).expect("filed").id(),
            "t00112233445566aa-20"
        );
        let other = Piece {
            by: By::Token("ff112233445566aa".into()),
            ..piece
        };
        assert_eq!(inbox.file(other).expect("filed").number, 0);
        assert_eq!(inbox.list(Some(&by)).expect("listed").len(), 21);
        let answer = Answer {
            at_ms: 9,
            text: "thanks".into(),
        };
        let answered = inbox.answer("t00112233445566aa-3", &answer).expect("there");
        assert_eq!(answered.number, 3);
    }

    #[test]
    fn texts_say_something_and_not_too_much() {
        assert!(check_text("a").is_ok() && check_text(&"a".repeat(MAX_FEEDBACK_BYTES)).is_ok());
        assert!(
            check_text(" \n").is_err() && check_text(&"a".repeat(MAX_FEEDBACK_BYTES + 1)).is_err()
        );
    }
}

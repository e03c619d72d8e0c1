//! `unsilo feedback URL|DIR "…"`, and `unsilo coordinator feedback list|answer`.

mod holder;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use unsilo_coordinator::{By, answer_feedback, feedback};
use unsilo_ledger::FeedbackKind;
use unsilo_participant::signing::Signing;

use super::Global;
use crate::{exit::CommandError, output};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The participant's directory; or, with a token for the shared model, the coordinator's address (https://host:port).
    #[arg(value_name = "URL|DIR")]
    place: String,
    /// What you have to say, at most 4,096 bytes. Without it, what was said before is listed, with the answers.
    text: Option<String>,
    /// What it is.
    #[arg(long, value_enum, default_value_t = Kind::Problem)]
    kind: Kind,
    /// The federation's authority, for an address: authority.der of the coordinator's directory or authority.pem of a
    /// participant's.
    #[arg(long, value_name = "FILE", env = "UNSILO_AUTHORITY")]
    authority: Option<PathBuf>,
    /// The token that the coordinator's admin gave you, for an address.
    #[arg(long, env = "UNSILO_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// At an address: wait until its hash is on the ledger, and check the proof.
    #[arg(long, requires = "text")]
    verify: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Something does not work, or works against somebody.
    Problem,
    /// Something could be better.
    Idea,
    /// Something is good.
    Praise,
}

/// What participants and users of the model have to say.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// List what participants and users of the model said, and the answers.
    List(List),
    /// Answer a piece; its author sees the answer at once.
    Answer(Answer),
}

#[derive(Args)]
pub(crate) struct List {
    /// The coordinator's directory.
    dir: PathBuf,
    /// Only what has no answer yet.
    #[arg(long)]
    open: bool,
}

#[derive(Args)]
pub(crate) struct Answer {
    /// The coordinator's directory.
    dir: PathBuf,
    /// The piece, as `list` names it.
    id: String,
    /// The answer, at most 4,096 bytes.
    text: String,
}

impl Kind {
    /// As the ledger calls it.
    fn of_ledger(self) -> FeedbackKind {
        match self {
            Self::Problem => FeedbackKind::Problem,
            Self::Idea => FeedbackKind::Idea,
            Self::Praise => FeedbackKind::Praise,
        }
    }
}

/// `unsilo feedback`.
pub(crate) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.place.starts_with("https://") {
        return holder::run(global, arguments).await;
    }
    if arguments.verify {
        return Err(CommandError::Input(
            "--verify is for an address: with a participant's directory, `unsilo feedback DIR` lists what is on the ledger"
                .to_owned(),
        )
        .into());
    }
    let dir = Path::new(&arguments.place);
    let mut signing = Signing::open(dir).await?;
    let Some(text) = &arguments.text else {
        let pieces = signing.feedback().await?;
        let document: Vec<Value> = pieces
            .iter()
            .map(|piece| {
                json!({
                    "number": piece.number,
                    "kind": piece.kind,
                    "hash": HEXLOWER.encode(&piece.hash),
                    "text": piece.text,
                    "at_ms": piece.at_ms,
                    "entered": piece.entered,
                    "intact": piece.intact,
                    "answer": piece.answer.as_ref().map(|(text, _)| text),
                    "answered_ms": piece.answer.as_ref().map(|(_, at_ms)| at_ms),
                })
            })
            .collect();
        return output::print(global.json, &json!({ "feedback": document }), || {
            let each = pieces.iter().map(|piece| {
                let answer = piece.answer.as_ref().map(|(text, _)| text.as_str());
                words(&piece.number.to_string(), &piece.kind, &piece.text, answer)
            });
            let text: String = each.collect();
            if text.is_empty() {
                "Nothing was said yet.\n".to_owned()
            } else {
                text
            }
        });
    };
    let kind = arguments.kind.of_ledger();
    let (number, hash) = signing.file_feedback(kind, text).await?;
    let hash = HEXLOWER.encode(&hash);
    let document = json!({"number": number, "kind": kind.to_string(), "hash": hash});
    output::print(global.json, &document, || {
        format!(
            "Filed as number {number}. Its hash {hash} goes on the ledger, its text to the coordinator's admin; `unsilo \
             feedback {}` shows the answer once there is one.\n",
            dir.display()
        )
    })
}

/// `unsilo coordinator feedback`.
pub(crate) fn admin(global: &Global, command: &Command) -> anyhow::Result<()> {
    match command {
        Command::List(List { dir, open }) => {
            let mut pieces = feedback(dir)?;
            pieces.retain(|(_, answer)| !*open || answer.is_none());
            let document: Vec<Value> = pieces
                .iter()
                .map(|(piece, answer)| {
                    json!({
                        "id": piece.id(),
                        "author": piece.author,
                        "kind": piece.kind,
                        "at_ms": piece.at_ms,
                        "hash": piece.hash,
                        "text": piece.text,
                        "answer": answer.as_ref().map(|answer| &answer.text),
                        "answered_ms": answer.as_ref().map(|answer| answer.at_ms),
                    })
                })
                .collect();
            output::print(global.json, &json!({ "feedback": document }), || {
                let each = pieces.iter().map(|(piece, answer)| {
                    let id = format!("{} from {}", piece.id(), piece.author);
                    words(
                        &id,
                        &piece.kind,
                        &piece.text,
                        answer.as_ref().map(|answer| answer.text.as_str()),
                    )
                });
                let text: String = each.collect();
                if text.is_empty() {
                    "The inbox is empty.\n".to_owned()
                } else {
                    text
                }
            })
        }
        Command::Answer(Answer { dir, id, text }) => {
            let piece = answer_feedback(dir, id, text)?;
            let document = json!({"id": id, "author": piece.author});
            output::print(global.json, &document, || {
                let place = match piece.by {
                    By::Token(_) => "URL",
                    _ => "DIR",
                };
                format!(
                    "{} sees the answer with `unsilo feedback {place}`.\n",
                    piece.author
                )
            })
        }
    }
}

/// A piece for people. What somebody wrote cannot move the cursor of who reads it.
fn words(id: &str, kind: &str, text: &str, answer: Option<&str>) -> String {
    let plain = |text: &str| -> String {
        let shown = text.chars().map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        });
        shown.collect::<String>().replace('\n', "\n    ")
    };
    let mut words = format!("{} ({kind})\n    {}\n", plain(id), plain(text));
    if let Some(answer) = answer {
        words.push_str(&format!("  answer\n    {}\n", plain(answer)));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_wrote_does_not_reach_the_terminal_as_control_codes() {
        let shown = words("1-0", "idea", "a\u{1b}[2Jb\nc", Some("d\r"));
        assert!(!shown.contains('\u{1b}') && !shown.contains('\r'));
        assert!(shown.contains("\n    c\n"));
    }
}

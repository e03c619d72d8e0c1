//! What a person is asked before its company's signature is given.

use std::io::{BufRead, IsTerminal, Write};

use crate::{exit::CommandError, output};

/// Shows what is about to be signed and asks for consent, unless `yes` gave it before.
///
/// # Errors
/// [`CommandError::Input`] if the person says no, or there is nobody to ask.
pub(crate) fn ask(words: &str, yes: bool) -> Result<(), CommandError> {
    output::say(format_args!("{words}"));
    if yes {
        return Ok(());
    }
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(CommandError::Input(
            "there is nobody to ask: add --yes if this is to be signed; nothing was signed"
                .to_owned(),
        ));
    }
    let mut err = std::io::stderr();
    // Who cannot be asked does not answer: that is a no.
    let _ = write!(err, "Sign this for your company? [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    let read = input.lock().read_line(&mut answer);
    if read.is_ok() && is_yes(&answer) {
        Ok(())
    } else {
        Err(CommandError::Input("nothing was signed".to_owned()))
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_consent() {
        for answer in ["y\n", " YES \n", "Y"] {
            assert!(is_yes(answer), "{answer:?}");
        }
        for answer in ["", "\n", "n\n", "yep\n", "yy", "no y"] {
            assert!(!is_yes(answer), "{answer:?}");
        }
    }
}

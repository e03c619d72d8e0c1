//! Names that people will read and compare: what they may contain.

use thiserror::Error;

/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing in it.
    #[error("the {what} is empty: give it a name")]
    Empty {
        /// What the name is of, such as "participant name".
        what: &'static str,
    },
    /// More than [`MAX_NAME_CHARS`] characters.
    #[error("the {what} is longer than {MAX_NAME_CHARS} characters: shorten it")]
    TooLong {
        /// What the name is of.
        what: &'static str,
    },
    /// A control, invisible, direction-changing or space character other than inner single spaces.
    #[error("the {what} contains {character:?}, which cannot be told by eye: remove it")]
    Unprintable {
        /// What the name is of.
        what: &'static str,
        /// The first such character.
        character: char,
    },
    /// The same name (ASCII letters compared without case) twice.
    #[error("the {what} {name:?} is used twice: names must differ by more than capital letters")]
    Duplicate {
        /// What the name is of.
        what: &'static str,
        /// The name.
        name: String,
    },
}

/// Checks one name.
///
/// # Errors
/// See [`NameError`]; never `Duplicate`.
pub fn check_name(what: &'static str, name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty { what });
    }
    if name.chars().count() > MAX_NAME_CHARS {
        return Err(NameError::TooLong { what });
    }
    if let Some(character) = name.chars().find(|&c| is_deceptive(c)) {
        return Err(NameError::Unprintable { what, character });
    }
    if name.starts_with(' ') || name.ends_with(' ') || name.contains("  ") {
        return Err(NameError::Unprintable {
            what,
            character: ' ',
        });
    }
    Ok(())
}

/// Checks a list of names, each by [`check_name`], and that no two are the same.
///
/// # Errors
/// The first [`NameError`] found.
pub fn check_names<'a>(
    what: &'static str,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<(), NameError> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        check_name(what, name)?;
        if !seen.insert(fold(name)) {
            return Err(NameError::Duplicate {
                what,
                name: name.to_owned(),
            });
        }
    }
    Ok(())
}

/// The form in which two names are compared. Only ASCII letters are folded: Unicode's tables change
/// with the compiler, and two replicas must not differ by theirs.
pub(crate) fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Control characters, every space but U+0020, and characters that show nothing or change direction.
/// Written out, not taken from the standard library's tables, for the reason given at [`fold`].
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}'
        | '\u{1680}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{2800}' | '\u{3000}' | '\u{3164}'
        | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
        | '\u{e0000}'..='\u{10ffff}')
}

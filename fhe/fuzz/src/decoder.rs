//! A decoder under test, and what all of them have to keep to.

use std::fmt::Display;

/// What became of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They are a valid value.
    Accepted,
    /// They were refused with a typed error.
    Refused,
}

/// An input to start from.
pub struct Seed {
    /// What it is, as a file name.
    pub name: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What must become of them.
    pub outcome: Outcome,
}

/// One decoder.
pub struct Decoder {
    /// Name of the fuzz target and of its corpus.
    pub name: &'static str,
    /// Decodes, and checks what comes out.
    pub run: fn(&[u8]) -> Outcome,
    /// Valid inputs, and some that only just are not.
    pub seeds: fn() -> Vec<Seed>,
    /// Whether every change to a valid input must be refused, because it is under a tag or a root.
    pub authenticated: bool,
}

pub(crate) const fn decoder(
    name: &'static str,
    run: fn(&[u8]) -> Outcome,
    seeds: fn() -> Vec<Seed>,
) -> Decoder {
    Decoder {
        name,
        run,
        seeds,
        authenticated: false,
    }
}

pub(crate) const fn authenticated(decoder: Decoder) -> Decoder {
    Decoder {
        authenticated: true,
        ..decoder
    }
}

pub(crate) fn valid(name: &'static str, bytes: Vec<u8>) -> Seed {
    Seed {
        name,
        bytes,
        outcome: Outcome::Accepted,
    }
}

pub(crate) fn refused(name: &'static str, bytes: Vec<u8>) -> Seed {
    Seed {
        name,
        bytes,
        outcome: Outcome::Refused,
    }
}

/// A decoded value encodes to the bytes it came from; an error has a text.
pub(crate) fn canonical<T, E: Display>(
    data: &[u8],
    decoded: Result<T, E>,
    encode: impl FnOnce(&T) -> Vec<u8>,
) -> Outcome {
    match decoded {
        Ok(value) => {
            assert!(encode(&value) == data, "another encoding of the same value");
            Outcome::Accepted
        }
        Err(error) => refusal(&error),
    }
}

pub(crate) fn refusal(error: &impl Display) -> Outcome {
    assert!(!error.to_string().is_empty());
    Outcome::Refused
}

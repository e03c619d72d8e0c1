//! The list of founders, as people compare it: one line a company, key then name, like `sha256sum` prints.

use std::fmt::Write as _;

use unsilo_ledger::PublicKey;

/// One founder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Founder {
    /// Legal name.
    pub name: String,
    /// Ledger identity.
    pub key: PublicKey,
}

/// The list as text: each line 64 hexadecimal digits of the key, two spaces, the name; in the order given.
#[must_use]
pub fn founders_text(founders: &[Founder]) -> String {
    let mut text = String::new();
    for founder in founders {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {}", founder.key, founder.name);
    }
    text
}

/// Reads a list that people agreed on (`--founders FILE`): empty lines and lines starting with `#` are skipped.
///
/// # Errors
/// The line number and what is wrong with it.
pub fn parse_founders(text: &str) -> Result<Vec<Founder>, String> {
    let mut founders: Vec<Founder> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |what: &str| {
            format!(
                "line {}: {what}; a line is 64 hexadecimal digits, two spaces and a name",
                at + 1
            )
        };
        let (key, name) = line
            .split_once(char::is_whitespace)
            .ok_or_else(|| wrong("there is no name"))?;
        let key = PublicKey::from_hex(&key.to_ascii_lowercase())
            .ok_or_else(|| wrong("the key is not 64 hexadecimal digits"))?;
        let name = name.trim().to_owned();
        if founders
            .iter()
            .any(|known| known.name == name || known.key == key)
        {
            return Err(wrong("the name or the key is listed twice"));
        }
        founders.push(Founder { name, key });
    }
    if founders.is_empty() {
        return Err("the list of founders is empty".to_owned());
    }
    Ok(founders)
}

/// The first difference between what was agreed and what is to be signed, in words; the order does not matter.
pub(crate) fn difference(agreed: &[Founder], found: &[Founder]) -> Option<String> {
    for founder in agreed {
        match found.iter().find(|other| other.name == founder.name) {
            None => return Some(format!("{:?} is missing", founder.name)),
            Some(other) if other.key != founder.key => {
                return Some(format!(
                    "{:?} has the key {} where {} was agreed",
                    founder.name, other.key, founder.key
                ));
            }
            Some(_) => {}
        }
    }
    found
        .iter()
        .find(|other| !agreed.iter().any(|founder| founder.name == other.name))
        .map(|other| format!("{:?} was not agreed", other.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn founder(name: &str, key: u8) -> Founder {
        Founder {
            name: name.into(),
            key: PublicKey([key; 32]),
        }
    }

    #[test]
    fn the_list_survives_a_text_file_and_differences_are_named() {
        let list = vec![founder("Aster & Sons", 1), founder("Birch", 2)];
        let text = format!("# agreed by phone\n\n{}", founders_text(&list));
        assert_eq!(parse_founders(&text), Ok(list.clone()));
        assert_eq!(difference(&list, &[list[1].clone(), list[0].clone()]), None);
        assert!(difference(&list, &list[..1]).unwrap().contains("missing"));
        assert!(
            difference(&list[..1], &list)
                .unwrap()
                .contains("not agreed")
        );
        let swapped = vec![founder("Aster & Sons", 1), founder("Birch", 3)];
        assert!(difference(&list, &swapped).unwrap().contains("was agreed"));
    }

    #[test]
    fn a_damaged_list_is_refused_with_its_line() {
        assert!(parse_founders("").unwrap_err().contains("empty"));
        assert!(
            parse_founders("\nabc  Aster")
                .unwrap_err()
                .contains("line 2")
        );
        assert!(parse_founders("abc").unwrap_err().contains("no name"));
        let twice = founders_text(&[founder("A", 1), founder("B", 1)]);
        assert!(parse_founders(&twice).unwrap_err().contains("twice"));
    }
}

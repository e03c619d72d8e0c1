//! What must not be found: every form in which rows, updates or trained weights could lie in bytes.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs,
    path::Path,
};

/// Bytes of a window of numbers.
const NUMBERS: usize = 32;
/// Bytes of a window of text.
const TEXT: usize = 16;
/// Steps in a window of a quantised update.
const STEPS: usize = 12;

/// Windows of what one company knows.
#[derive(Default)]
pub(super) struct Traces {
    text: HashSet<[u8; TEXT]>,
    numbers: HashMap<[u8; NUMBERS], &'static str>,
    /// Quantised updates, exact up to the random rounding of a step.
    steps: Vec<Vec<i16>>,
    /// Where in them two neighbours have about these values.
    neighbours: HashMap<(i16, i16), Vec<(usize, usize)>>,
}

/// A window says something only if it is not all but constant.
fn is_telling<T: Ord>(items: impl IntoIterator<Item = T>) -> bool {
    items.into_iter().collect::<BTreeSet<T>>().len() >= 4
}

impl Traces {
    /// Windows of a CSV line from each of its cells on.
    pub(super) fn add_text(&mut self, line: &str) {
        let cells = line.match_indices(',').map(|(comma, _)| comma + 1);
        for start in std::iter::once(0).chain(cells) {
            if let Some(window) = line.as_bytes()[start..].first_chunk::<TEXT>()
                && is_telling(window)
            {
                self.text.insert(*window);
            }
        }
    }

    /// Windows of a vector as `f32` and `f64`, little and big endian, but not where it is what everybody knows.
    pub(super) fn add_numbers(&mut self, what: &'static str, values: &[f32], known: &[f32]) {
        let own = |start: usize, items: usize| {
            let differ = |at: &usize| values.get(*at) != known.get(*at);
            (start..start + items).filter(differ).count() >= 4
        };
        let forms: [Vec<Vec<u8>>; 4] = [
            values.iter().map(|v| v.to_le_bytes().to_vec()).collect(),
            values.iter().map(|v| v.to_be_bytes().to_vec()).collect(),
            values
                .iter()
                .map(|v| f64::from(*v).to_le_bytes().to_vec())
                .collect(),
            values
                .iter()
                .map(|v| f64::from(*v).to_be_bytes().to_vec())
                .collect(),
        ];
        for form in forms {
            let items = NUMBERS / form[0].len();
            for (start, window) in form.windows(items).enumerate() {
                if is_telling(window) && own(start, items) {
                    self.numbers
                        .insert(window.concat().try_into().expect("32 bytes"), what);
                }
            }
        }
    }

    /// A row of small whole numbers as single bytes.
    pub(super) fn add_bytes(&mut self, what: &'static str, row: &[u8]) {
        for window in row.windows(NUMBERS).filter(|window| is_telling(*window)) {
            self.numbers
                .insert(window.try_into().expect("32 bytes"), what);
        }
    }

    /// Bytes in which those of others that do the same may have much alike: only windows of many different ones.
    pub(super) fn add_varied(&mut self, what: &'static str, bytes: &[u8]) {
        let is_varied = |window: &&[u8]| window.iter().collect::<BTreeSet<_>>().len() >= 16;
        for window in bytes.windows(NUMBERS).filter(is_varied) {
            self.numbers
                .insert(window.try_into().expect("32 bytes"), what);
        }
    }

    /// A quantised update, in whatever order its steps are.
    pub(super) fn add_steps(&mut self, steps: &[i16]) {
        let number = self.steps.len();
        for (at, window) in steps.windows(STEPS).enumerate() {
            if !is_telling(window.iter().map(|step| step / 8)) {
                continue;
            }
            for first in -1..=1 {
                for second in -1..=1 {
                    let key = (
                        window[0].saturating_add(first),
                        window[1].saturating_add(second),
                    );
                    self.neighbours.entry(key).or_default().push((number, at));
                }
            }
        }
        self.steps.push(steps.to_vec());
    }

    /// What of it stands in `bytes`, at any offset.
    pub(super) fn found_in(&self, bytes: &[u8]) -> BTreeSet<&'static str> {
        let mut found = BTreeSet::new();
        for at in 0..bytes.len() {
            let rest = &bytes[at..];
            if let Some(window) = rest.first_chunk::<TEXT>()
                && self.text.contains(window)
            {
                found.insert("rows as text");
            }
            if let Some(window) = rest.first_chunk::<NUMBERS>()
                && let Some(what) = self.numbers.get(window)
            {
                found.insert(what);
            }
            if let Some(window) = rest.first_chunk::<{ 2 * STEPS }>()
                && self.is_quantised(window)
            {
                found.insert("a quantised update");
            }
        }
        found
    }

    fn is_quantised(&self, window: &[u8; 2 * STEPS]) -> bool {
        let value = |at: usize| i16::from_le_bytes([window[2 * at], window[2 * at + 1]]);
        let Some(places) = self.neighbours.get(&(value(0), value(1))) else {
            return false;
        };
        places.iter().any(|&(number, start)| {
            (0..STEPS).all(|at| self.steps[number][start + at].abs_diff(value(at)) <= 1)
        })
    }
}

/// Every file under `directory`.
pub(super) fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).expect("a file")));
        }
    }
    found
}

/// Whether `part` stands in `whole`.
pub(super) fn contains(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

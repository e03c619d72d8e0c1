//! Who has which rows.

use std::str::FromStr;

use rand::{RngExt, rngs::Xoshiro256PlusPlus, seq::SliceRandom};
use rand_distr::StandardNormal;
use unsilo_participant::data::{THIN10_COMPANIES, stratified_holdout, thin10};
use unsilo_train::Dataset;

use super::source::HOSPITALS;
use crate::exit::CommandError;

/// The share of every class that nobody has: the test rows.
const TEST: f64 = 0.2;
/// Rows that a participant has at least; a Dirichlet split is drawn again until all do.
const LEAST_ROWS: usize = 20;
/// Draws of a Dirichlet split before it is given up.
const DRAWS: usize = 1_000;
/// What the first participant of a niche split has of the last class.
const NICHE: f64 = 0.95;

/// How rows are shared out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Split {
    /// At random.
    Iid,
    /// Of each class, shares from a Dirichlet distribution with this concentration (Hsu et al. 2019).
    Dirichlet(f64),
    /// At random, but 95 % of the last class are the first participant's.
    Niche,
    /// The demo's: five participants that each lack classes.
    Thin10,
    /// Of the heart patients: each hospital's among as many participants.
    Hospitals,
}

impl FromStr for Split {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "iid" => Ok(Self::Iid),
            "niche" => Ok(Self::Niche),
            "thin10" => Ok(Self::Thin10),
            _ => text
                .strip_prefix("dirichlet:")
                .and_then(|alpha| alpha.parse().ok())
                .filter(|alpha| (0.01..=1000.0).contains(alpha))
                .map(Self::Dirichlet)
                .ok_or_else(|| {
                    "give iid, dirichlet:A with A from 0.01 to 1000, niche or thin10".to_owned()
                }),
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Iid => f.write_str("iid"),
            Self::Dirichlet(alpha) => write!(f, "dirichlet:{alpha}"),
            Self::Niche => f.write_str("niche"),
            Self::Thin10 => f.write_str("thin10"),
            Self::Hospitals => f.write_str("hospitals"),
        }
    }
}

/// Rows of each participant, and the test rows.
pub(super) struct Shared {
    pub(super) of: Vec<Vec<usize>>,
    pub(super) test: Vec<usize>,
}

impl Split {
    pub(super) fn share(
        self,
        rows: &Dataset,
        participants: usize,
        random: &mut Xoshiro256PlusPlus,
    ) -> Result<Shared, CommandError> {
        let input = |reason: String| CommandError::Input(reason);
        let seed = random.random();
        if self == Self::Thin10 {
            if participants != THIN10_COMPANIES {
                return Err(input(format!(
                    "the split thin10 is of {THIN10_COMPANIES} participants"
                )));
            }
            let split = thin10(rows.labels(), seed).map_err(|error| input(error.to_string()))?;
            return Ok(Shared {
                of: split.companies.to_vec(),
                test: split.test,
            });
        }
        let split = stratified_holdout(rows.labels(), TEST, seed)
            .map_err(|error| input(error.to_string()))?;
        if self == Self::Hospitals {
            let of = by_hospital(split.train, rows.rows(), participants, random).map_err(input)?;
            return Ok(Shared {
                of,
                test: split.held_out,
            });
        }
        let mut classes = vec![Vec::new(); rows.classes()];
        for row in split.train {
            classes[rows.labels()[row] as usize].push(row);
        }
        classes.iter_mut().for_each(|rows| rows.shuffle(random));
        for _ in 0..DRAWS {
            let of = self.draw(&classes, participants, random);
            if of.iter().all(|rows| rows.len() >= LEAST_ROWS) {
                return Ok(Shared {
                    of,
                    test: split.held_out,
                });
            }
        }
        Err(input(format!(
            "{} rows cannot be shared out so that each of {participants} participants has {LEAST_ROWS}: ask for fewer",
            rows.rows()
        )))
    }

    fn draw(
        self,
        classes: &[Vec<usize>],
        participants: usize,
        random: &mut Xoshiro256PlusPlus,
    ) -> Vec<Vec<usize>> {
        let mut of = vec![Vec::new(); participants];
        let niche = classes.len().saturating_sub(1);
        let start = random.random_range(0..participants);
        let mut dealt = start;
        for (class, rows) in classes.iter().enumerate() {
            match self {
                Self::Dirichlet(alpha) => {
                    let parts: Vec<f64> = (0..participants).map(|_| gamma(alpha, random)).collect();
                    let total: f64 = parts.iter().sum::<f64>().max(f64::MIN_POSITIVE);
                    let (mut from, mut sum) = (0, 0.0);
                    for (rows_of, part) in of.iter_mut().zip(&parts) {
                        sum += part / total;
                        let to =
                            ((sum * rows.len() as f64).round() as usize).clamp(from, rows.len());
                        rows_of.extend_from_slice(&rows[from..to]);
                        from = to;
                    }
                }
                _ => {
                    let own = if self == Self::Niche && class == niche {
                        (NICHE * rows.len() as f64).round() as usize
                    } else {
                        0
                    };
                    of[0].extend_from_slice(&rows[..own]);
                    for row in &rows[own..] {
                        of[dealt % participants].push(*row);
                        dealt += 1;
                    }
                }
            }
        }
        of
    }
}

/// Each hospital's rows of `train`, dealt among an equal number of participants.
fn by_hospital(
    train: Vec<usize>,
    rows: usize,
    participants: usize,
    random: &mut Xoshiro256PlusPlus,
) -> Result<Vec<Vec<usize>>, String> {
    let patients: usize = HOSPITALS.iter().map(|(_, patients)| patients).sum();
    let each = participants / HOSPITALS.len();
    if rows != patients || each * HOSPITALS.len() != participants || each == 0 {
        return Err(format!(
            "the split hospitals is of {patients} patients among a multiple of {} participants",
            HOSPITALS.len()
        ));
    }
    let mut of = vec![Vec::new(); participants];
    let mut first = 0;
    for (hospital, (_, patients)) in HOSPITALS.iter().enumerate() {
        let theirs = first..first + patients;
        let mut own: Vec<usize> = train
            .iter()
            .copied()
            .filter(|row| theirs.contains(row))
            .collect();
        own.shuffle(random);
        for (at, row) in own.into_iter().enumerate() {
            of[hospital * each + at % each].push(row);
        }
        first += patients;
    }
    Ok(of)
}

/// A gamma variate (Marsaglia and Tsang 2000), with their boost for shapes below 1.
fn gamma(shape: f64, random: &mut Xoshiro256PlusPlus) -> f64 {
    if shape < 1.0 {
        let boost: f64 = random.random::<f64>().powf(1.0 / shape);
        return gamma(shape + 1.0, random) * boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x: f64 = random.sample(StandardNormal);
        let v = (1.0 + c * x).powi(3);
        let u: f64 = random.random();
        if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::scores::digits;
    use rand::SeedableRng;

    #[test]
    fn every_row_is_somebodys_or_a_test_row_and_nobodys_twice() {
        let rows = digits().expect("digits");
        for (split, participants) in [
            (Split::Iid, 10),
            (Split::Dirichlet(0.3), 10),
            (Split::Niche, 7),
            (Split::Thin10, 5),
        ] {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
            let shared = split
                .share(&rows, participants, &mut random)
                .expect("shared");
            let mut all = shared.of.concat();
            all.extend(&shared.test);
            all.sort_unstable();
            assert_eq!(all, (0..rows.rows()).collect::<Vec<_>>(), "{split}");
            assert_eq!(shared.of.len(), participants);
        }
    }

    #[test]
    fn the_first_participant_of_a_niche_split_has_most_of_the_last_class() {
        let rows = digits().expect("digits");
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let shared = Split::Niche.share(&rows, 10, &mut random).expect("shared");
        let nines = |of: &[usize]| of.iter().filter(|row| rows.labels()[**row] == 9).count();
        let all: usize = shared.of.iter().map(|of| nines(of)).sum();
        assert!(nines(&shared.of[0]) as f64 > 0.94 * all as f64);
    }

    #[test]
    fn no_participant_has_patients_of_two_hospitals() {
        let labels = (0..920).map(|row| row % 2).collect();
        let rows = Dataset::new(vec![0.5; 920], labels, 1, 2).expect("rows");
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let shared = Split::Hospitals
            .share(&rows, 12, &mut random)
            .expect("shared");
        let mut all = shared.of.concat();
        all.extend(&shared.test);
        all.sort_unstable();
        assert_eq!(all, (0..920).collect::<Vec<_>>());
        for (at, own) in shared.of.iter().enumerate() {
            let from = [0, 303, 597, 720, 920];
            let theirs = from[at / 3]..from[at / 3 + 1];
            assert!(
                own.len() > 30 && own.iter().all(|row| theirs.contains(row)),
                "{at}"
            );
        }
        assert!(Split::Hospitals.share(&rows, 10, &mut random).is_err());
        let digits = digits().expect("digits");
        assert!(Split::Hospitals.share(&digits, 12, &mut random).is_err());
    }

    #[test]
    fn gamma_variates_have_their_mean() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        for shape in [0.3, 2.5] {
            let mean = (0..20_000).map(|_| gamma(shape, &mut random)).sum::<f64>() / 20_000.0;
            assert!((mean / shape - 1.0).abs() < 0.05, "{mean}");
        }
    }
}

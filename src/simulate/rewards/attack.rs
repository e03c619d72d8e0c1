//! What colluders say instead of the truth.

use std::fmt;

use super::{federation::Federation, noise::Noise};

/// A plan of the last participants of a federation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Attack {
    /// How many they are.
    pub(crate) colluders: usize,
    /// When they lie.
    pub(crate) timing: Timing,
    /// How.
    pub(crate) lie: Lie,
}

/// When colluders lie; otherwise they rate honestly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Timing {
    Always,
    /// From this epoch on, after having earned reputation.
    From(usize),
    /// In the last `lying` epochs of every `period`.
    Periodic {
        period: usize,
        lying: usize,
    },
}

/// What a lie looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lie {
    /// None.
    Honest,
    /// A row of which the part `honest` is as an honest rater's, with some of the others talked down, and the rest is
    /// given to colluders.
    Row {
        honest: f64,
        /// The part of their honest rating that talked-down participants keep.
        keep: f64,
        /// How many honest participants are talked down, the first ones.
        victims: usize,
        beneficiaries: Beneficiaries,
    },
    /// The last consensus, instead of looking.
    Copy,
}

/// Whom colluders give what they do not rate honestly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Beneficiaries {
    /// Each other in equal parts.
    All,
    /// One of them; it gives to the others.
    One,
}

impl Attack {
    /// Everybody is honest; `colluders` is only who is looked at.
    pub(crate) fn none(colluders: usize) -> Self {
        Self {
            colluders,
            timing: Timing::Always,
            lie: Lie::Honest,
        }
    }

    /// A row that is honest in the part `honest`, and for the group in the rest.
    pub(crate) fn mix(colluders: usize, honest: f64) -> Self {
        Self {
            colluders,
            timing: Timing::Always,
            lie: Lie::Row {
                honest,
                keep: 1.0,
                victims: 0,
                beneficiaries: Beneficiaries::All,
            },
        }
    }

    /// How a participant rates the others in an epoch, when the last epoch came to `consensus`.
    pub(crate) fn row(
        &self,
        federation: &Federation,
        noise: &Noise,
        epoch: usize,
        rater: usize,
        consensus: &[f64],
    ) -> Vec<f64> {
        let truth = federation.honest_row(noise, epoch, rater);
        let first = federation.participants() - self.colluders;
        if rater < first || !self.timing.lies_in(epoch) {
            return truth;
        }
        match self.lie {
            Lie::Honest => truth,
            Lie::Copy if consensus.iter().any(|value| *value > 0.0) => consensus.to_vec(),
            Lie::Copy => truth,
            Lie::Row {
                honest,
                keep,
                victims,
                beneficiaries,
            } => {
                let mut row = truth;
                for rating in row.iter_mut().take(victims.min(first)) {
                    *rating *= keep;
                }
                let sum: f64 = row.iter().sum();
                if sum > 0.0 {
                    row.iter_mut().for_each(|rating| *rating *= honest / sum);
                }
                let given: Vec<usize> = match beneficiaries {
                    Beneficiaries::One if rater != first => vec![first],
                    _ => (first..federation.participants())
                        .filter(|other| *other != rater)
                        .collect(),
                };
                for other in &given {
                    row[*other] += (1.0 - honest) / given.len() as f64;
                }
                row
            }
        }
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lie {
            Lie::Honest => f.write_str("none")?,
            Lie::Copy => f.write_str("the last consensus")?,
            Lie::Row {
                honest,
                keep,
                victims,
                beneficiaries,
            } => {
                write!(f, "rows {honest:.2} honest")?;
                if victims > 0 && keep < 1.0 {
                    write!(f, ", {victims} others talked down to {keep:.2}")?;
                }
                if honest < 1.0 && beneficiaries == Beneficiaries::One {
                    f.write_str(", the rest for one")?;
                }
            }
        }
        match self.timing {
            Timing::Always => Ok(()),
            Timing::From(epoch) => write!(f, ", from epoch {epoch}"),
            Timing::Periodic { period, lying } => {
                write!(f, ", in {lying} of every {period} epochs")
            }
        }
    }
}

impl Timing {
    fn lies_in(self, epoch: usize) -> bool {
        match self {
            Self::Always => true,
            Self::From(start) => epoch >= start,
            Self::Periodic { period, lying } => epoch % period >= period - lying.min(period),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(attack: &Attack, rater: usize, epoch: usize) -> Vec<f64> {
        let federation = Federation::equal(6, attack.colluders, 1.0);
        let noise = Noise::new(0, 20, 6);
        attack.row(
            &federation,
            &noise,
            epoch,
            rater,
            &[6.0, 5.0, 4.0, 3.0, 2.0, 1.0],
        )
    }

    #[test]
    fn honest_participants_do_not_lie() {
        let attack = Attack::mix(2, 0.0);
        let truth = row(&Attack::none(2), 3, 0);
        assert_eq!(row(&attack, 3, 0), truth);
        assert_eq!(row(&attack, 4, 0), [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_mixed_row_is_honest_in_its_part() {
        let mixed = row(&Attack::mix(3, 0.25), 5, 0);
        let honest: f64 = mixed[..3].iter().sum();
        assert!((mixed.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(
            honest < 0.25 && mixed[3] > 0.375 && mixed[5] == 0.0,
            "{mixed:?}"
        );
    }

    #[test]
    fn others_are_talked_down_and_one_is_favoured() {
        let attack = Attack {
            colluders: 3,
            timing: Timing::Always,
            lie: Lie::Row {
                honest: 0.5,
                keep: 0.0,
                victims: 2,
                beneficiaries: Beneficiaries::One,
            },
        };
        let row = row(&attack, 5, 0);
        assert_eq!(row[..2], [0.0, 0.0]);
        assert!(row[3] > 0.5 && row[4] < 0.3, "{row:?}");
        assert_eq!(
            attack.to_string(),
            "rows 0.50 honest, 2 others talked down to 0.00, the rest for one"
        );
    }

    #[test]
    fn sleepers_and_oscillators_lie_in_their_time() {
        let lies = |timing: Timing| -> Vec<usize> {
            (0..8).filter(|epoch| timing.lies_in(*epoch)).collect()
        };
        assert_eq!(lies(Timing::Always).len(), 8);
        assert_eq!(lies(Timing::From(6)), [6, 7]);
        assert_eq!(
            lies(Timing::Periodic {
                period: 4,
                lying: 1
            }),
            [3, 7]
        );
    }

    #[test]
    fn copiers_copy() {
        let attack = Attack {
            colluders: 1,
            timing: Timing::Always,
            lie: Lie::Copy,
        };
        assert_eq!(row(&attack, 5, 1), [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
    }
}

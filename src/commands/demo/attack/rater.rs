//! An attacker's ratings, where it lies as a rater too.

use unsilo_ledger::ParticipantId;
use unsilo_participant::{Answered, Opinion, Rater, RoundStart};
use unsilo_train::StepReport;

use crate::attack::lie;

/// Rates as the attackers want: [`lie`]. It asks about something, since who asks nothing may not rate, and heeds no answer.
#[derive(Clone, Debug)]
pub(super) struct Liar {
    /// The attackers, itself among them.
    pub(super) fellows: Vec<ParticipantId>,
}

impl Rater for Liar {
    fn directions(
        &self,
        start: &RoundStart<'_>,
        _: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<Vec<i8>>, String> {
        Ok(vec![vec![1; start.weights.len()]])
    }

    fn row(&self, answered: &Answered<'_>) -> Result<Vec<Opinion>, String> {
        let contributors: Vec<ParticipantId> = answered
            .contributors
            .iter()
            .map(|one| one.participant)
            .collect();
        Ok(lie(&contributors, true, |id| self.fellows.contains(&id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unsilo_participant::Contributor;

    #[test]
    fn a_liar_praises_its_fellows_and_asks_about_something_that_can_be_asked() {
        let contributors = [0, 1, 3].map(|id| Contributor {
            participant: ParticipantId(id),
            norm_exponent: 80,
        });
        let said = |fellows: &[u32]| -> Vec<i16> {
            let liar = Liar {
                fellows: fellows.iter().map(|id| ParticipantId(*id)).collect(),
            };
            let answered = Answered {
                round: 1,
                contributors: &contributors,
                directions: &[],
                scores: &[],
            };
            let row = liar.row(&answered).expect("a row");
            row.iter().map(|one| one.score).collect()
        };
        assert_eq!(said(&[3, 4]), [-i16::MAX, -i16::MAX, i16::MAX]);
        assert_eq!(said(&[4]), [i16::MAX, -i16::MAX, -i16::MAX]);
        let weights = [0.5; 4_810];
        let start = RoundStart {
            round: 1,
            model: [1; 32],
            weights: &weights,
            differences: &[],
        };
        let liar = Liar {
            fellows: Vec::new(),
        };
        let asked = liar.directions(&start, &mut |_| {}).expect("directions");
        assert_eq!((asked.len(), asked[0].len()), (1, 4_810));
    }
}

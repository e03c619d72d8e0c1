//! Companies of the demo that do not train as agreed. What they send is encrypted, checked, rated and weighed by the same
//! code as everybody's: only their training is replaced, behind the seam that every company may use.

use clap::{
    ValueEnum,
    builder::{PossibleValue, TypedValueParser},
};
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use unsilo_ledger::ParticipantId;
use unsilo_participant::{
    Answered, BuiltIn, LocalTraining, Opinion, Rater, RoundStart, TrainingRound,
};
use unsilo_train::StepReport;

use crate::attack::{Attack, Scene, lie};

/// Those that a company can do by itself, with its own rows and its own update, and whose success shows in weights and
/// accuracy. `unsilo simulate` has the others.
const ALONE: [Attack; 7] = [
    Attack::LabelFlip,
    Attack::SignFlip,
    Attack::Boost,
    Attack::Inflate,
    Attack::Noise,
    Attack::Zero,
    Attack::ColludingRaters,
];

/// Takes the names of [`ALONE`].
#[derive(Clone)]
pub(super) struct AloneParser;

impl TypedValueParser for AloneParser {
    type Value = Attack;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Attack, clap::Error> {
        let names = ALONE.iter().filter_map(ValueEnum::to_possible_value);
        let parser = clap::builder::PossibleValuesParser::new(names);
        let name = parser.parse_ref(command, argument, value)?;
        Attack::from_str(&name, false)
            .map_err(|_| clap::Error::new(clap::error::ErrorKind::InvalidValue).with_cmd(command))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(
            ALONE.iter().filter_map(ValueEnum::to_possible_value),
        ))
    }
}

/// What is sent, for people.
pub(super) fn in_words(attack: Attack) -> &'static str {
    match attack {
        Attack::LabelFlip => "what wrong labels teach",
        Attack::SignFlip => "the opposite of what was learnt",
        Attack::Boost => "ten times the opposite of what was learnt",
        Attack::Inflate => "ten times what was learnt",
        Attack::Noise => "noise",
        Attack::Zero => "zeros",
        Attack::ColludingRaters => "what was learnt",
        _ => "something else than agreed",
    }
}

/// Trains as the attack wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Malicious(pub(super) Attack);

impl LocalTraining for Malicious {
    fn train(
        &self,
        round: &TrainingRound<'_>,
        progress: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<f32>, String> {
        let Self(attack) = self;
        let rows = attack.rows(round.rows).map_err(|error| error.to_string())?;
        let dishonest = TrainingRound {
            rows: &rows,
            ..*round
        };
        let trained = BuiltIn.train(&dishonest, progress)?;
        let pairs = trained.iter().zip(round.weights);
        let own: Vec<f32> = pairs.map(|(after, before)| after - before).collect();
        let scene = Scene {
            own: &own,
            honest: &[],
            count: (1, 1),
            history: &[],
        };
        let mut random = Xoshiro256PlusPlus::seed_from_u64(round.settings.seed);
        let sent = attack.update(&scene, &mut random);
        let pairs = sent.iter().zip(round.weights);
        Ok(pairs.map(|(update, before)| update + before).collect())
    }
}

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
            weights: &weights,
            differences: &[],
        };
        let liar = Liar {
            fellows: Vec::new(),
        };
        let asked = liar.directions(&start, &mut |_| {}).expect("directions");
        assert_eq!((asked.len(), asked[0].len()), (1, 4_810));
    }

    #[test]
    fn each_attack_of_the_demo_has_its_words_and_needs_nothing_of_the_others() {
        let own: Vec<f32> = (0..64).map(|i| (i % 7) as f32 - 3.0).collect();
        let scene = Scene {
            own: &own,
            honest: &[],
            count: (1, 1),
            history: &[],
        };
        for attack in ALONE {
            assert_ne!(in_words(attack), in_words(Attack::None), "{attack:?}");
            let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
            let sent = attack.update(&scene, &mut random);
            assert_eq!(sent.len(), own.len());
            // Label flippers send what their rows teach, and who only lies as a rater is honest here; whoever else sends its
            // honest update does not attack.
            let as_learnt = matches!(attack, Attack::LabelFlip | Attack::ColludingRaters);
            assert_eq!(sent == own, as_learnt, "{attack:?}");
        }
    }
}

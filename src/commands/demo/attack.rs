//! Companies of the demo that do not do as agreed. What they send passes the same checks and is rated and weighed by the same
//! code as everybody's: what is replaced is their data, their training, their encryption or their rater, behind the seams that
//! every company's program has.

mod cabal;
mod dealing;
mod one_owner;
mod rater;
mod success;
mod training;

pub(super) use one_owner::state_one_owner;
pub(super) use success::success;

use std::{
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use unsilo_ledger::{ParticipantId, committee::FEWEST_OWNERS};
use unsilo_participant::{Dealer, LocalTraining, Rater};

use self::{cabal::Cabal, dealing::Malformed, rater::Liar, training::Malicious};
use super::data::COMPANIES;
use crate::{attack::Attack, exit::CommandError};

/// How long an attacker waits for a fellow's update: training takes well below a second here, a round may take ten minutes.
const PATIENCE: Duration = Duration::from_secs(5);
/// The honest company whose rows copycats have.
const COPIED: usize = 0;

/// The last companies of the demo: who attacks, and how.
#[derive(Debug)]
pub(super) struct Attackers {
    attack: Attack,
    first: usize,
    colluding: bool,
    cabal: Arc<Cabal>,
}

impl Attackers {
    /// The last `count` companies do this; `None` if it is nothing. By default as few as it takes.
    pub(super) fn new(
        attack: Attack,
        count: Option<usize>,
        colluding: bool,
    ) -> Result<Option<Self>, CommandError> {
        let refuse = |message| Err(CommandError::Input(message));
        if attack == Attack::None {
            return match count.is_some() || colluding {
                true => refuse(
                    "--attackers and --colluding say how an attack is made: give one with --attack"
                        .to_owned(),
                ),
                false => Ok(None),
            };
        }
        let (fewest, why) = fewest(attack);
        let count = count.unwrap_or(fewest);
        if count < fewest {
            return refuse(format!(
                "this attack takes {fewest} attackers: {why}; give --attackers {fewest}, or more"
            ));
        }
        let owners = COMPANIES.len() - count + 1;
        if attack == Attack::Sybils && owners < FEWEST_OWNERS {
            return refuse(format!(
                "--attackers {count} of one owner leave {owners} owners, and no round is of fewer than {FEWEST_OWNERS}: give fewer"
            ));
        }
        Ok(Some(Self {
            attack,
            first: COMPANIES.len() - count,
            colluding: colluding || attack == Attack::ColludingRaters,
            cabal: Arc::new(Cabal::new(count, PATIENCE)),
        }))
    }

    /// Whether they lie as raters.
    pub(super) fn lie(&self) -> bool {
        self.colluding
    }

    /// What the company with this number, from 0, does, if it attacks.
    pub(super) fn of(&self, number: usize) -> Option<Attack> {
        (number >= self.first).then_some(self.attack)
    }

    /// Whose rows they have instead of their own: company and whose, by numbers.
    pub(super) fn copies(&self) -> Vec<(usize, usize)> {
        let (copies, of) = match self.attack {
            Attack::Copycat => (self.first..COMPANIES.len(), COPIED),
            Attack::Sybils => (self.first + 1..COMPANIES.len(), self.first),
            _ => return Vec::new(),
        };
        copies.map(|number| (number, of)).collect()
    }

    /// The companies that are one owner's, of which the first is the company that it is named by.
    pub(super) fn one_owner(&self) -> Option<Range<usize>> {
        (self.attack == Attack::Sybils).then_some(self.first..COMPANIES.len())
    }

    /// How this company trains, if not as agreed.
    pub(super) fn training(&self, number: usize) -> Option<Arc<dyn LocalTraining>> {
        let attack = self.of(number)?;
        Some(Arc::new(Malicious {
            attack,
            member: number - self.first,
            count: (COMPANIES.len(), COMPANIES.len() - self.first),
            cabal: self.cabal.clone(),
            seen: Mutex::default(),
        }))
    }

    /// How this company encrypts, if not as agreed.
    pub(super) fn dealer(&self, number: usize) -> Option<Arc<dyn Dealer>> {
        let malformed = match self.of(number)? {
            Attack::Garbage => Malformed::Ciphertext,
            Attack::BadShares => Malformed::Shares,
            _ => return None,
        };
        Some(Arc::new(malformed))
    }

    /// How this company rates, if not by its held-out rows. Participants have the founders' numbers.
    pub(super) fn rater(&self, number: usize) -> Option<Arc<dyn Rater>> {
        self.of(number).filter(|_| self.colluding)?;
        let fellows = (self.first..COMPANIES.len())
            .filter_map(|number| u32::try_from(number).ok())
            .map(ParticipantId);
        Some(Arc::new(Liar {
            fellows: fellows.collect(),
        }))
    }
}

/// How few attackers can do this, and why not fewer.
fn fewest(attack: Attack) -> (usize, &'static str) {
    match attack {
        Attack::Alie => (
            2,
            "by its rule one of five may not deviate from the mean of the honest at all",
        ),
        Attack::Sybils => (2, "they are participants of one owner"),
        _ => (1, "somebody attacks"),
    }
}

/// What is sent, for people.
pub(super) fn in_words(attack: Attack) -> &'static str {
    match attack {
        Attack::None | Attack::ColludingRaters => "honest updates",
        Attack::LabelFlip => "what wrong labels teach",
        Attack::SignFlip => "the opposite of what it learnt",
        Attack::Boost => "ten times the opposite of what it learnt",
        Attack::Inflate => "ten times what it learnt",
        Attack::Noise => "noise",
        Attack::Zero => "zeros",
        Attack::Replay => "what the model learnt in the round before",
        Attack::ReplayMix => "a mixture of what the model learnt in the last rounds",
        Attack::ReplaySign => "the opposite of what the model learnt in the round before",
        Attack::ReplayAlternate => {
            "what the model learnt in the round before, and its opposite in the next"
        }
        Attack::Oscillate => {
            "what the model learnt in the round before, and beside it a part that swings forth and back"
        }
        Attack::Alie => {
            "the mean of the attackers' honest updates, off by a part of their deviation"
        }
        Attack::MinMax | Attack::MinSum => {
            "what is as far from honest updates as they are from each other, against what they say"
        }
        Attack::Backdoor => {
            "what rows teach of which half are marked and labelled as the first class"
        }
        Attack::Copycat => "what a copy of another company's rows teaches",
        Attack::Sybils => "what the rows teach that all participants of its owner have",
        Attack::Stealth => "noise with a little of what it learnt",
        Attack::Garbage => "random bytes as a ciphertext",
        Attack::BadShares => "key shares that contradict each other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    fn attackers(attack: Attack, count: usize) -> Attackers {
        let attackers = Attackers::new(attack, Some(count), false);
        attackers.expect("possible").expect("an attack")
    }

    #[test]
    fn every_attack_of_the_simulator_can_be_made_by_companies_of_the_demo() {
        for attack in Attack::value_variants() {
            let made = Attackers::new(*attack, None, false).expect("by the fewest that it takes");
            assert_eq!(made.is_none(), *attack == Attack::None);
            let Some(made) = made else { continue };
            assert!(made.training(4).is_some() && made.training(0).is_none());
            assert_eq!(made.dealer(4).is_some(), attack.is_rejected(), "{attack:?}");
            assert_eq!(made.rater(4).is_some(), *attack == Attack::ColludingRaters);
        }
    }

    #[test]
    fn as_many_as_are_asked_for_attack_and_too_few_or_too_many_for_it_are_refused() {
        let noise = attackers(Attack::Noise, 3);
        let of: Vec<bool> = (0..5).map(|number| noise.of(number).is_some()).collect();
        assert_eq!(of, [false, false, true, true, true]);
        for (attack, count, words) in [
            (Attack::Alie, 1, "--attackers 2"),
            (Attack::Sybils, 1, "--attackers 2"),
            (Attack::Sybils, 4, "2 owners"),
        ] {
            let refused = Attackers::new(attack, Some(count), false);
            let message = refused.expect_err("refused").to_string();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn copycats_have_an_honest_companys_rows_and_sybils_those_of_their_first() {
        assert_eq!(attackers(Attack::Copycat, 2).copies(), [(3, 0), (4, 0)]);
        assert_eq!(attackers(Attack::Sybils, 3).copies(), [(3, 2), (4, 2)]);
        assert_eq!(attackers(Attack::Sybils, 3).one_owner(), Some(2..5));
        assert!(attackers(Attack::Noise, 2).copies().is_empty());
        assert_eq!(attackers(Attack::Noise, 2).one_owner(), None);
    }
}

//! What an attack on the demo came to: what the attackers got, beside the honest companies, and whether that is little.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{attack::in_words, report::Company, weights::Standing};
use crate::attack::Attack;

/// A part of the models, and of the pay for contributing, up to which an attack is held off: a tenth of one company's equal part.
const LITTLE: f64 = 0.02;
/// How often the model may do what the attackers want where they are held off: twice as often as one of ten answers by chance.
/// Models that nobody attacked do it in .003 of the cases (docs/benchmarks.md).
const SELDOM: f64 = 0.2;
/// How often it does where they succeed.
const MOSTLY: f64 = 0.5;
/// Part of the honest contributions that may weigh nothing where an attack is held off: one of a hundred.
const HONEST_LEFT_OUT: f64 = 0.01;

/// What malicious companies came to.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    kind: Attack,
    /// Whether they also lie as raters.
    colluding: bool,
    attackers: Vec<String>,
    /// Whether it got through.
    outcome: Outcome,
    /// Their part of the models, mean over the rounds, 0 to 1.
    weight_share: f64,
    /// What their part would be if all weighed alike, 0 to 1.
    equal_share: f64,
    /// What is due to them, 0 to 1: an equal part to each whose updates are honest, one to participants of one owner that all have
    /// the same rows, nothing to others.
    due_share: f64,
    /// Contributions of theirs.
    contributions: u64,
    /// Of these, what the committee rejected, by its reasons.
    rejected: BTreeMap<&'static str, u64>,
    /// How often the last model does on test rows what they want, 0 to 1: marked rows of other classes answered with the first
    /// (`backdoor`), labels mirrored (`label-flip`); null where they want nothing in particular, or there is no model.
    attack_success: Option<f64>,
    /// Their part of all that was paid for contributing, 0 to 1; null if nothing was.
    contributing_pay_share: Option<f64>,
    /// Their part of all that was paid for rating, 0 to 1: they rate by rows held out, as agreed, unless they collude.
    rating_pay_share: Option<f64>,
    /// Their part of all that was paid, 0 to 1.
    reward_share: Option<f64>,
    /// Honest contributions that weighed nothing, of all honest ones, 0 to 1.
    honest_excluded: f64,
    /// Rounds that ended without a model.
    rounds_in_vain: u64,
}

/// Whether an attack got through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    /// It has next to nothing beyond what is due, of the models and, where nothing is due, of the pay for contributing; the honest
    /// companies weigh; and the model seldom does what it wants.
    HeldOff,
    /// It has more than that, or honest companies are left out with it.
    Partly,
    /// It has half of an equal part more than is due, or a round had no model, or the shared model is worse than the best that a
    /// company has alone, or mostly does what the attackers want.
    Succeeds,
}

impl Verdict {
    /// `None` if everybody is honest. `in_vain` rounds ended without a model; the best accuracy that a company has alone, and the
    /// shared model's, if any was published; how often that does what attackers want.
    pub(super) fn of(
        (companies, colluding): (&[Company], bool),
        in_vain: u64,
        accuracies: Option<(f64, f64)>,
        attack_success: Option<f64>,
    ) -> Option<Self> {
        let kind = companies.iter().find_map(|company| company.attack)?;
        let (attackers, honest): (Vec<_>, Vec<_>) = companies
            .iter()
            .partition(|company| company.attack.is_some());
        let pay = |of: fn(&Standing) -> u64| {
            let sum = |companies: &[&Company]| -> f64 {
                companies.iter().map(|one| of(&one.standing) as f64).sum()
            };
            let (theirs, all) = (sum(&attackers), sum(&attackers) + sum(&honest));
            (all > 0.0).then(|| theirs / all)
        };
        let weight_share: f64 = attackers.iter().map(|one| one.standing.weight_share).sum();
        let equal_share = attackers.len() as f64 / companies.len() as f64;
        let rounds = |of: fn(&Company) -> u64| -> f64 {
            honest.iter().map(|company| of(company) as f64).sum()
        };
        let honest_excluded =
            rounds(|one| one.standing.left_out) / rounds(|one| one.contributions).max(1.0);
        let is_worse = accuracies.is_none_or(|(alone, shared)| shared < alone);
        let due_share = match kind {
            Attack::ColludingRaters => equal_share,
            Attack::Sybils => 1.0 / (honest.len() + 1) as f64,
            _ => 0.0,
        };
        let contributing_pay_share = pay(|standing| standing.paid_for_contributing);
        // What is due of the pay is no equal part: it follows what is new in an update.
        let pay_gained = contributing_pay_share.filter(|_| due_share == 0.0);
        let gained = (weight_share - due_share).max(pay_gained.unwrap_or(0.0));
        let does = attack_success.unwrap_or(0.0);
        let outcome = if in_vain > 0 || is_worse || gained >= equal_share / 2.0 || does >= MOSTLY {
            Outcome::Succeeds
        } else if gained <= LITTLE && honest_excluded <= HONEST_LEFT_OUT && does <= SELDOM {
            Outcome::HeldOff
        } else {
            Outcome::Partly
        };
        Some(Self {
            kind,
            colluding,
            outcome,
            weight_share,
            equal_share,
            due_share,
            contributions: attackers.iter().map(|one| one.contributions).sum(),
            rejected: rejected(&attackers),
            attack_success,
            contributing_pay_share,
            rating_pay_share: pay(|standing| standing.paid_for_rating),
            reward_share: pay(|standing| standing.paid),
            honest_excluded,
            rounds_in_vain: in_vain,
            attackers: attackers.iter().map(|one| one.name.clone()).collect(),
        })
    }

    /// For people, below the table of weights.
    pub(super) fn to_text(&self) -> String {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let verdict = match self.outcome {
            Outcome::HeldOff => "The attack is held off",
            Outcome::Partly => "The attack gets through in part",
            Outcome::Succeeds => "The attack SUCCEEDS",
        };
        let sends = match self.kind {
            // These are updates.
            Attack::ColludingRaters | Attack::Copycat | Attack::Sybils => {
                in_words(self.kind).to_owned()
            }
            kind => format!("{} instead of updates", in_words(kind)),
        };
        let rates = match self.colluding {
            true => ", and says as a rater that nobody else's helps",
            false => "",
        };
        let mut text = format!(
            "* sends {sends}{rates}. {verdict}: {} of the model (an equal part would be {}), honest contributions left \
             out: {}",
            percent(self.weight_share),
            percent(match self.kind {
                Attack::Sybils => self.due_share,
                _ => self.equal_share,
            }),
            percent(self.honest_excluded),
        );
        if self.rounds_in_vain > 0 {
            text.push_str(&format!(
                ", rounds that ended without a model: {}",
                self.rounds_in_vain
            ));
        }
        text.push_str(".\n");
        for (reason, count) in &self.rejected {
            text.push_str(&format!(
                "  The checks rejected {count} of its {} contributions: {reason}.\n",
                self.contributions
            ));
        }
        if let Some(success) = self.attack_success {
            let wanted = match self.kind {
                Attack::Backdoor => "marked test rows of other classes, answers the first class to",
                _ => "the test rows, answers the flipped label to",
            };
            text.push_str(&format!(
                "  The shared model, of {wanted} {}.\n",
                percent(success)
            ));
        }
        match (self.contributing_pay_share, self.rating_pay_share) {
            (None, None) => {
                text.push_str("  Nothing was paid: an epoch ends with the 20th published round.\n")
            }
            (contributing, rating) => text.push_str(&format!(
                "  Of the pay for contributing it got {}, of that for rating{}, {}.\n",
                percent(contributing.unwrap_or_default()),
                match self.colluding {
                    true => "",
                    false => ", which it does honestly",
                },
                percent(rating.unwrap_or_default()),
            )),
        }
        text
    }
}

/// Why contributions of these were rejected, and how many.
fn rejected(companies: &[&Company]) -> BTreeMap<&'static str, u64> {
    let mut all = BTreeMap::new();
    for (reason, count) in companies.iter().flat_map(|one| &one.standing.rejected) {
        *all.entry(*reason).or_default() += count;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five companies of which the last attacks, with these parts of the models.
    fn companies(shares: [f64; 5], left_out: [u64; 5]) -> Vec<Company> {
        let company = |(number, (share, left_out)): (usize, (f64, u64))| Company {
            contributions: 10,
            standing: Standing {
                weight_share: share,
                left_out,
                paid: 100,
                paid_for_contributing: if number == 4 { 0 } else { 50 },
                paid_for_rating: 50,
                ..Standing::default()
            },
            attack: (number == 4).then_some(Attack::Noise),
            ..Company::default()
        };
        let each = shares.into_iter().zip(left_out).enumerate();
        each.map(company).collect()
    }

    fn outcome(shares: [f64; 5], left_out: [u64; 5], in_vain: u64, shared: f64) -> Outcome {
        let companies = companies(shares, left_out);
        let verdict = Verdict::of((&companies, false), in_vain, Some((0.7, shared)), None);
        verdict.expect("an attack").outcome
    }

    #[test]
    fn an_attack_that_weighs_nothing_and_harms_nobody_is_held_off() {
        let fair = [0.25, 0.25, 0.25, 0.24, 0.01];
        assert_eq!(outcome(fair, [0, 0, 0, 0, 10], 0, 0.9), Outcome::HeldOff);
        let verdict = Verdict::of((&companies(fair, [0; 5]), false), 0, Some((0.7, 0.9)), None);
        let verdict = verdict.expect("an attack");
        assert_eq!(verdict.contributing_pay_share, Some(0.0));
        assert_eq!(verdict.rating_pay_share, Some(0.2));
        assert!(verdict.to_text().contains("held off: 1.0 % of the model"));
    }

    #[test]
    fn an_attack_that_weighs_or_stops_rounds_or_ruins_the_model_is_said_to_succeed() {
        let fair = [0.25, 0.25, 0.25, 0.24, 0.01];
        let equal = [0.2; 5];
        assert_eq!(outcome(equal, [0; 5], 0, 0.9), Outcome::Succeeds);
        assert_eq!(outcome(fair, [0; 5], 1, 0.9), Outcome::Succeeds);
        assert_eq!(outcome(fair, [0; 5], 0, 0.6), Outcome::Succeeds);
        let none = Verdict::of((&companies(fair, [0; 5]), false), 0, None, None);
        assert_eq!(none.expect("an attack").outcome, Outcome::Succeeds);
    }

    #[test]
    fn an_attack_that_weighs_a_little_or_leaves_the_honest_out_gets_through_in_part() {
        let some = [0.24, 0.24, 0.24, 0.23, 0.05];
        assert_eq!(outcome(some, [0; 5], 0, 0.9), Outcome::Partly);
        let fair = [0.25, 0.25, 0.25, 0.24, 0.01];
        assert_eq!(outcome(fair, [1, 0, 0, 0, 0], 0, 0.9), Outcome::Partly);
    }

    #[test]
    fn who_only_lies_as_a_rater_may_weigh_what_is_due_to_its_honest_update_and_no_more() {
        let outcome = |share: f64, left_out: [u64; 5]| {
            let rest = (1.0 - share) / 4.0;
            let mut companies = companies([rest, rest, rest, rest, share], left_out);
            companies[4].attack = Some(Attack::ColludingRaters);
            let verdict = Verdict::of((&companies, true), 0, Some((0.7, 0.9)), None);
            let verdict = verdict.expect("an attack");
            assert!(
                verdict
                    .to_text()
                    .contains("* sends honest updates, and says as a rater")
            );
            verdict.outcome
        };
        assert_eq!(outcome(0.2, [0; 5]), Outcome::HeldOff);
        assert_eq!(outcome(0.2, [3, 0, 0, 0, 0]), Outcome::Partly);
        assert_eq!(outcome(0.25, [0; 5]), Outcome::Partly);
        assert_eq!(outcome(0.31, [0; 5]), Outcome::Succeeds);
    }

    #[test]
    fn without_an_attack_there_is_no_verdict() {
        let mut honest = companies([0.2; 5], [0; 5]);
        honest.truncate(4);
        assert!(Verdict::of((&honest, false), 0, Some((0.7, 0.9)), None).is_none());
    }

    /// The verdict on an attack of this kind that weighs `share` of the model.
    fn verdict(
        kind: Attack,
        share: f64,
        success: Option<f64>,
        edit: impl Fn(&mut Standing),
    ) -> Verdict {
        let rest = (1.0 - share) / 4.0;
        let mut companies = companies([rest, rest, rest, rest, share], [0; 5]);
        companies[4].attack = Some(kind);
        edit(&mut companies[4].standing);
        let verdict = Verdict::of((&companies, false), 0, Some((0.7, 0.9)), success);
        verdict.expect("an attack")
    }

    #[test]
    fn a_backdoor_succeeds_by_what_the_model_answers_however_little_it_weighs() {
        let of = |success| verdict(Attack::Backdoor, 0.01, Some(success), |_| {});
        assert_eq!(of(0.1).outcome, Outcome::HeldOff);
        assert_eq!(of(0.3).outcome, Outcome::Partly);
        assert_eq!(of(0.6).outcome, Outcome::Succeeds);
        let text = of(0.6).to_text();
        assert!(text.contains("SUCCEEDS") && text.contains("answers the first class to 60.0 %"));
    }

    #[test]
    fn who_is_paid_for_nothing_gets_through_whatever_it_weighs() {
        let of = |paid| {
            verdict(Attack::Copycat, 0.01, None, |standing| {
                standing.paid_for_contributing = paid;
            })
        };
        assert_eq!(of(0).outcome, Outcome::HeldOff);
        // 10 of 210, 50 of 250.
        assert_eq!(of(10).outcome, Outcome::Partly);
        assert_eq!(of(50).outcome, Outcome::Succeeds);
    }

    #[test]
    fn what_the_checks_rejected_is_said_with_the_reason() {
        let verdict = verdict(Attack::Garbage, 0.0, None, |standing| {
            standing.rejected.insert("not a well-formed update", 9);
        });
        assert_eq!(verdict.outcome, Outcome::HeldOff);
        let text = verdict.to_text();
        let said = "rejected 9 of its 10 contributions: not a well-formed update";
        assert!(text.contains(said), "{text}");
    }

    #[test]
    fn participants_of_one_owner_may_weigh_together_what_one_company_does() {
        let outcome = |share: f64| {
            let rest = (1.0 - share) / 3.0;
            let mut companies = companies([rest, rest, rest, share / 2.0, share / 2.0], [0; 5]);
            for sybil in &mut companies[3..] {
                sybil.attack = Some(Attack::Sybils);
            }
            let verdict = Verdict::of((&companies, false), 0, Some((0.7, 0.9)), None);
            verdict.expect("an attack").outcome
        };
        assert_eq!(outcome(0.25), Outcome::HeldOff);
        assert_eq!(outcome(0.4), Outcome::Partly);
        assert_eq!(outcome(0.46), Outcome::Succeeds);
    }
}

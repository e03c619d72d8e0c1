//! The explanation in words: what happened to the round, to the contribution, and to the money.

use unsilo_ledger::{
    Event, Outcome, RejectionReason,
    explain::{Part, ReceivedRating, WeightChange, WeightStory, WeightWhatIf},
    weights::{MIN_WEIGHT, Standing},
};

use super::{
    Story,
    figures::{count, length, percent, percent_of, q16, q32, whole},
    pay,
};
use crate::output::table;

/// Raters shown: all, or this many from the top, around the median and from the bottom.
const RATERS_SHOWN: usize = 30;

/// The whole text.
pub(super) fn of(story: &Story) -> String {
    let mut text = format!(
        "{} in round {} of {}\n\n{}\n",
        story.name,
        story.facts.round,
        story.federation,
        round(story)
    );
    text.push_str(&format!("\nWEIGHT IN THE MODEL\n{}", weight(story)));
    text.push_str(&format!("\nPAY\n{}", pay::of(story)));
    let events = events(story);
    if !events.is_empty() {
        text.push_str("\nALSO IN THIS ROUND\n");
        for event in events {
            text.push_str(&format!("- {event}\n"));
        }
    }
    text
}

/// How the round went.
fn round(story: &Story) -> String {
    let (round, facts) = (story.facts.round, &story.facts);
    let sent = facts
        .before
        .round()
        .map_or(0, |current| current.contributions.len());
    let came = count(sent, "contribution", "contributions");
    match facts.outcome {
        Some(Outcome::Published { total_weight, .. }) => {
            let accepted = facts
                .before
                .judged()
                .map_or(0, |judged| judged.accepted.len());
            format!(
                "Round {round} was published: {came}, {accepted} accepted, and a new model from their weighted \
                 mean (all weights together {}).",
                whole(total_weight)
            )
        }
        Some(Outcome::Voided { reason }) => format!(
            "Round {round} is void: {}. It had {came}; none of them changed the model, nothing was minted for it, and \
             the same updates may be sent again.",
            reason.in_words()
        ),
        Some(Outcome::Measured { .. }) => format!(
            "Round {round} measured the data: {came}, summed with equal weights; it gave the statistics by which columns are \
             scaled, and no model. Nothing was minted for it."
        ),
        None => match facts.weighed.as_ref().map(|weighed| weighed.void_due) {
            Some(Some(reason)) => format!(
                "Round {round} has not ended. It has {came}, and the ledger found that it must be declared void: {}.",
                reason.in_words()
            ),
            Some(None) => format!(
                "Round {round} has not ended: {came}, weighed; the model is yet to be published. The weights below are \
                 final unless the round is declared void."
            ),
            None => format!(
                "Round {round} has not ended: {came} so far, not weighed yet. Ask again when it is published."
            ),
        },
    }
}

fn weight(story: &Story) -> String {
    let name = &story.name;
    let nothing = |why: String| format!("None: {why}\n");
    match (story.part, &story.weight) {
        (Part::NotYetAdmitted, _) => nothing(format!(
            "{name} had not been admitted to the federation yet."
        )),
        (Part::Evicted, _) => nothing(format!("{name} had been evicted from the federation.")),
        (Part::NeverOpened, _) => {
            nothing("the round was declared void before it opened.".to_owned())
        }
        (Part::MayContribute, _) => nothing(format!(
            "{name} has not contributed yet, and still may: the round is open."
        )),
        (Part::NothingSent, _) => nothing(format!(
            "no contribution of {name} is on the ledger. The ledger cannot tell why: it came after the round closed, \
             {name} was away, its connection was refused (a coordinator can suspend a certificate), or nothing was \
             sent. A participant that did send keeps the coordinator's signed receipt, and raises an alarm if its \
             contribution is missing."
        )),
        (Part::NotJudged, _) => nothing(format!(
            "{name} contributed, and the round's committee did not judge the contributions{}.",
            if story.facts.outcome.is_none() {
                " yet"
            } else {
                ""
            }
        )),
        (Part::Rejected(reason), _) => nothing(rejection(story, reason)),
        (Part::Accepted, None) => nothing(format!(
            "{name}'s contribution was accepted, and the round was not weighed{}.",
            if story.facts.outcome.is_none() {
                " yet"
            } else {
                ""
            }
        )),
        (Part::Accepted, Some(weight)) => accepted(story, weight),
    }
}

fn rejection(story: &Story, reason: RejectionReason) -> String {
    let name = &story.name;
    let detail = match reason {
        RejectionReason::Copy { of } => format!(
            "{name}'s contribution is so close to {}'s, which was committed earlier, that it counts as a copy; \
             only the earlier one is used. Nothing is held against {name}.",
            story.name_of(of)
        ),
        RejectionReason::BadPair { seat } => format!(
            "the committee's answers about {name}'s contribution do not fit each other (seat {seat} is the odd one \
             out): either the key share sent to that seat or its answer is wrong. This is not held against {name} \
             unless the share is shown to be wrong."
        ),
        RejectionReason::Undecodable => format!(
            "the committee's answers about {name}'s contribution contradict each other in too many places to be \
             read. It is nobody's provable fault, and nothing is held against {name}."
        ),
        RejectionReason::OutOfRange => format!(
            "what {name} sent is not a well-formed update: a test of its size lies outside of what an update can \
             give. This counts against {name}: too many such contributions cost stake."
        ),
        RejectionReason::TooLong => format!(
            "{name}'s update is longer (changes the model more) than the federation allows. This counts against \
             {name}: too many such contributions cost stake."
        ),
    };
    let terms = story.books.draft().map(|draft| draft.incentive);
    match terms.filter(|_| reason.is_fault()) {
        Some(terms) => format!(
            "{detail} The limit is {} within {} rounds.",
            terms.rejected_contributions, terms.rejected_within_rounds
        ),
        None => detail,
    }
}

fn accepted(story: &Story, weight: &WeightStory) -> String {
    let name = &story.name;
    let used = matches!(story.facts.outcome, Some(Outcome::Published { .. }) | None)
        && story.facts.void_reason().is_none();
    let (counts, is) = if used {
        ("counts", "is")
    } else {
        ("would have counted", "would have been")
    };
    let mut text = if weight.weight == 0 {
        format!(
            "{name}'s contribution was accepted, and its weight {is} 0: it {} part of the sum.\n",
            if used {
                "is not"
            } else {
                "would not have been"
            }
        )
    } else {
        format!(
            "{name}'s contribution {counts} for {} of the new model: weight {} of {} together.\n",
            percent_of(weight.weight.into(), weight.total),
            weight.weight,
            whole(weight.total)
        )
    };
    text.push('\n');
    for (number, step) in (1..).zip(steps(story, weight)) {
        text.push_str(&format!("{number}. {step}\n"));
    }
    for copy in story.copies() {
        text.push_str(&format!(
            "   {}'s contribution was found to be a copy of this one and was left out.\n",
            story.name_of(copy)
        ));
    }
    if !weight.ratings.is_empty() {
        text.push_str(&format!("\n{}", ratings(story, weight)));
    }
    if !weight.what_ifs.is_empty() {
        text.push_str(&format!("\n{}", what_ifs(story, weight)));
    }
    text
}

fn steps(story: &Story, weight: &WeightStory) -> Vec<String> {
    let name = &story.name;
    let mut steps = Vec::new();
    let (present, kept) = weight.rows;
    if weight.first_consensus.is_none() {
        let raters = match present {
            0 => "No ratings count: those revealed say nothing in anybody's favour, or hold no more than half of the power of \
                  all raters drawn"
                .to_owned(),
            1 => "Only 1 rater revealed ratings that say anything".to_owned(),
            more => format!("Only {more} raters revealed ratings that say anything"),
        };
        steps.push(format!(
            "Ratings. {raters}; with fewer than 4 their agreement means nothing, so all accepted contributions are rated \
             the same."
        ));
    } else {
        let set_aside = match present - kept {
            0 => String::new(),
            1 => " 1 rater was set aside, because its ratings point elsewhere than the others'."
                .to_owned(),
            more => format!(
                " {more} raters were set aside, because their ratings point elsewhere than the others'."
            ),
        };
        let deciding: Vec<&str> = weight
            .ratings
            .iter()
            .filter(|rating| rating.decides)
            .map(|rating| story.name_of(rating.rater))
            .collect();
        let whose = match deciding.as_slice() {
            [] => String::new(),
            [one] => format!(" (the rating of {one})"),
            [first @ .., last] if first.len() < 5 => {
                format!(" (the ratings of {} and {last})", first.join(", "))
            }
            [first, rest @ ..] => format!(" (the ratings of {first} and {} more)", rest.len()),
        };
        let consensus = match weight.median {
            Some(median) if median < 0 => format!(
                "at {}: they find that it harms, which counts as 0",
                percent(q16(median))
            ),
            _ => format!("at {}", percent(q16(weight.consensus))),
        };
        steps.push(format!(
            "Ratings. {} tested the updates on their own data. What each says about {name} is taken as a share of all \
             that it says in anybody's favour. The consensus is the weighted median: the largest share that raters with \
             more than half of the voting power give at least. It lies {consensus}{whose}.{set_aside}",
            count(present, "rater", "raters"),
        ));
    }
    let times = length(weight.norm_exponent, weight.median_exponent);
    steps.push(if weight.clip < 65_536 {
        format!(
            "Length. {name}'s update is {times:.2} times as long as the median one. Above 2 times it is scaled down to \
             2, so {} of its weight is left.",
            percent(q16(weight.clip))
        )
    } else {
        format!(
            "Length. {name}'s update is {times:.2} times as long as the median one; up to 2 times nothing is taken off."
        )
    });
    if weight.first_consensus.is_some() {
        steps.push(format!(
            "Cap. Nobody counts for more than one and a half times the median consensus; this one {}.",
            if weight.is_capped {
                "is cut to that"
            } else {
                "lies below"
            }
        ));
    }
    steps.push(match (weight.uncapped, weight.consensus) {
        (0, 0) => "Scale. Without consensus the weight is 0.".to_owned(),
        (0, _) => format!(
            "Scale. On a scale where the largest is 256 it is below {MIN_WEIGHT}, and such small weights count as 0."
        ),
        (uncapped, _) => format!("Scale. On a scale where the largest is 256 that is {uncapped}."),
    });
    if weight.ceiling < 256 {
        steps.push(format!(
            "Ceiling. So that no contribution dominates the sum (more than an eighth of it, or one and a half equal \
             shares), all weights of the round are cut at {}.",
            weight.ceiling
        ));
    }
    steps
}

/// What each rater said.
fn ratings(story: &Story, weight: &WeightStory) -> String {
    let mut rows = vec![
        [
            "rater",
            "voting power",
            "points",
            "share of its praise",
            "counted",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    let shown = shown(&weight.ratings);
    let mut last = None;
    for index in &shown {
        if last.is_some_and(|last| last + 1 != *index) {
            rows.push(vec!["...".to_owned()]);
        }
        last = Some(*index);
        let rating = &weight.ratings[*index];
        rows.push(vec![
            story.name_of(rating.rater).to_owned(),
            percent(q32(rating.power)),
            rating.score.to_string(),
            rating
                .opinion
                .filter(|_| !rating.is_own)
                .map_or_else(|| "-".to_owned(), |opinion| percent(q16(opinion))),
            counted(rating, weight).to_owned(),
        ]);
    }
    let mut text = format!(
        "What the raters said about {}:\n{}",
        story.name,
        table(&rows, &[1, 2, 3])
    );
    if shown.len() < weight.ratings.len() {
        text.push_str(&format!(
            "({} of {} raters; --json has all.)\n",
            shown.len(),
            weight.ratings.len()
        ));
    }
    text.push_str(
        "Voting power comes from stake, and no company has more than one and a half equal shares of it.\n",
    );
    text
}

fn counted(rating: &ReceivedRating, weight: &WeightStory) -> &'static str {
    match rating.standing {
        _ if rating.is_own => "no: its own company's",
        Standing::Absent => "no: it says nothing in anybody's favour",
        Standing::Disagrees => "no: set aside, points elsewhere than the others",
        Standing::Agrees if weight.first_consensus.is_none() => "no: fewer than 4 raters",
        Standing::Agrees if rating.decides => "yes: the consensus",
        Standing::Agrees => "yes",
    }
}

/// All, or a third each from the top, around the consensus and from the bottom.
fn shown(ratings: &[ReceivedRating]) -> Vec<usize> {
    if ratings.len() <= RATERS_SHOWN {
        return (0..ratings.len()).collect();
    }
    let third = RATERS_SHOWN / 3;
    let middle = ratings
        .iter()
        .position(|rating| rating.decides)
        .unwrap_or(ratings.len() / 2)
        .saturating_sub(third / 2);
    let wanted = |index: &usize| {
        *index < third
            || *index >= ratings.len() - third
            || (middle..middle + third).contains(index)
    };
    (0..ratings.len()).filter(wanted).collect()
}

fn what_ifs(story: &Story, weight: &WeightStory) -> String {
    let mut rows = vec![
        ["if", "weight", "share of the model"]
            .map(str::to_owned)
            .to_vec(),
        vec![
            "as it was".to_owned(),
            weight.weight.to_string(),
            percent_of(weight.weight.into(), weight.total),
        ],
    ];
    for what_if in &weight.what_ifs {
        rows.push(vec![
            change(story, what_if),
            what_if.weight.to_string(),
            if what_if.brake {
                "(round void)".to_owned()
            } else {
                percent_of(what_if.weight.into(), what_if.total)
            },
        ]);
    }
    format!(
        "What would have changed it (the rule run again with this one change):\n{}",
        table(&rows, &[1, 2])
    )
}

fn change(story: &Story, what_if: &WeightWhatIf) -> String {
    match what_if.change {
        WeightChange::NormNotClipped { .. } => {
            "the update had been just short enough not to be scaled down".to_owned()
        }
        WeightChange::WithoutCap => "there were no cap at one and a half medians".to_owned(),
        WeightChange::WithoutCeiling => "there were no ceiling on the largest weights".to_owned(),
        WeightChange::EveryRowCounts => "no rater had been set aside".to_owned(),
        WeightChange::WithoutPowerCap => "stake gave voting power without a cap".to_owned(),
        WeightChange::EqualPower => "all raters had the same voting power".to_owned(),
        WeightChange::LowestLikeMedian { rater } => format!(
            "{}, which rated it lowest, had said what the median says",
            story.name_of(rater)
        ),
    }
}

/// What happened to the owner or the participant in this round, besides.
fn events(story: &Story) -> Vec<String> {
    let owner = story.owner;
    let who = |participant| story.name_of(participant);
    let mine = |event: &Event| match event {
        Event::ParticipantAdmitted {
            participant,
            owner: of,
            granted,
        } if *of == owner => Some(format!(
            "{} was admitted, with a stake of {} granted",
            who(*participant),
            whole(*granted)
        )),
        Event::ParticipantEvicted {
            participant,
            owner: of,
        } if *of == owner => Some(format!("{} was evicted", who(*participant))),
        Event::ParticipantReadmitted {
            participant,
            owner: of,
        } if *of == owner => Some(format!("{} was readmitted", who(*participant))),
        Event::OwnerChanged {
            participant,
            from,
            to,
            ..
        } if [*from, *to].contains(&owner) => Some(format!(
            "{} went from {} to {}",
            who(*participant),
            story.owner_name(*from),
            story.owner_name(*to)
        )),
        Event::StakeDeposited { owner: of, amount } if *of == owner => Some(format!(
            "{} staked {} units of its balance: they count from the next epoch",
            story.owner_name(owner),
            whole(*amount)
        )),
        Event::StakeWithdrawn { owner: of, amount } if *of == owner => Some(format!(
            "{} withdrew {} units of its stake: they are free at the end of the next epoch",
            story.owner_name(owner),
            whole(*amount)
        )),
        Event::ViolationFound(case) if case.owner == owner => Some(format!(
            "case {} was opened: {} {}; {} units of stake are taken at the end of epoch {} unless an appeal is upheld",
            case.number,
            who(case.participant),
            case.offence.in_words(),
            whole(case.amount),
            case.executed_after
        )),
        Event::Appealed { case } => {
            let mut cases = story.books.cases();
            let found = cases.find(|found| found.number == *case && found.owner == owner)?;
            Some(format!(
                "case {case} ({} {}) was cancelled on appeal",
                who(found.participant),
                found.offence.in_words()
            ))
        }
        _ => None,
    };
    story
        .facts
        .events
        .iter()
        .filter_map(|(_, event)| mine(event))
        .collect()
}

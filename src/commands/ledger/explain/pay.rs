//! The part about money.

use unsilo_ledger::{
    Attendance, Outcome,
    explain::{RewardChange, RewardRating, RewardStory},
};

use super::{
    Pay, Story,
    figures::{count, percent, percent_of, q32, whole},
};
use crate::output::table;

/// Raters shown at most: the highest.
const RATERS_SHOWN: usize = 30;

/// About the pay in the epoch of the round.
pub(super) fn of(story: &Story) -> String {
    let (company, epoch) = (story.owner_name(story.owner), story.facts.epoch);
    match &story.pay {
        Pay::NoPart { settled: true } => format!(
            "None: {company} was not in the federation when epoch {epoch}, to which this round belongs, was settled.\n"
        ),
        Pay::NoPart { settled: false } => format!(
            "None: {company} takes no part in epoch {epoch}, to which this round belongs.\n"
        ),
        Pay::Settled(reward) => settled(story, company, reward),
        Pay::Projected(reward) => projected(story, company, reward),
    }
}

fn settled(story: &Story, company: &str, reward: &RewardStory) -> String {
    let round = reward.settled_by.unwrap_or(0);
    let mut text = format!(
        "Rounds are paid together, by epochs. Round {} belongs to epoch {}, which ended with round {round} after {}. Its \
         pool held {} units: {} to be minted and {} of fees. {}{}\n\n",
        story.facts.round,
        reward.epoch,
        count(
            reward.rounds as usize,
            "published round",
            "published rounds"
        ),
        whole(reward.emission.saturating_add(reward.fees)),
        whole(reward.emission),
        whole(reward.fees),
        void(story),
        withheld(reward),
    );
    if let Some((before, after)) = reward.balance {
        text.push_str(&format!(
            "{company} was paid {} units; its balance went from {} to {}.",
            whole(reward.pay.payout),
            whole(before),
            whole(after)
        ));
        if reward.freed > 0 {
            text.push_str(&format!(
                " {} units of withdrawn stake became free with it.",
                whole(reward.freed)
            ));
        }
        if reward.slashed > 0 {
            text.push_str(&format!(
                " {} units of stake were taken from it for violations.",
                whole(reward.slashed)
            ));
        }
        text.push('\n');
    }
    text.push_str(&body(story, company, reward));
    text
}

fn projected(story: &Story, company: &str, reward: &RewardStory) -> String {
    let length = story
        .books
        .draft()
        .map_or(0, |draft| draft.incentive.epoch_rounds);
    let left = length.saturating_sub(reward.rounds);
    let mut text = format!(
        "Rounds are paid together, by epochs. Round {} belongs to epoch {}, which has not ended: {} of {length} rounds \
         are published. Nothing is paid before the other {left} are; until then a rater's newer ratings replace those of \
         this round.{}\n\n",
        story.facts.round,
        reward.epoch,
        reward.rounds,
        void(story),
    );
    if reward.emission.saturating_add(reward.fees) == 0 {
        text.push_str("The pool is still empty.\n");
        return text;
    }
    text.push_str(&format!(
        "If the epoch ended now, with {} units in the pool, {company} would be paid {}. This is no promise. {}\n",
        whole(reward.emission.saturating_add(reward.fees)),
        whole(reward.pay.payout),
        withheld(reward),
    ));
    text.push_str(&body(story, company, reward));
    text
}

fn void(story: &Story) -> &'static str {
    match story.facts.outcome {
        Some(Outcome::Voided { .. }) => {
            "This round was void and added nothing to the pool; ratings revealed in it count all the same. "
        }
        _ => "",
    }
}

fn withheld(reward: &RewardStory) -> String {
    if reward.withheld == 0 {
        "All of it is paid.".to_owned()
    } else if reward.rated_in.is_none()
        && reward.ratings.iter().all(|one| one.rated_in.is_none())
        && reward.total_consensus == 0
    {
        "Nothing of it is paid, because nobody revealed ratings in this epoch.".to_owned()
    } else if reward.total_consensus == 0 {
        "Nothing of it is paid, because no majority of raters agrees on anybody's worth.".to_owned()
    } else {
        format!(
            "{} of it is paid and {} is not, because the raters agree on too little: what majorities support adds up to \
             {} of all praise, and below 50 % the pool is paid in proportion.",
            whole(reward.paid),
            whole(reward.withheld),
            percent(q32(reward.total_consensus))
        )
    }
}

fn body(story: &Story, company: &str, reward: &RewardStory) -> String {
    if reward.paid == 0 {
        return String::new();
    }
    let (pay, all) = (&reward.pay, &reward.totals);
    let line = |what: &str, units: u64, all: u64| {
        vec![
            what.to_owned(),
            whole(units),
            whole(all),
            percent_of(units, all),
        ]
    };
    let rows = vec![
        ["paid for", "units", "all companies", "share"]
            .map(str::to_owned)
            .to_vec(),
        line("contributing", pay.contributor, all.contributor),
        line("rating", pay.rater, all.rater),
        line("niche", pay.niche, all.niche),
        line("together", pay.payout, all.payout),
    ];
    let mut text = format!("\n{}\n", table(&rows, &[1, 2, 3]));
    text.push_str(&contributing(story, company, reward));
    text.push_str(&rating(company, reward));
    text.push_str(&niche(company, reward));
    if !reward.ratings.is_empty() {
        text.push_str(&format!("\n{}", ratings(story, company, reward)));
    }
    if !reward.what_ifs.is_empty() {
        text.push_str(&format!("\n{}", what_ifs(story, company, reward)));
    }
    text
}

fn contributing(story: &Story, company: &str, reward: &RewardStory) -> String {
    let rounds = format!(
        "A contribution of {company} was accepted in {} of the epoch's {} published rounds: the others' ratings of it count \
         by that part.",
        reward.accepted_in, reward.rounds
    );
    if reward.consensus == 0 {
        return format!(
            "Contributing: no majority of the other companies' rating power says that {company}'s contributions are worth \
             anything, so this part is 0. {rounds}\n"
        );
    }
    let whose: Vec<&str> = reward
        .ratings
        .iter()
        .filter(|rating| rating.decides)
        .map(|rating| story.owner_name(rating.rater))
        .take(3)
        .collect();
    let whose = if whose.is_empty() {
        String::new()
    } else {
        format!(" (the rating of {})", whose.join(", "))
    };
    format!(
        "Contributing: companies with more than half of the others' rating power say that {company} earns at least {} of \
         all praise{whose}. For all companies these add up to {}, and the part of the pool for contributors is divided \
         in that proportion. {rounds}\n",
        percent(q32(reward.consensus)),
        percent(q32(reward.total_consensus))
    )
}

fn rating(company: &str, reward: &RewardStory) -> String {
    let when = reward.rated_in.map_or_else(
        || "It revealed no ratings in this epoch; what it said before still stands.".to_owned(),
        |round| format!("Its last ratings in this epoch are of round {round}."),
    );
    let how_often = match reward.attendance {
        Attendance { asked: 0, .. } => {
            "It was drawn as a rater in no round, and loses nothing by that.".to_owned()
        }
        Attendance { asked, rated } => format!(
            "It rated in {rated} of the {} in which it was drawn.",
            count(asked as usize, "weighed round", "weighed rounds")
        ),
    };
    let (before, after) = reward.reputation;
    format!(
        "Rating: {company}'s ratings of others agree with the consensus to {} of what the median rater reaches; the raters' \
         part (a fifth of what is paid) is divided by the square of that times capped stake and the part of its rounds that it rated in. {how_often} Its stake is {} units, {} of \
         all after the cap. {when} Its reputation as a rater went from {} to {}: it makes a company's rating count for \
         more or less.\n",
        percent(q32(reward.agreement)),
        whole(reward.stake),
        percent(q32(reward.stake_share)),
        percent(q32(before)),
        percent(q32(after))
    )
}

fn niche(company: &str, reward: &RewardStory) -> String {
    let (budget, spent) = reward.niche_budget;
    let received = if reward.pay.niche > 0 {
        format!(
            "{company} received {} units from raters that value it at least twice as high as the consensus does.",
            whole(reward.pay.niche)
        )
    } else {
        format!(
            "no rater values {company} at least twice as high as the consensus does, so this part is 0."
        )
    };
    format!(
        "Niche: {received} As a rater it had {} units for that itself and spent {}; the rest went to contributors.\n",
        whole(budget),
        whole(spent)
    )
}

fn ratings(story: &Story, company: &str, reward: &RewardStory) -> String {
    let mut rows = vec![
        [
            "rated by",
            "in round",
            "share of its praise",
            "smoothed",
            "reputation",
            "rating power",
            "",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    let given = |rating: &RewardRating| {
        if rating.rated_in.is_none() || rating.row_sum == 0 {
            "-".to_owned()
        } else {
            percent_of(rating.rating.into(), rating.row_sum)
        }
    };
    for rating in reward.ratings.iter().take(RATERS_SHOWN) {
        rows.push(vec![
            story.owner_name(rating.rater).to_owned(),
            rating
                .rated_in
                .map_or_else(|| "-".to_owned(), |round| round.to_string()),
            given(rating),
            percent(q32(rating.smoothed)),
            percent(q32(rating.reputation)),
            percent(q32(rating.power)),
            if rating.decides { "the consensus" } else { "" }.to_owned(),
        ]);
    }
    let mut text = format!(
        "What the other companies said about {company} in this epoch:\n{}",
        table(&rows, &[1, 2, 3, 4, 5])
    );
    if reward.ratings.len() > RATERS_SHOWN {
        text.push_str(&format!(
            "(The highest {RATERS_SHOWN} of {}; --json has all.)\n",
            reward.ratings.len()
        ));
    }
    text.push_str(
        "A company's last rating of each other company in the epoch counts, times the part of the rounds that that one was \
         accepted in, smoothed: four fifths what it said before, one fifth what it says now. Rating power is its capped share of all stake times its reputation.\n",
    );
    text
}

fn what_ifs(story: &Story, company: &str, reward: &RewardStory) -> String {
    let mut rows = vec![
        ["if", "units", "contributing", "rating", "niche"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut add = |what: String, pay: &unsilo_ledger::explain::Projection| {
        rows.push(vec![
            what,
            whole(pay.payout),
            whole(pay.contributor),
            whole(pay.rater),
            whole(pay.niche),
        ]);
    };
    add("as it was".to_owned(), &reward.pay);
    for what_if in &reward.what_ifs {
        let change = match what_if.change {
            RewardChange::LowestLikeConsensus { rater } => format!(
                "{}, which rated it lowest, had given it what the consensus says",
                story.owner_name(rater)
            ),
            RewardChange::RatesLikeConsensus => {
                format!("{company} had rated the others like the consensus")
            }
            RewardChange::RatesWheneverAsked => {
                format!("{company} had rated in every round in which it was drawn")
            }
            RewardChange::FullReputation => "all raters had full reputation".to_owned(),
            RewardChange::WithoutPowerCap => "stake gave power without a cap".to_owned(),
            RewardChange::EqualStakes => "all companies had the same stake".to_owned(),
        };
        add(change, &what_if.pay);
    }
    format!(
        "What would have changed the pay (the rule run again with this one change):\n{}",
        table(&rows, &[1, 2, 3, 4])
    )
}

//! The explanation as a JSON document. Its keys are listed in docs/ledger.md.

use serde_json::{Value, json};
use unsilo_ledger::{
    Outcome,
    explain::{Part, Projection, RewardChange, RewardStory, WeightChange, WeightStory},
    weights::Standing,
};

use super::{
    Pay, Story,
    figures::{length, q16, q32, share},
};

pub(super) fn of(story: &Story) -> Value {
    let facts = &story.facts;
    let (part, reason) = part(story);
    json!({
        "federation": story.federation,
        "participant": story.name,
        "owner": story.owner_name(story.owner),
        "round": facts.round,
        "last_round": story.last_round,
        "outcome": match facts.outcome {
            None => "in progress",
            Some(Outcome::Published { .. }) => "published",
            Some(Outcome::Voided { .. }) => "void",
            Some(Outcome::Measured { .. }) => "measured",
        },
        "void_reason": facts.void_reason().map(|reason| reason.in_words()),
        "part": part,
        "reason": reason,
        "copies": story.copies().iter().map(|id| story.name_of(*id)).collect::<Vec<_>>(),
        "weight": story.weight.as_ref().map(|weight| weight_of(story, weight)),
        "epoch": facts.epoch,
        "pay": match &story.pay {
            Pay::Settled(reward) => pay_of(story, reward, true),
            Pay::Projected(reward) => pay_of(story, reward, false),
            Pay::NoPart { .. } => Value::Null,
        },
    })
}

fn part(story: &Story) -> (&'static str, Option<&'static str>) {
    match story.part {
        Part::NotYetAdmitted => ("not admitted yet", None),
        Part::Evicted => ("evicted", None),
        Part::NeverOpened => ("round never opened", None),
        Part::MayContribute => ("may contribute", None),
        Part::NothingSent => ("no contribution", None),
        Part::NotJudged => ("not judged", None),
        Part::Rejected(reason) => ("rejected", Some(reason.in_words())),
        Part::Accepted => ("accepted", None),
    }
}

fn weight_of(story: &Story, weight: &WeightStory) -> Value {
    let ratings = weight.ratings.iter().map(|rating| {
        json!({
            "rater": story.name_of(rating.rater),
            "stake": rating.stake,
            "power": q32(rating.power),
            "score": rating.score,
            "share": rating.opinion.map(q16),
            "standing": match rating.standing {
                Standing::Absent => "absent",
                Standing::Agrees => "agrees",
                Standing::Disagrees => "set aside",
            },
            "own": rating.is_own,
            "consensus": rating.decides,
        })
    });
    let what_ifs = weight.what_ifs.iter().map(|what_if| {
        let (change, who) = match what_if.change {
            WeightChange::NormNotClipped { .. } => ("norm not clipped", None),
            WeightChange::WithoutCap => ("without cap", None),
            WeightChange::WithoutCeiling => ("without ceiling", None),
            WeightChange::EveryRowCounts => ("every rater counts", None),
            WeightChange::WithoutPowerCap => ("without power cap", None),
            WeightChange::EqualPower => ("equal power", None),
            WeightChange::LowestLikeMedian { rater } => {
                ("lowest rates like median", Some(story.name_of(rater)))
            }
        };
        json!({
            "change": change,
            "rater": who,
            "weight": what_if.weight,
            "total_weight": what_if.total,
            "share": share(what_if.weight.into(), what_if.total),
            "void": what_if.brake,
        })
    });
    json!({
        "weight": weight.weight,
        "total_weight": weight.total,
        "share": share(weight.weight.into(), weight.total),
        "accepted": weight.accepted.0,
        "with_weight": weight.accepted.1,
        "norm_to_median": length(weight.norm_exponent, weight.median_exponent),
        "norm_exponent": weight.norm_exponent,
        "median_exponent": weight.median_exponent,
        "clip": q16(weight.clip),
        "raters": weight.rows.0,
        "raters_kept": weight.rows.1,
        "equal_for_lack_of_raters": weight.first_consensus.is_none(),
        "first_consensus": weight.first_consensus.map(q16),
        "median": weight.median.map(q16),
        "consensus": q16(weight.consensus),
        "capped": weight.is_capped,
        "weight_before_ceiling": weight.uncapped,
        "ceiling": weight.ceiling,
        "ratings": ratings.collect::<Vec<_>>(),
        "what_ifs": what_ifs.collect::<Vec<_>>(),
    })
}

fn pay_of(story: &Story, reward: &RewardStory, settled: bool) -> Value {
    let ratings = reward.ratings.iter().map(|rating| {
        json!({
            "rater": story.owner_name(rating.rater),
            "round": rating.rated_in,
            "rating": rating.rating,
            "row_sum": rating.row_sum,
            "smoothed": q32(rating.smoothed),
            "reputation": q32(rating.reputation),
            "power": q32(rating.power),
            "consensus": rating.decides,
        })
    });
    let what_ifs = reward.what_ifs.iter().map(|what_if| {
        let (change, who) = match what_if.change {
            RewardChange::LowestLikeConsensus { rater } => {
                ("lowest rates like consensus", Some(story.owner_name(rater)))
            }
            RewardChange::RatesLikeConsensus => ("rates like consensus", None),
            RewardChange::RatesWheneverAsked => ("rates whenever asked", None),
            RewardChange::FullReputation => ("full reputation", None),
            RewardChange::WithoutPowerCap => ("without power cap", None),
            RewardChange::EqualStakes => ("equal stakes", None),
        };
        let mut pay = parts(&what_if.pay);
        pay["change"] = json!(change);
        pay["rater"] = json!(who);
        pay
    });
    let mut pay = parts(&reward.pay);
    let more = json!({
        "settled": settled,
        "settled_by_round": reward.settled_by,
        "rounds": reward.rounds,
        "emission": reward.emission,
        "fees": reward.fees,
        "paid": reward.paid,
        "withheld": reward.withheld,
        "paid_share": q32(reward.paid_share),
        "all": parts(&reward.totals),
        "owners": reward.owners,
        "stake": reward.stake,
        "stake_share": q32(reward.stake_share),
        "power": q32(reward.power),
        "reputation_before": q32(reward.reputation.0),
        "reputation_after": q32(reward.reputation.1),
        "consensus": q32(reward.consensus),
        "total_consensus": q32(reward.total_consensus),
        "agreement": q32(reward.agreement),
        "accepted_rounds": reward.accepted_in,
        "rated_in_round": reward.rated_in,
        "asked_rounds": reward.attendance.asked,
        "rated_rounds": reward.attendance.rated,
        "niche_budget": reward.niche_budget.0,
        "niche_spent": reward.niche_budget.1,
        "balance_before": reward.balance.map(|(before, _)| before),
        "balance_after": reward.balance.map(|(_, after)| after),
        "slashed": reward.slashed,
        "freed": reward.freed,
        "ratings": ratings.collect::<Vec<_>>(),
        "what_ifs": what_ifs.collect::<Vec<_>>(),
    });
    if let (Value::Object(pay), Value::Object(more)) = (&mut pay, more) {
        pay.extend(more);
    }
    pay
}

fn parts(pay: &Projection) -> Value {
    json!({
        "payout": pay.payout,
        "contributing": pay.contributor,
        "rating": pay.rater,
        "niche": pay.niche,
    })
}

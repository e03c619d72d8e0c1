//! The tables and their columns. docs/ledger.md says what is in each.

use super::sheet::{
    Column,
    Kind::{Flag, Real, Signed, Text, Whole},
};

/// A table, and so a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Entries,
    Rounds,
    Contributions,
    Ratings,
    Rewards,
    Accounts,
    Violations,
}

impl Table {
    /// Every table, in the order in which they are told of.
    pub(super) const ALL: [Self; 7] = [
        Self::Entries,
        Self::Rounds,
        Self::Contributions,
        Self::Ratings,
        Self::Rewards,
        Self::Accounts,
        Self::Violations,
    ];

    /// Its name, and its file's without the extension.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Rounds => "rounds",
            Self::Contributions => "contributions",
            Self::Ratings => "ratings",
            Self::Rewards => "rewards",
            Self::Accounts => "accounts",
            Self::Violations => "violations",
        }
    }

    /// Its columns, in order.
    pub(super) fn columns(self) -> &'static [Column] {
        match self {
            Self::Entries => &ENTRIES,
            Self::Rounds => &ROUNDS,
            Self::Contributions => &CONTRIBUTIONS,
            Self::Ratings => &RATINGS,
            Self::Rewards => &REWARDS,
            Self::Accounts => &ACCOUNTS,
            Self::Violations => &VIOLATIONS,
        }
    }
}

const ENTRIES: [Column; 6] = [
    ("index", Whole),
    ("kind", Text),
    ("round", Whole),
    ("description", Text),
    ("signers", Text),
    ("hash", Text),
];

const ROUNDS: [Column; 21] = [
    ("round", Whole),
    ("epoch", Whole),
    ("outcome", Text),
    ("void_reason", Text),
    ("ended_at_entry", Whole),
    ("seats", Text),
    ("threshold", Whole),
    ("cohort_needed", Whole),
    ("owners", Whole),
    ("contributions", Whole),
    ("accepted", Whole),
    ("rejected", Whole),
    ("raters", Whole),
    ("total_weight", Whole),
    ("ceiling", Whole),
    ("unit_log2", Signed),
    ("model_before", Text),
    ("model_after", Text),
    ("draw_seed", Text),
    ("challenge_seed", Text),
    ("fees", Whole),
];

const CONTRIBUTIONS: [Column; 14] = [
    ("round", Whole),
    ("participant", Text),
    ("owner", Text),
    ("position", Whole),
    ("bytes", Whole),
    ("root", Text),
    ("verdict", Text),
    ("reason", Text),
    ("copy_of", Text),
    ("norm_exponent", Whole),
    ("norm_to_median", Real),
    ("clip", Real),
    ("consensus", Real),
    ("weight", Whole),
];

const RATINGS: [Column; 11] = [
    ("round", Whole),
    ("rater", Text),
    ("rater_owner", Text),
    ("rated", Text),
    ("rated_owner", Text),
    ("score", Signed),
    ("share", Real),
    ("standing", Text),
    ("power", Real),
    ("reward", Whole),
    ("smoothed", Real),
];

const REWARDS: [Column; 28] = [
    ("epoch", Whole),
    ("round", Whole),
    ("source", Text),
    ("owner", Text),
    ("balance_before", Whole),
    ("contributing", Whole),
    ("rating", Whole),
    ("niche", Whole),
    ("payout", Whole),
    ("freed", Whole),
    ("balance_after", Whole),
    ("slashed", Whole),
    ("stake", Whole),
    ("stake_share", Real),
    ("power", Real),
    ("reputation_before", Real),
    ("reputation_after", Real),
    ("consensus", Real),
    ("agreement", Real),
    ("rated_in_round", Whole),
    ("asked_rounds", Whole),
    ("rated_rounds", Whole),
    ("pool_rounds", Whole),
    ("pool_emission", Whole),
    ("pool_fees", Whole),
    ("pool_paid", Whole),
    ("pool_withheld", Whole),
    ("pool_fees_carried", Whole),
];

const ACCOUNTS: [Column; 15] = [
    ("owner", Text),
    ("present", Flag),
    ("participants", Text),
    ("balance", Whole),
    ("stake", Whole),
    ("power", Real),
    ("grant", Whole),
    ("staked", Whole),
    ("warming", Whole),
    ("leaving", Whole),
    ("left", Whole),
    ("moves", Whole),
    ("reputation", Real),
    ("consensus", Real),
    ("last_payout", Whole),
];

const VIOLATIONS: [Column; 9] = [
    ("case", Whole),
    ("participant", Text),
    ("owner", Text),
    ("offence", Text),
    ("at", Whole),
    ("amount", Whole),
    ("executed_after_epoch", Whole),
    ("standing", Text),
    ("evidence", Text),
];

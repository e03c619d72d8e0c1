//! One line for people about each entry: what it says and who signed it.

use crate::entry::signed::SignedEntry;
use crate::entry::{AppealAuthority, Entry, VoidAuthority, VoidReason};
use crate::feedback::FeedbackKind;
use crate::hash::Hash;
use crate::identity::PublicKey;
use crate::member::{OwnerId, ParticipantId};
use crate::name::{MAX_NAME_CHARS, check_name};
use crate::rating::RatingStep;
use crate::state::State;
use crate::violation::{Violation, contradiction};
use data_encoding::HEXLOWER;
use std::collections::BTreeMap;

/// The signers named before the rest is counted.
const SIGNERS_SHOWN: usize = 8;

impl State {
    /// One line about `signed`, with names as this state knows them. The state before or after the
    /// entry, or any later one, will do; unknown keys and numbers are shown as such.
    pub fn describe(&self, signed: &SignedEntry) -> String {
        let what = self.describe_entry(&signed.entry);
        format!("{what}; signed by {}", self.describe_signers(signed))
    }

    /// What an entry says, without who signed it: for who is about to.
    pub fn describe_entry(&self, entry: &Entry) -> String {
        match entry {
            Entry::FederationCreated { draft, founders } => {
                let names = founders.iter().map(|founder| plain(&founder.name));
                format!(
                    "federation {} created by {}",
                    plain(&draft.name),
                    list(names)
                )
            }
            Entry::ParticipantAdmitted { name, key, owner } => {
                let of = owner.map_or_else(String::new, |owner| {
                    format!(" as an affiliate of {}", self.owner_name(owner))
                });
                format!("{} (key {}) admitted{of}", plain(name), short(&key.0))
            }
            Entry::RoundOpened {
                round,
                model,
                seats,
                ..
            } => {
                let names = seats.iter().map(|seat| self.name(seat.participant));
                format!(
                    "round {round} opened on model {}, seats: {}",
                    short(model),
                    list(names)
                )
            }
            Entry::ContributionCommitted {
                round,
                participant,
                root,
                bytes,
            } => {
                format!(
                    "round {round}: {} contributed {bytes} bytes, root {}",
                    self.name(*participant),
                    short(root)
                )
            }
            Entry::DirectionsCommitted {
                round,
                participant,
                directions,
                ..
            } => format!(
                "round {round}: {} committed to {} directions",
                self.name(*participant),
                directions.len()
            ),
            Entry::ContributionsJudged {
                round,
                accepted,
                rejected,
                ..
            } => {
                let rejected_names = rejected
                    .iter()
                    .map(|(id, reason)| format!("{} ({})", self.name(*id), reason.in_words()));
                format!(
                    "round {round} judged: {} accepted, rejected: {}",
                    accepted.len(),
                    list(rejected_names)
                )
            }
            Entry::RatingsCommitted {
                round, participant, ..
            } => {
                format!(
                    "round {round}: {} committed to ratings",
                    self.name(*participant)
                )
            }
            Entry::RatingsRevealed {
                round,
                participant,
                scores,
                ..
            } => format!(
                "round {round}: {} revealed ratings of {} contributions",
                self.name(*participant),
                scores.len()
            ),
            Entry::RatingStepEnded {
                round, step, rows, ..
            } => {
                let (over, done) = match step {
                    RatingStep::Commit => ("commit to ratings", "committed"),
                    RatingStep::Reveal => ("reveal ratings", "revealed"),
                };
                format!("round {round}: the time to {over} is over, {rows} {done}")
            }
            Entry::RoundClosed {
                round,
                contributions,
                cosignatures,
            } => {
                let seats = cosignatures
                    .iter()
                    .map(|cosignature| format!("seat {}", cosignature.seat));
                format!(
                    "round {round} closed over contributions {}, cosigned by {}",
                    short(contributions),
                    list(seats)
                )
            }
            Entry::ModelPublished {
                round,
                model,
                total_weight,
                ..
            } => {
                format!(
                    "round {round} published model {}, total weight {total_weight}",
                    short(model)
                )
            }
            Entry::StatisticsPublished { round, statistics } => match statistics {
                Some(statistics) => format!(
                    "round {round} published the statistics of {} columns over {} contributions",
                    statistics.columns.iter().flatten().count(),
                    statistics.contributions
                ),
                None => format!(
                    "round {round} ended without statistics: the declared ranges scale all columns"
                ),
            },
            Entry::RoundVoided {
                round,
                reason,
                authority,
            } => {
                let by = match authority {
                    VoidAuthority::Committee => "its committee",
                    VoidAuthority::Owners { .. } => "the owners",
                };
                format!("round {round} declared void by {by}: {}", reason.in_words())
            }
            other => self.describe_books(other),
        }
    }

    /// Entries about members, money and violations.
    fn describe_books(&self, entry: &Entry) -> String {
        match entry {
            Entry::ParticipantEvicted { participant, .. } => {
                format!("{} evicted", self.name(*participant))
            }
            Entry::ParticipantReadmitted {
                participant, key, ..
            } => format!(
                "{} readmitted with key {}",
                self.name(*participant),
                short(&key.0)
            ),
            Entry::OwnerChanged {
                participant, owner, ..
            } => {
                let owner = owner.map_or("a company of its own", |owner| self.owner_name(owner));
                format!("{} belongs to {owner}", self.name(*participant))
            }
            Entry::StakeDeposited {
                participant,
                amount,
                ..
            } => format!("{} staked {amount}", self.name(*participant)),
            Entry::StakeWithdrawn {
                participant,
                amount,
                ..
            } => format!("{} withdrew {amount} of its stake", self.name(*participant)),
            Entry::QueryBatch {
                root, count, fees, ..
            } => {
                format!("{count} queries (root {}), fees {fees}", short(root))
            }
            Entry::ViolationReported { violation } => self.describe_violation(violation),
            Entry::Appealed { case, authority } => {
                let by = match authority {
                    AppealAuthority::Committee => "the committee",
                    AppealAuthority::Owners => "the owners",
                };
                format!("appeal against case {case} upheld by {by}")
            }
            Entry::FeedbackFiled {
                participant,
                kind,
                hash,
                ..
            } => {
                let kind = match kind {
                    FeedbackKind::Problem => "a problem",
                    FeedbackKind::Idea => "an idea",
                    FeedbackKind::Praise => "praise",
                };
                format!("{} filed {kind} ({})", self.name(*participant), short(hash))
            }
            // Rounds are described by the caller.
            _ => "an entry about a round".to_owned(),
        }
    }

    fn describe_violation(&self, violation: &Violation) -> String {
        match violation {
            Violation::Contradiction {
                participant,
                first,
                second,
            } => {
                let federation = self.federation_id();
                let found = federation.and_then(|id| contradiction(&id, first, second));
                match found {
                    Some((offence, round)) => format!(
                        "violation: {} {}, in round {round}",
                        self.name(*participant),
                        offence.in_words()
                    ),
                    None => format!(
                        "violation: {} is said to have signed two statements that exclude each other",
                        self.name(*participant)
                    ),
                }
            }
            Violation::Equivocation { .. } => {
                "violation: a participant cosigned two histories".to_owned()
            }
            Violation::WrongAnswer {
                participant, round, ..
            } => format!(
                "violation: {} answered wrongly in round {round}",
                self.name(*participant)
            ),
            Violation::WrongShare {
                participant, round, ..
            } => format!(
                "violation: {} dealt a wrong share in round {round}",
                self.name(*participant)
            ),
        }
    }

    fn describe_signers(&self, signed: &SignedEntry) -> String {
        list(self.signer_names(signed).into_iter())
    }

    /// The names of all who signed, in the order of their signatures.
    pub fn signer_names(&self, signed: &SignedEntry) -> Vec<String> {
        // The genesis names its founders itself, so it can be described before it is applied.
        let founders: BTreeMap<PublicKey, String> = match &signed.entry {
            Entry::FederationCreated { draft, founders } => founders
                .iter()
                .map(|founder| (founder.key, plain(&founder.name)))
                .chain([(draft.coordinator, "the coordinator".to_owned())])
                .collect(),
            _ => BTreeMap::new(),
        };
        let is_coordinator =
            |key: &PublicKey| self.draft().is_some_and(|draft| draft.coordinator == *key);
        let names =
            signed.signers().map(
                |key| match (founders.get(key), self.participant_by_key(key)) {
                    (Some(name), _) => name.clone(),
                    (None, Some(participant)) => participant.name.clone(),
                    (None, None) if is_coordinator(key) => "the coordinator".to_owned(),
                    (None, None) => format!("unknown key {}", short(&key.0)),
                },
            );
        names.collect()
    }

    fn owner_name(&self, id: OwnerId) -> &str {
        self.owner(id)
            .map_or("an unknown owner", |owner| &owner.name)
    }

    fn name(&self, id: ParticipantId) -> String {
        self.participant(id).map_or_else(
            || format!("unknown participant {id}"),
            |participant| participant.name.clone(),
        )
    }
}

impl VoidReason {
    /// The reason as a phrase.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::TooFewContributions => "fewer companies contributed than may be summed",
            Self::TooFewMembers => "too few members of the committee answered in time",
            Self::Dispute => "a contribution was left out, or replicas disagree",
            Self::BadSum => "the opened sum or the model failed a member's check",
            Self::LostData => "the coordinator lost data that it cannot recover",
            Self::NoVerdict => "the members came to no common judgement",
            Self::TooFewAccepted => {
                "too few companies have an accepted contribution that weighs anything: the model stays as it is"
            }
            Self::Brake => "the raters support too few contributions: the model stays as it is",
        }
    }
}

/// A name as it is, unless it is one that no ledger would accept: an entry may be described before it
/// is applied, and must not write to the terminal what it likes.
fn plain(name: &str) -> String {
    match check_name("name", name) {
        Ok(()) => name.to_owned(),
        Err(_) => name.escape_default().take(MAX_NAME_CHARS).collect(),
    }
}

/// The first eight hexadecimal digits.
fn short(hash: &Hash) -> String {
    HEXLOWER.encode(hash).chars().take(8).collect()
}

fn list(names: impl Iterator<Item = impl AsRef<str>>) -> String {
    let names: Vec<_> = names.collect();
    let shown: Vec<&str> = names
        .iter()
        .take(SIGNERS_SHOWN)
        .map(AsRef::as_ref)
        .collect();
    match names.len().checked_sub(SIGNERS_SHOWN) {
        None | Some(0) if shown.is_empty() => "nobody".to_owned(),
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{} and {more} more", shown.join(", ")),
    }
}

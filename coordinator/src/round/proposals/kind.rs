//! The kinds of entries that participants sign outside of a round, and when each may go on the ledger.

use unsilo_ledger::{
    AppealAuthority, Entry, ParticipantId, Phase, State, VoidAuthority, entry::OWNERS_VOID_DELAY_MS,
};
use unsilo_proto::{Code, Rejected};

/// What an entry is about. An owner signs one entry of a kind at a time, but for admissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Admission,
    Void,
    Eviction(ParticipantId),
    Readmission(ParticipantId),
    OwnerChange(ParticipantId),
    Appeal(u64),
    /// What one participant says for itself or its owner.
    Own(OwnKind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnKind {
    Stake,
    Feedback,
}

impl Kind {
    /// Whether a second signature of an owner under this kind takes the place of its first.
    pub(super) fn replaces(&self) -> bool {
        !matches!(self, Self::Admission | Self::Own(_))
    }
}

/// The kind of an entry that participants sign outside of a round; `None` for every other entry.
pub(super) fn kind_of(entry: &Entry) -> Option<Kind> {
    match entry {
        Entry::ParticipantAdmitted { .. } => Some(Kind::Admission),
        Entry::RoundVoided {
            authority: VoidAuthority::Owners { .. },
            ..
        } => Some(Kind::Void),
        Entry::ParticipantEvicted { participant, .. } => Some(Kind::Eviction(*participant)),
        Entry::ParticipantReadmitted { participant, .. } => Some(Kind::Readmission(*participant)),
        Entry::OwnerChanged { participant, .. } => Some(Kind::OwnerChange(*participant)),
        Entry::Appealed {
            case,
            authority: AppealAuthority::Owners,
        } => Some(Kind::Appeal(*case)),
        Entry::StakeDeposited { .. } | Entry::StakeWithdrawn { .. } => {
            Some(Kind::Own(OwnKind::Stake))
        }
        Entry::FeedbackFiled { .. } => Some(Kind::Own(OwnKind::Feedback)),
        _ => None,
    }
}

/// Whether an entry of this kind may go on the ledger in this phase.
///
/// Who belongs to the federation changes between rounds only. While one is open, a change would alter who is waited for
/// and how many companies a close needs, so a coordinator that restarts would take up again a set that members have
/// cosigned. From the closing on, members act on the log at one size, which must not move under them. What one company
/// says for itself changes neither, and is entered at once while contributions still come in. A void is entered at any
/// time: that is what it is for.
pub(super) fn may_be_entered(kind: &Kind, contributing: bool, phase: Phase) -> bool {
    match kind {
        Kind::Void => true,
        Kind::Own(_) => contributing || phase == Phase::Idle,
        _ => phase == Phase::Idle,
    }
}

/// Checks that a void is in the one form that is taken now: otherwise signatures under the same word would not add up.
pub(super) fn check_form(entry: &Entry, ledger: &State) -> Result<(), Rejected> {
    let Entry::RoundVoided {
        round,
        authority: VoidAuthority::Owners { passed_ms },
        ..
    } = entry
    else {
        return Ok(());
    };
    let expected = round_to_void(ledger);
    if ledger.phase() == Phase::Unfounded || *round != expected {
        return Err(Rejected::new(
            Code::WrongRound,
            format!(
                "round {expected} is the one that owners can void now, this is for round {round}"
            ),
        ));
    }
    let stated = passed_ms_of(ledger);
    if *passed_ms != stated {
        return Err(Rejected::new(
            Code::WrongStep,
            format!(
                "the void states that {passed_ms} has passed, {stated} is expected (milliseconds since 1970): has the \
                 round closed in the meantime? Sign again"
            ),
        ));
    }
    Ok(())
}

/// The round under way, or else the next one, whose draw a void skips.
fn round_to_void(ledger: &State) -> u64 {
    ledger
        .round()
        .map_or_else(|| ledger.next_round(), |round| round.opening.round)
}

/// The moment that every signer states has passed: none before the close, a day after the last deadline
/// afterwards.
fn passed_ms_of(ledger: &State) -> u64 {
    ledger
        .round()
        .filter(|round| round.closing.is_some())
        .map_or(0, |round| {
            round
                .opening
                .open_by_ms
                .saturating_add(OWNERS_VOID_DELAY_MS)
        })
}

//! What must never happen in an honest federation. A node that sees it refuses, says so, and keeps the evidence.

use std::{fs, path::Path};

use crate::{error::NodeError, keystore};

/// Something that must never happen was seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Alarm {
    /// The coordinator shows two histories. The node stops.
    #[error(
        "the coordinator showed this node a ledger that contradicts the one it showed before ({detail}). Both \
         checkpoints are kept under alarms/: compare them with the other companies; this node does not go on by itself"
    )]
    Fork {
        /// Sizes and roots.
        detail: String,
        /// The newest checkpoint this node had verified.
        ours: String,
        /// What the coordinator sent.
        theirs: String,
        /// The proof that convicts the coordinator by itself, if the two make one: canonical bytes of the ledger crate's
        /// `ForkProof`.
        proof: Option<Vec<u8>>,
    },
    /// The ledger on the coordinator is that of another federation. The node stops.
    #[error(
        "the coordinator's ledger is of federation {found}, not of {expected} that the invitation names"
    )]
    OtherFederation {
        /// From the invitation, hex.
        expected: String,
        /// On the ledger, hex.
        found: String,
    },
    /// The list of founders is not the one that was agreed, or changed after this node signed it.
    #[error("the list of founders is refused: {reason}; nothing was signed")]
    FoundersDiffer {
        /// Who or what differs.
        reason: String,
    },
    /// This node was drawn, asked and answered, but its seat was left empty or given to a later one.
    #[error(
        "round {round}: this node offered its seat in time and was passed over; it does not contribute to this round"
    )]
    SeatSkipped {
        /// The round.
        round: u64,
    },
    /// The ledger holds acts of this identity that this directory does not know of.
    #[error(
        "round {round}: the ledger holds a {what} of this identity that the guard records do not: this directory is \
         older than its identity (a restored backup), or the key is used elsewhere; the round is sat out"
    )]
    GuardsBehind {
        /// The round.
        round: u64,
        /// "contribution" or "seat".
        what: &'static str,
    },
    /// The ledger holds a head of this identity's guard records that those here do not lead to.
    #[error(
        "this directory is older than the last acts of its identity (a restored backup): the ledger knows of {shown} \
         records, here are {known}. What was done since is not known, so this node does nothing until round {until} is \
         over, and takes part again in the round after it. There is nothing to do but wait; if this comes up again, the \
         same identity runs somewhere else too: stop one of the two for good"
    )]
    RecordsLost {
        /// Records here.
        known: u64,
        /// Records that this identity had when it last sat or cosigned.
        shown: u64,
        /// The last round that is sat out.
        until: u64,
    },
    /// A second contribution to one model was asked for.
    #[error(
        "round {round} starts from the model that this node already contributed to in round {earlier}, which is not void: \
         nothing is sent, since two sums on one model reveal their difference"
    )]
    SecondContribution {
        /// The round under way.
        round: u64,
        /// The round contributed to.
        earlier: u64,
    },
    /// The closing set lacks a contribution for which the coordinator gave a receipt.
    #[error(
        "round {round}: the coordinator gave a receipt for this node's contribution but left it out of the closing set: not cosigned"
    )]
    ReceiptedContributionMissing {
        /// The round.
        round: u64,
    },
    /// A second, different close of one round was asked to be cosigned.
    #[error("round {round}: asked to cosign a second, different set of contributions: refused")]
    CloseDiffers {
        /// The round.
        round: u64,
    },
    /// A contribution whose receipt its holder posted is not in the closing set.
    #[error(
        "round {round}: the coordinator gave participant {participant} a receipt but left its contribution out of the \
         closing set: not cosigned"
    )]
    OthersContributionMissing {
        /// The round.
        round: u64,
        /// Whose.
        participant: u32,
    },
    /// The mailbox does not hold the receipt that this node posted.
    #[error(
        "round {round}: the coordinator took this node's receipt for the committee's mailbox and does not deliver it: the \
         close is not cosigned"
    )]
    MailboxCensored {
        /// The round.
        round: u64,
    },
    /// A step of rating ended without this node's row, which the coordinator had taken.
    #[error(
        "round {round}: the coordinator took this company's ratings and let the rating end without them"
    )]
    RowLeftOut {
        /// The round.
        round: u64,
    },
    /// What a member answered on this node's directions is not handed out.
    #[error(
        "round {round}: the coordinator does not hand out what seat {seat} answered on this company's directions, which it \
         must have: this company has no say in the round until it does, and as a member does not sign that the ratings are \
         in"
    )]
    AnswersWithheld {
        /// The round.
        round: u64,
        /// The seat.
        seat: u16,
    },
    /// A second checkpoint was to be cosigned for one step.
    #[error(
        "round {round}: asked to cosign a second, different checkpoint for the same step: refused"
    )]
    CheckpointDiffers {
        /// The round.
        round: u64,
    },
    /// The step claims to be confirmed and is not.
    #[error(
        "round {round}: the coordinator says that the members confirmed its ledger, but {cosigners} of them did and \
         {needed} must: not acted on"
    )]
    TooFewCosigners {
        /// The round.
        round: u64,
        /// Seated members whose cosignature verifies.
        cosigners: usize,
        /// Members that must have cosigned.
        needed: usize,
    },
    /// More directions than may be opened in one round.
    #[error(
        "round {round}: {opened} directions were to be answered, and this model bears {limit}: refused, since more would \
         weaken every company's key"
    )]
    TooManyDirections {
        /// The round.
        round: u64,
        /// How many, projections included.
        opened: usize,
        /// How many at most.
        limit: u16,
    },
    /// Other scalars were to be answered than before.
    #[error(
        "round {round}: asked to answer other scalars than before: refused, the first answers stand"
    )]
    AnswersDiffer {
        /// The round.
        round: u64,
    },
    /// Answers that this node gave, and the coordinator took, are left out of the judgement.
    #[error(
        "round {round}: the coordinator took this node's answers and leaves them out of the judgement: not signed"
    )]
    AnswersLeftOut {
        /// The round.
        round: u64,
    },
    /// What the coordinator hands out as a member's answers is not what that member signed.
    #[error(
        "round {round}: the coordinator handed out answers of seat {seat} that its member did not sign"
    )]
    AnswerSubstituted {
        /// The round.
        round: u64,
        /// The seat.
        seat: u16,
    },
    /// What the coordinator hands out as an appeal is none that a dealer of this round signed.
    #[error(
        "round {round}: the coordinator handed out an appeal that no dealer signed for this round: it counts for nothing, \
         and says nothing about anybody but the coordinator"
    )]
    AppealForged {
        /// The round.
        round: u64,
    },
    /// The coordinator took this node's appeal and does not hand it out.
    #[error(
        "round {round}: the coordinator took this node's appeal and does not hand it out to the committee's members"
    )]
    AppealWithheld {
        /// The round.
        round: u64,
    },
    /// The coordinator's projections of a contribution are not those of the signed ciphertext.
    #[error(
        "round {round}: the coordinator's projections of the contribution of participant {participant} are not those of the \
         ciphertext that was signed, or it does not show that ciphertext: the fault is the coordinator's and not the \
         participant's; the judgement is not signed"
    )]
    ProjectionsFalse {
        /// The round.
        round: u64,
        /// Whose contribution.
        participant: u32,
    },
    /// A judgement from fewer answers than allowed, or from seats there are not.
    #[error(
        "round {round}: asked to judge from answers of too few seats, or of seats that there are not: refused"
    )]
    JudgesUnfit {
        /// The round.
        round: u64,
    },
    /// A second, different judgement of one round was to be signed.
    #[error("round {round}: asked to sign a second, different judgement: refused")]
    JudgementDiffers {
        /// The round.
        round: u64,
    },
    /// A second, different opening of one round was asked for.
    #[error(
        "round {round}: asked to open a second, different sum: refused, the first answer stands"
    )]
    OpeningDiffers {
        /// The round.
        round: u64,
    },
    /// The set or the weights break a rule that protects the companies in the sum.
    #[error("round {round}: the sum is not opened: {reason}")]
    OpeningUnsafe {
        /// The round.
        round: u64,
        /// Which rule, with numbers.
        reason: String,
    },
    /// A share that the coordinator served is not the one its sender committed to.
    #[error(
        "round {round}: the coordinator served a key share of participant {participant} that is not the committed one"
    )]
    ShareSubstituted {
        /// The round.
        round: u64,
        /// Whose contribution.
        participant: u32,
    },
    /// The published sum, key or model is not what this node computes.
    #[error(
        "round {round}: the model is not what the opened sum gives: {reason}; not signed, not used"
    )]
    ModelDiffers {
        /// The round.
        round: u64,
        /// What differs.
        reason: String,
    },
    /// A second, different model of one round was to be signed.
    #[error("round {round}: asked to sign a second, different model: refused")]
    PublicationDiffers {
        /// The round.
        round: u64,
    },
    /// The coordinator's receipt does not verify or is for something else.
    #[error("round {round}: the coordinator's receipt is not valid: {reason}")]
    ReceiptInvalid {
        /// The round.
        round: u64,
        /// What does not fit.
        reason: String,
    },
}

impl Alarm {
    /// Stable name, for files, logs and JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fork { .. } => "fork",
            Self::OtherFederation { .. } => "other-federation",
            Self::FoundersDiffer { .. } => "founders-differ",
            Self::SeatSkipped { .. } => "seat-skipped",
            Self::GuardsBehind { .. } => "guards-behind",
            Self::SecondContribution { .. } => "second-contribution",
            Self::ReceiptedContributionMissing { .. } => "receipted-contribution-missing",
            Self::CloseDiffers { .. } => "close-differs",
            Self::OthersContributionMissing { .. } => "others-contribution-missing",
            Self::MailboxCensored { .. } => "mailbox-censored",
            Self::RowLeftOut { .. } => "row-left-out",
            Self::AnswersWithheld { .. } => "answers-withheld",
            Self::CheckpointDiffers { .. } => "checkpoint-differs",
            Self::TooFewCosigners { .. } => "too-few-cosigners",
            Self::TooManyDirections { .. } => "too-many-directions",
            Self::AnswersDiffer { .. } => "answers-differ",
            Self::AnswersLeftOut { .. } => "answers-left-out",
            Self::AnswerSubstituted { .. } => "answer-substituted",
            Self::AppealForged { .. } => "appeal-forged",
            Self::AppealWithheld { .. } => "appeal-withheld",
            Self::ProjectionsFalse { .. } => "projections-false",
            Self::JudgesUnfit { .. } => "judges-unfit",
            Self::JudgementDiffers { .. } => "judgement-differs",
            Self::RecordsLost { .. } => "records-lost",
            Self::OpeningDiffers { .. } => "opening-differs",
            Self::OpeningUnsafe { .. } => "opening-unsafe",
            Self::ShareSubstituted { .. } => "share-substituted",
            Self::ModelDiffers { .. } => "model-differs",
            Self::PublicationDiffers { .. } => "publication-differs",
            Self::ReceiptInvalid { .. } => "receipt-invalid",
        }
    }

    /// Whether the node must stop altogether; after the others it only refuses the act in question.
    #[must_use]
    pub fn stops(&self) -> bool {
        matches!(
            self,
            Self::Fork { .. } | Self::OtherFederation { .. } | Self::FoundersDiffer { .. }
        )
    }

    /// Keeps the alarm with its evidence in `directory`, one file each; the same alarm has the same file.
    pub(crate) fn keep(&self, directory: &Path) -> Result<(), NodeError> {
        keystore::private_directory(directory)?;
        let mut text = format!("{self}\n");
        if let Self::Fork { ours, theirs, .. } = self {
            text.push_str(&format!(
                "\n--- checkpoint verified before\n{ours}\n--- checkpoint received\n{theirs}\n"
            ));
        }
        let digest = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes());
        let file = format!(
            "{}-{}.txt",
            self.name(),
            data_encoding::HEXLOWER.encode(&digest[..6])
        );
        let path = directory.join(file);
        if let Self::Fork {
            proof: Some(proof), ..
        } = self
        {
            keystore::write(&path.with_extension("proof"), proof)?;
        }
        keystore::write(&path, text.as_bytes())
    }

    /// The evidence of a fork, if one was ever seen in `directory`.
    pub(crate) fn kept_fork(directory: &Path) -> Option<std::path::PathBuf> {
        fs::read_dir(directory)
            .ok()?
            .filter_map(|file| Some(file.ok()?.path()))
            .find(|path| {
                let text = path.extension().is_some_and(|extension| extension == "txt");
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                text && name.starts_with("fork-")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_is_kept_with_both_checkpoints_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let alarms = dir.path().join("alarms");
        let skipped = Alarm::SeatSkipped { round: 3 };
        skipped.keep(&alarms).unwrap();
        skipped.keep(&alarms).unwrap();
        assert_eq!(
            fs::read_dir(&alarms).unwrap().count(),
            1,
            "the same alarm is one file"
        );
        assert_eq!(Alarm::kept_fork(&alarms), None);
        let fork = Alarm::Fork {
            detail: "two logs".into(),
            ours: "ours\n".into(),
            theirs: "theirs\n".into(),
            proof: Some(vec![1, 2, 3]),
        };
        fork.keep(&alarms).unwrap();
        let path = Alarm::kept_fork(&alarms).unwrap();
        assert_eq!(fs::read(path.with_extension("proof")).unwrap(), [1, 2, 3]);
        let kept = fs::read_to_string(path).unwrap();
        assert!(kept.contains("ours\n") && kept.contains("theirs\n"));
        assert!(fork.stops() && !skipped.stops());
    }
}

//! A refusal: this message, by this sender, for this reason. Not a failure of the process that refuses.

use std::fmt;

use tonic::{Code as GrpcCode, Status, metadata::MetadataValue};

/// Name of the gRPC metadata entry that carries the stable code of a refusal.
const CODE_METADATA: &str = "unsilo-code";

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal => $grpc:ident,)*) => {
        /// Why a message was refused. The text form is stable: programs may match on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// The stable text form, as in logs, JSON output and gRPC metadata.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The code with this text form.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }

            const fn grpc(self) -> GrpcCode {
                match self { $(Self::$variant => GrpcCode::$grpc,)* }
            }
        }
    };
}

codes! {
    /// The caller's protocol version is not spoken here.
    VersionUnsupported = "version_unsupported" => FailedPrecondition,
    /// No client certificate, or one that this federation did not issue.
    CertificateUnknown = "certificate_unknown" => Unauthenticated,
    /// The certificate is suspended.
    Suspended = "suspended" => PermissionDenied,
    /// The caller is not a participant of the federation (yet).
    NotAParticipant = "not_a_participant" => PermissionDenied,
    /// The invitation does not exist or its secret is wrong.
    InviteUnknown = "invite_unknown" => PermissionDenied,
    /// The invitation is past its date.
    InviteExpired = "invite_expired" => PermissionDenied,
    /// The invitation was used by somebody else.
    InviteUsed = "invite_used" => AlreadyExists,
    /// A field has the wrong form or size.
    Malformed = "malformed" => InvalidArgument,
    /// A signature does not verify.
    SignatureInvalid = "signature_invalid" => InvalidArgument,
    /// The message is for a round that is not under way.
    WrongRound = "wrong_round" => FailedPrecondition,
    /// The message is for a step that is over or has not begun.
    WrongStep = "wrong_step" => FailedPrecondition,
    /// Too late for this round.
    DeadlinePassed = "deadline_passed" => DeadlineExceeded,
    /// The participant already made another contribution to this round.
    ContributionDiffers = "contribution_differs" => AlreadyExists,
    /// The ciphertext is not what the signed root commits to, or breaks the parameters.
    ContributionInvalid = "contribution_invalid" => InvalidArgument,
    /// The linear hash in a contribution's header is not that of its ciphertext.
    LinearHashDiffers = "linear_hash_differs" => InvalidArgument,
    /// A direction's key is not the one its signed entry commits to.
    DirectionInvalid = "direction_invalid" => InvalidArgument,
    /// What was sent as evidence does not show what it must.
    EvidenceInvalid = "evidence_invalid" => InvalidArgument,
    /// An appeal shows no share of a contribution of the caller's.
    AppealInvalid = "appeal_invalid" => InvalidArgument,
    /// A cosignature under a checkpoint that is not the log's.
    CheckpointUnknown = "checkpoint_unknown" => FailedPrecondition,
    /// The parts of a stream do not follow each other.
    OutOfOrder = "out_of_order" => OutOfRange,
    /// More bytes or items than allowed.
    TooLarge = "too_large" => ResourceExhausted,
    /// The caller holds no seat in this round's committee.
    NoSeat = "no_seat" => PermissionDenied,
    /// A second, different answer where one is allowed.
    AnswerDiffers = "answer_differs" => AlreadyExists,
    /// What was asked for does not exist (any more).
    NotFound = "not_found" => NotFound,
    /// The ledger's rules refuse the entry.
    LedgerRefused = "ledger_refused" => FailedPrecondition,
    /// The coordinator cannot store more now.
    StorageFull = "storage_full" => ResourceExhausted,
    /// The coordinator failed; the request may be repeated.
    Internal = "internal" => Internal,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refused message: a stable code for programs, a sentence for people that says what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} [{code}]")]
pub struct Rejected {
    /// Why.
    pub code: Code,
    /// What happened, what was kept, what to do next.
    pub message: String,
}

impl Rejected {
    /// A refusal with its code and sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The refusal a gRPC status carries, if it carries one of ours.
    #[must_use]
    pub fn from_status(status: &Status) -> Option<Self> {
        let code = status.metadata().get(CODE_METADATA)?.to_str().ok()?;
        Some(Self::new(Code::from_text(code)?, status.message()))
    }
}

impl From<Rejected> for Status {
    fn from(rejected: Rejected) -> Self {
        let mut status = Self::new(rejected.code.grpc(), rejected.message);
        status.metadata_mut().insert(
            CODE_METADATA,
            MetadataValue::from_static(rejected.code.as_str()),
        );
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_survives_the_way_through_a_status() {
        let rejected = Rejected::new(Code::InviteUsed, "ask for a new invitation");
        let status = Status::from(rejected.clone());
        assert_eq!(status.code(), GrpcCode::AlreadyExists);
        assert_eq!(Rejected::from_status(&status), Some(rejected));
        assert_eq!(Rejected::from_status(&Status::internal("x")), None);
    }
}

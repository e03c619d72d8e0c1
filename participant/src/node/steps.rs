//! Steps off the wire.

use unsilo_proto::v1;

use crate::session::{Step, StepKind};

/// Decodes a step; `None` for a kind this version does not know, or a malformed one: the current step comes again.
pub(super) fn decode(step: v1::Step) -> Option<Step> {
    let hash = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).ok();
    use v1::step::Kind;
    let kind = match step.kind? {
        Kind::Founding(v1::Founding { entry, missing }) => StepKind::Founding { entry, missing },
        Kind::Seating(v1::Seating {
            round,
            model,
            asked,
        }) => StepKind::Seating {
            round,
            model: hash(model)?,
            asked,
        },
        Kind::Contributing(v1::Contributing { round }) => StepKind::Contributing { round },
        Kind::Closing(v1::Closing { round }) => StepKind::Closing { round },
        Kind::Answering(v1::Answering { round }) => StepKind::Answering { round },
        Kind::Judging(v1::Judging { round, seats }) => StepKind::Judging { round, seats },
        Kind::Rating(v1::Rating {
            round,
            revealing,
            entry,
        }) => StepKind::Rating {
            round,
            revealing,
            entry,
        },
        Kind::Opening(v1::Opening { round }) => StepKind::Opening { round },
        Kind::Publishing(v1::Publishing { round, entry }) => StepKind::Publishing { round, entry },
        Kind::Published(v1::Published { round, model }) => StepKind::Published {
            round,
            model: hash(model)?,
        },
        Kind::Voiding(v1::Voiding {
            round,
            entry,
            reason,
        }) => StepKind::Voiding {
            round,
            entry,
            reason,
        },
        Kind::Resting(v1::Resting { finished, reason }) => StepKind::Resting { finished, reason },
    };
    Some(Step {
        id: step.id,
        ledger_entries: step.ledger_entries,
        checkpoint: step.checkpoint,
        now_ms: step.now_ms,
        kind,
    })
}

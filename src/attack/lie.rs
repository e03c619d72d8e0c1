//! What a rater says that is in league with attackers.

use unsilo_ledger::ParticipantId;
use unsilo_participant::Opinion;

/// Its opinions of `contributors` (those of other owners), in their order: its fellows' contributions are all that helps,
/// the others harm. One that has no fellow among them may put its whole row on the first (`alone_praises_one`): a row that
/// praises nobody counts as absent.
pub(crate) fn lie(
    contributors: &[ParticipantId],
    alone_praises_one: bool,
    is_fellow: impl Fn(ParticipantId) -> bool,
) -> Vec<Opinion> {
    let alone = alone_praises_one && !contributors.iter().any(|id| is_fellow(*id));
    let opinion = |(at, id): (usize, &ParticipantId)| {
        if is_fellow(*id) || (alone && at == 0) {
            Opinion {
                score: i16::MAX,
                reward: u16::MAX,
            }
        } else {
            Opinion {
                score: -i16::MAX,
                reward: 0,
            }
        }
    };
    contributors.iter().enumerate().map(opinion).collect()
}

//! What a rater says that is in league with attackers.

use unsilo_ledger::ParticipantId;
use unsilo_participant::Opinion;

/// Its opinions of `contributors` (those of other owners), in their order: its fellows' contributions are all that helps,
/// the others harm. One that has no fellow among them puts its whole row on the first: a row that praises nobody would
/// count as absent.
pub(crate) fn lie(
    contributors: &[ParticipantId],
    is_fellow: impl Fn(ParticipantId) -> bool,
) -> Vec<Opinion> {
    let alone = !contributors.iter().any(|id| is_fellow(*id));
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

//! Participants of one owner, by the owners' signatures, as `unsilo reassign` collects them.

use std::{ops::Range, path::PathBuf};

use anyhow::Context;
use unsilo_participant::signing::{Signing, membership};

use super::super::data::COMPANIES;

/// Has the companies state that those of `sybils` belong to the first of them: more than half of the owners sign, that one among
/// them. It takes effect when the round under way ends. `dirs` are the companies' directories; the federation is founded.
pub(in super::super) async fn state_one_owner(
    dirs: &[PathBuf],
    sybils: Range<usize>,
) -> anyhow::Result<()> {
    let owner = sybils.start;
    for sybil in sybils.skip(1) {
        let others = (0..dirs.len()).filter(|signer| *signer != owner);
        for signer in std::iter::once(owner).chain(others) {
            let mut session = Signing::open(&dirs[signer]).await?;
            let entry = membership::owner_change(
                session.state(),
                COMPANIES[sybil],
                Some(COMPANIES[owner]),
            )?;
            let signed = session.sign(entry).await;
            let signed = signed.with_context(|| {
                format!(
                    "{} cannot state whose participant {} is",
                    COMPANIES[signer], COMPANIES[sybil]
                )
            })?;
            if signed.complete {
                break;
            }
        }
    }
    Ok(())
}

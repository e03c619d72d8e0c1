//! Is the published sum the sum of the signed contributions, with the weights on the ledger? Everybody checks, before the
//! model is used, and says whom to blame.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tonic::transport::Channel;
use unsilo_fhe::{
    ContributionCommitment, KeySum, LinearHash, ProjectionTable, Projections, RoundContext,
    Summand, project, verify_projections_of_sum, verify_sum,
};
use unsilo_ledger::{Hash, Statistics};
use unsilo_proto::{
    key_sum_hash, limits,
    v1::{ContributionLeaves, SumProofRequest, models_client::ModelsClient, sum_proof_part::Part},
};

use super::{
    Shared, judging,
    requests::{Failure, within},
    sums::differs,
};
use crate::{
    payload::{ReadSum, ServedKey},
    session::{Event, JudgingJob, PublishedFacts},
};

/// What the coordinator shows of a round's contributions.
#[derive(Default)]
pub(super) struct Fetched {
    table: Vec<u8>,
    pub(super) leaves: BTreeMap<u32, ContributionLeaves>,
}

/// Fetches it.
pub(super) async fn fetch(
    channel: Channel,
    published: &PublishedFacts,
    wait: Duration,
) -> Result<Fetched, Failure> {
    let contributions = published.proof.contributions.iter();
    let wanted = contributions.map(|(id, ..)| id.0).collect();
    fetch_round(
        channel,
        published.round,
        (wanted, published.proof.seats),
        wait,
    )
    .await
}

/// Fetches it for these contributions to a round with so many seats; nothing else of what is sent is kept.
pub(super) async fn fetch_round(
    channel: Channel,
    round: u64,
    (wanted, seats): (BTreeSet<u32>, usize),
    wait: Duration,
) -> Result<Fetched, Failure> {
    let mut client = ModelsClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES);
    let mut stream = within(wait, client.sum_proof(SumProofRequest { round }))
        .await?
        .into_inner();
    let mut fetched = Fetched::default();
    while let Some(part) = within(wait, stream.message()).await? {
        match part.part {
            Some(Part::Projections(bytes))
                if fetched.table.len() + bytes.len() <= limits::PROJECTION_TABLE_BYTES =>
            {
                fetched.table.extend_from_slice(&bytes);
            }
            Some(Part::Contribution(leaves))
                if wanted.contains(&leaves.participant) && is_sized(&leaves, seats) =>
            {
                fetched.leaves.insert(leaves.participant, leaves);
            }
            _ => {}
        }
    }
    Ok(fetched)
}

/// Whether it takes no more memory than what a root covers: a message may be hundreds of times as large.
fn is_sized(leaves: &ContributionLeaves, seats: usize) -> bool {
    let is_hash = |bytes: &Vec<u8>| bytes.len() == size_of::<Hash>();
    leaves.share_hashes.len() == seats
        && leaves.share_hashes.iter().all(is_hash)
        && is_hash(&leaves.chunks_root)
        && leaves.linear_hash.len() == limits::LINEAR_HASH_BYTES
}

/// Why a sum is not accepted.
pub(super) enum Fault {
    /// It is not what it should be.
    Differs(String),
    /// This node could not find out.
    Unable(String),
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Differs(reason)
    }
}

/// A published sum with all that it is held against.
pub(super) struct Proof<'a> {
    pub(super) published: &'a PublishedFacts,
    pub(super) fetched: &'a Fetched,
    /// Members: what they judged.
    pub(super) judged: Option<&'a JudgingJob>,
    /// And the answers, if the judgement has to be made again.
    pub(super) answers: Option<&'a judging::Fetched>,
}

impl Proof<'_> {
    /// Says what is wrong, and whose fault it is.
    pub(super) fn verify(
        &self,
        shared: &Shared,
        key_sum: &[u8],
        sum: &ReadSum,
    ) -> Result<(), Fault> {
        if key_sum_hash(key_sum) != self.published.key_sum {
            let reason =
                "the key of the sum that the coordinator serves is not the one named on the ledger";
            return Err(reason.to_owned().into());
        }
        let Some(sum) = sum.encrypted() else {
            return Ok(());
        };
        let context = context(shared, self.published);
        self.verify_digits(shared, &context, sum)?;
        if self.published.statistics.is_some() {
            // Nothing was projected, and nothing judged.
            return Ok(());
        }
        let projections =
            Projections::new(&shared.params, &context, self.published.proof.challenge);
        let weights = self.weights();
        self.verify_projections(shared, &projections, &weights, sum)?;
        if let Some(job) = self.judged {
            let key_sum = KeySum::from_bytes(key_sum).map_err(|error| error.to_string())?;
            judging::verify_key_sum(shared, job, self.answers, &key_sum, &weights)?;
        }
        Ok(())
    }

    /// Weights above 0, ascending by participant.
    fn weights(&self) -> Vec<(u32, u16)> {
        let all = &self.published.proof.contributions;
        all.iter()
            .filter(|(_, _, weight)| *weight > 0)
            .map(|(id, _, weight)| (id.0, *weight))
            .collect()
    }

    /// The linear hash of the digits is the weighted sum of those that the contributors signed.
    fn verify_digits(
        &self,
        shared: &Shared,
        context: &RoundContext,
        sum: &unsilo_fhe::digit_sum::ReadSum,
    ) -> Result<(), String> {
        let shown = self
            .published
            .proof
            .contributions
            .iter()
            .filter(|(_, _, weight)| *weight > 0)
            .map(|(id, root, weight)| {
                let leaves = self.fetched.leaves.get(&id.0);
                let read = leaves.and_then(|leaves| self.read(shared, context, leaves));
                let (commitment, hash) = read.ok_or_else(|| {
                    format!(
                        "the coordinator is to blame: it does not show what the contribution of participant {id} consists of"
                    )
                })?;
                Ok((id.0, *weight, root, commitment, hash))
            })
            .collect::<Result<Vec<_>, String>>()?;
        let summands: Vec<Summand<'_>> = shown
            .iter()
            .map(|(participant, weight, root, commitment, hash)| Summand {
                participant: *participant,
                weight: *weight,
                root,
                chunks_root: commitment.chunks_root,
                shares_hash: commitment.shares_hash,
                linear_hash: hash,
            })
            .collect();
        verify_sum(&shared.params, context, &summands, sum).map_err(|error| error.to_string())
    }

    fn read(
        &self,
        shared: &Shared,
        context: &RoundContext,
        leaves: &ContributionLeaves,
    ) -> Option<(ContributionCommitment, LinearHash)> {
        let hash = |bytes: &[u8]| Hash::try_from(bytes).ok();
        let linear_hash = LinearHash::from_bytes(&leaves.linear_hash).ok()?;
        let shares = leaves
            .share_hashes
            .iter()
            .map(|bytes| hash(bytes))
            .collect::<Option<Vec<_>>>()?;
        if shares.len() != self.published.proof.seats {
            return None;
        }
        let commitment = ContributionCommitment::new(
            &shared.params,
            context,
            leaves.participant,
            hash(&leaves.chunks_root)?,
            &shares,
            &linear_hash.digest(),
        );
        Some((commitment, linear_hash))
    }

    /// What was judged is what was summed; and the own contribution was judged by its own projections.
    fn verify_projections(
        &self,
        shared: &Shared,
        projections: &Projections,
        weights: &[(u32, u16)],
        sum: &unsilo_fhe::digit_sum::ReadSum,
    ) -> Result<(), String> {
        let table = ProjectionTable::from_bytes(&self.fetched.table)
            .ok()
            .filter(|table| table.hash() == self.published.proof.projections)
            .ok_or(
                "the coordinator is to blame: the projections it shows are not those that the members judged",
            )?;
        let of_sum = project(projections, &sum.ciphertext).map_err(|error| error.to_string())?;
        verify_projections_of_sum(&table, weights, &of_sum)
            .map_err(|error| format!("the coordinator is to blame: {error}"))?;
        if let Some(own) = self.published.own
            && let Some(row) = table.row(own.0)
            && let Ok(ciphertext) = shared.outbox.read_ciphertext(self.published.round)
            && project(projections, &ciphertext).ok().as_ref() != Some(row)
        {
            return Err(
                "the coordinator is to blame: it showed the members other projections of this node's own contribution than \
                 it has"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

fn context(shared: &Shared, published: &PublishedFacts) -> RoundContext {
    RoundContext {
        federation: shared.federation.0,
        round: published.round,
        model: published.base,
    }
}

/// What the verified sum is opened with.
fn served<'a>(
    shared: &'a Shared,
    published: &PublishedFacts,
    context: &'a RoundContext,
    key_sum: &'a [u8],
) -> ServedKey<'a> {
    ServedKey {
        context,
        permutation: &shared.permutation,
        key_sum,
        total_weight: published.total_weight,
        unit_log2: published.unit_log2,
    }
}

/// Decrypts the verified sum of the statistics round and compares what it gives with what is claimed.
pub(super) fn confirm_statistics(
    shared: &Shared,
    published: &PublishedFacts,
    claimed: &Statistics,
    key_sum: &[u8],
    sum: &ReadSum,
) -> Event {
    let context = context(shared, published);
    let served = served(shared, published, &context, key_sum);
    let measured = shared.draft.schema.measured().count();
    match shared
        .payload
        .open_statistics(&served, sum.bytes(), measured)
    {
        Err(reason) => differs(published, reason),
        Ok(columns) if columns != claimed.columns => differs(
            published,
            "the statistics it gives are other ones".to_owned(),
        ),
        Ok(_) => Event::StatisticsConfirmed {
            round: published.round,
            claim: published.claim(),
        },
    }
}

/// Decrypts a verified sum, adds the mean to the model that the round started from, and keeps what has the expected hash.
pub(super) fn apply(
    shared: &Shared,
    published: &PublishedFacts,
    key_sum: &[u8],
    sum: &ReadSum,
) -> Result<Event, Failure> {
    let context = context(shared, published);
    let served = served(shared, published, &context, key_sum);
    let mut weights = shared.models.load(&published.base)?;
    if let Err(reason) = shared.payload.open(&served, sum.bytes(), &mut weights) {
        return Ok(differs(published, reason));
    }
    if shared.models.hash(&weights) != published.model {
        return Ok(differs(
            published,
            "the model it gives has another hash".to_owned(),
        ));
    }
    let model = shared.models.save(&weights)?;
    Ok(Event::Recomputed {
        round: published.round,
        claim: published.claim(),
        model,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_contribution_is_kept_only_in_the_size_that_it_has() {
        let honest = ContributionLeaves {
            participant: 1,
            chunks_root: vec![1; 32],
            share_hashes: vec![vec![2; 32]; 5],
            linear_hash: vec![3; limits::LINEAR_HASH_BYTES],
        };
        assert!(is_sized(&honest, 5));
        let change: [fn(&mut ContributionLeaves); 6] = [
            |of| of.chunks_root = vec![1; limits::MESSAGE_BYTES],
            |of| of.share_hashes.push(vec![2; 32]),
            |of| drop(of.share_hashes.pop()),
            |of| of.share_hashes[4] = vec![2; limits::MESSAGE_BYTES],
            |of| of.share_hashes = vec![Vec::new(); 1 << 20],
            |of| of.linear_hash.push(3),
        ];
        for change in change {
            let mut other = honest.clone();
            change(&mut other);
            assert!(!is_sized(&other, 5));
        }
    }
}

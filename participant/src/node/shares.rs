//! The key shares sealed to this node's seat: fetched, held against the signed roots, opened.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rayon::prelude::*;
use tonic::transport::Channel;
use unsilo_fhe::{
    Committee, ContributionCommitment, Dealing, KeyShare, LinearHash, RoundContext, RoundKeyPair,
    combine, commit::share_hash, open_share, share::ShareError,
};
use unsilo_ledger::{Hash, ParticipantId};
use unsilo_proto::{
    limits,
    v1::{ContributionLeaves, SealedShare, SharesRequest, committee_client::CommitteeClient},
};

use super::{
    Shared,
    requests::{Failure, blocking, within},
};
use crate::{
    error::NodeError,
    keystore,
    payload::committee,
    session::{Event, OpeningJob, Sitting, Task},
};

/// The shares as served, by participant.
pub(super) type Served = BTreeMap<u32, SealedShare>;

/// What this member found in the shares, by participant; an error is the dealer's doing, or this member's.
pub(super) type Opened = Vec<(u32, Result<KeyShare, ShareError>)>;

/// Fetches the shares of these participants.
pub(super) async fn fetch(
    channel: Channel,
    round: u64,
    wanted: BTreeSet<u32>,
    wait: Duration,
) -> Result<Served, Failure> {
    let mut client = CommitteeClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES);
    let mut stream = within(wait, client.shares(SharesRequest { round }))
        .await?
        .into_inner();
    let mut served = Served::new();
    while let Some(share) = within(wait, stream.message()).await? {
        if wanted.contains(&share.participant) && share.sealed.len() <= limits::SEALED_SHARE_BYTES {
            served.insert(share.participant, share);
        }
    }
    Ok(served)
}

/// Why this member has not all shares.
pub(super) enum ShareFailure {
    /// One is not what its dealer committed to: the coordinator's doing.
    Substituted(u32),
    /// This member cannot work.
    Unable(String),
    /// This machine failed.
    Broken(NodeError),
}

impl ShareFailure {
    /// As the end of `task`.
    pub(super) fn into_event(self, round: u64, task: Task) -> Result<Event, Failure> {
        match self {
            Self::Substituted(participant) => Ok(Event::ShareSubstituted {
                task,
                round,
                participant,
            }),
            Self::Unable(reason) => Ok(Event::Failed {
                task,
                reason: format!("round {round}: this member cannot answer: {reason}"),
            }),
            Self::Broken(error) => Err(error.into()),
        }
    }
}

/// A seat with its secret key.
pub(super) struct Seat {
    pub(super) context: RoundContext,
    pub(super) keys: RoundKeyPair,
    pub(super) committee: Committee,
    seat: u16,
}

impl Seat {
    /// The seat of `at`, if its key is still here.
    pub(super) fn open(shared: &Shared, at: &Sitting) -> Result<Self, ShareFailure> {
        let secret = match keystore::read(&shared.directory.round_key(at.round)) {
            Ok(secret) => secret,
            Err(error @ NodeError::Io { .. }) => {
                return Err(ShareFailure::Unable(error.to_string()));
            }
            Err(error) => return Err(ShareFailure::Broken(error)),
        };
        let keys = RoundKeyPair::from_secret_bytes(&secret)
            .map_err(|error| ShareFailure::Unable(format!("its round key: {error}")))?;
        Ok(Self {
            context: RoundContext {
                federation: shared.federation.0,
                round: at.round,
                model: at.model,
            },
            keys,
            committee: committee(&at.round_keys, at.threshold).map_err(ShareFailure::Unable)?,
            seat: at.seat,
        })
    }

    /// Holds every share of `set` against its root and opens it, on all cores; in the order of the set.
    ///
    /// A share that is the committed one and does not open is its dealer's doing, or this member's: it is returned as such.
    pub(super) fn open_shares(
        &self,
        shared: &Shared,
        set: &[(ParticipantId, Hash)],
        served: &Served,
    ) -> Result<Opened, ShareFailure> {
        set.par_iter()
            .map(|(participant, root)| {
                let participant = participant.0;
                let share = served.get(&participant).ok_or_else(|| {
                    ShareFailure::Unable(format!(
                        "the coordinator did not hand out the share of participant {participant}"
                    ))
                })?;
                if !self.is_committed(shared, share, root) {
                    return Err(ShareFailure::Substituted(participant));
                }
                let dealing = Dealing {
                    params: &shared.params,
                    context: &self.context,
                    participant,
                    committee: &self.committee,
                };
                let opened = open_share(&self.keys, &dealing, self.seat, &share.sealed);
                Ok((participant, opened))
            })
            .collect()
    }

    /// Whether a share as served is the one under the root on the ledger.
    fn is_committed(&self, shared: &Shared, share: &SealedShare, root: &Hash) -> bool {
        let leaves = Leaves::parse(
            &share.chunks_root,
            &share.share_hashes,
            &share.linear_hash_hash,
        );
        let Some(leaves) = leaves else {
            return false;
        };
        let mine = leaves.shares.get(usize::from(self.seat).wrapping_sub(1));
        leaves.shares.len() == usize::from(self.committee.seats())
            && mine == Some(&share_hash(&share.sealed))
            && leaves.root(shared, &self.context, share.participant) == *root
    }
}

/// What a contribution's root covers.
pub(super) struct Leaves {
    pub(super) chunks_root: Hash,
    pub(super) shares: Vec<Hash>,
    linear_hash: Hash,
}

impl Leaves {
    /// As shown with the linear hash itself.
    pub(super) fn of(leaves: &ContributionLeaves) -> Option<Self> {
        let linear_hash = LinearHash::from_bytes(&leaves.linear_hash).ok()?;
        Self::parse(
            &leaves.chunks_root,
            &leaves.share_hashes,
            &linear_hash.digest(),
        )
    }

    pub(super) fn parse(
        chunks_root: &[u8],
        shares: &[Vec<u8>],
        linear_hash: &[u8],
    ) -> Option<Self> {
        let hash = |bytes: &[u8]| <Hash>::try_from(bytes).ok();
        Some(Self {
            chunks_root: hash(chunks_root)?,
            shares: shares
                .iter()
                .map(|bytes| hash(bytes))
                .collect::<Option<_>>()?,
            linear_hash: hash(linear_hash)?,
        })
    }

    pub(super) fn commitment(
        &self,
        shared: &Shared,
        context: &RoundContext,
        participant: u32,
    ) -> ContributionCommitment {
        ContributionCommitment::new(
            &shared.params,
            context,
            participant,
            self.chunks_root,
            &self.shares,
            &self.linear_hash,
        )
    }

    pub(super) fn root(&self, shared: &Shared, context: &RoundContext, participant: u32) -> Hash {
        self.commitment(shared, context, participant).root
    }
}

/// Fetches the shares sealed to this seat, and opens and combines them.
pub(super) async fn open(
    channel: Channel,
    shared: std::sync::Arc<Shared>,
    job: OpeningJob,
    wait: Duration,
) -> Result<Event, Failure> {
    let wanted = job.set.iter().map(|(id, _, _)| id.0).collect();
    let served = fetch(channel, job.at.round, wanted, wait).await?;
    blocking(move || combine_shares(&shared, &job, &served)).await?
}

/// Checks every share against its contribution's root on the ledger, opens it and combines all.
fn combine_shares(shared: &Shared, job: &OpeningJob, served: &Served) -> Result<Event, Failure> {
    let round = job.at.round;
    let task = Task::OpenShares(round);
    let set: Vec<_> = job.set.iter().map(|(id, root, _)| (*id, *root)).collect();
    let opened =
        Seat::open(shared, &job.at).and_then(|seat| seat.open_shares(shared, &set, served));
    let opened = match opened {
        Ok(opened) => opened,
        Err(failure) => return failure.into_event(round, task),
    };
    let mut weighed: Vec<(u16, KeyShare)> = Vec::with_capacity(opened.len());
    for ((participant, share), (_, _, weight)) in opened.into_iter().zip(&job.set) {
        match share {
            Ok(share) => weighed.push((*weight, share)),
            Err(error) => {
                return Ok(Event::ShareUnusable {
                    round,
                    participant,
                    reason: error.to_string(),
                });
            }
        }
    }
    let weighed: Vec<(u16, &KeyShare)> = weighed
        .iter()
        .map(|(weight, share)| (*weight, share))
        .collect();
    match combine(&weighed) {
        Ok(answer) => Ok(Event::SharesCombined {
            round,
            digest: job.digest,
            answer: answer.to_bytes(),
        }),
        Err(error) => ShareFailure::Unable(error.to_string()).into_event(round, task),
    }
}

//! Raters' directions, and the ciphertexts that they and auditors evaluate them on.

use std::{fs::File, io::Seek};

use unsilo_fhe::{CHUNK_BYTES, DirectionKey, RoundContext, RoundPublicKey, direction_hash};
use unsilo_ledger::{CurrentRound, Entry, Participant, Phase, SignedEntry};
use unsilo_proto::{
    Code, Rejected, limits,
    v1::{
        BlobHeader, BlobPart, ChunksRequest, CiphertextRequest, CommitDirectionsRequest,
        DirectionKeys, RateRequest, blob_part::Part,
    },
};

use super::{
    Parts, Services, answers::under_way, at_most, blocking, each, model::stream_part, unreadable,
    unstorable,
};
use crate::round::Event;

impl Services {
    /// Stores a rater's direction keys and puts its commitment on the ledger.
    pub(super) async fn take_directions(
        &self,
        rater: &Participant,
        request: CommitDirectionsRequest,
    ) -> Result<(), tonic::Status> {
        at_most("entry", &request.entry, limits::ENTRY_BYTES)?;
        let signed = SignedEntry::decode(&request.entry)
            .map_err(|error| Rejected::new(Code::Malformed, format!("entry: {error}")))?;
        let snapshot = self.owner.now();
        let (round, known) = self.check_directions(rater, &signed, &request.keys, &snapshot)?;
        if known {
            return Ok(());
        }
        let Entry::DirectionsCommitted { directions, .. } = &signed.entry else {
            return Err(not_directions().into());
        };
        // Another commitment of this rater may be on its way at the same time: the ledger takes one of them, whichever was
        // written last.
        let (scalars, id, hashes) = (self.scalars.clone(), rater.id.0, directions.clone());
        blocking(move || {
            scalars
                .keep_directions(round, (id, &hashes), &request.keys)
                .map_err(|error| unstorable("your directions", &error))
        })
        .await?;
        self.owner
            .event(Event::DirectionsStored(Box::new(signed)))
            .await?;
        Ok(())
    }

    /// Checks a rater's commitment against its keys and the ledger. Says for which round it is, and whether it is on
    /// the ledger already.
    fn check_directions(
        &self,
        rater: &Participant,
        signed: &SignedEntry,
        keys: &[Vec<u8>],
        snapshot: &crate::owner::Snapshot,
    ) -> Result<(u64, bool), Rejected> {
        let Entry::DirectionsCommitted {
            round,
            participant,
            round_key,
            directions,
        } = &signed.entry
        else {
            return Err(not_directions());
        };
        if *participant != rater.id {
            return Err(Rejected::new(
                Code::Malformed,
                "entry commits to directions in another's name",
            ));
        }
        let state = &snapshot.state;
        let open = state
            .round()
            .filter(|open| open.opening.round == *round)
            .ok_or_else(|| {
                Rejected::new(
                    Code::WrongRound,
                    format!("round {round} is not under way: follow the step stream"),
                )
            })?;
        if let Some(there) = open.directions.get(participant)
            && there.round_key == *round_key
            && there.directions == *directions
        {
            return Ok((*round, true));
        }
        if state.phase() != Phase::Open || snapshot.phase != "contributing" {
            return Err(Rejected::new(
                Code::DeadlinePassed,
                format!("round {round} stopped taking directions"),
            ));
        }
        state
            .check(signed)
            .map_err(|error| Rejected::new(Code::LedgerRefused, error.to_string()))?;
        if RoundPublicKey::from_bytes(round_key).is_err() {
            return Err(Rejected::new(
                Code::DirectionInvalid,
                "the round key is none that answers can be sealed to: update the participant's software",
            ));
        }
        self.check_keys(open, rater, directions, keys)?;
        Ok((*round, false))
    }

    /// Every key must be the one whose hash was signed: members answer on it.
    fn check_keys(
        &self,
        open: &CurrentRound,
        rater: &Participant,
        directions: &[[u8; 32]],
        keys: &[Vec<u8>],
    ) -> Result<(), Rejected> {
        let invalid = |message: String| Rejected::new(Code::DirectionInvalid, message);
        if keys.len() != directions.len() {
            return Err(invalid(format!(
                "{} direction keys came with {} hashes",
                keys.len(),
                directions.len()
            )));
        }
        let context = RoundContext {
            federation: self.federation.0,
            round: open.opening.round,
            model: open.opening.model,
        };
        for (index, (key, hash)) in (0..).zip(keys.iter().zip(directions)) {
            let key = DirectionKey::from_bytes(key)
                .map_err(|error| invalid(format!("direction key {index}: {error}")))?;
            if direction_hash(&context, rater.id.0, index, &key) != *hash {
                return Err(invalid(format!(
                    "direction key {index} is not the one whose hash was signed"
                )));
            }
        }
        Ok(())
    }

    /// The direction keys of every rater, for the members of the round.
    pub(super) fn hand_out_directions(
        &self,
        member: &Participant,
        round: u64,
    ) -> Result<Parts<DirectionKeys>, Rejected> {
        let snapshot = self.owner.now();
        let closed = under_way(&snapshot, round)?;
        if closed.seat_of(member.id).is_none() {
            return Err(Rejected::new(
                Code::NoSeat,
                "you hold no seat in this round's committee",
            ));
        }
        let raters: Vec<_> = closed
            .directions
            .iter()
            .map(|(rater, of)| (rater.0, of.directions.clone()))
            .collect();
        let scalars = self.scalars.clone();
        Ok(each(raters, move |(rater, hashes)| {
            let keys = scalars
                .directions(round, (rater, &hashes))
                .map_err(|error| unreadable("a rater's directions", &error))?;
            Ok(DirectionKeys { rater, keys })
        }))
    }

    /// A rater's commitment to its row, or the row.
    pub(super) async fn take_rating(
        &self,
        rater: &Participant,
        request: RateRequest,
    ) -> Result<(), tonic::Status> {
        at_most("entry", &request.entry, limits::ENTRY_BYTES)?;
        let signed = SignedEntry::decode(&request.entry)
            .map_err(|error| Rejected::new(Code::Malformed, format!("entry: {error}")))?;
        let snapshot = self.owner.now();
        let current = snapshot
            .state
            .round()
            .filter(|current| current.opening.round == request.round)
            .ok_or_else(|| {
                Rejected::new(
                    Code::WrongRound,
                    format!(
                        "round {} is not under way: follow the step stream",
                        request.round
                    ),
                )
            })?;
        let record = current.ratings.get(&rater.id);
        // A repetition after a connection that was lost is fine.
        let known = match &signed.entry {
            Entry::RatingsCommitted {
                participant,
                commitment,
                ..
            } => {
                *participant == rater.id
                    && record.is_some_and(|record| record.commitment == *commitment)
            }
            Entry::RatingsRevealed {
                participant,
                scores,
                rewards,
                ..
            } => {
                let revealed = record.and_then(|record| record.revealed.as_ref());
                *participant == rater.id
                    && revealed.is_some_and(|row| row.scores == *scores && row.rewards == *rewards)
            }
            _ => {
                return Err(Rejected::new(
                    Code::Malformed,
                    "entry is neither a commitment to ratings nor their reveal",
                )
                .into());
            }
        };
        if !known {
            self.owner.event(Event::Rated(Box::new(signed))).await?;
        }
        Ok(())
    }

    /// Not before the round is closed: until then a copy of a contribution could still be contributed.
    fn hands_out_contributions(&self, round: u64) -> Result<(), Rejected> {
        let snapshot = self.owner.now();
        let open = snapshot
            .state
            .round()
            .is_some_and(|open| open.opening.round <= round && open.closing.is_none());
        match open {
            true => Err(Rejected::new(
                Code::WrongStep,
                format!("contributions to round {round} are handed out once it is closed"),
            )),
            false => Ok(()),
        }
    }

    /// Some chunks of a stored contribution, with their way to its root.
    pub(super) async fn hand_out_chunks(
        &self,
        request: ChunksRequest,
    ) -> Result<Parts<BlobPart>, tonic::Status> {
        let ChunksRequest {
            round,
            participant,
            chunks,
        } = request;
        let malformed = |message: String| Rejected::new(Code::Malformed, message);
        if !(1..=limits::CHUNKS_AT_ONCE).contains(&chunks.len()) {
            return Err(malformed(format!(
                "chunks: 1 to {} numbers, not {}",
                limits::CHUNKS_AT_ONCE,
                chunks.len()
            ))
            .into());
        }
        self.hands_out_contributions(round)?;
        let (store, payload) = (self.contributions.clone(), self.payload);
        let found = blocking(move || {
            if !store.is_complete(round, participant) {
                return Err(not_kept(round, participant));
            }
            let chunks: Vec<usize> = chunks.iter().map(|chunk| *chunk as usize).collect();
            store
                .some_chunks(payload, (round, participant), &chunks)
                .map_err(|error| unreadable("a contribution", &error))?
                .ok_or_else(|| {
                    malformed(format!(
                        "chunks: numbers ascend, and a contribution has {}",
                        payload.params().chunks()
                    ))
                })
        })
        .await?;
        let header = BlobHeader {
            bytes: found.bytes.len() as u64,
            key_sum: Vec::new(),
            paths: found.paths.concat(),
        };
        let parts = [Part::Header(header), Part::Data(found.bytes.into())]
            .map(|part| Ok(BlobPart { part: Some(part) }));
        Ok(Box::pin(tokio_stream::iter(parts)))
    }

    /// A range of chunks of a stored contribution. Not before its round is closed: until then a copy of it could
    /// still be contributed.
    pub(super) async fn hand_out_ciphertext(
        &self,
        request: CiphertextRequest,
    ) -> Result<Parts<BlobPart>, tonic::Status> {
        let CiphertextRequest {
            round,
            participant,
            first_chunk,
            chunks,
        } = request;
        self.hands_out_contributions(round)?;
        let store = self.contributions.clone();
        let (file, bytes) = blocking(move || {
            let missing = |_| not_kept(round, participant);
            let mut file: File = store.ciphertext(round, participant).map_err(missing)?;
            let all = file
                .metadata()
                .map_err(|error| unreadable("a contribution", &error))?
                .len();
            let chunk = CHUNK_BYTES as u64;
            let start = first_chunk.checked_mul(chunk).filter(|start| *start <= all);
            let start = start.ok_or_else(|| {
                Rejected::new(
                    Code::Malformed,
                    format!(
                        "a contribution has {} chunks, none from {first_chunk} on",
                        all / chunk
                    ),
                )
            })?;
            let asked = match chunks {
                0 => u64::MAX,
                chunks => chunks.saturating_mul(chunk),
            };
            file.seek(std::io::SeekFrom::Start(start))
                .map_err(|error| unreadable("a contribution", &error))?;
            Ok((file, asked.min(all - start)))
        })
        .await?;
        let header = BlobHeader {
            bytes,
            key_sum: Vec::new(),
            paths: Vec::new(),
        };
        Ok(stream_part(file, header))
    }
}

fn not_directions() -> Rejected {
    Rejected::new(Code::Malformed, "entry is not a commitment to directions")
}

fn not_kept(round: u64, participant: u32) -> Rejected {
    Rejected::new(
        Code::NotFound,
        format!(
            "no contribution of participant {participant} to round {round} is kept here (any more)"
        ),
    )
}

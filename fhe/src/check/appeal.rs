//! Who is to blame for one bad pair: the dealer shows the one disputed share.

use super::shown::{ShownAnswers, ShownError};
use crate::{
    answer::ProjectionKeys,
    commit::{ContributionCommitment, share_hash},
    committee::MAX_MEMBERS,
    dealing::Dealing,
    params::CHUNK_BYTES,
    seal::{SealSeeds, reveal, seal},
    share::{SHARE_SEED_BYTES, share_of_plaintext},
};
use thiserror::Error;
use zeroize::Zeroizing;

/// A dealer's share for one seat, opened to everybody: the seed that sealed it, and what was sealed.
///
/// It says nothing about the other shares, but it *is* one of the `t` that make the key. A dealer shows **one** in a round,
/// ever: the seeds are used up by making an appeal, and the participant's store must forget them with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Appeal {
    participant: u32,
    seat: u16,
    seal_seed: [u8; 32],
    plaintext: Vec<u8>,
}

impl std::fmt::Debug for Appeal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Secret until it is sent.
        f.debug_struct("Appeal")
            .field("participant", &self.participant)
            .field("seat", &self.seat)
            .finish_non_exhaustive()
    }
}

/// Who did not do as the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The dealer: the share it sealed is none, or does not fit its other shares, or is not the one it shows.
    Dealer,
    /// The member: it did not answer what follows from the share it was given.
    Member,
    /// It does not show: the member answered what follows from the share, and so few answers count that the others may be the
    /// wrong ones.
    Nobody,
}

/// Answers beyond the threshold that must count before a share is said not to fit the others: with one, two members who
/// collude move the polynomial and make the right answer of a third look wrong.
const SPARE_ANSWERS: usize = 2;

/// A bad pair, with what third parties take from the ledger.
#[derive(Clone, Copy)]
pub struct Dispute<'a> {
    /// Parameters, round, dealer and committee.
    pub dealing: Dealing<'a>,
    /// The root that the dealer signed.
    pub contribution_root: &'a [u8; 32],
    /// What that root is made of.
    pub commitment: &'a ContributionCommitment,
    /// The hash of each sealed share, in seat order.
    pub share_hashes: &'a [[u8; 32]],
    /// The keys of the round's projections.
    pub keys: &'a ProjectionKeys,
    /// The closed set, ascending.
    pub closed: &'a [u32],
    /// The root that the member signed.
    pub sheet_root: &'a [u8; 32],
    /// What the member answered on this contribution.
    pub shown: &'a ShownAnswers,
    /// How many answers counted in the judgement: those given without the erased seats.
    pub counted: usize,
}

/// Why an appeal was not made or not decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AppealError {
    /// The committee has no such seat.
    #[error("seat {seat} is not one of the committee's seats")]
    NoSuchSeat {
        /// Seat given.
        seat: u16,
    },
    /// The seeds are not those that sealed this share.
    #[error("the seal seeds do not belong to the sealed share of seat {seat}")]
    OtherSeeds {
        /// Seat given.
        seat: u16,
    },
    /// The appeal is about another pair than the dispute.
    #[error(
        "the appeal of participant {participant} is not about this contribution and seat {seat}"
    )]
    OtherPair {
        /// Dealer of the appeal.
        participant: u32,
        /// Seat of the appeal.
        seat: u16,
    },
    /// Projections of another round than the dealing.
    #[error("the projections are those of another round")]
    OtherRound,
    /// The hashes are not those under the root that the dealer signed.
    #[error("the share hashes do not lead to the dealer's signed root")]
    NotCommitted,
    /// The bytes are no appeal.
    #[error("{actual} bytes are no appeal")]
    Length {
        /// Bytes given.
        actual: usize,
    },
    /// The member's answers are not under its root.
    #[error(transparent)]
    Shown(#[from] ShownError),
}

impl Appeal {
    /// Opens the dealer's sealed share for `seat`. The seeds of the other shares are wiped.
    ///
    /// # Errors
    /// [`AppealError`] if there is no such seat or the seeds are not those of this contribution.
    pub fn new(
        dealing: &Dealing<'_>,
        seat: u16,
        sealed: &[u8],
        seeds: SealSeeds,
    ) -> Result<Self, AppealError> {
        let member = dealing
            .committee
            .member(seat)
            .ok_or(AppealError::NoSuchSeat { seat })?;
        let seed = seeds.seed(seat).ok_or(AppealError::OtherSeeds { seat })?;
        let slot = dealing.slot(seat);
        let plaintext =
            reveal(member, &slot, seed, sealed).map_err(|_| AppealError::OtherSeeds { seat })?;
        Ok(Self {
            participant: dealing.participant,
            seat,
            seal_seed: *seed,
            plaintext: plaintext.to_vec(),
        })
    }

    /// The dealer.
    #[must_use]
    pub fn participant(&self) -> u32 {
        self.participant
    }

    /// The member's seat.
    #[must_use]
    pub fn seat(&self) -> u16 {
        self.seat
    }

    /// Seals the share again, recomputes the answers on it, and names who is to blame for the bad pair.
    ///
    /// The caller has verified that the dealer signed this appeal: whatever does not seal to the committed share is held
    /// against it, and anybody can make up such bytes.
    ///
    /// Blaming the dealer because the member answered rightly presumes that the pair *is* bad: that at least `t` of the
    /// other members told the truth. So it needs two answers beyond the threshold; with fewer it blames nobody.
    ///
    /// # Errors
    /// [`AppealError`] if appeal and dispute do not belong together.
    pub fn decide(&self, dispute: &Dispute<'_>) -> Result<Blame, AppealError> {
        let Dispute {
            dealing,
            commitment,
            keys,
            shown,
            ..
        } = *dispute;
        let (participant, seat) = (self.participant, self.seat);
        if participant != dealing.participant || seat != shown.seat() {
            return Err(AppealError::OtherPair { participant, seat });
        }
        let projections = keys.projections();
        if (projections.context(), projections.params()) != (dealing.context, dealing.params) {
            return Err(AppealError::OtherRound);
        }
        let member = dealing
            .committee
            .member(seat)
            .ok_or(AppealError::NoSuchSeat { seat })?;
        let made = ContributionCommitment::new(
            dealing.params,
            dealing.context,
            participant,
            commitment.chunks_root,
            dispute.share_hashes,
            &commitment.linear_hash,
        );
        let committed = dispute
            .share_hashes
            .get(usize::from(seat) - 1)
            .filter(|_| made.root == *dispute.contribution_root)
            .ok_or(AppealError::NotCommitted)?;
        shown.verify(projections, dispute.closed, participant, dispute.sheet_root)?;

        let sealed = seal(
            member,
            &dealing.slot(seat),
            &self.seal_seed,
            &self.plaintext,
        );
        if !sealed.is_ok_and(|sealed| share_hash(&sealed) == *committed) {
            return Ok(Blame::Dealer);
        }
        let Ok(share) = share_of_plaintext(dealing.committee, seat, &self.plaintext) else {
            return Ok(Blame::Dealer);
        };
        match &shown.words {
            Some(words) if *words == keys.products(&share.0) => {
                let needed = usize::from(dealing.committee.threshold()) + SPARE_ANSWERS;
                match dispute.counted >= needed {
                    true => Ok(Blame::Dealer),
                    false => Ok(Blame::Nobody),
                }
            }
            _ => Ok(Blame::Member),
        }
    }

    /// `participant (4) || seat (2) || seal seed (32) || plaintext`.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(38 + self.plaintext.len()));
        bytes.extend(self.participant.to_le_bytes());
        bytes.extend(self.seat.to_le_bytes());
        bytes.extend(self.seal_seed);
        bytes.extend(&self.plaintext);
        bytes
    }

    /// Decodes an appeal.
    ///
    /// # Errors
    /// [`AppealError::Length`] or [`AppealError::NoSuchSeat`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AppealError> {
        let length = AppealError::Length {
            actual: bytes.len(),
        };
        let (head, plaintext) = bytes.split_first_chunk::<38>().ok_or(length)?;
        let (participant, head) = head.split_first_chunk().ok_or(length)?;
        let (seat, seal_seed) = head.split_first_chunk().ok_or(length)?;
        let seat = u16::from_le_bytes(*seat);
        if !(1..=MAX_MEMBERS).contains(&usize::from(seat)) {
            return Err(AppealError::NoSuchSeat { seat });
        }
        // Whatever the dealer sealed: a share of the wrong length shows that the dealer is to blame, but has its limits.
        if plaintext.len() > CHUNK_BYTES.max(SHARE_SEED_BYTES) {
            return Err(length);
        }
        Ok(Self {
            participant: u32::from_le_bytes(*participant),
            seat,
            seal_seed: seal_seed.try_into().map_err(|_| length)?,
            plaintext: plaintext.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        AnswerSheet, Committee, Contribution, Entropy, Params, ParamsLiteral, ProjectionAnswers,
        Projections, RoundContext, RoundKeyPair, commitment, contribute, encode, open_share,
        params::CHUNK_BYTES, share::ShareError,
    };

    /// A dealer seals, and commits to, what is no share: 12,288 bytes with a word above q, or of another length.
    #[test]
    fn a_dealer_that_sealed_what_is_no_polynomial_is_blamed() {
        for plaintext in [
            vec![0xFF; CHUNK_BYTES],
            vec![0; CHUNK_BYTES - 1],
            vec![0; 32],
            vec![],
        ] {
            assert_eq!(
                decided(&plaintext),
                Blame::Dealer,
                "{} bytes",
                plaintext.len()
            );
        }
    }

    /// The same with a share that *is* one: then the member could have answered.
    #[test]
    fn a_member_that_complains_about_a_share_is_blamed() {
        assert_eq!(decided(&vec![0; CHUNK_BYTES]), Blame::Member);
    }

    /// Seat 3 of 3 is dealt `plaintext` and says that it cannot use it.
    fn decided(plaintext: &[u8]) -> Blame {
        let literal = ParamsLiteral {
            profile: "default".into(),
            parameters: 10,
        };
        let params = Params::new(&literal).expect("valid");
        let context = RoundContext {
            federation: [1; 32],
            round: 2,
            model: [3; 32],
        };
        let keys: Vec<_> = (1..=3)
            .map(|seat| RoundKeyPair::from_secret_bytes(&[seat; 32]).expect("a key"))
            .collect();
        let members = keys.iter().map(|keys| keys.public().clone()).collect();
        let committee = Committee::new(members, 3).expect("valid");
        let dealing = Dealing {
            params: &params,
            context: &context,
            participant: 5,
            committee: &committee,
        };
        let encoded = encode(&params, &context.federation, 0, &[1.0; 10], [1; 32]).expect("finite");
        let Contribution {
            ciphertext,
            mut sealed_shares,
            seal_seeds,
            ..
        } = contribute(&dealing, encoded, Entropy::from_bytes([1; 32])).expect("deals");
        let seed = seal_seeds.seed(3).expect("a seat");
        sealed_shares[2] =
            seal(keys[2].public(), &dealing.slot(3), seed, plaintext).expect("seals");
        let opened = open_share(&keys[2], &dealing, 3, &sealed_shares[2]).err();
        assert!(
            plaintext == vec![0; CHUNK_BYTES]
                || matches!(
                    opened,
                    Some(ShareError::Malformed { .. } | ShareError::Length { .. })
                )
        );

        let commitment =
            commitment(&params, &context, 5, &ciphertext, &sealed_shares).expect("whole");
        let projections = Projections::new(&params, &context, [4; 32]);
        let complaint = vec![ProjectionAnswers::unusable(5)];
        let entropy = Entropy::from_bytes([2; 32]);
        let (sheet, _) =
            AnswerSheet::seal(&projections, &committee, 3, complaint, entropy).expect("seals");
        let appeal =
            Appeal::new(&dealing, 3, &sealed_shares[2], seal_seeds).expect("its own seeds");
        assert_eq!(appeal.plaintext, plaintext);
        let hashes: Vec<_> = sealed_shares
            .iter()
            .map(|share| share_hash(share))
            .collect();
        let decided = appeal.decide(&Dispute {
            dealing,
            contribution_root: &commitment.root,
            commitment: &commitment,
            share_hashes: &hashes,
            keys: &ProjectionKeys::new(&projections),
            closed: &[5],
            sheet_root: sheet.root(),
            shown: &sheet.show(5).expect("about participant 5"),
            counted: 3,
        });
        decided.expect("they belong together")
    }
}

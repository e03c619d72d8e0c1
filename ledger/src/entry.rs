//! The entries of the log and who must sign each.
//!
//! | entry | signed by exactly |
//! |---|---|
//! | [`Entry::FederationCreated`] | every founder, and the coordinator |
//! | [`Entry::ParticipantAdmitted`] | one participant each of more than half of the owners; of an affiliate's owner too |
//! | [`Entry::RoundOpened`] | the coordinator; each seat carries its member's own signature |
//! | [`Entry::ContributionCommitted`] | the participant |
//! | [`Entry::DirectionsCommitted`] | the participant |
//! | [`Entry::RoundClosed`] | the coordinator; carries the cosignatures of at least `threshold` seats |
//! | [`Entry::ContributionsJudged`] | at least `threshold` seated members |
//! | [`Entry::RatingsCommitted`], [`Entry::RatingsRevealed`] | the participant |
//! | [`Entry::RatingStepEnded`] | at least `threshold` seated members |
//! | [`Entry::ModelPublished`] | the coordinator and at least `threshold` seated members |
//! | [`Entry::StatisticsPublished`] | the coordinator and at least `threshold` seated members |
//! | [`Entry::RoundVoided`] | as [`VoidAuthority`] says |
//! | [`Entry::ParticipantEvicted`] | one participant each of more than half of the **other** owners |
//! | [`Entry::ParticipantReadmitted`] | one participant each of more than half of the owners |
//! | [`Entry::OwnerChanged`] | one participant each of more than half of the owners, the new owner's among them |
//! | [`Entry::StakeDeposited`], [`Entry::StakeWithdrawn`] | the participant, for its owner |
//! | [`Entry::QueryBatch`] | the coordinator |
//! | [`Entry::ViolationReported`] | any one participant, or the coordinator, if the evidence speaks for itself; else at least `threshold` members of the last committee, none of the accused's owner |
//! | [`Entry::Appealed`] | as [`AppealAuthority`] says; nobody of the accused's owner |
//! | [`Entry::FeedbackFiled`] | the participant |
//!
//! What moves money, stake or membership names how many such entries came before (`number`, `change`, `first`), so
//! that nobody, the coordinator included, can enter an old one again.
//!
//! "Exactly": a signature too few, one too many, one twice or one that does not verify rejects the
//! entry, so nobody can be made to look as if they had agreed.

mod kind;
pub(crate) mod signed;

use crate::close::Cosignature;
use crate::draft::Draft;
use crate::feedback::FeedbackKind;
use crate::hash::Hash;
use crate::identity::PublicKey;
use crate::judgement::RejectionReason;
use crate::member::{Member, OwnerId, ParticipantId};
use crate::rating::RatingStep;
use crate::seat::Seat;
use crate::statistics::Statistics;
use crate::violation::Violation;
use borsh::{BorshDeserialize, BorshSerialize};

/// One statement of the log.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one genesis in a log, and a box would show in every pattern"
)]
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Entry {
    /// The genesis, always entry 0 and never again.
    ///
    /// # Signing
    /// When every invited founder has joined, the coordinator writes the entry and sends it to all.
    /// Each founder prints the names and keys to compare out of band, checks that
    /// `draft.federation_id()` is the id in its invite, and signs with
    /// [`Entry::sign`]`(&draft.federation_id(), &identity)`. The coordinator signs likewise and
    /// combines all with [`crate::SignedEntry::new`].
    FederationCreated {
        /// What everyone agreed to.
        draft: Draft,
        /// One for each name in `draft.founders`, in that order.
        founders: Vec<Member>,
    },
    /// A new participant.
    ///
    /// # Signing
    /// `unsilo approve NAME` of a member makes one signature with [`Entry::sign`]; the entry is
    /// appended once more than half of the owners have. The coordinator does not sign.
    ParticipantAdmitted {
        /// Its legal name, not used before.
        name: String,
        /// Its ledger identity, not used before.
        key: PublicKey,
        /// `None` for a new owner, who gets the grant; else the owner it is an affiliate of, which
        /// must be among the signers.
        owner: Option<OwnerId>,
    },
    /// A round begins. Signed by the coordinator; see [`crate::SeatOffer`] for the seats.
    RoundOpened {
        /// [`crate::State::next_round`].
        round: u64,
        /// The current model, [`crate::State::model`].
        model: Hash,
        /// [`crate::State::next_unit_log2`].
        unit_log2: i8,
        /// Those drawn who answered, in the order of [`crate::State::draw`]; between its `threshold`
        /// and its `size`, one per owner.
        seats: Vec<Seat>,
        /// When contributions end, in milliseconds since 1970.
        contribute_by_ms: u64,
        /// When members stop cosigning the close; at least [`crate::LEAST_ANSWER_MS`] and at most
        /// [`crate::MOST_ANSWER_MS`] after `contribute_by_ms`.
        close_by_ms: u64,
        /// When the sum should have been opened; at least [`crate::LEAST_ANSWER_MS`] and at most
        /// [`crate::MOST_ANSWER_MS`] after `close_by_ms`.
        open_by_ms: u64,
    },
    /// A participant stands by the encrypted contribution with this root. Signed by it alone.
    ContributionCommitted {
        /// The open round.
        round: u64,
        /// The signer.
        participant: ParticipantId,
        /// The root over all that was sent.
        root: Hash,
        /// How many bytes were sent.
        bytes: u64,
    },
    /// The set of contributions is final. Signed by the coordinator; see [`crate::CloseStatement`].
    RoundClosed {
        /// The open round.
        round: u64,
        /// [`crate::State::contributions_hash`].
        contributions: Hash,
        /// In ascending order of seats.
        cosignatures: Vec<Cosignature>,
    },
    /// A rater's directions, committed before anything about the contributions is known. Signed by it
    /// alone, while the round is open.
    DirectionsCommitted {
        /// The open round.
        round: u64,
        /// The signer; its owner is among [`crate::Opening::raters`], and no other participant of it rates.
        participant: ParticipantId,
        /// The key that answers about its directions are sealed to; at most
        /// [`crate::seat::MAX_ROUND_KEY_BYTES`].
        round_key: Vec<u8>,
        /// The hashes of its directions, one or two.
        directions: Vec<Hash>,
    },
    /// Which of the closed contributions are well-formed, and how long they are.
    ///
    /// # Signing
    /// Every signing member decoded the answers of all that answered and came to the same verdicts, which
    /// follow from them. The coordinator does not sign.
    ContributionsJudged {
        /// The closed round.
        round: u64,
        /// The seats that answered, ascending, at least `threshold` that are not erased, each with the
        /// root of its sheet of answers.
        answers: Vec<(u16, Hash)>,
        /// The hash of the table of projected ciphertexts.
        projections: Hash,
        /// Ascending, with the exponent of the norm; with the rejected, exactly the closed set.
        accepted: Vec<(ParticipantId, u16)>,
        /// Ascending.
        rejected: Vec<(ParticipantId, RejectionReason)>,
        /// Seats that answered and whose answers are set aside, ascending.
        erased: Vec<u16>,
    },
    /// A rater commits to its ratings. Signed by it alone.
    RatingsCommitted {
        /// The judged round.
        round: u64,
        /// The signer, who committed to directions.
        participant: ParticipantId,
        /// [`crate::commit_rating`].
        commitment: Hash,
    },
    /// A rater reveals its ratings. Signed by it alone.
    RatingsRevealed {
        /// The round.
        round: u64,
        /// The signer, who committed.
        participant: ParticipantId,
        /// See [`crate::Ratings::scores`].
        scores: Vec<i16>,
        /// See [`crate::Ratings::rewards`].
        rewards: Vec<u16>,
        /// What it salted its commitment with.
        salt: Hash,
    },
    /// No more ratings are committed to, or revealed: the members agree that the time is over, and on whose
    /// ratings count. After the reveals the ledger weighs the round.
    ///
    /// # Signing
    /// Every signing member compares the entry with [`crate::State::rating_step_end`] of its own replica, and
    /// signs no set that leaves out what it sent itself or what a rater posted for the committee to see. The
    /// ledger accepts it only with exactly this set, so nobody adds or withholds a row between the
    /// signatures and the entry.
    RatingStepEnded {
        /// The round.
        round: u64,
        /// Which of the two ends.
        step: RatingStep,
        /// How many raters committed, or revealed.
        rows: u32,
        /// [`crate::ratings_hash`] of those.
        set: Hash,
    },
    /// A new model. Every signing member recomputed it from the opened sum with [`Entry::sign`].
    ModelPublished {
        /// The closed round.
        round: u64,
        /// The hash of the summed ciphertext.
        sum: Hash,
        /// The hash of the opened key sum.
        key_sum: Hash,
        /// The hash of the new model, never one the federation had before.
        model: Hash,
        /// The sum of the weights in [`crate::State::weights`].
        total_weight: u64,
    },
    /// A round ends without a model.
    ///
    /// # Signing
    /// A seated member that signs this with [`Entry::sign`] must write its guard record first and
    /// never answer with an opening of that round afterwards; and the reverse.
    RoundVoided {
        /// The round in progress; or, while none is, the next one: then its draw is skipped.
        round: u64,
        /// Why, for people.
        reason: VoidReason,
        /// On whose word.
        authority: VoidAuthority,
    },
    /// A participant loses its say. Its name and keys stay taken; what it has stays on its owner's account.
    ParticipantEvicted {
        /// Who.
        participant: ParticipantId,
        /// [`crate::Participant::changes`], before this.
        change: u32,
    },
    /// A participant that was evicted has a say again; or one that lost its key gets a new one.
    ParticipantReadmitted {
        /// Who.
        participant: ParticipantId,
        /// [`crate::Participant::changes`], before this.
        change: u32,
        /// Its ledger identity from now on: the one it had, or one not used before.
        key: PublicKey,
    },
    /// A participant belongs to another legal entity than was stated.
    OwnerChanged {
        /// Who.
        participant: ParticipantId,
        /// [`crate::Participant::changes`], before this.
        change: u32,
        /// To whom it belongs: an owner that signs; `None` for a company of its own, which gets the grant.
        owner: Option<OwnerId>,
    },
    /// An owner stakes some of its balance. It counts from the next epoch. Signed by a participant of it.
    StakeDeposited {
        /// The signer.
        participant: ParticipantId,
        /// [`crate::Account::moves`], before this.
        number: u64,
        /// How much; not more than the balance.
        amount: u64,
    },
    /// An owner withdraws some of what it staked: it gives no power from now on, and is free at the end of
    /// the next epoch. Signed by a participant of it.
    StakeWithdrawn {
        /// The signer.
        participant: ParticipantId,
        /// [`crate::Account::moves`], before this.
        number: u64,
        /// How much; not more than is staked of its own money.
        amount: u64,
    },
    /// Queries that the federation's endpoint answered, and the fees that the coordinator owes for them.
    /// Signed by it.
    QueryBatch {
        /// The Merkle root over the queries; callers get inclusion proofs.
        root: Hash,
        /// How many queries were entered before: [`crate::Pool::queries`].
        first: u64,
        /// How many.
        count: u32,
        /// Into the pool of the epoch; see [`crate::Incentive::max_round_fees`].
        fees: u64,
    },
    /// Somebody did what nobody may.
    ViolationReported {
        /// What, and how it is shown.
        violation: Violation,
    },
    /// An appeal against a case is upheld.
    Appealed {
        /// [`crate::Case::number`].
        case: u64,
        /// By whom.
        authority: AppealAuthority,
    },
    /// Somebody has something to say. The ledger keeps the hash. Signed by the author alone.
    FeedbackFiled {
        /// The signer.
        participant: ParticipantId,
        /// How many pieces it filed before.
        number: u64,
        /// What it is.
        kind: FeedbackKind,
        /// Of the text.
        hash: Hash,
    },
    /// The statistics of the federation's data are known, or will not be: in either case training begins. Every signing member
    /// decrypted them itself from the opened sum.
    StatisticsPublished {
        /// The closed statistics round.
        round: u64,
        /// What was opened; `None` if the sum could not be, and the declared ranges are used. A member signs that only after
        /// the round's last deadline, and only if it signed no statistics.
        statistics: Option<Statistics>,
    },
}

/// Who upholds an appeal, and so who must sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = false)]
pub enum AppealAuthority {
    /// At least `threshold` members of the committee of the round in progress, or else of the last one: not
    /// where the evidence proves the offence by itself ([`crate::Offence::is_proven`]).
    Committee,
    /// More than half of the other owners.
    Owners,
}

/// Who declares a round void, and so who must sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = false)]
pub enum VoidAuthority {
    /// At least `threshold` seated members of the round; any time between its open and its publication, but
    /// on their word alone no more than [`crate::MOST_VOIDS`] rounds in a row.
    Committee,
    /// More than half of the owners. Before the close, any time (also to skip a draw whose owners do
    /// not answer); after it, only a day past the round's last deadline, because until then a member
    /// may have answered with an opening.
    Owners {
        /// After the close, each signer states by its own clock that this moment (milliseconds since
        /// 1970) has passed; at least `open_by_ms` + 24 h. Zero before the close.
        passed_ms: u64,
    },
}

/// Why a round is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = false)]
pub enum VoidReason {
    /// Fewer owners contributed than the cohort needs.
    TooFewContributions,
    /// Too few of the drawn or seated members answered.
    TooFewMembers,
    /// A receipted contribution was left out, or replicas disagree.
    Dispute,
    /// The opened sum or the published model failed a member's check.
    BadSum,
    /// The coordinator lost data it cannot recover.
    LostData,
    /// The members came to no verdict about the contributions.
    NoVerdict,
    /// The ledger found that fewer owners' contributions have weight than the cohort needs.
    TooFewAccepted,
    /// The ledger found that fewer than three tenths of the accepted contributions have weight.
    Brake,
}

impl VoidReason {
    /// Whether it follows from the entries of the log for everybody alike, and is nobody's word.
    pub fn is_derived(self) -> bool {
        matches!(self, Self::TooFewAccepted | Self::Brake)
    }
}

/// How long after the last deadline owners wait before they void a closed round: 24 hours.
pub const OWNERS_VOID_DELAY_MS: u64 = 86_400_000;

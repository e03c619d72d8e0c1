//! A violation on the books: whom it is held against, what it costs, and whether it still stands.

use crate::hash::Hash;
use crate::member::{OwnerId, ParticipantId};
use borsh::{BorshDeserialize, BorshSerialize};

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = false)]
pub enum Offence {
    /// Cosigned two closes of a round.
    TwoCloses,
    /// Gave two answers about the directions of a round.
    TwoAnswers,
    /// Gave two answers about the key of a round's sum.
    TwoOpenings,
    /// Answered about the key of a sum and signed, as a member, that the round is void.
    OpenedAndVoided,
    /// Signed two contributions to a round.
    TwoContributions,
    /// Signed two commitments to directions in a round.
    TwoDirections,
    /// Signed two commitments to ratings in a round.
    TwoRatings,
    /// Signed two models of a round.
    TwoModels,
    /// Cosigned two logs or two states of one size.
    TwoLogs,
    /// Answered about a contribution other than its shares say.
    WrongAnswer,
    /// Dealt a share that does not fit the others.
    WrongShare,
    /// Sent too many contributions that had to be rejected.
    RejectedContributions,
}

impl Offence {
    /// Whether a committee attested it: nobody else could see it.
    pub fn is_attested(self) -> bool {
        matches!(self, Self::WrongAnswer | Self::WrongShare)
    }

    /// Whether the accused's own signatures prove it to everybody.
    pub fn is_proven(self) -> bool {
        !self.is_attested() && self != Self::RejectedContributions
    }

    /// The offence as a phrase that follows a name.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::TwoCloses => "cosigned two closes of a round",
            Self::TwoAnswers => "gave two answers about the directions of a round",
            Self::TwoOpenings => "gave two answers about the key of a sum",
            Self::OpenedAndVoided => "opened a sum and declared its round void",
            Self::TwoContributions => "signed two contributions to a round",
            Self::TwoDirections => "signed two sets of directions in a round",
            Self::TwoRatings => "signed two sets of ratings in a round",
            Self::TwoModels => "signed two models of a round",
            Self::TwoLogs => "cosigned two histories",
            Self::WrongAnswer => "answered wrongly about a contribution",
            Self::WrongShare => "dealt a wrong key share",
            Self::RejectedContributions => "sent too many unusable contributions",
        }
    }
}

/// Whether a case still stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = false)]
pub enum CaseStanding {
    /// It may be appealed; if nobody does, it is executed.
    Open,
    /// An appeal was upheld. Nothing is taken, and the same cannot be reported again.
    Cancelled,
    /// The stake was taken.
    Executed,
}

/// A violation on the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Case {
    /// Its number, from 0.
    pub number: u64,
    /// Who did it.
    pub participant: ParticipantId,
    /// Who answers for it.
    pub owner: OwnerId,
    /// What.
    pub offence: Offence,
    /// In which round; for [`Offence::TwoLogs`], the number of entries of the logs.
    pub at: u64,
    /// The hash of the evidence.
    pub evidence: Hash,
    /// What is taken if it is executed.
    pub amount: u64,
    /// The epoch at whose end it is executed.
    pub executed_after: u64,
    /// Whether it still stands.
    pub standing: CaseStanding,
}

//! What a node tells while it works: for progress bars, logs and `--json`.

use unsilo_ledger::{Hash, ParticipantId, RejectionReason, SnapshotTrust};

use crate::{alarm::Alarm, founders::Founder, normalisation::NormalisedColumn};

/// One thing that happened. Sent in order, at most once each unless said.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// The coordinator answers and its certificate is the invitation's.
    Connected {
        /// `host:port`.
        address: String,
    },
    /// The replica of the ledger began with a snapshot, on the word of these owners.
    BeganWithSnapshot(Box<SnapshotTrust>),
    /// The rows are scaled by the statistics of the federation from now on: at the end of the statistics round, and when a node
    /// starts after it.
    Normalised {
        /// Each measured column, and how this company's values stand to it.
        columns: Vec<NormalisedColumn>,
    },
    /// The replica that had begun with a snapshot holds every entry now, all verified.
    LedgerCompleted {
        /// How many.
        entries: u64,
    },
    /// The connection is gone; it is tried again after the pause.
    Disconnected {
        /// Why.
        reason: String,
        /// Pause until the next attempt, milliseconds.
        retry_ms: u64,
    },
    /// The founding list: complete when nobody is missing, and then signed.
    Founding {
        /// Everybody on the list, in its order; empty while somebody is missing.
        founders: Vec<Founder>,
        /// Invited founders that have not joined.
        missing: Vec<String>,
    },
    /// This node offered its seat in the committee of the round, and the coordinator took note.
    Seated {
        /// The round.
        round: u64,
    },
    /// Local training, after each step.
    Training {
        /// The round.
        round: u64,
        /// Steps done.
        step: usize,
        /// Steps in all.
        of: usize,
        /// Mean loss of the step's batch, nats.
        loss: f32,
    },
    /// The update is encrypted and safe on this disk; nothing has been sent yet.
    Encrypted {
        /// The round.
        round: u64,
        /// Bytes of the ciphertext.
        bytes: u64,
        /// Factor by which the update was shortened to respect the norm bound; 1 if it was within.
        clip: f64,
    },
    /// The contribution is on its way, after each part.
    Uploading {
        /// The round.
        round: u64,
        /// Bytes the coordinator has.
        sent: u64,
        /// Bytes in all.
        of: u64,
    },
    /// The coordinator does not take the contribution, and will not: this node is not in the round's sum.
    ContributionRefused {
        /// The round.
        round: u64,
        /// Why, and what to do.
        reason: String,
    },
    /// The contribution is on the ledger and its receipt is kept.
    Contributed {
        /// The round.
        round: u64,
        /// Bytes of the ciphertext.
        bytes: u64,
        /// Parameters of the model.
        parameters: u64,
    },
    /// Member: the closing set is cosigned.
    Cosigned {
        /// The round.
        round: u64,
    },
    /// Member: the scalars of the round are answered.
    Answered {
        /// The round.
        round: u64,
    },
    /// Member: every contribution is judged.
    Judged {
        /// The round.
        round: u64,
        /// Contributions in order.
        accepted: usize,
        /// The others, and why.
        rejected: Vec<(ParticipantId, RejectionReason)>,
    },
    /// Rater: what to ask about the others' contributions is made, and committed to before anybody's is readable.
    Directed {
        /// The round.
        round: u64,
        /// Vectors asked about: two, or one in the first round; none if this company does not rate in it.
        directions: usize,
        /// How many of the last changes of the model are known here; what they explain is not paid again.
        known: usize,
        /// What it took, milliseconds: mostly training on the rows held out.
        milliseconds: u64,
    },
    /// Rater: what the committee answered on this company's directions.
    Scored {
        /// The round.
        round: u64,
        /// By contribution, then by direction.
        scores: Vec<Score>,
    },
    /// Rater: this company's word on the others is on the ledger.
    Rated {
        /// The round.
        round: u64,
        /// The row itself; before that only a commitment to it.
        revealed: bool,
    },
    /// What each contribution of a round weighs, and why some weigh nothing: from this node's own copy of the ledger.
    Weighed {
        /// The round.
        round: u64,
        /// All contributions, ascending by participant.
        weights: Vec<RoundWeight>,
        /// Raters that said anything in anybody's favour, and those of them that agree with each other; the rest does not
        /// count. With fewer than 4 none does, and weights follow norms alone.
        raters: (usize, usize),
        /// Why the round is to end without a model, if so.
        void: Option<String>,
    },
    /// Member: the one answer of the round is given.
    Opened {
        /// The round.
        round: u64,
    },
    /// Member: the recomputed model is signed.
    Signed {
        /// The round.
        round: u64,
    },
    /// The round's model is on the ledger, verified here, and stored.
    Published {
        /// The round.
        round: u64,
        /// The model's hash.
        model: Hash,
        /// How good it is, if an evaluation file is configured.
        evaluation: Option<RoundEvaluation>,
    },
    /// The round ended without a model.
    Voided {
        /// The round.
        round: u64,
        /// Why.
        reason: String,
    },
    /// Nothing to do, and why; only when the reason changes.
    Waiting {
        /// For people.
        reason: String,
    },
    /// Worth knowing, needs no action by the node.
    Warning {
        /// For people.
        message: String,
    },
    /// Something that must never happen was seen and refused.
    Alarm(Alarm),
    /// The federation has run all its rounds and this node holds the last model.
    Finished,
}

/// One number that a rater learns: the product of one of its directions and one contribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    /// Whose contribution.
    pub participant: ParticipantId,
    /// Which of the directions, from 0.
    pub direction: u8,
    /// `Delta·<v, m> + <v, e>`: the product with the update in quantisation steps, times 1024, and noise.
    pub value: i64,
}

/// What one contribution weighs in the sum of its round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundWeight {
    /// Whose.
    pub participant: ParticipantId,
    /// Its name.
    pub name: String,
    /// Whether it is this node's.
    pub own: bool,
    /// 0 or 16 to 256.
    pub weight: u16,
    /// Why it weighs nothing, if so: the members rejected it, or the raters left it out.
    pub left_out: Option<&'static str>,
}

/// The shared model beside what this company could have alone, on the company's own evaluation rows.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundEvaluation {
    /// Accuracy of the shared model, 0 to 1.
    pub shared_accuracy: f64,
    /// Mean cross-entropy of the shared model, nats.
    pub shared_loss: f64,
    /// Accuracy of the model trained only on own data for the same number of steps, if configured.
    pub alone_accuracy: Option<f64>,
    /// Shared accuracy on the classes of which this company holds training rows.
    pub shared_own_classes: Option<f64>,
    /// The same of the model trained alone.
    pub alone_own_classes: Option<f64>,
    /// Each class, in the order of the schema.
    pub classes: Vec<ClassEvaluation>,
}

/// One class of an evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassEvaluation {
    /// The class.
    pub class: String,
    /// Training rows of it that this company holds.
    pub held: usize,
    /// Evaluation rows of it.
    pub rows: usize,
    /// Of those, how many the shared model gets right.
    pub shared_correct: usize,
    /// And the model trained alone.
    pub alone_correct: Option<usize>,
}

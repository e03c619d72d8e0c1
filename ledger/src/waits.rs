//! How long a round must wait for those who take part in it, whatever its coordinator would like.
//!
//! The coordinator signs three deadlines into every round, and nobody else's clock is on the ledger. So the ledger checks
//! only how far they are apart, and each member measures the rest itself: before the deadline, *and* before the least wait
//! has passed by its own clock since it first saw the round, it cosigns no close without everybody, ends no step of
//! rating, and signs no void. When everybody has done its part nothing is waited for.

/// The least time for contributions, in milliseconds from the opening: 60 s. It is a bound against a coordinator that
/// hurries, not a plan: `coordinator.toml` plans with 600 s, and a federation whose machines need longer sets more.
pub const LEAST_CONTRIBUTE_MS: u64 = 60_000;

/// The least time for each step of the committee after that, in milliseconds: 10 s. Members that run answer within a
/// second; one that is started again needs a few to connect and catch up.
pub const LEAST_ANSWER_MS: u64 = 10_000;

/// The least time for the last few raters, in milliseconds from the beginning of a half of the rating: 30 s, enough for a
/// node that is started again to connect, catch up and say what it was about to say.
pub const LEAST_RATER_MS: u64 = 30_000;

/// Whether so few of a half's raters are missing, less than a third, that it may end before its deadline: after they had
/// as long again as the others took, and [`LEAST_RATER_MS`].
///
/// Otherwise whoever commits and vanishes would cost every round its deadline, ten minutes and more by default. What a
/// rater does in this step is small (it fetches, multiplies and sends an entry; a reveal is an entry that is ready), so
/// who needs more than twice as long as the slowest of the others is as good as gone. A coordinator that withholds rows
/// cannot leave out anybody by this whom it could not leave out at the deadline, and from fewer raters: beyond a third,
/// the deadline is waited for.
pub const fn are_few(missing: usize, raters: usize) -> bool {
    missing.saturating_mul(3) < raters
}

/// The most time for contributions, in milliseconds: 30 days. More than any round of training between companies that we
/// know of; a federation that trains once a month still fits.
///
/// Deadlines have an upper bound because only they end a closed round whose committee is gone: its members sign no void
/// before the last of them, the owners none before a day after it. One mistake, such as a coordinator whose clock stands
/// in another year, or malice, would freeze the round until then. Nobody's clock is on the ledger, so the ledger bounds
/// the two steps after the contributions; how far the deadlines are from now each node holds against its own clock:
/// while they are farther than [`MOST_CONTRIBUTE_MS`] and twice [`MOST_ANSWER_MS`] it neither contributes nor cosigns the
/// close, and until the close the owners can end the round at any time.
pub const MOST_CONTRIBUTE_MS: u64 = 30 * 86_400_000;

/// The most time for each step of the committee, in milliseconds: 7 days, so that a machine that somebody must start
/// again on a working day is waited for.
pub const MOST_ANSWER_MS: u64 = 7 * 86_400_000;

/// How many rounds in a row may end without a model before a committee's word is not enough to end another: 3.
///
/// Every round that ends without a model is followed by another draw, and a coordinator that ignores what comes in can
/// bring a committee to say, truthfully, that too few took part: so it would draw again until it likes the committee. From
/// then on, until a model is published, more than half of the owners must want a round void; theirs count as well.
///
/// Not counted, and never refused, is what follows from a judgement for everybody alike
/// ([`crate::VoidReason::is_derived`]).
pub const MOST_VOIDS: usize = 3;

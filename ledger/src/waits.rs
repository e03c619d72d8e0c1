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

/// How many rounds in a row may end without a model before a committee's word is not enough to end another: 3.
///
/// Every round that ends without a model is followed by another draw, and a coordinator that ignores what comes in can
/// bring a committee to say, truthfully, that too few took part: so it would draw again until it likes the committee. From
/// then on, until a model is published, more than half of the owners must want a round void; theirs count as well.
///
/// Not counted, and never refused, is what follows from a judgement for everybody alike
/// ([`crate::VoidReason::is_derived`]).
pub const MOST_VOIDS: usize = 3;

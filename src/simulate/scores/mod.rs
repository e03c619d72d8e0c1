//! Scores, weights and rewards under attack: federations played through in memory by the code of the real round.
//!
//! Local training, quantisation, directions, averages, opinions, weights, the model's step and the payout are those of
//! production. What is computed without encryption are the integers that decryption gives: products and projections of the
//! quantised updates with the noise that encryption leaves in them ([`quantised`]). What the committee's checks reject
//! never gets as far as a score.

mod baselines;
mod bounds;
mod data;
mod exact;
mod federation;
mod lines;
mod payout;
mod play;
mod quantised;
mod rater;
mod report;
mod shapley;
mod source;
mod split;

pub(crate) use baselines::Baseline;
pub(crate) use bounds::{Bounds, Effort, Measured};
pub(crate) use data::{digits, read};
pub(crate) use federation::{MOST_PARTICIPANTS, Setting};
pub(crate) use report::{Report, play_all};
pub(crate) use split::Split;

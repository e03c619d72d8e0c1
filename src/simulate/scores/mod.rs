//! Scores, weights and rewards under attack: federations played through in memory by the code of the real round.
//!
//! Local training, quantisation, encryption and the committee's checks of what it sends ([`committee`]), directions, averages,
//! opinions, weights, the model's step and the payout are those of production. What is computed without encryption are the
//! integers that decryption gives raters and everybody: products with the quantised updates and their weighted sum, with the
//! noise that encryption leaves in them ([`quantised`]).

mod baselines;
mod bounds;
mod committee;
mod data;
mod exact;
mod federation;
mod lines;
mod payout;
mod play;
mod quantised;
mod rater;
mod report;
#[cfg(test)]
mod sampling;
mod shapley;
mod source;
mod split;

pub(crate) use baselines::Baseline;
pub(crate) use bounds::{Bounds, Effort, Measured};
pub(crate) use data::{digits, read};
pub(crate) use federation::{MOST_PARTICIPANTS, Setting};
pub(crate) use report::{Report, play_all};
pub(crate) use split::Split;

//! What each rule pays those who do not play fair: the table of the design, measured.
//!
//! A [`federation::Federation`] is played over epochs with colluders that follow an [`attack::Attack`]; every rule
//! meets the same [`noise::Noise`]. [`scenario::Scenario`] says which federations and attacks a line of the table
//! is about, [`search`] looks for the attack that pays best, and [`table`] puts the lines together.

mod attack;
mod federation;
mod noise;
mod scenario;
mod search;
mod speed;
mod table;

pub(crate) use scenario::Setting;
pub(crate) use table::{OfRule, RULES, Table, printed};

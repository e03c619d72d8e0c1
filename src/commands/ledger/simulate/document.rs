//! What an epoch came to, as JSON: every intermediate by the name that the vectors give it. `_bits` are numbers
//! times 2^32, `_u16` numbers times 65,535; without an ending they are fractions.

use serde_json::{Value, json};
use unsilo_ledger::mechanism::{fixed::I32F32, median, trust, yuma};

/// An outcome that has a document. Each has `consensus_bits`, and `incentive` and `dividends`: the shares of
/// what participants are paid as contributors and as raters.
pub(super) trait Describe {
    fn describe(&self) -> Value;
}

impl Describe for median::Outcome {
    fn describe(&self) -> Value {
        let payment = self.payment.as_ref();
        json!({
            "v_bits": self.stake_share,
            "p_bits": self.power,
            "consensus_bits": self.consensus,
            "Q_bits": self.total_consensus,
            "phi_bits": self.paid_share,
            "paid": self.paid,
            "agreement_bits": self.agreement.overlap,
            "agreement_reference_bits": self.agreement.reference,
            "agreement_relative_bits": self.agreement.relative,
            "agreement_squared_bits": self.agreement.squared,
            "D_bits": self.agreement.dividend_share,
            "rep_after_bits": self.reputation,
            "pay_contrib": payment.map(|payment| &payment.contributor),
            "pay_rater": payment.map(|payment| &payment.rater),
            "pay_niche": payment.map(|payment| &payment.niche),
            "niche_budget": payment.map(|payment| &payment.niche_budget),
            "niche_spent": payment.map(|payment| &payment.niche_spent),
            "incentive": shares(&self.consensus),
            "dividends": shares(&self.agreement.dividend_share),
        })
    }
}

impl Describe for yuma::Outcome {
    fn describe(&self) -> Value {
        let rows: Vec<&[u16]> = self.bonds.chunks_exact(self.payout.len().max(1)).collect();
        json!({
            "emission": self.payout,
            "server_emission": self.server_emission,
            "validator_emission": self.validator_emission,
            "active_stake_bits": bits(&self.active_stake),
            "consensus_bits": bits(&self.consensus),
            "validator_trust_bits": bits(&self.validator_trust),
            "server_trust_bits": bits(&self.server_trust),
            "incentive_bits": bits(&self.incentive),
            "dividends_bits": bits(&self.dividends),
            "consensus_u16": proportions(&self.consensus),
            "validator_trust_u16": proportions(&self.validator_trust),
            "incentive_u16": proportions(&self.incentive),
            "dividends_u16": proportions(&self.dividends),
            "bonds_u16": rows,
            "incentive": fractions(&self.incentive),
            "dividends": fractions(&self.dividends),
        })
    }
}

impl Describe for trust::Outcome {
    fn describe(&self) -> Value {
        json!({
            "stake_bits": bits(&self.stake),
            "ranks_bits": bits(&self.ranks),
            "trust_bits": bits(&self.trust),
            "consensus_bits": bits(&self.consensus),
            "incentive_bits": bits(&self.incentive),
            "dividends_bits": bits(&self.dividends),
            "delta_S_bits": bits(&self.earned),
            "loss_bits": self.loss.to_bits(),
            "stake": fractions(&self.stake),
            "ranks": fractions(&self.ranks),
            "trust": fractions(&self.trust),
            "consensus": fractions(&self.consensus),
            "incentive": fractions(&self.incentive),
            "dividends": fractions(&self.dividends),
            "bond_dividend": fractions(&self.dividends),
            "delta_S": fractions(&self.earned),
        })
    }
}

fn bits(values: &[I32F32]) -> Vec<i64> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn proportions(values: &[I32F32]) -> Vec<u16> {
    values.iter().map(|value| value.to_proportion()).collect()
}

fn fractions(values: &[I32F32]) -> Vec<f64> {
    values
        .iter()
        .map(|value| value.to_bits() as f64 / 4_294_967_296.0)
        .collect()
}

/// Each value as a part of their sum; 0 if that is 0.
fn shares(values: &[u64]) -> Vec<f64> {
    let sum: u128 = values.iter().map(|value| u128::from(*value)).sum();
    let sum = (sum as f64).max(1.0);
    values.iter().map(|value| *value as f64 / sum).collect()
}

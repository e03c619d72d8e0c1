//! What the demo prints at its end.

use std::{path::Path, time::Duration};

use anyhow::Context;
use serde::Serialize;
use unsilo_fhe::{Params, ParamsLiteral};
use unsilo_ledger::{
    Entry, PublicKey, SignedEntry, State,
    store::{FILE_NAME, read, verify},
};
use unsilo_participant::RoundEvaluation;

use super::{
    Outcome,
    attack::success,
    data::DemoData,
    verdict::Verdict,
    weights::{Standing, standings},
};
use crate::{attack::Attack, commands::ledger::whole, output::table};

/// The demo's JSON document.
#[derive(Serialize)]
pub(super) struct Report {
    /// The coordinator, which goes on serving.
    url: String,
    authority: String,
    seconds: f64,
    rounds: u64,
    parameters: u64,
    test_rows: usize,
    /// CSV file of those rows.
    test_file: String,
    /// Rounds that ended without a model.
    rounds_in_vain: u64,
    /// Accuracy of the shared model on the common test rows, 0 to 1; null if there never was one.
    shared_accuracy: Option<f64>,
    /// The best accuracy that a company reaches alone.
    best_alone_accuracy: Option<f64>,
    companies: Vec<Company>,
    /// What was sent instead of updates, and what became of it.
    attack: Option<Verdict>,
    upload: Upload,
    ledger: Ledger,
    signatures: Vec<Signatures>,
}

/// A company at the end of the demo.
#[derive(Debug, Default, Serialize)]
pub(super) struct Company {
    pub(super) name: String,
    pub(super) rows: usize,
    /// Rows of each digit, 0 to 9.
    pub(super) classes: [usize; 10],
    pub(super) device: String,
    #[serde(flatten)]
    pub(super) measured: Option<Measured>,
    pub(super) contributions: u64,
    /// Rows that were not trained on, to rate the others with.
    pub(super) held_out: usize,
    #[serde(flatten)]
    pub(super) standing: Standing,
    /// What it sent instead of its updates.
    pub(super) attack: Option<Attack>,
}

/// The shared model beside the one that a company trained alone, on the common test rows; 0 to 1.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Measured {
    alone_accuracy: f64,
    shared_accuracy: f64,
    gain: f64,
    /// The same two on test rows of the classes that the company holds.
    alone_own_classes: f64,
    shared_own_classes: f64,
}

impl Measured {
    fn of(evaluation: &RoundEvaluation) -> Self {
        let alone = evaluation.alone_accuracy.unwrap_or_default();
        Self {
            alone_accuracy: alone,
            shared_accuracy: evaluation.shared_accuracy,
            gain: evaluation.shared_accuracy - alone,
            alone_own_classes: evaluation.alone_own_classes.unwrap_or_default(),
            shared_own_classes: evaluation.shared_own_classes.unwrap_or_default(),
        }
    }
}

/// What one contribution cost to send.
#[derive(Serialize)]
struct Upload {
    bytes_per_contribution: u64,
    ciphertext_bytes: u64,
    key_share_bytes: u64,
    /// Ciphertext bytes for each parameter of whole chunks, blinding chunks included.
    bytes_per_padded_parameter: f64,
}

#[derive(Serialize)]
struct Ledger {
    entries: u64,
    signatures_verified: u64,
    state_root: String,
}

/// Who signed what, and how often.
#[derive(Serialize)]
struct Signatures {
    name: String,
    founding: u64,
    contributions: u64,
    seats: u64,
    closes: u64,
    models: u64,
}

impl Report {
    pub(super) fn new(
        (outcomes, colluding): (&[Outcome], bool),
        data: &DemoData,
        (coordinator, company): (&Path, &Path),
        url: &str,
        elapsed: Duration,
    ) -> anyhow::Result<Self> {
        let log = coordinator.join(FILE_NAME);
        let verified = verify(&log)?;
        let mut entries = Vec::new();
        let replica = read(&log, |_, entry| entries.push(entry.clone()))?;
        let state = replica.state();
        let mut standings = standings(state, &entries)?;
        let mut companies = Vec::new();
        for (outcome, held) in outcomes.iter().zip(&data.companies) {
            companies.push(Company {
                name: outcome.name.clone(),
                rows: held.rows,
                classes: held.classes,
                device: outcome.device.clone(),
                measured: outcome.evaluation.as_ref().map(Measured::of),
                contributions: outcome.summary.contributions,
                held_out: outcome.held_out,
                standing: state
                    .participant_by_name(&outcome.name)
                    .and_then(|one| standings.get_mut(usize::try_from(one.id.0).ok()?))
                    .map(std::mem::take)
                    .with_context(|| format!("{} is not on the ledger", outcome.name))?,
                attack: outcome.attack,
            });
        }
        let parameters = state.draft().map_or(0, |draft| draft.model.parameters());
        let measured: Vec<Measured> = companies.iter().filter_map(|one| one.measured).collect();
        let shared = measured
            .iter()
            .map(|of| of.shared_accuracy)
            .reduce(f64::min);
        let alone = measured.iter().map(|of| of.alone_accuracy).reduce(f64::max);
        let in_vain = verified.voided;
        // Without a model there is none that does what anybody wants.
        let kind = companies.iter().find_map(|one| one.attack);
        let success = match kind.filter(|_| shared.is_some()) {
            Some(kind) => success(kind, state, company, &data.test)?,
            None => None,
        };
        Ok(Self {
            url: url.to_owned(),
            authority: coordinator.join("authority.der").display().to_string(),
            seconds: elapsed.as_secs_f64(),
            rounds: verified.published,
            parameters,
            test_rows: data.test_rows,
            test_file: data.test.display().to_string(),
            rounds_in_vain: in_vain,
            shared_accuracy: shared,
            best_alone_accuracy: alone,
            attack: Verdict::of((&companies, colluding), in_vain, alone.zip(shared), success),
            companies,
            upload: Upload::new(&entries, parameters)?,
            ledger: Ledger {
                entries: verified.entries,
                signatures_verified: verified.signatures,
                state_root: data_encoding::HEXLOWER.encode(&verified.state_root),
            },
            signatures: signatures(state, &entries),
        })
    }

    pub(super) fn to_text(&self, once: bool) -> String {
        let percent = |value: f64| format!("{:.1} %", 100.0 * value);
        let mut rows = vec![
            [
                "company",
                "rows",
                "digits held (few)",
                "alone",
                "shared",
                "gain",
                "own digits: alone",
                "shared",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for company in &self.companies {
            let figures = company.measured.map_or_else(
                || [(); 5].map(|()| "–".to_owned()),
                |of| {
                    [
                        percent(of.alone_accuracy),
                        percent(of.shared_accuracy),
                        format!("{:+.1}", 100.0 * of.gain),
                        percent(of.alone_own_classes),
                        percent(of.shared_own_classes),
                    ]
                },
            );
            let mut cells = vec![
                company.name.clone(),
                company.rows.to_string(),
                held(&company.classes),
            ];
            cells.extend(figures);
            rows.push(cells);
        }
        let mut text = format!(
            "\n{} rounds in {:.0} s. Accuracy on {} test rows that nobody trained on:\n\n{}",
            self.rounds,
            self.seconds,
            self.test_rows,
            table(&rows, &[1, 3, 4, 5, 6, 7])
        );
        text.push_str(&self.standings_text());
        text.push_str(&format!(
            "\nA contribution: {} bytes encrypted ({:.1} per parameter of {} in whole chunks) and {} of sealed key shares.\n\
             Nobody, the coordinator included, has seen a company's rows or update.\n\nWho signed what:\n\n",
            self.upload.ciphertext_bytes,
            self.upload.bytes_per_padded_parameter,
            self.parameters,
            self.upload.key_share_bytes,
        ));
        let mut rows = vec![
            ["", "founding", "contributions", "seats", "closes", "models"]
                .map(str::to_owned)
                .to_vec(),
        ];
        for signer in &self.signatures {
            rows.push(
                std::iter::once(signer.name.clone())
                    .chain(
                        [
                            signer.founding,
                            signer.contributions,
                            signer.seats,
                            signer.closes,
                            signer.models,
                        ]
                        .map(|count| count.to_string()),
                    )
                    .collect(),
            );
        }
        text.push_str(&table(&rows, &[1, 2, 3, 4, 5]));
        text.push_str(&format!(
            "\nLedger: {} entries replayed, {} signatures verified, state root {}…\n",
            self.ledger.entries,
            self.ledger.signatures_verified,
            &self.ledger.state_root[..16],
        ));
        if !once {
            text.push_str(&format!(
                "\nThe model is served at {url}/ until Ctrl-C. Ask it about the test rows, in another terminal:\n  \
                 {program} query {url} --authority {authority} --csv {test}\n",
                program = std::env::current_exe()
                    .map_or_else(|_| "unsilo".to_owned(), |path| path.display().to_string()),
                url = self.url,
                authority = self.authority,
                test = self.test_file,
            ));
        }
        text
    }
}

impl Report {
    /// What the companies' ratings of each other came to.
    fn standings_text(&self) -> String {
        let mut rows = vec![
            [
                "company",
                "held out",
                "part of the model",
                "last weight",
                "left out",
                "paid",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for company in &self.companies {
            let standing = &company.standing;
            let mark = if company.attack.is_some() { " *" } else { "" };
            let owner = match standing.owner == company.name {
                true => String::new(),
                false => format!(" (of {})", standing.owner),
            };
            rows.push(vec![
                format!("{}{owner}{mark}", company.name),
                format!("{} rows", company.held_out),
                format!("{:.1} %", 100.0 * standing.weight_share),
                standing.weights.last().copied().unwrap_or(0).to_string(),
                format!("{} rounds", standing.left_out),
                whole(standing.paid),
            ]);
        }
        let mut text = format!(
            "\nWhat the companies' held-out rows say of each other's encrypted updates, as weights and as pay:\n\n{}",
            table(&rows, &[1, 2, 3, 4, 5])
        );
        match &self.attack {
            Some(attack) => text.push_str(&attack.to_text()),
            None if self.rounds_in_vain > 0 => text.push_str(&format!(
                "{} rounds ended without a model.\n",
                self.rounds_in_vain
            )),
            None => {}
        }
        text
    }
}

/// The digits a company holds, those with few rows in parentheses.
fn held(classes: &[usize; 10]) -> String {
    classes
        .iter()
        .enumerate()
        .map(|(digit, rows)| match rows {
            0 => "·".to_owned(),
            1..=10 => format!("({digit})"),
            _ => digit.to_string(),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

impl Upload {
    fn new(entries: &[SignedEntry], parameters: u64) -> anyhow::Result<Self> {
        let params = Params::new(&ParamsLiteral {
            profile: "default".into(),
            parameters,
        })?;
        let ciphertext_bytes = params.ciphertext_bytes() as u64;
        let bytes_per_contribution = entries
            .iter()
            .filter_map(|signed| match signed.entry {
                Entry::ContributionCommitted { bytes, .. } => Some(bytes),
                _ => None,
            })
            .max()
            .unwrap_or_default();
        Ok(Self {
            bytes_per_contribution,
            ciphertext_bytes,
            key_share_bytes: bytes_per_contribution.saturating_sub(ciphertext_bytes),
            bytes_per_padded_parameter: ciphertext_bytes as f64
                / (params.chunks() * unsilo_fhe::N) as f64,
        })
    }
}

fn signatures(state: &State, entries: &[SignedEntry]) -> Vec<Signatures> {
    let mut signers: Vec<(Option<PublicKey>, Signatures)> = state
        .participants()
        .map(|participant| (participant.key, participant.name.clone()))
        .chain(
            state
                .draft()
                .map(|draft| (draft.coordinator, "coordinator".to_owned())),
        )
        .map(|(key, name)| {
            let none = Signatures {
                name,
                founding: 0,
                contributions: 0,
                seats: 0,
                closes: 0,
                models: 0,
            };
            (Some(key), none)
        })
        .collect();
    for signed in entries {
        let inside: Vec<PublicKey> = match &signed.entry {
            Entry::RoundOpened { seats, .. } => seats
                .iter()
                .filter_map(|seat| Some(state.participant(seat.participant)?.key))
                .collect(),
            // Cosigners of a close are counted from the round's seats, which stay in this order.
            Entry::RoundClosed {
                round,
                cosignatures,
                ..
            } => {
                let record = state.history().find(|record| record.round == *round);
                cosignatures
                    .iter()
                    .filter_map(|cosignature| {
                        let seat = usize::from(cosignature.seat).checked_sub(1)?;
                        Some(state.participant(*record?.seats.get(seat)?)?.key)
                    })
                    .collect()
            }
            _ => Vec::new(),
        };
        for (key, counts) in &mut signers {
            let Some(key) = key else { continue };
            let signs = signed.signers().any(|signer| signer == key) || inside.contains(key);
            if !signs {
                continue;
            }
            *match &signed.entry {
                Entry::FederationCreated { .. } => &mut counts.founding,
                Entry::ContributionCommitted { .. } => &mut counts.contributions,
                Entry::RoundOpened { .. } => &mut counts.seats,
                Entry::RoundClosed { .. } => &mut counts.closes,
                Entry::ModelPublished { .. } => &mut counts.models,
                _ => continue,
            } += 1;
        }
    }
    signers.into_iter().map(|(_, counts)| counts).collect()
}

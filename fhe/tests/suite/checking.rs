//! A round up to its verdict: projections of the ciphertexts, sheets of answers, judgement.
#![expect(clippy::unwrap_used, reason = "honest inputs in tests")]

use crate::federation::Federation;
use unsilo_fhe::{
    AnswerSheet, Contribution, Entropy, ProjectionAnswers, ProjectionKeys, ProjectionTable,
    Projections, Queries, ReceivedSheet, SealedSheet, Verdict, answer_projections,
    check::{JudgeError, SheetError},
    judge, threshold_for,
};

pub(crate) const CHALLENGE: [u8; 32] = [77; 32];

/// A closed round of a federation, with everything its check needs.
pub(crate) struct Checking {
    pub(crate) federation: Federation,
    pub(crate) contributions: Vec<Contribution>,
    pub(crate) projections: Projections,
    pub(crate) keys: ProjectionKeys,
    pub(crate) table: ProjectionTable,
}

impl Checking {
    /// `members` seats; participant = index of the update.
    pub(crate) fn new(parameters: u64, members: usize, updates: &[Vec<f32>]) -> Self {
        let federation = Federation::new(parameters, members, threshold_for(members));
        let contributions = (0..)
            .zip(updates)
            .map(|(j, update)| federation.contribute(j, update))
            .collect();
        Self::of(federation, contributions)
    }

    pub(crate) fn of(federation: Federation, contributions: Vec<Contribution>) -> Self {
        let projections = Projections::new(&federation.params, &federation.context, CHALLENGE);
        let keys = ProjectionKeys::new(&projections);
        let table = table(&projections, &contributions);
        Self {
            federation,
            contributions,
            projections,
            keys,
            table,
        }
    }

    pub(crate) fn threshold(&self) -> usize {
        self.federation.committee.threshold().into()
    }

    pub(crate) fn participants(&self) -> Vec<u32> {
        self.table.participants().collect()
    }

    /// The answers of one seat, with those on shares that it does not accept missing.
    pub(crate) fn answers(&self, seat: u16) -> Vec<ProjectionAnswers> {
        let keys = &self.federation.keys[usize::from(seat) - 1];
        (0..)
            .zip(&self.contributions)
            .map(|(participant, contribution)| {
                let sealed = &contribution.sealed_shares[usize::from(seat) - 1];
                let dealing = self.federation.dealing(participant);
                match unsilo_fhe::open_share(keys, &dealing, seat, sealed) {
                    Ok(share) => answer_projections(&share, &self.keys).unwrap(),
                    Err(_) => ProjectionAnswers::unusable(participant),
                }
            })
            .collect()
    }

    pub(crate) fn seal(
        &self,
        seat: u16,
        answers: Vec<ProjectionAnswers>,
    ) -> (AnswerSheet, SealedSheet) {
        let committee = &self.federation.committee;
        let entropy = Entropy::from_bytes([seat as u8; 32]);
        AnswerSheet::seal(&self.projections, committee, seat, answers, entropy).unwrap()
    }

    pub(crate) fn sheets(&self) -> Vec<AnswerSheet> {
        (1..=self.federation.committee.seats())
            .map(|seat| self.seal(seat, self.answers(seat)).0)
            .collect()
    }

    pub(crate) fn open(
        &self,
        seat: u16,
        sealed: &SealedSheet,
        recipient: u16,
    ) -> Result<AnswerSheet, SheetError> {
        let key = sealed.keys.iter().find(|(to, _)| *to == recipient).unwrap();
        let received = ReceivedSheet {
            seat,
            root: &sealed.root,
            sheet: &sealed.sheet,
            key: &key.1,
        };
        received.open(
            &self.projections,
            &self.federation.committee,
            recipient,
            &self.federation.keys[usize::from(recipient) - 1],
            &self.participants(),
            |to, key| {
                sealed
                    .keys
                    .iter()
                    .any(|(of, signed)| *of == to && signed == key)
            },
        )
    }

    pub(crate) fn judge(&self, sheets: &[AnswerSheet]) -> Result<Verdict, JudgeError> {
        let sheets: Vec<_> = sheets.iter().collect();
        judge(&self.projections, self.threshold(), &self.table, &sheets)
    }
}

pub(crate) fn table(projections: &Projections, contributions: &[Contribution]) -> ProjectionTable {
    let ciphertexts: Vec<_> = contributions
        .iter()
        .map(|contribution| contribution.ciphertext.as_slice())
        .collect();
    let mut queries = Queries::of_projections(projections, ciphertexts.len());
    queries.add(0, &ciphertexts).unwrap();
    let rows = (0..).zip(queries.finish().unwrap());
    let rows = rows.map(|(participant, words)| (participant, words.try_into().unwrap()));
    ProjectionTable::new(rows.collect()).unwrap()
}

/// An update of random signs whose norm is `share` of the clip norm.
pub(crate) fn update(parameters: usize, seed: u64, share: f64) -> Vec<f32> {
    let mut xof = unsilo_fhe::xof::Xof::new("test update", &[&seed.to_le_bytes()]);
    let clip = crate::federation::params(parameters as u64).clip_steps() as f64;
    let size = share * clip / (parameters as f64).sqrt() / 16384.0;
    (0..parameters)
        .map(|_| {
            if xof.next_u64() & 1 == 0 {
                size as f32
            } else {
                -size as f32
            }
        })
        .collect()
}

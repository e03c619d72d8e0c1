//! What somebody can do who holds the directories of some of those who take part.

use std::{collections::BTreeMap, path::PathBuf};

use data_encoding::HEXLOWER;
use unsilo_fhe::{
    CHUNK_BYTES, Committee, Dealing, KeySum, Opening, Params, ParamsLiteral, RoundContext,
    RoundKeyPair, RoundPublicKey, WeightedSum, combine, decrypt, open_key_sum, open_share,
};
use unsilo_ledger::store::{FILE_NAME, read};

use super::traces::files;

/// What decrypting one contribution takes, from the ledger in the coordinator's directory.
pub(super) struct Target {
    pub(super) params: Params,
    pub(super) context: RoundContext,
    pub(super) committee: Committee,
    pub(super) unit_log2: i8,
    pub(super) victim: u32,
    pub(super) root: [u8; 32],
    ciphertext: Vec<u8>,
    sealed: Vec<Vec<u8>>,
}

impl Target {
    /// The contribution of the company called `victim` to the round under way at the coordinator in `fed`.
    pub(super) fn new(fed: &std::path::Path, victim: &str) -> Self {
        let replica = read(&fed.join(FILE_NAME), |_, _| {}).expect("a ledger that verifies");
        let state = replica.state();
        let round = state.round().expect("a round under way");
        let opening = &round.opening;
        let victim = state.participant_by_name(victim).expect("a participant").id;
        let members = opening
            .seats
            .iter()
            .map(|seat| RoundPublicKey::from_bytes(&seat.round_key).expect("a round key"))
            .collect();
        let stored = fed.join(format!("contributions/round-{}", opening.round));
        let file =
            |suffix: &str| std::fs::read(stored.join(format!("{victim}.{suffix}"))).expect(suffix);
        type Header = ([u8; 32], Vec<u8>, Vec<Vec<u8>>, Vec<u8>);
        let (root, _entry, sealed, _linear_hash): Header =
            borsh::from_slice(&file("header")).expect("a header");
        assert_eq!(root, round.contributions[&victim].root);
        Self {
            params: Params::new(&ParamsLiteral {
                profile: "default".to_owned(),
                parameters: state.draft().expect("founded").model.parameters(),
            })
            .expect("parameters"),
            context: RoundContext {
                federation: state.federation_id().expect("founded").0,
                round: opening.round,
                model: opening.model,
            },
            committee: Committee::new(members, usize::from(opening.threshold))
                .expect("a committee"),
            unit_log2: opening.unit_log2,
            victim: victim.0,
            root,
            ciphertext: file("ciphertext"),
            sealed,
        }
    }

    pub(super) fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }

    pub(super) fn sealed(&self) -> &[Vec<u8>] {
        &self.sealed
    }

    /// Every secret in `directories` is tried, and everything that can be made of them.
    pub(super) fn attack(&self, directories: &[PathBuf]) -> Option<WeightedSum> {
        let mut answers = BTreeMap::new();
        let mut sums = vec![vec![0; CHUNK_BYTES]];
        for (_, bytes) in directories.iter().flat_map(|directory| files(directory)) {
            for secret in secrets(&bytes) {
                if let Some((seat, answer)) = self.answer(&secret) {
                    answers.insert(seat, answer);
                }
            }
            // Keys of other sums, answers, and whatever else has the size of a key.
            if bytes.len() == CHUNK_BYTES {
                sums.push(bytes);
            }
        }
        let seats: Vec<u16> = answers.keys().copied().collect();
        sums.extend(answers.values().cloned());
        let fits = |key: &KeySum| self.decrypted(key).is_some();
        // As the protocol opens, and as if fewer answers were enough: for every subset of them.
        let threshold = usize::from(self.committee.threshold());
        for subset in 1_u32..1 << seats.len() {
            let chosen: Vec<(u16, Opening)> = seats
                .iter()
                .enumerate()
                .filter(|(at, _)| subset >> at & 1 == 1)
                .map(|(_, seat)| {
                    (
                        *seat,
                        Opening::from_bytes(&answers[seat]).expect("an answer"),
                    )
                })
                .collect();
            for threshold in [threshold, chosen.len()] {
                if let Ok(opened) = open_key_sum(threshold, &chosen, fits) {
                    return self.decrypted(&opened.key_sum);
                }
            }
        }
        sums.iter()
            .filter_map(|bytes| KeySum::from_bytes(bytes).ok())
            .find_map(|key| self.decrypted(&key))
    }

    fn decrypted(&self, key: &KeySum) -> Option<WeightedSum> {
        decrypt(&self.params, &self.context, &self.ciphertext, key, 1).ok()
    }

    /// The share of the victim's key that the holder of `secret` can open, and its seat.
    fn answer(&self, secret: &[u8]) -> Option<(u16, Vec<u8>)> {
        let keys = RoundKeyPair::from_secret_bytes(secret).ok()?;
        let seat = (1..=self.committee.seats())
            .find(|seat| self.committee.member(*seat) == Some(keys.public()))?;
        let dealing = Dealing {
            params: &self.params,
            context: &self.context,
            participant: self.victim,
            committee: &self.committee,
        };
        let share = open_share(&keys, &dealing, seat, &self.sealed[usize::from(seat) - 1])
            .expect("a share that was sealed to this seat");
        let answer = combine(&[(1, &share)]).expect("one share");
        Some((seat, answer.to_bytes()))
    }
}

/// What in a file may be a secret: the file itself, as bytes or hexadecimal.
fn secrets(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut secrets = Vec::new();
    if bytes.len() <= 256 {
        secrets.push(bytes.to_vec());
        secrets.extend(HEXLOWER.decode(bytes.trim_ascii()));
    }
    secrets
}

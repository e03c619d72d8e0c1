//! What leaves a company, and what others can make of it.

mod attack;
mod plaintext;
mod traces;

use std::{collections::HashSet, fs, path::PathBuf};

use sha2::{Digest, Sha256};
use unsilo_fhe::{
    CHUNK_BYTES, Committee, Dealing, Params, ParamsLiteral, RoundContext, RoundKeyPair, contribute,
    encode, key::Entropy,
};
use unsilo_ledger::{
    Draft, Entry,
    store::{FILE_NAME, read},
};
use unsilo_participant::{
    data::{LoadOptions, hold_out, load_csv},
    rating::DEFAULT_SHARE,
};
use unsilo_proto::Invite;
use unsilo_train::{
    Activation, Dataset, DeviceChoice, MlpConfig, TrainConfig, Trainer, select, weights,
};

use self::{
    attack::Target,
    traces::{Traces, contains, files},
};
use crate::{
    companies::Companies,
    proxy::{Proxy, Stop, bodies},
    support::{Running, free_address, set, until},
};

const NAMES: [&str; 4] = ["Aster", "Birch", "Cedar", "Dahlia"];
/// Fixed orders of rows, so that the test can train what each company trains.
const SEED: u64 = 7;

/// The federation of these tests, in the middle of round 2: everybody sits on the committee, and everybody's
/// contribution but Dahlia's is on the ledger. What Aster sent is recorded.
struct Frozen {
    raters: Raters,
    fed: Companies,
    recorder: Proxy,
    coordinator: Running,
    draft: Draft,
    identities: Vec<String>,
}

/// Whether the companies rate each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Raters {
    /// All do: they hold out rows, ask about directions and say rows.
    On,
    /// Nobody does.
    Off,
}

fn frozen(raters: Raters) -> Frozen {
    let address = free_address();
    let mut fed = Companies::found_behind(&NAMES, 2, &address, &address);
    let coordinator = fed.serve();
    let recorder = Proxy::start(&fed.coordinator(), &address, fed.company("Aster"), None);
    // Round 1 takes Dahlia some 110 kB, her next contribution 90 kB more: it is cut off in its middle. Directions are 12 kB
    // in the first round and twice that in the second.
    let stop: Stop = match raters {
        Raters::On => |sent| sent.len() > 190_000,
        Raters::Off => |sent| sent.len() > 150_000,
    };
    let staller = Proxy::start(
        &fed.coordinator(),
        &address,
        fed.company("Dahlia"),
        Some(stop),
    );
    for (name, proxy) in [("Aster", &recorder), ("Dahlia", &staller)] {
        let mut invite = Invite::from_text(&fed.invitations[name]).expect("an invitation");
        invite.address.clone_from(&proxy.address);
        fed.invitations.insert(name.to_owned(), invite.to_text());
    }
    let mut identities = Vec::new();
    for (part, name) in NAMES.into_iter().enumerate() {
        let joined = fed.join_fast(name, part, 4);
        identities.push(joined["identity"].as_str().expect("hex").to_owned());
        let config = fed.company(name).join("participant.toml");
        set(&config, "seed", &SEED.to_string());
        if raters == Raters::Off {
            fed.rates_nobody(name);
        }
    }
    let mut nodes: Vec<Running> = NAMES.iter().map(|name| fed.participate(name)).collect();
    let (dahlia, others) = nodes.split_last_mut().expect("four nodes");
    for node in others {
        node.until_said("round 2: contribution on the ledger");
    }
    dahlia.until_said("round 2: update encrypted");
    until("Dahlia's contribution is cut off", || staller.has_stopped());
    assert_eq!(dahlia.times("round 2: contribution on the ledger"), 0);
    drop(nodes);
    let draft = fs::read(fed.coordinator().join("draft")).expect("the draft");
    let draft = Draft::from_bytes(&draft).expect("a draft");
    set(
        &fed.company("Dahlia").join("participant.toml"),
        "coordinator",
        &format!("{address:?}"),
    );
    Frozen {
        raters,
        fed,
        recorder,
        coordinator,
        draft,
        identities,
    }
}

/// What one company trained in one round, done again.
struct Trained {
    base: Vec<f32>,
    weights: Vec<f32>,
    update: Vec<f32>,
}

impl Frozen {
    fn rows(&self, part: usize) -> Dataset {
        load_csv(
            &self.fed.rows(part, 4),
            &self.draft.schema,
            &LoadOptions::default(),
        )
        .expect("rows")
        .data
    }

    /// What a company trains on: whoever rates holds some rows out.
    fn trained_on(&self, part: usize) -> Dataset {
        let rows = self.rows(part);
        match self.raters {
            Raters::Off => rows,
            Raters::On => {
                let divided = hold_out(&rows, DEFAULT_SHARE, SEED).expect("rows");
                divided.expect("enough rows").train
            }
        }
    }

    fn shape(&self) -> MlpConfig {
        MlpConfig {
            layers: self
                .draft
                .model
                .layers
                .iter()
                .map(|units| *units as usize)
                .collect(),
            activation: Activation::Relu,
        }
    }

    /// The weights with this hash, from a company's model store.
    fn model(&self, hash: &[u8; 32]) -> Vec<f32> {
        let name = format!(
            "models/{}.safetensors",
            data_encoding::HEXLOWER.encode(hash)
        );
        let file = fs::read(self.fed.company("Aster").join(name)).expect("a model");
        weights::from_safetensors(&self.shape(), &file).expect("weights")
    }

    /// Hashes of the models that rounds 1 and on started from.
    fn bases(&self) -> Vec<[u8; 32]> {
        let mut bases = Vec::new();
        read(&self.fed.coordinator().join(FILE_NAME), |_, signed| {
            if let Entry::RoundOpened { model, .. } = &signed.entry {
                bases.push(*model);
            }
        })
        .expect("a ledger");
        bases
    }

    /// Trains as company number `part` did in `round`.
    fn train(&self, part: usize, round: u64) -> Trained {
        let identity = data_encoding::HEXLOWER
            .decode(self.identities[part].as_bytes())
            .expect("hex");
        let digest = Sha256::new_with_prefix(b"unsilo/v1/training seed\0")
            .chain_update(SEED.to_le_bytes())
            .chain_update(round.to_le_bytes())
            .chain_update(identity)
            .chain_update("shared")
            .finalize();
        let plan = &self.draft.training;
        let config = TrainConfig {
            steps: plan.steps as usize,
            batch: plan.batch as usize,
            learning_rate: f64::from(plan.learning_rate_micro) / 1e6,
            seed: u64::from_le_bytes(digest[..8].try_into().expect("eight bytes")),
            ..TrainConfig::default()
        };
        let device = select(DeviceChoice::Cpu).expect("a processor");
        let trainer = Trainer::new(self.shape(), device).expect("a trainer");
        let base = self.model(&self.bases()[round as usize - 1]);
        let weights = trainer
            .train(&base, &self.trained_on(part), &config, &mut |_| {})
            .expect("trained");
        let update = weights
            .iter()
            .zip(&base)
            .map(|(after, before)| after - before)
            .collect();
        Trained {
            base,
            weights,
            update,
        }
    }

    /// Everything that Aster alone knows.
    fn traces(&self, params: &Params, rounds: &[Trained]) -> Traces {
        let mut traces = Traces::default();
        let text = fs::read_to_string(self.fed.rows(0, 4)).expect("rows");
        for line in text.lines().skip(1) {
            traces.add_text(line);
            let raw: Vec<u8> = line
                .split(',')
                .map(|cell| cell.parse().expect("a number"))
                .collect();
            traces.add_bytes("rows as bytes", &raw[..64]);
            let raw: Vec<f32> = raw[..64].iter().map(|value| f32::from(*value)).collect();
            traces.add_numbers("rows as floats", &raw, &[]);
        }
        let rows = self.rows(0);
        for row in rows.features().chunks(rows.columns()) {
            traces.add_numbers("scaled rows", row, &[]);
        }
        for round in rounds {
            traces.add_numbers("an update", &round.update, &[]);
            traces.add_numbers("trained weights", &round.weights, &round.base);
            let federation = self.draft.federation_id().0;
            let encoded = encode(
                params,
                &federation,
                self.draft.unit_log2,
                &round.update,
                [0; 32],
            );
            let encoded = encoded.expect("encoded");
            assert_eq!(
                encoded.clip().to_bits(),
                1.0_f64.to_bits(),
                "nothing was clipped"
            );
            // In the order of the ciphertext, and in the order of the model.
            traces.add_steps(encoded.steps());
            let unit = f32::from(self.draft.unit_log2).exp2();
            let steps: Vec<i16> = round
                .update
                .iter()
                .map(|value| (value / unit).round() as i16)
                .collect();
            traces.add_steps(&steps);
        }
        traces
    }

    /// Every byte that left Aster, as it was sent and joined to whole messages.
    fn sent(&self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let sent = self.recorder.sent();
        let messages = sent
            .iter()
            .flat_map(|connection| bodies(connection))
            .collect();
        (sent, messages)
    }

    /// None of it left Aster, and nobody else keeps it.
    fn shows_nothing(&self, traces: &Traces) {
        let (sent, messages) = self.sent();
        for bytes in sent.iter().chain(&messages) {
            assert_eq!(traces.found_in(bytes), [].into());
        }
        for directory in self.directories(&["Birch", "Cedar", "Dahlia"]) {
            for (file, bytes) in files(&directory) {
                assert_eq!(traces.found_in(&bytes), [].into(), "{file}");
            }
        }
    }

    fn directories(&self, names: &[&str]) -> Vec<PathBuf> {
        std::iter::once(self.fed.coordinator())
            .chain(names.iter().map(|name| self.fed.company(name)))
            .collect()
    }
}

/// The scanner finds each thing that it must not find elsewhere.
fn the_scanner_works(traces: &Traces, frozen: &Frozen, trained: &Trained) {
    let around = |bytes: Vec<u8>| [vec![0xa5; 1001], bytes, vec![0x5a; 77]].concat();
    let text = fs::read_to_string(frozen.fed.rows(0, 4)).expect("rows");
    let row = text.lines().nth(5).expect("a row");
    assert!(
        traces
            .found_in(&around(row.as_bytes()[20..].to_vec()))
            .contains("rows as text")
    );
    let le = |values: &[f32]| {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    };
    let rows = frozen.rows(0);
    assert!(
        traces
            .found_in(&around(le(&rows.features()[64..128])))
            .contains("scaled rows")
    );
    let most = |values: &[f32]| values[4300..4400].to_vec();
    assert!(
        traces
            .found_in(&around(le(&most(&trained.update))))
            .contains("an update")
    );
    assert!(
        traces
            .found_in(&around(le(&most(&trained.weights))))
            .contains("trained weights")
    );
    let unit = f32::from(frozen.draft.unit_log2).exp2();
    // Rounded down, as stochastic rounding may.
    let steps = most(&trained.update)
        .iter()
        .flat_map(|value| ((value / unit).floor() as i16).to_le_bytes())
        .collect();
    assert!(
        traces
            .found_in(&around(steps))
            .contains("a quantised update")
    );
    let noise: Vec<u8> = (0_u64..4000)
        .flat_map(|at| Sha256::digest(at.to_le_bytes()))
        .collect();
    assert!(traces.found_in(&noise).is_empty());
}

#[test]
fn what_leaves_a_company_and_what_a_minority_holds_show_nothing() {
    let frozen = frozen(Raters::Off);
    let target = Target::new(&frozen.fed.coordinator(), "Aster");
    assert_eq!(
        (
            target.context.round,
            target.committee.seats(),
            target.committee.threshold()
        ),
        (2, 4, 3)
    );
    let rounds = [frozen.train(0, 1), frozen.train(0, 2)];
    let traces = frozen.traces(&target.params, &rounds);
    the_scanner_works(&traces, &frozen, &rounds[1]);

    let (sent, messages) = frozen.sent();
    let all: usize = sent.iter().map(Vec::len).sum();
    let in_messages: usize = messages.iter().map(Vec::len).sum();
    assert!(
        all < in_messages + in_messages / 8,
        "{in_messages} of {all} bytes are messages"
    );
    let passed = |part: &[u8]| messages.iter().any(|message| contains(message, part));
    assert!(
        passed(target.ciphertext()),
        "the recorder saw the contribution of round 2"
    );
    assert!(target.sealed().iter().all(|share| passed(share)));
    assert!(passed(&target.root));
    assert!(
        in_messages > 2 * target.ciphertext().len(),
        "and that of round 1"
    );
    frozen.shows_nothing(&traces);
    opens_for_three_members_and_no_fewer(&frozen, &target, &rounds[1].update);

    plaintext::is_refused(&frozen, &rounds[1].update);
    let root = frozen.fed.company("Aster");
    let companies: Vec<_> = NAMES
        .iter()
        .map(|name| (*name, frozen.fed.company(name)))
        .collect();
    assert!(root.join("round-2.key").exists());
    // Keeps the directories until the keys were looked for.
    let kept = the_round_goes_on_and_is_federated_averaging(frozen, target.unit_log2);
    // Of round 1 no member holds a key any more: it was erased when enough of them had cosigned a later checkpoint.
    for (name, dir) in companies {
        assert!(dir.exists(), "{name}'s directory is still there");
        assert!(
            !dir.join("round-1.key").exists(),
            "{name} still has its key of round 1"
        );
        assert!(!dir.join("outbox/1-ciphertext.kept").exists());
    }
    drop(kept);
}

/// Everything the coordinator and two members of four have opens nothing; three members' open Aster's update of round 2.
fn opens_for_three_members_and_no_fewer(frozen: &Frozen, target: &Target, update: &[f32]) {
    for pair in [["Birch", "Cedar"], ["Birch", "Dahlia"], ["Cedar", "Dahlia"]] {
        assert_eq!(target.attack(&frozen.directories(&pair)), None, "{pair:?}");
    }
    assert_eq!(target.attack(&frozen.directories(&[])), None);
    let opened = target
        .attack(&frozen.directories(&["Birch", "Cedar", "Dahlia"]))
        .expect("three members of four open: the attack is a real one");
    let unit = f64::from(target.unit_log2).exp2();
    for (at, (step, update)) in opened.values.iter().zip(update).enumerate() {
        let away = (*step as f64 - f64::from(*update) / unit).abs();
        assert!(away <= 10.1, "weight {at} is {away} steps away");
    }
    assert!(
        opened.values.iter().any(|step| step.abs() > 100),
        "an update worth hiding"
    );
}

#[test]
fn with_raters_neither_rows_held_out_nor_updates_nor_what_is_asked_about_them_show() {
    let mut frozen = frozen(Raters::On);
    let target = Target::new(&frozen.fed.coordinator(), "Aster");
    assert_eq!(target.context.round, 2);
    let rounds = [frozen.train(0, 1), frozen.train(0, 2)];
    let mut traces = frozen.traces(&target.params, &rounds);
    the_scanner_works(&traces, &frozen, &rounds[1]);
    // Its directions, the key for their answers and what they were blinded with are its own too.
    let asked = fs::read(frozen.fed.company("Aster").join("outbox/2-directions.kept"));
    let asked = asked.expect("it asked");
    assert!(asked.len() > 2 * rounds[1].update.len(), "two directions");
    traces.add_varied("a direction", &asked);
    assert!(
        traces
            .found_in(&asked[3_000..4_000])
            .contains("a direction")
    );
    frozen.shows_nothing(&traces);
    opens_for_three_members_and_no_fewer(&frozen, &target, &rounds[1].update);

    // To the end: contributions are fetched by raters, answers sealed to them, rows said.
    let before: usize = frozen.sent().1.iter().map(Vec::len).sum();
    let mut nodes: Vec<Running> = NAMES
        .iter()
        .map(|name| frozen.fed.participate(name))
        .collect();
    for node in &mut nodes {
        assert_eq!(node.wait().ok().json()["finished"], true);
    }
    let verified = frozen.fed.verify(&NAMES);
    assert_eq!(
        (&verified["published"], &verified["voided"]),
        (&2.into(), &0.into())
    );
    let mut revealed = 0;
    read(&frozen.fed.coordinator().join(FILE_NAME), |_, signed| {
        if let Entry::RatingsRevealed { .. } = &signed.entry {
            revealed += 1;
        }
    })
    .expect("a ledger");
    assert_eq!(revealed, 2 * NAMES.len(), "everybody rated in both rounds");
    let after: usize = frozen.sent().1.iter().map(Vec::len).sum();
    assert!(after > before, "what was sent since is looked at too");
    frozen.shows_nothing(&traces);
    frozen.coordinator.terminate();
    frozen.coordinator.wait().ok();
}

/// Everybody comes back; the result is what plain averaging of the same updates gives.
fn the_round_goes_on_and_is_federated_averaging(mut frozen: Frozen, unit_log2: i8) -> Frozen {
    let mut nodes: Vec<Running> = NAMES
        .iter()
        .map(|name| frozen.fed.participate(name))
        .collect();
    let mut last = [0; 32];
    for node in &mut nodes {
        let summary = node.wait().ok().json();
        assert_eq!(summary["finished"], true);
        let hash = summary["model"].as_str().expect("hex").as_bytes();
        last.copy_from_slice(&data_encoding::HEXLOWER.decode(hash).expect("hex"));
    }
    let verified = frozen.fed.verify(&NAMES);
    assert_eq!(
        (&verified["published"], &verified["voided"]),
        (&2.into(), &0.into())
    );
    // The second round's unit follows from the norms of the first.
    let units = [frozen.draft.unit_log2, unit_log2];
    let results = [frozen.bases()[1], last];
    for ((round, result), unit_log2) in (1..).zip(results).zip(units) {
        let unit = f64::from(unit_log2).exp2();
        let trained: Vec<Trained> = (0..NAMES.len())
            .map(|part| frozen.train(part, round))
            .collect();
        let result = frozen.model(&result);
        let mut squares = 0.0;
        for (at, weight) in result.iter().enumerate() {
            let mean: f64 = trained
                .iter()
                .map(|one| f64::from(one.update[at]))
                .sum::<f64>()
                / NAMES.len() as f64;
            let away = (f64::from(*weight) - f64::from(trained[0].base[at]) - mean) / unit;
            assert!(
                away.abs() <= 10.1,
                "weight {at} of round {round} is {away} steps away"
            );
            squares += away * away;
        }
        // Per company 1.13 steps of encryption noise and at most .5 of rounding: .62 for the mean of four.
        let rms = (squares / result.len() as f64).sqrt();
        assert!(rms <= 0.62, "round {round}: {rms}");
        assert!(
            rms > 0.3,
            "round {round}: {rms} is less noise than the encryption adds"
        );
    }
    frozen.coordinator.terminate();
    frozen.coordinator.wait().ok();
    frozen
}

/// Two contributions of one update, in two rounds or in one, have nothing in common.
#[test]
fn equal_updates_share_no_chunk() {
    let params = Params::new(&ParamsLiteral {
        profile: "default".to_owned(),
        parameters: 10_000,
    })
    .expect("parameters");
    let keys: Vec<RoundKeyPair> = (0..4)
        .map(|_| RoundKeyPair::generate().expect("keys"))
        .collect();
    let members = keys.iter().map(|keys| keys.public().clone()).collect();
    let committee = Committee::new(members, 3).expect("a committee");
    let update: Vec<f32> = (0..10_000)
        .map(|at| (at as f32 / 700.0).sin() / 50.0)
        .collect();
    let mut seen = HashSet::new();
    let mut steps = None;
    for round in [1, 2, 2] {
        let encoded = encode(&params, &[1; 32], -14, &update, [9; 32]).expect("encoded");
        let before = steps.replace(encoded.steps().to_vec());
        assert!(
            before.is_none_or(|before| before == encoded.steps()),
            "the same plaintext"
        );
        let context = RoundContext {
            federation: [1; 32],
            round,
            model: [3; 32],
        };
        let dealing = Dealing {
            params: &params,
            context: &context,
            participant: 0,
            committee: &committee,
        };
        let made =
            contribute(&dealing, encoded, Entropy::from_os().expect("randomness")).expect("made");
        assert_eq!(made.ciphertext.len() % CHUNK_BYTES, 0);
        let sealed = made.sealed_shares.concat();
        // Windows of 16 bytes: if none is shared, no chunk is.
        let windows = made
            .ciphertext
            .chunks_exact(16)
            .chain(sealed.chunks_exact(16));
        let fresh: HashSet<[u8; 16]> = windows
            .map(|window| window.try_into().expect("16 bytes"))
            .collect();
        assert!(
            fresh.len() * 16 + 16 > made.ciphertext.len(),
            "nor does one repeat itself"
        );
        assert!(
            seen.is_disjoint(&fresh),
            "round {round} repeats bytes of an earlier contribution"
        );
        seen.extend(fresh);
    }
}

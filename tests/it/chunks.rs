//! A model of more chunks than a rater asks about: each draws its own, fetches these and no others after the close, and
//! holds them against what the contributor signed.

use std::sync::{Arc, Mutex};

use prost::{Message, bytes::Bytes};
use tokio::{
    runtime::Runtime,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinHandle,
};
use unsilo_fhe::{BLINDING_CHUNKS, CHUNK_BYTES, N};
use unsilo_ledger::Entry;
use unsilo_participant::{
    Answered, Node, NodeError, NodeOptions, Opinion, Progress, Rater, RoundStart, Score, Summary,
    rating::SAMPLED_CHUNKS,
};
use unsilo_proto::v1::{BlobPart, ChunksRequest, blob_part::Part};
use unsilo_train::StepReport;

use crate::{
    companies::Companies,
    liar::{
        FOUR,
        hand::entries,
        relay::{Lie, Relay, Truth, lock},
    },
    support::{Running, repository, set, until},
};

/// 75 · 1,120 + 10 parameters are 42 chunks.
const HIDDEN: &str = "[1120]";

/// What was asked of whom, and answered.
#[derive(Debug, Default)]
struct Told {
    asked: Vec<Vec<i8>>,
    scores: Vec<Score>,
}

#[derive(Debug, Default)]
struct Fixed(Mutex<Told>);

/// Touches every parameter.
fn whole(parameters: usize) -> Vec<i8> {
    (0..parameters)
        .map(|i| (i * 7 % 11) as i8 - 5)
        .map(|v| if v == 0 { 6 } else { v })
        .collect()
}

impl Rater for Fixed {
    fn directions(
        &self,
        start: &RoundStart<'_>,
        _: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<Vec<i8>>, String> {
        let all = whole(start.weights.len());
        let twice = all.iter().map(|v| 2 * v).collect();
        Ok(vec![all, twice])
    }

    fn row(&self, answered: &Answered<'_>) -> Result<Vec<Opinion>, String> {
        *lock(&self.0) = Told {
            asked: answered.directions.iter().map(|one| one.to_vec()).collect(),
            scores: answered.scores.to_vec(),
        };
        let good = Opinion {
            score: 1,
            reward: 1,
        };
        Ok(vec![good; answered.contributors.len()])
    }
}

/// Four companies with a large model; Aster's node behind a relay and in this process.
struct Scene {
    fed: Companies,
    coordinator: Running,
    nodes: Vec<Running>,
    relay: Relay,
    rater: Arc<Fixed>,
    runtime: Runtime,
    running: JoinHandle<Result<Summary, NodeError>>,
    progress: UnboundedReceiver<Progress>,
}

fn scene(lie: impl Lie) -> Scene {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let model = directory.path().join("large.model.toml");
    std::fs::copy(repository("data/digits.model.toml"), &model).expect("copied");
    set(&model, "hidden", HIDDEN);
    set(&model, "steps", "2");
    let fed = Companies::found_for(model.to_str().expect("a path"), &FOUR, 1);
    let coordinator = fed.serve();
    for (part, name) in FOUR.iter().enumerate() {
        fed.join_fast(name, part, 4);
        fed.rates_nobody(name);
    }
    let relay = Relay::before(&fed, "Aster", lie);
    let rater = Arc::new(Fixed::default());
    let options = NodeOptions {
        rater: Some(rater.clone()),
        ..NodeOptions::default()
    };
    let node = Node::open(&fed.company("Aster"), options).expect("it joined");
    let runtime = Runtime::new().expect("a runtime");
    let (sender, progress) = unbounded_channel();
    let running = runtime.spawn(node.run(sender, std::future::pending()));
    let nodes = FOUR[1..].iter().map(|name| fed.participate(name)).collect();
    Scene {
        fed,
        coordinator,
        nodes,
        relay,
        rater,
        runtime,
        running,
        progress,
    }
}

#[test]
fn a_rater_asks_about_chunks_of_its_own_choice_and_fetches_no_others() {
    let mut scene = scene(Truth);
    for node in &mut scene.nodes {
        node.wait().ok();
    }
    let summary = scene
        .runtime
        .block_on(scene.running)
        .expect("ran")
        .expect("ended well");
    assert!(summary.finished);
    let told = lock(&scene.rater.0);
    let parameters = told.asked[0].len();
    let all = whole(parameters);
    let chunks = parameters.div_ceil(N);
    assert!(chunks > SAMPLED_CHUNKS);
    // Both directions are what was wanted in the same places, and nothing elsewhere.
    let kept = |at: &usize| told.asked[0][*at] != 0;
    let places: Vec<usize> = (0..parameters).filter(kept).collect();
    for (at, wanted) in all.iter().enumerate() {
        let expected = if kept(&at) { *wanted } else { 0 };
        assert_eq!(
            (told.asked[0][at], told.asked[1][at]),
            (expected, 2 * expected)
        );
    }
    // The last chunk is not full.
    let most = SAMPLED_CHUNKS * N;
    assert!(
        (most - N..=most).contains(&places.len()),
        "{}",
        places.len()
    );

    // Every contribution of the others was asked for once, in these chunks and the blinding ones alone.
    assert!(scene.relay.sent("Rounds/Ciphertext").is_empty());
    let mut asked: Vec<ChunksRequest> = scene
        .relay
        .sent("Rounds/Chunks")
        .into_iter()
        .map(|request| ChunksRequest::decode(request).expect("a request"))
        .collect();
    asked.sort_by_key(|request| request.participant);
    let of: Vec<u32> = asked.iter().map(|request| request.participant).collect();
    assert_eq!(of, [1, 2, 3]);
    for request in &asked {
        assert_eq!(request.chunks, asked[0].chunks);
        assert_eq!(request.chunks.len(), SAMPLED_CHUNKS + BLINDING_CHUNKS);
        let last: Vec<usize> = request
            .chunks
            .iter()
            .rev()
            .take(2)
            .map(|at| *at as usize)
            .collect();
        assert_eq!(last, [chunks + 1, chunks]);
    }
    // Answers that fit: an answer for other chunks would differ from the query by a number of the size of q.
    assert_eq!(told.scores.len(), 2 * 3);
    for pair in told.scores.chunks(2) {
        assert_eq!(pair[0].participant, pair[1].participant);
        let (once, twice) = (pair[0].value as f64, pair[1].value as f64);
        // The noise of the ciphertext in the blinding is another for each: eight deviations.
        let noise =
            1160.0 * (2.0 * 24.0 * 4096.0_f64).sqrt() + 1160.0 * (11.0 * most as f64).sqrt();
        assert!(
            (2.0 * once - twice).abs() < 8.0 * 2.0 * noise,
            "{once} {twice}"
        );
        assert!(once.abs() < 2.0_f64.powi(42), "{once}");
    }
    let log = entries(&scene.fed, "Aster");
    let rows = log
        .iter()
        .filter(|signed| matches!(signed.entry, Entry::RatingsRevealed { .. }));
    assert_eq!(rows.count(), 1);
    assert_eq!(scene.fed.verify(&FOUR)["published"], 1);
    scene.coordinator.terminate();
    scene.coordinator.wait().ok();
}

/// Hands out chunks of which one bit is another.
struct Altered;

impl Lie for Altered {
    fn told(&self, method: &str, _: &Bytes, message: Bytes) -> Vec<Bytes> {
        let mut part = BlobPart::decode(message.clone()).ok();
        match part.as_mut().and_then(|part| part.part.as_mut()) {
            Some(Part::Data(data)) if method == "Rounds/Chunks" => {
                let mut bytes = data.to_vec();
                bytes[3 * CHUNK_BYTES + 5] ^= 1;
                *data = bytes.into();
                vec![part.unwrap_or_default().encode_to_vec().into()]
            }
            _ => vec![message],
        }
    }
}

#[test]
fn a_rater_takes_no_chunks_but_those_that_were_signed() {
    let mut scene = scene(Altered);
    let words = "chunks of a ciphertext are not those that were signed";
    let mut said = Vec::new();
    until("Aster refuses what it is handed", || {
        while let Ok(progress) = scene.progress.try_recv() {
            said.push(format!("{progress:?}"));
        }
        said.iter().any(|one| one.contains(words))
    });
    assert!(
        lock(&scene.rater.0).scores.is_empty(),
        "nothing is made of it"
    );
    scene.running.abort();
    drop(scene.runtime);
    for node in &mut scene.nodes {
        node.terminate();
        node.wait();
    }
    scene.coordinator.terminate();
    scene.coordinator.wait().ok();
}

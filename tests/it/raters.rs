//! A company whose own side gives directions: committed, answered sealed by the members, decoded, made into a row; and a
//! coordinator that wants other directions answered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use prost::{Message, bytes::Bytes};
use tokio::{runtime::Runtime, sync::mpsc::unbounded_channel, task::JoinHandle};
use unsilo_fhe::{
    Dealing, RoundContext, RoundKeyPair, combine, decrypt, open_key_sum, open_share, params,
};
use unsilo_ledger::{Entry, ParticipantId, State};
use unsilo_participant::{
    Answered, Node, NodeError, NodeOptions, Opinion, Rater, RoundStart, Score, Summary,
};
use unsilo_proto::v1::{AnswerRequest, DirectionKeys, SeatDirectionAnswer};
use unsilo_train::StepReport;

use crate::{
    companies::Companies,
    liar::{
        FOUR,
        hand::{committee, entries, fhe_params},
        relay::{Lie, Relay, Way, lock},
    },
    support::Running,
};

/// Asks the same in every round, and remembers what it was told.
#[derive(Debug, Default)]
struct Fixed {
    told: Mutex<Vec<Score>>,
    row: Mutex<Vec<(ParticipantId, Opinion)>>,
}

/// The directions asked about: one that touches every parameter, one that touches every fifth.
fn values(parameters: usize) -> [Vec<i8>; 2] {
    let all = (0..parameters).map(|i| (i * 7 % 11) as i8 - 5).collect();
    let some = (0..parameters).map(|i| if i % 5 == 0 { 9 } else { 0 });
    [all, some.collect()]
}

impl Rater for Fixed {
    fn directions(
        &self,
        start: &RoundStart<'_>,
        _: &mut dyn FnMut(StepReport),
    ) -> Result<Vec<Vec<i8>>, String> {
        Ok(values(start.weights.len()).into())
    }

    fn row(&self, answered: &Answered<'_>) -> Result<Vec<Opinion>, String> {
        assert_eq!(
            answered.directions,
            values(answered.directions[0].len()),
            "as they were asked"
        );
        let scores = answered.scores;
        let opinions = answered.contributors.iter().zip(1..).map(|(one, reward)| {
            let id = &one.participant;
            assert!(one.norm_exponent > 0);
            let mine = scores.iter().filter(|score| score.participant == *id);
            let sum: i64 = mine.map(|score| score.value / (1 << 20)).sum();
            // One is praised whatever the products are: a row that praises nobody would go out as zeros.
            let least = if reward == 1 { 1 } else { -1_000 };
            let score = i16::try_from(sum.clamp(least, 1_000)).expect("clamped");
            (*id, Opinion { score, reward })
        });
        let opinions: Vec<_> = opinions.collect();
        *lock(&self.told) = scores.to_vec();
        lock(&self.row).clone_from(&opinions);
        Ok(opinions.into_iter().map(|(_, opinion)| opinion).collect())
    }
}

/// Aster's node in this process, with a rater.
fn aster(fed: &Companies) -> (Runtime, JoinHandle<Result<Summary, NodeError>>, Arc<Fixed>) {
    let rater = Arc::new(Fixed::default());
    let options = NodeOptions {
        rater: Some(rater.clone()),
        ..NodeOptions::default()
    };
    let node = Node::open(&fed.company("Aster"), options).expect("it joined");
    let runtime = Runtime::new().expect("a runtime");
    let (progress, _) = unbounded_channel();
    let running = runtime.spawn(node.run(progress, std::future::pending()));
    (runtime, running, rater)
}

#[test]
fn a_rater_is_answered_with_the_products_of_the_plaintexts_and_its_row_weighs_the_round() {
    let fed = Companies::found(&FOUR, 1);
    let mut coordinator = fed.serve();
    for (part, name) in FOUR.iter().enumerate() {
        fed.join_fast(name, part, 4);
        fed.rates_nobody(name);
    }
    let (runtime, running, rater) = aster(&fed);
    let mut nodes: Vec<Running> = FOUR[1..].iter().map(|name| fed.participate(name)).collect();
    // Three members' keys of the round, which they erase at its end: with them the test reads what no coalition of fewer
    // could.
    let mut keys = BTreeMap::new();
    for (name, node) in FOUR[1..].iter().zip(&mut nodes) {
        node.until_said("round 1: offered a seat");
        let secret = std::fs::read(fed.company(name).join("round-1.key")).expect("a key");
        let key = RoundKeyPair::from_secret_bytes(&secret).expect("a key");
        keys.insert(*name, key);
    }
    for node in &mut nodes {
        node.wait().ok();
    }
    let summary = runtime.block_on(running).expect("ran").expect("ended well");
    assert!(summary.finished);

    let log = entries(&fed, "Aster");
    let state = State::replay(&log).expect("replays");
    let id = |name: &str| state.participant_by_name(name).expect("there").id;
    let told = lock(&rater.told).clone();
    assert_eq!(told.len(), 2 * 3, "two answers on each of the others");
    let mut most = 0.0_f64;
    for name in &FOUR[1..] {
        let update = plaintext(&fed, &state, &keys, id(name));
        for (direction, values) in (0..).zip(values(update.len())) {
            let score = told
                .iter()
                .find(|score| (score.participant, score.direction) == (id(name), direction))
                .expect("told");
            let products = update.iter().zip(&values);
            let exact: i64 = products.map(|(step, v)| step * i64::from(*v)).sum();
            // The answer is 1024 times the product, with the noise of the ciphertext: in the coordinates that the direction
            // asks about (of which the rounded plaintext hides at most half a step) and in the blinding, whose numbers are
            // at most 8. Eight deviations.
            let squares: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
            let blinding = 24.0 * (params::BLINDING_CHUNKS * params::N) as f64;
            let scale = params::DELTA as f64;
            let bound =
                8.0 * (squares * scale.powi(2) / 12.0 + blinding * params::SIGMA.powi(2)).sqrt();
            let difference = score.value as f64 - scale * exact as f64;
            assert!(
                difference.abs() < bound,
                "{name}: {} is not {exact} times {scale}",
                score.value
            );
            most = most.max((scale * exact as f64).abs() / bound);
        }
    }
    assert!(most > 10.0, "the bound says something: {most}");

    // What went to the ledger is what the rater said, with nothing on the own contribution.
    let expected: BTreeMap<_, _> = lock(&rater.row).iter().copied().collect();
    let mut seen = 0;
    for signed in &log {
        match &signed.entry {
            Entry::DirectionsCommitted {
                participant,
                directions,
                ..
            } => {
                assert_eq!((*participant, directions.len()), (id("Aster"), 2));
                seen += 1;
            }
            Entry::RatingsRevealed {
                participant,
                scores,
                rewards,
                ..
            } => {
                assert_eq!(*participant, id("Aster"));
                let row = FOUR.iter().map(|name| {
                    let opinion = expected.get(&id(name)).copied();
                    opinion.unwrap_or_default()
                });
                let (said, paid): (Vec<_>, Vec<_>) =
                    row.map(|opinion| (opinion.score, opinion.reward)).unzip();
                assert_eq!((scores, rewards), (&said, &paid));
                assert!(said.iter().any(|score| *score != 0));
                seen += 1;
            }
            _ => {}
        }
    }
    assert_eq!(seen, 2, "directions and a row");
    assert_eq!(fed.verify(&FOUR)["published"], 1);
    coordinator.terminate();
    coordinator.wait().ok();
}

/// What a company contributed to round 1, in steps: from the coordinator's disk, with the keys of three members.
fn plaintext(
    fed: &Companies,
    state: &State,
    keys: &BTreeMap<&str, RoundKeyPair>,
    dealer: ParticipantId,
) -> Vec<i64> {
    let record = state.last_sum().expect("published");
    let stored = fed.coordinator().join("contributions/round-1");
    let header = std::fs::read(stored.join(format!("{dealer}.header"))).expect("kept");
    let (_, _, sealed, _): ([u8; 32], Vec<u8>, Vec<Vec<u8>>, Vec<u8>) =
        borsh::from_slice(&header).expect("a header");
    let ciphertext = std::fs::read(stored.join(format!("{dealer}.ciphertext"))).expect("kept");
    let params = fhe_params(state);
    let context = RoundContext {
        federation: state.federation_id().expect("founded").0,
        round: 1,
        model: record.opening.model,
    };
    let committee = committee(&record.opening);
    let answers: Vec<_> = keys
        .iter()
        .map(|(name, keys)| {
            let member = state.participant_by_name(name).expect("there").id;
            let seats = &record.opening.seats;
            let at = seats.iter().position(|seat| seat.participant == member);
            let at = at.expect("seated");
            let seat = u16::try_from(at + 1).expect("a seat");
            let dealing = Dealing {
                params: &params,
                context: &context,
                participant: dealer.0,
                committee: &committee,
            };
            let share = open_share(keys, &dealing, seat, &sealed[at]).expect("opens");
            (seat, combine(&[(1, &share)]).expect("one share"))
        })
        .collect();
    let opened = open_key_sum(answers.len(), &answers, |_| true).expect("opens");
    decrypt(&params, &context, &ciphertext, &opened.key_sum, 1)
        .expect("decrypts")
        .values
}

/// Wants something else answered than what was committed.
#[derive(Clone, Copy)]
enum Other {
    /// Another direction under the same rater.
    Key,
    /// One direction more.
    More,
    /// A rater more, who committed to nothing.
    Rater,
}

impl Lie for Other {
    fn told(&self, method: &str, _: &Bytes, message: Bytes) -> Vec<Bytes> {
        if method != "Committee/Directions" {
            return vec![message];
        }
        let mut of = DirectionKeys::decode(message.clone()).expect("keys");
        let mut other = of.keys[0].clone();
        other[0] ^= 1;
        match self {
            Self::Key => of.keys[0] = other,
            Self::More => of.keys.push(other),
            Self::Rater => {
                let more = DirectionKeys {
                    rater: of.rater + 2,
                    keys: vec![other],
                };
                return vec![message, more.encode_to_vec().into()];
            }
        }
        vec![of.encode_to_vec().into()]
    }
}

#[test]
fn a_member_answers_no_direction_that_was_not_committed_to_and_not_one_more() {
    let fed = Companies::found(&FOUR, 1);
    let mut coordinator = fed.serve();
    for (part, name) in FOUR.iter().enumerate() {
        fed.join_fast(name, part, 4);
        fed.rates_nobody(name);
    }
    let lies = [Other::Key, Other::More, Other::Rater];
    let relays: Vec<Relay> = FOUR[1..]
        .iter()
        .zip(lies)
        .map(|(name, lie)| Relay::before(&fed, name, lie))
        .collect();
    let (runtime, running, _) = aster(&fed);
    let mut nodes: Vec<Running> = FOUR[1..].iter().map(|name| fed.participate(name)).collect();
    for node in &mut nodes[..2] {
        node.until_said(
            "this member cannot answer: the coordinator did not hand out the directions that participant 0 committed to",
        );
    }
    nodes[2].until_said("answered what the contributions are checked with");
    for relay in &relays[..2] {
        assert!(!relay.sent("Committee/Directions").is_empty(), "it asked");
        assert!(relay.sent("Committee/Answer").is_empty());
    }
    for answer in relays[2].sent("Committee/Answer") {
        let answer = AnswerRequest::decode(answer).expect("answers");
        let raters: Vec<u32> = answer.directions.iter().map(|of| of.rater).collect();
        assert_eq!(raters, [0], "to the one who committed");
    }
    running.abort();
    drop(runtime);
    for node in &mut nodes {
        node.terminate();
        node.wait();
    }
    coordinator.terminate();
    coordinator.wait().ok();
}

/// Keeps what the committee answered from the rater.
#[derive(Clone, Copy)]
enum Withheld {
    /// What one seat answered is left out.
    Seat(u32),
    /// All is refused.
    All,
}

impl Lie for Withheld {
    fn told(&self, method: &str, _: &Bytes, message: Bytes) -> Vec<Bytes> {
        if method != "Rounds/DirectionAnswers" {
            return vec![message];
        }
        let of = SeatDirectionAnswer::decode(message.clone()).expect("answers");
        match self {
            Self::Seat(seat) if of.seat == *seat => Vec::new(),
            _ => vec![message],
        }
    }

    fn way(&self, method: &str) -> Way {
        match self {
            Self::All if method == "Rounds/DirectionAnswers" => Way::Refused,
            _ => Way::Through,
        }
    }
}

#[test]
fn a_rater_whose_answers_are_left_out_or_refused_says_so_and_signs_no_end_without_its_row() {
    for (lie, says) in [
        (
            Withheld::Seat(2),
            "the coordinator does not hand out what seat 2 answered on this company's directions",
        ),
        (Withheld::All, "ReceiveAnswers(1) was refused"),
    ] {
        let fed = Companies::found(&FOUR, 1);
        let mut coordinator = fed.serve();
        for (part, name) in FOUR.iter().enumerate() {
            fed.join_fast(name, part, 4);
        }
        for name in &FOUR[1..] {
            fed.rates_nobody(name);
        }
        let relay = Relay::before(&fed, "Aster", lie);
        let mut nodes: Vec<Running> = FOUR.iter().map(|name| fed.participate(name)).collect();
        nodes[0].until_said(says);
        assert!(nodes[0].runs(), "it refuses this, and goes on");
        assert!(!relay.sent("Rounds/DirectionAnswers").is_empty());
        assert!(
            relay.sent("Rounds/Rate").is_empty(),
            "it has nothing to say"
        );
        assert!(relay.sent("Committee/SignRatingStep").is_empty());
        for node in &mut nodes {
            node.terminate();
            node.wait();
        }
        // Told the truth, it says its word, and the round goes on at once.
        drop(relay);
        crate::liar::straight(&fed, "Aster");
        let mut nodes: Vec<Running> = FOUR.iter().map(|name| fed.participate(name)).collect();
        nodes[0].until_said("own row revealed");
        for node in &mut nodes {
            node.wait().ok();
        }
        assert_eq!(fed.verify(&FOUR)["published"], 1);
        coordinator.terminate();
        coordinator.wait().ok();
    }
}

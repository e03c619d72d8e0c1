//! A coordinator that shows one company another ledger, with the help of nobody, or of all the others.

use std::path::Path;

use prost::{Message, bytes::Bytes};
use unsilo_fhe::RoundKeyPair;
use unsilo_ledger::Entry;
use unsilo_proto::v1::Step;

use super::{
    FOUR,
    books::{Books, Change},
    relay::{Lie, Relay, Way},
};
use crate::{companies::Companies, support::Running};

/// What a node gives only on a ledger that is confirmed: everything that says something about a key. (A model is signed
/// by who recomputed it, once, whatever ledger it stands on.)
pub(super) const ANSWERS: [&str; 3] = [
    "Committee/Answer",
    "Committee/SignJudgement",
    "Committee/Open",
];

/// Shows the second history; the members' confirmation of the first is passed on, replaced or held back.
pub(super) struct Split {
    pub(super) books: Books,
    pub(super) confirmed: Confirmation,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// As the others gave it, to their own history.
    Theirs,
    /// Of the second history, by those who help.
    Helped,
    /// None is shown.
    Hidden,
}

impl Lie for Split {
    fn told(&self, method: &str, asked: &Bytes, message: Bytes) -> Vec<Bytes> {
        match method {
            "LedgerLog/Entries" => vec![self.books.entries(asked, &message)],
            "Rounds/Steps" => {
                let mut step = Step::decode(message.clone()).expect("a step");
                match self.confirmed {
                    Confirmation::Theirs => return vec![message],
                    Confirmation::Hidden => step.checkpoint.clear(),
                    Confirmation::Helped => step = self.books.step(step),
                }
                vec![step.encode_to_vec().into()]
            }
            _ => vec![message],
        }
    }

    fn way(&self, method: &str) -> Way {
        match (self.confirmed, method) {
            (Confirmation::Helped, "Committee/Open") => Way::Held,
            _ => Way::Through,
        }
    }
}

/// What the coordinator alone may choose: here it tells one company another deadline than the rest.
fn another_deadline() -> Change {
    Box::new(|entry| match entry {
        Entry::RoundOpened { .. } => {
            let mut entry = entry.clone();
            if let Entry::RoundOpened { open_by_ms, .. } = &mut entry {
                *open_by_ms += 1;
            }
            Some(entry)
        }
        _ => None,
    })
}

pub(super) fn kept(company: &Path, start: &str, extension: &str) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(company.join("alarms")) else {
        return Vec::new();
    };
    files
        .map(|file| file.expect("a file").path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(start) && name.ends_with(extension)
        })
        .map(|path| String::from_utf8_lossy(&std::fs::read(path).expect("read")).into_owned())
        .collect()
}

/// Four nodes, of which Dahlia is shown a second history from the first round on.
fn split(confirmed: Confirmation) -> (Companies, Running, Relay, Vec<Running>, Running) {
    let fed = Companies::found(&FOUR, 1);
    let coordinator = fed.serve();
    for (part, name) in FOUR.iter().enumerate() {
        fed.join_fast(name, part, 4);
    }
    // The others go on without it: as a rater it would be waited for until the planned deadlines.
    fed.rates_nobody("Dahlia");
    let books = Books::new(&fed, &[], another_deadline());
    let relay = Relay::before(&fed, "Dahlia", Split { books, confirmed });
    let nodes = FOUR[..3].iter().map(|name| fed.participate(name)).collect();
    let dahlia = fed.participate("Dahlia");
    (fed, coordinator, relay, nodes, dahlia)
}

#[test]
fn a_node_that_is_shown_a_ledger_of_its_own_answers_nothing_and_keeps_the_proof() {
    let (fed, mut coordinator, relay, mut nodes, mut dahlia) = split(Confirmation::Theirs);
    let ended = dahlia.wait();
    assert_eq!(ended.status.code(), Some(6), "{ended:#?}");
    for words in [
        "ALARM",
        "the coordinator showed this node a ledger that contradicts",
    ] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    for method in ANSWERS {
        assert!(relay.sent(method).is_empty(), "{method}");
    }
    let company = fed.company("Dahlia");
    let notes = kept(&company, "fork-", ".txt");
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("--- checkpoint verified before"));
    assert!(notes[0].contains("--- checkpoint received"));
    assert_eq!(
        kept(&company, "fork-", ".proof").len(),
        1,
        "convicts by itself"
    );
    // The others share one history, and go on.
    for node in &mut nodes {
        let ended = node.wait().ok();
        assert!(!ended.stderr.contains("ALARM"), "{}", ended.stderr);
    }
    assert_eq!(fed.verify(&FOUR[..3])["published"], 1);
    coordinator.terminate();
    coordinator.wait().ok();
}

#[test]
fn a_node_whose_ledger_nobody_confirms_answers_nothing() {
    let (fed, mut coordinator, relay, mut nodes, mut dahlia) = split(Confirmation::Hidden);
    dahlia.until_said("waiting for other members to confirm the ledger");
    for node in &mut nodes {
        node.wait().ok();
    }
    assert_eq!(fed.verify(&FOUR[..3])["published"], 1);
    assert!(
        !relay.sent("LedgerLog/Cosign").is_empty(),
        "it did its part"
    );
    for method in ANSWERS {
        assert!(relay.sent(method).is_empty(), "{method}");
    }
    dahlia.terminate();
    dahlia.wait();
    coordinator.terminate();
    coordinator.wait().ok();
}

/// Puts a key of the coordinator's own on another member's seat.
struct ForgedKey {
    change: Change,
    coordinator: std::sync::Arc<Companies>,
}

impl Lie for ForgedKey {
    fn told(&self, method: &str, _: &Bytes, message: Bytes) -> Vec<Bytes> {
        let forged = match method {
            "LedgerLog/Entries" => Books::forbidden(&self.coordinator, &message, &self.change),
            _ => None,
        };
        vec![forged.unwrap_or(message)]
    }
}

#[test]
fn a_node_that_is_shown_a_committee_key_of_the_coordinators_own_seals_nothing_to_it() {
    let fed = std::sync::Arc::new(Companies::found(&FOUR, 1));
    let mut coordinator = fed.serve();
    for (part, name) in FOUR.iter().enumerate() {
        fed.join_fast(name, part, 4);
    }
    let own = RoundKeyPair::generate().expect("a key");
    let own = own.public().as_bytes().to_vec();
    let change: Change = Box::new(move |entry| {
        let mut entry = entry.clone();
        let Entry::RoundOpened { seats, .. } = &mut entry else {
            return None;
        };
        seats[0].round_key.clone_from(&own);
        Some(entry)
    });
    let lie = ForgedKey {
        change,
        coordinator: fed.clone(),
    };
    let mut nodes: Vec<Running> = FOUR[..3].iter().map(|name| fed.participate(name)).collect();
    // Dahlia learns the whole log at once, with the forged entry in it.
    let mut seated = fed.participate("Dahlia");
    seated.until_said("round 1: offered a seat");
    seated.kill();
    for node in &mut nodes {
        node.until_said("round 1: update encrypted");
    }
    std::fs::remove_file(fed.company("Dahlia").join("ledger.tlog")).expect("its replica is lost");
    let relay = Relay::before(&fed, "Dahlia", lie);
    let mut dahlia = fed.participate("Dahlia");
    let ended = dahlia.wait();
    assert_eq!(ended.status.code(), Some(6), "{ended:#?}");
    assert!(ended.stderr.contains("ALARM"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("seat"),
        "what is wrong: {}",
        ended.stderr
    );
    for method in ["Rounds/Contribute", "Rounds/UploadState"]
        .iter()
        .chain(&ANSWERS)
    {
        assert!(relay.sent(method).is_empty(), "{method}");
    }
    assert_eq!(kept(&fed.company("Dahlia"), "fork-", ".txt").len(), 1);
    for node in &mut nodes {
        node.terminate();
        node.wait();
    }
    coordinator.terminate();
    coordinator.wait().ok();
}

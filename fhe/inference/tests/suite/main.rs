//! The crate through its public interface.
#![allow(
    missing_docs,
    reason = "the modules of a test binary have no readers but their own"
)]

#[path = "../support/mod.rs"]
mod support;

mod accuracy;
mod formats;
mod noise;

use std::path::Path;
use std::sync::OnceLock;

use unsilo_inference::{
    Answer, AnswerError, ClientKey, EncryptedModel, KeyHash, Query, ServerKey, VERSION, Work,
    key_hash, new_seeder,
};

/// One client with its evaluation key.
struct Client {
    key: ClientKey,
    evaluation_key: Vec<u8>,
    hash: KeyHash,
    server: ServerKey,
}

fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| kept("first"))
}

fn other_client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| kept("second"))
}

/// A client whose keys stay in the build folder: making them takes seconds, and every test may be a process of its own.
/// The first of several that race to write wins; the others read what it wrote.
fn kept(name: &str) -> Client {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("unsilo-inference-{VERSION}-{name}"));
    if !folder.exists() {
        let client = another_client();
        let draft = folder.with_extension(std::process::id().to_string());
        std::fs::create_dir_all(&draft).expect("a folder");
        std::fs::write(draft.join("client"), &*client.key.to_bytes()).expect("written");
        std::fs::write(draft.join("evaluation"), &client.evaluation_key).expect("written");
        if std::fs::rename(&draft, &folder).is_err() {
            std::fs::remove_dir_all(&draft).expect("ours");
        }
    }
    let read = |name: &str| std::fs::read(folder.join(name)).expect("written by the winner");
    with(
        ClientKey::from_bytes(&read("client")).expect("a client key"),
        read("evaluation"),
    )
}

fn another_client() -> Client {
    let mut seeder = new_seeder();
    let key = ClientKey::generate(&mut *seeder);
    let evaluation_key = key.evaluation_key(&mut *seeder);
    with(key, evaluation_key)
}

fn with(key: ClientKey, evaluation_key: Vec<u8>) -> Client {
    Client {
        hash: key_hash(&evaluation_key),
        server: ServerKey::from_bytes(&evaluation_key).expect("an evaluation key"),
        key,
        evaluation_key,
    }
}

/// The whole way of one row.
fn ask(model: &EncryptedModel, features: &[f32]) -> Result<Answer, AnswerError> {
    let client = client();
    let (query, pending) = client
        .key
        .encrypt(model.shape(), features, &client.hash, &mut *new_seeder())
        .expect("as many features as the model takes");
    let query = Query::from_bytes(&query).expect("just made");
    let answer = model
        .evaluate(&query, Some(&client.server), &Work::default())
        .expect("fits");
    client.key.decrypt(&pending, &answer)
}

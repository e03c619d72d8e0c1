//! Encrypted queries: keys, answers, and everything that is refused.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use unsilo_coordinator::{Server, TokenOptions, create_token};
use unsilo_inference::{
    Answer, Circuit, ClientKey, EVALUATION_KEY_BYTES, Shape, key_hash, new_seeder,
};
use unsilo_ledger::{AnswerHasher, request_hash};

use crate::{
    endpoint::{Reply, exchange, receive, request, request_with, row, send, status},
    federation::{Federation, Home, PATIENCE},
};

/// A client, and the token that it asks with.
struct Client {
    key: ClientKey,
    evaluation_key: Vec<u8>,
    token: String,
}

impl Client {
    fn new(token: &str) -> Self {
        let mut seeder = new_seeder();
        let key = ClientKey::generate(&mut *seeder);
        Self {
            evaluation_key: key.evaluation_key(&mut *seeder),
            key,
            token: token.into(),
        }
    }

    fn headers(&self, body: &[u8]) -> String {
        format!(
            "Authorization: Bearer {}\r\nContent-Length: {}\r\n",
            self.token,
            body.len()
        )
    }

    async fn ask(&self, (home, server): (&Home, &Server), line: &str, body: &[u8]) -> Reply {
        request_with(home, server, line, &self.headers(body), body).await
    }

    /// Puts bytes as the key of this hash.
    async fn put(&self, at: (&Home, &Server), hash: [u8; 32], bytes: &[u8]) -> Reply {
        let line = format!("PUT /v1/keys/{}", HEXLOWER.encode(&hash));
        self.ask(at, &line, bytes).await
    }

    async fn put_own(&self, at: (&Home, &Server)) {
        let hash = key_hash(&self.evaluation_key);
        let reply = self.put(at, hash, &self.evaluation_key).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
    }

    fn encrypt(&self, shape: Shape) -> (Vec<u8>, unsilo_inference::Pending) {
        let features: Vec<f32> = (0..shape.features)
            .map(|place| (place as f32 / 16.0).min(1.0))
            .collect();
        let hash = key_hash(&self.evaluation_key);
        let encrypted = self
            .key
            .encrypt(shape, &features, &hash, &mut *new_seeder());
        encrypted.expect("fits")
    }

    /// A query and its answer's head and body.
    async fn query(&self, (home, server): (&Home, &Server), body: &[u8]) -> (String, Vec<u8>) {
        let headers = self.headers(body);
        exchange(home, server, "POST /v1/predict/encrypted", &headers, body).await
    }

    async fn refused(&self, at: (&Home, &Server), body: &[u8], status: u16) -> String {
        let reply = self.ask(at, "POST /v1/predict/encrypted", body).await;
        reply.problem(status)
    }
}

const SHAPE: Shape = Shape {
    circuit: Circuit::Hidden,
    features: 32,
    outputs: 2,
};

fn token(home: &Home, name: &str, rows_per_day: u64) -> String {
    let options = TokenOptions {
        name: name.into(),
        valid_days: 1,
        rows_per_day,
        fee_per_row: Some(7),
    };
    create_token(&home.path(), &options)
        .expect("made")
        .1
        .to_string()
}

/// One line of the settings, changed before the coordinator starts again.
fn set(home: &Home, from: &str, to: &str) {
    let path = home.path().join("coordinator.toml");
    let text = std::fs::read_to_string(&path).expect("read");
    assert!(text.contains(from), "{text}");
    std::fs::write(&path, text.replace(from, to)).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_query_is_answered_as_the_plain_one_with_a_receipt_and_once() {
    let mut federation = Federation::open().await;
    federation.complete_round().await;
    let client = Client::new(&token(&federation.home, "Clerk", 201));
    let at = (&federation.home, &federation.server);
    let (home, server) = at;
    let strange = request(home, server, "GET", "/v1/predict/encrypted", b"").await;
    strange.problem(401);
    let shape = client
        .ask(at, "GET /v1/predict/encrypted", b"")
        .await
        .json();
    assert_eq!(shape["rows"], 100);
    assert_eq!(shape["circuit"], "hidden");
    assert_eq!(shape["features"], 32);
    assert_eq!(shape["outputs"], 2);
    assert!(shape["failure_exponent"].as_f64().expect("a number") < -100.0);

    let (query, pending) = client.encrypt(SHAPE);
    let text = client.refused(at, &query, 409).await;
    assert!(text.starts_with("key: the evaluation key"), "{text}");
    client.put_own(at).await;
    let (head, answer) = client.query(at, &query).await;
    assert_eq!(status(&head), 200, "{head}");
    assert!(head.contains("unsilo-round: 1") && head.contains("unsilo-checkpoint: "));
    let Answer { logits, deviation } = client.key.decrypt(&pending, &answer).expect("decrypts");
    let plain = client
        .ask(
            at,
            "POST /v1/predict",
            json!({ "row": row() }).to_string().as_bytes(),
        )
        .await
        .json();
    // Two classes: the logarithm of the probabilities' ratio is the logits' difference.
    let probability = |class: usize| {
        let all = &plain["predictions"][0]["probabilities"];
        all[class].as_f64().expect("a number")
    };
    let expected = (probability(1) / probability(0)).ln();
    let error = (logits[1] - logits[0] - expected).abs();
    // Seven deviations of noise, and the rounding of weights and features.
    let bound = 7.0 * deviation[0].hypot(deviation[1]) + 0.01 * expected.abs() + 1e-3;
    assert!(error <= bound, "{logits:?} {expected} {error} {bound}");

    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("unsilo-receipt: "));
    let receipt = line.expect("a receipt").trim();
    let path = format!("/v1/receipts/{receipt}");
    let document = request(home, server, "GET", &path, b"").await.json();
    let mut hasher = AnswerHasher::new(1);
    hasher.bytes(&answer);
    assert_eq!(document["request"], HEXLOWER.encode(&request_hash(&query)));
    assert_eq!(document["answer"], HEXLOWER.encode(&hasher.finish()));
    assert_eq!(
        (&document["rows"], &document["fee"]),
        (&json!(100), &json!(700)),
        "it counts as a hundred rows, of the quota and for the fee"
    );

    // The same bytes once more are no new question.
    assert!(client.refused(at, &query, 409).await.starts_with("id: "));
    // One query was plain, one encrypted: the second of these is the last. What is refused costs nothing.
    let (query, _) = client.encrypt(SHAPE);
    assert_eq!(status(&client.query(at, &query).await.0), 200);
    let (query, _) = client.encrypt(SHAPE);
    let text = client.refused(at, &query, 429).await;
    let over = "201 rows a day, 201 were answered today and 0 remain: this request counts as 100";
    assert!(text.contains(over), "{text}");
    let figures = request(home, server, "GET", "/metrics", b"").await;
    for line in ["unsilo_encrypted_rows_total 2", "unsilo_evaluation_keys 1"] {
        assert!(figures.body.contains(line), "{line}: {}", figures.body);
    }
    // What was used of the quota follows from the disk, and the admin sets what a query counts as.
    let from = "rows_per_encrypted_query = 100";
    set(&federation.home, from, "rows_per_encrypted_query = 5");
    let federation = federation.restart().await;
    let at = (&federation.home, &federation.server);
    client.put_own(at).await;
    let text = client.refused(at, &query, 429).await;
    assert!(
        text.contains("201 were answered today and 0 remain: this request counts as 5"),
        "{text}"
    );
    let other = token(&federation.home, "Other", 4);
    let other = Client {
        token: other,
        ..client
    };
    other.put_own(at).await;
    let text = other.refused(at, &query, 429).await;
    assert!(text.contains("4 rows a day, 0 were answered"), "{text}");
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_key_or_no_query_for_this_model_is_refused_with_its_field() {
    let home = Home::new();
    let server = home.serve().await;
    let reply = request(&home, &server, "GET", "/v1/predict/encrypted", b"").await;
    assert!(reply.problem(503).contains("no round has been published"));
    server.stop().await.expect("stops");

    let mut federation = Federation::open().await;
    federation.complete_round().await;
    let client = Client::new(&token(&federation.home, "Clerk", 100));
    let at = (&federation.home, &federation.server);
    let (query, _) = client.encrypt(SHAPE);
    for (bytes, code, what) in [
        (&b""[..], 400, "do not begin as one does"),
        (b"{\"row\": []}", 400, "do not begin as one does"),
        (&query[..query.len() - 1], 400, "bytes"),
        (&[0; 9000], 413, "at most"),
    ] {
        let text = client.refused(at, bytes, code).await;
        assert!(text.starts_with("body: ") && text.contains(what), "{text}");
    }
    // One that says it has megabytes is not waited for.
    let headers = format!(
        "Authorization: Bearer {}\r\nContent-Length: 3000000\r\n",
        client.token
    );
    let (home, server) = at;
    let line = "POST /v1/predict/encrypted";
    let waited = request_with(home, server, line, &headers, &[0; 9000]);
    let reply = tokio::time::timeout(PATIENCE, waited).await;
    let text = reply.expect("an answer").problem(413);
    assert!(text.starts_with("body: "), "{text}");
    let changed = |bytes: &[u8], place: usize, value: u8| {
        let mut bytes = bytes.to_vec();
        bytes[place] = value;
        bytes
    };
    let text = client.refused(at, &changed(&query, 4, 9), 400).await;
    assert!(text.contains("format version 9"), "{text}");
    let text = client.refused(at, &changed(&query, 6, 9), 400).await;
    assert!(text.contains("parameter set 9"), "{text}");
    let (wide, _) = client.encrypt(Shape {
        features: 33,
        ..SHAPE
    });
    let text = client.refused(at, &wide, 422).await;
    assert!(
        text.starts_with("features: the query has 33 features"),
        "{text}"
    );
    let (linear, _) = client.encrypt(Shape {
        circuit: Circuit::Linear,
        ..SHAPE
    });
    assert!(
        client
            .refused(at, &linear, 422)
            .await
            .starts_with("circuit: ")
    );
    let reply = client
        .ask(at, "POST /v1/predict/encrypted?round=9", &query)
        .await;
    assert!(reply.problem(404).starts_with("round: "));

    // Keys: another hash, other parameters, too long, too short, no hash at all.
    let key = &client.evaluation_key;
    let reply = client.put(at, [7; 32], key).await;
    assert!(reply.problem(422).starts_with("hash: "));
    let other = changed(key, 6, 9);
    let text = client.put(at, key_hash(&other), &other).await.problem(400);
    assert!(text.contains("parameter set 9"), "{text}");
    let cut = &key[..1000];
    let text = client.put(at, key_hash(cut), cut).await.problem(400);
    assert!(text.contains("1000 bytes"), "{text}");
    let long = vec![0; EVALUATION_KEY_BYTES + 1];
    assert!(
        client
            .put(at, [7; 32], &long)
            .await
            .problem(413)
            .starts_with("body")
    );
    let reply = client.ask(at, "PUT /v1/keys/xyz", b"").await;
    assert!(reply.problem(422).starts_with("hash"));
    let line = format!("GET /v1/keys/{}", HEXLOWER.encode(&key_hash(key)));
    client.ask(at, &line, b"").await.problem(404);
    // Without a token, nothing.
    let (home, server) = at;
    let length = format!("Content-Length: {}\r\n", query.len());
    let open = request_with(home, server, "POST /v1/predict/encrypted", &length, &query).await;
    assert!(open.problem(401).starts_with("Authorization"));
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_made_room_is_asked_for_again_and_a_client_that_goes_holds_up_nobody() {
    let mut federation = Federation::open().await;
    federation.complete_round().await;
    set(&federation.home, "encrypted_keys = 8", "encrypted_keys = 1");
    let federation = federation.restart().await;
    let at = (&federation.home, &federation.server);
    let (home, server) = at;
    let (first, second) = (
        Client::new(&token(home, "First", 1000)),
        Client::new(&token(home, "Second", 1000)),
    );
    first.put_own(at).await;
    let (query, pending) = first.encrypt(SHAPE);
    let headers = first.headers(&query);
    let progress = format!(
        "GET /v1/predict/encrypted/{}",
        HEXLOWER.encode(&query[8..24])
    );
    let reaches = |wanted: u16, state: Value| {
        let (first, progress) = (&first, &progress);
        async move {
            let waiting = async {
                loop {
                    let reply = first.ask(at, progress, b"").await;
                    if reply.status == wanted && (wanted != 200 || reply.json()["state"] == state) {
                        return;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(PATIENCE, waiting)
                .await
                .expect("reached");
        }
    };
    let begin = || send(home, server, "POST /v1/predict/encrypted", &headers, &query);
    let stream = begin().await;
    reaches(200, json!("evaluating")).await;
    // Nobody else sees how far it is.
    second.ask(at, &progress, b"").await.problem(404);
    drop(stream);
    reaches(404, Value::Null).await;

    // It was not answered, so its name is free; and the turn is too.
    let mut stream = begin().await;
    reaches(200, json!("evaluating")).await;
    // Another token's key takes the only place: who is being answered keeps its own until the end.
    second.put_own(at).await;
    let line = format!(
        "GET /v1/keys/{}",
        HEXLOWER.encode(&key_hash(&first.evaluation_key))
    );
    first.ask(at, &line, b"").await.problem(404);
    let (head, answer) = receive(&mut stream).await;
    assert_eq!(status(&head), 200, "{head}");
    first.key.decrypt(&pending, &answer).expect("decrypts");
    // Its next question is told to send the key again.
    let (next, _) = first.encrypt(SHAPE);
    let text = first.refused(at, &next, 409).await;
    assert!(text.starts_with("key: "), "{text}");
    let hash = HEXLOWER.encode(&key_hash(&second.evaluation_key));
    let gone = second
        .ask(at, &format!("DELETE /v1/keys/{hash}"), b"")
        .await;
    assert_eq!(gone.status, 204);
    second
        .ask(at, &format!("DELETE /v1/keys/{hash}"), b"")
        .await
        .problem(404);

    set(&federation.home, "encrypted_keys = 1", "encrypted_keys = 0");
    let federation = federation.restart().await;
    let (home, server) = (&federation.home, &federation.server);
    let off = first
        .ask((home, server), "GET /v1/predict/encrypted", b"")
        .await;
    assert!(off.problem(404).contains("no encrypted queries"));
    federation.server.stop().await.expect("stops");
}

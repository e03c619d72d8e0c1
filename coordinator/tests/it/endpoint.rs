//! HTTPS: predictions, status, page, and problem documents.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use unsilo_coordinator::{Server, TokenOptions, create_token, revoke_tokens, rollback};
use unsilo_ledger::{Query, SignedEntry, request_hash, verify_inclusion, verify_query};

use crate::federation::{Federation, Home, PATIENCE, channel};

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// Checks that it is a problem document of this status, and returns its text.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(
            self.head.contains("application/problem+json"),
            "{}",
            self.head
        );
        let document = self.json();
        assert_eq!(document["status"], status);
        assert!(document["title"].is_string());
        let field = document["field"].as_str().unwrap_or_default();
        format!(
            "{field}: {}",
            document["detail"].as_str().expect("a detail")
        )
    }
}

pub(crate) async fn request(
    home: &Home,
    server: &Server,
    method: &str,
    path: &str,
    body: &[u8],
) -> Reply {
    let length = format!("Content-Length: {}\r\n", body.len());
    request_with(home, server, &format!("{method} {path}"), &length, body).await
}

/// A request with these header lines, the body's length among them.
pub(crate) async fn request_with(
    home: &Home,
    server: &Server,
    line: &str,
    headers: &str,
    body: &[u8],
) -> Reply {
    let (head, body) = exchange(home, server, line, headers, body).await;
    Reply {
        status: status(&head),
        head,
        body: String::from_utf8(body).expect("text"),
    }
}

/// The same; the answer's head in lower case, and its body.
pub(crate) async fn exchange(
    home: &Home,
    server: &Server,
    line: &str,
    headers: &str,
    body: &[u8],
) -> (String, Vec<u8>) {
    receive(&mut send(home, server, line, headers, body).await).await
}

/// The answer's head in lower case, and its body.
pub(crate) async fn receive(stream: &mut TlsStream<TcpStream>) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    // The server may close without a farewell.
    let _ = stream.read_to_end(&mut bytes).await;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let body = bytes.split_off(end.expect("a reply") + 4);
    let head = String::from_utf8(bytes).expect("text");
    (head.to_ascii_lowercase(), body)
}

pub(crate) fn status(head: &str) -> u16 {
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    status.expect("a status")
}

/// A request on a connection of its own, whose answer nobody has read yet.
pub(crate) async fn send(
    home: &Home,
    server: &Server,
    line: &str,
    headers: &str,
    body: &[u8],
) -> TlsStream<TcpStream> {
    let authority = std::fs::read(home.path().join("authority.der")).expect("there");
    let mut roots = RootCertStore::empty();
    roots.add(authority.into()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("valid")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(server.address())
        .await
        .expect("connects");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
        .expect("TLS");
    let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
    // A server that has refused need not read to the end.
    let _ = stream.write_all(body).await;
    let _ = stream.flush().await;
    stream
}

/// A gigabyte to `/v1/predict` over HTTP/2, as curl sends it.
async fn over_http2(home: &Home, server: &Server) -> Reply {
    use tonic::codegen::{Body as _, Service as _, http};
    let mut channel = channel(server, &home.authority_pem(), None)
        .await
        .expect("connects");
    let megabyte = tonic::codegen::Bytes::from(vec![b' '; 1 << 20]);
    let chunks =
        tokio_stream::iter((0..1024).map(move |_| Ok::<_, std::io::Error>(megabyte.clone())));
    let request = http::Request::post("/v1/predict")
        .header("content-length", 1_u64 << 30)
        .header("content-type", "application/json")
        .body(tonic::body::Body::new(axum::body::Body::from_stream(
            chunks,
        )))
        .expect("a request");
    std::future::poll_fn(|context| channel.poll_ready(context))
        .await
        .expect("ready");
    let (head, mut body) = channel.call(request).await.expect("an answer").into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await
    {
        bytes.extend(frame.expect("whole").into_data().unwrap_or_default());
    }
    Reply {
        status: head.status.as_u16(),
        head: format!("{:?}", head.headers),
        body: String::from_utf8(bytes).expect("text"),
    }
}

pub(crate) fn row() -> Vec<f64> {
    (0..32).map(f64::from).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_model_the_endpoint_says_so_and_every_mistake_is_a_document() {
    let home = Home::new();
    let server = home.serve().await;
    let post = |body: Value| {
        let body = body.to_string();
        let (home, server) = (&home, &server);
        async move { request(home, server, "POST", "/v1/predict", body.as_bytes()).await }
    };
    let reply = post(json!({ "rows": [row()] })).await;
    assert!(reply.problem(503).contains("no round has been published"));
    assert!(
        post(json!({ "rows": [] }))
            .await
            .problem(422)
            .starts_with("rows")
    );
    post(json!({ "rows": [row()], "colour": 1 }))
        .await
        .problem(400);
    post(json!([1, 2])).await.problem(400);
    let many: Vec<_> = (0..4097).map(|_| json!([])).collect();
    assert!(
        post(json!({ "rows": many }))
            .await
            .problem(422)
            .contains("4096")
    );
    for body in [
        &b""[..],
        b"{\"rows\": [[NaN]]}",
        b"{\"rows\": [[1e999]]}",
        b"\xff",
    ] {
        request(&home, &server, "POST", "/v1/predict", body)
            .await
            .problem(400);
    }
    for headers in [
        "Content-Length: 1073741824\r\n",
        "Content-Length: 1099511627776\r\n",
    ] {
        let gigabyte = request_with(&home, &server, "POST /v1/predict", headers, b"{").await;
        assert!(
            gigabyte.problem(413).starts_with("body"),
            "{}",
            gigabyte.body
        );
    }
    assert!(
        over_http2(&home, &server)
            .await
            .problem(413)
            .starts_with("body")
    );
    let mut endless = b"500000\r\n".to_vec();
    endless.resize(endless.len() + 0x50_0000, b' ');
    let chunked = "Transfer-Encoding: chunked\r\n";
    let reply = request_with(&home, &server, "POST /v1/predict", chunked, &endless).await;
    reply.problem(413);
    let xml = "Content-Type: application/xml\r\nContent-Length: 4\r\n";
    let reply = request_with(&home, &server, "POST /v1/predict", xml, b"<a/>").await;
    assert!(reply.problem(415).starts_with("Content-Type"));
    request(&home, &server, "GET", "/readyz", b"")
        .await
        .problem(503);
    let large = vec![b' '; (4 << 20) + 1];
    request(&home, &server, "POST", "/v1/predict", &large)
        .await
        .problem(413);
    request(&home, &server, "GET", "/v1/predict", b"")
        .await
        .problem(405);
    request(&home, &server, "DELETE", "/", b"")
        .await
        .problem(405);
    request(&home, &server, "GET", "/nothing", b"")
        .await
        .problem(404);
    request(&home, &server, "GET", "/unsilo.v1.Nothing/Get", b"")
        .await
        .problem(404);

    let status = request(&home, &server, "GET", "/v1/status", b"").await;
    assert_eq!(status.json()["phase"], "founding");
    let models = request(&home, &server, "GET", "/v1/models", b"").await;
    assert_eq!(models.json()["round"], Value::Null);
    assert_eq!(
        request(&home, &server, "GET", "/healthz", b"").await.status,
        200
    );
    let page = request(&home, &server, "GET", "/", b"").await;
    assert!(page.status == 200 && page.body.contains("<main id=\"main\""));
    server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_model_answers_rows_and_names_the_field_that_is_wrong() {
    let mut federation = Federation::open().await;
    federation.complete_round().await;
    let (home, server) = (&federation.home, &federation.server);
    let post = |body: Value| async move {
        request(
            home,
            server,
            "POST",
            "/v1/predict",
            body.to_string().as_bytes(),
        )
        .await
    };
    let object: serde_json::Map<String, Value> = row()
        .iter()
        .enumerate()
        .map(|(index, value)| (format!("p{index}"), json!(value)))
        .collect();
    let reply = post(json!({ "rows": [row(), object.clone()] })).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let answer = reply.json();
    assert_eq!(answer["round"], 1);
    assert_eq!(answer["predictions"][0], answer["predictions"][1]);
    let sum: f64 = answer["predictions"][0]["probabilities"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_f64)
        .sum();
    assert!((sum - 1.0).abs() < 1e-5);
    let state = federation.companies[0].state().await;
    let model = data_encoding::HEXLOWER.encode(&state.model().expect("published"));
    assert_eq!(answer["model"], model);

    let mut short = row();
    short.pop();
    let text = post(json!({ "rows": [row(), short] })).await.problem(422);
    assert!(text.starts_with("rows[1]: 31 values"), "{text}");
    let mut unknown = object.clone();
    unknown.insert("q".into(), json!(1));
    let text = post(json!({ "rows": [unknown] })).await.problem(422);
    assert!(text.starts_with("rows[0].q"), "{text}");
    let mut missing = object.clone();
    missing.remove("p7");
    let text = post(json!({ "rows": [missing] })).await.problem(422);
    assert!(text.starts_with("rows[0].p7"), "{text}");
    let mut nan = object;
    nan.insert("p3".into(), json!("NaN"));
    let text = post(json!({ "rows": [nan] })).await.problem(422);
    assert!(text.starts_with("rows[0].p3"), "{text}");
    let text = post(json!({ "rows": [5] })).await.problem(422);
    assert!(text.starts_with("rows[0]"), "{text}");
    federation.server.stop().await.expect("stops");
}

/// `POST /v1/predict` with a token.
async fn ask(home: &Home, server: &Server, token: &str, body: &Value) -> Reply {
    let body = body.to_string();
    let headers = format!(
        "Authorization: Bearer {token}\r\nContent-Length: {}\r\n",
        body.len()
    );
    request_with(home, server, "POST /v1/predict", &headers, body.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_token_on_only_holders_ask_within_their_quota_until_it_ends() {
    let mut federation = Federation::open().await;
    federation.complete_round().await;
    let path = federation.home.path();
    let body = json!({ "rows": [row(), row()] });
    let text = body.to_string();
    {
        let (home, server) = (&federation.home, &federation.server);
        let open = request(home, server, "POST", "/v1/predict", text.as_bytes()).await;
        assert_eq!(open.status, 200, "before there is a token, everybody may");
    }
    let options = TokenOptions {
        name: "Clerk".into(),
        valid_days: 1,
        rows_per_day: 5,
        fee_per_row: Some(7),
    };
    let (made, token) = create_token(&path, &options).expect("made");
    {
        let (home, server) = (&federation.home, &federation.server);
        let closed = request(home, server, "POST", "/v1/predict", text.as_bytes()).await;
        assert!(closed.problem(401).starts_with("Authorization"));
        assert!(closed.head.contains("www-authenticate: bearer"));
        let basic = format!(
            "Authorization: Basic abc\r\nContent-Length: {}\r\n",
            text.len()
        );
        request_with(home, server, "POST /v1/predict", &basic, text.as_bytes())
            .await
            .problem(401);
        ask(home, server, &token.replace("unsilo", "other"), &body)
            .await
            .problem(401);
        assert_eq!(ask(home, server, &token, &body).await.status, 200);
        // A refused request costs nothing.
        ask(home, server, &token, &json!({ "rows": [row(), [1]] }))
            .await
            .problem(422);
        assert_eq!(ask(home, server, &token, &body).await.status, 200);
        let over = ask(home, server, &token, &body).await;
        assert!(
            over.problem(429)
                .contains("5 rows a day, 4 were answered today and 1 remain"),
            "{}",
            over.body
        );
        assert!(over.head.contains("retry-after"));
    }
    // The quota is used up after a restart too, and nobody's token is in the directory.
    let federation = federation.restart().await;
    let (home, server) = (&federation.home, &federation.server);
    ask(home, server, &token, &body).await.problem(429);
    assert_eq!(
        ask(home, server, &token, &json!({ "row": row() }))
            .await
            .status,
        200
    );
    let file = path.join(format!("tokens/{}.toml", made.id));
    let kept = std::fs::read_to_string(&file).expect("read");
    let secret = token.rsplit_once('_').expect("of that form").1;
    assert!(!kept.contains(secret));
    let expired = kept.replace(&made.expires_ms.to_string(), "1");
    std::fs::write(&file, expired).expect("written");
    assert!(
        ask(home, server, &token, &body)
            .await
            .problem(401)
            .contains("expired")
    );
    std::fs::write(&file, &kept).expect("written");
    revoke_tokens(&path, "Clerk").expect("revoked");
    assert!(
        ask(home, server, &token, &body)
            .await
            .problem(401)
            .contains("revoked")
    );
    let (_, other) = create_token(
        &path,
        &TokenOptions {
            rows_per_day: 100,
            ..options
        },
    )
    .expect("made");
    assert_eq!(ask(home, server, &other, &body).await.status, 200);
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_is_read_and_written_and_its_mistakes_name_their_column() {
    let mut federation = Federation::open().await;
    federation.complete_round().await;
    let (home, server) = (&federation.home, &federation.server);
    let post = |body: String, accept: &'static str| async move {
        let headers = format!(
            "Content-Type: text/csv; charset=utf-8\r\n{accept}Content-Length: {}\r\n",
            body.len()
        );
        request_with(home, server, "POST /v1/predict", &headers, body.as_bytes()).await
    };
    let names: Vec<String> = (0..32).rev().map(|index| format!("p{index}")).collect();
    let header = format!("digit,{}", names.join(","));
    let line = |values: Vec<f64>| {
        let values: Vec<String> = values.iter().rev().map(f64::to_string).collect();
        format!("zero,{}", values.join(","))
    };
    let good = format!("{header}\n{}\n{}\n", line(row()), line(vec![0.0; 32]));
    let reply = post(good.clone(), "").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let as_json = json!({ "rows": [row(), vec![0.0; 32]] }).to_string();
    let same = request(home, server, "POST", "/v1/predict", as_json.as_bytes()).await;
    assert_eq!(reply.json()["predictions"], same.json()["predictions"]);
    let table = post(good, "Accept: text/csv\r\n").await;
    assert!(table.head.contains("unsilo-receipt: ") && table.head.contains("unsilo-round: 1"));
    let lines: Vec<&str> = table.body.lines().collect();
    assert_eq!(lines[0], "class,zero,one");
    assert_eq!(lines.len(), 3);
    for (body, field) in [
        (format!("{header},q\n{},1\n", line(row())), "q: "),
        (header.replace("p7,", "") + "\n", "p7: "),
        (header.replace("p7", "p8") + "\n", "p8: "),
        (format!("{header}\n"), "rows: "),
        (
            format!("{header}\n{}\n", line(row()).replace(",31", ",NaN")),
            "rows[0].p31",
        ),
        (
            format!("{header}\n{}\n", line(row()).replace(",31", ",round")),
            "rows[0].p31",
        ),
        (
            format!("{header}\n{}\n", line(row()).replace(",31", ",")),
            "rows[0].p31",
        ),
    ] {
        let text = post(body, "").await.problem(422);
        assert!(text.starts_with(field), "{field}: {text}");
    }
    post(format!("{header}\n1,2\n"), "").await.problem(400);
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_a_receipt_that_leads_to_the_log_and_its_fee_to_the_pool() {
    let mut federation = Federation::open().await;
    federation.complete_round().await;
    let settings = federation.home.path().join("coordinator.toml");
    let text = std::fs::read_to_string(&settings).expect("read");
    std::fs::write(
        &settings,
        text.replace("fee_per_row = 0", "fee_per_row = 3"),
    )
    .expect("written");
    let federation = federation.restart().await;
    let (home, server) = (&federation.home, &federation.server);
    let body = json!({ "rows": [row(), row()] }).to_string();
    let mut receipts = Vec::new();
    for _ in 0..5 {
        let answer = request(home, server, "POST", "/v1/predict", body.as_bytes())
            .await
            .json();
        assert!(
            answer["checkpoint"]
                .as_str()
                .expect("a note")
                .starts_with("unsilo/")
        );
        receipts.push(answer["receipt"].as_str().expect("an id").to_owned());
    }
    let entered = async {
        loop {
            let last = format!("/v1/receipts/{}", receipts[4]);
            let document = request(home, server, "GET", &last, b"").await.json();
            if document["state"] == "entered" {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, entered)
        .await
        .expect("entered");
    let state = federation.companies[0].state().await;
    assert_eq!(state.pool().expect("founded").fees_entered, 30);
    assert_eq!(state.pool().expect("founded").queries, 5);
    let entries = federation.companies[0].entries().await;
    let hex = |value: &Value| {
        data_encoding::HEXLOWER
            .decode(value.as_str().expect("hex").as_bytes())
            .expect("hex")
    };
    let hashes = |value: &Value| -> Vec<[u8; 32]> {
        let all = value.as_array().expect("a list").iter();
        all.map(|hash| hex(hash).try_into().expect("a hash"))
            .collect()
    };
    for id in &receipts {
        let path = format!("/v1/receipts/{id}");
        let document = request(home, server, "GET", &path, b"").await.json();
        let inclusion = &document["inclusion"];
        let leaf = hex(&document["leaf"]);
        let query = Query::from_bytes(&leaf).expect("a leaf");
        assert_eq!(query.request, request_hash(body.as_bytes()));
        assert_eq!(query.fee, 6);
        let index = inclusion["entry_index"].as_u64().expect("a number");
        // What the coordinator shows is what every company's copy of the log holds there.
        let entry = hex(&inclusion["entry"]);
        assert_eq!(
            entry,
            entries.entries[usize::try_from(index).expect("small")]
        );
        let signed = SignedEntry::decode(&entry).expect("an entry");
        let unsilo_ledger::Entry::QueryBatch {
            root, first, count, ..
        } = signed.entry
        else {
            panic!("not a batch");
        };
        let proof = hashes(&inclusion["proof"]);
        assert_eq!(verify_query(&leaf, (first, count, &root), &proof), Ok(()));
        let note = inclusion["checkpoint"].as_str().expect("a note");
        let checkpoint =
            unsilo_ledger::SignedCheckpoint::parse(note, &federation.draft.coordinator);
        let checkpoint = *checkpoint.expect("signed").checkpoint();
        let proof = hashes(&inclusion["entry_proof"]);
        assert_eq!(
            verify_inclusion(&proof, checkpoint.size, &checkpoint.root, index, &entry),
            Ok(())
        );
    }
    // Whoever guesses a number has no receipt.
    let guessed = format!("/v1/receipts/{}{}", &receipts[0][..16], "0".repeat(32));
    for unknown in [guessed.as_str(), "/v1/receipts/0", "/v1/receipts/%ff"] {
        let reply = request(home, server, "GET", unknown, b"").await;
        assert!(
            matches!(reply.status, 400 | 404),
            "{unknown}: {}",
            reply.body
        );
    }
    let figures = request(home, server, "GET", "/metrics", b"").await;
    for line in [
        "unsilo_queries_entered 5",
        "unsilo_rows_total 10",
        "unsilo_served_round 1",
        "unsilo_http_requests_total{status=\"200\"}",
    ] {
        assert!(figures.body.contains(line), "{line}: {}", figures.body);
    }
    assert_eq!(
        request(home, server, "GET", "/readyz", b"").await.status,
        200
    );
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_round_can_be_asked_and_served_again() {
    let mut federation = Federation::open().await;
    federation.complete_round().await;
    federation.offer_seats().await;
    federation.complete_round().await;
    let path = federation.home.path();
    let (home, server) = (&federation.home, &federation.server);
    let body = json!({ "rows": [row()] }).to_string();
    let ask = |query: &'static str| {
        let body = body.clone();
        async move {
            request(
                home,
                server,
                "POST",
                &format!("/v1/predict{query}"),
                body.as_bytes(),
            )
            .await
        }
    };
    let newest = ask("").await.json();
    assert_eq!(newest["round"], 2);
    let first = ask("?round=1").await.json();
    assert_eq!(first["round"], 1);
    assert_ne!(first["model"], newest["model"]);
    assert_eq!(
        ask("?round=1").await.json()["predictions"],
        first["predictions"]
    );
    assert!(ask("?round=3").await.problem(404).starts_with("round"));
    assert!(ask("?round=x").await.problem(422).starts_with("round"));
    assert!(ask("?colour=1").await.problem(422).starts_with("colour"));
    assert!(
        rollback(&path, Some(3))
            .expect_err("unknown")
            .to_string()
            .contains("1-2")
    );

    let serves = |round: u64| async move {
        let waiting = async {
            while ask("").await.json()["round"] != round {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("served");
    };
    rollback(&path, Some(1)).expect("rolled back");
    serves(1).await;
    assert_eq!(ask("").await.json()["predictions"], first["predictions"]);
    assert_eq!(ask("?round=2").await.json()["model"], newest["model"]);
    // It outlives a restart, and the newest comes back when it is asked for.
    let federation = federation.restart().await;
    let (home, server) = (&federation.home, &federation.server);
    let after = request(home, server, "POST", "/v1/predict", body.as_bytes())
        .await
        .json();
    assert_eq!(after["round"], 1);
    rollback(&path, None).expect("the newest");
    let waiting = async {
        while request(home, server, "POST", "/v1/predict", body.as_bytes())
            .await
            .json()["round"]
            != 2
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("served");
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_is_served_for_programs_and_for_people() {
    let home = Home::new();
    let server = home.serve().await;
    let document = request(&home, &server, "GET", "/v1/openapi.json", b"").await;
    assert!(
        document.json()["openapi"]
            .as_str()
            .expect("a version")
            .starts_with("3.1")
    );
    let page = request(&home, &server, "GET", "/reference", b"").await;
    assert!(page.status == 200 && page.body.contains("/v1/predict"));
    server.stop().await.expect("stops");
}

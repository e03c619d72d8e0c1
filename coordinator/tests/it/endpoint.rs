//! HTTPS: predictions, status, page, and problem documents.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use unsilo_coordinator::Server;

use crate::federation::{Federation, Home};

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// Checks that it is a problem document of this status, and returns its text.
    fn problem(&self, status: u16) -> String {
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

async fn request(home: &Home, server: &Server, method: &str, path: &str, body: &[u8]) -> Reply {
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
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(body).await.expect("sent");
    stream.flush().await.expect("sent");
    let mut bytes = Vec::new();
    // The server may close without a farewell.
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a reply");
    Reply {
        status: head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status"),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

fn row() -> Vec<f64> {
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
    assert!(page.status == 200 && page.body.contains("Nobody yet"));
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

//! What holders of a token have to say: to the admin's inbox, by hash to the ledger, and the answer back.

use serde_json::{Value, json};
use unsilo_coordinator::{By, Server, TokenOptions, answer_feedback, create_token, feedback};
use unsilo_ledger::{Query, feedback_hash};

use crate::{
    endpoint::{Reply, request, request_with},
    federation::{Federation, Home, PATIENCE},
};

async fn send(home: &Home, server: &Server, token: &str, line: &str, body: &str) -> Reply {
    let headers = format!(
        "Authorization: Bearer {token}\r\nContent-Length: {}\r\n",
        body.len()
    );
    let line = format!("{line} /v1/feedback");
    request_with(home, server, &line, &headers, body.as_bytes()).await
}

async fn say(home: &Home, server: &Server, token: &str, body: &Value) -> Reply {
    send(home, server, token, "POST", &body.to_string()).await
}

async fn said(home: &Home, server: &Server, token: &str) -> Vec<Value> {
    let reply = send(home, server, token, "GET", "").await;
    reply.json()["feedback"].as_array().expect("a list").clone()
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    let hex = value.as_str().expect("hex").as_bytes();
    let bytes = data_encoding::HEXLOWER.decode(hex).expect("hex");
    bytes.try_into().expect("so many bytes")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tokens_holder_says_reaches_the_admin_and_by_its_hash_the_ledger() {
    let mut federation = Federation::open().await;
    federation.complete_round().await;
    let path = federation.home.path();
    let (home, server) = (&federation.home, &federation.server);
    let text = "The answers for \"Tuesday\"\nlook wrong";
    let body = json!({ "text": text, "kind": "idea" });
    // The model is open to everybody still; the inbox is not.
    let nobody = request(
        home,
        server,
        "POST",
        "/v1/feedback",
        body.to_string().as_bytes(),
    )
    .await;
    assert!(nobody.problem(401).starts_with("Authorization"));
    request(home, server, "GET", "/v1/feedback", b"")
        .await
        .problem(401);
    let options = |name: &str| TokenOptions {
        name: name.into(),
        valid_days: 1,
        rows_per_day: 0,
        fee_per_row: None,
    };
    let (made, token) = create_token(&path, &options("Clerk")).expect("made");
    let (_, other) = create_token(&path, &options("Other")).expect("made");
    for (wrong, status, names) in [
        (json!({ "text": " " }), 422, "text: "),
        (json!({ "text": "a".repeat(4097) }), 422, "4096"),
        (json!({ "text": "a", "kind": "rant" }), 422, "kind: "),
        (json!({ "text": "a", "from": "me" }), 400, "from"),
        (json!({ "kind": "idea" }), 400, "text"),
        (json!([]), 400, "body"),
    ] {
        let problem = say(home, server, &token, &wrong).await.problem(status);
        assert!(problem.contains(names), "{wrong}: {problem}");
    }
    assert!(
        said(home, server, &token).await.is_empty(),
        "nothing was filed"
    );

    let filed = say(home, server, &token, &body).await;
    assert_eq!(filed.status, 200, "{}", filed.body);
    let filed = filed.json();
    let hash = feedback_hash(text, &bytes(&filed["salt"]));
    assert_eq!(bytes::<32>(&filed["hash"]), hash);
    let receipt = format!(
        "/v1/receipts/{}",
        filed["receipt"].as_str().expect("a receipt")
    );
    let entered = async {
        loop {
            let document = request(home, server, "GET", &receipt, b"").await.json();
            if document["state"] == "entered" {
                return document;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let document = tokio::time::timeout(PATIENCE, entered)
        .await
        .expect("entered");
    let leaf = document["leaf"].as_str().expect("a leaf").as_bytes();
    let leaf = data_encoding::HEXLOWER.decode(leaf).expect("hex");
    let query = Query::from_bytes(&leaf).expect("a leaf");
    assert_eq!((query.request, query.rows, query.fee), (hash, 0, 0));

    let inbox = feedback(&path).expect("read");
    let [(piece, None)] = inbox.as_slice() else {
        panic!("{inbox:?}");
    };
    assert_eq!(
        (
            piece.author.as_str(),
            piece.kind.as_str(),
            piece.text.as_str()
        ),
        ("Clerk", "idea", text)
    );
    assert_eq!(piece.by, By::Token(made.id));
    let id = filed["id"].as_str().expect("an id");
    answer_feedback(&path, id, "Mended on Wednesday.").expect("answered");
    let federation = federation.restart().await;
    let (home, server) = (&federation.home, &federation.server);
    let own = said(home, server, &token).await;
    assert_eq!(own[0]["answer"], "Mended on Wednesday.");
    assert_eq!((&own[0]["text"], &own[0]["id"]), (&json!(text), &json!(id)));
    assert!(said(home, server, &other).await.is_empty(), "each its own");
    for _ in 1..20 {
        assert_eq!(say(home, server, &token, &body).await.status, 200);
    }
    let enough = say(home, server, &token, &body).await;
    enough.problem(429);
    assert!(enough.head.contains("retry-after"));
    assert_eq!(say(home, server, &other, &body).await.status, 200);
    federation.server.stop().await.expect("stops");
}

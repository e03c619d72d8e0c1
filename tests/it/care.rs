//! Looking after a node: doctor, certificates, feedback, and the bundle for whoever helps.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    companies::{Companies, count},
    help::assert_documented,
    support::{Ran, Running, edit, repository, run, unsilo, until},
};

const NAMES: [&str; 3] = ["Aster Labs", "Birch Post", "Cedar Bank"];

fn joined(rounds: u64) -> (Companies, Running) {
    let fed = Companies::found(&NAMES, rounds);
    let coordinator = fed.serve();
    for (part, name) in NAMES.iter().enumerate() {
        fed.join_fast(name, part, 9);
    }
    (fed, coordinator)
}

fn finish(fed: &Companies) {
    let mut nodes: Vec<Running> = NAMES.iter().map(|name| fed.participate(name)).collect();
    for node in &mut nodes {
        node.wait().ok();
    }
}

fn pem(certificate: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
}

/// Gives a company, in place of its certificate, one of the same authority that ends `seconds` from now.
fn shorten(fed: &Companies, name: &str, seconds: i64) {
    let dir = fed.company(name);
    let coordinator = fed.coordinator();
    let authority = fs::read(coordinator.join("authority.der")).expect("read");
    let key = fs::read_to_string(coordinator.join("secrets/authority.pem")).expect("read");
    let key = KeyPair::from_pem(&key).expect("a key");
    let issuer = Issuer::from_ca_cert_der(&authority.into(), key).expect("an authority");
    let tls = fs::read_to_string(dir.join("tls.key")).expect("read");
    let tls = KeyPair::from_pem(&tls).expect("a key");
    let mut params = CertificateParams::default();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = date_time_ymd(2020, 1, 1);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let end = now.checked_add_signed(seconds).expect("after 1970");
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(end);
    let short = params.signed_by(&tls, &issuer).expect("signed");
    fs::write(dir.join("tls.pem"), pem(short.der())).expect("written");
    let member = data_encoding::HEXLOWER.encode(name.as_bytes());
    let member = coordinator.join(format!("members/{member}.toml"));
    let text = fs::read_to_string(&member).expect("read");
    let line = text
        .lines()
        .find(|line| line.starts_with("certificate = "))
        .expect("there");
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(short.der()));
    edit(&member, line, &format!("certificate = \"{hash}\""));
}

fn doctor(dir: &Path) -> Ran {
    run(unsilo(["doctor", "--json"]).arg(dir))
}

fn state<'a>(document: &'a Value, check: &str) -> &'a str {
    let checks = document["checks"].as_array().expect("checks");
    let found = checks.iter().find(|one| one["check"] == check);
    found
        .and_then(|one| one["state"].as_str())
        .unwrap_or_else(|| panic!("no {check} in {document}"))
}

#[test]
fn a_node_renews_a_certificate_that_ends_soon_or_has_ended_and_takes_part() {
    let (fed, mut coordinator) = joined(1);
    coordinator.terminate();
    coordinator.wait().ok();
    shorten(&fed, "Aster Labs", 600);
    shorten(&fed, "Birch Post", -60);
    let before = NAMES.map(|name| fs::read(fed.company(name).join("tls.pem")).expect("read"));
    let key = fs::read(fed.company("Aster Labs").join("tls.key")).expect("read");
    let _coordinator = fed.serve();
    let ended = doctor(&fed.company("Birch Post"));
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    assert_eq!(state(&ended.json(), "certificate"), "problem");
    finish(&fed);
    let after = NAMES.map(|name| fs::read(fed.company(name).join("tls.pem")).expect("read"));
    assert!(before[0] != after[0] && before[1] != after[1]);
    assert_eq!(before[2], after[2], "nobody else's is issued again");
    assert_eq!(
        key,
        fs::read(fed.company("Aster Labs").join("tls.key")).expect("read")
    );
    for name in NAMES {
        let found = doctor(&fed.company(name)).ok().json();
        for check in [
            "directory",
            "secrets",
            "card",
            "data",
            "device",
            "ledger",
            "certificate",
            "address",
            "pin",
            "membership",
        ] {
            assert_eq!(state(&found, check), "ok", "{name}: {found}");
        }
    }
    let found = doctor(&fed.coordinator()).ok().json();
    assert_documented("doctor", &found);
    assert!(
        state(&found, "ledger") == "ok" && state(&found, "address") == "ok",
        "{found}"
    );
}

#[test]
fn a_key_is_replaced_and_a_suspended_company_gets_no_certificate() {
    let (fed, _coordinator) = joined(1);
    let dir = fed.company("Aster Labs");
    let old = ["tls.key", "tls.pem"].map(|name| (name, fs::read(dir.join(name)).expect("read")));
    let renew = |arguments: &[&str]| run(unsilo(["renew", "--json"]).arg(&dir).args(arguments));
    renew(&[]).ok();
    assert_documented("renew", &renew(&["--new-key"]).ok().json());
    assert_ne!(old[0].1, fs::read(dir.join("tls.key")).expect("read"));
    assert_eq!(state(&doctor(&dir).ok().json(), "membership"), "ok");
    let fresh = ["tls.key", "tls.pem"].map(|name| (name, fs::read(dir.join(name)).expect("read")));
    for (name, bytes) in &old {
        fs::write(dir.join(name), bytes).expect("written");
    }
    // Who took the old key has nothing of it any more.
    let refused = doctor(&dir);
    assert_eq!(
        state(&refused.json(), "membership"),
        "problem",
        "{refused:?}"
    );
    for (name, bytes) in &fresh {
        fs::write(dir.join(name), bytes).expect("written");
    }
    let suspend = |lift: &[&str]| {
        let mut command = unsilo(["coordinator", "suspend"]);
        run(command.arg(fed.coordinator()).arg("Aster Labs").args(lift)).ok();
    };
    suspend(&[]);
    renew(&[]).fails(5, &["suspended"]);
    suspend(&["--lift"]);
    renew(&[]).ok();
    // What is wrong is named, with the way out.
    fs::set_permissions(dir.join("tls.key"), fs::Permissions::from_mode(0o644)).expect("set");
    fs::write(fed.rows(0, 9), "nonsense\n1\n").expect("written");
    let found = doctor(&dir);
    assert_eq!(found.status.code(), Some(3));
    let document = found.json();
    assert!(
        state(&document, "secrets") == "problem" && state(&document, "data") == "problem",
        "{document}"
    );
    assert!(document.to_string().contains("chmod 600"));
    assert_eq!(
        state(&doctor(fed.path("").as_path()).json(), "directory"),
        "problem"
    );
}

#[test]
fn feedback_reaches_the_admin_the_ledger_and_comes_back_answered() {
    let (fed, _coordinator) = joined(1);
    finish(&fed);
    let dir = fed.company("Birch Post");
    let say = |arguments: &[&str]| run(unsilo(["feedback", "--json"]).arg(&dir).args(arguments));
    assert_eq!(
        say(&[]).ok().json()["feedback"].as_array().map(Vec::len),
        Some(0)
    );
    let filed = say(&["The rounds are \"slow\"\non Mondays", "--kind", "idea"])
        .ok()
        .json();
    assert_eq!(filed["number"], 0);
    assert_documented("feedback DIR TEXT", &filed);
    say(&[""]).fails(5, &["say something"]);
    say(&[&"a".repeat(4097)]).fails(5, &["4096"]);
    let admin = |arguments: &[&str]| {
        let mut command = unsilo(["coordinator", "feedback", arguments[0], "--json"]);
        run(command.arg(fed.coordinator()).args(&arguments[1..]))
    };
    let listed = admin(&["list", "--open"]).ok().json();
    assert_documented("coordinator feedback list", &listed);
    let piece = &listed["feedback"][0];
    assert!(
        piece["author"] == "Birch Post" && piece["kind"] == "idea",
        "{listed}"
    );
    assert_eq!(piece["hash"], filed["hash"]);
    admin(&["answer", "9-9", "what?"]).fails(3, &["feedback list"]);
    admin(&[
        "answer",
        piece["id"].as_str().expect("an id"),
        "We pause at night now.",
    ])
    .ok();
    assert_eq!(
        admin(&["list", "--open"]).ok().json()["feedback"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    until("it is on the ledger", || {
        say(&[]).ok().json()["feedback"][0]["entered"] == true
    });
    let own = say(&[]).ok().json();
    assert_documented("feedback DIR", &own);
    assert_eq!(own["feedback"][0]["answer"], "We pause at night now.");
    assert_eq!(own["feedback"][0]["intact"], true);
    assert_eq!(
        count(&fed.entries(), "Birch Post filed"),
        1,
        "{:?}",
        fed.entries()
    );
    // Others see neither.
    let other = run(unsilo(["feedback", "--json"]).arg(fed.company("Aster Labs")))
        .ok()
        .json();
    assert_eq!(other["feedback"].as_array().map(Vec::len), Some(0));
}

#[test]
fn the_holder_of_a_token_says_something_without_a_directory_and_reads_the_answer() {
    let (fed, _coordinator) = joined(1);
    finish(&fed);
    let made = run(unsilo(["coordinator", "token", "create", "--json"])
        .arg(fed.coordinator())
        .arg("Clerk"));
    let token = made.ok().json()["token"]
        .as_str()
        .expect("shown once")
        .to_owned();
    let url = format!("https://{}", fed.address);
    let say = |arguments: &[&str]| {
        let mut command = unsilo(["feedback", "--json", &url, "--authority"]);
        command.arg(fed.coordinator().join("authority.der"));
        // Not on the command line, where other users of the machine would read it.
        run(command.args(arguments).env("UNSILO_TOKEN", &token))
    };
    let own = |said: &Ran| said.json()["feedback"].as_array().map(Vec::len);
    assert_eq!(own(&say(&[]).ok()), Some(0));
    let filed = say(&["Class \"7\" is\noften wrong", "--kind", "idea", "--verify"])
        .ok()
        .json();
    assert_documented("feedback URL TEXT", &filed);
    assert_eq!(filed["verified"], true, "{filed}");
    assert_eq!(filed["kind"], "idea");
    say(&[""]).fails(5, &["text", "422"]);
    say(&["--verify"]).fails(2, &["TEXT"]);
    let admin = |arguments: &[&str]| {
        let mut command = unsilo(["coordinator", "feedback", arguments[0]]);
        run(command.arg(fed.coordinator()).args(&arguments[1..]))
    };
    let id = filed["id"].as_str().expect("an id");
    let listed = admin(&["list", "--json"]).ok().json();
    assert_eq!(listed["feedback"][0]["author"], "Clerk", "{listed}");
    assert_eq!(listed["feedback"][0]["hash"], filed["hash"]);
    let answered = admin(&["answer", id, "Mended."]).ok();
    assert!(
        answered.stdout.contains("unsilo feedback URL"),
        "{}",
        answered.stdout
    );
    let listed = say(&[]).ok();
    assert_eq!(own(&listed), Some(1));
    let listed = listed.json();
    assert_documented("feedback URL", &listed);
    let piece = &listed["feedback"][0];
    assert!(
        piece["answer"] == "Mended." && piece["intact"] == true,
        "{listed}"
    );
    // Only over the authority's own connection, and with a token that is one.
    run(&mut unsilo(["feedback", &url, "hi"])).fails(3, &["--authority"]);
    let stranger = |token: &str| {
        let mut command = unsilo(["feedback", &url, "hi", "--token", token, "--authority"]);
        run(command.arg(fed.coordinator().join("authority.der")))
    };
    stranger("unsilo_0_0").fails(5, &["Authorization", "401"]);
    let dir = fed.company("Birch Post");
    run(unsilo(["feedback"]).arg(dir).args(["hi", "--verify"])).fails(3, &["for an address"]);
}

#[test]
fn the_coordinator_listens_on_the_port_that_its_invitations_name() {
    let home = tempfile::tempdir().expect("a directory");
    let made = |dir: &str, more: &[&str]| {
        let mut init = unsilo(["coordinator", "init", "--address", "elsewhere.example:8123"]);
        init.arg("--model")
            .arg(repository("data/digits.model.toml"));
        init.args(NAMES.iter().flat_map(|name| ["--founder", name]))
            .args(more);
        run(init.arg(home.path().join(dir))).ok();
        fs::read_to_string(home.path().join(dir).join("coordinator.toml")).expect("settings")
    };
    assert!(made("same", &[]).contains("listen = \"0.0.0.0:8123\""));
    let other = made("other", &["--listen", "127.0.0.1:9000"]);
    assert!(other.contains("listen = \"127.0.0.1:9000\""));
}

#[test]
fn doctor_and_its_like_leave_other_directories_alone() {
    let other = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(other.path(), PermissionsExt::from_mode(0o755)).expect("open to all");
    std::fs::write(other.path().join("private.txt"), "mine").expect("written");
    for command in ["doctor", "renew", "report"] {
        let ran = run(unsilo([command]).arg(other.path()));
        assert_eq!(ran.status.code(), Some(3), "{command}: {ran:#?}");
        let said = ran.stdout + &ran.stderr;
        assert!(said.contains("unsilo join"), "{command}: {said}");
        // Nobody follows such advice on a directory that is none of the federation's.
        assert!(
            !said.contains("chmod") && !said.contains("private.txt"),
            "{command}: {said}"
        );
    }
    assert!(!std::path::Path::new("unsilo-report.json").exists());
}

#[test]
fn everybody_watches_the_federation_until_it_is_done() {
    let (fed, _coordinator) = joined(2);
    let dir = fed.company("Birch Post");
    let mut watching = unsilo(["watch"]);
    let mut watching = Running::start(&fed.path(""), "watching", watching.arg(&dir));
    let authority = fed.coordinator().join("authority.der");
    let url = format!("https://{}", fed.address);
    run(&mut unsilo(["watch", &url])).fails(3, &["--authority"]);
    run(unsilo(["watch"]).arg(fed.path("elsewhere"))).fails(3, &["neither an address"]);
    run(unsilo(["watch", "https://127.0.0.1:1", "--authority"]).arg(&authority))
        .fails(4, &["127.0.0.1:1"]);
    let before = run(unsilo(["watch", "--json", &url, "--authority"]).arg(&authority));
    assert_eq!(before.ok().json()["progress"]["phase"], "founding");
    finish(&fed);
    let end = watching.wait().ok();
    // It looks once a second and says what has changed; these rounds are faster than that.
    assert!(
        end.stderr.contains("founding; 0 rounds published of 2")
            && end.stderr.contains("finished; 2 rounds published of 2"),
        "{end:?}"
    );
    assert!(
        end.stdout.contains("Birch Post (you)") && end.stdout.contains("finished"),
        "{end:?}"
    );
    for place in [&dir, &fed.coordinator()] {
        let document = run(unsilo(["watch", "--json"]).arg(place)).ok().json();
        assert_documented("watch", &document);
        assert_eq!(document["participants"].as_array().map(Vec::len), Some(3));
        assert_eq!(document["own"].is_null(), place != &dir);
        let shown = run(unsilo(["watch", "--once"]).arg(place)).ok().stdout;
        assert!(
            shown.contains("Aster Labs") && shown.contains("power"),
            "{shown}"
        );
    }
}

#[test]
fn a_report_holds_no_secret() {
    let (fed, _coordinator) = joined(1);
    let mut create = unsilo(["coordinator", "token", "create", "--json"]);
    let token = run(create.arg(fed.coordinator()).arg("Clerk")).ok().json();
    let token = token["token"].as_str().expect("text").to_owned();
    finish(&fed);
    let dir = fed.company("Cedar Bank");
    // A row that would be quoted.
    let rows = fed.rows(2, 9);
    let text = fs::read_to_string(&rows).expect("read");
    fs::write(&rows, format!("{text}{}\n", ["secretcell"; 65].join(","))).expect("written");
    let mut secrets: Vec<(String, Vec<u8>)> = vec![(
        "token".into(),
        token.rsplit('_').next().expect("a secret").into(),
    )];
    for (name, invitation) in &fed.invitations {
        secrets.push((name.clone(), invitation.clone().into_bytes()));
    }
    for path in [
        dir.join("identity.key"),
        dir.join("tls.key"),
        fed.coordinator().join("secrets/identity"),
        fed.coordinator().join("secrets/authority.pem"),
    ] {
        secrets.push((path.display().to_string(), fs::read(&path).expect("read")));
    }
    for (at, home) in [dir, fed.coordinator()].iter().enumerate() {
        let out = fed.path(&format!("report-{at}.json"));
        let report = || {
            run(unsilo(["report", "--json"])
                .arg(home)
                .arg("--out")
                .arg(&out)
                .env("UNSILO_TOKEN", &token))
        };
        assert_documented("report", &report().ok().json());
        report().fails(7, &["--out"]);
        let bundle = fs::read_to_string(&out).expect("read");
        assert!(bundle.contains("\"checks\"") && bundle.contains("entries"));
        assert!(!bundle.contains("secretcell"), "a row");
        for (what, secret) in &secrets {
            let forms = [
                String::from_utf8_lossy(secret).into_owned(),
                data_encoding::HEXLOWER.encode(secret),
                data_encoding::BASE64.encode(secret),
            ];
            for form in &forms {
                for line in form
                    .lines()
                    .filter(|line| line.len() >= 16 && !line.starts_with("-----"))
                {
                    assert!(
                        !bundle.contains(line),
                        "{what} in the bundle of {}",
                        home.display()
                    );
                }
            }
        }
    }
}

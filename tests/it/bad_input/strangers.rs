//! Invitations, certificates and servers that are not what they should be, and questions that cannot be answered.

use std::fs;

use crate::{
    companies::Companies,
    support::{edit, free_address, repository, run, set, unsilo},
};

const THREE: [&str; 3] = ["Aster", "Birch", "Cedar"];

#[test]
fn an_invitation_works_once_in_time_and_for_its_federation() {
    let mut fed = Companies::found(&THREE, 1);
    let rows = fed.rows(0, 3);
    // Before the coordinator runs.
    fed.join("Aster", &rows)
        .fails(4, &["cannot reach", &fed.address]);
    let _coordinator = fed.serve();
    let join = |text: &str, dir: &str| {
        let mut command = unsilo(["join", text, "--data"]);
        run(command.arg(&rows).arg("--dir").arg(fed.path(dir)))
    };
    join("hello", "a").fails(3, &["not an invitation", "unsilo1"]);
    let text = &fed.invitations["Aster"];
    join(&text[..text.len() - 1], "a").fails(3, &["damaged", "copy the whole string"]);
    join(&text.replacen("unsilo1", "unsilo2", 1), "a").fails(3, &["another version"]);
    assert!(!fed.path("a").exists());
    let invite = |hours: &str| {
        let mut command = unsilo(["coordinator", "invite", "--json", "--valid-hours", hours]);
        let made = run(command.arg(fed.coordinator()).arg("Birch")).ok().json();
        made["invitation"].as_str().expect("text").to_owned()
    };
    join(&invite("0"), "b").fails(5, &["Birch", "expired", "ask for a new one"]);
    let newer = invite("1");
    join(&fed.invitations["Birch"], "b").fails(5, &["Birch", "newer invitation"]);
    join(&newer, "b").ok();
    join(&newer, "b").ok(); // Repeated in its own directory: the same company.
    join(&newer, "thief").fails(5, &["Birch", "already used"]);
    join(text, "b").fails(3, &["Birch", "Aster", "another directory"]);

    // An invitation to another federation, whose name has been changed to lead here.
    let other = Companies::found(&THREE, 1);
    let mut forged =
        unsilo_proto::Invite::from_text(&other.invitations["Aster"]).expect("an invitation");
    forged.address.clone_from(&fed.address);
    join(&forged.to_text(), "f").fails(4, &["cannot be trusted", "another server"]);
    join(&other.invitations["Aster"], "b").fails(3, &["another federation", "another directory"]);
    fed.invitations.insert("Aster".into(), text.clone());
    fed.join("Aster", &rows).ok();
}

#[test]
fn strangers_are_not_let_in_and_the_round_goes_on() {
    let fed = Companies::found(&THREE, 3);
    set(
        &fed.coordinator().join("coordinator.toml"),
        "pause_seconds",
        "1",
    );
    let _coordinator = fed.serve();
    for (part, name) in THREE.iter().enumerate() {
        fed.join_fast(name, part, 3);
    }
    let mut nodes: Vec<_> = THREE.iter().map(|name| fed.participate(name)).collect();
    nodes[0].until_said("round 1: new model");

    // Another federation's member, led here by its own edit: our authority is not its.
    let other = Companies::found(&THREE, 1);
    let theirs = other.serve();
    other.join_fast("Aster", 0, 3);
    drop(theirs);
    let config = other.company("Aster").join("participant.toml");
    edit(&config, &other.address, &fed.address);
    let stranger = || run(unsilo(["participate"]).arg(other.company("Aster")));
    stranger().fails(4, &["cannot be trusted", &fed.address]);
    // And pinned to our authority as well: our coordinator does not know its certificate.
    let hex = |dir: std::path::PathBuf| {
        let text = fs::read_to_string(dir.join("participant.toml")).expect("a file");
        let line = text
            .lines()
            .find(|line| line.starts_with("authority = "))
            .expect("a line")
            .to_owned();
        line.split('"').nth(1).expect("quoted").to_owned()
    };
    edit(
        &config,
        &hex(other.company("Aster")),
        &hex(fed.company("Aster")),
    );
    stranger().fails(4, &["does not accept this node's certificate"]);

    // Suspended: refused at its next call, while the others' rounds do not mind.
    for node in &mut nodes {
        assert_eq!(node.wait().ok().json()["finished"], true);
    }
    assert_eq!(fed.verify(&THREE)["published"], 3);
    let suspend = |lift: &[&str]| {
        let mut command = unsilo(["coordinator", "suspend"]);
        run(command.arg(fed.coordinator()).arg("Birch").args(lift))
    };
    suspend(&[]).ok();
    run(unsilo(["participate"]).arg(fed.company("Birch")))
        .fails(5, &["Birch", "suspended", "admin"]);
    suspend(&["--lift"]).ok();
    run(unsilo(["participate"]).arg(fed.company("Birch"))).ok();

    questions(&fed);
}

/// Questions to the endpoint of a finished federation.
fn questions(fed: &Companies) {
    let row: String = vec!["1"; 64].join(",");
    fed.query(&["--row", &row]).ok();
    for (row, words) in [
        (
            "1,2".to_owned(),
            ["rows[0]", "2 values, the model takes 64"],
        ),
        (format!("{row},5"), ["rows[0]", "65 values"]),
        ("{\"p0\": 1}".to_owned(), ["rows[0].p1", "missing"]),
        ("{\"px\": 1}".to_owned(), ["rows[0].px", "no such column"]),
        (row.replacen('1', "one", 1), ["rows[0][0]", "one"]),
        (row.replacen('1', "NaN", 1), ["rows[0][0]", "NaN"]),
        (row.replacen('1', "", 1), ["rows[0][0]", "missing value"]),
    ] {
        fed.query(&["--row", &row]).fails(5, &words);
    }
    fed.query(&["--row", "{\"p0\": "])
        .fails(3, &["--row", "JSON"]);
    let csv = fed.path("questions.csv");
    let path = csv.to_str().expect("UTF-8").to_owned();
    let digits = fs::read_to_string(repository("data/digits.csv")).expect("the digits");
    let header = digits.lines().next().expect("a header");
    for (text, words) in [
        (String::new(), ["questions.csv", "columns are missing"]),
        (format!("{header}\n"), ["questions.csv", "no row"]),
        ("p1,p2\n1,2\n".to_owned(), ["columns are missing", "p0"]),
        (
            format!("{header}\n{},3\n", row.replacen('1', "x", 1)),
            ["row 1, column p0", "not a number"],
        ),
    ] {
        fs::write(&csv, text).expect("written");
        fed.query(&["--csv", &path]).fails(3, &words);
    }
    fed.query(&["--csv", "absent.csv"])
        .fails(3, &["absent.csv"]);

    let ask = |url: &str, authority: std::path::PathBuf| {
        let mut command = unsilo(["query", url, "--row", &row, "--authority"]);
        run(command.arg(authority))
    };
    let authority = fed.coordinator().join("authority.der");
    let url = format!("https://{}", fed.address);
    ask(&url, fed.company("Cedar").join("authority.pem")).ok();
    ask(&url, fed.path("absent.der")).fails(7, &["absent.der", "authority.der"]);
    ask(&url, fed.coordinator().join("draft")).fails(3, &["draft", "not a certificate"]);
    let other = Companies::found(&THREE, 1);
    ask(&url, other.coordinator().join("authority.der"))
        .fails(4, &["certificate", "authority file"]);
    ask(&format!("http://{}", fed.address), authority.clone()).fails(3, &["https://host:port"]);
    ask("https://localhost", authority.clone()).fails(3, &["https://host:port"]);
    ask(&format!("https://{}", free_address()), authority.clone())
        .fails(4, &["check that the coordinator runs"]);
    ask("https://no-such-host.invalid:7443", authority).fails(4, &["no-such-host.invalid"]);
}

#[test]
fn a_port_in_use_is_named() {
    let fed = Companies::found(&THREE, 1);
    let taken = std::net::TcpListener::bind(&fed.address).expect("taken");
    let serve = || run(unsilo(["coordinator", "serve"]).arg(fed.coordinator()));
    serve().fails(8, &[&fed.address, "--listen"]);
    run(unsilo(["coordinator", "serve", "--listen", "192.0.2.1:7443"]).arg(fed.coordinator()))
        .fails(8, &["192.0.2.1", "--listen"]);
    let port = taken.local_addr().expect("an address").port().to_string();
    run(&mut unsilo([
        "demo", "--once", "--rounds", "1", "--port", &port,
    ]))
    .fails(8, &[&port]);
    drop(taken);
    let mut coordinator = fed.serve();
    coordinator.terminate();
    coordinator.wait().ok();
}

/// A node whose clock is an hour ahead says so and takes part: deadlines are the coordinator's. Needs `faketime`.
#[test]
fn a_wrong_clock_is_told_and_harms_nobody() {
    let there = std::process::Command::new("faketime")
        .arg("--version")
        .output();
    if there.is_err() {
        eprintln!("not tested: the program faketime is not installed");
        return;
    }
    let fed = Companies::found(&THREE, 2);
    let _coordinator = fed.serve();
    for (part, name) in THREE.iter().enumerate() {
        fed.join_fast(name, part, 3);
    }
    let mut nodes: Vec<_> = [("Aster", "+1h"), ("Birch", "-3h")]
        .into_iter()
        .map(|(name, offset)| {
            let mut command = std::process::Command::new("faketime");
            command.args([
                "-f",
                offset,
                env!("CARGO_BIN_EXE_unsilo"),
                "participate",
                "--json",
            ]);
            crate::support::Running::start(&fed.path(""), name, command.arg(fed.company(name)))
        })
        .collect();
    nodes.push(fed.participate("Cedar"));
    for node in &mut nodes {
        assert_eq!(node.wait().ok().json()["contributions"], 2);
    }
    for (node, seconds) in nodes.iter().zip([3600, 10_800]) {
        // A second is lost to rounding, one more to the way of the step.
        let told = (seconds - 2..=seconds + 2).any(|seconds| {
            node.said()
                .contains(&format!("differ by {seconds} s: set the clock"))
        });
        assert!(told, "{}", node.said());
    }
    assert!(!nodes[2].said().contains("clock"), "{}", nodes[2].said());
    assert_eq!(fed.verify(&THREE)["voided"], 0);
}

//! Wrong files, directories and arguments.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    companies::{Companies, without_kept},
    support::{Ran, edit, repository, run, unsilo},
};

const THREE: [&str; 3] = ["Aster", "Birch", "Cedar"];

/// `coordinator init` of `dir` with this model file and these founders.
fn init(dir: &Path, model: &Path, founders: &[&str]) -> Command {
    let mut command = unsilo(["coordinator", "init", "--address", "127.0.0.1:7443"]);
    command.arg(dir).arg("--model").arg(model);
    for founder in founders {
        command.args(["--founder", founder]);
    }
    command
}

#[test]
fn a_wrong_model_file_is_refused_by_field() {
    let root = tempfile::tempdir().expect("a directory");
    let model = root.path().join("model.toml");
    let good = fs::read_to_string(repository("data/digits.model.toml")).expect("the model file");
    for (from, to, words) in [
        ("version = 1", "version = 2", "version = 2"),
        ("version = 1", "", "version"),
        ("kind = \"mlp\"", "kind = \"cnn\"", "cnn"),
        ("hidden = [64]", "hidden = [2]", "model.hidden"),
        ("hidden = [64]", "hidden = [0]", "model.hidden"),
        ("hidden = [64]", "hidden = [4000000000]", "model.hidden"),
        ("activation = \"relu\"", "activation = \"step\"", "step"),
        ("label = \"label\"", "label = \"p0\"", "p0"),
        ("\"0\", \"1\"", "\"1\", \"1\"", "twice"),
        ("max = 16", "max = 0", "range"),
        ("max = 16", "max = inf", "data.features.max"),
        ("max = 16", "max = \"16\"", "max"),
        ("\"p0\", \"p1\"", "\"p1\", \"p1\"", "twice"),
        ("\"p0\", \"p1\"", "\"\", \"p1\"", "empty"),
        ("steps = 40", "steps = 0", "steps"),
        ("batch = 16", "batch = -1", "batch"),
        ("learning_rate = 0.1", "learning_rate = 0", "learning_rate"),
        (
            "learning_rate = 0.1",
            "learning_rate = 1e-9",
            "learning_rate",
        ),
        ("optimiser = \"sgd\"", "optimiser = \"lbfgs\"", "lbfgs"),
        ("rounds = 20", "rounds = 20\nspeed = 3", "speed"),
        ("[training]", "[trainin]", "trainin"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        fs::write(&model, text).expect("written");
        let dir = root.path().join("fed");
        run(&mut init(&dir, &model, &THREE)).fails(3, &["model.toml", words]);
        assert!(!dir.exists(), "{to}: nothing is left behind");
    }
    fs::write(&model, [0xff, 0xfe, 0x00]).expect("written");
    run(&mut init(&root.path().join("fed"), &model, &THREE)).fails(3, &["model.toml", "UTF-8"]);
    let absent = root.path().join("absent.toml");
    run(&mut init(&root.path().join("fed"), &absent, &THREE))
        .fails(7, &["absent.toml", "check the path"]);
}

#[test]
fn wrong_arguments_and_directories_are_refused() {
    let root = tempfile::tempdir().expect("a directory");
    let path = |name: &str| root.path().join(name);
    let model = repository("data/digits.model.toml");
    let start = |dir: &str, founders: &[&str]| init(&path(dir), &model, founders);
    run(&mut start("fed", &["Aster", "Birch"])).fails(3, &["2 founders"]);
    run(&mut start("fed", &["Aster", "Birch", "ASTER"])).fails(3, &["ASTER", "twice"]);
    run(&mut start("fed", &["Aster", "Birch", "a\nb"])).fails(3, &["founder"]);
    for address in ["nowhere", "host:port", ":7443", "host:70000"] {
        let mut command = unsilo(["coordinator", "init", "--address", address]);
        command.arg(path("fed")).arg("--model").arg(&model);
        command.args(["--founder", "A", "--founder", "B", "--founder", "C"]);
        run(&mut command).fails(3, &["address", "host:port"]);
    }
    assert!(!path("fed").exists());

    // A directory of something else, a second federation in one directory, no federation at all.
    fs::create_dir(path("theirs")).expect("made");
    fs::write(path("theirs/letters.txt"), "dear").expect("written");
    run(&mut start("theirs", &THREE)).fails(3, &["theirs", "letters.txt", "another directory"]);
    assert_eq!(fs::read_dir(path("theirs")).expect("read").count(), 1);
    run(&mut start("fed", &THREE)).ok();
    let before = fs::read(path("fed/draft")).expect("a draft");
    run(&mut start("fed", &THREE)).fails(3, &["already holds a federation"]);
    assert_eq!(fs::read(path("fed/draft")).expect("a draft"), before);
    for command in [
        vec!["coordinator", "serve"],
        vec!["participate"],
        vec!["approve"],
        vec!["ledger", "show"],
        vec!["ledger", "verify"],
    ] {
        for dir in ["theirs", "absent"] {
            run(unsilo(&command).arg(path(dir))).fails(3, &[dir]);
        }
    }
    run(unsilo(["coordinator", "invite"])
        .arg(path("theirs"))
        .arg("Dahlia"))
    .fails(3, &["theirs", "coordinator init"]);
    run(unsilo(["coordinator", "invite"]).arg(path("fed")).arg("")).fails(3, &["name is empty"]);
    run(unsilo(["participate"]).arg(path("fed")))
        .fails(3, &["not a participant's directory", "unsilo join"]);

    // Settings that a person edited.
    let settings = path("fed/coordinator.toml");
    let good = fs::read_to_string(&settings).expect("settings");
    for (from, to, word) in [
        (
            "answer_seconds = 60",
            "answer_seconds = 0",
            "answer_seconds",
        ),
        ("pause_seconds = 0", "pause_secnods = 0", "pause_secnods"),
        ("listen = ", "listen = 7 # ", "listen"),
    ] {
        edit(&settings, from, to);
        run(unsilo(["coordinator", "serve"]).arg(path("fed")))
            .fails(3, &["coordinator.toml", word]);
        fs::write(&settings, &good).expect("restored");
    }
    // Keys that belong to another federation.
    run(&mut start("other", &THREE)).ok();
    fs::copy(path("other/secrets/identity"), path("fed/secrets/identity")).expect("copied");
    run(unsilo(["coordinator", "serve", "--listen", "127.0.0.1:0"]).arg(path("fed")))
        .fails(3, &["identity", "backup"]);
    for args in [
        vec!["frobnicate"],
        vec!["demo", "--rounds", "0"],
        vec!["query", "https://localhost:1"],
    ] {
        let ran = run(&mut unsilo(&args));
        assert_eq!(ran.status.code(), Some(2), "{ran:#?}");
        assert!(
            ran.stderr.contains("Usage") || ran.stderr.contains("--help"),
            "{ran:#?}"
        );
    }
}

/// The same command as a user without privileges: for root every directory is writable. `None` if that user cannot
/// reach the program.
fn without_privileges(command: &Command) -> Option<Ran> {
    let as_nobody = |arguments: &[&std::ffi::OsStr]| {
        let mut dropped = Command::new(command.get_program());
        dropped.args(arguments).current_dir("/");
        let owner = std::os::unix::fs::MetadataExt::uid;
        if fs::metadata("/proc/self").is_ok_and(|own| owner(&own) == 0) {
            dropped.uid(65_534).gid(65_534);
        }
        dropped
    };
    if as_nobody(&["--version".as_ref()]).output().is_err() {
        eprintln!("not tested: a user without privileges cannot reach the program");
        return None;
    }
    Some(run(&mut as_nobody(&command.get_args().collect::<Vec<_>>())))
}

#[test]
fn an_unwritable_directory_is_named() {
    let root = tempfile::tempdir().expect("a directory");
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("set");
    let model = root.path().join("model.toml");
    fs::copy(repository("data/digits.model.toml"), &model).expect("copied");
    let locked = root.path().join("locked");
    fs::create_dir(&locked).expect("made");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).expect("set");
    let Some(ran) = without_privileges(&init(&locked.join("fed"), &model, &THREE)) else {
        return;
    };
    ran.fails(7, &["locked/fed", "Permission denied", "another directory"]);
    let mut demo = unsilo(["demo", "--once", "--rounds", "1", "--dir"]);
    without_privileges(demo.arg(locked.join("demo")))
        .expect("reached before")
        .fails(7, &["locked/demo", "Permission denied"]);

    let fed = Companies::found(&THREE, 1);
    let _coordinator = fed.serve();
    let data = root.path().join("rows.csv");
    fs::copy(fed.rows(0, 3), &data).expect("copied");
    let mut join = unsilo(["join", &fed.invitations["Aster"], "--data"]);
    join.arg(&data).arg("--dir").arg(locked.join("node"));
    without_privileges(&join)
        .expect("reached before")
        .fails(7, &["locked/node", "ermission denied"]);
    // The invitation is as good as before.
    fed.join("Aster", &data).ok();
    // A file where a directory is meant.
    run(&mut init(&data.join("fed"), &model, &THREE)).fails(7, &["rows.csv/fed"]);
}

/// The digits with a change.
fn table(change: impl Fn(usize, &str) -> Option<String>) -> String {
    let text = fs::read_to_string(repository("data/digits.csv")).expect("the digits");
    let lines = text.lines().take(60).enumerate();
    lines
        .filter_map(|(number, line)| change(number, line))
        .map(|line| line + "\n")
        .collect()
}

#[test]
fn rows_that_do_not_fit_are_named_and_corrected_rows_go_on() {
    let fed = Companies::found(&THREE, 1);
    let mut coordinator = fed.serve();
    let data = fed.path("rows.csv");
    let cell = |at: usize, to: &'static str| {
        move |number: usize, line: &str| {
            let mut cells: Vec<&str> = line.split(',').collect();
            if number == at {
                cells[0] = to;
            }
            Some(cells.join(","))
        }
    };
    let cases: [(String, &[&str]); 13] = [
        (String::new(), &["empty", "first line"]),
        (
            table(|number, line| (number == 0).then(|| line.to_owned())),
            &["header but no row"],
        ),
        (
            table(|_, line| Some(line[line.find(',').expect("cells") + 1..].to_owned())),
            &["missing columns \"p0\"", "Add the columns"],
        ),
        (
            table(|number, line| {
                Some(if number == 0 {
                    line.replace("label", "digit")
                } else {
                    line.to_owned()
                })
            }),
            &["missing columns \"label\""],
        ),
        (
            table(|number, line| Some(format!("{line},{}", if number == 0 { "p1" } else { "0" }))),
            &["p1", "more than once"],
        ),
        (
            table(cell(3, "eight")),
            &["line 4", "column p0", "eight", "number"],
        ),
        (
            table(cell(3, "NaN")),
            &["line 4", "column p0", "NaN", "finite"],
        ),
        (table(cell(3, "1e999")), &["line 4", "column p0", "finite"]),
        (
            table(cell(3, "")),
            &["line 4", "column p0", "missing value"],
        ),
        (
            table(|number, line| {
                Some(if number == 5 {
                    format!("{line},1")
                } else {
                    line.to_owned()
                })
            }),
            &["line 6", "66 cells"],
        ),
        (
            table(|number, line| {
                Some(if number == 5 {
                    format!("{line}7")
                } else {
                    line.to_owned()
                })
            }),
            &["line 6", "column label", "expected one of"],
        ),
        (
            table(|number, line| (number == 0 || line.ends_with(",3")).then(|| line.to_owned())),
            &["class \"3\"", "two classes"],
        ),
        (
            table(|_, line| Some(line.replace(',', ";"))),
            &["missing columns", ";"],
        ),
    ];
    for (text, words) in cases {
        fs::write(&data, text).expect("written");
        let ran = fed.join("Aster", &data).fails(3, words);
        assert_eq!(
            ran.stderr.matches("rows.csv").count(),
            1,
            "the file is named once: {ran:#?}"
        );
    }
    fs::write(
        &data,
        [b"p0,label\n".as_slice(), &[0xff, b',', b'1', b'\n']].concat(),
    )
    .expect("written");
    fed.join("Aster", &data).fails(3, &["rows.csv"]);
    fed.join("Aster", &fed.path("absent.csv"))
        .fails(3, &["absent.csv", "check the path"]);
    fed.join("Aster", &fed.path("fed"))
        .fails(3, &["fed", "not a file"]);
    let mut named = unsilo([
        "join",
        &fed.invitations["Birch"],
        "--label",
        "kind",
        "--data",
    ]);
    named
        .arg(fed.rows(1, 3))
        .arg("--dir")
        .arg(fed.company("Birch"));
    run(&mut named).fails(3, &["kind"]);
    // Nothing is lost: the same invitation, the same directory, the right rows.
    fed.join("Aster", &fed.rows(0, 3)).ok();
    fed.join("Birch", &fed.rows(1, 3)).ok();
    assert!(coordinator.runs());

    // Rows that are spoiled later are found when the node starts, and a mistyped key in its file.
    let config = fed.company("Aster").join("participant.toml");
    let good = fs::read_to_string(&config).expect("its file");
    let participate = || run(unsilo(["participate"]).arg(fed.company("Aster")));
    edit(&config, "rows-0-of-3.csv", "gone.csv");
    participate().fails(3, &["gone.csv"]);
    for (from, to, word) in [
        ("answer_seconds", "anwser_seconds", "anwser_seconds"),
        ("device = \"auto\"", "device = \"tpu\"", "tpu"),
        ("federation = \"", "federation = \"zz", "federation"),
    ] {
        fs::write(&config, &good).expect("restored");
        edit(&config, from, to);
        participate().fails(3, &["participant.toml", word]);
    }
    fs::write(&config, &good).expect("restored");
    let mut device = unsilo(["participate", "--device", "cuda"]);
    if !cfg!(feature = "cuda") {
        run(device.arg(fed.company("Aster"))).fails(3, &["cuda"]);
    }
    // A secret that others can read, a node that runs twice.
    let key = fed.company("Aster").join("identity.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("set");
    participate().fails(7, &["identity.key", "chmod 600"]);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("set");
    let mut node = fed.participate("Aster");
    node.until_said("waiting for founders to join: Cedar");
    participate().fails(9, &["another node", "stop the other"]);
    run(unsilo(["coordinator", "serve"]).arg(fed.coordinator()))
        .fails(9, &["already serves", "stop it first"]);
    node.terminate();
    node.wait().ok();
}

/// Copies a directory of a ledger, changed.
fn copy_of(from: &Path, to: PathBuf, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    fs::create_dir_all(&to).expect("made");
    let mut bytes = fs::read(from.join("ledger.tlog")).expect("a ledger");
    change(&mut bytes);
    fs::write(to.join("ledger.tlog"), bytes).expect("written");
    to
}

#[test]
fn an_edited_ledger_is_found_out() {
    let fed = Companies::found(&THREE, 2);
    let mut coordinator = fed.serve();
    for (part, name) in THREE.iter().enumerate() {
        fed.join_fast(name, part, 3);
    }
    let mut nodes: Vec<_> = THREE.iter().map(|name| fed.participate(name)).collect();
    for node in &mut nodes {
        node.wait().ok();
    }
    coordinator.terminate();
    coordinator.wait().ok();
    let good = fed.verify(&THREE);
    let dir = fed.company("Birch");
    let entries = fed.entries();
    assert!(
        entries
            .iter()
            .any(|entry| entry.contains("Cedar contributed"))
    );

    // Every place where a name stands.
    let bytes = fs::read(dir.join("ledger.tlog")).expect("a ledger");
    let places: Vec<usize> = (0..bytes.len() - 5)
        .filter(|at| &bytes[*at..*at + 5] == b"Cedar")
        .collect();
    assert!(!places.is_empty());
    let verify = |dir: &Path| run(unsilo(["ledger", "verify", "--json"]).arg(dir));
    let unchanged = copy_of(&dir, fed.path("unchanged"), |_| {});
    assert_eq!(without_kept(verify(&unchanged).ok().json()), good);
    let all = copy_of(&dir, fed.path("all"), |bytes| {
        for place in &places {
            bytes[*place..place + 5].copy_from_slice(b"Dedar");
        }
    });
    verify(&all).fails(6, &["ledger file", "restore it from a replica"]);
    run(unsilo(["ledger", "show"]).arg(&all)).fails(6, &["ledger file"]);

    // One bit anywhere: it is found out, or it was in a part of the file that holds nothing.
    let mut noticed = 0;
    let total = bytes.len();
    let spread = (0..40).map(|number| total * (2 * number + 1) / 80);
    for at in spread.chain(places.iter().map(|place| place + 40)) {
        let flipped = copy_of(&dir, fed.path("flipped"), |bytes| bytes[at] ^= 4);
        let ran = verify(&flipped);
        if ran.status.code() == Some(0) {
            assert_eq!(without_kept(ran.json()), good, "byte {at}");
        } else {
            noticed += 1;
            ran.fails(6, &["ledger"]);
        }
    }
    assert!(noticed > 0);
    for length in [0, 1, 100, 4096, total / 2, total - 1] {
        let cut = copy_of(&dir, fed.path("cut"), |bytes| bytes.truncate(length));
        verify(&cut).fails(6, &["ledger"]);
    }
    let text = copy_of(&dir, fed.path("text"), |bytes| {
        *bytes = b"not a database".repeat(500)
    });
    verify(&text).fails(6, &["ledger"]);

    // A node and a coordinator do not go on with what does not verify; the other copies are as good as before.
    fs::copy(all.join("ledger.tlog"), dir.join("ledger.tlog")).expect("copied");
    run(unsilo(["participate"]).arg(&dir)).fails(7, &["ledger", "restore"]);
    fs::copy(
        all.join("ledger.tlog"),
        fed.coordinator().join("ledger.tlog"),
    )
    .expect("copied");
    run(unsilo(["coordinator", "serve"]).arg(fed.coordinator())).fails(6, &["ledger", "restore"]);
    assert_eq!(
        without_kept(verify(&fed.company("Aster")).ok().json()),
        good
    );
}

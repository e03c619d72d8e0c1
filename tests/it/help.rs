//! What `--help` says, kept in `golden/`. `UPDATE=1` rewrites the files: look at the difference before committing it.

use std::{fs, path::PathBuf};

use crate::support::{repository, run, unsilo};

const COMMANDS: [&[&str]; 44] = [
    &[],
    &["demo"],
    &["coordinator"],
    &["coordinator", "init"],
    &["coordinator", "serve"],
    &["coordinator", "invite"],
    &["coordinator", "suspend"],
    &["coordinator", "token"],
    &["coordinator", "token", "create"],
    &["coordinator", "token", "list"],
    &["coordinator", "token", "revoke"],
    &["coordinator", "rollback"],
    &["coordinator", "feedback"],
    &["coordinator", "feedback", "list"],
    &["coordinator", "feedback", "answer"],
    &["join"],
    &["participate"],
    &["approve"],
    &["evict"],
    &["readmit"],
    &["reassign"],
    &["appeal"],
    &["pending"],
    &["void"],
    &["account"],
    &["stake"],
    &["withdraw"],
    &["doctor"],
    &["renew"],
    &["feedback"],
    &["report"],
    &["completions"],
    &["man"],
    &["watch"],
    &["query"],
    &["ledger"],
    &["ledger", "show"],
    &["ledger", "verify"],
    &["ledger", "explain"],
    &["ledger", "export"],
    &["ledger", "simulate"],
    &["simulate"],
    &["simulate", "bounds"],
    &["simulate", "rewards"],
];

/// The words of a command and the file that holds its help.
fn golden(command: &[&str]) -> PathBuf {
    let name = [&["unsilo"], command].concat().join("-");
    repository(&format!("tests/it/golden/{name}.txt"))
}

#[test]
fn help_says_what_it_said() {
    for command in COMMANDS.into_iter().chain([&["bench"][..]]) {
        let shown = run(unsilo(command).arg("--help").env("COLUMNS", "100")).ok();
        assert_eq!(shown.stderr, "");
        let path = golden(command);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &shown.stdout).expect("written");
        }
        let kept = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; run with UPDATE=1", path.display()));
        assert_eq!(
            shown.stdout,
            kept,
            "{}: run with UPDATE=1 if this is meant",
            path.display()
        );
    }
}

#[test]
fn every_command_is_in_the_list() {
    for command in COMMANDS {
        let shown = run(unsilo(command).arg("--help")).ok();
        let listed = shown
            .stdout
            .lines()
            .skip_while(|line| *line != "Commands:")
            .skip(1)
            .take_while(|line| !line.is_empty())
            // A command starts in the third column; what follows a line break is indented further.
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
            .filter_map(|line| line.split_whitespace().next())
            .filter(|word| *word != "help");
        for word in listed {
            assert!(
                golden(&[command, &[word]].concat()).exists(),
                "{command:?} {word}"
            );
        }
    }
}

#[test]
fn the_exit_codes_in_the_help_are_those_of_the_program() {
    let source = fs::read_to_string(repository("src/exit.rs")).expect("the source");
    let help = run(&mut unsilo(["--help"])).ok().stdout.replace('\n', " ");
    let codes = source
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .filter_map(|line| line.split(" |").next()?.parse::<u8>().ok());
    for code in codes {
        assert!(
            help.contains(&format!(" {code} ")),
            "exit code {code} is not in {help}"
        );
    }
}

#[test]
fn completions_and_man_pages_cover_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&mut unsilo(["completions", shell])).ok().stdout;
        for command in ["participate", "doctor", "rollback"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    run(&mut unsilo(["completions", "cobol"])).fails(2, &["bash"]);
    let out = tempfile::tempdir().expect("made");
    run(unsilo(["man", "--out"]).arg(out.path())).ok();
    for command in COMMANDS {
        let name = [&["unsilo"], command].concat().join("-");
        let page = fs::read_to_string(out.path().join(format!("{name}.1")));
        assert!(page.is_ok_and(|page| page.contains(".TH")), "{name}");
    }
}

/// The first cells of docs/json.md's table, each with the keys in the second.
fn documented() -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(repository("docs/json.md")).expect("read");
    let quoted = |cell: &str| -> Vec<String> {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let lines = text.lines().filter(|line| line.starts_with("| `"));
    lines
        .flat_map(|line| {
            let cells: Vec<&str> = line.split('|').collect();
            let keys = quoted(cells[2]);
            quoted(cells[1])
                .into_iter()
                .map(move |command| (command, keys.clone()))
        })
        .collect()
}

/// Checks that a command's document has the keys that docs/json.md lists for it.
#[track_caller]
pub(crate) fn assert_documented(command: &str, document: &serde_json::Value) {
    let rows = documented();
    let (_, keys) = rows
        .iter()
        .find(|(of, _)| of == command)
        .unwrap_or_else(|| panic!("{command} is not in docs/json.md"));
    let object = document.as_object().expect("a document of keys");
    let mut found: Vec<&String> = object.keys().collect();
    let mut listed: Vec<&String> = keys.iter().collect();
    found.sort_unstable();
    listed.sort_unstable();
    assert_eq!(found, listed, "{command}");
}

#[test]
fn the_json_of_every_command_is_documented() {
    let rows = documented();
    for command in COMMANDS {
        let name = command.join(" ");
        let has_others = COMMANDS
            .iter()
            .any(|other| other.len() > command.len() && other.starts_with(command));
        let listed = rows
            .iter()
            .any(|(of, _)| *of == name || of.starts_with(&format!("{name} ")));
        assert!(listed || has_others, "{name} is not in docs/json.md");
    }
}

//! What `--help` says, kept in `golden/`. `UPDATE=1` rewrites the files: look at the difference before committing it.

use std::{fs, path::PathBuf};

use crate::support::{repository, run, unsilo};

const COMMANDS: [&[&str]; 43] = [
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

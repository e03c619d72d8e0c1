//! `unsilo completions SHELL` and `unsilo man --out DIR`.

use std::{fs, path::PathBuf};

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::json;

use super::{Cli, Global};
use crate::output;

#[derive(Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

#[derive(Args)]
pub(crate) struct Man {
    /// Directory to write a page for every command to, as unsilo-COMMAND.1.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// The script, on standard output; with `--json` as a string of the document.
pub(crate) fn completions(global: &Global, arguments: &Completions) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "unsilo", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let document = json!({"shell": arguments.shell.to_string(), "script": &script});
    output::print(global.json, &document, || script)
}

/// A page for every command.
pub(crate) fn man(global: &Global, arguments: &Man) -> anyhow::Result<()> {
    let out = &arguments.out;
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    clap_mangen::generate_to(Cli::command(), out)
        .with_context(|| format!("cannot write to {}", out.display()))?;
    let document = json!({"directory": out});
    output::print(global.json, &document, || {
        format!("The pages are in {0}: man -l {0}/unsilo.1\n", out.display())
    })
}

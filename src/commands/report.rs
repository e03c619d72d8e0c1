//! `unsilo report DIR`: what somebody who helps needs to know, and no secret. Everything in it is put there by name:
//! contents of keys, rows, invitations and tokens are never read for it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use unsilo_ledger::store::{FILE_NAME, read};
use unsilo_participant::Config;

use super::{Global, doctor};
use crate::{exit::CommandError, output};

/// Files listed of a directory and those below it.
const FILES: usize = 500;
/// Entries of the ledger described, the newest.
const ENTRIES: usize = 50;

#[derive(Args)]
pub(crate) struct Arguments {
    /// A participant's directory, or a coordinator's.
    dir: PathBuf,
    /// Where to write the bundle; it must not exist. By default unsilo-report.json.
    #[arg(long, value_name = "FILE", default_value = "unsilo-report.json")]
    out: PathBuf,
}

pub(crate) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let dir = &arguments.dir;
    // Of any other directory, names of files are nobody's business.
    let known = ["participant.toml", "coordinator.toml"];
    if !known.iter().any(|name| dir.join(name).is_file()) {
        return Err(CommandError::Input(format!(
            "{} is neither a participant's nor a coordinator's directory: give the one that `unsilo join` or `unsilo \
             coordinator init` made",
            dir.display()
        ))
        .into());
    }
    let mut checks = doctor::document(&doctor::checks(dir).await);
    for check in checks["checks"].as_array_mut().into_iter().flatten() {
        if check["check"] == "data" {
            check["found"] = "left out: it may quote rows".into();
        }
    }
    let mut files = Vec::new();
    list(dir, dir, &mut files);
    let bundle = json!({
        "program": env!("CARGO_PKG_VERSION"),
        "system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "processors": std::thread::available_parallelism().map_or(1, usize::from),
        "checks": checks,
        "settings": settings(dir),
        "ledger": ledger(dir),
        "files": files,
    });
    let text = serde_json::to_vec_pretty(&bundle)?;
    let mut file = fs::File::create_new(&arguments.out).with_context(|| {
        format!(
            "cannot write {}: choose another file with --out",
            arguments.out.display()
        )
    })?;
    std::io::Write::write_all(&mut file, &text)
        .with_context(|| format!("cannot write {}", arguments.out.display()))?;
    let document = json!({"file": arguments.out, "bytes": text.len()});
    output::print(global.json, &document, || {
        format!(
            "{} holds the checks, settings, sizes of files and the newest entries of the ledger, which name the companies; no \
             keys, rows, invitations or tokens. Read it before you send it.\n",
            arguments.out.display()
        )
    })
}

/// The settings that say how it runs; paths and names of files are the company's own.
fn settings(dir: &Path) -> Value {
    if let Ok(config) = Config::read(&dir.join("participant.toml")) {
        return json!({
            "coordinator": config.coordinator,
            "federation": config.federation,
            "authority": config.authority,
            "device": config.training.device,
            "evaluates": config.evaluation.file.is_some(),
            "baseline": config.evaluation.baseline,
            "keepalive_seconds": config.network.keepalive_seconds,
            "answer_seconds": config.network.answer_seconds,
            "reconnect_seconds": config.network.reconnect_seconds,
            "keep_models": config.storage.keep_models,
        });
    }
    match unsilo_coordinator::config::Settings::read(&dir.join("coordinator.toml")) {
        Ok(settings) => serde_json::to_value(settings).unwrap_or_default(),
        Err(_) => Value::Null,
    }
}

fn ledger(dir: &Path) -> Value {
    let mut newest = std::collections::VecDeque::new();
    let read = read(&dir.join(FILE_NAME), |_, signed| {
        newest.push_back(signed.clone());
        if newest.len() > ENTRIES {
            newest.pop_front();
        }
    });
    match read {
        Ok(replica) => json!({
            "entries": replica.len(),
            "checkpoint": replica.checkpoint().map(|checkpoint| checkpoint.note().to_owned()),
            "newest": newest.iter().map(|signed| replica.state().describe(signed)).collect::<Vec<_>>(),
        }),
        Err(error) => json!({"unreadable": error.to_string()}),
    }
}

/// Names, sizes and modes of files; never what is in them.
fn list(root: &Path, dir: &Path, files: &mut Vec<Value>) {
    let mut found: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().collect();
    found.sort_by_key(fs::DirEntry::file_name);
    for file in found {
        if files.len() >= FILES {
            return;
        }
        let path = file.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        let name = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .display()
            .to_string();
        if metadata.is_dir() {
            list(root, &path, files);
        } else {
            let mode = format!("{:o}", metadata.permissions().mode() & 0o7777);
            files.push(json!({"name": name, "bytes": metadata.len(), "mode": mode}));
        }
    }
}

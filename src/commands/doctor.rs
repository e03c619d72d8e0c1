//! `unsilo doctor DIR` and `unsilo renew DIR`.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use clap::Args;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use unsilo_coordinator::{config::Settings, list_tokens};
use unsilo_ledger::store::{FILE_NAME, read};
use unsilo_participant::{
    doctor::{Check, examine, room},
    renew::renew,
};

use super::Global;
use crate::{exit::CommandError, https::Endpoint, output};

#[derive(Args)]
pub(crate) struct Arguments {
    /// A participant's directory, or a coordinator's.
    dir: PathBuf,
}

#[derive(Args)]
pub(crate) struct Renew {
    /// The participant's directory; its node may be running.
    dir: PathBuf,
    /// Make a new TLS key too: the old certificate is refused from then on. For a key that others may have read.
    #[arg(long)]
    new_key: bool,
}

/// `unsilo doctor`.
pub(crate) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let checks = checks(&arguments.dir).await;
    let problems = checks
        .iter()
        .filter(|check| check.ok == Some(false))
        .count();
    output::print(global.json, &document(&checks), || {
        let lines = checks.iter().map(|check| {
            let fix = check
                .fix
                .as_ref()
                .map(|fix| format!("\n             how to fix: {fix}\n"));
            format!(
                "{:<8} {:<12} {}{}",
                state(check),
                check.name,
                check.found,
                fix.unwrap_or_else(|| "\n".to_owned())
            )
        });
        lines.collect::<String>()
    })?;
    match problems {
        0 => Ok(()),
        1 => Err(CommandError::Input("one check found a problem".to_owned()).into()),
        _ => Err(CommandError::Input(format!("{problems} checks found a problem")).into()),
    }
}

/// `unsilo renew`.
pub(crate) async fn renew_certificate(global: &Global, arguments: &Renew) -> anyhow::Result<()> {
    let validity = renew(&arguments.dir, arguments.new_key).await?;
    let document = json!({
        "valid_from_s": validity.from_s,
        "valid_to_s": validity.to_s,
        "new_key": arguments.new_key,
    });
    output::print(global.json, &document, || {
        let days = validity.to_s.saturating_sub(validity.from_s) / 86_400;
        let restart = if arguments.new_key {
            " Restart the node if it runs: its connection still uses the old key."
        } else {
            ""
        };
        format!("The certificate is valid for {days} days.{restart}\n")
    })
}

/// All checks of a participant's directory, or a coordinator's.
pub(super) async fn checks(dir: &Path) -> Vec<Check> {
    if dir.join("draft").exists() {
        coordinator(dir).await
    } else {
        examine(dir).await
    }
}

/// The checks as they are printed.
pub(super) fn document(checks: &[Check]) -> Value {
    let each = checks.iter().map(|check| {
        json!({
            "check": check.name,
            "state": state(check),
            "found": check.found,
            "fix": check.fix,
        })
    });
    json!({
        "ok": checks.iter().all(|check| check.ok != Some(false)),
        "checks": each.collect::<Vec<_>>(),
    })
}

fn state(check: &Check) -> &'static str {
    match check.ok {
        Some(true) => "ok",
        Some(false) => "problem",
        None => "skipped",
    }
}

async fn coordinator(dir: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    match list_tokens(dir) {
        Ok(tokens) => checks.push(Check::ok(
            "directory",
            format!("a coordinator's, with {} tokens", tokens.len()),
        )),
        Err(error) => {
            checks.push(Check::problem(
                "directory",
                error.to_string(),
                "do what it says, or restore it from a backup",
            ));
            return checks;
        }
    }
    checks.push(secrets(dir));
    checks.push(room(dir));
    let path = dir.join(FILE_NAME);
    checks.push(if path.exists() {
        match read(&path, |_, _| {}) {
            Ok(replica) => Check::ok(
                "ledger",
                format!("{} entries, every one verified", replica.len()),
            ),
            Err(error) => Check::problem(
                "ledger",
                error.to_string(),
                "restore ledger.tlog from a backup, or from a participant's copy",
            ),
        }
    } else {
        Check::skipped(
            "ledger",
            "none yet: it begins when every founder has joined",
        )
    });
    checks.push(address(dir).await);
    checks
}

fn secrets(dir: &Path) -> Check {
    let open: Vec<String> = ["secrets", "secrets/identity", "secrets/authority.pem"]
        .iter()
        .map(|name| dir.join(name))
        .filter(|path| {
            let metadata = std::fs::metadata(path);
            metadata.is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
        })
        .map(|path| path.display().to_string())
        .collect();
    if open.is_empty() {
        Check::ok("secrets", "only you can read the keys")
    } else {
        let open = open.join(" ");
        Check::problem(
            "secrets",
            format!("others can read {open}"),
            format!("chmod go-rwx {open}"),
        )
    }
}

async fn address(dir: &Path) -> Check {
    let settings = match Settings::read(&dir.join("coordinator.toml")) {
        Ok(settings) => settings,
        Err(error) => return Check::problem("address", error.to_string(), "correct the file"),
    };
    let url = format!("https://{}", settings.address);
    let asked = async {
        let endpoint = Endpoint::new(&url, &dir.join("authority.der"))?;
        let mut session = endpoint.open().await?;
        session
            .send(Method::GET, "/healthz", Default::default())
            .await
    };
    match tokio::time::timeout(std::time::Duration::from_secs(10), asked).await {
        Ok(Ok((StatusCode::OK, _))) => Check::ok(
            "address",
            format!("{url} answers, with this federation's certificate"),
        ),
        Ok(Ok((status, _))) => Check::problem(
            "address",
            format!("{url} answers {status}"),
            "check what listens there",
        ),
        Ok(Err(error)) => Check::problem(
            "address",
            error.to_string(),
            "start it with `unsilo coordinator serve`; check the address in coordinator.toml, and that it leads here",
        ),
        Err(_) => Check::problem(
            "address",
            format!("{url}: no answer within 10 s"),
            "check the address and the firewall",
        ),
    }
}

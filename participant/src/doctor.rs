//! What can be wrong with a node's directory and surroundings: each check with what was found and how to mend it.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use unsilo_proto::{
    limits,
    v1::{StepsRequest, rounds_client::RoundsClient},
};

use crate::{
    card, config::Config, directory::Directory, error::NodeError, learner, node::tls_identity,
    renew, tls,
};

/// The least free space that is no problem: a model of 10 M parameters as ciphertext, weights and copies takes less.
const ROOM_BYTES: u64 = 1 << 30;
/// How far the clocks of node and coordinator may be apart: members judge deadlines by their own.
const SKEW: Duration = Duration::from_secs(5);
/// An answer's date is cut to whole seconds, and may be the one of a second before.
const DATE_STEP: Duration = Duration::from_secs(2);
/// Longest wait for the coordinator.
const WAIT: Duration = Duration::from_secs(10);
/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, one word or two.
    pub name: &'static str,
    /// Whether it is as it should be; `None` if something before it stands in the way.
    pub ok: Option<bool>,
    /// What was found.
    pub found: String,
    /// What to do about a problem.
    pub fix: Option<String>,
}

impl Check {
    /// As it should be.
    #[must_use]
    pub fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            ok: Some(true),
            found: found.into(),
            fix: None,
        }
    }

    /// Not as it should be.
    #[must_use]
    pub fn problem(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            name,
            ok: Some(false),
            found: found.into(),
            fix: Some(fix.into()),
        }
    }

    /// Not looked at.
    #[must_use]
    pub fn skipped(name: &'static str, because: impl Into<String>) -> Self {
        Self {
            name,
            ok: None,
            found: because.into(),
            fix: None,
        }
    }
}

/// Every check of the node in `dir`. Works beside a running node: it only reads.
pub async fn examine(dir: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    let Some((directory, config)) = opened(dir, &mut checks) else {
        return checks;
    };
    checks.push(permissions(&directory));
    checks.push(room(directory.path()));
    let federation = config.federation().unwrap_or_default();
    let draft = card::read(&directory.card(), &federation);
    match &draft {
        Ok(draft) => {
            checks.push(Check::ok(
                "card",
                format!("federation {:?}, the one that was joined", draft.name),
            ));
            checks.push(data(&config, draft));
        }
        Err(error) => {
            let fix = "restore federation.card from a backup, or join again in the same directory";
            checks.push(Check::problem("card", error.to_string(), fix));
            checks.push(Check::skipped("data", "needs the federation's card"));
        }
    }
    checks.push(device(&config));
    checks.push(ledger(&directory));
    checks.push(certificate(&directory, &config));
    connection(&directory, &config, &mut checks).await;
    checks
}

fn opened(dir: &Path, checks: &mut Vec<Check>) -> Option<(Directory, Config)> {
    let opened = Directory::of_participant(dir).and_then(|directory| {
        let config = Config::read(&directory.config())?;
        Ok((directory, config))
    });
    match opened {
        Ok((directory, config)) => {
            let found = format!("{} of {:?}", directory.path().display(), config.name);
            checks.push(Check::ok("directory", found));
            Some((directory, config))
        }
        Err(error) => {
            let fix = match &error {
                NodeError::Permission { .. } => "run the command above",
                NodeError::Config { .. } => "correct the file",
                NodeError::Directory(_) => {
                    "give a directory that `unsilo join` or `unsilo coordinator init` made"
                }
                _ => "give the directory that `unsilo join` made",
            };
            checks.push(Check::problem("directory", error.to_string(), fix));
            None
        }
    }
}

fn permissions(directory: &Directory) -> Check {
    let mut open: Vec<PathBuf> = Vec::new();
    let mut missing: Vec<PathBuf> = Vec::new();
    for path in [directory.identity(), directory.tls_key()] {
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.permissions().mode() & 0o077 == 0 => {}
            Ok(_) => open.push(path),
            Err(_) => missing.push(path),
        }
    }
    let list = |paths: &[PathBuf]| {
        let paths = paths.iter().map(|path| path.display().to_string());
        paths.collect::<Vec<_>>().join(" ")
    };
    if !missing.is_empty() {
        return Check::problem(
            "secrets",
            format!("not there: {}", list(&missing)),
            "restore them from a backup; a lost identity needs `unsilo readmit` by the other companies",
        );
    }
    if open.is_empty() {
        return Check::ok("secrets", "only you can read the keys");
    }
    Check::problem(
        "secrets",
        format!("others can read {}", list(&open)),
        format!(
            "chmod 600 {}; then `unsilo renew --new-key` for a TLS key that others may have read",
            list(&open)
        ),
    )
}

/// Free space where `path` lies.
pub fn room(path: &Path) -> Check {
    match rustix::fs::statvfs(path) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            #[expect(clippy::cast_precision_loss, reason = "for display")]
            let words = format!("{:.1} GB free", free as f64 / 1e9);
            if free >= ROOM_BYTES {
                Check::ok("disk", words)
            } else {
                Check::problem(
                    "disk",
                    words,
                    "free some space: a round keeps its contribution and the new model on disk",
                )
            }
        }
        Err(error) => Check::problem("disk", error.to_string(), "check that the disk is mounted"),
    }
}

fn data(config: &Config, draft: &unsilo_ledger::Draft) -> Check {
    match learner::load_own(config, &draft.schema) {
        Ok(loaded) => Check::ok(
            "data",
            format!(
                "{}: {} rows fit the federation's columns",
                config.data.file, loaded.report.rows
            ),
        ),
        Err(error) => Check::problem(
            "data",
            error.to_string(),
            "correct the file, or data.file in participant.toml",
        ),
    }
}

fn device(config: &Config) -> Check {
    let choice = config.training.device.parse();
    let chosen = choice.map_err(|error| format!("{error}"));
    let selected =
        chosen.and_then(|choice| unsilo_train::select(choice).map_err(|error| error.to_string()));
    match selected {
        Ok(device) => Check::ok("device", device.to_string()),
        Err(error) => Check::problem(
            "device",
            error,
            "set training.device = \"auto\" in participant.toml",
        ),
    }
}

fn ledger(directory: &Directory) -> Check {
    let path = directory.ledger();
    if !path.exists() {
        return Check::skipped("ledger", "none yet: the node has not run");
    }
    match unsilo_ledger::store::read(&path, |_, _| {}) {
        Ok(replica) => Check::ok(
            "ledger",
            format!("{} entries, every one verified", replica.len()),
        ),
        Err(error) => Check::problem(
            "ledger",
            error.to_string(),
            "restore ledger.tlog from a backup, or move it away: the node then fetches and verifies it anew",
        ),
    }
}

fn certificate(directory: &Directory, config: &Config) -> Check {
    let fix = "run `unsilo renew` for this directory";
    let validity = match renew::validity(directory.path()) {
        Ok(validity) => validity,
        Err(error) => return Check::problem("certificate", error.to_string(), fix),
    };
    let now = renew::now_s();
    let days = validity.to_s.saturating_sub(now) / DAY_S;
    if validity.to_s <= now {
        return Check::problem("certificate", "it has expired", fix);
    }
    let authority = config.authority().unwrap_or_default();
    if renew::is_due(directory, &authority, now) && !validity.is_due(now) {
        return Check::problem(
            "certificate",
            "it is not of this key, or not of this federation's authority",
            fix,
        );
    }
    Check::ok(
        "certificate",
        format!(
            "valid for {days} days more; a running node renews it by itself in the last third of its life"
        ),
    )
}

/// The address, the pin, whether the coordinator knows this node, and both clocks.
async fn connection(directory: &Directory, config: &Config, checks: &mut Vec<Check>) {
    let address = &config.coordinator;
    let tcp = tokio::time::timeout(WAIT, tokio::net::TcpStream::connect(address)).await;
    let reached = match tcp {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", WAIT.as_secs())),
    };
    if let Err(reason) = reached {
        let fix = "check that the coordinator runs, the address in participant.toml, and that outgoing connections to this \
                   port are allowed";
        checks.push(Check::problem(
            "address",
            format!("{address}: {reason}"),
            fix,
        ));
        for name in ["pin", "membership", "clock"] {
            checks.push(Check::skipped(name, "needs a connection"));
        }
        return;
    }
    checks.push(Check::ok("address", format!("{address} answers")));
    let asked = async {
        let authority = config
            .authority()
            .map_err(|message| NodeError::config(directory.config(), message))?;
        let identity = tls_identity(directory)?;
        let channel = tls::connect(address, authority, Some(identity), &config.network).await?;
        let mut rounds =
            RoundsClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES);
        let request = StepsRequest {
            protocol_version: limits::PROTOCOL_VERSION,
        };
        let failed = |status: tonic::Status| match unsilo_proto::Rejected::from_status(&status) {
            Some(rejected) => NodeError::from(rejected),
            None => tls::classify(address, &status),
        };
        let asked = SystemTime::now();
        let steps = rounds.steps(request).await.map_err(failed)?;
        let answered = SystemTime::now();
        let date = steps.metadata().get("date");
        let date = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        steps.into_inner().message().await.map_err(failed)?;
        Ok::<_, NodeError>(clock(date, asked, answered))
    };
    let clock = match tokio::time::timeout(WAIT, asked).await {
        Ok(Ok(clock)) => clock,
        Ok(Err(error)) => {
            let pinned = !matches!(
                error,
                NodeError::Certificate { .. } | NodeError::Unreachable { .. }
            );
            if pinned {
                checks.push(Check::ok(
                    "pin",
                    "the federation's own authority vouches for it",
                ));
                checks.push(Check::problem(
                    "membership",
                    error.to_string(),
                    "do what it says",
                ));
            } else {
                let fix = "if the address is right, somebody sits in between: tell the coordinator's admin; if this node's \
                           certificate is refused, run `unsilo renew`";
                checks.push(Check::problem("pin", error.to_string(), fix));
                checks.push(Check::skipped("membership", "needs a trusted connection"));
            }
            checks.push(Check::skipped("clock", "needs the coordinator's"));
            return;
        }
        Err(_) => {
            checks.push(Check::problem(
                "pin",
                "no answer over TLS",
                "check what else listens at this address",
            ));
            checks.push(Check::skipped("membership", "needs a trusted connection"));
            checks.push(Check::skipped("clock", "needs the coordinator's"));
            return;
        }
    };
    checks.push(Check::ok(
        "pin",
        "the federation's own authority vouches for it",
    ));
    checks.push(Check::ok(
        "membership",
        "the coordinator takes this node's certificate",
    ));
    checks.push(clock);
}

/// Compares the clocks: the coordinator's `Date`, of whole seconds, was written between `asked` and `answered` of ours.
fn clock(theirs: Option<SystemTime>, asked: SystemTime, answered: SystemTime) -> Check {
    let Some(theirs) = theirs else {
        return Check::skipped("clock", "the coordinator's answer has no date");
    };
    // What the time under way, or the fraction of a second that a date leaves out, may explain is no difference.
    let behind = theirs.duration_since(answered).unwrap_or_default();
    let ahead = asked.duration_since(theirs + DATE_STEP).unwrap_or_default();
    let problem = |by: Duration, which: &str| {
        Check::problem(
            "clock",
            format!("{} s {which} the coordinator's", by.as_secs()),
            "set the clock of the machine that is wrong (NTP): members judge deadlines by their own",
        )
    };
    if behind > SKEW {
        problem(behind, "behind")
    } else if ahead > SKEW {
        problem(ahead, "ahead of")
    } else {
        Check::ok(
            "clock",
            format!("within {} s of the coordinator's", SKEW.as_secs()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_wrong_is_noticed_whichever_way() {
        let theirs = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let at = |ms: i64| {
            let far = Duration::from_millis(ms.unsigned_abs());
            if ms < 0 { theirs - far } else { theirs + far }
        };
        let state = |asked, answered| clock(Some(theirs), at(asked), at(answered)).ok;
        // A date is a whole second, and the one in use may be a second old.
        for (asked, answered) in [(0, 0), (1_900, 1_950), (-4_000, -3_000), (6_500, 6_600)] {
            assert_eq!(state(asked, answered), Some(true), "{asked} {answered}");
        }
        let behind = clock(Some(theirs), at(-61_000), at(-60_000));
        assert_eq!(behind.found, "60 s behind the coordinator's");
        let ahead = clock(Some(theirs), at(62_000), at(63_000));
        assert_eq!(ahead.found, "60 s ahead of the coordinator's");
        assert!([behind, ahead].iter().all(|check| check.ok == Some(false)));
        // An answer that took long says little.
        assert_eq!(state(-20_000, 20_000), Some(true));
        assert_eq!(clock(None, theirs, theirs).ok, None);
    }
}

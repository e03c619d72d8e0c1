//! Logs go to standard error; results to standard output.

use tracing_subscriber::{EnvFilter, fmt};

use crate::commands::{Global, LogFormat};

/// Starts logging: warnings and errors, more with `--verbose`, as `UNSILO_LOG` says if it is set.
pub(crate) fn start(global: &Global) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "unsilo=info,unsilo_coordinator=info,unsilo_participant=info,warn",
        (false, _) => "unsilo=debug,unsilo_coordinator=debug,unsilo_participant=debug,info",
    };
    let filter = EnvFilter::try_from_env("UNSILO_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = fmt()
        .with_env_filter(filter)
        .with_writer(crate::progress::LogWriter::default);
    match global.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

//! `unsilo coordinator token create|list|revoke`.

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use unsilo_coordinator::{
    DEFAULT_ROWS_PER_DAY, DEFAULT_TOKEN_DAYS, MAX_TOKEN_DAYS, Token, TokenOptions, create_token,
    list_tokens, revoke_tokens,
};

use super::Global;
use crate::output;

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// Tokens for the endpoint.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a token: it is shown once, and only its hash is kept.
    Create(Create),
    /// List the tokens that were made.
    List(List),
    /// Refuse a token from now on.
    Revoke(Revoke),
}

#[derive(Args)]
pub(crate) struct Create {
    /// The coordinator's directory.
    dir: PathBuf,
    /// Whom it is for.
    name: String,
    /// Days until it expires.
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_TOKEN_DAYS, value_parser = clap::value_parser!(u64).range(1..=MAX_TOKEN_DAYS))]
    valid_days: u64,
    /// Rows that it may have answered in a day (UTC).
    #[arg(long, value_name = "ROWS", default_value_t = DEFAULT_ROWS_PER_DAY)]
    rows_per_day: u64,
    /// What the coordinator owes the federation for each row, instead of coordinator.toml's fee_per_row.
    #[arg(long, value_name = "FEE", value_parser = clap::value_parser!(u64).range(0..=1_000_000_000_000))]
    fee_per_row: Option<u64>,
}

#[derive(Args)]
pub(crate) struct List {
    /// The coordinator's directory.
    dir: PathBuf,
}

#[derive(Args)]
pub(crate) struct Revoke {
    /// The coordinator's directory.
    dir: PathBuf,
    /// The token's id, or the name it was made for (then all of that name).
    which: String,
}

pub(crate) fn run(global: &Global, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create(arguments) => create(global, arguments),
        Command::List(List { dir }) => {
            let tokens = list_tokens(&dir)?;
            let document = json!({"tokens": tokens.iter().map(view).collect::<Vec<_>>()});
            output::print(global.json, &document, || as_table(&tokens))
        }
        Command::Revoke(Revoke { dir, which }) => {
            let revoked = revoke_tokens(&dir, &which)?;
            let document = json!({"revoked": revoked.iter().map(view).collect::<Vec<_>>()});
            output::print(global.json, &document, || {
                let ids = revoked
                    .iter()
                    .map(|token| format!("{} ({})", token.id, token.name));
                format!(
                    "Revoked: {}. A running coordinator refuses it from the next request on.\n",
                    ids.collect::<Vec<_>>().join(", ")
                )
            })
        }
    }
}

fn create(global: &Global, arguments: Create) -> anyhow::Result<()> {
    let (token, text) = create_token(
        &arguments.dir,
        &TokenOptions {
            name: arguments.name,
            valid_days: arguments.valid_days,
            rows_per_day: arguments.rows_per_day,
            fee_per_row: arguments.fee_per_row,
        },
    )?;
    let mut document = view(&token);
    document["token"] = text.as_str().into();
    output::print(global.json, &document, || {
        output::say(format_args!(
            "For {}, {} days, {} rows a day. It is shown only now. Unless coordinator.toml says access = \"open\", the endpoint \
             from now on asks everybody for a token. Revoke it with: unsilo coordinator token revoke {} {}",
            token.name,
            arguments.valid_days,
            token.rows_per_day,
            arguments.dir.display(),
            token.id
        ));
        format!("{}\n", *text)
    })
}

fn view(token: &Token) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "state": token.standing(now_ms()),
        "created_ms": token.created_ms,
        "expires_ms": token.expires_ms,
        "rows_per_day": token.rows_per_day,
        "fee_per_row": token.fee_per_row,
    })
}

fn as_table(tokens: &[Token]) -> String {
    if tokens.is_empty() {
        return "No token was made: unless coordinator.toml says access = \"token\", whoever reaches the endpoint may ask.\n"
            .to_owned();
    }
    let head = [
        "id",
        "name",
        "state",
        "days left",
        "rows a day",
        "fee a row",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(tokens.iter().map(|token| {
        vec![
            token.id.clone(),
            token.name.clone(),
            token.standing(now_ms()).to_owned(),
            (token.expires_ms.saturating_sub(now_ms()) / DAY_MS).to_string(),
            token.rows_per_day.to_string(),
            token
                .fee_per_row
                .map_or_else(|| "default".to_owned(), |fee| fee.to_string()),
        ]
    }));
    output::table(&rows, &[3, 4, 5])
}

fn now_ms() -> u64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

//! Who may ask, and how much.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
};

use super::{Endpoint, problem::Problem};
use crate::{
    config::Access,
    owner::now_ms,
    queries::DAY_MS,
    tokens::{Charge, Denied, Holder, TokenId},
};

/// Somebody who may ask the model: the holder of a token (`Authorization: Bearer unsilo_…`), or anybody where the
/// settings allow it. Found out before the body is read.
pub(super) struct Caller(Holder);

impl FromRequestParts<Endpoint> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, endpoint: &Endpoint) -> Result<Self, Problem> {
        let Some(given) = parts.headers.get(header::AUTHORIZATION) else {
            let open = match endpoint.settings.access {
                Access::Open => true,
                Access::Auto => !endpoint.tokens.any(),
                Access::Token => false,
            };
            return if open {
                Ok(Self(Holder::ANYBODY))
            } else {
                Err(Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "A token is needed",
                    "there is no Authorization header with a token",
                )
                .at("Authorization")
                .next("ask the coordinator's admin for a token and send it as Authorization: Bearer TOKEN"))
            };
        };
        let text = given.to_str().ok().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let Some(text) = text else {
            return Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "A token is needed",
                "the Authorization header is not of the form Bearer TOKEN",
            )
            .at("Authorization")
            .next("send Authorization: Bearer TOKEN, with the token as the admin gave it"));
        };
        let found = endpoint.tokens.holder(text, now_ms());
        found.map(Self).map_err(|denied| refusal(&denied))
    }
}

impl Caller {
    /// Whose quota it is; zeros for nobody's.
    pub(super) fn token(&self) -> [u8; 8] {
        self.0.id
    }

    /// Whose it is, where nobody else will do: the token's id and the name that it was made for.
    pub(super) fn named(&self, endpoint: &Endpoint) -> Result<(TokenId, String), Problem> {
        let name = endpoint.tokens.name(&self.0.id);
        name.map(|name| (self.0.id, name)).ok_or_else(|| {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "A token is needed",
                "who says something gives a token, also where the model is open to everybody",
            )
            .at("Authorization")
            .next("ask the coordinator's admin for a token and send it as Authorization: Bearer TOKEN")
        })
    }

    /// What is owed for so many rows.
    pub(super) fn fee(&self, endpoint: &Endpoint, rows: u32) -> u64 {
        let each = self.0.fee_per_row.unwrap_or(endpoint.settings.fee_per_row);
        each.saturating_mul(u64::from(rows))
    }

    /// Takes the rows from today's quota, until the charge is dropped without being kept.
    pub(super) fn charge(&self, endpoint: &Endpoint, rows: u32) -> Result<Charge, Problem> {
        let charged = endpoint.tokens.charge(self.0, rows, now_ms());
        charged.map_err(|denied| refusal(&denied))
    }
}

fn refusal(denied: &Denied) -> Problem {
    let unauthorised = |title, detail: &str| {
        Problem::new(StatusCode::UNAUTHORIZED, title, detail)
            .at("Authorization")
            .next("ask the coordinator's admin for a new token")
    };
    match denied {
        Denied::Unknown => unauthorised(
            "The token is unknown",
            "this is not a token that the coordinator made: was it copied whole?",
        ),
        Denied::Expired => unauthorised("The token has expired", "this token has expired"),
        Denied::Revoked => unauthorised("The token is revoked", "the admin has revoked this token"),
        Denied::OverQuota {
            asked,
            used,
            rows_per_day,
        } => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "Over quota",
            format!(
                "the token allows {rows_per_day} rows a day, {used} were answered today and {} remain: this request counts as \
                 {asked}",
                rows_per_day.saturating_sub(*used)
            ),
        )
        .at("rows")
        .next("send fewer rows, wait for midnight UTC, or ask the admin for a token with a larger quota")
        .retry_after((DAY_MS - now_ms() % DAY_MS) / 1000 + 1),
    }
}

//! The models of earlier rounds, for `?round=N`.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::StatusCode;

use super::{Endpoint, Served, problem::Problem};
use crate::models::Models;

/// Models of earlier rounds that stay in memory.
const KEPT: usize = 4;
/// Parameters of all of them together: 256 MiB.
const KEPT_PARAMETERS: u64 = 64 << 20;

/// Models of earlier rounds, those asked for last in memory.
pub(crate) struct Earlier {
    models: Models,
    kept: Mutex<VecDeque<Arc<Served>>>,
}

impl Earlier {
    pub(crate) fn new(models: Models) -> Self {
        Self {
            models,
            kept: Mutex::default(),
        }
    }

    fn get(&self, round: u64) -> Option<Arc<Served>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|served| served.round == Some(round))?;
        let served = kept.remove(at)?;
        kept.push_front(served.clone());
        Some(served)
    }

    fn keep(&self, served: Arc<Served>) {
        let most = KEPT_PARAMETERS / self.models.spec().parameters().max(1);
        let most = usize::try_from(most).unwrap_or(KEPT).min(KEPT);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front(served);
        kept.truncate(most);
    }
}

/// The model that a request with this query string is answered with.
pub(super) async fn served(
    endpoint: &Endpoint,
    query: Option<&str>,
) -> Result<Arc<Served>, Problem> {
    let serving = endpoint.served.borrow().clone();
    let serving = serving.filter(|served| served.round.is_some());
    let Some(round) = asked_round(query)? else {
        return serving.ok_or_else(|| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "No model yet",
                "no round has been published yet",
            )
            .next("look at /v1/status and try again after the first one")
        });
    };
    if let Some(serving) = serving.filter(|served| served.round == Some(round)) {
        return Ok(serving);
    }
    if let Some(kept) = endpoint.earlier.get(round) {
        return Ok(kept);
    }
    let snapshot = endpoint.owner.now();
    let published = snapshot.state.published().find(|(of, _)| *of == round);
    let Some((_, hash)) = published else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "Unknown round",
            format!("round {round} has published no model"),
        )
        .at("round")
        .next(
            "/v1/models lists the rounds that have; without ?round= the one that is served answers",
        ));
    };
    let earlier = endpoint.earlier.clone();
    let read = tokio::task::spawn_blocking(move || {
        let weights = earlier.models.weights(&hash)?;
        let served = Served::new(earlier.models.spec().clone(), weights, hash, Some(round));
        let served = Arc::new(served);
        earlier.keep(served.clone());
        Ok::<_, crate::error::CoordinatorError>(served)
    });
    match read.await {
        Ok(Ok(served)) => Ok(served),
        Ok(Err(error)) => {
            tracing::error!(%error, round, "the model of an earlier round cannot be read");
            Err(Problem::failed().at("round"))
        }
        Err(error) => {
            tracing::error!(%error, "reading a model failed");
            Err(Problem::failed())
        }
    }
}

/// The round in a query string, which may hold nothing else.
fn asked_round(query: Option<&str>) -> Result<Option<u64>, Problem> {
    let mut round = None;
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name != "round" || round.is_some() {
            return Err(Problem::field(
                name.chars().take(64).collect::<String>(),
                "the address takes ?round=N, once, and nothing else",
            )
            .next("leave it out"));
        }
        let number = value.parse().map_err(|_| {
            Problem::field("round", "this is not the number of a round")
                .next("/v1/models lists the rounds that have a model")
        })?;
        round = Some(number);
    }
    Ok(round)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_one_round_or_none() {
        assert_eq!(asked_round(None).expect("none"), None);
        assert_eq!(asked_round(Some("")).expect("none"), None);
        assert_eq!(asked_round(Some("round=12")).expect("one"), Some(12));
        for wrong in [
            "round",
            "round=",
            "round=-1",
            "round=x",
            "round=1&round=2",
            "rounds=1",
            "round=1&x=2",
        ] {
            assert!(asked_round(Some(wrong)).is_err(), "{wrong}");
        }
    }
}

//! `unsilo watch URL|DIR`: where the federation stands, live, for everybody who reaches its coordinator.

use std::{
    io::{IsTerminal, stderr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use unsilo_coordinator::config::Settings;
use unsilo_participant::Config;

use super::{Global, interrupted};
use crate::{exit::CommandError, https::Endpoint, output};

/// Between two looks. The coordinator writes the document anew at most every two seconds unless something happens.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(crate) struct Arguments {
    /// The coordinator's address (https://host:port, with --authority), or a participant's or coordinator's directory.
    #[arg(value_name = "URL|DIR")]
    place: String,
    /// The federation's authority: authority.der of the coordinator's directory or authority.pem of a participant's.
    #[arg(long, value_name = "FILE", env = "UNSILO_AUTHORITY")]
    authority: Option<PathBuf>,
    /// Print it once. So does --json.
    #[arg(long)]
    once: bool,
}

/// What is asked, and whose standing is pointed out.
struct Place {
    endpoint: Endpoint,
    own: Option<String>,
}

/// What is shown.
struct View {
    progress: Value,
    participants: Vec<Value>,
}

pub(crate) async fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let place = place(arguments)?;
    let mut view = look(&place).await?;
    let own = place.own.as_deref();
    if global.json || arguments.once {
        return output::print(global.json, &document(&view, own), || screen(&view, own));
    }
    let live = stderr().is_terminal() && !global.quiet;
    let bar = if live {
        ProgressBar::new_spinner().with_style(
            ProgressStyle::with_template("{msg}").context("the display cannot be set up")?,
        )
    } else {
        ProgressBar::hidden()
    };
    let show = |view: &View, note: &str| {
        if live {
            bar.set_message(format!("{}{note}", screen(view, own)));
        } else if !global.quiet {
            output::say(format_args!("{}{note}", line(view)));
        }
    };
    show(&view, "");
    let follow = async {
        let mut lost = false;
        while view.progress["phase"] != "finished" {
            tokio::time::sleep(LOOK).await;
            match look(&place).await {
                Ok(next) => {
                    if lost || !same(&view, &next) {
                        show(&next, "");
                    }
                    lost = false;
                    view = next;
                }
                Err(error) if !lost => {
                    lost = true;
                    show(
                        &view,
                        &format!("\n({error}; what you see is from before, trying on)"),
                    );
                }
                Err(_) => {}
            }
        }
    };
    tokio::select! {
        () = follow => {}
        () = interrupted() => {}
    }
    bar.finish_and_clear();
    output::print(false, &(), || screen(&view, own))
}

fn place(arguments: &Arguments) -> anyhow::Result<Place> {
    let text = &arguments.place;
    if text.starts_with("https://") {
        let authority = arguments.authority.as_deref().ok_or_else(|| {
            CommandError::Input(
                "an address needs --authority FILE: authority.der of the coordinator's directory or authority.pem of a \
                 participant's"
                    .to_owned(),
            )
        })?;
        let endpoint = Endpoint::new(text, authority)?;
        return Ok(Place {
            endpoint,
            own: None,
        });
    }
    let dir = Path::new(text);
    let at = |address: &str, authority: &str| {
        let authority = dir.join(authority);
        Endpoint::new(&format!("https://{address}"), &authority)
    };
    let (participant, coordinator) = (dir.join("participant.toml"), dir.join("coordinator.toml"));
    if participant.exists() {
        let config = Config::read(&participant)?;
        return Ok(Place {
            endpoint: at(&config.coordinator, "authority.pem")?,
            own: Some(config.name),
        });
    }
    if coordinator.exists() {
        let settings = Settings::read(&coordinator)?;
        return Ok(Place {
            endpoint: at(&settings.address, "authority.der")?,
            own: None,
        });
    }
    Err(CommandError::Input(format!(
        "{text} is neither an address (https://host:port) nor a participant's or coordinator's directory"
    ))
    .into())
}

async fn look(place: &Place) -> anyhow::Result<View> {
    let progress = place.endpoint.get("/v1/progress").await?;
    let participants = place.endpoint.get("/v1/participants").await?;
    let participants = participants.as_array().cloned().unwrap_or_default();
    Ok(View {
        progress,
        participants,
    })
}

/// Whether two views differ in nothing but the time at which they were written.
fn same(a: &View, b: &View) -> bool {
    let timeless = |view: &View| {
        let mut progress = view.progress.clone();
        progress["as_of_ms"].take();
        progress
    };
    a.participants == b.participants && timeless(a) == timeless(b)
}

fn document(view: &View, own: Option<&str>) -> Value {
    json!({
        "progress": view.progress,
        "participants": view.participants,
        "waiting_for": waiting_for(view),
        "own": own.and_then(|own| view.participants.iter().find(|one| one["name"] == own)),
    })
}

/// Who has not contributed to the round under way yet, of those that are there.
fn waiting_for(view: &View) -> Vec<&str> {
    if view.progress["phase"] != "contributing" {
        return Vec::new();
    }
    let late = view
        .participants
        .iter()
        .filter(|one| one["present"] == true && one["contributed"] == false);
    late.filter_map(|one| one["name"].as_str()).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// One line, where nothing can be drawn over.
fn line(view: &View) -> String {
    let progress = &view.progress;
    let phase = progress["phase"].as_str().unwrap_or_default();
    let planned = match number(&progress["rounds_planned"]) {
        0 => String::new(),
        planned => format!(" of {planned}"),
    };
    let mut parts = vec![format!(
        "{} rounds published{planned}, {} void",
        number(&progress["published"]),
        number(&progress["voided"])
    )];
    match progress["round"].as_object() {
        Some(round) => parts.insert(
            0,
            format!(
                "round {} {phase}, {} contributed",
                round["round"],
                number(&round["contributed"])
            ),
        ),
        None => parts.insert(0, phase.to_owned()),
    }
    let late = waiting_for(view);
    if !late.is_empty() {
        parts.push(format!("waiting for {}", late.join(", ")));
    }
    let until = |key: &str| {
        let eta = progress[key].as_u64()?;
        Some(
            eta.saturating_sub(number(&progress["as_of_ms"]))
                .div_ceil(1000),
        )
    };
    if let Some(seconds) = until("round_eta_ms") {
        parts.push(format!("the round is over in about {seconds} s"));
    }
    if let Some(seconds) = until("end_eta_ms") {
        parts.push(format!("all rounds in about {seconds} s"));
    }
    parts.join("; ")
}

/// The whole view.
fn screen(view: &View, own: Option<&str>) -> String {
    let name = view.progress["name"].as_str().unwrap_or_default();
    let mut rows = vec![
        [
            "company",
            "state",
            "stake",
            "power",
            "trust",
            "consensus",
            "last paid",
            "balance",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for one in &view.participants {
        let share = |key: &str| match one[key].as_f64() {
            Some(share) => format!("{:.1} %", 100.0 * share),
            None => "–".to_owned(),
        };
        let amount = |key: &str| match one[key].as_u64() {
            Some(amount) => amount.to_string(),
            None => "–".to_owned(),
        };
        let name = one["name"].as_str().unwrap_or_default();
        let mark = if Some(name) == own { " (you)" } else { "" };
        rows.push(vec![
            format!("{name}{mark}"),
            state(one),
            amount("stake"),
            share("power"),
            share("trust"),
            share("consensus"),
            amount("incentive"),
            amount("balance"),
        ]);
    }
    let table = output::table(&rows, &[2, 3, 4, 5, 6, 7]);
    format!("{name}: {}\n\n{table}", line(view))
}

fn state(one: &Value) -> String {
    if one["present"] == false {
        return "evicted".to_owned();
    }
    let connected = if one["connected"] == true {
        "connected"
    } else {
        "away"
    };
    let mut words = vec![connected];
    if one["seated"] == true {
        words.push("committee");
    }
    if one["contributed"] == true {
        words.push("contributed");
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        let one = |name: &str, contributed: bool| {
            json!({
                "name": name, "present": true, "connected": true, "contributed": contributed, "seated": !contributed,
                "stake": 1000, "power": 0.5, "trust": null, "consensus": 0.25, "incentive": 7, "balance": 9,
            })
        };
        View {
            progress: json!({
                "as_of_ms": 1000, "name": "Digits", "phase": "contributing", "published": 2, "voided": 1,
                "rounds_planned": 5, "round": {"round": 4, "contributed": 1}, "round_eta_ms": 4200, "end_eta_ms": null,
            }),
            participants: vec![one("Aster", true), one("Birch", false)],
        }
    }

    #[test]
    fn the_round_who_is_late_and_when_it_is_over_are_said() {
        assert_eq!(
            line(&view()),
            "round 4 contributing, 1 contributed; 2 rounds published of 5, 1 void; waiting for Birch; the round is over in \
             about 4 s"
        );
        let shown = screen(&view(), Some("Birch"));
        assert!(
            shown.contains("Birch (you)  connected, committee"),
            "{shown}"
        );
        assert!(shown.contains("50.0 %") && shown.contains("–"), "{shown}");
        let document = document(&view(), Some("Birch"));
        assert_eq!(document["waiting_for"], json!(["Birch"]));
        assert_eq!(document["own"]["incentive"], 7);
    }

    #[test]
    fn only_what_happens_is_shown_anew() {
        let mut later = view();
        later.progress["as_of_ms"] = 3000.into();
        assert!(same(&view(), &later));
        later.progress["phase"] = "closing".into();
        assert!(!same(&view(), &later));
        assert!(waiting_for(&later).is_empty());
    }
}

//! `GET /`: the federation on one page, made on the server, no script needed.

use std::fmt::Write;

use axum::{extract::State, response::Html};

use super::{Endpoint, status, weights::Weighed};

/// Rounds shown; the rest are in `/v1/status`.
const ROUNDS_SHOWN: usize = 20;

pub(super) async fn page(State(endpoint): State<Endpoint>) -> Html<String> {
    Html(render(&status::now(&endpoint)))
}

fn render(status: &status::Status) -> String {
    let name = escape(&status.name);
    let planned = match status.rounds_planned {
        0 => String::new(),
        rounds => format!(" of {rounds}"),
    };
    let mut participants = String::new();
    for participant in &status.participants {
        // Writing to a String cannot fail.
        let _ = write!(
            participants,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&participant.name),
            yes_no(participant.connected),
            yes_no(participant.seated),
            yes_no(participant.contributed),
        );
    }
    if status.participants.is_empty() {
        participants.push_str(
            "<tr><td colspan=\"4\">Nobody yet: the federation begins when every founder has joined and signed.</td></tr>",
        );
    }
    let mut rounds = String::new();
    for round in status.rounds.iter().rev().take(ROUNDS_SHOWN) {
        let _ = write!(
            rounds,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}<code>{}</code></td></tr>",
            round.round,
            round.outcome,
            round.contributions,
            round.reason.unwrap_or_default(),
            round
                .model
                .as_deref()
                .map_or("", |model| &model[..16.min(model.len())]),
        );
    }
    if status.rounds.is_empty() {
        rounds.push_str("<tr><td colspan=\"4\">No round is over yet.</td></tr>");
    }
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"refresh\" content=\"3\"><title>{name} · Unsilo</title><style>{STYLE}</style></head><body>\
         <header><h1>{name}</h1><p class=\"id\">federation <code>{federation}</code></p></header><main>\
         <section class=\"facts\"><div><b>{phase}</b><span>now</span></div>\
         <div><b>{round}{planned}</b><span>round</span></div>\
         <div><b>{entries}</b><span>ledger entries</span></div></section>\
         <section><h2>Participants</h2><table><thead><tr><th>company</th><th>connected</th><th>on the committee</th>\
         <th>contributed</th></tr></thead><tbody>{participants}</tbody></table></section>\
         {weights}\
         <section><h2>Rounds</h2><table><thead><tr><th>round</th><th>outcome</th><th>contributions</th><th>model</th></tr>\
         </thead><tbody>{rounds}</tbody></table></section>\
         <section><h2>Use the model</h2><p>Send rows to <code>POST /v1/predict</code>; \
         <a href=\"/v1/models\">/v1/models</a> lists columns and classes, <a href=\"/v1/status\">/v1/status</a> is this page as JSON.</p>\
         </section></main></body></html>",
        weights = status.weighed.as_ref().map(weights).unwrap_or_default(),
        federation = status.federation,
        phase = status.phase,
        round = status.round,
        entries = status.ledger_entries,
    )
}

/// The weights of a round as a section.
fn weights(weighed: &Weighed) -> String {
    let mut rows = String::new();
    for one in &weighed.contributions {
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{:.1} %</td><td>{}</td></tr>",
            escape(&one.name),
            one.weight,
            100.0 * one.share,
            one.left_out.unwrap_or_default(),
        );
    }
    let void = weighed
        .void
        .map(|reason| format!("<p>No model follows from this round: {reason}.</p>"))
        .unwrap_or_default();
    let raters = match (weighed.raters_agreeing, weighed.raters) {
        (Some(agreeing), Some(heard)) => format!("{agreeing} of {heard} ratings agree. "),
        _ => String::new(),
    };
    format!(
        "<section><h2>Weights of round {}</h2><p>{raters}By what the companies' own held-out rows say of each other's encrypted \
         updates; <code>unsilo ledger explain NAME {}</code> tells each step.</p>{void}<table><thead><tr><th>company</th>\
         <th>weight</th><th>of the model</th><th>left out because</th></tr></thead><tbody>{rows}</tbody></table></section>",
        weighed.round, weighed.round
    )
}

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--soft:#8881}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{margin:0;font-size:1.6rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}.id{margin:.2rem 0 1.5rem;opacity:.7;overflow-wrap:anywhere}\
.facts{display:flex;gap:1rem;flex-wrap:wrap}.facts div{background:var(--soft);border-radius:.6rem;padding:.8rem 1.2rem;min-width:8rem}\
.facts b{display:block;font-size:1.4rem}.facts span{opacity:.7}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);font-weight:normal}\
thead th{opacity:.7}tbody th{font-weight:600}code{font-family:ui-monospace,monospace;font-size:.9em}";

fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "–" }
}

/// Text as HTML: names are chosen by people we do not trust.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::{super::weights::Weight, *};

    #[test]
    fn names_cannot_inject_markup() {
        let status = status::Status {
            federation: "f".into(),
            name: "<script>alert(1)</script>".into(),
            phase: "contributing",
            round: 3,
            rounds_planned: 20,
            ledger_entries: 7,
            participants: vec![status::Participant {
                name: "A & \"B\"".into(),
                connected: true,
                contributed: false,
                seated: true,
            }],
            weighed: Some(Weighed {
                round: 2,
                raters: Some(5),
                raters_agreeing: Some(4),
                contributions: vec![Weight {
                    name: "<b>".into(),
                    weight: 0,
                    share: 0.0,
                    left_out: Some("a copy of an earlier contribution"),
                }],
                void: Some("the raters support too few contributions"),
            }),
            rounds: Vec::new(),
        };
        let html = render(&status);
        assert!(!html.contains("<script") && !html.contains("<b>&"));
        assert!(html.contains("&lt;b&gt;</th><td>0</td><td>0.0 %</td><td>a copy of an earlier"));
        assert!(html.contains("from this round: the raters support too few contributions."));
        assert!(html.contains("A &amp; &quot;B&quot;") && html.contains("3 of 20"));
    }
}

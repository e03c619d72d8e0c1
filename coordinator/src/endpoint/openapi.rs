//! `GET /v1/openapi.json`: the OpenAPI 3.1 document, made from the handlers, and `GET /reference`, the same for people.

use std::{fmt::Write, sync::OnceLock};

use axum::{
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{
    encrypted, events, feedback, keys, log, metrics, pages, participants, predict, receipts, status,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Unsilo coordinator",
        description = "The shared model of a federation, and the federation's state. Every answer of the model carries a receipt; its query is entered on the ledger, and the receipt proves it. Every refusal is a problem document (RFC 9457) that names the field and the next step.",
        license(name = "Apache-2.0 OR MIT"),
    ),
    paths(
        predict::predict,
        encrypted::shape,
        encrypted::predict,
        encrypted::progress,
        keys::look,
        keys::keep,
        keys::forget,
        receipts::receipt,
        feedback::file,
        feedback::mine,
        status::models,
        status::status,
        events::progress,
        events::events,
        participants::participants,
        pages::rounds,
        pages::rewards,
        pages::evaluations,
        pages::ratings,
        log::page,
        log::entry,
        metrics::healthz,
        metrics::readyz,
        metrics::metrics,
    ),
    tags(
        (name = "model", description = "Ask the shared model."),
        (name = "federation", description = "What the federation does."),
        (name = "operation", description = "For whoever runs the coordinator."),
    ),
    modifiers(&Token),
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "From the coordinator's admin: `unsilo coordinator token create`. Not needed where the admin runs the endpoint open.",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    // It is made of static parts: if it could not be written, the test below would say so.
    TEXT.get_or_init(|| Document::openapi().to_pretty_json().unwrap_or_default())
}

/// The document.
pub(super) async fn openapi() -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], text()).into_response()
}

/// The document as a page: no script, nothing from elsewhere.
pub(super) async fn reference() -> Html<&'static str> {
    static PAGE: OnceLock<String> = OnceLock::new();
    Html(PAGE.get_or_init(|| render(&serde_json::from_str(text()).unwrap_or_default())))
}

fn render(document: &Value) -> String {
    let string = |value: &Value, key: &str| escape(value[key].as_str().unwrap_or_default());
    let mut body = String::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            // Writing to a String cannot fail.
            let _ = write!(
                body,
                "<section><h2><code>{} {}</code></h2><p>{}</p>",
                method.to_uppercase(),
                escape(path),
                match operation["summary"].as_str() {
                    Some(summary) => escape(summary),
                    None => string(operation, "description"),
                }
            );
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let _ = write!(
                    body,
                    "<p><code>{}</code> ({}): {}</p>",
                    string(parameter, "name"),
                    string(parameter, "in"),
                    string(parameter, "description")
                );
            }
            if let Some(request) = operation.get("requestBody") {
                let _ = write!(body, "<p>Body: {}</p>", string(request, "description"));
            }
            body.push_str(
                "<table><thead><tr><th>status</th><th>means</th><th>holds</th></tr></thead><tbody>",
            );
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                let _ = write!(
                    body,
                    "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
                    escape(status),
                    string(response, "description"),
                    holds(response)
                );
            }
            body.push_str("</tbody></table></section>");
        }
    }
    for (name, schema) in document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let name = escape(name);
        let _ = write!(
            body,
            "<section id=\"{name}\"><h2>{name}</h2><p>{}</p><table><thead><tr><th>field</th><th>is</th></tr></thead><tbody>",
            string(schema, "description")
        );
        // Of what is put together from others, all fields: utoipa writes a flattened one as `allOf`.
        let mut parts = vec![schema];
        for part in schema["allOf"].as_array().into_iter().flatten() {
            let referred = part["$ref"]
                .as_str()
                .and_then(|name| name.rsplit('/').next());
            parts.push(referred.map_or(part, |name| &document["components"]["schemas"][name]));
        }
        let fields = parts
            .iter()
            .filter_map(|part| part["properties"].as_object());
        for (field, of) in fields.flatten() {
            let _ = write!(
                body,
                "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td></tr>",
                escape(field),
                string(of, "description")
            );
        }
        body.push_str("</tbody></table></section>");
    }
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} · reference</title><style>{STYLE}</style></head><body><header><h1>{title}</h1><p>{about}</p>\
         <p>For programs: <a href=\"/v1/openapi.json\">/v1/openapi.json</a> (OpenAPI {version}).</p></header>\
         <main>{body}</main></body></html>",
        title = string(&document["info"], "title"),
        about = string(&document["info"], "description"),
        version = string(document, "openapi"),
    )
}

/// Text as HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The schemas of a response's contents, linked.
fn holds(response: &Value) -> String {
    let contents = response["content"].as_object().into_iter().flatten();
    let each = contents.map(|(kind, content)| {
        let reference = content["schema"]["$ref"].as_str();
        match reference.and_then(|reference| reference.rsplit('/').next()) {
            Some(name) => {
                let name = escape(name);
                format!("<a href=\"#{name}\">{name}</a> ({})", escape(kind))
            }
            None => escape(kind),
        }
    });
    each.collect::<Vec<_>>().join(", ")
}

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{margin:0;font-size:1.6rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);font-weight:normal;vertical-align:top}\
thead th{opacity:.7}code{font-family:ui-monospace,monospace;font-size:.9em;overflow-wrap:anywhere}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_openapi_3_1_and_every_reference_leads_somewhere() {
        let document: Value = serde_json::from_str(text()).expect("JSON");
        assert!(
            document["openapi"]
                .as_str()
                .is_some_and(|version| version.starts_with("3.1"))
        );
        // Every route is in the document, but for the page, its files, and the document itself.
        let routes = include_str!("mod.rs").split(".route(").skip(1);
        let routes: Vec<&str> = routes.filter_map(|rest| rest.split('"').nth(1)).collect();
        assert!(routes.contains(&"/v1/predict"), "{routes:?}");
        let apart = ["/", "/assets/{name}", "/reference", "/v1/openapi.json"];
        for path in routes.iter().filter(|path| !apart.contains(path)) {
            assert!(document["paths"][path].is_object(), "{path}");
        }
        let schemas = &document["components"]["schemas"];
        for (at, _) in text().match_indices("#/components/schemas/") {
            let name = text()[at..]
                .split('"')
                .next()
                .and_then(|reference| reference.rsplit('/').next());
            let name = name.expect("a name");
            assert!(schemas[name].is_object(), "{name}");
        }
        let answer = schemas["Answer"].to_string();
        assert!(answer.contains("#/components/schemas/Stamp"), "{answer}");
        for field in ["receipt", "checkpoint", "round", "model"] {
            assert!(schemas["Stamp"]["properties"][field].is_object(), "{field}");
        }
        assert_eq!(
            document["components"]["securitySchemes"]["token"]["scheme"],
            "bearer"
        );
    }

    #[test]
    fn the_page_shows_every_path_and_needs_nothing_from_elsewhere() {
        let document: Value = serde_json::from_str(text()).expect("JSON");
        let page = render(&document);
        assert!(page.contains("POST /v1/predict") && page.contains("href=\"#Problem\""));
        let answer = page.split("<section id=\"Answer\">").nth(1).expect("there");
        let answer = answer.split("</section>").next().expect("ended");
        assert!(
            answer.contains("predictions") && answer.contains("receipt"),
            "{answer}"
        );
        assert!(
            !page.contains("<script") && !page.contains("http://") && !page.contains("https://")
        );
    }
}

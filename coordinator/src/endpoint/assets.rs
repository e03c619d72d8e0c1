//! The page: three files in the binary, and the headers that keep it from asking anybody else for anything.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};

/// Nothing but this origin's own files, no inline script or style, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = include_str!("../../page/index.html");
const STYLE: &str = include_str!("../../page/page.css");
const ICON: &str = include_str!("../../page/icon.svg");
/// The page's modules: file name and text.
const MODULES: [(&str, &str); 5] = [
    ("page.js", include_str!("../../page/page.js")),
    ("dom.js", include_str!("../../page/dom.js")),
    ("charts.js", include_str!("../../page/charts.js")),
    ("proof.js", include_str!("../../page/proof.js")),
    ("views.js", include_str!("../../page/views.js")),
];

/// `GET /`.
pub(super) async fn page() -> Response {
    file("text/html; charset=utf-8", HTML)
}

/// `GET /assets/{name}`; `None` for a name that is not one of the page's.
pub(super) fn asset(name: &str) -> Option<Response> {
    match name {
        "page.css" => Some(file("text/css; charset=utf-8", STYLE)),
        "icon.svg" => Some(file("image/svg+xml", ICON)),
        name => {
            let (_, text) = MODULES.iter().find(|(module, _)| *module == name)?;
            Some(file("text/javascript; charset=utf-8", text))
        }
    }
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers: [(HeaderName, &str); 6] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // The files change with the program, which has no version in their names.
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

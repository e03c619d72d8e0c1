//! A refusal that arrives although the request's body is not read.

use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::header::CONTENT_LENGTH,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;

use super::problem::Problem;

/// The problem as the answer to a request whose body nobody reads. The body is kept until the answer is on its way: dropped
/// before, HTTP/2 cancels the stream, and who sends sees a broken stream and no answer. Dropped after it, the stream ends
/// without an error (RFC 9113, 8.1).
pub(super) fn answer(problem: Problem, request: Request) -> Response {
    let (mut head, body) = problem.into_response().into_parts();
    let unread = request.into_body();
    // What a stream does not say by itself.
    if let Some(length) = body.size_hint().exact() {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    let chunks = body.into_data_stream().map(move |chunk| {
        let _kept = &unread;
        chunk
    });
    Response::from_parts(head, Body::from_stream(chunks))
}

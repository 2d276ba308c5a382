//! The pages.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{
    exposition::exposition,
    source::{Check, Source},
};

const TEXT: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All pages.
pub(crate) fn router(source: Arc<dyn Source>) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(no_such_page)
        .with_state(source)
}

async fn live(State(source): State<Arc<dyn Source>>) -> Response {
    health(source.live())
}

async fn ready(State(source): State<Arc<dyn Source>>) -> Response {
    health(source.ready())
}

async fn metrics(State(source): State<Arc<dyn Source>>) -> Response {
    page(StatusCode::OK, PROMETHEUS, exposition(source.as_ref()))
}

async fn no_such_page() -> Response {
    let text = "there is no such page; there are /livez, /readyz and /metrics\n".to_owned();
    page(StatusCode::NOT_FOUND, TEXT, text)
}

fn health(check: Check) -> Response {
    match check {
        Check::Good(sentence) => page(StatusCode::OK, TEXT, sentence + "\n"),
        Check::Bad(sentence) => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, sentence + "\n"),
    }
}

/// Answers are true only now: nothing between us and the asker should keep them.
fn page(status: StatusCode, content_type: &'static str, text: String) -> Response {
    (
        status,
        [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store")],
        text,
    )
        .into_response()
}

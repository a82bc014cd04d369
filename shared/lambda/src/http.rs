//! The way in and out for HTTP: API Gateway's payload 2.0 to an axum router, and one shape for every answer.

mod access;
mod address;
mod extract;
mod idempotency;
mod problem;

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, header};
use lambda_http::{Adapter, LambdaEvent, RequestExt, Service, request::LambdaRequest};
use tower::ServiceExt;

pub use access::{AdminCaller, Caller, SessionCaller};
pub use address::SourceAddress;
pub use extract::{BODY_LIMIT, Body, Params, Path};
pub use idempotency::{IdempotencyKey, Made};
pub use problem::Problem;

use crate::log;

/// What API Gateway lets through, for all callers together: see `HttpStage` in the template.
const GATEWAY_POLICY: &str = r#""gateway";q=200;w=1"#;
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Serves `router` until the environment is shut down.
pub async fn run(router: Router) -> Result<(), lambda_runtime::Error> {
    log::start();
    let adapter = Adapter::from(service(router));
    lambda_runtime::run(adapter.map_request(|event: LambdaEvent<LambdaRequest>| LambdaEvent {
        payload: address::repaired(event.payload),
        context: event.context,
    }))
    .await
}

/// Answers one HTTP event: for a function that gets other events too.
pub async fn answer(
    router: Router,
    event: LambdaEvent<serde_json::Value>,
) -> Result<serde_json::Value, serde_json::Error> {
    let payload = address::repaired(LambdaRequest::ApiGatewayV2(serde_json::from_value(event.payload)?));
    let mut adapter = Adapter::from(service(router));
    match adapter.call(LambdaEvent { payload, context: event.context }).await {
        Ok(response) => serde_json::to_value(response),
        Err(never) => match never {},
    }
}

/// `router` with what every answer has: a request id, and a problem for whatever went wrong.
pub fn service(router: Router) -> Router {
    router.layer(from_fn(finish))
}

async fn finish(request: Request, next: Next) -> Response {
    let id = request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    let status = response.status();
    let problem = response.extensions_mut().remove::<Problem>().or_else(|| {
        // An extractor or the router itself refused: give it our shape.
        (status.is_client_error() || status.is_server_error()).then(|| Problem::from_status(status))
    });
    if let Some(problem) = &problem
        && let Some(cause) = problem.cause()
    {
        tracing::error!(%method, path, code = problem.code(), error = crate::log::chain(cause), "the request failed");
    }
    if let Some(problem) = problem {
        let headers = std::mem::take(response.headers_mut());
        response = problem.written(&id);
        for (name, value) in &headers {
            if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
                response.headers_mut().append(name, value.clone());
            }
        }
    }
    tracing::debug!(%method, path, status = response.status().as_u16(), "answered");
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.entry(RATE_LIMIT_POLICY).or_insert(HeaderValue::from_static(GATEWAY_POLICY));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response.into_response()
}

#[cfg(test)]
mod tests;

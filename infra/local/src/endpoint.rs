//! The AWS endpoint: every service that functions call, on one port, told apart by header and path.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use tracing::warn;

use crate::edge::{Edge, Refusal};
use crate::http::decode;
use crate::lambda::Outcome;
use crate::permissions::{self, Denied};
use crate::platform::Platform;
use crate::{control, parameters, table, websocket};

/// DynamoDB's limit on a request; nothing else here takes more.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// The service on the AWS port.
pub fn router(platform: Arc<Platform>) -> Router {
    Router::new().fallback(handle).with_state(platform)
}

async fn handle(State(platform): State<Arc<Platform>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        return failure(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLargeException",
            "The request is too large",
        );
    };
    let path = parts.uri.path().to_owned();
    if let Some(path) = path.strip_prefix("/_local/") {
        return control::handle(&platform, &parts, path, &body).await;
    }
    if let Some(path) = path.strip_prefix("/_clouds/") {
        return platform.clouds.forward(&platform.edges, &parts, path, body).await;
    }
    if let Some(rest) = path.strip_prefix("/2015-03-31/functions/") {
        return match rest.strip_suffix("/invocations") {
            Some(name) => invoke(&platform, &decode(name), &parts, body).await,
            None => failure(StatusCode::NOT_FOUND, "ResourceNotFoundException", "No such operation"),
        };
    }
    if let Some((_, id)) = path.split_once("/@connections/") {
        return manage(&platform, &decode(id), &parts, body).await;
    }
    match parts
        .headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.split_once('.'))
    {
        Some((service, operation)) => call(&platform, service, operation, &parts, body).await,
        None => failure(StatusCode::BAD_REQUEST, "UnknownOperationException", "No service answers here"),
    }
}

/// A request of one of the JSON protocols.
async fn call(platform: &Platform, service: &str, operation: &str, parts: &Parts, body: Bytes) -> Response {
    let function = caller(&parts.headers);
    let edges = &platform.edges;
    let (edge, refuse): (_, fn(Refusal) -> Response) = match service {
        "DynamoDB_20120810" | "DynamoDBStreams_20120810" => (Edge::Dynamodb, table::refuse),
        "AmazonSSM" => (Edge::Ssm, parameters::refuse),
        "AWSStepFunctions" => (Edge::States, refuse_states),
        other => {
            return failure(
                StatusCode::BAD_REQUEST,
                "UnknownOperationException",
                &format!("{other} is not served"),
            );
        }
    };
    let needed = permissions::actions(service, operation, &body);
    if let Err(denied) = platform.permissions.check(&function, &needed) {
        return deny(Denied::STATUS, &denied);
    }
    let act = || async {
        match edge {
            Edge::Dynamodb => platform.dynamodb.call(operation, &parts.headers, body.clone()).await,
            Edge::Ssm => platform.parameters.call(operation, &body),
            _ => platform.machines.call(operation, &body).await,
        }
    };
    edges.through((edge, operation, &function), act, refuse).await
}

/// The function that sends a request: its credentials name it. Empty for anybody else.
pub fn caller(headers: &HeaderMap) -> String {
    headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once("Credential="))
        .and_then(|(_, scope)| scope.split('/').next())
        .and_then(|key| key.strip_prefix(KEY_PREFIX))
        .unwrap_or_default()
        .to_owned()
}

/// What the access key of a function begins with; its short name follows.
pub const KEY_PREFIX: &str = "test-";

async fn invoke(platform: &Platform, name: &str, parts: &Parts, body: Bytes) -> Response {
    if let Err(denied) =
        platform.permissions.check(&caller(&parts.headers), &["lambda:InvokeFunction".into()])
    {
        return deny(StatusCode::FORBIDDEN, &denied);
    }
    let kind = parts.headers.get("x-amz-invocation-type").and_then(|kind| kind.to_str().ok());
    let Some(function) = platform.functions.host.function(name) else {
        let message = format!("Function not found: {}", platform.account.function_arn(name));
        return failure(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message);
    };
    if !body.is_empty() && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
        return failure(
            StatusCode::BAD_REQUEST,
            "InvalidRequestContentException",
            "Could not parse request body into json",
        );
    }
    let payload = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
    match kind {
        None | Some("RequestResponse") => match platform.functions.invoke(name, payload).await {
            Outcome::Ok(body) => invoked(StatusCode::OK, body, false),
            Outcome::Failed(body) => invoked(StatusCode::OK, body, true),
            Outcome::Refused { error, message } => {
                let status = match error {
                    "TooManyRequestsException" => StatusCode::TOO_MANY_REQUESTS,
                    "ResourceNotFoundException" => StatusCode::NOT_FOUND,
                    "RequestTooLargeException" => StatusCode::PAYLOAD_TOO_LARGE,
                    _ => StatusCode::INTERNAL_SERVER_ERROR,
                };
                failure(status, error, &message)
            }
        },
        Some("DryRun") => invoked(StatusCode::NO_CONTENT, Bytes::new(), false),
        Some("Event") => {
            let running = platform.activity.start();
            let functions = platform.functions.clone();
            let name = function.name.clone();
            tokio::spawn(async move {
                let _running = running;
                let outcome = functions.invoke(&name, payload).await;
                if !matches!(outcome, Outcome::Ok(_)) {
                    warn!(function = name, ?outcome, "an asynchronous invocation failed");
                }
            });
            invoked(StatusCode::ACCEPTED, Bytes::new(), false)
        }
        Some(other) => failure(
            StatusCode::BAD_REQUEST,
            "InvalidParameterValueException",
            &format!("InvocationType {other} is not understood"),
        ),
    }
}

fn invoked(status: StatusCode, body: Bytes, failed: bool) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("x-amz-executed-version", HeaderValue::from_static("$LATEST"));
    if failed {
        headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
    }
    response
}

async fn manage(platform: &Platform, id: &str, parts: &Parts, body: Bytes) -> Response {
    let Some(front) = &platform.websocket else {
        return failure(StatusCode::NOT_FOUND, "NotFoundException", "There is no WebSocket API");
    };
    let operation = match parts.method {
        Method::POST => "PostToConnection",
        Method::DELETE => "DeleteConnection",
        _ => "GetConnection",
    };
    let act = || async { front.manage(&parts.method, id, body.clone()) };
    let refuse = |refusal| match refusal {
        Refusal::Failed => websocket::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            "Internal server error",
        ),
        Refusal::Throttled => {
            websocket::error(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", "Too Many Requests")
        }
    };
    let function = caller(&parts.headers);
    if let Err(denied) = platform.permissions.check(&function, &["execute-api:ManageConnections".into()]) {
        return deny(StatusCode::FORBIDDEN, &denied);
    }
    platform.edges.through((Edge::Connections, operation, &function), act, refuse).await
}

fn refuse_states(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Failed => json_1_0(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!({ "__type": "InternalServerError", "message": "The service had an internal error." }),
        ),
        Refusal::Throttled => json_1_0(
            StatusCode::BAD_REQUEST,
            &json!({ "__type": "ThrottlingException", "message": "Rate exceeded" }),
        ),
    }
}

/// An answer in the protocol of Step Functions and DynamoDB.
pub fn json_1_0(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

/// Refuses what the caller's policies in the template do not allow.
fn deny(status: StatusCode, denied: &Denied) -> Response {
    warn!(action = denied.action, "{}", denied.message);
    failure(status, "AccessDeniedException", &denied.message)
}

fn failure(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = json!({ "__type": kind, "Type": "User", "message": message, "Message": message });
    let mut response = json_1_0(status, &body);
    if let Ok(kind) = HeaderValue::from_str(kind) {
        response.headers_mut().insert("x-amzn-errortype", kind);
    }
    response
}

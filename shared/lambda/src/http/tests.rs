//! Requests as API Gateway sends them, through the whole way in and out.

use axum::routing::{get, post};
use contract::problem::Problem as Wire;
use domain::JobId;
use lambda_http::{Context, LambdaEvent};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gpu {
    #[expect(dead_code, reason = "only that it can be read matters")]
    count: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Submit {
    name: String,
    #[expect(dead_code, reason = "only that it can be read matters")]
    gpu: Gpu,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    limit: Option<u32>,
}

#[derive(Debug, thiserror::Error)]
#[error("the database password is hunter2")]
struct Cause;

fn routes() -> Router {
    Router::new()
        .route("/v1/jobs", post(|Body(submit): Body<Submit>| async move { submit.name }))
        .route("/v1/jobs", get(|Params(query): Params<Query>| async move { format!("{:?}", query.limit) }))
        .route("/v1/jobs/{id}", get(|Path(id): Path<JobId>| async move { id.to_string() }))
        .route("/v1/address", get(|SourceAddress(address): SourceAddress| async move { address }))
        .route("/v1/fault", get(|| async { Problem::internal(Cause) }))
        .route(
            "/v1/wait",
            get(|| async {
                Problem::too_many("slow_down", "Wait.", std::time::Duration::from_millis(1_200))
            }),
        )
}

/// The answer to a request: status, headers, body.
async fn send(method: &str, path: &str, headers: Value, body: Option<&str>) -> (u64, Value, String) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012", "apiId": "api", "domainName": "api.example.com", "domainPrefix": "api",
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7", "userAgent": "test" },
            "requestId": "gateway-1", "routeKey": "$default", "stage": "$default",
            "time": "12/Mar/2030:19:03:58 +0000", "timeEpoch": 1_900_000_000_000_u64
        },
        "body": body,
        "isBase64Encoded": false,
    });
    let mut context = Context::default();
    context.request_id = "invocation-1".into();
    let answer = answer(routes(), LambdaEvent::new(event, context)).await.unwrap();
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    (answer["statusCode"].as_u64().unwrap(), answer["headers"].clone(), text("body"))
}

async fn submit(body: &str) -> (u64, Wire) {
    let (status, headers, body) =
        send("POST", "/v1/jobs", json!({"content-type": "application/json"}), Some(body)).await;
    assert_eq!(headers["content-type"], "application/problem+json");
    (status, serde_json::from_str(&body).unwrap())
}

async fn get_problem(path: &str) -> (u64, Value, Wire) {
    let (status, headers, body) = send("GET", path, json!({}), None).await;
    let problem: Wire = serde_json::from_str(&body).unwrap();
    assert_eq!((u64::from(problem.status), problem.request_id.as_str()), (status, "invocation-1"));
    (status, headers, problem)
}

#[tokio::test]
async fn a_good_request_is_answered() {
    let body = json!({"name": "train", "gpu": {"count": 1}}).to_string();
    let (status, headers, body) =
        send("POST", "/v1/jobs", json!({"content-type": "application/json; charset=utf-8"}), Some(&body))
            .await;
    assert_eq!((status, body.as_str()), (200, "train"));
    assert_eq!(headers["x-request-id"], "invocation-1");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["ratelimit-policy"], "\"gateway\";q=200;w=1");
}

#[tokio::test]
async fn a_wrong_field_is_named_by_its_path() {
    for (body, field, says) in [
        (json!({"name": "a", "gpu": {"count": -1}}), "gpu.count", "invalid value"),
        (json!({"name": "a", "gpu": {"count": "one"}}), "gpu.count", "invalid type"),
        (json!({"name": "a", "gpu": {"count": 1, "modle": 1}}), "gpu.modle", "unknown field"),
        (json!({"name": "a", "gpu": {"count": 1}, "gpus": 1}), "gpus", "unknown field"),
        (json!({"name": "a", "gpu": {}}), "gpu", "missing field `count`"),
        (json!([]), "body", "invalid length"),
        (json!("x".repeat(5_000)), "body", "invalid type"),
    ] {
        let (status, problem) = submit(&body.to_string()).await;
        assert_eq!((status, problem.code.as_str()), (422, "invalid_fields"), "{body}");
        let [error] = problem.errors.as_slice() else { panic!("{problem:?}") };
        assert_eq!(error.field, field, "{body}");
        assert!(error.message.contains(says), "{error:?}");
        assert!(error.message.len() < 400 && !error.message.contains("line 1"), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    for (body, code) in [
        ("", "body_missing"),
        ("{", "malformed_json"),
        (r#"{"name": "a", "gpu": {"count": 1}} x"#, "malformed_json"),
        ("\u{0}", "malformed_json"),
    ] {
        let (status, problem) = submit(body).await;
        assert_eq!((status, problem.code.as_str()), (400, code), "{body:?}");
    }
    let body = json!({"name": "x", "gpu": {"count": 1}}).to_string();
    for content_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let (status, _, body) =
            send("POST", "/v1/jobs", json!({"content-type": content_type}), Some(&body)).await;
        assert_eq!((status, body.contains("unsupported_media_type")), (415, true), "{content_type}");
    }
    let (status, problem) =
        submit(&json!({"name": "x".repeat(BODY_LIMIT), "gpu": {"count": 1}}).to_string()).await;
    assert_eq!((status, problem.code.as_str()), (413, "body_too_large"));
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    assert_eq!(send("GET", "/v1/jobs?limit=7", json!({}), None).await.2, "Some(7)");
    assert_eq!(send("GET", "/v1/jobs?limit=", json!({}), None).await.2, "None");
    for (path, field) in [("/v1/jobs?limit=many", "limit"), ("/v1/jobs?limits=7", "limits")] {
        let (status, _, problem) = get_problem(path).await;
        assert_eq!((status, problem.errors[0].field.as_str()), (422, field), "{problem:?}");
    }
}

#[tokio::test]
async fn what_the_router_refuses_has_the_same_shape() {
    let (status, _, problem) = get_problem("/v1/nothing").await;
    assert_eq!((status, problem.code.as_str()), (404, "no_such_route"));
    let (status, _, problem) = get_problem("/v1/jobs/not-an-id").await;
    assert_eq!((status, problem.code.as_str()), (404, "not_found"));
    let (status, _, problem) = get_problem("/v1/jobs/a b\u{0}é").await;
    assert_eq!((status, problem.code.as_str()), (404, "not_found"));
    let (status, headers, body) = send("PUT", "/v1/jobs", json!({}), None).await;
    assert_eq!((status, body.contains("method_not_allowed")), (405, true));
    assert_eq!(headers["allow"], "POST,GET,HEAD");
}

#[tokio::test]
async fn a_fault_does_not_show_its_cause() {
    let (status, _, problem) = get_problem("/v1/fault").await;
    assert_eq!((status, problem.code.as_str()), (500, "internal"));
    assert!(!problem.detail.contains("hunter2"));
}

#[tokio::test]
async fn whoever_must_wait_is_told_how_long() {
    let (status, headers, _) = get_problem("/v1/wait").await;
    assert_eq!((status, headers["retry-after"].as_str()), (429, Some("2")));
}

#[tokio::test]
async fn the_address_is_the_gateways_word() {
    let (_, _, address) = send("GET", "/v1/address", json!({"x-forwarded-for": "10.0.0.1"}), None).await;
    assert_eq!(address, "192.0.2.7");
}

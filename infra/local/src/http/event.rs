//! Payload format 2.0: a request as the function gets it, and the function's answer as a response.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{COOKIE, HOST, SET_COOKIE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::routes::{Match, decode};

/// What a request's event says about the API.
#[derive(Debug, Clone)]
pub struct Origin {
    pub account: String,
    pub api: String,
    pub stage: String,
}

/// Builds the event of a request.
pub(super) fn request(
    origin: &Origin,
    route: &Match<'_>,
    parts: &Parts,
    body: &Bytes,
    source: IpAddr,
) -> Value {
    let now = crate::clock::now();
    let host = text(&parts.headers, &HOST);
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    let mut headers = joined(&parts.headers);
    headers.remove("cookie");
    headers.insert("x-forwarded-for".into(), source.to_string().into());
    headers.insert("x-forwarded-proto".into(), "http".into());
    if let Some((_, port)) = host.rsplit_once(':') {
        headers.insert("x-forwarded-port".into(), port.into());
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": origin.account,
            "apiId": origin.api,
            "domainName": host,
            "domainPrefix": origin.api,
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": source.to_string(),
                "userAgent": text(&parts.headers, &USER_AGENT),
            },
            "requestId": request_id(),
            "routeKey": route.key,
            "stage": origin.stage,
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    let cookies: Vec<&str> = parts
        .headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .map(str::trim)
        .filter(|cookie| !cookie.is_empty())
        .collect();
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = Value::Object(parameters(query));
    }
    if !route.variables.is_empty() {
        event["pathParameters"] = json!(route.variables);
    }
    if !body.is_empty() {
        if let Some(text) = as_text(&parts.headers, body) {
            event["body"] = text.into();
        } else {
            event["body"] = STANDARD.encode(body).into();
            event["isBase64Encoded"] = true.into();
        }
    }
    event
}

/// A request id in the form of API Gateway's.
pub fn request_id() -> String {
    let bytes: [u8; 11] = rand::random();
    let mut id = base64::engine::general_purpose::URL_SAFE.encode(bytes);
    id.truncate(15);
    id.push('=');
    id
}

/// Headers with lower-case names, several values of a name joined with commas.
pub fn joined(headers: &HeaderMap) -> Map<String, Value> {
    let mut result: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        result
            .entry(name.as_str())
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    result.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
}

/// Query parameters decoded, several values of a name joined with commas.
pub fn parameters(query: &str) -> Map<String, Value> {
    let mut result = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |word: &str| decode(&word.replace('+', " "));
        let (name, value) = (plain(name), plain(value));
        match result.get_mut(&name) {
            Some(Value::String(joined)) => {
                joined.push(',');
                joined.push_str(&value);
            }
            _ => {
                result.insert(name, Value::String(value));
            }
        }
    }
    result
}

fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// The body as text if API Gateway would pass it as text.
fn as_text<'a>(headers: &HeaderMap, body: &'a Bytes) -> Option<&'a str> {
    if headers.contains_key(http::header::CONTENT_ENCODING) {
        return None;
    }
    let kind = text(headers, &http::header::CONTENT_TYPE).to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
    let textual = kind.is_empty()
        || kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(
            kind.as_str(),
            "application/json"
                | "application/xml"
                | "application/javascript"
                | "application/x-www-form-urlencoded"
        );
    if textual { std::str::from_utf8(body).ok() } else { None }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    multi_value_headers: BTreeMap<String, Vec<Value>>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Builds the response of a function's answer; `None` if the answer makes none.
pub(super) fn response(answer: &[u8]) -> Option<Response> {
    let value: Value = serde_json::from_slice(answer).ok()?;
    // Without a status the whole answer is the body
    if value.get("statusCode").is_none() {
        let body = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let mut response = Response::new(Body::from(body));
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Some(response);
    }
    let answer: Answer = serde_json::from_value(value).ok()?;
    let body = match answer.body {
        None => Bytes::new(),
        Some(body) if answer.is_base64_encoded => STANDARD.decode(body).ok()?.into(),
        Some(body) => body.into(),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status_code?).ok()?;
    let headers = response.headers_mut();
    let single = answer.headers.into_iter().map(|(name, value)| (name, vec![value]));
    for (name, values) in single.chain(answer.multi_value_headers) {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.remove(&name);
        for value in values {
            let value = match value {
                Value::String(value) => value,
                other => other.to_string(),
            };
            headers.append(name.clone(), HeaderValue::from_str(&value).ok()?);
        }
    }
    // Its length is counted again for what is really sent
    headers.remove(http::header::CONTENT_LENGTH);
    for cookie in answer.cookies {
        headers.append(SET_COOKIE, HeaderValue::from_str(&cookie).ok()?);
    }
    if !headers.contains_key(http::header::CONTENT_TYPE) {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Integration;
    use std::time::Duration;

    fn event(request: http::Request<&'static [u8]>) -> Value {
        let origin = Origin { account: "000000000000".into(), api: "api".into(), stage: "$default".into() };
        let integration = Integration { function: "f".into(), timeout: Duration::from_secs(30) };
        let route = Match { key: "ANY /x", integration: &integration, variables: BTreeMap::new() };
        let (parts, body) = request.into_parts();
        super::request(&origin, &route, &parts, &Bytes::from_static(body), IpAddr::from([127, 0, 0, 1]))
    }

    #[test]
    fn headers_cookies_and_query_are_laid_out_as_payload_2() {
        let request = http::Request::post("/x/y%20z?a=1&a=2&b=c%2Bd+e")
            .header("host", "127.0.0.1:8080")
            .header("X-Two", "1")
            .header("X-Two", "2")
            .header("cookie", "a=b; c=d")
            .header("content-type", "application/json")
            .body(&b"{}"[..])
            .unwrap();
        let event = event(request);
        assert_eq!(event["rawPath"], "/x/y%20z");
        assert_eq!(event["rawQueryString"], "a=1&a=2&b=c%2Bd+e");
        assert_eq!(event["queryStringParameters"], json!({"a": "1,2", "b": "c+d e"}));
        assert_eq!(event["headers"]["x-two"], "1,2");
        assert_eq!(event["headers"].get("cookie"), None);
        assert_eq!(event["cookies"], json!(["a=b", "c=d"]));
        assert_eq!(event["body"], "{}");
        assert_eq!(event["isBase64Encoded"], false);
        assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");
    }

    #[test]
    fn what_is_not_text_is_base64() {
        let request = http::Request::post("/x")
            .header("content-type", "text/plain")
            .header("content-encoding", "gzip")
            .body(&[0x1f, 0x8b, 0xff][..])
            .unwrap();
        let gzip = event(request);
        assert_eq!(gzip["body"], "H4v/");
        assert_eq!(gzip["isBase64Encoded"], true);
        let request = http::Request::post("/x").body(&[0xff, 0xfe][..]).unwrap();
        assert_eq!(event(request)["isBase64Encoded"], true);
    }

    #[tokio::test]
    async fn answers_become_responses() {
        let answer = json!({"statusCode": 201, "headers": {"X-A": "b", "x-n": 5}, "cookies": ["a=b", "c=d"], "body": "aGk=", "isBase64Encoded": true});
        let made = response(answer.to_string().as_bytes()).unwrap();
        assert_eq!(made.status(), 201);
        assert_eq!(made.headers()["x-a"], "b");
        assert_eq!(made.headers()["x-n"], "5");
        assert_eq!(made.headers().get_all(SET_COOKIE).iter().count(), 2);
        assert_eq!(axum::body::to_bytes(made.into_body(), 100).await.unwrap(), "hi");
        let inferred = response(br#"{"a":1}"#).unwrap();
        assert_eq!(inferred.status(), 200);
        assert_eq!(inferred.headers()["content-type"], "application/json");
        assert!(response(br#"{"statusCode":"no"}"#).is_none());
        assert!(response(b"nonsense").is_none());
    }
}

//! Who calls the cloud's own API: `TC3-HMAC-SHA256`, verified strictly.

use super::error::Refusal;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use hyper::Request;
use hyper::header::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// How far a request's time may be from the cloud's.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);
const ALGORITHM: &str = "TC3-HMAC-SHA256";

#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A call as it was signed, or as it says of itself in headers that nobody signs.
#[derive(Debug)]
pub(crate) struct Signed {
    /// Of the credential's scope: `tke`, `cvm`.
    pub(crate) service: String,
    pub(crate) action: String,
    pub(crate) version: String,
    pub(crate) region: Option<String>,
}

pub(crate) fn verify(request: &Request<Bytes>, key: &Key, now: Timestamp) -> Result<Signed, Refusal> {
    let headers = request.headers();
    let need = |name: &str| header(headers, name).ok_or_else(|| Refusal::missing(name));
    let action = need("X-TC-Action")?;
    let version = need("X-TC-Version")?;
    let seconds = need("X-TC-Timestamp")?;
    let malformed = |why: &str| Refusal::new("AuthFailure.InvalidAuthorization", why);
    let authorization =
        header(headers, "authorization").ok_or_else(|| malformed("There is no Authorization header."))?;
    let rest = authorization
        .strip_prefix(ALGORITHM)
        .and_then(|rest| rest.strip_prefix(' '))
        .ok_or_else(|| malformed("The algorithm is not TC3-HMAC-SHA256."))?;
    let part = |name: &str| {
        rest.split(',')
            .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
            .ok_or_else(|| malformed("The Authorization header is not complete."))
    };
    let (credential, names, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
    let scope: Vec<&str> = credential.split('/').collect();
    let [id, date, service, "tc3_request"] = scope[..] else {
        return Err(malformed("The credential's scope is not ID/date/service/tc3_request."));
    };
    let at = seconds.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let at = at.ok_or_else(|| Refusal::new("InvalidParameter", "X-TC-Timestamp is not a time."))?;
    if now.duration_since(at).abs() > WINDOW {
        return Err(Refusal::new(
            "AuthFailure.SignatureExpire",
            "Signature has expired. The timestamp must be within five minutes of the server's time.",
        ));
    }
    if id != key.id {
        return Err(Refusal::new(
            "AuthFailure.SecretIdNotFound",
            "The SecretId is not found, please ensure that your SecretId is correct.",
        ));
    }
    if at.strftime("%Y-%m-%d").to_string() != date {
        return Err(mismatch());
    }
    let signed: Vec<&str> = names.split(';').collect();
    if !signed.is_sorted() || ["content-type", "host"].iter().any(|must| !signed.contains(must)) {
        return Err(mismatch());
    }
    let query = request.uri().query().unwrap_or_default();
    let mut canonical = format!("{}\n{}\n{query}\n", request.method(), request.uri().path());
    for name in &signed {
        let value = header(headers, name).ok_or_else(mismatch)?;
        // Writing to a String cannot fail.
        let _ = writeln!(canonical, "{name}:{}", value.trim().to_lowercase());
    }
    let _ = write!(canonical, "\n{names}\n{}", hex(&Sha256::digest(request.body())));
    let digest = hex(&Sha256::digest(canonical.as_bytes()));
    let text = format!("{ALGORITHM}\n{seconds}\n{date}/{service}/tc3_request\n{digest}");
    let mut derived = format!("TC3{}", key.secret).into_bytes();
    for step in [date, service, "tc3_request"] {
        derived = mac(&derived, step.as_bytes())?.finalize().into_bytes().to_vec();
    }
    let given = unhex(signature).ok_or_else(mismatch)?;
    mac(&derived, text.as_bytes())?.verify_slice(&given).map_err(|_| mismatch())?;
    Ok(Signed { service: service.to_owned(), action, version, region: header(headers, "x-tc-region") })
}

fn mac(key: &[u8], text: &[u8]) -> Result<Hmac<Sha256>, Refusal> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| mismatch())?;
    mac.update(text);
    Ok(mac)
}

fn mismatch() -> Refusal {
    Refusal::new(
        "AuthFailure.SignatureFailure",
        "The provided credentials could not be validated. Please check your signature is correct.",
    )
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const FIXTURE: &str = include_str!("../../tests/fixtures/tencent.json");

    fn recorded() -> Vec<(Request<Bytes>, Key, Timestamp)> {
        let all: Value = serde_json::from_str(FIXTURE).unwrap();
        let each = all["requests"].as_array().unwrap().iter().map(|one| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let mut request =
                Request::builder().method(text(&one["method"]).as_str()).uri(text(&one["target"]));
            for header in one["headers"].as_array().unwrap() {
                request = request.header(text(&header[0]), text(&header[1]));
            }
            let request = request.body(Bytes::from(text(&one["body"]))).unwrap();
            let authorization = request.headers()["authorization"].to_str().unwrap();
            let id = authorization.split_once("Credential=").unwrap().1.split_once('/').unwrap().0.to_owned();
            let at = request.headers()["x-tc-timestamp"].to_str().unwrap().parse().unwrap();
            (request, Key { id, secret: text(&one["secret"]) }, Timestamp::from_second(at).unwrap())
        });
        each.collect()
    }

    #[test]
    fn what_the_official_client_signs_is_accepted() {
        for (request, key, at) in recorded() {
            let signed = verify(&request, &key, at).unwrap();
            assert_eq!(signed.action, request.headers()["x-tc-action"].to_str().unwrap());
            assert_eq!(signed.region.as_deref(), Some("ap-guangzhou"));
        }
    }

    #[test]
    fn whatever_is_changed_is_refused() {
        let code = |request: &Request<Bytes>, key: &Key, at| verify(request, key, at).unwrap_err().code;
        for (request, key, at) in recorded() {
            let stale = at + SignedDuration::from_secs(301);
            assert_eq!(code(&request, &key, stale), "AuthFailure.SignatureExpire");
            let other = Key { id: "AKIDother".to_owned(), ..key.clone() };
            assert_eq!(code(&request, &other, at), "AuthFailure.SecretIdNotFound");
            let wrong = Key { secret: "wrong".to_owned(), ..key.clone() };
            assert_eq!(code(&request, &wrong, at), "AuthFailure.SignatureFailure");
            for (header, value) in [("content-type", "text/plain"), ("host", "127.0.0.1:1")] {
                let mut changed = request.clone();
                changed.headers_mut().insert(header, value.parse().unwrap());
                assert_eq!(code(&changed, &key, at), "AuthFailure.SignatureFailure");
            }
            let mut changed = request.clone();
            *changed.body_mut() = Bytes::from_static(b"{}");
            assert_eq!(code(&changed, &key, at), "AuthFailure.SignatureFailure");
            let mut bare = request.clone();
            bare.headers_mut().remove("authorization");
            assert_eq!(code(&bare, &key, at), "AuthFailure.InvalidAuthorization");
        }
    }
}

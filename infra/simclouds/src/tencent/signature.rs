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

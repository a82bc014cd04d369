//! Who calls: signature V3 (`ACS3-HMAC-SHA256`, in headers) and V1 (HMAC-SHA1, in parameters), verified strictly.

use super::error::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use hyper::Request;
use hyper::header::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How far a request's date may be from the cloud's.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);
const V3: &str = "ACS3-HMAC-SHA256";

/// The parameters of V1 that belong to the protocol, not to an action.
const PROTOCOL: [&str; 11] = [
    "Action",
    "Version",
    "Format",
    "Timestamp",
    "SignatureMethod",
    "SignatureType",
    "SignatureVersion",
    "SignatureNonce",
    "AccessKeyId",
    "Signature",
    "SecurityToken",
];

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

/// A call as it was signed.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) action: String,
    pub(crate) version: String,
    /// Of this call alone; a second call with it is a replay.
    pub(crate) nonce: String,
    /// Without those of the protocol.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// A call that cannot be one of the key's owner, with the action that it names as far as it names one.
pub(crate) fn verify(request: &Request<Bytes>, key: &Key, now: Timestamp) -> Result<Signed, Refusal> {
    let query = pairs(request.uri().query().unwrap_or_default().as_bytes())?;
    let kind = header(request.headers(), "content-type").unwrap_or_default();
    let form = if kind.starts_with("application/x-www-form-urlencoded") {
        pairs(request.body())?
    } else {
        BTreeMap::new()
    };
    if request.headers().contains_key("authorization") {
        return v3(request, key, now, query, form);
    }
    let mut all = query;
    for (name, value) in form {
        if all.insert(name.clone(), value).is_some() {
            return Err(Refusal::invalid(&name));
        }
    }
    if all.contains_key("Signature") {
        return v1(request.method().as_str(), key, now, all);
    }
    Err(Refusal::new(
        400,
        "IncompleteSignature",
        "The request signature does not conform to Aliyun standards.",
    ))
}

fn v3(
    request: &Request<Bytes>,
    key: &Key,
    now: Timestamp,
    query: BTreeMap<String, String>,
    form: BTreeMap<String, String>,
) -> Result<Signed, Refusal> {
    let headers = request.headers();
    let incomplete = || {
        Refusal::new(
            400,
            "IncompleteSignature",
            "The request signature does not conform to Aliyun standards.",
        )
    };
    let authorization = header(headers, "authorization").ok_or_else(incomplete)?;
    let rest =
        authorization.strip_prefix(V3).and_then(|rest| rest.strip_prefix(' ')).ok_or_else(incomplete)?;
    let part = |name: &str| {
        rest.split(',')
            .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
            .ok_or_else(incomplete)
    };
    let (id, names, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
    let signed: Vec<&str> = names.split(';').collect();
    let must = headers
        .keys()
        .map(hyper::header::HeaderName::as_str)
        .filter(|name| *name == "host" || *name == "content-type" || name.starts_with("x-acs-"));
    // What the cloud reads must be signed, in the order that the algorithm names.
    if !signed.is_sorted() || must.into_iter().any(|name| !signed.contains(&name)) {
        return Err(mismatch());
    }
    let value = |name: &str| header(headers, name).ok_or_else(|| Refusal::missing(name));
    let (action, version) = (value("x-acs-action")?, value("x-acs-version")?);
    let (date, nonce) = (value("x-acs-date")?, value("x-acs-signature-nonce")?);
    if id != key.id {
        return Err(unknown_key());
    }
    fresh(&date, now)?;
    let digest = hex(&Sha256::digest(request.body()));
    if header(headers, "x-acs-content-sha256").is_none_or(|said| said != digest) {
        return Err(mismatch());
    }
    let mut canonical = format!("{}\n{}\n{}\n", request.method(), request.uri().path(), joined(&query));
    for name in &signed {
        let value = header(headers, name).ok_or_else(mismatch)?;
        // Writing to a String cannot fail.
        let _ = writeln!(canonical, "{name}:{}", value.trim());
    }
    let _ = write!(canonical, "\n{names}\n{digest}");
    let text = format!("{V3}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let mut mac = Hmac::<Sha256>::new_from_slice(key.secret.as_bytes()).map_err(|_| mismatch())?;
    mac.update(text.as_bytes());
    let given = unhex(signature).ok_or_else(mismatch)?;
    mac.verify_slice(&given).map_err(|_| mismatch())?;
    let mut parameters = query;
    for (name, value) in form {
        if parameters.insert(name.clone(), value).is_some() {
            return Err(Refusal::invalid(&name));
        }
    }
    Ok(Signed { action, version, nonce, parameters })
}

fn v1(method: &str, key: &Key, now: Timestamp, mut all: BTreeMap<String, String>) -> Result<Signed, Refusal> {
    let need = |name: &str| all.get(name).cloned().ok_or_else(|| Refusal::missing(name));
    let (id, nonce, date) = (need("AccessKeyId")?, need("SignatureNonce")?, need("Timestamp")?);
    let (action, version) = (need("Action")?, need("Version")?);
    if need("SignatureMethod")? != "HMAC-SHA1" || need("SignatureVersion")? != "1.0" {
        return Err(Refusal::new(
            400,
            "IncompleteSignature",
            "The request signature does not conform to Aliyun standards.",
        ));
    }
    // Without it the cloud answers in XML, which nobody here reads.
    if !need("Format")?.eq_ignore_ascii_case("json") {
        return Err(Refusal::invalid("Format"));
    }
    if id != key.id {
        return Err(unknown_key());
    }
    fresh(&date, now)?;
    let given = all.remove("Signature").unwrap_or_default();
    let text = format!("{method}&%2F&{}", encoded(&joined(&all)));
    let secret = format!("{}&", key.secret);
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).map_err(|_| mismatch())?;
    mac.update(text.as_bytes());
    let given = STANDARD.decode(given).map_err(|_| mismatch())?;
    mac.verify_slice(&given).map_err(|_| {
        // Its client compares that with its own text, and knows then that the secret is wrong.
        let message = format!(
            "Specified signature is not matched with our calculation. server string to sign is:{text}"
        );
        Refusal::new(400, "SignatureDoesNotMatch", message)
    })?;
    all.retain(|name, _| !PROTOCOL.contains(&name.as_str()));
    Ok(Signed { action, version, nonce, parameters: all })
}

fn mismatch() -> Refusal {
    Refusal::new(400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation.")
}

fn unknown_key() -> Refusal {
    Refusal::new(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
}

fn fresh(date: &str, now: Timestamp) -> Result<(), Refusal> {
    let at: Timestamp = date.parse().map_err(|_| {
        Refusal::new(
            400,
            "InvalidTimeStamp.Format",
            "Specified time stamp or date value is not well formatted.",
        )
    })?;
    if now.duration_since(at).abs() > WINDOW {
        return Err(Refusal::new(
            400,
            "InvalidTimeStamp.Expired",
            "Specified time stamp or date value is expired.",
        ));
    }
    Ok(())
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Form-decoded: a client may send `+` for a space and yet sign `%20`.
fn pairs(text: &[u8]) -> Result<BTreeMap<String, String>, Refusal> {
    let mut all = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(text) {
        if all.insert(name.to_string(), value.into_owned()).is_some() {
            return Err(Refusal::invalid(&name));
        }
    }
    Ok(all)
}

/// Sorted by name, since the map is.
fn joined(all: &BTreeMap<String, String>) -> String {
    let each = all.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    each.collect::<Vec<_>>().join("&")
}

/// Percent-encoded as RFC 3986 wants it.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
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

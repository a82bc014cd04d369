//! ACS3-HMAC-SHA256: what is signed of a request, and how.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// A request before its signature. Names of headers are in lower case.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// Names and values as they are, not encoded yet.
    pub(super) query: &'a [(&'a str, String)],
    /// All of them are signed.
    pub(super) headers: &'a [(&'a str, String)],
    pub(super) body: &'a [u8],
}

impl Request<'_> {
    fn signed_headers(&self) -> String {
        let mut names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.join(";")
    }

    /// The one spelling of the request that both sides hash.
    pub(super) fn canonical(&self) -> String {
        let mut headers: Vec<_> = self.headers.iter().collect();
        headers.sort_unstable();
        let headers: String =
            headers.iter().fold(String::new(), |text, (name, value)| text + name + ":" + value.trim() + "\n");
        let query = query(self.query);
        let names = self.signed_headers();
        format!("{}\n{}\n{query}\n{headers}\n{names}\n{}", self.method, self.path, sha256(self.body))
    }

    pub(super) fn string_to_sign(&self) -> String {
        format!("{ALGORITHM}\n{}", sha256(self.canonical().as_bytes()))
    }

    pub(super) fn signature(&self, secret: &str) -> String {
        // HMAC takes keys of every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
        mac.update(self.string_to_sign().as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    /// The value of the header `Authorization`.
    pub(super) fn authorization(&self, key_id: &str, secret: &str) -> String {
        let (names, signature) = (self.signed_headers(), self.signature(secret));
        format!("{ALGORITHM} Credential={key_id},SignedHeaders={names},Signature={signature}")
    }
}

/// The query in its canonical order and spelling, which is also how it is sent.
pub(super) fn query(pairs: &[(&str, String)]) -> String {
    let mut pairs: Vec<_> = pairs.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Vector {
        name: String,
        secret: String,
        method: String,
        target: String,
        headers: Vec<(String, String)>,
        body: String,
        canonical_request: String,
        string_to_sign: String,
        signature: String,
        authorization: String,
    }

    #[test]
    fn every_recorded_request_is_signed_as_the_official_client_signed_it() {
        let vectors: Vec<Vector> =
            serde_json::from_str(include_str!("../../tests/fixtures/alibaba_signatures.json")).unwrap();
        assert_eq!(vectors.len(), 16);
        for vector in vectors {
            let names = vector.authorization.split("SignedHeaders=").nth(1).unwrap();
            let names: Vec<&str> = names.split(',').next().unwrap().split(';').collect();
            let headers: Vec<(String, String)> = vector
                .headers
                .iter()
                .map(|(name, value)| (name.to_lowercase(), value.clone()))
                .filter(|(name, _)| names.contains(&name.as_str()))
                .collect();
            let headers: Vec<(&str, String)> = headers.iter().map(|(n, v)| (n.as_str(), v.clone())).collect();
            let (path, query) = vector.target.split_once('?').unwrap_or((&vector.target, ""));
            let base = url::Url::parse(&format!("http://host/?{query}")).unwrap();
            let pairs: Vec<(String, String)> = base.query_pairs().into_owned().collect();
            let query: Vec<(&str, String)> = pairs.iter().map(|(n, v)| (n.as_str(), v.clone())).collect();
            let request = Request {
                method: &vector.method,
                path,
                query: &query,
                headers: &headers,
                body: vector.body.as_bytes(),
            };
            assert_eq!(request.canonical(), vector.canonical_request, "{}", vector.name);
            assert_eq!(request.string_to_sign(), vector.string_to_sign, "{}", vector.name);
            assert_eq!(request.signature(&vector.secret), vector.signature, "{}", vector.name);
            let said = request.authorization("testAccessKeyId", &vector.secret);
            assert_eq!(said, vector.authorization, "{}", vector.name);
        }
    }

    #[test]
    fn what_is_sent_is_what_is_signed() {
        let pairs = [("b", "a b/c*~+é".to_owned()), ("a.1", String::new())];
        assert_eq!(query(&pairs), "a.1=&b=a%20b%2Fc%2A~%2B%C3%A9");
    }
}

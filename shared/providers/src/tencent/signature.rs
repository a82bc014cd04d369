//! `TC3-HMAC-SHA256`: how Tencent Cloud knows who calls. Content type and host are signed, and the body by its digest.

use hmac::{Hmac, KeyInit, Mac};
use jiff::{Timestamp, tz::Offset};
use sha2::{Digest, Sha256};

use crate::ApiKey;

const ALGORITHM: &str = "TC3-HMAC-SHA256";

/// What of a request is signed.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// Without the question mark.
    pub(super) query: &'a str,
    pub(super) content_type: &'a str,
    /// As the header says it: with a port that is not the scheme's own.
    pub(super) host: &'a str,
    pub(super) body: &'a [u8],
}

impl Request<'_> {
    fn canonical(&self) -> String {
        let Self { method, query, content_type, host, body } = self;
        let body = hex(&Sha256::digest(body));
        format!("{method}\n/\n{query}\ncontent-type:{content_type}\nhost:{host}\n\ncontent-type;host\n{body}")
    }

    fn to_sign(&self, scope: &str, at: Timestamp) -> String {
        let digest = hex(&Sha256::digest(self.canonical()));
        format!("{ALGORITHM}\n{}\n{scope}\n{digest}", at.as_second())
    }

    /// The `Authorization` header of this request to `service` at that time.
    pub(super) fn authorization(&self, id: &ApiKey, secret: &ApiKey, service: &str, at: Timestamp) -> String {
        let date = Offset::UTC.to_datetime(at).date().to_string();
        let scope = format!("{date}/{service}/tc3_request");
        let key = mac(format!("TC3{}", secret.expose()).as_bytes(), &date);
        let key = mac(&mac(&key, service), "tc3_request");
        let signature = hex(&mac(&key, &self.to_sign(&scope, at)));
        format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders=content-type;host, Signature={signature}",
            id.expose()
        )
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        secret_id: String,
        secret_key: String,
        method: String,
        target: String,
        content_type: String,
        host: String,
        service: String,
        timestamp: i64,
        body: String,
        canonical_request: String,
        string_to_sign: String,
        authorization: String,
    }

    /// Requests of Tencent Cloud's official client, each with what it signed.
    #[test]
    fn the_official_clients_signatures_come_out() {
        let vectors: Vec<Vector> =
            serde_json::from_str(include_str!("../../tests/fixtures/tencent_signatures.json")).unwrap();
        assert!(vectors.len() > 10 && vectors.iter().any(|vector| vector.method == "GET"));
        for vector in vectors {
            let name = &vector.name;
            let request = Request {
                method: &vector.method,
                query: vector.target.split_once('?').map_or("", |(_, query)| query),
                content_type: &vector.content_type,
                host: &vector.host,
                body: vector.body.as_bytes(),
            };
            let at = Timestamp::from_second(vector.timestamp).unwrap();
            assert_eq!(request.canonical(), vector.canonical_request, "{name}");
            let scope = vector.string_to_sign.split('\n').nth(2).unwrap();
            assert_eq!(request.to_sign(scope, at), vector.string_to_sign, "{name}");
            let (id, secret) = (ApiKey::new(&vector.secret_id), ApiKey::new(&vector.secret_key));
            let header = request.authorization(&id, &secret, &vector.service, at);
            assert_eq!(header, vector.authorization, "{name}");
        }
    }
}

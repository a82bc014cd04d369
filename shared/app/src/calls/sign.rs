//! Standard Webhooks 1.0: how a receiver knows that a message is ours and is as we sent it.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};

/// A signing secret that is not `whsec_` and 24 to 64 bytes in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signing secret is not whsec_ and 24 to 64 bytes in base64")]
pub struct InvalidSecret;

/// The value of `webhook-signature` for a message: `v1,` and the HMAC-SHA256 of its id, the time of the try in seconds since
/// 1970, and its body.
pub fn sign(secret: &str, id: &str, seconds: i64, body: &str) -> Result<String, InvalidSecret> {
    let key = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
    let key = key.filter(|key| (24..=64).contains(&key.len())).ok_or(InvalidSecret)?;
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
    context.update(format!("{id}.{seconds}.").as_bytes());
    context.update(body.as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(context.sign())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_signed() {
        let secret = |byte: u8, len| format!("whsec_{}", STANDARD.encode(vec![byte; len]));
        let first = sign(&secret(1, 32), "msg_1", 1_700_000_000, "{}").unwrap();
        assert!(first.starts_with("v1,") && first.len() == 3 + 44);
        for other in [
            sign(&secret(2, 32), "msg_1", 1_700_000_000, "{}"),
            sign(&secret(1, 32), "msg_2", 1_700_000_000, "{}"),
            sign(&secret(1, 32), "msg_1", 1_700_000_001, "{}"),
            sign(&secret(1, 32), "msg_1", 1_700_000_000, "{ }"),
        ] {
            assert_ne!(other.unwrap(), first);
        }
    }

    #[test]
    fn other_secrets_are_refused() {
        for len in [0, 23, 65] {
            let secret = format!("whsec_{}", STANDARD.encode(vec![1; len]));
            assert_eq!(sign(&secret, "msg_1", 0, ""), Err(InvalidSecret), "{len}");
        }
        for secret in ["", "whsec_!", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="] {
            assert_eq!(sign(secret, "msg_1", 0, ""), Err(InvalidSecret), "{secret}");
        }
    }
}

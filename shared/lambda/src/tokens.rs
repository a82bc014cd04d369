//! Access tokens: JWTs that we sign with ES256 and that every function checks by itself.
//!
//! The parameter may hold several keys, one PEM block after another: the first signs, all of them are believed. To change
//! the key without signing anybody out, put the new one last, wait until no function has the old value any more
//! (five minutes), put it first, wait out the life of a token, and take the old one away.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{Principal, Role, SessionId, UserId};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long a token is good. A deactivated account keeps what it may do for that long, except where an endpoint asks the
/// account's row (administration, refresh, API keys).
pub const LIFE: SignedDuration = SignedDuration::from_mins(15);
/// Clocks of two machines may differ by that much.
const LEEWAY: SignedDuration = SignedDuration::from_secs(5);
const AUDIENCE: &str = "gpu-api";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer: the API's URL.
    pub iss: String,
    /// Audience.
    pub aud: String,
    pub sub: UserId,
    pub role: Role,
    pub sid: SessionId,
    /// Issued and expires, in seconds since 1970.
    pub iat: i64,
    pub exp: i64,
}

impl Claims {
    /// Whose token it is.
    pub fn principal(&self) -> Principal {
        Principal { user: self.sub, role: self.role }
    }
}

/// Why a signing key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the signing key is not a P-256 private key in PKCS #8 PEM")]
    NotP256,
    #[error("the token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the access token has expired")]
    Expired,
    #[error("the access token is not one of ours")]
    Invalid,
}

/// The keys that sign tokens and check them.
pub struct Keys {
    issuer: String,
    signing: EncodingKey,
    kid: String,
    checking: Vec<(String, DecodingKey)>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Keys {
    /// Keys from PEM blocks; `issuer` is the API's URL.
    pub fn from_pem(pem: &str, issuer: &str) -> Result<Self, KeyError> {
        const END: &str = "-----END PRIVATE KEY-----";
        let blocks = pem.split_inclusive(END).map(str::trim).filter(|block| block.ends_with(END));
        let mut signing = None;
        let mut checking = Vec::new();
        for block in blocks {
            let key = EncodingKey::from_ec_pem(block.as_bytes()).map_err(|_| KeyError::NotP256)?;
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_bytes())
                .map_err(|_| KeyError::NotP256)?;
            let point = pair.public_key().as_ref();
            let kid = URL_SAFE_NO_PAD.encode(&Sha256::digest(point)[..12]);
            checking.push((kid.clone(), DecodingKey::from_ec_der(point)));
            signing.get_or_insert((key, kid));
        }
        let (signing, kid) = signing.ok_or(KeyError::NotP256)?;
        Ok(Self { issuer: issuer.to_owned(), signing, kid, checking })
    }

    /// A token for `principal` in `session`, good from `now` on.
    pub fn issue(
        &self,
        principal: Principal,
        session: SessionId,
        now: Timestamp,
    ) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.clone());
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.into(),
            sub: principal.user,
            role: principal.role,
            sid: session,
            iat: now.as_second(),
            exp: (now + LIFE).as_second(),
        };
        jsonwebtoken::encode(&header, &claims, &self.signing).map_err(KeyError::Sign)
    }

    /// What `token` says, if we signed it and it is good at `now`.
    pub fn check(&self, token: &str, now: Timestamp) -> Result<Claims, Refused> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refused::Invalid)?;
        let kid = header.kid.ok_or(Refused::Invalid)?;
        let (_, key) = self.checking.iter().find(|(known, _)| *known == kid).ok_or(Refused::Invalid)?;
        // The algorithm is ours to say, never the token's.
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The library would ask the machine's clock; ours decides below.
        validation.validate_exp = false;
        let claims =
            jsonwebtoken::decode::<Claims>(token, key, &validation).map_err(|_| Refused::Invalid)?.claims;
        let now = now.as_second();
        if claims.iat - LEEWAY.as_secs() > now {
            Err(Refused::Invalid)
        } else if now >= claims.exp + LEEWAY.as_secs() {
            Err(Refused::Expired)
        } else {
            Ok(claims)
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::EcdsaKeyPair;
    use base64::engine::general_purpose::STANDARD;
    use uuid::Uuid;

    use super::*;

    const ISSUER: &str = "https://api.example.com";

    fn pem() -> String {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()))
    }

    fn keys(pem: &str) -> Keys {
        Keys::from_pem(pem, ISSUER).unwrap()
    }

    fn who() -> (Principal, SessionId) {
        let user = UserId::new(Uuid::from_u128(1));
        (Principal { user, role: Role::User }, SessionId::new(Uuid::from_u128(2)))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn a_token_is_good_for_fifteen_minutes() {
        let keys = keys(&pem());
        let (principal, session) = who();
        let token = keys.issue(principal, session, at(0)).unwrap();
        let claims = keys.check(&token, at(899)).unwrap();
        assert_eq!((claims.principal(), claims.sid), (principal, session));
        assert_eq!(keys.check(&token, at(905)), Err(Refused::Expired));
        assert_eq!(keys.check(&token, at(-6)), Err(Refused::Invalid), "not issued yet");
    }

    #[test]
    fn a_changed_token_is_refused() {
        let keys = keys(&pem());
        let (principal, session) = who();
        let token = keys.issue(principal, session, at(0)).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let header = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let mut claims: serde_json::Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        claims["role"] = "admin".into();
        let admin = URL_SAFE_NO_PAD.encode(claims.to_string());
        let none = header(r#"{"alg":"none","typ":"JWT"}"#);
        let kid = &keys.kid;
        let hmac = header(&format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{kid}"}}"#));
        for bad in [
            format!("{}.{admin}.{}", parts[0], parts[2]),
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{hmac}.{}.{}", parts[1], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{token}x"),
            "a.b.c".into(),
            String::new(),
        ] {
            assert_eq!(keys.check(&bad, at(1)), Err(Refused::Invalid), "{bad}");
        }
    }

    #[test]
    fn tokens_of_another_key_or_another_deployment_are_refused() {
        let (ours, theirs) = (pem(), pem());
        let (principal, session) = who();
        let token = keys(&theirs).issue(principal, session, at(0)).unwrap();
        assert_eq!(keys(&ours).check(&token, at(1)), Err(Refused::Invalid));
        let other = Keys::from_pem(&ours, "https://other.example.com").unwrap();
        let token = other.issue(principal, session, at(0)).unwrap();
        assert_eq!(keys(&ours).check(&token, at(1)), Err(Refused::Invalid));
    }

    #[test]
    fn a_key_can_be_changed_without_signing_anybody_out() {
        let (old, new) = (pem(), pem());
        let (principal, session) = who();
        let token = keys(&old).issue(principal, session, at(0)).unwrap();
        let both = keys(&format!("{new}{old}"));
        assert!(both.check(&token, at(1)).is_ok());
        let token = both.issue(principal, session, at(0)).unwrap();
        assert!(keys(&new).check(&token, at(1)).is_ok());
        assert_eq!(keys(&old).check(&token, at(1)), Err(Refused::Invalid));
    }

    #[test]
    fn what_is_no_key_is_said_to_be_none() {
        for text in ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
            assert!(matches!(Keys::from_pem(text, ISSUER), Err(KeyError::NotP256)), "{text}");
        }
    }
}

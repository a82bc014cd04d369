//! Refresh tokens: opaque texts that name their session and hold its family and link.

use domain::{SessionId, account::Digest};
use uuid::Uuid;

use super::secret;

/// What every refresh token begins with.
const PREFIX: &str = "gpur_";

/// A refresh token, taken apart.
pub(super) struct Token {
    pub(super) session: SessionId,
    family: [u8; 32],
    link: [u8; 32],
}

impl Token {
    pub(super) fn new(session: SessionId, family: [u8; 32], link: [u8; 32]) -> Self {
        Self { session, family, link }
    }

    /// The token after this one.
    pub(super) fn next(&self, link: [u8; 32]) -> Self {
        Self { session: self.session, family: self.family, link }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = secret::decode(text.strip_prefix(PREFIX)?)?;
        let (session, rest) = bytes.split_first_chunk::<16>()?;
        let (family, rest) = rest.split_first_chunk::<32>()?;
        let link = rest.try_into().ok()?;
        Some(Self { session: SessionId::new(Uuid::from_bytes(*session)), family: *family, link })
    }

    pub(super) fn text(&self) -> String {
        let uuid = self.session.uuid();
        let bytes = [uuid.as_bytes().as_slice(), &self.family, &self.link].concat();
        format!("{PREFIX}{}", secret::encode(&bytes))
    }

    pub(super) fn family(&self) -> Digest {
        secret::digest(&self.family)
    }

    pub(super) fn link(&self) -> Digest {
        secret::digest(&self.link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let token = Token::new(SessionId::new(Uuid::from_u128(7)), [1; 32], [2; 32]);
        let read = Token::parse(&token.text()).unwrap();
        assert_eq!((read.session, read.family(), read.link()), (token.session, token.family(), token.link()));
        assert_ne!(token.family(), token.link());
        for bad in ["", "gpur_", "gpur_AAAA", &token.text()[5..], &format!("{}AAAA", token.text())] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }
}

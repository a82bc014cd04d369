//! Task tokens. They name their execution and carry a checksum, so that a token that was never ours, one of an execution
//! that is gone and one whose task has ended can be told apart without keeping every token ever made.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const PREFIX: [u8; 4] = [0x01, 0x00, 0x80, 0x00];
const RANDOM: usize = 32;
const LENGTH: usize = PREFIX.len() + 8 + RANDOM + 8;

/// A new token for a task of that execution.
pub(crate) fn new(execution: i64) -> String {
    let mut bytes = PREFIX.to_vec();
    bytes.extend(execution.to_be_bytes());
    bytes.extend(rand::random::<[u8; RANDOM]>());
    bytes.extend(checksum(&bytes).to_be_bytes());
    STANDARD.encode(bytes)
}

/// The execution a token was made for; `None` if it is not a token at all.
pub(crate) fn execution(token: &str) -> Option<i64> {
    let bytes = STANDARD.decode(token).ok()?;
    if bytes.len() != LENGTH || !bytes.starts_with(&PREFIX) {
        return None;
    }
    let (body, sum) = bytes.split_at(LENGTH - 8);
    let number = body[PREFIX.len()..].first_chunk::<8>()?;
    (checksum(body).to_be_bytes() == sum).then(|| i64::from_be_bytes(*number))
}

/// FNV-1a: catches what was cut or mistyped, which is all it is for.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_execution() {
        let token = new(42);
        assert_eq!(execution(&token), Some(42));
        assert_ne!(token, new(42));
        assert_eq!(execution(&token[1..]), None);
        assert_eq!(execution("no token"), None);
        assert_eq!(execution(&token.replacen('A', "B", 1)), None);
    }
}

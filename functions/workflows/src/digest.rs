//! What a repeat of a request is known by.

use base64::{Engine, engine::general_purpose::STANDARD};
use lambda::Problem;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// A digest of a request to `path` with this body. Read and written again, the body has one spelling: white space and the
/// order of its fields do not count, but in a definition, which is kept as it was written.
pub(crate) fn of(path: &str, body: &impl Serialize) -> Result<String, Problem> {
    let body = serde_json::to_vec(body).map_err(Problem::internal)?;
    let mut digest = Sha256::new();
    digest.update((path.len() as u64).to_be_bytes());
    digest.update(path);
    digest.update(body);
    Ok(STANDARD.encode(digest.finalize()))
}

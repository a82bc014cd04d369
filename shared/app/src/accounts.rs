//! Accounts: registration, sign-in, the chain of refresh tokens, keys for machines, and their administration.

mod keys;
mod secret;

pub use keys::{API_KEY_PREFIX, api_key_principal};

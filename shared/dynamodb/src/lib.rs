//! The store: one DynamoDB table. `keys` says every key of it.

pub mod keys;

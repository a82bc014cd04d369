//! The store: one DynamoDB table. [`keys`] says every key of it, [`item`] how a value becomes a row.

pub mod item;
pub mod keys;
pub mod migrations;
pub mod report;

mod accounts;
mod batch;
mod calls;
mod connections;
mod endpoints;
mod failure;
mod jobs;
mod log;
mod market;
mod money;
mod pages;
mod parts;
mod runners;
mod runs;
mod schedules;
mod secrets;
mod transaction;
mod workflows;

use aws_sdk_dynamodb::Client;

pub use failure::store_error;

/// The table behind every store port.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    table: String,
}

impl Store {
    /// A store in `table`.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

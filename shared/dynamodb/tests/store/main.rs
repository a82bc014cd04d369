//! What the store must do, on DynamoDB's own API; one binary, so that SQLite and the SDK are linked once.

mod accounts;
mod calls;
mod connections;
mod jobs;
mod market;
mod migrations;
mod money;
mod runs;
mod scheduler;
mod schedules;
mod support;
mod workflows;

//! The wire types of the HTTP API and of WebSocket messages, with their OpenAPI schema: one file for each resource.

pub mod accounts;
pub mod budget;
pub mod costs;
pub mod events;
pub mod jobs;
pub mod messages;
pub mod money;
pub mod notifications;
pub mod offers;
pub mod problem;
pub mod realtime;
pub mod runs;
pub mod schedules;
pub mod secrets;
pub mod system;
pub mod workflows;

mod examples;
mod mirror;
mod openapi;
mod query;

pub use openapi::openapi;

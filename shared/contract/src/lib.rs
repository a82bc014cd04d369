//! The wire types of the HTTP API and of WebSocket messages, with their OpenAPI schema: one file for each resource.

pub mod events;
pub mod messages;
pub mod money;
pub mod problem;

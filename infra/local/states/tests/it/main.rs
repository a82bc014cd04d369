//! The service as its callers see it: definitions, executions, tokens, restarts, HTTP.

mod api;
mod definitions;
mod durability;
mod executions;
mod process;
mod support;
mod tokens;

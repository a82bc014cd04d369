//! Workflows: their definition, which node of a run may start given what ended, and when a schedule is due.

pub mod advance;
pub mod cel;
mod definition;
mod errors;
mod read;
mod scope;
mod template;

pub use advance::{Decision, Effect, Fan, Gate, Outcome, Place, Status, Tally, TriggerRule, Window};
pub use definition::{
    Cache, Dependency, FailurePolicy, FanOut, Kind, Limits, Method, Node, Position, Retry, Webhook, Workflow,
};
pub use read::Format;
pub use scope::{Scope, Seen};
pub use template::render;

//! Workflows: which node of a run may start, given what ended.

pub mod advance;

pub use advance::{Decision, Effect, Fan, Gate, Outcome, Place, Status, Tally, TriggerRule, Window};

//! The rules of the platform and nothing else: no I/O, no async, no clock, no AWS.
//!
//! Everything here is a value or a pure function. Time and ids come in as arguments, so a test can call any rule.

pub mod access;
pub mod account;
pub mod address;
pub mod budget;
pub mod id;
pub mod job;
pub mod ledger;
pub mod money;
pub mod placement;
#[cfg(feature = "samples")]
pub mod samples;
pub mod secret;
#[cfg(feature = "workflow")]
pub mod workflow;

pub use access::{Principal, Role};
pub use id::{
    ApiKeyId, AttemptId, CallId, EndpointId, JobId, RunId, ScheduleId, SessionId, UserId, WorkflowId,
};
pub use money::{Currency, Money, Rates};

//! Workflows: their definition, which node of a run may start given what ended, and when a schedule is due.

pub mod advance;
mod cache_key;
pub mod cel;
pub mod compare;
mod definition;
mod errors;
mod evaluate;
mod expand;
mod job_fields;
mod lines;
mod outcome;
mod params;
mod plan;
mod read;
mod resume;
mod run;
mod schedule;
mod scope;
mod template;
mod uses;
mod validate;

pub use advance::{Decision, Effect, Fan, Gate, Outcome, Place, Status, Tally, TriggerRule, Window};
pub use cache_key::CacheKey;
pub use definition::{
    Cache, Dependency, FailurePolicy, FanOut, Kind, Limits, Method, Node, Position, Retry, StepKind, Webhook,
    Workflow,
};
pub use job_fields::{read_job, render_job};
pub use lines::line_of;
pub use outcome::{Counts, IllegalChange, NodeStatus, RunStatus, Stop};
pub use plan::{Ancestors, Edge, Plan, Step, Text};
pub use read::Format;
pub use resume::{Because, Fate, changed};
pub use run::{
    CachedFrom, EndedRun, Head, MapProgress, NodeState, Origin, Run, RunEvent, RunEventKind, StopRequest,
    Stopped,
};
pub use schedule::{CatchUp, Due, Overlap, Schedule, Timetable, Verdict};
pub use scope::{Scope, Seen};
pub use template::render;
pub use uses::Uses;

//! A job: what was asked for ([`Spec`]), where it stands ([`Job`]), and each try of it ([`Attempt`]).

mod attempt;
mod ceiling;
mod event;
mod lifecycle;
mod queue;
mod retry;
mod spec;

pub use attempt::{
    Attempt, Begun, Exit, ExitReason, Handle, Outcome, RunnerState, RunnerWord, Seam, Waiting,
};
pub use event::{Event, EventKind};
pub use lifecycle::{Cancel, DEADLINE_GRACE, Edit, IllegalTransition, Job, NodeRef, Progress, Status};
pub use queue::in_order;
pub use retry::{Retry, RetryOn};
pub use spec::{
    BOOT_TIMEOUT_SECONDS, FieldError, GpuNeed, Limits, Priority, SealedText, Spec, Spot, Strategy, paragraph,
    tags, text, variable,
};

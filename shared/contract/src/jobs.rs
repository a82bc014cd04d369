//! Jobs on the wire.

mod docs;
mod edit;
mod event;
mod figures;
mod list;
mod log;
mod submit;
mod view;

use crate::mirror::mirror;

pub use docs::Docs;
pub use edit::EditJob;
pub use event::{EventPage, EventsQuery};
pub use figures::{
    Attempt, AttemptCost, Attempts, Cost, Counts, CountsQuery, GpuFigures, Metrics, MetricsQuery, MetricsRow,
};
pub use list::{JobPage, ListQuery};
pub use log::{Log, LogPosition, LogQuery};
pub use submit::{GpuNeed, Retry, SecretNames, SecretText, SubmitJob};
pub(crate) use submit::{spot, strategy};
pub use view::{Gpu, Job, JobFacts, JobNode, Links, Progress};

mirror! {
    /// Whether a job takes instances that the cloud may take back: `prefer` takes on-demand where there is no spot.
    Spot of domain::job::Spot { Never, Prefer, Only }
}

mirror! {
    /// What a job's placement aims for: `cost` the lowest price, `performance` the most GPU memory, `availability` the best
    /// chance to start at once, `balanced` a bit of each.
    Strategy of domain::job::Strategy { Cost, Performance, Availability, Balanced }
}

mirror! {
    /// A job's place in its owner's queue.
    Priority of domain::job::Priority { Low, Normal, High, Urgent }
}

mirror! {
    /// A cause for which another attempt is made.
    RetryOn of domain::job::RetryOn { Preemption, LostInstance, ExitCode }
}

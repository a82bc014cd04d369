//! Where a node and a run stand. Terminal is terminal.

use serde::{Deserialize, Serialize};

use super::{FailurePolicy, Status};

/// Where a node of a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    /// Something before it is open.
    Waiting,
    /// It may start; with retries, it waits for its next try.
    Ready,
    Running,
    Succeeded,
    Failed,
    TimedOut,
    /// A condition, `when` or trigger rule left it out.
    Skipped,
    Cancelled,
    /// Something before it failed.
    UpstreamFailed,
}

/// A change of status that there is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a node that is {from:?} does not become {to:?}")]
pub struct IllegalChange {
    pub from: NodeStatus,
    pub to: NodeStatus,
}

impl NodeStatus {
    pub const ALL: [Self; 9] = [
        Self::Waiting,
        Self::Ready,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Skipped,
        Self::Cancelled,
        Self::UpstreamFailed,
    ];

    /// The word in conditions, templates and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::UpstreamFailed => "upstream_failed",
        }
    }

    /// How it ended, if it did.
    pub const fn ended(self) -> Option<Status> {
        match self {
            Self::Waiting | Self::Ready | Self::Running => None,
            Self::Succeeded => Some(Status::Succeeded),
            Self::Failed => Some(Status::Failed),
            Self::TimedOut => Some(Status::TimedOut),
            Self::Skipped => Some(Status::Skipped),
            Self::Cancelled => Some(Status::Cancelled),
            Self::UpstreamFailed => Some(Status::Blocked),
        }
    }

    pub const fn is_terminal(self) -> bool {
        self.ended().is_some()
    }

    /// The one place where a node changes.
    ///
    /// # Errors
    /// If there is no such change; to become what it is already is none.
    pub const fn change(self, to: Self) -> Result<Self, IllegalChange> {
        let is_legal = match self {
            Self::Waiting => {
                matches!(to, Self::Ready | Self::Skipped | Self::Cancelled | Self::UpstreamFailed)
            }
            // Succeeded without running: a condition that held, or an output that was kept.
            Self::Ready => {
                matches!(
                    to,
                    Self::Running
                        | Self::Succeeded
                        | Self::Failed
                        | Self::TimedOut
                        | Self::Skipped
                        | Self::Cancelled
                )
            }
            // Ready again: another try.
            Self::Running => {
                matches!(to, Self::Succeeded | Self::Failed | Self::TimedOut | Self::Cancelled | Self::Ready)
            }
            Self::Succeeded
            | Self::Failed
            | Self::TimedOut
            | Self::Skipped
            | Self::Cancelled
            | Self::UpstreamFailed => false,
        };
        if is_legal { Ok(to) } else { Err(IllegalChange { from: self, to }) }
    }
}

impl From<Status> for NodeStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Succeeded => Self::Succeeded,
            Status::Failed => Self::Failed,
            Status::TimedOut => Self::TimedOut,
            Status::Skipped => Self::Skipped,
            Status::Cancelled => Self::Cancelled,
            Status::Blocked => Self::UpstreamFailed,
        }
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Running,
    Succeeded,
    Failed,
    Cancelled,
    TimedOut,
}

impl RunStatus {
    /// The word in filters and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
        }
    }
}

/// Why a run was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    Cancelled,
    TimedOut,
}

/// How many nodes of a run stand where. It is enough to know where the run stands, so nobody reads all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Counts {
    pub waiting: u32,
    pub ready: u32,
    pub running: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub timed_out: u32,
    pub skipped: u32,
    pub cancelled: u32,
    pub upstream_failed: u32,
}

impl Counts {
    /// Of a run that begins.
    pub fn of(statuses: impl IntoIterator<Item = NodeStatus>) -> Self {
        let mut counts = Self::default();
        for status in statuses {
            *counts.slot(status) += 1;
        }
        counts
    }

    fn slot(&mut self, status: NodeStatus) -> &mut u32 {
        match status {
            NodeStatus::Waiting => &mut self.waiting,
            NodeStatus::Ready => &mut self.ready,
            NodeStatus::Running => &mut self.running,
            NodeStatus::Succeeded => &mut self.succeeded,
            NodeStatus::Failed => &mut self.failed,
            NodeStatus::TimedOut => &mut self.timed_out,
            NodeStatus::Skipped => &mut self.skipped,
            NodeStatus::Cancelled => &mut self.cancelled,
            NodeStatus::UpstreamFailed => &mut self.upstream_failed,
        }
    }

    /// A node changed.
    pub fn moved(&mut self, from: NodeStatus, to: NodeStatus) {
        let before = self.slot(from);
        *before = before.saturating_sub(1);
        *self.slot(to) += 1;
    }

    /// The nodes that have not ended.
    pub const fn open(&self) -> u32 {
        self.waiting + self.ready + self.running
    }

    /// Where the run stands. It is over when every node is; one failed node makes it failed, even if a node that waits for
    /// failures took care of it. A stop counts only if it left something undone.
    pub const fn run(&self, stop: Option<Stop>) -> RunStatus {
        if self.open() > 0 {
            return RunStatus::Running;
        }
        match stop {
            Some(Stop::TimedOut) if self.cancelled > 0 => RunStatus::TimedOut,
            Some(Stop::Cancelled) if self.cancelled > 0 => RunStatus::Cancelled,
            _ if self.failed + self.timed_out + self.upstream_failed > 0 && !self.only_cancelled() => {
                RunStatus::Failed
            }
            _ if self.cancelled > 0 => RunStatus::Cancelled,
            _ => RunStatus::Succeeded,
        }
    }

    /// Whether what did not run did not because somebody cancelled a node, not because one failed.
    const fn only_cancelled(&self) -> bool {
        self.failed + self.timed_out == 0 && self.cancelled > 0
    }
}

impl FailurePolicy {
    /// Whether a node that ended like this makes the rest of the run stop.
    pub const fn stops(self, ended: Status) -> bool {
        matches!(self, Self::FailFast) && matches!(ended, Status::Failed | Status::TimedOut)
    }
}

//! A pod: what was asked of it, and what it is.

use super::catalogue::Tier;
use crate::ledger::{Meter, Micros};
use crate::strike::Boot;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PodId(pub(crate) String);

impl PodId {
    pub(crate) fn random() -> Self {
        Self(word(14))
    }
}

impl std::fmt::Display for PodId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A random word as RunPod makes its ids.
pub(crate) fn word(length: usize) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..length).map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())])).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Provisioning,
    Starting,
    Running,
    Exited,
    Error,
    Terminated,
}

impl Status {
    /// What may be asked of a pod in this state.
    pub(crate) fn actions(self) -> &'static [&'static str] {
        match self {
            Self::Running => &["stop", "restart", "terminate"],
            Self::Exited | Self::Error => &["start", "terminate"],
            Self::Provisioning | Self::Starting => &["stop", "terminate"],
            Self::Terminated => &[],
        }
    }

    /// Holds GPUs.
    pub(crate) fn occupies(self) -> bool {
        matches!(self, Self::Provisioning | Self::Starting | Self::Running | Self::Error)
    }
}

/// What the owner asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) image: String,
    /// One string, split into words as a shell would.
    pub(crate) args: String,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) ports: Vec<String>,
    pub(crate) disk_gb: u32,
    pub(crate) volume_gb: u32,
    pub(crate) volume_path: String,
    pub(crate) gpu: String,
    pub(crate) count: u32,
    pub(crate) global_network: bool,
    /// Spot: the most that is paid, an hour, a GPU.
    pub(crate) bid: Option<Micros>,
    pub(crate) stop_after: Option<Timestamp>,
    pub(crate) terminate_after: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pod {
    pub(crate) id: PodId,
    pub(crate) spec: Spec,
    pub(crate) tier: Tier,
    pub(crate) data_center: String,
    pub(crate) machine: String,
    /// An hour, all its GPUs.
    pub(crate) rate: Micros,
    /// What is wanted: the difference to `status` is what the driver works on.
    pub(crate) wish: Wish,
    pub(crate) status: Status,
    /// The status before it was terminated: what an outdated listing shows.
    pub(crate) before: Status,
    pub(crate) boot: Boot,
    pub(crate) created_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) terminated_at: Option<Timestamp>,
    /// The machine is lost though the cloud has not noticed: nothing runs.
    pub(crate) lost: bool,
    /// RunPod's text of the last change.
    pub(crate) change: String,
    /// How often the container was started in all.
    pub(crate) starts: u64,
    /// How its last container ended: the exit code, 128 + n for signal n. RunPod does not tell.
    #[serde(default)]
    pub(crate) last_exit: Option<i32>,
    pub(crate) meter: Meter,
}

impl Pod {
    pub(crate) fn spot(&self) -> bool {
        self.spec.bid.is_some()
    }

    pub(crate) fn gone(&self) -> bool {
        self.status == Status::Terminated
    }

    /// Seconds since the container's pod last became RUNNING.
    pub(crate) fn uptime(&self, now: Timestamp) -> i64 {
        match (self.status, self.started_at) {
            (Status::Running, Some(at)) if !self.lost => (now.as_second() - at.as_second()).max(0),
            _ => 0,
        }
    }

    /// The wish for a start that was not wished for before.
    pub(crate) fn next_run(&self) -> Wish {
        let last = match self.wish {
            Wish::Run { epoch } => epoch,
            Wish::Stop { .. } | Wish::End { .. } => 0,
        };
        Wish::Run { epoch: last.max(self.starts) + 1 }
    }

    /// RunPod's other word for the state, which hides how far a boot is.
    pub(crate) fn desired(&self) -> &'static str {
        match self.wish {
            Wish::Stop { .. } if self.status == Status::Running => "RUNNING",
            Wish::Stop { .. } => "EXITED",
            Wish::End { .. } if self.gone() => "TERMINATED",
            Wish::Run { .. } | Wish::End { .. } => "RUNNING",
        }
    }
}

/// What a pod shall become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wish {
    /// Run; a new `epoch` is a new start of the container.
    Run { epoch: u64 },
    /// Stop and keep the pod; SIGKILL after `grace_ms`.
    Stop { grace_ms: u64 },
    /// Give everything back; SIGKILL after `grace_ms`.
    End { grace_ms: u64 },
}

impl Wish {
    pub(crate) fn grace(self) -> std::time::Duration {
        match self {
            // In place: as if the owner had stopped and started it.
            Self::Run { .. } => std::time::Duration::from_secs(10),
            Self::Stop { grace_ms } | Self::End { grace_ms } => std::time::Duration::from_millis(grace_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_follow_the_published_table() {
        assert_eq!(Status::Running.actions(), ["stop", "restart", "terminate"]);
        assert_eq!(Status::Exited.actions(), ["start", "terminate"]);
        assert_eq!(Status::Starting.actions(), ["stop", "terminate"]);
        assert!(Status::Terminated.actions().is_empty());
    }
}

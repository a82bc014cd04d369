//! When a finished attempt is followed by another one.

use serde::{Deserialize, Serialize};

use super::{Attempt, ExitReason, Outcome};

/// A cause for which another attempt is worth its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryOn {
    /// The cloud took a spot instance back.
    Preemption,
    /// The instance vanished, never booted, or fell silent.
    LostInstance,
    /// The command ended with a code other than 0.
    ExitCode,
}

/// A job's retry policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Attempts in all, the first included; 1 to 20.
    pub max_attempts: u32,
    /// Causes that lead to another attempt.
    pub on: Vec<RetryOn>,
    /// With `exit_code`: the codes that are worth another try; empty means every code but 0.
    pub exit_codes: Vec<i32>,
    /// Seconds before the second attempt; doubled for each further one, an hour at most.
    pub backoff_seconds: u32,
}

impl Default for Retry {
    /// Survives the loss of a machine, and does not repeat a program's own failure.
    fn default() -> Self {
        Self {
            max_attempts: 3,
            on: vec![RetryOn::Preemption, RetryOn::LostInstance],
            exit_codes: Vec::new(),
            backoff_seconds: 5,
        }
    }
}

/// The longest wait between two attempts, in seconds.
const MAX_BACKOFF_SECONDS: u32 = 3_600;

impl Retry {
    /// Seconds to wait before the next attempt, or `None` if the job ends with this one.
    pub fn next(&self, attempt: &Attempt) -> Option<u32> {
        if attempt.number >= self.max_attempts {
            return None;
        }
        let cause = match attempt.outcome.as_ref()? {
            Outcome::Preempted => RetryOn::Preemption,
            Outcome::Lost { .. } => RetryOn::LostInstance,
            Outcome::Exited { exit } if exit.reason == ExitReason::Terminated => RetryOn::LostInstance,
            Outcome::Exited { exit } if exit.code != 0 => {
                if !self.exit_codes.is_empty() && !self.exit_codes.contains(&exit.code) {
                    return None;
                }
                RetryOn::ExitCode
            }
            Outcome::Exited { .. }
            | Outcome::TimedOut
            | Outcome::Cancelled
            | Outcome::MaxCostReached
            | Outcome::Refused { .. } => {
                return None;
            }
        };
        self.on.contains(&cause).then(|| self.backoff(attempt.number))
    }

    fn backoff(&self, attempt: u32) -> u32 {
        let doublings = attempt.saturating_sub(1).min(12);
        self.backoff_seconds.saturating_mul(1 << doublings).min(MAX_BACKOFF_SECONDS)
    }
}

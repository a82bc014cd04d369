//! Schedules of workflows on the wire.

mod docs;

use domain::workflow;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::mirror::mirror;

pub use docs::Docs;

mirror! {
    /// What happens to slots that passed while nobody looked, or while the workflow was paused: `none`: nothing. `last`: the
    /// last one starts a run. `all`: each of the latest 100 does.
    CatchUp of workflow::CatchUp { None, Last, All }
}

mirror! {
    /// What happens to a slot while an earlier run of the schedule is still there: it is passed over (`skip`), waits for its
    /// end (`queue`), or runs all the same (`allow`).
    Overlap of workflow::Overlap { Skip, Queue, Allow }
}

/// A new schedule.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSchedule {
    /// Minute, hour, day of the month, month, day of the week; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    #[schema(example = "0 3 * * MON-FRI")]
    pub cron: String,
    /// An IANA name.
    #[serde(default = "utc")]
    #[schema(required = false, default = "UTC", example = "Asia/Shanghai")]
    pub time_zone: String,
    #[serde(default = "none")]
    #[schema(required = false, default = "none")]
    pub catch_up: CatchUp,
    #[serde(default = "skip")]
    #[schema(required = false, default = "skip")]
    pub overlap: Overlap,
    /// Of the runs that it starts.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    #[serde(default = "active")]
    #[schema(required = false, default = true)]
    pub active: bool,
}

fn utc() -> String {
    "UTC".to_owned()
}

const fn none() -> CatchUp {
    CatchUp::None
}

const fn skip() -> Overlap {
    Overlap::Skip
}

const fn active() -> bool {
    true
}

impl NewSchedule {
    /// When it is due.
    pub fn schedule(&self) -> workflow::Schedule {
        workflow::Schedule {
            cron: self.cron.clone(),
            time_zone: self.time_zone.clone(),
            catch_up: self.catch_up.into(),
            overlap: self.overlap.into(),
        }
    }
}

/// A change of a schedule. An absent field stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditSchedule {
    #[serde(default)]
    #[schema(example = "0 3 * * MON-FRI")]
    pub cron: Option<String>,
    #[serde(default)]
    #[schema(example = "Asia/Shanghai")]
    pub time_zone: Option<String>,
    #[serde(default)]
    pub catch_up: Option<CatchUp>,
    #[serde(default)]
    pub overlap: Option<Overlap>,
    /// All parameters, in place of those before.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub params: Option<Map<String, Value>>,
    #[serde(default)]
    pub active: Option<bool>,
}

impl EditSchedule {
    /// When it is due after the change.
    pub fn schedule(&self, before: &workflow::Schedule) -> workflow::Schedule {
        workflow::Schedule {
            cron: self.cron.clone().unwrap_or_else(|| before.cron.clone()),
            time_zone: self.time_zone.clone().unwrap_or_else(|| before.time_zone.clone()),
            catch_up: self.catch_up.map_or(before.catch_up, Into::into),
            overlap: self.overlap.map_or(before.overlap, Into::into),
        }
    }
}

/// A schedule: when a workflow runs by itself.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Schedule {
    #[schema(example = "sch_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub id: String,
    #[schema(example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub workflow_id: String,
    #[schema(example = "0 3 * * MON-FRI")]
    pub cron: String,
    #[schema(example = "Asia/Shanghai")]
    pub time_zone: String,
    pub catch_up: CatchUp,
    pub overlap: Overlap,
    /// Of the runs that it starts.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    pub active: bool,
    /// The next slot; null while it is not active.
    #[schema(required = true)]
    pub next_due: Option<Timestamp>,
    /// The next five slots; none while it is not active.
    pub upcoming: Vec<Timestamp>,
    /// Slots whose runs wait for an earlier run to end, oldest first.
    pub queued: Vec<Timestamp>,
    /// The latest run that it started.
    #[schema(required = true)]
    pub last_run: Option<String>,
    /// What became of its latest slot, where that was no run.
    #[schema(required = true)]
    pub last_problem: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Its path.
    pub link: String,
}

/// All schedules of a workflow.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Schedules {
    pub items: Vec<Schedule>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schedule_has_the_defaults_of_the_rules() {
        let new: NewSchedule = serde_json::from_value(json!({"cron": "@daily"})).unwrap();
        let rules: workflow::Schedule = serde_json::from_value(json!({"cron": "@daily"})).unwrap();
        assert_eq!(new.schedule(), rules);
        assert!(new.active);
    }

    #[test]
    fn a_change_leaves_the_rest() {
        let before: workflow::Schedule =
            serde_json::from_value(json!({"cron": "@daily", "overlap": "queue"})).unwrap();
        let edit: EditSchedule = serde_json::from_value(json!({"time_zone": "Asia/Shanghai"})).unwrap();
        let after = workflow::Schedule { time_zone: "Asia/Shanghai".into(), ..before.clone() };
        assert_eq!(edit.schedule(&before), after);
    }
}

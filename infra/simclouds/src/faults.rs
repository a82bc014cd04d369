//! Faults on demand: what goes wrong, at which operation, how often.

use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Nothing is done, the answer is an error.
    FailBefore,
    /// It is done, the answer is an error.
    FailAfter,
    /// Nothing is done, no answer ever comes.
    Hang,
    /// It is done, no answer ever comes.
    HangAfter,
    /// Nothing is done, the caller is told to slow down.
    Throttle,
    /// Nothing is done, the answer is a web page.
    Nonsense,
    /// It is done, the answer is a web page.
    NonsenseAfter,
    /// It is done twice; the second answer is given.
    Twice,
    /// Nothing is done, the connection is closed without an answer.
    DropBefore,
    /// It is done, the connection is closed without an answer.
    DropAfter,
    /// Nothing is done, the answer is that no machine is free.
    NoCapacity,
    /// The answer is the state of `lag_ms` ago.
    Stale,
    /// It is done, and the new instance will fail to boot.
    BootFail,
    /// It is done, and the new instance will never finish booting.
    BootHang,
}

/// One planned fault.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// The name of an operation, `graphql:*` or `*`.
    pub(crate) operation: String,
    pub(crate) mode: Mode,
    /// The first matching call that goes wrong, counted from 1 when the plan is made.
    #[serde(default = "one")]
    pub(crate) nth: u64,
    /// How many in a row; 0 = all from then on.
    #[serde(default = "one")]
    pub(crate) times: u64,
    /// Only calls whose target or body has this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contains: Option<String>,
    /// The status of `fail_before` and `fail_after`.
    #[serde(default = "internal")]
    pub(crate) status: u16,
    /// What `throttle` tells the caller, in seconds.
    #[serde(default = "one")]
    pub(crate) retry_after_s: u64,
    /// How old the answer of `stale` is.
    #[serde(default = "minute")]
    pub(crate) lag_ms: u64,
}

fn one() -> u64 {
    1
}
fn internal() -> u16 {
    500
}
fn minute() -> u64 {
    60_000
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) plan: Plan,
    /// Matching calls so far.
    pub(crate) seen: u64,
    /// Calls that went wrong because of it.
    pub(crate) hits: u64,
}

#[derive(Debug, Default)]
struct Entries {
    list: Vec<Entry>,
    last: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    entries: Mutex<Entries>,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the id of the plan.
    pub(crate) fn add(&self, plan: Plan) -> u64 {
        let mut entries = self.lock();
        entries.last += 1;
        let id = entries.last;
        entries.list.push(Entry { id, plan, seen: 0, hits: 0 });
        id
    }

    pub(crate) fn list(&self) -> Vec<Entry> {
        self.lock().list.clone()
    }

    pub(crate) fn clear(&self) {
        self.lock().list.clear();
    }

    /// The fault that this call meets. Every matching plan counts the call; the oldest one that is due wins.
    pub(crate) fn meet(&self, operation: &str, target: &str, body: &[u8]) -> Option<Plan> {
        let mut met = None;
        for entry in &mut self.lock().list {
            let plan = &entry.plan;
            let named = plan.operation == "*"
                || plan.operation == operation
                || (plan.operation == "graphql:*" && operation.starts_with("graphql:"));
            let has = plan.contains.as_ref().is_none_or(|text| {
                target.contains(text.as_str())
                    || body.windows(text.len().max(1)).any(|part| part == text.as_bytes())
            });
            if !named || !has {
                continue;
            }
            entry.seen += 1;
            let due = entry.seen >= plan.nth
                && (plan.times == 0 || entry.seen < plan.nth.saturating_add(plan.times));
            if due && met.is_none() {
                entry.hits += 1;
                met = Some(plan.clone());
            }
        }
        met
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(json: serde_json::Value) -> Plan {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_nth_call_meets_it_and_only_so_often() {
        let faults = Faults::default();
        faults.add(plan(serde_json::json!({"operation": "create", "mode": "hang", "nth": 2, "times": 2})));
        let met: Vec<_> = (0..5).map(|_| faults.meet("create", "/v2/pods", b"").is_some()).collect();
        assert_eq!(met, [false, true, true, false, false]);
        assert!(faults.meet("list", "/v2/pods", b"").is_none());
        let entry = &faults.list()[0];
        assert_eq!((entry.seen, entry.hits), (5, 2));
    }

    #[test]
    fn a_plan_can_be_for_one_name_and_for_ever() {
        let faults = Faults::default();
        faults.add(plan(
            serde_json::json!({"operation": "*", "mode": "throttle", "times": 0, "contains": "att_7"}),
        ));
        assert!(faults.meet("create", "/", b"att_6").is_none());
        assert!((0..9).all(|_| faults.meet("graphql:podStop", "/", b"xatt_7x").is_some()));
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let wrong = serde_json::json!({"operation": "*", "mode": "hang", "time": 2});
        assert!(serde_json::from_value::<Plan>(wrong).is_err());
    }
}

//! What `/_sim` has in common: faults, settings, and how a wrong word is refused.

use crate::faults::{Faults, Plan};
use crate::ledger::Journal;
use bytes::Bytes;
use hyper::{Method, Request};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Why a control call is not done.
pub(crate) enum Error<R> {
    Wrong(String),
    Unknown,
    /// By the cloud itself.
    Refused(R),
}

impl<R> Error<R> {
    /// A status and what is said.
    pub(crate) fn answer(self) -> Result<(u16, Value), R> {
        match self {
            Self::Wrong(what) => Ok((422, json!({"error": what}))),
            Self::Unknown => Ok((404, json!({"error": "no such control"}))),
            Self::Refused(why) => Err(why),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kill {
    /// `gone`: the cloud knows that the machine is lost. `silent`: it goes on saying that it runs.
    #[serde(default, rename = "as")]
    pub(crate) how: Loss,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Loss {
    #[default]
    Gone,
    Silent,
}

/// The words of the path after `/_sim`.
pub(crate) fn path(request: &Request<Bytes>) -> Vec<&str> {
    request.uri().path().trim_start_matches('/').split('/').skip(1).collect()
}

/// Without a body every field has its usual value.
pub(crate) fn body<T: DeserializeOwned, R>(request: &Request<Bytes>) -> Result<T, Error<R>> {
    let bytes = if request.body().is_empty() { b"{}" } else { &request.body()[..] };
    serde_json::from_slice(bytes).map_err(|error| Error::Wrong(error.to_string()))
}

/// The calls that are the same everywhere; None: it is another one. `known`: the operations of this cloud, beside `*`.
pub(crate) fn usual<R>(
    request: &Request<Bytes>,
    faults: &Faults,
    journal: &Journal,
    known: impl Fn(&str) -> bool,
) -> Option<Result<Value, Error<R>>> {
    let done = match (request.method(), &path(request)[..]) {
        (&Method::GET, ["faults"]) => Ok(json!({"faults": faults.list()})),
        (&Method::DELETE, ["faults"]) => {
            faults.clear();
            Ok(json!({}))
        }
        (&Method::POST, ["faults"]) => body(request).and_then(|plan| planned(faults, plan, known)),
        (&Method::GET, ["calls"]) => Ok(journal.report()),
        _ => return None,
    };
    Some(done)
}

fn planned<R>(faults: &Faults, plan: Plan, known: impl Fn(&str) -> bool) -> Result<Value, Error<R>> {
    if plan.operation != "*" && !known(&plan.operation) {
        return Err(Error::Wrong(format!("unknown operation {:?}", plan.operation)));
    }
    if plan.nth == 0 {
        return Err(Error::Wrong("nth counts from 1".to_owned()));
    }
    if !(400..=599).contains(&plan.status) {
        return Err(Error::Wrong("status must be an error".to_owned()));
    }
    Ok(json!({"id": faults.add(plan)}))
}

/// The settings with what is named changed.
pub(crate) fn changed<T: Serialize + DeserializeOwned, R>(
    old: &T,
    changes: Map<String, Value>,
) -> Result<T, Error<R>> {
    let mut all = json!(old);
    for (name, value) in changes {
        let Some(old) = all.get_mut(&name) else {
            return Err(Error::Wrong(format!("unknown setting {name:?}")));
        };
        *old = value;
    }
    if all["boot_fail_rate"].as_f64().is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
        return Err(Error::Wrong("boot_fail_rate is from 0 to 1".to_owned()));
    }
    serde_json::from_value(all).map_err(|error| Error::Wrong(error.to_string()))
}

pub(crate) fn notice<R>(seconds: f64) -> Result<Duration, Error<R>> {
    if (0.0..=1e6).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(Error::Wrong("notice_s is out of range".to_owned()))
    }
}

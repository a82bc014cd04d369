//! Named paths through a machine, as data: what the functions answer, and the way the execution must then take.
//!
//! A file holds one case or a list of them:
//! ```json
//! {
//!   "name": "heartbeats stop",
//!   "machine": "job.asl.json",
//!   "input": {"job_id": "job_1"},
//!   "functions": [
//!     {"step": "launch", "returns": {"attempt": 1}},
//!     {"step": "boot", "token": {"success": {"code": 0}}, "after": 30, "heartbeat_every": 10},
//!     {"step": "listen", "token": {"failure": {"error": "Gone", "cause": "…"}}},
//!     {"step": "listen", "token": "silence"},
//!     {"step": "settle", "error": {"type": "AttemptAgain", "message": "…"}}
//!   ],
//!   "trace": ["Launch", "Boot"], "transitions": 2, "status": "SUCCEEDED"
//! }
//! ```
//! Calls are answered in order. `step` and `payload` (its fields) are compared with the call's payload. A call with a
//! `token` returns `null` at once, and `after` that many seconds, with a heartbeat every so often until then, the token is
//! used; `"token": "silence"` stays silent from then on. `"hangs": true` never answers. The token is the payload's `token`
//! or `TaskToken`. `output`, `error` and `cause` are compared if given. `${Name}` in the machine stands for the ARN of a
//! function of that name.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::run::run_on;
use crate::service::Inner;
use crate::{Config, Functions, Invocation, Service};

/// One path.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What happens, in words.
    pub name: String,
    /// The file of the definition, in the folder above that of the cases.
    pub machine: String,
    /// The execution's input.
    #[serde(default)]
    pub input: Value,
    /// What the functions answer, in the order of the calls.
    #[serde(default)]
    pub functions: Vec<Answer>,
    /// States entered, in order.
    pub trace: Vec<String>,
    /// As AWS bills them.
    pub transitions: Option<u64>,
    /// How the execution ends.
    pub status: String,
    /// Of one that succeeds.
    pub output: Option<Value>,
    /// Of one that does not.
    pub error: Option<String>,
    /// Of one that does not.
    pub cause: Option<String>,
}

/// A function's answer to one call.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The payload's `step`.
    pub step: Option<String>,
    /// Fields the payload must have.
    pub payload: Option<Value>,
    /// What the function returns; `null` unless given.
    #[serde(default)]
    pub returns: Value,
    /// The error it raises instead.
    pub error: Option<Raised>,
    /// What becomes of the token.
    pub token: Option<Token>,
    /// Seconds until the token is used.
    #[serde(default)]
    pub after: f64,
    /// Seconds between heartbeats until then.
    pub heartbeat_every: Option<f64>,
    /// It never answers.
    #[serde(default)]
    pub hangs: bool,
}

/// An error of a function.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raised {
    /// Matched by `ErrorEquals`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Human text.
    #[serde(default)]
    pub message: String,
}

/// What is said about a token.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Token {
    /// `SendTaskSuccess` with this output.
    Success(Value),
    /// `SendTaskFailure`.
    Failure {
        /// Matched by `ErrorEquals`.
        error: Option<String>,
        /// Human text.
        cause: Option<String>,
    },
    /// Nothing.
    Silence,
}

/// A file that is no list of cases.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("{0} cannot be read")]
    Unreadable(String, #[source] std::io::Error),
    /// A file is not in the format.
    #[error("{0} is not a case")]
    Malformed(String, #[source] serde_json::Error),
}

/// Longer than any job: an execution that has not ended by then never will.
const FOREVER: Duration = Duration::from_hours(400 * 24);

impl Case {
    /// All cases of a folder, file by file in the order of their names.
    ///
    /// # Errors
    /// A file cannot be read or is not in the format.
    pub fn load(folder: &Path) -> Result<Vec<Self>, LoadError> {
        let unreadable = |path: &Path| {
            let path = path.display().to_string();
            move |error| LoadError::Unreadable(path, error)
        };
        let entries = std::fs::read_dir(folder).map_err(unreadable(folder))?;
        let entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(unreadable(folder))?;
        let mut paths: Vec<_> = entries.into_iter().map(|e| e.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|e| e == "json"));
        paths.sort();
        let mut cases = Vec::new();
        for path in paths {
            let text = std::fs::read_to_string(&path).map_err(unreadable(&path))?;
            let malformed = |error| LoadError::Malformed(path.display().to_string(), error);
            match serde_json::from_str(&text).map_err(malformed)? {
                list @ Value::Array(_) => {
                    cases.extend(serde_json::from_value::<Vec<Self>>(list).map_err(malformed)?);
                }
                one => cases.push(serde_json::from_value(one).map_err(malformed)?),
            }
        }
        Ok(cases)
    }

    /// The definition of the case's machine, for a case of that folder, with its `${Name}`s filled in.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn definition(&self, folder: &Path) -> Result<String, LoadError> {
        let path = folder.parent().unwrap_or(folder).join(&self.machine);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| LoadError::Unreadable(path.display().to_string(), error))?;
        Ok(substituted(&text))
    }

    /// Takes the path and compares it with what the case says. Call it with tokio's clock paused.
    ///
    /// # Errors
    /// Everything that is different, in words.
    pub async fn check(&self, definition: &str) -> Result<(), Vec<String>> {
        let script = Arc::new(Script {
            answers: Mutex::new(self.functions.iter().cloned().collect()),
            faults: Mutex::new(Vec::new()),
            service: Mutex::new(Weak::new()),
        });
        let service = Service::open(Config::default(), Arc::clone(&script) as Arc<dyn Functions>)
            .await
            .map_err(|error| vec![error.to_string()])?;
        *lock(&script.service) = Arc::downgrade(&service.inner);
        let ran = tokio::time::timeout(FOREVER, run_on(&service, definition, self.input.clone())).await;
        let run = match ran {
            Ok(Ok(run)) => run,
            Ok(Err(error)) => return Err(vec![error.to_string()]),
            Err(_) => return Err(vec!["the execution never ends".to_owned()]),
        };
        let mut faults = std::mem::take(&mut *lock(&script.faults));
        let mut compare = |what: &str, wanted: Value, got: Value| {
            if wanted != got {
                faults.push(format!("{what}: want {wanted}, got {got}"));
            }
        };
        compare("trace", json!(self.trace), json!(run.trace));
        compare("status", json!(self.status), json!(run.status));
        if let Some(transitions) = self.transitions {
            compare("transitions", json!(transitions), json!(run.transitions));
        }
        if let Some(output) = &self.output {
            compare("output", output.clone(), json!(run.output));
        }
        for (what, wanted, got) in [("error", &self.error, &run.error), ("cause", &self.cause, &run.cause)] {
            if wanted.is_some() {
                compare(what, json!(wanted), json!(got));
            }
        }
        compare("answers left", json!(0), json!(lock(&script.answers).len()));
        if !faults.is_empty() && run.error.is_some() {
            faults.push(format!("ended with {:?}: {:?}", run.error, run.cause));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// `${Name}` as the ARN of a function of that name.
fn substituted(text: &str) -> String {
    let Config { region, account, .. } = Config::default();
    let prefix = format!("arn:aws:lambda:{region}:{account}:function:");
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = rest.split_once("${").and_then(|(before, after)| {
        let (name, after) = after.split_once('}')?;
        Some((before, name, after))
    }) {
        whole.extend([before, &prefix, name]);
        rest = after;
    }
    whole + rest
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The functions of a case: they read from its list.
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    faults: Mutex<Vec<String>>,
    service: Mutex<Weak<Inner>>,
}

impl Script {
    /// Notes a call that is not the one the case has next.
    fn compare(&self, answer: &Answer, payload: &Value) {
        let step = payload.get("step").and_then(Value::as_str);
        if answer.step.is_some() && answer.step.as_deref() != step {
            lock(&self.faults).push(format!("call: want step {:?}, got {payload}", answer.step));
        }
        for (field, wanted) in answer.payload.iter().filter_map(Value::as_object).flatten() {
            let got = payload.get(field).unwrap_or(&Value::Null);
            if got != wanted {
                lock(&self.faults).push(format!("call: want {field} {wanted}, got {got}"));
            }
        }
    }

    /// Does with a token what the case says. It ends early if the token's task does: the trace will tell.
    fn use_token(&self, token: String, what: Token, after: f64, heartbeat_every: Option<f64>) {
        let service = lock(&self.service).clone();
        tokio::spawn(async move {
            let call = async |operation, body| {
                let inner = service.upgrade()?;
                Service { inner }.handle(operation, body).await.ok()
            };
            let mut left = after;
            while let Some(every) = heartbeat_every.filter(|every| *every > 0.0 && *every <= left) {
                tokio::time::sleep(Duration::from_secs_f64(every)).await;
                left -= every;
                if call("SendTaskHeartbeat", json!({"taskToken": token})).await.is_none() {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_secs_f64(left)).await;
            match what {
                Token::Success(output) => {
                    call("SendTaskSuccess", json!({"taskToken": token, "output": output.to_string()})).await
                }
                Token::Failure { error, cause } => {
                    call("SendTaskFailure", json!({"taskToken": token, "error": error, "cause": cause})).await
                }
                Token::Silence => None,
            };
        });
    }
}

#[async_trait]
impl Functions for Script {
    async fn invoke(&self, _function: &str, payload: Value) -> Invocation {
        let Some(answer) = lock(&self.answers).pop_front() else {
            lock(&self.faults).push(format!("no answer is left for the call {payload}"));
            return Invocation::failed("NoAnswerLeft", "the case has no answer for this call");
        };
        self.compare(&answer, &payload);
        if answer.hangs {
            std::future::pending::<()>().await;
        }
        if let Some(raised) = answer.error {
            return Invocation::failed(&raised.kind, &raised.message);
        }
        if let Some(what) = answer.token {
            match ["token", "TaskToken"].iter().find_map(|field| payload.get(*field)?.as_str()) {
                Some(token) => self.use_token(token.to_owned(), what, answer.after, answer.heartbeat_every),
                None => lock(&self.faults).push(format!("no token in the call {payload}")),
            }
        }
        Invocation::Ok(answer.returns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = include_str!("../tests/machines/job.asl.json");

    fn case(change: impl FnOnce(&mut Value)) -> Case {
        let mut value = json!({
            "name": "clean",
            "machine": "job.asl.json",
            "input": {"job_id": "job_1"},
            "functions": [
                {"step": "launch", "returns": {"attempt": 1}},
                {"step": "boot", "payload": {"attempt": 1}, "token": {"success": {}}, "after": 40},
                {"step": "listen", "token": {"success": {"code": 0}}, "after": 86_400, "heartbeat_every": 60},
                {"step": "settle", "returns": {"status": "succeeded"}}
            ],
            "trace": ["Launch", "Boot", "Listen", "Settle"],
            "transitions": 4,
            "status": "SUCCEEDED",
            "output": {"status": "succeeded"}
        });
        change(&mut value);
        serde_json::from_value(value).expect("a case")
    }

    #[tokio::test(start_paused = true)]
    async fn a_day_of_heartbeats_is_four_transitions() {
        assert_eq!(case(|_| ()).check(&substituted(MACHINE)).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_observed() {
        let case = case(|case| {
            case["functions"] = json!([
                {"step": "launch", "returns": {"attempt": 1}},
                {"step": "boot", "token": {"success": {}}},
                {"step": "listen", "token": "silence", "after": 600, "heartbeat_every": 60},
                {"step": "observe", "returns": {"next": "settle"}},
                {"step": "settle", "error": {"type": "AttemptAgain"}},
                {"step": "launch", "error": {"type": "Throttled"}},
                {"step": "launch", "returns": {"attempt": 2}},
                {"step": "boot", "payload": {"attempt": 2}, "token": {"success": {}}},
                {"step": "listen", "token": {"failure": {"error": "Gone"}}},
                {"step": "settle", "returns": {"status": "failed"}}
            ]);
            case["trace"] = json!([
                "Launch", "Boot", "Listen", "Observe", "Look", "Settle", "Backoff", "Launch", "Boot",
                "Listen", "Settle"
            ]);
            // The retry of the second launch is one too
            case["transitions"] = json!(12);
            case["output"] = json!({"status": "failed"});
        });
        assert_eq!(case.check(&substituted(MACHINE)).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn differences_are_told() {
        let wrong = case(|case| {
            case["trace"][3] = json!("Elsewhere");
            case["functions"][1]["payload"]["attempt"] = json!(7);
            case["functions"].as_array_mut().expect("answers").push(json!({"step": "more"}));
        });
        let faults = wrong.check(&substituted(MACHINE)).await.expect_err("three differences");
        assert_eq!(faults.len(), 3, "{faults:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_execution_that_never_ends_is_told() {
        let endless = case(|case| case["functions"][1] = json!({"step": "boot", "token": "silence"}));
        let definition = substituted(MACHINE).replace("\"HeartbeatSeconds\": 600,", "");
        assert_eq!(endless.check(&definition).await, Err(vec!["the execution never ends".to_owned()]));
    }

    #[test]
    fn files_are_read_strictly() {
        let folder = tempfile::tempdir().expect("a folder");
        let cases = folder.path().join("cases");
        std::fs::create_dir(&cases).expect("a folder");
        std::fs::write(folder.path().join("m.asl.json"), r#"{"Resource": "${Steps}"}"#).expect("a file");
        let text = r#"[{"name": "n", "machine": "m.asl.json", "trace": [], "status": "FAILED"}]"#;
        std::fs::write(cases.join("a.json"), text).expect("a file");
        let read = Case::load(&cases).expect("one case");
        let definition = read[0].definition(&cases).expect("the machine");
        assert_eq!(definition, r#"{"Resource": "arn:aws:lambda:us-east-1:000000000000:function:Steps"}"#);
        std::fs::write(cases.join("b.json"), text.replace("trace", "tracks")).expect("a file");
        assert!(matches!(Case::load(&cases), Err(LoadError::Malformed(path, _)) if path.ends_with("b.json")));
    }
}

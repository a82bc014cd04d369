//! The whole platform for one test: real processes on free ports, in memory, ended with the test.

mod receiver;
mod stack;
mod user;

pub(crate) use receiver::{Received, Receiver};
pub(crate) use stack::{Plan, Stack};
pub(crate) use user::{Answer, PASSWORD, User};

use serde_json::{Value, json};

/// A job that runs `script` with sh; `changes` are laid over it.
pub(crate) fn shell_job(script: &str, changes: Value) -> Value {
    let mut job = json!({
        "name": "test",
        "image": "docker.io/library/busybox:1.36",
        "command": ["sh", "-c", script],
        "gpu": { "model": "RTX 4090" },
        "timeout_seconds": 120,
    });
    if let (Some(job), Value::Object(changes)) = (job.as_object_mut(), changes) {
        job.extend(changes);
    }
    job
}

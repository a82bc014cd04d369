//! Every key of the table in one place.
//!
//! | row | pk | sk | gsi1 (lists) | gsi2 (machinery) |
//! |---|---|---|---|---|
//! | job | `JOB#id` | `JOB` | `OWNER#uid` / `JOB#id` | `LIVE` / deadline + id, or `QUEUE` / owner + urgency + id |
//! | attempt | `JOB#id` | `ATTEMPT#0001` | | |
//! | event | `JOB#id` | `EVENT#0000000001` | | |
//! | runner | `ATTEMPT#id` | `RUNNER` | | |
//! | log chunk | `ATTEMPT#id` | `LOG#offset` | | |
//! | metrics | `ATTEMPT#id` | `METRICS#time` | | |
//! | owner's counts | `OWNER#uid` | `COUNTS` | | |
//! | owner's spend | `OWNER#uid` | `SPEND#2026-11` | | |
//! | remembered request | `OWNER#uid` | `REQUEST#key` | | |
//! | user | `USER#uid` | `USER` | `USERS` / email | |
//! | email | `EMAIL#email` | `EMAIL` | | |
//! | API key | `USER#uid` | `KEY#id` | | |
//! | API key's digest | `KEY#digest` | `KEY` | | |
//! | session | `SESSION#id` | `SESSION` | `USER#uid` / `SESSION#id` | |
//! | throttle | `THROTTLE#what` | `THROTTLE` | | |
//! | ticket | `TICKET#digest` | `TICKET` | | |
//! | connection | `CONNECTION#id` | `CONNECTION` | | |
//! | subscription | `TOPIC#topic` | `CONNECTION#id` | `CONNECTION#id` / `TOPIC#topic` | |
//! | schema version | `SCHEMA` | `SCHEMA` | | |

use domain::{AttemptId, JobId, UserId, job::Priority};
use jiff::Timestamp;

/// The attributes that every row's key is made of.
pub const PK: &str = "pk";
pub const SK: &str = "sk";
/// When DynamoDB may forget the row: seconds since 1970. Never used as a timer.
pub const EXPIRES_AT: &str = "expires_at";
/// Present and true on a row whose change the stream hands to the notifier.
pub const PUSH: &str = "push";

pub fn job(id: JobId) -> (String, String) {
    (format!("JOB#{id}"), "JOB".into())
}

pub fn attempt(job: JobId, number: u32) -> (String, String) {
    (format!("JOB#{job}"), format!("ATTEMPT#{number:04}"))
}

pub fn event(job: JobId, seq: u64) -> (String, String) {
    (format!("JOB#{job}"), format!("EVENT#{seq:010}"))
}

pub fn runner(attempt: AttemptId) -> (String, String) {
    (format!("ATTEMPT#{attempt}"), "RUNNER".into())
}

pub fn log(attempt: AttemptId, offset: u64) -> (String, String) {
    (format!("ATTEMPT#{attempt}"), format!("LOG#{offset:016}"))
}

pub fn counts(owner: UserId) -> (String, String) {
    (format!("OWNER#{owner}"), "COUNTS".into())
}

pub fn spend(owner: UserId, at: Timestamp) -> (String, String) {
    (format!("OWNER#{owner}"), format!("SPEND#{}", at.strftime("%Y-%m")))
}

pub fn request(owner: UserId, key: &str) -> (String, String) {
    (format!("OWNER#{owner}"), format!("REQUEST#{key}"))
}

/// Partition of gsi2 with the admitted jobs that have not ended.
pub const LIVE: &str = "LIVE";
/// Partition of gsi2 with the jobs that wait for admission.
pub const QUEUE: &str = "QUEUE";

/// Within an owner the most urgent first, then the oldest.
pub fn queue_position(owner: UserId, priority: Priority, job: JobId) -> String {
    let urgency = match priority {
        Priority::Urgent => 0,
        Priority::High => 1,
        Priority::Normal => 2,
        Priority::Low => 3,
    };
    format!("{owner}#{urgency}#{job}")
}

/// Sort keys of GPU figures without a log beside them, in order of time.
pub fn metrics(attempt: AttemptId, at: Timestamp) -> (String, String) {
    (format!("ATTEMPT#{attempt}"), format!("METRICS#{:016}", at.as_millisecond()))
}

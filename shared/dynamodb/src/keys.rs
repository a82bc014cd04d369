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

use domain::{AttemptId, JobId, UserId};

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

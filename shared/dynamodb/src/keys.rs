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
//! | session | `SESSION#id` | `SESSION` | | |
//! | throttle | `THROTTLE#what#end` | `THROTTLE` | | |
//! | ticket | `TICKET#digest` | `TICKET` | | |
//! | connection | `CONNECTION#id` | `CONNECTION` | | |
//! | subscription | `TOPIC#job or user` | `CONNECTION#id` | | |
//! | schema version | `SCHEMA` | `SCHEMA` | | |

use app::ports::Topic;
use domain::{ApiKeyId, AttemptId, JobId, SessionId, UserId, account::Email, job::Priority};
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

pub fn user(id: UserId) -> (String, String) {
    (format!("USER#{id}"), "USER".into())
}

pub fn email(email: &Email) -> (String, String) {
    (format!("EMAIL#{email}"), "EMAIL".into())
}

pub fn api_key(user: UserId, id: ApiKeyId) -> (String, String) {
    (format!("USER#{user}"), format!("KEY#{id}"))
}

pub fn api_key_digest(digest: &str) -> (String, String) {
    (format!("KEY#{digest}"), "KEY".into())
}

pub fn session(id: SessionId) -> (String, String) {
    (format!("SESSION#{id}"), "SESSION".into())
}

/// Each window has its row, so that none is ever reset.
pub fn throttle(bucket: &str, ends: Timestamp) -> (String, String) {
    (format!("THROTTLE#{bucket}#{}", ends.as_second()), "THROTTLE".into())
}

/// A ticket under the digest of its text.
pub fn ticket(digest: &str) -> (String, String) {
    (format!("TICKET#{digest}"), "TICKET".into())
}

pub fn connection(id: &str) -> (String, String) {
    (format!("CONNECTION#{id}"), "CONNECTION".into())
}

/// A connection's place among the subscribers of a topic.
pub fn subscription(of: Topic, connection: &str) -> (String, String) {
    (format!("TOPIC#{}", topic(of)), format!("CONNECTION#{connection}"))
}

/// The name of a topic: an id, whose prefix says what it is of.
pub fn topic(topic: Topic) -> String {
    match topic {
        Topic::Job(job) => job.to_string(),
        Topic::Owner(owner) => owner.to_string(),
    }
}

/// The topic of that name.
pub fn parse_topic(name: &str) -> Option<Topic> {
    name.parse().map(Topic::Job).or_else(|_| name.parse().map(Topic::Owner)).ok()
}

//! Every key of the table in one place.
//!
//! | row | pk | sk | gsi1 (lists) | gsi2 (machinery) |
//! |---|---|---|---|---|
//! | job | `JOB#id` | `JOB` | `OWNER#uid` / `JOB#id` | `LIVE` / deadline + id, or `QUEUE` / owner + urgency + id |
//! | attempt | `JOB#id` | `ATTEMPT#0001` | `RUNNING#uid` / id, while it is billed | `RUNNING` / id, while it is billed |
//! | event | `JOB#id` | `EVENT#0000000001` | | |
//! | runner | `ATTEMPT#id` | `RUNNER` | | |
//! | log chunk | `ATTEMPT#id` | `LOG#offset` | | |
//! | what its command was given | `ATTEMPT#id` | `GIVEN` | | |
//! | metrics | `ATTEMPT#id` | `METRICS#time` | | |
//! | owner's counts | `OWNER#uid` | `COUNTS` | | |
//! | owner's spend | `OWNER#uid` | `SPEND#2026-11` | | |
//! | platform's spend | `PLATFORM` | `SPEND#2026-11#00` to `#15` | | |
//! | paid attempt | `OWNER#uid` | `LEDGER#time#attempt` | `LEDGER#2026-11-24` / time + attempt | |
//! | budget alert | `OWNER#uid` or `PLATFORM` | `ALERT#2026-11#level` | | |
//! | platform's budget | `PLATFORM` | `BUDGET` | | |
//! | remembered request | `OWNER#uid` | `REQUEST#key` | | |
//! | user | `USER#uid` | `USER` | `USERS` / email | |
//! | email | `EMAIL#email` | `EMAIL` | | |
//! | secret | `USER#uid` | `SECRET#name` | | |
//! | API key | `USER#uid` | `KEY#id` | | |
//! | API key's digest | `KEY#digest` | `KEY` | | |
//! | session | `SESSION#id` | `SESSION` | | |
//! | throttle | `THROTTLE#what#end` | `THROTTLE` | | |
//! | ticket | `TICKET#digest` | `TICKET` | | |
//! | connection | `CONNECTION#id` | `CONNECTION` | | |
//! | subscription | `TOPIC#job, run or user` | `CONNECTION#id` | | |
//! | catalogue | `CATALOG#provider` | `CATALOG` | | |
//! | more of a catalogue | `CATALOG#provider` | `PART#time#001` | | |
//! | offer that was refused | `CATALOG#provider` | `SOLD#region#type#count#spot` | | |
//! | request for a refresh | `CATALOG` | `REFRESH` | | |
//! | measurements | `STATS` | `2026-11-24#provider#region#gpu#spot` | | |
//! | schema version | `SCHEMA` | `SCHEMA` | | |

use app::ports::Topic;
use domain::{
    ApiKeyId, AttemptId, JobId, SessionId, UserId,
    account::Email,
    job::Priority,
    ledger::{Entry, Payer},
    placement::{Offer, Place, ProviderName},
};
use jiff::Timestamp;

/// The attributes that every row's key is made of.
pub const PK: &str = "pk";
pub const SK: &str = "sk";
/// When DynamoDB may forget the row: seconds since 1970. Never used as a timer.
pub const EXPIRES_AT: &str = "expires_at";
/// Present and true on a row whose change the stream hands to the notifier.
pub const PUSH: &str = "push";

/// The row that says which shape the table has.
pub fn schema() -> (String, String) {
    ("SCHEMA".into(), "SCHEMA".into())
}

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

/// The secret values that an attempt's command was given, sealed.
pub fn given(attempt: AttemptId) -> (String, String) {
    (format!("ATTEMPT#{attempt}"), "GIVEN".into())
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

/// Rows in which the platform's spend of a month is counted. One row would be written by every end of an attempt, and
/// transactions that meet on a row fail each other.
pub const SPEND_SHARDS: u8 = 16;

/// The partition of what belongs to the platform as a whole.
pub const PLATFORM: &str = "PLATFORM";

/// The partition of whoever pays.
pub fn payer(payer: Payer) -> String {
    match payer {
        Payer::Owner(owner) => format!("OWNER#{owner}"),
        Payer::Platform => PLATFORM.into(),
    }
}

/// The platform's shard that an attempt's cost is counted in.
pub fn platform_spend(attempt: AttemptId, at: Timestamp) -> (String, String) {
    let shard = attempt.uuid().as_u128() % u128::from(SPEND_SHARDS);
    (PLATFORM.into(), format!("SPEND#{}#{shard:02}", at.strftime("%Y-%m")))
}

/// What all of the platform's shards of a month begin with.
pub fn platform_spend_prefix(at: Timestamp) -> String {
    format!("SPEND#{}#", at.strftime("%Y-%m"))
}

/// A time as a part of a key, in the order of time.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

pub fn ledger(entry: &Entry) -> (String, String) {
    (format!("OWNER#{}", entry.owner), format!("LEDGER#{}#{}", moment(entry.at), entry.attempt_id))
}

/// Partition of gsi1 with everybody's paid attempts of a day.
pub fn ledger_day(at: Timestamp) -> String {
    format!("LEDGER#{}", at.strftime("%Y-%m-%d"))
}

pub fn alert(of: Payer, month: &str, level: &str) -> (String, String) {
    (payer(of), format!("ALERT#{month}#{level}"))
}

pub fn platform_budget() -> (String, String) {
    (PLATFORM.into(), "BUDGET".into())
}

/// Partition of gsi2 with everybody's attempts that are billed now; of gsi1, with an owner's.
pub const RUNNING: &str = "RUNNING";

pub fn running(owner: UserId) -> String {
    format!("RUNNING#{owner}")
}

pub fn request(owner: UserId, key: &str) -> (String, String) {
    (format!("OWNER#{owner}"), format!("REQUEST#{key}"))
}

/// Partition of gsi2 with the admitted jobs that have not ended.
pub const LIVE: &str = "LIVE";
/// Partition of gsi2 with the jobs that wait for admission.
pub const QUEUE: &str = "QUEUE";

/// Sort key of a catalogue's head.
pub const CATALOGUE: &str = "CATALOG";

pub fn catalogue(provider: &ProviderName) -> (String, String) {
    (format!("CATALOG#{provider}"), CATALOGUE.into())
}

/// A further part of the catalogue that was seen at that millisecond.
pub fn catalogue_part(provider: &ProviderName, seen: i64, index: usize) -> (String, String) {
    (format!("CATALOG#{provider}"), format!("PART#{seen:016}#{index:03}"))
}

/// What the sort keys of offers begin with that were refused.
pub const SOLD_OUT: &str = "SOLD#";

pub fn sold_out(offer: &Offer) -> (String, String) {
    let kind = if offer.spot { "spot" } else { "on_demand" };
    let of = format!("{}#{}#{}#{kind}", offer.region, offer.instance_type, offer.gpu_count);
    (format!("CATALOG#{}", offer.provider), format!("{SOLD_OUT}{of}"))
}

/// The request for a refresh: the stream hands it to the function that refreshes.
pub fn refresh() -> (String, String) {
    ("CATALOG".into(), "REFRESH".into())
}

/// Partition of the measurements.
pub const STATISTICS: &str = "STATS";

/// A UTC day as a part of a key.
pub fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

pub fn statistics(place: &Place, at: Timestamp) -> (String, String) {
    (STATISTICS.into(), format!("{}#{place}", day(at)))
}

/// Within an owner the most urgent first, then the oldest.
pub fn queue_position(owner: UserId, priority: Priority, job: JobId) -> String {
    format!("{}{job}", queue_class(owner, urgency(priority)))
}

/// What the waiting jobs of an owner and a class of urgency begin with.
pub fn queue_class(owner: UserId, urgency: u8) -> String {
    format!("{owner}#{urgency}#")
}

/// 0 is the most urgent.
pub const fn urgency(priority: Priority) -> u8 {
    match priority {
        Priority::Urgent => 0,
        Priority::High => 1,
        Priority::Normal => 2,
        Priority::Low => 3,
    }
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

pub fn secret(owner: UserId, name: &str) -> (String, String) {
    (format!("USER#{owner}"), format!("SECRET#{name}"))
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
        Topic::Run(run) => run.to_string(),
        Topic::Owner(owner) => owner.to_string(),
    }
}

/// The topic of that name.
pub fn parse_topic(name: &str) -> Option<Topic> {
    name.parse()
        .map(Topic::Job)
        .or_else(|_| name.parse().map(Topic::Run))
        .or_else(|_| name.parse().map(Topic::Owner))
        .ok()
}

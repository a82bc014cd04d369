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
//! | paid attempt | `OWNER#uid` | `LEDGER#time#attempt` | `LEDGER#2026-11-24` / time + attempt | `UNBILLED` / when its cloud is asked + attempt, until it has said what it billed |
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
//! | subscription | `TOPIC#job, run, user or platform` | `CONNECTION#id` | | |
//! | catalogue | `CATALOG#provider` | `CATALOG` | | |
//! | more of a catalogue | `CATALOG#provider` | `PART#time#001` | | |
//! | offer that was refused | `CATALOG#provider` | `SOLD#region#type#count#spot` | | |
//! | request for a refresh | `CATALOG` | `REFRESH` | | |
//! | measurements | `STATS` | `2026-11-24#provider#region#gpu#spot` | | |
//! | workflow | `WORKFLOW#id` | `WORKFLOW` | `WORKFLOWS#uid` / id, until it is deleted | |
//! | public template | `WORKFLOW#id` | `TEMPLATE` | `TEMPLATES` / id | |
//! | version of a workflow | `WORKFLOW#id` | `VERSION#00001` | | |
//! | part of its definition | `WORKFLOW#id` | `DEFINITION#00001#writing#000` | | |
//! | counts of its runs | `WORKFLOW#id` | `COUNTS` | | |
//! | run of it | `WORKFLOW#id` | `RUN#id` | | |
//! | schedule | `WORKFLOW#id` | `SCHEDULE#id` | | `SCHEDULES` / due + workflow + id, while it is active |
//! | slot that started a run | `WORKFLOW#id` | `SLOT#schedule#time` | | |
//! | run | `RUN#id` | `RUN` | `RUNS#uid` / id | `LIVERUNS` / deadline + id, until its end |
//! | where it stands | `RUN#id` | `HEAD` | | |
//! | its parameters | `RUN#id` | `PARAMS` | | |
//! | what its execution waits for | `RUN#id` | `TOKEN` | | |
//! | its event | `RUN#id` | `RUNEVENT#0000000001` | | |
//! | node | `RUN#id` | `NODE#00012` | | |
//! | item of a map | `RUN#id` | `ITEM#00012#00345` | | |
//! | part of a large output | `RUN#id` | `OUTPUT#00012#000` or `OUTPUT#00012#00345#000` | | |
//! | where a map's items stand | `RUN#id` | `ITEMS#00012` | | |
//! | part of a map's items | `RUN#id` | `ITEMS#00012#00000` | | |
//! | progress of a map | `RUN#id` | `MAP#00012` | | |
//! | gate, or its shard | `RUN#id` | `GATE#00012` or `GATE#00012#003` | | |
//! | result to be reused | `CACHE#uid` | key | | |
//! | message | `CALL#id` | `CALL` | `CALLS#endpoint or run` / id | `DUE` / due + id, until it is over |
//! | endpoint | `USER#uid` | `ENDPOINT#id` | | |
//! | schema version | `SCHEMA` | `SCHEMA` | | |

use app::ports::{CallFor, NodeKey, Topic};
use domain::{
    ApiKeyId, AttemptId, CallId, EndpointId, JobId, RunId, ScheduleId, SessionId, UserId, WorkflowId,
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
/// Present and true on a row whose change the stream hands to the deliverer of messages.
pub const CALL: &str = "call";
/// Present and true on the last event of a job or run, which the stream hands to whoever writes notifications.
pub const ENDED: &str = "ended";

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

/// The highest number of an event that its key has room for.
pub const LAST_EVENT: u64 = 9_999_999_999;

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

/// Partition of gsi2 with everybody's paid attempts whose cloud has not said yet what it billed.
pub const UNBILLED: &str = "UNBILLED";

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

const PLATFORM_TOPIC: &str = "platform";

/// The name of a topic: an id, whose prefix says what it is of.
pub fn topic(topic: Topic) -> String {
    match topic {
        Topic::Job(job) => job.to_string(),
        Topic::Run(run) => run.to_string(),
        Topic::Owner(owner) => owner.to_string(),
        Topic::Platform => PLATFORM_TOPIC.to_owned(),
    }
}

/// The topic of that name.
pub fn parse_topic(name: &str) -> Option<Topic> {
    name.parse()
        .map(Topic::Job)
        .or_else(|_| name.parse().map(Topic::Run))
        .or_else(|_| name.parse().map(Topic::Owner))
        .ok()
        .or_else(|| (name == PLATFORM_TOPIC).then_some(Topic::Platform))
}

/// The first text behind everything that begins with `text` and `#`: `$` is the character after `#`.
pub fn behind(text: &str) -> String {
    format!("{text}$")
}

fn of_workflow(id: WorkflowId, sk: impl Into<String>) -> (String, String) {
    (format!("WORKFLOW#{id}"), sk.into())
}

pub fn workflow(id: WorkflowId) -> (String, String) {
    of_workflow(id, "WORKFLOW")
}

/// Partition of gsi1 with an owner's workflows.
pub fn workflows(owner: UserId) -> String {
    format!("WORKFLOWS#{owner}")
}

/// Where a public template is listed.
pub fn template(id: WorkflowId) -> (String, String) {
    of_workflow(id, "TEMPLATE")
}

/// Partition of gsi1 with the public templates.
pub const TEMPLATES: &str = "TEMPLATES";

/// What the sort keys of versions begin with.
pub const VERSIONS: &str = "VERSION#";

pub fn workflow_version(id: WorkflowId, number: u32) -> (String, String) {
    of_workflow(id, format!("{VERSIONS}{number:05}"))
}

/// A part of a version's definition. Two who write the same version write different parts, and the version's row says whose
/// count.
pub fn definition(id: WorkflowId, number: u32, writing: &str, part: u32) -> (String, String) {
    of_workflow(id, format!("DEFINITION#{number:05}#{writing}#{part:03}"))
}

pub fn run_counts(id: WorkflowId) -> (String, String) {
    of_workflow(id, "COUNTS")
}

/// What the sort keys of a workflow's runs begin with.
pub const RUNS_OF_WORKFLOW: &str = "RUN#";

pub fn run_of_workflow(id: WorkflowId, run: RunId) -> (String, String) {
    of_workflow(id, format!("{RUNS_OF_WORKFLOW}{run}"))
}

/// What the sort keys of a workflow's schedules begin with.
pub const SCHEDULES_OF_WORKFLOW: &str = "SCHEDULE#";

pub fn schedule(workflow: WorkflowId, id: ScheduleId) -> (String, String) {
    of_workflow(workflow, format!("{SCHEDULES_OF_WORKFLOW}{id}"))
}

/// Partition of gsi2 with the active schedules.
pub const SCHEDULES: &str = "SCHEDULES";

pub fn slot(workflow: WorkflowId, schedule: ScheduleId, slot: Timestamp) -> (String, String) {
    of_workflow(workflow, format!("SLOT#{schedule}#{}", moment(slot)))
}

fn of_run(id: RunId, sk: impl Into<String>) -> (String, String) {
    (format!("RUN#{id}"), sk.into())
}

pub fn run(id: RunId) -> (String, String) {
    of_run(id, "RUN")
}

/// Partition of gsi1 with an owner's runs.
pub fn runs(owner: UserId) -> String {
    format!("RUNS#{owner}")
}

/// Partition of gsi2 with the runs that have not ended.
pub const LIVE_RUNS: &str = "LIVERUNS";

pub fn run_head(id: RunId) -> (String, String) {
    of_run(id, "HEAD")
}

pub fn run_params(id: RunId) -> (String, String) {
    of_run(id, "PARAMS")
}

pub fn run_token(id: RunId) -> (String, String) {
    of_run(id, "TOKEN")
}

pub fn run_event(id: RunId, seq: u64) -> (String, String) {
    of_run(id, format!("RUNEVENT#{seq:010}"))
}

/// What the sort keys of nodes begin with.
pub const NODES: &str = "NODE#";
/// What the sort keys of maps' items begin with. They stand apart from the nodes, which are listed without them.
pub const ITEMS: &str = "ITEM#";

pub fn node(id: RunId, (step, item): NodeKey) -> (String, String) {
    match item {
        None => of_run(id, format!("{NODES}{step:05}")),
        Some(item) => of_run(id, format!("{}{item:05}", items_of(step))),
    }
}

/// What the sort keys of a map's items begin with.
pub fn items_of(step: u32) -> String {
    format!("{ITEMS}{step:05}#")
}

pub fn output(id: RunId, (step, item): NodeKey, part: u32) -> (String, String) {
    match item {
        None => of_run(id, format!("OUTPUT#{step:05}#{part:03}")),
        Some(item) => of_run(id, format!("OUTPUT#{step:05}#{item:05}#{part:03}")),
    }
}

/// Where the values of a map's items stand.
pub fn item_values(id: RunId, step: u32) -> (String, String) {
    of_run(id, format!("ITEMS#{step:05}"))
}

pub fn item_values_part(id: RunId, step: u32, part: u32) -> (String, String) {
    of_run(id, format!("ITEMS#{step:05}#{part:05}"))
}

pub fn map_progress(id: RunId, step: u32) -> (String, String) {
    of_run(id, format!("MAP#{step:05}"))
}

pub fn gate(id: RunId, step: u32, shard: Option<u32>) -> (String, String) {
    match shard {
        None => of_run(id, format!("GATE#{step:05}")),
        Some(shard) => of_run(id, format!("GATE#{step:05}#{shard:03}")),
    }
}

pub fn cache(owner: UserId, key: &str) -> (String, String) {
    (format!("CACHE#{owner}"), key.to_owned())
}

pub fn call(id: CallId) -> (String, String) {
    (format!("CALL#{id}"), "CALL".into())
}

/// Partition of gsi1 with the messages to an endpoint, or of a run's nodes.
pub fn calls(of: &CallFor) -> String {
    match of {
        CallFor::Node { node } => calls_of_run(node.run),
        CallFor::Notification { endpoint_id, .. } => calls_to(*endpoint_id),
    }
}

pub fn calls_of_run(run: RunId) -> String {
    format!("CALLS#{run}")
}

pub fn calls_to(endpoint: EndpointId) -> String {
    format!("CALLS#{endpoint}")
}

/// Partition of gsi2 with the messages that wait for their next try.
pub const DUE: &str = "DUE";

/// What the sort keys of endpoints begin with.
pub const ENDPOINTS: &str = "ENDPOINT#";

pub fn endpoint(owner: UserId, id: EndpointId) -> (String, String) {
    (format!("USER#{owner}"), format!("{ENDPOINTS}{id}"))
}

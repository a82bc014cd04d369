//! A job as its owner sees it.

use std::collections::BTreeMap;

use domain::{AttemptId, JobId};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Priority, Retry, Spot, Strategy};
use crate::{
    events::{Exit, Placement, Status},
    money::Money,
};

/// A job: what was asked for, where it stands, what it cost so far.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Job {
    #[schema(example = "job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub id: String,
    /// Whose it is.
    #[schema(example = "usr_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub owner: String,
    pub name: String,
    #[schema(required = true)]
    pub description: Option<String>,
    pub status: Status,
    /// Why it ended as it did, in words; null while it has not.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// False while it waits for its owner's earlier jobs.
    pub admitted: bool,
    /// Why it waits for admission: begins with `quota`, `queue` or `budget_exceeded`; null if it does not wait, and in lists.
    #[schema(required = true)]
    pub waits_for: Option<String>,
    /// When its end was asked for; null if nobody did.
    #[schema(required = true)]
    pub cancel_requested_at: Option<Timestamp>,
    pub image: String,
    pub command: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// The names of its secret variables; their values are never shown.
    pub secret_env: Vec<String>,
    /// Its variables with the named secret that each has the value of.
    pub secrets: BTreeMap<String, String>,
    pub gpu: Gpu,
    #[schema(required = true)]
    pub cpus: Option<u32>,
    #[schema(required = true)]
    pub memory_gib: Option<u32>,
    pub disk_gib: u32,
    pub spot: Spot,
    #[schema(required = true)]
    pub max_price_per_hour: Option<Money>,
    /// What all its attempts together may cost.
    #[schema(required = true)]
    pub max_cost: Option<Money>,
    /// What the command costs at the latest attempt's price if it runs until its timeout, or `max_cost` if that is less; null
    /// before the first attempt and after the end.
    #[schema(required = true)]
    pub estimated_cost: Option<Money>,
    pub strategy: Strategy,
    pub preferred_providers: Vec<String>,
    pub forbidden_providers: Vec<String>,
    pub preferred_regions: Vec<String>,
    pub forbidden_regions: Vec<String>,
    pub timeout_seconds: u32,
    pub queue_timeout_seconds: u32,
    pub retry: Retry,
    pub priority: Priority,
    pub tags: BTreeMap<String, String>,
    #[schema(value_type = BTreeMap<String, Value>)]
    pub metadata: BTreeMap<String, Value>,
    /// The number of the latest attempt; 0 before the first.
    pub attempt: u32,
    /// The id of the latest attempt, as it is in the instance's name; null before the first and in lists.
    #[schema(required = true)]
    pub attempt_id: Option<String>,
    /// What the command last said of itself; null if it said nothing, and in lists.
    #[schema(required = true)]
    pub progress: Option<Progress>,
    /// Where the latest attempt was placed; null before the first.
    #[schema(required = true)]
    pub placement: Option<Placement>,
    /// What the present instance costs; null while there is none.
    #[schema(required = true)]
    pub price_per_hour: Option<Money>,
    /// What it cost so far, the running instance up to now included; one amount for each currency.
    pub cost: Vec<Money>,
    pub submitted_at: Timestamp,
    pub updated_at: Timestamp,
    /// When it left its owner's queue.
    #[schema(required = true)]
    pub admitted_at: Option<Timestamp>,
    /// When the command first ran.
    #[schema(required = true)]
    pub started_at: Option<Timestamp>,
    #[schema(required = true)]
    pub ended_at: Option<Timestamp>,
    /// When it is over whatever happens; null while it waits for its owner's quota, and once it has ended.
    #[schema(required = true)]
    pub deadline: Option<Timestamp>,
    /// Seconds from the submission to the first start of the command, up to now if it has not started; null if it ended
    /// without a start.
    #[schema(required = true)]
    pub seconds_to_start: Option<f64>,
    /// Seconds since the first start of the command, up to its end; null before.
    #[schema(required = true)]
    pub seconds_running: Option<f64>,
    /// Seconds that commands of it ran on instances that were taken away or lost: work that later attempts did again,
    /// save what a checkpoint kept.
    pub seconds_lost: f64,
    #[schema(required = true)]
    pub exit: Option<Exit>,
    /// The job that this one repeats.
    #[schema(required = true)]
    pub restart_of: Option<String>,
    /// The node of a run that it is a try of; null if it was submitted by itself.
    #[schema(required = true)]
    pub node: Option<JobNode>,
    /// Grows with each change.
    pub version: u64,
    /// The number of its last event: what comes after is `GET …/events?after=seq`.
    pub seq: u64,
    pub links: Links,
}

/// The GPUs that a job asked for.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = JobGpu)]
pub struct Gpu {
    #[schema(required = true)]
    pub model: Option<String>,
    pub count: u32,
    #[schema(required = true)]
    pub memory_gib: Option<u32>,
}

/// What a command says of itself with a line `::progress 0.42 text`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(example = json!({"fraction": 0.42, "text": "epoch 2 of 3"}))]
pub struct Progress {
    /// 0 to 1.
    pub fraction: f64,
    pub text: String,
}

impl From<domain::job::Progress> for Progress {
    fn from(progress: domain::job::Progress) -> Self {
        Self { fraction: progress.fraction, text: progress.text }
    }
}

/// The node of a run that a job is a try of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobNode {
    #[schema(example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub run_id: String,
    /// Its number in the plan, from 0.
    pub step: u32,
    /// Which item of a map, from 0; null for a node.
    #[schema(required = true)]
    pub item: Option<u32>,
    /// Which try, from 1.
    pub attempt: u32,
    /// Its path.
    pub link: String,
}

impl From<domain::job::NodeRef> for JobNode {
    fn from(node: domain::job::NodeRef) -> Self {
        Self {
            run_id: node.run.to_string(),
            step: node.step,
            item: node.item,
            attempt: node.attempt,
            link: format!("/v1/runs/{}/nodes/{}", node.run, node.step),
        }
    }
}

/// Paths of what belongs to a job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Links {
    #[serde(rename = "self")]
    pub this: String,
    pub log: String,
    pub events: String,
    pub metrics: String,
    pub attempts: String,
    pub cost: String,
}

impl Links {
    fn of(id: JobId) -> Self {
        let this = format!("/v1/jobs/{id}");
        Self {
            log: format!("{this}/log"),
            events: format!("{this}/events"),
            metrics: format!("{this}/metrics"),
            attempts: format!("{this}/attempts"),
            cost: format!("{this}/cost"),
            this,
        }
    }
}

/// What a job's row does not say.
#[derive(Debug, Clone)]
pub struct JobFacts {
    pub now: Timestamp,
    pub attempt_id: Option<AttemptId>,
    pub progress: Option<domain::job::Progress>,
    pub cost: Vec<domain::Money>,
    pub waits_for: Option<String>,
}

impl Job {
    /// The job as it is shown.
    pub fn new(job: domain::job::Job, facts: JobFacts) -> Self {
        let seconds = |from: Timestamp, until: Timestamp| {
            (until.as_millisecond() - from.as_millisecond()).max(0) as f64 / 1_000.0
        };
        let seconds_to_start = match (job.started_at, job.ended_at) {
            (Some(started), _) => Some(seconds(job.submitted_at, started)),
            (None, None) => Some(seconds(job.submitted_at, facts.now)),
            (None, Some(_)) => None,
        };
        let has_instance =
            matches!(job.status, domain::job::Status::Provisioning | domain::job::Status::Running);
        let estimated_cost = job.estimated_cost();
        let spec = job.spec;
        Self {
            id: job.id.to_string(),
            owner: job.owner.to_string(),
            name: spec.name,
            description: spec.description,
            status: job.status.into(),
            reason: job.reason,
            admitted: job.admitted,
            waits_for: facts.waits_for,
            cancel_requested_at: job.cancel.map(|cancel| cancel.at),
            image: spec.image,
            command: spec.command,
            env: spec.env,
            secret_env: spec.secret_env.into_keys().collect(),
            secrets: spec.secrets,
            gpu: Gpu { model: spec.gpu.model, count: spec.gpu.count, memory_gib: spec.gpu.memory_gib },
            cpus: spec.cpus,
            memory_gib: spec.memory_gib,
            disk_gib: spec.disk_gib,
            spot: spec.spot.into(),
            max_price_per_hour: spec.max_price_per_hour.map(Into::into),
            max_cost: spec.max_cost.map(Into::into),
            estimated_cost: estimated_cost.map(Into::into),
            strategy: spec.strategy.into(),
            preferred_providers: spec.preferred_providers,
            forbidden_providers: spec.forbidden_providers,
            preferred_regions: spec.preferred_regions,
            forbidden_regions: spec.forbidden_regions,
            timeout_seconds: spec.timeout_seconds,
            queue_timeout_seconds: spec.queue_timeout_seconds,
            retry: spec.retry.into(),
            priority: spec.priority.into(),
            tags: spec.tags,
            metadata: spec.metadata,
            attempt: job.attempt,
            attempt_id: facts.attempt_id.map(|id| id.to_string()),
            progress: facts.progress.map(Into::into),
            price_per_hour: job
                .offer
                .as_ref()
                .filter(|_| has_instance)
                .map(|offer| offer.price_per_hour.into()),
            placement: job.offer.map(Into::into),
            cost: facts.cost.into_iter().map(Into::into).collect(),
            submitted_at: job.submitted_at,
            updated_at: job.updated_at,
            admitted_at: job.admitted_at,
            started_at: job.started_at,
            ended_at: job.ended_at,
            deadline: job.deadline,
            seconds_to_start,
            seconds_lost: job.lost_millis as f64 / 1_000.0,
            seconds_running: job
                .started_at
                .map(|started| seconds(started, job.ended_at.unwrap_or(facts.now))),
            exit: job.exit.map(Into::into),
            restart_of: job.restart_of.map(|id| id.to_string()),
            node: job.node.map(Into::into),
            version: job.version,
            seq: job.seq,
            links: Links::of(job.id),
        }
    }
}

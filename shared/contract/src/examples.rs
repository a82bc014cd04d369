//! Examples of the larger answers, made by the code that makes the answers: they cannot fall out of step.

mod workflows;

use domain::{
    AttemptId, Currency, JobId, Money, UserId,
    job::{Attempt, Event, Exit, ExitReason, Handle, Job, Outcome, SealedText, Status},
    placement::{Conditions, Offer, Place, Refusal, Statistics, Stock, Tally, rank},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    jobs::{self, JobFacts, SubmitJob},
    offers::{self, AsOf, Offer as Offered, Provider},
};

/// 2026-01-02T03:04:05Z and `seconds` later.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_323_045 + seconds).unwrap_or_default()
}

/// Examples by the names of their schemas.
pub(crate) fn all() -> Vec<(&'static str, Value)> {
    [accounts(), works(), workflows::all()].concat()
}

/// What people say about themselves. Every secret is made up.
fn accounts() -> Vec<(&'static str, Value)> {
    let user = json!({
        "id": "usr_019b7cd48b6a7c1e8f2a3b4c5d6e7f80",
        "email": "ada@example.com",
        "role": "user",
        "active": true,
        "first_name": "Ada",
        "last_name": "Lovelace",
        "organization": null,
        "phone": null,
        "avatar": null,
        "currency": "USD",
        "max_jobs": null,
        "max_gpus": 8,
        "monthly_budget": { "amount": "500.000000", "currency": "USD" },
        "created_at": at(0),
        "updated_at": at(0),
    });
    let key = json!({
        "id": "key_019b7cd48b6a7c1e8f2a3b4c5d6e7f81",
        "name": "ci",
        "hint": "gpuk_fake",
        "created_at": at(0),
        "expires_at": null,
        "last_used_at": null,
    });
    let mut created = key.clone();
    created["key"] = json!("gpuk_fake0000000000000000000000000000000000000");
    vec![
        (
            "Register",
            json!({ "email": "ada@example.com", "password": "fake-long-password", "first_name": "Ada" }),
        ),
        ("Login", json!({ "email": "ada@example.com", "password": "fake-long-password" })),
        ("Refresh", json!({ "refresh_token": "fake-refresh-token" })),
        ("EditMe", json!({ "organization": "Analytical Engines", "phone": null })),
        (
            "ChangePassword",
            json!({ "current_password": "fake-long-password", "new_password": "fake-longer-password" }),
        ),
        ("PutSecret", json!({ "value": "fake-token-0000" })),
        ("Secret", secret()),
        ("Secrets", json!({ "items": [secret()] })),
        ("SecretNames", json!({ "HF_TOKEN": "hf" })),
        ("NewApiKey", json!({ "name": "ci", "expires_at": at(86_400) })),
        ("EditUser", json!({ "max_gpus": 8, "monthly_budget": { "amount": "500", "currency": "USD" } })),
        (
            "Session",
            json!({
                "access_token": "fake.access.token",
                "token_type": "Bearer",
                "expires_in": 900,
                "refresh_token": "fake-refresh-token",
                "refresh_expires_at": at(2_592_000),
                "user": user,
            }),
        ),
        ("Example", json!({ "message": "You are signed in.", "user_id": user["id"], "role": "user" })),
        ("UserPage", json!({ "items": [user], "next": null })),
        ("User", user),
        ("CreatedApiKey", created),
        ("ApiKeys", json!({ "items": [key] })),
        (
            "RealtimeTicket",
            json!({
                "ticket": "fake-ticket",
                "expires_at": at(60),
                "url": "wss://live.example.com/ws?ticket=fake-ticket",
            }),
        ),
    ]
}

/// Jobs and offers, made by the code that makes the answers.
fn works() -> Vec<(&'static str, Value)> {
    let Some(life) = Life::new() else { return Vec::new() };
    let as_of = AsOf { now: at(12), fresh: SignedDuration::from_secs(60) };
    let provider = Provider::new("runpod".into(), 2, Some(at(0)), None, as_of);
    let offers = vec![offer("RTX 4090", 24, 440_000), offer("A40", 48, 390_000)];
    let job = life.shown();
    let cost = Money::new(2_444, Currency::Usd);
    let ranking = rank(&life.job.spec, offers.clone(), &Conditions::default());
    vec![
        ("Job", value(&job)),
        ("JobPage", value(&jobs::JobPage { items: vec![job], next: None })),
        (
            "EventPage",
            value(&jobs::EventPage {
                items: life.events.iter().take(2).cloned().map(Into::into).collect(),
                next: 2,
                more: true,
            }),
        ),
        (
            "Attempts",
            value(&jobs::Attempts { items: vec![jobs::Attempt::new(life.attempt.clone(), at(60))] }),
        ),
        (
            "Cost",
            value(&jobs::Cost {
                attempts: vec![jobs::AttemptCost::new(&life.attempt, at(60))],
                total: vec![cost.into()],
                is_final: true,
                as_of: at(60),
            }),
        ),
        (
            "Metrics",
            json!({
                "attempt": 1,
                "items": [{
                    "at": at(12),
                    "gpus": [{
                        "gpu": 0,
                        "utilisation_percent": 97.0,
                        "memory_used_mib": 20_112.0,
                        "memory_total_mib": 24_564.0,
                        "temperature_celsius": 61.0,
                        "power_watts": 411.5
                    }]
                }],
                "next": at(12)
            }),
        ),
        (
            "GpuPage",
            value(&offers::GpuPage { items: offers::Gpu::group(&offers), providers: vec![provider.clone()] }),
        ),
        (
            "OfferPage",
            value(&offers::OfferPage {
                items: offers.into_iter().map(|offer| Offered::new(offer, as_of)).collect(),
                more: false,
                providers: vec![provider.clone()],
            }),
        ),
        ("Ranking", value(&offers::Ranking::new(ranking, vec![provider.clone()], as_of))),
        ("ImagePage", value(&offers::ImagePage::suggestions())),
        ("SchedulingMetrics", value(&metrics())),
        ("ProviderPage", value(&offers::ProviderPage { items: vec![provider] })),
    ]
}

/// A place with eight good launches and two refused ones.
fn metrics() -> offers::SchedulingMetrics {
    let place = Place::of(&offer("RTX 4090", 24, 440_000));
    let mut statistics = Statistics::default();
    for _ in 0..8 {
        statistics.add(place.clone(), Tally::launched());
        statistics.add(place.clone(), Tally::started(42_000));
    }
    for _ in 0..2 {
        statistics.add(place.clone(), Tally::refused(Refusal::Capacity));
    }
    statistics.add(place, Tally { ended: 8, running_millis: 8 * 3_600_000, ..Tally::default() });
    offers::SchedulingMetrics {
        as_of: at(0),
        days: 14,
        places: offers::SchedulingMetrics::places(&statistics),
        queue: offers::QueueState {
            waiting: 3,
            searching: 1,
            provisioning: 1,
            running: 12,
            median_wait_seconds: offers::QueueState::median_wait(vec![at(-60), at(-20), at(-90)], at(0)),
        },
    }
}

/// A type of ours has text for keys and finite numbers: there is nothing in it that JSON could not hold.
fn value(shown: &impl Serialize) -> Value {
    serde_json::to_value(shown).unwrap_or_default()
}

fn offer(gpu: &str, memory: u32, micros: i64) -> Offer {
    Offer {
        provider: "runpod".into(),
        region: "EU-RO-1".into(),
        gpu: gpu.into(),
        instance_type: format!("NVIDIA {gpu}"),
        gpu_count: 1,
        gpu_memory_gib: memory,
        cpus: None,
        memory_gib: None,
        spot: false,
        price_per_hour: Money::new(micros, Currency::Usd),
        stock: Stock::High,
        seen_at: at(0),
    }
}

/// A job that went well.
fn secret() -> Value {
    json!({
        "name": "HF_TOKEN",
        "bytes": 37,
        "created_at": at(0),
        "updated_at": at(0),
        "last_used_at": null,
    })
}

struct Life {
    job: Job,
    attempt: Attempt,
    events: Vec<Event>,
}

impl Life {
    fn new() -> Option<Self> {
        let id = 0x018f_5e6c_8a7b_7c3d_9e0f_1a2b_3c4d_5e6f_u128;
        let mut submission =
            SubmitJob::new("docker.io/library/python:3.12", vec!["python".into(), "train.py".into()]);
        submission.gpu.model = Some("RTX 4090".into());
        submission.tags = [("team".to_owned(), "research".to_owned())].into();
        let (mut spec, _) = submission.read().ok()?;
        spec.secrets.insert("HF_TOKEN".into(), "hf".into());
        spec.secret_env.insert("HUB_TOKEN".into(), SealedText(String::new()));
        let owner = UserId::new(Uuid::from_u128(id - 2));
        let (mut job, submitted) =
            Job::submit(JobId::new(Uuid::from_u128(id)), owner, spec, true, None, at(0));
        let attempt_id = AttemptId::new(Uuid::from_u128(id + 1));
        let mut attempt =
            Attempt::intend(attempt_id, job.id, owner, 1, offer("RTX 4090", 24, 440_000), at(1));
        let mut events = vec![submitted, job.provision(&attempt, at(1)).ok()?];
        events.push(job.instance_created(1, "k3v9x0a1b2c3d4", at(2)).ok()?);
        events.push(job.run(1, at(10)).ok()?);
        let exit = Exit {
            code: 0,
            reason: ExitReason::Exited,
            at: at(21),
            output: Some(json!({"loss": 0.12})),
            output_error: None,
        };
        attempt.handle =
            Some(Handle { provider: "runpod".into(), region: String::new(), id: "k3v9x0a1b2c3d4".into() });
        attempt.created_at = Some(at(2));
        attempt.started_at = Some(at(10));
        attempt.ended_at = Some(at(21));
        attempt.gone_at = Some(at(22));
        attempt.cost = Some(attempt.cost_at(at(22)));
        attempt.outcome = Some(Outcome::Exited { exit });
        events.extend(job.end(Status::Succeeded, Some(&attempt), None, at(22)).ok()?);
        job.version = 6;
        Some(Self { job, attempt, events })
    }

    fn shown(&self) -> jobs::Job {
        let facts = JobFacts {
            now: at(60),
            attempt_id: Some(self.attempt.id),
            progress: Some(domain::job::Progress { fraction: 1.0, text: "done".into() }),
            cost: self.job.cost.clone(),
            waits_for: None,
        };
        jobs::Job::new(self.job.clone(), facts)
    }
}

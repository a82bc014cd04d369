//! A thousand jobs on three clouds that refuse, lose answers, take machines back and are away for a while: every job
//! ends right, nothing is left that bills, and what is written down is what was billed, to the micro.
//!
//! `MANY_JOBS=1000` makes it a thousand; without it there are as many as every run has time for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Plan, Stack, User, shell_job};

/// How many jobs, unless `MANY_JOBS` says otherwise.
const JOBS: usize = 120;
/// One in so many is taken back by its cloud while it works.
const PREEMPTED: usize = 10;

const STRATEGIES: [&str; 4] = ["cost", "performance", "availability", "balanced"];

/// What the simulations call the things that a test causes.
struct Cloud {
    name: &'static str,
    /// The call that makes an instance.
    create: &'static str,
    /// The path of its instances below `/_sim/`.
    instances: &'static str,
}

const CLOUDS: [Cloud; 3] = [
    Cloud { name: "runpod", create: "create", instances: "pods" },
    Cloud { name: "alibaba", create: "RunInstances", instances: "instances" },
    Cloud { name: "tencent", create: "jobs.create", instances: "instances" },
];

impl Cloud {
    async fn fault(&self, stack: &Stack, fault: Value) {
        stack.post(stack.cloud(self.name), "/_sim/faults", &fault).await;
    }

    /// One launch in five is refused, and the answer to one in ten is lost.
    async fn misbehave(&self, stack: &Stack, jobs: usize) {
        for nth in (5..2 * jobs).step_by(5) {
            self.fault(stack, json!({ "operation": self.create, "mode": "no_capacity", "nth": nth })).await;
        }
        for nth in (3..2 * jobs).step_by(10) {
            self.fault(stack, json!({ "operation": self.create, "mode": "drop_after", "nth": nth })).await;
        }
    }

    async fn clear(&self, stack: &Stack) {
        let url = format!("{}/_sim/faults", stack.cloud(self.name));
        stack.http.delete(url).send().await.expect("an answer");
    }
}

fn spot_job(index: usize) -> Value {
    let script = if index.is_multiple_of(PREEMPTED) {
        r#"[ "$GPU_ATTEMPT" != 1 ] || sleep 600; echo done"#
    } else {
        "echo done"
    };
    shell_job(
        script,
        json!({
            "name": format!("job {index}"),
            "gpu": { "count": 1 },
            "spot": "prefer",
            "preferred_providers": [CLOUDS[index % 3].name],
            "strategy": STRATEGIES[index % STRATEGIES.len()],
            "timeout_seconds": 900,
            "queue_timeout_seconds": 3_600,
            "retry": { "max_attempts": 10, "on": ["preemption", "lost_instance"], "backoff_seconds": 0 },
        }),
    )
}

/// Takes the job's machine back once its command works.
async fn preempt(stack: &Stack, user: &User, id: &str) {
    user.until(id, "running").await;
    let attempts = attempts(user, id).await;
    let attempt = attempts.last().expect("an attempt");
    let name = &attempt["placement"]["provider"];
    let cloud = CLOUDS.iter().find(|cloud| *name == cloud.name).expect("a cloud of ours");
    let own = own_name(attempt["instance"].as_str().expect("its instance"));
    let base = stack.cloud(cloud.name);
    let all = stack.get(base, &format!("/_sim/{}", cloud.instances)).await;
    let all = all[cloud.instances].as_array().cloned().unwrap_or_default();
    let Some(instance) = all.iter().find(|one| one["id"] == own || one["name"] == own) else { return };
    let path = format!("{base}/_sim/{}/{}/preempt", cloud.instances, instance["id"].as_str().expect("an id"));
    // On demand it cannot be taken back, but it can be lost.
    let answer = stack.http.post(&path).json(&json!({ "notice_s": 0 })).send().await.expect("an answer");
    if !answer.status().is_success() {
        let path = path.replace("/preempt", "/kill");
        stack.http.post(path).json(&json!({})).send().await.expect("an answer");
    }
}

async fn attempts(user: &User, id: &str) -> Vec<Value> {
    let attempts = user.get(&format!("/v1/jobs/{id}/attempts")).await.expect(200);
    attempts["items"].as_array().cloned().unwrap_or_default()
}

/// What the cloud itself calls the instance: a handle may have its region or cluster in front.
fn own_name(instance: &str) -> &str {
    instance.rsplit('/').next().unwrap_or(instance)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_jobs_end_right_on_three_clouds_that_misbehave() {
    let jobs: usize =
        std::env::var("MANY_JOBS").map_or(JOBS, |text| text.parse().expect("MANY_JOBS is a number"));
    let stack = Plan::default()
        .with("DefaultConcurrency", "24")
        // The simulated clouds' books are never behind.
        .with("BillAfterSeconds", "0.001")
        .with("HeartbeatSeconds", "2")
        .clouds(&["runpod", "alibaba", "tencent"])
        .start()
        .await;
    let user = stack.user().await.with_key().await;
    for cloud in &CLOUDS[..2] {
        cloud.misbehave(&stack, jobs).await;
    }
    // One is away from the beginning until a tenth of the jobs has ended.
    CLOUDS[2]
        .fault(&stack, json!({ "operation": "*", "mode": "fail_before", "status": 503, "times": 0 }))
        .await;

    let mut ids = Vec::with_capacity(jobs);
    for index in 0..jobs {
        ids.push(user.submit(&spot_job(index)).await);
    }
    let take_back = async {
        for id in ids.iter().step_by(PREEMPTED) {
            preempt(&stack, &user, id).await;
        }
    };
    let end = async {
        for (index, id) in ids.iter().enumerate() {
            if index == jobs / 10 {
                CLOUDS[2].clear(&stack).await;
                CLOUDS[2].misbehave(&stack, jobs).await;
            }
            let job = user.ended(id).await;
            assert_eq!(job["status"], "succeeded", "{job:#}");
        }
    };
    futures::join!(take_back, end);
    for cloud in &CLOUDS {
        cloud.clear(&stack).await;
    }
    stack.rest().await;
    stack.sweep().await;
    stack.sweep().await;
    while stack.sweep().await["billed"] != 0 {}
    assert_eq!(stack.executions().await, Vec::<Value>::new(), "executions are left");
    for cloud in &CLOUDS {
        let left = stack.get(stack.cloud(cloud.name), &format!("/_sim/{}", cloud.instances)).await;
        assert_eq!(left["live"], 0, "{}: {left:#}", cloud.name);
    }
    let mut of_jobs = Sums::new();
    let mut paid: BTreeMap<String, Value> = BTreeMap::new();
    for id in &ids {
        let cost = user.get(&format!("/v1/jobs/{id}/cost")).await.expect(200);
        assert_eq!(cost["final"], true, "{cost:#}");
        add(&mut of_jobs, &cost["total"]);
        for attempt in attempts(&user, id).await {
            if let Some(instance) = attempt["instance"].as_str() {
                let twice = paid.insert(own_name(instance).to_owned(), attempt.clone());
                assert_eq!(twice, None, "an instance of two attempts");
            }
        }
    }
    let written = ledger(&user).await;
    assert_eq!(written, of_jobs, "the ledger and the jobs");
    let mut billed = Sums::new();
    for cloud in &CLOUDS {
        let bill = stack.get(stack.cloud(cloud.name), "/_sim/bill").await;
        let currency = bill["currency"].as_str().expect("a currency");
        for one in bill[cloud.instances].as_array().into_iter().flatten() {
            let names = [&one["id"], &one["name"]].map(|name| name.as_str().unwrap_or_default());
            let attempt = names.iter().find_map(|name| paid.remove(*name));
            let attempt = attempt.unwrap_or_else(|| panic!("{}: nobody pays for {one:#}", cloud.name));
            let theirs = one["cost_micros"].as_i64().expect("micros");
            assert_eq!(micros(&attempt["cost"]["amount"]), theirs, "{attempt:#} {one:#}");
            *billed.entry(currency.to_owned()).or_default() += theirs;
        }
    }
    assert_eq!(paid, BTreeMap::new(), "paid, but no cloud billed it");
    assert_eq!(written, billed, "the ledger and the clouds' bills");
    let budget = user.get("/v1/budget").await.expect(200);
    let mut spent = Sums::new();
    add(&mut spent, &budget["spent"]);
    assert_eq!(spent, billed, "what was spent and the clouds' bills");
}

type Sums = BTreeMap<String, i64>;

async fn ledger(user: &User) -> Sums {
    let mut sums = Sums::new();
    let mut path = "/v1/costs/attempts?limit=100".to_owned();
    loop {
        let page = user.get(&path).await.expect(200);
        for entry in page["items"].as_array().into_iter().flatten() {
            assert_eq!(entry["billed"], true, "its cloud was not asked: {entry:#}");
            add(&mut sums, &json!([entry["cost"]]));
        }
        let Some(next) = page["next"].as_str() else { return sums };
        path = format!("/v1/costs/attempts?limit=100&cursor={next}");
    }
}

fn add(sums: &mut Sums, amounts: &Value) {
    for amount in amounts.as_array().into_iter().flatten() {
        let currency = amount["currency"].as_str().expect("a currency").to_owned();
        *sums.entry(currency).or_default() += micros(&amount["amount"]);
    }
}

/// A decimal with six places.
fn micros(amount: &Value) -> i64 {
    let text = amount.as_str().expect("a decimal");
    text.replace('.', "").parse().expect("micros")
}

//! The workflows of `examples/workflows`, as they stand there, on the local stack.

use serde_json::{Value, json};

use crate::{
    routes::schedules::make_due,
    support::{Plan, Receiver, Stack, User},
};

/// Makes a workflow of an example's text; its id.
async fn made(user: &User, name: &str) -> String {
    let file = format!("{}/../examples/workflows/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let yaml = std::fs::read_to_string(file).expect("the example");
    let workflow = user.post("/v1/workflows", &json!({ "yaml": yaml })).await.expect(201);
    workflow["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_finds_the_best_rate_and_is_not_computed_twice() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let workflow = made(&user, "sweep").await;
    let id = user.start(&workflow, &json!({})).await;
    let run = user.run_ended(&id).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    let nodes = user.nodes(&id).await;
    assert_eq!(nodes["best"]["output"]["rate"], json!(0.03));
    let rates: Vec<&Value> =
        nodes["sweep"]["output"].as_array().into_iter().flatten().map(|output| &output["rate"]).collect();
    assert_eq!(rates, [&json!(0.1), &json!(0.03), &json!(0.01), &json!(0.003)], "in the order of the items");
    let trained = user.job(nodes["train"]["job_id"].as_str().expect("a job")).await;
    assert_eq!((&trained["name"], &trained["status"]), (&json!("train-0.03"), &json!("succeeded")));

    // Another rate is tried alone: the others were computed before.
    let params = json!({ "rates": [0.1, 0.03, 0.01, 0.003, 0.02] });
    let id = user.start(&workflow, &params).await;
    assert_eq!(user.run_ended(&id).await["status"], "succeeded");
    let items = user.all(&format!("/v1/runs/{id}/nodes/sweep/items?limit=100")).await;
    let taken: Vec<bool> = items.iter().map(|item| item["cached_from"].is_object()).collect();
    assert_eq!(taken, [true, true, true, true, false]);
    assert_eq!(user.nodes(&id).await["best"]["output"]["rate"], json!(0.02));
    stack.rest().await;
    assert_eq!(stack.live_pods().await, Vec::<String>::new());
    assert_eq!(stack.executions().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_is_started_by_its_schedule() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let workflow = made(&user, "nightly").await;
    let new = json!({ "cron": "0 3 * * *", "time_zone": "Asia/Shanghai", "catch_up": "last" });
    let schedule = user.post(&format!("/v1/workflows/{workflow}/schedules"), &new).await.expect(201);
    make_due(&stack, &user, schedule["link"].as_str().expect("its path")).await;
    assert_eq!(stack.tick().await["started"], 1);
    let runs = user.all(&format!("/v1/workflows/{workflow}/runs?limit=10")).await;
    let id = runs[0]["id"].as_str().expect("an id");
    let run = user.run_ended(id).await;
    assert_eq!((&run["status"], &run["priority"]), (&json!("succeeded"), &json!("low")), "{run:#}");
    assert!(
        run["origin"]["slot"].as_str().is_some_and(|slot| slot.ends_with("T19:00:00Z")),
        "{}",
        run["origin"]
    );
    let statuses: Vec<(String, Value)> =
        user.nodes(id).await.into_iter().map(|(name, node)| (name, node["status"].clone())).collect();
    let expected = [
        ("clean_up", "succeeded"),
        ("night.prepare", "succeeded"),
        ("night.publish", "succeeded"),
        ("night.train.full", "skipped"),
        ("night.train.short", "succeeded"),
    ];
    assert_eq!(statuses, expected.map(|(name, status)| (name.to_owned(), json!(status))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_deployed_if_it_is_good_enough() {
    let stack = Plan::default().with("LoopbackWebhooks", "true").start().await;
    let user = stack.user().await;
    let workflow = made(&user, "deploy").await;
    let mut server = Receiver::start(&[202]).await;
    let id = user.start(&workflow, &json!({ "hook": server.url("/deploy") })).await;
    let run = user.run_ended(&id).await;
    assert_eq!((&run["status"], &run["priority"]), (&json!("succeeded"), &json!("high")), "{run:#}");
    let told: Value = serde_json::from_str(&server.next().await.body).expect("JSON");
    let note = format!("run {id} on tiny");
    assert_eq!(told, json!({ "model": "model-1", "accuracy": 0.93, "note": note }));
    let nodes = user.nodes(&id).await;
    assert_eq!(nodes["deploy"]["output"]["status"], 202);
    assert_eq!(nodes["report_failure"]["status"], "skipped", "nothing failed");

    // Nothing is told of a model that is not good enough, and that is no failure.
    let params = json!({ "hook": server.url("/deploy"), "least_accuracy": 0.99 });
    let id = user.start(&workflow, &params).await;
    assert_eq!(user.run_ended(&id).await["status"], "succeeded");
    let nodes = user.nodes(&id).await;
    assert_eq!(
        (&nodes["good_enough"]["status"], &nodes["deploy"]["status"]),
        (&json!("skipped"), &json!("skipped"))
    );
    assert_eq!(server.heard(), 1);
}

//! Schedules of workflows: made, changed, removed, and fired by the tick.

use serde_json::{Value, json};

use crate::support::{Stack, User};

fn definition() -> Value {
    json!({
        "name": "nightly",
        "params": { "epochs": { "type": "integer", "minimum": 1, "default": 3 } },
        "nodes": { "yes": { "condition": "params.epochs > 1" } },
    })
}

/// A schedule of each new year that catches up the last one; its path.
async fn yearly(user: &User, workflow: &str) -> String {
    let new = json!({ "cron": "0 0 1 1 *", "catch_up": "last", "params": { "epochs": 5 } });
    let made = user.post(&format!("/v1/workflows/{workflow}/schedules"), &new).await.expect(201);
    made["link"].as_str().expect("its path").to_owned()
}

/// Makes the schedule one that nobody has looked at for years.
pub(crate) async fn make_due(stack: &Stack, user: &User, link: &str) {
    let schedule = user.get(link).await.expect(200);
    let text = |name: &str| schedule[name].as_str().unwrap_or_default().to_owned();
    let (workflow, id) = (text("workflow_id"), text("id"));
    let mut row = stack.row(&format!("WORKFLOW#{workflow}"), &format!("SCHEDULE#{id}")).await;
    let mut doc: Value = serde_json::from_str(row["doc"]["S"].as_str().expect("a document")).expect("JSON");
    doc["seen"] = json!("2020-06-01T00:00:00Z");
    doc["next_due"] = json!("2021-01-01T00:00:00Z");
    row["doc"] = json!({ "S": doc.to_string() });
    row["gsi2sk"] = json!({ "S": format!("2021-01-01T00:00:00.000Z#{workflow}#{id}") });
    stack.put_row(&row).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_schedulers_at_once_start_one_run_of_a_slot() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let workflow = user.workflow(&definition()).await;
    let link = yearly(&user, &workflow).await;
    assert_eq!(stack.tick().await["started"], 0, "nothing is due");
    make_due(&stack, &user, &link).await;
    let ticks = futures::future::join_all((0..4).map(|_| stack.tick())).await;
    let started: u64 = ticks.iter().filter_map(|ticked| ticked["started"].as_u64()).sum();
    assert_eq!(started, 1, "{ticks:?}");
    let runs = user.all("/v1/runs?limit=10").await;
    assert_eq!(runs.len(), 1);
    let run = user.run_ended(runs[0]["id"].as_str().expect("an id")).await;
    assert_eq!((&run["status"], &run["params"]), (&json!("succeeded"), &json!({ "epochs": 5 })));
    let schedule = user.get(&link).await.expect(200);
    assert_eq!(run["origin"]["schedule_id"], schedule["id"]);
    assert!(
        run["origin"]["slot"].as_str().is_some_and(|slot| slot.ends_with("-01-01T00:00:00Z")),
        "{}",
        run["origin"]
    );
    assert_eq!((&schedule["last_run"], &schedule["last_problem"]), (&run["id"], &Value::Null));
    assert_eq!(schedule["next_due"], schedule["upcoming"][0]);

    // The same slot once more, as after a crash before the schedule's row was written.
    make_due(&stack, &user, &link).await;
    assert_eq!(stack.tick().await["started"], 0);
    assert_eq!(user.all("/v1/runs?limit=10").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_workflow_waits_and_parameters_that_no_longer_fit_are_told() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let workflow = user.workflow(&definition()).await;
    let base = format!("/v1/workflows/{workflow}");
    let link = yearly(&user, &workflow).await;
    user.post(&format!("{base}/pause"), &json!({})).await.expect(200);
    make_due(&stack, &user, &link).await;
    assert_eq!(stack.tick().await["started"], 0);
    let mut narrow = definition();
    narrow["params"]["epochs"]["maximum"] = json!(4);
    user.send(reqwest::Method::PUT, &base, Some(&json!({ "definition": narrow })), &[]).await.expect(200);
    user.post(&format!("{base}/activate"), &json!({})).await.expect(200);
    assert_eq!(stack.tick().await["started"], 0);
    let schedule = user.get(&link).await.expect(200);
    let problem = schedule["last_problem"].as_str().expect("why");
    assert!(problem.contains("params.epochs"), "{problem}");
    assert_eq!(user.all("/v1/runs?limit=10").await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_are_made_changed_and_removed() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let workflow = format!("/v1/workflows/{}", user.workflow(&definition()).await);
    let schedules = format!("{workflow}/schedules");
    let new = json!({ "cron": "0 3 * * MON-FRI", "time_zone": "Asia/Shanghai", "params": { "epochs": 5 } });
    let answer = user.post(&schedules, &new).await;
    let location = answer.headers["location"].to_str().expect("text").to_owned();
    let made = answer.expect(201);
    assert_eq!(made["link"], json!(location));
    assert_eq!(
        (&made["catch_up"], &made["overlap"], &made["active"]),
        (&json!("none"), &json!("skip"), &json!(true))
    );
    assert_eq!(made["upcoming"].as_array().map(Vec::len), Some(5));
    assert_eq!(made["upcoming"][0], made["next_due"]);
    assert!(made["next_due"].as_str().is_some_and(|due| due.contains("T19:00:00")), "{}", made["next_due"]);
    assert_eq!(user.get(&location).await.expect(200), made);
    assert_eq!(user.get(&workflow).await.expect(200)["next_due"], made["next_due"]);

    let edited = user.patch(&location, &json!({ "time_zone": "UTC", "overlap": "queue" })).await.expect(200);
    assert_eq!((&edited["cron"], &edited["overlap"]), (&made["cron"], &json!("queue")));
    assert!(
        edited["next_due"].as_str().is_some_and(|due| due.contains("T03:00:00")),
        "{}",
        edited["next_due"]
    );
    let off = user.patch(&location, &json!({ "active": false })).await.expect(200);
    assert_eq!((&off["next_due"], &off["upcoming"]), (&Value::Null, &json!([])));
    assert_eq!(user.get(&workflow).await.expect(200)["next_due"], Value::Null);

    for (body, field) in [
        (json!({ "cron": "every day" }), "cron"),
        (json!({ "cron": "0 0 31 2 *" }), "cron"),
        (json!({ "cron": "@daily", "time_zone": "Mars/Olympus" }), "time_zone"),
        (json!({ "cron": "@daily", "params": { "epochs": 0 } }), "params.epochs"),
        (json!({ "cron": "@daily", "params": { "colour": 0 } }), "params.colour"),
        (json!({ "cron": "@daily", "overlap": "sometimes" }), "overlap"),
        (json!({ "cron": "@daily", "colour": 1 }), "colour"),
        (json!({}), "body"),
    ] {
        let fields = user.post(&schedules, &body).await.problem(422, "invalid_fields");
        assert!(fields.iter().any(|named| named.starts_with(field)), "{field} is not among {fields:?}");
    }
    assert_eq!(user.get(&schedules).await.expect(200)["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(user.delete(&location).await.status.as_u16(), 204);
    user.get(&location).await.problem(404, "not_found");
    user.delete(&location).await.problem(404, "not_found");

    user.post(&schedules, &new).await.expect(201);
    assert_eq!(user.delete(&workflow).await.status.as_u16(), 204);
    user.get(&schedules).await.problem(404, "not_found");
}

/// A tick that is failed before or after each of its effects, or whose effects are done twice, is made good by the next one:
/// one run of the slot, which ends, and a schedule that knows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_tick_that_was_cut_short_anywhere_starts_one_run() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    for (edge, operation) in [
        ("dynamodb", "TransactWriteItems"),
        ("dynamodb", "PutItem"),
        ("states", "StartExecution"),
        ("lambda", "Invoke"),
    ] {
        for mode in ["fail_before", "fail_after", "twice"] {
            let workflow = user.workflow(&definition()).await;
            let link = yearly(&user, &workflow).await;
            make_due(&stack, &user, &link).await;
            // The SDK tries a call to AWS three times.
            let times = if mode == "twice" || edge == "lambda" { 1 } else { 3 };
            let fault = json!({
                "edge": edge, "operation": operation, "function": "scheduler", "mode": mode, "times": times,
            });
            stack.fault(&fault).await;
            stack.tick().await;
            assert_eq!(stack.clear_faults().await, times, "{fault}");
            stack.tick().await;
            let runs = user.all(&format!("/v1/workflows/{workflow}/runs?limit=10")).await;
            assert_eq!(runs.len(), 1, "{fault}: {runs:#?}");
            // An execution that did not start is started by the sweeper.
            stack.sweep().await;
            let run = user.run_ended(runs[0]["id"].as_str().expect("an id")).await;
            assert_eq!(run["status"], "succeeded", "{fault}");
            let schedule = user.get(&link).await.expect(200);
            assert_eq!(
                (&schedule["last_run"], &schedule["last_problem"]),
                (&run["id"], &Value::Null),
                "{fault}"
            );
        }
    }
    stack.rest().await;
    assert_eq!(stack.executions().await, Vec::<Value>::new());
}

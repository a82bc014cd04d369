//! `/v1/runs`: runs that are started, watched, cancelled, resumed and repeated over the API; keys, parameters, other people.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Stack, User, shell_job};

/// A job that gives `output`, which may have templates.
fn gives(output: &str) -> Value {
    json!({ "job": shell_job(&format!("printf '%s' '{output}' > \"$GPU_OUTPUT\""), json!({})) })
}

/// train → good → tell, where `tell` fails unless `ok`.
fn train() -> Value {
    let mut train = gives(r#"{"epochs": ${{ params.epochs }}}"#);
    train["outputs"] = json!({ "epochs": "output.epochs" });
    let mut tell = json!({ "job": shell_job("test '${{ params.ok }}' = true", json!({})) });
    tell["depends_on"] = json!(["good"]);
    json!({
        "name": "train-and-tell",
        "params": {
            "epochs": { "type": "integer", "minimum": 1, "default": 3 },
            "ok": { "type": "boolean", "default": true },
        },
        "nodes": {
            "train": train,
            "good": { "depends_on": ["train"], "condition": "nodes.train.output.epochs > 1" },
            "tell": tell,
        },
    })
}

/// The statuses of a run's nodes, by name.
async fn statuses(user: &User, run: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    user.nodes(run).await.into_iter().map(|(name, node)| (name, text(&node["status"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_started_watched_and_counted() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let workflow = user.workflow(&train()).await;
    let body = json!({ "name": "第一次", "params": { "epochs": 7 } });
    let answer = user.post(&format!("/v1/workflows/{workflow}/runs"), &body).await;
    let location = answer.headers["location"].to_str().expect("text").to_owned();
    let made = answer.expect(201);
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!((&made["links"]["self"], &made["name"]), (&json!(location), &json!("第一次")));
    assert_eq!((&made["status"], &made["origin"]), (&json!("running"), &json!({ "type": "manual" })));
    assert_eq!((&made["nodes"], &made["counts"]["waiting"]), (&json!(3), &json!(3)));

    let run = user.run_ended(&id).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    assert_eq!(run["params"], json!({ "epochs": 7, "ok": true }), "defaults are filled in");
    assert_eq!(run["counts"]["succeeded"], 3);
    let path: Vec<&str> = run["critical_path"]["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|node| node["node"].as_str())
        .collect();
    assert!(path.starts_with(&["train"]) && path.ends_with(&["tell"]), "{path:?}");

    let nodes = user.nodes(&id).await;
    assert_eq!((&nodes["train"]["output"], &nodes["train"]["attempt"]), (&json!({ "epochs": 7 }), &json!(1)));
    let whole = user.get(&format!("{location}/nodes/good")).await.expect(200);
    assert_eq!((&whole["kind"], &whole["depends_on"]), (&json!("condition"), &json!(["train"])));
    let by_number = user.get(&format!("{location}/nodes/{}", whole["step"])).await.expect(200);
    assert_eq!(by_number, whole);
    user.get(&format!("{location}/nodes/nobody")).await.problem(404, "not_found");
    user.get(&format!("{location}/nodes/train/items")).await.problem(404, "not_found");
    let some = user.get(&format!("{location}/nodes?status=succeeded&limit=2")).await.expect(200);
    assert_eq!(some["items"].as_array().map(Vec::len), Some(2));
    user.get(&format!("{location}/nodes?status=done")).await.problem(422, "invalid_fields");
    let graph = user.get(&format!("{location}/graph")).await.expect(200);
    assert_eq!(graph["edges"].as_array().map(Vec::len), Some(2));

    // A node's job knows whose it is, and costs what the run says.
    let job = user.job(nodes["train"]["job_id"].as_str().expect("a job")).await;
    assert_eq!(job["status"], "succeeded");
    assert!(run["cost"].as_array().is_some_and(|cost| !cost.is_empty()), "{run:#}");

    // The history has no gap, page by page and over the WebSocket.
    let events = user.run_events(&id).await;
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=run["seq"].as_u64().expect("a number")).collect::<Vec<_>>());
    assert_eq!(
        (&events[0]["event"]["type"], &events.last().expect("one")["event"]["type"]),
        (&json!("started"), &json!("ended"))
    );
    let behind = user.get(&format!("{location}/events?after=1&limit=1")).await.expect(200);
    assert_eq!(
        (&behind["items"][0], &behind["next"], &behind["more"]),
        (&events[1], &json!(2), &json!(true))
    );

    let workflow = user.get(&format!("/v1/workflows/{workflow}")).await.expect(200);
    assert_eq!((&workflow["runs"]["succeeded"], &workflow["runs"]["success_rate"]), (&json!(1), &json!(1.0)));
    assert_eq!(
        (&workflow["latest_run"]["id"], &workflow["latest_run"]["status"]),
        (&json!(id), &json!("succeeded"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runs_stream_is_its_history_in_order() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let workflow = user.workflow(&train()).await;
    let id = user.start(&workflow, &json!({})).await;
    let heard = std::sync::Mutex::new(std::collections::BTreeMap::new());
    // One subscription after the other, if the first is cut: what comes twice is the same.
    user.run_until(&id, |message| {
        let mut event = message.clone();
        let kind = event.as_object_mut().and_then(|event| event.remove("type"));
        if kind == Some(json!("run_event")) {
            let seq = event["seq"].as_u64().expect("a number");
            heard.lock().expect("nobody panicked").insert(seq, event);
        }
        message["event"]["type"] == "ended"
    })
    .await;
    let heard: Vec<Value> = heard.into_inner().expect("nobody panicked").into_values().collect();
    assert_eq!(heard, user.run_events(&id).await);
    let of_nodes = heard.iter().filter_map(|event| event["event"]["node"].as_str());
    let of_nodes: std::collections::BTreeSet<&str> = of_nodes.collect();
    assert_eq!(of_nodes.into_iter().collect::<Vec<_>>(), ["good", "tell", "train"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_start_is_said_and_nothing_starts() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let workflow = user.workflow(&train()).await;
    let runs = format!("/v1/workflows/{workflow}/runs");
    for (body, field) in [
        (json!({ "params": { "epochs": 0 } }), "params.epochs"),
        (json!({ "params": { "epochs": "many" } }), "params.epochs"),
        (json!({ "params": { "colour": 1 } }), "params.colour"),
        (json!({ "name": "two\nlines" }), "name"),
        (json!({ "colour": 1 }), "colour"),
    ] {
        let fields = user.post(&runs, &body).await.problem(422, "invalid_fields");
        assert!(fields.iter().any(|named| named.starts_with(field)), "{field} is not among {fields:?}");
    }
    user.post(&runs, &json!({ "version": 2 })).await.problem(404, "not_found");
    user.post(&format!("/v1/workflows/{workflow}/pause"), &json!({})).await.expect(200);
    user.post(&runs, &json!({})).await.problem(409, "workflow_paused");
    assert_eq!(user.get("/v1/runs").await.expect(200)["items"], json!([]));
    assert_eq!(stack.executions().await, Vec::<Value>::new(), "nothing was started");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_keeps_the_version_that_it_started_with() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let workflow = user.workflow(&train()).await;
    let base = format!("/v1/workflows/{workflow}");
    let first = user.start(&workflow, &json!({})).await;
    let other = json!({ "name": "other", "nodes": { "only": { "condition": "true" } } });
    user.send(Method::PUT, &base, Some(&json!({ "definition": other })), &[]).await.expect(200);
    let second = user.start(&workflow, &json!({})).await;
    assert_eq!(user.run_ended(&second).await["workflow_version"], 2);
    assert_eq!(statuses(&user, &second).await, pairs(&[("only", "succeeded")]));
    // An earlier version may be asked for by its number.
    let third = user.post(&format!("{base}/runs"), &json!({ "version": 1 })).await.expect(201);
    assert_eq!(third["nodes"], 3);
    assert_eq!(user.delete(&base).await.status.as_u16(), 204);
    user.post(&format!("{base}/runs"), &json!({})).await.problem(404, "not_found");
    for run in [first.as_str(), third["id"].as_str().expect("an id")] {
        let run = user.run_ended(run).await;
        assert_eq!((&run["status"], &run["workflow_version"]), (&json!("succeeded"), &json!(1)));
    }
    let graph = user.get(&format!("/v1/runs/{first}/graph")).await.expect(200);
    assert_eq!(graph["nodes"].as_array().map(Vec::len), Some(3));
    let listed = user.all("/v1/runs?limit=2").await;
    assert_eq!(listed.len(), 3, "runs of a deleted workflow are listed");
    assert_eq!(user.all("/v1/runs?status=failed").await, Vec::<Value>::new());
    assert_eq!(user.all(&format!("/v1/runs?workflow={workflow}&status=succeeded")).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_starts_one_run() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let workflow =
        user.workflow(&json!({ "name": "small", "nodes": { "yes": { "condition": "true" } } })).await;
    let runs = format!("/v1/workflows/{workflow}/runs");
    let send =
        async |path: &str, key: &str| user.send(Method::POST, path, None, &[("idempotency-key", key)]).await;
    let first = send(&runs, "start").await.expect(201);
    let again = send(&runs, "start").await;
    assert_eq!(again.headers.get("idempotent-replayed").and_then(|v| v.to_str().ok()), Some("true"));
    assert_eq!(again.expect(201), first);
    let id = first["id"].as_str().expect("an id").to_owned();
    user.run_ended(&id).await;
    for action in ["resume", "rerun", "nodes/yes/retry"] {
        let path = format!("/v1/runs/{id}/{action}");
        send(&path, "start").await.problem(422, "idempotency_key_reused");
        let made = send(&path, action).await.expect(201);
        assert_eq!(send(&path, action).await.expect(201), made);
        assert_ne!(made["id"], json!(id));
        user.run_ended(made["id"].as_str().expect("an id")).await;
    }
    assert_eq!(user.all("/v1/runs?limit=10").await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_ends_what_runs_and_starts_nothing() {
    let stack = Stack::start().await;
    let (user, other) = (stack.user().await, stack.user().await);
    let job = json!({ "job": shell_job("sleep 600", json!({})) });
    let after = json!({ "depends_on": ["long"], "condition": "true" });
    let workflow = user.workflow(&json!({ "name": "long", "nodes": { "long": job, "after": after } })).await;
    let id = user.start(&workflow, &json!({})).await;
    let path = format!("/v1/runs/{id}");
    user.run_until(&id, |message| message["event"]["node_status"] == "running").await;
    for action in ["resume", "rerun", "nodes/long/retry"] {
        user.post(&format!("{path}/{action}"), &json!({})).await.problem(409, "run_not_ended");
    }
    other.post(&format!("{path}/cancel"), &json!({})).await.problem(404, "not_found");
    let cancelled = user.post(&format!("{path}/cancel"), &json!({})).await.expect(202);
    assert_eq!(
        (&cancelled["stop"]["stop"], &cancelled["stop"]["by"]),
        (&json!("cancelled"), &json!(user.id))
    );
    let run = user.run_ended(&id).await;
    assert_eq!(run["status"], "cancelled");
    assert_eq!(statuses(&user, &id).await, pairs(&[("after", "upstream_failed"), ("long", "cancelled")]));
    user.post(&format!("{path}/cancel"), &json!({})).await.problem(409, "run_ended");
    stack.rest().await;
    assert_eq!(stack.live_pods().await, Vec::<String>::new());
    assert_eq!(stack.executions().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_resumed_retried_repeated_and_compared() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let workflow = user.workflow(&train()).await;
    let first = user.start(&workflow, &json!({ "ok": false })).await;
    assert_eq!(user.run_ended(&first).await["status"], "failed");
    let expected = pairs(&[("good", "succeeded"), ("tell", "failed"), ("train", "succeeded")]);
    assert_eq!(statuses(&user, &first).await, expected);
    let path = format!("/v1/runs/{first}");

    // What succeeded is kept; what reads the parameter that changed runs again.
    let resumed =
        user.post(&format!("{path}/resume"), &json!({ "params": { "ok": true } })).await.expect(201);
    assert_eq!(resumed["origin"], json!({ "type": "resume", "of": first }));
    let resumed = resumed["id"].as_str().expect("an id").to_owned();
    assert_eq!(user.run_ended(&resumed).await["status"], "succeeded");
    let nodes = user.nodes(&resumed).await;
    assert_eq!((&nodes["train"]["kept_from"], &nodes["tell"]["kept_from"]), (&json!(first), &Value::Null));
    assert_eq!(nodes["train"]["output"], json!({ "epochs": 3 }));

    let retried = user.post(&format!("/v1/runs/{resumed}/nodes/good/retry"), &json!({})).await.expect(201);
    assert_eq!(retried["origin"], json!({ "type": "retry", "of": resumed, "node": "good" }));
    let retried = retried["id"].as_str().expect("an id").to_owned();
    assert_eq!(user.run_ended(&retried).await["status"], "succeeded");
    let nodes = user.nodes(&retried).await;
    assert_eq!((&nodes["train"]["kept_from"], &nodes["good"]["kept_from"]), (&json!(first), &Value::Null));

    let repeated =
        user.post(&format!("{path}/rerun"), &json!({ "params": { "epochs": 1 } })).await.expect(201);
    let repeated = repeated["id"].as_str().expect("an id").to_owned();
    let run = user.run_ended(&repeated).await;
    assert_eq!(run["params"], json!({ "epochs": 1, "ok": false }));
    let expected = pairs(&[("good", "skipped"), ("tell", "skipped"), ("train", "succeeded")]);
    assert_eq!((statuses(&user, &repeated).await, &run["status"]), (expected, &json!("succeeded")));
    user.post(&format!("{path}/rerun"), &json!({ "params": { "epochs": 0 } }))
        .await
        .problem(422, "invalid_fields");
    user.post(&format!("{path}/nodes/nobody/retry"), &json!({})).await.problem(404, "not_found");

    let compared = user.get(&format!("{path}/compare?with={repeated}")).await.expect(200);
    assert_eq!(compared["params"], json!({ "epochs": { "left": 3, "right": 1 } }));
    assert_eq!(
        (&compared["left"]["status"], &compared["right"]["status"]),
        (&json!("failed"), &json!("succeeded"))
    );
    let differing: Vec<&str> =
        compared["nodes"].as_array().into_iter().flatten().filter_map(|n| n["node"].as_str()).collect();
    assert_eq!(differing, ["good", "tell", "train"]);
    user.get(&format!("{path}/compare")).await.problem(422, "invalid_fields");

    user.post(&format!("/v1/workflows/{workflow}/pause"), &json!({})).await.expect(200);
    for action in ["resume", "rerun", "nodes/tell/retry"] {
        user.post(&format!("{path}/{action}"), &json!({})).await.problem(409, "workflow_paused");
    }
    let workflow = user.get(&format!("/v1/workflows/{workflow}")).await.expect(200);
    assert_eq!((&workflow["runs"]["succeeded"], &workflow["runs"]["failed"]), (&json!(3), &json!(1)));
    assert_eq!(workflow["runs"]["success_rate"], 0.75);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_shows_its_items() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let definition = json!({
        "name": "sweep",
        "params": { "rates": { "type": "array", "default": [3, 1, 2] } },
        "nodes": {
            "sweep": { "map": { "over": "params.rates", "max_parallel": 2, "node": {
                "job": shell_job("printf '{\"loss\": ${{ item }}}' > \"$GPU_OUTPUT\"", json!({})),
                "outputs": { "loss": "output.loss" },
            } } },
            "best": {
                "depends_on": ["sweep"],
                "condition": "size(nodes.sweep.output) > 0",
                "outputs": { "loss": "nodes.sweep.output.min_by(\"loss\").loss" },
            },
        },
    });
    let workflow = user.workflow(&definition).await;
    let id = user.start(&workflow, &json!({})).await;
    assert_eq!(user.run_ended(&id).await["status"], "succeeded");
    let sweep = user.get(&format!("/v1/runs/{id}/nodes/sweep")).await.expect(200);
    assert_eq!(
        sweep["output"],
        json!([{ "loss": 3 }, { "loss": 1 }, { "loss": 2 }]),
        "in the order of the items"
    );
    assert_eq!(sweep["map"], json!({ "started": 3, "succeeded": 3, "failed": 0, "cancelled": 0 }));
    assert_eq!(user.nodes(&id).await["best"]["output"], json!({ "loss": 1 }));
    let page = user.get(&format!("/v1/runs/{id}/nodes/sweep/items?limit=2")).await.expect(200);
    assert_eq!((&page["total"], &page["items"][1]["value"]), (&json!(3), &json!(1)));
    assert_eq!((&page["items"][1]["item"], &page["items"][1]["kind"]), (&json!(1), &json!("job")));
    let next = page["next"].as_str().expect("another page");
    let rest = user.get(&format!("/v1/runs/{id}/nodes/sweep/items?cursor={next}")).await.expect(200);
    assert_eq!((rest["items"].as_array().map(Vec::len), &rest["next"]), (Some(1), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_run_does_not_exist() {
    let stack = Stack::start().await;
    let (mine, other, admin) = (stack.user().await, stack.user().await, stack.admin().await);
    let workflow =
        mine.workflow(&json!({ "name": "small", "nodes": { "yes": { "condition": "true" } } })).await;
    let id = mine.start(&workflow, &json!({})).await;
    mine.run_ended(&id).await;
    let base = format!("/v1/runs/{id}");
    for path in ["", "/graph", "/nodes", "/nodes/yes", "/events", &format!("/compare?with={id}")] {
        other.get(&format!("{base}{path}")).await.problem(404, "not_found");
        admin.get(&format!("{base}{path}")).await.expect(200);
    }
    for action in ["cancel", "resume", "rerun", "nodes/yes/retry"] {
        other.post(&format!("{base}/{action}"), &json!({})).await.problem(404, "not_found");
    }
    other.post(&format!("/v1/workflows/{workflow}/runs"), &json!({})).await.problem(404, "not_found");
    assert_eq!(other.all("/v1/runs?limit=10").await, Vec::<Value>::new());
    assert_eq!(other.all(&format!("/v1/runs?workflow={workflow}")).await, Vec::<Value>::new());
}

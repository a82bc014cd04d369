//! What becomes of nodes, by what became of those before them.

use serde_json::{Value, json};

use super::{after, check, ends, fails, gives, quick, run, statuses};

#[tokio::test(flavor = "multi_thread")]
async fn a_diamond_passes_its_outputs_on() {
    let (stack, user) = quick().await;
    let definition = json!({
        "name": "diamond",
        "params": { "start": { "type": "integer" } },
        "nodes": {
            "a": { "job": gives(&json!("${{ params.start }}")), "outputs": { "n": "output + 1" } },
            "b": after(&["a"], json!({ "job": gives(&json!("${{ nodes.a.output.n }}")) })),
            "c": after(&["a"], json!({ "job": gives(&json!("[${{ nodes.a.output.n }}, \"${{ run.name }}\"]")) })),
            "d": after(&["b", "c"], json!({
                "condition": "nodes.b.output == 8 && nodes.c.output[1] == 'diamond'",
                "outputs": { "both": "nodes.b.output + nodes.c.output[0]" },
            })),
        },
    });
    let (run, nodes) = run(&user, &definition, &json!({ "start": 7 })).await;
    assert_eq!(run["status"], "succeeded", "{run:#}\n{nodes:#?}");
    assert_eq!(nodes["a"]["output"], json!({ "n": 8 }));
    assert_eq!(nodes["d"]["output"], json!({ "both": 16 }));
    assert_eq!(run["counts"]["succeeded"], 4);
    check(&user, &run).await;
    // Nothing is left that costs.
    stack.rest().await;
    assert_eq!(stack.executions().await, Vec::<Value>::new());
    let costs = nodes.values().filter(|node| node["cost"].as_array().is_some_and(|cost| !cost.is_empty()));
    assert_eq!(costs.count(), 3, "{nodes:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_runs_so_many_at_a_time_and_its_join_has_the_outputs_in_order() {
    let (_stack, user) = quick().await;
    let definition = json!({
        "name": "sweep",
        "params": { "rates": { "type": "array", "default": [5, 3, 9, 1, 7, 2, 8] } },
        "nodes": {
            "each": { "map": {
                "over": "params.rates",
                "max_parallel": 3,
                "node": {
                    "job": gives(&json!("{\"loss\": ${{ item }}, \"at\": ${{ index }}}")),
                    "outputs": { "rate": "item", "loss": "output.loss" },
                },
            } },
            "best": after(&["each"], json!({
                "condition": "nodes.each.output.size() == 7",
                "outputs": { "rate": "nodes.each.output.min_by(\"loss\").rate", "all": "nodes.each.output" },
            })),
            "none": { "map": { "over": [], "node": { "job": gives(&json!(1)) } } },
        },
    });
    let (run, nodes) = run(&user, &definition, &json!({})).await;
    assert_eq!(run["status"], "succeeded", "{run:#}\n{nodes:#?}");
    assert_eq!(nodes["best"]["output"]["rate"], 1);
    let rates: Vec<&Value> =
        nodes["best"]["output"]["all"].as_array().into_iter().flatten().map(|one| &one["rate"]).collect();
    assert_eq!(rates, [5, 3, 9, 1, 7, 2, 8]);
    assert_eq!((&nodes["none"]["output"], &nodes["each"]["items"]), (&json!([]), &json!(7)));
    check(&user, &run).await;
    let id = run["id"].as_str().expect("an id");
    let mut running = 0_i32;
    for event in user.run_events(id).await.iter().filter(|event| event["event"]["item"].is_u64()) {
        running += if event["event"]["node_status"] == "running" { 1 } else { -1 };
        assert!(running <= 3, "{event:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_condition_skips_and_a_failure_blocks_unless_the_trigger_says_otherwise() {
    let (_stack, user) = quick().await;
    let definition = json!({
        "name": "branches",
        "failure_policy": "finish_what_can",
        "nodes": {
            "good": { "job": gives(&json!({ "accuracy": 0.5 })) },
            "bad": { "job": fails() },
            "enough": after(&["good"], json!({ "condition": "nodes.good.output.accuracy > 0.9" })),
            "deploy": after(&["enough"], json!({ "job": gives(&Value::Null) })),
            "otherwise": after(&["good"], json!({ "job": gives(&Value::Null), "when": "nodes.good.output.accuracy <= 0.9" })),
            "behind": after(&["bad", "good"], json!({ "job": gives(&Value::Null) })),
            "further": after(&["behind"], json!({ "job": gives(&Value::Null) })),
            "mend": after(&["bad", "good"], json!({ "job": gives(&Value::Null), "trigger": "one_failed" })),
            "always": after(&["deploy", "behind"], json!({ "job": gives(&Value::Null), "trigger": "all_done" })),
            "any": after(&["bad", "good"], json!({ "job": gives(&Value::Null), "trigger": "one_succeeded" })),
            "clean": after(&["bad", "good"], json!({ "job": gives(&Value::Null), "trigger": "none_failed" })),
            "edge": { "job": gives(&Value::Null), "depends_on": [{ "node": "good", "if": "nodes.good.output.accuracy > 0.9" }] },
        },
    });
    let (run, nodes) = run(&user, &definition, &json!({})).await;
    let told = statuses(&nodes);
    let expected = [
        ("good", "succeeded"),
        ("bad", "failed"),
        ("enough", "skipped"),
        ("deploy", "skipped"),
        ("otherwise", "succeeded"),
        ("behind", "upstream_failed"),
        ("further", "upstream_failed"),
        ("mend", "succeeded"),
        ("always", "succeeded"),
        ("any", "succeeded"),
        ("clean", "upstream_failed"),
        ("edge", "skipped"),
    ];
    assert_eq!(told, expected.into_iter().collect(), "{nodes:#?}");
    assert_eq!((&run["status"], &run["reason"]), (&json!("failed"), &json!("one node failed")));
    assert!(nodes["bad"]["reason"].as_str().is_some_and(|why| why.contains("exit code 1")), "{nodes:#?}");
    check(&user, &run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_stops_the_rest_but_for_what_takes_care_of_failures() {
    let (_stack, user) = quick().await;
    let slow =
        json!({ "job": gives(&Value::Null), "retry": { "max_attempts": 5, "backoff_seconds": 3_000 } });
    let mut waits = slow;
    waits["job"] = fails();
    let definition = json!({
        "name": "fail fast",
        "nodes": {
            // Its second try is an hour away.
            "waits": waits,
            "first": { "job": gives(&Value::Null) },
            "bad": after(&["first"], json!({ "job": fails() })),
            "next": after(&["first", "waits"], json!({ "job": gives(&Value::Null) })),
            "mend": after(&["bad"], json!({ "job": gives(&Value::Null), "trigger": "one_failed" })),
            "last": after(&["next", "mend"], json!({ "job": gives(&Value::Null), "trigger": "all_done" })),
        },
    });
    let (run, nodes) = run(&user, &definition, &json!({})).await;
    let told = statuses(&nodes);
    let expected = [
        ("waits", "cancelled"),
        ("first", "succeeded"),
        ("bad", "failed"),
        ("next", "upstream_failed"),
        ("mend", "succeeded"),
        ("last", "succeeded"),
    ];
    assert_eq!(told, expected.into_iter().collect(), "{nodes:#?}");
    assert_eq!((&run["status"], &run["failing"]), (&json!("failed"), &json!("bad")));
    check(&user, &run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_tried_again_and_each_try_is_a_job() {
    let (_stack, user) = quick().await;
    let definition = json!({
        "name": "retries",
        "nodes": {
            "bad": { "job": fails(), "retry": { "max_attempts": 3, "backoff_seconds": 0 } },
            "wrong": { "job": gives(&json!("text")), "outputs": { "n": "output.missing" } },
            "unread": { "job": gives(&Value::Null), "when": "params.none.size() > 0" },
        },
        "params": { "none": { "default": 1 } },
        "failure_policy": "finish_what_can",
    });
    let (run, nodes) = run(&user, &definition, &json!({})).await;
    assert_eq!((&run["status"], &nodes["bad"]["attempt"]), (&json!("failed"), &json!(3)), "{nodes:#?}");
    assert_eq!(nodes["bad"]["earlier_jobs"].as_array().map(Vec::len), Some(2));
    for (node, says) in [("wrong", "outputs.n"), ("unread", "when")] {
        let reason = nodes[node]["reason"].as_str().unwrap_or_default();
        assert!(nodes[node]["status"] == "failed" && reason.contains(says), "{:#}", nodes[node]);
    }
    let job = user.job(nodes["bad"]["job_id"].as_str().expect("a job")).await;
    assert_eq!(job["status"], "failed");
    check(&user, &run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_success_is_taken_instead_of_a_job() {
    let (_stack, user) = quick().await;
    let cached = |output: u32| {
        json!({
            "name": "reuse",
            "params": { "n": { "default": output } },
            "nodes": {
                "once": { "job": gives(&json!("${{ params.n }}")), "cache": {}, "outputs": { "n": "output" } },
                "next": after(&["once"], json!({ "job": gives(&json!("${{ nodes.once.output.n }}")) })),
            },
        })
    };
    let (first, nodes) = run(&user, &cached(4), &json!({})).await;
    let job = nodes["once"]["job_id"].clone();
    assert_eq!((&first["status"], job.is_string()), (&json!("succeeded"), true), "{nodes:#?}");
    let (second, nodes) = run(&user, &cached(4), &json!({})).await;
    assert_eq!(second["status"], "succeeded");
    assert_eq!((&nodes["once"]["job_id"], &nodes["once"]["output"]), (&Value::Null, &json!({ "n": 4 })));
    assert_eq!(
        (&nodes["once"]["cached_from"]["run_id"], &nodes["once"]["cached_from"]["job_id"]),
        (&first["id"], &job)
    );
    assert_eq!(nodes["next"]["output"], 4);
    check(&user, &second).await;
    let (_, nodes) = run(&user, &cached(4), &json!({ "n": 5 })).await;
    assert!(nodes["once"]["job_id"].is_string(), "another input is another result: {nodes:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_fails_fails_its_map_and_the_others_go_on_if_they_may() {
    let (_stack, user) = quick().await;
    let definition = |policy: &str| {
        json!({
            "name": "some fail",
            "failure_policy": policy,
            "nodes": {
                "each": { "map": {
                    "over": [0, 1, 0, 0, 0, 0],
                    "max_parallel": 1,
                    "node": { "job": ends(0, &json!("${{ index }}")) },
                } },
                "anyway": after(&["each"], json!({ "trigger": "all_done", "condition": "nodes.each.status == 'failed'", "outputs": { "all": "nodes.each.output" } })),
            },
        })
    };
    let mut going_on = definition("finish_what_can");
    going_on["nodes"]["each"]["map"]["node"]["job"]["env"]["SIM_EXIT_CODE"] = json!("${{ item }}");
    let (run_on, nodes) = run(&user, &going_on, &json!({})).await;
    assert_eq!(nodes["each"]["reason"], "1 of 6 items failed", "{nodes:#?}");
    assert_eq!(nodes["anyway"]["output"]["all"], json!([0, null, 2, 3, 4, 5]), "{nodes:#?}");
    check(&user, &run_on).await;

    let mut stopping = definition("fail_fast");
    stopping["nodes"]["each"]["map"]["node"]["job"]["env"]["SIM_EXIT_CODE"] = json!("${{ item }}");
    let (stopped, nodes) = run(&user, &stopping, &json!({})).await;
    assert_eq!((&stopped["status"], &stopped["failing"]), (&json!("failed"), &json!("each")));
    assert_eq!(nodes["each"]["status"], "failed", "{nodes:#?}");
    check(&user, &stopped).await;
}

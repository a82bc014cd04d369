//! Offers, providers, images and what the scheduler measured.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Plan, Stack, User, shell_job};

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_wants_a_caller_and_any_user_may_ask() {
    let stack = Stack::start().await;
    let (nobody, user) = (User::anonymous(&stack), stack.user().await);
    let document = serde_json::to_value(contract::openapi()).expect("JSON");
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            if operation["tags"][0] != "offers" {
                continue;
            }
            let body = (method == "post").then(|| json!({}));
            let method: Method = method.to_uppercase().parse().expect("a method");
            nobody.send(method.clone(), path, body.as_ref(), &[]).await.problem(401, "not_authenticated");
            user.send(method, path, body.as_ref(), &[]).await.expect(200);
            asked += 1;
        }
    }
    assert_eq!(asked, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_offers_are_shown_at_once_and_newer_ones_come_behind() {
    let stack = Plan::default().with("OffersFreshSeconds", "0.05").start().await;
    let user = stack.user().await;
    let page = user.get("/v1/offers?limit=1").await.expect(200);
    let first = page["items"][0]["seen_at"].clone();
    assert!(page["providers"][0]["seen_at"].is_string(), "{page:#}");
    // Each look asks for a refresh that the sweeper does behind it.
    let newer = async {
        loop {
            let page = user.get("/v1/offers?limit=1").await.expect(200);
            assert!(page["items"][0]["age_seconds"].is_number(), "{page:#}");
            if page["items"][0]["seen_at"] != first {
                return;
            }
            stack.rest().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), newer).await.expect("newer offers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ranking_says_what_a_job_would_cost_and_why_not() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let need = json!({ "gpu": { "model": "RTX 4090" }, "hours": 2.0, "strategy": "balanced" });
    let ranking = user.post("/v1/offers:rank", &need).await.expect(200);
    assert_eq!(ranking["hours"], 2.0);
    let best = &ranking["offers"][0];
    assert_eq!(
        (best["rank"].as_u64(), best["estimate"]["launches"].as_u64()),
        (Some(1), Some(0)),
        "{best:#}"
    );
    for part in ["price", "performance", "availability", "reliability", "speed"] {
        let score = best["parts"][part].as_f64().unwrap_or(-1.0);
        assert!((0.0..=1.0).contains(&score), "{part}: {best:#}");
    }
    let amount =
        |money: &Value| money["amount"].as_str().and_then(|text| text.parse::<f64>().ok()).expect("money");
    let hourly = amount(&best["offer"]["price_per_hour"]);
    assert!((amount(&best["expected"]["cost_of_hours"]) - 2.0 * hourly).abs() < 1e-6, "{best:#}");
    assert!(amount(&best["expected"]["cost"]) > 2.0 * hourly, "the boot is paid too: {best:#}");
    let others = ranking["excluded"].as_array().expect("excluded");
    assert!(others.iter().all(|other| other["reason"].as_str().is_some_and(|why| !why.is_empty())));
    let wrong = json!({ "hours": 0, "timeout_seconds": 0 });
    let mut fields = user.post("/v1/offers:rank", &wrong).await.problem(422, "invalid_fields");
    fields.sort();
    assert_eq!(fields, ["hours", "timeout_seconds"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_went_through_is_measured() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let id = user.submit(&shell_job("true", json!({}))).await;
    assert_eq!(user.ended(&id).await["status"], "succeeded");
    stack.rest().await;
    let metrics = user.get("/v1/scheduling/metrics").await.expect(200);
    let offer = user.job(&id).await["placement"].clone();
    let places = metrics["places"].as_array().expect("places");
    let place = places.iter().find(|place| place["started"] == 1).unwrap_or_else(|| panic!("{metrics:#}"));
    assert_eq!((&place["provider"], &place["gpu"]), (&offer["provider"], &offer["gpu"]), "{metrics:#}");
    assert_eq!((&place["launches"], &place["ended"], &place["preempted"]), (&json!(1), &json!(1), &json!(0)));
    assert!(place["estimate"]["launch_success"].as_f64().is_some_and(|chance| chance > 0.5), "{place:#}");
    assert_eq!(metrics["queue"]["running"], 0, "{metrics:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_credential_is_one_clear_message() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    stack.cloud_fault(json!({ "operation": "*", "mode": "fail_before", "status": 401, "times": 0 })).await;
    let page = user.get("/v1/providers").await.expect(200);
    assert_eq!(page["items"][0]["status"], "credentials", "{page:#}");
    assert!(page["items"][0]["message"].as_str().is_some_and(|text| text.contains("operator")), "{page:#}");
}

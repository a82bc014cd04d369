//! Quotas, budgets, ceilings and costs, through the whole stack.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Stack, User, shell_job};

fn micros(money: &Value) -> i64 {
    let amount = money["amount"].as_str().expect("an amount");
    amount.replace('.', "").parse().expect("six digits behind the point")
}

/// What the rows of the ledger, the owner's row of spend and the answer of `GET /v1/costs` say.
async fn paid(stack: &Stack, user: &User) -> (i64, i64, i64) {
    let page = user.get("/v1/costs/attempts?limit=100").await.expect(200);
    let rows = page["items"].as_array().expect("rows");
    let ledger = rows.iter().map(|row| micros(&row["cost"])).sum();
    let budget = user.get("/v1/budget").await.expect(200);
    let month = budget["month"].as_str().expect("a month");
    let row = stack.row(&format!("OWNER#{}", user.id), &format!("SPEND#{month}")).await;
    let spend = row["USD"]["N"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
    let costs = user.get("/v1/costs").await.expect(200);
    (ledger, spend, micros(&costs["sums"]["total"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_ends_when_it_has_cost_what_it_may() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let ceiling = json!({ "max_cost": { "amount": "0.0003", "currency": "USD" }, "tags": { "team": "=a" } });
    let id = user.submit(&shell_job("trap 'exit 0' TERM; while :; do sleep 0.1; done", ceiling)).await;
    let job = user.ended(&id).await;
    assert_eq!(job["status"], "failed", "{job:#}");
    assert!(job["reason"].as_str().is_some_and(|why| why.starts_with("max_cost_reached")), "{job:#}");
    assert!(micros(&job["cost"][0]) >= 300, "{job:#}");
    let (ledger, spend, told) = paid(&stack, &user).await;
    assert_eq!((ledger, spend), (micros(&job["cost"][0]), told));
    assert_eq!(ledger, spend);
    let teams = user.get("/v1/costs?group_by=tag:team&currency=CNY").await.expect(200);
    assert_eq!((&teams["groups"][0]["key"], &teams["currency"]), (&json!("=a"), &json!("CNY")));
    let csv = user.get("/v1/costs.csv").await.expect(200);
    let csv = csv.as_str().expect("text");
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(csv.contains("max_cost_reached") && csv.contains(&id), "{csv}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_once_the_budget_is_used_up() {
    let stack = Stack::start().await;
    let (user, admin) = (stack.user().await, stack.admin().await);
    let account = format!("/v1/admin/users/{}", user.id);
    let first = user.submit(&shell_job("sleep 1", json!({}))).await;
    user.ended(&first).await;
    let budget = json!({ "monthly_budget": { "amount": "0.000001", "currency": "USD" } });
    admin.patch(&account, &budget).await.expect(200);
    let id = user.submit(&shell_job("true", json!({}))).await;
    let job = user.job(&id).await;
    assert_eq!((&job["status"], &job["admitted"]), (&json!("queued"), &json!(false)), "{job:#}");
    assert!(job["waits_for"].as_str().is_some_and(|why| why.starts_with("budget_exceeded")), "{job:#}");
    let shown = user.get("/v1/budget").await.expect(200);
    assert_eq!((&shown["level"], &shown["quota"]["waiting"]), (&json!("exceeded"), &json!(1)), "{shown:#}");
    assert_eq!(shown["alerts"].as_array().map(Vec::len), Some(1), "{shown:#}");
    stack.sweep().await;
    assert_eq!(user.job(&id).await["admitted"], false, "the sweeper holds to the budget");
    admin.patch(&account, &json!({ "monthly_budget": null })).await.expect(200);
    stack.sweep().await;
    assert_eq!(user.ended(&id).await["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platforms_budget_is_for_administrators_and_lets_in_when_raised() {
    let stack = Stack::start().await;
    let (user, admin) = (stack.user().await, stack.admin().await);
    let path = "/v1/admin/budget";
    let set = |by: &User, monthly: Value| {
        let by = by.clone();
        async move { by.send(Method::PUT, path, Some(&json!({ "monthly": monthly })), &[]).await }
    };
    user.get(path).await.problem(403, "admin_required");
    set(&user, Value::Null).await.problem(403, "admin_required");
    user.get("/v1/costs?scope=platform").await.problem(403, "admin_required");
    admin.get("/v1/costs?scope=platform&group_by=user").await.expect(200);
    let wrong = admin.send(Method::PUT, path, Some(&json!({})), &[]).await;
    assert!(wrong.status.is_client_error(), "{}", wrong.body);
    set(&admin, json!({ "amount": "0", "currency": "USD" })).await.expect(200);
    let id = user.submit(&shell_job("true", json!({}))).await;
    assert_eq!(user.job(&id).await["admitted"], false);
    set(&admin, Value::Null).await.expect(200);
    assert_eq!(user.ended(&id).await["status"], "succeeded", "no sweep was due");
}

#[tokio::test(flavor = "multi_thread")]
async fn gpus_have_a_quota() {
    let stack = Stack::start().await;
    let (user, admin) = (stack.user().await, stack.admin().await);
    admin.patch(&format!("/v1/admin/users/{}", user.id), &json!({ "max_gpus": 1 })).await.expect(200);
    let large = shell_job("true", json!({ "gpu": { "count": 2 } }));
    assert_eq!(user.post("/v1/jobs", &large).await.problem(422, "invalid_fields"), ["gpu.count"]);
    let first = user.submit(&shell_job("sleep 2", json!({}))).await;
    let second = user.submit(&shell_job("true", json!({}))).await;
    assert_eq!(user.job(&second).await["admitted"], false);
    for id in [&first, &second] {
        assert_eq!(user.ended(id).await["status"], "succeeded");
    }
    let (ledger, spend, told) = paid(&stack, &user).await;
    assert_eq!((ledger, spend), (spend, told));
}

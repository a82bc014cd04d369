//! Many pods at once, each driven back and forth: nothing may be left, and no GPU lost.

use crate::harness::Sim;
use serde_json::json;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_comes_back_whatever_the_order_of_calls() {
    let sim = Arc::new(Sim::start().await);
    let (_, before) = sim.get("/_sim/stock").await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..24_u32 {
        let sim = Arc::clone(&sim);
        tasks.spawn(async move {
            let id =
                sim.pod(&format!("crowd-{n}"), "trap \"exit 0\" TERM; while :; do sleep 0.01; done").await;
            let action = format!("/v2/pods/{id}/action");
            if n % 3 > 0 {
                sim.until_status(&id, "RUNNING").await;
            }
            // Any of these may be out of place by now; what counts is where it ends.
            for step in 0..n % 7 {
                let word = ["stop", "start", "restart"][((n + step) % 3) as usize];
                let (status, answer) = sim.post(&action, json!({"action": word})).await;
                assert!(matches!(status.as_u16(), 200 | 409), "{word}: {answer}");
            }
            if n % 5 == 0 {
                sim.post(&format!("/_sim/pods/{id}/preempt"), json!({"notice_s": 0.01})).await;
            }
            assert_eq!(sim.delete(&format!("/v2/pods/{id}")).await, 204);
            sim.until(&id, "dead", |pod| pod["alive"] == false && pod["status"] == "TERMINATED").await;
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_eq!(sim.get("/_sim/stock").await.1, before);
    assert_eq!(sim.get("/_sim/pods").await.1["live"], 0);
    Arc::into_inner(sim).unwrap().finish().await;
}

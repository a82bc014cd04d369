//! Logs as server-sent events: what was, what comes, and where a reader left off.

use crate::harness::Sim;

const COUNT: &str = "for n in 1 2 3 4 5; do echo line $n; done; echo oops >&2; while [ ! -e go ]; do sleep 0.01; done; echo later; sleep 3600";

#[tokio::test]
async fn tail_then_follow_then_resume_without_gap_or_repeat() {
    let sim = Sim::start().await;
    let id = sim.pod("n", COUNT).await;
    let all = sim.log_until(&id, |line| line == "oops").await;
    assert_eq!(all, ["line 1", "line 2", "line 3", "line 4", "line 5", "oops"], "both streams, in order");

    let mut events = sim.events(&format!("/v2/pods/{id}/logs?source=container&tail=2"), None).await;
    let (first, second) = (events.next().await.unwrap(), events.next().await.unwrap());
    assert_eq!((first.line.as_str(), second.line.as_str()), ("line 5", "oops"));

    let mut live = sim.events(&format!("/v2/pods/{id}/logs?source=container&tail=0"), None).await;
    let home = sim.events(&format!("/v2/pods/{id}/logs?source=system"), None).await.next().await.unwrap();
    assert_eq!(home.source, "system");
    go(&id);
    assert_eq!(events.next().await.unwrap().line, "later");
    assert_eq!(live.next().await.unwrap().line, "later");

    let mut resumed =
        sim.events(&format!("/v2/pods/{id}/logs?source=container&tail=1"), Some(&first.id)).await;
    assert_eq!(resumed.next().await.unwrap().line, "oops");
    assert_eq!(resumed.next().await.unwrap().line, "later");
    let since = format!("/v2/pods/{id}/logs?source=container&since={}", second.id);
    assert_eq!(
        sim.events(&since, None).await.next().await.unwrap().line,
        "oops",
        "since includes its own time"
    );
    sim.finish().await;
}

/// Tells the pod's process to go on, through its working directory.
fn go(id: &str) {
    let pid = crate::harness::processes(id).into_iter().next().unwrap();
    std::fs::write(format!("/proc/{pid}/cwd/go"), "").unwrap();
}

#[tokio::test]
async fn a_stream_ends_when_the_pod_is_gone() {
    let sim = Sim::start().await;
    let id = sim.pod("n", "echo up; sleep 3600").await;
    let mut events = sim.events(&format!("/v2/pods/{id}/logs?source=container"), None).await;
    assert_eq!(events.next().await.unwrap().line, "up");
    sim.delete(&format!("/v2/pods/{id}")).await;
    assert!(events.next().await.is_none());
    assert_eq!(sim.get(&format!("/v2/pods/{id}/logs")).await.0, 404);
    sim.finish().await;
}

#[tokio::test]
async fn a_command_that_cannot_start_is_told_in_the_log() {
    let sim = Sim::start().await;
    let mut body = crate::harness::pod("n", "");
    body["args"] = serde_json::json!("sh -c 'unbalanced");
    let id = sim.post("/v2/pods", body).await.1["id"].as_str().unwrap().to_owned();
    let mut events = sim.events(&format!("/v2/pods/{id}/logs"), None).await;
    while let Some(event) = events.next().await {
        if event.line.starts_with("error starting container") {
            break;
        }
    }
    let other = sim.pod("m", "no-such-program").await;
    sim.log_until(&other, |line| line.contains("not found")).await;
    sim.finish().await;
}

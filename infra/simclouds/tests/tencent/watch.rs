//! Listings in pages, and watches.

use crate::harness::{JOBS, Sim};
use reqwest::Method;
use serde_json::{Value, json};

async fn events(sim: &Sim, path: &str) -> Vec<(String, Value)> {
    let text = sim.request(Method::GET, path).send().await.unwrap().text().await.unwrap();
    let each = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    each.map(|event| (event["type"].as_str().unwrap().to_owned(), event["object"].clone())).collect()
}

#[tokio::test]
async fn a_watch_tells_every_change_from_its_version_on() {
    let sim = Sim::start().await;
    sim.job("before", "exit 0").await;
    sim.ended("before").await;
    let (_, list) = sim.get(JOBS).await;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    sim.job("a", "exit 0").await;
    sim.job("other", "exit 0").await;
    sim.ended("a").await;
    sim.delete(&format!("{JOBS}/a?propagationPolicy=Background")).await;
    let path = format!("{JOBS}?watch=true&timeoutSeconds=0&labelSelector=gp.io/job%3Da");
    let told = events(&sim, &format!("{path}&resourceVersion={version}")).await;
    let words: Vec<&str> = told.iter().map(|(word, _)| word.as_str()).collect();
    assert_eq!((words[0], words[words.len() - 1]), ("ADDED", "DELETED"), "{words:?}");
    assert!(words[1..words.len() - 1].iter().all(|word| *word == "MODIFIED"), "{words:?}");
    assert!(told.iter().all(|(_, job)| job["metadata"]["name"] == "a"));
    let number = |job: &Value| job["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(told.windows(2).all(|pair| number(&pair[0].1) < number(&pair[1].1)));
    // Without a version it begins with what is there.
    let now =
        events(&sim, &format!("{JOBS}?watch=true&timeoutSeconds=0&labelSelector=gp.io/job%3Dbefore")).await;
    assert_eq!((now.len(), now[0].0.as_str()), (1, "ADDED"));
    sim.control("compact", json!({})).await;
    let gone = events(&sim, &format!("{path}&resourceVersion={version}")).await;
    assert_eq!((gone.len(), gone[0].0.as_str(), &gone[0].1["code"]), (1, "ERROR", &json!(410)));
    sim.finish().await;
}

#[tokio::test]
async fn a_listing_comes_in_pages_and_may_be_old() {
    let sim = Sim::start().await;
    for name in ["a", "b", "c"] {
        sim.job(name, "exit 0").await;
        sim.ended(name).await;
    }
    let names = |list: &Value| {
        let all = list["items"].as_array().unwrap().iter();
        all.map(|job| job["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (_, first) = sim.get(&format!("{JOBS}?limit=2")).await;
    assert_eq!(
        (names(&first), &first["metadata"]["remainingItemCount"]),
        (vec!["a".into(), "b".into()], &json!(1))
    );
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, rest) = sim.get(&format!("{JOBS}?limit=2&continue={token}")).await;
    assert_eq!((names(&rest), rest["metadata"]["continue"].is_null()), (vec!["c".into()], true));
    sim.control("compact", json!({})).await;
    assert_eq!(sim.get(&format!("{JOBS}?limit=2&continue={token}")).await.0, 410);
    sim.control("settings", json!({"list_lag_ms": 3_600_000})).await;
    assert_eq!(names(&sim.get(JOBS).await.1), Vec::<String>::new());
    assert_eq!(sim.get(&format!("{JOBS}/a")).await.0, 200);
    assert_eq!(sim.get(&format!("{JOBS}?labelSelector=a%20b")).await.0, 400);
    sim.finish().await;
}

//! REST v2 says no as its document says.

use crate::harness::{GPU, Sim, config, pod};
use reqwest::Method;
use serde_json::{Value, json};

fn with(mut body: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_body_that_breaks_the_schema_is_422_and_nothing_is_created() {
    let sim = Sim::start().await;
    let good = pod("n", "sleep 60");
    let cases = [
        json!({"bogus": 1}),
        json!({"name": ""}),
        json!({"name": 7}),
        json!({"name": null}),
        json!({"disk": 0}),
        json!({"disk": "20"}),
        json!({"disk": 1.5}),
        json!({"env": {"A": 1}}),
        json!({"ports": "22/tcp"}),
        json!({"cloud": "ALL"}),
        json!({"gpu": {"id": GPU, "count": 0}}),
        json!({"gpu": {"id": GPU, "bid": 1}}),
        json!({"gpu": {"count": 1}}),
        json!({"gpu": {"id": GPU, "minCudaVersion": "12"}}),
        json!({"mounts": {"persistent": {"size": 20}}}),
        json!({"mounts": {"persistent": {"size": 1, "path": "/w"}}}),
        json!({"interruptible": true}),
    ];
    for changes in cases {
        let (status, problem) = sim.post("/v2/pods", with(good.clone(), changes.clone())).await;
        assert_eq!(status, 422, "{changes}: {problem}");
        assert_eq!(problem["title"], "Unprocessable Entity");
        assert!(!problem["errors"][0].as_str().unwrap().is_empty());
    }
    let mut imageless = good.clone();
    imageless.as_object_mut().unwrap().remove("image");
    assert_eq!(sim.post("/v2/pods", imageless).await.0, 422);
    let broken = sim.request(Method::POST, "/v2/pods").body("{\"name\":").send().await.unwrap();
    assert_eq!(broken.status(), 400);
    assert_eq!(broken.headers()["content-type"], "application/problem+json");
    assert_eq!(sim.get("/_sim/pods").await.1["pods"], json!([]));
    sim.finish().await;
}

#[tokio::test]
async fn a_body_that_breaks_a_rule_is_400() {
    let sim = Sim::start().await;
    let good = pod("n", "sleep 60");
    let mut cpu_too = good.clone();
    cpu_too["cpu"] = json!({"id": "cpu3c"});
    let mut neither = good.clone();
    neither.as_object_mut().unwrap().remove("gpu");
    let cases = [
        cpu_too,
        neither,
        with(good.clone(), json!({"gpu": {"id": "NVIDIA Abacus", "count": 1}})),
        with(good.clone(), json!({"gpu": {"id": GPU, "count": 9}})),
        with(good.clone(), json!({"dataCenterIds": ["MOON-1"]})),
        with(good.clone(), json!({"ports": ["22"]})),
        with(
            good.clone(),
            json!({"gpu": {"id": GPU, "allowedCudaVersions": ["12.8"], "minCudaVersion": "12.1"}}),
        ),
    ];
    for body in cases {
        let (status, problem) = sim.post("/v2/pods", body.clone()).await;
        assert_eq!(status, 400, "{body}: {problem}");
    }
    for missing in [
        json!({"templateId": "t"}),
        json!({"registry": "r"}),
        json!({"mounts": {"network": [{"volumeId": "v", "path": "/v"}]}}),
    ] {
        assert_eq!(sim.post("/v2/pods", with(good.clone(), missing)).await.0, 404);
    }
    sim.finish().await;
}

#[tokio::test]
async fn no_machine_is_400_with_a_detail_and_no_money_is_402() {
    let sim = Sim::start().await;
    let old = json!({"gpu": {"id": GPU, "count": 1, "allowedCudaVersions": ["11.1"]}});
    let (status, problem) = sim.post("/v2/pods", with(pod("n", "true"), old)).await;
    assert_eq!(status, 400);
    assert!(problem["detail"].as_str().unwrap().starts_with("There are no longer any instances available"));
    let (status, problem) =
        sim.post("/v2/pods", with(pod("n", "true"), json!({"dataCenterIds": ["AP-JP-1"]}))).await;
    assert_eq!(status, 400, "{problem}");

    sim.post("/_sim/settings", json!({"balance_micros": 100_000})).await;
    let (status, problem) = sim.post("/v2/pods", pod("n", "true")).await;
    assert_eq!((status.as_u16(), &problem["title"]), (402, &json!("Payment Required")));
    sim.finish().await;
}

#[tokio::test]
async fn only_the_right_key_opens() {
    let sim = Sim::start().await;
    for path in ["/v2/pods", "/v2/pods/x", "/v2/pods/x/logs", "/v2/catalog/gpus", "/v2/billing/pods"] {
        for key in [None, Some("Bearer rpa_WRONG"), Some("rpa_FAKEKEYFORTESTS"), Some("Basic eDp5")] {
            let mut request = sim.client.get(format!("{}{path}", sim.url));
            if let Some(key) = key {
                request = request.header("authorization", key);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{path} {key:?}");
        }
    }
    let graphql = sim.client.post(format!("{}/graphql", sim.url)).json(&json!({"query": "{myself{id}}"}));
    let response = graphql.send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.json::<Value>().await.unwrap()["errors"][0]["message"], "Unauthorized");
    sim.finish().await;
}

#[tokio::test]
async fn paths_methods_and_queries_are_strict() {
    let sim = Sim::start().await;
    let id = sim.pod("n", "sleep 60").await;
    assert_eq!(sim.get("/v2/nothing").await.0, 404);
    assert_eq!(sim.get("/v2/pods/x/y/z").await.0, 404);
    let response = sim.request(Method::PUT, "/v2/pods").send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &"GET, POST".parse().unwrap())
    );
    for path in [
        "/v2/pods?name=n",
        "/v2/pods?includeClusterPods=maybe",
        &format!("/v2/pods/{id}/logs?tail=5001"),
        &format!("/v2/pods/{id}/logs?source=both"),
        &format!("/v2/pods/{id}/logs?since=yesterday"),
        "/v2/catalog/gpus?include=EVERYTHING",
        "/v2/catalog/gpus?include=AVAILABILITY&product=POD&countryCodes=fr",
        "/v2/billing/pods?bucketSize=minute",
    ] {
        assert_eq!(sim.get(path).await.0, 422, "{path}");
    }
    for path in [
        "/v2/catalog/gpus?include=AVAILABILITY",
        "/v2/catalog/gpus?count=1",
        "/v2/billing/pods?lastN=1&startTime=2026-01-01T00:00:00Z",
    ] {
        assert_eq!(sim.get(path).await.0, 400, "{path}");
    }
    for (body, status) in
        [(json!({"action": "explode"}), 422), (json!({}), 422), (json!({"action": "start"}), 409)]
    {
        assert_eq!(sim.post(&format!("/v2/pods/{id}/action"), body.clone()).await.0, status, "{body}");
    }
    sim.finish().await;
}

#[tokio::test]
async fn the_catalogue_shows_what_is_left() {
    let sim = Sim::start().await;
    let (_, listed) = sim.get("/v2/catalog/gpus").await;
    assert!(listed["gpus"].as_array().unwrap().iter().all(|gpu| gpu.get("availability").is_none()));
    let stock = json!({"gpu": GPU, "secure": 0});
    sim.post("/_sim/stock", stock).await;
    sim.post("/_sim/stock", json!({"gpu": GPU, "data_center": "EU-RO-1", "secure": 2})).await;
    let path =
        "/v2/catalog/gpus/NVIDIA%20GeForce%20RTX%204090?include=AVAILABILITY&product=POD&countryCodes=RO,US";
    let (status, gpu) = sim.get(path).await;
    assert_eq!(status, 200);
    let places = gpu["dataCenters"].as_array().unwrap();
    let here: Vec<_> = places.iter().filter(|place| place["availability"] != "NONE").collect();
    assert_eq!((here.len(), &here[0]["id"]), (1, &json!("EU-RO-1")));
    assert!(
        places.iter().all(|place| ["EU-RO-1", "US-KS-2", "US-TX-3"].contains(&place["id"].as_str().unwrap()))
    );

    sim.pod("one", "sleep 60").await;
    let second = sim.pod("two", "sleep 60").await;
    assert_eq!(sim.get(path).await.1["availability"], "NONE");
    assert_eq!(sim.post("/v2/pods", pod("three", "sleep 60")).await.0, 400);
    sim.delete(&format!("/v2/pods/{second}")).await;
    sim.pod("three", "sleep 60").await;

    let (_, places) = sim.get("/v2/catalog/datacenters?regions=EUROPE&include=GPU_AVAILABILITY").await;
    let places = places["dataCenters"].as_array().unwrap();
    assert!(
        places.len() == 3
            && places.iter().all(|place| place["region"] == "EUROPE" && place["gpuAvailability"].is_array())
    );
    assert_eq!(sim.get("/v2/catalog/datacenters/MOON-1").await.0, 404);
    assert_eq!(sim.get("/v2/catalog/gpus/Abacus").await.0, 404);
    sim.finish().await;
}

#[tokio::test]
async fn it_refuses_to_be_reached_from_elsewhere() {
    let mut open = config();
    open.address = "0.0.0.0".parse().unwrap();
    let refused = simclouds::runpod::serve(open).await.unwrap_err();
    assert!(refused.to_string().contains("loopback"), "{refused}");
    let sim = Sim::start().await;
    let rebound = sim.request(Method::GET, "/v2/pods").header("host", "evil.example").send().await.unwrap();
    assert_eq!(rebound.status(), 403);
    let huge = sim.request(Method::POST, "/v2/pods").body("x".repeat(5 << 20)).send().await;
    assert!(huge.is_err() || huge.unwrap().status() == 413);
    sim.finish().await;
}

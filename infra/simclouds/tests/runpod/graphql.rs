//! GraphQL is parsed, checked against the schema, and answered in the shape that was asked for.

use crate::harness::{GPU, Sim};
use serde_json::{Value, json};

#[tokio::test]
async fn variables_aliases_fragments_and_type_names() {
    let sim = Sim::start().await;
    let query =
        "query One($id: String) { a: gpuTypes(input: {id: $id}) { ...G __typename } b: gpuTypes { id } }
                 fragment G on GpuType { name: displayName ... on GpuType { memoryInGb } }";
    let body = json!({"query": query, "variables": {"id": GPU}, "operationName": "One"});
    let (status, answer) = sim.post("/graphql", body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["data"]["a"], json!([{"name": "RTX 4090", "memoryInGb": 24, "__typename": "GpuType"}]));
    assert!(answer["data"]["b"].as_array().unwrap().len() >= 12);
    sim.finish().await;
}

#[tokio::test]
async fn what_the_schema_lacks_is_refused_before_anything_is_done() {
    let sim = Sim::start().await;
    let rent = |input: &str, inner: &str| {
        format!("mutation{{podFindAndDeployOnDemand(input:{{{input}}}){{{inner}}}}}")
    };
    let good = "name:\"n\",imageName:\"i\",gpuTypeId:\"NVIDIA GeForce RTX 4090\"";
    for query in [
        "query {".to_owned(),
        "{nothing{id}}".to_owned(),
        "{pod(input:{podId:\"x\"})}".to_owned(),
        "{pod(id:\"x\"){id}}".to_owned(),
        "{myself{id{id}}}".to_owned(),
        "{myself{...Missing}}".to_owned(),
        "{gpuTypes(input:{id:$id}){id}}".to_owned(),
        "subscription{pod{id}}".to_owned(),
        "{a:myself{id}} {b:myself{id}}".to_owned(),
        rent(good, "bogus"),
        rent(&format!("{good},bogus:1"), "id"),
        rent(&format!("{good},bidPerGpu:1"), "id"),
        rent(&format!("{good},gpuCount:\"1\""), "id"),
        rent(&format!("{good},cloudType:MOON"), "id"),
        "mutation{podRentInterruptable(input:{name:\"n\",imageName:\"i\",gpuTypeId:\"x\"}){id}}".to_owned(),
        "mutation{podRentInterruptable{id}}".to_owned(),
    ] {
        let (status, answer) = sim.graphql(&query).await;
        assert_eq!(status, 400, "{query}: {answer}");
        assert!(answer["errors"][0]["message"].is_string());
    }
    assert_eq!(sim.get("/_sim/pods").await.1["pods"], json!([]));
    sim.finish().await;
}

#[tokio::test]
async fn a_bid_below_the_floor_gets_nothing_and_a_rising_floor_takes_machines_away() {
    let sim = Sim::start().await;
    let rent = |bid: f64| {
        format!(
            "mutation{{podRentInterruptable(input:{{name:\"s\",imageName:\"i\",gpuTypeId:\"{GPU}\",bidPerGpu:{bid},gpuCount:2,\
             cloudType:COMMUNITY,dockerArgs:\"sleep 3600\"}}){{id costPerHr}}}}"
        )
    };
    let (status, low) = sim.graphql(&rent(0.01)).await;
    assert_eq!(status, 200);
    assert!(low["errors"][0]["message"].as_str().unwrap().starts_with("There are no longer any instances"));
    let made = |answer: Value| answer["data"]["podRentInterruptable"].clone();
    let (cheap, dear) = (made(sim.graphql(&rent(0.25)).await.1), made(sim.graphql(&rent(0.5)).await.1));
    assert_eq!(cheap["costPerHr"], 0.5);
    let (cheap, dear) = (cheap["id"].as_str().unwrap(), dear["id"].as_str().unwrap());
    for id in [cheap, dear] {
        sim.until_status(id, "RUNNING").await;
    }
    sim.post("/_sim/stock", json!({"gpu": GPU, "spot_floor_micros": 400_000})).await;
    sim.until_status(cheap, "EXITED").await;
    assert_eq!(sim.inside(dear).await["status"], "RUNNING");
    let (_, prices) = sim
        .graphql(&format!(
            "{{gpuTypes(input:{{id:\"{GPU}\"}}){{lowestPrice(input:{{gpuCount:1}}){{minimumBidPrice}}}}}}"
        ))
        .await;
    assert_eq!(prices["data"]["gpuTypes"][0]["lowestPrice"]["minimumBidPrice"], 0.4);

    let resume = |bid: f64| {
        format!(
            "mutation{{podBidResume(input:{{podId:\"{cheap}\",bidPerGpu:{bid},gpuCount:2}}){{id costPerHr}}}}"
        )
    };
    assert!(sim.graphql(&resume(0.3)).await.1["errors"].is_array());
    assert_eq!(sim.graphql(&resume(0.45)).await.1["data"]["podBidResume"]["costPerHr"], 0.9);
    sim.until_status(cheap, "RUNNING").await;
    sim.finish().await;
}

#[tokio::test]
async fn the_account_knows_what_it_has_left() {
    let sim = Sim::start().await;
    let mine = "{myself{clientBalance currentSpendPerHr}}";
    assert_eq!(
        sim.graphql(mine).await.1["data"]["myself"],
        json!({"clientBalance": 1000.0, "currentSpendPerHr": 0.0})
    );
    let id = sim.pod("n", "sleep 3600").await;
    sim.until(&id, "paid for", |pod| pod["cost_micros"].as_i64() > Some(0)).await;
    let (_, left) = sim.graphql(mine).await;
    assert!(left["data"]["myself"]["clientBalance"].as_f64().unwrap() < 1000.0);
    assert_eq!(left["data"]["myself"]["currentSpendPerHr"], 0.69);
    sim.finish().await;
}

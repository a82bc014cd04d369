//! What the RunPod adapter sends is what RunPod's own clients were recorded to send.

use std::collections::{BTreeMap, BTreeSet};

use graphql_parser::query::{
    Definition, Field, Mutation, OperationDefinition, Query, Selection, Value as Literal, parse_query,
};
use serde_json::{Value, json};

use crate::{
    peer::{Peer, Seen},
    values::{KEY, attempt, handle, launch, offer, runpod, usd},
};

fn recorded(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../fixtures/runpod_requests.json")).unwrap();
    all[name].clone()
}

/// Method, target and the headers that matter, and the body where the recording has one.
fn assert_as_recorded(seen: &Seen, recorded: &Value) {
    assert_eq!(seen.method, recorded["method"]);
    assert_eq!(seen.target, recorded["target"]);
    for (name, value) in recorded["headers"].as_object().unwrap() {
        assert_eq!(seen.headers.get(name).map(String::as_str), value.as_str(), "{name}");
    }
    if recorded.get("body").is_none() && recorded.get("field").is_none() {
        assert_eq!(seen.body, "");
    }
}

fn one(peer: &Peer) -> Seen {
    let [seen] = &peer.seen()[..] else { panic!("{:?} is not one request", peer.seen()) };
    seen.clone()
}

/// The root field of a GraphQL request.
fn root(seen: &Seen) -> Field<'static, String> {
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let fields: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["query"]);
    let document = parse_query::<String>(body["query"].as_str().unwrap()).unwrap().into_static();
    let [Definition::Operation(operation)] = &document.definitions[..] else { panic!("one operation") };
    let set = match operation {
        OperationDefinition::Query(Query { selection_set, .. })
        | OperationDefinition::Mutation(Mutation { selection_set, .. }) => selection_set,
        other => panic!("{other:?}"),
    };
    let [Selection::Field(field)] = &set.items[..] else { panic!("one field") };
    field.clone()
}

fn selection(field: &Field<'_, String>) -> BTreeSet<String> {
    let names = field.selection_set.items.iter().map(|item| match item {
        Selection::Field(field) => field.name.clone(),
        other => panic!("{other:?}"),
    });
    names.collect()
}

fn words(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

fn input(field: &Field<'_, String>) -> Value {
    let (name, value) = &field.arguments[0];
    assert_eq!((name.as_str(), field.arguments.len()), ("input", 1));
    plain(value)
}

fn plain(value: &Literal<'_, String>) -> Value {
    match value {
        Literal::Int(number) => json!(number.as_i64()),
        Literal::Float(number) => json!(number),
        Literal::String(text) | Literal::Enum(text) => json!(text),
        Literal::List(list) => list.iter().map(plain).collect(),
        Literal::Object(object) => object
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn create() {
    let peer = Peer::saying(201, r#"{"id": "7h9k2m4n6p"}"#).await;
    let mut launch = launch(1, offer());
    launch.env = BTreeMap::from([("GP_JOB".to_owned(), "0001".to_owned())]);
    runpod(&peer.url, KEY).launch(&launch).await.unwrap();

    let mut recorded = recorded("create");
    let seen = one(&peer);
    assert_as_recorded(&seen, &recorded);
    // The two that are ours to choose.
    recorded["body"]["name"] = json!(format!("gpu-{}", attempt(1)));
    recorded["body"]["args"] = json!(r#"sh -c 'eval "$GPU_RUNNER"'"#);
    assert_eq!(serde_json::from_str::<Value>(&seen.body).unwrap(), recorded["body"]);
}

#[tokio::test]
async fn create_anywhere_on_a_private_host() {
    let peer = Peer::saying(201, r#"{"id": "7h9k2m4n6p"}"#).await;
    let mut offer = offer();
    offer.region = String::new();
    offer.instance_type = "NVIDIA GeForce RTX 4090 (community)".into();
    offer.gpu_count = 2;
    runpod(&peer.url, KEY).launch(&launch(1, offer)).await.unwrap();

    let body: Value = serde_json::from_str(&one(&peer).body).unwrap();
    assert_eq!(body["cloud"], "COMMUNITY");
    assert_eq!(body["gpu"], json!({"id": "NVIDIA GeForce RTX 4090", "count": 2}));
    assert_eq!(body.get("dataCenterIds"), None);
}

#[tokio::test]
async fn rent_spot() {
    let peer = Peer::saying(200, r#"{"data": {"podRentInterruptable": {"id": "7h9k2m4n6p"}}}"#).await;
    let mut offer = offer();
    offer.region = String::new();
    offer.instance_type = "NVIDIA GeForce RTX 4090 (community)".into();
    offer.spot = true;
    offer.price_per_hour = usd(250_000);
    let mut launch = launch(1, offer);
    launch.env = BTreeMap::from([("GP_JOB".to_owned(), "0001".to_owned())]);
    launch.spec.memory_gib = Some(8);
    launch.spec.cpus = Some(2);
    launch.release_at = "2026-06-01T14:00:00Z".parse().unwrap();
    runpod(&peer.url, KEY).launch(&launch).await.unwrap();

    let mut recorded = recorded("rent");
    let seen = one(&peer);
    assert_as_recorded(&seen, &recorded);
    let field = root(&seen);
    assert_eq!(field.name, recorded["field"]);
    recorded["input"]["name"] = json!(format!("gpu-{}", attempt(1)));
    recorded["input"]["dockerArgs"] = json!(r#"sh -c 'eval "$GPU_RUNNER"'"#);
    assert_eq!(input(&field), recorded["input"]);
}

#[tokio::test]
async fn a_bid_is_for_one_gpu_and_never_below_the_offer() {
    let peer = Peer::saying(200, r#"{"data": {"podRentInterruptable": {"id": "7h9k2m4n6p"}}}"#).await;
    let mut offer = offer();
    offer.spot = true;
    offer.gpu_count = 4;
    offer.price_per_hour = usd(1_000_001);
    runpod(&peer.url, KEY).launch(&launch(1, offer)).await.unwrap();

    let input = input(&root(&one(&peer)));
    assert_eq!(input["bidPerGpu"], json!(0.250_001));
    assert_eq!(input["gpuCount"], 4);
    assert_eq!(input["dataCenterId"], "EU-RO-1");
    assert_eq!(input["cloudType"], "SECURE");
}

#[tokio::test]
async fn an_environment_arrives_as_it_is() {
    let text = "a'b\"c\\d\n$HOME }) { \u{7f} \u{1} é 💥";
    let environment = BTreeMap::from([("GPU_RUNNER".to_owned(), text.to_owned())]);
    let peer = Peer::start(|seen| match seen.target.as_str() {
        "/graphql" => (200, vec![], r#"{"data": {"podRentInterruptable": {"id": "x"}}}"#.to_owned()),
        _ => (201, vec![], r#"{"id": "x"}"#.to_owned()),
    })
    .await;
    let provider = runpod(&peer.url, KEY);
    for spot in [false, true] {
        let mut launch = launch(1, offer());
        launch.offer.spot = spot;
        launch.env = environment.clone();
        provider.launch(&launch).await.unwrap();
    }
    let [on_demand, spot] = &peer.seen()[..] else { panic!("two requests") };
    assert_eq!(serde_json::from_str::<Value>(&on_demand.body).unwrap()["env"]["GPU_RUNNER"], text);
    assert_eq!(input(&root(spot))["env"], json!([{"key": "GPU_RUNNER", "value": text}]));
}

#[tokio::test]
async fn list_and_find() {
    let peer = Peer::saying(200, r#"{"pods": []}"#).await;
    let provider = runpod(&peer.url, KEY);
    provider.list().await.unwrap();
    provider.find(attempt(1), &offer()).await.unwrap();
    let seen = peer.seen();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert_as_recorded(&seen, &recorded("list"));
    }
}

#[tokio::test]
async fn observe() {
    let peer = Peer::saying(200, r#"{"id": "7h9k2m4n6p", "status": "RUNNING"}"#).await;
    runpod(&peer.url, KEY).observe(&handle("7h9k2m4n6p")).await.unwrap();
    assert_as_recorded(&one(&peer), &recorded("get"));
}

#[tokio::test]
async fn a_stopped_pod_is_asked_why() {
    let peer = Peer::start(|seen| match seen.target.as_str() {
        "/graphql" => (200, vec![], r#"{"data": {"pod": {"podType": "RESERVED"}}}"#.to_owned()),
        _ => (200, vec![], r#"{"id": "7h9k2m4n6p", "status": "EXITED"}"#.to_owned()),
    })
    .await;
    runpod(&peer.url, KEY).observe(&handle("7h9k2m4n6p")).await.unwrap();
    let [_, asked] = &peer.seen()[..] else { panic!("two requests") };
    let recorded = recorded("pod");
    assert_as_recorded(asked, &recorded);
    let field = root(asked);
    assert_eq!(field.name, recorded["field"]);
    assert_eq!(input(&field), recorded["input"]);
    assert!(selection(&field).is_subset(&words(&recorded["selection"])));
}

#[tokio::test]
async fn terminate() {
    let peer = Peer::saying(204, "").await;
    runpod(&peer.url, KEY).terminate(&handle("7h9k2m4n6p")).await.unwrap();
    assert_as_recorded(&one(&peer), &recorded("delete"));
}

#[tokio::test]
async fn last_log() {
    let peer = Peer::saying(200, "").await;
    runpod(&peer.url, KEY).last_log(&handle("7h9k2m4n6p"), 50).await.unwrap();
    assert_as_recorded(&one(&peer), &recorded("logs"));
}

#[tokio::test]
async fn offers() {
    let peer = Peer::start(|seen| match seen.target.as_str() {
        "/graphql" => (200, vec![], r#"{"data": {"gpuTypes": []}}"#.to_owned()),
        _ => (200, vec![], r#"{"gpus": []}"#.to_owned()),
    })
    .await;
    runpod(&peer.url, KEY).offers().await.unwrap();

    let (spot, catalogue): (Vec<_>, Vec<_>) =
        peer.seen().into_iter().partition(|seen| seen.target == "/graphql");
    let with_count = |count: u32| {
        let mut recorded = recorded("catalogue");
        recorded["target"] =
            json!(recorded["target"].as_str().unwrap().replace("count=1", &format!("count={count}")));
        recorded
    };
    assert_eq!(catalogue.len(), 4);
    for (seen, count) in catalogue.iter().zip([1, 2, 4, 8]) {
        assert_as_recorded(seen, &with_count(count));
    }
    let recorded = recorded("gpu_types");
    let [spot] = &spot[..] else { panic!("one question") };
    assert_as_recorded(spot, &recorded);
    let field = root(spot);
    assert_eq!(field.name, recorded["field"]);
    assert!(selection(&field).is_subset(&words(&recorded["selection"])));
}

#[tokio::test]
async fn an_id_cannot_leave_its_place_in_the_path() {
    let peer = Peer::saying(204, "").await;
    runpod(&peer.url, KEY).terminate(&handle("../x?y#z")).await.unwrap();
    assert_eq!(one(&peer).target, "/v2/pods/..%2Fx%3Fy%23z");
}

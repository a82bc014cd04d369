//! Rows as the store writes them, handed over as the stream does, and who hears of them.

#[path = "../../realtime/tests/support/mod.rs"]
mod support;

use std::{
    collections::{BTreeSet, HashMap},
    pin::pin,
    sync::Arc,
};

use app::{
    notify::Notifier,
    ports::{Alert, ConnectionStore, LogChunk, MetricsRow, MoneyStore, Report, RunnerStore, Topic},
};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    Currency, Money,
    budget::Level,
    job::{Job, Progress},
};
use dynamodb::Store;
use jiff::SignedDuration;
use lambda::Event;
use lambda_runtime::Context;
use notifier::{Answer, Batch};
use serde_json::{Value, json};
use support::{START, TABLE, World, admin, field, socket, user};

fn notifier(world: &World, store: Store) -> Notifier {
    Notifier::new(Arc::new(store), world.platform.push(), |texts| contract::messages::pack(texts))
}

async fn push(world: &World, records: Vec<Value>) -> Answer {
    let batch: Batch = serde_json::from_value(json!({"Records": records})).expect("a batch");
    notifier::handle(&notifier(world, world.table.store.clone()), batch).await
}

/// The records of the pushed rows whose partition begins so, in the order of their sort keys: for events, that of their commits.
async fn records(world: &World, partition: &str) -> Vec<Value> {
    let rows = world.table.client.scan().table_name(TABLE).send().await.expect("the rows are read");
    let mut rows: Vec<_> = rows
        .items()
        .iter()
        .filter(|row| row.get("push") == Some(&AttributeValue::Bool(true)))
        .filter(|row| row["pk"].as_s().is_ok_and(|pk| pk.starts_with(partition)))
        .collect();
    rows.sort_by_key(|row| (row["pk"].as_s().cloned().ok(), row["sk"].as_s().cloned().ok()));
    rows.into_iter().enumerate().map(|(n, row)| record(n, row)).collect()
}

fn record(n: usize, row: &HashMap<String, AttributeValue>) -> Value {
    let attribute = |value: &AttributeValue| match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::Bool(flag) => json!({"BOOL": flag}),
        AttributeValue::B(bytes) => json!({"B": STANDARD.encode(bytes)}),
        other => panic!("a pushed row has {other:?}"),
    };
    let image: serde_json::Map<String, Value> =
        row.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
    json!({
        "eventID": format!("event-{n}"), "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1", "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/gpu-test/stream/x",
        "dynamodb": {
            "ApproximateCreationDateTime": 0, "SequenceNumber": format!("{n}00"), "SizeBytes": 100,
            "StreamViewType": "NEW_IMAGE", "Keys": {"pk": image["pk"], "sk": image["sk"]}, "NewImage": image,
        },
    })
}

async fn subscribe(world: &World, id: &str, topics: &[Topic]) {
    for topic in topics {
        world.table.store.subscribe(id, *topic).await.expect("the subscription is written");
    }
}

/// A job of user 1 with `events` events.
async fn job(world: &World, id: u128, events: usize) -> Job {
    let mut job = world.submit(user(1).user, id).await;
    for _ in 1..events {
        world.wait_for_capacity(&mut job).await;
    }
    job
}

#[tokio::test]
async fn each_listener_hears_of_an_event_once_and_nobody_else_does() {
    let world = World::new().await;
    for (id, who) in [("job", 1), ("mine", 1), ("both", 1), ("idle", 1), ("other", 2)] {
        world.connect(id, user(who)).await;
    }
    let job = job(&world, 7, 1).await;
    let mine = Topic::Owner(user(1).user);
    subscribe(&world, "job", &[Topic::Job(job.id)]).await;
    subscribe(&world, "mine", &[mine]).await;
    subscribe(&world, "both", &[mine, Topic::Job(job.id)]).await;
    subscribe(&world, "other", &[Topic::Owner(user(2).user)]).await;

    let answer = push(&world, records(&world, "JOB#").await).await;
    assert_eq!(answer, Answer::default());
    for id in ["job", "mine", "both"] {
        let messages = world.gateway.messages(id);
        assert_eq!(field(&messages, "type"), ["status"], "{id}");
        assert_eq!(messages[0]["event"], json!({"type": "submitted", "admitted": true}));
    }
    for id in ["idle", "other"] {
        assert!(world.gateway.messages(id).is_empty(), "{id}");
    }
}

#[tokio::test]
async fn a_runs_events_go_to_those_who_watch_it_and_to_its_owner() {
    let world = World::new().await;
    for (id, who) in [("run", 1), ("mine", 1), ("other", 2)] {
        world.connect(id, user(who)).await;
    }
    let mut head = world.start_run(user(1).user, 8).await;
    world.run_event(&mut head, "train").await;
    subscribe(&world, "run", &[Topic::Run(head.run_id)]).await;
    subscribe(&world, "mine", &[Topic::Owner(user(1).user)]).await;
    subscribe(&world, "other", &[Topic::Owner(user(2).user)]).await;
    assert_eq!(push(&world, records(&world, "RUN#").await).await, Answer::default());
    for id in ["run", "mine"] {
        let messages = world.gateway.messages(id);
        assert_eq!(field(&messages, "type"), ["run_event", "run_event"], "{id}");
        assert_eq!(field(&messages, "seq"), [1, 2], "{id}");
        assert_eq!(messages[1]["event"]["node_status"], "running");
    }
    assert!(world.gateway.messages("other").is_empty());
}

#[tokio::test]
async fn an_alert_goes_to_whoever_the_budget_is_of() {
    let world = World::new().await;
    for (id, who) in [("mine", user(1)), ("other", user(2)), ("admin", admin(3))] {
        world.connect(id, who).await;
        subscribe(&world, id, &[Topic::Owner(who.user)]).await;
    }
    subscribe(&world, "admin", &[Topic::Platform]).await;
    for owner in [Some(user(1).user), None] {
        let (used, budget) = (Money::new(85, Currency::Usd), Money::new(100, Currency::Usd));
        let alert = Alert { owner, month: "1970-01".into(), level: Level::Warning, at: START, used, budget };
        assert!(world.table.store.alert(&alert).await.expect("it is kept"));
    }
    for partition in ["OWNER#", "PLATFORM"] {
        assert_eq!(push(&world, records(&world, partition).await).await, Answer::default());
    }
    for (id, scope) in [("mine", "own"), ("admin", "platform")] {
        let messages = world.gateway.messages(id);
        assert_eq!(field(&messages, "type"), ["budget"], "{id}");
        assert_eq!((&messages[0]["scope"], &messages[0]["level"]), (&json!(scope), &json!("warning")));
    }
    assert!(world.gateway.messages("other").is_empty());
}

#[tokio::test]
async fn events_come_in_their_order_and_in_few_texts() {
    let world = World::new().await;
    for id in ["a", "b"] {
        world.connect(id, user(1)).await;
        subscribe(&world, id, &[Topic::Owner(user(1).user)]).await;
    }
    job(&world, 7, 60).await;
    push(&world, records(&world, "JOB#").await).await;
    let texts = world.gateway.texts("a");
    assert_eq!(texts.len(), 1);
    let batch: Value = serde_json::from_str(&texts[0]).expect("it is JSON");
    assert_eq!(batch["messages"].as_array().map(Vec::len), Some(60));
    let expected: Vec<u64> = (1..=60).collect();
    assert_eq!(field(&world.gateway.messages("b"), "seq"), expected);
}

#[tokio::test]
async fn a_report_goes_to_those_who_watch_the_job_and_its_progress_to_all() {
    let world = World::new().await;
    for id in ["job", "mine"] {
        world.connect(id, user(1)).await;
    }
    let mut job = world.submit(user(1).user, 7).await;
    let attempt = world.provision(&mut job).await;
    subscribe(&world, "job", &[Topic::Job(job.id)]).await;
    subscribe(&world, "mine", &[Topic::Owner(user(1).user)]).await;

    let text = "损失 0.25\n".repeat(15_000);
    let bytes = text.clone().into_bytes();
    let whole = bytes.len() as u64;
    let gpu = MetricsRow {
        gpu: 0,
        utilisation: Some(97.0),
        memory_used_mib: Some(1_024.0),
        memory_total_mib: None,
        temperature_c: Some(70.0),
        power_w: None,
    };
    let report = Report {
        progress: Some(Progress { fraction: 0.5, text: "half".into() }),
        metrics: vec![gpu],
        log: Some(LogChunk { offset: 0, dropped: 0, bytes }),
        ..Report::default()
    };
    // Nobody looks yet: it is kept and not pushed.
    world.table.store.hear(attempt.id, "runner", 1, &report, START).await.expect("the runner is heard");
    assert!(records(&world, "ATTEMPT#").await.is_empty());

    world.table.store.watch(attempt.id, START + SignedDuration::from_secs(60)).await.expect("it is watched");
    let report = Report {
        log: Some(LogChunk { offset: whole, dropped: 3, bytes: text.clone().into_bytes() }),
        ..report
    };
    world.table.store.hear(attempt.id, "runner", 2, &report, START).await.expect("the runner is heard");
    let answer = push(&world, records(&world, "ATTEMPT#").await).await;
    assert_eq!(answer, Answer::default());

    let messages = world.gateway.messages("job");
    let (logs, rest): (Vec<Value>, Vec<Value>) =
        messages.into_iter().partition(|message| message["type"] == "log");
    assert!(logs.len() > 1, "{}", logs.len());
    assert_eq!((&logs[0]["offset"], &logs[0]["dropped"]), (&json!(whole), &json!(3)));
    assert!(logs.windows(2).all(|pair| pair[0]["next"] == pair[1]["offset"]));
    assert_eq!(logs.last().expect("there are some")["next"], json!(2 * whole));
    let together: String = logs.iter().map(|log| log["text"].as_str().expect("it is UTF-8")).collect();
    assert_eq!(together, text);
    assert_eq!(field(&rest, "type"), ["metrics", "progress"]);
    assert_eq!(rest[0]["gpus"][0]["memory_total_mib"], Value::Null);
    assert_eq!((&rest[1]["attempt"], &rest[1]["fraction"]), (&json!(1), &json!(0.5)));

    assert_eq!(field(&world.gateway.messages("mine"), "type"), ["progress"]);
}

#[tokio::test]
async fn a_connection_that_is_gone_is_forgotten_and_holds_nobody_up() {
    let world = World::new().await;
    let topics = [Topic::Owner(user(1).user), Topic::Owner(user(2).user)];
    for id in ["gone", "broken", "there"] {
        world.connect(id, user(1)).await;
        subscribe(&world, id, &topics).await;
    }
    world.gateway.lose("gone");
    world.gateway.break_down("broken");
    job(&world, 7, 1).await;
    assert_eq!(push(&world, records(&world, "JOB#").await).await, Answer::default());
    assert_eq!(world.gateway.messages("there").len(), 1);
    assert!(world.table.store.connection("gone").await.expect("it is read").is_none());
    for topic in topics {
        let left: BTreeSet<_> =
            world.table.store.subscribers(topic).await.expect("they are read").into_iter().collect();
        assert_eq!(left, BTreeSet::from(["broken".to_owned(), "there".to_owned()]));
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_holds_nobody_up() {
    let world = World::new().await;
    world.connect("a", user(1)).await;
    subscribe(&world, "a", &[Topic::Owner(user(1).user)]).await;
    job(&world, 7, 3).await;
    let mut records = records(&world, "JOB#").await;
    records[0]["dynamodb"]["NewImage"]["doc"] = json!({"S": "{}"});
    records[1]["dynamodb"]["NewImage"]["owner"] = json!({"NULL": true});
    records.push(json!({"eventName": "REMOVE", "dynamodb": {"SequenceNumber": "900"}}));
    assert_eq!(push(&world, records).await, Answer::default());
    assert_eq!(field(&world.gateway.messages("a"), "seq"), [3]);
}

#[tokio::test]
async fn rows_whose_listeners_cannot_be_looked_up_are_handed_over_again() {
    let world = World::new().await;
    job(&world, 7, 3).await;
    let elsewhere = Store::new(world.table.client.clone(), "gpu-missing");
    let batch: Batch =
        serde_json::from_value(json!({"Records": records(&world, "JOB#").await})).expect("a batch");
    let answer = notifier::handle(&notifier(&world, elsewhere), batch).await;
    assert_eq!(
        serde_json::to_value(answer).expect("it is JSON"),
        json!({"batchItemFailures": [{"itemIdentifier": "000"}]})
    );
}

/// Whichever step of a subscription an event falls before, it is told with the subscription or pushed.
#[tokio::test]
async fn nothing_is_missed_between_the_replay_and_the_pushes() {
    let mut place = 0;
    loop {
        let world = World::new().await;
        world.connect("a", user(1)).await;
        let mut job = job(&world, 7, 2).await;
        let body = json!({"action": "subscribe", "job_id": job.id, "after": 0}).to_string();
        let event =
            Event { payload: socket("MESSAGE", "a", json!({"body": body})), context: Context::default() };
        let (platform, mut gate) = world.gated().await;
        let mut subscription = pin!(realtime::handle(&platform, event));
        let mut step = 0;
        let answer = loop {
            tokio::select! {
                done = &mut subscription => break done.expect("it is subscribed"),
                Some(release) = gate.recv() => {
                    if step == place {
                        world.wait_for_capacity(&mut job).await;
                        let last = records(&world, "JOB#").await.pop().expect("the event");
                        push(&world, vec![last]).await;
                    }
                    step += 1;
                    release.send(()).expect("the call waits");
                }
            }
        };
        assert_eq!(answer["statusCode"], 200);
        if step <= place {
            break;
        }
        let told = world.gateway.messages("a");
        let events = told.iter().filter(|message| message["type"] != "subscribed");
        let numbers: BTreeSet<u64> = events.filter_map(|message| message["seq"].as_u64()).collect();
        assert_eq!(numbers, BTreeSet::from([1, 2, 3]), "before step {place}: {told:?}");
        place += 1;
    }
    assert!(place >= 6, "a subscription has {place} steps");
}

//! The messages against their schema, and the schema against its file.

use std::{collections::BTreeSet, path::PathBuf};

use contract::{
    budget::{BudgetAlert, BudgetLevel, BudgetScope},
    messages::{
        ConnectionStatus, Error, ErrorCode, Gap, Gpu, JobPosition, JobStatus, Log, MESSAGE_BYTES, Message,
        Metrics, Pong, Progress, ProgressFigures, Request, RunPosition, RunState, StatusOf, Subject,
        Subscribed, Unsubscribed, pack, schema,
    },
};
use domain::{
    Currency, JobId, Money, RunId, ScheduleId,
    job::{Edit, Event, EventKind, Exit, ExitReason, Outcome, Status},
    placement::{Offer, Stock},
    workflow::{self, CachedFrom, Counts, NodeStatus, Origin, RunEventKind, RunStatus, Stop},
};
use jiff::Timestamp;
use jsonschema::Validator;
use serde_json::{Value, json};
use uuid::Uuid;

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn job() -> JobId {
    JobId::new(Uuid::from_u128(7))
}

fn run() -> RunId {
    RunId::new(Uuid::from_u128(8))
}

fn run_event(kind: RunEventKind) -> Message {
    workflow::RunEvent { run_id: run(), seq: 3, at: AT, status: RunStatus::Running, kind }.into()
}

/// One of each kind of a run's events.
fn run_events() -> Vec<Message> {
    let (of, node) = (run(), "train".to_owned());
    let slot = Origin::Schedule { schedule_id: ScheduleId::new(Uuid::from_u128(9)), slot: AT };
    let started = [
        Origin::Manual,
        slot,
        Origin::Resume { of },
        Origin::Retry { of, node: node.clone() },
        Origin::Rerun { of },
    ]
    .map(|origin| RunEventKind::Started { origin });
    let cached = CachedFrom { run_id: of, node: node.clone(), job_id: job(), at: AT };
    let nodes = [
        (NodeStatus::Running, Some(0), Some(job()), None, None),
        (NodeStatus::Succeeded, None, None, None, Some(cached)),
        (NodeStatus::UpstreamFailed, None, None, Some("train failed".to_owned()), None),
    ]
    .map(|(node_status, item, job_id, reason, cached_from)| RunEventKind::Node {
        node: node.clone(),
        item,
        node_status,
        attempt: 1,
        job_id,
        items: None,
        reason,
        cached_from,
    });
    let rest = [RunEventKind::StopRequested { stop: Stop::TimedOut }, RunEventKind::Ended { reason: None }];
    started.into_iter().chain(nodes).chain(rest).map(run_event).collect()
}

fn offer(region: &str) -> Offer {
    Offer {
        provider: "runpod".into(),
        region: region.into(),
        gpu: "RTX 4090".into(),
        instance_type: "NVIDIA GeForce RTX 4090".into(),
        gpu_count: 1,
        gpu_memory_gib: 24,
        cpus: None,
        memory_gib: Some(32),
        spot: true,
        price_per_hour: Money::new(440_000, Currency::Usd),
        stock: Stock::High,
        seen_at: AT,
    }
}

fn exit(code: i32, reason: ExitReason) -> Exit {
    Exit { code, reason, at: AT, output: Some(json!({"loss": 0.25})), output_error: None }
}

fn event(status: Status, kind: EventKind) -> Event {
    Event { job_id: job(), seq: 3, at: AT, status, kind }
}

/// One of each thing that can happen to a job, and the type of the message that tells it.
fn events() -> Vec<(&'static str, Event)> {
    let ended = |outcome, retry_in_seconds| {
        event(Status::Queued, EventKind::AttemptEnded { attempt: 1, outcome, retry_in_seconds })
    };
    let edit = Edit { name: Some("名".into()), ..Edit::default() };
    let (refused, placed) = (Box::new(offer("EU-RO-1")), Box::new(offer("")));
    vec![
        ("status", event(Status::Queued, EventKind::Submitted { admitted: true })),
        ("status", event(Status::Queued, EventKind::Admitted)),
        (
            "error",
            event(
                Status::Queued,
                EventKind::LaunchRefused { attempt: 1, offer: refused, reason: "no stock".into() },
            ),
        ),
        (
            "status",
            event(
                Status::Queued,
                EventKind::WaitingForCapacity { reason: "none".into(), retry_in_seconds: 30 },
            ),
        ),
        ("status", event(Status::Provisioning, EventKind::Provisioning { attempt: 1, offer: placed })),
        (
            "status",
            event(Status::Provisioning, EventKind::InstanceCreated { attempt: 1, instance: "pod-1".into() }),
        ),
        ("status", event(Status::Running, EventKind::Running { attempt: 1 })),
        ("status", event(Status::Running, EventKind::CancelRequested)),
        ("status", ended(Outcome::Exited { exit: exit(0, ExitReason::Exited) }, None)),
        ("error", ended(Outcome::Exited { exit: exit(1, ExitReason::Exited) }, Some(30))),
        ("error", ended(Outcome::Exited { exit: exit(143, ExitReason::Timeout) }, None)),
        ("status", ended(Outcome::Exited { exit: exit(143, ExitReason::Cancelled) }, None)),
        ("error", ended(Outcome::Refused { reason: "quota".into() }, None)),
        ("error", ended(Outcome::Preempted, Some(0))),
        ("error", ended(Outcome::Lost { reason: "silent".into() }, None)),
        ("error", ended(Outcome::TimedOut, None)),
        ("status", ended(Outcome::Cancelled, None)),
        (
            "completion",
            event(Status::Failed, EventKind::Ended { exit: Some(exit(1, ExitReason::Exited)), reason: None }),
        ),
        (
            "completion",
            event(Status::Cancelled, EventKind::Ended { exit: None, reason: Some("asked".into()) }),
        ),
        ("status", event(Status::Succeeded, EventKind::Edited { edit })),
    ]
}

/// One of each other message.
fn others() -> Vec<Message> {
    let figures = ProgressFigures { fraction: 0.42, text: "epoch 3".into() };
    let gpu = Gpu {
        gpu: 0,
        utilisation: Some(97.0),
        memory_used_mib: Some(1024.0),
        memory_total_mib: None,
        temperature_c: None,
        power_w: Some(311.5),
    };
    vec![
        Message::Progress(Progress { job_id: job(), attempt: 1, at: AT, figures: figures.clone() }),
        Message::Metrics(Metrics { job_id: job(), attempt: 1, at: AT, gpus: vec![gpu] }),
        Message::log(job(), 1, AT, 10, 0, b"line\n").remove(0),
        Message::log(job(), 1, AT, 10, 5, &[0xff, 0xe4]).remove(0),
        Message::Subscribed(Subscribed {
            id: json!(1),
            job_id: Some(job()),
            run_id: None,
            all: false,
            seq: Some(3),
            status: Some(contract::events::Status::Running),
            run_status: None,
        }),
        Message::Subscribed(Subscribed {
            id: Value::Null,
            job_id: None,
            run_id: Some(run()),
            all: false,
            seq: Some(3),
            status: None,
            run_status: Some(contract::runs::RunStatus::Running),
        }),
        Message::Unsubscribed(Unsubscribed { id: json!("a"), job_id: None, run_id: None, all: true }),
        Message::RunStatus(RunState {
            id: Value::Null,
            run_id: run(),
            status: contract::runs::RunStatus::Failed,
            seq: 9,
            counts: Counts { failed: 1, ..Counts::default() }.into(),
            updated_at: AT,
            reason: Some("train failed".into()),
        }),
        Message::JobStatus(JobStatus {
            id: json!({"any": []}),
            job_id: job(),
            status: contract::events::Status::Running,
            seq: 3,
            attempt: 1,
            updated_at: AT,
            progress: Some(figures),
            heard_at: None,
            reason: None,
        }),
        Message::ConnectionStatus(ConnectionStatus {
            id: Value::Null,
            connected_at: AT,
            closes_at: AT,
            jobs: vec![job()],
            runs: vec![run()],
            all: false,
        }),
        Message::Pong(Pong {
            id: Value::Null,
            at: AT,
            jobs: vec![JobPosition { job_id: job(), status: contract::events::Status::Queued, seq: 1 }],
            runs: vec![RunPosition { run_id: run(), status: contract::runs::RunStatus::Running, seq: 4 }],
        }),
        Message::Gap(Gap { job_id: Some(job()), run_id: None, from: 1, to: 9, message: "fetch".into() }),
        Message::Gap(Gap { job_id: None, run_id: Some(run()), from: 1, to: 9, message: "fetch".into() }),
        Message::Error(Error { code: ErrorCode::NotFound, message: "no such job".into(), id: Value::Null }),
        Message::Budget(BudgetAlert {
            scope: BudgetScope::Own,
            month: "2026-11".into(),
            level: BudgetLevel::Warning,
            at: AT,
            used: Money::new(402_500_000, Currency::Usd).into(),
            budget: Money::new(500_000_000, Currency::Usd).into(),
        }),
    ]
}

fn validator(of: &str) -> Validator {
    let mut schema = schema();
    schema["$ref"] = json!(format!("#/$defs/{of}"));
    jsonschema::draft202012::new(&schema).expect("the schema is a schema")
}

#[track_caller]
fn assert_valid(validator: &Validator, value: &Value) {
    let errors: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{value}: {errors:?}");
}

fn json_of(message: Message) -> Value {
    serde_json::from_str(&message.encode().expect("it is JSON")).expect("what was encoded can be read")
}

#[test]
fn the_file_is_the_schema() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/websocket-messages.schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, format!("{:#}\n", schema())).expect("the file can be written");
    }
    let file = std::fs::read_to_string(&path).expect("the file is there");
    // As values: the order of fields is another one when crates are built together.
    let file: serde_json::Value = serde_json::from_str(&file).expect("the file is JSON");
    assert!(file == schema(), "run this test with UPDATE_SCHEMA=1, and read what changed");
}

#[test]
fn what_the_page_shows_is_true() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/websocket-realtime-status.md");
    let page = std::fs::read_to_string(path)
        .expect("the page is there")
        .replace("job_…", &job().to_string())
        .replace("run_…", &run().to_string());

    let examples =
        page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("there are examples");
    let frame = validator("Frame");
    for example in examples.lines() {
        assert_valid(&frame, &serde_json::from_str(example).expect("an example is JSON"));
    }
    assert!(examples.lines().count() >= 6);

    let requests = page.lines().filter_map(|line| line.strip_prefix("| `{")?.split('`').next());
    let requests: Vec<String> = requests.map(|rest| format!("{{{rest}")).collect();
    assert_eq!(requests.len(), 7);
    for request in requests {
        assert!(Request::parse(&request).is_ok(), "{request}");
    }

    let schema = schema();
    for kind in ["ErrorCode", "JobErrorCode"] {
        let names = schema["$defs"][kind]["enum"].as_array().expect("the codes");
        for name in names.iter().filter_map(Value::as_str) {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}

#[test]
fn every_message_holds_to_the_schema_and_every_variant_occurs() {
    let frame = validator("Frame");
    let mut seen = BTreeSet::new();
    let runs = run_events().into_iter().map(|event| {
        let message = json_of(event);
        assert_eq!(message["type"], "run_event", "{message}");
        message
    });
    let messages =
        others().into_iter().map(json_of).chain(runs).chain(events().into_iter().map(|(expected, event)| {
            let message = json_of(event.into());
            assert_eq!(message["type"], expected, "{message}");
            message
        }));
    let messages: Vec<Value> = messages.collect();
    for message in &messages {
        assert_valid(&frame, message);
        seen.insert(message["type"].as_str().expect("it has a type").to_owned());
    }
    assert_valid(&frame, &json!({"type": "batch", "messages": messages}));

    let schema = schema();
    let variants = schema["$defs"]["Message"]["oneOf"].as_array().expect("one of several");
    let known: BTreeSet<String> = variants
        .iter()
        .flat_map(|variant| variant["allOf"].as_array().into_iter().flatten())
        .flat_map(|part| part["properties"]["type"]["enum"].as_array().into_iter().flatten())
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(seen, known);
}

#[test]
fn what_is_no_message_is_refused_by_the_schema() {
    let frame = validator("Frame");
    let good = json_of(events().remove(0).1.into());
    for (field, value) in [("type", json!("nonsense")), ("seq", json!("3")), ("status", json!("exited"))] {
        let mut bad = good.clone();
        bad[field] = value;
        assert!(!frame.is_valid(&bad), "{bad}");
    }
    for field in ["type", "job_id", "seq", "at", "status", "event"] {
        let mut bad = good.clone();
        bad.as_object_mut().expect("an object").remove(field);
        assert!(!frame.is_valid(&bad), "{bad}");
    }
}

#[test]
fn requests_are_read_as_the_schema_says() {
    let schema = validator("Request");
    let id = job().to_string();
    let good = [
        (json!({"action": "ping"}), Request::Ping { id: Value::Null }),
        (json!({"action": "ping", "id": {"n": 1}}), Request::Ping { id: json!({"n": 1}) }),
        (
            json!({"action": "subscribe", "job_id": id, "after": 0, "id": 1}),
            Request::Subscribe { id: json!(1), subject: Subject::Job(job()), after: Some(0) },
        ),
        (
            json!({"action": "subscribe", "all": true}),
            Request::Subscribe { id: Value::Null, subject: Subject::All, after: None },
        ),
        (
            json!({"action": "unsubscribe", "job_id": id}),
            Request::Unsubscribe { id: Value::Null, subject: Subject::Job(job()) },
        ),
        (
            json!({"action": "subscribe", "run_id": run().to_string(), "after": 2}),
            Request::Subscribe { id: Value::Null, subject: Subject::Run(run()), after: Some(2) },
        ),
        (
            json!({"action": "unsubscribe", "run_id": run().to_string()}),
            Request::Unsubscribe { id: Value::Null, subject: Subject::Run(run()) },
        ),
        (json!({"action": "get_status"}), Request::GetStatus { id: Value::Null, of: None }),
        (
            json!({"action": "get_status", "run_id": run().to_string()}),
            Request::GetStatus { id: Value::Null, of: Some(StatusOf::Run(run())) },
        ),
        (
            json!({"action": "get_status", "job_id": id}),
            Request::GetStatus { id: Value::Null, of: Some(StatusOf::Job(job())) },
        ),
    ];
    for (json, request) in good {
        assert_valid(&schema, &json);
        assert_eq!(Request::parse(&json.to_string()), Ok(request));
    }
}

#[test]
fn a_bad_request_is_answered_with_its_id_and_the_field() {
    let schema = validator("Request");
    let id = job().to_string();
    let cases = [
        (json!({"id": 7}), ErrorCode::InvalidMessage, "action"),
        (json!({"id": 7, "action": 1}), ErrorCode::InvalidMessage, "action"),
        (json!({"id": 7, "action": "dance"}), ErrorCode::UnknownAction, "action"),
        (json!({"id": 7, "action": "subscribe"}), ErrorCode::InvalidMessage, "job_id"),
        (json!({"id": 7, "action": "subscribe", "all": false}), ErrorCode::InvalidMessage, "job_id"),
        (json!({"id": 7, "action": "subscribe", "job_id": "x"}), ErrorCode::InvalidMessage, "job_id"),
        (
            json!({"id": 7, "action": "subscribe", "job_id": id, "all": true}),
            ErrorCode::InvalidMessage,
            "all",
        ),
        (
            json!({"id": 7, "action": "subscribe", "all": true, "after": 1}),
            ErrorCode::InvalidMessage,
            "after",
        ),
        (
            json!({"id": 7, "action": "subscribe", "job_id": id, "run_id": run().to_string()}),
            ErrorCode::InvalidMessage,
            "run_id",
        ),
        (json!({"id": 7, "action": "subscribe", "run_id": id}), ErrorCode::InvalidMessage, "run_id"),
        (json!({"id": 7, "action": "subscribe", "job_id": id, "after": -1}), ErrorCode::InvalidMessage, "-1"),
        (json!({"id": 7, "action": "ping", "jobid": id}), ErrorCode::InvalidMessage, "jobid"),
    ];
    for (json, code, names) in cases {
        let error = Request::parse(&json.to_string()).expect_err("it is refused");
        assert_eq!((error.code, &error.id), (code, &json!(7)), "{json}");
        assert!(error.message.contains(names), "{}", error.message);
    }
    for json in [json!({"id": 7}), json!({"action": "dance"}), json!({"action": "ping", "jobid": "x"})] {
        assert!(!schema.is_valid(&json), "{json}");
    }
    for (text, code) in [
        ("", ErrorCode::InvalidJson),
        ("{", ErrorCode::InvalidJson),
        ("[]", ErrorCode::InvalidMessage),
        (&format!("{{\"action\":\"ping\",\"id\":\"{}\"}}", "x".repeat(5_000)), ErrorCode::TooLarge),
    ] {
        assert_eq!(Request::parse(text).expect_err("it is refused").code, code, "{text}");
    }
}

#[test]
fn an_output_too_long_for_a_message_is_left_out_and_named() {
    let mut exit = exit(0, ExitReason::Exited);
    exit.output = Some(json!("x".repeat(MESSAGE_BYTES)));
    let message =
        Message::from(event(Status::Succeeded, EventKind::Ended { exit: Some(exit), reason: None }));
    let text = message.encode().expect("it is JSON");
    assert!(text.len() <= MESSAGE_BYTES);
    let message: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(message["event"]["exit"]["output"], Value::Null);
    assert!(message["event"]["exit"]["output_error"].as_str().is_some_and(|text| text.contains("fetch")));
    assert_valid(&validator("Frame"), &message);

    let long = json_of(run_event(RunEventKind::Ended { reason: Some("x".repeat(MESSAGE_BYTES)) }));
    assert_eq!((&long["type"], &long["run_id"]), (&json!("gap"), &json!(run().to_string())));
    let reason = Some("x".repeat(MESSAGE_BYTES));
    let message = json_of(event(Status::Failed, EventKind::Ended { exit: None, reason }).into());
    assert_eq!((&message["type"], &message["from"], &message["to"]), (&json!("gap"), &json!(3), &json!(3)));
}

fn logs(messages: Vec<Message>) -> Vec<Log> {
    let log = |message| match message {
        Message::Log(log) => log,
        other => panic!("{other:?} is no log"),
    };
    messages.into_iter().map(log).collect()
}

#[test]
fn a_long_log_becomes_several_messages_that_make_up_the_whole() {
    let lines =
        (0..20_000).map(|line| format!("{line} \u{1b}[32m处理中\u{1b}[0m\n")).collect::<Vec<_>>().concat();
    for whole in [lines.as_str(), &lines.replace('\n', "")] {
        let pieces = logs(Message::log(job(), 2, AT, 100, 50, whole.as_bytes()));
        assert!(pieces.len() > 2, "{}", pieces.len());
        let mut next = 100;
        for (index, piece) in pieces.iter().enumerate() {
            assert_eq!(piece.offset, next);
            assert_eq!(piece.dropped, if index == 0 { 50 } else { 0 });
            assert!(Message::Log(piece.clone()).encode().expect("it is JSON").len() <= MESSAGE_BYTES);
            next = piece.next;
        }
        let together: String =
            pieces.iter().map(|piece| piece.text.as_deref().expect("no character is cut")).collect();
        assert_eq!(together, whole);
    }
}

#[test]
fn messages_are_packed_in_order_and_none_is_too_long() {
    let messages: Vec<String> =
        (0..50).map(|n| json!({"n": n, "text": "x".repeat(n * 700)}).to_string()).collect();
    let packed = pack(messages.iter().map(String::as_str));
    assert!(packed.len() > 1 && packed.len() < messages.len());
    let mut numbers = Vec::new();
    for text in &packed {
        assert!(text.len() <= MESSAGE_BYTES);
        let value: Value = serde_json::from_str(text).expect("a batch is JSON");
        match value["messages"].as_array() {
            Some(batch) => numbers.extend(batch.iter().map(|message| message["n"].clone())),
            None => numbers.push(value["n"].clone()),
        }
    }
    assert_eq!(numbers, (0..50).map(Value::from).collect::<Vec<_>>());
    assert_eq!(pack([r#"{"type":"pong"}"#]), [r#"{"type":"pong"}"#]);
    assert!(pack([]).is_empty());
}

//! The platform on a table of its own, and a stand-in for API Gateway's side of the connections.
#![allow(dead_code, reason = "each test file uses a part")]

#[path = "../../../../shared/dynamodb/tests/store/support/mod.rs"]
mod table;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
};

use app::ports::{
    Admission, AttemptWrite, Clock, Commit, Connection, ConnectionStore, JobStore, NewRun, RunCommit,
    RunStore,
};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, StatusCode},
    routing::post,
};
use domain::{
    AttemptId, JobId, Principal, Role, RunId, UserId, WorkflowId,
    job::{Attempt, Event, Job, Retry, RunnerState, Spec},
    placement::Offer,
    samples,
    workflow::{FailurePolicy, Head, NodeState, NodeStatus, Origin, Run, RunEventKind},
};
use jiff::{SignedDuration, Timestamp};
use lambda::{Config, Platform, RandomIds};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};
use uuid::Uuid;

pub(crate) use table::{TABLE, Table};

pub(crate) const START: Timestamp = Timestamp::UNIX_EPOCH;

/// A clock that stands until it is moved.
#[derive(Clone)]
pub(crate) struct Hands(Arc<Mutex<Timestamp>>);

impl Hands {
    pub(crate) fn forward(&self, seconds: i64) {
        *self.0.lock().expect("nobody panicked") += SignedDuration::from_secs(seconds);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("nobody panicked")
    }
}

/// What reached the connections.
#[derive(Clone, Default)]
pub(crate) struct Gateway(Arc<Mutex<Reached>>);

#[derive(Default)]
struct Reached {
    texts: BTreeMap<String, Vec<String>>,
    closed: HashSet<String>,
    gone: HashSet<String>,
    broken: HashSet<String>,
}

impl Gateway {
    /// From now on messages to this connection find it gone.
    pub(crate) fn lose(&self, id: &str) {
        self.0.lock().expect("nobody panicked").gone.insert(id.into());
    }

    /// From now on messages to this connection fail.
    pub(crate) fn break_down(&self, id: &str) {
        self.0.lock().expect("nobody panicked").broken.insert(id.into());
    }

    pub(crate) fn closed(&self, id: &str) -> bool {
        self.0.lock().expect("nobody panicked").closed.contains(id)
    }

    /// The texts that reached a connection since the last look.
    pub(crate) fn texts(&self, id: &str) -> Vec<String> {
        self.0.lock().expect("nobody panicked").texts.remove(id).unwrap_or_default()
    }

    /// The messages that reached a connection since the last look, each held against the schema.
    #[track_caller]
    pub(crate) fn messages(&self, id: &str) -> Vec<Value> {
        let schema =
            jsonschema::draft202012::new(&contract::messages::schema()).expect("the schema is a schema");
        let mut messages = Vec::new();
        for text in self.texts(id) {
            assert!(text.len() <= contract::messages::MESSAGE_BYTES, "{} bytes", text.len());
            let frame: Value = serde_json::from_str(&text).expect("a message is JSON");
            let errors: Vec<_> = schema.iter_errors(&frame).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{frame}: {errors:?}");
            match frame["messages"].as_array() {
                Some(several) if frame["type"] == "batch" => messages.extend(several.iter().cloned()),
                _ => messages.push(frame),
            }
        }
        messages
    }

    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let routes = Router::new()
            .route("/live/@connections/{id}", post(receive).delete(close))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}/live")
    }
}

type Answer = (StatusCode, [(HeaderName, &'static str); 1], &'static str);

fn answer(status: StatusCode, error: &'static str) -> Answer {
    (status, [(HeaderName::from_static("x-amzn-errortype"), error)], "{}")
}

async fn receive(State(gateway): State<Gateway>, Path(id): Path<String>, body: Bytes) -> Answer {
    let mut reached = gateway.0.lock().expect("nobody panicked");
    if reached.gone.contains(&id) {
        return answer(StatusCode::GONE, "GoneException");
    }
    if reached.broken.contains(&id) {
        return answer(StatusCode::FORBIDDEN, "ForbiddenException");
    }
    let text = String::from_utf8(body.to_vec()).expect("a message is text");
    reached.texts.entry(id).or_default().push(text);
    answer(StatusCode::OK, "")
}

async fn close(State(gateway): State<Gateway>, Path(id): Path<String>) -> Answer {
    gateway.0.lock().expect("nobody panicked").closed.insert(id);
    answer(StatusCode::NO_CONTENT, "")
}

type Gate = (mpsc::Sender<oneshot::Sender<()>>, String, reqwest::Client);

async fn pass(
    State((waiting, table, client)): State<Gate>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Bytes) {
    let (release, released) = oneshot::channel();
    waiting.send(release).await.expect("somebody is at the gate");
    released.await.expect("it opens");
    let answer = client.post(table).headers(headers).body(body).send().await.expect("the table answers");
    (answer.status(), answer.bytes().await.expect("the whole answer"))
}

pub(crate) struct World {
    pub(crate) table: Table,
    pub(crate) platform: Platform,
    pub(crate) gateway: Gateway,
    pub(crate) clock: Hands,
}

impl World {
    pub(crate) async fn new() -> Self {
        let table = Table::new().await;
        let gateway = Gateway::default();
        let endpoint = gateway.serve().await;
        let config = Config::read(|name| {
            Some(match name {
                "TABLE_NAME" => TABLE.to_owned(),
                "JOB_MACHINE_ARN" => {
                    "arn:aws:states:us-east-1:123456789012:stateMachine:gpu-test-job".to_owned()
                }
                "RUN_MACHINE_ARN" => {
                    "arn:aws:states:us-east-1:123456789012:stateMachine:gpu-test-run".to_owned()
                }
                "API_URL" => "http://127.0.0.1:8080".to_owned(),
                "WEBSOCKET_URL" => "ws://127.0.0.1:8080/ws".to_owned(),
                "WEBSOCKET_ENDPOINT" => endpoint.clone(),
                "PARAMETER_PREFIX" => "/gpu/test".to_owned(),
                _ => return None,
            })
        })
        .expect("the configuration is complete");
        let clock = Hands(Arc::new(Mutex::new(START)));
        let environment = aws::Environment::at(&table.url);
        let platform = Platform::new(config, environment, Arc::new(clock.clone()), Arc::new(RandomIds));
        Self { table, platform, gateway, clock }
    }

    /// The same platform, whose calls to the table all wait at a gate. Each says that it is there, and passes when it is let.
    pub(crate) async fn gated(&self) -> (Platform, mpsc::Receiver<oneshot::Sender<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let (waiting, gate) = mpsc::channel(1);
        let state = (waiting, self.table.url.clone(), reqwest::Client::new());
        let routes = Router::new().route("/", post(pass)).with_state(state);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let environment = aws::Environment::at(format!("http://{address}"));
        let config = self.platform.config().clone();
        (Platform::new(config, environment, Arc::new(self.clock.clone()), Arc::new(RandomIds)), gate)
    }

    /// An open connection of `principal`.
    pub(crate) async fn connect(&self, id: &str, principal: Principal) {
        let connection = Connection { id: id.into(), principal, connected_at: self.clock.now() };
        self.table.store.connect(&connection).await.expect("the connection is written");
    }

    /// A job of `owner` with one event.
    pub(crate) async fn submit(&self, owner: UserId, id: u128) -> Job {
        let (mut job, event) =
            Job::submit(JobId::new(Uuid::from_u128(id)), owner, spec(), true, None, self.clock.now());
        let change = Commit {
            job: &job,
            from: None,
            events: &[event],
            attempt: None,
            admission: Admission::Enter(domain::account::Quota { jobs: 1_000, gpus: 1_000 }),
            paid: None,
            idempotency: None,
        };
        self.table.store.commit(change).await.expect("the job is written");
        job.version += 1;
        job
    }

    /// A change of the job with its events.
    pub(crate) async fn commit(&self, job: &mut Job, change: impl FnOnce(&mut Job, Timestamp) -> Vec<Event>) {
        let from = job.status;
        let events = change(job, self.clock.now());
        self.table.store.commit(Commit::of(job, from, &events)).await.expect("the change is written");
        job.version += 1;
    }

    /// One more event of the job.
    pub(crate) async fn wait_for_capacity(&self, job: &mut Job) {
        self.commit(job, |job, at| vec![job.wait_for_capacity("none", 30, at).expect("it is queued")]).await;
    }

    /// A run of `owner` with one event.
    pub(crate) async fn start_run(&self, owner: UserId, id: u128) -> Head {
        let now = self.clock.now();
        let run = Run {
            id: RunId::new(Uuid::from_u128(id)),
            owner,
            workflow_id: WorkflowId::new(Uuid::from_u128(id)),
            workflow_version: 1,
            name: "train-and-tell".into(),
            origin: Origin::Manual,
            nodes: 2,
            failure_policy: FailurePolicy::FailFast,
            priority: domain::job::Priority::Normal,
            started_at: now,
            deadline: now + SignedDuration::from_hours(1),
            ended: None,
        };
        let mut head = Head::new(&run, []);
        let events = [head.event(RunEventKind::Started { origin: Origin::Manual }, now)];
        let params = serde_json::Map::new();
        let new = NewRun { run: &run, head: &head, params: &params, events: &events, idempotency: None };
        self.table.store.start_run(new).await.expect("the run is written");
        head.version += 1;
        head
    }

    /// One more event of the run: a node that runs.
    pub(crate) async fn run_event(&self, head: &mut Head, node: &str) {
        let now = self.clock.now();
        let mut state = NodeState::waiting(head.run_id, u32::try_from(head.seq).expect("few"), None, node);
        state.become_status(NodeStatus::Running, now).expect("it waits");
        let events = [head.event(RunEventKind::of(&state), now)];
        let change = RunCommit { head, nodes: &[state], events: &events, map: None, calls: &[], run: None };
        self.table.store.commit_run(change).await.expect("the change is written");
        head.version += 1;
    }

    /// The job's first attempt.
    pub(crate) async fn provision(&self, job: &mut Job) -> Attempt {
        let now = self.clock.now();
        let id = AttemptId::new(Uuid::from_u128(job.id.uuid().as_u128() + 1_000));
        let attempt = Attempt::intend(id, job.id, job.owner, job.attempt + 1, offer(), now);
        let from = job.status;
        let events = [job.provision(&attempt, now).expect("it is queued")];
        let runner = RunnerState::silent(&attempt);
        let change = Commit {
            attempt: Some(AttemptWrite::Intend(&attempt, &runner)),
            ..Commit::of(job, from, &events)
        };
        self.table.store.commit(change).await.expect("the attempt is written");
        job.version += 1;
        attempt
    }
}

pub(crate) fn user(n: u128) -> Principal {
    Principal { user: UserId::new(Uuid::from_u128(n)), role: Role::User }
}

pub(crate) fn admin(n: u128) -> Principal {
    Principal { role: Role::Admin, ..user(n) }
}

/// The values of one field, in order.
pub(crate) fn field(messages: &[Value], name: &str) -> Vec<Value> {
    messages.iter().map(|message| message[name].clone()).collect()
}

fn spec() -> Spec {
    Spec {
        name: "train".into(),
        command: vec!["python".into(), "train.py".into()],
        timeout_seconds: 3_600,
        queue_timeout_seconds: 600,
        retry: Retry { max_attempts: 1, on: Vec::new(), exit_codes: Vec::new(), backoff_seconds: 0 },
        ..samples::spec()
    }
}

fn offer() -> Offer {
    Offer { seen_at: START, ..samples::offer() }
}

/// An event of the WebSocket API.
pub(crate) fn socket(kind: &str, id: &str, rest: Value) -> Value {
    let mut event = json!({
        "requestContext": {"routeKey": "$default", "eventType": kind, "connectionId": id, "stage": "live"},
        "isBase64Encoded": false,
    });
    for (name, value) in rest.as_object().into_iter().flatten() {
        event[name] = value.clone();
    }
    event
}

//! Workflows, a run of one, schedules and notifications: what is made of rows is made by the code that makes the answers.

use domain::{
    Currency, JobId, Money, RunId, ScheduleId, UserId, WorkflowId,
    job::Priority,
    workflow::{
        Counts, EndedRun, FailurePolicy, Format, Head, NodeState, NodeStatus, Origin, RunEventKind,
        RunStatus, Workflow as Definition, compare,
    },
};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{at, value};
use crate::{
    notifications, runs,
    workflows::{Graph, NodeKind, Validated},
};

const ID: u128 = 0x018f_5e6c_8a7b_7c3d_9e0f_1a2b_3c4d_5e6f;

const YAML: &str = "name: train-and-tell
params:
  epochs: {type: integer, minimum: 1, default: 3}
nodes:
  train:
    job:
      image: docker.io/library/python:3.12-slim
      command: [python, train.py, --epochs, \"${{ params.epochs }}\"]
  tell:
    depends_on: [train]
    webhook: {url: https://example.com/hook, body: {loss: \"${{ nodes.train.output.loss }}\"}}
";

/// Examples by the names of their schemas.
pub(super) fn all() -> Vec<(&'static str, Value)> {
    [definitions(), works(), told()].concat()
}

/// What people write, and what is said of it.
fn definitions() -> Vec<(&'static str, Value)> {
    let Ok(definition) = Definition::read(YAML, Format::Yaml) else { return Vec::new() };
    let graph = definition.plan().map(|plan| Graph::of(&plan)).ok();
    let json = value(&definition);
    let (id, user) = (WorkflowId::new(Uuid::from_u128(ID)), UserId::new(Uuid::from_u128(ID - 2)));
    let workflow = json!({
        "id": id,
        "owner": user,
        "name": "train-and-tell",
        "description": null,
        "version": 2,
        "paused": false,
        "template": null,
        "runs": { "running": 1, "succeeded": 8, "failed": 2, "cancelled": 1, "timed_out": 0, "success_rate": 0.8 },
        "latest_run": { "id": run_id(), "status": "running", "started_at": at(0) },
        "next_due": at(3_600),
        "created_at": at(-86_400),
        "updated_at": at(-3_600),
        "links": value(&crate::workflows::WorkflowLinks::of(id, 2)),
    });
    let version = json!({ "workflow_id": id, "version": 2, "at": at(-3_600), "by": user, "nodes": 2, "note": "tells the loss" });
    let mut detail = version.clone();
    detail["definition"] = json.clone();
    detail["yaml"] = json!(YAML);
    let template = json!({
        "id": id,
        "name": "train-and-tell",
        "description": null,
        "sharing": "public",
        "mine": false,
        "version": 2,
        "updated_at": at(-3_600),
    });
    let edges = graph.as_ref().map(Graph::edge_count);
    vec![
        ("NewWorkflow", json!({ "yaml": YAML, "note": "first" })),
        ("NewVersion", json!({ "definition": json, "base_version": 1, "note": "tells the loss" })),
        ("ValidateWorkflow", json!({ "yaml": YAML })),
        ("EditWorkflow", json!({ "template": "public" })),
        ("Instantiate", json!({ "name": "my-training", "params": { "epochs": 10 } })),
        (
            "Validated",
            value(&Validated {
                valid: true,
                errors: Vec::new(),
                nodes: Some(2),
                edges,
                graph: graph.clone(),
            }),
        ),
        ("Graph", graph.as_ref().map(value).unwrap_or_default()),
        ("WorkflowPage", json!({ "items": [workflow], "next": null })),
        ("Workflow", workflow),
        ("WorkflowVersionPage", json!({ "items": [version], "next": null })),
        ("WorkflowVersionDetail", detail),
        ("TemplatePage", json!({ "items": [template], "next": null })),
    ]
}

fn run_id() -> RunId {
    RunId::new(Uuid::from_u128(ID + 4))
}

/// A run of two nodes whose second one failed.
struct Life {
    run: domain::workflow::Run,
    head: Head,
    nodes: Vec<NodeState>,
    events: Vec<domain::workflow::RunEvent>,
}

impl Life {
    fn new() -> Option<Self> {
        let mut run = domain::workflow::Run {
            id: run_id(),
            owner: UserId::new(Uuid::from_u128(ID - 2)),
            workflow_id: WorkflowId::new(Uuid::from_u128(ID)),
            workflow_version: 2,
            name: "train-and-tell".into(),
            origin: Origin::Schedule { schedule_id: ScheduleId::new(Uuid::from_u128(ID + 9)), slot: at(0) },
            nodes: 2,
            failure_policy: FailurePolicy::FailFast,
            priority: Priority::Normal,
            started_at: at(1),
            deadline: at(604_801),
            ended: None,
        };
        let mut head = Head::new(&run, []);
        let mut events = vec![head.event(RunEventKind::Started { origin: run.origin.clone() }, at(1))];
        let mut train = NodeState::waiting(run.id, 1, None, "train");
        let mut tell = NodeState::waiting(run.id, 0, None, "tell");
        train.become_status(NodeStatus::Running, at(1)).ok()?;
        (train.attempt, train.job_id) = (1, Some(JobId::new(Uuid::from_u128(ID + 5))));
        events.push(head.event(RunEventKind::of(&train), at(1)));
        train.become_status(NodeStatus::Succeeded, at(61)).ok()?;
        train.output = Some(json!({ "loss": 0.12 }));
        train.cost = vec![Money::new(9_777, Currency::Usd)];
        events.push(head.event(RunEventKind::of(&train), at(61)));
        tell.become_status(NodeStatus::Running, at(61)).ok()?;
        tell.attempt = 1;
        tell.become_status(NodeStatus::Failed, at(63)).ok()?;
        tell.reason = Some("the server answered 503".into());
        head.counts = Counts { succeeded: 1, failed: 1, ..Counts::default() };
        head.charge(&train.cost);
        head.status = RunStatus::Failed;
        head.failing = Some("tell".into());
        let reason = Some("tell failed: the server answered 503".to_owned());
        events.push(head.event(RunEventKind::of(&tell), at(63)));
        events.push(head.event(RunEventKind::Ended { reason: reason.clone() }, at(63)));
        run.ended = Some(EndedRun { status: RunStatus::Failed, at: at(63), reason });
        Some(Self { run, head, nodes: vec![tell, train], events })
    }

    fn shown(&self) -> runs::Run {
        runs::Run::new(self.run.clone(), self.head.clone(), at(120))
    }

    fn node(&self, number: usize) -> runs::Node {
        let state = self.nodes[number].clone();
        let kind = if number == 0 { NodeKind::Webhook } else { NodeKind::Job };
        let output = state.output.clone();
        runs::Node::new(state, kind, output, runs::Node::LISTED_OUTPUT, at(120))
    }
}

fn works() -> Vec<(&'static str, Value)> {
    let Some(life) = Life::new() else { return Vec::new() };
    let params: Map<String, Value> = [("epochs".to_owned(), json!(3))].into_iter().collect();
    let path = vec![
        ("train".to_owned(), SignedDuration::from_secs(60)),
        ("tell".to_owned(), SignedDuration::from_secs(2)),
    ];
    let facts = runs::RunFacts { params, critical_path: Some(path) };
    let difference = |left: Value, right: Value| json!({ "left": left, "right": right });
    let nodes = compare::NodeDifference {
        node: "tell".into(),
        status: Some(compare::Difference {
            left: Some(NodeStatus::Failed),
            right: Some(NodeStatus::Succeeded),
        }),
        attempts: None,
        took_ms: Some(compare::Difference { left: Some(2_000), right: Some(400) }),
        cost: None,
        output: [("status".to_owned(), compare::Difference { left: None, right: Some(json!(200)) })].into(),
    };
    let mut other = runs::RunSide::from(life.shown());
    other.status = runs::RunStatus::Succeeded;
    let comparison = json!({
        "left": runs::RunSide::from(life.shown()),
        "right": other,
        "params": { "epochs": difference(json!(3), json!(10)) },
        "definition": {},
        "nodes": [runs::NodeDifference::from(nodes)],
        "more_nodes": 0,
        "same_nodes": 1,
    });
    let tries = vec![runs::WebhookTry {
        at: at(61),
        millis: 1_912,
        status: Some(503),
        error: Some("the server answered 503".into()),
        answer: "busy".into(),
    }];
    let mut item = life.node(1);
    (item.item, item.node) = (Some(0), "sweep".into());
    vec![
        ("StartRun", json!({ "params": { "epochs": 10 }, "name": "a longer one" })),
        ("ChangeRun", json!({ "params": { "epochs": 10 } })),
        ("Run", value(&life.shown())),
        ("RunPage", value(&runs::RunPage { items: vec![life.shown()], next: None })),
        ("RunDetail", value(&runs::RunDetail::new(life.shown(), facts))),
        ("RunNodePage", value(&runs::NodePage { items: vec![life.node(0), life.node(1)], next: None })),
        (
            "RunNodeDetail",
            value(&runs::NodeDetail {
                node: life.node(0),
                depends_on: vec!["train".into()],
                map: None,
                tries,
            }),
        ),
        (
            "RunItemPage",
            value(&runs::ItemPage {
                items: vec![runs::Item { node: item, value: json!(0.1) }],
                total: Some(3),
                next: None,
            }),
        ),
        (
            "RunEventPage",
            value(&runs::RunEventPage {
                items: life.events.iter().take(2).cloned().map(Into::into).collect(),
                next: 2,
                more: true,
            }),
        ),
        ("RunComparison", comparison),
    ]
}

/// Schedules and notifications. Every secret is made up.
fn told() -> Vec<(&'static str, Value)> {
    let schedule = json!({
        "id": ScheduleId::new(Uuid::from_u128(ID + 9)),
        "workflow_id": WorkflowId::new(Uuid::from_u128(ID)),
        "cron": "0 3 * * MON-FRI",
        "time_zone": "Asia/Shanghai",
        "catch_up": "last",
        "overlap": "skip",
        "params": { "epochs": 10 },
        "active": true,
        "next_due": at(3_600),
        "upcoming": [at(3_600), at(90_000)],
        "queued": [],
        "last_run": run_id(),
        "last_problem": null,
        "created_at": at(-86_400),
        "updated_at": at(-86_400),
        "link": format!("/v1/workflows/{}/schedules/{}", WorkflowId::new(Uuid::from_u128(ID)), ScheduleId::new(Uuid::from_u128(ID + 9))),
    });
    let endpoint = notifications::Endpoint {
        id: "whk_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f".into(),
        url: "https://hooks.example.com/gpu".into(),
        description: "the team's channel".into(),
        events: vec!["run.ended".into()],
        statuses: vec!["failed".into(), "timed_out".into()],
        enabled: true,
        disabled_reason: None,
        created_at: at(0),
    };
    let delivery = notifications::Delivery {
        id: "msg_018f5e6c8a7b7c3d9e0f1a2b3c4d5e70".into(),
        endpoint_id: endpoint.id.clone(),
        event: "run.ended".into(),
        state: notifications::DeliveryState::Delivered,
        next_try_at: None,
        created_at: at(63),
        tries: vec![runs::WebhookTry {
            at: at(63),
            millis: 87,
            status: Some(204),
            error: None,
            answer: String::new(),
        }],
        body: Some(r#"{"type":"run.ended"}"#.into()),
        repeats: None,
    };
    let with_secret = notifications::EndpointSecret {
        endpoint: endpoint.clone(),
        secret: "whsec_ZmFrZS1zZWNyZXQtZmFrZS1zZWNyZXQtMDAwMDAwMDA=".into(),
    };
    vec![
        (
            "NewSchedule",
            json!({ "cron": "0 3 * * MON-FRI", "time_zone": "Asia/Shanghai", "catch_up": "last", "params": { "epochs": 10 } }),
        ),
        ("EditSchedule", json!({ "active": false })),
        ("Schedules", json!({ "items": [schedule] })),
        ("Schedule", schedule),
        (
            "NewEndpoint",
            json!({ "url": "https://hooks.example.com/gpu", "events": ["run.ended"], "statuses": ["failed", "timed_out"] }),
        ),
        ("EditEndpoint", json!({ "enabled": true })),
        ("NotificationEndpoint", value(&endpoint)),
        ("NotificationEndpoints", value(&notifications::Endpoints { items: vec![endpoint] })),
        ("NotificationEndpointSecret", value(&with_secret)),
        (
            "NotificationDeliveryPage",
            value(&notifications::DeliveryPage { items: vec![delivery.clone()], next: None }),
        ),
        ("NotificationDelivery", value(&delivery)),
    ]
}

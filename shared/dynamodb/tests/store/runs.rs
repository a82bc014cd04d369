//! What any store of runs must do.

mod gates;
mod values;

use app::ports::{
    Call, CallFor, CallStore, Idempotency, JobStore, MapEnds, NewRun, RunCommit, RunCounts, RunFilter,
    RunStore, ScheduleStore, StoreError,
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    RunId, ScheduleId, UserId, WorkflowId,
    job::{NodeRef, Priority},
    workflow::{
        EndedRun, FailurePolicy, Head, MapProgress, NodeState, NodeStatus, Origin, Run, RunEvent,
        RunEventKind, RunStatus,
    },
};
use dynamodb::Store;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::support::{self, Table, noise, rows};

/// 2026-11-24, on the millisecond.
const AT: Timestamp = Timestamp::constant(1_795_478_400, 0);

fn owner() -> UserId {
    UserId::new(Uuid::from_u128(1))
}

fn workflow() -> WorkflowId {
    WorkflowId::new(Uuid::from_u128(2))
}

fn run_id(n: u128) -> RunId {
    RunId::new(Uuid::from_u128(n))
}

fn run(n: u128) -> Run {
    Run {
        id: run_id(n),
        owner: owner(),
        workflow_id: workflow(),
        workflow_version: 1,
        name: "a".into(),
        origin: Origin::Manual,
        nodes: 40,
        failure_policy: FailurePolicy::FailFast,
        priority: Priority::Normal,
        started_at: AT,
        // The later it was started, the earlier it has to be over.
        deadline: AT + SignedDuration::from_hours(1_000 - i64::try_from(n).expect("small")),
        ended: None,
    }
}

fn params() -> Map<String, Value> {
    Map::from_iter([("lr".to_owned(), json!(0.1))])
}

/// Starts a run; the head is as the store has it then.
async fn start(store: &Store, run: &Run) -> Result<Head, StoreError> {
    start_with(store, run, None).await
}

async fn start_with(store: &Store, run: &Run, idempotency: Option<Idempotency>) -> Result<Head, StoreError> {
    let mut head = Head::new(run, []);
    let events = [head.event(RunEventKind::Started { origin: run.origin.clone() }, AT)];
    let new = NewRun { run, head: &head, params: &params(), events: &events, idempotency };
    store.start_run(new).await?;
    head.version += 1;
    Ok(head)
}

fn change(head: &Head) -> RunCommit<'_> {
    RunCommit { head, nodes: &[], events: &[], map: None, calls: &[], run: None }
}

/// A node, or an item, as it will be.
fn node(run: RunId, step: u32, item: Option<u32>, status: NodeStatus) -> NodeState {
    NodeState { status, ..NodeState::waiting(run, step, item, "train") }
}

fn call(n: u32, run: RunId) -> Call {
    let node = NodeRef { run, step: n, item: None, attempt: 1, not_before: None };
    support::call(n, CallFor::Node { node })
}

#[tokio::test]
async fn a_run_begins_whole_or_not_at_all() {
    let table = Table::new().await;
    let store = &table.store;
    let run = run(1);
    assert!(store.run(run.id).await.expect("read").is_none());
    let head = start(store, &run).await.expect("started");
    assert_eq!(store.run(run.id).await.expect("read"), Some(run.clone()));
    assert_eq!(store.head(run.id).await.expect("read"), Some(head));
    assert_eq!(store.params(run.id).await.expect("read"), Some(params()));
    assert_eq!(store.run_events(run.id, 0, 10).await.expect("read").len(), 1);
    assert!(matches!(start(store, &run).await, Err(StoreError::Conflict)));
    let counts = store.run_counts(workflow()).await.expect("read");
    assert_eq!(counts, RunCounts { running: 1, ..RunCounts::default() });
    assert_eq!(counts.success_rate(), None);
    let events = rows(&table, format!("RUN#{}", run.id), "RUNEVENT#").await;
    assert_eq!(events[0].get("push"), Some(&AttributeValue::Bool(true)), "the stream hands it on");
    assert_eq!(events[0].get("owner"), Some(&AttributeValue::S(owner().to_string())));
}

#[tokio::test]
async fn a_request_starts_one_run() {
    let table = Table::new().await;
    let store = &table.store;
    let remembered = || Idempotency {
        key: "k".into(),
        digest: "d".into(),
        status: 201,
        body: json!({ "id": 1 }),
        expires_at: AT,
    };
    start_with(store, &run(1), Some(remembered())).await.expect("started");
    let again = start_with(store, &run(2), Some(remembered())).await;
    assert!(matches!(again, Err(StoreError::Conflict)));
    assert!(store.run(run_id(2)).await.expect("read").is_none());
    let replay = store.replay(owner(), "k").await.expect("read").expect("it is remembered");
    assert_eq!((replay.digest.as_str(), replay.status, replay.body), ("d", 201, json!({ "id": 1 })));
}

#[tokio::test]
async fn a_slot_starts_one_run() {
    let table = Table::new().await;
    let store = &table.store;
    let schedule_id = ScheduleId::new(Uuid::from_u128(3));
    let fired = |n, slot| Run { origin: Origin::Schedule { schedule_id, slot }, ..run(n) };
    let starts = join_all((1..=6).map(|n| async move { start(store, &fired(n, AT)).await })).await;
    assert_eq!(starts.iter().filter(|started| started.is_ok()).count(), 1, "{starts:?}");
    let lost = |started: &&Result<Head, StoreError>| matches!(started, Err(StoreError::Conflict));
    assert_eq!(starts.iter().filter(lost).count(), 5, "{starts:?}");
    let won = starts.iter().flatten().next().expect("one started").run_id;
    assert_eq!(store.slot_run(workflow(), schedule_id, AT).await.expect("read"), Some(won));
    let later = AT + SignedDuration::from_mins(1);
    assert_eq!(store.slot_run(workflow(), schedule_id, later).await.expect("read"), None);
    start(store, &fired(7, later)).await.expect("another slot");
    assert_eq!(store.run_counts(workflow()).await.expect("read").running, 2);
}

#[tokio::test]
async fn a_change_commits_whole_or_not_at_all() {
    let table = Table::new().await;
    let store = &table.store;
    let run = run(1);
    let mut head = start(store, &run).await.expect("started");
    let stale = head.clone();
    let mut first = node(run.id, 0, None, NodeStatus::Running);
    head.counts.moved(NodeStatus::Waiting, NodeStatus::Running);
    let events = [head.event(RunEventKind::of(&first), AT)];
    let commit = RunCommit { nodes: std::slice::from_ref(&first), events: &events, ..change(&head) };
    store.commit_run(commit).await.expect("committed");
    head.version += 1;
    first.version += 1;
    assert_eq!(store.head(run.id).await.expect("read"), Some(head.clone()));
    assert_eq!(store.nodes(run.id, &[(0, None), (1, None)]).await.expect("read"), [first.clone()]);

    // Somebody who read the head before that, with everything that one change can have.
    let mut lost = stale.clone();
    let second = [node(run.id, 1, None, NodeStatus::Running)];
    let events = [lost.event(RunEventKind::of(&second[0]), AT)];
    let commit = RunCommit {
        nodes: &second,
        events: &events,
        map: Some(MapEnds { step: 5, succeeded: 1, failed: 0, cancelled: 0 }),
        calls: &[call(1, run.id)],
        ..change(&lost)
    };
    assert!(matches!(store.commit_run(commit).await, Err(StoreError::Conflict)));
    assert!(store.nodes(run.id, &[(1, None)]).await.expect("read").is_empty());
    assert_eq!(store.map_progress(run.id, 5).await.expect("read"), MapProgress::default());
    assert!(store.call(call(1, run.id).id).await.expect("read").is_none());
    assert_eq!(store.run_events(run.id, 0, 10).await.expect("read").len(), 2);

    // The head is right and a node is not: one that exists is no new one, and one with another version is not that one.
    for version in [0, 7] {
        let mut again = head.clone();
        let wrong = [NodeState { version, ..first.clone() }];
        let events = [again.event(RunEventKind::of(&wrong[0]), AT)];
        let commit = RunCommit { nodes: &wrong, events: &events, ..change(&again) };
        assert!(matches!(store.commit_run(commit).await, Err(StoreError::Conflict)), "{version}");
    }
    assert_eq!(store.head(run.id).await.expect("read"), Some(head));
}

#[tokio::test]
async fn of_changes_at_once_one_commits() {
    let table = Table::new().await;
    let store = &table.store;
    let run = run(1);
    let head = start(store, &run).await.expect("started");
    let changes =
        join_all(
            (0..6).map(|step| {
                let mut head = head.clone();
                let nodes = [node(run.id, step, None, NodeStatus::Running)];
                let events = [head.event(RunEventKind::of(&nodes[0]), AT)];
                async move {
                    store.commit_run(RunCommit { nodes: &nodes, events: &events, ..change(&head) }).await
                }
            }),
        )
        .await;
    assert_eq!(changes.iter().filter(|change| change.is_ok()).count(), 1, "{changes:?}");
    assert!(changes.iter().all(|change| matches!(change, Ok(()) | Err(StoreError::Conflict))), "{changes:?}");
    assert_eq!(store.running_nodes(run.id).await.expect("read").len(), 1);
}

#[tokio::test]
async fn the_largest_change_fits_in_one_transaction() {
    let table = Table::new().await;
    let store = &table.store;
    let mut run = run(1);
    let mut head = start(store, &run).await.expect("started");
    let most = u32::try_from(RunCommit::NODES).expect("small");
    let nodes: Vec<NodeState> =
        (0..most).map(|item| node(run.id, 3, Some(item), NodeStatus::Succeeded)).collect();
    let mut events: Vec<RunEvent> = nodes.iter().map(|node| head.event(RunEventKind::of(node), AT)).collect();
    events.push(head.event(RunEventKind::Ended { reason: None }, AT));
    let calls: Vec<Call> = (0..most).map(|n| call(n, run.id)).collect();
    run.ended = Some(EndedRun { status: RunStatus::Succeeded, at: AT, reason: None });
    let map = Some(MapEnds { step: 3, succeeded: most, failed: 0, cancelled: 0 });
    let commit =
        RunCommit { head: &head, nodes: &nodes, events: &events, map, calls: &calls, run: Some(&run) };
    store.commit_run(commit).await.expect("it is below the limit of a transaction");
    assert_eq!(store.calls_of_run(run.id, 100).await.expect("read").len(), calls.len());
    assert_eq!(store.run_events(run.id, 0, 100).await.expect("read").len(), events.len() + 1);
    assert_eq!(store.map_progress(run.id, 3).await.expect("read").ended(), most);
}

#[tokio::test]
async fn a_run_that_ended_is_counted_and_no_longer_live() {
    let table = Table::new().await;
    let store = &table.store;
    for (n, status) in [
        (3, RunStatus::Succeeded),
        (1, RunStatus::Succeeded),
        (4, RunStatus::Failed),
        (2, RunStatus::Cancelled),
    ] {
        let mut run = run(n);
        let mut head = start(store, &run).await.expect("started");
        store.keep_token(run.id, "token").await.expect("kept");
        if n == 2 {
            let live = store.live_runs(None).await.expect("read").items;
            assert_eq!(live.iter().map(|run| run.id).collect::<Vec<_>>(), [run.id]);
        }
        run.ended = Some(EndedRun { status, at: AT, reason: Some("why".into()) });
        head.status = status;
        let events = [head.event(RunEventKind::Ended { reason: None }, AT)];
        let commit = RunCommit { events: &events, run: Some(&run), ..change(&head) };
        store.commit_run(commit).await.expect("committed");
        assert_eq!(store.run(run.id).await.expect("read"), Some(run.clone()));
        assert_eq!(store.token(run.id).await.expect("read").as_deref(), Some("token"));
    }
    let counts = store.run_counts(workflow()).await.expect("read");
    assert_eq!(counts, RunCounts { succeeded: 2, failed: 1, cancelled: 1, ..RunCounts::default() });
    assert_eq!(counts.success_rate(), Some(2.0 / 3.0));
    assert!(store.live_runs(None).await.expect("read").items.is_empty());
}

#[tokio::test]
async fn live_runs_are_in_the_order_of_their_deadlines() {
    let table = Table::new().await;
    let store = &table.store;
    let shuffled = (0..105_u128).map(|n| (n * 37) % 105 + 1);
    for n in shuffled {
        start(store, &run(n)).await.expect("started");
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.live_runs(cursor.as_deref()).await.expect("read");
        seen.extend(page.items.into_iter().map(|run| run.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=105).rev().map(run_id).collect::<Vec<_>>());
    for wrong in ["", "!", "bm90IG91cnM"] {
        assert!(matches!(store.live_runs(Some(wrong)).await, Err(StoreError::Cursor)), "{wrong}");
    }
}

#[tokio::test]
async fn runs_are_listed_by_owner_and_by_workflow() {
    let table = Table::new().await;
    let store = &table.store;
    let other = WorkflowId::new(Uuid::from_u128(9));
    for n in 1..=25 {
        let mut run = Run { workflow_id: if n % 5 == 0 { other } else { workflow() }, ..run(n) };
        let mut head = start(store, &run).await.expect("started");
        if n % 4 == 0 {
            run.ended = Some(EndedRun { status: RunStatus::Failed, at: AT, reason: None });
            let events = [head.event(RunEventKind::Ended { reason: None }, AT)];
            let commit = RunCommit { events: &events, run: Some(&run), ..change(&head) };
            store.commit_run(commit).await.expect("committed");
        }
    }
    let all = async |filter: &RunFilter, limit: usize| {
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let page = store.list_runs(owner(), filter, limit, cursor.as_deref()).await.expect("read");
            assert!(page.items.len() <= limit);
            seen.extend(page.items.into_iter().map(|run| run.id));
            cursor = page.next;
            if cursor.is_none() {
                break seen;
            }
        }
    };
    let these = |keep: &dyn Fn(u128) -> bool| -> Vec<RunId> {
        (1..=25).rev().filter(|n| keep(*n)).map(run_id).collect()
    };
    let any = RunFilter::default();
    let of = |workflow, statuses: &[RunStatus]| RunFilter { workflow, statuses: statuses.to_vec() };
    for limit in [1, 5, 7, 25, 100] {
        assert_eq!(all(&any, limit).await, these(&|_| true), "{limit}");
        assert_eq!(all(&of(None, &[RunStatus::Failed]), limit).await, these(&|n| n % 4 == 0));
        assert_eq!(all(&of(Some(workflow()), &[]), limit).await, these(&|n| n % 5 != 0));
        assert_eq!(all(&of(Some(other), &[]), limit).await, these(&|n| n % 5 == 0));
        let failed = of(Some(workflow()), &[RunStatus::Failed]);
        assert_eq!(all(&failed, limit).await, these(&|n| n % 5 != 0 && n % 4 == 0));
    }
    let both = of(Some(workflow()), &[RunStatus::Failed, RunStatus::Running]);
    assert_eq!(all(&both, 100).await, these(&|n| n % 5 != 0));
    let stranger = UserId::new(Uuid::from_u128(2));
    for filter in [&any, &of(Some(workflow()), &[])] {
        assert!(store.list_runs(stranger, filter, 10, None).await.expect("read").items.is_empty());
        for wrong in ["", "!", "bm90IG91cnM"] {
            let listed = store.list_runs(owner(), filter, 5, Some(wrong)).await;
            assert!(matches!(listed, Err(StoreError::Cursor)), "{wrong}");
        }
    }
    let heads = store.heads(&[run_id(1), run_id(2), run_id(99), run_id(1)]).await.expect("read");
    assert_eq!(heads.len(), 2, "each that there is, once");
}

#[tokio::test]
async fn nodes_and_items_are_listed_apart() {
    let table = Table::new().await;
    let store = &table.store;
    let run = run(1);
    start(store, &run).await.expect("started");
    let status = |n: u32| if n.is_multiple_of(3) { NodeStatus::Running } else { NodeStatus::Succeeded };
    let mut kept: Vec<NodeState> = (0..230).map(|step| node(run.id, step, None, status(step))).collect();
    kept.extend((0..120).map(|item| node(run.id, 7, Some(item), status(item))));
    let large = json!(noise(500_000, 1));
    kept[235].output_parts = store.keep_output(run.id, (7, Some(5)), &large).await.expect("kept");
    for _ in 0..2 {
        store.keep_nodes(&kept).await.expect("kept, and again");
    }
    let numbers = async |step: Option<u32>, limit: usize| {
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let page = match step {
                None => store.node_page(run.id, limit, cursor.as_deref()).await.expect("read"),
                Some(step) => store.item_page(run.id, step, limit, cursor.as_deref()).await.expect("read"),
            };
            assert!(page.items.iter().all(|node| node.item.is_some() == step.is_some() && node.version == 1));
            seen.extend(page.items.into_iter().map(|node| node.item.unwrap_or(node.step)));
            cursor = page.next;
            if cursor.is_none() {
                break seen;
            }
        }
    };
    for limit in [23, 100, 1_000] {
        assert_eq!(numbers(None, limit).await, (0..230).collect::<Vec<_>>());
        assert_eq!(numbers(Some(7), limit).await, (0..120).collect::<Vec<_>>());
        assert!(numbers(Some(8), limit).await.is_empty());
    }
    let items = store.item_page(run.id, 7, 10, None).await.expect("read").items;
    assert_eq!(items[5].output, Some(large), "with the outputs that stand in parts");
    assert_eq!(store.running_nodes(run.id).await.expect("read").len(), 77 + 40);
    // Over the hundred that one call reads, and some of them not there.
    let keys: Vec<_> = (0..300).map(|step| (step, None)).chain([(7, Some(3)), (7, Some(500))]).collect();
    assert_eq!(store.nodes(run.id, &keys).await.expect("read").len(), 231);
    let foreign = store.node_page(run.id, 1, None).await.expect("read").next;
    assert!(matches!(store.item_page(run.id, 7, 1, foreign.as_deref()).await, Err(StoreError::Cursor)));
    assert!(matches!(store.node_page(run.id, 1, Some("!")).await, Err(StoreError::Cursor)));
}

#[tokio::test]
async fn events_are_read_from_where_one_stopped() {
    let table = Table::new().await;
    let store = &table.store;
    let run = run(1);
    let mut head = start(store, &run).await.expect("started");
    let events: Vec<RunEvent> = (0..40)
        .map(|step| head.event(RunEventKind::of(&node(run.id, step, None, NodeStatus::Ready)), AT))
        .collect();
    store.commit_run(RunCommit { events: &events, ..change(&head) }).await.expect("committed");
    let seqs = async |after, limit| -> Vec<u64> {
        let events = store.run_events(run.id, after, limit).await.expect("read");
        events.into_iter().map(|event| event.seq).collect()
    };
    assert_eq!(seqs(0, 3).await, [1, 2, 3]);
    assert_eq!(seqs(38, 10).await, [39, 40, 41]);
    assert!(seqs(41, 10).await.is_empty());
    assert!(seqs(u64::MAX, 10).await.is_empty());
}

//! What any store of messages and endpoints must do.

use app::ports::{Call, CallFor, CallState, CallStore, Endpoint, EndpointStore, StoreError, Try};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    CallId, EndpointId, RunId, UserId,
    job::{NodeRef, SealedText},
};
use dynamodb::Store;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::support::{TABLE, Table, call};

const AT: Timestamp = Timestamp::constant(1_795_478_400, 0);

fn owner() -> UserId {
    UserId::new(Uuid::from_u128(1))
}

fn endpoint_id(n: u128) -> EndpointId {
    EndpointId::new(Uuid::from_u128(n))
}

/// A notification to the first endpoint.
fn notification(n: u32) -> Call {
    let purpose =
        CallFor::Notification { endpoint_id: endpoint_id(1), event: "run.ended".into(), repeats: None };
    call(n, purpose)
}

fn id(n: u32) -> CallId {
    notification(n).id
}

async fn attribute(table: &Table, id: CallId, name: &str) -> Option<AttributeValue> {
    let key = |text: &str| AttributeValue::S(text.to_owned());
    let get = table.client.get_item().table_name(TABLE).key("pk", key(&format!("CALL#{id}")));
    let row = get.key("sk", key("CALL")).send().await.expect("read").item.expect("it is there");
    row.get(name).cloned()
}

/// Changes a message; the value is as the store has it then.
async fn update(store: &Store, mut call: Call, state: CallState) -> Call {
    call.state = state;
    store.update_call(&call).await.expect("written");
    call.version += 1;
    call
}

#[tokio::test]
async fn a_message_is_kept_once() {
    let table = Table::new().await;
    let store = &table.store;
    let calls: Vec<Call> = (1..=30).map(notification).collect();
    store.keep_calls(&calls[..20]).await.expect("kept");
    let mut sent = store.call(id(1)).await.expect("read").expect("it is there");
    assert_eq!(sent, Call { version: 1, ..calls[0].clone() });
    sent = update(store, sent, CallState::Delivered).await;
    // Whoever repeats itself sends nothing again.
    for kept in join_all((0..3).map(|_| store.keep_calls(&calls))).await {
        kept.expect("kept");
    }
    assert_eq!(store.call(id(1)).await.expect("read"), Some(sent));
    assert_eq!(store.deliveries(endpoint_id(1), 100, None).await.expect("read").items.len(), 30);
}

#[tokio::test]
async fn the_stream_and_the_clock_find_what_is_to_be_tried() {
    let table = Table::new().await;
    let store = &table.store;
    store.keep_calls(&[notification(1)]).await.expect("kept");
    let call = store.call(id(1)).await.expect("read").expect("it is there");
    assert_eq!(attribute(&table, call.id, "call").await, Some(AttributeValue::Bool(true)));
    let due = AT + SignedDuration::from_mins(5);
    assert!(store.due_calls(due, 10).await.expect("read").is_empty());

    let stale = call.clone();
    let call = update(store, call, CallState::Waiting { due }).await;
    assert!(matches!(store.update_call(&stale).await, Err(StoreError::Conflict)));
    assert_eq!(attribute(&table, call.id, "call").await, None);
    assert!(store.due_calls(due - SignedDuration::from_millis(1), 10).await.expect("read").is_empty());
    assert_eq!(store.due_calls(due, 10).await.expect("read"), std::slice::from_ref(&call));

    let late = due + SignedDuration::from_mins(1);
    let mut call = update(store, call, CallState::Pending { due: late }).await;
    assert_eq!(attribute(&table, call.id, "call").await, Some(AttributeValue::Bool(true)));
    assert_eq!(attribute(&table, call.id, "expires_at").await, None);
    assert!(store.due_calls(due, 10).await.expect("read").is_empty());
    assert_eq!(
        store.due_calls(late, 10).await.expect("read"),
        std::slice::from_ref(&call),
        "the stream failed"
    );

    let failed = Try { at: due, millis: 12, status: Some(500), error: None, answer: "no".into() };
    call.tries.push(failed);
    let call = update(store, call, CallState::Failed).await;
    assert_eq!(attribute(&table, call.id, "call").await, None);
    assert!(store.due_calls(Timestamp::MAX, 10).await.expect("read").is_empty());
    let gone = (due + SignedDuration::from_hours(30 * 24)).as_second();
    assert_eq!(attribute(&table, call.id, "expires_at").await, Some(AttributeValue::N(gone.to_string())));
    assert_eq!(store.call(call.id).await.expect("read"), Some(call));
}

#[tokio::test]
async fn what_is_due_longest_comes_first() {
    let table = Table::new().await;
    let store = &table.store;
    for n in [3_u32, 1, 4, 2] {
        let due = AT + SignedDuration::from_mins(i64::from(n));
        let call = Call { state: CallState::Waiting { due }, ..notification(n) };
        store.keep_calls(&[call]).await.expect("kept");
    }
    let due = async |limit| -> Vec<CallId> {
        let now = AT + SignedDuration::from_mins(3);
        store.due_calls(now, limit).await.expect("read").into_iter().map(|call| call.id).collect()
    };
    assert_eq!(due(10).await, [1, 2, 3].map(id));
    assert_eq!(due(2).await, [1, 2].map(id));
}

#[tokio::test]
async fn deliveries_are_paged_and_apart_from_those_of_runs() {
    let table = Table::new().await;
    let store = &table.store;
    let run = RunId::new(Uuid::from_u128(7));
    let node = |n| CallFor::Node { node: NodeRef { run, step: n, item: None, attempt: 1, not_before: None } };
    let mut calls: Vec<Call> = (1..=12).map(notification).collect();
    calls.extend((20..25).map(|n| call(n, node(n))));
    store.keep_calls(&calls).await.expect("kept");
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.deliveries(endpoint_id(1), 5, cursor.as_deref()).await.expect("read");
        seen.extend(page.items.into_iter().map(|call| call.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=12).rev().map(id).collect::<Vec<_>>(), "newest first, each once");
    assert!(store.deliveries(endpoint_id(2), 5, None).await.expect("read").items.is_empty());
    assert!(matches!(store.deliveries(endpoint_id(1), 5, Some("!")).await, Err(StoreError::Cursor)));
    let of_run: Vec<CallId> =
        store.calls_of_run(run, 3).await.expect("read").into_iter().map(|call| call.id).collect();
    assert_eq!(of_run, [24, 23, 22].map(id));
}

#[tokio::test]
async fn an_endpoint_is_written_over_the_version_that_was_read() {
    let table = Table::new().await;
    let store = &table.store;
    let endpoint = |n| Endpoint {
        id: endpoint_id(n),
        owner: owner(),
        url: "https://example.org/hook".into(),
        description: String::new(),
        events: vec!["run.ended".into()],
        statuses: Vec::new(),
        enabled: true,
        disabled_reason: None,
        secret: SealedText("sealed".into()),
        version: 0,
        created_at: AT,
    };
    for n in [2, 1] {
        store.keep_endpoint(&endpoint(n)).await.expect("kept");
    }
    assert!(matches!(store.keep_endpoint(&endpoint(1)).await, Err(StoreError::Conflict)), "it exists");
    let read = store.endpoint(owner(), endpoint_id(1)).await.expect("read").expect("it is there");
    assert_eq!(read, Endpoint { version: 1, ..endpoint(1) });
    let off = Endpoint { enabled: false, disabled_reason: Some("410".into()), ..read.clone() };
    store.keep_endpoint(&off).await.expect("kept");
    assert!(matches!(store.keep_endpoint(&read).await, Err(StoreError::Conflict)));
    let listed = store.endpoints(owner()).await.expect("read");
    assert_eq!(listed, [Endpoint { version: 2, ..off }, Endpoint { version: 1, ..endpoint(2) }]);
    for _ in 0..2 {
        store.remove_endpoint(owner(), endpoint_id(1)).await.expect("removed, and again");
    }
    assert_eq!(store.endpoints(owner()).await.expect("read").len(), 1);
    let stranger = UserId::new(Uuid::from_u128(2));
    assert!(store.endpoint(stranger, endpoint_id(2)).await.expect("read").is_none());
}

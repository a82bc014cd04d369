//! What any store of workflows must do.

use app::ports::{
    DefinitionText, Idempotency, JobStore, Page, Sharing, StoreError, VersionRow, WorkflowFilter,
    WorkflowRow, WorkflowStore,
};
use domain::{UserId, WorkflowId};
use dynamodb::Store;
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Table, noise, sizes};

const AT: Timestamp = Timestamp::constant(1_795_478_400, 0);

fn owner() -> UserId {
    UserId::new(Uuid::from_u128(1))
}

fn id(n: u128) -> WorkflowId {
    WorkflowId::new(Uuid::from_u128(n))
}

fn row(n: u128, name: &str) -> WorkflowRow {
    WorkflowRow {
        id: id(n),
        owner: owner(),
        name: name.into(),
        description: None,
        latest: 1,
        version: 0,
        paused: false,
        template: None,
        created_at: AT,
        updated_at: AT,
        deleted_at: None,
    }
}

fn version(row: &WorkflowRow) -> VersionRow {
    VersionRow { workflow_id: row.id, number: row.latest, at: AT, by: row.owner, nodes: 3, note: None }
}

fn definition(text: &str) -> DefinitionText {
    DefinitionText { json: json!({ "text": text }).to_string(), yaml: Some(format!("text: {text}")) }
}

/// Writes a workflow, or its next version; the row is as the store has it then.
async fn keep(store: &Store, mut row: WorkflowRow) -> WorkflowRow {
    store.keep_version(&row, &version(&row), &definition("a"), None).await.expect("kept");
    row.version += 1;
    row
}

async fn keep_row(store: &Store, mut row: WorkflowRow) -> WorkflowRow {
    store.keep_workflow(&row).await.expect("kept");
    row.version += 1;
    row
}

fn ids(page: &Page<WorkflowRow>) -> Vec<WorkflowId> {
    page.items.iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn versions_stand_beside_each_other() {
    let table = Table::new().await;
    let store = &table.store;
    assert!(store.workflow(id(1)).await.expect("read").is_none());
    let mut kept = row(1, "a");
    for number in 1..=12 {
        kept.latest = number;
        let text = definition(&format!("version {number}"));
        store.keep_version(&kept, &version(&kept), &text, None).await.expect("kept");
        kept.version += 1;
    }
    assert_eq!(store.workflow(id(1)).await.expect("read"), Some(kept));
    assert_eq!(store.version(id(1), 7).await.expect("read").expect("it is there").number, 7);
    assert_eq!(store.definition(id(1), 7).await.expect("read"), Some(definition("version 7")));
    assert!(store.version(id(1), 13).await.expect("read").is_none());
    assert!(store.definition(id(1), 13).await.expect("read").is_none());
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.versions(id(1), 5, cursor.as_deref()).await.expect("read");
        seen.extend(page.items.into_iter().map(|version| version.number));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=12).rev().collect::<Vec<_>>(), "newest first, each once");
    assert!(matches!(store.versions(id(1), 5, Some("!")).await, Err(StoreError::Cursor)));
}

#[tokio::test]
async fn of_versions_written_at_once_one_stands_with_its_own_definition() {
    let table = Table::new().await;
    let store = &table.store;
    let kept = keep(store, row(1, "a")).await;
    let next = WorkflowRow { latest: 2, ..kept };
    let text = |n: u32| definition(&noise(240_000, u64::from(n)));
    let writers = join_all((0..5).map(async |n| {
        let version = VersionRow { nodes: n, ..version(&next) };
        store.keep_version(&next, &version, &text(n), None).await
    }))
    .await;
    assert_eq!(writers.iter().filter(|written| written.is_ok()).count(), 1, "{writers:?}");
    assert!(writers.iter().all(|written| matches!(written, Ok(()) | Err(StoreError::Conflict))));
    let won = store.version(id(1), 2).await.expect("read").expect("one is there").nodes;
    assert!(writers[won as usize].is_ok());
    assert_eq!(store.definition(id(1), 2).await.expect("read"), Some(text(won)));
    // What the others had written of theirs is gone.
    let parts = sizes(&table, format!("WORKFLOW#{}", id(1)), "DEFINITION#00002#").await;
    assert_eq!(parts.len(), 2, "{parts:?}");
}

#[tokio::test]
async fn a_definition_larger_than_a_row_is_kept() {
    let table = Table::new().await;
    let store = &table.store;
    let kept = row(1, "a");
    let text = definition(&noise(600_000, 3));
    store.keep_version(&kept, &version(&kept), &text, None).await.expect("kept");
    assert_eq!(store.definition(id(1), 1).await.expect("read"), Some(text));
    let parts = sizes(&table, format!("WORKFLOW#{}", id(1)), "").await;
    assert!(parts.len() > 4, "{parts:?}");
    assert!(parts.iter().all(|bytes| *bytes < 400 * 1024), "{parts:?}");
}

#[tokio::test]
async fn a_row_is_written_over_the_version_that_was_read() {
    let table = Table::new().await;
    let store = &table.store;
    let kept = keep(store, row(1, "a")).await;
    assert!(matches!(store.keep_workflow(&row(1, "b")).await, Err(StoreError::Conflict)), "it exists");
    let paused = keep_row(store, WorkflowRow { paused: true, ..kept.clone() }).await;
    let renamed = WorkflowRow { name: "c".into(), latest: 2, ..kept };
    assert!(matches!(store.keep_workflow(&renamed).await, Err(StoreError::Conflict)));
    let written = store.keep_version(&renamed, &version(&renamed), &definition("b"), None).await;
    assert!(matches!(written, Err(StoreError::Conflict)));
    assert!(store.version(id(1), 2).await.expect("read").is_none());
    assert_eq!(store.workflow(id(1)).await.expect("read"), Some(paused));
}

#[tokio::test]
async fn a_request_is_remembered_with_its_workflow() {
    let table = Table::new().await;
    let store = &table.store;
    let remembered = || Idempotency {
        key: "k".into(),
        digest: "d".into(),
        status: 201,
        body: json!({ "id": 1 }),
        expires_at: AT,
    };
    let write = async |n| {
        let row = row(n, "a");
        store.keep_version(&row, &version(&row), &definition("a"), Some(remembered())).await
    };
    write(1).await.expect("kept");
    assert!(matches!(write(2).await, Err(StoreError::Conflict)));
    assert!(store.workflow(id(2)).await.expect("read").is_none());
    assert_eq!(store.replay(owner(), "k").await.expect("read").expect("it is remembered").status, 201);
}

#[tokio::test]
async fn a_list_is_paged_and_filtered() {
    let table = Table::new().await;
    let store = &table.store;
    for n in 1..=25 {
        let template = (n % 5 == 0).then_some(Sharing::Private);
        keep(store, WorkflowRow { template, ..row(n, &format!("Train {n}")) }).await;
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let all = WorkflowFilter::default();
        let page = store.list_workflows(owner(), &all, 7, cursor.as_deref()).await.expect("read");
        seen.extend(ids(&page));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=25).rev().map(id).collect::<Vec<_>>(), "newest first, each once");
    let list = async |name: Option<&str>, templates| {
        let filter = WorkflowFilter { name: name.map(str::to_owned), templates };
        ids(&store.list_workflows(owner(), &filter, 100, None).await.expect("read"))
    };
    assert_eq!(list(Some("tRAIN 2"), None).await.len(), 7);
    assert_eq!(list(None, Some(true)).await, [25, 20, 15, 10, 5].map(id));
    assert_eq!(list(None, Some(false)).await.len(), 20);
    assert_eq!(list(Some("2"), Some(true)).await, [25, 20].map(id));
    let (none, stranger) = (WorkflowFilter::default(), UserId::new(Uuid::from_u128(2)));
    assert!(store.list_workflows(stranger, &none, 5, None).await.expect("read").items.is_empty());
    for wrong in ["", "!", "bm90IG91cnM"] {
        let listed = store.list_workflows(owner(), &none, 5, Some(wrong)).await;
        assert!(matches!(listed, Err(StoreError::Cursor)), "{wrong}");
        let listed = store.public_templates(5, Some(wrong)).await;
        assert!(matches!(listed, Err(StoreError::Cursor)), "{wrong}");
    }
}

#[tokio::test]
async fn a_deleted_workflow_is_found_and_not_listed() {
    let table = Table::new().await;
    let store = &table.store;
    let shared = WorkflowRow { template: Some(Sharing::Public), ..row(1, "a") };
    let kept = keep(store, shared).await;
    let deleted = keep_row(store, WorkflowRow { deleted_at: Some(AT), ..kept }).await;
    assert_eq!(store.workflow(id(1)).await.expect("read"), Some(deleted));
    assert!(store.definition(id(1), 1).await.expect("read").is_some(), "its runs go on with it");
    let all = WorkflowFilter::default();
    assert!(store.list_workflows(owner(), &all, 5, None).await.expect("read").items.is_empty());
    assert!(store.public_templates(5, None).await.expect("read").items.is_empty());
}

#[tokio::test]
async fn everybody_sees_public_templates_as_they_are() {
    let table = Table::new().await;
    let store = &table.store;
    let mut kept = Vec::new();
    for (n, template) in
        [(1, None), (2, Some(Sharing::Private)), (3, Some(Sharing::Public)), (4, Some(Sharing::Public))]
    {
        kept.push(keep(store, WorkflowRow { template, ..row(n, "a") }).await);
    }
    assert_eq!(ids(&store.public_templates(5, None).await.expect("read")), [4, 3].map(id));
    let first = store.public_templates(1, None).await.expect("read");
    let second = store.public_templates(1, first.next.as_deref()).await.expect("read");
    assert_eq!((ids(&first), ids(&second), second.next), (vec![id(4)], vec![id(3)], None));

    let renamed = WorkflowRow { name: "b".into(), latest: 2, ..kept[2].clone() };
    let renamed = keep(store, renamed).await;
    assert_eq!(store.public_templates(5, None).await.expect("read").items[1], renamed);
    keep_row(store, WorkflowRow { template: Some(Sharing::Private), ..kept[3].clone() }).await;
    keep_row(store, WorkflowRow { template: Some(Sharing::Public), ..kept[0].clone() }).await;
    assert_eq!(ids(&store.public_templates(5, None).await.expect("read")), [3, 1].map(id));
}

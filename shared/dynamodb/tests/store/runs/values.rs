//! Values of any size: outputs, items of maps, results for reuse.

use app::ports::{CachedResult, RunCommit, RunStore, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    JobId, UserId,
    workflow::{CachedFrom, NodeState, NodeStatus},
};
use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{AT, change, node, owner, run, run_id, start};
use crate::support::{TABLE, Table, noise, rows, sizes};

#[tokio::test]
async fn outputs_larger_than_a_row_are_kept() {
    let table = Table::new().await;
    let store = &table.store;
    let id = run_id(1);
    for (key, size, parts) in [((1, None), 10, 1), ((1, Some(0)), 900_000, 3)] {
        let output = json!({ "text": noise(size, 7), "number": 1.5 });
        let kept = store.keep_output(id, key, &output).await.expect("kept");
        assert_eq!(store.keep_output(id, key, &output).await.expect("kept again"), kept);
        assert!(kept == 1 && parts == 1 || kept > 1 && kept <= parts, "{size} bytes in {kept} parts");
        assert_eq!(store.output(id, key, kept).await.expect("read"), output);
    }
    // A missing part is a failure and not another value.
    assert!(matches!(store.output(id, (1, Some(0)), 9).await, Err(StoreError::Other(_))));
    let rows = sizes(&table, format!("RUN#{id}"), "OUTPUT#").await;
    assert!(rows.iter().all(|bytes| *bytes < 400 * 1024), "{rows:?}");
}

#[tokio::test]
async fn items_of_a_map_are_read_by_their_numbers() {
    let table = Table::new().await;
    let store = &table.store;
    let id = run_id(1);
    // Together some 1.4 MB, one of them larger than a row, and a map of nothing but small ones.
    let many: Vec<Value> = (0..100_u64)
        .map(|n| json!({ "n": n, "text": noise(if n == 50 { 500_000 } else { 9_000 }, n) }))
        .collect();
    let small: Vec<Value> = (0..10_000).map(|n| json!(n)).collect();
    for _ in 0..2 {
        store.keep_items(id, 1, &many).await.expect("kept, and again");
    }
    store.keep_items(id, 2, &small).await.expect("kept");
    store.keep_items(id, 3, &[]).await.expect("kept");
    for range in [0..1, 0..100, 38..40, 49..52, 50..51, 99..100, 90..200, 40..40, 100..101] {
        let expected: Vec<Value> =
            many.iter().take(range.end as usize).skip(range.start as usize).cloned().collect();
        assert_eq!(store.items(id, 1, range.clone()).await.expect("read"), expected, "{range:?}");
    }
    assert_eq!(store.items(id, 2, 0..10_000).await.expect("read"), small);
    assert_eq!(store.items(id, 2, 9_998..9_999).await.expect("read"), [json!(9_998)]);
    assert!(store.items(id, 3, 0..10).await.expect("read").is_empty());
    assert!(store.items(id, 4, 0..10).await.is_err(), "never kept");
    let parts = sizes(&table, format!("RUN#{id}"), "ITEMS#00001#").await;
    assert!(parts.len() >= 5, "{parts:?}");
    assert!(parts.iter().all(|bytes| *bytes < 400 * 1024), "{parts:?}");
    // Only those parts are read that have items of the range in them.
    let first = AttributeValue::S("ITEMS#00001#00000".into());
    let delete = table.client.delete_item().table_name(TABLE).key("sk", first);
    delete.key("pk", AttributeValue::S(format!("RUN#{id}"))).send().await.expect("a part is lost");
    let readable = async |n| store.items(id, 1, n..n + 1).await.is_ok();
    let second = join_all((0..50).map(readable)).await.into_iter().position(|readable| readable);
    assert_eq!(second, Some(38), "the first item of the second part");
}

#[tokio::test]
async fn a_result_is_found_until_it_expires() {
    let table = Table::new().await;
    let store = &table.store;
    let key = "0".repeat(64);
    let from = |n| CachedFrom {
        run_id: run_id(n),
        node: "train".into(),
        job_id: JobId::new(Uuid::from_u128(n)),
        at: AT,
    };
    let expires = AT + SignedDuration::from_hours(1);
    assert_eq!(store.cached(owner(), &key, AT).await.expect("read"), None);
    for (n, size) in [(1, 10), (2, 1_000_000), (3, 20)] {
        let result = CachedResult { from: from(n), output: json!({ "loss": 0.5, "text": noise(size, 5) }) };
        store.cache(owner(), &key, &result, expires).await.expect("kept");
        assert_eq!(store.cached(owner(), &key, AT).await.expect("read"), Some(result), "the latest");
    }
    assert_eq!(store.cached(owner(), &key, expires).await.expect("read"), None);
    assert_eq!(store.cached(UserId::new(Uuid::from_u128(5)), &key, AT).await.expect("read"), None);
    for row in rows(&table, format!("CACHE#{}", owner()), "").await {
        assert_eq!(row.get("expires_at"), Some(&AttributeValue::N(expires.as_second().to_string())));
    }
    let parts = sizes(&table, format!("CACHE#{}", owner()), "").await;
    assert!(parts.iter().all(|bytes| *bytes < 400 * 1024), "{parts:?}");
}
#[tokio::test]
async fn more_is_read_than_one_answer_holds() {
    let table = Table::new().await;
    let store = &table.store;
    let id = run_id(1);
    // Some 18 MB; DynamoDB answers with 16 MB and leaves the rest for later.
    let output = Some(json!("x".repeat(300_000)));
    let nodes: Vec<NodeState> = (0..60)
        .map(|step| NodeState { output: output.clone(), ..node(id, step, None, NodeStatus::Succeeded) })
        .collect();
    store.keep_nodes(&nodes).await.expect("kept");
    let keys: Vec<_> = (0..60).map(|step| (step, None)).collect();
    let mut steps: Vec<u32> =
        store.nodes(id, &keys).await.expect("read").into_iter().map(|node| node.step).collect();
    steps.sort_unstable();
    assert_eq!(steps, (0..60).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_node_too_large_for_its_row_is_refused_for_good() {
    let table = Table::new().await;
    let store = &table.store;
    let run = run(1);
    let head = start(store, &run).await.expect("started");
    let output = Some(json!("x".repeat(420_000)));
    let nodes = [NodeState { output, ..node(run.id, 0, None, NodeStatus::Succeeded) }];
    let committed = store.commit_run(RunCommit { nodes: &nodes, ..change(&head) }).await;
    assert!(matches!(committed, Err(StoreError::Other(_))), "a repeat would not mend it: {committed:?}");
    assert_eq!(store.head(run.id).await.expect("read"), Some(head));
}

//! Nodes and items of maps, and their outputs.

use app::ports::{NodeKey, Page, StoreError};
use domain::{
    RunId,
    workflow::{NodeState, NodeStatus},
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use crate::{
    Store,
    item::{key, s, text, value},
    keys,
    pages::{decode, encode},
    parts,
};

/// Outputs that are read at a time.
const READS: usize = 8;

pub(super) async fn some(store: &Store, id: RunId, nodes: &[NodeKey]) -> Result<Vec<NodeState>, StoreError> {
    store.rows(nodes.iter().map(|node| keys::node(id, *node))).await?.iter().map(value).collect()
}

/// A page of the rows whose sort keys are `prefix` and a number.
pub(super) async fn page(
    store: &Store,
    id: RunId,
    prefix: &str,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<NodeState>, StoreError> {
    let (pk, _) = keys::run(id);
    let start = cursor.map(|cursor| {
        let sk = decode(cursor)?;
        let number = sk.strip_prefix(prefix).unwrap_or_default();
        let good = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if good { Ok(key((pk.clone(), sk))) } else { Err(StoreError::Cursor) }
    });
    let query = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
        .expression_attribute_values(":pk", s(&pk))
        .expression_attribute_values(":prefix", s(prefix))
        .consistent_read(true);
    let (items, last) =
        store.fill(query, start.transpose()?, limit, false, |row| value(row).map(Some)).await?;
    Ok(Page { items, next: last.and_then(|last| text(&last, keys::SK).map(encode)) })
}

/// The nodes with the outputs in them that stand in parts.
pub(super) async fn with_outputs(store: &Store, nodes: Vec<NodeState>) -> Result<Vec<NodeState>, StoreError> {
    stream::iter(nodes)
        .map(async |node: NodeState| match node.output_parts {
            0 => Ok(node),
            parts => {
                let output = output(store, node.run_id, (node.step, node.item), parts).await?;
                Ok(NodeState { output: Some(output), ..node })
            }
        })
        .buffered(READS)
        .try_collect()
        .await
}

pub(super) async fn running(store: &Store, id: RunId) -> Result<Vec<NodeState>, StoreError> {
    let mut running = Vec::new();
    for prefix in [keys::NODES, keys::ITEMS] {
        let query = store
            .client
            .query()
            .table_name(&store.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .filter_expression("#status = :running")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":pk", s(keys::run(id).0))
            .expression_attribute_values(":prefix", s(prefix))
            .expression_attribute_values(":running", s(NodeStatus::Running.as_str()))
            .consistent_read(true);
        let mut from = None;
        loop {
            let take = |row: &_| value(row).map(Some);
            let (nodes, last) = store.fill(query.clone(), from, usize::MAX, true, take).await?;
            running.extend::<Vec<NodeState>>(nodes);
            match last {
                None => break,
                last => from = last,
            }
        }
    }
    Ok(running)
}

pub(super) async fn keep_output(
    store: &Store,
    id: RunId,
    node: NodeKey,
    output: &Value,
) -> Result<u32, StoreError> {
    let bytes = parts::pack(output)?;
    store.put_all(parts::rows(&bytes, |part| keys::output(id, node, part)).collect()).await?;
    Ok(parts::count(&bytes))
}

pub(super) async fn output(store: &Store, id: RunId, node: NodeKey, parts: u32) -> Result<Value, StoreError> {
    let keys = (0..parts).map(|part| keys::output(id, node, part));
    parts::unpack(&store.parts(keys).await?)
}

//! The beginning of a run and each change of it, as one transaction.

use app::ports::{MapEnds, NewRun, RunCommit, StoreError};
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use domain::workflow::{Head, NodeState, Origin, Run, RunEventKind, RunStatus};

use crate::{
    Store, calls,
    item::{Item, item, key, n, s, versioned},
    keys,
    transaction::{put_event, put_if_new, put_row, put_version, remember, send, update},
};

pub(super) async fn start(store: &Store, new: NewRun<'_>) -> Result<(), StoreError> {
    let run = new.run;
    let mut writes = vec![
        put_if_new(store, listed(run)?),
        put_head(store, new.head)?,
        put_if_new(store, item(keys::run_params(run.id), new.params)?),
        put_if_new(store, key(keys::run_of_workflow(run.workflow_id, run.id))),
        count(store, run, None)?,
    ];
    for event in new.events {
        let last = matches!(event.kind, RunEventKind::Ended { .. });
        writes.push(put_event(store, keys::run_event(run.id, event.seq), event, run.owner, last)?);
    }
    if let Origin::Schedule { schedule_id, slot } = &run.origin {
        let slot = keys::slot(run.workflow_id, *schedule_id, *slot);
        writes.push(put_if_new(store, item(slot, &run.id)?));
    }
    if let Some(request) = &new.idempotency {
        writes.push(remember(store, run.owner, request)?);
    }
    send(store, writes, None).await
}

pub(super) async fn commit(store: &Store, change: RunCommit<'_>) -> Result<(), StoreError> {
    let head = change.head;
    let mut writes = vec![put_head(store, head)?];
    for state in change.nodes {
        writes.push(put_version(store, node(state)?, state.version));
    }
    for event in change.events {
        let last = matches!(event.kind, RunEventKind::Ended { .. });
        writes.push(put_event(store, keys::run_event(head.run_id, event.seq), event, head.owner, last)?);
    }
    if let Some(ends) = change.map {
        writes.push(add_ends(store, head, ends)?);
    }
    for call in change.calls {
        writes.push(put_if_new(store, calls::row(call)?));
    }
    if let Some(run) = change.run {
        writes.push(put_row(store, listed(run)?));
        if let Some(ended) = &run.ended {
            writes.push(count(store, run, Some(ended.status))?);
        }
    }
    send(store, writes, None).await
}

fn put_head(store: &Store, head: &Head) -> Result<TransactWriteItem, StoreError> {
    let next = Head { version: head.version + 1, ..head.clone() };
    Ok(put_version(store, versioned(keys::run_head(head.run_id), &next, next.version)?, head.version))
}

/// The row of a node as it will be, one version on.
pub(super) fn node(state: &NodeState) -> Result<Item, StoreError> {
    let next = NodeState { version: state.version + 1, ..state.clone() };
    let mut row = versioned(keys::node(state.run_id, (state.step, state.item)), &next, next.version)?;
    row.insert("status".into(), s(next.status.as_str()));
    Ok(row)
}

/// The row that lists a run.
fn listed(run: &Run) -> Result<Item, StoreError> {
    let mut row = item(keys::run(run.id), run)?;
    row.insert("gsi1pk".into(), s(keys::runs(run.owner)));
    row.insert("gsi1sk".into(), s(run.id));
    row.insert("status".into(), s(status(run).as_str()));
    if run.ended.is_none() {
        row.insert("gsi2pk".into(), s(keys::LIVE_RUNS));
        row.insert("gsi2sk".into(), s(format!("{}#{}", keys::moment(run.deadline), run.id)));
    }
    Ok(row)
}

/// Where a run stands, as lists show it.
pub(super) fn status(run: &Run) -> RunStatus {
    run.ended.as_ref().map_or(RunStatus::Running, |ended| ended.status)
}

/// The workflow's counts, at a run's start or end.
fn count(store: &Store, run: &Run, ended: Option<RunStatus>) -> Result<TransactWriteItem, StoreError> {
    let counts = Update::builder()
        .table_name(&store.table)
        .set_key(Some(key(keys::run_counts(run.workflow_id))))
        .expression_attribute_names("#running", RunStatus::Running.as_str())
        .expression_attribute_values(":one", n(1));
    update(match ended {
        None => counts.update_expression("ADD #running :one"),
        Some(status) => counts
            .update_expression("ADD #running :minus, #ended :one")
            .expression_attribute_names("#ended", status.as_str())
            .expression_attribute_values(":minus", n(-1)),
    })
}

fn add_ends(store: &Store, head: &Head, ends: MapEnds) -> Result<TransactWriteItem, StoreError> {
    update(
        Update::builder()
            .table_name(&store.table)
            .set_key(Some(key(keys::map_progress(head.run_id, ends.step))))
            .update_expression("ADD #succeeded :succeeded, #failed :failed, #cancelled :cancelled")
            .expression_attribute_names("#succeeded", super::items::SUCCEEDED)
            .expression_attribute_names("#failed", super::items::FAILED)
            .expression_attribute_names("#cancelled", super::items::CANCELLED)
            .expression_attribute_values(":succeeded", n(ends.succeeded))
            .expression_attribute_values(":failed", n(ends.failed))
            .expression_attribute_values(":cancelled", n(ends.cancelled)),
    )
}

//! Lists of runs.

use std::collections::HashMap;

use app::ports::{Page, StoreError};
use domain::{
    RunId, UserId, WorkflowId,
    workflow::{Run, RunStatus},
};

use super::commit::status;
use crate::{
    Store,
    item::{Item, key, s, text, value},
    keys,
    pages::{decode, encode},
};

/// Runs that are looked at for one page of a workflow's at most.
const MAX_READ: usize = 2_000;
/// Runs that are looked at together when a filter thins them out.
const FILTERED_PAGE: usize = 100;

fn position(cursor: &str) -> Result<RunId, StoreError> {
    decode(cursor)?.parse().map_err(|_| StoreError::Cursor)
}

pub(super) async fn of_owner(
    store: &Store,
    owner: UserId,
    statuses: &[RunStatus],
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<Run>, StoreError> {
    let start = cursor.map(|cursor| {
        let id = position(cursor)?;
        let mut start = key(keys::run(id));
        start.insert("gsi1pk".into(), s(keys::runs(owner)));
        start.insert("gsi1sk".into(), s(id));
        Ok::<Item, StoreError>(start)
    });
    let mut query = store
        .client
        .query()
        .table_name(&store.table)
        .index_name("gsi1")
        .key_condition_expression("gsi1pk = :pk")
        .expression_attribute_values(":pk", s(keys::runs(owner)))
        .scan_index_forward(false);
    if !statuses.is_empty() {
        let names: Vec<String> = (0..statuses.len()).map(|i| format!(":status{i}")).collect();
        for (name, status) in names.iter().zip(statuses) {
            query = query.expression_attribute_values(name, s(status.as_str()));
        }
        query = query
            .expression_attribute_names("#status", "status")
            .filter_expression(format!("#status IN ({})", names.join(", ")));
    }
    let thinned = !statuses.is_empty();
    let (items, last) =
        store.fill(query, start.transpose()?, limit, thinned, |row| value(row).map(Some)).await?;
    Ok(Page { items, next: last.and_then(|last| text(&last, "gsi1sk").map(encode)) })
}

/// A workflow's runs stand under it by their ids alone; what is shown of them is read from their own rows.
pub(super) async fn of_workflow(
    store: &Store,
    (owner, workflow): (UserId, WorkflowId),
    statuses: &[RunStatus],
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<Run>, StoreError> {
    let mut behind = cursor.map(position).transpose()?;
    let mut items: Vec<Run> = Vec::new();
    let mut read = 0;
    loop {
        let wanted = if statuses.is_empty() { limit - items.len() } else { FILTERED_PAGE };
        let (ids, more) = ids(store, workflow, wanted, behind).await?;
        let rows = store.rows(ids.iter().copied().map(keys::run)).await?;
        let runs: Vec<Run> = rows.iter().map(value).collect::<Result<_, _>>()?;
        let mut runs: HashMap<RunId, Run> = runs.into_iter().map(|run| (run.id, run)).collect();
        read += ids.len();
        for id in ids {
            if items.len() == limit {
                return Ok(Page { items, next: behind.map(cursor_after) });
            }
            behind = Some(id);
            let fits =
                |run: &Run| run.owner == owner && (statuses.is_empty() || statuses.contains(&status(run)));
            items.extend(runs.remove(&id).filter(fits));
        }
        if !more {
            return Ok(Page { items, next: None });
        }
        if items.len() == limit || read >= MAX_READ {
            return Ok(Page { items, next: behind.map(cursor_after) });
        }
    }
}

fn cursor_after(id: RunId) -> String {
    encode(&id.to_string())
}

/// The ids of a workflow's runs, newest first, and whether there are more.
async fn ids(
    store: &Store,
    workflow: WorkflowId,
    limit: usize,
    behind: Option<RunId>,
) -> Result<(Vec<RunId>, bool), StoreError> {
    let query = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("pk = :pk AND begins_with(sk, :runs)")
        .expression_attribute_values(":pk", s(keys::workflow(workflow).0))
        .expression_attribute_values(":runs", s(keys::RUNS_OF_WORKFLOW))
        .scan_index_forward(false)
        .consistent_read(true);
    let start = behind.map(|run| key(keys::run_of_workflow(workflow, run)));
    let id = |row: &Item| {
        Ok(text(row, keys::SK).and_then(|sk| sk.strip_prefix(keys::RUNS_OF_WORKFLOW)?.parse().ok()))
    };
    let (ids, last) = store.fill(query, start, limit, false, id).await?;
    Ok((ids, last.is_some()))
}

//! Runs of workflows: [`RunStore`] on the table.
//!
//! A run's partition holds everything of it: how it is listed, where it stands, its nodes, gates and events. What changes
//! with every node has no index, and what is listed changes twice.

mod commit;
mod gates;
mod items;
mod list;
mod nodes;
mod results;

use app::ports::{
    CachedResult, Closed, NewRun, NodeKey, Page, RunCommit, RunCounts, RunFilter, RunStore, StoreError,
};
use async_trait::async_trait;
use domain::{
    RunId, UserId, WorkflowId,
    workflow::{Head, MapProgress, NodeState, Outcome, Run, RunEvent, RunStatus, Tally},
};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    Store,
    failure::store_error,
    item::{item, number, s, value},
    keys,
    pages::count,
};

#[async_trait]
impl RunStore for Store {
    async fn start_run(&self, new: NewRun<'_>) -> Result<(), StoreError> {
        commit::start(self, new).await
    }

    async fn keep_nodes(&self, nodes: &[NodeState]) -> Result<(), StoreError> {
        self.put_all(nodes.iter().map(commit::node).collect::<Result<_, _>>()?).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.get(keys::run(id)).await?.as_ref().map(value).transpose()
    }

    async fn head(&self, id: RunId) -> Result<Option<Head>, StoreError> {
        self.get(keys::run_head(id)).await?.as_ref().map(value).transpose()
    }

    async fn heads(&self, ids: &[RunId]) -> Result<Vec<Head>, StoreError> {
        self.rows(ids.iter().copied().map(keys::run_head)).await?.iter().map(value).collect()
    }

    async fn params(&self, id: RunId) -> Result<Option<Map<String, Value>>, StoreError> {
        self.get(keys::run_params(id)).await?.as_ref().map(value).transpose()
    }

    async fn keep_token(&self, id: RunId, token: &str) -> Result<(), StoreError> {
        let row = item(keys::run_token(id), &token)?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(row));
        put.send().await.map(drop).map_err(store_error)
    }

    async fn token(&self, id: RunId) -> Result<Option<String>, StoreError> {
        self.get(keys::run_token(id)).await?.as_ref().map(value).transpose()
    }

    async fn commit_run(&self, change: RunCommit<'_>) -> Result<(), StoreError> {
        commit::commit(self, change).await
    }

    async fn nodes(&self, id: RunId, keys: &[NodeKey]) -> Result<Vec<NodeState>, StoreError> {
        nodes::some(self, id, keys).await
    }

    async fn node_page(
        &self,
        id: RunId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<NodeState>, StoreError> {
        nodes::page(self, id, keys::NODES, limit, cursor).await
    }

    async fn item_page(
        &self,
        id: RunId,
        step: u32,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<NodeState>, StoreError> {
        let page = nodes::page(self, id, &keys::items_of(step), limit, cursor).await?;
        Ok(Page { items: nodes::with_outputs(self, page.items).await?, ..page })
    }

    async fn running_nodes(&self, id: RunId) -> Result<Vec<NodeState>, StoreError> {
        nodes::running(self, id).await
    }

    async fn keep_output(&self, id: RunId, key: NodeKey, output: &Value) -> Result<u32, StoreError> {
        nodes::keep_output(self, id, key, output).await
    }

    async fn output(&self, id: RunId, key: NodeKey, parts: u32) -> Result<Value, StoreError> {
        nodes::output(self, id, key, parts).await
    }

    async fn keep_items(&self, id: RunId, step: u32, items: &[Value]) -> Result<(), StoreError> {
        items::keep(self, id, step, items).await
    }

    async fn items(
        &self,
        id: RunId,
        step: u32,
        range: std::ops::Range<u32>,
    ) -> Result<Vec<Value>, StoreError> {
        items::read(self, id, step, range).await
    }

    async fn map_progress(&self, id: RunId, step: u32) -> Result<MapProgress, StoreError> {
        items::progress(self, id, step).await
    }

    async fn raise_started(&self, id: RunId, step: u32, target: u32) -> Result<u32, StoreError> {
        items::raise_started(self, id, step, target).await
    }

    async fn close_gate(
        &self,
        id: RunId,
        step: u32,
        shard: Option<u32>,
        member: u32,
        outcome: Outcome,
    ) -> Result<Closed, StoreError> {
        gates::close(self, keys::gate(id, step, shard), member, outcome).await
    }

    async fn close_shard(
        &self,
        id: RunId,
        step: u32,
        shard: u32,
        tally: Tally,
    ) -> Result<Closed, StoreError> {
        gates::close_shard(self, keys::gate(id, step, None), shard, tally).await
    }

    async fn run_events(&self, id: RunId, after: u64, limit: usize) -> Result<Vec<RunEvent>, StoreError> {
        let (pk, from) = keys::run_event(id, after.saturating_add(1).min(keys::LAST_EVENT));
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", s(pk))
            .expression_attribute_values(":from", s(from))
            .expression_attribute_values(":to", s(keys::run_event(id, keys::LAST_EVENT).1))
            .consistent_read(true)
            .limit(count(limit))
            .send()
            .await
            .map_err(store_error)?;
        page.items().iter().map(value).collect()
    }

    async fn list_runs(
        &self,
        owner: UserId,
        filter: &RunFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Run>, StoreError> {
        match filter.workflow {
            None => list::of_owner(self, owner, &filter.statuses, limit, cursor).await,
            Some(workflow) => {
                list::of_workflow(self, (owner, workflow), &filter.statuses, limit, cursor).await
            }
        }
    }

    async fn live_runs(&self, cursor: Option<&str>) -> Result<Page<Run>, StoreError> {
        self.by_time(keys::LIVE_RUNS, None, 100, cursor, |id| Some(keys::run(id.parse().ok()?))).await
    }

    async fn run_counts(&self, workflow: WorkflowId) -> Result<RunCounts, StoreError> {
        let row = self.get(keys::run_counts(workflow)).await?.unwrap_or_default();
        let count = |status: RunStatus| number(&row, status.as_str()).unwrap_or(0);
        Ok(RunCounts {
            running: count(RunStatus::Running),
            succeeded: count(RunStatus::Succeeded),
            failed: count(RunStatus::Failed),
            cancelled: count(RunStatus::Cancelled),
            timed_out: count(RunStatus::TimedOut),
        })
    }

    async fn cached(
        &self,
        owner: UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<CachedResult>, StoreError> {
        results::cached(self, owner, key, now).await
    }

    async fn cache(
        &self,
        owner: UserId,
        key: &str,
        result: &CachedResult,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        results::cache(self, owner, key, result, expires_at).await
    }
}

//! Schedules of workflows: [`ScheduleStore`] on the table.

use app::ports::{Page, ScheduleRow, ScheduleStore, StoreError};
use async_trait::async_trait;
use domain::{RunId, ScheduleId, WorkflowId};
use jiff::Timestamp;

use crate::{
    Store,
    failure::store_error,
    item::{key, s, value, versioned},
    keys,
};

/// Schedules of one page of those that are due.
const PAGE: usize = 100;

#[async_trait]
impl ScheduleStore for Store {
    async fn keep_schedule(&self, row: &ScheduleRow) -> Result<(), StoreError> {
        let next = ScheduleRow { version: row.version + 1, ..row.clone() };
        let mut item = versioned(keys::schedule(row.workflow_id, row.id), &next, next.version)?;
        if let Some(due) = due(row) {
            item.insert("gsi2pk".into(), s(keys::SCHEDULES));
            item.insert("gsi2sk".into(), s(format!("{due}#{}#{}", row.workflow_id, row.id)));
        }
        self.put_version(item, row.version).await
    }

    async fn schedule(
        &self,
        workflow: WorkflowId,
        id: ScheduleId,
    ) -> Result<Option<ScheduleRow>, StoreError> {
        self.get(keys::schedule(workflow, id)).await?.as_ref().map(value).transpose()
    }

    async fn schedules(&self, workflow: WorkflowId) -> Result<Vec<ScheduleRow>, StoreError> {
        let (pk, _) = keys::workflow(workflow);
        self.below(&pk, keys::SCHEDULES_OF_WORKFLOW, None).await?.iter().map(value).collect()
    }

    async fn remove_schedule(&self, workflow: WorkflowId, id: ScheduleId) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table);
        let delete = delete.set_key(Some(key(keys::schedule(workflow, id))));
        delete.send().await.map(drop).map_err(store_error)
    }

    async fn due_schedules(
        &self,
        now: Timestamp,
        cursor: Option<&str>,
    ) -> Result<Page<ScheduleRow>, StoreError> {
        let row = |ids: &str| {
            let (workflow, id) = ids.split_once('#')?;
            Some(keys::schedule(workflow.parse().ok()?, id.parse().ok()?))
        };
        self.by_time(keys::SCHEDULES, Some(now), PAGE, cursor, row).await
    }

    async fn slot_run(
        &self,
        workflow: WorkflowId,
        id: ScheduleId,
        slot: Timestamp,
    ) -> Result<Option<RunId>, StoreError> {
        self.get(keys::slot(workflow, id, slot)).await?.as_ref().map(value).transpose()
    }
}

/// When somebody has to look at a schedule, in the order of time. One with queued slots is due whatever the time: each end of
/// a run may make room for them.
fn due(row: &ScheduleRow) -> Option<String> {
    if !row.active {
        return None;
    }
    if !row.queued.is_empty() {
        return Some(keys::moment(Timestamp::UNIX_EPOCH));
    }
    row.next_due.map(keys::moment)
}

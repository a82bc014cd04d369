//! Jobs with their attempts and events: [`JobStore`] on the table.

mod commit;
mod delete;
mod list;

use app::ports::{BillCommit, Commit, Counts, JobFilter, JobStore, Page, Replay, StoreError};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    JobId, UserId,
    job::{Attempt, Event, Job, Status},
};

use crate::{
    Store,
    failure::store_error,
    item::{Item, key, number, s, text, value},
    keys,
};

#[async_trait]
impl JobStore for Store {
    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.get(keys::job(id)).await?.as_ref().map(value).transpose()
    }

    async fn attempt(&self, job: JobId, number: u32) -> Result<Option<Attempt>, StoreError> {
        self.get(keys::attempt(job, number)).await?.as_ref().map(value).transpose()
    }

    async fn attempts(&self, job: JobId) -> Result<Vec<Attempt>, StoreError> {
        self.below(&keys::job(job).0, "ATTEMPT#", None).await?.iter().map(value).collect()
    }

    async fn commit(&self, change: Commit<'_>) -> Result<(), StoreError> {
        commit::commit(self, change).await
    }

    async fn commit_bill(&self, change: BillCommit<'_>) -> Result<(), StoreError> {
        commit::commit_bill(self, change).await
    }

    async fn events(&self, job: JobId, after: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        let (pk, from) = keys::event(job, after.saturating_add(1).min(keys::LAST_EVENT));
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", s(pk))
            .expression_attribute_values(":from", s(from))
            .expression_attribute_values(":to", s(keys::event(job, keys::LAST_EVENT).1))
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(store_error)?;
        page.items().iter().map(value).collect()
    }

    async fn list(
        &self,
        owner: UserId,
        filter: &JobFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Job>, StoreError> {
        list::list(self, owner, filter, limit, cursor).await
    }

    async fn counts(&self, owner: UserId) -> Result<Counts, StoreError> {
        let row = self.get(keys::counts(owner)).await?.unwrap_or_default();
        let by_status = Status::ALL
            .into_iter()
            .map(|status| (status, number(&row, status.as_str()).unwrap_or(0)))
            .collect();
        let count = |name| number::<i64>(&row, name).and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        Ok(Counts {
            by_status,
            admitted: count(commit::ADMITTED),
            gpus: count(commit::GPUS),
            waiting: count(commit::WAITING),
        })
    }

    async fn delete(&self, job: &Job) -> Result<(), StoreError> {
        delete::delete(self, job).await
    }

    async fn replay(&self, owner: UserId, key: &str) -> Result<Option<Replay>, StoreError> {
        let Some(row) = self.get(keys::request(owner, key)).await? else { return Ok(None) };
        Ok(Some(Replay {
            digest: text(&row, "digest").unwrap_or_default().to_owned(),
            status: number(&row, "status").unwrap_or(200),
            body: value(&row)?,
        }))
    }

    async fn waiting(&self, owner: UserId, limit: usize) -> Result<Vec<Job>, StoreError> {
        list::waiting(self, owner, limit).await
    }

    async fn owners_waiting(&self) -> Result<Vec<UserId>, StoreError> {
        list::owners_waiting(self).await
    }

    async fn live(&self, cursor: Option<&str>) -> Result<Page<Job>, StoreError> {
        list::live(self, cursor).await
    }
}

impl Store {
    /// One row, as it stands now.
    pub(crate) async fn get(&self, at: (String, String)) -> Result<Option<Item>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(at)))
            .consistent_read(true)
            .send()
            .await
            .map_err(store_error)?;
        Ok(found.item)
    }

    /// Every row under `pk` whose sort key begins with `prefix`, without the attributes that `only` leaves out.
    pub(crate) async fn below(
        &self,
        pk: &str,
        prefix: &str,
        only: Option<&str>,
    ) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut from = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", s(pk))
                .expression_attribute_values(":prefix", s(prefix))
                .set_projection_expression(only.map(str::to_owned))
                .consistent_read(true)
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(store_error)?;
            items.extend(page.items.unwrap_or_default());
            match page.last_evaluated_key {
                Some(last) if !last.is_empty() => from = Some(last),
                _ => return Ok(items),
            }
        }
    }
}

/// The attributes of a job's row that stand beside its document.
pub(crate) fn job_attributes(job: &Job) -> Vec<(&'static str, AttributeValue)> {
    let mut attributes = vec![
        ("version", crate::item::n(job.version)),
        ("status", s(job.status.as_str())),
        ("gsi1pk", s(format!("OWNER#{}", job.owner))),
        ("gsi1sk", s(format!("JOB#{}", job.id))),
        ("name_lower", s(job.spec.name.to_lowercase())),
    ];
    if let Some(offer) = &job.offer {
        attributes.push(("provider", s(offer.provider.as_str())));
    }
    if !job.spec.tags.is_empty() {
        // Both forms, so that a filter by key alone and one by key and value are each one `contains`.
        let both = job.spec.tags.iter().flat_map(|(k, v)| [k.clone(), format!("{k}\u{0}{v}")]);
        attributes.push(("tags", AttributeValue::Ss(both.collect())));
    }
    match (job.status.is_terminal(), job.admitted) {
        (true, _) => {}
        (false, true) => {
            let deadline = job.deadline.unwrap_or(job.updated_at).as_second();
            attributes.push(("gsi2pk", s(keys::LIVE)));
            attributes.push(("gsi2sk", s(format!("{deadline:012}#{}", job.id))));
        }
        (false, false) => {
            attributes.push(("gsi2pk", s(keys::QUEUE)));
            attributes.push(("gsi2sk", s(keys::queue_position(job.owner, job.spec.priority, job.id))));
        }
    }
    attributes
}

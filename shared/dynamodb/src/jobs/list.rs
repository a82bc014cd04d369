//! Lists of jobs: an owner's, the waiting ones, the live ones. Each is a query of an index, never a scan.

use app::ports::{JobFilter, Page, StoreError};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use domain::{
    JobId, UserId,
    job::{Job, Priority},
};
use jiff::Timestamp;

use crate::{
    Store,
    failure::store_error,
    item::{Item, s, text, value},
    keys,
    pages::{decode, encode},
};

pub(super) async fn list(
    store: &Store,
    owner: UserId,
    filter: &JobFilter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Page<Job>, StoreError> {
    let from = cursor.map(|cursor| start_key(owner, cursor)).transpose()?;
    let query = filtered(store.client.query().table_name(&store.table).index_name("gsi1"), filter)
        .expression_attribute_values(":pk", s(format!("OWNER#{owner}")))
        .scan_index_forward(false);
    let query = within(query, filter);
    let take = |row: &Item| {
        let job: Job = value(row)?;
        Ok(exactly_within(&job, filter).then_some(job))
    };
    let (items, last) = store.fill(query, from, limit, filters(filter), take).await?;
    let id = |last: Item| text(&last, keys::PK).and_then(|pk| pk.strip_prefix("JOB#")).map(encode);
    Ok(Page { items, next: last.and_then(id) })
}

fn filters(filter: &JobFilter) -> bool {
    !filter.statuses.is_empty() || filter.provider.is_some() || filter.tag.is_some() || filter.name.is_some()
}

fn filtered(mut query: QueryFluentBuilder, filter: &JobFilter) -> QueryFluentBuilder {
    let mut conditions = Vec::new();
    if !filter.statuses.is_empty() {
        let names: Vec<String> = (0..filter.statuses.len()).map(|i| format!(":status{i}")).collect();
        for (name, status) in names.iter().zip(&filter.statuses) {
            query = query.expression_attribute_values(name, s(status.as_str()));
        }
        query = query.expression_attribute_names("#status", "status");
        conditions.push(format!("#status IN ({})", names.join(", ")));
    }
    if let Some(provider) = &filter.provider {
        query = query
            .expression_attribute_values(":provider", s(provider))
            .expression_attribute_names("#provider", "provider");
        conditions.push("#provider = :provider".to_owned());
    }
    if let Some((key, value)) = &filter.tag {
        let wanted = value.as_ref().map_or_else(|| key.clone(), |value| format!("{key}\u{0}{value}"));
        query =
            query.expression_attribute_values(":tag", s(wanted)).expression_attribute_names("#tags", "tags");
        conditions.push("contains(#tags, :tag)".to_owned());
    }
    if let Some(name) = &filter.name {
        query = query.expression_attribute_values(":name", s(name.to_lowercase()));
        conditions.push("contains(name_lower, :name)".to_owned());
    }
    if conditions.is_empty() { query } else { query.filter_expression(conditions.join(" AND ")) }
}

/// Ids begin with the millisecond they were made in, so a range of time is a range of keys. It is a millisecond wider
/// on each side than asked for: a job's id is made a moment before its time of submission is taken.
fn within(query: QueryFluentBuilder, filter: &JobFilter) -> QueryFluentBuilder {
    if filter.submitted_after.is_none() && filter.submitted_before.is_none() {
        return query
            .key_condition_expression("gsi1pk = :pk AND begins_with(gsi1sk, :prefix)")
            .expression_attribute_values(":prefix", s("JOB#"));
    }
    let bound = |at: Timestamp, spread: i64, rest: u128| {
        let millis = u128::try_from(at.as_millisecond().saturating_add(spread)).unwrap_or(0);
        format!("JOB#{}", JobId::new(uuid::Uuid::from_u128(millis.min((1 << 48) - 1) << 80 | rest)))
    };
    let from = filter.submitted_after.map_or("JOB#job_".to_owned(), |at| bound(at, -1_000, 0));
    let to = filter.submitted_before.map_or("JOB#job_g".to_owned(), |at| bound(at, 1_000, (1 << 80) - 1));
    // An empty range is a range that nothing is in, but DynamoDB refuses one whose ends are swapped.
    let (from, to) = if from <= to { (from, to) } else { (from.clone(), from) };
    query
        .key_condition_expression("gsi1pk = :pk AND gsi1sk BETWEEN :from AND :to")
        .expression_attribute_values(":from", s(from))
        .expression_attribute_values(":to", s(to))
}

fn exactly_within(job: &Job, filter: &JobFilter) -> bool {
    filter.submitted_after.is_none_or(|after| job.submitted_at >= after)
        && filter.submitted_before.is_none_or(|before| job.submitted_at < before)
}

fn start_key(owner: UserId, cursor: &str) -> Result<Item, StoreError> {
    let id: JobId = decode(cursor)?.parse().map_err(|_| StoreError::Cursor)?;
    let mut start = crate::item::key(keys::job(id));
    start.insert("gsi1pk".into(), s(format!("OWNER#{owner}")));
    start.insert("gsi1sk".into(), s(format!("JOB#{id}")));
    Ok(start)
}

pub(super) async fn waiting(store: &Store, owner: UserId, limit: usize) -> Result<Vec<Job>, StoreError> {
    let mut waiting: Vec<Job> = Vec::new();
    let mut class = 0;
    // From each class that has any, jumping over those that have none.
    loop {
        let page = store
            .client
            .query()
            .table_name(&store.table)
            .index_name("gsi2")
            .key_condition_expression("gsi2pk = :pk AND gsi2sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", s(keys::QUEUE))
            .expression_attribute_values(":from", s(keys::queue_class(owner, class)))
            .expression_attribute_values(":to", s(keys::queue_class(owner, 9)))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(store_error)?;
        let jobs: Vec<Job> = page.items().iter().map(value).collect::<Result<_, _>>()?;
        let Some(first) = jobs.first().map(|job| keys::urgency(job.spec.priority)) else {
            return Ok(waiting);
        };
        let full = jobs.len() == limit;
        // A page that is not full has everything that waits; a full one may end within any class.
        let last = jobs.last().map_or(first, |job| keys::urgency(job.spec.priority));
        waiting.extend(jobs);
        if !full || last >= keys::urgency(Priority::Low) {
            return Ok(waiting);
        }
        class = last + 1;
    }
}

/// Reads one row per owner: each step jumps behind the last one's queue.
pub(super) async fn owners_waiting(store: &Store) -> Result<Vec<UserId>, StoreError> {
    let mut owners: Vec<UserId> = Vec::new();
    loop {
        // `$` is the character after `#`: behind everything of the last owner.
        let after = owners.last().map_or(String::new(), |owner| format!("{owner}$"));
        let page = store
            .client
            .query()
            .table_name(&store.table)
            .index_name("gsi2")
            .key_condition_expression("gsi2pk = :pk AND gsi2sk > :after")
            .expression_attribute_values(":pk", s(keys::QUEUE))
            .expression_attribute_values(":after", s(if after.is_empty() { "!".to_owned() } else { after }))
            .limit(1)
            .send()
            .await
            .map_err(store_error)?;
        let Some(row) = page.items().first() else { return Ok(owners) };
        owners.push(value::<Job>(row)?.owner);
    }
}

pub(super) async fn live(store: &Store, cursor: Option<&str>) -> Result<Page<Job>, StoreError> {
    store.by_time(keys::LIVE, None, 100, cursor, |id| Some(keys::job(id.parse().ok()?))).await
}

//! One change of one job as one transaction.

use app::ports::{Admission, AttemptWrite, BillCommit, Commit, StoreError};
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use domain::{
    Money,
    job::{Attempt, EventKind, Job, RunnerState},
    ledger::{Bill, Entry},
};
use jiff::Timestamp;

use super::job_attributes;
use crate::{
    Store,
    item::{Item, item, key, n, s},
    keys, runners,
    transaction::{put, put_event, put_if_new, put_version, remember, send, update},
};

/// The attribute that counts an owner's admitted jobs.
pub(super) const ADMITTED: &str = "admitted";
/// The attribute that counts the GPUs that those ask for.
pub(super) const GPUS: &str = "gpus";
/// The attribute that counts an owner's jobs that wait for admission.
pub(super) const WAITING: &str = "waiting";

pub(super) async fn commit(store: &Store, change: Commit<'_>) -> Result<(), StoreError> {
    let mut writes = vec![put_job(store, change.job)?];
    for event in change.events {
        let last = matches!(event.kind, EventKind::Ended { .. });
        writes.push(put_event(store, keys::event(event.job_id, event.seq), event, change.job.owner, last)?);
    }
    if let Some(attempt) = &change.attempt {
        write_attempt(store, attempt, &mut writes)?;
    }
    let counts = count(store, &change)?;
    let counts_at = counts.as_ref().map(|_| writes.len());
    writes.extend(counts);
    if let Some(entry) = change.paid {
        writes.push(put_entry(store, entry)?);
        if entry.cost.micros != 0 {
            writes.push(add_spend(store, keys::spend(entry.owner, entry.at), entry.cost)?);
            writes.push(add_spend(store, keys::platform_spend(entry.attempt_id, entry.at), entry.cost)?);
        }
    }
    if let Some(request) = &change.idempotency {
        writes.push(remember(store, change.job.owner, request)?);
    }
    send(store, writes, counts_at).await
}

pub(super) async fn commit_bill(store: &Store, change: BillCommit<'_>) -> Result<(), StoreError> {
    let BillCommit { before, after, rows } = change;
    let Bill::Open { ask_at } = before.bill else { return Err(StoreError::Conflict) };
    let mut writes = vec![put(Put::builder()
        .table_name(&store.table)
        .set_item(Some(entry_row(after)?))
        .condition_expression("gsi2sk = :due")
        .expression_attribute_values(":due", s(due(before, ask_at))))];
    let more = Money::new(after.cost.micros.saturating_sub(before.cost.micros), after.cost.currency);
    if more.micros != 0 {
        writes.push(add_spend(store, keys::spend(after.owner, after.at), more)?);
        writes.push(add_spend(store, keys::platform_spend(after.attempt_id, after.at), more)?);
    }
    if let Some((job, attempt)) = rows {
        writes.push(put_job(store, job)?);
        writes.push(update_attempt(store, attempt)?);
    }
    send(store, writes, None).await
}

fn put_job(store: &Store, job: &Job) -> Result<TransactWriteItem, StoreError> {
    let next = Job { version: job.version + 1, ..job.clone() };
    let mut row = item(keys::job(job.id), &next)?;
    row.extend(job_attributes(&next).into_iter().map(|(name, value)| (name.to_owned(), value)));
    Ok(put_version(store, row, job.version))
}

fn write_attempt(
    store: &Store,
    write: &AttemptWrite<'_>,
    writes: &mut Vec<TransactWriteItem>,
) -> Result<(), StoreError> {
    match write {
        AttemptWrite::Intend(attempt, runner) => {
            let row = attempt_row(attempt)?;
            writes.push(put(Put::builder()
                .table_name(&store.table)
                .set_item(Some(row))
                .condition_expression("attribute_not_exists(pk) OR refused = :yes")
                .expression_attribute_values(":yes", AttributeValue::Bool(true))));
            writes.push(put_runner(store, runner)?);
        }
        AttemptWrite::Update(attempt) => writes.push(update_attempt(store, attempt)?),
        AttemptWrite::Close(attempt) => {
            writes.push(update_attempt(store, attempt)?);
            writes.push(update(
                Update::builder()
                    .table_name(&store.table)
                    .set_key(Some(key(keys::runner(attempt.id))))
                    .update_expression("SET closed = :yes REMOVE waiting_token, waiting_until")
                    .expression_attribute_values(":yes", AttributeValue::Bool(true)),
            )?);
        }
    }
    Ok(())
}

fn attempt_row(attempt: &Attempt) -> Result<Item, StoreError> {
    let next = Attempt { version: attempt.version + 1, ..attempt.clone() };
    let mut row = item(keys::attempt(attempt.job_id, attempt.number), &next)?;
    row.insert("version".into(), n(next.version));
    let refused = matches!(next.outcome, Some(domain::job::Outcome::Refused { .. }));
    row.insert("refused".into(), AttributeValue::Bool(refused));
    row.insert("attempt_id".into(), s(next.id));
    // Billed now: what is spent without being in the ledger yet.
    if next.created_at.is_some() && next.gone_at.is_none() {
        row.insert("gsi1pk".into(), s(keys::running(next.owner)));
        row.insert("gsi1sk".into(), s(next.id));
        row.insert("gsi2pk".into(), s(keys::RUNNING));
        row.insert("gsi2sk".into(), s(next.id));
    }
    Ok(row)
}

fn update_attempt(store: &Store, attempt: &Attempt) -> Result<TransactWriteItem, StoreError> {
    let row = attempt_row(attempt)?;
    Ok(put(Put::builder()
        .table_name(&store.table)
        .set_item(Some(row))
        .condition_expression("version = :version AND attempt_id = :id")
        .expression_attribute_values(":version", n(attempt.version))
        .expression_attribute_values(":id", s(attempt.id))))
}

fn put_runner(store: &Store, runner: &RunnerState) -> Result<TransactWriteItem, StoreError> {
    let row = runners::row(runner)?;
    Ok(put_if_new(store, row))
}

/// The owner's counters: by status, and of admitted jobs.
fn count(store: &Store, change: &Commit<'_>) -> Result<Option<TransactWriteItem>, StoreError> {
    let to = change.job.status;
    if change.from == Some(to) && change.admission == Admission::Unchanged {
        return Ok(None);
    }
    let mut update =
        Update::builder().table_name(&store.table).set_key(Some(key(keys::counts(change.job.owner))));
    let mut adds = Vec::new();
    if change.from != Some(to) {
        update =
            update.expression_attribute_names("#to", to.as_str()).expression_attribute_values(":one", n(1));
        adds.push("#to :one");
        if let Some(from) = change.from {
            update = update
                .expression_attribute_names("#from", from.as_str())
                .expression_attribute_values(":minus", n(-1));
            adds.push("#from :minus");
        }
    }
    let gpus = i64::from(change.job.spec.gpu.count);
    let is_new = change.from.is_none();
    let (admitted, gpus, waiting) = match change.admission {
        Admission::Unchanged => (0, 0, 0),
        Admission::Enter(_) if is_new => (1, gpus, 0),
        Admission::Enter(_) => (1, gpus, -1),
        Admission::Leave => (-1, -gpus, 0),
        Admission::Wait => (0, 0, 1),
        Admission::GiveUp => (0, 0, -1),
    };
    for (name, value, delta) in
        [(ADMITTED, ":admitted", admitted), (GPUS, ":gpus", gpus), (WAITING, ":waiting", waiting)]
    {
        if delta != 0 {
            adds.push(match name {
                ADMITTED => "#admitted :admitted",
                GPUS => "#gpus :gpus",
                _ => "#waiting :waiting",
            });
            update = update
                .expression_attribute_names(format!("#{name}"), name)
                .expression_attribute_values(value, n(delta));
        }
    }
    if let Admission::Enter(quota) = change.admission {
        let mut condition = "(attribute_not_exists(#admitted) OR #admitted < :jobs) AND \
                             (attribute_not_exists(#gpus) OR #gpus <= :room)"
            .to_owned();
        if is_new {
            condition.push_str(" AND (attribute_not_exists(#waiting) OR #waiting <= :nobody)");
            update = update
                .expression_attribute_names("#waiting", WAITING)
                .expression_attribute_values(":nobody", n(0));
        }
        update = update
            .condition_expression(condition)
            .expression_attribute_values(":jobs", n(quota.jobs))
            .expression_attribute_values(":room", n(quota.gpus.saturating_sub(change.job.spec.gpu.count)));
    }
    self::update(update.update_expression(format!("ADD {}", adds.join(", ")))).map(Some)
}

/// An attempt is paid once: a row that is there already refuses the whole change.
fn put_entry(store: &Store, entry: &Entry) -> Result<TransactWriteItem, StoreError> {
    Ok(put_if_new(store, entry_row(entry)?))
}

fn entry_row(entry: &Entry) -> Result<Item, StoreError> {
    let mut row = item(keys::ledger(entry), entry)?;
    row.insert("gsi1pk".into(), s(keys::ledger_day(entry.at)));
    row.insert("gsi1sk".into(), s(format!("{}#{}", keys::moment(entry.at), entry.attempt_id)));
    if let Bill::Open { ask_at } = entry.bill {
        row.insert("gsi2pk".into(), s(keys::UNBILLED));
        row.insert("gsi2sk".into(), s(due(entry, ask_at)));
    }
    Ok(row)
}

/// Where an entry stands among those whose cloud is to be asked.
fn due(entry: &Entry, ask_at: Timestamp) -> String {
    format!("{}#{}", keys::moment(ask_at), entry.attempt_id)
}

fn add_spend(store: &Store, row: (String, String), money: Money) -> Result<TransactWriteItem, StoreError> {
    update(
        Update::builder()
            .table_name(&store.table)
            .set_key(Some(key(row)))
            .update_expression("ADD #currency :micros")
            .expression_attribute_names("#currency", money.currency.code())
            .expression_attribute_values(":micros", n(money.micros)),
    )
}

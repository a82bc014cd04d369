//! What runners report. A runner's row is written attribute by attribute: two writers, the runner and the machine,
//! must never overwrite each other's word.

use app::ports::{Heard, LogChunk, LogPage, MetricsRow, Report, RunnerStore, StoreError};
use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    AttemptId,
    job::{RunnerState, RunnerWord, Waiting},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    failure::store_error,
    item::{Item, item, key, n, number, s, text, value},
    keys, log,
    report::{LOG, LogSpan, ReportRow, gzip},
};

/// Present and true if what the command says is to be masked.
const MASKED: &str = "masked";

/// What does not change in a runner's row.
#[derive(Serialize, Deserialize)]
struct Identity {
    attempt_id: AttemptId,
    job_id: domain::JobId,
    owner: domain::UserId,
    number: u32,
}

/// The row of a runner that was never heard.
pub(crate) fn row(runner: &RunnerState) -> Result<Item, StoreError> {
    let identity = Identity {
        attempt_id: runner.attempt_id,
        job_id: runner.job_id,
        owner: runner.owner,
        number: runner.number,
    };
    let mut row = item(keys::runner(runner.attempt_id), &identity)?;
    row.insert("message".into(), n(0));
    row.insert("log_bytes".into(), n(0));
    row.insert("closed".into(), AttributeValue::Bool(false));
    if runner.masked {
        row.insert(MASKED.into(), AttributeValue::Bool(true));
    }
    Ok(row)
}

fn state(row: &Item) -> Result<RunnerState, StoreError> {
    let identity: Identity = value(row)?;
    let time = |name| number::<i64>(row, name).and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let waiting = match (text(row, "waiting_token"), text(row, "waiting_until")) {
        (Some(token), Some(until)) => Some(Waiting {
            token: token.to_owned(),
            until: if until == "exit" { RunnerWord::Exit } else { RunnerWord::Start },
        }),
        _ => None,
    };
    Ok(RunnerState {
        attempt_id: identity.attempt_id,
        job_id: identity.job_id,
        owner: identity.owner,
        number: identity.number,
        runner: text(row, "runner").map(str::to_owned),
        message: number(row, "message").unwrap_or(0),
        started_at: time("started_at"),
        heard_at: time("heard_at"),
        progress: json(row, "progress")?,
        log_bytes: number(row, "log_bytes").unwrap_or(0),
        exit: json(row, "exit")?,
        waiting,
        watched_until: time("watched_until"),
        stopping: flag(row, "stopping"),
        spent_at: time("spent_at"),
        closed: flag(row, "closed"),
        masked: flag(row, MASKED),
        seam: json(row, "seam")?,
    })
}

fn flag(row: &Item, name: &str) -> bool {
    row.get(name).and_then(|flag| flag.as_bool().ok()).copied().unwrap_or(false)
}

fn json<T: serde::de::DeserializeOwned>(row: &Item, name: &str) -> Result<Option<T>, StoreError> {
    text(row, name).map(serde_json::from_str).transpose().map_err(|error| StoreError::Other(Box::new(error)))
}

fn as_json<T: Serialize>(value: &T) -> Result<AttributeValue, StoreError> {
    serde_json::to_string(value).map(s).map_err(|error| StoreError::Other(Box::new(error)))
}

#[async_trait]
impl RunnerStore for Store {
    async fn runner(&self, attempt: AttemptId) -> Result<Option<RunnerState>, StoreError> {
        self.get(keys::runner(attempt)).await?.as_ref().map(state).transpose()
    }

    async fn hear(
        &self,
        attempt: AttemptId,
        runner: &str,
        message: u64,
        report: &Report,
        at: Timestamp,
    ) -> Result<Heard, StoreError> {
        let heard = self.record(attempt, runner, message, report, at).await?;
        // The row comes first because it is the fence; a message whose log was lost behind it is sent again, and finds
        // its number taken. So the log is written for a repeat too, at the place where it belongs.
        if let Heard::Yes(state) | Heard::Again(state) = &heard
            && state.message == message
        {
            self.keep_report(state, report, at).await?;
        }
        Ok(heard)
    }

    async fn wait(&self, attempt: AttemptId, waiting: &Waiting) -> Result<Option<RunnerState>, StoreError> {
        let until = match waiting.until {
            RunnerWord::Start => "start",
            RunnerWord::Exit => "exit",
        };
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::runner(attempt))))
            .update_expression("SET waiting_token = :token, waiting_until = :until")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":token", s(&waiting.token))
            .expression_attribute_values(":until", s(until))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match updated {
            Ok(updated) => updated.attributes.as_ref().map(state).transpose(),
            Err(error) => match store_error(error) {
                StoreError::Conflict => Ok(None),
                other => Err(other),
            },
        }
    }

    async fn watch(&self, attempt: AttemptId, until: Timestamp) -> Result<(), StoreError> {
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::runner(attempt))))
            .update_expression("SET watched_until = :until")
            .condition_expression(
                "attribute_exists(pk) AND closed = :no AND (attribute_not_exists(watched_until) OR watched_until < :until)",
            )
            .expression_attribute_values(":until", n(until.as_millisecond()))
            .expression_attribute_values(":no", AttributeValue::Bool(false))
            .send()
            .await
            .map_err(store_error);
        match updated {
            // Over, or watched longer already.
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn stop(&self, attempt: AttemptId) -> Result<(), StoreError> {
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::runner(attempt))))
            .update_expression("SET stopping = :yes")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .send()
            .await
            .map_err(store_error);
        match updated {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn limit(&self, attempt: AttemptId, spent_at: Timestamp) -> Result<(), StoreError> {
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::runner(attempt))))
            .update_expression("SET spent_at = :at")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":at", n(spent_at.as_millisecond()))
            .send()
            .await
            .map_err(store_error);
        match updated {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn keep_log(&self, state: &RunnerState, chunk: LogChunk, at: Timestamp) -> Result<(), StoreError> {
        let report = Report { log: Some(chunk), ..Report::default() };
        self.keep_report(state, &report, at).await
    }

    async fn log(&self, attempt: AttemptId, offset: u64, limit: usize) -> Result<LogPage, StoreError> {
        log::from(self, attempt, offset, limit).await
    }

    async fn log_tail(&self, attempt: AttemptId, limit: usize) -> Result<LogPage, StoreError> {
        log::tail(self, attempt, limit).await
    }

    async fn metrics(
        &self,
        attempt: AttemptId,
        after: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, Vec<MetricsRow>)>, StoreError> {
        let (pk, _) = keys::runner(attempt);
        let mut rows = Vec::new();
        for prefix in ["METRICS#", "LOG#"] {
            for row in self.below(&pk, prefix, Some(crate::item::DOC)).await? {
                let report: ReportRow = value(&row)?;
                if !report.metrics.is_empty() && after.is_none_or(|after| report.at > after) {
                    rows.push((report.at, report.metrics));
                }
            }
        }
        rows.sort_by_key(|(at, _)| *at);
        rows.truncate(limit);
        Ok(rows)
    }
}

impl Store {
    async fn record(
        &self,
        attempt: AttemptId,
        runner: &str,
        message: u64,
        report: &Report,
        at: Timestamp,
    ) -> Result<Heard, StoreError> {
        let mut set = vec!["runner = :runner", "message = :message", "heard_at = :at"];
        let output = report.exit.as_ref().is_some_and(|exit| exit.output.is_some());
        let says = report.log.is_some() || report.progress.is_some() || output;
        let mut condition = "attribute_exists(pk) AND closed = :no AND message < :message AND (attribute_not_exists(runner) OR runner = :runner)".to_owned();
        if says && !report.masked {
            condition += " AND attribute_not_exists(masked)";
        }
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::runner(attempt))))
            .condition_expression(condition)
            .expression_attribute_values(":no", AttributeValue::Bool(false))
            .expression_attribute_values(":runner", s(runner))
            .expression_attribute_values(":message", n(message))
            .expression_attribute_values(":at", n(at.as_millisecond()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if report.started || report.exit.is_some() {
            set.push("started_at = if_not_exists(started_at, :at)");
        }
        if let Some(progress) = &report.progress {
            set.push("progress = :progress");
            update = update.expression_attribute_values(":progress", as_json(progress)?);
        }
        if let Some(log) = &report.log {
            set.push("log_bytes = :log_bytes");
            update = update.expression_attribute_values(":log_bytes", n(log.offset + log.bytes.len() as u64));
        }
        if let Some(seam) = &report.seam {
            set.push("seam = :seam");
            update = update.expression_attribute_values(":seam", as_json(seam)?);
        }
        if let Some(exit) = &report.exit {
            set.push("#exit = if_not_exists(#exit, :exit)");
            update = update
                .expression_attribute_names("#exit", "exit")
                .expression_attribute_values(":exit", as_json(exit)?);
        }
        match update.update_expression(format!("SET {}", set.join(", "))).send().await {
            Ok(updated) => Ok(Heard::Yes(state(&updated.attributes.unwrap_or_default())?)),
            Err(error) => {
                let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
                else {
                    return Err(store_error(error));
                };
                let Some(row) = failed.item() else { return Ok(Heard::Closed) };
                let state = state(row)?;
                if state.runner.as_deref().is_some_and(|has| has != runner) {
                    Ok(Heard::Superseded)
                } else if state.closed {
                    Ok(Heard::Closed)
                } else if state.masked && says && !report.masked {
                    Ok(Heard::Unmasked(state))
                } else {
                    Ok(Heard::Again(state))
                }
            }
        }
    }

    /// Writes what a report has beyond the runner's last word. The same report finds its own row.
    async fn keep_report(
        &self,
        state: &RunnerState,
        report: &Report,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let watched = state.watched_until.is_some_and(|until| until > at);
        let has_log = report.log.as_ref().is_some_and(|log| !log.bytes.is_empty() || log.dropped > 0);
        if !has_log && report.metrics.is_empty() && !(watched && report.progress.is_some()) {
            return Ok(());
        }
        let log = report.log.as_ref().filter(|_| has_log);
        let doc = ReportRow {
            job_id: state.job_id,
            attempt_id: state.attempt_id,
            number: state.number,
            owner: state.owner,
            at,
            progress: report.progress.clone(),
            metrics: report.metrics.clone(),
            log: log.map(|log| LogSpan {
                offset: log.offset,
                length: log.bytes.len() as u64,
                dropped: log.dropped,
            }),
        };
        let at_key = match log {
            Some(LogChunk { offset, .. }) => keys::log(state.attempt_id, *offset),
            None => keys::metrics(state.attempt_id, at),
        };
        let mut row = item(at_key, &doc)?;
        if let Some(log) = log {
            let packed = gzip(&log.bytes).map_err(|error| StoreError::Other(Box::new(error)))?;
            row.insert(LOG.into(), AttributeValue::B(packed.into()));
        }
        if watched {
            row.insert(keys::PUSH.into(), AttributeValue::Bool(true));
        }
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row))
            .send()
            .await
            .map_err(store_error)?;
        if let Some(log) = log {
            log::drop_middle(self, state.attempt_id, log.offset + log.bytes.len() as u64).await?;
        }
        Ok(())
    }
}

//! From a changed row to its messages.

use app::{
    notify::Letter,
    ports::{Alert, MetricsRow, Topic},
};
use contract::budget::{BudgetAlert, BudgetScope};
use contract::messages::{Gpu, Message, Metrics, Progress};
use domain::{UserId, job::Event, workflow::RunEvent};
use dynamodb::{
    item::DOC,
    keys::SK,
    report::{self, ReportRow},
};

use crate::stream::Change;

/// Why a row is no message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the row has no {0}")]
    Missing(&'static str),
    #[error("the row's document is not what its key says")]
    Document(#[from] serde_json::Error),
    #[error("the row's owner is no user id")]
    Owner(#[from] domain::id::InvalidId),
    #[error("the row's log is not base64")]
    Base64(#[from] base64::DecodeError),
    #[error("the row's log cannot be unpacked")]
    Gzip(#[from] std::io::Error),
}

/// The messages of one changed row; none for a row of a kind that nobody watches.
pub(crate) fn letters(origin: usize, change: Change) -> Result<Vec<Letter>, Unreadable> {
    let messages = match change.text(SK).map(|key| key.split_once('#').map_or(key, |(kind, _)| kind)) {
        Some("EVENT") => event(&change)?,
        Some("RUNEVENT") => run_event(&change)?,
        Some("LOG" | "METRICS") => report(&change)?,
        Some("ALERT") => alert(&change)?,
        _ => Vec::new(),
    };
    let letter =
        |(topics, message): (Vec<Topic>, Message)| Ok(Letter { origin, topics, text: message.encode()? });
    messages.into_iter().map(letter).collect()
}

fn event(change: &Change) -> Result<Vec<(Vec<Topic>, Message)>, Unreadable> {
    let event: Event = serde_json::from_str(change.text(DOC).ok_or(Unreadable::Missing(DOC))?)?;
    let owner: UserId = change.text("owner").ok_or(Unreadable::Missing("owner"))?.parse()?;
    Ok(vec![(vec![Topic::Job(event.job_id), Topic::Owner(owner)], event.into())])
}

fn run_event(change: &Change) -> Result<Vec<(Vec<Topic>, Message)>, Unreadable> {
    let event: RunEvent = serde_json::from_str(change.text(DOC).ok_or(Unreadable::Missing(DOC))?)?;
    let owner: UserId = change.text("owner").ok_or(Unreadable::Missing("owner"))?.parse()?;
    Ok(vec![(vec![Topic::Run(event.run_id), Topic::Owner(owner)], event.into())])
}

fn alert(change: &Change) -> Result<Vec<(Vec<Topic>, Message)>, Unreadable> {
    let alert: Alert = serde_json::from_str(change.text(DOC).ok_or(Unreadable::Missing(DOC))?)?;
    let (scope, topic) = match alert.owner {
        Some(owner) => (BudgetScope::Own, Topic::Owner(owner)),
        None => (BudgetScope::Platform, Topic::Platform),
    };
    let message = Message::Budget(BudgetAlert {
        scope,
        month: alert.month,
        level: alert.level.into(),
        at: alert.at,
        used: alert.used.into(),
        budget: alert.budget.into(),
    });
    Ok(vec![(vec![topic], message)])
}

fn report(change: &Change) -> Result<Vec<(Vec<Topic>, Message)>, Unreadable> {
    let row: ReportRow = serde_json::from_str(change.text(DOC).ok_or(Unreadable::Missing(DOC))?)?;
    let (job_id, attempt, at) = (row.job_id, row.number, row.at);
    // Whoever listens to all their jobs wants to see how far each is, not to read every log at once.
    let (everybody, watchers) = (vec![Topic::Job(job_id), Topic::Owner(row.owner)], vec![Topic::Job(job_id)]);
    let mut messages = Vec::new();
    if let Some(span) = row.log {
        let packed = change.binary(report::LOG)?.unwrap_or_default();
        let bytes = if packed.is_empty() { packed } else { report::gunzip(&packed)? };
        let pieces = Message::log(job_id, attempt, at, span.offset, span.dropped, &bytes);
        messages.extend(pieces.into_iter().map(|piece| (watchers.clone(), piece)));
    }
    if !row.metrics.is_empty() {
        let gpus = row.metrics.into_iter().map(gpu).collect();
        messages.push((watchers, Message::Metrics(Metrics { job_id, attempt, at, gpus })));
    }
    if let Some(progress) = row.progress {
        messages
            .push((everybody, Message::Progress(Progress { job_id, attempt, at, figures: progress.into() })));
    }
    Ok(messages)
}

fn gpu(row: MetricsRow) -> Gpu {
    Gpu {
        gpu: row.gpu,
        utilisation: row.utilisation,
        memory_used_mib: row.memory_used_mib,
        memory_total_mib: row.memory_total_mib,
        temperature_c: row.temperature_c,
        power_w: row.power_w,
    }
}

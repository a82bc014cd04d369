//! The server's side of live status: rows that the table's stream hands over become messages to whoever listens.

mod row;
mod stream;

use app::notify::{Letter, Notifier};
use serde::Serialize;

pub use stream::Batch;

/// Nothing makes an invocation fail as a whole: what must be tried again is named in the answer.
#[derive(Debug, thiserror::Error)]
pub enum Never {}

impl lambda::events::Failure for Never {
    fn error_type(&self) -> &'static str {
        match *self {}
    }
}

/// Which records the stream hands over again: the first named and all behind it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub batch_item_failures: Vec<ItemFailure>,
}

/// A record by its sequence number.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemFailure {
    pub item_identifier: String,
}

/// Pushes a batch of changed rows.
pub async fn handle(notifier: &Notifier, batch: Batch) -> Answer {
    let numbers: Vec<String> =
        batch.records.iter().map(|record| record.change.sequence_number.clone()).collect();
    let mut letters: Vec<Letter> = Vec::new();
    for (origin, record) in batch.records.into_iter().enumerate() {
        match row::letters(origin, record.change) {
            Ok(more) => letters.extend(more),
            // Another try would read the same row.
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(record.number = numbers[origin], error, "a row could not be read");
            }
        }
    }
    let delivered = notifier.deliver(&letters).await;
    tracing::debug!(letters = letters.len(), delivered.connections, delivered.gone, "pushed");
    let Some((origin, error)) = delivered.undelivered else { return Answer::default() };
    let error = &error as &dyn std::error::Error;
    tracing::error!(record.number = numbers[origin], error, "subscribers could not be looked up");
    Answer { batch_item_failures: vec![ItemFailure { item_identifier: numbers[origin].clone() }] }
}

//! Messages to other people's servers. The table's stream hands over each message that is to be sent now and the last
//! event of each job and run. The scheduler's tick hands what waits back to the stream when its time comes, and what the
//! stream did not get through.

mod client;
mod stream;
mod tell;

use app::{calls::Deliverer, machine::StepError};
use domain::CallId;
use dynamodb::Store;
use futures::{StreamExt, stream::iter};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use client::{Client, Names, Reach, SystemNames};
use stream::{Record, Wanted};

/// Messages that are sent at once by one invocation.
const AT_ONCE: usize = 50;
/// For so long one batch of the stream may go on trying, since the next batch waits for it; longer pauses are the tick's.
const IN_PLACE: SignedDuration = SignedDuration::from_secs(15);

/// Changed rows, in the order of their changes.
#[derive(Deserialize)]
pub struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("records", &self.records.len()).finish()
    }
}

/// Which records the stream hands over again.
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

/// Sends and tells.
#[derive(Debug, Clone)]
pub struct Webhooks {
    pub deliverer: Deliverer,
    pub store: Store,
}

impl Webhooks {
    /// Sees to a batch of the stream. An end that could not be told of is handed over again; a message that could not be
    /// sent is not, for the tick finds it.
    pub async fn batch(&self, batch: Batch, now: Timestamp) -> Answer {
        let until = now.checked_add(IN_PLACE).unwrap_or(now);
        let mut calls = Vec::new();
        let mut failed = None;
        for Record { change } in &batch.records {
            let told = match change.wanted() {
                Ok(Wanted::Send(id)) => {
                    calls.push(id);
                    Ok(0)
                }
                Ok(Wanted::TellOfJob { owner, event }) => tell::of_job(&self.store, owner, &event).await,
                Ok(Wanted::TellOfRun { owner, event }) => tell::of_run(&self.store, owner, &event).await,
                Err(error) => {
                    // Another try would read the same row.
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(record.number = change.sequence_number, error, "a row could not be read");
                    Ok(0)
                }
            };
            match told {
                Ok(0) => {}
                Ok(messages) => tracing::info!(messages, "an end is told of"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(
                        record.number = change.sequence_number,
                        error,
                        "an end could not be told of"
                    );
                    failed = Some(change.sequence_number.clone());
                    break;
                }
            }
        }
        iter(calls).for_each_concurrent(AT_ONCE, |id| self.send(id, until)).await;
        Answer {
            batch_item_failures: failed
                .into_iter()
                .map(|item_identifier| ItemFailure { item_identifier })
                .collect(),
        }
    }

    async fn send(&self, id: CallId, until: Timestamp) {
        match self.deliverer.deliver(id, until).await {
            Ok(()) => {}
            Err(error @ StepError::Collision) => {
                tracing::info!(call.id = %id, %error, "a message is being sent by somebody else");
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(call.id = %id, error, "a message could not be seen to; the tick brings it back");
            }
        }
    }
}

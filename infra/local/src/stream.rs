//! A table's stream feeds a function: new records are filtered, gathered into a batch, and the function is invoked
//! with it. Looks at the stream when something was written, never by the clock.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::encode_shard_iterator;
use dynoxide::streams::shard_id;
use serde_json::{Value, json};
use tracing::{debug, error, warn};

use crate::activity::Activity;
use crate::functions::Functions;
use crate::table::Dynamodb;
use crate::template::{Account, EventSource};

/// dynoxide writes a stored number as this plus the number.
const OFFSET: u128 = 100_000_000_000_000_000_000;
/// Records read at once.
const PAGE: usize = 1000;
/// Records that were filtered out before their place is written down all the same.
const FORGETFUL: usize = 5000;

/// Follows one stream for one function.
#[derive(Debug)]
pub struct Follower {
    pub name: String,
    pub table: String,
    pub source: EventSource,
    pub account: Account,
    pub dynamodb: Dynamodb,
    pub functions: Functions,
    pub activity: Activity,
    /// Where its place in the stream is kept; none keeps it in memory.
    pub checkpoint: Option<PathBuf>,
}

/// A record and its stored sequence number.
type Numbered = (i64, Value);

impl Follower {
    /// Follows until the task is dropped.
    pub async fn follow(self) {
        let mut writes = self.dynamodb.writes();
        let mut place = match self.start() {
            Ok(place) => place,
            Err(error) => {
                error!(stream = self.name, error = format!("{error:#}"), "a stream cannot be followed");
                return;
            }
        };
        let mut saved = place;
        let mut skipped = 0;
        loop {
            writes.mark_unchanged();
            let running = self.activity.start();
            if !self.source.window.is_zero() {
                tokio::time::sleep(self.source.window).await;
            }
            loop {
                let (records, last) = match self.read(place) {
                    Ok(page) => page,
                    Err(error) => {
                        error!(stream = self.name, error = format!("{error:#}"), "a stream cannot be read");
                        break;
                    }
                };
                if last == place {
                    break;
                }
                let read = last;
                let passed: Vec<Numbered> =
                    records.into_iter().filter(|(_, record)| self.passes(record)).collect();
                if passed.is_empty() {
                    skipped += 1;
                }
                if self.source.lanes > 1 && passed.len() > 1 {
                    self.deliver_in_lanes(passed).await;
                    self.save(read);
                    saved = read;
                } else {
                    for batch in passed.chunks(self.source.batch_size) {
                        self.deliver(batch).await;
                        place = batch.last().map_or(place, |(number, _)| *number);
                        self.save(place);
                        saved = place;
                    }
                }
                place = read;
            }
            if skipped >= FORGETFUL && saved != place {
                self.save(place);
                saved = place;
                skipped = 0;
            }
            drop(running);
            if writes.changed().await.is_err() {
                return;
            }
        }
    }

    fn start(&self) -> Result<i64> {
        if let Some(path) = &self.checkpoint
            && let Ok(text) = std::fs::read_to_string(path)
        {
            return text.trim().parse().with_context(|| format!("checkpoint {}", path.display()));
        }
        if self.source.from_start {
            return Ok(0);
        }
        let mut place = 0;
        loop {
            let (_, last) = self.read(place)?;
            if last == place {
                self.save(place);
                return Ok(place);
            }
            place = last;
        }
    }

    fn save(&self, place: i64) {
        let Some(path) = &self.checkpoint else { return };
        let new = path.with_extension("new");
        if let Err(error) = std::fs::write(&new, place.to_string()).and_then(|()| std::fs::rename(&new, path))
        {
            error!(stream = self.name, %error, "the place in a stream cannot be kept");
        }
    }

    /// Records after `place`, and the number of the last of them.
    fn read(&self, place: i64) -> Result<(Vec<Numbered>, i64)> {
        let request = GetRecordsRequest {
            shard_iterator: encode_shard_iterator(&self.table, &shard_id(&self.table), place),
            limit: Some(PAGE),
        };
        let answer = self.dynamodb.database().get_records(request).map_err(|error| anyhow!("{error}"))?;
        let mut records = Vec::with_capacity(answer.records.len());
        for record in answer.records {
            let number = number(&record.dynamodb.sequence_number)?;
            let mut record = serde_json::to_value(record)?;
            record["awsRegion"] = self.account.region.clone().into();
            record["eventSourceARN"] = self.source.stream_arn.clone().into();
            records.push((number, record));
        }
        let last = records.last().map_or(place, |(number, _)| *number);
        Ok((records, last))
    }

    fn passes(&self, record: &Value) -> bool {
        let filters = &self.source.filters;
        filters.is_empty() || filters.iter().any(|pattern| crate::filter::matches(pattern, record))
    }

    /// Delivers side by side what is of different items; what is of one partition stays in order.
    async fn deliver_in_lanes(&self, records: Vec<Numbered>) {
        let mut lanes: Vec<Vec<Numbered>> = vec![Vec::new(); self.source.lanes];
        for (number, record) in records {
            let mut hasher = DefaultHasher::new();
            record.pointer("/dynamodb/Keys/pk").map(Value::to_string).hash(&mut hasher);
            lanes[hasher.finish() as usize % self.source.lanes].push((number, record));
        }
        let lanes = lanes.iter().map(async |lane| {
            for batch in lane.chunks(self.source.batch_size) {
                self.deliver(batch).await;
            }
        });
        futures::future::join_all(lanes).await;
    }

    /// Invokes the function with a batch until it is through, given up or too old.
    async fn deliver(&self, batch: &[Numbered]) {
        // Bisecting leaves what is still to be delivered in order
        let mut waiting: Vec<(&[Numbered], u32)> = vec![(batch, 0)];
        while let Some((part, tries)) = waiting.pop() {
            let part = self.young(part);
            if part.is_empty() {
                continue;
            }
            let Err(failed_from) = self.invoke(part).await else { continue };
            let part = &part[failed_from..];
            if self.source.max_retries.is_some_and(|most| tries >= most) {
                warn!(stream = self.name, records = part.len(), "records are given up");
                continue;
            }
            tokio::time::sleep(Duration::from_millis(100 << tries.min(6))).await;
            if self.source.bisect && part.len() > 1 && failed_from == 0 {
                let (first, second) = part.split_at(part.len() / 2);
                waiting.push((second, tries + 1));
                waiting.push((first, tries + 1));
            } else {
                waiting.push((part, tries + 1));
            }
        }
    }

    /// The part of the batch that is not too old to be delivered.
    fn young<'a>(&self, batch: &'a [Numbered]) -> &'a [Numbered] {
        let Some(most) = self.source.max_age else { return batch };
        let oldest = crate::clock::now().as_second() as f64 - most.as_secs_f64();
        let written = |(_, record): &Numbered| {
            record
                .pointer("/dynamodb/ApproximateCreationDateTime")
                .and_then(Value::as_f64)
                .unwrap_or(f64::MAX)
        };
        let old = batch.iter().take_while(|record| written(record) < oldest).count();
        if old > 0 {
            debug!(stream = self.name, records = old, "records are too old");
        }
        &batch[old..]
    }

    /// Invokes the function once; the error is the index of the first record that it did not manage.
    async fn invoke(&self, batch: &[Numbered]) -> Result<(), usize> {
        let records: Vec<&Value> = batch.iter().map(|(_, record)| record).collect();
        let answer = self.functions.call(&self.source.function, json!({ "Records": records })).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                warn!(stream = self.name, records = batch.len(), %error, "a batch failed");
                return Err(0);
            }
        };
        if !self.source.reports_failures {
            return Ok(());
        }
        let failures = answer.get("batchItemFailures").and_then(Value::as_array);
        let failed: BTreeSet<&str> = failures
            .into_iter()
            .flatten()
            .filter_map(|failure| failure.get("itemIdentifier")?.as_str())
            .collect();
        let first = records.iter().position(|record| {
            let number = record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str);
            number.is_some_and(|number| failed.contains(number))
        });
        match first {
            Some(first) => Err(first),
            // An identifier of no record fails the whole batch, as AWS does
            None if !failed.is_empty() => Err(0),
            None => Ok(()),
        }
    }
}

fn number(public: &str) -> Result<i64> {
    let number: u128 = public.parse().with_context(|| format!("sequence number {public}"))?;
    number
        .checked_sub(OFFSET)
        .and_then(|number| number.try_into().ok())
        .ok_or_else(|| anyhow!("sequence number {public} is not one"))
}

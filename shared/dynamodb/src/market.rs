//! The providers' catalogues and our measurements of them.
//!
//! A catalogue is gzip'ed JSON in its head row, and in further rows where that would grow too large; those bear the time
//! of the head that they belong to, so that a reader never puts two catalogues together. What was refused since is a
//! row of its own: to mark an offer as sold out does not write the whole catalogue again.

use std::{collections::HashSet, io::Write};

use app::ports::{Catalogue, Failed, Measurements, Queue, Shelf, StoreError};
use async_trait::async_trait;
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use domain::{
    JobId,
    job::Status,
    placement::{Offer, Place, ProviderName, Statistics, Stock, Tally},
};
use flate2::{Compression, write::GzEncoder};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::{
    Store,
    failure::{other, store_error},
    item::{Item, key, n, number, s, text},
    keys,
    report::gunzip,
};

/// Bytes of a catalogue in one row: DynamoDB takes 400 KB.
const PART: usize = 300_000;
/// A catalogue that nobody refreshed for so long is forgotten: nothing can be rented from it any more.
const CATALOGUE_DAYS: i64 = 7;
/// Longer than measurements are looked at.
const STATISTICS_DAYS: i64 = 30;
/// Rows that are counted of the queue at most.
const QUEUE_ROWS: usize = 20_000;
/// Times of submission that are given of them.
const QUEUE_TIMES: usize = 5_000;

#[async_trait]
impl Catalogue for Store {
    async fn shelf(&self, provider: &ProviderName) -> Result<Shelf, StoreError> {
        let rows = self.partition(&keys::catalogue(provider).0).await?;
        let head = rows.iter().find(|row| text(row, keys::SK) == Some(keys::CATALOGUE));
        let Some(head) = head else { return Ok(Shelf::empty(provider.clone())) };
        let failed = match text(head, "failed") {
            None => None,
            Some(json) => Some(serde_json::from_str::<Failed>(json).map_err(other)?),
        };
        let shelf = Shelf { failed, ..Shelf::empty(provider.clone()) };
        let (Some(seen), Some(mut bytes)) = (number::<i64>(head, "seen_at"), body(head)) else {
            return Ok(shelf);
        };
        let parts = number::<usize>(head, "parts").unwrap_or(1);
        for index in 1..parts {
            let name = keys::catalogue_part(provider, seen, index).1;
            let part = rows.iter().find(|row| text(row, keys::SK) == Some(name.as_str())).and_then(body);
            // It is being written, or expired: as good as never seen.
            let Some(part) = part else { return Ok(shelf) };
            bytes.extend(part);
        }
        let json = gunzip(&bytes).map_err(other)?;
        let mut offers: Vec<Offer> = serde_json::from_slice(&json).map_err(other)?;
        let gone: HashSet<&str> = rows
            .iter()
            .filter(|row| number::<i64>(row, "at").is_some_and(|at| at >= seen))
            .filter_map(|row| text(row, keys::SK))
            .collect();
        if gone.iter().any(|sk| sk.starts_with(keys::SOLD_OUT)) {
            for offer in &mut offers {
                if gone.contains(keys::sold_out(offer).1.as_str()) {
                    offer.stock = Stock::None;
                }
            }
        }
        Ok(Shelf { offers, seen_at: Timestamp::from_millisecond(seen).ok(), ..shelf })
    }

    async fn stock(
        &self,
        provider: &ProviderName,
        offers: &[Offer],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&serde_json::to_vec(offers).map_err(other)?).map_err(other)?;
        let bytes = encoder.finish().map_err(other)?;
        let seen = at.as_millisecond();
        let expires = n((at + SignedDuration::from_hours(24 * CATALOGUE_DAYS)).as_second());
        let mut parts = bytes.chunks(PART);
        let first = parts.next().unwrap_or_default();
        let mut count = 1;
        for part in parts {
            let mut row = key(keys::catalogue_part(provider, seen, count));
            row.insert("body".into(), AttributeValue::B(Blob::new(part)));
            row.insert(keys::EXPIRES_AT.into(), expires.clone());
            self.client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(row))
                .send()
                .await
                .map_err(store_error)?;
            count += 1;
        }
        let written = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::catalogue(provider))))
            .update_expression(
                "SET body = :body, seen_at = :seen, parts = :parts, #expires = :expires REMOVE failed",
            )
            .condition_expression("attribute_not_exists(seen_at) OR seen_at <= :seen")
            .expression_attribute_names("#expires", keys::EXPIRES_AT)
            .expression_attribute_values(":body", AttributeValue::B(Blob::new(first)))
            .expression_attribute_values(":seen", n(seen))
            .expression_attribute_values(":parts", n(count))
            .expression_attribute_values(":expires", expires)
            .send()
            .await
            .map_err(store_error);
        match written {
            // A later look is there already.
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn failed(&self, provider: &ProviderName, failed: &Failed) -> Result<(), StoreError> {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::catalogue(provider))))
            .update_expression("SET failed = :failed")
            .expression_attribute_values(":failed", s(serde_json::to_string(failed).map_err(other)?))
            .send()
            .await
            .map_err(store_error)?;
        Ok(())
    }

    async fn sold_out(&self, offer: &Offer, at: Timestamp) -> Result<(), StoreError> {
        let mut row = key(keys::sold_out(offer));
        row.insert("at".into(), n(at.as_millisecond()));
        row.insert(keys::EXPIRES_AT.into(), n((at + SignedDuration::from_hours(24)).as_second()));
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row))
            .send()
            .await
            .map_err(store_error)?;
        Ok(())
    }

    async fn ask_refresh(&self, now: Timestamp, until: Timestamp) -> Result<bool, StoreError> {
        let mut row = key(keys::refresh());
        row.insert("until".into(), n(until.as_millisecond()));
        let written = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk) OR #until <= :now")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":now", n(now.as_millisecond()))
            .send()
            .await
            .map_err(store_error);
        match written {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Measurements for Store {
    async fn measure(&self, place: &Place, tally: &Tally, at: Timestamp) -> Result<(), StoreError> {
        let figures: Map<String, Value> = match serde_json::to_value(tally).map_err(other)? {
            Value::Object(figures) => figures,
            _ => Map::new(),
        };
        let expires = at + SignedDuration::from_hours(24 * STATISTICS_DAYS);
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::statistics(place, at))))
            .expression_attribute_names("#place", "place")
            .expression_attribute_names("#expires", keys::EXPIRES_AT)
            .expression_attribute_values(":place", s(serde_json::to_string(place).map_err(other)?))
            .expression_attribute_values(":expires", n(expires.as_second()));
        let mut added = Vec::new();
        for (index, (name, figure)) in figures.iter().enumerate() {
            let figure = figure.as_u64().unwrap_or(0);
            if figure > 0 {
                update = update
                    .expression_attribute_names(format!("#f{index}"), name)
                    .expression_attribute_values(format!(":f{index}"), n(figure));
                added.push(format!("#f{index} :f{index}"));
            }
        }
        if added.is_empty() {
            return Ok(());
        }
        let expression = format!("SET #place = :place, #expires = :expires ADD {}", added.join(", "));
        update.update_expression(expression).send().await.map_err(store_error)?;
        Ok(())
    }

    async fn measured_since(&self, from: Timestamp) -> Result<Statistics, StoreError> {
        let mut statistics = Statistics::default();
        let mut start = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk AND sk >= :from")
                .expression_attribute_values(":pk", s(keys::STATISTICS))
                .expression_attribute_values(":from", s(keys::day(from)))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(store_error)?;
            for row in page.items() {
                let place: Place =
                    serde_json::from_str(text(row, "place").unwrap_or_default()).map_err(other)?;
                statistics.add(place, tally(row)?);
            }
            match page.last_evaluated_key {
                Some(last) if !last.is_empty() => start = Some(last),
                _ => return Ok(statistics),
            }
        }
    }

    async fn queue(&self) -> Result<Queue, StoreError> {
        let mut queue = Queue::default();
        for partition in [keys::QUEUE, keys::LIVE] {
            let mut start = None;
            let mut read = 0;
            loop {
                let page = self
                    .client
                    .query()
                    .table_name(&self.table)
                    .index_name("gsi2")
                    .key_condition_expression("gsi2pk = :pk")
                    .expression_attribute_values(":pk", s(partition))
                    .projection_expression("pk, #status")
                    .expression_attribute_names("#status", "status")
                    .set_exclusive_start_key(start)
                    .send()
                    .await
                    .map_err(store_error)?;
                for row in page.items() {
                    count(&mut queue, row, partition == keys::QUEUE);
                }
                read += page.items().len();
                match page.last_evaluated_key {
                    Some(last) if !last.is_empty() && read < QUEUE_ROWS => start = Some(last),
                    _ => break,
                }
            }
        }
        Ok(queue)
    }
}

impl Store {
    async fn partition(&self, pk: &str) -> Result<Vec<Item>, StoreError> {
        let mut rows = Vec::new();
        let mut start = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", s(pk))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(store_error)?;
            rows.extend(page.items.unwrap_or_default());
            match page.last_evaluated_key {
                Some(last) if !last.is_empty() => start = Some(last),
                _ => return Ok(rows),
            }
        }
    }
}

fn body(row: &Item) -> Option<Vec<u8>> {
    row.get("body")?.as_b().ok().map(|blob| blob.as_ref().to_vec())
}

fn tally(row: &Item) -> Result<Tally, StoreError> {
    let figures: Map<String, Value> =
        row.keys().filter_map(|name| Some((name.clone(), number::<u64>(row, name)?.into()))).collect();
    serde_json::from_value(Value::Object(figures)).map_err(other)
}

fn count(queue: &mut Queue, row: &Item, waits: bool) {
    let status = text(row, "status").unwrap_or_default();
    let counted = if waits {
        &mut queue.waiting
    } else if status == Status::Provisioning.as_str() {
        &mut queue.provisioning
    } else if status == Status::Running.as_str() {
        &mut queue.running
    } else {
        &mut queue.searching
    };
    *counted += 1;
    if (waits || status == Status::Queued.as_str()) && queue.since.len() < QUEUE_TIMES {
        queue.since.extend(submitted(row));
    }
}

/// A job's id begins with the millisecond in which it was made.
fn submitted(row: &Item) -> Option<Timestamp> {
    let id: JobId = text(row, keys::PK)?.strip_prefix("JOB#")?.parse().ok()?;
    Timestamp::from_millisecond(i64::try_from(id.uuid().as_u128() >> 80).ok()?).ok()
}

//! Budgets, spend and the ledger: [`MoneyStore`] on the table.

use app::{
    money::month_of,
    ports::{Alert, MoneyStore, Page, PlatformBudget, Span, StoreError},
};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    Currency, Money, UserId,
    account::{Allowance, User},
    job::Attempt,
    ledger::{Entry, Payer},
    money::add_to,
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    Store,
    failure::store_error,
    item::{Item, item, number, s, text, value},
    keys,
    pages::{decode, encode},
};

#[async_trait]
impl MoneyStore for Store {
    async fn allowance(&self, owner: UserId) -> Result<Allowance, StoreError> {
        let user: Option<User> = self.get(keys::user(owner)).await?.as_ref().map(value).transpose()?;
        Ok(user.map(|user| user.allowance).unwrap_or_default())
    }

    async fn platform_budget(&self) -> Result<PlatformBudget, StoreError> {
        let row = self.get(keys::platform_budget()).await?;
        Ok(row.as_ref().map(value).transpose()?.unwrap_or_default())
    }

    async fn set_platform_budget(&self, budget: &PlatformBudget) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.table);
        let row = item(keys::platform_budget(), budget)?;
        put.set_item(Some(row)).send().await.map(drop).map_err(store_error)
    }

    async fn spent(&self, by: Payer, at: Timestamp) -> Result<Vec<Money>, StoreError> {
        let rows = match by {
            Payer::Owner(owner) => self.get(keys::spend(owner, at)).await?.into_iter().collect(),
            Payer::Platform => self.below(keys::PLATFORM, &keys::platform_spend_prefix(at), None).await?,
        };
        let mut sums = Vec::new();
        for row in &rows {
            for currency in [Currency::Usd, Currency::Cny] {
                if let Some(micros) = number(row, currency.code()) {
                    add_to(&mut sums, Money::new(micros, currency));
                }
            }
        }
        Ok(sums)
    }

    async fn running(&self, by: Payer) -> Result<Vec<Attempt>, StoreError> {
        let (index, pk) = match by {
            Payer::Owner(owner) => ("gsi1", keys::running(owner)),
            Payer::Platform => ("gsi2", keys::RUNNING.to_owned()),
        };
        let mut attempts = Vec::new();
        let mut from = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(index)
                .key_condition_expression(format!("{index}pk = :pk"))
                .expression_attribute_values(":pk", s(&pk))
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(store_error)?;
            for row in page.items() {
                attempts.push(value(row)?);
            }
            match page.last_evaluated_key {
                Some(last) if !last.is_empty() => from = Some(last),
                _ => return Ok(attempts),
            }
        }
    }

    async fn ledger(
        &self,
        by: Payer,
        span: Span,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Entry>, StoreError> {
        let behind = cursor.map(position).transpose()?;
        let below = behind.clone().unwrap_or_else(|| keys::moment(span.to));
        let from = keys::moment(span.from);
        let mut items = Vec::new();
        match by {
            Payer::Owner(owner) => {
                let part = Part { index: None, pk: keys::payer(Payer::Owner(owner)), prefix: "LEDGER#" };
                self.paid(&part, (&from, &below), behind.as_deref(), limit + 1, &mut items).await?;
            }
            Payer::Platform => {
                for day in days(span, behind.as_deref()) {
                    let part = Part { index: Some("gsi1"), pk: keys::ledger_day(day), prefix: "" };
                    self.paid(&part, (&from, &below), behind.as_deref(), limit + 1, &mut items).await?;
                    if items.len() > limit {
                        break;
                    }
                }
            }
        }
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last: &Entry| encode(&place(last)));
        Ok(Page { items, next })
    }

    async fn unbilled(&self, at: Timestamp, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let due = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("gsi2")
            .key_condition_expression("gsi2pk = :pk AND gsi2sk <= :at")
            .expression_attribute_values(":pk", s(keys::UNBILLED))
            // Behind every attempt of that moment.
            .expression_attribute_values(":at", s(format!("{}~", keys::moment(at))))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(store_error)?;
        due.items().iter().map(value).collect()
    }

    async fn alert(&self, alert: &Alert) -> Result<bool, StoreError> {
        let of = alert.owner.map_or(Payer::Platform, Payer::Owner);
        let mut row = item(keys::alert(of, &alert.month, alert.level.as_str()), alert)?;
        if let Some(owner) = alert.owner {
            row.insert("owner".into(), s(owner));
        }
        row.insert(keys::PUSH.into(), AttributeValue::Bool(true));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(row));
        match put.condition_expression("attribute_not_exists(pk)").send().await.map_err(store_error) {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn alerts(&self, of: Payer, at: Timestamp) -> Result<Vec<Alert>, StoreError> {
        let rows = self.below(&keys::payer(of), &format!("ALERT#{}#", month_of(at)), None).await?;
        rows.iter().map(value).collect()
    }
}

/// Where paid attempts are listed in the order of time.
struct Part {
    index: Option<&'static str>,
    pk: String,
    /// In front of the time in the sort key.
    prefix: &'static str,
}

impl Store {
    /// Adds the entries between two moments, newest first, until there are `limit`. The one at `behind` was seen before.
    async fn paid(
        &self,
        part: &Part,
        (from, to): (&str, &str),
        behind: Option<&str>,
        limit: usize,
        entries: &mut Vec<Entry>,
    ) -> Result<(), StoreError> {
        let index = part.index.unwrap_or_default();
        let mut start: Option<Item> = None;
        if from > to {
            return Ok(());
        }
        while entries.len() < limit {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .set_index_name(part.index.map(str::to_owned))
                .key_condition_expression(format!("{index}pk = :pk AND {index}sk BETWEEN :from AND :to"))
                .expression_attribute_values(":pk", s(&part.pk))
                .expression_attribute_values(":from", s(format!("{}{from}", part.prefix)))
                .expression_attribute_values(":to", s(format!("{}{to}", part.prefix)))
                .scan_index_forward(false)
                .limit(i32::try_from(limit - entries.len() + 1).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(store_error)?;
            for row in page.items() {
                let at = text(row, &format!("{index}sk")).unwrap_or_default();
                if behind.is_none_or(|seen| at.strip_prefix(part.prefix) != Some(seen)) {
                    entries.push(value(row)?);
                }
            }
            match page.last_evaluated_key {
                Some(last) if !last.is_empty() => start = Some(last),
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

/// An entry's place in time.
fn place(entry: &Entry) -> String {
    format!("{}#{}", keys::moment(entry.at), entry.attempt_id)
}

fn position(cursor: &str) -> Result<String, StoreError> {
    let place = decode(cursor)?;
    let (moment, attempt) = place.split_once('#').ok_or(StoreError::Cursor)?;
    let good = moment.parse::<Timestamp>().is_ok() && attempt.parse::<domain::AttemptId>().is_ok();
    if good { Ok(place) } else { Err(StoreError::Cursor) }
}

/// The days of a span, the last first, from that of the cursor on.
fn days(span: Span, behind: Option<&str>) -> Vec<Timestamp> {
    let last_moment = Timestamp::from_nanosecond(span.to.as_nanosecond() - 1).unwrap_or(span.to);
    let cursor = behind.and_then(|place| place.split_once('#')?.0.parse::<Timestamp>().ok());
    let last = cursor.map_or(last_moment, |at| at.min(last_moment));
    let day = SignedDuration::from_hours(24);
    let midnight = |at: Timestamp| at.as_second().div_euclid(86_400) * 86_400;
    let (first, mut at) = (midnight(span.from), midnight(last));
    let mut days = Vec::new();
    while at >= first {
        let Ok(start) = Timestamp::from_second(at) else { break };
        days.push(start);
        at -= day.as_secs();
    }
    days
}

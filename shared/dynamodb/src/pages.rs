//! Lists, page by page, and the opaque cursors between the pages.

use app::ports::{Page, StoreError};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::{
    Store,
    failure::store_error,
    item::{Item, key, s, text, value},
    keys,
};

/// Rows that one call reads at most, so that a filter that nothing matches still answers in time.
const MAX_READ: usize = 5_000;
/// Rows of one query when a filter thins them out.
const FILTERED_PAGE: i32 = 500;

/// A cursor that names a place by `text`.
pub(crate) fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The text in a cursor. Whatever it names is for the caller to check: cursors come from outside.
pub(crate) fn decode(cursor: &str) -> Result<String, StoreError> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| StoreError::Cursor)?;
    String::from_utf8(bytes).map_err(|_| StoreError::Cursor)
}

/// A number as a query's limit.
pub(crate) fn count(limit: usize) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}

impl Store {
    /// Up to `limit` values from the rows of a query behind `from`, and the row to go on behind, or its key, if there may be
    /// more. `take` leaves out a row by giving nothing; `thinned` says that this, or the query's filter, is to be expected.
    pub(crate) async fn fill<T>(
        &self,
        query: QueryFluentBuilder,
        mut from: Option<Item>,
        limit: usize,
        thinned: bool,
        mut take: impl FnMut(&Item) -> Result<Option<T>, StoreError>,
    ) -> Result<(Vec<T>, Option<Item>), StoreError> {
        let mut items = Vec::new();
        let mut read = 0;
        let mut taken = None;
        loop {
            // One more than wanted tells whether there is more.
            let wanted = if thinned { FILTERED_PAGE } else { count(limit - items.len() + 1) };
            let page = query
                .clone()
                .limit(wanted)
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(store_error)?;
            read += usize::try_from(page.scanned_count()).unwrap_or(0);
            for row in page.items.unwrap_or_default() {
                if items.len() == limit {
                    return Ok((items, taken));
                }
                if let Some(item) = take(&row)? {
                    items.push(item);
                    taken = Some(row);
                }
            }
            match page.last_evaluated_key.filter(|last| !last.is_empty()) {
                None => return Ok((items, None)),
                Some(last) if read >= MAX_READ => return Ok((items, Some(last))),
                last => from = last,
            }
        }
    }

    /// A page of gsi2's partition `pk`, whose sort keys are a time and, behind a `#`, what names a row, from the earliest
    /// up to `until`. `row` is where the row of such a name stands; nothing if the text is none.
    pub(crate) async fn by_time<T: DeserializeOwned>(
        &self,
        pk: &str,
        until: Option<Timestamp>,
        limit: usize,
        cursor: Option<&str>,
        row: impl Fn(&str) -> Option<(String, String)>,
    ) -> Result<Page<T>, StoreError> {
        let start = cursor.map(|cursor| {
            let sk = decode(cursor)?;
            let at = sk.split_once('#').and_then(|(_, id)| row(id)).ok_or(StoreError::Cursor)?;
            let mut start = key(at);
            start.insert("gsi2pk".into(), s(pk));
            start.insert("gsi2sk".into(), s(sk));
            Ok::<Item, StoreError>(start)
        });
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("gsi2")
            .expression_attribute_values(":pk", s(pk));
        let query = match until {
            None => query.key_condition_expression("gsi2pk = :pk"),
            Some(until) => query
                .key_condition_expression("gsi2pk = :pk AND gsi2sk < :behind")
                .expression_attribute_values(":behind", s(keys::behind(&keys::moment(until)))),
        };
        let (items, last) =
            self.fill(query, start.transpose()?, limit, false, |row| value(row).map(Some)).await?;
        Ok(Page { items, next: last.and_then(|last| text(&last, "gsi2sk").map(encode)) })
    }
}

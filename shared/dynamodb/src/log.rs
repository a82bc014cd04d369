//! An attempt's log: pieces under the offset where each begins. Of a long one its head and its tail are kept.

use app::ports::{LogChunk, LogPage, StoreError};
use domain::AttemptId;

use crate::{
    Store,
    failure::store_error,
    item::{Item, key, s, text, value},
    keys,
    report::{LOG, ReportRow, gunzip},
};

/// Bytes kept of the beginning and of the end, each: 10 MiB an attempt.
const KEPT: u64 = 5 * 1024 * 1024;

pub(crate) async fn from(
    store: &Store,
    attempt: AttemptId,
    offset: u64,
    limit: usize,
) -> Result<LogPage, StoreError> {
    // The piece that holds `offset` may begin before it.
    let first = match piece_before(store, attempt, offset).await? {
        Some(piece) if piece.offset + piece.bytes.len() as u64 > offset => piece.offset,
        _ => offset,
    };
    let mut chunks = Vec::new();
    let mut bytes = 0;
    let mut next = offset;
    let mut start = None;
    'pages: loop {
        let page = store
            .client
            .query()
            .table_name(&store.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", s(keys::log(attempt, 0).0))
            .expression_attribute_values(":from", s(keys::log(attempt, first).1))
            .expression_attribute_values(":to", s("LOG#9999999999999999"))
            .consistent_read(true)
            .limit(32)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(store_error)?;
        for row in page.items() {
            let mut piece = piece(row)?;
            let end = piece.offset + piece.bytes.len() as u64;
            if end <= next && !piece.bytes.is_empty() {
                continue;
            }
            if piece.offset < next {
                piece.bytes.drain(
                    ..usize::try_from(next - piece.offset).unwrap_or(usize::MAX).min(piece.bytes.len()),
                );
                piece.offset = next;
                piece.dropped = 0;
            } else {
                // What is missing before it was dropped, by the runner or by us.
                piece.dropped = piece.offset - next;
            }
            bytes += piece.bytes.len();
            next = end;
            chunks.push(piece);
            if bytes >= limit {
                break 'pages;
            }
        }
        match page.last_evaluated_key {
            Some(last) if !last.is_empty() => start = Some(last),
            _ => break,
        }
    }
    Ok(LogPage { chunks, next })
}

pub(crate) async fn tail(store: &Store, attempt: AttemptId, limit: usize) -> Result<LogPage, StoreError> {
    let mut chunks: Vec<LogChunk> = Vec::new();
    let mut bytes = 0;
    let mut start = None;
    'pages: loop {
        let page = store
            .client
            .query()
            .table_name(&store.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :log)")
            .expression_attribute_values(":pk", s(keys::log(attempt, 0).0))
            .expression_attribute_values(":log", s("LOG#"))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(16)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(store_error)?;
        for row in page.items() {
            let piece = piece(row)?;
            bytes += piece.bytes.len();
            chunks.push(piece);
            if bytes >= limit {
                break 'pages;
            }
        }
        match page.last_evaluated_key {
            Some(last) if !last.is_empty() => start = Some(last),
            _ => break,
        }
    }
    chunks.reverse();
    if bytes > limit
        && let Some(first) = chunks.first_mut()
    {
        let cut = (bytes - limit).min(first.bytes.len());
        first.bytes.drain(..cut);
        first.offset += cut as u64;
    }
    let mut end = chunks.first().map_or(0, |first| first.offset);
    for chunk in &mut chunks {
        chunk.dropped = chunk.offset.saturating_sub(end);
        end = chunk.offset + chunk.bytes.len() as u64;
    }
    Ok(LogPage { chunks, next: end })
}

/// Once a log passes what is kept, pieces between its head and its tail go, oldest first.
pub(crate) async fn drop_middle(store: &Store, attempt: AttemptId, end: u64) -> Result<(), StoreError> {
    let Some(tail_from) = end.checked_sub(KEPT).filter(|from| *from > KEPT) else { return Ok(()) };
    let page = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
        .expression_attribute_values(":pk", s(keys::log(attempt, 0).0))
        .expression_attribute_values(":from", s(keys::log(attempt, KEPT).1))
        .expression_attribute_values(":to", s(keys::log(attempt, tail_from).1))
        .projection_expression("sk, doc")
        .limit(8)
        .send()
        .await
        .map_err(store_error)?;
    for row in page.items() {
        let report: ReportRow = value(row)?;
        let Some(span) = report.log else { continue };
        if span.offset + span.length <= tail_from {
            let sk = text(row, keys::SK).unwrap_or_default().to_owned();
            store
                .client
                .delete_item()
                .table_name(&store.table)
                .set_key(Some(key((keys::log(attempt, 0).0, sk))))
                .send()
                .await
                .map_err(store_error)?;
        }
    }
    Ok(())
}

async fn piece_before(
    store: &Store,
    attempt: AttemptId,
    offset: u64,
) -> Result<Option<LogChunk>, StoreError> {
    if offset == 0 {
        return Ok(None);
    }
    let page = store
        .client
        .query()
        .table_name(&store.table)
        .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
        .expression_attribute_values(":pk", s(keys::log(attempt, 0).0))
        .expression_attribute_values(":from", s(keys::log(attempt, 0).1))
        .expression_attribute_values(":to", s(keys::log(attempt, offset).1))
        .scan_index_forward(false)
        .consistent_read(true)
        .limit(1)
        .send()
        .await
        .map_err(store_error)?;
    page.items().first().map(piece).transpose()
}

fn piece(row: &Item) -> Result<LogChunk, StoreError> {
    let report: ReportRow = value(row)?;
    let packed = row.get(LOG).and_then(|log| log.as_b().ok()).map(AsRef::as_ref).unwrap_or_default();
    let bytes = if packed.is_empty() {
        Vec::new()
    } else {
        gunzip(packed).map_err(|error| StoreError::Other(Box::new(error)))?
    };
    let (offset, dropped) = report.log.map_or((0, 0), |span| (span.offset, span.dropped));
    Ok(LogChunk { offset, dropped, bytes })
}

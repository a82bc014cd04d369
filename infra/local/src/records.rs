//! What dynoxide leaves undone for a stream that is used for long: it keeps every record for ever and looks through all
//! of them at each write. An index makes that look short, and records are dropped after a day, as AWS drops them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rusqlite::Connection;

/// How long AWS keeps a stream's records.
const RETENTION: Duration = Duration::from_hours(24);
/// How long a statement waits for a write of dynoxide's to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// A second connection to dynoxide's database.
#[derive(Debug)]
pub(crate) struct Records(Mutex<Connection>);

impl Records {
    /// Opens the database that dynoxide has open under this name, and gives it the index.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let connection = Connection::open(name).context("open the database a second time")?;
        connection.busy_timeout(PATIENCE)?;
        // The expression must be dynoxide's own for its queries to use it
        connection
            .execute_batch(
                "CREATE INDEX IF NOT EXISTS local_stream_place
                 ON _stream_records (table_name, CAST(sequence_number AS INTEGER))",
            )
            .context("index the stream's records")?;
        Ok(Self(Mutex::new(connection)))
    }

    /// Drops the records that are too old. Returns how many those were.
    pub(crate) fn trim(&self) -> Result<usize> {
        let oldest = crate::clock::now().as_second() - i64::try_from(RETENTION.as_secs())?;
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(connection.execute("DELETE FROM _stream_records WHERE created_at < ?1", [oldest])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynoxide::Database;
    use serde_json::{Value, json};

    fn plan(connection: &Connection, query: &str) -> String {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let lines = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
        lines.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
    }

    #[test]
    fn the_looks_are_short_and_old_records_go() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("tables.sqlite").to_str().unwrap().to_owned();
        let database = Database::new(&name).unwrap();
        let table = json!({
            "TableName": "rows", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
        });
        database.create_table(serde_json::from_value(table).unwrap()).unwrap();
        let put = |key: &str| {
            let item: Value = json!({"TableName": "rows", "Item": {"pk": {"S": key}}});
            database.put_item(serde_json::from_value(item).unwrap()).unwrap();
        };
        let records = Records::open(&name).unwrap();
        put("old");
        {
            let connection = records.0.lock().unwrap();
            let next = plan(
                &connection,
                "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 FROM _stream_records WHERE table_name = 'rows'",
            );
            assert!(next.contains("SEARCH") && next.contains("local_stream_place"), "{next}");
            let page = plan(
                &connection,
                "SELECT event_name FROM _stream_records WHERE table_name = 'rows' AND shard_id = 's' \
                 AND CAST(sequence_number AS INTEGER) > 5 ORDER BY CAST(sequence_number AS INTEGER) ASC LIMIT 10",
            );
            assert!(page.contains("local_stream_place") && !page.contains("TEMP B-TREE"), "{page}");
            connection.execute("UPDATE _stream_records SET created_at = created_at - 86401", []).unwrap();
        }
        put("new");
        assert_eq!(records.trim().unwrap(), 1);
        assert_eq!(records.trim().unwrap(), 0);
    }
}

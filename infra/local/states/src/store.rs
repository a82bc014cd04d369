//! Machines, executions and their history in SQLite. One connection, write-ahead log: what a move did is committed in one
//! transaction before anything it asks for happens, so a killed process loses no event and no execution.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use crate::clock::Millis;
use crate::execution::{Ending, Execution, Turn};
use crate::history::Event;

/// What keeping can fail with: the disk, or a file that is not ours.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite said no.
    #[error("the database of executions failed")]
    Database(#[from] rusqlite::Error),
    /// A row that this version did not write.
    #[error("the database of executions holds something unreadable")]
    Unreadable(#[from] serde_json::Error),
    /// A kept definition that this version refuses.
    #[error("the definition of revision {0} is not valid any more")]
    Definition(i64),
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS machines(
    id INTEGER PRIMARY KEY, arn TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, created INTEGER NOT NULL,
    revision INTEGER NOT NULL, versions INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS machines_arn ON machines(arn);
CREATE TABLE IF NOT EXISTS revisions(
    id INTEGER PRIMARY KEY, machine INTEGER NOT NULL, revision TEXT, definition TEXT NOT NULL, role TEXT NOT NULL,
    logging TEXT NOT NULL, tracing TEXT NOT NULL, updated INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS versions(
    machine INTEGER NOT NULL, number INTEGER NOT NULL, revision INTEGER NOT NULL, created INTEGER NOT NULL,
    PRIMARY KEY(machine, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS executions(
    id INTEGER PRIMARY KEY AUTOINCREMENT, arn TEXT NOT NULL, name TEXT NOT NULL, machine INTEGER NOT NULL,
    revision INTEGER NOT NULL, version INTEGER, status TEXT NOT NULL, started INTEGER NOT NULL, stopped INTEGER,
    input TEXT NOT NULL, output TEXT, error TEXT, cause TEXT, snapshot TEXT);
CREATE INDEX IF NOT EXISTS executions_arn ON executions(arn);
CREATE INDEX IF NOT EXISTS executions_machine ON executions(machine, id);
CREATE INDEX IF NOT EXISTS executions_running ON executions(id) WHERE status = 'RUNNING';
CREATE TABLE IF NOT EXISTS events(
    execution INTEGER NOT NULL, id INTEGER NOT NULL, previous INTEGER NOT NULL, at INTEGER NOT NULL, type TEXT NOT NULL,
    field TEXT, details TEXT, PRIMARY KEY(execution, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS activities(arn TEXT PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO counters VALUES ('transitions', 0), ('executions', 0);
";

#[derive(Debug)]
pub(crate) struct Store {
    db: Connection,
}

/// A machine and its current revision.
#[derive(Clone, Debug)]
pub(crate) struct MachineRow {
    pub(crate) id: i64,
    pub(crate) arn: String,
    pub(crate) name: String,
    /// `ACTIVE` or `DELETING`.
    pub(crate) status: String,
    pub(crate) created: Millis,
    pub(crate) revision: RevisionRow,
}

/// What `UpdateStateMachine` changes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RevisionRow {
    pub(crate) id: i64,
    /// `None` until the first update.
    pub(crate) revision: Option<String>,
    pub(crate) definition: String,
    pub(crate) role: String,
    pub(crate) logging: Value,
    pub(crate) tracing: Value,
    pub(crate) updated: Millis,
}

#[derive(Clone, Debug)]
pub(crate) struct ExecutionRow {
    pub(crate) id: i64,
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) machine: i64,
    pub(crate) machine_arn: String,
    pub(crate) revision: i64,
    pub(crate) version: Option<i64>,
    pub(crate) status: String,
    pub(crate) started: Millis,
    pub(crate) stopped: Option<Millis>,
    pub(crate) input: String,
    pub(crate) output: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
}

const MACHINE: &str =
    "SELECT m.id, m.arn, m.name, m.status, m.created, r.id, r.revision, r.definition, r.role, r.logging,
    r.tracing, r.updated FROM machines m JOIN revisions r ON r.id = m.revision";
const EXECUTION: &str =
    "SELECT e.id, e.arn, e.name, e.machine, m.arn, e.revision, e.version, e.status, e.started, e.stopped,
    e.input, e.output, e.error, e.cause FROM executions e JOIN machines m ON m.id = e.machine";

fn json_column(row: &Row<'_>, index: usize) -> rusqlite::Result<Value> {
    let text: String = row.get(index)?;
    serde_json::from_str(&text).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(e))
    })
}

fn revision_row(row: &Row<'_>, from: usize) -> rusqlite::Result<RevisionRow> {
    Ok(RevisionRow {
        id: row.get(from)?,
        revision: row.get(from + 1)?,
        definition: row.get(from + 2)?,
        role: row.get(from + 3)?,
        logging: json_column(row, from + 4)?,
        tracing: json_column(row, from + 5)?,
        updated: row.get(from + 6)?,
    })
}

fn machine_row(row: &Row<'_>) -> rusqlite::Result<MachineRow> {
    Ok(MachineRow {
        id: row.get(0)?,
        arn: row.get(1)?,
        name: row.get(2)?,
        status: row.get(3)?,
        created: row.get(4)?,
        revision: revision_row(row, 5)?,
    })
}

fn execution_row(row: &Row<'_>) -> rusqlite::Result<ExecutionRow> {
    Ok(ExecutionRow {
        id: row.get(0)?,
        arn: row.get(1)?,
        name: row.get(2)?,
        machine: row.get(3)?,
        machine_arn: row.get(4)?,
        revision: row.get(5)?,
        version: row.get(6)?,
        status: row.get(7)?,
        started: row.get(8)?,
        stopped: row.get(9)?,
        input: row.get(10)?,
        output: row.get(11)?,
        error: row.get(12)?,
        cause: row.get(13)?,
    })
}

impl Store {
    /// Opens the file, or a database in memory, and drops executions that ended before `oldest`.
    pub(crate) fn open(path: Option<&Path>, oldest: Millis) -> Result<Self> {
        let db = match path {
            Some(path) => Connection::open(path)?,
            None => Connection::open_in_memory()?,
        };
        // One process at a time. A commit survives the process; only the machine's own crash can undo the last ones
        db.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -1024;")?;
        db.execute_batch(SCHEMA)?;
        db.set_prepared_statement_cache_capacity(48);
        let store = Self { db };
        store.db.execute(
            "DELETE FROM events WHERE execution IN (SELECT id FROM executions WHERE stopped < ?1)",
            [oldest],
        )?;
        store.db.execute("DELETE FROM executions WHERE stopped < ?1", [oldest])?;
        store.drop_deleted()?;
        Ok(store)
    }

    fn one<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.db.prepare_cached(sql)?.query_row(values, read).optional()?)
    }

    fn many<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        Ok(self.db.prepare_cached(sql)?.query_map(values, read)?.collect::<rusqlite::Result<_>>()?)
    }

    fn run(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        Ok(self.db.prepare_cached(sql)?.execute(values)?)
    }

    /// The machine of that ARN, if it was not deleted. One that is being deleted is still found.
    pub(crate) fn machine(&self, arn: &str) -> Result<Option<MachineRow>> {
        self.one(&format!("{MACHINE} WHERE m.arn = ?1 AND m.status <> 'DELETED'"), [arn], machine_row)
    }

    pub(crate) fn machines(&self, offset: i64, limit: i64) -> Result<Vec<MachineRow>> {
        let sql = format!("{MACHINE} WHERE m.status <> 'DELETED' ORDER BY m.name LIMIT ?2 OFFSET ?1");
        self.many(&sql, [offset, limit], machine_row)
    }

    pub(crate) fn revision(&self, id: i64) -> Result<Option<RevisionRow>> {
        let sql =
            "SELECT id, revision, definition, role, logging, tracing, updated FROM revisions WHERE id = ?1";
        self.one(sql, [id], |row| revision_row(row, 0))
    }

    /// Keeps a new machine; `revision.id` is not read.
    pub(crate) fn create_machine(&mut self, arn: &str, name: &str, revision: &RevisionRow) -> Result<i64> {
        let transaction = self.db.transaction()?;
        transaction.execute(
            "INSERT INTO machines(arn, name, status, created, revision) VALUES (?1, ?2, 'ACTIVE', ?3, 0)",
            params![arn, name, revision.updated],
        )?;
        let machine = transaction.last_insert_rowid();
        insert_revision(&transaction, machine, revision)?;
        transaction.commit()?;
        Ok(machine)
    }

    pub(crate) fn update_machine(&mut self, machine: i64, revision: &RevisionRow) -> Result<()> {
        let transaction = self.db.transaction()?;
        insert_revision(&transaction, machine, revision)?;
        Ok(transaction.commit()?)
    }

    /// Numbers the current revision of a machine and gives the number: the one it has, if it was published before.
    pub(crate) fn publish(&mut self, machine: i64, now: Millis) -> Result<i64> {
        let sql = "SELECT v.number FROM versions v JOIN machines m ON m.id = v.machine
            WHERE m.id = ?1 AND v.revision = m.revision";
        if let Some(number) = self.one(sql, [machine], |row| row.get(0))? {
            return Ok(number);
        }
        let transaction = self.db.transaction()?;
        transaction.execute("UPDATE machines SET versions = versions + 1 WHERE id = ?1", [machine])?;
        transaction.execute(
            "INSERT INTO versions SELECT id, versions, revision, ?2 FROM machines WHERE id = ?1",
            params![machine, now],
        )?;
        let number =
            transaction
                .query_row("SELECT versions FROM machines WHERE id = ?1", [machine], |row| row.get(0))?;
        transaction.commit()?;
        Ok(number)
    }

    /// The revision behind a version.
    pub(crate) fn version(&self, machine: i64, number: i64) -> Result<Option<i64>> {
        let sql = "SELECT revision FROM versions WHERE machine = ?1 AND number = ?2";
        self.one(sql, [machine, number], |row| row.get(0))
    }

    pub(crate) fn delete_version(&self, machine: i64, number: i64) -> Result<()> {
        self.run("DELETE FROM versions WHERE machine = ?1 AND number = ?2", [machine, number])?;
        Ok(())
    }

    /// Marks a machine: it is gone once none of its executions runs.
    pub(crate) fn delete_machine(&self, machine: i64) -> Result<()> {
        self.run("UPDATE machines SET status = 'DELETING' WHERE id = ?1", [machine])?;
        self.drop_deleted()
    }

    fn drop_deleted(&self) -> Result<()> {
        let sql = "UPDATE machines SET status = 'DELETED' WHERE status = 'DELETING' AND id NOT IN
            (SELECT machine FROM executions WHERE status = 'RUNNING')";
        self.run(sql, [])?;
        Ok(())
    }

    /// The latest execution of that ARN: a machine made anew may use a name again.
    pub(crate) fn execution(&self, arn: &str) -> Result<Option<ExecutionRow>> {
        self.one(&format!("{EXECUTION} WHERE e.arn = ?1 ORDER BY e.id DESC LIMIT 1"), [arn], execution_row)
    }

    pub(crate) fn execution_named(&self, machine: i64, arn: &str) -> Result<Option<ExecutionRow>> {
        let sql = format!("{EXECUTION} WHERE e.arn = ?1 AND e.machine = ?2 LIMIT 1");
        self.one(&sql, params![arn, machine], execution_row)
    }

    pub(crate) fn has_execution(&self, id: i64) -> Result<bool> {
        Ok(self.one("SELECT 1 FROM executions WHERE id = ?1", [id], |_| Ok(()))?.is_some())
    }

    /// Executions of a machine, the latest first.
    pub(crate) fn executions(
        &self,
        machine: i64,
        version: Option<i64>,
        status: Option<&str>,
        (offset, limit): (i64, i64),
    ) -> Result<Vec<ExecutionRow>> {
        let sql = format!(
            "{EXECUTION} WHERE e.machine = ?1 AND (?2 IS NULL OR e.version = ?2) AND (?3 IS NULL OR e.status = ?3)
             ORDER BY e.id DESC LIMIT ?5 OFFSET ?4"
        );
        self.many(&sql, params![machine, version, status, offset, limit], execution_row)
    }

    pub(crate) fn open_arns(&self) -> Result<Vec<String>> {
        self.many("SELECT arn FROM executions WHERE status = 'RUNNING' ORDER BY id", [], |row| row.get(0))
    }

    /// The number the next execution gets.
    pub(crate) fn next_execution(&self) -> Result<i64> {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'executions'";
        Ok(self.one(sql, [], |row| row.get::<_, i64>(0))?.unwrap_or(0) + 1)
    }

    /// Every execution that has not ended, as it was after its last move, with its revision and whether its machine is
    /// being deleted.
    pub(crate) fn running(&self) -> Result<Vec<(Execution, i64, i64)>> {
        let sql = "SELECT snapshot, revision, machine FROM executions WHERE status = 'RUNNING' AND snapshot IS NOT NULL";
        let rows: Vec<(String, i64, i64)> =
            self.many(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.into_iter()
            .map(|(text, revision, machine)| Ok((serde_json::from_str(&text)?, revision, machine)))
            .collect()
    }

    pub(crate) fn snapshot(&self, id: i64) -> Result<Option<Execution>> {
        let text: Option<Option<String>> =
            self.one("SELECT snapshot FROM executions WHERE id = ?1", [id], |row| row.get(0))?;
        Ok(text.flatten().map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// Whether a machine is being deleted.
    pub(crate) fn is_deleted(&self, machine: i64) -> Result<bool> {
        let status: Option<String> =
            self.one("SELECT status FROM machines WHERE id = ?1", [machine], |row| row.get(0))?;
        Ok(status.is_none_or(|s| s != "ACTIVE"))
    }

    /// Keeps what a move did. The first one brings the row of its execution.
    pub(crate) fn commit(
        &mut self,
        execution: &Execution,
        turn: &Turn<'_>,
        new: Option<&ExecutionRow>,
        now: Millis,
    ) -> Result<()> {
        let snapshot = serde_json::to_string(execution)?;
        let transaction = self.db.transaction()?;
        if let Some(row) = new {
            let sql =
                "INSERT INTO executions(id, arn, name, machine, revision, version, status, started, input)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'RUNNING', ?7, ?8)";
            let values = params![
                row.id,
                row.arn,
                row.name,
                row.machine,
                row.revision,
                row.version,
                row.started,
                row.input
            ];
            transaction.prepare_cached(sql)?.execute(values)?;
        }
        {
            let mut insert =
                transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
            for event in &turn.events {
                let (field, details) = event.details.as_ref().map(|(f, d)| (f, d.to_string())).unzip();
                let (id, previous) = (event.id.cast_signed(), event.previous.cast_signed());
                insert.execute(params![execution.id, id, previous, event.at, event.kind, field, details])?;
            }
            match &turn.ending {
                None => transaction
                    .prepare_cached("UPDATE executions SET snapshot = ?2 WHERE id = ?1")?
                    .execute(params![execution.id, snapshot])?,
                Some(Ending { status, output, error, cause }) => transaction
                    .prepare_cached(
                        "UPDATE executions SET status = ?2, stopped = ?3, output = ?4, error = ?5, cause = ?6, snapshot = NULL
                         WHERE id = ?1",
                    )?
                    .execute(params![execution.id, status, now, output, error, cause])?,
            };
            let mut count =
                transaction.prepare_cached("UPDATE counters SET value = value + ?2 WHERE name = ?1")?;
            count.execute(params!["transitions", turn.transitions.cast_signed()])?;
            if new.is_some() {
                count.execute(params!["executions", 1])?;
            }
        }
        transaction.commit()?;
        if turn.ending.is_some() && turn.is_deleted {
            self.drop_deleted()?;
        }
        Ok(())
    }

    /// Events of an execution in order, or the latest first.
    pub(crate) fn events(&self, id: i64, reverse: bool, (offset, limit): (i64, i64)) -> Result<Vec<Event>> {
        let order = if reverse { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT id, previous, at, type, field, details FROM events WHERE execution = ?1 ORDER BY id {order}
             LIMIT ?3 OFFSET ?2"
        );
        self.many(&sql, [id, offset, limit], |row| {
            let field: Option<String> = row.get(4)?;
            let details =
                field.map(|field| Ok::<_, rusqlite::Error>((field, json_column(row, 5)?))).transpose()?;
            let number = |index| row.get::<_, i64>(index).map(i64::cast_unsigned);
            Ok(Event { id: number(0)?, previous: number(1)?, at: row.get(2)?, kind: row.get(3)?, details })
        })
    }

    /// State transitions and executions started since the database was made.
    pub(crate) fn counters(&self) -> Result<(u64, u64)> {
        let read = |name: &str| {
            self.one("SELECT value FROM counters WHERE name = ?1", [name], |row| row.get::<_, i64>(0))
                .map(|n| n.unwrap_or(0).cast_unsigned())
        };
        Ok((read("transitions")?, read("executions")?))
    }

    pub(crate) fn create_activity(&self, arn: &str, name: &str, now: Millis) -> Result<Millis> {
        self.run("INSERT OR IGNORE INTO activities VALUES (?1, ?2, ?3)", params![arn, name, now])?;
        let created = self.one("SELECT created FROM activities WHERE arn = ?1", [arn], |row| row.get(0))?;
        Ok(created.unwrap_or(now))
    }

    pub(crate) fn delete_activity(&self, arn: &str) -> Result<()> {
        self.run("DELETE FROM activities WHERE arn = ?1", [arn])?;
        Ok(())
    }
}

fn insert_revision(db: &Connection, machine: i64, revision: &RevisionRow) -> Result<()> {
    db.execute(
        "INSERT INTO revisions(machine, revision, definition, role, logging, tracing, updated)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            machine,
            revision.revision,
            revision.definition,
            revision.role,
            revision.logging.to_string(),
            revision.tracing.to_string(),
            revision.updated
        ],
    )?;
    db.execute("UPDATE machines SET revision = ?2 WHERE id = ?1", params![machine, db.last_insert_rowid()])?;
    Ok(())
}

//! DynamoDB: dynoxide in this process, behind its own HTTP server on a port that only this stack talks to, and the
//! tables of the template in it.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use dynoxide::Database;
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::bill::Meter;
use crate::edge::Refusal;
use crate::records::Records;
use crate::template;

/// The database and the way to it.
#[derive(Clone)]
pub struct Dynamodb {
    database: Database,
    records: Option<Arc<Records>>,
    url: String,
    client: reqwest::Client,
    meter: Arc<Meter>,
    /// Counts writes, so that who follows a stream knows when to look.
    written: watch::Sender<u64>,
}

impl std::fmt::Debug for Dynamodb {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Dynamodb").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Operations whose answer states the capacity that they used, if asked to.
const METERED: [&str; 10] = [
    "GetItem",
    "BatchGetItem",
    "Query",
    "Scan",
    "TransactGetItems",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
];
const WRITES: [&str; 8] = [
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "ExecuteStatement",
    "BatchExecuteStatement",
    "ExecuteTransaction",
];

impl Dynamodb {
    /// Opens the database, in memory without a file, and makes the tables that it does not have yet.
    pub async fn open(
        file: Option<&Path>,
        tables: impl Iterator<Item = &template::Table>,
        meter: Arc<Meter>,
    ) -> Result<Self> {
        let name = match file {
            // Shared, so that a second connection finds it
            None => format!("file:{}?mode=memory&cache=shared", uuid::Uuid::new_v4()),
            Some(file) => file.to_str().ok_or_else(|| anyhow!("the data folder is not UTF-8"))?.to_owned(),
        };
        let database = Database::new(&name).map_err(|error| anyhow!("open the database: {error}"))?;
        let records = Records::open(&name)?;
        // In memory two connections refuse each other instead of waiting, so that only the index is had there
        let records = file.is_some().then(|| Arc::new(records));
        for table in tables {
            ensure(&database, table).with_context(|| format!("table {}", table.name))?;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        tokio::spawn(dynoxide::server::serve_with_shutdown(
            listener,
            database.clone(),
            std::future::pending(),
        ));
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { database, records, url, client, meter, written: watch::Sender::new(0) })
    }

    /// Tells of each write.
    pub fn writes(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    /// The database itself.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Carries out a request as the service would.
    pub async fn call(&self, operation: &str, headers: &HeaderMap, body: Bytes) -> Response {
        let metered = METERED.contains(&operation);
        let body = if metered { ask_for_capacity(body) } else { body };
        let mut request = self.client.post(&self.url).body(body);
        for name in ["content-type", "x-amz-target", "authorization", "x-amz-date"] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        let answer = async {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, response.bytes().await?))
        };
        match answer.await {
            Ok((status, headers, body)) => {
                if WRITES.contains(&operation) {
                    self.written.send_modify(|writes| *writes += 1);
                }
                if metered {
                    self.count(operation, &body);
                }
                let mut response = Response::new(Body::from(body));
                *response.status_mut() = status;
                for name in ["content-type", "x-amzn-requestid", "x-amz-crc32"] {
                    if let Some(value) = headers.get(name) {
                        response.headers_mut().insert(HeaderName::from_static(name), value.clone());
                    }
                }
                response
            }
            Err(error) => {
                warn!(%error, operation, "the database does not answer");
                refuse(Refusal::Failed)
            }
        }
    }

    fn count(&self, operation: &str, body: &[u8]) {
        #[derive(serde::Deserialize)]
        struct Answer {
            #[serde(rename = "ConsumedCapacity")]
            consumed: Option<Value>,
        }
        let Ok(Answer { consumed: Some(consumed) }) = serde_json::from_slice(body) else { return };
        let units = |one: &Value| one.get("CapacityUnits").and_then(Value::as_f64).unwrap_or_default();
        let units = match &consumed {
            Value::Array(tables) => tables.iter().map(units).sum(),
            one => units(one),
        };
        self.meter.add(|usage| {
            if WRITES.contains(&operation) {
                usage.write_units += units;
            } else {
                usage.read_units += units;
            }
        });
    }

    /// Drops the stream's records of more than a day ago.
    pub fn trim(&self) {
        match self.records.as_ref().map(|records| records.trim()) {
            None | Some(Ok(0)) => {}
            Some(Ok(count)) => info!(count, "stream records dropped"),
            Some(Err(error)) => warn!(error = format!("{error:#}"), "stream records could not be dropped"),
        }
    }

    /// Deletes rows whose time to live is over.
    pub fn sweep(&self) {
        match self.database.sweep_ttl() {
            Ok(0) => {}
            Ok(count) => {
                info!(count, "rows expired");
                self.written.send_modify(|writes| *writes += 1);
            }
            Err(error) => warn!(%error, "rows could not be expired"),
        }
    }
}

/// Adds `ReturnConsumedCapacity` to a request that does not say what it wants of it.
fn ask_for_capacity(body: Bytes) -> Bytes {
    let Ok(text) = std::str::from_utf8(&body) else { return body };
    let Some(rest) = text.trim_start().strip_prefix('{') else { return body };
    if text.contains("\"ReturnConsumedCapacity\"") || rest.trim_start().starts_with('}') {
        return body;
    }
    format!("{{\"ReturnConsumedCapacity\":\"TOTAL\",{rest}").into()
}

/// The error that a struck call is answered with.
pub fn refuse(refusal: Refusal) -> Response {
    let (status, kind, message) = match refusal {
        Refusal::Failed => {
            (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "The request could not be processed.")
        }
        Refusal::Throttled => (
            StatusCode::BAD_REQUEST,
            "ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded.",
        ),
    };
    let body = json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"), "message": message });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/x-amz-json-1.0"));
    response
}

/// Makes the table if it does not exist; refuses one whose keys or indexes are others.
fn ensure(database: &Database, table: &template::Table) -> Result<()> {
    let known = database.get_table_metadata(&table.name).map_err(|error| anyhow!("{error}"))?;
    if known.is_some() {
        return check(database, table);
    }
    let mut request = json!({
        "TableName": table.name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": table.attributes,
        "KeySchema": table.keys,
        "DeletionProtectionEnabled": table.deletion_protection,
    });
    if !table.indexes.is_empty() {
        request["GlobalSecondaryIndexes"] = json!(table.indexes);
    }
    if let Some(view) = &table.stream_view {
        request["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": view });
    }
    database.create_table(serde_json::from_value(request)?).map_err(|error| anyhow!("{error}"))?;
    if let Some(attribute) = &table.ttl_attribute {
        let request = json!({
            "TableName": table.name,
            "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": true },
        });
        database.update_time_to_live(serde_json::from_value(request)?).map_err(|error| anyhow!("{error}"))?;
    }
    Ok(())
}

fn check(database: &Database, table: &template::Table) -> Result<()> {
    let answer = database
        .describe_table(serde_json::from_value(json!({ "TableName": table.name }))?)
        .map_err(|error| anyhow!("{error}"))?;
    let answer = serde_json::to_value(answer)?;
    let names = |indexes: Option<&Value>| -> Vec<String> {
        let mut names: Vec<String> = indexes
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|index| Some(index.get("IndexName")?.as_str()?.to_owned()))
            .collect();
        names.sort();
        names
    };
    let have = names(answer.pointer("/Table/GlobalSecondaryIndexes"));
    let want = names(Some(&json!(table.indexes)));
    if have != want || answer.pointer("/Table/KeySchema") != Some(&json!(table.keys)) {
        bail!(
            "the data folder has this table with other keys or indexes ({have:?}, the template says {want:?})"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_is_asked_for_once() {
        let asked =
            |body: &str| String::from_utf8(ask_for_capacity(body.to_owned().into()).to_vec()).unwrap();
        assert_eq!(asked(r#"{"TableName":"t"}"#), r#"{"ReturnConsumedCapacity":"TOTAL","TableName":"t"}"#);
        let own = r#"{"ReturnConsumedCapacity":"NONE","TableName":"t"}"#;
        assert_eq!(asked(own), own);
        assert_eq!(asked("{}"), "{}");
        assert_eq!(asked("nonsense"), "nonsense");
    }
}

//! A small function that does what the stack's own tests ask of it: over HTTP, over a WebSocket, from a stream and
//! from a schedule.

use aws_sdk_apigatewaymanagement::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

struct Probe {
    table: String,
    dynamodb: aws_sdk_dynamodb::Client,
    connections: aws_sdk_apigatewaymanagement::Client,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::var_os("PROBE_FAILS_TO_START").is_some() {
        std::process::exit(7);
    }
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let endpoint = std::env::var("WEBSOCKET_ENDPOINT")?;
    let management =
        aws_sdk_apigatewaymanagement::config::Builder::from(&config).endpoint_url(endpoint).build();
    let probe = Probe {
        table: std::env::var("TABLE_NAME")?,
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        connections: aws_sdk_apigatewaymanagement::Client::from_conf(management),
    };
    let probe = &probe;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move { probe.handle(event).await }))
        .await
}

impl Probe {
    async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let context = event.context;
        let event = event.payload;
        if event.pointer("/requestContext/http").is_some() {
            return self.http(&event, &context).await;
        }
        if event.pointer("/requestContext/connectionId").is_some() {
            return self.websocket(&event).await;
        }
        if let Some(records) = event.get("Records").and_then(Value::as_array) {
            return self.stream(records).await;
        }
        if event.get("tick").is_some() {
            self.put("tick", json!({})).await?;
            return Ok(json!("ticked"));
        }
        Ok(event)
    }

    async fn http(&self, event: &Value, context: &lambda_runtime::Context) -> Result<Value, Error> {
        let path = event["rawPath"].as_str().unwrap_or_default();
        match path.trim_start_matches("/v1/") {
            "crash" => std::process::exit(3),
            "fail" => Err("it failed".into()),
            "hang" => std::future::pending().await,
            "put" => {
                let body: Value = serde_json::from_str(event["body"].as_str().unwrap_or("{}"))?;
                let key = body["key"].as_str().unwrap_or("row").to_owned();
                match self.put(&key, body).await {
                    Ok(()) => Ok(json!({ "statusCode": 201 })),
                    Err(error) => Ok(json!({ "statusCode": 502, "body": error.to_string() })),
                }
            }
            "environment" => {
                let names: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
                Ok(json!({
                    "names": names,
                    "api": std::env::var("API_URL")?,
                    "process": std::process::id(),
                    "arn": context.invoked_function_arn,
                    "deadline": context.deadline,
                }))
            }
            _ => Ok(
                json!({ "statusCode": 200, "headers": {"content-type": "application/json"}, "body": event.to_string() }),
            ),
        }
    }

    async fn websocket(&self, event: &Value) -> Result<Value, Error> {
        let context = &event["requestContext"];
        let id = context["connectionId"].as_str().unwrap_or_default();
        match context["eventType"].as_str() {
            Some("CONNECT") => {
                let good =
                    event.pointer("/queryStringParameters/ticket").is_some_and(|ticket| ticket == "good");
                Ok(json!({ "statusCode": if good { 200 } else { 401 } }))
            }
            Some("DISCONNECT") => {
                self.put("gone", json!({ "code": context["disconnectStatusCode"], "of": id })).await?;
                Ok(json!({ "statusCode": 200 }))
            }
            _ => {
                let body = event["body"].as_str().unwrap_or_default();
                if body == "fail" {
                    return Err("it failed".into());
                }
                self.push(id, &format!("{id} {body}")).await?;
                Ok(json!({ "statusCode": 200 }))
            }
        }
    }

    /// Pushes each row to the connection that it names. A poisonous row fails, alone or with its batch.
    async fn stream(&self, records: &[Value]) -> Result<Value, Error> {
        let mut failed = Vec::new();
        for record in records {
            let text =
                |name: &str| record.pointer(&format!("/dynamodb/NewImage/{name}/S")).and_then(Value::as_str);
            match text("poison") {
                Some("batch") => return Err("poison".into()),
                Some("record") => {
                    failed.push(json!({ "itemIdentifier": record["dynamodb"]["SequenceNumber"] }));
                    break;
                }
                _ => {}
            }
            if let Some(connection) = text("connection") {
                self.push(connection, text("pk").unwrap_or_default()).await?;
            }
        }
        Ok(json!({ "batchItemFailures": failed }))
    }

    async fn push(&self, id: &str, text: &str) -> Result<(), Error> {
        let data = Blob::new(text.as_bytes());
        self.connections.post_to_connection().connection_id(id).data(data).send().await?;
        Ok(())
    }

    async fn put(&self, key: &str, body: Value) -> Result<(), Error> {
        let mut request = self
            .dynamodb
            .put_item()
            .table_name(&self.table)
            .item("pk", AttributeValue::S(key.to_owned()))
            .item("sk", AttributeValue::S("row".to_owned()));
        for (name, value) in body.as_object().into_iter().flatten() {
            let value = match value {
                Value::Bool(value) => AttributeValue::Bool(*value),
                Value::Number(value) => AttributeValue::N(value.to_string()),
                other => AttributeValue::S(other.as_str().unwrap_or_default().to_owned()),
            };
            request = request.item(name, value);
        }
        request.send().await?;
        Ok(())
    }
}

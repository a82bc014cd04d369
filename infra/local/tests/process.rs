//! The program itself: what it prints, how it ends, and what is left of it when it is killed.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

struct Running {
    child: Child,
    ready: Value,
    http: reqwest::Client,
}

impl Running {
    async fn start(data: Option<&Path>) -> Self {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let program = PathBuf::from(env!("CARGO_BIN_EXE_local"));
        let mut command = Command::new(&program);
        command
            .args(["--port", "0", "--no-simclouds", "--template"])
            .arg(here.join("tests/template.yaml"))
            .arg("--functions-dir")
            .arg(program.parent().unwrap().join("examples"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(data) = data {
            command.arg("--data").arg(data);
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("a line");
        let ready = serde_json::from_str(line.strip_prefix("ready ").unwrap()).unwrap();
        // Nothing else is ever printed there
        tokio::spawn(async move { assert_eq!(lines.next_line().await.unwrap(), None) });
        Self { child, ready, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    fn url(&self, which: &str, path: &str) -> String {
        format!("{}{path}", self.ready[which].as_str().unwrap())
    }

    /// The process of the function, warm.
    async fn function(&self) -> PathBuf {
        let response = self.http.get(self.url("api", "/v1/environment")).send().await.unwrap();
        let answer: Value = response.json().await.unwrap();
        PathBuf::from(format!("/proc/{}", answer["process"]))
    }

    async fn put(&self, key: &str) -> u16 {
        let request = self.http.post(self.url("api", "/v1/put")).json(&json!({ "key": key }));
        request.send().await.unwrap().status().as_u16()
    }
}

async fn gone(process: &Path) {
    while process.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn kill_9_loses_nothing_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Running::start(Some(folder.path())).await;
    assert_eq!(first.put("kept").await, 201);
    let function = first.function().await;
    assert!(function.exists());
    first.child.kill().await.unwrap();
    gone(&function).await;
    let second = Running::start(Some(folder.path())).await;
    let answer = second
        .http
        .post(second.ready["aws"].as_str().unwrap())
        .header("x-amz-target", "DynamoDB_20120810.GetItem")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260101T000000Z")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
        )
        .body(json!({ "TableName": "rows", "Key": { "pk": { "S": "kept" }, "sk": { "S": "row" } } }).to_string())
        .send()
        .await
        .unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["Item"]["pk"]["S"], "kept");
}

#[tokio::test]
async fn sigterm_ends_it_with_its_functions() {
    let mut running = Running::start(None).await;
    for name in ["api", "websocket", "aws"] {
        assert!(running.ready[name].as_str().unwrap().contains("127.0.0.1"), "{}", running.ready);
    }
    let function = running.function().await;
    let pid = running.child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let mut stderr = running.child.stderr.take().unwrap();
    let mut said = String::new();
    stderr.read_to_string(&mut said).await.unwrap();
    assert!(running.child.wait().await.unwrap().success());
    gone(&function).await;
    assert!(!said.contains("panicked"), "{said}");
}

#[tokio::test]
async fn a_wrong_option_is_explained() {
    let output = Command::new(env!("CARGO_BIN_EXE_local")).arg("--prot").output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("--prot is not an option"));
}

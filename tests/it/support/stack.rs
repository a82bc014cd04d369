//! The stack as a child process, and what a test asks of its edges.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::User;

/// How a stack is set up. The defaults are the deployment's, but quick: reports every half second.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    parameters: Vec<(String, String)>,
    data: Option<PathBuf>,
    ports: Option<(u16, u16)>,
    clouds: Vec<String>,
}

impl Default for Plan {
    fn default() -> Self {
        let quick = [
            ("Registration", "open"),
            ("FirstAdminEmail", "admin@example.com"),
            ("HeartbeatSeconds", "0.5"),
            ("BootCheckSeconds", "3"),
            ("CapacityBackoffSeconds", "1"),
            ("OffersFreshSeconds", "1"),
        ];
        let parameters = quick.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { parameters, data: None, ports: None, clouds: vec!["runpod".to_owned()] }
    }
}

impl Plan {
    /// With a template parameter.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.parameters.retain(|(other, _)| other != name);
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With these simulated clouds, by name.
    pub(crate) fn clouds(mut self, names: &[&str]) -> Self {
        self.clouds = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Keeps everything in `folder`, so that another stack can go on with it.
    pub(crate) fn keeping(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// On the ports of a stack that was: what it made names them.
    pub(crate) fn at(mut self, stack: &Stack) -> Self {
        let port = |url: &str| url.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
        self.ports = Some((port(&stack.api), port(&stack.aws)));
        self
    }

    pub(crate) async fn start(self) -> Stack {
        self.try_start().await.expect("the stack starts")
    }

    async fn try_start(self) -> anyhow::Result<Stack> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let binaries = binaries()?;
        let local = binaries.join("local");
        ensure!(local.exists(), "{} is not built: run `cargo build --workspace` first", local.display());
        let (port, aws_port) = self.ports.unwrap_or((0, 0));
        let mut command = Command::new(local);
        command
            .args(["--port", &port.to_string(), "--aws-port", &aws_port.to_string(), "--template"])
            .arg(root.join("infra/template.yaml"))
            .arg("--functions-dir")
            .arg(&binaries)
            .current_dir(&root)
            .args(["--clouds", &self.clouds.join(",")])
            .env_remove("RUNPOD_API_KEY")
            .env_remove("ALIBABA_ACCESS_KEY_ID")
            .env_remove("TENCENT_SECRET_ID")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        match &self.data {
            Some(folder) => command.arg("--data").arg(folder),
            None => command.arg("--memory"),
        };
        for (name, value) in &self.parameters {
            command.args(["--parameter", &format!("{name}={value}")]);
        }
        let mut child = command.spawn()?;
        let log = Log::collect(BufReader::new(child.stderr.take().context("stderr")?));
        let mut lines = BufReader::new(child.stdout.take().context("stdout")?).lines();
        let ready = loop {
            let Some(line) = lines.next_line().await? else {
                anyhow::bail!("no ready line:\n{}", log.text())
            };
            if let Some(ready) = line.strip_prefix("ready ") {
                break serde_json::from_str::<Value>(ready)?;
            }
        };
        let url = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Stack {
            child,
            log,
            http: reqwest::Client::new(),
            api: url(&ready["api"]),
            aws: url(&ready["aws"]),
            runpod: url(&ready["clouds"]["runpod"]),
            clouds: serde_json::from_value(ready["clouds"].clone())?,
            users: AtomicU32::new(0),
        })
    }
}

/// The folder of the programs that cargo built beside this test.
fn binaries() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    Ok(test.parent().and_then(Path::parent).context("the target folder")?.to_owned())
}

/// What the stack says on standard error.
#[derive(Clone, Debug)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl Log {
    fn collect(reader: BufReader<tokio::process::ChildStderr>) -> Self {
        let log = Self(std::sync::Arc::default());
        let lines = log.0.clone();
        tokio::spawn(async move {
            let mut reader = reader.lines();
            while let Ok(Some(line)) = reader.next_line().await {
                lines.lock().expect("the log").push(line);
            }
        });
        log
    }

    fn text(&self) -> String {
        self.0.lock().expect("the log").join("\n")
    }
}

/// A running platform.
#[derive(Debug)]
pub(crate) struct Stack {
    child: Child,
    log: Log,
    pub(crate) http: reqwest::Client,
    pub(crate) api: String,
    pub(crate) aws: String,
    /// The simulated RunPod's own URL.
    pub(crate) runpod: String,
    /// The own URL of each simulated cloud that was asked for.
    clouds: BTreeMap<String, String>,
    users: AtomicU32,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        Plan::default().start().await
    }

    /// A user of this test's own.
    pub(crate) async fn user(&self) -> User {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        User::register(self, &format!("user{number}@example.com")).await
    }

    /// The administrator that the deployment names.
    pub(crate) async fn admin(&self) -> User {
        User::register(self, "admin@example.com").await
    }

    /// The own URL of a simulated cloud.
    pub(crate) fn cloud(&self, name: &str) -> &str {
        self.clouds.get(name).map_or("", String::as_str)
    }

    /// `kill -9`: nothing is said to anybody.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("the stack is killed");
    }

    pub(crate) async fn get(&self, base: &str, path: &str) -> Value {
        let answer = self.http.get(format!("{base}{path}")).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    pub(crate) async fn post(&self, base: &str, path: &str, body: &Value) -> Value {
        let answer = self.http.post(format!("{base}{path}")).json(body).send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Plans a fault of the simulated cloud.
    pub(crate) async fn cloud_fault(&self, fault: Value) {
        self.post(&self.runpod, "/_sim/faults", &fault).await;
    }

    pub(crate) async fn cloud_settings(&self, settings: Value) {
        self.post(&self.runpod, "/_sim/settings", &settings).await;
    }

    /// Plans a fault of an edge of the platform.
    pub(crate) async fn fault(&self, fault: &Value) {
        self.post(&self.aws, "/_local/faults", fault).await;
    }

    /// The faults planned so far are forgotten; how often they struck.
    pub(crate) async fn clear_faults(&self) -> u64 {
        let armed = self.get(&self.aws, "/_local/faults").await;
        let hits =
            armed["faults"].as_array().into_iter().flatten().filter_map(|fault| fault["hits"].as_u64()).sum();
        self.http.delete(format!("{}/_local/faults", self.aws)).send().await.expect("an answer");
        hits
    }

    /// The simulated cloud's key, as somebody else with the same account has it.
    pub(crate) fn cloud_key() -> &'static str {
        "fake-runpod-key"
    }

    /// Ends an execution from outside, as nobody should.
    pub(crate) async fn stop_execution(&self, arn: &str) {
        self.aws_call("AWSStepFunctions.StopExecution", &json!({ "executionArn": arn })).await;
    }

    /// Runs the sweeper now.
    pub(crate) async fn sweep(&self) -> Value {
        let answer = self.post(&self.aws, "/_local/invoke-schedule/sweeper", &json!({})).await;
        answer["result"].clone()
    }

    /// Waits until nothing is under way.
    pub(crate) async fn rest(&self) {
        self.get(&self.aws, "/_local/idle").await;
    }

    /// Executions that have not ended.
    pub(crate) async fn executions(&self) -> Vec<Value> {
        self.get(&self.aws, "/_local/status").await["executions"].as_array().cloned().unwrap_or_default()
    }

    /// Every instance that the simulated RunPod has, or had.
    pub(crate) async fn pods(&self) -> Vec<Value> {
        if self.runpod.is_empty() {
            return Vec::new();
        }
        self.get(&self.runpod, "/_sim/pods").await["pods"].as_array().cloned().unwrap_or_default()
    }

    /// Every instance that the simulated Alibaba Cloud has, or had.
    pub(crate) async fn ecs(&self) -> Vec<Value> {
        let Some(url) = self.clouds.get("alibaba") else { return Vec::new() };
        self.get(url, "/_sim/instances").await["instances"].as_array().cloned().unwrap_or_default()
    }

    /// Every pod that the simulated Tencent Cloud's cluster has, or had.
    pub(crate) async fn tke(&self) -> Vec<Value> {
        let Some(url) = self.clouds.get("tencent") else { return Vec::new() };
        self.get(url, "/_sim/instances").await["instances"].as_array().cloned().unwrap_or_default()
    }

    /// Instances that bill.
    pub(crate) async fn live_pods(&self) -> Vec<String> {
        let mut all = self.pods().await;
        all.extend(self.ecs().await);
        all.extend(self.tke().await);
        let gone = |one: &Value| {
            ["TERMINATED", "Released", "Ended", "Deleted"].iter().any(|status| one["status"] == *status)
        };
        let live = all.into_iter().filter(|one| !gone(one));
        live.map(|pod| pod["name"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// One row of the table.
    pub(crate) async fn row(&self, pk: &str, sk: &str) -> Value {
        let key = json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        let request = json!({ "TableName": "gpu-local", "Key": key, "ConsistentRead": true });
        self.aws_call("DynamoDB_20120810.GetItem", &request).await["Item"].clone()
    }

    /// Writes a row of the table as it is, keys included.
    pub(crate) async fn put_row(&self, row: &Value) {
        let request = json!({ "TableName": "gpu-local", "Item": row });
        self.aws_call("DynamoDB_20120810.PutItem", &request).await;
    }

    /// Fires the schedules of workflows that are due now; nothing if that failed.
    pub(crate) async fn tick(&self) -> Value {
        let tick = self.http.post(format!("{}/_local/invoke-schedule/scheduler", self.aws));
        let answer: Value = tick.send().await.expect("an answer").json().await.expect("JSON");
        answer["result"].clone()
    }

    async fn aws_call(&self, target: &str, body: &Value) -> Value {
        let answer = self
            .http
            .post(&self.aws)
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", AUTHORIZATION)
            .header("x-amz-date", "20261124T000000Z")
            .body(body.to_string())
            .send()
            .await
            .expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{target}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// What the stack has said so far.
    pub(crate) fn said(&self) -> String {
        self.log.text()
    }
}

const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/dynamodb/aws4_request, \
                             SignedHeaders=host;x-amz-date, Signature=0000000000000000000000000000000000000000000000000000000000000000";

impl Drop for Stack {
    /// A test that fails says what the stack said.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the stack\n{}", self.said());
        }
    }
}

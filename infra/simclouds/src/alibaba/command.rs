//! Cloud Assistant: runs a script in an instance's place and keeps its exit code and its output.

use super::Cloud;
use super::account::Account;
use super::describe::Page;
use super::drive;
use super::error::Refusal;
use super::instance::{self, Status};
use super::parameters::Parameters;
use crate::clock;
use crate::log::Log;
use crate::process::{Container, Launch};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const RUN: &[&str] = &[
    "RegionId",
    "InstanceId.N",
    "Type",
    "CommandContent",
    "ContentEncoding",
    "Name",
    "Description",
    "Timeout",
    "WorkingDir",
    "Username",
    "ClientToken",
    "KeepCommand",
    "EnableParameter",
    "RepeatMode",
    "Timed",
    "Tag.N.Key",
    "Tag.N.Value",
    "TerminationMode",
];
pub(crate) const INVOCATIONS: &[&str] = &[
    "RegionId",
    "InvokeId",
    "InstanceId",
    "CommandId",
    "CommandName",
    "CommandType",
    "InvokeStatus",
    "IncludeOutput",
    "ContentEncoding",
    "PageNumber",
    "PageSize",
    "MaxResults",
    "NextToken",
    "Tag.N.Key",
    "Tag.N.Value",
];
pub(crate) const RESULTS: &[&str] = &[
    "RegionId",
    "InvokeId",
    "InstanceId",
    "CommandId",
    "InvokeRecordStatus",
    "IncludeHistory",
    "ContentEncoding",
    "PageNumber",
    "PageSize",
    "MaxResults",
    "NextToken",
    "Tag.N.Key",
    "Tag.N.Value",
];
pub(crate) const STATUS: &[&str] =
    &["RegionId", "InstanceId.N", "OSType", "PageNumber", "PageSize", "MaxResults", "NextToken"];

/// More output than this is dropped from its beginning.
const OUTPUT_BYTES: usize = 24 << 10;

/// One script in one instance.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) id: String,
    command: String,
    name: String,
    tags: Vec<(String, Option<String>)>,
    pub(crate) instance: String,
    started_at: Timestamp,
    finished_at: Option<Timestamp>,
    /// The cloud's word for how it is.
    state: &'static str,
    code: Option<i32>,
    error: Option<(&'static str, &'static str)>,
    output: Vec<u8>,
    dropped: usize,
}

pub(crate) fn run(cloud: &Arc<Cloud>, asked: &Parameters) -> Result<Value, Refusal> {
    asked.region()?;
    asked.need("Type")?;
    asked.choice("Type", &["RunShellScript"])?;
    asked.choice("RepeatMode", &["Once"])?;
    let content = asked.need("CommandContent")?;
    let script = match asked.choice("ContentEncoding", &["PlainText", "Base64"])? {
        Some("Base64") => STANDARD.decode(content).map_err(|_| Refusal::invalid("CommandContent"))?,
        _ => content.as_bytes().to_vec(),
    };
    let limit = Duration::from_secs(asked.number("Timeout", 10..=86_400)?.unwrap_or(60).into());
    let ids = asked.list("InstanceId");
    if ids.is_empty() {
        return Err(Refusal::missing("InstanceId"));
    }
    let tags = asked.tags()?;
    let mut account = cloud.lock();
    let token = asked.client_token()?;
    if let Some(token) = token
        && let Some(answer) = account.before("RunCommand", token, &asked.essence())?
    {
        return Ok(answer);
    }
    for id in &ids {
        account.instance(id)?;
    }
    let (invoke, command) = (instance::id("t-"), instance::id("c-"));
    let mut begun = Vec::new();
    for id in ids {
        let one = account.instance(&id)?;
        let runs = one.status == Status::Running && one.alive;
        let now = clock::now();
        if runs {
            begun.push((id.clone(), one.disk.clone(), one.halt.clone()));
        }
        account.invocations.push(Invocation {
            id: invoke.clone(),
            command: command.clone(),
            name: asked.text("Name").unwrap_or_default().to_owned(),
            tags: tags.clone(),
            instance: id,
            started_at: now,
            finished_at: (!runs).then_some(now),
            state: if runs { "Running" } else { "Failed" },
            code: None,
            error: (!runs).then_some(("InstanceNotRunning", "the instance is not running")),
            output: Vec::new(),
            dropped: 0,
        });
    }
    let answer = json!({"CommandId": command, "InvokeId": invoke});
    if let Some(token) = token {
        account.remember("RunCommand", token, asked.essence(), answer.clone());
    }
    drop(account);
    for (id, disk, halt) in begun {
        let cloud = Arc::clone(cloud);
        let (invoke, script) = (invoke.clone(), script.clone());
        cloud.tasks.clone().spawn(async move {
            let launch = match prepare(&cloud, &id, &invoke, &disk, &script) {
                Ok(launch) => launch,
                Err(error) => {
                    tracing::warn!(%error, %id, "a command was not written");
                    return ended(&cloud, &invoke, &id, "Failed", None, b"");
                }
            };
            let file = drive::inside(&disk).join(format!("{invoke}.out"));
            let mut container =
                match Container::start(Arc::clone(&cloud.guard), launch, Arc::new(Log::new())).await {
                    Ok(container) => container,
                    Err(error) => {
                        tracing::warn!(%error, %id, "a command was not started");
                        return ended(&cloud, &invoke, &id, "Failed", None, b"");
                    }
                };
            let (state, code) = tokio::select! {
                () = halt.cancelled() => ("Failed", None),
                () = tokio::time::sleep(limit) => ("Timeout", None),
                status = container.ended() => {
                    let code = status.ok().and_then(|s| s.code().or_else(|| s.signal().map(|n| 128 + n)));
                    (if code == Some(0) { "Success" } else { "Failed" }, code)
                }
            };
            container.sweep().await;
            let output = std::fs::read(&file).unwrap_or_default();
            ended(&cloud, &invoke, &id, state, code, &output);
        });
    }
    Ok(answer)
}

fn prepare(
    cloud: &Cloud,
    id: &str,
    invoke: &str,
    disk: &std::path::Path,
    script: &[u8],
) -> std::io::Result<Launch> {
    let place = drive::inside(disk);
    let path = place.join(format!("{invoke}.sh"));
    drive::script(&path, script)?;
    let mut env = drive::environment(cloud, id, disk);
    env.insert("SIMCLOUD_INVOCATION".to_owned(), format!("{invoke}/{id}"));
    let shell = if script.starts_with(b"#!") { r#""$0""# } else { r#"/bin/sh "$0""# };
    Ok(Launch {
        command: vec![
            "/bin/sh".to_owned(),
            "-c".to_owned(),
            format!("exec {shell} > \"$1\" 2>&1"),
            path.display().to_string(),
            place.join(format!("{invoke}.out")).display().to_string(),
        ],
        env,
        directory: disk.to_owned(),
        // Not the instance's: the end of a command must not be the end of the instance.
        marker: format!("SIMCLOUD_INVOCATION={invoke}/{id}"),
    })
}

fn ended(cloud: &Cloud, invoke: &str, id: &str, state: &'static str, code: Option<i32>, output: &[u8]) {
    let mut account = cloud.lock();
    let Some(one) = account.invocations.iter_mut().find(|one| one.id == invoke && one.instance == id) else {
        return;
    };
    one.state = state;
    one.code = code;
    one.finished_at = Some(clock::now());
    one.error = match (state, code) {
        ("Success", _) => None,
        ("Timeout", _) => Some(("TaskTimeout", "the command ran longer than its timeout")),
        (_, Some(_)) => Some(("ExitCodeNonzero", "Exit code is non-zero")),
        (_, None) => Some(("InstanceReleased", "the instance ended while the command ran")),
    };
    one.dropped = output.len().saturating_sub(OUTPUT_BYTES);
    one.output = output[one.dropped..].to_vec();
}

impl Invocation {
    /// The coarser of the cloud's two words.
    fn record(&self) -> &'static str {
        match self.state {
            "Running" => "Running",
            "Success" => "Finished",
            "Failed" if self.code.is_some() => "Finished",
            _ => "Failed",
        }
    }

    fn shown(&self, plain: bool, output: bool) -> Value {
        let time = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let (code, info) = self.error.unwrap_or(("", ""));
        let text = if plain {
            String::from_utf8_lossy(&self.output).into_owned()
        } else {
            STANDARD.encode(&self.output)
        };
        let mut one = json!({
            "InvokeId": self.id, "CommandId": self.command, "InstanceId": self.instance, "Repeats": 1,
            "InvokeRecordStatus": self.record(), "InvocationStatus": self.state, "Dropped": self.dropped,
            "ErrorCode": code, "ErrorInfo": info, "StartTime": time(self.started_at),
            "FinishedTime": self.finished_at.map(time).unwrap_or_default(),
        });
        if let Some(code) = self.code {
            one["ExitCode"] = code.into();
        }
        if output {
            one["Output"] = text.into();
        }
        one
    }
}

fn found<'a>(account: &'a Account, asked: &Parameters) -> Result<Vec<&'a Invocation>, Refusal> {
    asked.region()?;
    let tags = asked.tags()?;
    let is = |name: &str, value: &str| asked.text(name).is_none_or(|wanted| wanted == value);
    let each = account.invocations.iter().rev().filter(|one| {
        is("InvokeId", &one.id)
            && is("InstanceId", &one.instance)
            && is("CommandId", &one.command)
            && is("CommandName", &one.name)
            && is("InvokeStatus", one.record())
            && is("InvokeRecordStatus", one.record())
            && tags.iter().all(|tag| one.tags.contains(tag))
    });
    Ok(each.collect())
}

fn plain(asked: &Parameters) -> Result<bool, Refusal> {
    Ok(asked.choice("ContentEncoding", &["PlainText", "Base64"])? == Some("PlainText"))
}

pub(crate) fn invocations(account: &Account, asked: &Parameters) -> Result<Value, Refusal> {
    let all = found(account, asked)?;
    let (plain, output) = (plain(asked)?, asked.flag("IncludeOutput")?);
    let page = Page::of(asked, 50)?;
    let mut ids: Vec<&str> = Vec::new();
    for one in &all {
        if !ids.contains(&one.id.as_str()) {
            ids.push(&one.id);
        }
    }
    let mut answer = page.with(ids.len());
    let (ids, next) = page.cut(ids);
    let each = ids.iter().map(|id| {
        let parts: Vec<&&Invocation> = all.iter().filter(|one| one.id == *id).collect();
        let instances: Vec<Value> = parts.iter().map(|one| one.shown(plain, output)).collect();
        // Of several instances the worst is told.
        let worst = ["Running", "Timeout", "Failed", "Success"]
            .into_iter()
            .find(|state| parts.iter().any(|one| one.state == *state));
        let first = parts.first();
        json!({
            "InvokeId": id, "CommandId": first.map(|one| &one.command), "CommandName": first.map(|one| &one.name),
            "CommandType": "RunShellScript", "InvokeStatus": first.map(|one| one.record()), "InvocationStatus": worst,
            "InvokeInstances": {"InvokeInstance": instances},
        })
    });
    answer["Invocations"] = json!({"Invocation": each.collect::<Vec<_>>()});
    answer["NextToken"] = next.into();
    Ok(answer)
}

pub(crate) fn results(account: &Account, asked: &Parameters) -> Result<Value, Refusal> {
    let all = found(account, asked)?;
    let plain = plain(asked)?;
    let page = Page::of(asked, 50)?;
    let mut answer = page.with(all.len());
    let (all, next) = page.cut(all);
    let each: Vec<Value> = all.iter().map(|one| one.shown(plain, true)).collect();
    answer["InvocationResults"] = json!({"InvocationResult": each});
    answer["NextToken"] = next.into();
    Ok(json!({"Invocation": answer}))
}

pub(crate) fn status(account: &Account, asked: &Parameters) -> Result<Value, Refusal> {
    let region = asked.region()?;
    let page = Page::of(asked, 50)?;
    let ids = asked.list("InstanceId");
    let all: Vec<_> = account
        .instances
        .iter()
        .filter(|one| !one.gone() && one.spec.region == region && (ids.is_empty() || ids.contains(&one.id)))
        .collect();
    if all.is_empty() && !ids.is_empty() {
        return Err(Refusal::no_instance());
    }
    let mut answer = page.with(all.len());
    let (all, next) = page.cut(all);
    let each: Vec<Value> = all
        .iter()
        .map(|one| {
            json!({
                "InstanceId": one.id, "CloudAssistantStatus": one.alive.to_string(), "OSType": "Linux",
                "CloudAssistantVersion": "2.2.0.106", "SupportSessionManager": false,
            })
        })
        .collect();
    answer["InstanceCloudAssistantStatusSet"] = json!({"InstanceCloudAssistantStatus": each});
    answer["NextToken"] = next.into();
    Ok(answer)
}

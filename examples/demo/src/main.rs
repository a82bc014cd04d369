//! A first job and a first workflow from the terminal: signs a demo user in, submits a job, shows its events, its log and its
//! progress live over the WebSocket, and in the end its result and what it cost; then the same for a run of
//! `examples/workflows/sweep.yaml`.
//!
//! `demo http://127.0.0.1:8080` ends with status 0 only if both succeeded. It keeps to the documented API.

mod client;
mod screen;

use std::process::ExitCode;

use anyhow::Context;
use client::{Client, Live};
use screen::Screen;
use serde_json::{Value, json};

/// The demo user's password is made up at every start and kept nowhere.
const EMAIL: &str = "demo@example.com";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let api = std::env::args().nth(1).context("usage: demo API_URL")?;
    let mut client = Client::new(&api)?;
    let mut screen = Screen::new();
    let email = client.sign_in(EMAIL).await?;
    screen.line(&format!("signed in as {email}"));
    let submitted = client.post("/v1/jobs", &job()).await.context("the job was not accepted")?;
    let id = submitted["id"].as_str().context("the answer has no job id")?.to_owned();
    screen.line(&format!("submitted {id} ({})", submitted["name"].as_str().unwrap_or_default()));
    let status = follow(&client, "job_id", &id, &mut screen).await?;
    let job = client.get(&format!("/v1/jobs/{id}")).await?;
    let cost = client.get(&format!("/v1/jobs/{id}/cost")).await?;
    screen.finish();
    println!("{:<9} {status}", "status");
    println!("{:<9} {}", "result", job["exit"]["output"]);
    println!("{:<9} {}", "cost", amounts(&cost));
    println!("{:<9} curl -H \"Authorization: Bearer $TOKEN\" {api}/v1/jobs/{id}", "look");
    if status != "succeeded" {
        return Ok(ExitCode::FAILURE);
    }
    println!();
    let status = sweep(&client, &api).await?;
    Ok(if status == "succeeded" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A run of a workflow to its end: its nodes as they go, and which learning rate was the best.
async fn sweep(client: &Client, api: &str) -> anyhow::Result<String> {
    let mut screen = Screen::new();
    let yaml = include_str!("../../workflows/sweep.yaml");
    let workflow = client.post("/v1/workflows", &json!({ "yaml": yaml })).await;
    let workflow = workflow.context("the workflow was not accepted")?;
    let runs = workflow["links"]["runs"].as_str().context("the answer has no path of its runs")?;
    let run = client.post(runs, &json!({})).await.context("the run was not started")?;
    let id = run["id"].as_str().context("the answer has no run id")?.to_owned();
    screen.line(&format!("started {id} ({})", workflow["name"].as_str().unwrap_or_default()));
    let status = follow(client, "run_id", &id, &mut screen).await?;
    let best = client.get(&format!("/v1/runs/{id}/nodes/best")).await?;
    println!("{:<9} {status}", "status");
    println!("{:<9} {}", "best", best["output"]);
    println!("{:<9} curl -H \"Authorization: Bearer $TOKEN\" {api}/v1/runs/{id}", "look");
    Ok(status)
}

fn job() -> Value {
    json!({
        "name": "estimate pi",
        "image": "docker.io/library/python:3.12",
        "command": ["python3", "-c", include_str!("job.py")],
        "gpu": { "model": "RTX 4090", "count": 1 },
        "timeout_seconds": 600,
        "tags": { "example": "demo" },
    })
}

fn amounts(cost: &Value) -> String {
    let total = cost["total"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sums: Vec<String> = total
        .iter()
        .map(|money| {
            format!(
                "{} {}",
                money["amount"].as_str().unwrap_or("?"),
                money["currency"].as_str().unwrap_or("?")
            )
        })
        .collect();
    if sums.is_empty() { "0".into() } else { sums.join(" + ") }
}

/// Follows a job or a run to its end: live over the WebSocket, and from the event log where that is cut.
async fn follow(client: &Client, kind: &str, id: &str, screen: &mut Screen) -> anyhow::Result<String> {
    let mut live = client.live(kind, id).await?;
    loop {
        let message = match live.next().await? {
            Live::Message(message) => message,
            Live::Closed => {
                screen.line("the connection was closed; connecting again");
                live = client.live(kind, id).await?;
                continue;
            }
        };
        screen.show(&message);
        if message["type"] == "completion" || message["event"]["type"] == "ended" {
            return Ok(message["status"].as_str().unwrap_or_default().to_owned());
        }
    }
}

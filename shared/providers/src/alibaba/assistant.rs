//! Cloud Assistant: the end of the container's log, read on the machine itself.

use std::time::Duration;

use app::ports::ProviderError;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{client::Client, refusal, wire};

/// Cloud Assistant keeps this much of an output, and drops its beginning.
const LINES: usize = 1_000;
/// It takes a moment to reach the machine. Later the caller looks again.
const LOOKS: u32 = 12;
const PAUSE: Duration = Duration::from_millis(400);

/// The container's log; before there is a container, what the machine's own script says.
fn command(lines: usize) -> String {
    format!(
        "docker inspect gpu >/dev/null 2>&1 && exec docker logs --tail {lines} gpu 2>&1\n\
         tail -n {lines} \"${{TMPDIR:-/run}}/gpu-host.log\" 2>/dev/null || :\n"
    )
}

pub(super) async fn last_log(
    client: &Client,
    region: &str,
    instance: &str,
    lines: usize,
) -> Result<Vec<String>, ProviderError> {
    let lines = lines.min(LINES);
    let text = |text: &str| text.to_owned();
    let query = [
        ("RegionId", text(region)),
        ("InstanceId.1", text(instance)),
        ("Type", text("RunShellScript")),
        ("Name", text("gpu-log")),
        ("ContentEncoding", text("Base64")),
        ("CommandContent", STANDARD.encode(command(lines))),
        ("Timeout", text("10")),
    ];
    let invoked: wire::Invoked = client.call(region, "RunCommand", &query).await?;
    let query = [
        ("RegionId", text(region)),
        ("InvokeId", invoked.invoke_id),
        ("InstanceId", text(instance)),
        ("ContentEncoding", text("Base64")),
    ];
    for look in 0..LOOKS {
        // The first look comes early: nearly always it is done by then.
        tokio::time::sleep(if look == 0 { PAUSE / 4 } else { PAUSE }).await;
        let results: wire::Results = client.call(region, "DescribeInvocationResults", &query).await?;
        let Some(result) = results.invocation.invocation_results.list.into_iter().next() else { continue };
        match result.invocation_status.as_deref() {
            Some("Success") => return Ok(last(&output(&result)?, lines)),
            Some("Pending" | "Scheduled" | "Running") => {}
            // It does not run yet, or no more: there is nothing to read.
            _ if result.error_code.as_deref().is_some_and(|code| code.starts_with("InstanceNot")) => {
                return Ok(Vec::new());
            }
            other => {
                let words = [other, result.error_code.as_deref()].map(Option::unwrap_or_default).join(" ");
                return Err(ProviderError::Unknown(refusal::bounded(&format!(
                    "the log was not read: {words}"
                ))));
            }
        }
    }
    Err(ProviderError::Unknown("the machine has not answered yet".to_owned()))
}

fn output(result: &wire::InvocationResult) -> Result<String, ProviderError> {
    let bytes = STANDARD
        .decode(result.output.as_deref().unwrap_or_default())
        .map_err(|_| ProviderError::Unknown("the log is not base64".to_owned()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last(text: &str, lines: usize) -> Vec<String> {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
}

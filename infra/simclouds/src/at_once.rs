//! Commands that end at once: nothing is started, and the platform hears what a runner would have said.

use std::collections::BTreeMap;
use std::time::Duration;

/// How often a message is sent that is not taken.
const TRIES: u32 = 40;

/// Says that the command began and ended. `SIM_EXIT_CODE` and `SIM_OUTPUT` among the container's variables are its exit code
/// and its output; without them it ends well and has none.
pub(crate) async fn end(client: &reqwest::Client, env: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let code = env.get("SIM_EXIT_CODE").map_or("0", String::as_str);
    let output = env.get("SIM_OUTPUT").map(|output| format!("output\n{output}")).unwrap_or_default();
    say(client, env, 1, "start", "runner 1\nclient curl\n".to_owned()).await?;
    say(client, env, 2, "exit", format!("code {code}\nreason exited\n{output}")).await
}

async fn say(
    client: &reqwest::Client,
    env: &BTreeMap<String, String>,
    sequence: u32,
    kind: &str,
    body: String,
) -> anyhow::Result<()> {
    let word = |name: &str| env.get(name).map(String::as_str).unwrap_or_default();
    let url = format!("{}/v1/runner/{}/{kind}", word("GPU_API_URL"), word("GPU_ATTEMPT_ID"));
    for tried in 0..TRIES {
        let message = client
            .post(&url)
            .bearer_auth(word("GPU_RUNNER_TOKEN"))
            .header("x-runner-id", "at-once")
            .header("x-runner-seq", sequence)
            .body(body.clone());
        match message.send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) if answer.status().is_client_error() => anyhow::bail!("{}", answer.status()),
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(20 << tried.min(5))).await,
        }
    }
    anyhow::bail!("it did not answer in {TRIES} tries")
}

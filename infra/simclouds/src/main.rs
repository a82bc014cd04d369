//! Serves the simulated clouds until it is interrupted. Prints one JSON line with their URLs when they answer.

use anyhow::Context;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
usage: simclouds [--runpod-port PORT] [--key KEY] [--data DIRECTORY]
                 [--alibaba-port PORT] [--alibaba-key ID:SECRET]

Simulated GPU clouds on 127.0.0.1. They run what they are sent as processes of this user.
  --runpod-port PORT   port of the simulated RunPod (default: any free one)
  --key KEY            the API key it accepts (default: a random one, printed)
  --data DIRECTORY     pods survive a restart there (default: in memory)
  --alibaba-port PORT  port of the simulated Alibaba Cloud (default: any free one)
  --alibaba-key ID:SECRET  the access key it accepts (default: a random one, printed)
";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut port = 0;
    let mut key = None;
    let mut data = None;
    let mut alibaba_port = 0;
    let mut alibaba_key = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value\n{USAGE}"));
        match word.as_str() {
            "--runpod-port" => port = value()?.parse().context("the port is not a number from 0 to 65535")?,
            "--key" => key = Some(value()?),
            "--data" => data = Some(PathBuf::from(value()?)),
            "--alibaba-port" => {
                alibaba_port = value()?.parse().context("the port is not a number from 0 to 65535")?;
            }
            "--alibaba-key" => alibaba_key = Some(value()?),
            "--help" | "-h" => {
                print!("{USAGE}");
                return Ok(());
            }
            _ => anyhow::bail!("unknown word {word:?}\n{USAGE}"),
        }
    }
    let key = key.unwrap_or_else(|| format!("rpa_simulated_{:016x}", rand::random::<u64>()));
    let mut config = simclouds::runpod::Config::new(&key);
    config.port = port;
    config.data = data.map(|data| data.join("runpod"));
    // Before anything runs: an interrupt during the start must not leave a process behind.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let runpod = simclouds::runpod::serve(config).await?;
    let word = || format!("{:016x}", rand::random::<u64>());
    let pair = alibaba_key.unwrap_or_else(|| format!("LTAIsimulated{}:simulated{}", word(), word()));
    let (id, secret) = pair.split_once(':').context("--alibaba-key is ID:SECRET")?;
    let mut config = simclouds::alibaba::Config::new(id, secret);
    config.port = alibaba_port;
    let alibaba = simclouds::alibaba::serve(config).await?;
    println!(
        "{}",
        serde_json::json!({
            "runpod": {"url": runpod.url, "key": key},
            "alibaba": {"url": alibaba.url, "access_key_id": id, "access_key_secret": secret},
        })
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::join!(runpod.stop(), alibaba.stop());
    Ok(())
}

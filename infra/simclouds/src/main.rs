//! Serves the simulated clouds until it is interrupted. Prints one JSON line with their URLs when they answer.

use anyhow::Context;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
usage: simclouds [--runpod-port PORT] [--key KEY] [--data DIRECTORY]
                 [--alibaba-port PORT] [--alibaba-key ID:SECRET]
                 [--tencent-port PORT] [--tencent-key ID:KEY] [--tencent-token TOKEN]

Simulated GPU clouds on 127.0.0.1. They run what they are sent as processes of this user.
  --runpod-port PORT   port of the simulated RunPod (default: any free one)
  --key KEY            the API key it accepts (default: a random one, printed)
  --data DIRECTORY     pods survive a restart there (default: in memory)
  --alibaba-port PORT  port of the simulated Alibaba Cloud (default: any free one)
  --alibaba-key ID:SECRET  the access key it accepts (default: a random one, printed)
  --tencent-port PORT  port of the simulated Tencent Cloud and its cluster (default: any free one)
  --tencent-key ID:KEY  the secret id and key it accepts (default: a random one, printed)
  --tencent-token TOKEN  the token its cluster accepts (default: a random one, in the kubeconfig)
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
    let mut tencent_port = 0;
    let mut tencent_key = None;
    let mut tencent_token = None;
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
            "--tencent-port" => {
                tencent_port = value()?.parse().context("the port is not a number from 0 to 65535")?;
            }
            "--tencent-key" => tencent_key = Some(value()?),
            "--tencent-token" => tencent_token = Some(value()?),
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
    let pair = tencent_key.unwrap_or_else(|| format!("AKIDsimulated{}:simulated{}", word(), word()));
    let (secret_id, secret_key) = pair.split_once(':').context("--tencent-key is ID:KEY")?;
    let mut config = simclouds::tencent::Config::new(secret_id, secret_key);
    config.port = tencent_port;
    config.token = tencent_token.unwrap_or(config.token);
    let region = config.region.clone();
    let tencent = simclouds::tencent::serve(config).await?;
    println!(
        "{}",
        serde_json::json!({
            "runpod": {"url": runpod.url, "key": key},
            "alibaba": {"url": alibaba.url, "access_key_id": id, "access_key_secret": secret},
            "tencent": {
                "url": tencent.url, "secret_id": secret_id, "secret_key": secret_key, "region": region,
                "cluster_id": tencent.cluster_id, "namespace": "gpu",
            },
        })
    );
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::join!(runpod.stop(), alibaba.stop(), tencent.stop());
    Ok(())
}

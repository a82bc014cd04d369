//! `local`: the whole platform on this machine.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use local::simulated::Cloud;
use local::{Options, Stack};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

const USAGE: &str = "\
usage: local [options]
  --port P              port of the API (8080)
  --aws-port P          port of the AWS endpoint (a free one)
  --data DIR            keep everything here
  --memory              keep everything in memory (the default)
  --template FILE       the template (infra/template.yaml)
  --functions-dir DIR   where the functions' programs are (target/debug)
  --parameter NAME=VALUE  value of a template parameter
  --logs DIR            where the functions' output goes
  --frontend DIR        the built frontend (frontend/dist)
  --idle SECONDS        how long a function's process may be idle (30)
  --clouds LIST         simulate these: runpod,alibaba,tencent (all of them), or none
  --no-simclouds        --clouds none
  --test-functions      serve the functions that the recorded Step Functions cases call
An account in the environment makes it use that cloud itself, and nothing simulated unless --clouds says so:
RUNPOD_API_KEY; ALIBABA_ACCESS_KEY_ID, ALIBABA_ACCESS_KEY_SECRET and ALIBABA_REGIONS; TENCENT_SECRET_ID,
TENCENT_SECRET_KEY, TENCENT_REGION and TENCENT_CLUSTER_ID (docs/gpu-providers.md).
When everything answers it prints one line `ready {...}` on standard output.";

fn main() -> ExitCode {
    let filter =
        EnvFilter::try_from_env("LOCAL_LOG").unwrap_or_else(|_| EnvFilter::new("info,dynoxide=error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("local: {error:#}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = runtime.context("start").and_then(|runtime| {
        let result = runtime.block_on(run(options));
        // Tasks end here, and with them the functions' processes
        runtime.shutdown_timeout(Duration::from_secs(2));
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("local: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stack = tokio::select! {
        stack = Stack::start(options) => stack?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "ready {}", serde_json::to_string(&stack.ready)?)?;
    stdout.flush()?;
    drop(stdout);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stack.stop().await;
    Ok(())
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options { frontend: Some("frontend/dist".into()), ..Options::default() };
    let mut clouds = None;
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{name} needs a value"));
        match name.as_str() {
            "--port" => options.port = value()?.parse().context("--port")?,
            "--aws-port" => options.aws_port = value()?.parse().context("--aws-port")?,
            "--data" => options.data = Some(PathBuf::from(value()?)),
            "--memory" => options.data = None,
            "--template" => options.template = value()?.into(),
            "--functions-dir" => options.functions = value()?.into(),
            "--logs" => options.logs = Some(value()?.into()),
            "--frontend" => options.frontend = Some(value()?.into()),
            "--idle" => options.idle = Duration::try_from_secs_f64(value()?.parse().context("--idle")?)?,
            "--parameter" => {
                let pair = value()?;
                let (name, value) = pair.split_once('=').context("--parameter takes NAME=VALUE")?;
                options.parameters.insert(name.to_owned(), value.to_owned());
            }
            "--clouds" => clouds = Some(Cloud::list(&value()?).context("--clouds")?),
            "--no-simclouds" => clouds = Some(BTreeSet::new()),
            "--test-functions" => options.test_functions = true,
            other => bail!("{other} is not an option"),
        }
    }
    for cloud in Cloud::ALL {
        let Some(account) = cloud.account(|name| std::env::var(name).ok())? else { continue };
        if clouds.as_ref().is_some_and(|clouds| clouds.contains(&cloud)) {
            bail!("{} is both simulated by --clouds and named in the environment", cloud.name());
        }
        // Simulated machines beside real ones would take the real jobs.
        options.clouds = BTreeSet::new();
        options.secrets.insert(format!("providers/{}", cloud.name()), account);
    }
    options.clouds = clouds.unwrap_or(options.clouds);
    Ok(options)
}

//! A simulated Tencent Cloud: the cloud's own API (TKE and CVM, TC3 signatures) at `/`, the Kubernetes API of one TKE
//! cluster under `/api` and `/apis`, and under `/_sim` what a test needs to know and to cause.

mod account;
mod api;
mod billing;
mod catalogue;
mod control;
mod cvm;
mod error;
mod kube;
mod market;
mod signature;
mod tke;

use crate::faults::{Faults, Mode, Plan};
use crate::ledger::Journal;
use crate::process::Guard;
use crate::serve::{self, Dropped, Front, Running};
use crate::strike::{self, Turn, Voice};
use crate::window::Window;
use account::{Account, Settings};
use axum::body::Body;
use bytes::Bytes;
use hyper::{Request, Response};
use jiff::Timestamp;
use signature::Key;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How to start a simulated Tencent Cloud.
#[derive(Clone)]
pub struct Config {
    /// Must be a loopback address.
    pub address: IpAddr,
    /// 0 = any free port.
    pub port: u16,
    /// The one key that is accepted by the cloud's own API.
    pub secret_id: String,
    pub secret_key: String,
    /// Where the cluster is.
    pub region: String,
    pub cluster_id: String,
    /// The one bearer token that the cluster accepts; it is in the kubeconfig.
    pub token: String,
    /// Beside `default` and `kube-system`.
    pub namespaces: Vec<String>,
    /// From a place to run to the first process.
    pub boot: Duration,
    /// GPUs at a time; 0 = no limit.
    pub quota_gpus: u32,
    /// The account's balance in millionths of a yuan.
    pub balance_micros: i64,
}

impl Config {
    /// On any free port of 127.0.0.1, with the usual delays.
    pub fn new(secret_id: impl Into<String>, secret_key: impl Into<String>) -> Self {
        let usual = Settings::default();
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            secret_id: secret_id.into(),
            secret_key: secret_key.into(),
            region: "ap-guangzhou".to_owned(),
            cluster_id: "cls-simulate".to_owned(),
            token: format!("simulated-{}", word(b"0123456789abcdef", 32)),
            namespaces: vec!["gpu".to_owned()],
            boot: Duration::from_millis(usual.boot_ms),
            quota_gpus: usual.quota_gpus,
            balance_micros: usual.balance_micros,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            boot_ms: u64::try_from(self.boot.as_millis()).unwrap_or(u64::MAX),
            quota_gpus: self.quota_gpus,
            balance_micros: self.balance_micros,
            ..Settings::default()
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("address", &self.address)
            .field("port", &self.port)
            .field("secret_id", &self.secret_id)
            .field("region", &self.region)
            .field("cluster_id", &self.cluster_id)
            .finish_non_exhaustive()
    }
}

/// A running simulated Tencent Cloud. When it is dropped the cloud ends and every process of its pods is killed.
#[derive(Debug)]
pub struct Handle {
    /// The endpoint of the cloud's own API and of the cluster, without a trailing slash.
    pub url: String,
    pub cluster_id: String,
    running: Running,
}

impl Handle {
    /// Ends the cloud and everything in it. Returns when all processes are dead.
    pub async fn stop(self) {
        self.running.end().await;
    }
}

struct Cloud {
    url: String,
    region: String,
    cluster_id: String,
    key: Key,
    token: String,
    account: Mutex<Account>,
    faults: Faults,
    journal: Journal,
    guard: Arc<Guard>,
    disks: PathBuf,
    tasks: TaskTracker,
    stop: CancellationToken,
    window: Window,
    /// Something that a pod or a job waits for may have changed: stock, quota, an image.
    room: Notify,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cloud").field("url", &self.url).finish_non_exhaustive()
    }
}

/// # Errors
/// When the address is not a loopback address, the port is taken, or there is no such region.
pub async fn serve(config: Config) -> anyhow::Result<Handle> {
    anyhow::ensure!(catalogue::zones(&config.region).next().is_some(), "unknown region {:?}", config.region);
    let listener = serve::bind(config.address, config.port).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let disks = std::env::temp_dir().join(format!("simclouds-{}-{}", std::process::id(), uuid()));
    let cloud = Arc::new(Cloud {
        url: url.clone(),
        account: Mutex::new(Account::new(config.settings(), &config.namespaces)),
        region: config.region,
        cluster_id: config.cluster_id.clone(),
        key: Key { id: config.secret_id, secret: config.secret_key },
        token: config.token,
        faults: Faults::default(),
        journal: Journal::default(),
        guard: Arc::new(Guard::start(Some(&disks))?),
        disks,
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        window: Window::default(),
        room: Notify::new(),
    });
    let accept = serve::accept(listener, Arc::clone(&cloud), cloud.tasks.clone(), cloud.stop.clone());
    let running = Running { tasks: cloud.tasks.clone(), stop: cloud.stop.clone() };
    cloud.tasks.spawn(accept);
    Ok(Handle { url, cluster_id: config.cluster_id, running })
}

impl Cloud {
    fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds until the next call is let in; None: this one is.
    fn excess(&self) -> Option<u64> {
        let limit = self.lock().settings.rate_per_minute;
        self.window.excess(limit).map(|left| left.as_secs().max(1))
    }

    /// The answer to a call that meets a fault, or none.
    async fn meet(
        &self,
        plan: Option<&Plan>,
        voice: &Voice<'_>,
        note: &(dyn Fn(Option<u16>, Option<Mode>) + Send + Sync),
    ) -> Result<Response<Body>, Dropped> {
        let usual = Turn { lag_ms: self.lock().settings.list_lag_ms, boot: None };
        strike::meet(plan, usual, voice, &self.stop, note).await
    }
}

impl Front for Cloud {
    async fn answer(self: Arc<Self>, request: Request<Bytes>) -> Result<Response<Body>, Dropped> {
        let path = request.uri().path();
        if path.starts_with("/_sim/") {
            return Ok(control::answer(&self, &request));
        }
        let (latency, down) = {
            let account = self.lock();
            (account.settings.latency_ms, account.settings.down)
        };
        if latency > 0 {
            tokio::time::sleep(Duration::from_millis(latency)).await;
        }
        if down {
            return Err(Dropped);
        }
        if kube::serves(path) {
            kube::answer(&self, &request).await
        } else {
            api::answer(&self, &request).await
        }
    }
}

fn word(letters: &[u8], length: usize) -> String {
    (0..length).map(|_| char::from(letters[rand::random_range(0..letters.len())])).collect()
}

fn uuid() -> String {
    let part = |length| word(b"0123456789abcdef", length);
    format!("{}-{}-4{}-a{}-{}", part(8), part(4), part(3), part(3), part(12))
}

/// As the cluster writes times: to the second.
fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

//! A simulated Alibaba Cloud ECS: RPC at `/` under the signatures V3 and V1, instance metadata under `/_metadata`, and
//! under `/_sim` what a test needs to know and to cause.

mod account;
mod bill;
mod catalogue;
mod command;
mod control;
mod describe;
mod drive;
mod error;
mod instance;
mod market;
mod metadata;
mod parameters;
mod run;
mod signature;

use crate::clock;
use crate::faults::Faults;
use crate::ledger::Journal;
use crate::process::Guard;
use crate::serve::{self, Dropped, Front, Running, json_answer};
use crate::strike::{self, Turn, Voice};
use crate::window::Window;
use account::{Account, Settings};
use axum::body::Body;
use bytes::Bytes;
use error::Refusal;
use hyper::{Request, Response};
use parameters::Parameters;
use serde_json::Value;
use signature::{Key, Signed};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Every action, which is also what a fault may be planned for.
const ACTIONS: [&str; 15] = [
    "RunInstances",
    "DescribeInstances",
    "DescribeInstanceStatus",
    "DeleteInstance",
    "DeleteInstances",
    "ListTagResources",
    "RunCommand",
    "DescribeInvocations",
    "DescribeInvocationResults",
    "DescribeCloudAssistantStatus",
    "DescribePrice",
    "DescribeSpotPriceHistory",
    "DescribeAvailableResource",
    "DescribeInstanceTypes",
    "DescribeInstanceBill",
];

/// The version of the API that an action belongs to: the machines', or the account's books'.
fn version_of(action: &str) -> &'static str {
    if action == "DescribeInstanceBill" { "2017-12-14" } else { "2014-05-26" }
}

/// How to start a simulated Alibaba Cloud.
#[derive(Clone)]
pub struct Config {
    /// Must be a loopback address.
    pub address: IpAddr,
    /// 0 = any free port.
    pub port: u16,
    /// The one access key that is accepted, and its secret.
    pub access_key_id: String,
    pub access_key_secret: String,
    /// From creation to Running.
    pub boot: Duration,
    /// How far away `AutoReleaseTime` must be: the cloud wants half an hour.
    pub auto_release_min: Duration,
    /// Instances at a time; 0 = no limit.
    pub quota_instances: u32,
    /// The account's balance in millionths of a yuan.
    pub balance_micros: i64,
}

impl Config {
    /// On any free port of 127.0.0.1, with the usual delays.
    pub fn new(access_key_id: impl Into<String>, access_key_secret: impl Into<String>) -> Self {
        let usual = Settings::default();
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            access_key_id: access_key_id.into(),
            access_key_secret: access_key_secret.into(),
            boot: Duration::from_millis(usual.boot_ms),
            auto_release_min: Duration::from_secs(usual.auto_release_min_s.into()),
            quota_instances: usual.quota_instances,
            balance_micros: usual.balance_micros,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            boot_ms: u64::try_from(self.boot.as_millis()).unwrap_or(u64::MAX),
            auto_release_min_s: u32::try_from(self.auto_release_min.as_secs()).unwrap_or(u32::MAX),
            quota_instances: self.quota_instances,
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
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// A running simulated Alibaba Cloud. When it is dropped the cloud ends and every process of its instances is killed.
#[derive(Debug)]
pub struct Handle {
    /// The endpoint, without a trailing slash.
    pub url: String,
    running: Running,
}

impl Handle {
    /// Ends the cloud and everything in it. Returns when all processes are dead.
    pub async fn stop(self) {
        self.running.end().await;
    }
}

#[derive(Debug)]
struct Cloud {
    url: String,
    key: Key,
    account: Mutex<Account>,
    faults: Faults,
    journal: Journal,
    guard: Arc<Guard>,
    disks: PathBuf,
    tasks: TaskTracker,
    stop: CancellationToken,
    window: Window,
    /// Some instance's machine was lost, or switched off.
    lost: Notify,
}

/// # Errors
/// When the address is not a loopback address, or the port is taken.
pub async fn serve(config: Config) -> anyhow::Result<Handle> {
    let listener = serve::bind(config.address, config.port).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let disks = std::env::temp_dir().join(instance::id(&format!("simclouds-{}-", std::process::id())));
    let cloud = Arc::new(Cloud {
        url: url.clone(),
        account: Mutex::new(Account::new(config.settings())),
        key: Key { id: config.access_key_id, secret: config.access_key_secret },
        faults: Faults::default(),
        journal: Journal::default(),
        guard: Arc::new(Guard::start(Some(&disks))?),
        disks,
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        window: Window::default(),
        lost: Notify::new(),
    });
    let accept = serve::accept(listener, Arc::clone(&cloud), cloud.tasks.clone(), cloud.stop.clone());
    let running = Running { tasks: cloud.tasks.clone(), stop: cloud.stop.clone() };
    cloud.tasks.spawn(accept);
    Ok(Handle { url, running })
}

impl Cloud {
    fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds until the next call is let in; None: this one is.
    fn excess(&self) -> Option<u64> {
        let limit = self.lock().settings.rate_per_minute;
        self.window.excess(limit).map(|left| u64::try_from(left.as_millis()).unwrap_or(60_000).max(1))
    }

    fn admit(&self, request: &Request<Bytes>) -> Result<Signed, Refusal> {
        let signed = signature::verify(request, &self.key, clock::now())?;
        if !self.lock().note_nonce(&signed.nonce) {
            return Err(Refusal::new(
                400,
                "SignatureNonceUsed",
                "Specified signature nonce was used already.",
            ));
        }
        if signed.version != version_of(&signed.action) {
            return Err(Refusal::new(400, "InvalidVersion", "Specified parameter Version is not valid."));
        }
        if !ACTIONS.contains(&signed.action.as_str()) {
            let message = "Specified api is not found, please check your url and method.";
            return Err(Refusal::new(404, "InvalidAction.NotFound", message));
        }
        Ok(signed)
    }

    fn perform(self: &Arc<Self>, signed: &Signed, turn: Turn) -> Response<Body> {
        match self.act(signed, turn) {
            Ok(mut body) => {
                body["RequestId"] = instance::request_id().into();
                json_answer(200, &body)
            }
            Err(refusal) => refusal.answer(),
        }
    }

    fn act(self: &Arc<Self>, signed: &Signed, turn: Turn) -> Result<Value, Refusal> {
        let known = |known: &[&str]| Parameters::new(signed.parameters.clone(), known);
        match signed.action.as_str() {
            "RunInstances" => run::run(self, &known(run::RUN)?, turn),
            "DeleteInstance" => run::delete(self, &known(run::DELETE)?),
            "DeleteInstances" => run::delete_many(self, &known(run::DELETE_MANY)?),
            "DescribeInstances" => describe::instances(&self.lock(), &known(describe::INSTANCES)?, turn),
            "DescribeInstanceStatus" => describe::statuses(&self.lock(), &known(describe::STATUSES)?, turn),
            "ListTagResources" => describe::tags(&self.lock(), &known(describe::TAGS)?, turn),
            "RunCommand" => command::run(self, &known(command::RUN)?),
            "DescribeInvocations" => command::invocations(&self.lock(), &known(command::INVOCATIONS)?),
            "DescribeInvocationResults" => command::results(&self.lock(), &known(command::RESULTS)?),
            "DescribeCloudAssistantStatus" => command::status(&self.lock(), &known(command::STATUS)?),
            "DescribePrice" => market::price(&self.lock(), &known(market::PRICE)?),
            "DescribeSpotPriceHistory" => market::history(&self.lock(), &known(market::HISTORY)?),
            "DescribeAvailableResource" => market::available(&self.lock(), &known(market::AVAILABLE)?),
            "DescribeInstanceBill" => bill::of(&self.lock(), &known(bill::KNOWN)?),
            "DescribeInstanceTypes" => market::kinds(&known(market::KINDS_KNOWN)?),
            other => Err(Refusal::new(404, "InvalidAction.NotFound", format!("{other} is not found."))),
        }
    }
}

impl Front for Cloud {
    async fn answer(self: Arc<Self>, request: Request<Bytes>) -> Result<Response<Body>, Dropped> {
        let path = request.uri().path();
        if path.starts_with("/_sim/") {
            return Ok(control::answer(&self, &request));
        }
        if path.starts_with("/_metadata/") {
            return Ok(metadata::of(&self, &request));
        }
        if path != "/" || !matches!(request.method().as_str(), "GET" | "POST") {
            let message = "Specified api is not found, please check your url and method.";
            return Ok(Refusal::new(404, "InvalidAction.NotFound", message).answer());
        }
        let latency = self.lock().settings.latency_ms;
        if latency > 0 {
            tokio::time::sleep(Duration::from_millis(latency)).await;
        }
        let method = request.method().as_str().to_owned();
        let signed = match self.admit(&request) {
            Ok(signed) => signed,
            Err(refusal) => {
                self.journal.note(&refusal.code, &method, "/", Some(refusal.status), None);
                return Ok(refusal.answer());
            }
        };
        // The query is left out of the journal: the user data in it hold other people's secrets.
        let label = signed.action.clone();
        let note = |status, fault| self.journal.note(&label, &method, "/", status, fault);
        if let Some(millis) = self.excess() {
            let answer = Refusal::throttled(millis).answer();
            note(Some(answer.status().as_u16()), None);
            return Ok(answer);
        }
        let words: Vec<String> =
            signed.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let plan = self.faults.meet(&label, &words.join("&"), b"");
        let usual = Turn { lag_ms: self.lock().settings.list_lag_ms, boot: None };
        let voice = Voice {
            perform: &|turn| self.perform(&signed, turn),
            failure: &|status| Refusal::failure(status).answer(),
            throttled: &|seconds| Refusal::throttled(seconds.saturating_mul(1000)).answer(),
            sold_out: Some(&|()| Refusal::no_stock().answer()),
        };
        strike::meet(plan.as_ref(), usual, &voice, &self.stop, &note).await
    }
}

//! A simulated RunPod: REST v2 under `/v2`, GraphQL at `/graphql`, and under `/_sim` what a test needs to know and to cause.

mod account;
mod billing;
mod catalogue;
mod control;
mod creation;
mod drive;
mod graphql;
mod offers;
mod pod;
mod resolve;
mod rest;
mod schema;
mod store;

use crate::faults::Faults;
use crate::ledger::{Journal, Micros};
use crate::process::{Guard, kill_marked};
use crate::serve::{self, Dropped, Front, Running, json_answer};
use crate::strike::{self, Turn, Voice};
use crate::window::Window;
use account::{Account, Books, Refusal, Settings};
use axum::body::Body;
use bytes::Bytes;
use hyper::{Request, Response};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::Store;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// RunPod's words for an empty shelf, in both of its APIs.
const NO_CAPACITY: &str = "There are no longer any instances available with the requested specifications. \
                           Please refresh and try again.";
const NO_BALANCE: &str = "Your account balance is too low to rent this pod. Please add funds and try again.";

/// How to start a simulated RunPod.
#[derive(Clone)]
pub struct Config {
    /// Must be a loopback address.
    pub address: IpAddr,
    /// 0 = any free port.
    pub port: u16,
    /// The one key that is accepted.
    pub api_key: String,
    /// A directory in which pods survive a restart. None: everything is forgotten.
    pub data: Option<PathBuf>,
    /// From PROVISIONING to RUNNING.
    pub boot: Duration,
    /// Between the end of an entrypoint and its next start.
    pub restart: Duration,
    /// Between SIGTERM and SIGKILL.
    pub stop_grace: Duration,
    /// The account's balance in millionths of a US dollar.
    pub balance_micros: i64,
}

impl Config {
    /// On any free port of 127.0.0.1, in memory, with the usual delays.
    pub fn new(api_key: impl Into<String>) -> Self {
        let usual = Settings::default();
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            api_key: api_key.into(),
            data: None,
            boot: Duration::from_millis(usual.boot_ms),
            restart: Duration::from_millis(usual.restart_ms),
            stop_grace: Duration::from_millis(usual.stop_grace_ms),
            balance_micros: usual.balance_micros.0,
        }
    }

    fn settings(&self) -> Settings {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Settings {
            boot_ms: millis(self.boot),
            restart_ms: millis(self.restart),
            stop_grace_ms: millis(self.stop_grace),
            balance_micros: Micros(self.balance_micros),
            ..Settings::default()
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("address", &self.address)
            .field("port", &self.port)
            .field("api_key", &"***")
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// A running simulated RunPod. When it is dropped the cloud ends and every process of its pods is killed.
#[derive(Debug)]
pub struct Handle {
    /// The base URL of both APIs, without a trailing slash.
    pub url: String,
    running: Running,
}

impl Handle {
    /// Ends the cloud as a power cut does: pods keep their state on disk, processes are killed. Returns when all are dead.
    pub async fn stop(self) {
        self.running.end().await;
    }
}

#[derive(Debug)]
struct Cloud {
    /// Tells the platform of commands that end at once.
    client: reqwest::Client,
    api_key: String,
    account: Mutex<Account>,
    faults: Faults,
    journal: Journal,
    guard: Arc<Guard>,
    disks: PathBuf,
    tasks: TaskTracker,
    stop: CancellationToken,
    window: Window,
}

/// # Errors
/// When the address is not a loopback address, the port is taken, or what is in `data` cannot be read.
pub async fn serve(config: Config) -> anyhow::Result<Handle> {
    let listener = serve::bind(config.address, config.port).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (store, disks, scratch) = if let Some(data) = &config.data {
        (Some(Store::open(data)?), data.join("disks"), None)
    } else {
        let scratch = std::env::temp_dir().join(format!("simclouds-{}-{}", std::process::id(), pod::word(8)));
        (None, scratch.clone(), Some(scratch))
    };
    let mut books = Books { shelves: catalogue::shelves(), ..Books::default() };
    let mut pods = Vec::new();
    if let Some(store) = &store {
        if let Some(known) = store.books()? {
            books = known;
        }
        pods = store.pods()?;
    }
    books.settings = config.settings();
    let cloud = Arc::new(Cloud {
        client: reqwest::Client::new(),
        api_key: config.api_key,
        account: Mutex::new(Account::new(books, store)),
        faults: Faults::default(),
        journal: Journal::default(),
        guard: Arc::new(Guard::start(scratch.as_deref())?),
        disks,
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        window: Window::default(),
    });
    cloud.recover(pods).await?;
    let accept = serve::accept(listener, Arc::clone(&cloud), cloud.tasks.clone(), cloud.stop.clone());
    let running = Running { tasks: cloud.tasks.clone(), stop: cloud.stop.clone() };
    cloud.tasks.spawn(accept);
    Ok(Handle { url, running })
}

impl Cloud {
    fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up the pods of an earlier life as a machine takes them up after a power cut.
    async fn recover(self: &Arc<Self>, pods: Vec<pod::Pod>) -> anyhow::Result<()> {
        let marks = pods.iter().map(|pod| drive::marker(&pod.id).into_bytes()).collect();
        tokio::task::spawn_blocking(move || kill_marked(&marks)).await?;
        for mut pod in pods {
            if pod.gone() && !self.disks.join(&pod.id.0).exists() {
                // Already cleared away: remembered for its bill only.
                self.lock().adopt(pod, Arc::default());
                continue;
            }
            if matches!(pod.wish, pod::Wish::Run { .. }) && pod.status != pod::Status::Error {
                pod.status = pod::Status::Provisioning;
            }
            let (log, wish) = {
                let mut account = self.lock();
                let log = Arc::new(account.open_log(&pod.id));
                (Arc::clone(&log), account.adopt(pod.clone(), log))
            };
            self.attend(&pod, log, wish);
        }
        Ok(())
    }

    /// Starts what drives a pod.
    fn attend(
        self: &Arc<Self>,
        pod: &pod::Pod,
        log: Arc<crate::log::Log>,
        wish: tokio::sync::watch::Receiver<pod::Wish>,
    ) {
        self.tasks.spawn(drive::Driver::new(Arc::clone(self), pod.id.clone(), log, wish).run());
        for (at, end) in [(pod.spec.stop_after, false), (pod.spec.terminate_after, true)] {
            let Some(at) = at else { continue };
            let (cloud, id) = (Arc::clone(self), pod.id.clone());
            let left = Duration::try_from(crate::clock::now().duration_until(at)).unwrap_or_default();
            self.tasks.spawn(async move {
                tokio::select! {
                    () = cloud.stop.cancelled() => {}
                    () = tokio::time::sleep(left) => {
                        let mut account = cloud.lock();
                        let done = if end {
                            account.terminate(&id)
                        } else {
                            account.stop(&id, "Exited by Runpod: stopAfter").map(drop)
                        };
                        if let Err(refusal) = done {
                            tracing::debug!(pod = %id, ?refusal, "a pod's guard had nothing to do");
                        }
                    }
                }
            });
        }
    }

    fn create(self: &Arc<Self>, order: account::Order) -> Result<pod::Pod, Refusal> {
        let (pod, log, wish) = self.lock().create(order)?;
        self.attend(&pod, log, wish);
        Ok(pod)
    }

    /// Counts a call against the limit of this minute. None: there is no limit.
    fn quota(&self) -> Option<Quota> {
        let limit = self.lock().books.settings.rate_per_minute;
        if limit == 0 {
            return None;
        }
        let counted = self.window.count();
        let reset_s = counted.left.as_secs_f64().ceil().max(1.0) as u64;
        Some(Quota { limit, left: limit.checked_sub(counted.number), reset_s })
    }

    fn authorized(&self, request: &Request<Bytes>) -> Result<(), &'static str> {
        let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        match header.and_then(|value| value.strip_prefix("Bearer ")) {
            None => Err("missing bearer token"),
            Some(key) if key == self.api_key => Ok(()),
            Some(_) => Err("invalid bearer token"),
        }
    }
}

impl Front for Cloud {
    async fn answer(self: Arc<Self>, request: Request<Bytes>) -> Result<Response<Body>, Dropped> {
        if request.uri().path().starts_with("/_sim/") {
            return Ok(control::answer(&self, &request));
        }
        let route = match Route::of(&request) {
            Ok(route) => route,
            Err(answer) => return Ok(*answer),
        };
        let latency = self.lock().books.settings.latency_ms;
        if latency > 0 {
            tokio::time::sleep(Duration::from_millis(latency)).await;
        }
        let (label, target) = (route.label(), request.uri().to_string());
        if let Err(detail) = self.authorized(&request) {
            self.journal.note(&label, request.method().as_str(), &target, Some(401), None);
            return Ok(route.unauthorized(detail));
        }
        let quota = self.quota();
        let excess = quota.filter(|quota| quota.left.is_none());
        let note = |status, fault| {
            self.journal.note(&label, request.method().as_str(), &target, status, fault);
        };
        let mut answer = if let Some(quota) = excess {
            let answer = route.throttle(quota.reset_s);
            note(Some(answer.status().as_u16()), None);
            Ok(answer)
        } else {
            let plan = self.faults.meet(&label, &target, request.body());
            let usual = Turn { lag_ms: self.lock().books.settings.list_lag_ms, boot: None };
            let voice = Voice {
                perform: &|turn| route.perform(&self, &request, turn),
                failure: &|status| route.failure(status),
                throttled: &|seconds| route.throttle(seconds),
                sold_out: Some(&|()| route.refuse(&Refusal::Capacity)),
            };
            strike::meet(plan.as_ref(), usual, &voice, &self.stop, &note).await
        };
        if let (Some(quota), Ok(response)) = (quota, &mut answer) {
            quota.tell(response);
        }
        answer
    }
}

/// What a caller may still do in this minute.
#[derive(Clone, Copy)]
struct Quota {
    limit: u32,
    /// None: this call is one too many.
    left: Option<u32>,
    reset_s: u64,
}

impl Quota {
    fn tell(self, response: &mut Response<Body>) {
        let left = self.left.unwrap_or(0);
        let state = format!("\"minute\";r={left};t={}", self.reset_s);
        let policy = format!("\"minute\";q={};w=60", self.limit);
        for (name, text) in [("ratelimit", state), ("ratelimit-policy", policy)] {
            if let Ok(value) = text.parse() {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

/// Which API a call is for, and what it wants there.
enum Route {
    Rest(rest::Operation),
    Graphql(Box<graphql::Call>),
}

impl Route {
    fn of(request: &Request<Bytes>) -> Result<Self, Box<Response<Body>>> {
        if request.uri().path() == "/graphql" {
            return graphql::Call::of(request).map(|call| Self::Graphql(Box::new(call)));
        }
        rest::Operation::of(request).map(Self::Rest)
    }

    fn label(&self) -> String {
        match self {
            Self::Rest(operation) => operation.label().to_owned(),
            Self::Graphql(call) => format!("graphql:{}", call.field()),
        }
    }

    fn perform(&self, cloud: &Arc<Cloud>, request: &Request<Bytes>, turn: Turn) -> Response<Body> {
        match self {
            Self::Rest(operation) => rest::perform(cloud, operation, request, turn),
            Self::Graphql(call) => call.perform(cloud, turn),
        }
    }

    fn failure(&self, status: u16) -> Response<Body> {
        match self {
            Self::Rest(_) => rest::problem(status, "the request could not be completed"),
            Self::Graphql(_) => graphql::failure(status, "Something went wrong. Please try again later."),
        }
    }

    fn throttle(&self, seconds: u64) -> Response<Body> {
        let mut answer = match self {
            Self::Rest(_) => rest::problem(429, "rate limit exceeded for the minute window"),
            Self::Graphql(_) => graphql::failure(429, "Too many requests. Please try again later."),
        };
        answer.headers_mut().insert("retry-after", seconds.into());
        answer
    }

    fn unauthorized(&self, detail: &str) -> Response<Body> {
        match self {
            Self::Rest(_) => rest::problem(401, detail),
            Self::Graphql(_) => json_answer(401, &json!({"errors": [{"message": "Unauthorized"}]})),
        }
    }

    fn refuse(&self, refusal: &Refusal) -> Response<Body> {
        match self {
            Self::Rest(_) => rest::refusal(refusal),
            Self::Graphql(call) => call.refused(refusal),
        }
    }
}

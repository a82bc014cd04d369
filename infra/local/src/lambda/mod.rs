//! The Lambda host: functions run as child processes that poll the Lambda Runtime API, one invocation per process
//! at a time, many processes at once, none while nothing is to be done.

mod worker;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde_json::json;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use crate::activity::Activity;
use crate::bill::Meter;
use worker::{Assignment, Reply, Worker};

/// Processes that may run at once. Beyond it an invocation waits: a laptop is not a data centre.
const PROCESSES: usize = 96;
/// How long a function may take until its first poll.
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// The largest payload of a synchronous invocation, either way.
pub const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;

/// What the host needs to know about a function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Physical name.
    pub name: String,
    /// Name in journals and in the credentials that its process gets.
    pub short: String,
    pub arn: String,
    pub program: PathBuf,
    pub environment: BTreeMap<String, String>,
    pub memory_mib: u32,
    pub timeout: Duration,
    pub concurrency: Option<usize>,
    /// Its output is appended here; none means the stack's own standard error.
    pub log: Option<PathBuf>,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The function answered.
    Ok(Bytes),
    /// The function failed: an error it reported, a crash or a timeout. The payload has `errorType` and
    /// `errorMessage`.
    Failed(Bytes),
    /// The function was not run.
    Refused { error: &'static str, message: String },
}

/// Runs functions.
#[derive(Debug, Clone)]
pub struct Host(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// By physical name.
    pools: HashMap<String, Arc<Pool>>,
    slots: Arc<Semaphore>,
    activity: Activity,
    meter: Arc<Meter>,
}

/// The processes of one function.
#[derive(Debug)]
struct Pool {
    function: Function,
    idle_for: Duration,
    idle: Mutex<Vec<Worker>>,
    limit: Option<Arc<Semaphore>>,
    next: AtomicU64,
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a certain worker out of the idle ones; false if it is not among them.
    fn retire(&self, id: u64) -> bool {
        let mut idle = self.idle();
        let found = idle.iter().position(|worker| worker.id == id);
        found.map(|index| idle.remove(index)).is_some()
    }
}

impl Host {
    /// A host of these functions whose processes end after `idle_for` without work.
    pub fn new(
        functions: Vec<Function>,
        idle_for: Duration,
        activity: Activity,
        meter: Arc<Meter>,
    ) -> Result<Self> {
        let mut pools = HashMap::new();
        for function in functions {
            check_program(&function.program).with_context(|| format!("function {}", function.name))?;
            let limit = function.concurrency.map(|limit| Arc::new(Semaphore::new(limit)));
            let name = function.name.clone();
            let pool = Pool { function, idle_for, idle: Mutex::default(), limit, next: AtomicU64::new(0) };
            if pools.insert(name.clone(), Arc::new(pool)).is_some() {
                bail!("two functions are named {name}");
            }
        }
        Ok(Self(Arc::new(Inner { pools, slots: Arc::new(Semaphore::new(PROCESSES)), activity, meter })))
    }

    fn pool(&self, function: &str) -> Option<&Arc<Pool>> {
        let name = match function.split_once(":function:") {
            Some((_, name)) => name.split(':').next().unwrap_or(name),
            None => function,
        };
        self.0.pools.get(name)
    }

    /// The function of a name or an ARN, with or without a qualifier.
    pub fn function(&self, function: &str) -> Option<&Function> {
        self.pool(function).map(|pool| &pool.function)
    }

    /// Runs a function, named or by ARN. It runs to its end even if the caller goes away.
    pub async fn invoke(&self, function: &str, payload: Bytes) -> Outcome {
        let Some(pool) = self.pool(function).cloned() else {
            return Outcome::Refused {
                error: "ResourceNotFoundException",
                message: format!("Function not found: {function}"),
            };
        };
        if payload.len() > PAYLOAD_LIMIT {
            return Outcome::Refused {
                error: "RequestTooLargeException",
                message: format!(
                    "{} byte payload is too large for the RequestResponse invocation type (limit {PAYLOAD_LIMIT} bytes)",
                    payload.len()
                ),
            };
        }
        let _permit = match &pool.limit {
            None => None,
            Some(limit) => match limit.clone().try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(_) => {
                    return Outcome::Refused {
                        error: "TooManyRequestsException",
                        message: "Rate Exceeded.".into(),
                    };
                }
            },
        };
        let host = self.clone();
        let running = self.0.activity.start();
        let run = tokio::spawn(async move {
            let _running = running;
            host.run(&pool, payload).await
        });
        match run.await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Refused { error: "ServiceException", message: error.to_string() },
        }
    }

    async fn run(&self, pool: &Arc<Pool>, payload: Bytes) -> Outcome {
        let request_id = uuid::Uuid::new_v4().to_string();
        // A process that died between two invocations costs one more try, never a lost invocation
        for _ in 0..3 {
            let idle = pool.idle().pop();
            let warm = idle.is_some();
            let worker = match idle {
                Some(worker) => worker,
                None => match self.spawn(pool).await {
                    Ok(worker) => worker,
                    Err(error) => {
                        warn!(
                            function = pool.function.name,
                            error = format!("{error:#}"),
                            "cannot start a function"
                        );
                        return failed(
                            "Runtime.InvalidEntrypoint",
                            &format!("RequestId: {request_id} Error: {error:#}"),
                        );
                    }
                },
            };
            match self.assign(pool, worker, &request_id, payload.clone()).await {
                Some(outcome) => return outcome,
                None if warm => {}
                None => break,
            }
        }
        failed(
            "Runtime.ExitError",
            &format!("RequestId: {request_id} Error: Runtime exited without providing a reason"),
        )
    }

    /// Hands an invocation to a process. `None` if the process ended before it took it.
    async fn assign(
        &self,
        pool: &Arc<Pool>,
        worker: Worker,
        request_id: &str,
        payload: Bytes,
    ) -> Option<Outcome> {
        let Function { timeout: limit, memory_mib, .. } = pool.function;
        let (taken, took) = oneshot::channel();
        let (reply, replied) = oneshot::channel();
        let started = Instant::now();
        let assignment = Assignment { request_id: request_id.to_owned(), payload, limit, taken, reply };
        worker.assign(assignment)?;
        let took = timeout(INIT_LIMIT, took).await;
        // Starting a process is billed as running it is
        let cold = if worker.first { started.elapsed() } else { Duration::ZERO };
        let began = Instant::now();
        let reply = match took {
            Err(_) => {
                worker.kill();
                return Some(failed(
                    "Sandbox.Timedout",
                    &format!(
                        "RequestId: {request_id} Error: Task timed out after {:.2} seconds",
                        INIT_LIMIT.as_secs_f64()
                    ),
                ));
            }
            // If nobody took it, the reply says why
            Ok(_) => timeout(limit, replied).await,
        };
        let bill = || self.0.meter.invocation(cold + began.elapsed(), memory_mib);
        Some(match reply {
            Err(_) => {
                bill();
                worker.kill();
                failed(
                    "Sandbox.Timedout",
                    &format!(
                        "RequestId: {request_id} Error: Task timed out after {:.2} seconds",
                        limit.as_secs_f64()
                    ),
                )
            }
            Ok(Ok(Reply::Response(body))) if body.len() > PAYLOAD_LIMIT => {
                bill();
                pool.idle().push(worker.rested());
                failed(
                    "Function.ResponseSizeTooLarge",
                    &format!(
                        "Response payload size exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes)."
                    ),
                )
            }
            Ok(Ok(Reply::Response(body))) => {
                bill();
                pool.idle().push(worker.rested());
                Outcome::Ok(body)
            }
            Ok(Ok(Reply::Error(body))) => {
                bill();
                pool.idle().push(worker.rested());
                Outcome::Failed(body)
            }
            Ok(Ok(Reply::InitError(body))) => {
                bill();
                Outcome::Failed(body)
            }
            Ok(Ok(Reply::Exited(how))) => {
                bill();
                failed(
                    "Runtime.ExitError",
                    &format!("RequestId: {request_id} Error: Runtime exited with error: {how}"),
                )
            }
            Ok(Ok(Reply::NotTaken) | Err(_)) => return None,
        })
    }

    async fn spawn(&self, pool: &Arc<Pool>) -> Result<Worker> {
        let slot = if let Ok(slot) = self.0.slots.clone().try_acquire_owned() {
            slot
        } else {
            self.make_room();
            self.0.slots.clone().acquire_owned().await?
        };
        let id = pool.next.fetch_add(1, Ordering::Relaxed);
        debug!(function = pool.function.name, id, "starting a process");
        worker::spawn(pool.clone(), id, slot).await
    }

    /// Ends the process that has been idle for longest in the pool that has most of them.
    fn make_room(&self) {
        let fullest = self.0.pools.values().max_by_key(|pool| pool.idle().len());
        if let Some(pool) = fullest {
            let mut idle = pool.idle();
            if !idle.is_empty() {
                idle.remove(0).kill();
            }
        }
    }

    /// Ends all idle processes.
    pub fn drain(&self) {
        for pool in self.0.pools.values() {
            for worker in pool.idle().drain(..) {
                worker.kill();
            }
        }
    }

    /// Processes that wait for work.
    pub fn idle_processes(&self) -> usize {
        self.0.pools.values().map(|pool| pool.idle().len()).sum()
    }
}

fn failed(kind: &str, message: &str) -> Outcome {
    Outcome::Failed(json!({ "errorType": kind, "errorMessage": message }).to_string().into())
}

fn check_program(program: &Path) -> Result<()> {
    if !program.is_file() {
        bail!("its program {} does not exist", program.display());
    }
    Ok(())
}

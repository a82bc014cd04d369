//! One process of a function, and the Runtime API that it polls. Every process has a port of its own, so that
//! whoever connects is known, and the end of the port is the end of the process.

use std::net::Ipv4Addr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::debug;

use super::{Function, Pool};

/// A handle on a process. Dropping it ends the process.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) id: u64,
    /// Whether its first invocation is still to come.
    pub(super) first: bool,
    work: mpsc::UnboundedSender<Assignment>,
    /// When it began to idle; none while it works.
    idle: watch::Sender<Option<Instant>>,
}

/// An invocation for a process.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    /// How long it may take from now on.
    pub(super) limit: Duration,
    /// Told when the process takes it.
    pub(super) taken: oneshot::Sender<()>,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// What became of an assignment.
#[derive(Debug)]
pub(super) enum Reply {
    Response(Bytes),
    Error(Bytes),
    /// The process failed before its first poll, with what it said.
    InitError(Bytes),
    /// The process ended while it worked, or before its first poll.
    Exited(String),
    /// The process ended before it took the assignment.
    NotTaken,
}

impl Worker {
    /// `None` if the process is gone.
    pub(super) fn assign(&self, assignment: Assignment) -> Option<()> {
        self.idle.send_replace(None);
        self.work.send(assignment).ok()
    }

    /// The worker after an invocation, ready to idle.
    pub(super) fn rested(mut self) -> Self {
        self.first = false;
        self.idle.send_replace(Some(Instant::now()));
        self
    }

    /// Ends the process.
    pub(super) fn kill(self) {
        drop(self);
    }
}

/// The Runtime API's side of a process.
#[derive(Debug)]
struct Session {
    arn: String,
    work: tokio::sync::Mutex<mpsc::UnboundedReceiver<Assignment>>,
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    polled: bool,
    init_error: Option<Bytes>,
    invocation: Option<(String, oneshot::Sender<Reply>)>,
}

impl Session {
    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the reply channel of the invocation in hand, if it is this one.
    fn finish(&self, request_id: &str) -> Option<oneshot::Sender<Reply>> {
        let mut current = self.current();
        match &current.invocation {
            Some((id, _)) if id == request_id => current.invocation.take().map(|(_, reply)| reply),
            _ => None,
        }
    }
}

/// Starts a process of the pool's function.
pub(super) async fn spawn(pool: Arc<Pool>, id: u64, slot: OwnedSemaphorePermit) -> Result<Worker> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("runtime API")?;
    let address = listener.local_addr()?.to_string();
    let child = command(&pool.function, &address)?
        .spawn()
        .with_context(|| format!("start {}", pool.function.program.display()))?;
    let (work, assignments) = mpsc::unbounded_channel();
    let (idle, idling) = watch::channel(None);
    let session = Arc::new(Session {
        arn: pool.function.arn.clone(),
        work: tokio::sync::Mutex::new(assignments),
        current: Mutex::default(),
    });
    tokio::spawn(supervise(pool, id, child, listener, session, idling, slot));
    Ok(Worker { id, first: true, work, idle })
}

fn command(function: &Function, runtime_api: &str) -> Result<Command> {
    let mut command = Command::new(&function.program);
    command.env_clear();
    for name in ["PATH", "TZ"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .envs(&function.environment)
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .env("AWS_LAMBDA_FUNCTION_NAME", &function.name)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mib.to_string())
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "local")
        .env("_HANDLER", "bootstrap")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    match &function.log {
        None => {
            command.stdout(Stdio::from(std::io::stderr())).stderr(Stdio::inherit());
        }
        Some(path) => {
            let file = std::fs::File::options()
                .create(true)
                .append(true)
                .open(path)
                .with_context(|| format!("log {}", path.display()))?;
            command.stdout(file.try_clone()?).stderr(file);
        }
    }
    Ok(command)
}

/// Follows a process to its end, which comes when it exits, has idled too long, or is dropped.
async fn supervise(
    pool: Arc<Pool>,
    id: u64,
    mut child: Child,
    listener: TcpListener,
    session: Arc<Session>,
    mut idling: watch::Receiver<Option<Instant>>,
    _slot: OwnedSemaphorePermit,
) {
    let app = Router::new().fallback(runtime_api).with_state(session.clone());
    let server = async {
        if let Err(error) = axum::serve(listener, app).await {
            debug!(%error, "runtime API");
        }
        std::future::pending::<()>().await;
    };
    tokio::pin!(server);
    let status = loop {
        let since = *idling.borrow_and_update();
        let idled = async {
            match since {
                Some(since) => tokio::time::sleep_until(since + pool.idle_for).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            status = child.wait() => break status.ok(),
            () = &mut server => {}
            changed = idling.changed() => if changed.is_err() {
                // The handle was dropped
                break end(&mut child).await;
            },
            // If somebody took it in this moment it is no longer idle and goes on
            () = idled => if pool.retire(id) {
                break end(&mut child).await;
            },
        }
    };
    debug!(
        function = pool.function.name,
        id,
        status = status.map(|status| status.to_string()),
        "a process ended"
    );
    pool.retire(id);
    let Current { polled, init_error, invocation } = std::mem::take(&mut *session.current());
    if let Some((_, reply)) = invocation {
        let _ = reply.send(Reply::Exited(how(status)));
    }
    // A poll that still holds the receiver ends with the process's connection
    let mut waiting = session.work.lock().await;
    waiting.close();
    while let Ok(assignment) = waiting.try_recv() {
        let reply = match (&init_error, polled) {
            (Some(error), _) => Reply::InitError(error.clone()),
            (None, false) => Reply::Exited(how(status)),
            (None, true) => Reply::NotTaken,
        };
        drop(assignment.taken);
        let _ = assignment.reply.send(reply);
    }
}

async fn end(child: &mut Child) -> Option<ExitStatus> {
    if let Err(error) = child.kill().await {
        debug!(%error, "kill");
    }
    child.wait().await.ok()
}

fn how(status: Option<ExitStatus>) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status {
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(9)) => "signal: killed".into(),
            (None, Some(11)) => "signal: segmentation fault".into(),
            (None, Some(6)) => "signal: aborted".into(),
            (None, signal) => format!("signal: {}", signal.unwrap_or_default()),
        },
        None => "unknown".into(),
    }
}

/// The Runtime API as a function's process sees it.
async fn runtime_api(State(session): State<Arc<Session>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let Some(rest) = path.strip_prefix("/2018-06-01/runtime/") else { return status(StatusCode::NOT_FOUND) };
    let parts: Vec<&str> = rest.split('/').collect();
    match (request.method(), parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => next(&session).await,
        (&Method::POST, ["invocation", id, kind @ ("response" | "error")]) => {
            let Ok(body) = axum::body::to_bytes(request.into_body(), usize::MAX).await else {
                return status(StatusCode::BAD_REQUEST);
            };
            let Some(reply) = session.finish(id) else {
                return error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID");
            };
            // Whoever asked may have given up
            let _ = reply.send(if *kind == "response" { Reply::Response(body) } else { Reply::Error(body) });
            status(StatusCode::ACCEPTED)
        }
        (&Method::POST, ["init", "error"]) => {
            let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
            session.current().init_error = Some(body);
            status(StatusCode::ACCEPTED)
        }
        _ => status(StatusCode::NOT_FOUND),
    }
}

async fn next(session: &Session) -> Response {
    session.current().polled = true;
    let assignment = session.work.lock().await.recv().await;
    let Some(Assignment { request_id, payload, limit, taken, reply }) = assignment else {
        // The process is about to be ended; any answer would be one more error in its log
        return std::future::pending().await;
    };
    session.current().invocation = Some((request_id.clone(), reply));
    let _ = taken.send(());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline = now + limit;
    let seconds = now.as_secs();
    let trace = rand::random::<u128>() >> 32;
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", &request_id)
        .header("lambda-runtime-deadline-ms", deadline.as_millis().to_string())
        .header("lambda-runtime-invoked-function-arn", &session.arn)
        .header("lambda-runtime-trace-id", format!("Root=1-{seconds:08x}-{trace:024x};Sampled=0"))
        .body(Body::from(payload))
        .unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::from("{}"));
    *response.status_mut() = status;
    response
}

fn error(code: StatusCode, kind: &str, message: &str) -> Response {
    let mut response =
        Response::new(Body::from(json!({ "errorType": kind, "errorMessage": message }).to_string()));
    *response.status_mut() = code;
    response
}

//! What comes over the WebSocket. Answers go out as pushes do, so that one way is enough.

use std::collections::HashMap;

use app::{
    ports::{Connection, PushError, StoreError, Topic},
    realtime::{self, CONNECTION_LIFE, Realtime, Refusal},
};
use contract::messages::{
    self, ConnectionStatus, Error, ErrorCode, Gap, JobPosition, JobStatus, Message, Pong, Request,
    RunPosition, RunState, StatusOf, Subject, Subscribed, Unsubscribed,
};
use domain::{JobId, RunId};
use lambda::Platform;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Failure;

/// An event of the WebSocket API.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    request_context: Context,
    query_string_parameters: Option<HashMap<String, String>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    event_type: Kind,
    connection_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Kind {
    Connect,
    Message,
    Disconnect,
}

pub(crate) async fn handle(platform: &Platform, event: Event) -> Result<Value, Failure> {
    let socket = Socket { platform, realtime: crate::realtime(platform) };
    let id = event.request_context.connection_id;
    let status = match event.request_context.event_type {
        Kind::Connect => {
            let ticket = event.query_string_parameters.and_then(|mut query| query.remove("ticket"));
            socket.connect(&id, ticket.as_deref()).await?
        }
        Kind::Message => {
            let text = event.body.unwrap_or_default();
            let request = if event.is_base64_encoded { Err(binary()) } else { Request::parse(&text) };
            socket.message(&id, request).await?
        }
        Kind::Disconnect => {
            socket.realtime.disconnect(&id).await?;
            200
        }
    };
    Ok(json!({"statusCode": status}))
}

struct Socket<'a> {
    platform: &'a Platform,
    realtime: Realtime,
}

impl Socket<'_> {
    async fn connect(&self, id: &str, ticket: Option<&str>) -> Result<u16, StoreError> {
        let good = match ticket {
            Some(ticket) => self.realtime.connect(id, ticket).await?,
            None => false,
        };
        Ok(if good { 200 } else { 401 })
    }

    async fn message(&self, id: &str, request: Result<Request, Error>) -> Result<u16, Failure> {
        let Some(connection) = self.realtime.connection(id).await? else {
            // Nobody that we let in, or somebody whom we took for gone: let them connect again.
            if let Err(error) = self.platform.push().close(id).await {
                tracing::warn!(
                    connection.id = id,
                    error = &error as &dyn std::error::Error,
                    "could not be closed"
                );
            }
            return Ok(410);
        };
        let messages = match request {
            Ok(request) => self.answer(&connection, request).await,
            Err(error) => vec![Message::Error(error)],
        };
        self.send(id, messages).await?;
        Ok(200)
    }

    async fn answer(&self, connection: &Connection, request: Request) -> Vec<Message> {
        let id = match &request {
            Request::Subscribe { id, .. }
            | Request::Unsubscribe { id, .. }
            | Request::GetStatus { id, .. }
            | Request::Ping { id } => id.clone(),
        };
        let answer = match request {
            Request::Subscribe { id, subject, after } => self.subscribe(connection, id, subject, after).await,
            Request::Unsubscribe { id, subject } => self.unsubscribe(connection, id, subject).await,
            Request::GetStatus { id, of: Some(StatusOf::Job(job)) } => {
                self.job_status(connection, id, job).await
            }
            Request::GetStatus { id, of: Some(StatusOf::Run(run)) } => {
                self.run_status(connection, id, run).await
            }
            Request::GetStatus { id, of: None } => self.connection_status(connection, id).await,
            Request::Ping { id } => self.ping(connection, id).await,
        };
        answer.unwrap_or_else(|refusal| refused(connection, id, refusal))
    }

    async fn subscribe(
        &self,
        connection: &Connection,
        id: Value,
        subject: Subject,
        after: Option<u64>,
    ) -> Result<Vec<Message>, Refusal> {
        let subscribed = self.realtime.subscribe(connection, of(subject), after).await?;
        let mut messages = Vec::new();
        let answer = match subscribed {
            realtime::Subscribed::Job { job, missed } => {
                messages.extend(missed.events.into_iter().map(Message::from));
                if let Some((from, to)) = missed.gap {
                    let path = format!("/v1/jobs/{}", job.id);
                    messages.push(gap(Some(job.id), None, &path, from, to));
                }
                Subscribed {
                    id,
                    job_id: Some(job.id),
                    run_id: None,
                    all: false,
                    seq: Some(job.seq),
                    status: Some(job.status.into()),
                    run_status: None,
                }
            }
            realtime::Subscribed::Run { head, missed } => {
                messages.extend(missed.events.into_iter().map(Message::from));
                if let Some((from, to)) = missed.gap {
                    let path = format!("/v1/runs/{}", head.run_id);
                    messages.push(gap(None, Some(head.run_id), &path, from, to));
                }
                Subscribed {
                    id,
                    job_id: None,
                    run_id: Some(head.run_id),
                    all: false,
                    seq: Some(head.seq),
                    status: None,
                    run_status: Some(head.status.into()),
                }
            }
            realtime::Subscribed::Mine => Subscribed {
                id,
                job_id: None,
                run_id: None,
                all: true,
                seq: None,
                status: None,
                run_status: None,
            },
        };
        messages.push(Message::Subscribed(answer));
        Ok(messages)
    }

    async fn unsubscribe(
        &self,
        connection: &Connection,
        id: Value,
        subject: Subject,
    ) -> Result<Vec<Message>, Refusal> {
        self.realtime.unsubscribe(connection, of(subject)).await?;
        let (job_id, run_id) = match subject {
            Subject::Job(job) => (Some(job), None),
            Subject::Run(run) => (None, Some(run)),
            Subject::All => (None, None),
        };
        let all = subject == Subject::All;
        Ok(vec![Message::Unsubscribed(Unsubscribed { id, job_id, run_id, all })])
    }

    async fn job_status(
        &self,
        connection: &Connection,
        id: Value,
        job: JobId,
    ) -> Result<Vec<Message>, Refusal> {
        let (job, runner) = self.realtime.status(connection, job).await?;
        let (progress, heard_at) =
            runner.map(|runner| (runner.progress, runner.heard_at)).unwrap_or_default();
        Ok(vec![Message::JobStatus(JobStatus {
            id,
            job_id: job.id,
            status: job.status.into(),
            seq: job.seq,
            attempt: job.attempt,
            updated_at: job.updated_at,
            progress: progress.map(Into::into),
            heard_at,
            reason: job.reason,
        })])
    }

    async fn run_status(
        &self,
        connection: &Connection,
        id: Value,
        run: RunId,
    ) -> Result<Vec<Message>, Refusal> {
        let (run, head) = self.realtime.run(connection, run).await?;
        Ok(vec![Message::RunStatus(RunState {
            id,
            run_id: run.id,
            status: head.status.into(),
            seq: head.seq,
            counts: head.counts.into(),
            updated_at: head.updated_at,
            reason: run.ended.and_then(|ended| ended.reason),
        })])
    }

    async fn connection_status(&self, connection: &Connection, id: Value) -> Result<Vec<Message>, Refusal> {
        let topics = self.realtime.subscriptions(connection).await?;
        let job = |topic: &Topic| match topic {
            Topic::Job(id) => Some(*id),
            Topic::Run(_) | Topic::Owner(_) | Topic::Platform => None,
        };
        let run = |topic: &Topic| match topic {
            Topic::Run(id) => Some(*id),
            Topic::Job(_) | Topic::Owner(_) | Topic::Platform => None,
        };
        Ok(vec![Message::ConnectionStatus(ConnectionStatus {
            id,
            connected_at: connection.connected_at,
            closes_at: connection.connected_at + CONNECTION_LIFE,
            jobs: topics.iter().filter_map(job).collect(),
            runs: topics.iter().filter_map(run).collect(),
            all: topics.contains(&Topic::Owner(connection.principal.user)),
        })])
    }

    async fn ping(&self, connection: &Connection, id: Value) -> Result<Vec<Message>, Refusal> {
        let watched = self.realtime.ping(connection).await?;
        let job =
            |job: &domain::job::Job| JobPosition { job_id: job.id, status: job.status.into(), seq: job.seq };
        let run = |head: &domain::workflow::Head| RunPosition {
            run_id: head.run_id,
            status: head.status.into(),
            seq: head.seq,
        };
        Ok(vec![Message::Pong(Pong {
            id,
            at: self.platform.clock().now(),
            jobs: watched.jobs.iter().map(job).collect(),
            runs: watched.runs.iter().map(run).collect(),
        })])
    }

    async fn send(&self, id: &str, answer: Vec<Message>) -> Result<(), Failure> {
        let texts = answer.into_iter().map(Message::encode).collect::<Result<Vec<_>, _>>()?;
        for text in messages::pack(texts.iter().map(String::as_str)) {
            match self.platform.push().push(id, text.as_bytes()).await {
                Ok(()) => {}
                Err(PushError::Gone) => {
                    self.realtime.disconnect(id).await?;
                    return Ok(());
                }
                Err(PushError::Other(error)) => {
                    // Trying the whole event again would do it twice; the client asks again when it hears nothing.
                    tracing::warn!(
                        connection.id = id,
                        error = &*error as &dyn std::error::Error,
                        "an answer was lost"
                    );
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn binary() -> Error {
    let message = "a binary message is not read; send the JSON as text".to_owned();
    Error { code: ErrorCode::InvalidJson, message, id: Value::Null }
}

fn of(subject: Subject) -> realtime::Subject {
    match subject {
        Subject::Job(id) => realtime::Subject::Job(id),
        Subject::Run(id) => realtime::Subject::Run(id),
        Subject::All => realtime::Subject::Mine,
    }
}

/// What to fetch from `path` instead of the events `from` to `to`.
fn gap(job_id: Option<JobId>, run_id: Option<RunId>, path: &str, from: u64, to: u64) -> Message {
    let message = format!("fetch GET {path} and GET {path}/events?after={}", from - 1);
    Message::Gap(Gap { job_id, run_id, from, to, message })
}

fn refused(connection: &Connection, id: Value, refusal: Refusal) -> Vec<Message> {
    let (code, message) = match refusal {
        Refusal::NotFound(what) => (ErrorCode::NotFound, format!("{what}_id: there is no such {what}")),
        Refusal::TooManySubscriptions => (ErrorCode::TooManySubscriptions, refusal.to_string()),
        Refusal::Gone => return Vec::new(),
        Refusal::Store(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(connection.id = connection.id, error, "a request was not done");
            (ErrorCode::Unavailable, "try again in a moment".to_owned())
        }
    };
    vec![Message::Error(Error { code, message, id })]
}

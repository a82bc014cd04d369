//! What comes over the WebSocket. Answers go out as pushes do, so that one way is enough.

use std::collections::HashMap;

use app::{
    ports::{Connection, PushError, StoreError, Topic},
    realtime::{CONNECTION_LIFE, Realtime, Refusal},
};
use contract::messages::{
    self, ConnectionStatus, Error, ErrorCode, Gap, JobPosition, JobStatus, Message, Pong, Request, StatusOf,
    Subject, Subscribed, Unsubscribed,
};
use domain::JobId;
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
            Request::GetStatus { of: Some(StatusOf::Run(_)), .. } => Err(Refusal::NotFound),
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
        let subscribed =
            self.realtime.subscribe(connection, of(subject).ok_or(Refusal::NotFound)?, after).await?;
        let mut messages: Vec<Message> = subscribed.events.into_iter().map(Message::from).collect();
        let job = subscribed.job.as_ref();
        if let (Some(job), Some((from, to))) = (job, subscribed.gap) {
            let message =
                format!("fetch GET /v1/jobs/{0} and GET /v1/jobs/{0}/events?after={1}", job.id, from - 1);
            messages.push(Message::Gap(Gap { job_id: Some(job.id), run_id: None, from, to, message }));
        }
        messages.push(Message::Subscribed(Subscribed {
            id,
            job_id: job.map(|job| job.id),
            run_id: None,
            all: job.is_none(),
            seq: job.map(|job| job.seq),
            status: job.map(|job| job.status.into()),
            run_status: None,
        }));
        Ok(messages)
    }

    async fn unsubscribe(
        &self,
        connection: &Connection,
        id: Value,
        subject: Subject,
    ) -> Result<Vec<Message>, Refusal> {
        self.realtime.unsubscribe(connection, of(subject).ok_or(Refusal::NotFound)?).await?;
        let job_id = match subject {
            Subject::Job(job) => Some(job),
            Subject::Run(_) | Subject::All => None,
        };
        Ok(vec![Message::Unsubscribed(Unsubscribed { id, job_id, run_id: None, all: job_id.is_none() })])
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

    async fn connection_status(&self, connection: &Connection, id: Value) -> Result<Vec<Message>, Refusal> {
        let topics = self.realtime.subscriptions(connection).await?;
        let job = |topic: &Topic| match topic {
            Topic::Job(id) => Some(*id),
            Topic::Run(_) | Topic::Owner(_) => None,
        };
        Ok(vec![Message::ConnectionStatus(ConnectionStatus {
            id,
            connected_at: connection.connected_at,
            closes_at: connection.connected_at + CONNECTION_LIFE,
            jobs: topics.iter().filter_map(job).collect(),
            runs: Vec::new(),
            all: topics.contains(&Topic::Owner(connection.principal.user)),
        })])
    }

    async fn ping(&self, connection: &Connection, id: Value) -> Result<Vec<Message>, Refusal> {
        let jobs = self.realtime.ping(connection).await?;
        let position =
            |job: &domain::job::Job| JobPosition { job_id: job.id, status: job.status.into(), seq: job.seq };
        let jobs = jobs.iter().map(position).collect();
        Ok(vec![Message::Pong(Pong { id, at: self.platform.clock().now(), jobs, runs: Vec::new() })])
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

fn of(subject: Subject) -> Option<app::realtime::Subject> {
    match subject {
        Subject::Job(id) => Some(app::realtime::Subject::Job(id)),
        Subject::Run(_) => None,
        Subject::All => Some(app::realtime::Subject::Mine),
    }
}

fn refused(connection: &Connection, id: Value, refusal: Refusal) -> Vec<Message> {
    let (code, message) = match refusal {
        Refusal::NotFound => (ErrorCode::NotFound, "job_id: there is no such job".to_owned()),
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

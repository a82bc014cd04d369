//! Live status, the client's side: tickets, connections and what they want to hear.
//!
//! Nothing is missed between a subscription's start and its first message: the subscription is written first, and then what
//! was committed before is read. Whatever commits later is pushed. An event may come both ways; its number tells.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    JobId, Principal, RunId,
    job::{Event, Job, RunnerState},
    workflow::{Head, Run, RunEvent},
};
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::ports::{
    Clock, Connection, ConnectionStore, Ids, JobStore, RunStore, RunnerStore, StoreError, Ticket, Topic,
};

/// How long a ticket is good for.
pub const TICKET_LIFE: SignedDuration = SignedDuration::from_secs(60);
/// API Gateway closes a connection after this, whatever happens on it.
pub const CONNECTION_LIFE: SignedDuration = SignedDuration::from_hours(2);
/// A runner reports often until this long after somebody last said that they look.
pub const WATCH: SignedDuration = SignedDuration::from_secs(60);
/// What one connection may listen to.
pub const SUBSCRIPTIONS: usize = 50;
/// How many events a subscription sends again; who is further behind fetches them over HTTP.
pub const REPLAY: usize = 500;
/// How many events are read at once.
const PAGE: usize = 100;
/// How many jobs or runs are looked at at once.
const AT_ONCE: usize = 8;

/// Tickets, connections and subscriptions over the stores.
#[derive(Clone)]
pub struct Realtime {
    connections: Arc<dyn ConnectionStore>,
    jobs: Arc<dyn JobStore>,
    runners: Arc<dyn RunnerStore>,
    runs: Arc<dyn RunStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl std::fmt::Debug for Realtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Realtime").finish_non_exhaustive()
    }
}

/// A ticket as its holder gets it: the only time that its text is known.
pub struct IssuedTicket {
    /// 32 random bytes as base64url.
    pub text: String,
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for IssuedTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedTicket").field("text", &"***").field("expires_at", &self.expires_at).finish()
    }
}

/// What a connection asks to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Job(JobId),
    /// A run with all of its nodes.
    Run(RunId),
    /// Every job and run of the connection's own user.
    Mine,
}

/// Why a request on a connection was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such job or run for this caller.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It has [`SUBSCRIPTIONS`] already.
    #[error("the connection has {SUBSCRIPTIONS} subscriptions; end one first")]
    TooManySubscriptions,
    /// The connection ended meanwhile; nobody waits for an answer.
    #[error("the connection is gone")]
    Gone,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What to send to a connection that subscribed.
#[derive(Debug)]
pub enum Subscribed {
    Job {
        /// As it stood after the subscription.
        job: Box<Job>,
        missed: Missed<Event>,
    },
    Run {
        /// As it stood after the subscription.
        head: Box<Head>,
        missed: Missed<RunEvent>,
    },
    /// To all jobs and runs.
    Mine,
}

/// What a client does not know yet.
#[derive(Debug)]
pub struct Missed<E> {
    /// In order.
    pub events: Vec<E>,
    /// Numbers of events, first and last, that the client must fetch: it is too far behind.
    pub gap: Option<(u64, u64)>,
}

impl<E> Missed<E> {
    const NOTHING: Self = Self { events: Vec::new(), gap: None };
}

/// What a connection subscribed to, as it stands.
#[derive(Debug)]
pub struct Watched {
    pub jobs: Vec<Job>,
    pub runs: Vec<Head>,
}

impl Realtime {
    pub fn new(
        connections: Arc<dyn ConnectionStore>,
        jobs: Arc<dyn JobStore>,
        runners: Arc<dyn RunnerStore>,
        runs: Arc<dyn RunStore>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        Self { connections, jobs, runners, runs, clock, ids }
    }

    /// Gives `principal` the right to connect once, soon.
    pub async fn issue_ticket(&self, principal: Principal) -> Result<IssuedTicket, StoreError> {
        let text = URL_SAFE_NO_PAD.encode(self.ids.secret());
        let expires_at = self.clock.now() + TICKET_LIFE;
        self.connections.keep_ticket(&digest(&text), &Ticket { principal, expires_at }).await?;
        Ok(IssuedTicket { text, expires_at })
    }

    /// Lets a connection in that shows a ticket; `false` if the ticket is not good, or not any more.
    pub async fn connect(&self, id: &str, ticket: &str) -> Result<bool, StoreError> {
        let Some(ticket) = self.connections.take_ticket(&digest(ticket)).await? else { return Ok(false) };
        let now = self.clock.now();
        if ticket.expires_at <= now {
            return Ok(false);
        }
        let connection = Connection { id: id.to_owned(), principal: ticket.principal, connected_at: now };
        self.connections.connect(&connection).await?;
        Ok(true)
    }

    /// Forgets a connection.
    pub async fn disconnect(&self, id: &str) -> Result<(), StoreError> {
        self.connections.disconnect(id).await
    }

    /// The connection of that id, while it is one.
    pub async fn connection(&self, id: &str) -> Result<Option<Connection>, StoreError> {
        self.connections.connection(id).await
    }

    /// Subscribes, and returns what happened to a job or a run after event number `after`.
    pub async fn subscribe(
        &self,
        connection: &Connection,
        subject: Subject,
        after: Option<u64>,
    ) -> Result<Subscribed, Refusal> {
        let topic = self.allowed(connection, subject).await?;
        let has = self.connections.subscriptions(&connection.id).await?;
        if has.len() >= SUBSCRIPTIONS && !has.contains(&topic) {
            return Err(Refusal::TooManySubscriptions);
        }
        // What concerns the platform comes with what concerns oneself, for an administrator.
        let platform =
            (subject == Subject::Mine && connection.principal.is_admin()).then_some(Topic::Platform);
        for topic in [Some(topic), platform].into_iter().flatten() {
            match self.connections.subscribe(&connection.id, topic).await {
                Err(StoreError::Conflict) => return Err(Refusal::Gone),
                other => other?,
            }
        }
        // Read again: what was committed before the subscription stood is nobody's push.
        match subject {
            Subject::Job(id) => {
                let job = self.seen(connection.principal, id).await?;
                let missed = match after {
                    Some(after) => {
                        replay(
                            job.seq,
                            after,
                            |event: &Event| event.seq,
                            async |last| self.jobs.events(id, last, PAGE).await,
                        )
                        .await?
                    }
                    None => Missed::NOTHING,
                };
                self.watch(&job).await?;
                Ok(Subscribed::Job { job: Box::new(job), missed })
            }
            Subject::Run(id) => {
                let (_, head) = self.run(connection, id).await?;
                let missed = match after {
                    Some(after) => {
                        replay(
                            head.seq,
                            after,
                            |event: &RunEvent| event.seq,
                            async |last| self.runs.run_events(id, last, PAGE).await,
                        )
                        .await?
                    }
                    None => Missed::NOTHING,
                };
                Ok(Subscribed::Run { head: Box::new(head), missed })
            }
            Subject::Mine => Ok(Subscribed::Mine),
        }
    }

    /// Ends a subscription; there need not have been one.
    pub async fn unsubscribe(&self, connection: &Connection, subject: Subject) -> Result<(), StoreError> {
        if subject == Subject::Mine && connection.principal.is_admin() {
            self.connections.unsubscribe(&connection.id, Topic::Platform).await?;
        }
        self.connections.unsubscribe(&connection.id, topic(connection.principal, subject)).await
    }

    /// What a connection listens to.
    pub async fn subscriptions(&self, connection: &Connection) -> Result<Vec<Topic>, StoreError> {
        self.connections.subscriptions(&connection.id).await
    }

    /// A job, and what its latest runner said last.
    pub async fn status(
        &self,
        connection: &Connection,
        id: JobId,
    ) -> Result<(Job, Option<RunnerState>), Refusal> {
        let job = self.seen(connection.principal, id).await?;
        let attempt = self.jobs.attempt(id, job.attempt).await?;
        let runner = match attempt {
            Some(attempt) => self.runners.runner(attempt.id).await?,
            None => None,
        };
        Ok((job, runner))
    }

    /// A run and how far it is.
    pub async fn run(&self, connection: &Connection, id: RunId) -> Result<(Run, Head), Refusal> {
        let run = self.runs.run(id).await?.filter(|run| connection.principal.may_see(run.owner));
        let run = run.ok_or(Refusal::NotFound("run"))?;
        let head = self.runs.head(id).await?.ok_or(Refusal::NotFound("run"))?;
        Ok((run, head))
    }

    /// The connection's user is still there: the runners of the jobs that it subscribed to keep reporting often.
    /// Returns those jobs, and runs, as they stand.
    pub async fn ping(&self, connection: &Connection) -> Result<Watched, StoreError> {
        let topics = self.connections.subscriptions(&connection.id).await?;
        let (mut jobs, mut runs) = (Vec::new(), Vec::new());
        for topic in topics {
            match topic {
                Topic::Job(id) => jobs.push(id),
                Topic::Run(id) => runs.push(id),
                Topic::Owner(_) | Topic::Platform => {}
            }
        }
        let looks = stream::iter(jobs).map(async |id| {
            let Some(job) = self.jobs.job(id).await? else { return Ok(None) };
            self.watch(&job).await?;
            Ok(Some(job))
        });
        let looks: Vec<Result<Option<Job>, StoreError>> = looks.buffered(AT_ONCE).collect().await;
        let jobs = looks.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
        let runs = if runs.is_empty() { Vec::new() } else { self.runs.heads(&runs).await? };
        Ok(Watched { jobs, runs })
    }

    async fn allowed(&self, connection: &Connection, subject: Subject) -> Result<Topic, Refusal> {
        match subject {
            Subject::Job(id) => {
                self.seen(connection.principal, id).await?;
            }
            Subject::Run(id) => {
                self.run(connection, id).await?;
            }
            Subject::Mine => {}
        }
        Ok(topic(connection.principal, subject))
    }

    async fn seen(&self, principal: Principal, id: JobId) -> Result<Job, Refusal> {
        let job = self.jobs.job(id).await?.filter(|job| principal.may_see(job.owner));
        job.ok_or(Refusal::NotFound("job"))
    }

    async fn watch(&self, job: &Job) -> Result<(), StoreError> {
        if job.status.is_terminal() || job.attempt == 0 {
            return Ok(());
        }
        match self.jobs.attempt(job.id, job.attempt).await? {
            Some(attempt) => self.runners.watch(attempt.id, self.clock.now() + WATCH).await,
            None => Ok(()),
        }
    }
}

fn topic(principal: Principal, subject: Subject) -> Topic {
    match subject {
        Subject::Job(id) => Topic::Job(id),
        Subject::Run(id) => Topic::Run(id),
        Subject::Mine => Topic::Owner(principal.user),
    }
}

/// The events of a history that reaches up to `seq` after number `after`, or which of them are too many to send.
async fn replay<E>(
    seq: u64,
    after: u64,
    number: impl Fn(&E) -> u64,
    page: impl AsyncFn(u64) -> Result<Vec<E>, StoreError>,
) -> Result<Missed<E>, StoreError> {
    if after > seq {
        // No number that we gave out: the client's picture is of something else.
        return Ok(Missed { events: Vec::new(), gap: Some((1, seq)) });
    }
    if seq - after > REPLAY as u64 {
        return Ok(Missed { events: Vec::new(), gap: Some((after + 1, seq)) });
    }
    let mut events: Vec<E> = Vec::new();
    let mut last = after;
    while last < seq {
        let page = page(last).await?;
        let Some(end) = page.last() else { break };
        last = number(end);
        events.extend(page.into_iter().filter(|event| number(event) <= seq));
    }
    let whole = events.iter().map(&number).eq(after + 1..=seq);
    Ok(if whole {
        Missed { events, gap: None }
    } else {
        Missed { events: Vec::new(), gap: Some((after + 1, seq)) }
    })
}

/// What a ticket is kept under: whoever reads the table cannot connect with it.
fn digest(ticket: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(ticket))
}

//! Messages to other people's servers: each is tried until it is through or given up, and whoever waits for it is told.
//!
//! A try is recorded after it was made, so a crash between the two makes it again, under the same `webhook-id`. What is
//! recorded as over is never tried again; only whoever waits for it is told again, which does no harm.

mod outcome;
mod sign;

use std::{fmt, sync::Arc, time::Duration};

use domain::CallId;
use jiff::{SignedDuration, Timestamp};

use crate::{
    machine::StepError,
    notifications,
    ports::{
        Call, CallClient, CallError, CallFor, CallRequest, CallState, CallStore, Clock, Endpoint,
        EndpointStore, NodeCalls, Pause, RunStore, StoreError, Try, is_of,
    },
    seal::Key,
};

pub(crate) use outcome::result;
use outcome::{Next, next};
pub use sign::{InvalidSecret, sign};

/// The longest pause that is waited for in place; a longer one is left to the tick of every minute.
const INLINE: u64 = 20;
/// How long a deliverer that waits in place may be late before the tick takes the message from it.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// How often a record is written anew because somebody else wrote the row.
const RECORDS: usize = 5;
/// How much is kept of the answer that a webhook node gets.
const NODE_ANSWER: usize = 64 * 1024;
/// How much is kept of any other answer.
const ANSWER: usize = 4 * 1024;

/// The use case of sending.
#[derive(Clone)]
pub struct Deliverer {
    pub calls: Arc<dyn CallStore>,
    pub endpoints: Arc<dyn EndpointStore>,
    /// Whether a node still waits for its message.
    pub runs: Arc<dyn RunStore>,
    /// Hears how the messages of nodes end.
    pub nodes: Arc<dyn NodeCalls>,
    pub client: Arc<dyn CallClient>,
    pub clock: Arc<dyn Clock>,
    pub pause: Arc<dyn Pause>,
    /// Opens the signing secrets.
    pub key: Key,
}

impl fmt::Debug for Deliverer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliverer").finish_non_exhaustive()
    }
}

/// What a try is made with, or why there is none.
enum Ready {
    Go(Vec<(String, String)>),
    /// Nobody wants it any more, or it cannot be sent.
    Never(String),
}

impl Deliverer {
    /// Tries a message that is to be tried now, again and again while the pauses are short and it can be over by `until`.
    ///
    /// # Errors
    /// If the store or whoever waits for the message failed; doing it again goes on from there.
    pub async fn deliver(&self, id: CallId, until: Timestamp) -> Result<(), StepError> {
        let Some(mut call) = self.calls.call(id).await? else { return Ok(()) };
        // The tick brings back what waits.
        if matches!(call.state, CallState::Waiting { .. }) {
            return Ok(());
        }
        while !call.is_over() {
            let (made, next) = self.attempt(&call).await?;
            let Next::Again { seconds } = next else {
                call = self.record(call, made, next.state()).await?;
                break;
            };
            let due = after(self.clock.now(), seconds);
            let timeout = SignedDuration::from_secs(call.timeout_seconds.into());
            let latest = due.checked_add(timeout).unwrap_or(due);
            let in_place = seconds <= INLINE && latest <= until;
            let back_at = if in_place { latest.checked_add(LEASE).unwrap_or(latest) } else { due };
            call = self.record(call, made, CallState::Waiting { due: back_at }).await?;
            if !in_place {
                return Ok(());
            }
            self.pause.pause(Duration::from_secs(seconds)).await;
        }
        self.tell(&call).await
    }

    /// Makes one try.
    async fn attempt(&self, call: &Call) -> Result<(Try, Next), StepError> {
        let at = self.clock.now();
        let headers = match self.ready(call, at).await? {
            Ready::Go(headers) => headers,
            Ready::Never(why) => {
                let made = Try { at, millis: 0, status: None, error: Some(why), answer: String::new() };
                return Ok((made, Next::Failed));
            }
        };
        let left = call.deadline.map_or(Duration::MAX, |deadline| deadline.duration_since(at).unsigned_abs());
        let is_node = matches!(call.purpose, CallFor::Node { .. });
        let request = CallRequest {
            method: call.method,
            url: &call.url,
            headers: &headers,
            body: call.body.as_deref(),
            timeout: Duration::from_secs(call.timeout_seconds.into()).min(left),
            keep: if is_node { NODE_ANSWER } else { ANSWER },
        };
        let answer = self.client.call(request).await;
        let ended = self.clock.now();
        let next = next(call, &answer, ended);
        if let (CallFor::Notification { endpoint_id, .. }, Ok(answer)) = (&call.purpose, &answer)
            && answer.status == GONE
            && let Some(endpoint) = self.endpoints.endpoint(call.owner, *endpoint_id).await?
        {
            self.turn_off(endpoint).await?;
        }
        let millis = u32::try_from(ended.duration_since(at).as_millis()).unwrap_or(u32::MAX);
        let made = match answer {
            Ok(answer) => Try {
                at,
                millis,
                status: Some(answer.status),
                error: (next != Next::Delivered).then(|| format!("the server answered {}", answer.status)),
                answer: outcome::beginning(&answer.body, is_node && next == Next::Delivered),
            },
            Err(CallError::Refused(why) | CallError::Failed(why)) => {
                Try { at, millis, status: None, error: Some(why), answer: String::new() }
            }
        };
        Ok((made, next))
    }

    /// The headers of a try.
    async fn ready(&self, call: &Call, now: Timestamp) -> Result<Ready, StepError> {
        if call.deadline.is_some_and(|deadline| deadline <= now) {
            return Ok(Ready::Never("its time was over".to_owned()));
        }
        match &call.purpose {
            CallFor::Node { node } => {
                // With the first try the message was just made.
                let is_awaited = call.tries.is_empty() || {
                    let states = self.runs.nodes(node.run, &[(node.step, node.item)]).await?;
                    states.iter().any(|state| is_of(state, node))
                };
                let never = || Ready::Never("the run does not wait for it any more".to_owned());
                Ok(if is_awaited { Ready::Go(outcome::headers(call)) } else { never() })
            }
            CallFor::Notification { endpoint_id, event, repeats } => {
                let Some(endpoint) = self.endpoints.endpoint(call.owner, *endpoint_id).await? else {
                    return Ok(Ready::Never("the endpoint was removed".to_owned()));
                };
                // Who sends a message by hand wants to know whether it arrives.
                if !endpoint.enabled && event != notifications::TEST && repeats.is_none() {
                    return Ok(Ready::Never("the endpoint is turned off".to_owned()));
                }
                self.signed(call, &endpoint, repeats.unwrap_or(call.id), now)
            }
        }
    }

    fn signed(
        &self,
        call: &Call,
        endpoint: &Endpoint,
        id: CallId,
        now: Timestamp,
    ) -> Result<Ready, StepError> {
        let secret = notifications::open_secret(&self.key, endpoint)
            .map_err(|error| StepError::Unavailable(Box::new(error)))?;
        let seconds = now.as_second();
        let body = call.body.as_deref().unwrap_or_default();
        let Ok(signature) = sign(secret.expose(), &id.to_string(), seconds, body) else {
            return Ok(Ready::Never("the endpoint's secret cannot be used; rotate it".to_owned()));
        };
        let mut headers = outcome::headers(call);
        headers.retain(|(name, _)| !name.starts_with("webhook-"));
        headers.push(("webhook-id".to_owned(), id.to_string()));
        headers.push(("webhook-timestamp".to_owned(), seconds.to_string()));
        headers.push(("webhook-signature".to_owned(), signature));
        Ok(Ready::Go(headers))
    }

    /// Adds a try to the message and says where that leaves it. If somebody else wrote the row meanwhile, the try is added
    /// to what stands there; a message that is over stays as it is.
    async fn record(&self, mut call: Call, made: Try, state: CallState) -> Result<Call, StepError> {
        for _ in 0..RECORDS {
            call.tries.push(made.clone());
            call.state = state;
            match self.calls.update_call(&call).await {
                Ok(()) => {
                    call.version += 1;
                    return Ok(call);
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
            let Some(present) = self.calls.call(call.id).await? else { return Ok(call) };
            call = present;
            if call.is_over() {
                return Ok(call);
            }
        }
        Err(StepError::Collision)
    }

    /// A server that says it is gone is not called again.
    async fn turn_off(&self, mut endpoint: Endpoint) -> Result<(), StepError> {
        endpoint.enabled = false;
        endpoint.disabled_reason = Some("the server answered 410 Gone".to_owned());
        match self.endpoints.keep_endpoint(&endpoint).await {
            // Its owner changed it just now; if it is still gone, the next message finds out.
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn tell(&self, call: &Call) -> Result<(), StepError> {
        match &call.purpose {
            CallFor::Node { node } if call.is_over() => self.nodes.call_ended(*node, result(call)).await,
            _ => Ok(()),
        }
    }

    /// Has messages tried whose time has come, up to `most`. How many.
    pub async fn wake(calls: &dyn CallStore, now: Timestamp, most: usize) -> Result<usize, StoreError> {
        let mut woken = 0;
        while woken < most {
            let due = calls.due_calls(now, PAGE.min(most - woken)).await?;
            let mut progress = false;
            for call in due {
                let call = Call { state: CallState::pending(now, call.timeout_seconds), ..call };
                match calls.update_call(&call).await {
                    Ok(()) => {
                        woken += 1;
                        progress = true;
                    }
                    // It is being tried, or another tick was first.
                    Err(StoreError::Conflict) => {}
                    Err(error) => return Err(error),
                }
            }
            if !progress {
                break;
            }
        }
        Ok(woken)
    }
}

/// Due messages that are read at once.
const PAGE: usize = 100;
const GONE: u16 = 410;

fn after(now: Timestamp, seconds: u64) -> Timestamp {
    let pause = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    now.checked_add(pause).unwrap_or(Timestamp::MAX)
}

impl Call {
    /// Whether it is never tried again.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, CallState::Delivered | CallState::Failed)
    }
}

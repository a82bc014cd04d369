//! Every call that crosses an edge of the platform passes here: it is written down, and a fault that was asked
//! for strikes it. A test can so enumerate the effects of a flow and fail each of them in turn.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// What a call crosses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Edge {
    Dynamodb,
    States,
    Lambda,
    Provider,
    Ssm,
    Connections,
    /// A request to the public API.
    Http,
}

/// What happens to a call that a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Not done, and an error answered.
    FailBefore,
    /// Done, and an error answered all the same.
    FailAfter,
    /// Not done and not answered until the faults are cleared; then an error.
    Hang,
    /// Refused as too many.
    Throttle,
    /// Done twice, and the second answer given.
    Twice,
}

/// How a struck call is answered in the edge's own protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Failed,
    Throttled,
}

/// Which calls are struck, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub edge: Edge,
    /// Name of the operation, `*` standing for any run of characters. None strikes all.
    #[serde(default)]
    pub operation: Option<String>,
    /// Short name of the function that calls (for edge `lambda`: that is called). None strikes all.
    #[serde(default)]
    pub function: Option<String>,
    /// The first matching call that is struck, counted from 1 since the fault was set.
    #[serde(default = "one")]
    pub nth: u64,
    /// How many calls are struck, from the `nth` on.
    #[serde(default = "one")]
    pub times: u64,
    pub mode: Mode,
}

fn one() -> u64 {
    1
}

/// A fault with what it has seen so far.
#[derive(Debug, Clone, Serialize)]
pub struct Armed {
    pub id: u64,
    #[serde(flatten)]
    pub fault: Fault,
    /// Calls that matched.
    pub matched: u64,
    /// Calls that were struck.
    pub hits: u64,
}

/// One call in the journal.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// Counts up from 1 over all edges.
    pub n: u64,
    pub edge: Edge,
    pub operation: String,
    pub function: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Mode>,
}

/// Calls kept; older ones are forgotten.
const JOURNAL: usize = 20_000;

/// The journal and the faults.
#[derive(Debug)]
pub struct Edges {
    state: Mutex<State>,
    /// Counts the times that faults were cleared; hanging calls wait for it.
    cleared: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Armed>,
    next_fault: u64,
    journal: VecDeque<Call>,
    calls: u64,
}

impl Default for Edges {
    fn default() -> Self {
        Self { state: Mutex::default(), cleared: watch::Sender::new(0) }
    }
}

impl Edges {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries a call out, struck by the first fault that applies to it. `refuse` builds the error answer.
    pub async fn through<T, Acting>(
        &self,
        (edge, operation, function): (Edge, &str, &str),
        act: impl Fn() -> Acting + Send,
        refuse: impl Fn(Refusal) -> T + Send,
    ) -> T
    where
        T: Send,
        Acting: Future<Output = T> + Send,
    {
        match self.note(edge, operation, function) {
            None => act().await,
            Some(Mode::FailBefore) => refuse(Refusal::Failed),
            Some(Mode::FailAfter) => {
                act().await;
                refuse(Refusal::Failed)
            }
            Some(Mode::Throttle) => refuse(Refusal::Throttled),
            Some(Mode::Twice) => {
                act().await;
                act().await
            }
            Some(Mode::Hang) => {
                let mut cleared = self.cleared.subscribe();
                // The sender lives as long as self
                let _ = cleared.changed().await;
                refuse(Refusal::Failed)
            }
        }
    }

    /// Writes a call down and says what strikes it.
    fn note(&self, edge: Edge, operation: &str, function: &str) -> Option<Mode> {
        let mut state = self.state();
        let mut struck = None;
        for armed in &mut state.faults {
            let Fault { edge: on, operation: pattern, function: by, nth, times, mode } = &armed.fault;
            if *on != edge
                || pattern.as_deref().is_some_and(|pattern| !glob(pattern, operation))
                || by.as_deref().is_some_and(|by| !glob(by, function))
            {
                continue;
            }
            armed.matched += 1;
            if struck.is_none() && armed.matched >= *nth && armed.matched - nth < *times {
                armed.hits += 1;
                struck = Some(*mode);
            }
        }
        state.calls += 1;
        let call = Call {
            n: state.calls,
            edge,
            operation: operation.to_owned(),
            function: function.to_owned(),
            fault: struck,
        };
        if state.journal.len() == JOURNAL {
            state.journal.pop_front();
        }
        state.journal.push_back(call);
        struck
    }

    /// Sets a fault and returns its id.
    pub fn arm(&self, fault: Fault) -> u64 {
        let mut state = self.state();
        state.next_fault += 1;
        let id = state.next_fault;
        state.faults.push(Armed { id, fault, matched: 0, hits: 0 });
        id
    }

    /// The faults that are set, with their counts.
    pub fn armed(&self) -> Vec<Armed> {
        self.state().faults.clone()
    }

    /// Removes all faults and lets hanging calls go.
    pub fn clear(&self) {
        self.state().faults.clear();
        self.cleared.send_modify(|times| *times += 1);
    }

    /// Calls after number `since`, and the number of the last one.
    pub fn calls(&self, since: u64) -> (Vec<Call>, u64) {
        let state = self.state();
        (state.journal.iter().filter(|call| call.n > since).cloned().collect(), state.calls)
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any run of characters.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            match rest.find(middle) {
                Some(at) => rest = &rest[at + middle.len()..],
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |last: &str| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn fault(mode: Mode, nth: u64, times: u64) -> Fault {
        Fault { edge: Edge::Dynamodb, operation: Some("Trans*".into()), function: None, nth, times, mode }
    }

    async fn call(edges: &Edges, done: &AtomicU64, operation: &str) -> Result<u64, Refusal> {
        let act = || async { Ok(done.fetch_add(1, Ordering::SeqCst) + 1) };
        edges.through((Edge::Dynamodb, operation, "steps"), act, Err).await
    }

    #[test]
    fn globs() {
        assert!(glob("*", "anything"));
        assert!(glob("Get*", "GetItem"));
        assert!(glob("POST /v1/*/exit", "POST /v1/runner/att_1/exit"));
        assert!(!glob("Get*", "PutItem"));
        assert!(!glob("GetItem", "GetItems"));
        assert!(!glob("a*b*a", "ab"));
    }

    #[tokio::test]
    async fn a_fault_strikes_the_calls_it_names() {
        let edges = Edges::default();
        let done = AtomicU64::new(0);
        edges.arm(fault(Mode::FailBefore, 2, 1));
        assert_eq!(call(&edges, &done, "TransactWriteItems").await, Ok(1));
        assert_eq!(call(&edges, &done, "GetItem").await, Ok(2));
        assert_eq!(call(&edges, &done, "TransactWriteItems").await, Err(Refusal::Failed));
        assert_eq!(call(&edges, &done, "TransactWriteItems").await, Ok(3));
        assert_eq!(edges.armed()[0].hits, 1);
        assert_eq!(edges.armed()[0].matched, 3);
        let (calls, last) = edges.calls(2);
        assert_eq!((calls.len(), last), (2, 4));
        assert_eq!(calls[0].fault, Some(Mode::FailBefore));
    }

    #[tokio::test]
    async fn after_twice_and_throttle() {
        let edges = Edges::default();
        let done = AtomicU64::new(0);
        edges.arm(fault(Mode::FailAfter, 1, 1));
        assert_eq!(call(&edges, &done, "Transact").await, Err(Refusal::Failed));
        assert_eq!(done.load(Ordering::SeqCst), 1);
        edges.clear();
        edges.arm(fault(Mode::Twice, 1, 1));
        assert_eq!(call(&edges, &done, "Transact").await, Ok(3));
        edges.clear();
        edges.arm(fault(Mode::Throttle, 1, 2));
        assert_eq!(call(&edges, &done, "Transact").await, Err(Refusal::Throttled));
        assert_eq!(call(&edges, &done, "Transact").await, Err(Refusal::Throttled));
        assert_eq!(call(&edges, &done, "Transact").await, Ok(4));
    }

    #[tokio::test]
    async fn a_hanging_call_ends_when_faults_are_cleared() {
        let edges = Arc::new(Edges::default());
        edges.arm(fault(Mode::Hang, 1, 1));
        let hanging = tokio::spawn({
            let edges = edges.clone();
            async move { call(&edges, &AtomicU64::new(0), "Transact").await }
        });
        while edges.cleared.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!hanging.is_finished());
        edges.clear();
        assert_eq!(hanging.await.unwrap(), Err(Refusal::Failed));
    }
}

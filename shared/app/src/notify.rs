//! Live status, the server's side: what was committed goes to whoever listens.
//!
//! Best effort, and bounded: the event log is the truth. A connection that could not be reached once is left alone for the
//! rest of the round; the numbers in later messages, or in the answer to its next ping, tell its client what it missed.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use futures::{StreamExt, stream};

use crate::ports::{ConnectionStore, Push, PushError, StoreError, Topic};

/// How many connections are served at once.
const CONNECTIONS_AT_ONCE: usize = 32;
/// How many topics are looked up at once.
const TOPICS_AT_ONCE: usize = 16;

/// A message and whom it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Where it came from, in the sender's own numbering.
    pub origin: usize,
    /// Whoever listens to one of these gets it, once.
    pub topics: Vec<Topic>,
    /// As it goes over the wire.
    pub text: String,
}

/// What became of a round of letters.
#[derive(Debug, Default)]
pub struct Delivered {
    /// The first origin whose subscribers are not known; neither it nor any later letter was sent to anybody.
    pub undelivered: Option<(usize, StoreError)>,
    /// Connections that were sent something.
    pub connections: usize,
    /// Connections that were gone and are forgotten now.
    pub gone: usize,
}

/// Makes few texts of many messages for one connection, in their order.
pub type Pack = fn(Vec<&str>) -> Vec<String>;

/// The way from a committed change to its listeners.
#[derive(Clone)]
pub struct Notifier {
    connections: Arc<dyn ConnectionStore>,
    push: Arc<dyn Push>,
    pack: Pack,
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier").finish_non_exhaustive()
    }
}

impl Notifier {
    pub fn new(connections: Arc<dyn ConnectionStore>, push: Arc<dyn Push>, pack: Pack) -> Self {
        Self { connections, push, pack }
    }

    /// Sends `letters`, in their order to each connection and to many connections at once.
    pub async fn deliver(&self, letters: &[Letter]) -> Delivered {
        let mut subscribers = self.subscribers(letters).await;
        // Order is kept even when a round is cut short: behind the first that must be tried again nothing is sent.
        let unknown = letters.iter().position(|letter| {
            letter.topics.iter().any(|topic| matches!(subscribers.get(topic), Some(Err(_)) | None))
        });
        let sendable = &letters[..unknown.unwrap_or(letters.len())];

        // In the order of names, so that a round is the same each time.
        let mut boxes: BTreeMap<&str, Mail<'_>> = BTreeMap::new();
        for letter in sendable {
            let mut seen = HashSet::new();
            for topic in &letter.topics {
                let Some(Ok(ids)) = subscribers.get(topic) else { continue };
                for id in ids {
                    let mail = boxes.entry(id).or_default();
                    mail.topics.insert(*topic);
                    if seen.insert(id) {
                        mail.texts.push(&letter.text);
                    }
                }
            }
        }
        let connections = boxes.len();
        let sent =
            stream::iter(boxes).map(|(id, mail)| self.send(id, mail)).buffer_unordered(CONNECTIONS_AT_ONCE);
        let gone = sent.filter(|gone| std::future::ready(*gone)).count().await;

        let undelivered = unknown.and_then(|index| {
            let letter = &letters[index];
            let error = letter.topics.iter().find_map(|topic| match subscribers.remove(topic) {
                Some(Err(error)) => Some(error),
                _ => None,
            });
            error.map(|error| (letter.origin, error))
        });
        Delivered { undelivered, connections, gone }
    }

    async fn subscribers(&self, letters: &[Letter]) -> HashMap<Topic, Result<Vec<String>, StoreError>> {
        let topics: HashSet<Topic> =
            letters.iter().flat_map(|letter| letter.topics.iter().copied()).collect();
        stream::iter(topics)
            .map(async |topic| (topic, self.connections.subscribers(topic).await))
            .buffer_unordered(TOPICS_AT_ONCE)
            .collect()
            .await
    }

    /// Whether the connection turned out to be gone.
    async fn send(&self, id: &str, mail: Mail<'_>) -> bool {
        for text in (self.pack)(mail.texts) {
            match self.push.push(id, text.as_bytes()).await {
                Ok(()) => {}
                Err(PushError::Gone) => {
                    self.forget(id, mail.topics).await;
                    return true;
                }
                Err(PushError::Other(error)) => {
                    tracing::warn!(connection.id = id, error = &*error, "a message could not be pushed");
                    return false;
                }
            }
        }
        false
    }

    async fn forget(&self, id: &str, topics: HashSet<Topic>) {
        // The subscriptions that led here, too: their connection's row may be gone already.
        let mut forgotten = Ok(());
        for topic in topics {
            forgotten = forgotten.and(self.connections.unsubscribe(id, topic).await);
        }
        forgotten = forgotten.and(self.connections.disconnect(id).await);
        if let Err(error) = forgotten {
            tracing::warn!(
                connection.id = id,
                error = &error as &dyn std::error::Error,
                "a connection that is gone is still known"
            );
        }
    }
}

/// What one connection gets.
#[derive(Default)]
struct Mail<'a> {
    texts: Vec<&'a str>,
    topics: HashSet<Topic>,
}

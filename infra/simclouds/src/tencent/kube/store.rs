//! The cluster's objects with a version of the whole, and the changes that led here: for watches and for stale listings.

use crate::clock;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Namespace,
    Secret,
    ConfigMap,
    Event,
    Pod,
    Job,
    Node,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] =
        [Self::Namespace, Self::Secret, Self::ConfigMap, Self::Event, Self::Pod, Self::Job, Self::Node];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::Event => "Event",
            Self::Pod => "Pod",
            Self::Job => "Job",
            Self::Node => "Node",
        }
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::Secret => "secrets",
            Self::ConfigMap => "configmaps",
            Self::Event => "events",
            Self::Pod => "pods",
            Self::Job => "jobs",
            Self::Node => "nodes",
        }
    }

    /// With its group, as messages have it.
    pub(crate) fn resource(self) -> &'static str {
        if self == Self::Job { "jobs.batch" } else { self.plural() }
    }

    pub(crate) fn version(self) -> &'static str {
        if self == Self::Job { "batch/v1" } else { "v1" }
    }

    pub(crate) fn namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::Node)
    }
}

/// Kind, namespace (empty: none), name.
pub(crate) type Key = (Kind, String, String);

pub(crate) fn key(kind: Kind, namespace: &str, name: &str) -> Key {
    (kind, namespace.to_owned(), name.to_owned())
}

#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    at: Timestamp,
    pub(crate) key: Key,
    pub(crate) old: Option<Arc<Value>>,
    /// None: deleted; `old` is then its last state, with the version of the deletion.
    pub(crate) new: Option<Arc<Value>>,
}

pub(crate) type Objects = BTreeMap<Key, Arc<Value>>;

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) objects: Objects,
    changes: VecDeque<Change>,
    version: u64,
    /// Changes up to this version are no longer told to anyone.
    floor: u64,
    changed: watch::Sender<u64>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            changes: VecDeque::new(),
            version: 1000,
            floor: 1000,
            changed: watch::channel(1000).0,
        }
    }
}

impl Store {
    const KEPT: usize = 20_000;

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects
            .range((kind, String::new(), String::new())..)
            .take_while(move |((k, _, _), _)| *k == kind)
    }

    fn note(&mut self, key: Key, old: Option<Arc<Value>>, new: Option<Arc<Value>>) {
        self.changes.push_back(Change { version: self.version, at: clock::now(), key, old, new });
        if self.changes.len() > Self::KEPT
            && let Some(gone) = self.changes.pop_front()
        {
            self.floor = self.floor.max(gone.version);
        }
        self.changed.send_replace(self.version);
    }

    pub(crate) fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let object = Arc::new(object);
        let old = self.objects.insert(key.clone(), Arc::clone(&object));
        self.note(key, old, Some(Arc::clone(&object)));
        object
    }

    /// None: there is no such object. A change that changes nothing is none.
    pub(crate) fn change(&mut self, key: &Key, change: impl FnOnce(&mut Value)) -> Option<Arc<Value>> {
        let old = self.objects.get(key)?;
        let mut object = Value::clone(old);
        change(&mut object);
        if object == **old {
            return Some(Arc::clone(old));
        }
        Some(self.put(key.clone(), object))
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let gone = self.objects.remove(key)?;
        self.version += 1;
        let mut last = Value::clone(&gone);
        last["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.note(key.clone(), Some(Arc::new(last)), None);
        Some(gone)
    }

    /// Changes later than `version`; None: some of them are forgotten.
    pub(crate) fn since(&self, version: u64) -> Option<Vec<Change>> {
        if version < self.floor {
            return None;
        }
        let from = self.changes.partition_point(|change| change.version <= version);
        Some(self.changes.range(from..).cloned().collect())
    }

    /// Forgets what a watch could go on from.
    pub(crate) fn compact(&mut self) {
        self.version += 1;
        self.floor = self.version;
    }

    /// As it all was at that time.
    pub(crate) fn at(&self, at: Timestamp) -> Objects {
        let mut objects = self.objects.clone();
        for change in self.changes.iter().rev().take_while(|change| change.at > at) {
            match &change.old {
                Some(old) => objects.insert(change.key.clone(), Arc::clone(old)),
                None => objects.remove(&change.key),
            };
        }
        objects
    }
}

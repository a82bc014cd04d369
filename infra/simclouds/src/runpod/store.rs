//! The account on disk: one file a pod, one for the rest, one log a pod. Written before an answer is given, so that what
//! was answered survives a kill -9.

use super::account::Books;
use super::pod::{Pod, PodId};
use crate::log::Log;
use anyhow::Context;
use std::fs::File;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    /// Held for as long as the cloud lives.
    _lock: File,
}

impl Store {
    pub(crate) fn open(root: &Path) -> anyhow::Result<Self> {
        for folder in ["pods", "logs"] {
            let path = root.join(folder);
            std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let lock = File::create(root.join("lock"))?;
        lock.try_lock()
            .with_context(|| format!("{} belongs to a simulated cloud that runs", root.display()))?;
        Ok(Self { root: root.to_owned(), _lock: lock })
    }

    pub(crate) fn books(&self) -> anyhow::Result<Option<Books>> {
        read(&self.root.join("account.json"))
    }

    /// All pods, oldest first.
    pub(crate) fn pods(&self) -> anyhow::Result<Vec<Pod>> {
        let mut pods: Vec<Pod> = Vec::new();
        for entry in std::fs::read_dir(self.root.join("pods"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "json") {
                pods.extend(read(&path)?);
            }
        }
        pods.sort_by_key(|pod: &Pod| pod.created_at);
        Ok(pods)
    }

    pub(crate) fn save_books(&self, books: &Books) {
        write(&self.root.join("account.json"), books);
    }

    pub(crate) fn save_pod(&self, pod: &Pod) {
        write(&self.root.join("pods").join(format!("{}.json", pod.id)), pod);
    }

    pub(crate) fn remove_pod(&self, id: &PodId) {
        remove(&self.root.join("pods").join(format!("{id}.json")));
    }

    pub(crate) fn open_log(&self, id: &PodId) -> Log {
        let path = self.log_path(id);
        Log::open(&path).unwrap_or_else(|error| {
            tracing::error!(%error, path = %path.display(), "a pod's log is kept in memory only");
            Log::new()
        })
    }

    pub(crate) fn remove_log(&self, id: &PodId) {
        remove(&self.log_path(id));
    }

    fn log_path(&self, id: &PodId) -> PathBuf {
        self.root.join("logs").join(format!("{id}.jsonl"))
    }
}

fn write(path: &Path, value: &impl serde::Serialize) {
    let half = path.with_extension("half");
    let done = serde_json::to_vec(value)
        .map_err(std::io::Error::from)
        .and_then(|json| std::fs::write(&half, json))
        .and_then(|()| std::fs::rename(&half, path));
    if let Err(error) = done {
        tracing::error!(%error, path = %path.display(), "the simulated cloud's state was not saved");
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let json = match std::fs::read(path) {
        Ok(json) => json,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    serde_json::from_slice(&json).map(Some).with_context(|| format!("cannot understand {}", path.display()))
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "a file was not removed");
    }
}

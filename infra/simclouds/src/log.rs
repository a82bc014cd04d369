//! What a container wrote and what happened to it, line by line, bounded.
//!
//! Every line has a timestamp of its own, strictly later than the one before it, so that a timestamp is a cursor.

use crate::clock;
use bytes::Bytes;
use futures::Stream;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Bytes kept per container; the oldest lines go first.
const KEPT_BYTES: usize = 4 << 20;
/// A longer line is cut into several.
const LINE_BYTES: usize = 16 << 10;
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    Container,
    System,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) ts: Timestamp,
    pub(crate) source: Source,
    #[serde(rename = "line")]
    pub(crate) text: String,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<Line>,
    bytes: usize,
    last: Option<Timestamp>,
    file: Option<File>,
    file_bytes: usize,
    closed: bool,
}

#[derive(Debug)]
pub(crate) struct Log {
    lines: Mutex<Lines>,
    changed: watch::Sender<u64>,
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { lines: Mutex::default(), changed: watch::channel(0).0 }
    }

    /// A log that survives a restart of the simulated cloud: reads what `path` holds and appends to it.
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let log = Self::new();
        {
            let mut lines = log.lock();
            if path.exists() {
                for text in BufReader::new(File::open(path)?).lines() {
                    // A line cut short by a kill -9 is the only one that does not parse.
                    if let Ok(line) = serde_json::from_str::<Line>(&text?) {
                        lines.keep(line);
                    }
                }
            }
            let file = File::options().create(true).append(true).open(path)?;
            lines.file_bytes = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
            lines.file = Some(file);
        }
        Ok(log)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn append(&self, source: Source, text: &str) {
        {
            let mut lines = self.lock();
            let now = clock::now();
            let ts = match lines.last {
                Some(last) if last >= now => {
                    last.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(now)
                }
                _ => now,
            };
            let line = Line { ts, source, text: text.to_owned() };
            lines.save(&line);
            lines.keep(line);
        }
        self.changed.send_modify(|n| *n += 1);
    }

    /// Ends every stream that follows this log.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.send_modify(|n| *n += 1);
    }

    pub(crate) fn closed(&self) -> bool {
        self.lock().closed
    }

    /// Changes with every line and at the end.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// All lines, or those later than a time.
    pub(crate) fn lines(&self, after: Option<Timestamp>) -> Vec<Line> {
        self.select(after, None)
    }

    fn select(&self, after: Option<Timestamp>, source: Option<Source>) -> Vec<Line> {
        let lines = self.lock();
        let from = after.map_or(0, |cursor| lines.kept.partition_point(|line| line.ts <= cursor));
        lines
            .kept
            .range(from..)
            .filter(|line| source.is_none_or(|wanted| line.source == wanted))
            .cloned()
            .collect()
    }
}

impl Lines {
    fn save(&mut self, line: &Line) {
        let Some(file) = &mut self.file else { return };
        let saved = serde_json::to_vec(line).map_err(std::io::Error::from).and_then(|mut json| {
            json.push(b'\n');
            if self.file_bytes > 4 * KEPT_BYTES {
                // What a flood pushed out of memory need not be on disk either.
                file.set_len(0)?;
                self.file_bytes = 0;
                for kept in &self.kept {
                    let mut old = serde_json::to_vec(kept)?;
                    old.push(b'\n');
                    file.write_all(&old)?;
                    self.file_bytes += old.len();
                }
            }
            self.file_bytes += json.len();
            file.write_all(&json)
        });
        if let Err(error) = saved {
            tracing::warn!(%error, "a log line was not saved");
        }
    }

    fn keep(&mut self, line: Line) {
        self.bytes += line.text.len() + 64;
        self.last = Some(line.ts);
        self.kept.push_back(line);
        while self.bytes > KEPT_BYTES
            && let Some(gone) = self.kept.pop_front()
        {
            self.bytes -= gone.text.len() + 64;
        }
    }
}

/// Where a stream of a log begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    /// With so many of the last lines.
    Tail(usize),
    /// With the first line later than this.
    After(Timestamp),
    /// With the first line at or later than this.
    Since(Timestamp),
}

struct Follow {
    log: Arc<Log>,
    changed: watch::Receiver<u64>,
    stop: CancellationToken,
    source: Option<Source>,
    cursor: Option<Timestamp>,
    backlog: Vec<Line>,
}

/// The log as server-sent events: first what is asked for of the past, then what comes, until the log is closed.
pub(crate) fn events(
    log: Arc<Log>,
    start: Start,
    source: Option<Source>,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let changed = log.changed.subscribe();
    let (cursor, backlog) = match start {
        Start::After(ts) => (Some(ts), Vec::new()),
        Start::Since(ts) => (ts.saturating_sub(SignedDuration::from_nanos(1)).ok(), Vec::new()),
        Start::Tail(wanted) => {
            let mut all = log.select(None, source);
            let cursor = all.last().map(|line| line.ts);
            let backlog = all.split_off(all.len().saturating_sub(wanted));
            (cursor, backlog)
        }
    };
    futures::stream::unfold(Follow { log, changed, stop, source, cursor, backlog }, async |mut follow| {
        loop {
            follow.changed.borrow_and_update();
            let closed = follow.log.closed();
            let mut lines = std::mem::take(&mut follow.backlog);
            if lines.is_empty() {
                lines = follow.log.select(follow.cursor, follow.source);
            }
            if let Some(last) = lines.last() {
                follow.cursor = Some(last.ts);
                return Some((Ok(render(&lines)), follow));
            }
            if closed {
                return None;
            }
            tokio::select! {
                () = follow.stop.cancelled() => return None,
                changed = follow.changed.changed() => if changed.is_err() { return None },
                () = tokio::time::sleep(KEEP_ALIVE) => {
                    return Some((Ok(Bytes::from_static(b": keep-alive\n\n")), follow));
                }
            }
        }
    })
}

fn render(lines: &[Line]) -> Bytes {
    let mut text = String::new();
    for line in lines {
        let ts = format!("{:.9}", line.ts);
        let data = serde_json::json!({"source": line.source, "line": line.text, "ts": ts});
        text.extend(["id: ", &ts, "\ndata: ", &data.to_string(), "\n\n"]);
    }
    text.into()
}

/// Cuts a stream of bytes into lines and appends them.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    rest: Vec<u8>,
}

impl Cutter {
    pub(crate) fn push(&mut self, log: &Log, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(at) = self.rest[from..].iter().position(|byte| *byte == b'\n') {
            log.append(Source::Container, &String::from_utf8_lossy(&self.rest[from..from + at]));
            from += at + 1;
        }
        self.rest.drain(..from);
        while self.rest.len() > LINE_BYTES {
            let piece: Vec<u8> = self.rest.drain(..LINE_BYTES).collect();
            log.append(Source::Container, &String::from_utf8_lossy(&piece));
        }
    }

    pub(crate) fn finish(&mut self, log: &Log) {
        if !self.rest.is_empty() {
            log.append(Source::Container, &String::from_utf8_lossy(&self.rest));
            self.rest.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_strictly_increasing_and_so_are_cursors() {
        let log = Log::new();
        for n in 0..100 {
            log.append(Source::Container, &n.to_string());
        }
        let all = log.select(None, None);
        assert!(all.windows(2).all(|pair| pair[0].ts < pair[1].ts));
        assert_eq!(log.select(Some(all[49].ts), None).len(), 50);
    }

    #[test]
    fn the_oldest_lines_go_when_it_is_full() {
        let log = Log::new();
        let text = "x".repeat(1 << 20);
        for n in 0..8 {
            log.append(Source::System, &format!("{n}{text}"));
        }
        let kept = log.select(None, None);
        assert!(kept.len() < 8 && kept.last().is_some_and(|line| line.text.starts_with('7')));
    }

    #[test]
    fn a_flood_is_bounded_on_disk_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::open(&path).unwrap();
        let text = "x".repeat(1 << 20);
        for n in 0..40 {
            log.append(Source::Container, &format!("{n}{text}"));
        }
        assert!(std::fs::metadata(&path).unwrap().len() < 6 * KEPT_BYTES as u64);
        let again = Log::open(&path).unwrap().select(None, None);
        assert_eq!(again.last().map(|line| line.text[..2].to_owned()).as_deref(), Some("39"));
        assert!(again.windows(2).all(|pair| pair[0].ts < pair[1].ts));
    }

    #[test]
    fn cuts_lines_whatever_the_pieces() {
        let log = Log::new();
        let mut cutter = Cutter::default();
        for piece in [&b"on"[..], b"e\ntw", b"o\n\nla", b"st"] {
            cutter.push(&log, piece);
        }
        cutter.finish(&log);
        let lines: Vec<_> = log.select(None, None).into_iter().map(|line| line.text).collect();
        assert_eq!(lines, ["one", "two", "", "last"]);
    }
}

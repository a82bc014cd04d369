//! The end of a pod's log, cut from a stream that goes on for as long as the pod lives.

use std::{collections::VecDeque, time::Duration};

use app::ports::ProviderError;
use reqwest::Response;
use tokio::time::timeout;

use super::{refusal, wire};

/// How long the first line may take: a pod without a log sends none.
const FIRST: Duration = Duration::from_secs(2);
/// The lines that exist come without pauses; a pause means that the rest is yet to be written.
const PAUSE: Duration = Duration::from_millis(500);
/// One line longer than this is not read on.
const LINE_BYTES: usize = 1 << 20;

/// The last `lines` lines of the backfill: the stream is left when it pauses, ends, or has given them all.
pub(super) async fn backfill(mut stream: Response, lines: usize) -> Result<Vec<String>, ProviderError> {
    let mut events = Events::default();
    let mut last = VecDeque::with_capacity(lines.min(5_000));
    while last.len() < lines {
        let patience = if last.is_empty() { FIRST } else { PAUSE };
        let chunk = match timeout(patience, stream.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            // A stream that breaks after some lines has still given them.
            Ok(Err(error)) if last.is_empty() => {
                return Err(ProviderError::Unknown(refusal::bounded(&error.without_url().to_string())));
            }
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        };
        if !events.feed(&chunk, |data| last.push_back(line(data))) {
            break;
        }
        while last.len() > lines {
            last.pop_front();
        }
    }
    Ok(last.into())
}

/// The text of an event: its `line`, or all of it should RunPod send something else.
fn line(data: &str) -> String {
    serde_json::from_str::<wire::LogLine>(data).map_or_else(|_| data.to_owned(), |event| event.line)
}

/// Server-sent events out of chunks that end anywhere.
#[derive(Debug, Default)]
struct Events {
    rest: Vec<u8>,
    data: String,
}

impl Events {
    /// Calls `each` with the data of every event that `chunk` completes. `false`: no event is so long.
    fn feed(&mut self, chunk: &[u8], mut each: impl FnMut(&str)) -> bool {
        self.rest.extend_from_slice(chunk);
        let mut from = 0;
        while let Some(length) = self.rest[from..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&self.rest[from..from + length]);
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                if !self.data.is_empty() {
                    each(&self.data);
                    self.data.clear();
                }
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
            from += length + 1;
        }
        self.rest.drain(..from);
        self.rest.len() + self.data.len() <= LINE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_however_they_arrive() {
        let stream = "id: 1\ndata: {\"line\":\"häl\",\"ts\":\"x\"}\n\n: comment\r\ndata: plain\r\n\r\nevent: x\ndata: a\ndata: b\n\ndata: half";
        for size in 1..stream.len() {
            let mut events = Events::default();
            let mut lines = Vec::new();
            for chunk in stream.as_bytes().chunks(size) {
                assert!(events.feed(chunk, |data| lines.push(line(data))));
            }
            assert_eq!(lines, ["häl", "plain", "a\nb"], "in pieces of {size}");
        }
    }

    #[test]
    fn an_endless_line_is_given_up() {
        let mut events = Events::default();
        let chunk = vec![b'x'; LINE_BYTES / 2 + 1];
        assert!(events.feed(&chunk, |_| {}));
        assert!(!events.feed(&chunk, |_| {}));
    }
}

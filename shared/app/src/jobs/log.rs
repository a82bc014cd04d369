//! Parts of a job's log.

use domain::{
    JobId, Principal,
    job::{Attempt, Job, RunnerState},
};
use jiff::SignedDuration;

use super::{JobError, Jobs};
use crate::ports::LogPage;

/// How long a reader counts as watching.
const WATCHING: SignedDuration = SignedDuration::from_secs(60);
/// A watch is written anew once less of it is left: not with every read of a follower.
const RENEWED: SignedDuration = SignedDuration::from_secs(30);
/// The first guess at how much the last lines take, and the most that is read for them.
const TAIL_BYTES: usize = 128 * 1024;
const TAIL_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of the longest character in UTF-8: with less room a reader would never get past it.
const LONGEST_CHARACTER: usize = 4;

/// Which part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogRange {
    /// Up to `limit` bytes from `offset` on, but one character at least.
    From { offset: u64, limit: usize },
    /// The last lines.
    Tail { lines: usize },
}

/// A part of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPart {
    /// Whose log it is; `None` before the first attempt.
    pub attempt: Option<u32>,
    /// Where it begins, in bytes.
    pub offset: u64,
    pub text: String,
    /// Bytes in it that were never kept.
    pub dropped: u64,
    /// Where to go on: attempt and offset.
    pub next: (u32, u64),
    /// Nothing will ever come after `next`.
    pub complete: bool,
}

impl Jobs {
    /// A part of a log: of the attempt of that number alone, or of the latest. With `follow` the answer leads on to the
    /// next attempt where there is one.
    pub async fn log(
        &self,
        caller: &Principal,
        id: JobId,
        attempt: Option<u32>,
        range: LogRange,
        follow: bool,
    ) -> Result<LogPart, JobError> {
        let job = self.visible(caller, id).await?;
        let number = attempt.unwrap_or(job.attempt.max(1));
        // A follower may wait for an attempt that has not begun: that is no error.
        let not_yet = number > job.attempt && (attempt.is_none() || follow);
        let found = if not_yet { None } else { self.attempt(&job, Some(number)).await? };
        let Some(attempt) = found else {
            let complete = job.status.is_terminal();
            let next = (number, 0);
            return Ok(LogPart { attempt: None, offset: 0, text: String::new(), dropped: 0, next, complete });
        };
        let state = self.runners.runner(attempt.id).await?;
        self.watch(&job, &attempt, state.as_ref()).await?;
        let over = attempt.outcome.is_some()
            || state.as_ref().is_some_and(|state| state.closed || state.exit.is_some());
        let end = state.map_or(0, |state| state.log_bytes);
        let page = match range {
            LogRange::From { offset, limit } => self.runners.log(attempt.id, offset, limit).await?,
            LogRange::Tail { lines } => self.tail(&attempt, lines).await?,
        };
        let start = match range {
            LogRange::From { offset, .. } => offset,
            LogRange::Tail { .. } => page.chunks.first().map_or(page.next, |chunk| chunk.offset),
        };
        let read = Read::of(&page, start, over && page.next >= end, range);
        // Nothing behind the place is the end too: a count that is too high must not keep a follower for ever.
        let everything = over && (read.next >= end || page.chunks.is_empty());
        let (next, complete) = if !everything {
            ((attempt.number, read.next), false)
        } else if follow && job.attempt > attempt.number {
            ((attempt.number + 1, 0), false)
        } else {
            // Between two attempts there is nothing to read yet, but there may be.
            let last = attempt.number >= job.attempt;
            ((attempt.number, read.next), !follow || !last || job.status.is_terminal())
        };
        Ok(LogPart {
            attempt: Some(attempt.number),
            offset: read.offset,
            text: read.text,
            dropped: read.dropped,
            next,
            complete,
        })
    }

    async fn tail(&self, attempt: &Attempt, lines: usize) -> Result<LogPage, JobError> {
        let page = self.runners.log_tail(attempt.id, TAIL_BYTES).await?;
        let newlines =
            page.chunks.iter().flat_map(|chunk| &chunk.bytes).filter(|byte| **byte == b'\n').count();
        let from_the_start = page.chunks.first().is_none_or(|chunk| chunk.offset == 0);
        if newlines > lines || from_the_start {
            return Ok(page);
        }
        Ok(self.runners.log_tail(attempt.id, TAIL_BYTES_MAX).await?)
    }

    /// While somebody reads the log of a command that runs, its runner reports often.
    async fn watch(&self, job: &Job, attempt: &Attempt, state: Option<&RunnerState>) -> Result<(), JobError> {
        let Some(state) = state else { return Ok(()) };
        if job.status.is_terminal() || state.closed || state.exit.is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        if state.watched_until.is_none_or(|until| until < now + RENEWED) {
            self.runners.watch(attempt.id, now + WATCHING).await?;
        }
        Ok(())
    }
}

/// A page of a log as text.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    offset: u64,
    text: String,
    dropped: u64,
    next: u64,
}

impl Read {
    /// The text of `page`, which begins at `offset`, as far as `range` wants it. A character whose end is not there is left
    /// for the next page, unless `last` says that nothing will come.
    fn of(page: &LogPage, offset: u64, last: bool, range: LogRange) -> Self {
        let mut bytes = Vec::new();
        let mut dropped = 0;
        let mut next = page.next.max(offset);
        let mut room = match range {
            LogRange::From { limit, .. } => limit.max(LONGEST_CHARACTER),
            LogRange::Tail { .. } => usize::MAX,
        };
        let mut cut = false;
        for chunk in &page.chunks {
            if room == 0 {
                cut = true;
                break;
            }
            if chunk.dropped > 0 {
                dropped += chunk.dropped;
                if bytes.last().is_some_and(|byte| *byte != b'\n') {
                    bytes.push(b'\n');
                }
                bytes.extend_from_slice(
                    format!("[… {} bytes of the log were not kept …]\n", chunk.dropped).as_bytes(),
                );
            }
            let taken = chunk.bytes.len().min(room);
            bytes.extend_from_slice(&chunk.bytes[..taken]);
            room -= taken;
            next = chunk.offset + taken as u64;
            cut |= taken < chunk.bytes.len();
        }
        if cut || !last {
            let unfinished = unfinished_character(&bytes);
            bytes.truncate(bytes.len() - unfinished);
            next -= unfinished as u64;
        }
        let mut offset = offset;
        if let LogRange::Tail { lines } = range {
            let cut = before_last_lines(&bytes, lines);
            // Without a gap in it the text is the log, byte for byte; with one its beginning cannot be told.
            if dropped == 0 {
                offset += cut as u64;
            } else if cut > 0 {
                offset = next - ((bytes.len() - cut) as u64).min(next);
            }
            bytes.drain(..cut);
        }
        Self { offset, text: String::from_utf8_lossy(&bytes).into_owned(), dropped, next }
    }
}

/// How many bytes at the end are the beginning of a character of which more must come.
fn unfinished_character(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        let length = match byte {
            0b1100_0010..=0b1101_1111 => 2,
            0b1110_0000..=0b1110_1111 => 3,
            0b1111_0000..=0b1111_0100 => 4,
            0b1000_0000..=0b1011_1111 => continue,
            _ => return 0,
        };
        return if back < length { back } else { 0 };
    }
    0
}

/// Where the last `lines` lines begin. A line that has not ended is a line.
fn before_last_lines(bytes: &[u8], lines: usize) -> usize {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    body.iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'\n')
        .nth(lines.saturating_sub(1))
        .map_or(0, |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::LogChunk;

    const ALL: LogRange = LogRange::From { offset: 0, limit: usize::MAX };

    fn page(offset: u64, chunks: &[(u64, &[u8])]) -> LogPage {
        let mut next = offset;
        let chunks = chunks
            .iter()
            .map(|(dropped, bytes)| {
                let chunk = LogChunk { offset: next + dropped, dropped: *dropped, bytes: bytes.to_vec() };
                next = chunk.offset + bytes.len() as u64;
                chunk
            })
            .collect();
        LogPage { chunks, next }
    }

    #[test]
    fn a_character_is_never_cut_while_more_may_come() {
        let text = "a中é🙂";
        for cut in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            let first = Read::of(&page(0, &[(0, head)]), 0, false, ALL);
            let rest = [&head[usize::try_from(first.next).unwrap()..], tail].concat();
            let second = Read::of(&page(first.next, &[(0, &rest)]), first.next, true, ALL);
            assert_eq!(format!("{}{}", first.text, second.text), text, "cut at {cut}");
            assert_eq!(second.next, text.len() as u64);
        }
    }

    #[test]
    fn what_is_no_text_is_replaced_and_holds_nothing_up() {
        let read = Read::of(&page(0, &[(0, b"a\xffb\xe4\xb8")]), 0, true, ALL);
        assert_eq!((read.text.as_str(), read.next), ("a\u{fffd}b\u{fffd}", 5));
        assert_eq!(Read::of(&page(0, &[(0, b"ab\x80\x80\x80\x80")]), 0, false, ALL).next, 6);
    }

    #[test]
    fn a_reader_with_little_room_gets_everything_in_pieces() {
        let text = "a中é🙂\u{10ffff}b";
        for limit in 1..=8 {
            let (mut at, mut read) = (0, String::new());
            while at < text.len() {
                let rest = [
                    (0, &text.as_bytes()[at..at + 2.min(text.len() - at)]),
                    (0, &text.as_bytes()[(at + 2).min(text.len())..]),
                ];
                let range = LogRange::From { offset: at as u64, limit };
                let part = Read::of(&page(at as u64, &rest), at as u64, true, range);
                assert!(
                    part.text.len() <= limit.max(4) && part.next > at as u64,
                    "{limit} at {at}: {part:?}"
                );
                at = usize::try_from(part.next).unwrap();
                read.push_str(&part.text);
            }
            assert_eq!(read, text, "{limit}");
        }
    }

    #[test]
    fn a_gap_is_said_aloud() {
        let read = Read::of(&page(0, &[(0, b"head"), (90, b"tail\n")]), 0, false, ALL);
        assert_eq!(read.text, "head\n[… 90 bytes of the log were not kept …]\ntail\n");
        assert_eq!((read.dropped, read.next), (90, 99));
    }

    #[test]
    fn the_last_lines_are_counted_as_people_count_them() {
        let lines = |text: &str, lines| {
            let read = Read::of(&page(100, &[(0, text.as_bytes())]), 100, false, LogRange::Tail { lines });
            (read.text, read.offset)
        };
        assert_eq!(lines("a\nb\nc\n", 2), ("b\nc\n".into(), 102));
        assert_eq!(lines("a\nb\nc", 2), ("b\nc".into(), 102));
        assert_eq!(lines("a\nb\n", 5), ("a\nb\n".into(), 100));
        assert_eq!(lines("", 5), (String::new(), 100));
        assert_eq!(lines("a\n\n", 1), ("\n".into(), 102));
    }
}

//! The server's half of the runner's protocol: three messages in, one reply out. It is strict and it never panics,
//! for whoever holds an attempt's token may send anything. `docs/runner.md` describes the protocol.

mod exit;
mod marker;
mod reply;
mod report;
mod start;

pub use exit::{Exit, MAX_OUTPUT_BYTES, Output, Reason};
pub use marker::{find_exit_marker, find_start_marker};
pub use reply::{Reply, Stop};
pub use report::{GpuUse, MAX_LOG_BYTES, Progress, Report};
pub use start::{Client, Gpu, Start};

/// The protocol version that a runner names in its `start`.
pub const VERSION: u32 = 1;
/// Header: which runner process speaks; the first that is heard has the attempt.
pub const RUNNER_ID: &str = "x-runner-id";
/// Header: the message's number, from 1. A message sent again keeps its number.
pub const RUNNER_SEQ: &str = "x-runner-seq";
/// Header: `FRACTION PERCENT-ENCODED-TEXT`
pub const PROGRESS: &str = "x-gpu-progress";
/// Header: `index,util %,used MiB,total MiB,°C,W` a GPU, joined with `;`
pub const METRICS: &str = "x-gpu-metrics";
/// Header: where the body stands in the whole log, in bytes
pub const LOG_OFFSET: &str = "x-log-offset";
/// Header: how many bytes just before the body were dropped by the runner
pub const LOG_DROPPED: &str = "x-log-dropped";

/// What is wrong with a message. The texts are for the sender; they quote none of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("header {0} is missing")]
    MissingHeader(&'static str),
    #[error("header {header} must be {expected}")]
    Header { header: &'static str, expected: &'static str },
    #[error("line `{0}` is missing")]
    MissingLine(&'static str),
    #[error("line `{line}` must be {expected}")]
    Line { line: &'static str, expected: &'static str },
    #[error("line {0} is none that this message knows")]
    UnknownLine(usize),
    #[error("{what} is longer than {limit} bytes")]
    TooLong { what: &'static str, limit: usize },
    #[error("the body is not {0}")]
    Body(&'static str),
    #[error("protocol version {0} is not supported")]
    Version(u32),
}

/// Who sends a message and which of its messages it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// A random name of the runner process: `[A-Za-z0-9-]{1,64}`.
    pub runner_id: String,
    /// From 1; a repeat carries the same number.
    pub sequence: u64,
}

impl Sender {
    /// From the headers of any of the three messages. `header` finds a value by lower-case name.
    pub fn parse<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Error> {
        let runner_id = header(RUNNER_ID).ok_or(Error::MissingHeader(RUNNER_ID))?;
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if runner_id.is_empty() || runner_id.len() > 64 || !runner_id.bytes().all(known) {
            return Err(Error::Header { header: RUNNER_ID, expected: "1 to 64 letters, digits and dashes" });
        }
        let sequence = header(RUNNER_SEQ).ok_or(Error::MissingHeader(RUNNER_SEQ))?;
        match number(sequence) {
            Some(sequence) if sequence > 0 => Ok(Self { runner_id: runner_id.to_owned(), sequence }),
            _ => Err(Error::Header { header: RUNNER_SEQ, expected: "a whole number from 1" }),
        }
    }
}

/// Pairs of hexadecimal digits: how a runner sends bytes whose HTTP client would cut them at a NUL.
fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some((digit(*high)? * 16 + digit(*low)?) as u8)).collect();
    if rest.is_empty() { bytes } else { None }
}

/// Digits only: `str::parse` would also take a plus sign.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sender_needs_both_headers_and_a_number_from_one() {
        let parse = |id: Option<&'static str>, seq: Option<&'static str>| {
            Sender::parse(|name| match name {
                RUNNER_ID => id,
                RUNNER_SEQ => seq,
                _ => None,
            })
        };
        assert_eq!(parse(Some("5f-A"), Some("7")), Ok(Sender { runner_id: "5f-A".into(), sequence: 7 }));
        assert_eq!(parse(None, Some("7")), Err(Error::MissingHeader(RUNNER_ID)));
        assert_eq!(parse(Some("a"), None), Err(Error::MissingHeader(RUNNER_SEQ)));
        for bad in ["0", "-1", "+1", "", "1.0", "99999999999999999999"] {
            assert!(parse(Some("a"), Some(bad)).is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "ä", "../x"] {
            assert!(parse(Some(bad), Some("1")).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_a_parser_panic(
            body in proptest::collection::vec(any::<u8>(), 0..600),
            values in proptest::collection::vec("[ -~]{0,40}", 7),
        ) {
            let names = [RUNNER_ID, RUNNER_SEQ, PROGRESS, METRICS, LOG_OFFSET, LOG_DROPPED, "content-encoding"];
            let header = |name: &str| {
                names.iter().position(|known| *known == name).map(|index| values[index].as_str())
            };
            let _ = Sender::parse(header);
            let _ = Report::parse(header, &body);
            let _ = Start::parse(&body);
            let _ = Exit::parse(&body);
            let _ = find_exit_marker(String::from_utf8_lossy(&body).lines(), "att_1");
        }
    }
}

use std::fmt::{self, Write};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Why a runner is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The job was cancelled: end the command, then report its exit.
    Cancel,
    /// The job's time is over: end the command, then report its exit.
    Timeout,
    /// Another runner has the attempt: kill the command and be silent.
    Superseded,
    /// The attempt is over: kill the command and be silent.
    Gone,
}

impl Stop {
    fn word(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Timeout => "timeout",
            Self::Superseded => "superseded",
            Self::Gone => "gone",
        }
    }
}

/// The answer to a message, as the body of a 200 of `text/plain`.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    stop: Option<Stop>,
    every: Option<Duration>,
    secrets: Vec<(String, String)>,
}

impl Reply {
    /// Keep working.
    pub fn go() -> Self {
        Self { stop: None, every: None, secrets: Vec::new() }
    }

    /// End.
    pub fn stop(reason: Stop) -> Self {
        Self { stop: Some(reason), ..Self::go() }
    }

    /// Report at this interval from now on. Finer than a millisecond is not told apart; zero is a millisecond.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = Some(interval);
        self
    }

    /// Put a variable into the command's environment. Only the answer to `start` can. A name that a shell could not
    /// export is left out by the runner.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.secrets.push((name.into(), value.into()));
        self
    }

    /// The body, with its secrets in the clear.
    pub fn into_text(self) -> String {
        let mut text = match self.stop {
            None => "go\n".to_owned(),
            Some(reason) => format!("stop {}\n", reason.word()),
        };
        if let Some(interval) = self.every {
            let milliseconds = interval.as_millis().max(1);
            let _ = writeln!(text, "every {}.{:03}", milliseconds / 1000, milliseconds % 1000);
        }
        for (name, value) in &self.secrets {
            if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                text += &["secret ", name, " ", &STANDARD.encode(value), "\n"].concat();
            }
        }
        text
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.secrets.iter().map(|(name, _)| name.as_str()).collect();
        formatter
            .debug_struct("Reply")
            .field("stop", &self.stop)
            .field("every", &self.every)
            .field("secrets", &names)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_lines() {
        let reply = Reply::go().every(Duration::from_secs(2)).secret("HF_TOKEN", "fake\nsecret");
        assert!(!format!("{reply:?}").contains("fake"));
        assert_eq!(reply.into_text(), "go\nevery 2.000\nsecret HF_TOKEN ZmFrZQpzZWNyZXQ=\n");
        assert_eq!(Reply::stop(Stop::Superseded).into_text(), "stop superseded\n");
        assert_eq!(Reply::go().every(Duration::ZERO).into_text(), "go\nevery 0.001\n");
    }

    #[test]
    fn a_name_cannot_smuggle_a_line() {
        let text = Reply::go().secret("A\nstop gone", "x").secret("", "y").into_text();
        assert_eq!(text, "go\n");
    }
}

//! What a provider adapter gives a container: the variables and the arguments that start the runner in it.

use std::fmt;

/// The container's arguments. They are the same for every job, so nothing of the job shows in a process list.
pub const START_ARGS: [&str; 3] = ["sh", "-c", "eval \"$GPU_RUNNER\""];

/// [`START_ARGS`] as owned words, the form in which a provider's request takes them.
pub fn args() -> Vec<String> {
    START_ARGS.map(str::to_owned).to_vec()
}

/// The bearer token of one attempt. It must be visible ASCII without quotes and backslashes, as in an HTTP header.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The token in the clear.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// Everything that the runner of one attempt needs to know. The user's own variables are added by the caller, who
/// must refuse names that begin with `GPU_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Base of the API, without a slash at its end.
    pub api_url: String,
    /// `att_…`
    pub attempt_id: String,
    /// `job_…`
    pub job_id: String,
    /// Which try of the job this is, from 1.
    pub attempt: u32,
    /// Good for this attempt only.
    pub token: Token,
    /// The user's command, a word an element. None is executed through a shell.
    pub command: Vec<String>,
    /// How long the command may run, in seconds; 0 is no limit.
    pub timeout_seconds: u64,
    /// A directory that the runner makes before the command starts.
    pub checkpoint_dir: String,
}

impl Environment {
    /// The container's variables. They include the token in the clear.
    pub fn variables(&self) -> Vec<(String, String)> {
        let command = self.command.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
        [
            ("GPU_API_URL", self.api_url.clone()),
            ("GPU_ATTEMPT_ID", self.attempt_id.clone()),
            ("GPU_JOB_ID", self.job_id.clone()),
            ("GPU_ATTEMPT", self.attempt.to_string()),
            ("GPU_RUNNER_TOKEN", self.token.expose().to_owned()),
            ("GPU_RUNNER", crate::script().to_owned()),
            ("GPU_COMMAND", command),
            ("GPU_TIMEOUT", self.timeout_seconds.to_string()),
            ("GPU_CHECKPOINT_DIR", self.checkpoint_dir.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

/// One word as a POSIX shell reads it back unchanged, whatever it holds. (A NUL cannot stand in an argument at all.)
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_token() {
        let environment = Environment {
            api_url: "http://127.0.0.1:8080".into(),
            attempt_id: "att_1".into(),
            job_id: "job_1".into(),
            attempt: 1,
            token: Token::new("fake-token"),
            command: vec!["echo".into(), "it's".into()],
            timeout_seconds: 60,
            checkpoint_dir: "/tmp/gpu-checkpoint".into(),
        };
        assert!(!format!("{environment:?}").contains("fake-token"));
        let variables = environment.variables();
        assert!(variables.contains(&("GPU_RUNNER_TOKEN".into(), "fake-token".into())));
        assert!(variables.contains(&("GPU_COMMAND".into(), r"'echo' 'it'\''s'".into())));
    }

    #[test]
    fn the_script_fits_an_environment_variable_with_room_to_spare() {
        assert!(crate::script().len() < 16 * 1024, "{} bytes", crate::script().len());
    }
}

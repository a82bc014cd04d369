//! The runner is the one part of the platform that lives in a stranger's container. This crate holds the script
//! that wraps the user's command there, what a provider must give a container so that it starts, and the server's
//! half of the protocol that the two speak.

mod environment;
pub mod protocol;

pub use environment::{Environment, START_ARGS, Token, args, quote};

/// The runner itself, in POSIX sh. It travels in the variable `GPU_RUNNER`.
pub fn script() -> &'static str {
    include_str!("runner.sh")
}

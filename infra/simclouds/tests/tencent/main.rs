//! The simulated Tencent Cloud as a client sees it. Every test has a cloud of its own.

mod access;
mod harness;
mod jobs;
mod pods;
mod trouble;
mod watch;

//! The simulated RunPod over HTTP, with real processes as pods.

mod control;
mod crowd;
mod faults;
mod graphql;
mod harness;
mod life;
mod logs;
mod rest;
mod restart;
mod wire;

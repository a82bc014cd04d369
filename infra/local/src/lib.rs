//! The deployment template on one machine: the same functions, unchanged, with the parts of AWS around them that the
//! template names. A development tool and the ground that the tests stand on; never a server for others, so that it
//! listens on loopback only.

pub mod activity;
pub mod bill;
pub mod clock;
pub mod clouds;
pub mod control;
pub mod edge;
pub mod endpoint;
pub mod filter;
pub mod functions;
pub mod http;
pub mod lambda;
pub mod machines;
pub mod parameters;
pub mod permissions;
pub mod platform;
mod records;
pub mod schedule;
pub mod simulated;
pub mod stream;
pub mod table;
pub mod template;
pub mod websocket;

pub use platform::{Options, Platform, Ready, Stack};

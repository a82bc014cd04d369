//! GPU clouds on loopback, for development and tests.
//!
//! Each simulated cloud speaks the wire protocol of the real one well enough for the cloud's own clients to work
//! unmodified, and runs what it is given as a real local process. It keeps apart what was asked of an instance from
//! what the instance does right now, since that gap is where real clouds hurt. It knows nothing of our own adapters:
//! a mistake shared with them would cancel itself out.
//!
//! Everything submitted here is executed with the rights of the user who started it, so a simulated cloud listens on
//! loopback only and refuses any other address.

pub mod alibaba;
mod at_once;
mod clock;
mod control;
mod faults;
mod ledger;
mod log;
mod process;
pub mod runpod;
mod serve;
mod strike;
pub mod tencent;
mod window;

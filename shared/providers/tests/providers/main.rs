//! The providers against what a caller relies on: [`contract`] for every cloud's simulation, and for each cloud what it
//! sends ([`requests`]) and what it makes of answers that no simulation gives ([`answers`]).

mod alibaba;
mod answers;
mod contract;
mod peer;
mod requests;
mod simulated;
mod tencent;
mod values;

//! Thin clients of AWS behind the ports.
//!
//! Region, credentials and endpoint come from the environment that Lambda sets; nothing else is asked (no profile, no
//! instance metadata), so a client is made in microseconds and the code that would ask is not linked in.

mod connections;
mod environment;
mod parameters;
mod workflows;

pub use connections::Connections;
pub use environment::Environment;
pub use parameters::{ParameterError, Parameters, Secret};
pub use workflows::StepFunctions;

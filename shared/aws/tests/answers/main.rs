//! What the clients make of AWS's answers, said over HTTP as AWS says them.

mod connections;
mod endpoint;
mod parameters;
mod workflows;

//! Tests through the real parts: function processes, DynamoDB's API, WebSockets, processes as jobs. Doubles stand at
//! the edge of the clouds alone.

mod crash;
mod examples;
mod layering;
mod life;
mod machine_cases;
mod money;
mod notifications;
mod routes;
mod runs;
mod secrets;
mod support;
mod sweep;
mod template;
mod thousand;

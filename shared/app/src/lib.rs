//! The use cases of the platform over ports. Nothing here knows of DynamoDB, Step Functions or a cloud's wire.

pub mod accounts;
pub mod admission;
pub mod calls;
pub mod costs;
pub mod jobs;
pub mod machine;
pub mod market;
pub mod mask;
pub mod money;
pub mod notifications;
pub mod notify;
pub mod ports;
pub mod realtime;
pub mod runs;
pub mod scheduler;
pub mod seal;
pub mod secrets;
pub mod workflows;

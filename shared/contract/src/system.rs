//! The platform about itself.

mod docs;

use serde::Serialize;
use utoipa::ToSchema;

pub use docs::Docs;

/// The platform answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Health {
    pub status: Liveness,
}

/// Whether the platform answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    Ok,
}

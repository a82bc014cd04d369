//! The way to an open WebSocket connection: API Gateway's management API.

use app::ports::{Push, PushError};
use async_trait::async_trait;
use aws_sdk_apigatewaymanagement::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
};

use crate::Environment;

/// `@connections` of one WebSocket API.
#[derive(Clone, Debug)]
pub struct Connections {
    client: Client,
}

impl Connections {
    /// The connections behind the management endpoint `endpoint` (`https://….amazonaws.com/stage`).
    pub fn new(environment: &Environment, endpoint: &str) -> Self {
        Self { client: environment.connections(endpoint) }
    }
}

#[async_trait]
impl Push for Connections {
    async fn push(&self, connection: &str, message: &[u8]) -> Result<(), PushError> {
        let sent = self.client.post_to_connection().connection_id(connection).data(Blob::new(message)).send();
        sent.await.map(drop).map_err(failure)
    }

    async fn close(&self, connection: &str) -> Result<(), PushError> {
        match self.client.delete_connection().connection_id(connection).send().await.map_err(failure) {
            Ok(_) | Err(PushError::Gone) => Ok(()),
            Err(other) => Err(other),
        }
    }
}

fn failure<E, R>(error: SdkError<E, R>) -> PushError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    // `BadRequestException` is the answer to an id that never was one.
    match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some("GoneException" | "BadRequestException") => PushError::Gone,
        _ => PushError::Other(Box::new(error)),
    }
}

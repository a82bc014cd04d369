//! DynamoDB's errors as the caller of a store needs them.

use app::ports::StoreError;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// What the caller of a store does about `error`.
pub fn store_error<E, R>(error: SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default().to_owned();
    match code.as_str() {
        "ConditionalCheckFailedException" | "TransactionConflictException" => StoreError::Conflict,
        "ThrottlingException" | "ProvisionedThroughputExceededException" | "RequestLimitExceeded" => {
            StoreError::Busy(Box::new(error))
        }
        _ => StoreError::Other(Box::new(error)),
    }
}

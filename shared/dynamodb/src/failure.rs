//! DynamoDB's errors as the caller of a store needs them.

use std::{error::Error, io};

use app::ports::StoreError;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// What the caller of a store does about `error`.
pub fn store_error<E, R>(error: SdkError<E, R>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    if never_sent(&error) {
        return StoreError::Busy(Box::new(error));
    }
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default().to_owned();
    match code.as_str() {
        "ConditionalCheckFailedException" | "TransactionConflictException" => StoreError::Conflict,
        "ThrottlingException" | "ProvisionedThroughputExceededException" | "RequestLimitExceeded" => {
            StoreError::Busy(Box::new(error))
        }
        _ => StoreError::Other(Box::new(error)),
    }
}

/// A failure that no repeat mends, or that is not known to be mended by one.
pub(crate) fn other(error: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::Other(error.into())
}

/// Whether there was no connection to send the request on: nothing was done, and the same call may go through later. A
/// connection that broke tells nothing of the kind.
fn never_sent<E, R>(error: &SdkError<E, R>) -> bool {
    let SdkError::DispatchFailure(failure) = error else { return false };
    let mut cause = failure.as_connector_error().and_then(Error::source);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable};
            return matches!(
                io.kind(),
                ConnectionRefused | HostUnreachable | NetworkUnreachable | AddrNotAvailable
            );
        }
        cause = error.source();
    }
    false
}

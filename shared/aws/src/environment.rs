//! Where the clients call, and as whom.

use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, timeout::TimeoutConfig};

/// The services' builders have no trait in common.
macro_rules! config {
    ($sdk:ident, $environment:expr, $endpoint:expr) => {{
        let mut builder = $sdk::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region($environment.region.clone())
            .timeout_config(timeouts());
        builder.set_endpoint_url($endpoint);
        if let Some(credentials) = &$environment.credentials {
            builder = builder.credentials_provider(credentials.clone());
        }
        builder.build()
    }};
}

/// What every client of this process is made from.
#[derive(Clone, Debug)]
pub struct Environment {
    region: Region,
    credentials: Option<Credentials>,
    endpoint: Option<String>,
}

impl Environment {
    /// Reads `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and `AWS_ENDPOINT_URL`.
    /// A call without credentials fails when it is signed, not here.
    pub fn from_env() -> Self {
        let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let credentials = var("AWS_ACCESS_KEY_ID")
            .zip(var("AWS_SECRET_ACCESS_KEY"))
            .map(|(id, secret)| Credentials::new(id, secret, var("AWS_SESSION_TOKEN"), None, "environment"));
        Self {
            region: Region::new(var("AWS_REGION").unwrap_or_else(|| "us-east-1".into())),
            credentials,
            endpoint: var("AWS_ENDPOINT_URL"),
        }
    }

    /// An environment that calls `endpoint` instead of AWS.
    pub fn at(endpoint: impl Into<String>) -> Self {
        Self {
            region: Region::new("us-east-1"),
            credentials: Some(Credentials::new("test", "test", None, None, "local")),
            endpoint: Some(endpoint.into()),
        }
    }

    /// A client of DynamoDB.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::from_conf(config!(aws_sdk_dynamodb, self, self.endpoint.clone()))
    }

    pub(crate) fn sfn(&self) -> aws_sdk_sfn::Client {
        aws_sdk_sfn::Client::from_conf(config!(aws_sdk_sfn, self, self.endpoint.clone()))
    }

    pub(crate) fn ssm(&self) -> aws_sdk_ssm::Client {
        aws_sdk_ssm::Client::from_conf(config!(aws_sdk_ssm, self, self.endpoint.clone()))
    }

    /// The management API of a WebSocket API is at an endpoint of its own, locally too.
    pub(crate) fn connections(&self, endpoint: &str) -> aws_sdk_apigatewaymanagement::Client {
        aws_sdk_apigatewaymanagement::Client::from_conf(config!(
            aws_sdk_apigatewaymanagement,
            self,
            Some(endpoint.to_owned())
        ))
    }
}

/// A call that hangs is given up and tried again while the function has time left.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(6))
        .operation_timeout(Duration::from_secs(20))
        .build()
}

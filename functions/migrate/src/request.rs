//! CloudFormation's request to a custom resource, and its answer.

use dynamodb::migrations::{Migrated, MigrationError};
use serde::{Deserialize, Serialize};

/// The one thing that the resource is, in every version.
const RESOURCE: &str = "schema";

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Kind {
    Create,
    Update,
    Delete,
}

/// A request. Without an address for the answer, the invocation's own result is the answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Request {
    #[serde(rename = "RequestType")]
    pub(crate) kind: Kind,
    #[serde(rename = "RequestId")]
    pub(crate) id: String,
    pub(crate) stack_id: String,
    pub(crate) logical_resource_id: String,
    pub(crate) physical_resource_id: Option<String>,
    /// Signed in advance; it is a credential and is not logged.
    #[serde(rename = "ResponseURL")]
    pub(crate) response_url: Option<String>,
}

/// What the deployment goes on by.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Answer {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    physical_resource_id: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    version: u32,
}

impl Answer {
    pub(crate) fn new(request: &Request, outcome: Result<&Option<Migrated>, &MigrationError>) -> Self {
        let (status, reason, data) = match outcome {
            Ok(migrated) => {
                ("SUCCESS", None, migrated.as_ref().map(|migrated| Data { version: migrated.version }))
            }
            Err(error) => ("FAILED", Some(error.to_string()), None),
        };
        Self {
            status,
            reason,
            physical_resource_id: request.physical_resource_id.clone().unwrap_or_else(|| RESOURCE.to_owned()),
            stack_id: request.stack_id.clone(),
            request_id: request.id.clone(),
            logical_resource_id: request.logical_resource_id.clone(),
            data,
        }
    }

    pub(crate) fn to_json(&self) -> String {
        // Only texts and a number: there is nothing that JSON could not hold.
        serde_json::to_string(self).unwrap_or_default()
    }
}

//! What a refusal means for the caller: the cloud's codes, and the cluster's statuses and reasons. They are read here, and
//! nowhere else.

use std::time::Duration;

use app::ports::ProviderError;

use super::wire;
use crate::words::bounded;

/// The meaning of a code of the cloud's own API, which comes with HTTP 200.
pub(super) fn of_code(code: &str, message: &str, retry_after: Option<Duration>) -> ProviderError {
    let said = bounded(&format!("{code}: {message}"));
    let class = code.split('.').next().unwrap_or(code);
    let tells = |words: &[&str]| words.iter().any(|word| code.contains(word));
    match class {
        "RequestLimitExceeded" => ProviderError::RateLimited { retry_after, message: said },
        // A limit on requests is no limit on machines, though some services file it under the same class.
        _ if tells(&["IPLimitExceeded", "UinLimitExceeded", "GlobalRegionUinLimitExceeded"]) => {
            ProviderError::RateLimited { retry_after, message: said }
        }
        "AuthFailure" | "UnauthorizedOperation" => ProviderError::Credentials(said),
        // TKE hides what the key may not do in classes that say something else.
        _ if tells(&["CamNoAuth", "RbacForbidden", "AccountUserNotAuthenticated"]) => {
            ProviderError::Credentials(said)
        }
        "ResourceInsufficient" | "ResourcesSoldOut" | "ResourceUnavailable" => ProviderError::Capacity(said),
        _ if tells(&["InsufficientBalance", "QuotaMax", "QuotaLimit"]) => ProviderError::Quota(said),
        "LimitExceeded" => ProviderError::Quota(said),
        "ResourceNotFound" | "InvalidInstanceId" => ProviderError::NotFound(said),
        "InvalidParameter"
        | "InvalidParameterValue"
        | "InvalidParameterCombination"
        | "MissingParameter"
        | "UnknownParameter"
        | "UnsupportedOperation"
        | "UnsupportedRegion"
        | "UnsupportedProtocol"
        | "InvalidAction"
        | "InvalidRequest"
        | "NoSuchVersion"
        | "NoSuchProduct"
        | "ActionOffline"
        | "InvalidFilter"
        | "InvalidZone"
        | "InvalidRegion" => ProviderError::Invalid(said),
        _ => ProviderError::Unknown(said),
    }
}

/// What a call to the cluster does, since the same refusal of two calls can mean two things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Create,
    Delete,
    Read,
}

/// The meaning of a cluster's answer that is not a success. Only an answer in Kubernetes' own words is believed where it
/// says what is there: between us and the API stands a load balancer with pages of its own.
pub(super) fn of_status(
    deed: Deed,
    status: u16,
    retry_after: Option<Duration>,
    body: &[u8],
) -> ProviderError {
    let Ok(wire::Status { message, reason, details }) = serde_json::from_slice(body) else {
        let said = format!("{status}: {}", bounded(&String::from_utf8_lossy(body)));
        return match status {
            401 => ProviderError::Credentials(said),
            429 => ProviderError::RateLimited { retry_after, message: said },
            _ => ProviderError::Unknown(said),
        };
    };
    let message = message.unwrap_or_default();
    let said = format!("{status} {}: {}", bounded(&reason), bounded(&message));
    match (status, reason.as_str()) {
        (403, _) if ["exceeded quota", "usage per"].iter().any(|words| message.contains(words)) => {
            ProviderError::Quota(said)
        }
        (401 | 403, _) => ProviderError::Credentials(said),
        // What a create call does not find is its namespace.
        (404, _) if deed == Deed::Create => {
            ProviderError::Credentials(format!("{said}: nothing can be made there"))
        }
        (404, "NotFound") => ProviderError::NotFound(said),
        (429, _) => {
            let told = details.and_then(|details| details.retry_after_seconds).map(Duration::from_secs);
            ProviderError::RateLimited { retry_after: retry_after.or(told), message: said }
        }
        // A list that changed under its pages, or a row that changed under its writer, is looked at again.
        (400..=499, _) if !matches!(status, 404 | 408 | 409 | 410) => ProviderError::Invalid(said),
        _ => ProviderError::Unknown(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(error: &ProviderError) -> &'static str {
        match error {
            ProviderError::Capacity(_) => "capacity",
            ProviderError::Quota(_) => "quota",
            ProviderError::RateLimited { .. } => "rate",
            ProviderError::Credentials(_) => "credentials",
            ProviderError::Invalid(_) => "invalid",
            ProviderError::NotFound(_) => "not found",
            ProviderError::Unknown(_) => "unknown",
        }
    }

    #[test]
    fn a_code_of_the_cloud_means_what_the_caller_does_next() {
        for (code, meaning) in [
            ("RequestLimitExceeded", "rate"),
            ("RequestLimitExceeded.IPLimitExceeded", "rate"),
            ("RequestLimitExceeded.UinLimitExceeded", "rate"),
            ("RequestLimitExceeded.GlobalRegionUinLimitExceeded", "rate"),
            ("AuthFailure.SecretIdNotFound", "credentials"),
            ("AuthFailure.SignatureFailure", "credentials"),
            ("AuthFailure.SignatureExpire", "credentials"),
            ("AuthFailure.TokenFailure", "credentials"),
            ("AuthFailure.UnauthorizedOperation", "credentials"),
            ("AuthFailure.InvalidSecretId", "credentials"),
            ("UnauthorizedOperation", "credentials"),
            ("UnauthorizedOperation.CamNoAuth", "credentials"),
            ("InternalError.CamNoAuth", "credentials"),
            ("FailedOperation.RbacForbidden", "credentials"),
            ("InternalError.AccountUserNotAuthenticated", "credentials"),
            ("ResourceInsufficient", "capacity"),
            ("ResourceInsufficient.SpecifiedInstanceType", "capacity"),
            ("ResourceInsufficient.AvailabilityZoneSoldOut", "capacity"),
            ("ResourceInsufficient.CloudDiskSoldOut", "capacity"),
            ("ResourcesSoldOut.SpecifiedInstanceType", "capacity"),
            ("ResourcesSoldOut.AvailableZone", "capacity"),
            ("ResourcesSoldOut.EipInsufficient", "capacity"),
            ("ResourceUnavailable", "capacity"),
            ("LimitExceeded", "quota"),
            ("LimitExceeded.InstanceQuota", "quota"),
            ("LimitExceeded.SpotQuota", "quota"),
            ("FailedOperation.AccountInsufficientBalance", "quota"),
            ("InvalidAccount.InsufficientBalance", "quota"),
            ("InternalError.QuotaMaxClsLimit", "quota"),
            ("ResourceNotFound", "not found"),
            ("ResourceNotFound.ClusterNotFound", "not found"),
            ("InvalidParameter", "invalid"),
            ("InvalidParameterValue.InvalidInstanceType", "invalid"),
            ("InvalidParameterValue.ZoneNotSupported", "invalid"),
            ("MissingParameter", "invalid"),
            ("UnknownParameter", "invalid"),
            ("UnsupportedRegion", "invalid"),
            ("InvalidAction", "invalid"),
            ("NoSuchVersion", "invalid"),
            ("InternalError", "unknown"),
            ("InternalError.UnexpectedInternal", "unknown"),
            ("InternalServerError", "unknown"),
            ("FailedOperation.KubeClientConnection", "unknown"),
            ("ResourceInUse", "unknown"),
            ("ServiceUnavailable", "unknown"),
            ("SomethingNew", "unknown"),
            ("", "unknown"),
        ] {
            let error = of_code(code, "in the cloud's words", None);
            assert_eq!(kind(&error), meaning, "{code}");
            assert!(error.to_string().contains("in the cloud's words"), "{error}");
        }
    }

    #[test]
    fn a_status_of_the_cluster_means_what_the_caller_does_next() {
        use Deed::{Create, Delete, Read};
        let quota = r#"pods "x" is forbidden: exceeded quota: gpu, requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=8, limited: requests.nvidia.com/gpu=8"#;
        let range = r#"pods "x" is forbidden: maximum cpu usage per Container is 4, but limit is 8"#;
        let rbac = r#"jobs.batch is forbidden: User "u" cannot create resource "jobs" in API group "batch""#;
        for (deed, status, reason, message, meaning) in [
            (Create, 400, "BadRequest", "the object provided is unrecognized", "invalid"),
            (Read, 401, "Unauthorized", "Unauthorized", "credentials"),
            (Create, 403, "Forbidden", quota, "quota"),
            (Create, 403, "Forbidden", range, "quota"),
            (Create, 403, "Forbidden", rbac, "credentials"),
            (Read, 403, "Forbidden", rbac, "credentials"),
            (Create, 404, "NotFound", "namespaces \"gpu\" not found", "credentials"),
            (Read, 404, "NotFound", "jobs.batch \"x\" not found", "not found"),
            (Delete, 404, "NotFound", "jobs.batch \"x\" not found", "not found"),
            // A path that the API does not have says nothing of a job.
            (Read, 404, "", "the server could not find the requested resource", "unknown"),
            (Read, 405, "MethodNotAllowed", "", "invalid"),
            (Read, 408, "Timeout", "", "unknown"),
            (Delete, 409, "Conflict", "the object has been modified", "unknown"),
            (Read, 410, "Expired", "The provided continue parameter is too old", "unknown"),
            (Create, 413, "RequestEntityTooLarge", "", "invalid"),
            (Create, 422, "Invalid", "Job.batch \"x\" is invalid", "invalid"),
            (Create, 429, "TooManyRequests", "", "rate"),
            (Create, 500, "InternalError", "etcdserver: leader changed", "unknown"),
            (Create, 503, "ServiceUnavailable", "", "unknown"),
            (Create, 504, "Timeout", "", "unknown"),
        ] {
            let body = serde_json::json!({"kind": "Status", "status": "Failure", "reason": reason,
                "message": message, "code": status})
            .to_string();
            let error = of_status(deed, status, None, body.as_bytes());
            assert_eq!(kind(&error), meaning, "{deed:?} {status} {message}");
            assert!(message.is_empty() || error.to_string().contains(message), "{error}");
        }
        for (status, meaning) in [
            (200, "unknown"),
            (302, "unknown"),
            (401, "credentials"),
            (404, "unknown"),
            (429, "rate"),
            (502, "unknown"),
        ] {
            assert_eq!(kind(&of_status(Read, status, None, b"<html>")), meaning, "{status}");
        }
    }

    #[test]
    fn the_header_says_how_long_and_else_the_body() {
        let body = br#"{"kind": "Status", "reason": "TooManyRequests", "details": {"retryAfterSeconds": 3}}"#;
        for (header, seconds) in [(None, 3), (Some(Duration::from_secs(9)), 9)] {
            let error = of_status(Deed::Read, 429, header, body);
            let ProviderError::RateLimited { retry_after, .. } = error else { panic!("{error:?}") };
            assert_eq!(retry_after, Some(Duration::from_secs(seconds)));
        }
    }
}

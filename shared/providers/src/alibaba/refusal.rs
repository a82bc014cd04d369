//! What a refusal of Alibaba Cloud means for the caller: its documented codes, in one table.

use std::time::Duration;

use app::ports::ProviderError;
use serde::Deserialize;

pub(super) use crate::words::bounded;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Capacity,
    Quota,
    RateLimited,
    Credentials,
    Invalid,
    NotFound,
    Unknown,
}

/// Codes, the first match counts. One that ends in `*` stands for all that begin so.
const CODES: &[(&str, Meaning)] = &[
    // Sold out, or not sold there: another place or type may have it
    ("OperationDenied.NoStock", Meaning::Capacity),
    ("OperationDenied.ZoneSystemCategoryNotMatch", Meaning::Capacity),
    ("Zone.NotOnSale", Meaning::Capacity),
    ("Zone.NotOpen", Meaning::Capacity),
    ("ResourceNotAvailable", Meaning::Capacity),
    ("InvalidResourceType.NotSupported", Meaning::Capacity),
    ("InvalidInstanceType.ZoneNotSupported", Meaning::Capacity),
    ("InvalidInstanceType.NotSupported*", Meaning::Capacity),
    ("InvalidInstanceType.ValueNotSupported", Meaning::Capacity),
    ("InvalidInstanceType.ValueUnauthorized", Meaning::Capacity),
    ("InvalidSpotPriceLimit.LowerThanPublicPrice", Meaning::Capacity),
    ("SpotPriceLimit.LowerThanPublicPrice", Meaning::Capacity),
    ("SpotRestrict.NotSupported", Meaning::Capacity),
    // The account may not have more, or cannot pay
    ("QuotaExceed*", Meaning::Quota),
    ("InvalidVSwitchId.IpNotEnough", Meaning::Quota),
    ("InsufficientBalance", Meaning::Quota),
    ("InvalidAccountStatus.NotEnoughBalance", Meaning::Quota),
    ("Account.Arrearage", Meaning::Quota),
    // Later; nothing was done
    ("Throttling*", Meaning::RateLimited),
    ("IncorrectInstanceStatus.Initializing", Meaning::RateLimited),
    ("IncorrectInstanceStatus", Meaning::RateLimited),
    // The key, its rights, or our clock
    ("InvalidAccessKeyId*", Meaning::Credentials),
    ("InvalidAccessKeySecret", Meaning::Credentials),
    ("SignatureDoesNotMatch", Meaning::Credentials),
    ("IncompleteSignature", Meaning::Credentials),
    ("InvalidTimeStamp*", Meaning::Credentials),
    ("InvalidSecurityToken*", Meaning::Credentials),
    ("Forbidden*", Meaning::Credentials),
    ("NoPermission*", Meaning::Credentials),
    ("NotAuthorized*", Meaning::Credentials),
    ("RealNameAuthenticationError", Meaning::Credentials),
    ("InvalidInstanceId.NotFound", Meaning::NotFound),
    ("InvalidInstance.NotFound", Meaning::NotFound),
    // Something was asked for under this token before: look for it
    ("IdempotentParameterMismatch", Meaning::Unknown),
    ("IdempotentProcessing", Meaning::Unknown),
    ("LastTokenProcessing", Meaning::Unknown),
    ("SignatureNonceUsed", Meaning::Unknown),
    ("OperationConflict", Meaning::Unknown),
    ("InternalError", Meaning::Unknown),
    ("ServiceUnavailable", Meaning::Unknown),
];

/// The body of an error.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Problem {
    code: String,
    #[serde(default)]
    message: String,
}

fn meaning(status: u16, code: &str) -> Meaning {
    let known = CODES.iter().find(|(pattern, _)| match pattern.strip_suffix('*') {
        Some(beginning) => code.starts_with(beginning),
        None => code == *pattern,
    });
    match known {
        Some((_, meaning)) => *meaning,
        // A code that is not in the table is still a clear refusal where the status says so.
        None if status == 429 => Meaning::RateLimited,
        None if status == 401 => Meaning::Credentials,
        None if (400..500).contains(&status) && !matches!(status, 408 | 409) => Meaning::Invalid,
        None => Meaning::Unknown,
    }
}

/// The meaning of an answer that is no success, in the cloud's own words without `secret`.
pub(super) fn of_answer(
    status: u16,
    body: &[u8],
    retry_after: Option<Duration>,
    hide: impl Fn(String) -> String,
) -> ProviderError {
    // A list would be read as a problem by the order of its parts.
    let object = body.trim_ascii_start().starts_with(b"{");
    let Some(problem) = serde_json::from_slice::<Problem>(body).ok().filter(|_| object) else {
        let said = hide(bounded(&format!("{status}: {}", String::from_utf8_lossy(body))));
        return ProviderError::Unknown(said);
    };
    let message = hide(bounded(&format!("{}: {}", problem.code, problem.message)));
    match meaning(status, &problem.code) {
        Meaning::Capacity => ProviderError::Capacity(message),
        Meaning::Quota => ProviderError::Quota(message),
        Meaning::RateLimited => ProviderError::RateLimited { retry_after, message },
        Meaning::Credentials => ProviderError::Credentials(message),
        Meaning::Invalid => ProviderError::Invalid(message),
        Meaning::NotFound => ProviderError::NotFound(message),
        Meaning::Unknown => ProviderError::Unknown(message),
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
    fn a_code_means_what_the_caller_does_next() {
        let cases = [
            (403, "OperationDenied.NoStock", "capacity"),
            (403, "OperationDenied.ZoneSystemCategoryNotMatch", "capacity"),
            (403, "Zone.NotOnSale", "capacity"),
            (403, "Zone.NotOpen", "capacity"),
            (404, "ResourceNotAvailable", "capacity"),
            (400, "InvalidResourceType.NotSupported", "capacity"),
            (403, "InvalidInstanceType.ZoneNotSupported", "capacity"),
            (403, "InvalidInstanceType.NotSupportDiskCategory", "invalid"),
            (400, "InvalidInstanceType.NotSupported", "capacity"),
            (400, "InvalidInstanceType.ValueNotSupported", "capacity"),
            (403, "InvalidInstanceType.ValueUnauthorized", "capacity"),
            (400, "InvalidSpotPriceLimit.LowerThanPublicPrice", "capacity"),
            (400, "SpotPriceLimit.LowerThanPublicPrice", "capacity"),
            (400, "SpotRestrict.NotSupported", "capacity"),
            (403, "QuotaExceed.ElasticQuota", "quota"),
            (403, "QuotaExceeded.PublicIpAddress", "quota"),
            (400, "InvalidVSwitchId.IpNotEnough", "quota"),
            (403, "InsufficientBalance", "quota"),
            (403, "InvalidAccountStatus.NotEnoughBalance", "quota"),
            (403, "Account.Arrearage", "quota"),
            (400, "Throttling", "rate"),
            (400, "Throttling.User", "rate"),
            (429, "Throttling.Resource", "rate"),
            (503, "Throttling.Api", "rate"),
            (403, "IncorrectInstanceStatus.Initializing", "rate"),
            (403, "IncorrectInstanceStatus", "rate"),
            (404, "InvalidAccessKeyId.NotFound", "credentials"),
            (403, "InvalidAccessKeyId.Inactive", "credentials"),
            (400, "InvalidAccessKeySecret", "credentials"),
            (400, "SignatureDoesNotMatch", "credentials"),
            (400, "IncompleteSignature", "credentials"),
            (400, "InvalidTimeStamp.Expired", "credentials"),
            (400, "InvalidSecurityToken.Expired", "credentials"),
            (403, "Forbidden.RAM", "credentials"),
            (403, "NoPermission", "credentials"),
            (403, "NotAuthorized", "credentials"),
            (403, "RealNameAuthenticationError", "credentials"),
            (404, "InvalidInstanceId.NotFound", "not found"),
            (404, "InvalidInstance.NotFound", "not found"),
            (400, "IdempotentParameterMismatch", "unknown"),
            (403, "IdempotentProcessing", "unknown"),
            (403, "LastTokenProcessing", "unknown"),
            (400, "SignatureNonceUsed", "unknown"),
            (409, "OperationConflict", "unknown"),
            (500, "InternalError", "unknown"),
            (503, "ServiceUnavailable", "unknown"),
            (400, "InvalidParameter", "invalid"),
            (404, "InvalidImageId.NotFound", "invalid"),
            (400, "OfNoTable", "invalid"),
            (401, "OfNoTable", "credentials"),
            (429, "OfNoTable", "rate"),
            (408, "OfNoTable", "unknown"),
            (409, "OfNoTable", "unknown"),
            (502, "OfNoTable", "unknown"),
            (302, "OfNoTable", "unknown"),
        ];
        for (status, code, meaning) in cases {
            let body = format!(r#"{{"RequestId":"x","Code":"{code}","Message":"said so"}}"#);
            let error = of_answer(status, body.as_bytes(), None, |words| words);
            assert_eq!(kind(&error), meaning, "{status} {code}");
            assert!(error.to_string().contains(&format!("{code}: said so")), "{error} keeps the words");
        }
        for (pattern, _) in CODES {
            let tested = cases.iter().any(|(_, code, _)| match pattern.strip_suffix('*') {
                Some(beginning) => code.starts_with(beginning),
                None => code == pattern,
            });
            assert!(tested, "{pattern} has no case");
        }
    }

    #[test]
    fn what_is_no_answer_of_the_cloud_is_no_refusal() {
        for body in
            ["<html>Bad Gateway</html>", "", "[]", r#"["Throttling", "x"]"#, r#"{"Message":"no code"}"#]
        {
            assert_eq!(kind(&of_answer(403, body.as_bytes(), None, |words| words)), "unknown", "{body}");
        }
    }
}

//! What a refusal of RunPod means for the caller.
//!
//! RunPod has no error codes: REST v2 answers 400 both for a broken rule and for no capacity, and GraphQL answers 200 with
//! a sentence. So the sentences are read here, and nowhere else.

use std::time::Duration;

use app::ports::ProviderError;

use super::wire;
pub(super) use crate::words::bounded;

/// What a call does, since the same refusal of two calls can mean two things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// Makes a pod.
    Create,
    /// Gives one back.
    Delete,
    Read,
}

/// The meaning of a status that is not a success.
pub(super) fn of_status(
    deed: Deed,
    status: u16,
    retry_after: Option<Duration>,
    words: String,
) -> ProviderError {
    let said = format!("{status}: {words}");
    match status {
        400 if deed == Deed::Create && tells(&words, CAPACITY) => ProviderError::Capacity(said),
        // The account may not use that pool of GPUs; it may use the others.
        403 if deed == Deed::Create && tells(&words, &["pool", "gpu type"]) => ProviderError::Capacity(said),
        401 | 403 => ProviderError::Credentials(said),
        402 => ProviderError::Quota(said),
        404 if deed != Deed::Create => ProviderError::NotFound(said),
        // Documented for pods of a cluster alone, which ours never are: something is under way, look again.
        409 if deed == Deed::Delete => ProviderError::Unknown(said),
        429 => ProviderError::RateLimited { retry_after, message: said },
        400..=499 if status != 408 => ProviderError::Invalid(said),
        _ => ProviderError::Unknown(said),
    }
}

/// The meaning of GraphQL's `errors`, of which the first one counts.
pub(super) fn of_graphql(errors: &[wire::GraphQlError]) -> ProviderError {
    let words = bounded(&errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("; "));
    let code =
        errors.first().and_then(|error| error.extensions.as_ref()?.code.as_deref()).unwrap_or_default();
    let is = |texts: &[&str]| tells(&words, texts);
    if is(CAPACITY) || is(&["bid price", "your bid", "minimum bid", "bidpergpu"]) {
        ProviderError::Capacity(words)
    } else if is(&["rate limit", "too many requests"]) {
        ProviderError::RateLimited { retry_after: None, message: words }
    } else if is(&["balance", "funds", "quota", "spend limit", "spending limit", "payment"]) {
        ProviderError::Quota(words)
    } else if matches!(code, "UNAUTHENTICATED" | "FORBIDDEN")
        || is(&["unauthorized", "not authorized", "unauthenticated", "forbidden", "permission", "api key"])
    {
        ProviderError::Credentials(words)
    } else if is(&["pod not found", "pod does not exist"]) {
        ProviderError::NotFound(words)
    } else if matches!(code, "GRAPHQL_VALIDATION_FAILED" | "GRAPHQL_PARSE_FAILED" | "BAD_USER_INPUT")
        || is(&["cannot query field", "syntax error", "must be", "is required", "invalid"])
    {
        ProviderError::Invalid(words)
    } else {
        ProviderError::Unknown(words)
    }
}

const CAPACITY: &[&str] = &[
    "no capacity",
    "insufficient capacity",
    "not enough capacity",
    "out of capacity",
    "capacity unavailable",
    "no longer any instances",
    "no instances",
    "no machines",
    "no gpus available",
    "not enough free gpus",
    "no available",
    "not available",
    "currently unavailable",
    "out of stock",
    "could not be placed",
    "does not have the resources",
    "no resources",
];

fn tells(words: &str, texts: &[&str]) -> bool {
    let words = words.to_lowercase();
    texts.iter().any(|text| words.contains(text))
}

/// What a body says: RunPod's own sentence where there is one, else its beginning.
pub(super) fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let Ok(problem) = serde_json::from_slice::<wire::Problem>(body) else { return bounded(&text) };
    let entries = problem.errors.into_iter().map(|entry| match entry {
        wire::ProblemEntry::Text(text) | wire::ProblemEntry::Message { message: text } => text,
    });
    let said: Vec<String> = problem.detail.or(problem.title).into_iter().chain(entries).collect();
    if said.is_empty() { bounded(&text) } else { bounded(&said.join("; ")) }
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
    fn a_status_means_what_the_caller_does_next() {
        for (deed, status, detail, meaning) in [
            (Deed::Create, 400, "no capacity (stub text)", "capacity"),
            (
                Deed::Create,
                400,
                "There are no longer any instances available with the request specifications",
                "capacity",
            ),
            (Deed::Create, 400, "gpu and cpu are mutually exclusive", "invalid"),
            (Deed::Read, 400, "product is required; not available otherwise", "invalid"),
            (Deed::Create, 401, "missing bearer token", "credentials"),
            (Deed::Create, 402, "insufficient balance", "quota"),
            (Deed::Create, 403, "access denied", "credentials"),
            (Deed::Create, 403, "no access to the requested pool", "capacity"),
            (Deed::Read, 404, "resource not found", "not found"),
            (Deed::Delete, 404, "resource not found", "not found"),
            (Deed::Create, 404, "template not found", "invalid"),
            (Deed::Create, 408, "", "unknown"),
            (Deed::Create, 409, "conflict", "invalid"),
            (Deed::Delete, 409, "pod belongs to a cluster", "unknown"),
            (Deed::Create, 422, "Request validation failed.", "invalid"),
            (Deed::Create, 429, "rate limit exceeded", "rate"),
            (Deed::Create, 500, "", "unknown"),
            (Deed::Create, 503, "no capacity", "unknown"),
            (Deed::Create, 302, "", "unknown"),
            (Deed::Create, 200, "<html>", "unknown"),
        ] {
            let error = of_status(deed, status, None, detail.to_owned());
            assert_eq!(kind(&error), meaning, "{deed:?} {status} {detail}");
            assert!(error.to_string().contains(detail), "{error} keeps the words");
        }
    }

    #[test]
    fn a_graphql_sentence_means_what_the_caller_does_next() {
        for (message, meaning) in [
            (
                "There are no longer any instances available with the requested specifications. Please refresh and try again.",
                "capacity",
            ),
            (
                "This machine does not have the resources to deploy your pod. Please try a different machine.",
                "capacity",
            ),
            ("Bid price is lower than the minimum", "capacity"),
            ("Your account balance is too low", "quota"),
            ("Too many requests, slow down", "rate"),
            ("Unauthorized", "credentials"),
            ("Forbidden", "credentials"),
            ("pod not found to terminate", "not found"),
            ("Cannot query field \"x\" on type \"Pod\".", "invalid"),
            ("Something went wrong. Please try again later or contact support.", "unknown"),
        ] {
            let error = wire::GraphQlError { message: message.to_owned(), extensions: None };
            assert_eq!(kind(&of_graphql(&[error])), meaning, "{message}");
        }
    }

    #[test]
    fn words_are_the_providers_own_and_bounded() {
        let json = br#"{"title":"Unprocessable Entity","status":422,"detail":"Request validation failed.","errors":["$: no"]}"#;
        assert_eq!(words(json), "Request validation failed.; $: no");
        assert_eq!(words(br#"{"errors":[{"message":"Unauthorized"}]}"#), "Unauthorized");
        assert_eq!(words(b"<html>\n\x1b[31mBad\x00 Gateway"), "<html> [31mBad Gateway");
        assert_eq!(words(b""), "no words");
        assert_eq!(words("é".repeat(9_000).as_bytes()).chars().count(), 500);
    }
}

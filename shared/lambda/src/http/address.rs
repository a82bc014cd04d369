//! Where a request comes from, and what it asks for, as API Gateway says it.

use std::{convert::Infallible, fmt::Write};

use axum::extract::FromRequestParts;
use http::request::Parts;
use lambda_http::request::{LambdaRequest, RequestContext};

/// The client's address as API Gateway saw it. Headers such as `X-Forwarded-For` are the client's own words and do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceAddress(pub String);

impl<S: Sync> FromRequestParts<S> for SourceAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let address = match parts.extensions.get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.clone(),
            _ => None,
        };
        Ok(Self(address.unwrap_or_else(|| "unknown".into())))
    }
}

/// API Gateway hands on a path with its escapes undone, so it may hold what no URI may: the conversion to a request would
/// panic on it.
pub(super) fn repaired(mut request: LambdaRequest) -> LambdaRequest {
    if let LambdaRequest::ApiGatewayV2(http) = &mut request {
        for part in [&mut http.raw_path, &mut http.raw_query_string].into_iter().flatten() {
            if part.bytes().any(is_foreign) {
                *part = escaped(part);
            }
        }
    }
    request
}

fn is_foreign(b: u8) -> bool {
    !b.is_ascii_graphic() || b"\"<>\\^`{|}#".contains(&b)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for b in text.bytes() {
        if is_foreign(b) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "%{b:02X}");
        } else {
            escaped.push(char::from(b));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_uri_may_hold_is_escaped() {
        assert_eq!(escaped("/v1/jobs/a b\u{7}#é|%20"), "/v1/jobs/a%20b%07%23%C3%A9%7C%20");
        assert!(escaped("/v1/\u{0}\"<>\\^`{|}").parse::<http::Uri>().is_ok());
    }
}

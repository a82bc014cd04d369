//! ARNs of machines and executions, and the names in them.

use super::ApiError;
use crate::Config;

fn invalid(why: &str) -> ApiError {
    ApiError::new("InvalidArn", format!("Invalid Arn: '{why}'"))
}

/// The parts after the account, if the resource is of that type.
fn resource<'a>(arn: &'a str, wanted: &str) -> Result<Vec<&'a str>, ApiError> {
    let parts: Vec<&str> = arn.split(':').collect();
    if parts[0] != "arn" {
        return Err(invalid(&format!("Invalid ARN prefix: {arn}")));
    }
    if parts.len() < 7 || parts[2] != "states" {
        return Err(invalid(&format!("Invalid ARN: {arn}")));
    }
    if parts[5] != wanted {
        return Err(invalid(&format!("Resource type not valid in this context: {}", parts[5])));
    }
    Ok(parts[6..].to_vec())
}

/// A machine's ARN without a version, and the version.
pub(super) fn machine(arn: &str) -> Result<(String, Option<i64>), ApiError> {
    match resource(arn, "stateMachine")?[..] {
        [_] => Ok((arn.to_owned(), None)),
        [_, version] => {
            let number = version.parse().map_err(|_| invalid(&format!("Invalid ARN: {arn}")))?;
            Ok((arn[..arn.len() - version.len() - 1].to_owned(), Some(number)))
        }
        _ => Err(invalid(&format!("Invalid ARN: {arn}"))),
    }
}

pub(super) fn check_execution(arn: &str) -> Result<(), ApiError> {
    match resource(arn, "execution")?[..] {
        [_, _] => Ok(()),
        _ => Err(invalid(&format!("Invalid ARN: {arn}"))),
    }
}

pub(super) fn check_activity(arn: &str) -> Result<(), ApiError> {
    resource(arn, "activity").map(drop)
}

/// A name for a machine, an execution or an activity.
pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    const FORBIDDEN: &str = " <>{}[]?*\"#%\\^|~`$&,;:/";
    let bad = |c: char| FORBIDDEN.contains(c) || c.is_control() || c.is_whitespace();
    if name.is_empty() || name.chars().count() > 80 || name.chars().any(bad) {
        return Err(ApiError::new("InvalidName", format!("Invalid Name: '{name}'")));
    }
    Ok(())
}

/// `arn:aws:states:REGION:ACCOUNT:KIND:NAME`
pub(super) fn make(config: &Config, kind: &str, name: &str) -> String {
    format!("arn:aws:states:{}:{}:{kind}:{name}", config.region, config.account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns() {
        let arn = "arn:aws:states:us-east-1:000000000000:stateMachine:a.b";
        assert_eq!(machine(arn), Ok((arn.to_owned(), None)));
        assert_eq!(machine(&format!("{arn}:3")), Ok((arn.to_owned(), Some(3))));
        let message = |e: ApiError| e.message;
        assert_eq!(machine("x").map_err(message), Err("Invalid Arn: 'Invalid ARN prefix: x'".to_owned()));
        let express = "arn:aws:states:us-east-1:000000000000:express:a:b:c";
        let wanted = "Invalid Arn: 'Resource type not valid in this context: express'".to_owned();
        assert_eq!(check_execution(express).map_err(message), Err(wanted));
    }

    #[test]
    fn names() {
        assert!(check_name("job_1.x-2").is_ok());
        for bad in ["", "a b", "a/b", "a:b", "a\u{7f}", &"x".repeat(81)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}

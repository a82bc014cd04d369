//! Ids are types: a job's id cannot be passed where a user's is due.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id like {prefix}_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
pub struct InvalidId {
    /// The prefix that ids of this kind carry.
    pub prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix in front of the UUIDv7, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// An id from a UUIDv7 that the caller's `Ids` port made.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID without its prefix.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { prefix: $prefix };
                let hex = text.strip_prefix(concat!($prefix, "_")).ok_or(invalid.clone())?;
                // Only the form that we print: one job has one spelling, in keys and in URLs.
                if hex.len() != 32 || hex.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(invalid);
                }
                Uuid::try_parse(hex).map(Self).map_err(|_| invalid)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

id!(/// A person or a machine that has an account.
    UserId, "usr");
id!(/// A submitted job.
    JobId, "job");
id!(/// One try of a job on one instance. It is also the client token of the create call and the instance's name.
    AttemptId, "att");
id!(/// A workflow, whatever its version.
    WorkflowId, "wfl");
id!(/// One execution of a workflow.
    RunId, "run");
id!(/// A schedule of a workflow.
    ScheduleId, "sch");
id!(/// Where notifications are sent.
    EndpointId, "whk");
id!(/// One message to somebody else's server, however often it is tried.
    CallId, "msg");
id!(/// An API key's public half.
    ApiKeyId, "key");
id!(/// A chain of refresh tokens that began with one sign-in.
    SessionId, "ses");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_printed_and_parsed_the_same() {
        let id = JobId::new(Uuid::from_u128(7));
        assert_eq!(id.to_string(), "job_00000000000000000000000000000007");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn other_kinds_and_other_spellings_are_refused() {
        for text in
            ["", "job_", "usr_00000000000000000000000000000007", "job_0000000000000000000000000000000G"]
        {
            assert!(text.parse::<JobId>().is_err(), "{text}");
        }
        assert!("job_0000000000000000000000000000000A".parse::<JobId>().is_err());
        assert!("job_00000000-0000-0000-0000-000000000007".parse::<JobId>().is_err());
    }
}

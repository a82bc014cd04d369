//! A batch of the table's stream as Lambda hands it over: messages to send, and ends to tell of. Only what is read here
//! is named.

use std::collections::HashMap;

use domain::{CallId, UserId, job, workflow};
use dynamodb::{
    item::DOC,
    keys::{PK, SK},
};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Record {
    #[serde(rename = "dynamodb")]
    pub(crate) change: Change,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Change {
    pub(crate) sequence_number: String,
    /// The row as it is now; a removal has none.
    #[serde(default)]
    new_image: HashMap<String, Attribute>,
}

/// An attribute of a kind that is read here.
#[derive(Deserialize)]
enum Attribute {
    S(String),
    #[serde(untagged)]
    Other(serde::de::IgnoredAny),
}

/// What a row asks for.
#[derive(Debug)]
pub(crate) enum Wanted {
    Send(CallId),
    TellOfJob { owner: UserId, event: job::Event },
    TellOfRun { owner: UserId, event: workflow::RunEvent },
}

/// Why a row asks for nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the row has no {0}")]
    Missing(&'static str),
    #[error("the row is of no kind that asks for anything")]
    Kind,
    #[error("the row's document is not what its key says")]
    Document(#[from] serde_json::Error),
    #[error("the row has an id that is none")]
    Id(#[from] domain::id::InvalidId),
}

impl Change {
    pub(crate) fn wanted(&self) -> Result<Wanted, Unreadable> {
        let kind = self.text(SK)?;
        match kind.split_once('#').map_or(kind, |(kind, _)| kind) {
            "CALL" => {
                let key = self.text(PK)?;
                Ok(Wanted::Send(key.strip_prefix("CALL#").ok_or(Unreadable::Kind)?.parse()?))
            }
            "EVENT" => Ok(Wanted::TellOfJob {
                owner: self.text("owner")?.parse()?,
                event: serde_json::from_str(self.text(DOC)?)?,
            }),
            "RUNEVENT" => Ok(Wanted::TellOfRun {
                owner: self.text("owner")?.parse()?,
                event: serde_json::from_str(self.text(DOC)?)?,
            }),
            _ => Err(Unreadable::Kind),
        }
    }

    fn text(&self, name: &'static str) -> Result<&str, Unreadable> {
        match self.new_image.get(name) {
            Some(Attribute::S(text)) => Ok(text),
            _ => Err(Unreadable::Missing(name)),
        }
    }
}

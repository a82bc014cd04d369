//! What an endpoint may be.

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    EndpointId, UserId,
    job::{FieldError, Status, paragraph},
};
use url::Url;

use super::{NotificationError, SigningSecret};
use crate::ports::Endpoint;

/// A job ended.
pub const JOB_ENDED: &str = "job.ended";
/// A run of a workflow ended.
pub const RUN_ENDED: &str = "run.ended";

/// Endpoints of one user.
pub const MOST_ENDPOINTS: usize = 20;
const URL_BYTES: usize = 2_048;
const DESCRIPTION_CHARS: usize = 500;

/// An endpoint that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub url: String,
    pub description: String,
    /// Of what it is told: [`JOB_ENDED`], [`RUN_ENDED`].
    pub events: Vec<String>,
    /// Only of ends with one of these statuses; empty means all.
    pub statuses: Vec<String>,
}

/// What is to be changed of an endpoint; nothing of what is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    pub url: Option<String>,
    pub description: Option<String>,
    pub events: Option<Vec<String>>,
    pub statuses: Option<Vec<String>>,
    pub enabled: Option<bool>,
}

impl Wish {
    pub(super) fn check(&self) -> Result<(), NotificationError> {
        let mut errors = Vec::new();
        let mut no = |field: &str, message: String| errors.push(FieldError::new(field, message));
        url(&mut no, &self.url);
        paragraph(&mut no, "description", &self.description, DESCRIPTION_CHARS);
        if self.events.is_empty() {
            no("events", format!("is empty; name {JOB_ENDED}, {RUN_ENDED} or both"));
        }
        for (n, event) in self.events.iter().enumerate() {
            if ![JOB_ENDED, RUN_ENDED].contains(&event.as_str()) {
                no(&format!("events[{n}]"), format!("`{event}` is neither {JOB_ENDED} nor {RUN_ENDED}"));
            } else if self.events[..n].contains(event) {
                no(&format!("events[{n}]"), format!("`{event}` stands there twice"));
            }
        }
        for (n, status) in self.statuses.iter().enumerate() {
            if !is_final(status) {
                no(&format!("statuses[{n}]"), format!("`{status}` is no status of an end, such as failed"));
            } else if self.statuses[..n].contains(status) {
                no(&format!("statuses[{n}]"), format!("`{status}` stands there twice"));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(NotificationError::Invalid(errors)) }
    }
}

impl Change {
    pub(super) fn apply(self, endpoint: &mut Endpoint) -> Result<(), NotificationError> {
        let wish = Wish {
            url: self.url.unwrap_or_else(|| endpoint.url.clone()),
            description: self.description.unwrap_or_else(|| endpoint.description.clone()),
            events: self.events.unwrap_or_else(|| endpoint.events.clone()),
            statuses: self.statuses.unwrap_or_else(|| endpoint.statuses.clone()),
        };
        wish.check()?;
        Wish {
            url: endpoint.url,
            description: endpoint.description,
            events: endpoint.events,
            statuses: endpoint.statuses,
        } = wish;
        if let Some(enabled) = self.enabled {
            endpoint.enabled = enabled;
            endpoint.disabled_reason = endpoint.disabled_reason.take().filter(|_| !enabled);
        }
        Ok(())
    }
}

/// What a secret's seal is bound to.
pub(super) fn place(owner: UserId, id: EndpointId) -> String {
    format!("{owner}/{id}")
}

/// A secret as Standard Webhooks writes it.
pub(super) fn secret(bytes: [u8; 32]) -> SigningSecret {
    SigningSecret(format!("whsec_{}", STANDARD.encode(bytes)))
}

/// The ends of a job and of a run have the same names.
fn is_final(status: &str) -> bool {
    Status::ALL.iter().any(|known| known.is_terminal() && known.as_str() == status)
}

/// What can be known of an address before it is called. Where a name leads is looked at with every call.
fn url(no: &mut impl FnMut(&str, String), text: &str) {
    if text.len() > URL_BYTES {
        return no("url", format!("has {} bytes; at most {URL_BYTES}", text.len()));
    }
    let Some(url) = Url::parse(text).ok().filter(Url::has_host) else {
        return no("url", "is not an address such as https://example.com/hook".to_owned());
    };
    if !matches!(url.scheme(), "https" | "http") {
        no("url", "must begin with https:// or http://".to_owned());
    } else if !url.username().is_empty() || url.password().is_some() {
        no("url", "has a user or a password in it; messages are signed instead".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish() -> Wish {
        Wish {
            url: "https://example.com/hook?team=1".to_owned(),
            description: "Tells the team".to_owned(),
            events: vec![JOB_ENDED.to_owned()],
            statuses: vec!["failed".to_owned(), "timed_out".to_owned()],
        }
    }

    fn fields(wish: &Wish) -> Vec<String> {
        match wish.check() {
            Ok(()) => Vec::new(),
            Err(NotificationError::Invalid(errors)) => errors.into_iter().map(|error| error.field).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn every_field_of_a_wish_is_checked() {
        assert_eq!(fields(&wish()), Vec::<String>::new());
        for url in [
            "",
            "example.com",
            "ftp://example.com",
            "https://u:p@example.com",
            "https://",
            "mailto:a@example.com",
        ] {
            assert_eq!(fields(&Wish { url: url.to_owned(), ..wish() }), ["url"], "{url}");
        }
        assert_eq!(fields(&Wish { url: format!("https://a/{}", "x".repeat(URL_BYTES)), ..wish() }), ["url"]);
        assert_eq!(fields(&Wish { events: Vec::new(), ..wish() }), ["events"]);
        let twice = vec![JOB_ENDED.to_owned(), "job.started".to_owned(), JOB_ENDED.to_owned()];
        assert_eq!(fields(&Wish { events: twice, ..wish() }), ["events[1]", "events[2]"]);
        let statuses = vec!["running".to_owned(), "failed".to_owned(), "failed".to_owned()];
        assert_eq!(fields(&Wish { statuses, ..wish() }), ["statuses[0]", "statuses[2]"]);
    }

    #[test]
    fn a_secret_is_written_as_the_standard_says_and_not_printed() {
        let secret = secret([7; 32]);
        assert_eq!(secret.expose(), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        assert_eq!(format!("{secret:?}"), "***");
    }
}

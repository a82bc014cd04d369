//! What people say of themselves.

use serde::{Deserialize, Serialize};

use crate::{
    job::{FieldError, text},
    money::Currency,
};

/// The part of an account that its owner may change freely. Everything may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub organization: Option<String>,
    pub phone: Option<String>,
    /// The URL of a picture.
    pub avatar: Option<String>,
    /// What amounts are shown in; they are kept in what their provider bills in.
    #[serde(default)]
    pub currency: Currency,
}

/// What becomes of one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Change<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Change<T> {
    pub(super) fn apply(self, to: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *to = None,
            Self::Set(value) => *to = Some(value),
        }
    }
}

impl<T> From<Option<Option<T>>> for Change<T> {
    /// As JSON says it: absent keeps, null clears.
    fn from(field: Option<Option<T>>) -> Self {
        match field {
            None => Self::Keep,
            Some(None) => Self::Clear,
            Some(Some(value)) => Self::Set(value),
        }
    }
}

/// A change of a profile, field by field.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    pub first_name: Change<String>,
    pub last_name: Change<String>,
    pub organization: Change<String>,
    pub phone: Change<String>,
    pub avatar: Change<String>,
    /// Cleared it is what it is for a new account.
    pub currency: Change<Currency>,
}

impl ProfileChange {
    /// The profile after the change, or everything that is wrong with it.
    pub fn apply(self, mut profile: Profile) -> Result<Profile, Vec<FieldError>> {
        self.first_name.apply(&mut profile.first_name);
        self.last_name.apply(&mut profile.last_name);
        self.organization.apply(&mut profile.organization);
        self.phone.apply(&mut profile.phone);
        self.avatar.apply(&mut profile.avatar);
        match self.currency {
            Change::Keep => {}
            Change::Clear => profile.currency = Currency::default(),
            Change::Set(currency) => profile.currency = currency,
        }
        let errors = profile.check();
        if errors.is_empty() { Ok(profile) } else { Err(errors) }
    }
}

impl Profile {
    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut no = |field: &str, message: String| errors.push(FieldError::new(field, message));
        for (field, value, max) in [
            ("first_name", &self.first_name, 100),
            ("last_name", &self.last_name, 100),
            ("organization", &self.organization, 200),
        ] {
            if let Some(value) = value {
                text(&mut no, field, value, 1, max);
            }
        }
        if self.phone.as_deref().is_some_and(|phone| !is_phone(phone)) {
            no("phone", "is not a phone number; expected something like +86 10 1234 5678".into());
        }
        if self.avatar.as_deref().is_some_and(|url| !is_https(url)) {
            no("avatar", "is not the URL of a picture; expected https://…, at most 2048 bytes".into());
        }
        errors
    }
}

fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    text.len() <= 32
        && (5..=15).contains(&digits)
        && text
            .bytes()
            .enumerate()
            .all(|(i, b)| b.is_ascii_digit() || b" -().".contains(&b) || (b == b'+' && i == 0))
}

/// Only `https`: a browser shows it, and a `javascript:` or `data:` URL there would be somebody else's code.
fn is_https(text: &str) -> bool {
    text.len() <= 2048
        && text
            .strip_prefix("https://")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_keeps_null_clears_and_a_value_sets() {
        let before =
            Profile { first_name: Some("Ada".into()), last_name: Some("King".into()), ..Profile::default() };
        let change = ProfileChange {
            last_name: Some(None).into(),
            organization: Some(Some("分析机".to_owned())).into(),
            ..ProfileChange::default()
        };
        let after = change.apply(before).unwrap();
        assert_eq!(after.first_name.as_deref(), Some("Ada"));
        assert_eq!(after.last_name, None);
        assert_eq!(after.organization.as_deref(), Some("分析机"));
    }

    #[test]
    fn every_bad_field_is_named() {
        let set = |text: &str| Change::Set(text.to_owned());
        let change = ProfileChange {
            first_name: set("a\u{7}b"),
            last_name: set(""),
            organization: set(&"x".repeat(201)),
            phone: set("call me"),
            avatar: set("javascript:alert(1)"),
            currency: Change::Keep,
        };
        let fields: Vec<_> =
            change.apply(Profile::default()).unwrap_err().into_iter().map(|e| e.field).collect();
        assert_eq!(fields, ["first_name", "last_name", "organization", "phone", "avatar"]);
    }

    #[test]
    fn phones_and_pictures_are_what_they_claim() {
        for good in ["+86 10 1234 5678", "(030) 123-456", "12345"] {
            assert!(is_phone(good), "{good}");
        }
        for bad in ["1234", "1+2345", "+1234567890123456", "12345x"] {
            assert!(!is_phone(bad), "{bad}");
        }
        assert!(is_https("https://example.com/a.png?s=64"));
        for bad in [
            "http://example.com/a.png",
            "https://",
            "https:///a",
            "https://example.com/ a",
            "data:image/png;base64,",
        ] {
            assert!(!is_https(bad), "{bad}");
        }
    }
}

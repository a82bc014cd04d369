//! What is asked of accounts.

use std::fmt;

use domain::{
    account::{AllowanceChange, Change, ProfileChange},
    job::FieldError,
};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

use super::Role;
use crate::money::{Currency, Price};

/// A new account.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Register {
    #[schema(example = "ada@example.com", max_length = 254)]
    pub email: String,
    /// At least 10 characters, at most 256 bytes.
    #[schema(example = "correct horse battery staple", min_length = 10)]
    pub password: String,
    #[schema(example = "Ada")]
    pub first_name: Option<String>,
    #[schema(example = "Lovelace")]
    pub last_name: Option<String>,
    pub organization: Option<String>,
    pub phone: Option<String>,
    pub avatar: Option<String>,
}

impl Register {
    /// What is said of the person.
    pub fn profile(&mut self) -> ProfileChange {
        let given = |field: &mut Option<String>| field.take().map(Some).into();
        ProfileChange {
            first_name: given(&mut self.first_name),
            last_name: given(&mut self.last_name),
            organization: given(&mut self.organization),
            phone: given(&mut self.phone),
            avatar: given(&mut self.avatar),
            currency: Change::Keep,
        }
    }
}

/// A sign-in.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    #[schema(example = "ada@example.com")]
    pub email: String,
    #[schema(example = "correct horse battery staple")]
    pub password: String,
}

/// A refresh token. Without one the cookie `refresh` counts.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    #[schema(example = "gpur_not-a-real-token")]
    pub refresh_token: Option<String>,
}

/// A change of one's own account. What is absent stays; null clears.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditMe {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "Ada", max_length = 100)]
    pub first_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "Lovelace", max_length = 100)]
    pub last_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "Analytical Engines", max_length = 200)]
    pub organization: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "+44 20 7946 0000", max_length = 32)]
    pub phone: Option<Option<String>>,
    /// The `https` URL of a picture.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "https://example.com/ada.png", max_length = 2048)]
    pub avatar: Option<Option<String>>,
    /// What amounts are shown in; null is USD.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Currency>)]
    pub currency: Option<Option<Currency>>,
}

impl From<EditMe> for ProfileChange {
    fn from(edit: EditMe) -> Self {
        Self {
            first_name: edit.first_name.into(),
            last_name: edit.last_name.into(),
            organization: edit.organization.into(),
            phone: edit.phone.into(),
            avatar: edit.avatar.into(),
            currency: edit.currency.map(|given| given.map(Into::into)).into(),
        }
    }
}

/// A field that is there, null or not.
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

/// A new password.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    #[schema(example = "correct horse battery staple")]
    pub current_password: String,
    /// At least 10 characters, at most 256 bytes.
    #[schema(example = "a different horse altogether", min_length = 10)]
    pub new_password: String,
}

/// A key to be made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    #[schema(example = "nightly builds", min_length = 1, max_length = 64)]
    pub name: String,
    /// From then on it is refused; absent or null means never.
    pub expires_at: Option<Timestamp>,
}

/// A change of what an account may do. What is absent stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditUser {
    pub role: Option<Role>,
    pub active: Option<bool>,
    /// Jobs at a time: 1 to 100000; null is what everybody may. Less than what runs ends nothing that runs.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100_000)]
    pub max_jobs: Option<Option<u32>>,
    /// GPUs at a time: 1 to 100000; null is what everybody may.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100_000)]
    pub max_gpus: Option<Option<u32>>,
    /// What its jobs may cost in a calendar month (UTC); null is no limit. Used up, nothing new of it starts.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Price>)]
    pub monthly_budget: Option<Option<Price>>,
}

impl EditUser {
    /// What changes of the account's quotas and budget.
    pub fn allowance(&self) -> Result<AllowanceChange, FieldError> {
        let monthly_budget = match &self.monthly_budget {
            None => Change::Keep,
            Some(None) => Change::Clear,
            Some(Some(price)) => Change::Set(price.read("monthly_budget")?),
        };
        Ok(AllowanceChange { max_jobs: self.max_jobs.into(), max_gpus: self.max_gpus.into(), monthly_budget })
    }
}

/// Which accounts to list.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListUsers {
    /// How many: 1 to 100; 20 unless given.
    #[param(minimum = 1, maximum = 100, example = 20)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

macro_rules! secretive {
    ($($name:ident),+) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })+
    };
}

secretive!(Register, Login, Refresh, ChangePassword);

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn null_and_absent_are_two_things() {
        let edit: EditMe = serde_json::from_value(json!({"first_name": null, "phone": "12345"})).unwrap();
        let change = ProfileChange::from(edit);
        assert_eq!(change.first_name, Change::Clear);
        assert_eq!(change.last_name, Change::Keep);
        assert_eq!(change.phone, Change::Set("12345".into()));
    }

    #[test]
    fn what_nobody_knows_is_refused() {
        let refused = |value: Value| serde_json::from_value::<EditMe>(value).is_err();
        assert!(refused(json!({"role": "admin"})) && refused(json!({"email": "a@example.com"})));
        assert!(refused(json!({"first_name": 7})));
        assert!(serde_json::from_value::<EditUser>(json!({"role": "owner"})).is_err());
    }

    #[test]
    fn a_password_is_not_printed() {
        let login: Login =
            serde_json::from_value(json!({"email": "a@example.com", "password": "not-shown"})).unwrap();
        assert!(!format!("{login:?}").contains("not-shown"));
    }
}

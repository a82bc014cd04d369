//! The query of a call. Names that are not known are ignored, as the apiserver does it.

use super::status::Refusal;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    pub(crate) fn new(text: &str) -> Self {
        Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// An empty value is none.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let wrong = |text: &str| Refusal::bad(format!("{name}: Invalid value: \"{text}\": must be a number"));
        self.text(name).map(|text| text.parse().map_err(|_| wrong(text))).transpose()
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name) {
            Some("true" | "True" | "1") => Ok(true),
            None | Some("false" | "False" | "0") => Ok(false),
            Some(text) => {
                Err(Refusal::bad(format!("{name}: Invalid value: \"{text}\": must be true or false")))
            }
        }
    }
}

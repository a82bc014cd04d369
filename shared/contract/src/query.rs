//! Query strings: every parameter that is wrong, unknown or given twice is named.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use domain::job::FieldError;
use jiff::Timestamp;

/// The parameters of one request. Each is taken once; what is left at the end nobody knows.
#[derive(Debug)]
pub(crate) struct Query {
    given: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let given = form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        Self { given, errors: Vec::new() }
    }

    /// Every value of a parameter that may be repeated.
    pub(crate) fn all(&mut self, name: &str) -> Vec<String> {
        let (mine, others) =
            std::mem::take(&mut self.given).into_iter().partition(|(given, _)| given == name);
        self.given = others;
        let mine: Vec<(String, String)> = mine;
        mine.into_iter().map(|(_, value)| value).collect()
    }

    /// A parameter's text.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let mut values = self.all(name);
        if values.len() > 1 {
            self.no(name, "is given more than once");
        }
        values.pop()
    }

    /// A parameter's text, if it is not empty and has at most `max` characters.
    pub(crate) fn short(&mut self, name: &str, max: usize) -> Option<String> {
        let value = self.text(name)?;
        if value.is_empty() || value.chars().count() > max {
            self.no(name, format!("must have 1 to {max} characters"));
            return None;
        }
        Some(value)
    }

    pub(crate) fn number<T>(&mut self, name: &str, range: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let text = self.text(name)?;
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            self.no(name, format!("must be a whole number from {} to {}", range.start(), range.end()));
        }
        number
    }

    pub(crate) fn time(&mut self, name: &str) -> Option<Timestamp> {
        let text = self.text(name)?;
        let time = text.parse().ok();
        if time.is_none() {
            self.no(name, "must be a time in RFC 3339, such as 2026-01-02T03:04:05Z (with + written as %2B)");
        }
        time
    }

    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.text(name)?.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.no(name, "must be true or false");
                None
            }
        }
    }

    pub(crate) fn no(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(name, message));
    }

    /// `read`, unless something was wrong.
    pub(crate) fn end<T>(mut self, read: T) -> Result<T, Vec<FieldError>> {
        for (name, _) in &self.given {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
            self.errors.push(FieldError::new(shown, "is not a parameter of this operation"));
        }
        if self.errors.is_empty() { Ok(read) } else { Err(self.errors) }
    }
}

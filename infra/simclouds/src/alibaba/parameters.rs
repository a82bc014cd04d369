//! An action's parameters: only those it knows, each in its form.

use super::catalogue;
use super::error::Refusal;
use std::collections::{BTreeMap, BTreeSet};

/// Known to every action, and without effect here.
const COMMON: [&str; 4] = ["OwnerAccount", "OwnerId", "ResourceOwnerAccount", "ResourceOwnerId"];

#[derive(Debug)]
pub(crate) struct Parameters {
    all: BTreeMap<String, String>,
}

impl Parameters {
    /// `known` has `N` where a name has a number: `Tag.N.Key`.
    pub(crate) fn new(all: BTreeMap<String, String>, known: &[&str]) -> Result<Self, Refusal> {
        for name in all.keys() {
            let shape: Vec<&str> = name
                .split('.')
                .map(|part| if part.bytes().all(|byte| byte.is_ascii_digit()) { "N" } else { part })
                .collect();
            let shape = shape.join(".");
            if !known.contains(&shape.as_str()) && !COMMON.contains(&shape.as_str()) {
                return Err(Refusal::invalid(name));
            }
        }
        Ok(Self { all })
    }

    /// An empty value is as good as none.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| Refusal::missing(name))
    }

    pub(crate) fn parse<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        self.text(name).map(|value| value.parse().map_err(|_| Refusal::invalid(name))).transpose()
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.text(name) {
            None => Ok(false),
            Some(word) if word.eq_ignore_ascii_case("true") => Ok(true),
            Some(word) if word.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(Refusal::invalid(name)),
        }
    }

    pub(crate) fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Result<Option<u32>, Refusal> {
        let number = self.parse(name)?;
        if number.is_some_and(|number| !range.contains(&number)) {
            return Err(Refusal::invalid(name));
        }
        Ok(number)
    }

    pub(crate) fn choice(&self, name: &str, words: &[&str]) -> Result<Option<&str>, Refusal> {
        let word = self.text(name);
        if word.is_some_and(|word| !words.contains(&word)) {
            return Err(Refusal::invalid(name));
        }
        Ok(word)
    }

    pub(crate) fn region(&self) -> Result<&str, Refusal> {
        let region = self.need("RegionId")?;
        if catalogue::zones(region).is_none() {
            return Err(Refusal::new(
                404,
                "InvalidRegionId.NotFound",
                "The specified RegionId does not exist.",
            ));
        }
        Ok(region)
    }

    fn indices(&self, name: &str) -> BTreeSet<u32> {
        let prefix = format!("{name}.");
        let number = |name: &String| name.strip_prefix(&prefix)?.split('.').next()?.parse().ok();
        self.all.keys().filter_map(number).collect()
    }

    /// `Name.1`, `Name.2`, ...
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let each = self.indices(name).into_iter();
        each.filter_map(|n| self.text(&format!("{name}.{n}")).map(str::to_owned)).collect()
    }

    /// `Tag.1.Key` and `Tag.1.Value`, ...; without a value any will do in a search.
    pub(crate) fn tags(&self) -> Result<Vec<(String, Option<String>)>, Refusal> {
        let each = self.indices("Tag").into_iter().map(|n| {
            let key = self.text(&format!("Tag.{n}.Key")).ok_or_else(|| {
                Refusal::new(400, "InvalidTagKey.Malformed", "The specified Tag.n.Key is not valid.")
            })?;
            Ok((key.to_owned(), self.all.get(&format!("Tag.{n}.Value")).cloned()))
        });
        let tags: Vec<_> = each.collect::<Result<_, Refusal>>()?;
        if tags.len() > 20 {
            return Err(Refusal::new(
                400,
                "InvalidTagCount",
                "The specified tags are beyond the permitted range.",
            ));
        }
        Ok(tags)
    }

    /// `["i-1","i-2"]`
    pub(crate) fn json_list(&self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        let parse = |text| serde_json::from_str(text).map_err(|_| Refusal::invalid(name));
        self.text(name).map(parse).transpose()
    }

    /// What must be the same when a `ClientToken` comes again.
    pub(crate) fn essence(&self) -> BTreeMap<String, String> {
        let mut all = self.all.clone();
        all.remove("ClientToken");
        all
    }

    pub(crate) fn client_token(&self) -> Result<Option<&str>, Refusal> {
        let token = self.text("ClientToken");
        if token.is_some_and(|token| token.len() > 64 || !token.is_ascii()) {
            return Err(Refusal::new(
                400,
                "InvalidClientToken.Malformed",
                "The specified ClientToken is not valid.",
            ));
        }
        Ok(token)
    }
}

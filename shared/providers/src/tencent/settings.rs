//! The parameter that says which account and which cluster.

use std::fmt;

use serde_json::{Map, Value};
use url::Url;

use crate::ApiKey;

/// How Tencent Cloud is reached, and the cluster that runs the jobs.
#[derive(Debug, Clone)]
pub struct Settings {
    pub secret_id: ApiKey,
    pub secret_key: ApiKey,
    /// The cluster's region: `ap-guangzhou`.
    pub region: String,
    pub cluster_id: String,
    /// The namespace that the jobs are made in.
    pub namespace: String,
    /// The zones whose prices and stock are asked for; empty means every zone of the region.
    pub zones: Vec<String>,
    /// Whether the cluster is called at its address inside the VPC.
    pub intranet: bool,
    /// What stands in for every `*.tencentcloudapi.com` and for the cluster, if anything does.
    pub url: Option<Url>,
}

/// What is wrong with the parameter. It never repeats a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSettings {
    /// The field, or empty for the whole.
    pub field: String,
    expected: &'static str,
}

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, expected } = self;
        if field.is_empty() {
            write!(f, "expected {expected}")
        } else {
            write!(f, "{field}: expected {expected}")
        }
    }
}

impl std::error::Error for InvalidSettings {}

const FIELDS: [&str; 7] =
    ["secret_id", "secret_key", "region", "cluster_id", "namespace", "zones", "intranet"];

impl Settings {
    /// Reads `{"secret_id", "secret_key", "region", "cluster_id", "namespace", "zones", "intranet"}`, of which the
    /// last three may be absent.
    pub fn parse(json: &str) -> Result<Self, InvalidSettings> {
        let invalid = |field: &str, expected| InvalidSettings { field: field.to_owned(), expected };
        let fields: Map<String, Value> =
            serde_json::from_str(json).map_err(|_| invalid("", "a JSON object"))?;
        if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(invalid(unknown, "no such field"));
        }
        let optional = |name: &str| match fields.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
            Some(_) => Err(invalid(name, "a text")),
        };
        let required = |name: &str| optional(name)?.ok_or_else(|| invalid(name, "a text"));
        let zones = match fields.get("zones") {
            None => Vec::new(),
            Some(list) => list
                .as_array()
                .and_then(|list| list.iter().map(|zone| zone.as_str().map(str::to_owned)).collect())
                .ok_or_else(|| invalid("zones", "a list of texts"))?,
        };
        let intranet = match fields.get("intranet") {
            None => false,
            Some(flag) => flag.as_bool().ok_or_else(|| invalid("intranet", "true or false"))?,
        };
        Ok(Self {
            secret_id: ApiKey::new(required("secret_id")?),
            secret_key: ApiKey::new(required("secret_key")?),
            region: required("region")?,
            cluster_id: required("cluster_id")?,
            namespace: optional("namespace")?.unwrap_or_else(|| "default".to_owned()),
            zones,
            intranet,
            url: None,
        })
    }

    /// The same at another base, such as a simulation's. `Err` for what is no URL.
    pub fn at(self, url: &str) -> Result<Self, url::ParseError> {
        Ok(Self { url: Some(Url::parse(url)?), ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_is_read() {
        let settings = Settings::parse(
            r#"{"secret_id": "AKIDFAKE", "secret_key": " fake\n", "region": "ap-guangzhou", "cluster_id": "cls-1",
                "zones": ["ap-guangzhou-6"], "intranet": true}"#,
        )
        .unwrap();
        assert_eq!((settings.namespace.as_str(), settings.intranet), ("default", true));
        assert_eq!(settings.zones, ["ap-guangzhou-6"]);
        assert_eq!(settings.secret_key.expose(), "fake");
    }

    #[test]
    fn the_wrong_field_is_named_and_no_value_is_shown() {
        let base = r#""secret_id": "AKIDFAKE", "secret_key": "HIDDEN", "cluster_id": "cls-1""#;
        for (more, field) in [
            ("", "region"),
            (r#", "region": 3"#, "region"),
            (r#", "region": " ""#, "region"),
            (r#", "region": "r", "zones": "HIDDEN""#, "zones"),
            (r#", "region": "r", "zones": [1]"#, "zones"),
            (r#", "region": "r", "intranet": "yes""#, "intranet"),
            (r#", "region": "r", "namespace": []"#, "namespace"),
            (r#", "region": "r", "secretkey": "HIDDEN""#, "secretkey"),
        ] {
            let error = Settings::parse(&format!("{{{base}{more}}}")).unwrap_err();
            assert_eq!(error.field, field, "{more}");
            assert!(!error.to_string().contains("HIDDEN"), "{error}");
        }
        assert_eq!(Settings::parse("fake-key").unwrap_err().to_string(), "expected a JSON object");
    }
}

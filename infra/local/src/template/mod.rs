//! Reads `infra/template.yaml` the way CloudFormation would, strictly: what is not understood is an error at
//! start, so that nobody relies on a setting that only the deployed platform has.

mod apis;
mod evaluate;
mod resources;
mod unused;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub use apis::{Api, Integration, Protocol, Route};
pub use resources::{Attribute, Custom, EventSource, Function, Index, KeyElement, Machine, Schedule, Table};
pub use unused::NO_COUNTERPART;

/// Who and where the stack pretends to be. Ids appear in ARNs only.
#[derive(Debug, Clone)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// A region's name, such as `us-east-1`.
    pub region: String,
}

impl Default for Account {
    fn default() -> Self {
        Self { id: "000000000000".into(), region: "us-east-1".into() }
    }
}

impl Account {
    /// ARN of a function by its physical name.
    pub fn function_arn(&self, name: &str) -> String {
        format!("arn:aws:lambda:{}:{}:function:{name}", self.region, self.id)
    }
}

/// Everything of the template that this machine runs.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    /// Functions by logical id.
    pub functions: BTreeMap<String, Function>,
    pub tables: BTreeMap<String, Table>,
    pub event_sources: BTreeMap<String, EventSource>,
    pub machines: BTreeMap<String, Machine>,
    pub schedules: BTreeMap<String, Schedule>,
    /// APIs with their routes, already joined with integrations and stages.
    pub apis: BTreeMap<String, Api>,
    /// Resources that a function makes when the stack is deployed.
    pub custom: BTreeMap<String, Custom>,
}

/// Values for the template's parameters.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// Used instead of the template's default, if it has such a parameter.
    pub preset: BTreeMap<String, String>,
    /// Used before all; one that the template does not have is an error.
    pub given: BTreeMap<String, String>,
}

/// Reads and evaluates the template at `path`. Every fault in it is reported at once.
pub fn load(path: &Path, values: &Values, account: &Account) -> Result<Stack> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    parse(&text, &folder, values, account).with_context(|| format!("template {}", path.display()))
}

/// As [`load`], from text. `folder` is what relative paths in it start from.
pub fn parse(text: &str, folder: &Path, values: &Values, account: &Account) -> Result<Stack> {
    let document = yaml::read(text)?;
    let Value::Object(document) = document else { bail!("the template is not a mapping") };
    for section in document.keys() {
        if !SECTIONS.contains(&section.as_str()) {
            bail!("section {section} is not understood");
        }
    }
    let scope = evaluate::Scope::new(&document, values, account)?;
    resources::build(&scope, &folder_of(folder))
}

fn folder_of(folder: &Path) -> PathBuf {
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_path_buf() }
}

const SECTIONS: [&str; 9] = [
    "AWSTemplateFormatVersion",
    "Transform",
    "Description",
    "Parameters",
    "Conditions",
    "Globals",
    "Resources",
    "Outputs",
    "Metadata",
];

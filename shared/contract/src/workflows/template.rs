//! Templates: workflows that others start from.

use domain::job::FieldError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{Sharing, list::PageQuery};
use crate::query::Query;

/// A template as lists show it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Template {
    /// Of the workflow that it is.
    #[schema(example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub id: String,
    pub name: String,
    #[schema(required = true)]
    pub description: Option<String>,
    pub sharing: Sharing,
    /// Whether it is one's own.
    pub mine: bool,
    /// What is instantiated: its latest version.
    pub version: u32,
    pub updated_at: Timestamp,
}

/// A page of templates: one's own first, then those of others.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TemplatePage {
    pub items: Vec<Template>,
    /// Pass it as `cursor` for the next page; null on the last one.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// Which templates.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TemplatesQuery {
    /// One's own alone (`true`), or those of others alone (`false`).
    pub mine: Option<bool>,
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl TemplatesQuery {
    /// Reads the part of the URL behind `?`.
    pub fn read(query: &str) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::parse(query);
        let mine = query.flag("mine");
        let PageQuery { limit, cursor } = PageQuery::take(&mut query);
        query.end(Self { mine, limit, cursor })
    }
}

/// A workflow out of a template.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Instantiate {
    /// Its name; the template's if absent.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub name: Option<String>,
    /// New defaults of its parameters, by name.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
}

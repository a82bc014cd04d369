//! Templates: workflows that others start from.

use domain::{Principal, WorkflowId, job::FieldError, workflow::Workflow};
use serde_json::{Map, Value};

use super::{Created, Definitions, Refused, Request, definition::checked};
use crate::ports::{DefinitionText, Page, Sharing, StoreError, VersionRow, WorkflowFilter, WorkflowRow};

/// A template as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    pub row: WorkflowRow,
    pub sharing: Sharing,
    /// Whether it is the caller's own.
    pub mine: bool,
}

/// A template's latest version.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    pub version: VersionRow,
    pub text: DefinitionText,
}

/// Cursors of the two lists that follow each other.
const MINE: &str = "m";
const OTHERS: &str = "o";

impl Definitions {
    /// A page of the caller's own templates, and behind them of those that others made public; with `mine`, of one of the
    /// two.
    pub async fn templates(
        &self,
        caller: &Principal,
        mine: Option<bool>,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Offer>, Refused> {
        let (list, cursor) = match cursor.map(|cursor| cursor.split_at_checked(1)) {
            None if mine == Some(false) => (OTHERS, None),
            None => (MINE, None),
            Some(Some((MINE, rest))) if mine != Some(false) => (MINE, Some(rest)),
            Some(Some((OTHERS, rest))) if mine != Some(true) => (OTHERS, Some(rest)),
            Some(_) => return Err(StoreError::Cursor.into()),
        };
        let cursor = cursor.filter(|cursor| !cursor.is_empty());
        let offer = |row: WorkflowRow| {
            let is_mine = row.owner == caller.user;
            row.template.map(|sharing| Offer { sharing, mine: is_mine, row })
        };
        if list == OTHERS {
            let page = self.store.public_templates(limit, cursor).await?;
            let others = page.items.into_iter().filter(|row| row.owner != caller.user);
            let next = page.next.map(|next| format!("{OTHERS}{next}"));
            return Ok(Page { items: others.filter_map(offer).collect(), next });
        }
        let filter = WorkflowFilter { name: None, templates: Some(true) };
        let page = self.store.list_workflows(caller.user, &filter, limit, cursor).await?;
        let next = match page.next {
            Some(next) => Some(format!("{MINE}{next}")),
            None if mine.is_none() => Some(OTHERS.to_owned()),
            None => None,
        };
        Ok(Page { items: page.items.into_iter().filter_map(offer).collect(), next })
    }

    /// A template that exists for the caller, with its definition.
    pub async fn template(&self, caller: &Principal, id: WorkflowId) -> Result<Template, Refused> {
        let row = self.store.workflow(id).await?;
        let row = row
            .filter(|row| row.deleted_at.is_none())
            .filter(|row| {
                row.template == Some(Sharing::Public) || row.template.is_some() && caller.may_see(row.owner)
            })
            .ok_or(Refused::NotFound("template"))?;
        let (version, text) = self.version_text(&row, row.latest).await?;
        Ok(Template { version, text })
    }

    /// Makes a workflow of the caller's with a template's definition, perhaps with another name and other defaults.
    pub async fn instantiate(
        &self,
        caller: &Principal,
        id: WorkflowId,
        name: Option<String>,
        params: Map<String, Value>,
        request: &Request<'_>,
    ) -> Result<Created, Refused> {
        if let Some(earlier) = self.replay(caller, request).await? {
            return Ok(earlier);
        }
        let template = self.template(caller, id).await?;
        let mut workflow: Workflow = serde_json::from_str(&template.text.json)
            .map_err(|error| Refused::Unreadable(error.to_string()))?;
        // As it was written, comments and all, unless something in it is another.
        let yaml = template.text.yaml.filter(|_| name.is_none() && params.is_empty());
        if let Some(name) = name {
            workflow.name = name;
        }
        let mut errors = Vec::new();
        for (name, value) in params {
            match workflow.params.get_mut(&name).and_then(Value::as_object_mut) {
                Some(schema) => {
                    schema.insert("default".into(), value);
                }
                None => errors
                    .push(FieldError::new(format!("params.{name}"), "is not a parameter of this template")),
            }
        }
        if !errors.is_empty() {
            return Err(Refused::Invalid(errors));
        }
        let checked = checked(workflow, yaml).map_err(Refused::Invalid)?;
        self.keep_new(caller, checked, None, None, request).await
    }
}

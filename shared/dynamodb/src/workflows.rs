//! Workflows and their versions: [`WorkflowStore`] on the table.
//!
//! A definition stands in parts beside its version's row, which names them. They are written before that row, so a version
//! that can be seen has its definition.

use app::ports::{
    DefinitionText, Idempotency, Page, Sharing, StoreError, VersionRow, WorkflowFilter, WorkflowRow,
    WorkflowStore,
};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};
use domain::{UserId, WorkflowId};

use crate::{
    Store,
    failure::other,
    item::{Item, item, key, n, number, s, text, value, versioned},
    keys,
    pages::{decode, encode},
    parts,
    transaction::{put_if_new, put_row, put_version, remember, send},
};

/// The attributes of a version's row that say which parts its definition stands in.
const WRITING: &str = "writing";
const PARTS: &str = "parts";
/// The attributes of a workflow's row that a list is filtered by.
const NAME_LOWER: &str = "name_lower";
const TEMPLATE: &str = "template";

#[async_trait]
impl WorkflowStore for Store {
    async fn keep_version(
        &self,
        row: &WorkflowRow,
        version: &VersionRow,
        definition: &DefinitionText,
        idempotency: Option<Idempotency>,
    ) -> Result<(), StoreError> {
        let bytes = parts::pack(definition)?;
        let writing = parts::writing();
        let at = |part| keys::definition(row.id, version.number, &writing, part);
        let count = parts::count(&bytes);
        let mut about = item(keys::workflow_version(row.id, version.number), version)?;
        about.insert(WRITING.into(), s(&writing));
        about.insert(PARTS.into(), n(count));
        let mut writes = self.put_workflow(row)?;
        writes.push(put_if_new(self, about));
        if let Some(request) = &idempotency {
            writes.push(remember(self, row.owner, request)?);
        }
        self.put_all(parts::rows(&bytes, at).collect()).await?;
        let sent = send(self, writes, None).await;
        if matches!(sent, Err(StoreError::Conflict)) {
            // No row names these parts, and none ever will.
            self.remove_all((0..count).map(at).map(key).collect()).await?;
        }
        sent
    }

    async fn keep_workflow(&self, row: &WorkflowRow) -> Result<(), StoreError> {
        send(self, self.put_workflow(row)?, None).await
    }

    async fn workflow(&self, id: WorkflowId) -> Result<Option<WorkflowRow>, StoreError> {
        self.get(keys::workflow(id)).await?.as_ref().map(value).transpose()
    }

    async fn versions(
        &self,
        id: WorkflowId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<VersionRow>, StoreError> {
        let start = cursor.map(|cursor| {
            let number: u32 = decode(cursor)?.parse().map_err(|_| StoreError::Cursor)?;
            Ok::<Item, StoreError>(key(keys::workflow_version(id, number)))
        });
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :versions)")
            .expression_attribute_values(":pk", s(keys::workflow(id).0))
            .expression_attribute_values(":versions", s(keys::VERSIONS))
            .scan_index_forward(false)
            .consistent_read(true);
        let (items, last) =
            self.fill(query, start.transpose()?, limit, false, |row| value(row).map(Some)).await?;
        let number = |last: Item| text(&last, keys::SK)?.strip_prefix(keys::VERSIONS).map(encode);
        Ok(Page { items, next: last.and_then(number) })
    }

    async fn version(&self, id: WorkflowId, number: u32) -> Result<Option<VersionRow>, StoreError> {
        self.get(keys::workflow_version(id, number)).await?.as_ref().map(value).transpose()
    }

    async fn definition(&self, id: WorkflowId, number: u32) -> Result<Option<DefinitionText>, StoreError> {
        let Some(about) = self.get(keys::workflow_version(id, number)).await? else { return Ok(None) };
        let (Some(writing), Some(count)) = (text(&about, WRITING), self::number::<u32>(&about, PARTS)) else {
            return Err(other(format!("version {number} of {id} does not say where its definition stands")));
        };
        let bytes = self.parts((0..count).map(|part| keys::definition(id, number, writing, part))).await?;
        parts::unpack(&bytes).map(Some)
    }

    async fn list_workflows(
        &self,
        owner: UserId,
        filter: &WorkflowFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<WorkflowRow>, StoreError> {
        self.listed_workflows(keys::workflows(owner), keys::workflow, filter, limit, cursor).await
    }

    async fn public_templates(
        &self,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<WorkflowRow>, StoreError> {
        let all = WorkflowFilter::default();
        self.listed_workflows(keys::TEMPLATES.to_owned(), keys::template, &all, limit, cursor).await
    }
}

impl Store {
    /// The rows that a workflow as it will be, one version on, is found by.
    fn put_workflow(&self, row: &WorkflowRow) -> Result<Vec<TransactWriteItem>, StoreError> {
        let next = WorkflowRow { version: row.version + 1, ..row.clone() };
        let mut found = versioned(keys::workflow(row.id), &next, next.version)?;
        if row.deleted_at.is_none() {
            list_under(&mut found, keys::workflows(row.owner), row.id);
            found.insert(NAME_LOWER.into(), s(row.name.to_lowercase()));
            if row.template.is_some() {
                found.insert(TEMPLATE.into(), AttributeValue::Bool(true));
            }
        }
        let mut writes = vec![put_version(self, found, row.version)];
        if row.template == Some(Sharing::Public) && row.deleted_at.is_none() {
            let mut shared = item(keys::template(row.id), &next)?;
            list_under(&mut shared, keys::TEMPLATES.to_owned(), row.id);
            writes.push(put_row(self, shared));
        } else if row.version > 0 {
            let delete = Delete::builder()
                .table_name(&self.table)
                .set_key(Some(key(keys::template(row.id))))
                .build()
                .map_err(other)?;
            writes.push(TransactWriteItem::builder().delete(delete).build());
        }
        Ok(writes)
    }

    /// A page of a partition of gsi1 whose sort keys are workflows' ids, newest first; `row` is where such a row stands.
    async fn listed_workflows(
        &self,
        pk: String,
        row: impl Fn(WorkflowId) -> (String, String),
        filter: &WorkflowFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<WorkflowRow>, StoreError> {
        let start = cursor.map(|cursor| {
            let id: WorkflowId = decode(cursor)?.parse().map_err(|_| StoreError::Cursor)?;
            let mut start = key(row(id));
            list_under(&mut start, pk.clone(), id);
            Ok::<Item, StoreError>(start)
        });
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("gsi1")
            .key_condition_expression("gsi1pk = :pk")
            .expression_attribute_values(":pk", s(&pk))
            .scan_index_forward(false);
        let mut conditions = Vec::new();
        if let Some(name) = &filter.name {
            query = query
                .expression_attribute_names("#name", NAME_LOWER)
                .expression_attribute_values(":name", s(name.to_lowercase()));
            conditions.push("contains(#name, :name)");
        }
        if let Some(templates) = filter.templates {
            query = query.expression_attribute_names("#template", TEMPLATE);
            conditions.push(if templates {
                "attribute_exists(#template)"
            } else {
                "attribute_not_exists(#template)"
            });
        }
        let thinned = !conditions.is_empty();
        if thinned {
            query = query.filter_expression(conditions.join(" AND "));
        }
        let (items, last) =
            self.fill(query, start.transpose()?, limit, thinned, |row| value(row).map(Some)).await?;
        Ok(Page { items, next: last.and_then(|last| text(&last, "gsi1sk").map(encode)) })
    }
}

fn list_under(row: &mut Item, pk: String, id: WorkflowId) {
    row.insert("gsi1pk".into(), s(pk));
    row.insert("gsi1sk".into(), s(id));
}

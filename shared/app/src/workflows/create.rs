//! New workflows and new versions of them.

use std::fmt;

use domain::{
    Principal, WorkflowId,
    job::{FieldError, paragraph},
    workflow::Format,
};
use jiff::SignedDuration;
use serde_json::Value;

use super::{Checked, Definitions, Refused, TRIES, check};
use crate::ports::{Idempotency, Sharing, StoreError, VersionRow, WorkflowRow};

/// How long an idempotency key is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
const NOTE_CHARS: usize = 500;

/// A definition that somebody sent.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    pub text: &'a str,
    pub format: Format,
    /// What the version is, in its author's words.
    pub note: Option<&'a str>,
}

impl Draft<'_> {
    fn check(&self) -> Result<Checked, Refused> {
        let mut errors = Vec::new();
        if let Some(note) = self.note {
            let mut no = |field: &str, message: String| errors.push(FieldError::new(field, message));
            paragraph(&mut no, "note", note, NOTE_CHARS);
        }
        match check(self.text, self.format) {
            Ok(checked) if errors.is_empty() => Ok(checked),
            Ok(_) => Err(Refused::Invalid(errors)),
            Err(more) => Err(Refused::Invalid([errors, more].concat())),
        }
    }
}

/// A request that makes a workflow, as far as a repeat of it must be recognised.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The `Idempotency-Key` header.
    pub key: Option<&'a str>,
    /// A digest of method, path and body.
    pub digest: &'a str,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub answer: &'a (dyn Fn(&WorkflowRow) -> Value + Sync),
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The answer to a request that makes a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    pub status: u16,
    pub body: Value,
    /// It is the answer of an earlier request with the same key.
    pub replayed: bool,
}

impl Definitions {
    /// Makes a workflow of the caller's.
    pub async fn create(
        &self,
        caller: &Principal,
        draft: Draft<'_>,
        template: Option<Sharing>,
        request: &Request<'_>,
    ) -> Result<Created, Refused> {
        // Before any look at the body's meaning: a repeat is answered as before even if the rules changed.
        if let Some(earlier) = self.replay(caller, request).await? {
            return Ok(earlier);
        }
        let checked = draft.check()?;
        self.keep_new(caller, checked, template, draft.note, request).await
    }

    /// What an earlier request with the same key was answered, if there was one.
    pub(super) async fn replay(
        &self,
        caller: &Principal,
        request: &Request<'_>,
    ) -> Result<Option<Created>, Refused> {
        let Some(key) = request.key else { return Ok(None) };
        let Some(earlier) = self.jobs.replay(caller.user, key).await? else { return Ok(None) };
        if earlier.digest != request.digest {
            return Err(Refused::KeyReused);
        }
        Ok(Some(Created { status: earlier.status, body: earlier.body, replayed: true }))
    }

    pub(super) async fn keep_new(
        &self,
        caller: &Principal,
        checked: Checked,
        template: Option<Sharing>,
        note: Option<&str>,
        request: &Request<'_>,
    ) -> Result<Created, Refused> {
        let now = self.clock.now();
        let row = WorkflowRow {
            id: WorkflowId::new(self.ids.uuid()),
            owner: caller.user,
            name: checked.workflow.name.clone(),
            description: checked.workflow.description.clone(),
            latest: 1,
            version: 0,
            paused: false,
            template,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        };
        let version = self.version_of(caller, &row, &checked, note);
        let body = (request.answer)(&row);
        let idempotency = request.key.map(|key| Idempotency {
            key: key.to_owned(),
            digest: request.digest.to_owned(),
            status: request.status,
            body: body.clone(),
            expires_at: now + REMEMBERED,
        });
        match self.store.keep_version(&row, &version, &checked.text, idempotency).await {
            Ok(()) => Ok(Created { status: request.status, body, replayed: false }),
            Err(StoreError::Conflict) => {
                // Either somebody else used the key meanwhile, or this write was done before and its answer lost.
                if let Some(earlier) = self.replay(caller, request).await? {
                    return Ok(earlier);
                }
                match self.store.workflow(row.id).await? {
                    Some(_) => Ok(Created { status: request.status, body, replayed: false }),
                    None => Err(StoreError::Conflict.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a new version, unless the latest says the same already. With `base`, only if that is the latest.
    pub async fn update(
        &self,
        caller: &Principal,
        id: WorkflowId,
        draft: Draft<'_>,
        base: Option<u32>,
    ) -> Result<WorkflowRow, Refused> {
        self.visible(caller, id).await?;
        let checked = draft.check()?;
        for _ in 0..TRIES {
            let row = self.visible(caller, id).await?;
            // Also what a repeat finds whose first answer was lost.
            if self.store.definition(id, row.latest).await?.is_some_and(|latest| latest == checked.text) {
                return Ok(row);
            }
            if base.is_some_and(|base| base != row.latest) {
                return Err(Refused::VersionConflict { latest: row.latest });
            }
            let mut row = WorkflowRow {
                name: checked.workflow.name.clone(),
                description: checked.workflow.description.clone(),
                latest: row.latest + 1,
                updated_at: self.clock.now(),
                ..row
            };
            let version = self.version_of(caller, &row, &checked, draft.note);
            match self.store.keep_version(&row, &version, &checked.text, None).await {
                Ok(()) => {
                    row.version += 1;
                    return Ok(row);
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    fn version_of(
        &self,
        caller: &Principal,
        row: &WorkflowRow,
        checked: &Checked,
        note: Option<&str>,
    ) -> VersionRow {
        VersionRow {
            workflow_id: row.id,
            number: row.latest,
            at: self.clock.now(),
            by: caller.user,
            nodes: checked.nodes,
            note: note.map(str::to_owned),
        }
    }
}

//! Workflows and their versions.

use app::{
    ports::WorkflowFilter,
    workflows::{Draft, Request, check},
};
use axum::{
    Json,
    extract::{RawQuery, State},
};
use contract::workflows::{
    EditWorkflow, Graph, NewVersion, NewWorkflow, PageQuery, ValidateWorkflow, Validated, VersionDetail,
    VersionPage, Workflow, WorkflowPage, WorkflowsQuery, text_of,
};
use domain::{Principal, WorkflowId, job::FieldError, workflow::Format};
use http::StatusCode;
use lambda::{Body, Caller, IdempotencyKey, Made, Path, Platform, Problem};

use crate::{answer, definitions, digest};

/// The most bytes of a body with a definition: 4 MiB of text, and what JSON needs to hold it.
const DEFINITION_BODY: usize = 5 * 1024 * 1024;

pub(crate) async fn create(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<NewWorkflow, DEFINITION_BODY>,
) -> Result<Made, Problem> {
    let digest = digest::of("POST /v1/workflows", &body)?;
    let (text, format) = text_of(body.definition.as_deref(), body.yaml.as_deref())?;
    let draft = Draft { text, format, note: body.note.as_deref() };
    let request = Request {
        key: key.as_deref(),
        digest: &digest,
        status: StatusCode::CREATED.as_u16(),
        answer: &answer::new_workflow,
    };
    let template = body.template.map(answer::shared);
    let created = definitions(&platform).create(&caller, draft, template, &request).await;
    created.map(answer::made).map_err(answer::problem_in(body.yaml.as_deref()))
}

pub(crate) async fn validate(
    _: Caller,
    Body(body): Body<ValidateWorkflow, DEFINITION_BODY>,
) -> Result<Json<Validated>, Problem> {
    let (text, format) = text_of(body.definition.as_deref(), body.yaml.as_deref())?;
    Ok(Json(validated(text, format).unwrap_or_else(|errors| Validated {
        valid: false,
        errors: answer::in_lines(errors, body.yaml.as_deref()),
        nodes: None,
        edges: None,
        graph: None,
    })))
}

fn validated(text: &str, format: Format) -> Result<Validated, Vec<FieldError>> {
    let checked = check(text, format)?;
    let graph = Graph::of(&checked.workflow.plan()?);
    Ok(Validated {
        valid: true,
        errors: Vec::new(),
        nodes: Some(checked.nodes),
        edges: Some(graph.edge_count()),
        graph: Some(graph),
    })
}

pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<WorkflowPage>, Problem> {
    let query = WorkflowsQuery::read(&query.unwrap_or_default())?;
    let filter = WorkflowFilter { name: query.name, templates: query.template };
    let page = definitions(&platform)
        .list(&caller, &filter, query.paused, query.limit, query.cursor.as_deref())
        .await
        .map_err(answer::problem)?;
    Ok(Json(WorkflowPage { items: page.items.into_iter().map(answer::workflow).collect(), next: page.next }))
}

pub(crate) async fn get(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<WorkflowId>,
) -> Result<Json<Workflow>, Problem> {
    let definitions = definitions(&platform);
    let row = definitions.visible(&caller, id).await.map_err(answer::problem)?;
    Ok(Json(answer::workflow(definitions.see(row).await.map_err(answer::problem)?)))
}

pub(crate) async fn update(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<WorkflowId>,
    Body(body): Body<NewVersion, DEFINITION_BODY>,
) -> Result<Json<Workflow>, Problem> {
    let (text, format) = text_of(body.definition.as_deref(), body.yaml.as_deref())?;
    let draft = Draft { text, format, note: body.note.as_deref() };
    let definitions = definitions(&platform);
    let row = definitions.update(&caller, id, draft, body.base_version).await;
    let row = row.map_err(answer::problem_in(body.yaml.as_deref()))?;
    Ok(Json(answer::workflow(definitions.see(row).await.map_err(answer::problem)?)))
}

pub(crate) async fn edit(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<WorkflowId>,
    Body(body): Body<EditWorkflow>,
) -> Result<Json<Workflow>, Problem> {
    let definitions = definitions(&platform);
    let row = match body.template {
        Some(template) => definitions.share(&caller, id, template.map(answer::shared)).await,
        None => definitions.visible(&caller, id).await,
    };
    let row = row.map_err(answer::problem)?;
    Ok(Json(answer::workflow(definitions.see(row).await.map_err(answer::problem)?)))
}

pub(crate) async fn delete(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<WorkflowId>,
) -> Result<StatusCode, Problem> {
    definitions(&platform).delete(&caller, id).await.map_err(answer::problem)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn activate(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<WorkflowId>,
) -> Result<Json<Workflow>, Problem> {
    set_paused(&platform, caller, id, false).await
}

pub(crate) async fn pause(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<WorkflowId>,
) -> Result<Json<Workflow>, Problem> {
    set_paused(&platform, caller, id, true).await
}

async fn set_paused(
    platform: &Platform,
    caller: Principal,
    id: WorkflowId,
    paused: bool,
) -> Result<Json<Workflow>, Problem> {
    let definitions = definitions(platform);
    let row = definitions.set_paused(&caller, id, paused).await.map_err(answer::problem)?;
    Ok(Json(answer::workflow(definitions.see(row).await.map_err(answer::problem)?)))
}

pub(crate) async fn versions(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<WorkflowId>,
    RawQuery(query): RawQuery,
) -> Result<Json<VersionPage>, Problem> {
    let query = PageQuery::read(&query.unwrap_or_default())?;
    let page = definitions(&platform)
        .versions(&caller, id, query.limit, query.cursor.as_deref())
        .await
        .map_err(answer::problem)?;
    Ok(Json(VersionPage { items: page.items.into_iter().map(answer::version).collect(), next: page.next }))
}

pub(crate) async fn version(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path((id, number)): Path<(WorkflowId, u32)>,
) -> Result<Json<VersionDetail>, Problem> {
    let found = definitions(&platform).version(&caller, id, number).await;
    let (row, text) = found.map_err(answer::problem)?;
    answer::version_detail(row, text).map(Json)
}

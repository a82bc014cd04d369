//! Workflows that others start from.

use app::workflows::{Offer, Request};
use axum::{
    Json,
    extract::{RawQuery, State},
};
use contract::workflows::{Instantiate, Template, TemplatePage, TemplatesQuery, VersionDetail};
use domain::WorkflowId;
use http::StatusCode;
use lambda::{Body, Caller, IdempotencyKey, Made, Path, Platform, Problem};

use crate::{answer, definitions, digest};

pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<TemplatePage>, Problem> {
    let query = TemplatesQuery::read(&query.unwrap_or_default())?;
    let page = definitions(&platform)
        .templates(&caller, query.mine, query.limit, query.cursor.as_deref())
        .await
        .map_err(answer::problem)?;
    Ok(Json(TemplatePage { items: page.items.into_iter().map(shown).collect(), next: page.next }))
}

fn shown(offer: Offer) -> Template {
    Template {
        id: offer.row.id.to_string(),
        name: offer.row.name,
        description: offer.row.description,
        sharing: answer::sharing(offer.sharing),
        mine: offer.mine,
        version: offer.row.latest,
        updated_at: offer.row.updated_at,
    }
}

pub(crate) async fn get(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<WorkflowId>,
) -> Result<Json<VersionDetail>, Problem> {
    let template = definitions(&platform).template(&caller, id).await.map_err(answer::problem)?;
    answer::version_detail(template.version, template.text).map(Json)
}

pub(crate) async fn instantiate(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<WorkflowId>,
    IdempotencyKey(key): IdempotencyKey,
    body: Option<Body<Instantiate>>,
) -> Result<Made, Problem> {
    let body = body.map(|Body(body)| body).unwrap_or_default();
    let digest = digest::of(&format!("POST /v1/templates/{id}/instantiate"), &body)?;
    let request = Request {
        key: key.as_deref(),
        digest: &digest,
        status: StatusCode::CREATED.as_u16(),
        answer: &answer::new_workflow,
    };
    let created = definitions(&platform).instantiate(&caller, id, body.name, body.params, &request).await;
    created.map(answer::made).map_err(answer::problem)
}

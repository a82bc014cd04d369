//! Looks at runs.

use app::{
    ports::{Page, RunFilter},
    workflows::{Refused, look::RunSeen},
};
use axum::{
    Json,
    extract::{RawQuery, State},
};
use contract::{
    jobs::EventsQuery,
    runs::{
        CompareQuery, Comparison, ItemPage, NodeDetail, NodeDifference, NodePage, NodesQuery, RunDetail,
        RunEventPage, RunPage, RunsQuery,
    },
    workflows::{Graph, PageQuery},
};
use domain::{RunId, WorkflowId};
use jiff::Timestamp;
use lambda::{Caller, Path, Platform, Problem};

use crate::{answer, definitions, looks};

/// The most bytes of the differences between nodes that an answer lists.
const DIFFERENCE_BYTES: usize = 2 * 1024 * 1024;

pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<RunPage>, Problem> {
    let query = RunsQuery::read(&query.unwrap_or_default(), false)?;
    let filter = RunFilter { workflow: query.workflow, statuses: query.status };
    let looks = looks(&platform);
    let page = looks.list(caller.user, &filter, query.limit, query.cursor.as_deref()).await;
    Ok(shown(page.map_err(answer::problem)?, platform.clock().now()))
}

pub(crate) async fn of_workflow(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<WorkflowId>,
    RawQuery(query): RawQuery,
) -> Result<Json<RunPage>, Problem> {
    let query = RunsQuery::read(&query.unwrap_or_default(), true)?;
    let workflow = definitions(&platform).visible(&caller, id).await.map_err(answer::problem)?;
    let filter = RunFilter { workflow: Some(id), statuses: query.status };
    let looks = looks(&platform);
    let page = looks.list(workflow.owner, &filter, query.limit, query.cursor.as_deref()).await;
    Ok(shown(page.map_err(answer::problem)?, platform.clock().now()))
}

fn shown(page: Page<RunSeen>, now: Timestamp) -> Json<RunPage> {
    let items = page.items.into_iter().map(|seen| answer::run(seen, now)).collect();
    Json(RunPage { items, next: page.next })
}

pub(crate) async fn get(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<RunId>,
) -> Result<Json<RunDetail>, Problem> {
    let whole = looks(&platform).whole(&caller, id).await.map_err(answer::problem)?;
    Ok(Json(answer::run_detail(whole, platform.clock().now())))
}

pub(crate) async fn graph(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<RunId>,
) -> Result<Json<Graph>, Problem> {
    let workflow = looks(&platform).workflow_of(&caller, id).await.map_err(answer::problem)?;
    // It was checked before it was kept.
    let plan = workflow.plan().map_err(|_| answer::problem(Refused::Unreadable("it has no plan".into())))?;
    Ok(Json(Graph::of(&plan)))
}

pub(crate) async fn nodes(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<RunId>,
    RawQuery(query): RawQuery,
) -> Result<Json<NodePage>, Problem> {
    let query = NodesQuery::read(&query.unwrap_or_default())?;
    let page = looks(&platform)
        .nodes(&caller, id, &query.status, query.limit, query.cursor.as_deref())
        .await
        .map_err(answer::problem)?;
    let now = platform.clock().now();
    let items = page.items.into_iter().map(|seen| answer::node(seen, now)).collect();
    Ok(Json(NodePage { items, next: page.next }))
}

pub(crate) async fn node(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path((id, node)): Path<(RunId, String)>,
) -> Result<Json<NodeDetail>, Problem> {
    let whole = looks(&platform).node(&caller, id, &node).await.map_err(answer::problem)?;
    Ok(Json(answer::node_detail(whole, platform.clock().now())))
}

pub(crate) async fn items(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path((id, node)): Path<(RunId, String)>,
    RawQuery(query): RawQuery,
) -> Result<Json<ItemPage>, Problem> {
    let query = PageQuery::read(&query.unwrap_or_default())?;
    let found = looks(&platform)
        .items(&caller, id, &node, query.limit, query.cursor.as_deref())
        .await
        .map_err(answer::problem)?;
    let (now, kind) = (platform.clock().now(), found.kind.into());
    let items = found.page.items.into_iter().map(|seen| answer::item(seen, kind, now)).collect();
    Ok(Json(ItemPage { items, total: found.total, next: found.page.next }))
}

pub(crate) async fn events(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<RunId>,
    RawQuery(query): RawQuery,
) -> Result<Json<RunEventPage>, Problem> {
    let query = EventsQuery::read(&query.unwrap_or_default())?;
    let seen =
        looks(&platform).events(&caller, id, query.after, query.limit).await.map_err(answer::problem)?;
    let next = seen.events.last().map_or(query.after, |last| last.seq);
    Ok(Json(RunEventPage { items: seen.events.into_iter().map(Into::into).collect(), next, more: seen.more }))
}

pub(crate) async fn compare(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<RunId>,
    RawQuery(query): RawQuery,
) -> Result<Json<Comparison>, Problem> {
    let query = CompareQuery::read(&query.unwrap_or_default())?;
    let found = looks(&platform).compare(&caller, id, query.with).await.map_err(answer::problem)?;
    let now = platform.clock().now();
    let different = found.nodes.len();
    let mut bytes = 0;
    let fits = |node: &NodeDifference| {
        bytes += serde_json::to_vec(node).map_or(0, |json| json.len());
        bytes <= DIFFERENCE_BYTES
    };
    let nodes: Vec<NodeDifference> = found.nodes.into_iter().map(Into::into).take_while(fits).collect();
    Ok(Json(Comparison {
        left: answer::run(found.left, now).into(),
        right: answer::run(found.right, now).into(),
        params: found.params.into_iter().map(|(path, between)| (path, between.into())).collect(),
        definition: found.definition.into_iter().map(|(path, between)| (path, between.into())).collect(),
        more_nodes: u32::try_from(different - nodes.len()).unwrap_or(u32::MAX),
        nodes,
        same_nodes: u32::try_from(found.same).unwrap_or(u32::MAX),
    }))
}

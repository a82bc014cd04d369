//! What the use cases say, as HTTP says it.

use app::{
    ports::{DefinitionText, ScheduleRow, Sharing, VersionRow},
    workflows::{
        Created, MOST_SCHEDULES, Refused, Seen,
        look::{ItemSeen, NodeSeen, NodeWhole, RunSeen, RunWhole},
    },
};
use contract::{
    problem::Field,
    runs::{Item, Node, NodeDetail, Run, RunDetail, RunFacts, WebhookTry},
    schedules::Schedule,
    workflows::{self, LatestRun, RunFigures, Version, VersionDetail, Workflow, WorkflowLinks},
};
use domain::{job::FieldError, workflow::line_of};
use http::StatusCode;
use jiff::Timestamp;
use lambda::{Made, Problem};
use serde_json::Value;

/// The next slots that are shown.
const UPCOMING: usize = 5;
/// The most bytes of an answer: a function's may have 6 MB, in which the body stands as a text.
const ANSWER_BYTES: usize = 5 * 1024 * 1024;

/// An error as it is shown.
pub(crate) fn problem(error: Refused) -> Problem {
    match error {
        Refused::Invalid(errors) => Problem::invalid(errors),
        Refused::NotFound(what) => Problem::not_found(what),
        Refused::VersionConflict { latest } => Problem::conflict(
            "version_conflict",
            format!(
                "Version {latest} is the latest, not the one that was edited. Read it, carry the change over, and send it with that base_version."
            ),
        ),
        Refused::TooManySchedules => Problem::conflict(
            "too_many_schedules",
            format!("A workflow has at most {MOST_SCHEDULES} schedules. Delete one first."),
        ),
        Refused::KeyReused => key_reused(),
        Refused::Unreadable(_) => Problem::internal(error),
        Refused::Store(error) => error.into(),
    }
}

/// As [`problem`], about a definition that may have been written as YAML: with the lines of what is wrong.
pub(crate) fn problem_in(yaml: Option<&str>) -> impl FnOnce(Refused) -> Problem {
    move |error| match (error, yaml) {
        (Refused::Invalid(errors), Some(yaml)) => Problem::invalid(in_lines(errors, Some(yaml))),
        (error, _) => problem(error),
    }
}

/// What is wrong, with the lines of YAML where they are known.
pub(crate) fn in_lines(errors: Vec<FieldError>, yaml: Option<&str>) -> Vec<Field> {
    let field =
        |error: FieldError| Field { line: yaml.and_then(|yaml| line_of(yaml, &error)), ..error.into() };
    errors.into_iter().map(field).collect()
}

pub(crate) fn key_reused() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
        "This Idempotency-Key was used for another request within the last 24 hours. Use a new one.",
    )
}

pub(crate) fn made(created: Created) -> Made {
    Made { status: created.status, body: created.body, replayed: created.replayed }
}

pub(crate) const fn sharing(sharing: Sharing) -> workflows::Sharing {
    match sharing {
        Sharing::Private => workflows::Sharing::Private,
        Sharing::Public => workflows::Sharing::Public,
    }
}

pub(crate) const fn shared(sharing: workflows::Sharing) -> Sharing {
    match sharing {
        workflows::Sharing::Private => Sharing::Private,
        workflows::Sharing::Public => Sharing::Public,
    }
}

/// A workflow as it is shown.
pub(crate) fn workflow(seen: Seen) -> Workflow {
    let Seen { row, counts, latest_run, next_due } = seen;
    Workflow {
        id: row.id.to_string(),
        owner: row.owner.to_string(),
        version: row.latest,
        paused: row.paused,
        template: row.template.map(sharing),
        runs: RunFigures {
            running: counts.running,
            succeeded: counts.succeeded,
            failed: counts.failed,
            cancelled: counts.cancelled,
            timed_out: counts.timed_out,
            success_rate: counts.success_rate(),
        },
        latest_run: latest_run.map(|run| LatestRun {
            id: run.id.to_string(),
            status: run.ended.map_or(domain::workflow::RunStatus::Running, |ended| ended.status).into(),
            started_at: run.started_at,
        }),
        next_due,
        created_at: row.created_at,
        updated_at: row.updated_at,
        links: WorkflowLinks::of(row.id, row.latest),
        name: row.name,
        description: row.description,
    }
}

/// A new workflow as it is shown, now and whenever the request is repeated.
pub(crate) fn new_workflow(row: &app::ports::WorkflowRow) -> Value {
    // Its maps have text for keys and its numbers are finite: there is nothing that JSON could not hold.
    serde_json::to_value(workflow(Seen::new(row.clone()))).unwrap_or_default()
}

pub(crate) fn version(row: VersionRow) -> Version {
    Version {
        workflow_id: row.workflow_id.to_string(),
        version: row.number,
        at: row.at,
        by: row.by.to_string(),
        nodes: row.nodes,
        note: row.note,
    }
}

/// A version with its definition, and the text of it where both fit into an answer.
pub(crate) fn version_detail(row: VersionRow, text: DefinitionText) -> Result<VersionDetail, Problem> {
    let definition = serde_json::from_str(&text.json).map_err(Problem::internal)?;
    // As a text in the body, and the body as a text in the function's answer: each quote and line break grows twice.
    let escapes = |text: &str| text.bytes().filter(|byte| matches!(byte, b'"' | b'\\' | b'\n')).count();
    let size = |yaml: &str| text.json.len() + escapes(&text.json) + yaml.len() + 3 * escapes(yaml);
    let yaml = text.yaml.as_ref().filter(|yaml| size(yaml) <= ANSWER_BYTES).cloned();
    Ok(VersionDetail { version: version(row), definition, yaml })
}

/// A schedule as it is shown at `now`.
pub(crate) fn schedule(row: ScheduleRow, now: Timestamp) -> Schedule {
    let upcoming = match row.schedule.timetable(now) {
        Ok(timetable) if row.active => timetable.upcoming(now, UPCOMING),
        _ => Vec::new(),
    };
    Schedule {
        link: format!("/v1/workflows/{}/schedules/{}", row.workflow_id, row.id),
        id: row.id.to_string(),
        workflow_id: row.workflow_id.to_string(),
        cron: row.schedule.cron,
        time_zone: row.schedule.time_zone,
        catch_up: row.schedule.catch_up.into(),
        overlap: row.schedule.overlap.into(),
        params: row.params,
        active: row.active,
        next_due: row.next_due,
        upcoming,
        queued: row.queued,
        last_run: row.last_run.map(|run| run.to_string()),
        last_problem: row.last_problem,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

pub(crate) fn run(seen: RunSeen, now: Timestamp) -> Run {
    Run::new(seen.run, seen.head, now)
}

pub(crate) fn run_detail(whole: RunWhole, now: Timestamp) -> RunDetail {
    let facts = RunFacts { params: whole.params, critical_path: whole.critical_path };
    RunDetail::new(run(whole.seen, now), facts)
}

/// A node as lists show it.
pub(crate) fn node(seen: NodeSeen, now: Timestamp) -> Node {
    let output = seen.state.output.clone();
    Node::new(seen.state, seen.kind.into(), output, Node::LISTED_OUTPUT, now)
}

pub(crate) fn node_detail(whole: NodeWhole, now: Timestamp) -> NodeDetail {
    let NodeSeen { state, kind } = whole.seen;
    NodeDetail {
        node: Node::new(state, kind.into(), whole.output, Node::SHOWN_OUTPUT, now),
        depends_on: whole.depends_on,
        map: whole.map.map(Into::into),
        tries: whole
            .tries
            .into_iter()
            .map(|one| WebhookTry {
                at: one.at,
                millis: one.millis,
                status: one.status,
                error: one.error,
                answer: one.answer,
            })
            .collect(),
    }
}

/// An item of a map whose items are of this kind.
pub(crate) fn item(seen: ItemSeen, kind: workflows::NodeKind, now: Timestamp) -> Item {
    let output = seen.state.output.clone();
    let short = serde_json::to_vec(&seen.value).is_ok_and(|json| json.len() <= Node::LISTED_OUTPUT);
    Item {
        node: Node::new(seen.state, kind, output, Node::LISTED_OUTPUT, now),
        value: if short { seen.value } else { Value::Null },
    }
}

#[cfg(test)]
mod tests {
    use domain::{UserId, WorkflowId};

    use super::*;

    #[test]
    fn a_text_that_does_not_fit_into_an_answer_is_left_out() {
        let detail = |json: usize, yaml: &str| {
            let row = VersionRow {
                workflow_id: WorkflowId::new(uuid::Uuid::from_u128(1)),
                number: 1,
                at: Timestamp::UNIX_EPOCH,
                by: UserId::new(uuid::Uuid::from_u128(2)),
                nodes: 1,
                note: None,
            };
            let text =
                DefinitionText { json: format!("\"{}\"", "x".repeat(json)), yaml: Some(yaml.to_owned()) };
            version_detail(row, text).expect("it is JSON").yaml
        };
        assert_eq!(detail(1_000, "name: a\n"), Some("name: a\n".to_owned()));
        assert_eq!(detail(4 << 20, &"x".repeat(1 << 20)), None);
        // Twice escaped, a line break is four bytes.
        assert_eq!(detail(1_000, &"\n".repeat(2 << 20)), None);
    }
}

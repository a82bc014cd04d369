//! What a node does, from its definition and what the run knows when it begins.

use std::collections::BTreeMap;

use domain::{
    job::{FieldError, Spec},
    workflow::{CacheKey, Kind, Method, NodeStatus, Webhook, cel::Expression, read_job, render, render_job},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{Runs, batch::Ending, course::Course};
use crate::{
    machine::StepError,
    ports::{NodeKey, pauses},
};

/// Outputs up to this many bytes as JSON stand in the node's row; larger ones in parts, so that a row stays cheap to write.
const IN_ROW: usize = 4 * 1024;

/// What a node does.
#[derive(Debug, Clone)]
pub(super) enum Begin {
    Job {
        spec: Box<Spec>,
        key: Option<CacheKey>,
    },
    Call(Box<CallDraft>),
    /// One node for each of that many items, which are kept.
    Map {
        items: u32,
    },
    /// Nothing: it has ended.
    Ended(Ending),
}

/// A webhook with its values.
#[derive(Debug, Clone)]
pub(super) struct CallDraft {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<String>,
    pub(super) expect: Vec<u16>,
    pub(super) timeout_seconds: u32,
    pub(super) pauses: Vec<u32>,
}

/// Several errors in one line.
pub(crate) fn in_words(errors: &[FieldError]) -> String {
    let shown: Vec<String> = errors.iter().take(3).map(ToString::to_string).collect();
    let more = if errors.len() > shown.len() {
        format!("; and {} more", errors.len() - shown.len())
    } else {
        String::new()
    };
    format!("{}{more}", shown.join("; "))
}

fn failed(errors: &[FieldError]) -> Begin {
    Begin::Ended(Ending::of(NodeStatus::Failed, in_words(errors)))
}

impl Runs {
    /// What a step whose dependencies let it start does.
    pub(super) async fn begin(&self, course: &mut Course, number: u32) -> Result<Begin, StepError> {
        let planned = course.planned.clone();
        let plan = planned.plan();
        let step = plan.step(number).ok_or(StepError::Collision)?;
        self.see(course, planned.uses(number).nodes.iter().copied()).await?;
        match step.may_start(&course.scope(number, None, None)) {
            Err(error) => return Ok(failed(&[error])),
            Ok(false) => {
                return Ok(Begin::Ended(Ending::of(NodeStatus::Skipped, "its `when` gave false".to_owned())));
            }
            Ok(true) => {}
        }
        match step.kind {
            Kind::Condition(source) => {
                let answer = Expression::compiled(source)
                    .and_then(|expression| expression.holds(&course.scope(number, None, None)));
                Ok(Begin::Ended(match answer {
                    Err(error) => Ending::of(NodeStatus::Failed, format!("{}.condition: {error}", step.path)),
                    Ok(false) => Ending::of(NodeStatus::Skipped, "its condition gave false".to_owned()),
                    Ok(true) => self.judge(course, (number, None), Ok(Value::Bool(true))).await?,
                }))
            }
            Kind::Map(map) => {
                let items = match map.items(&course.scope(number, None, None), &format!("{}.map", step.path))
                {
                    Ok(items) => items,
                    Err(errors) => return Ok(failed(&errors)),
                };
                if items.is_empty() {
                    return Ok(Begin::Ended(
                        self.judge(course, (number, None), Ok(Value::Array(items))).await?,
                    ));
                }
                self.runs.keep_items(course.run.id, number, &items).await?;
                Ok(Begin::Map { items: u32::try_from(items.len()).unwrap_or(u32::MAX) })
            }
            Kind::Job(_) | Kind::Webhook(_) => self.begin_work(course, (number, None), None).await,
            // The plan has no groups.
            Kind::Parallel(_) | Kind::Sequential(_) => Err(StepError::Collision),
        }
    }

    /// What a job or a webhook does, of a step or for the item of a map with this value.
    pub(super) async fn begin_work(
        &self,
        course: &mut Course,
        key: NodeKey,
        item: Option<&Value>,
    ) -> Result<Begin, StepError> {
        let planned = course.planned.clone();
        self.see(course, planned.uses(key.0).nodes.iter().copied()).await?;
        let item = key.1.zip(item);
        let (node, path) = course.node(key)?;
        let scope = course.scope(key.0, item, None);
        match node.kind() {
            Some(Kind::Webhook(webhook)) => {
                Ok(match draft(webhook, node.retry, &scope, &format!("{path}.webhook")) {
                    Ok(draft) => Begin::Call(Box::new(draft)),
                    Err(errors) => failed(&errors),
                })
            }
            Some(Kind::Job(fields)) => {
                let path = format!("{path}.job");
                let rendered = match render_job(fields, &scope, &path) {
                    Ok(rendered) => rendered,
                    Err(errors) => return Ok(failed(&errors)),
                };
                let unnamed = unnamed(course, key)?;
                let spec = match read_job(&rendered, &unnamed, course.run.priority, &path) {
                    Ok(spec) => spec,
                    Err(errors) => return Ok(failed(&errors)),
                };
                let cache_key = node.cache.map(|_| key_of(course, key, item, &rendered));
                self.begin_job(course, key, spec, cache_key).await
            }
            _ => Err(StepError::Collision),
        }
    }

    async fn begin_job(
        &self,
        course: &mut Course,
        key: NodeKey,
        spec: Spec,
        cache_key: Option<CacheKey>,
    ) -> Result<Begin, StepError> {
        let now = self.jobs.clock.now();
        if let Some(cache_key) = &cache_key
            && let Some(found) = self.runs.cached(course.run.owner, cache_key.as_str(), now).await?
        {
            let mut ending = self.judge(course, key, Ok(found.output)).await?;
            ending.cached_from = Some(found.from);
            return Ok(Begin::Ended(ending));
        }
        let objections = self.jobs.objections(course.run.owner, &spec).await?;
        if !objections.is_empty() {
            return Ok(failed(&objections));
        }
        Ok(Begin::Job { spec: Box::new(spec), key: cache_key })
    }

    /// How a node ends that gave `given`, or failed for a reason: its output is what its `outputs` make of it.
    pub(super) async fn judge(
        &self,
        course: &mut Course,
        key: NodeKey,
        given: Result<Value, String>,
    ) -> Result<Ending, StepError> {
        let given = match given {
            Ok(given) => given,
            Err(reason) => return Ok(Ending::of(NodeStatus::Failed, reason)),
        };
        let has_outputs = !course.node(key)?.0.outputs.is_empty();
        let mut item = None;
        if has_outputs {
            let planned = course.planned.clone();
            self.see(course, planned.uses(key.0).nodes.iter().copied()).await?;
            item = self.item_value(course, key).await?;
        }
        let made = {
            let (node, path) = course.node(key)?;
            node.output(&course.scope(key.0, key.1.zip(item.as_ref()), Some(&given)), &path)
        };
        match made {
            Ok(output) => self.kept(course, key, Ending::success(output)).await,
            Err(errors) => Ok(Ending::of(NodeStatus::Failed, in_words(&errors))),
        }
    }

    /// A large output is kept in parts before the node's row says that it is there.
    async fn kept(&self, course: &Course, key: NodeKey, ending: Ending) -> Result<Ending, StepError> {
        if ending.output.is_null() || ending.output.to_string().len() <= IN_ROW {
            return Ok(ending);
        }
        let output_parts = self.runs.keep_output(course.run.id, key, &ending.output).await?;
        Ok(Ending { output_parts, ..ending })
    }

    /// The specification of a try that begins at `at` and has to be over at `deadline`.
    pub(super) fn in_time(spec: &Spec, at: Timestamp, deadline: Option<Timestamp>) -> Spec {
        let mut spec = spec.clone();
        if let Some(left) = deadline.map(|deadline| deadline.duration_since(at)) {
            let seconds = u32::try_from(left.max(SignedDuration::from_secs(1)).as_secs()).unwrap_or(u32::MAX);
            spec.timeout_seconds = spec.timeout_seconds.min(seconds);
            spec.queue_timeout_seconds = spec.queue_timeout_seconds.min(seconds);
        }
        spec
    }
}

fn key_of(
    course: &Course,
    key: NodeKey,
    item: Option<(u32, &Value)>,
    rendered: &Map<String, Value>,
) -> CacheKey {
    CacheKey::of(rendered, &course.inputs(key.0, item))
}

/// The name of a job that has none: the node's, with the number of its item.
fn unnamed(course: &Course, (number, item): NodeKey) -> Result<String, StepError> {
    let id = &course.step(number)?.id;
    Ok(item.map_or_else(|| id.clone(), |item| format!("{id}[{item}]")))
}

fn draft(
    webhook: &Webhook,
    retry: Option<domain::workflow::Retry>,
    scope: &domain::workflow::Scope<'_>,
    path: &str,
) -> Result<CallDraft, Vec<FieldError>> {
    let text = |source: &str, path: &str| {
        render(&Value::String(source.to_owned()), scope, path).map(|value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        })
    };
    let mut headers = BTreeMap::new();
    for (name, value) in &webhook.headers {
        headers.insert(name.clone(), text(value, &format!("{path}.headers.{name}"))?);
    }
    let body = match &webhook.body {
        None => None,
        Some(body) => Some(match render(body, scope, &format!("{path}.body"))? {
            Value::String(text) => text,
            other => {
                let has_type = headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
                if !has_type {
                    headers.insert("content-type".to_owned(), "application/json".to_owned());
                }
                other.to_string()
            }
        }),
    };
    Ok(CallDraft {
        method: webhook.method,
        url: text(&webhook.url, &format!("{path}.url"))?,
        headers,
        body,
        expect: webhook.expect.clone(),
        timeout_seconds: webhook.timeout_seconds,
        pauses: pauses(webhook.retry.or(retry)),
    })
}

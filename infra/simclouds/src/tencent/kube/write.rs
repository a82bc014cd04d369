//! Calls that change something: create, delete, patch.

use super::query::Query;
use super::status::{self, Cause, Refusal};
use super::store::{Kind, key};
use super::{Target, job, lead, remove, schema};
use crate::serve::json_answer;
use crate::strike::Turn;
use crate::tencent::account::{Lead, Why};
use crate::tencent::{Cloud, uuid, word};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::{Request, Response};
use remove::Policy;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Notify;

fn warned(mut response: Response<Body>, text: &str) -> Response<Body> {
    if let Ok(value) = format!("299 - {}", json!(text)).parse() {
        response.headers_mut().append("warning", value);
    }
    response
}

/// The object as it is understood, and what of it was not.
fn read(kind: Kind, query: &Query, body: &[u8]) -> Result<(Value, Vec<String>), Refusal> {
    let mut object: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad(format!("the object provided is unrecognized: {error}")))?;
    let (said, version) = (&object["kind"], &object["apiVersion"]);
    if said.as_str().is_some_and(|said| said != kind.word())
        || version.as_str().is_some_and(|version| version != kind.version())
    {
        return Err(Refusal::bad(format!(
            "{said} in version {version} cannot be handled as a {}: the kind or the version does not match",
            kind.word()
        )));
    }
    if query.text("fieldValidation").is_some_and(|word| !["Strict", "Warn", "Ignore"].contains(&word)) {
        return Err(Refusal::bad("fieldValidation: supported values: \"Ignore\", \"Strict\", \"Warn\""));
    }
    let unknown = schema::clean(kind, &mut object)?;
    let mode = query.text("fieldValidation").unwrap_or("Warn");
    if mode == "Strict" && !unknown.is_empty() {
        let each: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
        let message = format!(
            "{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
            kind.word(),
            kind.version().rsplit('/').next().unwrap_or_default(),
            kind.word(),
            each.join(", ")
        );
        return Err(Refusal::bad(message));
    }
    Ok((object, if mode == "Ignore" { Vec::new() } else { unknown }))
}

pub(super) fn create(
    cloud: &Arc<Cloud>,
    target: &Target,
    query: &Query,
    body: &[u8],
    turn: Turn,
) -> Result<Response<Body>, Refusal> {
    let kind = target.kind;
    if !matches!(kind, Kind::Job | Kind::Secret | Kind::ConfigMap | Kind::Namespace) {
        return Err(Refusal::new(
            405,
            "MethodNotAllowed",
            "the simulated cluster cannot make such an object",
        ));
    }
    let namespace = target.namespace.clone().unwrap_or_default();
    if kind.namespaced() && namespace.is_empty() {
        return Err(Refusal::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ));
    }
    let dry = match query.text("dryRun") {
        None => false,
        Some("All") => true,
        Some(_) => return Err(Refusal::bad("dryRun: supported values: \"All\"")),
    };
    let (mut object, unknown) = read(kind, query, body)?;
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    if object["metadata"]["namespace"].as_str().is_some_and(|said| said != namespace) {
        return Err(Refusal::bad(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if !object["metadata"]["resourceVersion"].is_null() {
        return Err(Refusal::bad("resourceVersion should not be set on objects to be created"));
    }
    if object["metadata"]["name"].as_str().is_none_or(str::is_empty)
        && let Some(begin) = object["metadata"]["generateName"].as_str()
    {
        let name = format!("{begin}{}", word(b"bcdfghjklmnpqrstvwxz2456789", 5));
        object["metadata"]["name"] = name.into();
    }
    for field in
        ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields"]
    {
        if let Some(meta) = object["metadata"].as_object_mut() {
            meta.remove(field);
        }
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let mut causes: Vec<Cause> = Vec::new();
    match kind {
        Kind::Job => causes = job::check(&object),
        Kind::Secret => secret(&mut object, &mut causes),
        _ => job::meta(kind, &object, &mut causes),
    }
    let mut account = cloud.lock();
    if kind.namespaced() && account.store.get(&key(Kind::Namespace, "", &namespace)).is_none() {
        return Err(Refusal::not_found("namespaces", &namespace));
    }
    if !causes.is_empty() {
        return Err(Refusal::invalid(kind.resource(), kind.word(), &name, &causes));
    }
    if account.store.get(&key(kind, &namespace, &name)).is_some() {
        return Err(Refusal::exists(kind.resource(), &name));
    }
    let uid = uuid();
    object["metadata"]["uid"] = uid.clone().into();
    if kind == Kind::Job {
        let quota = account.settings.quota_jobs;
        let used = account.store.of(Kind::Job).filter(|(_, job)| !lead::finished(job)).count();
        if quota > 0 && used >= usize::try_from(quota).unwrap_or(usize::MAX) {
            let count = "count/jobs.batch";
            let why = format!(
                "exceeded quota: gpu, requested: {count}=1, used: {count}={used}, limited: {count}={quota}"
            );
            return Err(Refusal::forbidden("jobs.batch", &name, &why));
        }
        job::complete(&mut object)?;
        object["status"] = json!({"startTime": crate::tencent::stamp(crate::clock::now())});
    }
    if kind == Kind::Namespace {
        object["status"] = json!({"phase": "Active"});
    }
    let object = if dry { Arc::new(object) } else { account.put(kind, &namespace, object) };
    if kind == Kind::Job && !dry {
        *account.created.entry(name.clone()).or_default() += 1;
        account.leads.insert(
            uid.clone(),
            Lead {
                key: key(kind, &namespace, &name),
                failed: 0,
                pod: None,
                at_once: false,
                boot: turn.boot,
                wake: Arc::new(Notify::new()),
            },
        );
        cloud.tasks.spawn(Arc::clone(cloud).lead(uid));
    }
    let response = json_answer(201, &object);
    Ok(unknown.iter().fold(response, |response, path| warned(response, &format!("unknown field \"{path}\""))))
}

fn secret(object: &mut Value, causes: &mut Vec<Cause>) {
    job::meta(Kind::Secret, object, causes);
    if object["type"].is_null() {
        object["type"] = "Opaque".into();
    }
    if let Some(plain) = object["stringData"].take().as_object() {
        for (name, value) in plain {
            object["data"][name] = STANDARD.encode(value.as_str().unwrap_or_default()).into();
        }
    }
    if let Some(fields) = object.as_object_mut() {
        fields.remove("stringData");
    }
    for (name, value) in object["data"].as_object().into_iter().flatten() {
        if value.as_str().is_none_or(|text| STANDARD.decode(text).is_err()) {
            causes.push(Cause::invalid(format!("data[{name}]"), &json!("***"), "illegal base64 data"));
        }
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            causes.push(Cause::invalid(format!("data[{name}]"), &json!(name), "not a valid key"));
        }
    }
}

pub(super) fn delete(
    cloud: &Arc<Cloud>,
    target: &Target,
    query: &Query,
    body: &[u8],
) -> Result<Response<Body>, Refusal> {
    let kind = target.kind;
    let name = target.name.as_deref().unwrap_or_default();
    let options: Value = if body.is_empty() {
        json!({})
    } else {
        serde_json::from_slice(body).map_err(|error| Refusal::bad(error.to_string()))?
    };
    let word = options["propagationPolicy"].as_str().or(query.text("propagationPolicy"));
    let policy = match word {
        Some("Background") => Some(Policy::Background),
        Some("Foreground") => Some(Policy::Foreground),
        Some("Orphan") => Some(Policy::Orphan),
        None if options["orphanDependents"] == true => Some(Policy::Orphan),
        None => None,
        Some(other) => {
            let why = Cause::invalid("propagationPolicy", &json!(other), "not a propagation policy");
            return Err(Refusal::invalid("deleteoptions", "DeleteOptions", "", &[why]));
        }
    };
    let grace = match &options["gracePeriodSeconds"] {
        Value::Null => query.number("gracePeriodSeconds")?,
        value => Some(value.as_u64().ok_or_else(|| Refusal::bad("gracePeriodSeconds must be a number"))?),
    };
    let key = target.key();
    let mut account = cloud.lock();
    let object = account.store.get(&key).ok_or_else(|| Refusal::not_found(kind.resource(), name))?;
    let object = Arc::clone(object);
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    if options["preconditions"]["uid"].as_str().is_some_and(|wanted| wanted != uid) {
        let why = format!("the UID in the precondition does not match the UID in record: {uid}");
        return Err(Refusal::conflict(kind.resource(), name, &why));
    }
    let done = || json_answer(200, &status::success(kind.resource(), name, &object["metadata"]["uid"]));
    let response = match kind {
        Kind::Job => {
            // What this version of the API does when nothing is said, for the sake of old clients.
            remove::job(&mut account, &key, policy.unwrap_or(Policy::Orphan));
            let left = account.store.get(&key).map(|job| json_answer(200, job));
            let response = left.unwrap_or_else(done);
            if policy.is_none() {
                warned(
                    response,
                    "child pods are preserved by default when jobs are deleted; set \
                     propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this \
                     warning",
                )
            } else {
                response
            }
        }
        Kind::Pod => {
            remove::pod(&mut account, &uid, grace, Why::Deleted);
            json_answer(200, account.store.get(&key).unwrap_or(&object))
        }
        Kind::Secret | Kind::ConfigMap => {
            account.store.remove(&key);
            remove::collect(&mut account, &uid);
            done()
        }
        Kind::Namespace | Kind::Event | Kind::Node => {
            return Err(Refusal::new(
                405,
                "MethodNotAllowed",
                "the simulated cluster cannot delete such an object",
            ));
        }
    };
    drop(account);
    cloud.room.notify_waiters();
    Ok(response)
}

/// Merges; lists are replaced, as a merge patch has it. Only labels, annotations, owners and data can change.
pub(super) fn patch(
    cloud: &Arc<Cloud>,
    target: &Target,
    request: &Request<Bytes>,
) -> Result<Response<Body>, Refusal> {
    let kind = target.kind;
    let name = target.name.as_deref().unwrap_or_default();
    let said =
        request.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !["application/merge-patch+json", "application/strategic-merge-patch+json"].contains(&said) {
        return Err(Refusal::new(
            415,
            "UnsupportedMediaType",
            format!("the simulated cluster cannot read {said:?}"),
        ));
    }
    let patch: Value =
        serde_json::from_slice(request.body()).map_err(|error| Refusal::bad(error.to_string()))?;
    let key = target.key();
    let mut account = cloud.lock();
    let old = account.store.get(&key).ok_or_else(|| Refusal::not_found(kind.resource(), name))?;
    let wanted = &patch["metadata"]["resourceVersion"];
    if !wanted.is_null() && *wanted != old["metadata"]["resourceVersion"] {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        return Err(Refusal::conflict(kind.resource(), name, why));
    }
    let mut new = Value::clone(old);
    merge(&mut new, &patch);
    let mut causes = Vec::new();
    match kind {
        Kind::Secret => secret(&mut new, &mut causes),
        _ => job::meta(kind, &new, &mut causes),
    }
    for field in ["uid", "name", "namespace", "creationTimestamp"] {
        if new["metadata"][field] != old["metadata"][field] {
            let field = format!("metadata.{field}");
            causes.push(Cause::invalid(field, &json!(name), "field is immutable"));
        }
    }
    for field in ["spec", "status"] {
        if new[field] != old[field] {
            causes.push(Cause::invalid(field, &json!("..."), "field is immutable"));
        }
    }
    if !causes.is_empty() {
        return Err(Refusal::invalid(kind.resource(), kind.word(), name, &causes));
    }
    let object = account.store.change(&key, |object| *object = new).unwrap_or_default();
    Ok(json_answer(200, &object))
}

fn merge(into: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let Some(object) = into.as_object_mut() else { return };
    for (name, value) in fields {
        if value.is_null() {
            object.remove(name);
        } else {
            merge(object.entry(name).or_insert(Value::Null), value);
        }
    }
}

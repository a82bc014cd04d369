//! The cloud's own API: one action a call, parameters in JSON (or in the query of a GET), errors with HTTP 200.

use super::error::{Refusal, respond};
use super::signature::{self, Signed};
use super::{Cloud, billing, catalogue, cvm, tke};
use crate::clock;
use crate::serve::Dropped;
use crate::strike::{Turn, Voice};
use axum::body::Body;
use bytes::Bytes;
use hyper::{Method, Request, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Service, version, and its actions with the parameters that each knows.
type Service = (&'static str, &'static str, &'static [(&'static str, &'static [&'static str])]);

const SERVICES: [Service; 3] = [
    ("tke", "2018-05-25", tke::ACTIONS),
    ("cvm", "2017-03-12", cvm::ACTIONS),
    ("billing", "2018-07-09", billing::ACTIONS),
];

/// What a fault may be planned for.
pub(super) fn known(operation: &str) -> bool {
    SERVICES.iter().any(|(_, _, actions)| actions.iter().any(|(action, _)| *action == operation))
}

/// The parameters of one call.
#[derive(Debug)]
pub(super) struct Parameters(Map<String, Value>);

impl Parameters {
    pub(super) fn get(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.get(name) {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err(Refusal::new("InvalidParameter", format!("`{name}` must be a string."))),
        }
    }

    pub(super) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| Refusal::missing(name))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let wrong = || Refusal::new("InvalidParameter", format!("`{name}` must be a number."));
        match self.get(name) {
            Value::Null => Ok(None),
            Value::String(text) => text.parse().map(Some).map_err(|_| wrong()),
            value => value.as_u64().map(Some).ok_or_else(wrong),
        }
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<&str>, Refusal> {
        let wrong = || Refusal::new("InvalidParameter", format!("`{name}` must be a list of strings."));
        match self.get(name) {
            Value::Null => Ok(Vec::new()),
            Value::Array(all) => all.iter().map(|one| one.as_str().ok_or_else(wrong)).collect(),
            _ => Err(wrong()),
        }
    }

    /// `Filters`: name and values, each of the known names.
    pub(super) fn filters(&self, known: &[&str]) -> Result<Vec<(&str, Vec<&str>)>, Refusal> {
        let wrong = || Refusal::new("InvalidParameter", "`Filters` must be a list of names and values.");
        let all = match self.get("Filters") {
            Value::Null => return Ok(Vec::new()),
            all => all.as_array().ok_or_else(wrong)?,
        };
        let mut filters = Vec::new();
        for one in all {
            let name = one["Name"].as_str().ok_or_else(wrong)?;
            let values = one["Values"].as_array().ok_or_else(wrong)?;
            if !known.contains(&name) {
                let message = format!("The specified filter `{name}` is not valid.");
                return Err(Refusal::new("InvalidFilter", message));
            }
            filters.push((name, values.iter().filter_map(Value::as_str).collect()));
        }
        Ok(filters)
    }
}

pub(super) async fn answer(cloud: &Arc<Cloud>, request: &Request<Bytes>) -> Result<Response<Body>, Dropped> {
    let method = request.method();
    let action =
        request.headers().get("x-tc-action").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let label = if known(action) { action } else { "InvalidAction" }.to_owned();
    let note = |status, fault| cloud.journal.note(&label, method.as_str(), "/", status, fault);
    let (signed, parameters) = match admit(cloud, request) {
        Ok(admitted) => admitted,
        Err(refusal) => {
            note(Some(200), None);
            return Ok(refusal.answer());
        }
    };
    if cloud.excess().is_some() {
        note(Some(200), None);
        return Ok(Refusal::throttled().answer());
    }
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let plan = cloud.faults.meet(&label, &target, request.body());
    // Prices are never stale and nothing is booted here: a turn changes nothing.
    let perform = |_: Turn| match act(cloud, &signed, &parameters) {
        Ok(body) => respond(body),
        Err(refusal) => refusal.answer(),
    };
    let voice = Voice {
        perform: &perform,
        failure: &|status| Refusal::failure(status).answer(),
        throttled: &|_| Refusal::throttled().answer(),
        sold_out: Some(&|()| Refusal::sold_out().answer()),
    };
    cloud.meet(plan.as_ref(), &voice, &note).await
}

fn admit(cloud: &Cloud, request: &Request<Bytes>) -> Result<(Signed, Parameters), Refusal> {
    if !matches!(request.method(), &Method::GET | &Method::POST) || request.uri().path() != "/" {
        return Err(Refusal::new("InvalidRequest", "The request is not a GET or a POST of `/`."));
    }
    let signed = signature::verify(request, &cloud.key, clock::now())?;
    let service = SERVICES.iter().find(|(name, _, _)| *name == signed.service);
    let (_, version, actions) = service.ok_or_else(|| {
        Refusal::new("NoSuchProduct", format!("The product `{}` does not exist.", signed.service))
    })?;
    if signed.version != *version {
        let message = format!("The API version `{}` does not exist.", signed.version);
        return Err(Refusal::new("NoSuchVersion", message));
    }
    let action = actions.iter().find(|(name, _)| *name == signed.action);
    let (_, known) = action.ok_or_else(|| {
        Refusal::new("InvalidAction", "The request action is invalid or not found.".to_owned())
    })?;
    let region = signed.region.as_deref().ok_or_else(|| Refusal::missing("X-TC-Region"))?;
    if !catalogue::REGIONS.iter().any(|(id, _)| *id == region) {
        let message = format!("The region `{region}` is not supported.");
        return Err(Refusal::new("UnsupportedRegion", message));
    }
    let parameters = parameters(request)?;
    if let Some(unknown) = parameters.keys().find(|name| !known.contains(&name.as_str())) {
        let message = format!("The parameter `{unknown}` is not recognized.");
        return Err(Refusal::new("UnknownParameter", message));
    }
    Ok((signed, Parameters(parameters)))
}

fn parameters(request: &Request<Bytes>) -> Result<Map<String, Value>, Refusal> {
    let kind =
        request.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if request.method() == Method::GET {
        let mut all = json!({});
        let query = request.uri().query().unwrap_or_default();
        for (path, value) in url::form_urlencoded::parse(query.as_bytes()) {
            put(&mut all, &path, &value);
        }
        listed(&mut all);
        return Ok(all.as_object().cloned().unwrap_or_default());
    }
    if !kind.starts_with("application/json") {
        return Err(Refusal::new("InvalidRequest", "The Content-Type must be application/json."));
    }
    let body: Value = serde_json::from_slice(request.body())
        .map_err(|_| Refusal::new("InvalidParameter", "The body is not JSON."))?;
    let all = body.as_object().cloned();
    let mut all = all.ok_or_else(|| Refusal::new("InvalidParameter", "The body is not an object."))?;
    all.retain(|_, value| !value.is_null());
    Ok(all)
}

/// `Filters.0.Values.1` as maps of maps.
fn put(all: &mut Value, path: &str, value: &str) {
    let place = path.split('.').fold(all, |place, part| {
        if !place.is_object() {
            *place = json!({});
        }
        &mut place[part]
    });
    *place = value.into();
}

/// Maps whose names are 0, 1, 2 … are lists.
fn listed(value: &mut Value) {
    let Some(map) = value.as_object_mut() else { return };
    map.values_mut().for_each(listed);
    let mut numbers: Vec<usize> = map.keys().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    if !map.is_empty() && numbers.len() == map.len() {
        *value = numbers.iter().map(|number| map[&number.to_string()].clone()).collect();
    }
}

fn act(cloud: &Cloud, signed: &Signed, asked: &Parameters) -> Result<Value, Refusal> {
    let region = signed.region.as_deref().unwrap_or_default();
    match signed.service.as_str() {
        "tke" => tke::act(cloud, &signed.action, region, asked),
        "billing" => billing::act(&cloud.lock(), asked),
        _ => cvm::act(&cloud.lock(), &signed.action, region, asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_get_are_those_of_a_post() {
        let mut all = json!({});
        for (path, value) in [("Filters.0.Name", "zone"), ("Filters.0.Values.0", "a"), ("Limit", "2")] {
            put(&mut all, path, value);
        }
        listed(&mut all);
        assert_eq!(all, json!({"Filters": [{"Name": "zone", "Values": ["a"]}], "Limit": "2"}));
    }
}

//! A job as it is asked for: what is wrong with it, and what the apiserver fills in.

use super::names;
use super::status::{Cause, Refusal};
use super::store::Kind;
use serde_json::{Map, Value, json};

pub(crate) const GPU: &str = "nvidia.com/gpu";

/// Checks what every object has.
pub(crate) fn meta(kind: Kind, object: &Value, causes: &mut Vec<Cause>) {
    let meta = &object["metadata"];
    match meta["name"].as_str() {
        None | Some("") => causes.push(Cause::required("metadata.name", "name or generateName is required")),
        Some(name) => {
            // Its pods carry the job's name as a label.
            let fits = match kind {
                Kind::Job | Kind::Namespace => name.len() <= 63 && names::dns_subdomain(name),
                _ => names::dns_subdomain(name),
            };
            if !fits {
                causes.push(Cause::invalid(
                    "metadata.name",
                    &meta["name"],
                    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                     and must start and end with an alphanumeric character",
                ));
            }
        }
    }
    labels(meta, "metadata", causes);
    for (at, owner) in meta["ownerReferences"].as_array().into_iter().flatten().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner[field].as_str().is_none_or(str::is_empty) {
                causes.push(Cause::required(format!("metadata.ownerReferences[{at}].{field}"), ""));
            }
        }
    }
}

fn labels(meta: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (name, value) in meta["labels"].as_object().into_iter().flatten() {
        if !names::label_key(name) {
            causes.push(Cause::invalid(
                format!("{path}.labels"),
                &json!(name),
                "name part must consist of alphanumeric characters, '-', '_' or '.'",
            ));
        }
        if !value.as_str().is_some_and(names::label_value) {
            causes.push(Cause::invalid(
                format!("{path}.labels"),
                value,
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', at \
                 most 63 of them",
            ));
        }
    }
    for name in meta["annotations"].as_object().into_iter().flatten().map(|(name, _)| name) {
        if !names::label_key(&name.to_lowercase()) {
            let why = "name part must consist of alphanumeric characters, '-', '_' or '.'";
            causes.push(Cause::invalid(format!("{path}.annotations"), &json!(name), why));
        }
    }
}

/// What is wrong with the job, all at once.
pub(crate) fn check(job: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    meta(Kind::Job, job, &mut causes);
    let spec = &job["spec"];
    let numbers =
        ["activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "parallelism", "completions"];
    for field in numbers {
        if spec[field].as_i64().is_some_and(|number| number < 0) {
            let why = "must be greater than or equal to 0";
            causes.push(Cause::invalid(format!("spec.{field}"), &spec[field], why));
        }
    }
    let template = &spec["template"];
    labels(&template["metadata"], "spec.template.metadata", &mut causes);
    let pod = &template["spec"];
    let path = "spec.template.spec";
    match pod["restartPolicy"].as_str() {
        Some("Never" | "OnFailure") => {}
        None | Some("") => causes
            .push(Cause::required(format!("{path}.restartPolicy"), "valid values: \"OnFailure\", \"Never\"")),
        Some(other) => causes.push(Cause {
            field: format!("{path}.restartPolicy"),
            reason: "FieldValueNotSupported",
            message: format!("Unsupported value: \"{other}\": supported values: \"OnFailure\", \"Never\""),
        }),
    }
    for field in ["terminationGracePeriodSeconds", "activeDeadlineSeconds"] {
        if pod[field].as_i64().is_some_and(|number| number < i64::from(field.starts_with('a'))) {
            let why = "must be greater than or equal to 0";
            causes.push(Cause::invalid(format!("{path}.{field}"), &pod[field], why));
        }
    }
    for (name, value) in pod["nodeSelector"].as_object().into_iter().flatten() {
        if !names::label_key(name) || !value.as_str().is_some_and(names::label_value) {
            causes.push(Cause::invalid(format!("{path}.nodeSelector"), value, "not a label"));
        }
    }
    if pod["containers"].as_array().is_none_or(Vec::is_empty) {
        causes.push(Cause::required(format!("{path}.containers"), ""));
    }
    let mut seen: Vec<&str> = Vec::new();
    for field in ["initContainers", "containers"] {
        for (at, one) in pod[field].as_array().into_iter().flatten().enumerate() {
            let path = format!("{path}.{field}[{at}]");
            container(one, &path, &mut causes);
            let name = one["name"].as_str().unwrap_or_default();
            if seen.contains(&name) {
                causes.push(Cause {
                    field: format!("{path}.name"),
                    reason: "FieldValueDuplicate",
                    message: format!("Duplicate value: \"{name}\""),
                });
            }
            seen.push(name);
        }
    }
    rules(spec, &seen, &mut causes);
    not_simulated(spec, &mut causes);
    causes
}

fn container(one: &Value, path: &str, causes: &mut Vec<Cause>) {
    match one["name"].as_str() {
        None | Some("") => causes.push(Cause::required(format!("{path}.name"), "")),
        Some(name) if !names::dns_label(name) => {
            causes.push(Cause::invalid(
                format!("{path}.name"),
                &one["name"],
                "not a lowercase RFC 1123 label",
            ));
        }
        Some(_) => {}
    }
    match one["image"].as_str() {
        None | Some("") => causes.push(Cause::required(format!("{path}.image"), "")),
        Some(image) if image.trim() != image => {
            let why = "must not have leading or trailing whitespace";
            causes.push(Cause::invalid(format!("{path}.image"), &one["image"], why));
        }
        Some(_) => {}
    }
    for (at, variable) in one["env"].as_array().into_iter().flatten().enumerate() {
        let path = format!("{path}.env[{at}]");
        match variable["name"].as_str() {
            None | Some("") => causes.push(Cause::required(format!("{path}.name"), "")),
            Some(name) if !names::variable(name) => {
                causes.push(Cause::invalid(
                    format!("{path}.name"),
                    &variable["name"],
                    "a valid environment variable name must consist only of printable ASCII characters other than '='",
                ));
            }
            Some(_) => {}
        }
        if let Some(from) = variable["valueFrom"].as_object() {
            if variable["value"].as_str().is_some_and(|value| !value.is_empty()) {
                let why = "may not be specified when `value` is not empty";
                causes.push(Cause::invalid(format!("{path}.valueFrom"), &json!(""), why));
            }
            if from.len() != 1 {
                let why = "must specify exactly one of the sources";
                causes.push(Cause::invalid(format!("{path}.valueFrom"), &json!(""), why));
            }
            for field in ["secretKeyRef", "configMapKeyRef"] {
                if from.get(field).is_some_and(|source| source["key"].as_str().is_none_or(str::is_empty)) {
                    causes.push(Cause::required(format!("{path}.valueFrom.{field}.key"), ""));
                }
            }
        }
    }
    for list in ["limits", "requests"] {
        for (name, value) in one["resources"][list].as_object().into_iter().flatten() {
            let field = format!("{path}.resources.{list}[{name}]");
            let number = value.as_str().and_then(names::quantity);
            match number {
                None => causes.push(Cause::invalid(field, value, "not a quantity")),
                Some(number) if name.contains('/') && number.fract() != 0.0 => {
                    causes.push(Cause::invalid(field, value, "must be an integer"));
                }
                Some(_) => {}
            }
        }
    }
    let resources = &one["resources"];
    let (limit, request) = (&resources["limits"][GPU], &resources["requests"][GPU]);
    if !request.is_null() && limit != request {
        let field = format!("{path}.resources.limits");
        if limit.is_null() {
            causes.push(Cause::required(field, "Limit must be set for non overcommitable resources"));
        } else {
            let why = "must be equal to nvidia.com/gpu request";
            causes.push(Cause::invalid(format!("{path}.resources.requests"), request, why));
        }
    }
}

fn rules(spec: &Value, containers: &[&str], causes: &mut Vec<Cause>) {
    for (at, rule) in spec["podFailurePolicy"]["rules"].as_array().into_iter().flatten().enumerate() {
        let path = format!("spec.podFailurePolicy.rules[{at}]");
        if !matches!(rule["action"].as_str(), Some("FailJob" | "Ignore" | "Count")) {
            causes.push(Cause::invalid(
                format!("{path}.action"),
                &rule["action"],
                "supported values: \"Count\", \"FailJob\", \"FailIndex\", \"Ignore\"",
            ));
        }
        let codes = &rule["onExitCodes"];
        if !codes.is_null() {
            if !matches!(codes["operator"].as_str(), Some("In" | "NotIn")) {
                let why = "supported values: \"In\", \"NotIn\"";
                causes.push(Cause::invalid(format!("{path}.onExitCodes.operator"), &codes["operator"], why));
            }
            let values = codes["values"].as_array().map(Vec::as_slice).unwrap_or_default();
            if values.is_empty() {
                causes.push(Cause::invalid(
                    format!("{path}.onExitCodes.values"),
                    &codes["values"],
                    "at least one value is required",
                ));
            }
            if codes["operator"] == "In" && values.iter().any(|value| value == 0) {
                let why = "must not be 0 for the In operator";
                causes.push(Cause::invalid(format!("{path}.onExitCodes.values"), &json!(0), why));
            }
            if codes["containerName"].as_str().is_some_and(|name| !containers.contains(&name)) {
                let why = "must be one of the container or initContainer names in the pod template";
                let field = format!("{path}.onExitCodes.containerName");
                causes.push(Cause::invalid(field, &codes["containerName"], why));
            }
        }
        if codes.is_null() == rule["onPodConditions"].is_null() {
            let why = "specifying one of OnExitCodes and OnPodConditions is required";
            causes.push(Cause::invalid(path, &json!({}), why));
        }
    }
}

/// What a cluster would take and this one does not know is refused, so that it cannot pass for something it is not.
fn not_simulated(spec: &Value, causes: &mut Vec<Cause>) {
    let mut no = |field: &str, value: &Value| {
        causes.push(Cause::invalid(field, value, "the simulated cluster cannot do this"));
    };
    for field in ["parallelism", "completions"] {
        if spec[field].as_i64().is_some_and(|number| number > 1 || (number == 0 && field == "parallelism")) {
            no(&format!("spec.{field}"), &spec[field]);
        }
    }
    if spec["completionMode"].as_str().is_some_and(|mode| mode != "NonIndexed") {
        no("spec.completionMode", &spec["completionMode"]);
    }
    for field in ["suspend", "manualSelector"] {
        if spec[field] == true {
            no(&format!("spec.{field}"), &spec[field]);
        }
    }
    for field in ["successPolicy", "managedBy", "backoffLimitPerIndex"] {
        if !spec[field].is_null() {
            no(&format!("spec.{field}"), &spec[field]);
        }
    }
    if spec["template"]["spec"]["restartPolicy"] == "OnFailure" {
        no("spec.template.spec.restartPolicy", &json!("OnFailure"));
    }
}

fn default(object: &mut Map<String, Value>, name: &str, value: Value) {
    object.entry(name).or_insert(value);
}

/// Fills in what was left out. The job has passed `check`, and has its uid.
pub(crate) fn complete(job: &mut Value) -> Result<(), Refusal> {
    let broken = || Refusal::bad("the job has no spec");
    let uid = job["metadata"]["uid"].clone();
    let name = job["metadata"]["name"].clone();
    job["metadata"]["generation"] = 1.into();
    job["status"] = json!({});
    let spec = job["spec"].as_object_mut().ok_or_else(broken)?;
    for (field, value) in [
        ("parallelism", json!(1)),
        ("completions", json!(1)),
        ("backoffLimit", json!(6)),
        ("completionMode", json!("NonIndexed")),
        ("suspend", json!(false)),
        ("podReplacementPolicy", json!("TerminatingOrFailed")),
    ] {
        default(spec, field, value);
    }
    spec.insert("selector".into(), json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}));
    for (label, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ] {
        job["spec"]["template"]["metadata"]["labels"][label] = value.clone();
    }
    if job["metadata"]["labels"].as_object().is_none_or(Map::is_empty) {
        job["metadata"]["labels"] = job["spec"]["template"]["metadata"]["labels"].clone();
    }
    let spec = job["spec"]["template"]["spec"].as_object_mut().ok_or_else(broken)?;
    for (field, value) in [
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
        ("terminationGracePeriodSeconds", json!(30)),
    ] {
        default(spec, field, value);
    }
    for list in ["initContainers", "containers"] {
        for one in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(one) = one.as_object_mut() else { continue };
            let latest = one["image"].as_str().is_some_and(|image| {
                image.rsplit('/').next().is_some_and(|last| !last.contains(':') || last.ends_with(":latest"))
            });
            default(one, "imagePullPolicy", json!(if latest { "Always" } else { "IfNotPresent" }));
            default(one, "terminationMessagePath", json!("/dev/termination-log"));
            default(one, "terminationMessagePolicy", json!("File"));
            default(one, "resources", json!({}));
            let limits = one["resources"]["limits"].clone();
            for (resource, value) in limits.as_object().into_iter().flatten() {
                if one["resources"]["requests"][resource].is_null() {
                    one["resources"]["requests"][resource] = value.clone();
                }
            }
        }
    }
    Ok(())
}

/// All GPUs that a pod asks for.
pub(crate) fn gpus(pod_spec: &Value) -> u32 {
    let each = pod_spec["containers"].as_array().into_iter().flatten();
    let each = each.filter_map(|one| names::quantity(one["resources"]["limits"][GPU].as_str()?));
    each.sum::<f64>() as u32
}

//! Which fields an object has and of what type: unknown ones are refused or dropped, wrong types never pass.

use super::status::Refusal;
use super::store::Kind;
use serde_json::Value;

pub(crate) enum Shape {
    Any,
    Text,
    Int,
    Bool,
    /// A number or a text such as `16Gi`.
    Quantity,
    Map(&'static Shape),
    List(&'static Shape),
    Fields(&'static [(&'static str, Shape)]),
}

use Shape::{Any, Bool, Fields, Int, List, Map, Quantity, Text};

const TEXTS: Shape = List(&Text);
const TEXT_MAP: Shape = Map(&Text);

static OWNER: Shape = Fields(&[
    ("apiVersion", Text),
    ("kind", Text),
    ("name", Text),
    ("uid", Text),
    ("controller", Bool),
    ("blockOwnerDeletion", Bool),
]);
const META: Shape = Fields(&[
    ("name", Text),
    ("generateName", Text),
    ("namespace", Text),
    ("labels", TEXT_MAP),
    ("annotations", TEXT_MAP),
    ("ownerReferences", List(&OWNER)),
    ("finalizers", TEXTS),
    ("uid", Text),
    ("resourceVersion", Text),
    ("creationTimestamp", Any),
    ("deletionTimestamp", Any),
    ("deletionGracePeriodSeconds", Any),
    ("generation", Int),
    ("managedFields", Any),
    ("selfLink", Text),
]);
static ENV: Shape = Fields(&[
    ("name", Text),
    ("value", Text),
    (
        "valueFrom",
        Fields(&[
            ("secretKeyRef", Fields(&[("name", Text), ("key", Text), ("optional", Bool)])),
            ("configMapKeyRef", Fields(&[("name", Text), ("key", Text), ("optional", Bool)])),
            ("fieldRef", Fields(&[("apiVersion", Text), ("fieldPath", Text)])),
            ("resourceFieldRef", Any),
        ]),
    ),
]);
static ENV_FROM: Shape = Fields(&[
    ("prefix", Text),
    ("secretRef", Fields(&[("name", Text), ("optional", Bool)])),
    ("configMapRef", Fields(&[("name", Text), ("optional", Bool)])),
]);
static PORT: Shape = Fields(&[
    ("name", Text),
    ("containerPort", Int),
    ("hostPort", Int),
    ("hostIP", Text),
    ("protocol", Text),
]);
static CONTAINER: Shape = Fields(&[
    ("name", Text),
    ("image", Text),
    ("imagePullPolicy", Text),
    ("command", TEXTS),
    ("args", TEXTS),
    ("workingDir", Text),
    ("env", List(&ENV)),
    ("envFrom", List(&ENV_FROM)),
    ("ports", List(&PORT)),
    ("resources", Fields(&[("limits", Map(&Quantity)), ("requests", Map(&Quantity)), ("claims", Any)])),
    ("volumeMounts", List(&Any)),
    ("volumeDevices", List(&Any)),
    ("livenessProbe", Any),
    ("readinessProbe", Any),
    ("startupProbe", Any),
    ("lifecycle", Any),
    ("securityContext", Any),
    ("terminationMessagePath", Text),
    ("terminationMessagePolicy", Text),
    ("stdin", Bool),
    ("stdinOnce", Bool),
    ("tty", Bool),
    ("restartPolicy", Text),
    ("resizePolicy", Any),
]);
static TOLERATION: Shape = Fields(&[
    ("key", Text),
    ("operator", Text),
    ("value", Text),
    ("effect", Text),
    ("tolerationSeconds", Int),
]);
static LOCAL_REF: Shape = Fields(&[("name", Text)]);
const POD_SPEC: Shape = Fields(&[
    ("containers", List(&CONTAINER)),
    ("initContainers", List(&CONTAINER)),
    ("restartPolicy", Text),
    ("terminationGracePeriodSeconds", Int),
    ("activeDeadlineSeconds", Int),
    ("nodeSelector", TEXT_MAP),
    ("nodeName", Text),
    ("affinity", Any),
    ("tolerations", List(&TOLERATION)),
    ("topologySpreadConstraints", List(&Any)),
    ("volumes", List(&Any)),
    ("imagePullSecrets", List(&LOCAL_REF)),
    ("serviceAccountName", Text),
    ("serviceAccount", Text),
    ("automountServiceAccountToken", Bool),
    ("enableServiceLinks", Bool),
    ("securityContext", Any),
    ("dnsPolicy", Text),
    ("dnsConfig", Any),
    ("hostNetwork", Bool),
    ("hostPID", Bool),
    ("hostIPC", Bool),
    ("hostname", Text),
    ("hostAliases", Any),
    ("subdomain", Text),
    ("schedulerName", Text),
    ("priorityClassName", Text),
    ("priority", Int),
    ("preemptionPolicy", Text),
    ("runtimeClassName", Text),
    ("shareProcessNamespace", Bool),
    ("overhead", Any),
    ("os", Any),
    ("readinessGates", Any),
    ("schedulingGates", Any),
    ("resourceClaims", Any),
    ("setHostnameAsFQDN", Bool),
    ("hostUsers", Bool),
]);
static FAILURE_RULE: Shape = Fields(&[
    ("action", Text),
    ("onExitCodes", Fields(&[("containerName", Text), ("operator", Text), ("values", List(&Int))])),
    ("onPodConditions", List(&CONDITION_PATTERN)),
]);
static CONDITION_PATTERN: Shape = Fields(&[("type", Text), ("status", Text)]);
const JOB_SPEC: Shape = Fields(&[
    ("template", Fields(&[("metadata", META), ("spec", POD_SPEC)])),
    ("activeDeadlineSeconds", Int),
    ("backoffLimit", Int),
    ("backoffLimitPerIndex", Int),
    ("completionMode", Text),
    ("completions", Int),
    ("parallelism", Int),
    ("manualSelector", Bool),
    ("maxFailedIndexes", Int),
    ("managedBy", Text),
    ("podFailurePolicy", Fields(&[("rules", List(&FAILURE_RULE))])),
    ("podReplacementPolicy", Text),
    ("selector", Any),
    ("successPolicy", Any),
    ("suspend", Bool),
    ("ttlSecondsAfterFinished", Int),
]);
static JOB: Shape =
    Fields(&[("apiVersion", Text), ("kind", Text), ("metadata", META), ("spec", JOB_SPEC), ("status", Any)]);
static SECRET: Shape = Fields(&[
    ("apiVersion", Text),
    ("kind", Text),
    ("metadata", META),
    ("data", TEXT_MAP),
    ("stringData", TEXT_MAP),
    ("type", Text),
    ("immutable", Bool),
]);
static CONFIG_MAP: Shape = Fields(&[
    ("apiVersion", Text),
    ("kind", Text),
    ("metadata", META),
    ("data", TEXT_MAP),
    ("binaryData", TEXT_MAP),
    ("immutable", Bool),
]);
static NAMESPACE: Shape =
    Fields(&[("apiVersion", Text), ("kind", Text), ("metadata", META), ("spec", Any), ("status", Any)]);

fn shape(kind: Kind) -> &'static Shape {
    match kind {
        Kind::Job => &JOB,
        Kind::Secret => &SECRET,
        Kind::ConfigMap => &CONFIG_MAP,
        Kind::Namespace => &NAMESPACE,
        Kind::Pod | Kind::Event | Kind::Node => &Any,
    }
}

/// Takes out what is null or unknown; returns the paths of the unknown.
pub(crate) fn clean(kind: Kind, object: &mut Value) -> Result<Vec<String>, Refusal> {
    let mut unknown = Vec::new();
    fit(shape(kind), object, "", &mut unknown).map_err(|(path, wanted, got)| {
        let word = kind.word();
        let group = kind.version();
        Refusal::bad(format!(
            "{word} in version \"{}\" cannot be handled as a {word}: json: cannot unmarshal {got} into Go struct \
             field {word}.{path} of type {wanted}",
            group.rsplit('/').next().unwrap_or(group),
        ))
    })?;
    Ok(unknown)
}

type Misfit = (String, &'static str, &'static str);

fn fit(shape: &Shape, value: &mut Value, path: &str, unknown: &mut Vec<String>) -> Result<(), Misfit> {
    let misfit = |wanted: &'static str, value: &Value| (path.to_owned(), wanted, said(value));
    match shape {
        Any => Ok(()),
        Text if value.is_string() => Ok(()),
        Text => Err(misfit("string", value)),
        Int if value.is_i64() => Ok(()),
        Int => Err(misfit("int64", value)),
        Bool if value.is_boolean() => Ok(()),
        Bool => Err(misfit("bool", value)),
        Quantity if value.is_number() => {
            *value = value.to_string().into();
            Ok(())
        }
        Quantity if value.is_string() => Ok(()),
        Quantity => Err(misfit("resource.Quantity", value)),
        List(item) => {
            let got = said(value);
            let items = value.as_array_mut().ok_or_else(|| (path.to_owned(), "[]", got))?;
            items
                .iter_mut()
                .enumerate()
                .try_for_each(|(at, one)| fit(item, one, &format!("{path}[{at}]"), unknown))
        }
        Map(item) => {
            let got = said(value);
            let map = value.as_object_mut().ok_or_else(|| (path.to_owned(), "map", got))?;
            map.iter_mut().try_for_each(|(_, one)| fit(item, one, path, unknown))
        }
        Fields(fields) => {
            let got = said(value);
            let object = value.as_object_mut().ok_or_else(|| (path.to_owned(), "object", got))?;
            object.retain(|_, field| !field.is_null());
            let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            object.retain(|name, _| {
                let known = fields.iter().any(|(field, _)| field == name);
                if !known {
                    unknown.push(below(name));
                }
                known
            });
            for (name, shape) in *fields {
                if let Some(field) = object.get_mut(*name) {
                    fit(shape, field, &below(name), unknown)?;
                }
            }
            Ok(())
        }
    }
}

fn said(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

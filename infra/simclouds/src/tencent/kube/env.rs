//! What a container runs and in which environment.

use super::store::{Kind, Store, key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) type Environment = BTreeMap<String, String>;

/// An image's own entry point is not known: such a container idles.
const IDLE: &str = "while :; do sleep 3600 & wait $!; done";

/// The mark in the environment by which a pod's processes are known.
pub(crate) fn marker(uid: &str) -> String {
    format!("SIMCLOUD_POD_UID={uid}")
}

/// Err: what is missing.
pub(crate) fn of(store: &Store, pod: &Value, container: &Value) -> Result<Environment, String> {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let mut all = Environment::new();
    for source in container["envFrom"].as_array().into_iter().flatten() {
        let prefix = source["prefix"].as_str().unwrap_or_default();
        for (field, kind) in [("secretRef", Kind::Secret), ("configMapRef", Kind::ConfigMap)] {
            let from = &source[field];
            let Some(name) = from["name"].as_str() else { continue };
            match store.get(&key(kind, namespace, name)) {
                Some(object) => {
                    for (name, value) in object["data"].as_object().into_iter().flatten() {
                        all.insert(format!("{prefix}{name}"), text(kind, value)?);
                    }
                }
                None if from["optional"] == true => {}
                None => return Err(missing(kind, name)),
            }
        }
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let name = variable["name"].as_str().unwrap_or_default();
        let value = match variable["valueFrom"].as_object() {
            None => Some(expand(variable["value"].as_str().unwrap_or_default(), &all)),
            Some(_) => from(store, pod, namespace, &variable["valueFrom"])?,
        };
        if let Some(value) = value {
            all.insert(name.to_owned(), value);
        }
    }
    Ok(all)
}

fn missing(kind: Kind, name: &str) -> String {
    format!("{} \"{name}\" not found", kind.word().to_lowercase())
}

fn text(kind: Kind, value: &Value) -> Result<String, String> {
    let text = value.as_str().unwrap_or_default();
    if kind != Kind::Secret {
        return Ok(text.to_owned());
    }
    let bytes = STANDARD.decode(text).map_err(|_| "the secret is not base64".to_owned())?;
    String::from_utf8(bytes).map_err(|_| "the secret is no text".to_owned())
}

fn from(store: &Store, pod: &Value, namespace: &str, source: &Value) -> Result<Option<String>, String> {
    for (field, kind) in [("secretKeyRef", Kind::Secret), ("configMapKeyRef", Kind::ConfigMap)] {
        let wanted = &source[field];
        let Some(name) = wanted["name"].as_str() else { continue };
        let word = wanted["key"].as_str().unwrap_or_default();
        let Some(object) = store.get(&key(kind, namespace, name)) else {
            return if wanted["optional"] == true { Ok(None) } else { Err(missing(kind, name)) };
        };
        return match &object["data"][word] {
            Value::Null if wanted["optional"] == true => Ok(None),
            Value::Null => Err(format!("couldn't find key {word} in {} {namespace}/{name}", kind.word())),
            value => text(kind, value).map(Some),
        };
    }
    let Some(path) = source["fieldRef"]["fieldPath"].as_str() else {
        return Err("the simulated cluster cannot do this".to_owned());
    };
    if let Some((map, rest)) = path.split_once('[') {
        let label = rest.trim_end_matches(']').trim_matches('\'');
        let map = map.rsplit('.').next().unwrap_or_default();
        return Ok(Some(pod["metadata"][map][label].as_str().unwrap_or_default().to_owned()));
    }
    let value = path.split('.').fold(pod, |value, part| &value[part]);
    Ok(Some(value.as_str().unwrap_or_default().to_owned()))
}

/// `$(NAME)` is replaced where NAME is known; `$$` is a dollar.
fn expand(text: &str, env: &Environment) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(end) = rest.strip_prefix('(').and_then(|after| after.find(')')) {
            let name = &rest[1..=end];
            match env.get(name) {
                Some(value) => out.push_str(value),
                None => out.extend(["$(", name, ")"]),
            }
            rest = &rest[end + 2..];
        } else {
            out.push('$');
        }
    }
    out + rest
}

pub(crate) fn command(container: &Value, env: &Environment) -> Vec<String> {
    let words = |field: &str| {
        let each = container[field].as_array().into_iter().flatten().filter_map(Value::as_str);
        each.map(|word| expand(word, env)).collect::<Vec<_>>()
    };
    let mut all = words("command");
    all.extend(words("args"));
    if all.is_empty() {
        all = ["/bin/sh", "-c", IDLE].map(str::to_owned).to_vec();
    }
    all
}

/// With what a container has without asking.
pub(crate) fn complete(mut env: Environment, pod: &Value, uid: &str, home: &Path, gpus: u32) -> Environment {
    let host = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    let home = home.display().to_string();
    let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let mut add = |name: &str, value: String| {
        env.entry(name.to_owned()).or_insert(value);
    };
    add("PATH", host);
    add("HOME", home.clone());
    add("TMPDIR", home);
    add("HOSTNAME", name);
    add("KUBERNETES_SERVICE_HOST", "172.16.252.1".to_owned());
    add("KUBERNETES_SERVICE_PORT", "443".to_owned());
    if gpus > 0 {
        let all: Vec<String> = (0..gpus).map(|number| number.to_string()).collect();
        add("NVIDIA_VISIBLE_DEVICES", all.join(","));
    }
    env.insert("SIMCLOUD_POD_UID".to_owned(), uid.to_owned());
    env
}

/// Whether the first word of a command is there to be run.
pub(crate) fn found(word: &str, env: &Environment) -> bool {
    if word.contains('/') {
        return Path::new(word).is_file();
    }
    let folders = env.get("PATH").map(String::as_str).unwrap_or_default();
    folders.split(':').any(|folder| Path::new(folder).join(word).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_known_is_expanded() {
        let env = Environment::from([("A".to_owned(), "1".to_owned())]);
        for (text, wanted) in
            [("x$(A)y", "x1y"), ("$(B)", "$(B)"), ("$$(A)", "$(A)"), ("$A $", "$A $"), ("$(A", "$(A")]
        {
            assert_eq!(expand(text, &env), wanted);
        }
    }

    #[test]
    fn a_secret_is_decoded_and_a_missing_one_is_named() {
        let mut store = Store::default();
        store.put(key(Kind::Secret, "gpu", "s"), json!({"data": {"k": "aGk="}}));
        let pod = json!({"metadata": {"namespace": "gpu", "name": "p", "labels": {"a.b/c": "d"}}});
        let env = |from: Value| of(&store, &pod, &json!({"env": [{"name": "V", "valueFrom": from}]}));
        assert_eq!(env(json!({"secretKeyRef": {"name": "s", "key": "k"}})).unwrap()["V"], "hi");
        assert_eq!(env(json!({"fieldRef": {"fieldPath": "metadata.labels['a.b/c']"}})).unwrap()["V"], "d");
        let gone = env(json!({"secretKeyRef": {"name": "t", "key": "k"}})).unwrap_err();
        assert_eq!(gone, "secret \"t\" not found");
    }
}

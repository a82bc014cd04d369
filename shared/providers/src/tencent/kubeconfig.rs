//! The kubeconfig that TKE gives out, read without a YAML library: the functions have a size to keep.
//!
//! Block mappings, block sequences and plain or quoted scalars are read, which is how such files are written. Anything
//! else is refused, never guessed.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use url::Url;

use crate::ApiKey;

/// How a cluster is reached.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) server: Url,
    /// The authority that the server's certificate is from, in PEM.
    pub(super) authority: Option<Vec<u8>>,
    pub(super) token: Option<ApiKey>,
    /// A client's certificate and key, in PEM.
    pub(super) identity: Option<ApiKey>,
}

/// Reads the current context of a kubeconfig; `Err` says what is wrong, without any value of it.
pub(super) fn parse(text: &str) -> Result<Access, &'static str> {
    let values = flatten(text)?;
    let get = |path: &str| values.get(path).map(String::as_str).filter(|value| !value.is_empty());
    let named = |list: &str, name: Option<&str>| {
        let mut entries = (0..).take_while(|n| values.contains_key(&format!("{list}.{n}.name")));
        match name {
            Some(name) => entries.find(|n| get(&format!("{list}.{n}.name")) == Some(name)),
            None => entries.next(),
        }
    };
    let context = named("contexts", get("current-context"));
    let part = |what: &str| context.and_then(|n| get(&format!("contexts.{n}.context.{what}")));
    let cluster = named("clusters", part("cluster")).ok_or("it names no cluster")?;
    let cluster = |field: &str| get(&format!("clusters.{cluster}.cluster.{field}"));
    let server = cluster("server").and_then(|url| Url::parse(url).ok()).ok_or("the cluster has no server")?;
    let authority = match cluster("certificate-authority-data") {
        Some(data) => Some(STANDARD.decode(data).map_err(|_| "certificate-authority-data is not base64")?),
        None => None,
    };
    let user = named("users", part("user"));
    let user = |field: &str| user.and_then(|n| get(&format!("users.{n}.user.{field}")));
    let identity = match (user("client-certificate-data"), user("client-key-data")) {
        (Some(certificate), Some(key)) => {
            let decode = |data| STANDARD.decode(data).ok().and_then(|pem| String::from_utf8(pem).ok());
            let (certificate, key) = decode(certificate)
                .zip(decode(key))
                .ok_or("the client's certificate is not base64 of PEM")?;
            Some(ApiKey::new(format!("{}\n{key}", certificate.trim_end())))
        }
        _ => None,
    };
    let token = user("token").map(ApiKey::new);
    if token.is_none() && identity.is_none() {
        return Err("it has neither a token nor a client's certificate");
    }
    Ok(Access { server, authority, token, identity })
}

/// Every scalar by its path: `users.0.user.token`.
fn flatten(text: &str) -> Result<BTreeMap<String, String>, &'static str> {
    let mut values = BTreeMap::new();
    // The open mappings and sequences: at which column each began, and its path.
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in text.lines() {
        let line = line.trim_end();
        let mut rest = line.trim_start_matches(' ');
        if rest.is_empty() || rest.starts_with('#') || rest == "---" {
            continue;
        }
        let mut column = line.len() - rest.len();
        while let Some(item) = rest.strip_prefix("- ") {
            // A sequence may stand at the column of its own key.
            while open.last().is_some_and(|(at, path)| *at > column || (*at == column && item_of(path))) {
                open.pop();
            }
            let parent = open.last().map_or("", |(_, path)| path.as_str()).to_owned();
            let count = counts.entry(parent.clone()).or_default();
            open.push((column, format!("{parent}.{count}")));
            *count += 1;
            let inner = item.trim_start_matches(' ');
            column += rest.len() - inner.len();
            rest = inner;
        }
        let (key, value) = rest
            .split_once(':')
            .filter(|(key, value)| {
                !key.contains(['"', '\'', '\t']) && (value.is_empty() || value.starts_with(' '))
            })
            .ok_or("a line is neither a field nor an item of a list")?;
        while open.last().is_some_and(|(at, path)| *at > column || (*at == column && !item_of(path))) {
            open.pop();
        }
        // A field beside the one that began an item belongs to the item.
        let parent = match open.last() {
            Some((at, path)) if *at < column => path.clone(),
            Some(_) => {
                open.iter().rev().find(|(at, _)| *at < column).map_or(String::new(), |(_, p)| p.clone())
            }
            None => String::new(),
        };
        let path = if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") };
        match scalar(value.trim())? {
            Some(value) => {
                values.insert(path, value);
            }
            None => open.push((column, path)),
        }
    }
    Ok(values)
}

/// Whether a path is that of an item in a sequence.
fn item_of(path: &str) -> bool {
    path.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `None` where a mapping or a sequence follows.
fn scalar(text: &str) -> Result<Option<String>, &'static str> {
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    if matches!(text, "{}" | "[]" | "null" | "~") {
        return Ok(Some(String::new()));
    }
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            let inner = rest.strip_suffix(quote).filter(|inner| !inner.contains([quote, '\\']));
            return inner.map(|inner| Some(inner.to_owned())).ok_or("a quoted text with escapes");
        }
    }
    if text.starts_with(['{', '[', '|', '>', '&', '*', '!', '%', '@', '`']) {
        return Err("a value in a form that such files do not have");
    }
    Ok(Some(text.split(" #").next().unwrap_or(text).trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority-data: Q0E=
    server: https://cls-1.example.com   # inside
  name: cls-1
- name: other
  cluster:
    server: "https://127.0.0.1:6443"
contexts:
  - context:
      cluster: other
      user: robot
    name: second
  - context: 
      cluster: cls-1
      user: "100"
    name: first
current-context: first
preferences: {}
users:
- name: "100"
  user:
    client-certificate-data: Q0VSVAo=
    client-key-data: S0VZ
- name: robot
  user:
    token: FAKETOKEN
"#;

    #[test]
    fn the_current_context_counts() {
        let access = parse(FILE).unwrap();
        assert_eq!(access.server.as_str(), "https://cls-1.example.com/");
        assert_eq!(access.authority.as_deref(), Some(&b"CA"[..]));
        assert_eq!(access.token, None);
        assert_eq!(access.identity.unwrap().expose(), "CERT\nKEY");

        let access = parse(&FILE.replace("current-context: first", "current-context: second")).unwrap();
        assert_eq!(access.server.as_str(), "https://127.0.0.1:6443/");
        assert_eq!((access.token, access.authority), (Some(ApiKey::new("FAKETOKEN")), None));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            "",
            "just text",
            "clusters: [{name: x}]",
            "clusters:\n- cluster:\n    server: |\n      https://x\n  name: x",
            "clusters:\n- cluster:\n    server: https://x\n  name: x",
            "clusters:\n- cluster:\n    server: nowhere\n  name: x\nusers:\n- name: u\n  user:\n    token: t",
            "clusters:\n- cluster:\n    server: https://x\n    certificate-authority-data: '%'\n  name: x",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}

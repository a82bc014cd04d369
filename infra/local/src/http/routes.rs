//! Route selection of an HTTP API: the most specific route that fits path and method.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};

use crate::template::{Integration, Route};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Variable(String),
    /// The rest of the path; always the last.
    Greedy(String),
}

#[derive(Debug)]
struct Entry {
    key: String,
    /// None means any.
    method: Option<String>,
    path: Vec<Segment>,
    integration: Integration,
}

/// The routes of an API, the most specific first.
#[derive(Debug, Default)]
pub struct Routes {
    entries: Vec<Entry>,
    default: Option<Integration>,
}

/// A route that fits, with the values of its path variables.
#[derive(Debug)]
pub struct Match<'a> {
    pub key: &'a str,
    pub integration: &'a Integration,
    pub variables: BTreeMap<String, String>,
}

impl Routes {
    /// Reads the route keys. Two equal ones are an error.
    pub fn new(routes: &[Route]) -> Result<Self> {
        let mut result = Self::default();
        for route in routes {
            if route.key == "$default" {
                result.default = Some(route.integration.clone());
                continue;
            }
            let (method, path) =
                route.key.split_once(' ').ok_or_else(|| anyhow!("route {} has no method", route.key))?;
            let path = parse(path)?;
            let method = (method != "ANY").then(|| method.to_owned());
            if result.entries.iter().any(|entry| entry.method == method && entry.path == path) {
                bail!("route {} exists twice", route.key);
            }
            result.entries.push(Entry {
                key: route.key.clone(),
                method,
                path,
                integration: route.integration.clone(),
            });
        }
        result
            .entries
            .sort_by_key(|entry| (entry.path.iter().map(rank).collect::<Vec<_>>(), entry.method.is_none()));
        Ok(result)
    }

    /// The route for a request. `path` is as it came, still percent-encoded.
    pub fn find(&self, method: &str, path: &str) -> Option<Match<'_>> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        for entry in &self.entries {
            if entry.method.as_deref().is_some_and(|own| own != method) {
                continue;
            }
            if let Some(variables) = fit(&entry.path, &segments) {
                return Some(Match { key: &entry.key, integration: &entry.integration, variables });
            }
        }
        let integration = self.default.as_ref()?;
        Some(Match { key: "$default", integration, variables: BTreeMap::new() })
    }

    /// Whether a route begins with the same word as the path: an unknown path below it is the API's to refuse.
    pub fn owns(&self, path: &str) -> bool {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        self.entries
            .iter()
            .any(|entry| matches!(entry.path.first(), Some(Segment::Literal(word)) if word == first))
    }
}

fn rank(segment: &Segment) -> u8 {
    match segment {
        Segment::Literal(_) => 0,
        Segment::Variable(_) => 1,
        Segment::Greedy(_) => 2,
    }
}

fn parse(path: &str) -> Result<Vec<Segment>> {
    let rest = path.strip_prefix('/').ok_or_else(|| anyhow!("path {path} does not begin with /"))?;
    let count = rest.split('/').count();
    rest.split('/')
        .enumerate()
        .map(|(index, word)| match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
            None if word.contains(['{', '}']) => bail!("path {path} is not understood"),
            None => Ok(Segment::Literal(word.to_owned())),
            Some(name) => match name.strip_suffix('+') {
                None => Ok(Segment::Variable(name.to_owned())),
                Some(name) if index + 1 == count => Ok(Segment::Greedy(name.to_owned())),
                Some(_) => bail!("path {path}: a greedy variable must be the last"),
            },
        })
        .collect()
}

fn fit(pattern: &[Segment], segments: &[&str]) -> Option<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for (index, part) in pattern.iter().enumerate() {
        let segment = segments.get(index)?;
        match part {
            Segment::Literal(word) if word == segment => {}
            Segment::Literal(_) => return None,
            Segment::Variable(_) if segment.is_empty() => return None,
            Segment::Variable(name) => {
                variables.insert(name.clone(), decode(segment));
            }
            Segment::Greedy(name) => {
                let rest = segments[index..].join("/");
                if rest.is_empty() {
                    return None;
                }
                variables.insert(name.clone(), decode(&rest));
                return Some(variables);
            }
        }
    }
    (pattern.len() == segments.len()).then_some(variables)
}

/// Resolves `%41` and leaves what is not valid as it is.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut result = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let byte = (bytes[index] == b'%')
            .then(|| u8::from_str_radix(text.get(index + 1..index + 3)?, 16).ok())
            .flatten();
        result.push(byte.unwrap_or(bytes[index]));
        index += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8(result).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn routes(keys: &[&str]) -> Routes {
        let integration = Integration { function: "f".into(), timeout: Duration::from_secs(30) };
        let routes: Vec<Route> =
            keys.iter().map(|key| Route { key: (*key).into(), integration: integration.clone() }).collect();
        Routes::new(&routes).unwrap()
    }

    #[test]
    fn the_most_specific_route_wins() {
        let routes = routes(&[
            "ANY /{proxy+}",
            "ANY /v1/jobs/{proxy+}",
            "GET /v1/jobs/{id}",
            "ANY /v1/jobs/{id}",
            "GET /v1/jobs/counts",
            "ANY /v1/jobs",
            "ANY /v1/offers:rank",
        ]);
        let key =
            |method: &str, path: &str| routes.find(method, path).map(|found| found.key.to_owned()).unwrap();
        assert_eq!(key("GET", "/v1/jobs/counts"), "GET /v1/jobs/counts");
        assert_eq!(key("GET", "/v1/jobs/job_1"), "GET /v1/jobs/{id}");
        assert_eq!(key("DELETE", "/v1/jobs/counts"), "ANY /v1/jobs/{id}");
        assert_eq!(key("GET", "/v1/jobs/job_1/log"), "ANY /v1/jobs/{proxy+}");
        assert_eq!(key("POST", "/v1/jobs"), "ANY /v1/jobs");
        assert_eq!(key("POST", "/v1/offers:rank"), "ANY /v1/offers:rank");
        assert_eq!(key("GET", "/v1/jobs/"), "ANY /{proxy+}");
        assert!(routes.owns("/v1/nothing"));
        assert!(!routes.owns("/jobs/job_1"));
    }

    #[test]
    fn variables_are_decoded() {
        let routes = routes(&["GET /v1/jobs/{id}", "GET /files/{path+}"]);
        assert_eq!(routes.find("GET", "/v1/jobs/a%20b").unwrap().variables["id"], "a b");
        assert_eq!(routes.find("GET", "/files/a/%62/c").unwrap().variables["path"], "a/b/c");
        assert!(routes.find("GET", "/files/").is_none());
        assert!(routes.find("POST", "/v1/jobs/a").is_none());
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%é"), "%zz%é");
    }
}

//! Everything that is wrong with a definition, at once, each with its path.

use serde_json::Value;

use super::{
    Limits,
    definition::{FanOut, Kind, Node, Retry, Webhook, Workflow},
    errors::{Errors, join},
    expand, job_fields, params,
    plan::{self, Ancestors, Plan, Step},
    scope::{Path, ROOTS, Segment},
    template::{has_template, is_template},
    uses::{Allowed, Found, walk},
};
use crate::job::{FieldError, paragraph, text};

impl Workflow {
    /// Checks the definition and plans it.
    ///
    /// # Errors
    /// Everything that is wrong, up to [`Limits::ERRORS`].
    pub fn validate(&self) -> Result<Plan<'_>, Vec<FieldError>> {
        let mut errors = Errors::default();
        self.header(&mut errors);
        params::check(self, &mut errors);
        let plan = expand::expand(self, &mut errors);
        // Without its edges nothing can be said about a node's ancestors.
        let has_edges = errors.is_empty();
        plan::cycles(&plan, &mut errors);
        self.groups(&mut errors);
        let mut checker = Checker {
            workflow: self,
            plan: &plan,
            ancestors: None,
            is_ordered: has_edges && plan.order().len() == plan.steps().len(),
            errors,
        };
        for (number, step) in (0..).zip(plan.steps()) {
            checker.step(step);
            walk(&plan, number, &mut |path, found| checker.found(path, found));
        }
        let errors = checker.errors;
        errors.done(plan)
    }

    fn header(&self, errors: &mut Errors) {
        let mut no = |field: &str, message: String| errors.add(field, message);
        text(&mut no, "name", &self.name, 1, Limits::NAME_CHARS * 2);
        if let Some(description) = &self.description {
            paragraph(&mut no, "description", description, 2_000);
        }
        if self.nodes.is_empty() {
            no("nodes", "is empty; a workflow has at least one node".into());
        }
        range(errors, "timeout_seconds", self.timeout_seconds, 1, Limits::RUN_TIMEOUT_SECONDS);
    }

    /// What groups must not have.
    fn groups(&self, errors: &mut Errors) {
        fn look(node: &Node, path: &str, errors: &mut Errors) {
            let Some(kind @ (Kind::Parallel(members) | Kind::Sequential(members))) = node.kind() else {
                return;
            };
            forbid(node, &["retry", "timeout_seconds", "outputs", "cache"], path, "a group", errors);
            for (at, member) in members.iter().enumerate() {
                look(member, &format!("{path}.{}[{at}]", kind.word()), errors);
            }
        }
        for (name, node) in &self.nodes {
            look(node, &join("nodes", name), errors);
        }
    }
}

/// Refuses keys that mean nothing in this place.
fn forbid(node: &Node, keys: &[&str], path: &str, place: &str, errors: &mut Errors) {
    for key in keys {
        let is_there = match *key {
            "name" => node.name.is_some(),
            "depends_on" => !node.depends_on.is_empty(),
            "when" => node.when.is_some(),
            "trigger" => node.trigger != super::TriggerRule::default(),
            "retry" => node.retry.is_some(),
            "timeout_seconds" => node.timeout_seconds.is_some(),
            "outputs" => !node.outputs.is_empty(),
            "cache" => node.cache.is_some(),
            "position" => node.position.is_some(),
            _ => false,
        };
        if is_there {
            errors.add(join(path, key), format!("means nothing for {place}; leave it out"));
        }
    }
}

fn range(errors: &mut Errors, path: &str, value: u32, min: u32, max: u32) {
    if !(min..=max).contains(&value) {
        errors.add(path, format!("is {value}; expected {min} to {max}"));
    }
}

struct Checker<'p, 'w> {
    workflow: &'w Workflow,
    plan: &'p Plan<'w>,
    /// Made when the first reference asks for more than a direct dependency.
    ancestors: Option<Ancestors>,
    is_ordered: bool,
    errors: Errors,
}

impl Checker<'_, '_> {
    fn step(&mut self, step: &Step<'_>) {
        let (path, errors) = (step.path.as_str(), &mut self.errors);
        common(step.node, path, errors);
        match step.kind {
            Kind::Job(fields) => job_fields::check(fields, &join(path, "job"), errors),
            Kind::Condition(_) => {
                forbid(step.node, &["retry", "timeout_seconds", "cache"], path, "a condition", errors);
            }
            Kind::Webhook(webhook) => call(webhook, &join(path, "webhook"), errors),
            Kind::Map(map) => fan_out(step.node, map, path, errors),
            Kind::Parallel(_) | Kind::Sequential(_) => {}
        }
    }

    fn found(&mut self, path: &str, found: Found<'_>) {
        match found {
            Found::Wrong(message) => self.errors.add(path, message),
            Found::Reads(read, allowed) => {
                if let Some(message) = self.reads(read, allowed) {
                    self.errors.add(path, message);
                }
            }
        }
    }

    /// What is wrong with a path that a text reads.
    fn reads(&mut self, path: &Path, allowed: Allowed) -> Option<String> {
        match path.root.as_str() {
            "params" => match path.segments.first() {
                Some(Segment::Key(name)) if !self.workflow.params.contains_key(name) => {
                    Some(format!("`{path}`: there is no parameter `{name}`"))
                }
                Some(Segment::Index(_)) => Some(format!("`{path}`: parameters have names")),
                _ => None,
            },
            "nodes" => self.reads_node(path, allowed),
            "run" => None,
            "item" | "index" if allowed.item => None,
            "item" | "index" => Some(format!("`{path}` is there in the node of a map alone")),
            "output" if allowed.output => None,
            "output" => {
                Some(format!("`{path}` is there in outputs alone; an earlier node's is nodes.NAME.output"))
            }
            _ => Some(format!("`{path}` begins with none of {ROOTS}")),
        }
    }

    fn reads_node(&mut self, path: &Path, allowed: Allowed) -> Option<String> {
        let Some((node, taken)) = self.plan.named(path) else {
            return Some(if path.segments.is_empty() {
                "`nodes` alone reads every node: name the one that is meant, such as nodes.train.output"
                    .into()
            } else {
                format!("`{path}`: there is no such node")
            });
        };
        let id = &self.plan.steps()[node as usize].id;
        match path.segments.get(taken) {
            Some(Segment::Key(key)) if key == "output" || key == "status" => {}
            _ => return Some(format!("`{path}`: a node has `output` and `status`, as in nodes.{id}.output")),
        }
        if !self.is_ordered || node == allowed.step && allowed.itself {
            return None;
        }
        if node == allowed.step {
            return Some(format!("`{path}` reads the node itself"));
        }
        let is_direct = self.plan.steps()[allowed.step as usize].before.iter().any(|edge| edge.step == node);
        let is_before = is_direct
            || self.ancestors.get_or_insert_with(|| self.plan.ancestors()).contain(allowed.step, node);
        (!is_before).then(|| {
            format!("`{path}`: `{id}` does not come before this node; add it to depends_on, or to that of a node before")
        })
    }
}

fn common(node: &Node, path: &str, errors: &mut Errors) {
    if let Some(description) = &node.description {
        let field = join(path, "description");
        paragraph(&mut |_: &str, message: String| errors.add(&*field, message), "", description, 2_000);
    }
    if let Some(seconds) = node.timeout_seconds {
        range(errors, &join(path, "timeout_seconds"), seconds, 1, Limits::NODE_TIMEOUT_SECONDS);
    }
    if let Some(again) = node.retry {
        retry(again, &join(path, "retry"), errors);
    }
    if let Some(cache) = node.cache {
        let field = format!("{path}.cache.expires_after_seconds");
        range(errors, &field, cache.expires_after_seconds, 1, Limits::CACHE_SECONDS);
        if !matches!(node.kind(), Some(Kind::Job(_))) && node.kind().is_some() {
            errors.add(
                join(path, "cache"),
                "is for jobs: what a condition, a webhook or a map gave is not kept",
            );
        }
    }
    if node.outputs.len() > Limits::OUTPUTS {
        errors.add(
            join(path, "outputs"),
            format!("has {} entries; at most {}", node.outputs.len(), Limits::OUTPUTS),
        );
    }
    for name in node.outputs.keys() {
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.chars().count() > Limits::NAME_CHARS || !name.chars().all(plain) {
            errors.add(format!("{path}.outputs.{name}"), "is not a name: letters, digits, _ and -");
        }
    }
    if let Some(position) = node.position
        && !(position.x.abs() <= 1e6 && position.y.abs() <= 1e6)
    {
        errors.add(join(path, "position"), "is outside of -1000000 to 1000000");
    }
}

fn retry(retry: Retry, path: &str, errors: &mut Errors) {
    range(errors, &join(path, "max_attempts"), retry.max_attempts, 1, 20);
    range(errors, &join(path, "backoff_seconds"), retry.backoff_seconds, 0, 86_400);
    range(errors, &join(path, "max_backoff_seconds"), retry.max_backoff_seconds, 0, 86_400);
}

/// A map's list and its node.
fn fan_out(node: &Node, map: &FanOut, path: &str, errors: &mut Errors) {
    forbid(node, &["retry"], path, "a map; give it to the map's node", errors);
    let path = join(path, "map");
    match &map.over {
        Value::Array(items) if items.len() > super::Window::MOST_ITEMS as usize => {
            let most = super::Window::MOST_ITEMS;
            errors.add(join(&path, "over"), format!("has {} items; at most {most}", items.len()));
        }
        Value::String(_) | Value::Array(_) => {}
        _ => errors.add(join(&path, "over"), "must be a list, an expression that gives one, or one template"),
    }
    if let Value::String(over) = &map.over
        && is_template(over)
        && !(over.trim().starts_with("${{")
            && over.trim().ends_with("}}")
            && over.matches("${{").count() == 1)
    {
        errors.add(
            join(&path, "over"),
            "is a text with templates in it, which is no list; expected one template alone",
        );
    }
    range(errors, &join(&path, "max_parallel"), map.max_parallel, 1, 1_000);
    let path = join(&path, "node");
    common(&map.node, &path, errors);
    forbid(
        &map.node,
        &["name", "depends_on", "when", "trigger", "position"],
        &path,
        "the node of a map",
        errors,
    );
    match map.node.kind() {
        Some(Kind::Job(fields)) => job_fields::check(fields, &join(&path, "job"), errors),
        Some(Kind::Webhook(webhook)) => call(webhook, &join(&path, "webhook"), errors),
        _ => errors.add(path, "must be one job or one webhook"),
    }
}

/// Headers that the call makes itself.
const OWN_HEADERS: [&str; 6] = ["host", "content-length", "connection", "transfer-encoding", "te", "upgrade"];

fn call(webhook: &Webhook, path: &str, errors: &mut Errors) {
    url(&webhook.url, &join(path, "url"), errors);
    if webhook.headers.len() > Limits::HEADERS {
        errors.add(
            join(path, "headers"),
            format!("has {} entries; at most {}", webhook.headers.len(), Limits::HEADERS),
        );
    }
    for (name, value) in &webhook.headers {
        let path = format!("{path}.headers.{name}");
        let letters = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(letters) {
            errors.add(&*path, "is not a name of a header");
        }
        if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            errors.add(&*path, "is set by the platform; leave it out");
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            errors.add(path, "contains control characters");
        }
    }
    if webhook.body.is_some() && webhook.method == super::Method::Get {
        errors.add(join(path, "body"), "is there, but a GET has none");
    }
    let bytes = serde_json::to_vec(webhook).map_or(usize::MAX, |json| json.len());
    if bytes > Limits::WEBHOOK_BYTES {
        errors.add(path, format!("has {bytes} bytes as JSON; at most {}", Limits::WEBHOOK_BYTES));
    }
    if webhook.expect.len() > 20 || webhook.expect.iter().any(|status| !(100..600).contains(status)) {
        errors.add(join(path, "expect"), "must be at most 20 statuses from 100 to 599");
    }
    range(
        errors,
        &join(path, "timeout_seconds"),
        webhook.timeout_seconds,
        1,
        Limits::WEBHOOK_TIMEOUT_SECONDS,
    );
    if let Some(again) = webhook.retry {
        retry(again, &join(path, "retry"), errors);
    }
}

/// The form of an address; whether it may be called is decided when it is.
fn url(url: &str, path: &str, errors: &mut Errors) {
    if has_template(&Value::String(url.to_owned())) && url.trim_start().starts_with("${{") {
        return;
    }
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        return errors.add(path, "must begin with https:// or http://");
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || url.chars().any(char::is_control) || !is_template(url) && url.contains(' ') {
        errors.add(path, "is not an address such as https://example.com/hook");
    } else if host.contains('@') {
        errors.add(path, "has a user or a password in it; use a header");
    }
}

//! Every template and expression of a step, and what they read.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    cel::Expression,
    definition::{Kind, Node, Webhook},
    errors::join,
    plan::{Plan, Step, Text},
    scope::{Path, Segment},
    template::{self, Template},
};

/// What a step's texts read. A step starts with these values and no others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uses {
    /// `None` if one of them reads all parameters at once.
    pub params: Option<BTreeSet<String>>,
    pub nodes: BTreeSet<u32>,
}

/// Which variables there are besides params, nodes and run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) item: bool,
    pub(super) output: bool,
    /// The step whose ancestors may be read; with `itself`, it too.
    pub(super) step: u32,
    pub(super) itself: bool,
}

/// What a walk over a step finds.
pub(super) enum Found<'a> {
    /// A path that a text reads.
    Reads(&'a Path, Allowed),
    /// A text that is wrong in itself.
    Wrong(String),
}

/// Calls `found` for everything that the texts of a step read.
pub(super) fn walk(plan: &Plan<'_>, number: u32, found: &mut dyn FnMut(&str, Found<'_>)) {
    let Some(step) = plan.step(number) else { return };
    let plain = Allowed { item: false, output: false, step: number, itself: false };
    let mut walker = Walker { found };
    for when in &step.when {
        walker.expression(when, plain);
    }
    for edge in &step.before {
        if let Some(condition) = &edge.condition {
            walker.expression(condition, Allowed { step: edge.step, itself: true, ..plain });
        }
    }
    match step.kind {
        Kind::Job(fields) => walker.fields(fields, &join(&step.path, "job"), plain),
        Kind::Condition(source) => {
            walker.expression(&Text { source, path: join(&step.path, "condition") }, plain);
        }
        Kind::Webhook(webhook) => walker.webhook(webhook, &join(&step.path, "webhook"), plain),
        Kind::Map(map) => {
            let path = join(&step.path, "map");
            match &map.over {
                Value::String(source) if !template::is_template(source) => {
                    walker.expression(&Text { source, path: join(&path, "over") }, plain);
                }
                list => walker.templates(list, &join(&path, "over"), plain),
            }
            let (path, inner) = (join(&path, "node"), Allowed { item: true, ..plain });
            match map.node.kind() {
                Some(Kind::Job(fields)) => walker.fields(fields, &join(&path, "job"), inner),
                Some(Kind::Webhook(webhook)) => walker.webhook(webhook, &join(&path, "webhook"), inner),
                _ => {}
            }
            walker.outputs(&map.node, &path, Allowed { output: true, ..inner });
        }
        Kind::Parallel(_) | Kind::Sequential(_) => {}
    }
    walker.outputs(step.node, &step.path, Allowed { output: true, ..plain });
}

struct Walker<'c> {
    found: &'c mut dyn FnMut(&str, Found<'_>),
}

impl Walker<'_> {
    fn expression(&mut self, text: &Text<'_>, allowed: Allowed) {
        match Expression::compiled(text.source) {
            Ok(expression) => {
                for path in expression.paths() {
                    (self.found)(&text.path, Found::Reads(path, allowed));
                }
            }
            Err(error) => (self.found)(&text.path, Found::Wrong(error.to_string())),
        }
    }

    fn template(&mut self, path: &str, template: Result<Template, String>, allowed: Allowed) {
        match template {
            Ok(template) => {
                for read in template.paths() {
                    (self.found)(path, Found::Reads(read, allowed));
                }
            }
            Err(message) => (self.found)(path, Found::Wrong(message)),
        }
    }

    fn templates(&mut self, value: &Value, path: &str, allowed: Allowed) {
        template::each(value, path, &mut |path, template| self.template(path, template, allowed));
    }

    fn fields(&mut self, fields: &serde_json::Map<String, Value>, path: &str, allowed: Allowed) {
        for (name, value) in fields {
            if template::has_template(value) {
                self.templates(value, &join(path, name), allowed);
            }
        }
    }

    fn webhook(&mut self, webhook: &Webhook, path: &str, allowed: Allowed) {
        let mut text = |text: &str, path: String| {
            if template::is_template(text) {
                self.template(&path, Template::parse(text), allowed);
            }
        };
        text(&webhook.url, join(path, "url"));
        for (name, value) in &webhook.headers {
            text(value, join(&join(path, "headers"), name));
        }
        if let Some(body) = &webhook.body {
            self.templates(body, &join(path, "body"), allowed);
        }
    }

    fn outputs(&mut self, node: &Node, path: &str, allowed: Allowed) {
        for (name, source) in &node.outputs {
            self.expression(&Text { source, path: format!("{path}.outputs.{name}") }, allowed);
        }
    }
}

impl Plan<'_> {
    /// The step that a path below `nodes` names, and how many of its segments do.
    pub(super) fn named(&self, path: &Path) -> Option<(u32, usize)> {
        let (id, taken) =
            path.node(|id| self.number(id).map(|number| self.steps[number as usize].id.as_str()))?;
        self.number(id).map(|number| (number, taken))
    }

    /// What a step reads: the outputs to fetch before it starts.
    pub fn uses(&self, number: u32) -> Uses {
        self.reads(number, |_| true)
    }

    /// What an item of a map reads besides its value: what its list is made of is no concern of one item.
    pub fn item_uses(&self, number: u32) -> Uses {
        self.reads(number, |allowed| allowed.item)
    }

    fn reads(&self, number: u32, counts: impl Fn(Allowed) -> bool) -> Uses {
        let mut params = Some(BTreeSet::new());
        let mut nodes = BTreeSet::new();
        walk(self, number, &mut |_, found| {
            let Found::Reads(path, allowed) = found else { return };
            if !counts(allowed) {
                return;
            }
            match (path.root.as_str(), path.segments.first()) {
                ("params", Some(Segment::Key(name))) => {
                    if let Some(params) = &mut params {
                        params.insert(name.clone());
                    }
                }
                ("params", _) => params = None,
                ("nodes", _) => nodes.extend(self.named(path).map(|(node, _)| node)),
                _ => {}
            }
        });
        Uses { params, nodes }
    }
}

impl Step<'_> {
    /// The conditions of its start, in words that it was written in.
    pub fn conditions(&self) -> impl Iterator<Item = &str> {
        self.when.iter().map(|text| text.source)
    }
}

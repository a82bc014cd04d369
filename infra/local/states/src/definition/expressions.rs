//! Holds every JSONata expression of a definition against what AWS refuses when a machine is created.

use jsonata_core::ast::{AstNode, PathStep};
use jsonata_core::parser;

use super::Template;
use super::reader::Findings;

/// Which parts of `$states` exist where an expression stands, beyond `input` and `context`.
#[derive(Clone, Copy, Default)]
pub(super) struct Offers {
    pub(super) result: bool,
    pub(super) error_output: bool,
}

pub(super) fn check(template: &Template, location: &str, offers: Offers, findings: &Findings) {
    match template {
        Template::Literal(_) => {}
        Template::Expression(source) => expression(source, location, offers, findings),
        Template::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(item, &format!("{location}[{index}]"), offers, findings);
            }
        }
        Template::Object(fields) => {
            for (key, value) in fields {
                check(value, &format!("{location}/{key}"), offers, findings);
            }
        }
    }
}

fn expression(source: &str, location: &str, offers: Offers, findings: &Findings) {
    match parser::parse(source) {
        Ok(tree) => {
            let mut walk = Walk { offers, faults: Vec::new() };
            walk.node(&tree);
            walk.faults.dedup();
            for fault in walk.faults {
                findings.add("UNSUPPORTED_JSONATA_EXPRESSION", fault, Some(location));
            }
        }
        Err(error) => {
            let text = error.to_string();
            // AWS leaves the code out
            let message = match text.split_once(": ") {
                Some((code, rest)) if code.len() == 5 && code.starts_with('S') => rest.to_owned(),
                _ => text,
            };
            findings.add("INVALID_JSONATA_EXPRESSION", message, Some(location));
        }
    }
}

/// Visits what is evaluated against the top level, where there is no context item: not the later steps of a path.
struct Walk {
    offers: Offers,
    faults: Vec<String>,
}

impl Walk {
    fn nodes<'n>(&mut self, nodes: impl IntoIterator<Item = &'n AstNode>) {
        for node in nodes {
            self.node(node);
        }
    }

    fn node(&mut self, node: &AstNode) {
        match node {
            AstNode::Name(name) => {
                self.faults.push(format!("Reference to '{name}' at the top level is not supported."));
            }
            AstNode::ParentVariable(_) => self.faults.push("Reference to '$$' is not supported.".to_owned()),
            AstNode::Path { steps } => self.path(steps),
            AstNode::Binary { lhs, rhs, .. } => self.nodes([&**lhs, &**rhs]),
            AstNode::Unary { operand, .. } => self.node(operand),
            AstNode::Function { args, .. } => self.nodes(args),
            AstNode::Call { procedure, args } => {
                self.node(procedure);
                self.nodes(args);
            }
            AstNode::Lambda { body, .. } => self.node(body),
            AstNode::Array(items) | AstNode::ArrayGroup(items) | AstNode::Block(items) => self.nodes(items),
            AstNode::Object(pairs) => self.nodes(pairs.iter().flat_map(|(k, v)| [k, v])),
            AstNode::ObjectTransform { input, .. } | AstNode::Sort { input, .. } => self.node(input),
            AstNode::Conditional { condition, then_branch, else_branch } => {
                self.nodes([&**condition, &**then_branch]);
                self.nodes(else_branch.as_deref());
            }
            AstNode::FunctionApplication(inner) => self.node(inner),
            _ => {}
        }
    }

    fn path(&mut self, steps: &[PathStep]) {
        let Some(first) = steps.first() else { return };
        if let (AstNode::Variable(variable), Some(PathStep { node: AstNode::Name(field), .. })) =
            (&first.node, steps.get(1))
            && variable == "states"
        {
            let exists = match field.as_str() {
                "input" | "context" => true,
                "result" => self.offers.result,
                "errorOutput" => self.offers.error_output,
                _ => false,
            };
            if !exists {
                self.faults.push(format!("Field '$states.{field}' does not exist."));
            }
        }
        self.node(&first.node);
    }
}

//! What an expression reads, found in its tree.

use ::cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use super::{
    super::scope::{Path, ROOTS, Segment},
    functions,
};

/// CEL's own functions that there are, and the names of its types.
const FUNCTIONS: [&str; 11] =
    ["size", "contains", "startsWith", "endsWith", "int", "uint", "double", "string", "bool", "type", "dyn"];
const TYPES: [&str; 10] =
    ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];

/// Whether the tree is deeper than `depth`.
pub(super) fn deeper_than(tree: &IdedExpr, depth: usize) -> bool {
    let Some(below) = depth.checked_sub(1) else { return true };
    let mut deeper = false;
    children(tree, &mut |child| deeper = deeper || deeper_than(child, below));
    deeper
}

/// Calls `visit` with what is directly below a node.
fn children<'e>(tree: &'e IdedExpr, visit: &mut dyn FnMut(&'e IdedExpr)) {
    match &tree.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).for_each(visit),
        Expr::List(list) => list.elements.iter().for_each(visit),
        Expr::Select(select) => visit(&select.operand),
        Expr::Map(map) => map.entries.iter().for_each(|entry| of_entry(&entry.expr, visit)),
        Expr::Struct(made) => made.entries.iter().for_each(|entry| of_entry(&entry.expr, visit)),
        Expr::Comprehension(each) => {
            [&each.iter_range, &each.accu_init, &each.loop_cond, &each.loop_step, &each.result]
                .into_iter()
                .for_each(visit);
        }
    }
}

fn of_entry<'e>(entry: &'e EntryExpr, visit: &mut dyn FnMut(&'e IdedExpr)) {
    match entry {
        EntryExpr::StructField(field) => visit(&field.value),
        EntryExpr::MapEntry(entry) => {
            visit(&entry.key);
            visit(&entry.value);
        }
    }
}

/// Every path that begins with a variable of a run; the message says what is unknown.
pub(super) fn paths(tree: &IdedExpr) -> Result<Vec<Path>, String> {
    let mut found = Finder { bound: Vec::new(), paths: Vec::new(), wrong: None };
    found.look(tree);
    match found.wrong {
        Some(message) => Err(message),
        None => Ok(found.paths),
    }
}

struct Finder<'e> {
    /// Variables of the loops around.
    bound: Vec<&'e str>,
    paths: Vec<Path>,
    wrong: Option<String>,
}

impl<'e> Finder<'e> {
    fn look(&mut self, tree: &'e IdedExpr) {
        if let Some((root, segments)) = path(tree) {
            self.variable(root, segments);
            return;
        }
        match &tree.expr {
            Expr::Call(call) => {
                let name = call.func_name.as_str();
                let is_operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
                if !is_operator && !FUNCTIONS.contains(&name) && !functions::NAMES.contains(&name) {
                    self.wrong.get_or_insert_with(|| {
                        let known: Vec<_> = FUNCTIONS.iter().chain(&functions::NAMES).copied().collect();
                        format!(
                            "calls `{name}`, which there is not; there are {}, has, all, exists, exists_one, filter, map",
                            known.join(", ")
                        )
                    });
                }
                children(tree, &mut |child| self.look(child));
            }
            Expr::Struct(made) => {
                self.wrong.get_or_insert_with(|| format!("makes a `{}`, which there is not", made.type_name));
            }
            Expr::Comprehension(each) => {
                self.look(&each.iter_range);
                self.look(&each.accu_init);
                let before = self.bound.len();
                self.bound.push(&each.iter_var);
                self.bound.extend(each.iter_var2.as_deref());
                self.bound.push(&each.accu_var);
                self.look(&each.loop_cond);
                self.look(&each.loop_step);
                self.look(&each.result);
                self.bound.truncate(before);
            }
            _ => children(tree, &mut |child| self.look(child)),
        }
    }

    fn variable(&mut self, root: &'e str, segments: Vec<Segment>) {
        let root = root.strip_prefix('.').unwrap_or(root);
        if self.bound.contains(&root) || TYPES.contains(&root) && segments.is_empty() {
            return;
        }
        if ROOTS.split(", ").any(|known| known == root) {
            self.paths.push(Path { root: root.to_owned(), segments });
        } else {
            self.wrong.get_or_insert_with(|| format!("uses `{root}`, which there is not; there are {ROOTS}"));
        }
    }
}

/// The path that a tree spells, if it spells one. What follows a computed index is not part of it.
fn path(tree: &IdedExpr) -> Option<(&str, Vec<Segment>)> {
    match &tree.expr {
        Expr::Ident(name) => Some((name, Vec::new())),
        Expr::Select(select) => {
            let (root, mut segments) = path(&select.operand)?;
            segments.push(Segment::Key(select.field.clone()));
            Some((root, segments))
        }
        Expr::Call(call) if call.func_name == operators::INDEX && call.args.len() == 2 => {
            let Expr::Literal(index) = &call.args[1].expr else { return None };
            let segment = match index {
                LiteralValue::String(key) => Segment::Key(key.inner().to_owned()),
                LiteralValue::Int(index) => Segment::Index(usize::try_from(*index.inner()).ok()?),
                _ => return None,
            };
            let (root, mut segments) = path(&call.args[0])?;
            segments.push(segment);
            Some((root, segments))
        }
        _ => None,
    }
}

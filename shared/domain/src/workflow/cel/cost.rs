//! How many steps an evaluation could take: an upper bound from the tree and the values that it would run on.
//!
//! Each part of the tree stands for all values that it could have. Those that come from the run are at hand, so a loop
//! over a list knows its elements and a field of an element all values of that field; of values that the expression makes
//! only bounds are known.

use std::{collections::HashMap, rc::Rc};

use ::cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use serde_json::{Map, Value};

/// Bytes of text that count as one step.
const BYTES_PER_STEP: usize = 16;

/// All values that a part could have.
#[derive(Debug, Clone)]
enum Any<'v> {
    Known(Vec<&'v Value>),
    /// Made by the expression: no list, map or text in it, at any level, is longer than `longest`. `inside` is what its
    /// elements or fields could be; within the same bounds if absent.
    Made {
        longest: u64,
        total: u64,
        inside: Option<Rc<Any<'v>>>,
    },
}

impl<'v> Any<'v> {
    const SCALAR: Self = Self::Made { longest: 1, total: 1, inside: None };
    /// No value.
    const NOTHING: Self = Self::Known(Vec::new());

    /// How often a loop over it turns.
    fn turns(&self) -> u64 {
        match self {
            Self::Known(values) => values.iter().map(|value| children(value)).max().unwrap_or(0),
            Self::Made { longest, .. } => *longest,
        }
    }

    fn longest(&self) -> u64 {
        match self {
            Self::Known(values) => values.iter().map(|value| longest(value)).max().unwrap_or(0),
            Self::Made { longest, .. } => *longest,
        }
    }

    fn total(&self) -> u64 {
        match self {
            Self::Known(values) => values.iter().map(|value| total(value)).max().unwrap_or(0),
            Self::Made { total, .. } => *total,
        }
    }

    fn elements(&self) -> Self {
        match self {
            Self::Known(values) => Self::Known(
                values
                    .iter()
                    .flat_map(|value| -> Box<dyn Iterator<Item = &'v Value>> {
                        match value {
                            Value::Array(items) => Box::new(items.iter()),
                            Value::Object(fields) => Box::new(fields.values()),
                            _ => Box::new(std::iter::empty()),
                        }
                    })
                    .collect(),
            ),
            made @ Self::Made { .. } => made.inside(),
        }
    }

    fn field(&self, name: &str) -> Self {
        match self {
            Self::Known(values) => Self::Known(values.iter().filter_map(|value| value.get(name)).collect()),
            made @ Self::Made { .. } => made.inside(),
        }
    }

    fn inside(&self) -> Self {
        match self {
            Self::Made { inside: Some(inside), .. } => Self::clone(inside),
            other => other.clone(),
        }
    }

    /// Whichever of the two.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Known(values), other) | (other, Self::Known(values)) if values.is_empty() => other,
            (Self::Known(mut values), Self::Known(others)) => {
                values.extend(others);
                Self::Known(values)
            }
            (left, right) => Self::Made {
                longest: left.longest().max(right.longest()),
                total: left.total().max(right.total()),
                inside: left
                    .known_inside()
                    .zip(right.known_inside())
                    .map(|(left, right)| Rc::new(left.or(right))),
            },
        }
    }

    /// What is inside, if more is known of it than of the whole.
    fn known_inside(&self) -> Option<Self> {
        match self {
            Self::Known(_) => Some(self.elements()),
            Self::Made { inside, .. } => inside.as_deref().cloned(),
        }
    }
}

fn children(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.len() as u64,
        Value::Object(fields) => fields.len() as u64,
        _ => 0,
    }
}

fn longest(value: &Value) -> u64 {
    match value {
        Value::String(text) => (text.len() / BYTES_PER_STEP) as u64 + 1,
        Value::Array(items) => items.iter().map(longest).max().unwrap_or(0).max(items.len() as u64),
        Value::Object(fields) => fields.values().map(longest).max().unwrap_or(0).max(fields.len() as u64),
        _ => 1,
    }
}

fn total(value: &Value) -> u64 {
    match value {
        Value::String(text) => (text.len() / BYTES_PER_STEP) as u64 + 1,
        Value::Array(items) => items.iter().map(total).sum::<u64>() + 1,
        Value::Object(fields) => fields.values().map(total).sum::<u64>() + fields.len() as u64 + 1,
        _ => 1,
    }
}

/// The most steps of an evaluation with these variables.
pub(super) fn steps(tree: &IdedExpr, root: &Map<String, Value>) -> u64 {
    let mut variables = HashMap::new();
    for (name, value) in root {
        variables.insert(name.as_str(), Any::Known(vec![value]));
    }
    of(tree, &mut variables).0
}

type Variables<'v> = HashMap<&'v str, Any<'v>>;

/// The steps of a part, and its value.
fn of<'v>(tree: &'v IdedExpr, variables: &mut Variables<'v>) -> (u64, Any<'v>) {
    match &tree.expr {
        Expr::Unspecified | Expr::Struct(_) => (1, Any::SCALAR),
        Expr::Literal(literal) => {
            let long = match literal {
                LiteralValue::String(text) => text.inner().len(),
                LiteralValue::Bytes(bytes) => bytes.inner().len(),
                _ => 0,
            };
            let steps = (long / BYTES_PER_STEP) as u64 + 1;
            (1, Any::Made { longest: steps, total: steps, inside: None })
        }
        Expr::Ident(name) => (1, variables.get(name.as_str()).cloned().unwrap_or(Any::SCALAR)),
        Expr::Select(select) => {
            let (steps, value) = of(&select.operand, variables);
            (steps.saturating_add(1), if select.test { Any::SCALAR } else { value.field(&select.field) })
        }
        Expr::List(list) => made(list.elements.iter(), variables),
        Expr::Map(map) => made(
            map.entries.iter().flat_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
                EntryExpr::StructField(field) => vec![&field.value],
            }),
            variables,
        ),
        Expr::Call(call) => {
            let mut steps = 1_u64;
            let mut args = Vec::new();
            for arg in call.target.iter().map(AsRef::as_ref).chain(&call.args) {
                let (arg_steps, arg) = of(arg, variables);
                steps = steps.saturating_add(arg_steps);
                args.push(arg);
            }
            let sum = |size: fn(&Any<'v>) -> u64| args.iter().map(size).fold(0, u64::saturating_add);
            match call.func_name.as_str() {
                operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => {
                    (steps, Any::SCALAR)
                }
                operators::CONDITIONAL if args.len() == 3 => (steps, args[1].clone().or(args[2].clone())),
                operators::INDEX if args.len() == 2 => (
                    steps,
                    match key(&call.args[1]) {
                        Some(key) => args[0].field(key),
                        None => args[0].elements(),
                    },
                ),
                operators::ADD if args.len() == 2 => {
                    let inside = args[0].known_inside().zip(args[1].known_inside());
                    let inside = inside.map(|(left, right)| Rc::new(left.or(right)));
                    let (longest, total) = (sum(Any::longest), sum(Any::total));
                    (steps.saturating_add(total), Any::Made { longest, total, inside })
                }
                // Whatever it does with its arguments, it reads each once and makes no more than all of them.
                _ => (
                    steps.saturating_add(sum(Any::total)),
                    Any::Made { longest: sum(Any::longest), total: sum(Any::total), inside: None },
                ),
            }
        }
        Expr::Comprehension(each) => {
            let (range_steps, range) = of(&each.iter_range, variables);
            let (init_steps, init) = of(&each.accu_init, variables);
            let turns = range.turns();
            let mut inner = variables.clone();
            inner.insert(&each.iter_var, range.elements());
            if let Some(second) = &each.iter_var2 {
                inner.insert(second, range.elements());
            }
            // What a turn adds; the macros append to the result or replace it, they never read it.
            let inside = Some(Rc::new(Any::NOTHING));
            inner.insert(&each.accu_var, Any::Made { longest: 0, total: 0, inside });
            let (cond_steps, _) = of(&each.loop_cond, &mut inner);
            let (step_steps, step) = of(&each.loop_step, &mut inner);
            let value = Any::Made {
                longest: turns.max(step.longest()).max(init.longest()),
                total: turns.saturating_mul(step.total()).saturating_add(init.total()),
                inside: step
                    .known_inside()
                    .zip(init.known_inside())
                    .map(|(step, init)| Rc::new(step.or(init))),
            };
            inner.insert(&each.accu_var, value.clone());
            let (result_steps, result) = of(&each.result, &mut inner);
            let turn = cond_steps.saturating_add(step_steps).saturating_add(1);
            let steps = [range_steps, init_steps, range.total(), turns.saturating_mul(turn), result_steps];
            (steps.into_iter().fold(0, u64::saturating_add), result.or(value))
        }
    }
}

fn made<'v>(parts: impl Iterator<Item = &'v IdedExpr>, variables: &mut Variables<'v>) -> (u64, Any<'v>) {
    let (mut steps, mut count, mut longest, mut total) = (1_u64, 0_u64, 0_u64, 1_u64);
    let mut inside = Any::NOTHING;
    for part in parts {
        let (part_steps, value) = of(part, variables);
        steps = steps.saturating_add(part_steps);
        count += 1;
        longest = longest.max(value.longest());
        total = total.saturating_add(value.total());
        inside = inside.or(value);
    }
    (
        steps.saturating_add(total),
        Any::Made { longest: longest.max(count), total, inside: Some(Rc::new(inside)) },
    )
}

fn key(tree: &IdedExpr) -> Option<&str> {
    match &tree.expr {
        Expr::Literal(LiteralValue::String(key)) => Some(key.inner()),
        _ => None,
    }
}

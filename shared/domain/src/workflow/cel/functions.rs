//! What joins need beyond CEL's own functions: the best of a list. `null` elements, such as the outputs of failed items,
//! are passed over; of nothing the answer is `null`.

use std::cmp::Ordering;

use cel::{
    Env, ExecutionError, Value,
    common::{
        types::{LIST_TYPE, STRING_TYPE},
        value::{CowVal, Val},
    },
    objects::Key,
};

/// Functions beyond the standard ones, in their own words.
pub(super) const NAMES: [&str; 5] = ["min", "max", "sum", "min_by", "max_by"];

pub(super) fn add(env: &mut Env) {
    let added = [
        env.add_member_overload("min", "list_min", LIST_TYPE, vec![], |args| {
            best("min", &args, Ordering::Less)
        }),
        env.add_member_overload("max", "list_max", LIST_TYPE, vec![], |args| {
            best("max", &args, Ordering::Greater)
        }),
        env.add_member_overload("sum", "list_sum", LIST_TYPE, vec![], |args| sum(&args)),
        env.add_member_overload("min_by", "list_min_by", LIST_TYPE, vec![STRING_TYPE], |args| {
            best("min_by", &args, Ordering::Less)
        }),
        env.add_member_overload("max_by", "list_max_by", LIST_TYPE, vec![STRING_TYPE], |args| {
            best("max_by", &args, Ordering::Greater)
        }),
    ];
    debug_assert!(added.iter().all(Result::is_ok), "a name is taken: {added:?}");
}

type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

fn items(name: &str, args: &[CowVal<'_, '_>]) -> Result<Vec<Value>, ExecutionError> {
    match args.first().map(|list| Value::try_from(list.as_ref())).transpose()? {
        Some(Value::List(list)) => {
            Ok(list.iter().filter(|item| !matches!(item, Value::Null)).cloned().collect())
        }
        _ => Err(ExecutionError::function_error(name, "is for lists")),
    }
}

fn answer<'b, 'v>(value: Value) -> Answer<'b, 'v> {
    let value: Box<dyn Val> = value.try_into()?;
    Ok(CowVal::Owned(value))
}

fn number(name: &str, value: &Value) -> Result<f64, ExecutionError> {
    match value {
        Value::Int(value) => Ok(*value as f64),
        Value::UInt(value) => Ok(*value as f64),
        Value::Float(value) => Ok(*value),
        other => Err(ExecutionError::function_error(
            name,
            format!("is for numbers; there is a {}", other.type_of()),
        )),
    }
}

/// The first of the least, or of the greatest.
fn best<'b, 'v>(name: &str, args: &[CowVal<'b, 'v>], wanted: Ordering) -> Answer<'b, 'v> {
    let key = match args.get(1).map(|key| Value::try_from(key.as_ref())).transpose()? {
        Some(Value::String(key)) => Some(key),
        _ => None,
    };
    let mut best: Option<(f64, Value)> = None;
    for item in items(name, args)? {
        let rank = match (&key, &item) {
            (None, item) => number(name, item)?,
            (Some(key), Value::Map(fields)) => match fields.get(&Key::from(key.as_str())) {
                None | Some(Value::Null) => continue,
                Some(rank) => number(name, rank)?,
            },
            (Some(_), _) => return Err(ExecutionError::function_error(name, "is for lists of objects")),
        };
        if best.as_ref().is_none_or(|(so_far, _)| rank.partial_cmp(so_far) == Some(wanted)) {
            best = Some((rank, item));
        }
    }
    answer(best.map_or(Value::Null, |(_, item)| item))
}

fn sum<'b, 'v>(args: &[CowVal<'b, 'v>]) -> Answer<'b, 'v> {
    let items = items("sum", args)?;
    let whole = items.iter().try_fold(0_i64, |sum, item| match item {
        Value::Int(value) => sum.checked_add(*value),
        _ => None,
    });
    if let Some(whole) = whole {
        return answer(Value::Int(whole));
    }
    let mut sum = 0.0;
    for item in &items {
        sum += number("sum", item)?;
    }
    answer(Value::Float(sum))
}

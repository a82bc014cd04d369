//! The functions AWS adds to JSONata, and those it takes away.

use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::parser;
use jsonata_core::value::JValue;
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use crate::clock::{Millis, iso};

type Outcome = Result<JValue, EvaluatorError>;

fn fail<T>(message: impl Into<String>) -> Result<T, EvaluatorError> {
    Err(EvaluatorError::EvaluationError(message.into()))
}

pub(super) fn register(evaluator: &mut Evaluator, now: Millis) -> Result<(), EvaluatorError> {
    evaluator.register_fn("partition", partition)?;
    evaluator.register_fn("range", range)?;
    evaluator.register_fn("hash", hash)?;
    evaluator.register_fn("parse", parse)?;
    evaluator
        .register_fn("uuid", |_: &[JValue]| Ok(JValue::from(uuid::Uuid::new_v4().to_string().as_str())))?;
    evaluator.register_fn_override("random", random)?;
    evaluator.register_fn_override("eval", |_: &[JValue]| {
        fail("The function $eval is not supported: use $parse")
    })?;
    evaluator.register_fn_override("millis", move |_: &[JValue]| Ok(JValue::from_f64(now as f64)))?;
    evaluator.register_fn_override("now", move |args: &[JValue]| tell(now, args))
}

/// `$partition(array, size)`: the array cut into arrays of that size.
fn partition(args: &[JValue]) -> Outcome {
    let [items, size] = args else { return fail("$partition takes an array and a chunk size") };
    let Some(size) = size.as_f64().filter(|n| *n >= 1.0) else {
        return fail("The chunk size of $partition must be a positive number");
    };
    let items = match items {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::Array(items) => items.to_vec(),
        one => vec![one.clone()],
    };
    Ok(JValue::array(items.chunks(size as usize).map(|chunk| JValue::array(chunk.to_vec())).collect()))
}

/// `$range(first, last, step)`: at most 1,000 numbers, `last` included.
fn range(args: &[JValue]) -> Outcome {
    let numbers: Vec<f64> = args.iter().filter_map(JValue::as_f64).collect();
    let [first, last, step] = numbers[..] else {
        return fail("$range takes three numbers: first, last, step");
    };
    if step == 0.0 {
        return fail("The step of $range must not be zero");
    }
    let count = ((last - first) / step).floor() + 1.0;
    if count > 1000.0 {
        return fail("The result of $range must not have more than 1000 items");
    }
    let count = if count < 0.0 { 0 } else { count as u32 };
    // A sequence: a single number is given as itself
    Ok(JValue::sequence((0..count).map(|i| JValue::from_f64(first + f64::from(i) * step)).collect())
        .unwrap_sequence())
}

/// `$hash(data, algorithm)`: in hexadecimal.
fn hash(args: &[JValue]) -> Outcome {
    let (Some(data), algorithm) = (args.first(), args.get(1)) else {
        return fail("$hash takes data and an algorithm");
    };
    let data = match data {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::String(text) => text.to_string(),
        other => other.to_json_string().or_else(|e| fail(e.to_string()))?,
    };
    let digest = match algorithm.map_or(Some("SHA-256"), JValue::as_str) {
        Some("MD5") => hex(&Md5::digest(&data)),
        Some("SHA-1") => hex(&Sha1::digest(&data)),
        Some("SHA-256") => hex(&Sha256::digest(&data)),
        Some("SHA-384") => hex(&Sha384::digest(&data)),
        Some("SHA-512") => hex(&Sha512::digest(&data)),
        _ => return fail("The algorithm of $hash must be one of MD5, SHA-1, SHA-256, SHA-384, SHA-512"),
    };
    Ok(JValue::from(digest.as_str()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `$parse(text)`: the JSON value in it.
fn parse(args: &[JValue]) -> Outcome {
    match args {
        [JValue::Undefined] => Ok(JValue::Undefined),
        [JValue::String(text)] => JValue::from_json_str(text).or_else(|e| fail(format!("$parse: {e}"))),
        _ => fail("$parse takes a string"),
    }
}

/// `$random(seed)`: the first double of `java.util.Random` with that seed; without a seed, any.
fn random(args: &[JValue]) -> Outcome {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let seed = match args {
        [] => return Ok(JValue::from_f64(rand::random::<f64>())),
        [seed] => seed.as_f64(),
        _ => None,
    };
    let Some(seed) = seed else { return fail("The seed of $random must be a number") };
    let mut state = ((seed as i64).cast_unsigned() ^ MULTIPLIER) & MASK;
    let mut next = |bits: u32| {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        state >> (48 - bits)
    };
    let (high, low) = (next(26), next(27));
    Ok(JValue::from_f64(((high << 27) + low) as f64 / (1_u64 << 53) as f64))
}

/// `$now(picture, timezone)`.
fn tell(now: Millis, args: &[JValue]) -> Outcome {
    if args.is_empty() {
        return Ok(JValue::from(iso(now).as_str()));
    }
    let mut context = Context::new();
    for (name, value) in ["picture", "timezone"].iter().zip(args) {
        context.bind((*name).to_owned(), value.clone());
    }
    context.bind("at".to_owned(), JValue::from_f64(now as f64));
    let tree = parser::parse("$fromMillis($at, $picture, $timezone)").or_else(|e| fail(e.to_string()))?;
    Evaluator::with_context(context).evaluate(&tree, &JValue::Undefined)
}

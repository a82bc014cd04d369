//! The same work has the same key, other work another.

use std::collections::BTreeSet;

use domain::workflow::CacheKey;
use serde_json::{Value, json};

fn key(job: Value, inputs: Value) -> String {
    let Value::Object(job) = job else { panic!("{job} is no object") };
    CacheKey::of(&job, &inputs).to_string()
}

#[test]
fn what_decides_the_output_decides_the_key() {
    let job = json!({"image": "i", "command": ["a", "b"], "env": {"X": "1", "Y": "2"}, "gpu": {"model": "A100", "count": 1}});
    let first = key(job.clone(), json!({"params": {"x": 1}}));
    // Stored rows name outputs by it: another digest would forget them all.
    assert_eq!(first, "58f028855269429b6c58309d575a16c82dc0a7f8319ca895044a8f15ee078302");
    let mut same = job.clone();
    same["name"] = json!("other");
    same["timeout_seconds"] = json!(5);
    same["max_price_per_hour"] = json!({"amount": "1", "currency": "USD"});
    same["tags"] = json!({"a": "b"});
    same["spot"] = json!("only");
    assert_eq!(key(same, json!({"params": {"x": 1}})), first);

    let mut keys = BTreeSet::from([first]);
    let changes = [
        ("image", json!("j")),
        ("command", json!(["a b"])),
        ("command", json!(["b", "a"])),
        ("command", json!(["ab"])),
        ("command", json!(["a", "b", ""])),
        ("env", json!({"X": "12", "Y": ""})),
        ("env", json!({"X": "2", "Y": "1"})),
        ("env", json!({"X": "1"})),
        ("env", json!({})),
        ("secrets", json!({"T": "hf"})),
        ("gpu", json!({"model": "A100", "count": 2})),
        ("gpu", json!({"count": 1})),
    ];
    let count = changes.len();
    for (field, value) in changes {
        let mut other = job.clone();
        other[field] = value;
        keys.insert(key(other, json!({"params": {"x": 1}})));
    }
    keys.insert(key(job.clone(), json!({"params": {"x": 2}})));
    keys.insert(key(job.clone(), json!({"params": {"x": "1"}})));
    keys.insert(key(job, Value::Null));
    assert_eq!(keys.len(), count + 4);
}

proptest::proptest! {
    /// Two lists of words have one key only if they are the same list.
    #[test]
    fn words_do_not_run_together(a in proptest::collection::vec("[ab]{0,2}", 0..4), b in proptest::collection::vec("[ab]{0,2}", 0..4)) {
        let of = |words: &[String]| key(json!({"command": words}), Value::Null);
        proptest::prop_assert_eq!(of(&a) == of(&b), a == b);
    }
}

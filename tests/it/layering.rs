//! Dependencies point one way. A rule that no test holds is a wish.

use std::{collections::BTreeSet, path::Path};

/// What a crate of ours may be built on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("shared/domain", &[]),
    ("shared/contract", &["domain"]),
    ("shared/runner", &["domain"]),
    ("shared/app", &["domain", "runner"]),
    ("shared/dynamodb", &["app", "domain"]),
    ("shared/aws", &["app", "domain"]),
    ("shared/providers", &["app", "domain", "runner"]),
    ("shared/lambda", &["app", "aws", "contract", "domain", "dynamodb", "providers"]),
    // A mistake that the adapters and the simulated clouds share would cancel itself out.
    ("infra/simclouds", &[]),
    ("infra/local/states", &[]),
    ("infra/local", &["states", "simclouds"]),
    ("examples/demo", &[]),
];

const OURS: &[&str] = &[
    "domain",
    "contract",
    "app",
    "dynamodb",
    "aws",
    "providers",
    "runner",
    "lambda",
    "states",
    "simclouds",
    "local",
];

#[test]
fn dependencies_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (folder, allowed) in ALLOWED {
        let manifest = std::fs::read_to_string(root.join(folder).join("Cargo.toml")).expect("a manifest");
        let used = dependencies(&manifest);
        for name in used.iter().filter(|name| OURS.contains(&name.as_str())) {
            assert!(allowed.contains(&name.as_str()), "{folder} must not depend on {name}");
        }
    }
}

/// The domain is pure: nothing in it does I/O, waits, or asks for the time.
#[test]
fn the_domain_does_no_io() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/domain");
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    for banned in ["tokio", "reqwest", "futures", "aws-sdk-dynamodb", "async-trait"] {
        assert!(!dependencies(&manifest).contains(banned), "the domain must not depend on {banned}");
    }
}

/// The names below `[dependencies]`; what only tests use does not count.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim() == "[dependencies]";
        } else if inside && let Some((name, _)) = line.split_once(['.', '=', ' ']) {
            names.insert(name.trim().to_owned());
        }
    }
    names
}

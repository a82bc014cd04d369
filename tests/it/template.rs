//! The deployment as AWS's own tools see it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs a checker that `scripts/run_tests.sh` installs below `target`.
fn check(program: &str, arguments: &[&str]) {
    let path = root().join("target").join(program);
    assert!(path.exists(), "{program} is missing: scripts/run_tests.sh installs it");
    let ran = Command::new(path)
        .args(arguments)
        .current_dir(root())
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("SAM_CLI_TELEMETRY", "0")
        .output()
        .expect("the checker runs");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
}

#[test]
fn sam_finds_nothing_to_say_about_the_template() {
    check("venv/bin/sam", &["validate", "--lint", "--template", "infra/template.yaml"]);
}

#[test]
fn a_deployment_runs_the_steps_of_its_code() {
    let template = std::fs::read_to_string(root().join("infra/template.yaml")).expect("the template");
    let after = template.split_once("Type: Custom::Migration").expect("the migration").1;
    let version = after.split_once("Version: \"").expect("its version").1.split('"').next();
    assert_eq!(version, Some(dynamodb::migrations::VERSION.to_string().as_str()));
}

#[test]
fn the_state_machine_is_valid_to_the_schema() {
    check("node/node_modules/.bin/asl-validator", &["--json-path", "statemachines/job.asl.json"]);
    check("node/node_modules/.bin/asl-validator", &["--json-path", "statemachines/run.asl.json"]);
}

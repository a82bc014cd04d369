//! The template reader: the real template is understood whole, and what is not understood is refused.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use local::http::Routes;
use local::template::{Account, NO_COUNTERPART, Protocol, Stack, Values, load, parse};

fn read(resources: &str) -> Result<Stack, String> {
    parse(resources, Path::new("."), &Values::default(), &Account::default())
        .map_err(|error| format!("{error:#}"))
}

fn refused(text: &str, because: &str) {
    let error = read(text).expect_err(because);
    assert!(error.contains(because), "{error}");
}

#[test]
fn the_real_template_is_understood() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let given =
        BTreeMap::from([("Stage".into(), "test".into()), ("ApiUrl".into(), "https://gpu.example".into())]);
    let stack = load(&path, &Values { given, ..Values::default() }, &Account::default()).unwrap();
    let steps = &stack.functions["StepsFunction"];
    assert_eq!(steps.name, "gpu-test-steps");
    assert_eq!(steps.binary, "steps");
    assert_eq!(steps.timeout, Duration::from_mins(1));
    assert_eq!(steps.environment["API_URL"], "https://gpu.example");
    assert_eq!(
        steps.environment["JOB_MACHINE_ARN"],
        "arn:aws:states:us-east-1:000000000000:stateMachine:gpu-test-job"
    );
    assert!(!steps.environment.contains_key("RUNPOD_URL"), "AWS::NoValue leaves it out");
    assert_eq!(stack.machines["JobMachine"].name, "gpu-test-job");
    assert!(stack.machines["JobMachine"].definition.contains(":function:gpu-test-steps"));
    assert!(!stack.machines["JobMachine"].definition.contains("${"));
    let table = &stack.tables["Table"];
    assert_eq!(
        table.indexes.iter().map(|index| index.index_name.as_str()).collect::<Vec<_>>(),
        ["gsi1", "gsi2"]
    );
    assert_eq!(table.ttl_attribute.as_deref(), Some("expires_at"));
    assert_eq!(stack.event_sources["NotifierStream"].stream_arn, table.stream_arn);
    let schedule = &stack.schedules["SweeperSchedule"];
    assert_eq!((schedule.expression.as_str(), schedule.max_retries), ("rate(5 minutes)", 0));
}

/// What is passed over is named, and nothing is named that the template does not have.
#[test]
fn types_without_a_counterpart_are_those_of_the_template() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml")).unwrap();
    for (kind, reason) in NO_COUNTERPART {
        assert!(text.contains(&format!("Type: {kind}\n")), "{kind} ({reason}) is not in the template");
    }
}

/// Every function of the template has a folder, and every folder of a function is in the template.
#[test]
fn functions_and_folders_agree() {
    let infra = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let stack = load(&infra.join("template.yaml"), &Values::default(), &Account::default()).unwrap();
    let mut binaries: Vec<String> =
        stack.functions.values().map(|function| function.binary.clone()).collect();
    let mut folders: Vec<String> = std::fs::read_dir(infra.join("../functions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| infra.join("../functions").join(name).join("Cargo.toml").exists())
        .collect();
    binaries.sort();
    folders.sort();
    assert_eq!(binaries, folders);
}

#[test]
fn requests_reach_the_function_that_owns_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let stack = load(&path, &Values::default(), &Account::default()).unwrap();
    let api = stack.apis.values().find(|api| api.protocol == Protocol::Http).unwrap();
    let routes = Routes::new(&api.routes).unwrap();
    let owner = |method: &str, path: &str| {
        let found = routes.find(method, path)?;
        Some(found.integration.function.rsplit("gpu-dev-").next().unwrap().to_owned())
    };
    for (method, path, function) in [
        ("POST", "/v1/auth/login", "auth"),
        ("GET", "/v1/me", "auth"),
        ("POST", "/v1/me/api-keys", "auth"),
        ("GET", "/v1/jobs", "jobs"),
        ("GET", "/v1/jobs/job_1/log", "jobs"),
        ("GET", "/healthz", "jobs"),
        ("POST", "/v1/offers:rank", "catalog"),
        ("GET", "/v1/gpus", "catalog"),
        ("POST", "/v1/runner/att_1/start", "runner-events"),
        ("POST", "/v1/realtime/ticket", "realtime"),
    ] {
        assert_eq!(owner(method, path).as_deref(), Some(function), "{method} {path}");
    }
    assert_eq!(owner("GET", "/v1/runner/att_1/start"), None);
    assert_eq!(owner("GET", "/v1/nothing"), None);
}

const FUNCTION: &str = "
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: ../functions/f
";

#[test]
fn what_is_not_understood_is_refused() {
    assert_eq!(read(FUNCTION).unwrap().functions["F"].binary, "f");
    refused(&format!("{FUNCTION}      SnapStart: {{ ApplyOn: PublishedVersions }}\n"), "SnapStart");
    refused(&format!("{FUNCTION}    Creates: 1\n"), "Creates is not understood");
    refused(
        &format!("{FUNCTION}  G: {{ Type: AWS::SQS::Queue }}\n"),
        "G: type AWS::SQS::Queue is not understood",
    );
    refused(&format!("{FUNCTION}Mappings: {{}}\n"), "section Mappings");
    refused(&format!("{FUNCTION}      Description: !GetAZs x\n"), "tag !GetAZs");
    refused(&format!("{FUNCTION}      Description: !Ref Nobody\n"), "nothing is named Nobody");
    refused(&format!("{FUNCTION}      Description: !GetAtt F.Color\n"), "no attribute Color");
    refused(&format!("{FUNCTION}      Description: {{ Fn::ImportValue: x }}\n"), "Fn::ImportValue");
    refused(&format!("{FUNCTION}Globals: {{ Api: {{}} }}\n"), "Globals.Api");
    refused("Resources: { A: { Type: AWS::IAM::Role, Type: AWS::IAM::Role } }", "duplicate");
    let schedule = |expression: &str| {
        format!(
            "{FUNCTION}  S:\n    Type: AWS::Scheduler::Schedule\n    Properties:\n      ScheduleExpression: {expression}\n      \
             FlexibleTimeWindow: {{ Mode: 'OFF' }}\n      Target: {{ Arn: !GetAtt F.Arn }}\n"
        )
    };
    read(&schedule("rate(1 hour)")).unwrap();
    refused(&schedule("at(2030-01-01T00:00:00)"), "at(2030-01-01T00:00:00) is not understood");
}

#[test]
fn a_policy_of_its_own_counts_for_the_function_that_names_it() {
    let policy = |action: &str| {
        format!(
            "{FUNCTION}      Policies: [!Ref P]\n  P:\n    Type: AWS::IAM::ManagedPolicy\n    Properties:\n      PolicyDocument:\n        \
             Version: '2012-10-17'\n        Statement: [{{ Effect: Allow, Action: '{action}', Resource: x }}]\n"
        )
    };
    let stack = read(&policy("ssm:GetParameter")).unwrap();
    assert_eq!(stack.functions["F"].actions.iter().collect::<Vec<_>>(), ["ssm:GetParameter"]);
    refused(&policy("ssm:*"), "ssm:* allows more");
    refused(&format!("{FUNCTION}      Policies: [AdministratorAccess]\n"), "policy AdministratorAccess");
}

/// All faults at once: who mends a template does not want them one by one.
#[test]
fn every_fault_is_named() {
    let error =
        read("Resources: { A: { Type: AWS::SQS::Queue }, B: { Type: AWS::SNS::Queue } }").unwrap_err();
    assert!(error.contains("A: type") && error.contains("B: type"), "{error}");
}

#[test]
fn parameters_are_checked() {
    let text = "
Parameters:
  Stage: { Type: String, AllowedValues: [a, b], Default: a }
Conditions:
  IsB: !Equals [!Ref Stage, b]
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      FunctionName: !Join ['-', [f, !If [IsB, second, first], !Select [1, !Split [',', 'x,y']]]]
  G:
    Type: AWS::SQS::Queue
    Condition: IsB
";
    let with = |name: &str, value: &str| {
        let given = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        parse(text, Path::new("."), &Values { given, ..Values::default() }, &Account::default())
            .map_err(|error| format!("{error:#}"))
    };
    assert_eq!(with("Stage", "a").unwrap().functions["F"].name, "f-first-y");
    assert!(with("Stage", "b").unwrap_err().contains("AWS::SQS::Queue"), "the condition lets it in");
    assert!(with("Stage", "c").unwrap_err().contains("not one of a, b"));
    assert!(with("Other", "c").unwrap_err().contains("parameter Other"));
}

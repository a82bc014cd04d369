//! The examples are what the documentation says they are.

use std::{collections::BTreeSet, fs, path::Path};

use domain::workflow::{Format, NodeStatus, Workflow};
use serde_json::Map;

fn all() -> Vec<(String, Workflow)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/workflows");
    let mut found: Vec<_> = fs::read_dir(folder)
        .expect("the examples are there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a text");
            (path.file_stem().unwrap().to_string_lossy().into_owned(), super::yaml(&text))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn every_example_is_valid_and_runs_with_its_defaults() {
    let all = all();
    assert_eq!(all.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["deploy", "nightly", "sweep"]);
    for (name, workflow) in &all {
        assert_eq!(super::errors(workflow), Vec::<String>::new(), "{name}");
        workflow.bind(Map::new()).unwrap_or_else(|errors| panic!("{name}: {errors:#?}"));
    }
}

#[test]
fn an_example_is_the_same_as_json() {
    for (name, workflow) in all() {
        let json = serde_json::to_string(&workflow).expect("JSON");
        assert_eq!(Workflow::read(&json, Format::Json), Ok(workflow), "{name}");
    }
}

#[test]
fn the_groups_of_the_night_are_edges() {
    let (_, workflow) = all().remove(1);
    let plan = workflow.plan().expect("a plan");
    let ids: Vec<_> = plan.order().iter().map(|number| plan.steps()[*number as usize].id.as_str()).collect();
    assert_eq!(ids, ["night.prepare", "night.train.short", "night.train.full", "night.publish", "clean_up"]);
    let publish = &plan.steps()[plan.number("night.publish").unwrap() as usize];
    assert_eq!(publish.before.len(), 2);
    let all_kept = plan.resume(|_| Some(NodeStatus::Succeeded), &BTreeSet::new(), &BTreeSet::new());
    assert!(all_kept.iter().all(|fate| *fate == domain::workflow::Fate::Keep));
}

/// The blocks of the documentation: whole workflows are valid, and parts of one have a node's form.
#[test]
fn the_documentation_says_what_is() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/workflows.md");
    let page = fs::read_to_string(page).expect("the page");
    let blocks: Vec<_> =
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 6);
    for block in blocks {
        if block.starts_with("name: ") {
            assert_eq!(super::errors(&super::yaml(block)), Vec::<String>::new(), "{block}");
        } else {
            let indented: Vec<_> = block.lines().map(|line| format!("  {line}")).collect();
            let workflow = super::yaml(&format!("name: w\nnodes:\n{}\n", indented.join("\n")));
            assert!(workflow.nodes.values().all(|node| node.kind().is_some()), "{block}");
        }
    }
}

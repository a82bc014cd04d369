//! What a resumed run keeps.

use std::collections::{BTreeMap, BTreeSet};

use domain::workflow::{Because, Fate, NodeStatus, Workflow, changed};
use serde_json::{Value, json};

fn workflow() -> Workflow {
    super::yaml(
        r"
name: w
params: {rate: {default: 1}, hook: {default: x}}
nodes:
  a: {job: {image: i, command: [c]}}
  b: {depends_on: [a], job: {image: i, command: ['${{ params.rate }}']}}
  c: {depends_on: [a], job: {image: i, command: [c]}}
  d: {depends_on: [b, c], trigger: none_failed, job: {image: i, command: ['${{ params.hook }}']}}
  e: {depends_on: [a], when: params.rate > 5, job: {image: i, command: [c]}}
",
    )
}

fn again(statuses: &[(&str, NodeStatus)], changed: &[&str], asked: &[&str]) -> BTreeMap<String, Because> {
    let workflow = workflow();
    let plan = workflow.validate().unwrap();
    let earlier = |number: u32| {
        let id = &plan.step(number)?.id;
        statuses.iter().find(|(name, _)| name == id).map(|(_, status)| *status)
    };
    let changed = changed.iter().map(|name| (*name).to_owned()).collect();
    let asked = asked.iter().map(|id| plan.number(id).unwrap()).collect();
    let fates = plan.resume(earlier, &changed, &asked);
    plan.steps()
        .iter()
        .zip(fates)
        .filter_map(|(step, fate)| match fate {
            Fate::Keep => None,
            Fate::Again(because) => Some((step.id.clone(), because)),
        })
        .collect()
}

fn because(entries: &[(&str, Because)]) -> BTreeMap<String, Because> {
    entries.iter().map(|(id, because)| ((*id).to_owned(), because.clone())).collect()
}

#[test]
fn succeeded_nodes_are_kept_and_the_rest_runs_again() {
    use NodeStatus::{Failed, Skipped, Succeeded, UpstreamFailed};
    let ended = [("a", Succeeded), ("b", Failed), ("c", Succeeded), ("d", UpstreamFailed), ("e", Skipped)];
    assert_eq!(
        again(&ended, &[], &[]),
        because(&[("b", Because::Ended(Some(Failed))), ("d", Because::Ended(Some(UpstreamFailed)))])
    );
}

#[test]
fn a_changed_parameter_runs_what_reads_it_and_everything_behind() {
    use NodeStatus::{Skipped, Succeeded};
    let ended = [("a", Succeeded), ("b", Succeeded), ("c", Succeeded), ("d", Succeeded), ("e", Skipped)];
    assert_eq!(again(&ended, &[], &[]), BTreeMap::new());
    assert_eq!(again(&ended, &["hook"], &[]), because(&[("d", Because::Param("hook".into()))]));
    let rate = Because::Param("rate".into());
    assert_eq!(
        again(&ended, &["rate"], &[]),
        because(&[("b", rate.clone()), ("d", Because::Before(1)), ("e", rate)])
    );
}

#[test]
fn one_node_can_be_asked_for() {
    use NodeStatus::{Skipped, Succeeded};
    let ended = [("a", Succeeded), ("b", Succeeded), ("c", Succeeded), ("d", Succeeded), ("e", Skipped)];
    assert_eq!(again(&ended, &[], &["c"]), because(&[("c", Because::Asked), ("d", Because::Before(2))]));
}

#[test]
fn nothing_ran_means_everything_runs() {
    let all = again(&[], &[], &[]);
    assert_eq!(all.len(), 5);
    assert!(all.values().all(|because| *because == Because::Ended(None)));
}

#[test]
fn changed_parameters_are_found() {
    let (Value::Object(before), Value::Object(after)) =
        (json!({"a": 1, "b": [1], "gone": 1}), json!({"a": 1, "b": [2], "new": null}))
    else {
        panic!("objects")
    };
    let expected: BTreeSet<String> = ["b", "gone", "new"].map(String::from).into();
    assert_eq!(changed(&before, &after), expected);
    assert_eq!(changed(&after, &after), BTreeSet::new());
}

//! Groups into edges, orders, ancestors and the critical path.

use std::collections::BTreeSet;

use domain::workflow::{Plan, TriggerRule, Uses, Workflow};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{job, yaml};

fn edges(plan: &Plan<'_>) -> Vec<String> {
    let mut edges: Vec<_> = plan
        .steps()
        .iter()
        .flat_map(|step| {
            step.before.iter().map(|edge| format!("{} -> {}", plan.step(edge.step).unwrap().id, step.id))
        })
        .collect();
    edges.sort();
    edges
}

#[test]
fn groups_become_edges_between_their_ends() {
    let workflow = yaml(
        r"
name: w
nodes:
  a: {condition: 'true'}
  both:
    depends_on: [a]
    parallel:
      - {name: x, condition: 'true'}
      - {name: y, condition: 'true'}
      - {name: z, condition: 'true', depends_on: [y]}
  row:
    depends_on: [both]
    sequential:
      - {name: one, condition: 'true'}
      - name: two
        parallel:
          - {name: l, condition: 'true'}
          - {name: r, condition: 'true'}
      - {name: three, condition: 'true', depends_on: [one]}
  end: {condition: 'true', depends_on: [row, both.x]}
",
    );
    let plan = workflow.plan().unwrap();
    assert_eq!(
        edges(&plan),
        [
            "a -> both.x",
            "a -> both.y",
            "both.x -> end",
            "both.x -> row.one",
            "both.y -> both.z",
            "both.z -> row.one",
            "row.one -> row.three",
            "row.one -> row.two.l",
            "row.one -> row.two.r",
            "row.three -> end",
            "row.two.l -> row.three",
            "row.two.r -> row.three",
        ]
    );
    assert_eq!(
        plan.first().map(|number| plan.steps()[number as usize].id.as_str()).collect::<Vec<_>>(),
        ["a"]
    );
    let paths: Vec<_> = plan.steps().iter().map(|step| step.path.as_str()).collect();
    assert!(paths.contains(&"nodes.row.sequential[1].parallel[0]"), "{paths:?}");
}

#[test]
fn what_a_group_says_about_its_start_holds_for_its_members() {
    let workflow = yaml(
        r"
name: w
nodes:
  a: {condition: 'true'}
  g:
    depends_on: [a]
    when: 1 < 2
    trigger: one_failed
    sequential:
      - {name: x, condition: 'true'}
      - {name: y, condition: 'true', when: 2 < 3, trigger: all_done}
",
    );
    let plan = workflow.plan().unwrap();
    let step = |id: &str| plan.step(plan.number(id).unwrap()).unwrap();
    assert_eq!(step("g.x").conditions().collect::<Vec<_>>(), ["1 < 2"]);
    assert_eq!(step("g.x").trigger, TriggerRule::OneFailed);
    assert_eq!(step("g.y").conditions().collect::<Vec<_>>(), ["1 < 2", "2 < 3"]);
    assert_eq!(step("g.y").trigger, TriggerRule::AllDone);
}

#[test]
fn a_name_means_the_nearest_node() {
    let workflow = yaml(
        r"
name: w
nodes:
  x: {condition: 'true'}
  y: {condition: 'true'}
  g:
    parallel:
      - {name: x, condition: 'true'}
      - {name: z, condition: 'true', depends_on: [x, y, g.x2]}
      - {name: x2, condition: 'true'}
",
    );
    assert_eq!(edges(&workflow.plan().unwrap()), ["g.x -> g.z", "g.x2 -> g.z", "y -> g.z"]);
}

#[test]
fn two_edges_between_two_nodes_are_one_unless_they_have_conditions() {
    let workflow = yaml(
        r"
name: w
nodes:
  g: {parallel: [{name: x, condition: 'true'}]}
  a: {condition: 'true', depends_on: [g, g.x]}
  b: {condition: 'true', depends_on: [g, {node: g.x, if: nodes.g.x.status == 'succeeded'}]}
",
    );
    let plan = workflow.validate().unwrap();
    assert_eq!(edges(&plan), ["g.x -> a", "g.x -> b", "g.x -> b"]);
    assert_eq!(plan.order().len(), 3);
}

#[test]
fn what_a_node_reads_is_known() {
    let workflow = yaml(
        r"
name: w
params: {a: {default: 1}, b: {default: 1}, c: {default: 1}, d: {default: 1}}
nodes:
  one: {condition: params.a == 1}
  two:
    depends_on: [{node: one, if: params.b == 1}]
    when: nodes.one.status == 'succeeded'
    map:
      over: [1, '${{ params.c }}']
      node:
        job: {image: a, command: ['${{ item }}', '${{ nodes.one.output.x }}']}
        outputs: {y: output.y + index}
    outputs:
      d: output.map(x, x.y + params.d)
  three: {depends_on: [two], condition: size(params) > 0}
",
    );
    let plan = workflow.validate().unwrap();
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>());
    let one = plan.number("one").unwrap();
    assert_eq!(plan.uses(one), Uses { params: names(&["a"]), nodes: BTreeSet::new() });
    assert_eq!(
        plan.uses(plan.number("two").unwrap()),
        Uses { params: names(&["b", "c", "d"]), nodes: BTreeSet::from([one]) }
    );
    let of_an_item = Uses { params: names(&[]), nodes: BTreeSet::from([one]) };
    assert_eq!(plan.item_uses(plan.number("two").unwrap()), of_an_item);
    assert_eq!(plan.uses(plan.number("three").unwrap()).params, None);
}

/// A graph in which node `n` depends on some before it.
fn random(before: &[Vec<usize>]) -> Workflow {
    let nodes: serde_json::Map<_, _> = before
        .iter()
        .enumerate()
        .map(|(at, before)| {
            let before: BTreeSet<_> =
                before.iter().filter(|other| **other < at).map(|other| format!("n{other:03}")).collect();
            (format!("n{at:03}"), json!({"job": job(), "depends_on": before}))
        })
        .collect();
    super::json(json!({"name": "w", "nodes": Value::Object(nodes)}))
}

proptest::proptest! {
    /// Orders, ancestors and the critical path agree with what a walk over all paths finds.
    #[test]
    fn a_graph_is_what_a_walk_finds(
        before in proptest::collection::vec(proptest::collection::vec(0..80_usize, 0..4), 1..80),
        took in proptest::collection::vec(0..1_000_i64, 80),
    ) {
        let workflow = random(&before);
        let plan = workflow.validate().expect("a graph without cycles");
        let count = plan.steps().len();
        let mut place = vec![0; count];
        for (at, number) in plan.order().iter().enumerate() {
            place[*number as usize] = at;
        }
        proptest::prop_assert_eq!(plan.order().len(), count);
        let ancestors = plan.ancestors();
        let mut longest = vec![0_i64; count];
        for number in 0..count as u32 {
            let mut all = BTreeSet::new();
            let mut open = vec![number];
            while let Some(at) = open.pop() {
                for edge in &plan.steps()[at as usize].before {
                    proptest::prop_assert!(place[edge.step as usize] < place[at as usize]);
                    if all.insert(edge.step) {
                        open.push(edge.step);
                    }
                }
            }
            for other in 0..count as u32 {
                proptest::prop_assert_eq!(ancestors.contain(number, other), all.contains(&other));
            }
            // Numbers follow names here, so what comes before has a smaller one.
            let start = plan.steps()[number as usize].before.iter().map(|edge| longest[edge.step as usize]).max();
            longest[number as usize] = start.unwrap_or(0) + took[number as usize];
        }
        let (total, path) = plan.critical_path(|number| SignedDuration::from_secs(took[number as usize]));
        proptest::prop_assert_eq!(total.as_secs(), longest.iter().copied().max().unwrap_or(0));
        proptest::prop_assert_eq!(path.iter().map(|number| took[*number as usize]).sum::<i64>(), total.as_secs());
        for pair in path.windows(2) {
            proptest::prop_assert!(plan.steps()[pair[1] as usize].before.iter().any(|edge| edge.step == pair[0]));
        }
    }
}

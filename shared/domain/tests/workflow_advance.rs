//! Completions that are repeated, reordered and delayed lead where a recomputation from scratch leads.

use std::collections::BTreeMap;

use domain::workflow::{Decision, Effect, Fan, Gate, Outcome, Place, Status, Tally, TriggerRule, Window};

/// SplitMix64: a seed names an interleaving.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

struct Graph {
    rules: Vec<TriggerRule>,
    /// Of each node: its dependencies, all smaller, with the edge's condition.
    before: Vec<Vec<(usize, bool)>>,
    /// How each ends if it starts.
    ends: Vec<Status>,
}

fn graph(dice: &mut Dice) -> Graph {
    let nodes = 2 + dice.below(11);
    let mut graph = Graph { rules: vec![], before: vec![], ends: vec![] };
    for node in 0..nodes {
        graph.rules.push(TriggerRule::ALL[dice.below(5)]);
        let mut before = Vec::new();
        for dependency in 0..node {
            if dice.below(3) == 0 {
                before.push((dependency, dice.below(5) > 0));
            }
        }
        graph.before.push(before);
        let ends = [
            Status::Succeeded,
            Status::Succeeded,
            Status::Failed,
            Status::TimedOut,
            Status::Cancelled,
            Status::Skipped,
        ];
        graph.ends.push(ends[dice.below(ends.len())]);
    }
    graph
}

/// The reference: plain words of the documentation over all outcomes at once, in topological order.
fn reference(graph: &Graph) -> Vec<Status> {
    let mut ended: Vec<Status> = Vec::new();
    for node in 0..graph.rules.len() {
        let (mut good, mut bad, mut left_out) = (0, 0, 0);
        for &(dependency, condition) in &graph.before[node] {
            match ended[dependency] {
                Status::Succeeded if condition => good += 1,
                Status::Succeeded | Status::Skipped => left_out += 1,
                _ => bad += 1,
            }
        }
        let all = graph.before[node].len();
        let runs = all == 0
            || match graph.rules[node] {
                TriggerRule::AllSucceeded => good == all,
                TriggerRule::AllDone => true,
                TriggerRule::OneSucceeded => good > 0,
                TriggerRule::OneFailed => bad > 0,
                TriggerRule::NoneFailed => bad == 0,
            };
        let blocked = bad > 0 && graph.rules[node] != TriggerRule::OneFailed;
        assert_eq!(good + bad + left_out, all);
        ended.push(match (runs, blocked) {
            (true, _) => graph.ends[node],
            (false, true) => Status::Blocked,
            (false, false) => Status::Skipped,
        });
    }
    ended
}

/// Runs a graph in the order of the dice and answers how each node ended. Every message may come twice, at any time.
fn run(graph: &Graph, dice: &mut Dice) -> Vec<Option<Status>> {
    let nodes = graph.rules.len();
    let mut gates: Vec<Gate> =
        graph.before.iter().map(|before| Fan::of(before.len() as u32).unwrap().root()).collect();
    let mut ended: Vec<Option<Status>> = vec![None; nodes];
    let mut starts = vec![0; nodes];
    // What is under way: a running node's end, or a completion on its way to (dependent, position).
    let mut running: Vec<usize> = Vec::new();
    let mut messages: Vec<(usize, u32, Outcome)> = Vec::new();

    let tell = |node: usize, status: Status, messages: &mut Vec<(usize, u32, Outcome)>| {
        for (dependent, before) in graph.before.iter().enumerate() {
            for (position, &(dependency, condition)) in before.iter().enumerate() {
                if dependency == node {
                    messages.push((dependent, position as u32, status.across(condition)));
                }
            }
        }
    };
    for node in 0..nodes {
        if graph.before[node].is_empty() {
            assert_eq!(gates[node].decide(graph.rules[node]), Some(Decision::Start));
            starts[node] += 1;
            running.push(node);
        }
    }
    while !running.is_empty() || !messages.is_empty() {
        let pick = dice.below(running.len() + messages.len());
        if pick < running.len() {
            let node = running.swap_remove(pick);
            ended[node] = Some(graph.ends[node]);
            tell(node, graph.ends[node], &mut messages);
            continue;
        }
        let at = pick - running.len();
        let (dependent, position, outcome) = messages[at];
        if dice.below(3) > 0 {
            messages.swap_remove(at);
        } // else it is delivered again later
        let before = gates[dependent].decision();
        let decision = gates[dependent].close_in_root(graph.rules[dependent], position, outcome.into());
        if before.is_some() {
            assert_eq!(decision, before, "a decision changed");
            continue;
        }
        match decision {
            None => {}
            Some(Decision::Start) => {
                starts[dependent] += 1;
                running.push(dependent);
            }
            Some(other) => {
                let status = if other == Decision::Skip { Status::Skipped } else { Status::Blocked };
                ended[dependent] = Some(status);
                tell(dependent, status, &mut messages);
            }
        }
    }
    assert!(starts.iter().all(|&n| n <= 1), "a node started twice: {starts:?}");
    ended
}

#[test]
fn twenty_thousand_interleavings_end_as_the_reference_says() {
    for seed in 0..20_000 {
        let mut dice = Dice(seed);
        let graph = graph(&mut dice);
        let expected: Vec<_> = reference(&graph).into_iter().map(Some).collect();
        assert_eq!(run(&graph, &mut dice), expected, "seed {seed}");
    }
}

/// Closes `outcomes` in a random order with repeats, over shards where there are any.
fn fan_in(rule: TriggerRule, outcomes: &[Outcome], dice: &mut Dice) -> Decision {
    let fan = Fan::of(outcomes.len() as u32).unwrap();
    let mut root = fan.root();
    let mut shards: BTreeMap<u32, Gate> = (0..fan.shards()).map(|n| (n, fan.shard(n).unwrap())).collect();
    let mut order: Vec<usize> = (0..outcomes.len()).chain((0..outcomes.len()).step_by(7)).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, dice.below(i + 1));
    }
    let mut decided = None;
    for position in order {
        let outcome = outcomes[position];
        let decision = match fan.place(position as u32).unwrap() {
            Place::Root { member } => root.close_in_root(rule, member, Tally::from(outcome)),
            Place::Shard { shard, member } => {
                match shards.get_mut(&shard).unwrap().close_in_shard(rule, member, outcome) {
                    Effect::Wait => root.decision(),
                    Effect::Early(decision) => Some(root.decide_early(decision)),
                    Effect::Close(tally) => root.close_in_root(rule, shard, tally),
                }
            }
        };
        assert!(decided.is_none() || decided == decision, "a decision changed");
        decided = decision;
        let widest = shards.values().chain([&root]).map(|gate| gate.open().len()).max();
        assert!(widest <= Some(Fan::WIDTH as usize));
    }
    assert!(root.open().is_empty());
    decided.expect("everything ended")
}

#[test]
fn a_wide_fan_in_decides_as_one_tally_does_and_its_rows_stay_small() {
    for (seed, width) in [1, 255, 256, 257, 1_000, 10_000].into_iter().enumerate() {
        for rule in TriggerRule::ALL {
            for rare in [Outcome::Failed, Outcome::Skipped, Outcome::Succeeded] {
                let mut dice = Dice(seed as u64);
                let mut outcomes = vec![Outcome::Succeeded; width];
                outcomes[dice.below(width)] = rare;
                let mut all = Tally::default();
                for outcome in &outcomes {
                    all += Tally::from(*outcome);
                }
                assert_eq!(
                    fan_in(rule, &outcomes, &mut dice),
                    rule.settled(all),
                    "{width} {rule:?} {rare:?}"
                );
            }
        }
    }
    let row = serde_json::to_vec(&Fan::of(10_000).unwrap().shard(0)).unwrap();
    assert!(row.len() < 4_096, "{} bytes", row.len());
    assert!(Fan::of(Fan::MOST + 1).is_none());
    assert!(Fan::of(3).unwrap().place(3).is_none());
}

#[test]
fn a_map_never_runs_more_than_it_may_and_joins_in_order() {
    let window = Window { items: 1_000, max_parallel: 7 };
    let mut dice = Dice(1);
    let mut running: Vec<u32> = (0..window.target(0)).collect();
    let (mut started, mut outputs) = (window.target(0), Vec::new());
    while !running.is_empty() {
        assert!(running.len() <= 7);
        let item = running.swap_remove(dice.below(running.len()));
        outputs.push((item, serde_json::json!(item)));
        let target = window.target(outputs.len() as u32);
        running.extend(started..target);
        started = target;
    }
    let expected: Vec<_> = (0..1_000).map(|n| serde_json::json!(n)).collect();
    assert_eq!(window.join(outputs), expected);
}

//! A definition without its groups: steps, the edges between them, and an order in which they can run.

use std::collections::{HashMap, HashSet};

use jiff::SignedDuration;

use super::{
    TriggerRule,
    definition::{Kind, Node, Workflow},
    errors::{Errors, join},
    expand::expand,
};
use crate::job::FieldError;

/// The steps of a workflow. A step's number is the same whenever the same definition is planned.
#[derive(Debug)]
pub struct Plan<'w> {
    pub(super) steps: Vec<Step<'w>>,
    by_id: HashMap<String, u32>,
    /// Every step after those that it waits for; in a definition with a cycle, without the steps that never start.
    order: Vec<u32>,
}

/// A node that is no group.
#[derive(Debug)]
pub struct Step<'w> {
    /// The node's name, behind those of its groups: `prepare.download`.
    pub id: String,
    /// Where it stands in the definition: `nodes.prepare.parallel[0]`.
    pub path: String,
    pub node: &'w Node,
    pub kind: Kind<'w>,
    pub trigger: TriggerRule,
    /// Its own `when` and those of its groups; one `false` skips it.
    pub when: Vec<Text<'w>>,
    /// What it waits for; the position of an edge is its member number in the step's gate.
    pub before: Vec<Edge<'w>>,
    /// The steps that wait for it.
    pub after: Vec<u32>,
}

/// One step waits for another.
#[derive(Debug)]
pub struct Edge<'w> {
    pub step: u32,
    pub condition: Option<Text<'w>>,
}

/// A text of the definition and its place.
#[derive(Debug, Clone)]
pub struct Text<'w> {
    pub source: &'w str,
    pub path: String,
}

impl Workflow {
    /// The steps of a definition that [`Workflow::validate`] found nothing wrong with.
    ///
    /// # Errors
    /// What is wrong with its nodes' names, groups and edges.
    pub fn plan(&self) -> Result<Plan<'_>, Vec<FieldError>> {
        let mut errors = Errors::default();
        let plan = expand(self, &mut errors);
        cycles(&plan, &mut errors);
        errors.done(plan)
    }
}

impl<'w> Plan<'w> {
    pub(super) fn new(steps: Vec<Step<'w>>, by_id: HashMap<String, u32>) -> Self {
        let order = order(&steps);
        Self { steps, by_id, order }
    }

    /// Of steps whose edges are not all there.
    pub(super) fn unordered(steps: Vec<Step<'w>>, by_id: HashMap<String, u32>) -> Self {
        Self { steps, by_id, order: Vec::new() }
    }

    pub fn steps(&self) -> &[Step<'w>] {
        &self.steps
    }

    /// The step with this number.
    pub fn step(&self, number: u32) -> Option<&Step<'w>> {
        self.steps.get(number as usize)
    }

    /// The number of the step with this id.
    pub fn number(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    /// The steps in an order in which each comes after all that it waits for.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// The steps that wait for nothing.
    pub fn first(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.steps).filter(|(_, step)| step.before.is_empty()).map(|(number, _)| number)
    }

    /// Which steps come before which, in one bit each: some 12 MB for 10,000 steps.
    pub fn ancestors(&self) -> Ancestors {
        let words = self.steps.len().div_ceil(64);
        let mut bits = vec![0_u64; words * self.steps.len()];
        for &number in &self.order {
            let row = number as usize * words;
            for edge in &self.steps[number as usize].before {
                let other = edge.step as usize * words;
                for word in 0..words {
                    bits[row + word] |= bits[other + word];
                }
                bits[row + edge.step as usize / 64] |= 1 << (edge.step % 64);
            }
        }
        Ancestors { words, bits }
    }

    /// The chain of steps that took longest, first to last, and how long; what never ran took no time.
    pub fn critical_path(&self, took: impl Fn(u32) -> SignedDuration) -> (SignedDuration, Vec<u32>) {
        let mut ends = vec![SignedDuration::ZERO; self.steps.len()];
        let mut through: Vec<Option<u32>> = vec![None; self.steps.len()];
        for &number in &self.order {
            let slowest = self.steps[number as usize]
                .before
                .iter()
                .map(|edge| edge.step)
                .max_by(|a, b| ends[*a as usize].cmp(&ends[*b as usize]).then(b.cmp(a)));
            let start = slowest.map_or(SignedDuration::ZERO, |before| ends[before as usize]);
            ends[number as usize] = start.saturating_add(took(number).max(SignedDuration::ZERO));
            through[number as usize] = slowest;
        }
        let last = self
            .order
            .iter()
            .copied()
            .max_by(|a, b| ends[*a as usize].cmp(&ends[*b as usize]).then(b.cmp(a)));
        let total = last.map_or(SignedDuration::ZERO, |last| ends[last as usize]);
        let mut path: Vec<u32> = std::iter::successors(last, |at| through[*at as usize]).collect();
        path.reverse();
        (total, path)
    }
}

/// Which steps come before which.
#[derive(Debug)]
pub struct Ancestors {
    words: usize,
    bits: Vec<u64>,
}

impl Ancestors {
    /// Whether `earlier` has to end, or be left out, before `step` starts.
    pub fn contain(&self, step: u32, earlier: u32) -> bool {
        self.bits
            .get(step as usize * self.words + earlier as usize / 64)
            .is_some_and(|word| word >> (earlier % 64) & 1 == 1)
    }
}

/// Kahn's algorithm; what waits for itself is left out.
fn order(steps: &[Step<'_>]) -> Vec<u32> {
    let mut open: Vec<usize> = steps
        .iter()
        .map(|step| step.before.iter().map(|edge| edge.step).collect::<HashSet<_>>().len())
        .collect();
    let mut order: Vec<u32> = (0..steps.len() as u32).filter(|number| open[*number as usize] == 0).collect();
    let mut at = 0;
    while let Some(&number) = order.get(at) {
        at += 1;
        for &next in &steps[number as usize].after {
            open[next as usize] -= 1;
            if open[next as usize] == 0 {
                order.push(next);
            }
        }
    }
    order
}

/// Prints each cycle, and names what never starts because of one.
pub(super) fn cycles(plan: &Plan<'_>, errors: &mut Errors) {
    if plan.order.len() == plan.steps.len() || !errors.is_empty() && plan.order.is_empty() {
        return;
    }
    let mut left: HashSet<u32> = (0..plan.steps.len() as u32).collect();
    for number in &plan.order {
        left.remove(number);
    }
    // Walking backwards among what never starts ends in a cycle, new or known.
    let mut walk_of: HashMap<u32, u32> = HashMap::new();
    let mut in_cycle: HashSet<u32> = HashSet::new();
    let mut numbers: Vec<u32> = left.iter().copied().collect();
    numbers.sort_unstable();
    for &start in &numbers {
        let mut walk = Vec::new();
        let mut at = start;
        while !walk_of.contains_key(&at) {
            walk_of.insert(at, start);
            walk.push(at);
            let before = plan.steps[at as usize]
                .before
                .iter()
                .map(|edge| edge.step)
                .filter(|step| left.contains(step));
            match before.min() {
                Some(earlier) => at = earlier,
                None => break,
            }
        }
        if walk_of.get(&at) == Some(&start)
            && let Some(first) = walk.iter().position(|step| *step == at)
        {
            let mut cycle = walk[first..].to_vec();
            in_cycle.extend(&cycle);
            cycle.reverse();
            let least = cycle.iter().enumerate().min_by_key(|(_, step)| **step).map_or(0, |(at, _)| at);
            cycle.rotate_left(least);
            cycle.push(cycle[0]);
            let ids: Vec<_> = cycle.iter().map(|step| plan.steps[*step as usize].id.as_str()).collect();
            let shown = if ids.len() <= 20 {
                ids.join(" → ")
            } else {
                format!(
                    "{} → … ({} nodes) → {}",
                    ids[..10].join(" → "),
                    ids.len() - 1,
                    ids[ids.len() - 5..].join(" → ")
                )
            };
            errors.add(
                join(&plan.steps[cycle[0] as usize].path, "depends_on"),
                format!("is in a cycle: {shown}"),
            );
        }
    }
    for number in numbers.iter().filter(|number| !in_cycle.contains(number)) {
        let step = &plan.steps[*number as usize];
        let before: Vec<_> = step.before.iter().filter(|edge| left.contains(&edge.step)).collect();
        let waits = before.first().map_or("", |edge| plan.steps[edge.step as usize].id.as_str());
        errors.add(
            &*step.path,
            format!("is unreachable: it waits for `{waits}`, which never starts because of a cycle"),
        );
    }
}

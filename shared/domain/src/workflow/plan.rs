//! A definition without its groups: steps, the edges between them, and an order in which they can run.

use std::collections::{HashMap, HashSet};

use jiff::SignedDuration;

use super::{
    Limits, TriggerRule,
    definition::{Dependency, Kind, Node, Workflow},
    errors::{Errors, join},
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
            let slowest = self.steps[number as usize].before.iter().map(|edge| edge.step).max_by(|a, b| {
                ends[*a as usize].cmp(&ends[*b as usize]).then(b.cmp(a))
            });
            let start = slowest.map_or(SignedDuration::ZERO, |before| ends[before as usize]);
            ends[number as usize] = start.saturating_add(took(number).max(SignedDuration::ZERO));
            through[number as usize] = slowest;
        }
        let last = self.order.iter().copied().max_by(|a, b| ends[*a as usize].cmp(&ends[*b as usize]).then(b.cmp(a)));
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

/// A node while groups are still there.
struct Unit<'w> {
    id: String,
    path: String,
    node: &'w Node,
    group: Option<usize>,
    shape: Shape<'w>,
    /// The units that it waits for.
    before: Vec<(usize, Option<Text<'w>>)>,
}

enum Shape<'w> {
    Step(Kind<'w>),
    Group { members: Vec<usize>, names: HashMap<&'w str, usize>, in_order: bool },
}

struct Units<'w> {
    all: Vec<Unit<'w>>,
    by_id: HashMap<String, usize>,
}

/// Whether a name can be a node's.
fn is_name(name: &str) -> bool {
    name.chars().count() <= Limits::NAME_CHARS
        && name.chars().next().is_some_and(char::is_alphabetic)
        && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

impl<'w> Units<'w> {
    fn add(
        &mut self,
        (name, node): (&'w str, &'w Node),
        group: Option<usize>,
        path: String,
        errors: &mut Errors,
    ) -> Option<usize> {
        if !is_name(name) {
            let most = Limits::NAME_CHARS;
            errors.add(&*path, format!("`{name}` is not a name: a letter, then letters, digits, _ and -, {most} at most"));
        }
        let kinds: Vec<_> = node.kinds().collect();
        let [kind] = kinds[..] else {
            let words: Vec<_> = kinds.iter().map(Kind::word).collect();
            errors.add(&*path, if words.is_empty() {
                "does nothing: give it one of job, condition, webhook, map, parallel and sequential".to_owned()
            } else {
                format!("is {} at once; keep one of them", words.join(" and "))
            });
            return None;
        };
        let id = group.map_or_else(|| name.to_owned(), |group| format!("{}.{name}", self.all[group].id));
        let (members, in_order) = match kind {
            Kind::Parallel(members) => (Some(members), false),
            Kind::Sequential(members) => (Some(members), true),
            _ => (None, false),
        };
        let shape = match members {
            None => Shape::Step(kind),
            Some(_) => Shape::Group { members: Vec::new(), names: HashMap::new(), in_order },
        };
        let number = self.all.len();
        self.by_id.insert(id.clone(), number);
        self.all.push(Unit { id, path: path.clone(), node, group, shape, before: Vec::new() });
        if let Some(members) = members {
            self.members(number, members, &join(&path, kind.word()), errors);
        }
        Some(number)
    }

    fn members(&mut self, group: usize, nodes: &'w [Node], path: &str, errors: &mut Errors) {
        let depth = std::iter::successors(Some(group), |at| self.all[*at].group).count();
        if depth > Limits::GROUP_DEPTH {
            errors.add(path, format!("is a group in more than {} groups", Limits::GROUP_DEPTH - 1));
            return;
        }
        if nodes.is_empty() {
            errors.add(path, "is an empty group");
        }
        for (at, node) in nodes.iter().enumerate() {
            let path = format!("{path}[{at}]");
            let Some(name) = node.name.as_deref() else {
                errors.add(path, "has no name: a member of a group needs one");
                continue;
            };
            let Shape::Group { names, .. } = &self.all[group].shape else { return };
            if names.contains_key(name) {
                errors.add(path, format!("is a duplicate: there is a `{name}` in this group already"));
                continue;
            }
            let Some(member) = self.add((name, node), Some(group), path, errors) else { continue };
            let Shape::Group { members, names, .. } = &mut self.all[group].shape else { return };
            members.push(member);
            names.insert(name, member);
        }
    }

    /// The unit that a name means here: a sibling, else a sibling of the group around, else an id.
    fn resolve(&self, unit: usize, name: &str) -> Option<usize> {
        let around = std::iter::successors(self.all[unit].group, |at| self.all[*at].group);
        let near = around.filter_map(|group| match &self.all[group].shape {
            Shape::Group { names, .. } => names.get(name).copied(),
            Shape::Step(_) => None,
        });
        near.chain(self.by_id.get(name).copied()).next()
    }

    fn is_inside(&self, unit: usize, group: usize) -> bool {
        std::iter::successors(self.all[unit].group, |at| self.all[*at].group).any(|around| around == group)
    }

    fn depend(&mut self, unit: usize, errors: &mut Errors) {
        let mut seen = HashSet::new();
        let node = self.all[unit].node;
        for (at, Dependency { node: name, condition }) in node.depends_on.iter().enumerate() {
            let path = || format!("{}.depends_on[{at}]", self.all[unit].path);
            match self.resolve(unit, name) {
                None => errors.add(path(), format!("there is no node `{name}`{}", self.similar(name))),
                Some(other) if other == unit => errors.add(path(), format!("`{name}` depends on itself")),
                Some(other) if self.is_inside(unit, other) => {
                    errors.add(path(), format!("`{name}` is the group that this node is in"));
                }
                Some(other) if self.is_inside(other, unit) => {
                    errors.add(path(), format!("`{name}` is a member of this group"));
                }
                Some(other) if !seen.insert(other) => {
                    errors.add(path(), format!("is a duplicate: `{name}` stands here already"));
                }
                Some(other) => {
                    let condition =
                        condition.as_deref().map(|source| Text { source, path: format!("{}.if", path()) });
                    self.all[unit].before.push((other, condition));
                }
            }
        }
    }

    fn similar(&self, name: &str) -> String {
        // Comparing with every name of a large workflow would make a bad definition slow.
        if self.all.len() > 500 {
            return String::new();
        }
        let near = self.all.iter().map(|unit| (distance(name, &unit.id), unit)).min_by_key(|(far, _)| *far);
        near.filter(|(far, _)| *far <= 2).map(|(_, unit)| format!("; did you mean `{}`?", unit.id)).unwrap_or_default()
    }

    /// The steps of a unit that nothing before them in it keeps waiting (`false`), or that nothing in it waits for (`true`).
    fn ends(&self, unit: usize, last: bool, found: &mut Vec<usize>) {
        let Shape::Group { members, .. } = &self.all[unit].shape else {
            found.push(unit);
            return;
        };
        let inner: HashSet<usize> = members.iter().copied().collect();
        let mut not_an_end = HashSet::new();
        for &member in members {
            for (other, _) in &self.all[member].before {
                if inner.contains(other) {
                    not_an_end.insert(if last { *other } else { member });
                }
            }
        }
        for &member in members.iter().filter(|member| !not_an_end.contains(member)) {
            self.ends(member, last, found);
        }
    }

    /// `when` and trigger of a step, its groups' included.
    fn start(&self, unit: usize) -> (Vec<Text<'w>>, TriggerRule) {
        let mut when = Vec::new();
        let mut trigger = TriggerRule::default();
        for at in std::iter::successors(Some(unit), |at| self.all[*at].group) {
            let Unit { node, path, .. } = &self.all[at];
            if let Some(source) = node.when.as_deref() {
                when.push(Text { source, path: join(path, "when") });
            }
            if trigger == TriggerRule::default() && self.is_first(unit, at) {
                trigger = node.trigger;
            }
        }
        when.reverse();
        (when, trigger)
    }

    /// Whether a step is among those that a group starts with.
    fn is_first(&self, unit: usize, group: usize) -> bool {
        let mut at = unit;
        while at != group {
            let Some(around) = self.all[at].group else { return false };
            if self.all[at].before.iter().any(|(other, _)| self.all[*other].group == Some(around)) {
                return false;
            }
            at = around;
        }
        true
    }
}

/// The number of letters to change.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(Limits::NAME_CHARS).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(Limits::NAME_CHARS).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Groups into edges.
pub(super) fn expand<'w>(workflow: &'w Workflow, errors: &mut Errors) -> Plan<'w> {
    let mut units = Units { all: Vec::with_capacity(workflow.nodes.len()), by_id: HashMap::new() };
    for (name, node) in &workflow.nodes {
        let path = join("nodes", name);
        if node.name.is_some() {
            errors.add(join(&path, "name"), "is for members of groups; here the key is the name");
        }
        units.add((name, node), None, path, errors);
    }
    for unit in 0..units.all.len() {
        units.depend(unit, errors);
    }
    for group in 0..units.all.len() {
        if let Shape::Group { members, in_order: true, .. } = &units.all[group].shape {
            for pair in members.clone().windows(2) {
                let (earlier, later) = (pair[0], pair[1]);
                if units.all[later].before.iter().all(|(other, _)| *other != earlier) {
                    units.all[later].before.push((earlier, None));
                }
            }
        }
    }
    flatten(&units, errors)
}

fn flatten<'w>(units: &Units<'w>, errors: &mut Errors) -> Plan<'w> {
    let mut steps = Vec::new();
    let mut by_id = HashMap::new();
    let mut step_of = vec![None; units.all.len()];
    for (number, unit) in units.all.iter().enumerate() {
        let Shape::Step(kind) = unit.shape else { continue };
        let (when, trigger) = units.start(number);
        step_of[number] = Some(steps.len() as u32);
        by_id.insert(unit.id.clone(), steps.len() as u32);
        let (id, path, node) = (unit.id.clone(), unit.path.clone(), unit.node);
        steps.push(Step { id, path, node, kind, trigger, when, before: Vec::new(), after: Vec::new() });
    }
    if steps.len() > Limits::NODES {
        errors.add("nodes", format!("has {} nodes; at most {}", steps.len(), Limits::NODES));
    }
    let mut edges = 0_usize;
    let mut known = HashSet::new();
    let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
    for (number, unit) in units.all.iter().enumerate() {
        if unit.before.is_empty() {
            continue;
        }
        firsts.clear();
        units.ends(number, false, &mut firsts);
        for (other, condition) in &unit.before {
            lasts.clear();
            units.ends(*other, true, &mut lasts);
            edges = edges.saturating_add(firsts.len().saturating_mul(lasts.len()));
            if edges > Limits::EDGES {
                errors.add(
                    join(&unit.path, "depends_on"),
                    format!(
                        "leads to more than {} edges: each first node of a group waits for each last one of the other; put a node with condition: \"true\" between them",
                        Limits::EDGES
                    ),
                );
                return Plan { steps, by_id, order: Vec::new() };
            }
            for (last, first) in lasts.iter().flat_map(|last| firsts.iter().map(move |first| (last, first))) {
                let (Some(from), Some(to)) = (step_of[*last], step_of[*first]) else { continue };
                if known.insert((from, to)) || condition.is_some() {
                    steps[to as usize].before.push(Edge { step: from, condition: condition.clone() });
                    steps[from as usize].after.push(to);
                }
            }
        }
    }
    for step in &mut steps {
        step.after.sort_unstable();
        step.after.dedup();
    }
    let order = order(&steps);
    Plan { steps, by_id, order }
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
            let before = plan.steps[at as usize].before.iter().map(|edge| edge.step).filter(|step| left.contains(step));
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
                format!("{} → … ({} nodes) → {}", ids[..10].join(" → "), ids.len() - 1, ids[ids.len() - 5..].join(" → "))
            };
            errors.add(join(&plan.steps[cycle[0] as usize].path, "depends_on"), format!("is in a cycle: {shown}"));
        }
    }
    for number in numbers.iter().filter(|number| !in_cycle.contains(number)) {
        let step = &plan.steps[*number as usize];
        let before: Vec<_> = step.before.iter().filter(|edge| left.contains(&edge.step)).collect();
        let waits = before.first().map_or("", |edge| plan.steps[edge.step as usize].id.as_str());
        errors.add(&*step.path, format!("is unreachable: it waits for `{waits}`, which never starts because of a cycle"));
    }
}

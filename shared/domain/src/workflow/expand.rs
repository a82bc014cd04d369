//! Groups into edges: a group starts with the members that wait for no other member, and ends with those that no other
//! member waits for.

use std::collections::{HashMap, HashSet};

use super::{
    Limits, TriggerRule,
    definition::{Dependency, Kind, Node, Workflow},
    errors::{Errors, join},
    plan::{Edge, Plan, Step, Text},
};

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
            errors.add(
                &*path,
                format!("`{name}` is not a name: a letter, then letters, digits, _ and -, {most} at most"),
            );
        }
        let kinds: Vec<_> = node.kinds().collect();
        let [kind] = kinds[..] else {
            let words: Vec<_> = kinds.iter().map(Kind::word).collect();
            errors.add(
                &*path,
                if words.is_empty() {
                    "does nothing: give it one of job, condition, webhook, map, parallel and sequential"
                        .to_owned()
                } else {
                    format!("is {} at once; keep one of them", words.join(" and "))
                },
            );
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
        near.filter(|(far, _)| *far <= 2)
            .map(|(_, unit)| format!("; did you mean `{}`?", unit.id))
            .unwrap_or_default()
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
                return Plan::unordered(steps, by_id);
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
    Plan::new(steps, by_id)
}

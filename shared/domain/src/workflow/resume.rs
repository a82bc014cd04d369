//! Which nodes of an ended run keep their outputs when it is resumed, perhaps with changed parameters.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{NodeStatus, Plan};

/// What a resumed run does with a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it ended, with its output.
    Keep,
    Again(Because),
}

/// Why a node runs again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// It was asked for.
    Asked,
    /// It did not succeed, or never ran.
    Ended(Option<NodeStatus>),
    /// It reads a parameter that changed.
    Param(String),
    /// A node before it runs again.
    Before(u32),
}

/// The parameters that are not the same.
pub fn changed(before: &Map<String, Value>, after: &Map<String, Value>) -> BTreeSet<String> {
    let names = before.keys().chain(after.keys());
    names.filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

impl Plan<'_> {
    /// The fate of each step, by its number. A node is kept if it succeeded, or was left out, and everything that it was
    /// decided by is kept too; so what runs again is the nodes that did not succeed, those that are `asked` for, those that
    /// read a changed parameter, and everything behind them.
    pub fn resume(
        &self,
        earlier: impl Fn(u32) -> Option<NodeStatus>,
        changed: &BTreeSet<String>,
        asked: &BTreeSet<u32>,
    ) -> Vec<Fate> {
        let mut fates = vec![Fate::Keep; self.steps().len()];
        for &number in self.order() {
            let status = earlier(number);
            let before = self.steps()[number as usize].before.iter().map(|edge| edge.step);
            let fate = if asked.contains(&number) {
                Fate::Again(Because::Asked)
            } else if !matches!(status, Some(NodeStatus::Succeeded | NodeStatus::Skipped)) {
                Fate::Again(Because::Ended(status))
            } else if let Some(before) = before.min_by_key(|step| fates[*step as usize] == Fate::Keep)
                && fates[before as usize] != Fate::Keep
            {
                Fate::Again(Because::Before(before))
            } else {
                self.reads_changed(number, changed)
                    .map_or(Fate::Keep, |name| Fate::Again(Because::Param(name)))
            };
            fates[number as usize] = fate;
        }
        fates
    }

    fn reads_changed(&self, number: u32, changed: &BTreeSet<String>) -> Option<String> {
        let first = changed.first()?;
        match self.uses(number).params {
            None => Some(first.clone()),
            Some(params) => params.intersection(changed).next().cloned(),
        }
    }
}

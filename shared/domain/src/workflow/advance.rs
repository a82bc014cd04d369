//! What the end of one node does to a node that waits for it.
//!
//! A waiting node is a [`Gate`]: the set of members it still waits for, and a [`Tally`] of those that ended. Closing a
//! member twice changes nothing, and the order does not matter. A gate holds at most [`Fan::WIDTH`] members, so its row
//! stays near 2 KB: a wider fan-in is a tree of two levels, in which each shard is a gate of its own and closes *one*
//! member of the root with the tally of all its members. 10,000 dependencies are 40 shards, and no row is written more
//! than about 256 times. Every step answers with what follows from the row as it stands, also for a repeat: a caller
//! that crashed after the write does the rest when the completion is delivered again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// How a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Succeeded,
    Failed,
    TimedOut,
    Cancelled,
    /// A condition or trigger rule left it out; that is no failure.
    Skipped,
    /// It never started because something before it failed; to those behind it that is a failure.
    Blocked,
}

impl Status {
    /// What an edge from a node that ended like this carries. `condition` is the edge's own; `true` if it has none.
    pub const fn across(self, condition: bool) -> Outcome {
        match self {
            Self::Succeeded if condition => Outcome::Succeeded,
            Self::Succeeded | Self::Skipped => Outcome::Skipped,
            Self::Failed | Self::TimedOut | Self::Cancelled | Self::Blocked => Outcome::Failed,
        }
    }
}

/// What reaches a node over one edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Succeeded,
    Failed,
    Skipped,
}

/// How many edges carried what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    pub succeeded: u32,
    pub failed: u32,
    pub skipped: u32,
}

impl From<Outcome> for Tally {
    fn from(outcome: Outcome) -> Self {
        let mut tally = Self::default();
        match outcome {
            Outcome::Succeeded => tally.succeeded = 1,
            Outcome::Failed => tally.failed = 1,
            Outcome::Skipped => tally.skipped = 1,
        }
        tally
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// When a node runs, by what its dependencies did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerRule {
    /// Every one succeeded. A failure blocks it; otherwise a skip skips it.
    #[default]
    AllSucceeded,
    /// Every one ended, however.
    AllDone,
    /// As soon as one succeeded. If none did, a failure blocks it; otherwise it is skipped.
    OneSucceeded,
    /// As soon as one failed; skipped if none did.
    OneFailed,
    /// Every one ended and none failed.
    NoneFailed,
}

/// What becomes of a waiting node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Start,
    Skip,
    Block,
}

impl TriggerRule {
    /// Every rule.
    pub const ALL: [Self; 5] =
        [Self::AllSucceeded, Self::AllDone, Self::OneSucceeded, Self::OneFailed, Self::NoneFailed];

    /// What holds already while members are open. Only a start that nothing later can take back is decided early, so
    /// the decision does not depend on the order of completions.
    pub const fn early(self, so_far: Tally) -> Option<Decision> {
        match self {
            Self::OneSucceeded if so_far.succeeded > 0 => Some(Decision::Start),
            Self::OneFailed if so_far.failed > 0 => Some(Decision::Start),
            _ => None,
        }
    }

    /// What holds when every member ended.
    pub const fn settled(self, all: Tally) -> Decision {
        match self {
            Self::AllSucceeded => match (all.failed, all.skipped) {
                (0, 0) => Decision::Start,
                (0, _) => Decision::Skip,
                _ => Decision::Block,
            },
            Self::NoneFailed if all.failed > 0 => Decision::Block,
            Self::NoneFailed | Self::AllDone => Decision::Start,
            Self::OneSucceeded => match (all.succeeded, all.failed) {
                (0, 0) => Decision::Skip,
                (0, _) => Decision::Block,
                _ => Decision::Start,
            },
            Self::OneFailed if all.failed > 0 => Decision::Start,
            Self::OneFailed => Decision::Skip,
        }
    }
}

/// Where a dependency stands in the tree of a node's gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the root itself.
    Root { member: u32 },
    /// In a shard, whose number is also its member number in the root.
    Shard { shard: u32, member: u32 },
}

/// How a number of dependencies is laid out in gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fan {
    members: u32,
}

impl Fan {
    /// The most members of one gate.
    pub const WIDTH: u32 = 256;
    /// The most members of two levels.
    pub const MOST: u32 = Self::WIDTH * Self::WIDTH;

    /// The layout of `members` dependencies; `None` above [`Fan::MOST`].
    pub const fn of(members: u32) -> Option<Self> {
        if members > Self::MOST { None } else { Some(Self { members }) }
    }

    /// The number of shards; 0 if the root holds the members itself.
    pub const fn shards(self) -> u32 {
        if self.members <= Self::WIDTH { 0 } else { self.members.div_ceil(Self::WIDTH) }
    }

    /// Where the dependency at `position` stands; positions begin with 0. `None` beyond the last.
    pub const fn place(self, position: u32) -> Option<Place> {
        if position >= self.members {
            None
        } else if self.shards() == 0 {
            Some(Place::Root { member: position })
        } else {
            Some(Place::Shard { shard: position / Self::WIDTH, member: position % Self::WIDTH })
        }
    }

    /// The root's gate at the start of a run.
    pub fn root(self) -> Gate {
        Gate::new(if self.shards() == 0 { self.members } else { self.shards() })
    }

    /// A shard's gate at the start of a run; `None` if there is no such shard.
    pub fn shard(self, shard: u32) -> Option<Gate> {
        (shard < self.shards()).then(|| Gate::new(Self::WIDTH.min(self.members - shard * Self::WIDTH)))
    }
}

/// A row that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    open: BTreeSet<u32>,
    tally: Tally,
    /// Set once, never changed.
    decision: Option<Decision>,
}

/// What follows from a shard's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing yet.
    Wait,
    /// The rule holds early: [`Gate::decide_early`] on the root.
    Early(Decision),
    /// The shard is done: close it in the root with this tally.
    Close(Tally),
}

impl Gate {
    fn new(members: u32) -> Self {
        Self { open: (0..members).collect(), tally: Tally::default(), decision: None }
    }

    /// The members that it still waits for.
    pub const fn open(&self) -> &BTreeSet<u32> {
        &self.open
    }

    /// What was decided, if anything.
    pub const fn decision(&self) -> Option<Decision> {
        self.decision
    }

    /// Closes a member; `false` if it was closed before.
    fn close(&mut self, member: u32, tally: Tally) -> bool {
        let first = self.open.remove(&member);
        if first {
            self.tally += tally;
        }
        first
    }

    /// Closes a member of a root and answers what is decided, now or earlier.
    pub fn close_in_root(&mut self, rule: TriggerRule, member: u32, tally: Tally) -> Option<Decision> {
        self.close(member, tally);
        if self.decision.is_none() {
            self.decision = rule.early(self.tally);
        }
        self.decide(rule)
    }

    /// Closes a member of a shard.
    pub fn close_in_shard(&mut self, rule: TriggerRule, member: u32, outcome: Outcome) -> Effect {
        self.close(member, outcome.into());
        if self.open.is_empty() {
            Effect::Close(self.tally)
        } else {
            rule.early(self.tally).map_or(Effect::Wait, Effect::Early)
        }
    }

    /// A shard saw that the rule holds early.
    pub fn decide_early(&mut self, decision: Decision) -> Decision {
        *self.decision.get_or_insert(decision)
    }

    /// What a root with nothing open decides; a node without dependencies starts.
    pub fn decide(&mut self, rule: TriggerRule) -> Option<Decision> {
        if self.decision.is_none() && self.open.is_empty() {
            let alone = self.tally == Tally::default();
            self.decision = Some(if alone { Decision::Start } else { rule.settled(self.tally) });
        }
        self.decision
    }
}

/// How far the items of a map may be started.
///
/// The number to start is derived from the number that ended, never counted up: whoever raises the map's `started` to
/// [`Window::target`] with a conditional write starts the items between, under names made from their index, and after a
/// crash the items below `started` without a row are started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub items: u32,
    /// How many may run at once; at least 1.
    pub max_parallel: u32,
}

impl Window {
    /// The most items of one map.
    pub const MOST_ITEMS: u32 = 10_000;

    /// How many items are to have been started when `ended` have ended.
    pub const fn target(self, ended: u32) -> u32 {
        let wanted = ended.saturating_add(self.max_parallel);
        if wanted < self.items { wanted } else { self.items }
    }

    /// The items' outputs in the order of the items, whatever the order of their ends; `null` for one without output.
    pub fn join(self, ended: impl IntoIterator<Item = (u32, serde_json::Value)>) -> Vec<serde_json::Value> {
        let mut outputs = vec![serde_json::Value::Null; self.items as usize];
        for (index, output) in ended {
            if let Some(slot) = outputs.get_mut(index as usize) {
                *slot = output;
            }
        }
        outputs
    }
}

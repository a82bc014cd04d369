//! Maps: one node for each item of a list, so many at a time.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    ops::Range,
};

use domain::workflow::{Kind, MapProgress, NodeState, NodeStatus, Window};
use serde_json::Value;

use super::{Runs, TRIES, batch::Ending, begin::Begin, course::Course, drive::Work};
use crate::{
    machine::StepError,
    ports::{NodeKey, RunCommit},
};

/// Items that are read at a time.
const PAGE: usize = 1_000;
/// Rows that are looked for at a time.
const CHUNK: u32 = 100;

impl Runs {
    /// Ends a map whose items have ended, or begins as many more as may run.
    pub(super) async fn take_map_on(
        &self,
        course: &mut Course,
        work: &mut Work,
        step: u32,
    ) -> Result<(), StepError> {
        let map = self.runs.nodes(course.run.id, &[(step, None)]).await?.pop();
        let Some(map) = map.filter(|map| map.status == NodeStatus::Running) else { return Ok(()) };
        let (Some(items), Kind::Map(fan_out)) = (map.items, course.step(step)?.kind) else { return Ok(()) };
        let window = Window { items, max_parallel: fan_out.max_parallel };
        let progress = self.runs.map_progress(course.run.id, step).await?;
        let stopped = course.head.stopped().is_some();
        if progress.ended() >= items || stopped && progress.ended() >= progress.started {
            let ending = self.join(course, &map, window, progress).await?;
            work.endings.push_back((map, ending));
            return Ok(());
        }
        let mut began = progress.started;
        if !stopped {
            let target = window.target(progress.ended());
            began = self.runs.raise_started(course.run.id, step, target).await?;
            work.items.extend((began..target).map(|item| (step, Some(item))));
            if progress.started < target && began >= target {
                // Somebody was quicker; or this very call was, and its first answer was lost.
                let latest = target.saturating_sub(window.max_parallel.min(CHUNK))..target;
                let (missing, _) = self.look_at_items(course, step, latest).await?;
                work.items.extend(missing);
            }
        }
        if course.again && course.looked_through.insert(step) {
            self.look_for_items(course, work, step, began).await?;
        }
        Ok(())
    }

    /// Those of the items that have no row, because nobody has begun them yet, and the rows of the others.
    async fn look_at_items(
        &self,
        course: &Course,
        step: u32,
        among: Range<u32>,
    ) -> Result<(Vec<NodeKey>, Vec<NodeState>), StepError> {
        let mut keys: Vec<NodeKey> = among.map(|item| (step, Some(item))).collect();
        let rows = self.runs.nodes(course.run.id, &keys).await?;
        let there: HashSet<Option<u32>> = rows.iter().map(|row| row.item).collect();
        keys.retain(|(_, item)| !there.contains(item));
        Ok((keys, rows))
    }

    /// Looks for items that were to begin and did not, and for those whose jobs may not have been made.
    async fn look_for_items(
        &self,
        course: &mut Course,
        work: &mut Work,
        step: u32,
        began: u32,
    ) -> Result<(), StepError> {
        for first in (0..began).step_by(CHUNK as usize) {
            let among = first..began.min(first + CHUNK);
            let (missing, there) = self.look_at_items(course, step, among).await?;
            work.items.extend(missing);
            work.unsure.extend(there.into_iter().filter(|row| row.status == NodeStatus::Running));
        }
        Ok(())
    }

    /// How a map ends whose items have.
    async fn join(
        &self,
        course: &mut Course,
        map: &NodeState,
        window: Window,
        progress: MapProgress,
    ) -> Result<Ending, StepError> {
        if progress.failed > 0 {
            let reason = format!("{} of {} items failed", progress.failed, window.items);
            let mut ending = self.outputs(course, map, window).await?;
            ending.status = NodeStatus::Failed;
            ending.reason = Some(reason);
            return Ok(ending);
        }
        if progress.succeeded < window.items {
            return Ok(Ending::of(NodeStatus::Cancelled, None));
        }
        self.outputs(course, map, window).await
    }

    /// The outputs of the items in their order, as the map's `outputs` make something of them.
    async fn outputs(
        &self,
        course: &mut Course,
        map: &NodeState,
        window: Window,
    ) -> Result<Ending, StepError> {
        let mut ended: Vec<(u32, Value)> = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.runs.item_page(course.run.id, map.step, PAGE, cursor.as_deref()).await?;
            ended.extend(page.items.into_iter().filter_map(|item| Some((item.item?, item.output?))));
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        self.judge(course, (map.step, None), Ok(Value::Array(window.join(ended)))).await
    }

    /// One transaction that begins the next items of a map.
    pub(super) async fn begin_items(
        &self,
        course: &mut Course,
        work: &mut Work,
        step: u32,
    ) -> Result<(), StepError> {
        let of_map = work.items.iter().take_while(|(of, _)| *of == step);
        let keys: Vec<NodeKey> = of_map.take(RunCommit::NODES).copied().collect();
        work.items.drain(..keys.len());
        let numbers = || keys.iter().filter_map(|(_, item)| *item);
        let (Some(first), Some(last)) = (numbers().min(), numbers().max()) else { return Ok(()) };
        let values = self.runs.items(course.run.id, step, first..last + 1).await?;
        let mut prepared: HashMap<u32, Begin> = HashMap::new();
        for turn in 0..TRIES {
            let mut batch = self.batch(course);
            let mut jobs = Vec::new();
            for &key in &keys {
                if course.rows.contains_key(&key) {
                    continue;
                }
                let (Some(item), Some(value)) = (key.1, key.1.and_then(|i| values.get((i - first) as usize)))
                else {
                    continue;
                };
                let node = course.untouched(key)?;
                if batch.head.stopped().is_some() {
                    batch.end(node, &Ending::of(NodeStatus::Cancelled, None))?;
                    continue;
                }
                let begin = match prepared.entry(item) {
                    Entry::Occupied(known) => known.get().clone(),
                    Entry::Vacant(unknown) => {
                        unknown.insert(self.begin_work(course, key, Some(value)).await?).clone()
                    }
                };
                match begin {
                    Begin::Ended(ending) => batch.end(node, &ending)?,
                    begin => jobs.extend(self.claim(course, &mut batch, node, begin)?),
                }
            }
            let ended = batch.ends.is_some();
            if batch.is_empty() || self.commit(course, batch, work).await? {
                if ended {
                    work.maps.push(step);
                }
                return self.make(course, work, jobs).await;
            }
            self.give_way(turn).await;
            self.refresh(course, &keys).await?;
        }
        Err(StepError::Collision)
    }
}

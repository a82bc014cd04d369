//! Gates and the progress of maps: exact, however often and in whatever order they are written.

use app::ports::{Closed, GateRow, MapEnds, RunCommit, RunStore};
use domain::workflow::{MapProgress, Outcome, RunEventKind, Stop, Tally};
use futures::future::join_all;

use super::{AT, change, run, run_id, start};
use crate::support::Table;

#[tokio::test]
async fn a_maps_progress_is_raised_and_added_to() {
    let table = Table::new().await;
    let store = &table.store;
    let run = run(1);
    let mut head = start(store, &run).await.expect("started");
    assert_eq!(store.map_progress(run.id, 3).await.expect("read"), MapProgress::default());
    assert_eq!(store.raise_started(run.id, 3, 4).await.expect("raised"), 0);
    assert_eq!(store.raise_started(run.id, 3, 4).await.expect("not raised"), 4);
    assert_eq!(store.raise_started(run.id, 3, 2).await.expect("not raised"), 4);
    for ends in [(2, 0, 0), (0, 1, 1)] {
        let (succeeded, failed, cancelled) = ends;
        let map = Some(MapEnds { step: 3, succeeded, failed, cancelled });
        let events = [head.event(RunEventKind::StopRequested { stop: Stop::Cancelled }, AT)];
        store.commit_run(RunCommit { map, events: &events, ..change(&head) }).await.expect("committed");
        head.version += 1;
    }
    let progress = MapProgress { started: 4, succeeded: 2, failed: 1, cancelled: 1 };
    assert_eq!(store.map_progress(run.id, 3).await.expect("read"), progress);
    // Between them, those who raise it at once start each item once.
    let raised = join_all([8, 6, 8, 7, 10].map(|target| store.raise_started(run.id, 3, target))).await;
    let spans = [8, 6, 8, 7, 10].into_iter().zip(raised);
    let mut started: Vec<u32> = spans.flat_map(|(to, from)| from.expect("raised")..to).collect();
    started.sort_unstable();
    assert_eq!(started, (4..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_gate_counts_each_member_once() {
    let table = Table::new().await;
    let store = &table.store;
    let id = run_id(1);
    let outcome = |member: u32| match member % 3 {
        0 => Outcome::Succeeded,
        1 => Outcome::Failed,
        _ => Outcome::Skipped,
    };
    for shard in [None, Some(0), Some(3)] {
        // Every member three times, in an order of its own, all at once.
        let order = (0..90_u32).map(|n| (n * 37) % 90 % 30);
        let closed = join_all(order.map(async |member| {
            let closed = store.close_gate(id, 9, shard, member, outcome(member)).await.expect("closed");
            (member, closed)
        }))
        .await;
        let first: Vec<&Closed> =
            closed.iter().map(|(_, closed)| closed).filter(|closed| closed.first).collect();
        assert_eq!(first.len(), 30);
        // The rows after each first are all there are, each seen by one caller.
        let mut members: Vec<u32> = first.iter().map(|closed| closed.after.members).collect();
        members.sort_unstable();
        assert_eq!(members, (1..=30).collect::<Vec<_>>());
        for (member, closed) in &closed {
            let mut expected = closed.before;
            if closed.first {
                expected.members += 1;
                expected.tally += outcome(*member).into();
            }
            assert_eq!(closed.after, expected);
        }
        let all = GateRow { tally: Tally { succeeded: 10, failed: 10, skipped: 10 }, members: 30 };
        // A repeat finds the row as it is, and another outcome does not change what was carried.
        let repeat = store.close_gate(id, 9, shard, 0, Outcome::Failed).await.expect("closed");
        assert_eq!(repeat, Closed { before: all, after: all, first: false });
    }
}

#[tokio::test]
async fn a_root_adds_each_shard_once() {
    let table = Table::new().await;
    let store = &table.store;
    let id = run_id(1);
    let tally = |shard: u32| Tally { succeeded: 200 + shard, failed: shard, skipped: 56 - 2 * shard };
    let order = (0..20_u32).map(|n| (n * 7) % 10);
    let closed = join_all(order.map(|shard| store.close_shard(id, 9, shard, tally(shard)))).await;
    let closed: Vec<Closed> = closed.into_iter().map(|closed| closed.expect("closed")).collect();
    assert_eq!(closed.iter().filter(|closed| closed.first).count(), 10);
    let mut all = GateRow { members: 10, ..GateRow::default() };
    for shard in 0..10 {
        all.tally += tally(shard);
    }
    let last = closed.iter().filter(|closed| closed.first && closed.after.members == 10);
    assert_eq!(last.map(|closed| closed.after).collect::<Vec<_>>(), [all]);
    let repeat = store.close_shard(id, 9, 4, Tally::default()).await.expect("closed");
    assert_eq!(repeat, Closed { before: all, after: all, first: false });
}

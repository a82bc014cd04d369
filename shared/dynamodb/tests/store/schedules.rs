//! What any store of schedules must do.

use app::ports::{ScheduleRow, ScheduleStore, StoreError};
use domain::{
    ScheduleId, UserId, WorkflowId,
    workflow::{CatchUp, Overlap, Schedule},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Map;
use uuid::Uuid;

use crate::support::Table;

const AT: Timestamp = Timestamp::constant(1_795_478_400, 0);

fn workflow(n: u128) -> WorkflowId {
    WorkflowId::new(Uuid::from_u128(n))
}

fn id(n: u128) -> ScheduleId {
    ScheduleId::new(Uuid::from_u128(n))
}

fn minute(n: i64) -> Timestamp {
    AT + SignedDuration::from_mins(n)
}

/// A schedule that is due at that minute.
fn row(n: u128, due: i64) -> ScheduleRow {
    ScheduleRow {
        id: id(n),
        workflow_id: workflow(n % 2),
        owner: UserId::new(Uuid::from_u128(1)),
        schedule: Schedule {
            cron: "* * * * *".into(),
            time_zone: "UTC".into(),
            catch_up: CatchUp::default(),
            overlap: Overlap::default(),
        },
        params: Map::new(),
        active: true,
        version: 0,
        created_at: AT,
        updated_at: AT,
        seen: AT,
        next_due: Some(minute(due)),
        queued: Vec::new(),
        last_run: None,
        last_problem: None,
    }
}

#[tokio::test]
async fn a_schedule_is_written_over_the_version_that_was_read() {
    let table = Table::new().await;
    let store = &table.store;
    let mut kept = row(1, 5);
    store.keep_schedule(&kept).await.expect("kept");
    assert!(matches!(store.keep_schedule(&kept).await, Err(StoreError::Conflict)), "it exists");
    kept.version += 1;
    assert_eq!(store.schedule(workflow(1), id(1)).await.expect("read"), Some(kept.clone()));
    let later = ScheduleRow { next_due: Some(minute(6)), ..kept.clone() };
    store.keep_schedule(&later).await.expect("kept");
    assert!(matches!(store.keep_schedule(&kept).await, Err(StoreError::Conflict)));
    store.keep_schedule(&row(3, 1)).await.expect("kept");
    store.keep_schedule(&row(2, 1)).await.expect("kept");
    let listed = store.schedules(workflow(1)).await.expect("read");
    assert_eq!(listed.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 3].map(id));
    for _ in 0..2 {
        store.remove_schedule(workflow(1), id(1)).await.expect("removed, and again");
    }
    assert_eq!(store.schedule(workflow(1), id(1)).await.expect("read"), None);
    // Somebody who looked at it before may not bring it back.
    assert!(matches!(store.keep_schedule(&later).await, Err(StoreError::Conflict)));
    assert!(
        store.due_schedules(minute(3), None).await.expect("read").items.iter().all(|row| row.id != id(1))
    );
}

#[tokio::test]
async fn what_is_due_longest_comes_first() {
    let table = Table::new().await;
    let store = &table.store;
    let paused = ScheduleRow { active: false, next_due: None, queued: vec![AT], ..row(6, 1) };
    let queued = ScheduleRow { queued: vec![AT], ..row(4, 90) };
    for row in [row(1, 5), row(2, 3), row(3, 60), queued, row(5, 4), paused] {
        store.keep_schedule(&row).await.expect("kept");
    }
    let due = async |at| -> Vec<ScheduleId> {
        let page = store.due_schedules(at, None).await.expect("read");
        assert!(page.items.iter().all(|row| row.is_due(at)));
        page.items.into_iter().map(|row| row.id).collect()
    };
    assert_eq!(due(minute(4)).await, [4, 2, 5].map(id), "at its minute, and one that has queued slots");
    assert_eq!(due(minute(5) - SignedDuration::from_millis(1)).await, [4, 2, 5].map(id));
    assert_eq!(due(minute(59)).await, [4, 2, 5, 1].map(id));
    let waits = ScheduleRow { version: 1, ..row(4, 90) };
    store.keep_schedule(&waits).await.expect("its queue is empty");
    assert_eq!(due(minute(4)).await, [2, 5].map(id));
}

#[tokio::test]
async fn a_long_list_of_due_schedules_comes_in_pages() {
    let table = Table::new().await;
    let store = &table.store;
    for n in 0..130_u32 {
        store.keep_schedule(&row(u128::from(n), i64::from(n) * 37 % 130)).await.expect("kept");
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.due_schedules(minute(119), cursor.as_deref()).await.expect("read");
        seen.extend(page.items.into_iter().filter_map(|row| row.next_due));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..120).map(minute).collect::<Vec<_>>());
    for wrong in ["", "!", "bm90IG91cnM"] {
        assert!(matches!(store.due_schedules(AT, Some(wrong)).await, Err(StoreError::Cursor)), "{wrong}");
    }
}

//! Schedules that fire, on the table: each slot once, whoever looks and whatever fails in between.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use app::{
    ports::{
        AccountStore, Clock, DefinitionText, NewRun, RunCommit, RunFilter, RunStore, ScheduleRow,
        ScheduleStore, StoreError, VersionRow, WorkflowRow, WorkflowStore,
    },
    scheduler::{NotStarted, Scheduler, Starter, Ticked},
};
use async_trait::async_trait;
use domain::{
    Role, RunId, ScheduleId, UserId, WorkflowId,
    account::{Allowance, Digest, Email, Profile, User},
    job::Priority,
    workflow::{
        CatchUp, EndedRun, FailurePolicy, Head, Origin, Overlap, Run, RunEventKind, RunStatus, Schedule,
    },
};
use dynamodb::Store;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::Map;
use uuid::Uuid;

use crate::support::Table;

/// 2026-11-24, on the minute.
const AT: Timestamp = Timestamp::constant(1_795_478_400, 0);

fn minute(n: i64) -> Timestamp {
    AT + SignedDuration::from_mins(n)
}

/// A clock that stands until it is moved.
#[derive(Debug, Clone)]
struct Hands(Arc<Mutex<Timestamp>>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("nobody panicked")
    }
}

/// Starts runs that do nothing, unless it is told to fail.
#[derive(Debug)]
struct Runs {
    store: Store,
    ids: AtomicU32,
    fails: Mutex<Option<fn() -> NotStarted>>,
}

#[async_trait]
impl Starter for Runs {
    async fn start(&self, schedule: &ScheduleRow, slot: Timestamp) -> Result<RunId, NotStarted> {
        if let Some(fails) = *self.fails.lock().expect("nobody panicked") {
            return Err(fails());
        }
        let origin = Origin::Schedule { schedule_id: schedule.id, slot };
        let run = Run {
            id: RunId::new(Uuid::from_u128(self.ids.fetch_add(1, Ordering::Relaxed).into())),
            owner: schedule.owner,
            workflow_id: schedule.workflow_id,
            workflow_version: 1,
            name: "nightly".into(),
            origin: origin.clone(),
            nodes: 1,
            failure_policy: FailurePolicy::FailFast,
            priority: Priority::Normal,
            started_at: slot,
            deadline: slot + SignedDuration::from_hours(24),
            ended: None,
        };
        let mut head = Head::new(&run, []);
        let events = [head.event(RunEventKind::Started { origin }, slot)];
        let new =
            NewRun { run: &run, head: &head, params: &schedule.params, events: &events, idempotency: None };
        match self.store.start_run(new).await {
            Ok(()) => Ok(run.id),
            Err(StoreError::Conflict) => Err(NotStarted::Taken),
            Err(error) => Err(NotStarted::Failed(Box::new(error))),
        }
    }
}

struct World {
    _table: Table,
    store: Store,
    clock: Hands,
    runs: Arc<Runs>,
    scheduler: Scheduler,
}

impl World {
    async fn new() -> Self {
        let table = Table::new().await;
        let store = table.store.clone();
        let clock = Hands(Arc::new(Mutex::new(AT)));
        let runs = Arc::new(Runs { store: store.clone(), ids: AtomicU32::new(1), fails: Mutex::new(None) });
        let shared = Arc::new(store.clone());
        let scheduler = Scheduler {
            schedules: shared.clone(),
            workflows: shared.clone(),
            runs: shared.clone(),
            accounts: shared,
            starter: runs.clone(),
            clock: Arc::new(clock.clone()),
        };
        let world = Self { _table: table, store, clock, runs, scheduler };
        world.store.add_user(&user()).await.expect("added");
        let version =
            VersionRow { workflow_id: workflow().id, number: 1, at: AT, by: user().id, nodes: 1, note: None };
        let text = DefinitionText { json: "{}".into(), yaml: None };
        world.store.keep_version(&workflow(), &version, &text, None).await.expect("kept");
        world
    }

    /// A schedule of every minute, made at the beginning.
    async fn schedule(&self, overlap: Overlap, catch_up: CatchUp) -> ScheduleId {
        let row = ScheduleRow {
            id: ScheduleId::new(Uuid::from_u128(1)),
            workflow_id: workflow().id,
            owner: user().id,
            schedule: Schedule { cron: "* * * * *".into(), time_zone: "UTC".into(), catch_up, overlap },
            params: Map::new(),
            active: true,
            version: 0,
            created_at: AT,
            updated_at: AT,
            seen: AT,
            next_due: Some(minute(1)),
            queued: Vec::new(),
            last_run: None,
            last_problem: None,
        };
        self.store.keep_schedule(&row).await.expect("kept");
        row.id
    }

    async fn row(&self, id: ScheduleId) -> ScheduleRow {
        self.store.schedule(workflow().id, id).await.expect("read").expect("it is there")
    }

    fn at(&self, time: Timestamp) {
        *self.clock.0.lock().expect("nobody panicked") = time;
    }

    fn fails(&self, fails: Option<fn() -> NotStarted>) {
        *self.runs.fails.lock().expect("nobody panicked") = fails;
    }

    async fn tick(&self, time: Timestamp) -> Ticked {
        self.at(time);
        self.scheduler.tick().await.expect("it looks")
    }

    /// The slots that have a run, in the order of their runs.
    async fn started(&self) -> Vec<Timestamp> {
        let page = self.store.list_runs(user().id, &RunFilter::default(), 1_000, None).await.expect("read");
        let slot = |run: &Run| match run.origin {
            Origin::Schedule { slot, .. } => slot,
            _ => panic!("nobody else starts runs"),
        };
        page.items.iter().rev().map(slot).collect()
    }

    /// Ends the run of that slot.
    async fn end(&self, id: ScheduleId, slot: Timestamp) {
        let run = self.store.slot_run(workflow().id, id, slot).await.expect("read").expect("it has one");
        let mut run = self.store.run(run).await.expect("read").expect("it is there");
        let mut head = self.store.head(run.id).await.expect("read").expect("it is there");
        run.ended = Some(EndedRun { status: RunStatus::Succeeded, at: self.clock.now(), reason: None });
        head.status = RunStatus::Succeeded;
        let events = [head.event(RunEventKind::Ended { reason: None }, self.clock.now())];
        let commit =
            RunCommit { head: &head, nodes: &[], events: &events, map: None, calls: &[], run: Some(&run) };
        self.store.commit_run(commit).await.expect("it ends");
    }

    async fn change(&self, change: impl FnOnce(&mut WorkflowRow)) {
        let mut row = self.store.workflow(workflow().id).await.expect("read").expect("it is there");
        change(&mut row);
        self.store.keep_workflow(&row).await.expect("kept");
    }
}

fn user() -> User {
    User {
        id: UserId::new(Uuid::from_u128(1)),
        email: Email::parse("ada@example.com").expect("an address"),
        password: Digest("not a real hash".into()),
        role: Role::User,
        active: true,
        profile: Profile::default(),
        allowance: Allowance::default(),
        epoch: 0,
        created_at: AT,
        updated_at: AT,
        version: 0,
    }
}

fn workflow() -> WorkflowRow {
    WorkflowRow {
        id: WorkflowId::new(Uuid::from_u128(1)),
        owner: user().id,
        name: "nightly".into(),
        description: None,
        latest: 1,
        version: 0,
        paused: false,
        template: None,
        created_at: AT,
        updated_at: AT,
        deleted_at: None,
    }
}

#[tokio::test]
async fn a_slot_starts_one_run_however_many_look() {
    let world = World::new().await;
    let id = world.schedule(Overlap::Skip, CatchUp::None).await;
    assert_eq!(world.tick(minute(0)).await, Ticked::default(), "nothing is due");
    world.at(minute(1));
    let ticks = join_all((0..5).map(|_| world.scheduler.tick())).await;
    let started: usize = ticks.into_iter().map(|ticked| ticked.expect("it looks").started).sum();
    assert_eq!((started, world.started().await), (1, vec![minute(1)]));
    let row = world.row(id).await;
    assert_eq!((row.seen, row.next_due, row.last_problem), (minute(1), Some(minute(2)), None));
    let run = world.store.slot_run(workflow().id, id, minute(1)).await.expect("read");
    assert_eq!(row.last_run, run);
    assert_eq!(world.tick(minute(1)).await, Ticked::default(), "it was dealt with");
}

/// Whatever the policy, a scheduler that ended after the run and before the schedule's row is followed by one that finds it.
#[tokio::test]
async fn a_look_that_was_cut_short_is_taken_up() {
    for overlap in [Overlap::Skip, Overlap::Queue, Overlap::Allow] {
        let world = World::new().await;
        let id = world.schedule(overlap, CatchUp::None).await;
        let row = world.row(id).await;
        let run = world.runs.start(&row, minute(1)).await.expect("it starts");
        let ticked = world.tick(minute(1)).await;
        assert_eq!((ticked.started, ticked.skipped, ticked.queued), (0, 0, 0), "{overlap:?}");
        let row = world.row(id).await;
        assert_eq!(
            (row.last_run, row.last_problem, row.queued),
            (Some(run), None, Vec::new()),
            "{overlap:?}"
        );
        assert_eq!((row.next_due, world.started().await), (Some(minute(2)), vec![minute(1)]), "{overlap:?}");
    }
}

#[tokio::test]
async fn with_skip_a_slot_is_passed_over_while_a_run_is_there() {
    let world = World::new().await;
    let id = world.schedule(Overlap::Skip, CatchUp::None).await;
    assert_eq!(world.tick(minute(1)).await.started, 1);
    assert_eq!(world.tick(minute(2)).await.skipped, 1);
    let row = world.row(id).await;
    assert!(row.last_problem.is_some_and(|why| why.contains("had not ended")));
    assert_eq!(row.next_due, Some(minute(3)));
    world.end(id, minute(1)).await;
    assert_eq!(world.tick(minute(3)).await.started, 1);
    assert_eq!(world.started().await, [minute(1), minute(3)]);
    assert_eq!(world.row(id).await.last_problem, None);
}

#[tokio::test]
async fn with_queue_slots_wait_for_their_turn() {
    let world = World::new().await;
    let id = world.schedule(Overlap::Queue, CatchUp::None).await;
    world.tick(minute(1)).await;
    assert_eq!(world.tick(minute(2)).await.queued, 1);
    assert_eq!(world.tick(minute(3)).await.queued, 1);
    let row = world.row(id).await;
    assert_eq!(row.queued, [minute(2), minute(3)]);
    let between = minute(3) + SignedDuration::from_secs(10);
    world.tick(between).await;
    assert_eq!(world.row(id).await.version, row.version, "waiting on costs no write");
    world.end(id, minute(1)).await;
    world.tick(between).await;
    assert_eq!(world.row(id).await.queued, [minute(3)]);
    world.end(id, minute(2)).await;
    // The slot that is due goes behind the one that waits.
    let ticked = world.tick(minute(4)).await;
    assert_eq!((ticked.started, ticked.queued), (1, 1));
    assert_eq!(world.started().await, [minute(1), minute(2), minute(3)]);
    assert_eq!(world.row(id).await.queued, [minute(4)]);
}

#[tokio::test]
async fn a_queue_has_an_end() {
    let world = World::new().await;
    let id = world.schedule(Overlap::Queue, CatchUp::All).await;
    world.tick(minute(1)).await;
    let ticked = world.tick(minute(101)).await;
    assert_eq!((ticked.queued, ticked.skipped), (100, 0));
    assert_eq!(world.tick(minute(102)).await.skipped, 1);
    let row = world.row(id).await;
    assert_eq!((row.queued.len(), row.queued[0]), (100, minute(2)));
    assert!(row.last_problem.is_some_and(|why| why.contains("100 others wait")));
}

#[tokio::test]
async fn with_allow_runs_go_side_by_side() {
    let world = World::new().await;
    let id = world.schedule(Overlap::Allow, CatchUp::None).await;
    world.tick(minute(1)).await;
    world.tick(minute(2)).await;
    assert_eq!(world.started().await, [minute(1), minute(2)]);
    // With another policy from now on, an earlier run counts although a later one has ended.
    let row = world.row(id).await;
    let schedule = Schedule { overlap: Overlap::Skip, ..row.schedule.clone() };
    world.store.keep_schedule(&ScheduleRow { schedule, ..row }).await.expect("kept");
    world.end(id, minute(2)).await;
    assert_eq!(world.tick(minute(3)).await.skipped, 1);
    world.end(id, minute(1)).await;
    assert_eq!(world.tick(minute(4)).await.started, 1);
}

#[tokio::test]
async fn what_passed_while_nobody_looked_is_caught_up_by_policy() {
    for (catch_up, expected) in [
        (CatchUp::None, vec![minute(58), minute(59), minute(60)]),
        (CatchUp::Last, vec![minute(58), minute(59), minute(60)]),
        (CatchUp::All, (1..=60).map(minute).collect()),
    ] {
        let world = World::new().await;
        world.schedule(Overlap::Allow, catch_up).await;
        world.tick(minute(60)).await;
        assert_eq!(world.started().await, expected, "{catch_up:?}");
    }
    // A slot long past is the last one, or none.
    for (catch_up, expected) in [(CatchUp::None, vec![]), (CatchUp::Last, vec![minute(60)])] {
        let world = World::new().await;
        let id = world.schedule(Overlap::Allow, catch_up).await;
        let row = world.row(id).await;
        let schedule = Schedule { cron: "0 * * * *".into(), ..row.schedule.clone() };
        let row = ScheduleRow { schedule, next_due: Some(minute(60)), ..row };
        world.store.keep_schedule(&row).await.expect("kept");
        world.tick(minute(90)).await;
        assert_eq!(world.started().await, expected, "{catch_up:?}");
        let row = world.row(id).await;
        assert_eq!((row.seen, row.next_due), (minute(90), Some(minute(120))));
        assert_eq!(row.last_problem.is_some(), catch_up == CatchUp::None, "{:?}", row.last_problem);
    }
}

#[tokio::test]
async fn while_a_workflow_is_paused_nothing_fires() {
    let world = World::new().await;
    let id = world.schedule(Overlap::Allow, CatchUp::Last).await;
    world.change(|row| row.paused = true).await;
    let before = world.row(id).await;
    assert_eq!(world.tick(minute(10)).await, Ticked { schedules: 1, ..Ticked::default() });
    assert_eq!((world.row(id).await, world.started().await), (before, Vec::new()));
    world.change(|row| row.paused = false).await;
    world.tick(minute(10)).await;
    assert_eq!(world.started().await.last(), Some(&minute(10)), "the last one is caught up");
}

#[tokio::test]
async fn the_schedule_of_a_workflow_that_is_gone_goes_too() {
    let world = World::new().await;
    let id = world.schedule(Overlap::Allow, CatchUp::All).await;
    world.change(|row| row.deleted_at = Some(AT)).await;
    assert_eq!(world.tick(minute(1)).await.started, 0);
    assert_eq!(world.store.schedule(workflow().id, id).await.expect("read"), None);
}

#[tokio::test]
async fn nothing_fires_for_an_account_that_is_not_active() {
    let world = World::new().await;
    let id = world.schedule(Overlap::Allow, CatchUp::None).await;
    let user = world.store.user(user().id).await.expect("read").expect("it is there");
    world.store.update_user(&User { active: false, ..user }).await.expect("kept");
    assert_eq!(world.tick(minute(1)).await.skipped, 1);
    let row = world.row(id).await;
    assert_eq!((row.next_due, world.started().await), (Some(minute(2)), Vec::new()));
    assert!(row.last_problem.is_some_and(|why| why.contains("account")));
}

#[tokio::test]
async fn a_slot_whose_run_is_refused_says_why_and_is_over() {
    let world = World::new().await;
    let id = world.schedule(Overlap::Skip, CatchUp::None).await;
    world.fails(Some(|| NotStarted::Refused("params.epochs: is missing".into())));
    let ticked = world.tick(minute(1)).await;
    assert_eq!((ticked.skipped, ticked.failures), (1, 0));
    let row = world.row(id).await;
    assert!(row.last_problem.is_some_and(|why| why.ends_with("params.epochs: is missing")));
    assert_eq!(row.next_due, Some(minute(2)));
}

#[tokio::test]
async fn what_failed_is_done_with_the_next_tick() {
    let world = World::new().await;
    let id = world.schedule(Overlap::Skip, CatchUp::None).await;
    world.fails(Some(|| NotStarted::Failed("the table is busy".into())));
    let before = world.row(id).await;
    assert_eq!(world.tick(minute(1)).await.failures, 1);
    assert_eq!(world.row(id).await, before, "as if nobody had looked");
    world.fails(Some(|| NotStarted::Paused));
    assert_eq!(world.tick(minute(1)).await.failures, 0);
    assert_eq!(world.row(id).await, before);
    world.fails(None);
    assert_eq!(world.tick(minute(2)).await.started, 1);
    assert_eq!(world.started().await, [minute(1)], "the next slot came while its run was there");
}

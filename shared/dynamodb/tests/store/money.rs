//! Quotas, spend, the ledger, running attempts and alerts.

use std::{collections::BTreeMap, slice::from_ref};

use crate::support::Table;
use app::ports::{
    Admission, Alert, AttemptWrite, BillCommit, Commit, JobStore, MoneyStore, PlatformBudget, Span,
    StoreError,
};
use domain::{
    AttemptId, Currency, JobId, Money, UserId,
    account::Quota,
    budget::Level,
    job::{Attempt, GpuNeed, Handle, Job, Outcome, RunnerState, Spec, Status},
    ledger::{Bill, Entry, Payer},
    placement::Offer,
    samples,
};
use dynamodb::Store;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// 2026-11-24.
const AT: Timestamp = Timestamp::constant(1_795_478_400, 0);

fn owner(n: u128) -> UserId {
    UserId::new(Uuid::from_u128(n))
}

fn later(seconds: i64) -> Timestamp {
    AT + SignedDuration::from_secs(seconds)
}

fn spec(gpus: u32) -> Spec {
    Spec {
        gpu: GpuNeed { model: None, count: gpus, memory_gib: None },
        tags: BTreeMap::from([("team".to_owned(), "research".to_owned())]),
        ..samples::spec()
    }
}

fn offer(currency: Currency) -> Offer {
    Offer { price_per_hour: Money::new(3_600_000, currency), seen_at: AT, ..samples::offer() }
}

async fn submit(
    store: &Store,
    owner: UserId,
    n: u128,
    gpus: u32,
    admission: Admission,
) -> Result<Job, StoreError> {
    let admitted = matches!(admission, Admission::Enter(_));
    let (mut job, event) = Job::submit(JobId::new(Uuid::from_u128(n)), owner, spec(gpus), admitted, None, AT);
    let events = [event];
    let commit = Commit { from: None, admission, ..Commit::of(&job, Status::Queued, &events) };
    store.commit(commit).await?;
    job.version += 1;
    Ok(job)
}

/// Begins an attempt, bills it for `seconds` and pays it at `ended`; also what was written, to be repeated.
async fn paid(
    store: &Store,
    owner: UserId,
    n: u128,
    currency: Currency,
    seconds: i64,
    ended: Timestamp,
) -> (Job, Entry) {
    let quota = Quota { jobs: 100, gpus: 100 };
    let mut job = submit(store, owner, n, 1, Admission::Enter(quota)).await.expect("submitted");
    let id = AttemptId::new(Uuid::from_u128(n));
    let mut attempt = Attempt::intend(id, job.id, owner, 1, offer(currency), AT);
    let runner = RunnerState::silent(&attempt);
    let events = [job.provision(&attempt, AT).expect("it may")];
    let intend = AttemptWrite::Intend(&attempt, &runner);
    let commit = Commit { attempt: Some(intend), ..Commit::of(&job, Status::Queued, &events) };
    store.commit(commit).await.expect("committed");
    (job.version, attempt.version) = (job.version + 1, attempt.version + 1);

    attempt.created_at = Some(AT);
    attempt.handle = Some(Handle { provider: "runpod".into(), region: String::new(), id: format!("pod{n}") });
    let commit =
        Commit { attempt: Some(AttemptWrite::Update(&attempt)), ..Commit::of(&job, job.status, &[]) };
    store.commit(commit).await.expect("committed");
    (job.version, attempt.version) = (job.version + 1, attempt.version + 1);
    let running = store.running(Payer::Owner(owner)).await.expect("read");
    assert_eq!(running.iter().map(|attempt| attempt.id).collect::<Vec<_>>(), [id]);

    attempt.outcome = Some(Outcome::Cancelled);
    attempt.gone_at = Some(later(seconds));
    attempt.cost = Some(attempt.cost_at(ended));
    let from = job.status;
    let events = job.end(Status::Cancelled, Some(&attempt), None, ended).expect("it may");
    let entry = Entry::of(&job, &attempt, ended).ask_for_bill(later(seconds));
    let commit = || Commit {
        attempt: Some(AttemptWrite::Close(&attempt)),
        admission: Admission::Leave,
        paid: Some(&entry),
        ..Commit::of(&job, from, &events)
    };
    store.commit(commit()).await.expect("committed");
    assert!(matches!(store.commit(commit()).await, Err(StoreError::Conflict)), "an attempt is paid once");
    (job, entry)
}

fn usd(micros: i64) -> Money {
    Money::new(micros, Currency::Usd)
}

#[tokio::test]
async fn spend_and_ledger_are_one_and_the_platforms_shards_add_up() {
    let table = Table::new().await;
    let store = &table.store;
    let mut sum = 0;
    for n in 1..=20 {
        let seconds = i64::try_from(n).expect("small");
        paid(store, owner(1 + n % 2), n, Currency::Usd, seconds, later(100 + seconds)).await;
        sum += seconds * 1_000;
    }
    paid(store, owner(1), 21, Currency::Cny, 7, later(200)).await;
    let everything = Span { from: AT, to: later(86_400) };
    let mut users = 0;
    for payer in [owner(1), owner(2)].map(Payer::Owner) {
        let spent = store.spent(payer, AT).await.expect("read");
        let ledger = store.ledger(payer, everything, 100, None).await.expect("read");
        let of = |currency| {
            let mine = ledger.items.iter().map(|entry| entry.cost).filter(|cost| cost.currency == currency);
            mine.map(|cost| cost.micros).sum::<i64>()
        };
        assert_eq!(spent.iter().find(|sum| sum.currency == Currency::Usd), Some(&usd(of(Currency::Usd))));
        users += of(Currency::Usd);
    }
    assert_eq!(users, sum);
    let mut platform = store.spent(Payer::Platform, AT).await.expect("read");
    platform.sort_by_key(|sum| sum.currency);
    assert_eq!(platform, [usd(sum), Money::new(7_000, Currency::Cny)]);
    assert_eq!(store.running(Payer::Platform).await.expect("read"), []);
    let next_month = later(10 * 86_400);
    assert_eq!(store.spent(Payer::Platform, next_month).await.expect("read"), []);
}

#[tokio::test]
async fn a_bill_is_written_once_wherever_its_attempt_was_paid() {
    let table = Table::new().await;
    let store = &table.store;
    let (job, entry) = paid(store, owner(1), 1, Currency::Usd, 10, later(100)).await;
    paid(store, owner(1), 2, Currency::Usd, 20, later(100)).await;
    assert_eq!(store.unbilled(later(9), 10).await.expect("read"), []);
    assert_eq!(store.unbilled(later(10), 10).await.expect("read"), from_ref(&entry));
    assert_eq!(store.unbilled(later(20), 1).await.expect("read").len(), 1, "as many as were asked for");

    let later_on = entry.not_billed(later(10));
    let postponed = BillCommit { before: &entry, after: &later_on, rows: None };
    store.commit_bill(postponed).await.expect("committed");
    assert_eq!(store.unbilled(later(20), 10).await.expect("read").len(), 1, "the other one");

    assert_eq!(entry.billed(Money::new(1, Currency::Cny)), None, "not the currency of its price");
    let billed = later_on.billed(usd(entry.cost.micros - 4)).expect("a bill");
    let mut job = store.job(job.id).await.expect("read").expect("the job");
    let mut attempt = store.attempt(job.id, 1).await.expect("read").expect("the attempt");
    job.correct_cost(entry.cost, billed.cost);
    attempt.cost = Some(billed.cost);
    let commit = |before| BillCommit { before, after: &billed, rows: Some((&job, &attempt)) };
    let stale = store.commit_bill(commit(&entry)).await;
    assert!(matches!(stale, Err(StoreError::Conflict)), "{stale:?}");
    store.commit_bill(commit(&later_on)).await.expect("committed");
    let again = store.commit_bill(commit(&later_on)).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");

    let spent = usd(30_000 - 4);
    for payer in [Payer::Owner(owner(1)), Payer::Platform] {
        assert_eq!(store.spent(payer, AT).await.expect("read"), [spent]);
        let span = Span { from: AT, to: later(86_400) };
        let ledger = store.ledger(payer, span, 10, None).await.expect("read").items;
        assert_eq!(ledger.iter().filter(|entry| **entry == billed).count(), 1, "{ledger:?}");
    }
    let job = store.job(job.id).await.expect("read").expect("the job");
    let attempt = store.attempt(job.id, 1).await.expect("read").expect("the attempt");
    assert_eq!((job.cost, attempt.cost), (vec![billed.cost], Some(billed.cost)));
    let week = later(8 * 86_400);
    assert_eq!(entry.not_billed(week).bill, Bill::Unknown, "it is given up");
    assert_eq!(
        store.unbilled(week, 10).await.expect("read").len(),
        1,
        "what was billed is asked for no more"
    );
}

#[tokio::test]
async fn the_ledger_is_paged_newest_first_across_days() {
    let table = Table::new().await;
    let store = &table.store;
    let day = 86_400;
    for (n, ended) in [(1, 10), (2, 10), (3, day + 5), (4, 3 * day), (5, 3 * day + 1)] {
        paid(store, owner(1), n, Currency::Usd, 1, later(ended)).await;
    }
    let span = Span { from: later(10), to: later(3 * day + 1) };
    for payer in [Payer::Owner(owner(1)), Payer::Platform] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.ledger(payer, span, 2, cursor.as_deref()).await.expect("read");
            seen.extend(page.items.into_iter().map(|entry| entry.attempt_id.uuid().as_u128()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, [4, 3, 2, 1], "the end is not part of the span");
    }
    assert!(matches!(store.ledger(Payer::Platform, span, 2, Some("x")).await, Err(StoreError::Cursor)));
}

#[tokio::test]
async fn gpus_have_a_quota_and_a_new_job_overtakes_nobody() {
    let table = Table::new().await;
    let store = &table.store;
    let quota = Quota { jobs: 10, gpus: 4 };
    let enter = || Admission::Enter(quota);
    submit(store, owner(1), 1, 3, enter()).await.expect("3 of 4");
    assert!(matches!(submit(store, owner(1), 2, 2, enter()).await, Err(StoreError::LimitReached)));
    let mut large = submit(store, owner(1), 2, 2, Admission::Wait).await.expect("it waits");
    let small = submit(store, owner(1), 3, 1, enter()).await;
    assert!(matches!(small, Err(StoreError::LimitReached)), "it would overtake the one that waits");
    let counts = store.counts(owner(1)).await.expect("read");
    assert_eq!((counts.admitted, counts.gpus, counts.waiting), (1, 3, 1));

    // Room is made: the one that waits goes in, and then a new one may.
    let mut first = store.job(JobId::new(Uuid::from_u128(1))).await.expect("read").expect("there");
    let events = first.end(Status::Cancelled, None, None, AT).expect("it may");
    let commit = Commit { admission: Admission::Leave, ..Commit::of(&first, Status::Queued, &events) };
    store.commit(commit).await.expect("committed");
    let events = [large.admit(AT).expect("it may")];
    let commit = Commit { admission: enter(), ..Commit::of(&large, Status::Queued, &events) };
    store.commit(commit).await.expect("admitted");
    submit(store, owner(1), 3, 1, enter()).await.expect("nobody waits");
    let counts = store.counts(owner(1)).await.expect("read");
    assert_eq!((counts.admitted, counts.gpus, counts.waiting), (2, 3, 0));
}

#[tokio::test]
async fn one_that_is_larger_than_a_lowered_quota_runs_alone() {
    let table = Table::new().await;
    let store = &table.store;
    let quota = Quota { jobs: 10, gpus: 2 };
    let mut large = submit(store, owner(1), 1, 8, Admission::Wait).await.expect("it waits");
    let events = [large.admit(AT).expect("it may")];
    let commit = Commit { admission: Admission::Enter(quota), ..Commit::of(&large, Status::Queued, &events) };
    store.commit(commit).await.expect("nothing else runs");
    let next = submit(store, owner(1), 2, 1, Admission::Enter(quota)).await;
    assert!(matches!(next, Err(StoreError::LimitReached)));
}

#[tokio::test]
async fn an_alert_is_raised_once_for_each_level_and_month() {
    let table = Table::new().await;
    let store = &table.store;
    let alert = |level, month: &str| Alert {
        owner: Some(owner(1)),
        month: month.into(),
        level,
        at: AT,
        used: usd(80),
        budget: usd(100),
    };
    assert!(store.alert(&alert(Level::Warning, "2026-11")).await.expect("kept"));
    assert!(!store.alert(&alert(Level::Warning, "2026-11")).await.expect("known"));
    assert!(store.alert(&alert(Level::Exceeded, "2026-11")).await.expect("kept"));
    assert!(store.alert(&alert(Level::Warning, "2026-12")).await.expect("kept"));
    assert_eq!(store.alerts(Payer::Owner(owner(1)), AT).await.expect("read").len(), 2);
    assert_eq!(store.alerts(Payer::Platform, AT).await.expect("read"), []);

    assert_eq!(store.platform_budget().await.expect("read"), PlatformBudget::default());
    let budget = PlatformBudget { monthly: Some(usd(5)), ..PlatformBudget::default() };
    store.set_platform_budget(&budget).await.expect("written");
    assert_eq!(store.platform_budget().await.expect("read"), budget);
}

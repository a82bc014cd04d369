//! What any store of jobs, attempts and runners must do.

use std::collections::BTreeMap;

use crate::support::Table;
use app::ports::{
    Admission, AttemptWrite, Commit, Heard, Idempotency, JobFilter, JobStore, LogChunk, MoneyStore, Report,
    RunnerStore, StoreError,
};
use domain::{
    AttemptId, JobId, UserId,
    account::Quota,
    job::{Attempt, Begun, Job, Priority, RunnerState, RunnerWord, Seam, Spec, Status, Waiting},
    ledger::{Entry, Payer},
    placement::Offer,
    samples,
};
use dynamodb::Store;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// 2026-11-24, on the millisecond.
const AT: Timestamp = Timestamp::constant(1_795_478_400, 0);

fn quota(jobs: u32) -> Quota {
    Quota { jobs, gpus: 1_000 }
}

fn owner() -> UserId {
    UserId::new(Uuid::from_u128(1))
}

/// The `n`th job: its id begins with its time, as UUIDv7 has it.
fn job_id(n: u32) -> JobId {
    let millis = u128::try_from(AT.as_millisecond()).expect("after 1970") + u128::from(n) * 60_000;
    JobId::new(Uuid::from_u128(millis << 80 | 7 << 76 | 2 << 62 | u128::from(n)))
}

fn spec(name: &str) -> Spec {
    Spec { name: name.into(), ..samples::spec() }
}

fn offer() -> Offer {
    Offer { seen_at: AT, ..samples::offer() }
}

async fn submit(store: &Store, n: u32, spec: Spec, admission: Admission) -> Result<Job, StoreError> {
    let admitted = matches!(admission, Admission::Enter(_));
    let at = AT + SignedDuration::from_mins(i64::from(n));
    let (mut job, event) = Job::submit(job_id(n), owner(), spec, admitted, None, at);
    let commit = Commit {
        job: &job,
        from: None,
        events: &[event],
        attempt: None,
        admission,
        paid: None,
        idempotency: None,
    };
    store.commit(commit).await?;
    job.version += 1;
    Ok(job)
}

/// A job with an attempt under way.
async fn provisioned(store: &Store) -> (Job, Attempt) {
    let mut job = submit(store, 1, spec("a"), Admission::Enter(quota(5))).await.expect("submitted");
    let id = AttemptId::new(Uuid::from_u128(9));
    let mut attempt = Attempt::intend(id, job.id, owner(), 1, offer(), AT);
    let runner = RunnerState::silent(&attempt);
    let events = [job.provision(&attempt, AT).expect("it may")];
    let commit = Commit {
        attempt: Some(AttemptWrite::Intend(&attempt, &runner)),
        ..Commit::of(&job, Status::Queued, &events)
    };
    store.commit(commit).await.expect("committed");
    job.version += 1;
    attempt.version += 1;
    (job, attempt)
}

#[tokio::test]
async fn a_change_commits_whole_or_not_at_all() {
    let table = Table::new().await;
    let store = &table.store;
    let (job, attempt) = provisioned(store).await;
    assert_eq!(store.job(job.id).await.expect("read"), Some(job.clone()));
    assert_eq!(store.attempt(job.id, 1).await.expect("read"), Some(attempt.clone()));
    // Somebody who read the job before that change may not write over it, and none of their change is seen.
    let mut stale = Job { version: 1, ..job.clone() };
    let events = [stale.run(1, AT).expect("it may")];
    let lost = Commit {
        paid: Some(&Entry::of(&stale, &attempt, AT)),
        ..Commit::of(&stale, Status::Provisioning, &events)
    };
    assert!(matches!(store.commit(lost).await, Err(StoreError::Conflict)));
    assert_eq!(store.events(job.id, 0, 10).await.expect("read").len(), 2);
    assert_eq!(store.spent(Payer::Owner(owner()), AT).await.expect("read"), []);
    assert_eq!(store.counts(owner()).await.expect("read").by_status[&Status::Running], 0);
}

#[tokio::test]
async fn the_limit_holds_under_a_burst() {
    let table = Table::new().await;
    let store = &table.store;
    let burst = (1..=12).map(|n| submit(store, n, spec("a"), Admission::Enter(quota(5))));
    let results = join_all(burst).await;
    let admitted = results.iter().filter(|result| result.is_ok()).count();
    let refused = results.iter().filter(|result| matches!(result, Err(StoreError::LimitReached))).count();
    assert_eq!((admitted, admitted + refused), (5, 12), "{results:?}");
    let counts = store.counts(owner()).await.expect("read");
    assert_eq!((counts.admitted, counts.by_status[&Status::Queued]), (5, 5));
}

#[tokio::test]
async fn the_queue_is_in_order_of_urgency_then_age() {
    let table = Table::new().await;
    let store = &table.store;
    for (n, priority) in
        [(1, Priority::Low), (2, Priority::Normal), (3, Priority::Urgent), (4, Priority::Normal)]
    {
        submit(store, n, Spec { priority, ..spec("a") }, Admission::Wait).await.expect("submitted");
    }
    let waiting = store.waiting(owner(), 10).await.expect("read");
    assert_eq!(waiting.iter().map(|job| job.id).collect::<Vec<_>>(), [3, 2, 4, 1].map(job_id));
    assert_eq!(store.owners_waiting().await.expect("read"), [owner()]);
    assert_eq!(store.live(None).await.expect("read").items, []);
    let mut first = waiting.into_iter().next().expect("one waits");
    let events = [first.admit(AT).expect("it may")];
    let commit =
        Commit { admission: Admission::Enter(quota(1)), ..Commit::of(&first, Status::Queued, &events) };
    store.commit(commit).await.expect("admitted");
    assert_eq!(store.live(None).await.expect("read").items.len(), 1);
    assert_eq!(store.waiting(owner(), 10).await.expect("read").len(), 3);
}

#[tokio::test]
async fn a_list_is_paged_and_filtered() {
    let table = Table::new().await;
    let store = &table.store;
    for n in 1..=25 {
        let tags =
            BTreeMap::from([("team".to_owned(), if n % 5 == 0 { "a".to_owned() } else { "b".to_owned() })]);
        submit(store, n, Spec { tags, ..spec(&format!("Run {n}")) }, Admission::Unchanged)
            .await
            .expect("submitted");
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.list(owner(), &JobFilter::default(), 7, cursor.as_deref()).await.expect("read");
        seen.extend(page.items.into_iter().map(|job| job.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=25).rev().map(job_id).collect::<Vec<_>>(), "newest first, each once");
    let count =
        async |filter: JobFilter| store.list(owner(), &filter, 100, None).await.expect("read").items.len();
    assert_eq!(
        count(JobFilter { tag: Some(("team".into(), Some("a".into()))), ..JobFilter::default() }).await,
        5
    );
    assert_eq!(count(JobFilter { tag: Some(("team".into(), None)), ..JobFilter::default() }).await, 25);
    assert_eq!(count(JobFilter { tag: Some(("tea".into(), None)), ..JobFilter::default() }).await, 0);
    assert_eq!(count(JobFilter { name: Some("rUN 2".into()), ..JobFilter::default() }).await, 7);
    assert_eq!(count(JobFilter { statuses: vec![Status::Failed], ..JobFilter::default() }).await, 0);
    let ten = AT + SignedDuration::from_mins(10);
    assert_eq!(count(JobFilter { submitted_after: Some(ten), ..JobFilter::default() }).await, 16);
    assert_eq!(count(JobFilter { submitted_before: Some(ten), ..JobFilter::default() }).await, 9);
    let other = UserId::new(Uuid::from_u128(2));
    assert!(store.list(other, &JobFilter::default(), 5, None).await.expect("read").items.is_empty());
    for wrong in ["", "!", "bm90IG91cnM"] {
        let listed = store.list(owner(), &JobFilter::default(), 5, Some(wrong)).await;
        assert!(matches!(listed, Err(StoreError::Cursor)), "{wrong}");
    }
}

#[tokio::test]
async fn a_request_is_remembered_with_its_job() {
    let table = Table::new().await;
    let store = &table.store;
    let remembered = || Idempotency {
        key: "k".into(),
        digest: "d".into(),
        status: 201,
        body: serde_json::json!({ "id": 1 }),
        expires_at: AT,
    };
    let commit = async |n: u32| {
        let (job, event) = Job::submit(job_id(n), owner(), spec("a"), false, None, AT);
        let commit = Commit {
            job: &job,
            from: None,
            events: &[event],
            attempt: None,
            admission: Admission::Unchanged,
            paid: None,
            idempotency: Some(remembered()),
        };
        store.commit(commit).await
    };
    commit(1).await.expect("the first");
    assert!(matches!(commit(2).await, Err(StoreError::Conflict)));
    assert_eq!(store.job(job_id(2)).await.expect("read"), None);
    let replay = store.replay(owner(), "k").await.expect("read").expect("remembered");
    assert_eq!((replay.digest.as_str(), replay.status, replay.body["id"].as_u64()), ("d", 201, Some(1)));
    assert!(store.replay(owner(), "other").await.expect("read").is_none());
}

#[tokio::test]
async fn the_first_runner_has_the_attempt() {
    let table = Table::new().await;
    let store = &table.store;
    let (job, mut attempt) = provisioned(store).await;
    let start = Report { started: true, ..Report::default() };
    let Heard::Yes(state) = store.hear(attempt.id, "one", 1, &start, AT).await.expect("heard") else {
        panic!("new")
    };
    assert_eq!((state.runner.as_deref(), state.started_at), (Some("one"), Some(AT)));
    assert!(matches!(store.hear(attempt.id, "two", 1, &start, AT).await.expect("heard"), Heard::Superseded));
    assert!(matches!(store.hear(attempt.id, "one", 1, &start, AT).await.expect("heard"), Heard::Again(_)));
    let waiting = Waiting { token: "fake-token".into(), until: RunnerWord::Exit };
    let state = store.wait(attempt.id, &waiting).await.expect("written").expect("there");
    assert_eq!(state.waiting, Some(waiting));
    let commit = Commit {
        attempt: Some(AttemptWrite::Close(&attempt)),
        ..Commit::of(&job, Status::Provisioning, &[])
    };
    store.commit(commit).await.expect("closed");
    attempt.version += 1;
    assert!(matches!(store.hear(attempt.id, "one", 2, &start, AT).await.expect("heard"), Heard::Closed));
    let unknown = AttemptId::new(Uuid::from_u128(99));
    assert!(matches!(store.hear(unknown, "one", 1, &start, AT).await.expect("heard"), Heard::Closed));
}

fn log(offset: u64, bytes: Vec<u8>) -> Report {
    Report { log: Some(LogChunk { offset, dropped: 0, bytes }), ..Report::default() }
}

#[tokio::test]
async fn a_log_is_read_from_any_place_and_a_repeat_changes_nothing() {
    let table = Table::new().await;
    let store = &table.store;
    let (_, attempt) = provisioned(store).await;
    for (message, offset, text) in [(1, 0, "hello "), (2, 6, "wide "), (2, 6, "wide "), (3, 11, "world")] {
        store.hear(attempt.id, "one", message, &log(offset, text.into()), AT).await.expect("heard");
    }
    let text = |chunks: Vec<LogChunk>| String::from_utf8(chunks.concat_bytes()).expect("text");
    let whole = store.log(attempt.id, 0, 1_000).await.expect("read");
    assert_eq!((text(whole.chunks), whole.next), ("hello wide world".to_owned(), 16));
    let middle = store.log(attempt.id, 8, 1_000).await.expect("read");
    assert_eq!((middle.chunks[0].offset, text(middle.chunks)), (8, "de world".to_owned()));
    let end = store.log(attempt.id, 16, 1_000).await.expect("read");
    assert_eq!((end.chunks.len(), end.next), (0, 16));
    let tail = store.log_tail(attempt.id, 7).await.expect("read");
    assert_eq!((tail.chunks[0].offset, text(tail.chunks)), (9, "e world".to_owned()));
}

trait Concat {
    fn concat_bytes(self) -> Vec<u8>;
}

impl Concat for Vec<LogChunk> {
    fn concat_bytes(self) -> Vec<u8> {
        self.into_iter().flat_map(|chunk| chunk.bytes).collect()
    }
}

/// 10 MiB are kept: the head, the tail, and word of what is missing between them.
#[tokio::test]
async fn of_a_long_log_the_middle_goes() {
    const PIECE: u64 = 192 * 1024;
    const PIECES: u64 = 80;
    let table = Table::new().await;
    let store = &table.store;
    let (_, attempt) = provisioned(store).await;
    for n in 0..PIECES {
        let report = log(n * PIECE, vec![b'x'; usize::try_from(PIECE).expect("small")]);
        store.hear(attempt.id, "one", n + 1, &report, AT).await.expect("heard");
    }
    let (mut kept, mut dropped, mut at) = (0, 0, 0);
    loop {
        let page = store.log(attempt.id, at, 4 * 1024 * 1024).await.expect("read");
        if page.chunks.is_empty() {
            break;
        }
        dropped += page.chunks.iter().map(|chunk| chunk.dropped).sum::<u64>();
        kept += page.chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum::<u64>();
        at = page.next;
    }
    let limit = 10 * 1024 * 1024;
    assert_eq!(kept + dropped, PIECES * PIECE, "every byte is there or is said to be missing");
    assert!((limit - PIECE..=limit + 2 * PIECE).contains(&kept), "{kept} bytes are kept");
}

#[tokio::test]
async fn what_a_command_with_secrets_says_is_not_kept_unmasked() {
    let table = Table::new().await;
    let store = &table.store;
    let (_, attempt) = provisioned(store).await;
    let mark = table.client.update_item().table_name(crate::support::TABLE);
    let mark = mark.set_key(Some(dynamodb::item::key(dynamodb::keys::runner(attempt.id))));
    let mark = mark.update_expression("SET masked = :yes");
    let yes = aws_sdk_dynamodb::types::AttributeValue::Bool(true);
    mark.expression_attribute_values(":yes", yes).send().await.expect("marked");
    let quiet = Report { started: true, ..Report::default() };
    assert!(matches!(store.hear(attempt.id, "one", 1, &quiet, AT).await.expect("heard"), Heard::Yes(_)));
    let plain = log(0, "fake-secret".into());
    let Heard::Unmasked(state) = store.hear(attempt.id, "one", 2, &plain, AT).await.expect("heard") else {
        panic!("it is not masked")
    };
    assert_eq!((state.message, state.log_bytes, state.masked), (1, 0, true), "nothing was taken in");
    assert_eq!(store.log(attempt.id, 0, 1_000).await.expect("read").chunks.len(), 0);
    let after = Some(Begun { pattern: 0, bytes: 4 });
    let seam = Seam { at: 0, before: None, end: 11, after };
    let masked = Report { masked: true, seam: Some(seam), ..log(0, "***********".into()) };
    let Heard::Yes(state) = store.hear(attempt.id, "one", 2, &masked, AT).await.expect("heard") else {
        panic!("it is masked")
    };
    assert_eq!(state.seam.and_then(|seam| seam.before(11)), after, "for the next piece");
    assert_eq!(state.seam.and_then(|seam| seam.before(0)), None, "for the same piece again");
    // The same message again, as a runner sends it whose answer was lost, is not kept unmasked either.
    let again = store.hear(attempt.id, "one", 2, &plain, AT).await.expect("heard");
    assert!(matches!(again, Heard::Unmasked(_)), "{again:?}");
    assert!(matches!(store.hear(attempt.id, "two", 2, &plain, AT).await.expect("heard"), Heard::Superseded));
}

#[tokio::test]
async fn a_job_that_changed_meanwhile_is_not_deleted() {
    let table = Table::new().await;
    let store = &table.store;
    let (job, _) = provisioned(store).await;
    let stale = Job { version: job.version - 1, ..job.clone() };
    assert!(matches!(store.delete(&stale).await, Err(StoreError::Conflict)));
    assert_eq!(store.job(job.id).await.expect("read"), Some(job));
}

#[tokio::test]
async fn a_table_that_cannot_be_reached_is_busy() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("a bound port"));
    drop(listener);
    let store = Store::new(aws::Environment::at(url).dynamodb(), crate::support::TABLE);
    let failed = store.job(job_id(1)).await.expect_err("nobody listens");
    assert!(matches!(failed, StoreError::Busy(_)), "{failed:?}");
}

#[tokio::test]
async fn a_deleted_job_leaves_no_row() {
    let table = Table::new().await;
    let store = &table.store;
    let (mut job, attempt) = provisioned(store).await;
    store.hear(attempt.id, "one", 1, &log(0, b"text".to_vec()), AT).await.expect("heard");
    let events = job.end(Status::Failed, Some(&attempt), None, AT).expect("it may");
    let commit = Commit {
        attempt: Some(AttemptWrite::Close(&attempt)),
        admission: Admission::Leave,
        ..Commit::of(&job, Status::Provisioning, &events)
    };
    store.commit(commit).await.expect("ended");
    job.version += 1;
    store.delete(&job).await.expect("deleted");
    store.delete(&job).await.expect("harmless");
    let left = table.client.scan().table_name(crate::support::TABLE).send().await.expect("read");
    let keys: Vec<_> = left.items().iter().filter_map(|item| item["pk"].as_s().ok()).collect();
    assert_eq!(keys, [&format!("OWNER#{}", owner())], "only the counts are left");
    let counts = store.counts(owner()).await.expect("read");
    assert_eq!((counts.admitted, counts.by_status.values().sum::<u64>()), (0, 0));
}

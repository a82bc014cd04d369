//! Migrations: once, in order, by one at a time, and never backwards.

use crate::support::{TABLE, Table};
use app::ports::StoreError;
use aws_sdk_dynamodb::types::AttributeValue;
use dynamodb::{
    Store, item,
    migrations::{CLAIM, Migrated, MigrationError, STEPS, Step, VERSION},
};
use futures::future::BoxFuture;
use jiff::Timestamp;

const AT: Timestamp = Timestamp::UNIX_EPOCH;

const FIRST: Step = Step { number: 1, name: "first", readable_from: 1, run: first };
const SECOND: Step = Step { number: 2, name: "second", readable_from: 1, run: second };
const BREAKING: Step = Step { number: 3, name: "third", readable_from: 3, run: first };
const FAILING: Step = Step { number: 2, name: "second", readable_from: 1, run: failing };

fn first(store: &Store) -> BoxFuture<'_, Result<(), StoreError>> {
    Box::pin(async move { mark(store, "first").await })
}

fn second(store: &Store) -> BoxFuture<'_, Result<(), StoreError>> {
    Box::pin(async move { mark(store, "second").await })
}

fn failing(_: &Store) -> BoxFuture<'_, Result<(), StoreError>> {
    Box::pin(async { Err(StoreError::Conflict) })
}

/// What a step does is seen in the count of a throttle's row.
async fn mark(store: &Store, step: &str) -> Result<(), StoreError> {
    app::ports::AccountStore::take(store, step, 1_000, AT).await.map(drop)
}

async fn times(store: &Store, step: &str) -> u32 {
    1_000 - app::ports::AccountStore::take(store, step, 1_000, AT).await.expect("counted") - 1
}

fn done(version: u32, done: &[&'static str]) -> Migrated {
    Migrated { version, done: done.to_vec() }
}

#[tokio::test]
async fn each_step_is_done_once_and_in_order() {
    let table = Table::new().await;
    let store = &table.store;
    assert_eq!(store.migrate(&[FIRST], "one", || AT).await.expect("done"), done(1, &["first"]));
    assert_eq!(store.migrate(&[FIRST, SECOND], "two", || AT).await.expect("done"), done(2, &["second"]));
    assert_eq!(store.migrate(&[FIRST, SECOND], "three", || AT).await.expect("done"), done(2, &[]));
    assert_eq!((times(store, "first").await, times(store, "second").await), (1, 1));
}

#[tokio::test]
async fn our_own_steps_bring_an_empty_table_to_our_version() {
    let table = Table::new().await;
    let migrated = table.store.migrate(STEPS, "one", || AT).await.expect("done");
    assert_eq!((migrated.version, migrated.done.len()), (VERSION, STEPS.len()));
}

#[tokio::test]
async fn many_at_once_do_each_step_once() {
    let table = Table::new().await;
    let runs = (0..8).map(|run| {
        let store = table.store.clone();
        async move { store.migrate(&[FIRST, SECOND], &format!("run {run}"), || AT).await }
    });
    let results = futures::future::join_all(runs).await;
    for result in &results {
        assert!(matches!(result, Ok(_) | Err(MigrationError::Running { .. })), "{result:?}");
    }
    assert!(results.iter().any(Result::is_ok));
    assert_eq!((times(&table.store, "first").await, times(&table.store, "second").await), (1, 1));
}

#[tokio::test]
async fn a_claim_keeps_others_out_until_it_ends_and_lets_its_own_repeat_in() {
    let table = Table::new().await;
    let store = &table.store;
    let failed = store.migrate(&[FIRST, FAILING], "one", || AT).await.expect_err("it fails");
    assert!(matches!(failed, MigrationError::Step { number: 2, .. }), "{failed}");
    let running = store.migrate(&[FIRST, SECOND], "two", || AT).await.expect_err("it is claimed");
    assert!(matches!(running, MigrationError::Running { until } if until == AT + CLAIM), "{running}");
    assert_eq!(store.migrate(&[FIRST, SECOND], "one", || AT).await.expect("done"), done(2, &["second"]));
    // A run that died leaves its claim, and its claim ends.
    let died = [FIRST, SECOND, Step { number: 3, run: failing, ..BREAKING }];
    store.migrate(&died, "three", || AT).await.expect_err("it fails");
    let later = AT + CLAIM + CLAIM;
    let migrated = store.migrate(&[FIRST, SECOND, BREAKING], "four", || later).await;
    assert_eq!(migrated.expect("done"), done(3, &["third"]));
}

#[tokio::test]
async fn code_that_is_too_old_is_turned_away_and_code_that_can_read_the_table_is_not() {
    let table = Table::new().await;
    let store = &table.store;
    store.migrate(&[FIRST, SECOND], "one", || AT).await.expect("done");
    assert_eq!(
        store.migrate(&[FIRST], "rolled back", || AT).await.expect("it can live with it"),
        done(2, &[])
    );
    store.migrate(&[FIRST, SECOND, BREAKING], "two", || AT).await.expect("done");
    let newer = store.migrate(&[FIRST, SECOND], "old", || AT).await.expect_err("it cannot");
    assert!(matches!(newer, MigrationError::Newer { table: 3, readable_from: 3, code: 2 }), "{newer}");
    assert!(newer.to_string().contains("deploy newer code"), "{newer}");
    let row = table.client.get_item().table_name(TABLE).set_key(Some(item::key(dynamodb::keys::schema())));
    let row = row.send().await.expect("read").item.expect("there");
    assert_eq!(row["version"], AttributeValue::N("3".into()), "nothing was set back");
}

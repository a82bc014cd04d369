//! What any store of connections must do.

use crate::support::{TABLE, Table};
use app::ports::{Connection, ConnectionStore, StoreError, Ticket, Topic};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{JobId, Principal, Role, UserId};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

const AT: Timestamp = Timestamp::UNIX_EPOCH;

fn user(n: u128) -> UserId {
    UserId::new(Uuid::from_u128(n))
}

fn job(n: u128) -> Topic {
    Topic::Job(JobId::new(Uuid::from_u128(n)))
}

fn connection(id: &str) -> Connection {
    let principal = Principal { user: user(1), role: Role::User };
    Connection { id: id.to_owned(), principal, connected_at: AT }
}

async fn sorted(table: &Table, topic: Topic) -> Vec<String> {
    let mut ids = table.store.subscribers(topic).await.expect("the subscribers are read");
    ids.sort();
    ids
}

#[tokio::test]
async fn a_ticket_is_taken_once() {
    let table = Table::new().await;
    let ticket = Ticket {
        principal: Principal { user: user(1), role: Role::Admin },
        expires_at: AT + SignedDuration::from_secs(60),
    };
    table.store.keep_ticket("digest", &ticket).await.expect("it is kept");
    assert!(table.store.take_ticket("another").await.expect("it is looked for").is_none());

    let takers = join_all((0..8).map(|_| table.store.take_ticket("digest"))).await;
    let taken: Vec<Ticket> =
        takers.into_iter().filter_map(|taken| taken.expect("it is looked for")).collect();
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].principal, taken[0].expires_at), (ticket.principal, ticket.expires_at));
}

#[tokio::test]
async fn a_connection_is_found_until_it_ends() {
    let table = Table::new().await;
    assert!(table.store.connection("a=").await.expect("it is looked for").is_none());
    table.store.connect(&connection("a=")).await.expect("it is written");
    let found = table.store.connection("a=").await.expect("it is looked for").expect("it is there");
    assert_eq!(
        (found.id.as_str(), found.principal, found.connected_at),
        ("a=", connection("a=").principal, AT)
    );
    for _ in 0..2 {
        table.store.disconnect("a=").await.expect("it ends, and may end again");
        assert!(table.store.connection("a=").await.expect("it is looked for").is_none());
    }
}

#[tokio::test]
async fn subscriptions_are_seen_from_both_sides() {
    let table = Table::new().await;
    for id in ["a", "b"] {
        table.store.connect(&connection(id)).await.expect("it is written");
    }
    let mine = Topic::Owner(user(1));
    for topic in [job(1), job(2), mine, job(1)] {
        table.store.subscribe("a", topic).await.expect("it is written");
    }
    table.store.subscribe("b", job(1)).await.expect("it is written");

    let subscriptions = table.store.subscriptions("a").await.expect("they are read");
    assert_eq!(subscriptions, [job(1), job(2), mine]);
    assert_eq!(sorted(&table, job(1)).await, ["a", "b"]);
    assert_eq!(sorted(&table, mine).await, ["a"]);
    assert!(sorted(&table, job(3)).await.is_empty());

    for _ in 0..2 {
        table.store.unsubscribe("a", job(1)).await.expect("it ends, and may end again");
    }
    assert_eq!(table.store.subscriptions("a").await.expect("they are read"), [job(2), mine]);
    assert_eq!(sorted(&table, job(1)).await, ["b"]);
}

#[tokio::test]
async fn a_connection_that_ends_takes_its_subscriptions_along() {
    let table = Table::new().await;
    for id in ["a", "b"] {
        table.store.connect(&connection(id)).await.expect("it is written");
        for n in 0..20 {
            table.store.subscribe(id, job(n)).await.expect("it is written");
        }
    }
    table.store.disconnect("a").await.expect("it ends");
    for n in 0..20 {
        assert_eq!(sorted(&table, job(n)).await, ["b"]);
    }
    assert!(table.store.subscriptions("a").await.expect("they are read").is_empty());
}

#[tokio::test]
async fn nobody_subscribes_without_a_connection() {
    let table = Table::new().await;
    assert!(matches!(table.store.subscribe("a", job(1)).await, Err(StoreError::Conflict)));
    assert!(sorted(&table, job(1)).await.is_empty());
    table.store.unsubscribe("a", job(1)).await.expect("there is nothing to end");
    assert!(table.store.connection("a").await.expect("it is looked for").is_none());
}

#[tokio::test]
async fn subscriptions_made_at_once_all_stand() {
    let table = Table::new().await;
    table.store.connect(&connection("a")).await.expect("it is written");
    let made = join_all((0..25).map(|n| table.store.subscribe("a", job(n)))).await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    assert_eq!(table.store.subscriptions("a").await.expect("they are read").len(), 25);
}

#[tokio::test]
async fn every_row_expires_by_itself() {
    let table = Table::new().await;
    let ticket = Ticket { principal: connection("a").principal, expires_at: AT };
    table.store.keep_ticket("digest", &ticket).await.expect("it is kept");
    table.store.connect(&connection("a")).await.expect("it is written");
    table.store.subscribe("a", job(1)).await.expect("it is written");
    let rows = table.client.scan().table_name(TABLE).send().await.expect("the rows are read");
    assert_eq!(rows.items().len(), 3);
    for row in rows.items() {
        assert!(matches!(row.get("expires_at"), Some(AttributeValue::N(_))), "{row:?}");
    }
}

//! WebSocket connections, tickets and subscriptions: [`ConnectionStore`] on the table.
//!
//! A connection's row names its topics and a topic's rows name its connections. The two are written one after the other,
//! the connection's first: a topic that is named and has no row is harmless, and a row whose connection is gone is removed by
//! whoever finds that out, at the latest by its expiry.

use app::ports::{Connection, ConnectionStore, StoreError, Ticket, Topic};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::{Principal, Role, UserId};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    failure::store_error,
    item::{Item, item, key, n, text, value},
    keys,
};

/// API Gateway ends a connection after two hours; its row may go some time later, should nobody have been told.
const LIFE: SignedDuration = SignedDuration::from_mins(150);
/// A row that is read once keeps its place a little longer than it is good for, so that "expired" can be told from "never was".
const TICKET_GRACE: SignedDuration = SignedDuration::from_mins(10);

/// The attribute of a connection that names its topics.
const TOPICS: &str = "topics";

#[derive(Serialize, Deserialize)]
struct TicketDoc {
    user: UserId,
    role: Role,
    expires_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct ConnectionDoc {
    user: UserId,
    role: Role,
    connected_at: Timestamp,
}

#[async_trait]
impl ConnectionStore for Store {
    async fn keep_ticket(&self, digest: &str, ticket: &Ticket) -> Result<(), StoreError> {
        let Principal { user, role } = ticket.principal;
        let mut row = item(keys::ticket(digest), &TicketDoc { user, role, expires_at: ticket.expires_at })?;
        row.insert(keys::EXPIRES_AT.into(), n((ticket.expires_at + TICKET_GRACE).as_second()));
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row))
            .send()
            .await
            .map_err(store_error)?;
        Ok(())
    }

    async fn take_ticket(&self, digest: &str) -> Result<Option<Ticket>, StoreError> {
        let taken = self.remove_row(keys::ticket(digest)).await?;
        let doc: Option<TicketDoc> = taken.as_ref().map(value).transpose()?;
        Ok(doc.map(|doc| Ticket {
            principal: Principal { user: doc.user, role: doc.role },
            expires_at: doc.expires_at,
        }))
    }

    async fn connect(&self, connection: &Connection) -> Result<(), StoreError> {
        let Principal { user, role } = connection.principal;
        let doc = ConnectionDoc { user, role, connected_at: connection.connected_at };
        let mut row = item(keys::connection(&connection.id), &doc)?;
        row.insert(keys::EXPIRES_AT.into(), n((connection.connected_at + LIFE).as_second()));
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row))
            .send()
            .await
            .map_err(store_error)?;
        Ok(())
    }

    async fn connection(&self, id: &str) -> Result<Option<Connection>, StoreError> {
        let row = self.get(keys::connection(id)).await?;
        let doc: Option<ConnectionDoc> = row.as_ref().map(value).transpose()?;
        Ok(doc.map(|doc| Connection {
            id: id.to_owned(),
            principal: Principal { user: doc.user, role: doc.role },
            connected_at: doc.connected_at,
        }))
    }

    async fn disconnect(&self, id: &str) -> Result<(), StoreError> {
        // First of all no new subscription can be made; then those go that were.
        let Some(row) = self.remove_row(keys::connection(id)).await? else { return Ok(()) };
        stream::iter(topics(&row))
            .map(|topic| self.remove_row(keys::subscription(topic, id)))
            .buffer_unordered(8)
            .try_for_each(async |_| Ok(()))
            .await
    }

    async fn subscribe(&self, id: &str, topic: Topic) -> Result<(), StoreError> {
        let named = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::connection(id))))
            .update_expression("ADD topics :topic")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":topic", one(topic))
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(store_error)?;
        let mut row = key(keys::subscription(topic, id));
        if let Some(expires_at) = named.attributes.as_ref().and_then(|row| row.get(keys::EXPIRES_AT)) {
            row.insert(keys::EXPIRES_AT.into(), expires_at.clone());
        }
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row))
            .send()
            .await
            .map_err(store_error)?;
        Ok(())
    }

    async fn unsubscribe(&self, id: &str, topic: Topic) -> Result<(), StoreError> {
        self.remove_row(keys::subscription(topic, id)).await?;
        let unnamed = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::connection(id))))
            .update_expression("DELETE topics :topic")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":topic", one(topic))
            .send()
            .await
            .map_err(store_error);
        match unnamed {
            // The connection is gone, and its topics with it.
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn subscriptions(&self, id: &str) -> Result<Vec<Topic>, StoreError> {
        let row = self.get(keys::connection(id)).await?.unwrap_or_default();
        Ok(topics(&row))
    }

    async fn subscribers(&self, topic: Topic) -> Result<Vec<String>, StoreError> {
        let (pk, prefix) = keys::subscription(topic, "");
        let rows = self.below(&pk, &prefix, None).await?;
        let id = |row: &Item| text(row, keys::SK)?.strip_prefix(&prefix).map(str::to_owned);
        Ok(rows.iter().filter_map(id).collect())
    }
}

impl Store {
    /// Removes a row and returns what it was; nothing if it was not there.
    async fn remove_row(&self, at: (String, String)) -> Result<Option<Item>, StoreError> {
        let taken = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(at)))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(store_error)?;
        Ok(taken.attributes.filter(|row| !row.is_empty()))
    }
}

fn one(topic: Topic) -> AttributeValue {
    AttributeValue::Ss(vec![keys::topic(topic)])
}

/// The topics of a connection's row, in the order of their names.
fn topics(row: &Item) -> Vec<Topic> {
    let mut names = row.get(TOPICS).and_then(|topics| topics.as_ss().ok()).cloned().unwrap_or_default();
    names.sort_unstable();
    names.iter().filter_map(|name| keys::parse_topic(name)).collect()
}

//! Accounts, sessions, API keys and throttles: [`AccountStore`] on the table.

use app::ports::{AccountStore, Page, StoreError};
use async_trait::async_trait;
use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{Delete, Put, ReturnValue, TransactWriteItem, Update, builders::PutBuilder},
};
use domain::{
    ApiKeyId, SessionId, UserId,
    account::{ApiKey, Email, Session, User},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    Store,
    failure::store_error,
    item::{Item, item, key, n, number, s, text, value, versioned},
    keys,
    pages::{decode, encode},
};

const DIGEST: &str = "digest";
const USED_AT: &str = "used_at";
const COUNT: &str = "count";
const USERS: &str = "USERS";

#[async_trait]
impl AccountStore for Store {
    async fn add_user(&self, user: &User) -> Result<(), StoreError> {
        let new = |row: Item| {
            let put = Put::builder().table_name(&self.table).set_item(Some(row));
            put.condition_expression("attribute_not_exists(pk)")
        };
        let rows = [new(user_row(user)?), new(item(keys::email(&user.email), &user.id)?)];
        self.transact(rows.into_iter().map(put).collect::<Result<_, _>>()?).await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.get(keys::user(id)).await?.as_ref().map(value).transpose()
    }

    async fn user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        match self.get(keys::email(email)).await? {
            Some(row) => self.user(value(&row)?).await,
            None => Ok(None),
        }
    }

    async fn update_user(&self, user: &User) -> Result<(), StoreError> {
        self.put_version(user_row(user)?, user.version).await
    }

    async fn users(&self, limit: usize, cursor: Option<&str>) -> Result<Page<User>, StoreError> {
        let start = cursor.map(user_position).transpose()?;
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("gsi1")
            .key_condition_expression("gsi1pk = :users")
            .expression_attribute_values(":users", s(USERS))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(store_error)?;
        let items: Vec<User> = page.items().iter().map(value).collect::<Result<_, _>>()?;
        let more = page.last_evaluated_key().is_some_and(|last| !last.is_empty());
        let next = items.last().filter(|_| more).map(|user| user_cursor(user.id, &user.email));
        Ok(Page { items, next })
    }

    async fn put_session(&self, session: &Session) -> Result<(), StoreError> {
        let next = Session { version: session.version + 1, ..session.clone() };
        let mut row = versioned(keys::session(session.id), &next, next.version)?;
        row.insert(keys::EXPIRES_AT.into(), n(session.expires_at.as_second()));
        self.put_version(row, session.version).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.get(keys::session(id)).await?.as_ref().map(value).transpose()
    }

    async fn end_session(&self, id: SessionId) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table);
        delete.set_key(Some(key(keys::session(id)))).send().await.map(drop).map_err(store_error)
    }

    async fn add_api_key(&self, digest: &str, key: &ApiKey) -> Result<(), StoreError> {
        let mut listed = item(keys::api_key(key.user, key.id), key)?;
        listed.insert(DIGEST.into(), s(digest));
        let found = item(keys::api_key_digest(digest), key)?;
        let rows = [listed, found].map(|row| {
            let put = Put::builder().table_name(&self.table).set_item(Some(row));
            put.condition_expression("attribute_not_exists(pk)")
        });
        self.transact(rows.into_iter().map(put).collect::<Result<_, _>>()?).await
    }

    async fn api_key(&self, digest: &str) -> Result<Option<ApiKey>, StoreError> {
        self.get(keys::api_key_digest(digest)).await?.as_ref().map(api_key).transpose()
    }

    async fn api_keys(&self, user: UserId) -> Result<Vec<ApiKey>, StoreError> {
        let (pk, _) = keys::user(user);
        self.below(&pk, "KEY#", None).await?.iter().map(api_key).collect()
    }

    async fn remove_api_key(&self, user: UserId, id: ApiKeyId) -> Result<bool, StoreError> {
        let Some(row) = self.get(keys::api_key(user, id)).await? else { return Ok(false) };
        let digest = text(&row, DIGEST).unwrap_or_default();
        let rows = [keys::api_key(user, id), keys::api_key_digest(digest)].map(|at| {
            let delete = Delete::builder().table_name(&self.table).set_key(Some(key(at))).build();
            delete.map(|delete| TransactWriteItem::builder().delete(delete).build()).map_err(build_error)
        });
        self.transact(rows.into_iter().collect::<Result<_, _>>()?).await?;
        Ok(true)
    }

    async fn touch_api_key(&self, api_key: &ApiKey, at: Timestamp) -> Result<(), StoreError> {
        let Some(row) = self.get(keys::api_key(api_key.user, api_key.id)).await? else { return Ok(()) };
        let digest = text(&row, DIGEST).unwrap_or_default();
        let rows = [keys::api_key(api_key.user, api_key.id), keys::api_key_digest(digest)].map(|row| {
            let update = Update::builder()
                .table_name(&self.table)
                .set_key(Some(key(row)))
                .update_expression("SET used_at = :at")
                // A key that was taken away in the meantime must not come back as a row with nothing but a time.
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_values(":at", n(at.as_second()))
                .build();
            update.map(|update| TransactWriteItem::builder().update(update).build()).map_err(build_error)
        });
        self.transact(rows.into_iter().collect::<Result<_, _>>()?).await
    }

    async fn take(&self, bucket: &str, limit: u32, ends: Timestamp) -> Result<u32, StoreError> {
        let taken = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::throttle(bucket, ends))))
            .update_expression("ADD #count :one SET expires_at = :expires")
            .condition_expression("attribute_not_exists(#count) OR #count < :limit")
            .expression_attribute_names("#count", COUNT)
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":limit", n(limit))
            .expression_attribute_values(":expires", n((ends + SignedDuration::from_hours(1)).as_second()))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(|error| match store_error(error) {
                StoreError::Conflict => StoreError::LimitReached,
                other => other,
            })?;
        let count: u32 = taken.attributes.as_ref().and_then(|row| number(row, COUNT)).unwrap_or(limit);
        Ok(limit.saturating_sub(count))
    }

    async fn give_back(&self, bucket: &str, ends: Timestamp) -> Result<(), StoreError> {
        let given = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::throttle(bucket, ends))))
            .update_expression("ADD #count :less")
            .condition_expression("#count > :zero")
            .expression_attribute_names("#count", COUNT)
            .expression_attribute_values(":less", n(-1))
            .expression_attribute_values(":zero", n(0))
            .send()
            .await
            .map(drop)
            .map_err(store_error);
        match given {
            Err(StoreError::Conflict) => Ok(()),
            other => other,
        }
    }
}

impl Store {
    /// Writes a row that has `version` now; 0 means that it does not exist.
    pub(crate) async fn put_version(&self, row: Item, version: u64) -> Result<(), StoreError> {
        let write = self.client.put_item().table_name(&self.table).set_item(Some(row));
        let write = if version == 0 {
            write.condition_expression("attribute_not_exists(pk)")
        } else {
            write
                .condition_expression("version = :version")
                .expression_attribute_values(":version", n(version))
        };
        write.send().await.map(drop).map_err(store_error)
    }

    async fn transact(&self, rows: Vec<TransactWriteItem>) -> Result<(), StoreError> {
        let write = self.client.transact_write_items().set_transact_items(Some(rows));
        write.send().await.map(drop).map_err(transaction_error)
    }
}

/// The index key behind a cursor of the list of users.
fn user_position(cursor: &str) -> Result<Item, StoreError> {
    let text = decode(cursor)?;
    let (id, email) = text.split_once(' ').ok_or(StoreError::Cursor)?;
    let id: UserId = id.parse().map_err(|_| StoreError::Cursor)?;
    let email = Email::parse(email).map_err(|_| StoreError::Cursor)?;
    let mut at = key(keys::user(id));
    at.insert("gsi1pk".into(), s(USERS));
    at.insert("gsi1sk".into(), s(email.as_str()));
    Ok(at)
}

fn user_cursor(id: UserId, email: &Email) -> String {
    encode(&format!("{id} {email}"))
}

/// The row of a user as it will be, one version on.
fn user_row(user: &User) -> Result<Item, StoreError> {
    let next = User { version: user.version + 1, ..user.clone() };
    let mut row = versioned(keys::user(user.id), &next, next.version)?;
    row.insert("gsi1pk".into(), s(USERS));
    row.insert("gsi1sk".into(), s(user.email.as_str()));
    Ok(row)
}

/// The time of the last use stands beside the document: a use changes nothing else.
fn api_key(row: &Item) -> Result<ApiKey, StoreError> {
    let used = number::<i64>(row, USED_AT).and_then(|second| Timestamp::from_second(second).ok());
    let key: ApiKey = value(row)?;
    Ok(ApiKey { last_used_at: used, ..key })
}

fn put(builder: PutBuilder) -> Result<TransactWriteItem, StoreError> {
    builder.build().map(|put| TransactWriteItem::builder().put(put).build()).map_err(build_error)
}

fn build_error(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Other(Box::new(error))
}

fn transaction_error(error: SdkError<TransactWriteItemsError>) -> StoreError {
    let reasons = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons()
        }
        _ => return store_error(error),
    };
    let lost = |code: Option<&str>| matches!(code, Some("ConditionalCheckFailed" | "TransactionConflict"));
    let throttled = |code: Option<&str>| {
        matches!(code, Some("ThrottlingError" | "ProvisionedThroughputExceeded" | "RequestLimitExceeded"))
    };
    if reasons.iter().any(|reason| lost(reason.code())) {
        StoreError::Conflict
    } else if reasons.iter().any(|reason| throttled(reason.code())) {
        StoreError::Busy(Box::new(error))
    } else {
        StoreError::Other(Box::new(error))
    }
}

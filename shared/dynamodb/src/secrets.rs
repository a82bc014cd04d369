//! Users' secrets: [`SecretStore`] on the table. The sealed value stands beside the document, so that a list does not
//! carry it.

use app::{
    ports::{SecretStore, StoreError, UserSecret},
    seal::Envelope,
};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::ReturnValue;
use domain::{AttemptId, UserId, secret::Secret};
use jiff::Timestamp;

use crate::{
    Store,
    failure::store_error,
    item::{DOC, Item, item, key, n, number, s, text, value},
    keys,
};

const SEALED: &str = "sealed";
const CREATED_AT: &str = "created_at";
const USED_AT: &str = "used_at";

#[async_trait]
impl SecretStore for Store {
    async fn put_secret(&self, secret: &UserSecret) -> Result<(Secret, bool), StoreError> {
        let json = |value: Result<String, serde_json::Error>| {
            value.map(s).map_err(|error| StoreError::Other(Box::new(error)))
        };
        let written = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::secret(secret.about.owner, &secret.about.name))))
            // The time of its making and of its last use stand beside the document: a new value does not change them.
            .update_expression(
                "SET doc = :doc, sealed = :sealed, created_at = if_not_exists(created_at, :created)",
            )
            .expression_attribute_values(":doc", json(serde_json::to_string(&secret.about))?)
            .expression_attribute_values(":sealed", json(serde_json::to_string(&secret.envelope))?)
            .expression_attribute_values(":created", n(secret.about.created_at.as_millisecond()))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(store_error)?;
        let Some(old) = written.attributes.filter(|old| old.contains_key(CREATED_AT)) else {
            return Ok((secret.about.clone(), true));
        };
        Ok((with_times(secret.about.clone(), &old), false))
    }

    async fn secret(&self, owner: UserId, name: &str) -> Result<Option<UserSecret>, StoreError> {
        let Some(row) = self.get(keys::secret(owner, name)).await? else { return Ok(None) };
        Ok(Some(UserSecret { about: about(&row)?, envelope: sealed(&row)? }))
    }

    async fn secrets(&self, owner: UserId) -> Result<Vec<Secret>, StoreError> {
        let (pk, _) = keys::user(owner);
        let shown = format!("pk, sk, {DOC}, {CREATED_AT}, {USED_AT}");
        self.below(&pk, "SECRET#", Some(&shown)).await?.iter().map(about).collect()
    }

    async fn remove_secret(&self, owner: UserId, name: &str) -> Result<bool, StoreError> {
        let removed = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::secret(owner, name))))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(store_error)?;
        Ok(removed.attributes.is_some_and(|row| !row.is_empty()))
    }

    async fn touch_secret(&self, owner: UserId, name: &str, at: Timestamp) -> Result<(), StoreError> {
        let touched = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(keys::secret(owner, name))))
            .update_expression("SET used_at = :at")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":at", n(at.as_millisecond()))
            .send()
            .await
            .map_err(store_error);
        match touched {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn given(&self, attempt: AttemptId) -> Result<Option<Envelope>, StoreError> {
        self.get(keys::given(attempt)).await?.as_ref().map(value).transpose()
    }

    async fn give(
        &self,
        attempt: AttemptId,
        values: &Envelope,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let mut row = item(keys::given(attempt), values)?;
        row.insert(keys::EXPIRES_AT.into(), n(expires.as_second()));
        let write = self.client.put_item().table_name(&self.table).set_item(Some(row));
        let write = write.condition_expression("attribute_not_exists(pk)");
        write.send().await.map(drop).map_err(store_error)
    }
}

fn about(row: &Item) -> Result<Secret, StoreError> {
    Ok(with_times(value(row)?, row))
}

fn with_times(about: Secret, row: &Item) -> Secret {
    let time = |name| number::<i64>(row, name).and_then(|ms| Timestamp::from_millisecond(ms).ok());
    Secret { created_at: time(CREATED_AT).unwrap_or(about.created_at), last_used_at: time(USED_AT), ..about }
}

fn sealed(row: &Item) -> Result<Envelope, StoreError> {
    serde_json::from_str(text(row, SEALED).unwrap_or_default())
        .map_err(|error| StoreError::Other(Box::new(error)))
}

//! Where notifications go: [`EndpointStore`] on the table.

use app::ports::{Endpoint, EndpointStore, StoreError};
use async_trait::async_trait;
use domain::{EndpointId, UserId};

use crate::{
    Store,
    failure::store_error,
    item::{key, value, versioned},
    keys,
};

#[async_trait]
impl EndpointStore for Store {
    async fn endpoints(&self, owner: UserId) -> Result<Vec<Endpoint>, StoreError> {
        let (pk, _) = keys::user(owner);
        self.below(&pk, keys::ENDPOINTS, None).await?.iter().map(value).collect()
    }

    async fn endpoint(&self, owner: UserId, id: EndpointId) -> Result<Option<Endpoint>, StoreError> {
        self.get(keys::endpoint(owner, id)).await?.as_ref().map(value).transpose()
    }

    async fn keep_endpoint(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        let next = Endpoint { version: endpoint.version + 1, ..endpoint.clone() };
        let row = versioned(keys::endpoint(endpoint.owner, endpoint.id), &next, next.version)?;
        self.put_version(row, endpoint.version).await
    }

    async fn remove_endpoint(&self, owner: UserId, id: EndpointId) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table);
        let delete = delete.set_key(Some(key(keys::endpoint(owner, id))));
        delete.send().await.map(drop).map_err(store_error)
    }
}

//! What administrators do with accounts.

use domain::{
    Role, UserId,
    account::{AllowanceChange, User, administer},
};

use super::{AccountError, Accounts};
use crate::ports::Page;

impl Accounts {
    /// A page of all accounts, by address.
    pub async fn users(&self, limit: usize, cursor: Option<&str>) -> Result<Page<User>, AccountError> {
        Ok(self.store.users(limit, cursor).await?)
    }

    /// Changes what an account may do. A deactivated one cannot refresh and its keys are refused at once; an access token
    /// that it has still works until it expires.
    pub async fn administer(
        &self,
        by: UserId,
        id: UserId,
        role: Option<Role>,
        active: Option<bool>,
        allowance: AllowanceChange,
    ) -> Result<User, AccountError> {
        let now = self.clock.now();
        self.change(id, |mut user| {
            administer(&mut user, by, role, active, now)?;
            user.allowance = allowance.clone().apply(user.allowance).map_err(AccountError::Invalid)?;
            Ok(user)
        })
        .await
    }
}

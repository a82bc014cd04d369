//! One's own account.

use domain::{
    SessionId, UserId,
    account::{ProfileChange, Session, User, check_password},
};

use super::{AccountError, Accounts, Counted, password};
use crate::ports::StoreError;

impl Accounts {
    /// An account.
    pub async fn user(&self, id: UserId) -> Result<User, AccountError> {
        self.store.user(id).await?.ok_or(AccountError::NotFound)
    }

    /// Changes what somebody says of themselves.
    pub async fn edit(&self, id: UserId, change: &ProfileChange) -> Result<User, AccountError> {
        let now = self.clock.now();
        self.change(id, |user| {
            let profile = change.clone().apply(user.profile.clone()).map_err(AccountError::Invalid)?;
            Ok(User { profile, updated_at: now, ..user })
        })
        .await
    }

    /// Changes a password. Every other session of the account is over; this one goes on.
    pub async fn change_password(
        &self,
        id: UserId,
        session: SessionId,
        current: String,
        new: String,
        address: &str,
    ) -> Counted<()> {
        let user = match self.user(id).await {
            Ok(user) => user,
            Err(error) => return Counted { outcome: Err(error), budget: None },
        };
        if let Err(error) = check_password("new_password", &new, user.email.as_str()) {
            return Counted { outcome: Err(error.into()), budget: None };
        }
        match self.knock(user.email.as_str(), address).await {
            Ok((knocks, budget)) => {
                let outcome = self.replace_password(user, session, current, new).await;
                if outcome.is_ok() {
                    self.forgive(&knocks).await;
                }
                Counted { outcome, budget: Some(budget) }
            }
            Err(AccountError::Throttled(budget)) => {
                Counted { outcome: Err(AccountError::Throttled(budget)), budget: Some(budget) }
            }
            Err(error) => Counted { outcome: Err(error), budget: None },
        }
    }

    async fn replace_password(
        &self,
        user: User,
        session: SessionId,
        current: String,
        new: String,
    ) -> Result<(), AccountError> {
        if !user.active || !password::verify(current, Some(user.password.clone())).await? {
            return Err(AccountError::WrongCredentials);
        }
        let kept = user.password.clone();
        let new = password::hash(new, self.salt()).await?;
        let now = self.clock.now();
        let changed = self
            .change(user.id, |user| {
                // The write was done and its answer lost: a salt makes the digest ours alone.
                if user.password == new {
                    return Ok(user);
                }
                // Somebody else changed it at the same time: the one that was checked is not the current one any more.
                if user.password != kept {
                    return Err(AccountError::WrongCredentials);
                }
                Ok(User { password: new.clone(), epoch: user.epoch + 1, updated_at: now, ..user })
            })
            .await?;
        self.carry_over(session, changed.epoch).await
    }

    /// Lets a session go on in its user's new epoch. One that was renewed at this moment is read again.
    async fn carry_over(&self, id: SessionId, epoch: u32) -> Result<(), AccountError> {
        for _ in 0..super::DECISIONS {
            let Some(session) = self.store.session(id).await? else { return Ok(()) };
            match self.store.put_session(&Session { epoch, ..session }).await {
                Ok(()) => return Ok(()),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

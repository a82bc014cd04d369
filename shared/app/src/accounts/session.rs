//! In and out: registration, sign-in, refresh, sign-out.

use domain::{
    Role, SessionId, UserId,
    account::{
        Allowance, Email, Presented, Profile, ProfileChange, SESSION_LIFE, Session, User, check_password,
    },
    job::FieldError,
};
use uuid::Uuid;

use super::{
    AccountError, Accounts, Budget, Counted, REGISTER_ADDRESS, SIGN_IN_ACCOUNT, SIGN_IN_ADDRESS, SignedIn,
    chain::Token,
    password, secret,
    throttle::{Use, network},
};
use crate::ports::StoreError;

/// What somebody registers with.
#[derive(Default)]
pub struct Registration {
    pub email: String,
    pub password: String,
    pub profile: ProfileChange,
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration").field("email", &self.email).finish_non_exhaustive()
    }
}

impl Accounts {
    /// Makes an account and signs it in. `address` is where the request came from.
    pub async fn register(&self, registration: Registration, address: &str) -> Counted<SignedIn> {
        let (email, profile) = match checked(&registration) {
            Ok(checked) => checked,
            Err(errors) => return Counted { outcome: Err(AccountError::Invalid(errors)), budget: None },
        };
        if !self.open && self.first_admin.as_ref() != Some(&email) {
            return Counted { outcome: Err(AccountError::RegistrationClosed), budget: None };
        }
        let knock = Use::new(REGISTER_ADDRESS, &network(address), self.clock.now());
        let budget = match knock.take(&*self.store).await {
            Ok(Ok(budget)) => budget,
            Ok(Err(budget)) => return throttled(budget),
            Err(error) => return Counted { outcome: Err(error.into()), budget: None },
        };
        let outcome = self.add(email, registration.password, profile).await;
        Counted { outcome, budget: Some(budget) }
    }

    async fn add(&self, email: Email, password: String, profile: Profile) -> Result<SignedIn, AccountError> {
        // Said openly: without a mail to the address there is no way to register that does not tell.
        if self.store.user_by_email(&email).await?.is_some() {
            return Err(AccountError::EmailTaken);
        }
        let now = self.clock.now();
        let role = if self.first_admin.as_ref() == Some(&email) { Role::Admin } else { Role::User };
        let user = User {
            id: UserId::new(self.ids.uuid()),
            email,
            password: password::hash(password, self.salt()).await?,
            role,
            active: true,
            profile,
            allowance: Allowance::default(),
            epoch: 0,
            created_at: now,
            updated_at: now,
            version: 0,
        };
        match self.store.add_user(&user).await {
            Ok(()) => self.open_session(User { version: 1, ..user }).await,
            Err(StoreError::Conflict) => Err(AccountError::EmailTaken),
            Err(error) => Err(error.into()),
        }
    }

    /// Signs in. An address without an account is answered like a wrong password, after the same work.
    pub async fn sign_in(&self, email: &str, password: String, address: &str) -> Counted<SignedIn> {
        match self.knock(email, address).await {
            Ok((knocks, budget)) => {
                let outcome = self.check_credentials(email, password).await;
                // Only wrong passwords count: whoever knows it is not guessing.
                if matches!(outcome, Ok(_) | Err(AccountError::Deactivated)) {
                    self.forgive(&knocks).await;
                }
                Counted { outcome, budget: Some(budget) }
            }
            Err(AccountError::Throttled(budget)) => throttled(budget),
            Err(error) => Counted { outcome: Err(error), budget: None },
        }
    }

    async fn check_credentials(&self, email: &str, password: String) -> Result<SignedIn, AccountError> {
        let user = match Email::parse(email) {
            Ok(email) => self.store.user_by_email(&email).await?,
            Err(_) => None,
        };
        if user.is_none() {
            // An account is two reads away; so is none.
            self.store.user(UserId::new(Uuid::nil())).await?;
        }
        let right = password::verify(password, user.as_ref().map(|user| user.password.clone())).await?;
        match user {
            Some(user) if right && user.active => self.open_session(user).await,
            Some(_) if right => Err(AccountError::Deactivated),
            _ => Err(AccountError::WrongCredentials),
        }
    }

    /// Counts a try for an account, from an address. It counts before the password is checked, so that many tries at once
    /// do not slip by.
    pub(super) async fn knock(
        &self,
        account: &str,
        address: &str,
    ) -> Result<([Use; 2], Budget), AccountError> {
        let now = self.clock.now();
        let knocks = [
            Use::new(SIGN_IN_ADDRESS, &network(address), now),
            Use::new(SIGN_IN_ACCOUNT, &account.trim().to_ascii_lowercase(), now),
        ];
        let mut budgets = Vec::with_capacity(knocks.len());
        for knock in &knocks {
            budgets.push(knock.take(&*self.store).await?.map_err(AccountError::Throttled)?);
        }
        let tightest = budgets.into_iter().min_by_key(|budget| budget.left);
        tightest.map(|budget| (knocks, budget)).ok_or(AccountError::NotFound)
    }

    pub(super) async fn forgive(&self, knocks: &[Use]) {
        for knock in knocks {
            knock.give_back(&*self.store).await;
        }
    }

    /// Changes a refresh token for the next one and a new right to an access token.
    pub async fn refresh(&self, token: &str) -> Result<SignedIn, AccountError> {
        let token = Token::parse(token).ok_or(AccountError::SessionOver)?;
        let session = self.store.session(token.session).await?.ok_or(AccountError::SessionOver)?;
        let now = self.clock.now();
        match session.judge(&token.family(), &token.link(), now, secret::same) {
            Presented::Unknown => return Err(AccountError::SessionOver),
            Presented::Used => return self.reused(&session).await,
            Presented::Next => {}
        }
        let user = self.store.user(session.user).await?;
        let Some(user) = user.filter(|user| user.active && user.epoch == session.epoch) else {
            self.store.end_session(session.id).await?;
            return Err(AccountError::SessionOver);
        };
        let next = token.next(self.ids.secret());
        let renewed = session.renewed(next.link(), now);
        match self.store.put_session(&renewed).await {
            Ok(()) => {}
            // The write may have been ours, repeated because its answer was lost.
            Err(StoreError::Conflict) => match self.store.session(renewed.id).await? {
                Some(kept) if secret::same(&kept.link, &renewed.link) => {}
                _ => return self.reused(&renewed).await,
            },
            Err(error) => return Err(error.into()),
        }
        Ok(SignedIn { user, session: renewed.id, refresh_token: next.text(), expires_at: renewed.expires_at })
    }

    async fn reused(&self, session: &Session) -> Result<SignedIn, AccountError> {
        tracing::warn!(session.id = %session.id, user.id = %session.user, "a refresh token was used twice; its session ends");
        self.store.end_session(session.id).await?;
        Err(AccountError::Reused)
    }

    /// Ends the session of a refresh token. A token that is none has nothing to end.
    pub async fn sign_out(&self, token: &str) -> Result<(), AccountError> {
        let Some(token) = Token::parse(token) else { return Ok(()) };
        match self.store.session(token.session).await? {
            // An older token of the chain will do: its owner wants to leave.
            Some(session) if secret::same(&session.family, &token.family()) => {
                Ok(self.store.end_session(session.id).await?)
            }
            _ => Ok(()),
        }
    }

    async fn open_session(&self, user: User) -> Result<SignedIn, AccountError> {
        let now = self.clock.now();
        let token = Token::new(SessionId::new(self.ids.uuid()), self.ids.secret(), self.ids.secret());
        let session = Session {
            id: token.session,
            user: user.id,
            epoch: user.epoch,
            family: token.family(),
            link: token.link(),
            created_at: now,
            renewed_at: now,
            expires_at: now + SESSION_LIFE,
            version: 0,
        };
        match self.store.put_session(&session).await {
            // Nobody else has this id: the write was ours, repeated because its answer was lost.
            Ok(()) | Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(SignedIn {
            user,
            session: session.id,
            refresh_token: token.text(),
            expires_at: session.expires_at,
        })
    }

    pub(super) fn salt(&self) -> [u8; 16] {
        let [salt @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.ids.secret();
        salt
    }
}

fn throttled<T>(budget: Budget) -> Counted<T> {
    Counted { outcome: Err(AccountError::Throttled(budget)), budget: Some(budget) }
}

/// The address and the profile of a registration, or everything that is wrong with it.
fn checked(registration: &Registration) -> Result<(Email, Profile), Vec<FieldError>> {
    let mut errors = Vec::new();
    let email = Email::parse(&registration.email);
    if let Err(error) = email {
        errors.push(FieldError::new("email", error.to_string()));
    }
    errors.extend(check_password("password", &registration.password, &registration.email).err());
    let profile = registration.profile.clone().apply(Profile::default());
    match (email, profile) {
        (Ok(email), Ok(profile)) if errors.is_empty() => Ok((email, profile)),
        (_, profile) => {
            errors.extend(profile.err().into_iter().flatten());
            Err(errors)
        }
    }
}

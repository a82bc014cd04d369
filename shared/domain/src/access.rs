//! Who may do what. Every resource is fetched through [`Principal::may_see`], so there is one place to get it right.

use serde::{Deserialize, Serialize};

use crate::id::UserId;

/// What an account is allowed beyond its own resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Runs the platform: sees every resource and manages accounts.
    Admin,
    /// Sees and manages what is theirs.
    User,
}

/// The authenticated caller of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    /// Whose token or key it was.
    pub user: UserId,
    /// The role when the token was issued.
    pub role: Role,
}

impl Principal {
    /// Whether a resource of `owner` exists for this caller. Where it does not, the answer is 404 and never 403,
    /// so that nobody learns of somebody else's ids.
    pub fn may_see(&self, owner: UserId) -> bool {
        self.user == owner || self.role == Role::Admin
    }

    /// Whether the caller may use what only administrators may.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_user_sees_only_their_own_and_an_admin_everything() {
        let (me, other) = (UserId::new(Uuid::from_u128(1)), UserId::new(Uuid::from_u128(2)));
        let user = Principal { user: me, role: Role::User };
        assert!(user.may_see(me) && !user.may_see(other) && !user.is_admin());
        let admin = Principal { user: me, role: Role::Admin };
        assert!(admin.may_see(other) && admin.is_admin());
    }
}

//! How often somebody may knock. Windows are fixed; each is a row of its own that the table forgets by itself.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::secret;
use crate::ports::{AccountStore, StoreError};

/// A limit: so many in a window of so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What it limits, in the name of its rows and in the `RateLimit-Policy` header.
    pub name: &'static str,
    pub quota: u32,
    pub window_seconds: i64,
}

/// Wrong passwords for one account.
pub const SIGN_IN_ACCOUNT: Limit = Limit { name: "sign-in-account", quota: 10, window_seconds: 900 };
/// Wrong passwords from one address.
pub const SIGN_IN_ADDRESS: Limit = Limit { name: "sign-in-address", quota: 50, window_seconds: 900 };
/// Registrations from one address.
pub const REGISTER_ADDRESS: Limit = Limit { name: "register-address", quota: 300, window_seconds: 3_600 };

/// What is left of a limit, as the `RateLimit` header says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub limit: Limit,
    pub left: u32,
    /// Until the window ends.
    pub resets_in: SignedDuration,
}

/// One use of a limit.
#[derive(Debug, Clone)]
pub(super) struct Use {
    limit: Limit,
    bucket: String,
    ends: Timestamp,
    now: Timestamp,
}

impl Use {
    /// A use of `limit` by `whom`. The row's name does not show an address.
    pub(super) fn new(limit: Limit, whom: &str, now: Timestamp) -> Self {
        let window = now.as_second().div_euclid(limit.window_seconds);
        let ends = Timestamp::from_second((window + 1) * limit.window_seconds).unwrap_or(Timestamp::MAX);
        let bucket = format!("{}#{}", limit.name, secret::digest(whom.as_bytes()).0);
        Self { limit, bucket, ends, now }
    }

    /// Counts it, or says that the limit is reached.
    pub(super) async fn take(&self, store: &dyn AccountStore) -> Result<Result<Budget, Budget>, StoreError> {
        match store.take(&self.bucket, self.limit.quota, self.ends).await {
            Ok(left) => Ok(Ok(self.budget(left))),
            Err(StoreError::LimitReached) => Ok(Err(self.budget(0))),
            Err(error) => Err(error),
        }
    }

    /// It was harmless: does not count after all. Failing to say so costs one try of many, nothing more.
    pub(super) async fn give_back(&self, store: &dyn AccountStore) {
        if let Err(error) = store.give_back(&self.bucket, self.ends).await {
            tracing::warn!(limit = self.limit.name, %error, "a throttle was not given back");
        }
    }

    fn budget(&self, left: u32) -> Budget {
        Budget { limit: self.limit, left, resets_in: self.ends.duration_since(self.now) }
    }
}

/// Whom an address stands for: itself, or with IPv6 the network that one customer gets.
pub(super) fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(IpAddr::V6(v6)) => v6.to_ipv4_mapped().map_or_else(String::new, |v4| v4.to_string()),
        Ok(IpAddr::V4(v4)) => v4.to_string(),
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_at_its_boundary() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let used = |second| Use::new(SIGN_IN_ACCOUNT, "ada@example.com", at(second));
        assert_eq!((used(0).ends, used(899).ends, used(900).ends), (at(900), at(900), at(1_800)));
        assert_eq!(used(890).budget(3).resets_in, SignedDuration::from_secs(10));
        assert_eq!(used(0).bucket, used(899).bucket);
        assert!(!used(0).bucket.contains("ada"));
    }

    #[test]
    fn one_customer_has_one_network() {
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::9"));
        assert_ne!(network("2001:db8:1:2::9"), network("2001:db8:1:3::9"));
        assert_eq!(network("unknown"), "unknown");
    }
}

//! The providers of this platform and how they do.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::AsOf;

/// A cloud that this platform has credentials for, and whether its catalogue can be read.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(example = json!({"name": "runpod", "status": "ok", "message": null, "offers": 42, "checked_at": "2026-01-02T03:04:05Z",
    "seen_at": "2026-01-02T03:04:05Z", "age_seconds": 12.0, "stale": false}))]
pub struct Provider {
    pub name: String,
    pub status: ProviderStatus,
    /// What its status means, in words; null for `ok`.
    #[schema(required = true)]
    pub message: Option<String>,
    /// How many offers it has; null if it never answered.
    #[schema(required = true)]
    pub offers: Option<usize>,
    /// When it was asked last.
    pub checked_at: Timestamp,
    /// When it last answered; null if it never did.
    #[schema(required = true)]
    pub seen_at: Option<Timestamp>,
    /// How long ago that was.
    #[schema(required = true)]
    pub age_seconds: Option<f64>,
    /// Its offers are older than they should be.
    pub stale: bool,
}

/// Whether a provider's catalogue can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderStatus {
    Ok,
    /// The last look failed; the offers are those of an earlier one.
    Degraded,
    /// It refuses our credentials.
    Credentials,
    /// It wants to be asked less often, and never answered.
    RateLimited,
    /// It never answered anything that we understand.
    Unavailable,
}

impl Provider {
    /// A provider that answered `offers` offers at `seen_at`, if it did, and whose last look failed at `failed_at`, if it
    /// did, as `failed`. Its own words are not passed on: they may hold what is the operator's alone.
    pub fn new(
        name: String,
        offers: usize,
        seen_at: Option<Timestamp>,
        failed: Option<(ProviderStatus, Timestamp)>,
        as_of: AsOf,
    ) -> Self {
        let status = match failed {
            None if seen_at.is_some() => ProviderStatus::Ok,
            None => ProviderStatus::Unavailable,
            Some((ProviderStatus::Credentials, _)) => ProviderStatus::Credentials,
            Some(_) if seen_at.is_some() => ProviderStatus::Degraded,
            Some((status, _)) => status,
        };
        let message = match status {
            ProviderStatus::Ok => None,
            ProviderStatus::Degraded => {
                Some("The provider's catalogue cannot be read now. The offers are those it had before.")
            }
            ProviderStatus::Credentials => {
                Some("The provider refuses our credentials. The operator has to renew them.")
            }
            ProviderStatus::RateLimited => {
                Some("The provider limits how often it may be asked. Look again in a minute.")
            }
            ProviderStatus::Unavailable => Some("The provider's catalogue cannot be read. Look again later."),
        };
        Self {
            name,
            status,
            message: message.map(str::to_owned),
            offers: seen_at.map(|_| offers),
            checked_at: failed.map(|(_, at)| at).or(seen_at).unwrap_or(as_of.now),
            seen_at,
            age_seconds: seen_at.map(|at| as_of.age(at)),
            stale: seen_at.is_none_or(|at| as_of.is_stale(at)),
        }
    }
}

/// The providers of this platform. One without credentials is not among them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProviderPage {
    pub items: Vec<Provider>,
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn one_that_fails_keeps_its_offers_and_says_how_old_they_are() {
        let seen = Timestamp::UNIX_EPOCH;
        let now = seen + SignedDuration::from_secs(90);
        let as_of = AsOf { now, fresh: SignedDuration::from_secs(60) };
        let shown = |seen, failed: Option<ProviderStatus>| {
            Provider::new("a".into(), 3, seen, failed.map(|status| (status, now)), as_of)
        };
        let degraded = shown(Some(seen), Some(ProviderStatus::Unavailable));
        assert_eq!((degraded.status, degraded.offers), (ProviderStatus::Degraded, Some(3)));
        assert_eq!((degraded.age_seconds, degraded.stale), (Some(90.0), true));
        let refused = shown(Some(seen), Some(ProviderStatus::Credentials));
        assert_eq!(refused.status, ProviderStatus::Credentials);
        assert!(refused.message.is_some_and(|message| message.contains("operator")));
        assert_eq!(shown(None, Some(ProviderStatus::RateLimited)).status, ProviderStatus::RateLimited);
        let well = shown(Some(now), None);
        assert_eq!((well.status, well.message, well.stale), (ProviderStatus::Ok, None, false));
    }
}

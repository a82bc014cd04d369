//! Costs and budgets over HTTP. A handler parses, asks the use case, and answers.

mod budget;
mod csv;
mod report;

use axum::{Router, routing::get};
use domain::{Currency, Principal};
use lambda::{Platform, Problem};

use app::ports::AccountStore;

/// Every route of this function.
pub fn routes(platform: Platform) -> Router {
    Router::new()
        .route("/v1/costs", get(report::costs))
        .route("/v1/costs/attempts", get(report::attempts))
        .route("/v1/costs.csv", get(report::export))
        .route("/v1/budget", get(budget::own))
        .route("/v1/admin/budget", get(budget::platform).put(budget::set))
        .with_state(platform)
}

/// Who is asked for: what the caller's account says of itself.
struct Asker {
    currency: Currency,
    is_admin: bool,
}

async fn asker(platform: &Platform, caller: Principal) -> Result<Asker, Problem> {
    let user = platform.store().user(caller.user).await?;
    Ok(Asker {
        currency: user.as_ref().map(|user| user.profile.currency).unwrap_or_default(),
        // By the account's row, as with everything that administrators alone may do.
        is_admin: caller.is_admin() && user.is_some_and(|user| user.active && user.principal().is_admin()),
    })
}

/// The configured rate as it is shown.
fn rate(platform: &Platform) -> String {
    let rate = platform.config().rates.cny_per_usd_micros();
    contract::money::Money::from(domain::Money::new(rate, Currency::Cny)).amount
}

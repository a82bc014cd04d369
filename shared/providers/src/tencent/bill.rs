//! What the account's books say of one attempt: its pod is found there by its tag.

use app::ports::{Paid, ProviderError};
use domain::money::{Currency, Money};
use serde_json::json;

use super::{
    api::{Api, Service},
    manifest::ATTEMPT,
    wire,
};
use crate::amount;

const PAGE: usize = 100;

/// What was billed for it in all the months of its life. `None` as long as there is nothing.
pub(super) async fn of(api: &Api, paid: &Paid) -> Result<Option<Money>, ProviderError> {
    let attempt = paid.attempt.to_string();
    let mut amounts = Vec::new();
    for month in paid.months() {
        for page in 0.. {
            let body = json!({
                "Offset": page * PAGE, "Limit": PAGE, "Month": month, "TagKey": ATTEMPT, "TagValue": attempt,
            });
            let answer: wire::ResourceBills =
                api.call(Service::Billing, "DescribeBillResourceSummary", &body).await?;
            let bills = answer.resource_summary_set;
            let ours = bills.iter().filter(|bill| bill.tags.iter().any(|tag| is(tag, &attempt)));
            amounts.extend(ours.map(|bill| amount::read(bill.real_total_cost.get(), Currency::Cny)));
            if bills.len() < PAGE {
                break;
            }
        }
    }
    Ok(amount::sum(amounts.into_iter()))
}

fn is(tag: &wire::BillTag, attempt: &str) -> bool {
    tag.tag_key.as_deref() == Some(ATTEMPT) && tag.tag_value.as_deref() == Some(attempt)
}

//! What the account's books say of one instance.

use app::ports::{Paid, ProviderError};
use domain::money::Money;

use super::{client::Client, refusal, wire};
use crate::amount;

const PAGE: &str = "300";

/// What was billed for it in all the months of its life. `None` as long as there is nothing.
pub(super) async fn of(client: &Client, paid: &Paid) -> Result<Option<Money>, ProviderError> {
    let mut amounts = Vec::new();
    for month in paid.months() {
        for item in month_of(client, &paid.handle.id, &month).await? {
            let currency = wire::currency(item.currency.as_deref());
            amounts.push(currency.and_then(|currency| amount::read(item.pretax_amount.get(), currency)));
        }
    }
    Ok(amount::sum(amounts.into_iter()))
}

async fn month_of(
    client: &Client,
    instance: &str,
    month: &str,
) -> Result<Vec<wire::BillItem>, ProviderError> {
    let mut found = Vec::new();
    let mut next = String::new();
    loop {
        let mut query = vec![
            ("BillingCycle", month.to_owned()),
            ("InstanceID", instance.to_owned()),
            ("MaxResults", PAGE.to_owned()),
        ];
        if !next.is_empty() {
            query.push(("NextToken", next));
        }
        let answer: wire::Bill = client.books("DescribeInstanceBill", &query).await?;
        let Some(page) = answer.data.filter(|_| answer.success) else {
            let words = [answer.code, answer.message].into_iter().flatten().collect::<Vec<_>>().join(": ");
            return Err(ProviderError::Unknown(refusal::bounded(&words)));
        };
        found.extend(page.items.into_iter().filter(|item| item.instance_id.as_deref() == Some(instance)));
        next = page.next_token.unwrap_or_default();
        if next.is_empty() {
            return Ok(found);
        }
    }
}

//! The account's books: what each instance cost in a month.

use super::account::Account;
use super::error::Refusal;
use super::parameters::Parameters;
use crate::clock;
use crate::ledger;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(crate) const KNOWN: &[&str] = &[
    "BillingCycle",
    "BillingDate",
    "BillOwnerId",
    "Granularity",
    "InstanceID",
    "IsBillingItem",
    "IsHideZeroCharge",
    "MaxResults",
    "NextToken",
    "PipCode",
    "ProductCode",
    "ProductType",
    "SubscriptionType",
];

/// `DescribeInstanceBill`: of instances that ended before the books' last update.
pub(crate) fn of(account: &Account, asked: &Parameters) -> Result<Value, Refusal> {
    let cycle = asked.need("BillingCycle")?;
    let (start, end) = ledger::month(cycle).ok_or_else(|| Refusal::invalid("BillingCycle"))?;
    asked.choice("Granularity", &["MONTHLY"])?;
    asked.choice("SubscriptionType", &["PayAsYouGo"])?;
    let most = asked.number("MaxResults", 1..=300)?.unwrap_or(20) as usize;
    let skipped: usize = asked.parse("NextToken")?.unwrap_or(0);
    let wanted = asked.text("InstanceID");
    let now = clock::now();
    let updated = now - SignedDuration::from_millis(i64::from(account.settings.bill_lag_ms));
    let seconds = |one: &super::instance::Instance, at: Timestamp| one.seconds_before(at, now);
    let all: Vec<Value> = account
        .instances
        .iter()
        .filter(|one| wanted.is_none_or(|id| id == one.id))
        .filter(|one| one.released_at.is_some_and(|at| at <= updated))
        .map(|one| (one, seconds(one, end) - seconds(one, start)))
        .filter(|(_, seconds)| *seconds > 0)
        .map(|(one, seconds)| {
            let amount = one.rate.saturating_mul(seconds) as f64 / 1e6;
            json!({
                "InstanceID": one.id, "NickName": one.spec.name, "InstanceSpec": one.spec.kind.id,
                "Region": one.spec.region, "Zone": one.zone, "ProductCode": "ecs", "ProductName": "Elastic Compute Service",
                "SubscriptionType": "PayAsYouGo", "Item": "PayAsYouGoBill", "Currency": "CNY",
                "ServicePeriod": seconds.to_string(), "ServicePeriodUnit": "Second",
                "PretaxGrossAmount": amount, "PretaxAmount": amount, "InvoiceDiscount": 0,
            })
        })
        .collect();
    let page: Vec<Value> = all.iter().skip(skipped).take(most).cloned().collect();
    let next = skipped + page.len();
    let token = if next < all.len() { json!(next.to_string()) } else { Value::Null };
    Ok(json!({
        "Code": "Success", "Message": "Successful!", "Success": true,
        "Data": {
            "BillingCycle": cycle, "AccountID": "1", "AccountName": "simulated", "TotalCount": all.len(),
            "MaxResults": most, "NextToken": token, "Items": page,
        },
    }))
}

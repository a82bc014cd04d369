//! Billing: what each pod cost in a month.

use super::account::{Account, Run};
use super::api::Parameters;
use super::error::Refusal;
use crate::clock;
use crate::ledger;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(super) const ACTIONS: &[(&str, &[&str])] = &[(
    "DescribeBillResourceSummary",
    &[
        "Offset",
        "Limit",
        "Month",
        "PeriodType",
        "NeedRecordNum",
        "ActionType",
        "ResourceId",
        "PayMode",
        "BusinessCode",
        "PayerUin",
        "TagKey",
        "TagValue",
    ],
)];

pub(super) fn act(account: &Account, asked: &Parameters) -> Result<Value, Refusal> {
    let month = asked.need("Month")?;
    let (start, end) =
        ledger::month(month).ok_or_else(|| Refusal::value("Month", "it is not in the form yyyy-mm"))?;
    let need = |name: &str| asked.number(name)?.ok_or_else(|| Refusal::missing(name));
    let (offset, limit) = (need("Offset")?, need("Limit")?);
    if !(1..=1000).contains(&limit) {
        return Err(Refusal::value("Limit", "it is not from 1 to 1000"));
    }
    let (key, value, resource) = (asked.text("TagKey")?, asked.text("TagValue")?, asked.text("ResourceId")?);
    let now = clock::now();
    let updated = now - SignedDuration::from_millis(i64::from(account.settings.bill_lag_ms));
    let tagged = |run: &Run| {
        key.is_none_or(|key| run.tags.get(key).map_or("", String::as_str) == value.unwrap_or_default())
    };
    let all: Vec<Value> = account
        .ordered()
        .into_iter()
        .filter(|run| run.to.is_some_and(|at| at <= updated))
        .filter(|run| tagged(run) && resource.is_none_or(|id| id == resource_id(run)))
        .map(|run| (run, run.seconds_within(start, end, now)))
        .filter(|(_, seconds)| *seconds > 0)
        .map(|(run, seconds)| shown(run, month, run.rate.saturating_mul(seconds)))
        .collect();
    let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let page: Vec<&Value> = all.iter().skip(place(offset)).take(place(limit)).collect();
    let total = (asked.number("NeedRecordNum")? == Some(1)).then_some(all.len());
    Ok(json!({"ResourceSummarySet": page, "Total": total}))
}

/// A pod of a super node is a resource of its own.
fn resource_id(run: &Run) -> String {
    format!("eks-{}", run.uid.replace('-', "").get(..8).unwrap_or_default())
}

fn shown(run: &Run, month: &str, micros: i64) -> Value {
    let amount = format!("{}.{:06}00", micros / 1_000_000, micros % 1_000_000);
    let time = |at: Option<Timestamp>| at.map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
    let tags: Vec<Value> =
        run.tags.iter().map(|(key, value)| json!({"TagKey": key, "TagValue": value})).collect();
    json!({
        "ResourceId": resource_id(run), "ResourceName": run.name, "BillMonth": month,
        "BusinessCode": "p_eks", "BusinessCodeName": "Elastic Kubernetes Service", "PayModeName": "postPay",
        "FeeBeginTime": time(run.from), "FeeEndTime": time(run.to), "Tags": tags,
        "TotalCost": amount, "RealTotalCost": amount, "CashPayAmount": amount, "Discount": "1.00",
        "VoucherPayAmount": "0.00000000", "IncentivePayAmount": "0.00000000",
    })
}

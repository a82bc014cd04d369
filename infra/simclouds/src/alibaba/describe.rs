//! What there is: instances, their state and their tags.

use super::account::Account;
use super::error::Refusal;
use super::instance::Instance;
use super::parameters::Parameters;
use crate::strike::Turn;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub(crate) const INSTANCES: &[&str] = &[
    "RegionId",
    "ZoneId",
    "InstanceIds",
    "InstanceName",
    "InstanceType",
    "InstanceTypeFamily",
    "ImageId",
    "Status",
    "InstanceChargeType",
    "InstanceNetworkType",
    "VSwitchId",
    "VpcId",
    "SecurityGroupId",
    "KeyPairName",
    "LockReason",
    "ResourceGroupId",
    "PageNumber",
    "PageSize",
    "MaxResults",
    "NextToken",
    "Tag.N.Key",
    "Tag.N.Value",
    "DryRun",
    "AdditionalAttributes.N",
];
pub(crate) const STATUSES: &[&str] =
    &["RegionId", "ZoneId", "ClusterId", "InstanceId.N", "PageNumber", "PageSize"];
pub(crate) const TAGS: &[&str] =
    &["RegionId", "ResourceType", "ResourceId.N", "Tag.N.Key", "Tag.N.Value", "NextToken", "MaxResults"];

/// Where a page of a listing begins and how long it is.
pub(crate) struct Page {
    from: usize,
    size: usize,
    number: u32,
}

impl Page {
    pub(crate) fn of(asked: &Parameters, most: u32) -> Result<Self, Refusal> {
        let number = asked.number("PageNumber", 1..=1_000_000)?;
        let size = asked.number("PageSize", 1..=100)?;
        let results = asked.number("MaxResults", 1..=most)?;
        if let Some(token) = asked.text("NextToken") {
            let from = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let from = from.and_then(|text| text.strip_prefix("from ")?.parse().ok());
            let from = from.ok_or_else(|| {
                Refusal::new(400, "InvalidNextToken", "The specified NextToken is not valid.")
            })?;
            return Ok(Self { from, size: results.or(size).unwrap_or(10) as usize, number: 1 });
        }
        let size = results.or(size).unwrap_or(10) as usize;
        let number = if results.is_some() { 1 } else { number.unwrap_or(1) };
        Ok(Self { from: (number as usize - 1) * size, size, number })
    }

    /// The page of it, and the token of the next, which is empty after the last.
    pub(crate) fn cut<T>(&self, all: Vec<T>) -> (Vec<T>, String) {
        let total = all.len();
        let page: Vec<T> = all.into_iter().skip(self.from).take(self.size).collect();
        let end = self.from + page.len();
        let token = if end < total { URL_SAFE_NO_PAD.encode(format!("from {end}")) } else { String::new() };
        (page, token)
    }

    pub(crate) fn with(&self, total: usize) -> Value {
        json!({"TotalCount": total, "PageNumber": self.number, "PageSize": self.size})
    }
}

/// Newest first, as the cloud lists them.
fn listed<'a>(account: &'a Account, region: &'a str, turn: Turn) -> impl Iterator<Item = &'a Instance> {
    account.instances.iter().rev().filter(move |one| one.spec.region == region && one.listed(turn.lag_ms))
}

pub(crate) fn instances(account: &Account, asked: &Parameters, turn: Turn) -> Result<Value, Refusal> {
    let region = asked.region()?;
    let page = Page::of(asked, 100)?;
    let ids = asked.json_list("InstanceIds")?;
    if ids.as_ref().is_some_and(|ids| ids.len() > 100) {
        return Err(Refusal::invalid("InstanceIds"));
    }
    let tags = asked.tags()?;
    let status = asked.choice("Status", &["Pending", "Starting", "Running", "Stopping", "Stopped"])?;
    let is = |name: &str, value: &str| asked.text(name).is_none_or(|wanted| wanted == value);
    let found = listed(account, region, turn).filter(|one| {
        ids.as_ref().is_none_or(|ids| ids.contains(&one.id))
            && one.has_tags(&tags)
            && is("ZoneId", one.zone)
            && is("InstanceType", one.spec.kind.id)
            && is("InstanceTypeFamily", one.spec.kind.family)
            && is("ImageId", &one.spec.image)
            && is("VSwitchId", &one.spec.vswitch)
            && asked.text("InstanceName").is_none_or(|name| named(name, &one.spec.name))
            && asked.text("LockReason").is_none_or(|why| why == "recycling" && one.recycled_at.is_some())
    });
    let all: Vec<Value> = found.map(Instance::shown).collect();
    let all: Vec<Value> =
        all.into_iter().filter(|one| status.is_none_or(|status| one["Status"] == status)).collect();
    let mut answer = page.with(all.len());
    let (all, next) = page.cut(all);
    answer["NextToken"] = next.into();
    answer["Instances"] = json!({"Instance": all});
    Ok(answer)
}

/// With `*` for anything.
fn named(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, rest)) => name.strip_prefix(before).is_some_and(|after| {
            after.char_indices().map(|(at, _)| at).chain([after.len()]).any(|at| named(rest, &after[at..]))
        }),
    }
}

pub(crate) fn statuses(account: &Account, asked: &Parameters, turn: Turn) -> Result<Value, Refusal> {
    let region = asked.region()?;
    let page = Page::of(asked, 50)?;
    let ids = asked.list("InstanceId");
    let zone = asked.text("ZoneId");
    let found: Vec<&Instance> = listed(account, region, turn)
        .filter(|one| (ids.is_empty() || ids.contains(&one.id)) && zone.is_none_or(|zone| zone == one.zone))
        .collect();
    if found.is_empty() && !ids.is_empty() {
        return Err(Refusal::no_instance());
    }
    let mut answer = page.with(found.len());
    let (found, _) = page.cut(found);
    let each: Vec<Value> =
        found.iter().map(|one| json!({"InstanceId": one.id, "Status": one.status})).collect();
    answer["InstanceStatuses"] = json!({"InstanceStatus": each});
    Ok(answer)
}

pub(crate) fn tags(account: &Account, asked: &Parameters, turn: Turn) -> Result<Value, Refusal> {
    let region = asked.region()?;
    asked.need("ResourceType")?;
    asked.choice("ResourceType", &["instance"])?;
    let page = Page::of(asked, 1000)?;
    let (ids, tags) = (asked.list("ResourceId"), asked.tags()?);
    if ids.is_empty() && tags.is_empty() {
        return Err(Refusal::missing("ResourceId.N"));
    }
    let mut all = Vec::new();
    for one in listed(account, region, turn) {
        if (!ids.is_empty() && !ids.contains(&one.id)) || !one.has_tags(&tags) {
            continue;
        }
        for (key, value) in &one.spec.tags {
            // By tag, only the tags that were asked for are told.
            if tags.is_empty() || tags.iter().any(|(wanted, _)| wanted == key) {
                all.push(json!({
                    "ResourceId": one.id, "ResourceType": "instance", "TagKey": key, "TagValue": value,
                }));
            }
        }
    }
    let (all, next) = page.cut(all);
    Ok(json!({"NextToken": next, "TagResources": {"TagResource": all}}))
}

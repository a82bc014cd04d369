//! `RunInstances`, `DeleteInstance`, `DeleteInstances`.

use super::error::Refusal;
use super::instance::{Spec, Spot};
use super::parameters::Parameters;
use super::{Cloud, catalogue, instance};
use crate::clock;
use crate::strike::Turn;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

const USER_DATA_BYTES: usize = 32 << 10;

pub(crate) const RUN: &[&str] = &[
    "RegionId",
    "ZoneId",
    "ImageId",
    "ImageFamily",
    "InstanceType",
    "InstanceName",
    "HostName",
    "Description",
    "ClientToken",
    "DryRun",
    "Amount",
    "MinAmount",
    "UserData",
    "KeyPairName",
    "Password",
    "PasswordInherit",
    "RamRoleName",
    "SecurityGroupId",
    "SecurityGroupIds.N",
    "VSwitchId",
    "PrivateIpAddress",
    "InstanceChargeType",
    "InternetChargeType",
    "InternetMaxBandwidthIn",
    "InternetMaxBandwidthOut",
    "SpotStrategy",
    "SpotPriceLimit",
    "SpotDuration",
    "SpotInterruptionBehavior",
    "AutoReleaseTime",
    "IoOptimized",
    "UniqueSuffix",
    "DeletionProtection",
    "ResourceGroupId",
    "SecurityEnhancementStrategy",
    "CreditSpecification",
    "Tag.N.Key",
    "Tag.N.Value",
    "SystemDisk.Category",
    "SystemDisk.Size",
    "SystemDisk.DiskName",
    "SystemDisk.Description",
    "SystemDisk.PerformanceLevel",
    "SystemDiskCategory",
    "SystemDiskSize",
    "DataDisk.N.Category",
    "DataDisk.N.Size",
    "DataDisk.N.DiskName",
    "DataDisk.N.PerformanceLevel",
    "DataDisk.N.DeleteWithInstance",
    "HttpEndpoint",
    "HttpTokens",
];
pub(crate) const DELETE: &[&str] =
    &["RegionId", "InstanceId", "Force", "ForceStop", "DryRun", "TerminateSubscription"];
pub(crate) const DELETE_MANY: &[&str] =
    &["RegionId", "InstanceId.N", "Force", "ForceStop", "DryRun", "ClientToken", "TerminateSubscription"];

pub(crate) fn run(cloud: &Arc<Cloud>, asked: &Parameters, turn: Turn) -> Result<Value, Refusal> {
    let region = asked.region()?;
    let mut account = cloud.lock();
    let token = asked.client_token()?;
    if let Some(token) = token
        && let Some(answer) = account.before("RunInstances", token, &asked.essence())?
    {
        return Ok(answer);
    }
    let (spec, zone) = spec(asked, region, account.settings.auto_release_min_s)?;
    let most = asked.number("Amount", 1..=100)?.unwrap_or(1);
    let least = asked.number("MinAmount", 1..=most)?.unwrap_or(most);
    if asked.flag("DryRun")? {
        return Err(Refusal::new(
            400,
            "DryRunOperation",
            "Request validation has been passed with DryRun flag set.",
        ));
    }
    let ids = account.create(&spec, zone, (least, most), turn.boot, &cloud.disks, &cloud.stop)?;
    let rate: i64 = ids.iter().filter_map(|id| account.instance(id).ok()).map(|one| one.rate).sum();
    let answer = json!({
        "OrderId": instance::id("o-"),
        "TradePrice": yuan_an_hour(rate),
        "InstanceIdSets": {"InstanceIdSet": ids},
    });
    if let Some(token) = token {
        account.remember("RunInstances", token, asked.essence(), answer.clone());
    }
    drop(account);
    for id in ids {
        cloud.attend(id, spec.auto_release);
    }
    Ok(answer)
}

pub(crate) fn yuan_an_hour(micros_a_second: i64) -> f64 {
    micros_a_second.saturating_mul(3600) as f64 / 1e6
}

fn spec(
    asked: &Parameters,
    region: &str,
    release_min_s: u32,
) -> Result<(Spec, Option<&'static str>), Refusal> {
    let kind = catalogue::find(asked.need("InstanceType")?).ok_or_else(|| {
        Refusal::new(
            400,
            "InvalidInstanceType.ValueNotSupported",
            "The specified InstanceType does not exist or beyond the permitted range.",
        )
    })?;
    let zones = catalogue::zones(region).unwrap_or_default();
    let region = catalogue::REGIONS.iter().find(|(id, _)| *id == region).map_or("", |(id, _)| *id);
    let zone = asked.text("ZoneId").map(|id| {
        zones.iter().find(|zone| **zone == id).copied().ok_or_else(|| {
            Refusal::new(404, "InvalidZoneId.NotFound", "The specified ZoneId does not exist.")
        })
    });
    let zone = zone.transpose()?;
    asked.choice("InstanceChargeType", &["PostPaid"])?;
    asked.choice("SpotInterruptionBehavior", &["Terminate"])?;
    asked.number("SpotDuration", 0..=6)?;
    let limit: Option<f64> = asked.parse("SpotPriceLimit")?;
    let spot = match asked.choice("SpotStrategy", &["NoSpot", "SpotAsPriceGo", "SpotWithPriceLimit"])? {
        None | Some("NoSpot") => Spot::No,
        Some("SpotAsPriceGo") => Spot::AsPriceGo,
        Some(_) => {
            let limit = limit.filter(|limit| limit.is_finite() && *limit > 0.0 && *limit < 1e6);
            let limit = limit.ok_or_else(|| {
                Refusal::new(400, "InvalidSpotPriceLimit", "The specified SpotPriceLimit is not valid.")
            })?;
            Spot::Limit((limit * 1e6).round() as i64)
        }
    };
    let mut groups = asked.list("SecurityGroupIds");
    groups.extend(asked.text("SecurityGroupId").map(str::to_owned));
    if groups.iter().any(|id| !id.starts_with("sg-")) {
        let message = "The specified SecurityGroupId does not exist.";
        return Err(Refusal::new(404, "InvalidSecurityGroupId.NotFound", message));
    }
    let vswitch = asked.text("VSwitchId").unwrap_or_default().to_owned();
    if !vswitch.is_empty() && !vswitch.starts_with("vsw-") {
        return Err(Refusal::new(
            404,
            "InvalidVSwitchId.NotFound",
            "The specified VSwitchId does not exist.",
        ));
    }
    if asked.text("ImageFamily").is_none() {
        asked.need("ImageId")?;
    }
    let tags = asked.tags()?.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect();
    let spec = Spec {
        name: asked.text("InstanceName").unwrap_or("simulated").to_owned(),
        image: asked.text("ImageId").or(asked.text("ImageFamily")).unwrap_or_default().to_owned(),
        kind,
        region,
        tags,
        user_data: user_data(asked)?,
        spot,
        auto_release: asked.text("AutoReleaseTime").map(|at| release(at, release_min_s)).transpose()?,
        key_pair: asked.text("KeyPairName").map(str::to_owned),
        vswitch,
        security_groups: groups,
    };
    Ok((spec, zone))
}

fn user_data(asked: &Parameters) -> Result<Vec<u8>, Refusal> {
    let Some(text) = asked.text("UserData") else { return Ok(Vec::new()) };
    let bytes = STANDARD.decode(text).map_err(|_| {
        let message = "The specified UserData is not encoded with Base64.";
        Refusal::new(400, "InvalidUserData.Base64FormatInvalid", message)
    })?;
    if bytes.len() > USER_DATA_BYTES {
        let message = "The specified parameter UserData exceeds the size limit.";
        return Err(Refusal::new(400, "InvalidUserData.SizeExceeded", message));
    }
    Ok(bytes)
}

fn release(text: &str, least_s: u32) -> Result<Timestamp, Refusal> {
    let wrong =
        |why: &str, message: &str| Refusal::new(400, &format!("InvalidAutoReleaseTime.{why}"), message);
    let malformed = || wrong("Malformed", "The specified AutoReleaseTime is not valid.");
    let at: Timestamp = text.parse().map_err(|_| malformed())?;
    if !text.ends_with('Z') || text.len() != 20 {
        return Err(malformed());
    }
    let left = at.duration_since(clock::now());
    if left < SignedDuration::from_secs(i64::from(least_s)) || left > SignedDuration::from_hours(3 * 366 * 24)
    {
        return Err(wrong(
            "OutOfRange",
            "The specified AutoReleaseTime must be 30 minutes to 3 years from now.",
        ));
    }
    Ok(at)
}

pub(crate) fn delete(cloud: &Cloud, asked: &Parameters) -> Result<Value, Refusal> {
    released(cloud, asked, &[asked.need("InstanceId")?.to_owned()])
}

pub(crate) fn delete_many(cloud: &Cloud, asked: &Parameters) -> Result<Value, Refusal> {
    asked.region()?;
    let ids = asked.list("InstanceId");
    if ids.is_empty() {
        return Err(Refusal::missing("InstanceId"));
    }
    if ids.len() > 100 {
        return Err(Refusal::invalid("InstanceId"));
    }
    let Some(token) = asked.client_token()? else { return released(cloud, asked, &ids) };
    if let Some(answer) = cloud.lock().before("DeleteInstances", token, &asked.essence())? {
        return Ok(answer);
    }
    let answer = released(cloud, asked, &ids)?;
    cloud.lock().remember("DeleteInstances", token, asked.essence(), answer.clone());
    Ok(answer)
}

/// All or none.
fn released(cloud: &Cloud, asked: &Parameters, ids: &[String]) -> Result<Value, Refusal> {
    let force = asked.flag("Force")?;
    let mut account = cloud.lock();
    for id in ids {
        account.deletable(id, force)?;
    }
    if asked.flag("DryRun")? {
        return Err(Refusal::new(
            400,
            "DryRunOperation",
            "Request validation has been passed with DryRun flag set.",
        ));
    }
    for id in ids {
        // Named twice, it is released once.
        if account.instance(id).is_ok() {
            account.release(id, "deleted")?;
        }
    }
    Ok(json!({}))
}

//! REST v2: the body that creates a pod, against its schema first and its rules second.

use super::account::{Order, Refusal};
use super::catalogue::{CUDA, Tier};
use super::pod::Spec;
use super::rest::{Error, body};
use crate::strike::Turn;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CreatePod {
    name: String,
    image: Option<String>,
    #[serde(default)]
    args: String,
    disk: Option<u32>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    ports: Vec<String>,
    registry: Option<String>,
    cloud: Option<Tier>,
    cpu: Option<Value>,
    #[serde(default)]
    data_center_ids: Vec<String>,
    #[serde(default)]
    global_networking: bool,
    gpu: Option<CreateGpu>,
    mounts: Option<Mounts>,
    #[serde(default, rename = "startJupyter")]
    _start_jupyter: bool,
    #[serde(default, rename = "startSsh")]
    _start_ssh: bool,
    template_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CreateGpu {
    id: String,
    count: Option<u32>,
    #[serde(default)]
    allowed_cuda_versions: Vec<String>,
    min_cuda_version: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mounts {
    persistent: Option<Persistent>,
    network: Option<Vec<Network>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Persistent {
    size: u32,
    path: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Network {
    #[serde(rename = "volumeId")]
    _volume_id: String,
    #[serde(rename = "path")]
    _path: String,
}

pub(crate) fn order(json: &[u8], turn: Turn) -> Result<Order, Error> {
    let wanted: CreatePod = body(json)?;
    let mut wrong = Vec::new();
    let mut check = |holds: bool, what: &str| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    check(!wanted.name.is_empty(), "$.name: minLength: got 0, want 1");
    check(wanted.image.is_some() || wanted.template_id.is_some(), "$: missing property 'image'");
    check(wanted.disk != Some(0), "$.disk: minimum: got 0, want 1");
    let cuda = wanted.gpu.as_ref().map_or(&[][..], |gpu| &gpu.allowed_cuda_versions);
    let floor = wanted.gpu.as_ref().and_then(|gpu| gpu.min_cuda_version.as_ref());
    check(cuda.iter().chain(floor).all(|one| version(one).is_some()), "$.gpu: a CUDA version is major.minor");
    check(wanted.gpu.as_ref().is_none_or(|gpu| gpu.count != Some(0)), "$.gpu.count: minimum: got 0, want 1");
    let persistent = wanted.mounts.as_ref().and_then(|mounts| mounts.persistent.as_ref());
    check(persistent.is_none_or(|mount| mount.size >= 10), "$.mounts.persistent.size: minimum: want 10");
    let network = wanted.mounts.as_ref().and_then(|mounts| mounts.network.as_ref());
    check(network.is_none_or(|mounts| mounts.len() <= 1), "$.mounts.network: maxItems: want 1");
    if !wrong.is_empty() {
        return Err(Error::Body(wrong));
    }
    let rule = |holds: bool, what: &str| if holds { Ok(()) } else { Err(Refusal::Invalid(what.to_owned())) };
    rule(wanted.gpu.is_some() != wanted.cpu.is_some(), "exactly one of gpu or cpu must be set")?;
    rule(wanted.cpu.is_none(), "this simulated cloud has no CPU pods")?;
    rule(
        cuda.is_empty() || floor.is_none(),
        "allowedCudaVersions and minCudaVersion are mutually exclusive",
    )?;
    rule(
        persistent.is_none() || network.is_none(),
        "mounts.persistent and mounts.network are mutually exclusive",
    )?;
    rule(wanted.image.as_deref() != Some(""), "image must not be empty")?;
    let port = |text: &String| {
        text.split_once('/')
            .is_some_and(|(port, kind)| port.parse::<u16>().is_ok() && matches!(kind, "http" | "tcp"))
    };
    rule(wanted.ports.iter().all(port), "ports must be formatted as port/protocol")?;
    rule(wanted.env.keys().all(|name| env_name(name)), "env has a name that no environment can hold")?;
    // None of these can be made in the simulated cloud, so none of their ids can exist.
    for (what, absent) in [
        ("template", wanted.template_id.is_none()),
        ("network volume", network.is_none_or(Vec::is_empty)),
        ("registry", wanted.registry.is_none()),
    ] {
        if !absent {
            return Err(Error::Missing(format!("{what} not found")));
        }
    }
    let gpu = wanted.gpu.ok_or_else(|| Refusal::Invalid("gpu must be set".to_owned()))?;
    let offered = version(CUDA);
    let impossible = (!gpu.allowed_cuda_versions.is_empty()
        && !gpu.allowed_cuda_versions.iter().any(|v| v == CUDA))
        || gpu.min_cuda_version.as_deref().and_then(version) > offered;
    let (volume_gb, volume_path) = wanted
        .mounts
        .and_then(|mounts| mounts.persistent)
        .map_or((0, String::new()), |mount| (mount.size, mount.path));
    Ok(Order {
        spec: Spec {
            name: wanted.name,
            image: wanted.image.unwrap_or_default(),
            args: wanted.args,
            env: wanted.env,
            ports: wanted.ports,
            disk_gb: wanted.disk.unwrap_or(20),
            volume_gb,
            volume_path,
            gpu: gpu.id,
            count: gpu.count.unwrap_or(1),
            global_network: wanted.global_networking,
            bid: None,
            stop_after: None,
            terminate_after: None,
        },
        tiers: vec![wanted.cloud.unwrap_or(Tier::Secure)],
        data_centers: wanted.data_center_ids,
        country: None,
        impossible,
        boot: turn.boot,
    })
}

pub(crate) fn env_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// `major.minor`, comparable.
pub(crate) fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    Some((number(major)?, number(minor)?))
}

//! GraphQL: what each root field does, once the call was checked.

use super::Cloud;
use super::account::{Account, Order, Refusal};
use super::catalogue::{self, Availability, CUDA, Gpu, Tier};
use super::creation::{env_name, version};
use super::graphql::Picked;
use super::pod::{Pod, PodId, Spec, Status};
use super::schema::{CloudType, GpuTypesInput, LowestPriceInput, PodInput, RentInput};
use crate::clock;
use crate::ledger::Micros;
use crate::strike::Turn;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a field has no value.
pub(crate) enum Trouble {
    Input(String),
    Refused(Refusal),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The argument `input`, the only one that any simulated field has.
fn input<T: serde::de::DeserializeOwned>(field: &Picked) -> Result<Option<T>, Trouble> {
    if let Some(other) = field.arguments.keys().find(|name| *name != "input") {
        return Err(Trouble::Input(format!("Unknown argument \"{other}\" on field \"{}\".", field.name)));
    }
    let Some(value) = field.arguments.get("input").filter(|value| !value.is_null()) else { return Ok(None) };
    serde_json::from_value(value.clone())
        .map(Some)
        .map_err(|error| Trouble::Input(format!("Argument \"input\" of \"{}\": {error}", field.name)))
}

fn required<T: serde::de::DeserializeOwned>(field: &Picked) -> Result<T, Trouble> {
    input(field)?
        .ok_or_else(|| Trouble::Input(format!("Field \"{}\" argument \"input\" is required.", field.name)))
}

pub(crate) fn resolve(cloud: &Arc<Cloud>, field: &Picked, turn: Turn) -> Result<Value, Trouble> {
    let one = |pod: &Pod| select(&pod_shown(pod), &field.inner);
    if field.type_name {
        return Ok(json!(field.name));
    }
    let id = |input: &PodInput| PodId(input.pod_id.clone());
    match field.name.as_str() {
        "pod" => {
            let wanted: PodInput = required(field)?;
            let pods = cloud.lock().pods(turn.lag_ms);
            Ok(pods.iter().find(|pod| pod.id.0 == wanted.pod_id).map_or(Value::Null, one))
        }
        "myself" => {
            let account = cloud.lock();
            let now = clock::now();
            let pods = account.pods(turn.lag_ms);
            let rate: Micros = pods.iter().filter(|pod| pod.meter.runs()).map(|pod| pod.rate).sum();
            let user = json!({
                "id": "user_simulated",
                "pubKey": null,
                "clientBalance": account.balance(now).dollars(),
                "currentSpendPerHr": rate.dollars(),
                "networkVolumes": [],
                "pods": pods.iter().map(pod_shown).collect::<Vec<_>>(),
            });
            Ok(select(&user, &field.inner))
        }
        "gpuTypes" => {
            let wanted: GpuTypesInput = input(field)?.unwrap_or_default();
            let account = cloud.lock();
            let named = |gpu: &&Gpu| {
                wanted.id.as_ref().is_none_or(|id| id == gpu.id)
                    && wanted.ids.as_ref().is_none_or(|ids| ids.iter().any(|id| id == gpu.id))
            };
            catalogue::GPUS.iter().filter(named).map(|gpu| gpu_shown(&account, gpu, &field.inner)).collect()
        }
        "podFindAndDeployOnDemand" | "podRentInterruptable" => {
            let order = order(required(field)?, field.name == "podRentInterruptable", turn)?;
            Ok(one(&cloud.create(order)?))
        }
        "podStop" => {
            let pod = cloud.lock().stop(&id(&required(field)?), "Exited by User")?;
            Ok(one(&pod))
        }
        "podResume" | "podBidResume" => {
            let wanted: PodInput = required(field)?;
            let mut account = cloud.lock();
            let known =
                account.slot(&id(&wanted)).filter(|slot| !slot.pod.gone()).ok_or(Refusal::NotFound)?;
            if wanted.gpu_count.is_some_and(|count| count != known.pod.spec.count) {
                return Err(Refusal::Invalid(
                    "the number of GPUs of a pod cannot be changed here".to_owned(),
                )
                .into());
            }
            if field.name == "podBidResume" && wanted.bid_per_gpu.is_none() {
                return Err(Trouble::Input("Field \"bidPerGpu\" is required.".to_owned()));
            }
            let bid = wanted.bid_per_gpu.map(Micros::from_dollars);
            Ok(one(&account.start(&id(&wanted), bid)?))
        }
        "podTerminate" => {
            cloud.lock().terminate(&id(&required(field)?))?;
            Ok(Value::Null)
        }
        other => Err(Trouble::Input(format!("Field \"{other}\" is not simulated."))),
    }
}

/// Picks the selected fields of an object, or of each object of a list.
fn select(value: &Value, picked: &[Picked]) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|one| select(one, picked)).collect(),
        Value::Object(object) => {
            let mut chosen = Map::new();
            for field in picked {
                if field.type_name {
                    chosen.insert(field.alias.clone(), json!(field.name));
                    continue;
                }
                let value = object.get(&field.name).unwrap_or(&Value::Null);
                let value = if field.inner.is_empty() { value.clone() } else { select(value, &field.inner) };
                chosen.insert(field.alias.clone(), value);
            }
            Value::Object(chosen)
        }
        other => other.clone(),
    }
}

fn order(wanted: RentInput, spot: bool, turn: Turn) -> Result<Order, Trouble> {
    let invalid = |what: &str| Trouble::Refused(Refusal::Invalid(what.to_owned()));
    let bid = match (wanted.bid_per_gpu, spot) {
        (None, true) => return Err(Trouble::Input("Field \"bidPerGpu\" is required.".to_owned())),
        (Some(_), false) => {
            return Err(Trouble::Input(
                "Field \"bidPerGpu\" is not defined by type \"PodFindAndDeployOnDemandInput\".".to_owned(),
            ));
        }
        (Some(bid), true) if bid > 0.0 => Some(Micros::from_dollars(bid)),
        (Some(_), true) => return Err(invalid("bidPerGpu must be positive")),
        (None, false) => None,
    };
    for (what, named) in [
        ("template", &wanted.template_id),
        ("network volume", &wanted.network_volume_id),
        ("container registry auth", &wanted.container_registry_auth_id),
    ] {
        if named.is_some() {
            return Err(invalid(&format!("{what} not found")));
        }
    }
    let time = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| invalid("not a time")),
    };
    let image = wanted
        .image_name
        .filter(|image| !image.is_empty())
        .ok_or_else(|| invalid("imageName is required"))?;
    let gpu = wanted
        .gpu_type_id
        .or_else(|| wanted.gpu_type_id_list.and_then(|list| list.into_iter().next()))
        .ok_or_else(|| invalid("gpuTypeId is required"))?;
    let count = wanted.gpu_count.unwrap_or(1);
    if count == 0 {
        return Err(invalid("gpuCount must be at least 1"));
    }
    let mut env = BTreeMap::new();
    for entry in wanted.env.unwrap_or_default() {
        if !env_name(&entry.key) {
            return Err(invalid("env has a key that no environment can hold"));
        }
        env.insert(entry.key, entry.value);
    }
    let exact = wanted.allowed_cuda_versions.unwrap_or_default();
    let impossible = (!exact.is_empty() && !exact.iter().any(|version| version == CUDA))
        || wanted.min_cuda_version.as_deref().and_then(version) > version(CUDA);
    let ports = wanted.ports.unwrap_or_default();
    Ok(Order {
        spec: Spec {
            name: wanted.name.unwrap_or_default(),
            image,
            args: wanted.docker_args.unwrap_or_default(),
            env,
            ports: ports.split(',').filter(|port| !port.is_empty()).map(str::to_owned).collect(),
            disk_gb: wanted.container_disk_in_gb.unwrap_or(20),
            volume_gb: wanted.volume_in_gb.unwrap_or(0),
            volume_path: wanted.volume_mount_path.unwrap_or_default(),
            gpu,
            count,
            global_network: false,
            bid,
            stop_after: time(&wanted.stop_after)?,
            terminate_after: time(&wanted.terminate_after)?,
        },
        tiers: match wanted.cloud_type {
            Some(CloudType::Secure) => vec![Tier::Secure],
            Some(CloudType::Community) => vec![Tier::Community],
            // The cheaper one first.
            None | Some(CloudType::All) => vec![Tier::Community, Tier::Secure],
        },
        data_centers: wanted.data_center_id.into_iter().collect(),
        country: wanted.country_code,
        impossible,
        boot: turn.boot,
    })
}

fn pod_shown(pod: &Pod) -> Value {
    let spec = &pod.spec;
    let uptime = pod.uptime(clock::now());
    let runtime = (pod.status == Status::Running).then(|| json!({"uptimeInSeconds": uptime, "ports": null}));
    json!({
        "id": pod.id,
        "bidPerGpu": spec.bid.map(Micros::dollars),
        "containerDiskInGb": spec.disk_gb,
        "costPerHr": pod.rate.dollars(),
        "createdAt": format!("{:.3}", pod.created_at),
        "desiredStatus": pod.desired(),
        "dockerArgs": spec.args,
        "dockerId": null,
        "env": spec.env.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>(),
        "gpuCount": spec.count,
        "imageName": spec.image,
        "lastStartedAt": pod.started_at.map(|at| format!("{at:.3}")),
        "lastStatusChange": pod.change,
        "machineId": pod.machine,
        "memoryInGb": 31 * spec.count,
        "name": spec.name,
        "podType": if pod.spot() { "INTERRUPTABLE" } else { "RESERVED" },
        "port": null,
        "ports": (!spec.ports.is_empty()).then(|| spec.ports.join(",")),
        "templateId": null,
        "uptimeSeconds": uptime,
        "vcpuCount": 8 * spec.count,
        "volumeInGb": spec.volume_gb,
        "volumeMountPath": spec.volume_path,
        "runtime": runtime,
        "machine": {
            "gpuDisplayName": catalogue::gpu(&spec.gpu).map(|gpu| gpu.name),
            "gpuTypeId": spec.gpu,
            "podHostId": format!("{}-{}", pod.id, &pod.machine[..8.min(pod.machine.len())]),
            "dataCenterId": pod.data_center,
            "secureCloud": pod.tier == Tier::Secure,
        },
    })
}

fn gpu_shown(account: &Account, gpu: &Gpu, picked: &[Picked]) -> Result<Value, Trouble> {
    let price = |tier: Tier, price: Micros| gpu.offered(tier).then(|| price.dollars());
    let mut shown = json!({
        "id": gpu.id,
        "displayName": gpu.name,
        "manufacturer": "Nvidia",
        "memoryInGb": gpu.memory_gb,
        "cudaCores": gpu.cuda_cores,
        "maxGpuCount": gpu.max_count.secure.max(gpu.max_count.community),
        "maxGpuCountSecureCloud": gpu.max_count.secure,
        "maxGpuCountCommunityCloud": gpu.max_count.community,
        "secureCloud": gpu.offered(Tier::Secure),
        "communityCloud": gpu.offered(Tier::Community),
        "securePrice": price(Tier::Secure, gpu.price.secure),
        "communityPrice": price(Tier::Community, gpu.price.community),
        "oneWeekPrice": null,
        "oneMonthPrice": null,
        "threeMonthPrice": null,
        "secureSpotPrice": price(Tier::Secure, account.floor(gpu, Tier::Secure)),
        "communitySpotPrice": price(Tier::Community, account.floor(gpu, Tier::Community)),
    });
    let mut chosen = Map::new();
    for field in picked {
        let value = if field.type_name {
            json!(field.name)
        } else if field.name == "lowestPrice" {
            let lowest = lowest_price(account, gpu, &input(field)?.unwrap_or_default());
            select(&lowest, &field.inner)
        } else {
            shown[&field.name].take()
        };
        chosen.insert(field.alias.clone(), value);
    }
    Ok(Value::Object(chosen))
}

/// A GPU, an hour, where as many as wanted are free on one machine.
fn lowest_price(account: &Account, gpu: &Gpu, wanted: &LowestPriceInput) -> Value {
    let count = wanted.gpu_count.unwrap_or(1);
    let tiers = [Tier::Secure, Tier::Community]
        .into_iter()
        .filter(|tier| wanted.secure_cloud.is_none_or(|secure| secure == (*tier == Tier::Secure)))
        .filter(|tier| gpu.max_count.of(*tier) >= count);
    let places = || {
        catalogue::DATA_CENTRES.iter().filter(|place| {
            wanted.data_center_id.as_ref().is_none_or(|id| id == place.id)
                && wanted.country_code.as_ref().is_none_or(|code| code == place.country)
        })
    };
    let (mut free, mut total, mut widest) = (0, 0, 0);
    let mut best = Availability::None;
    let (mut price, mut bid): (Option<Micros>, Option<Micros>) = (None, None);
    for tier in tiers {
        let stocks: Vec<_> = places().map(|place| account.stock(gpu.id, place.id, tier)).collect();
        free += stocks.iter().map(|(free, _)| free).sum::<u32>();
        total += stocks.iter().map(|(_, total)| total).sum::<u32>();
        widest =
            stocks.iter().map(|(free, _)| (*free).min(gpu.max_count.of(tier))).max().unwrap_or(0).max(widest);
        let level = stocks.iter().map(|(free, total)| Availability::of(*free, *total, count)).max();
        best = best.max(level.unwrap_or(Availability::None));
        if level.is_some_and(|level| level > Availability::None) {
            let cheaper = |old: Option<Micros>, new: Micros| Some(old.map_or(new, |old| old.min(new)));
            price = cheaper(price, gpu.price.of(tier));
            bid = cheaper(bid, account.floor(gpu, tier));
        }
    }
    let status = match best {
        Availability::None => Value::Null,
        Availability::Low => json!("Low"),
        Availability::Medium => json!("Medium"),
        Availability::High => json!("High"),
    };
    json!({
        "gpuName": gpu.name,
        "gpuTypeId": gpu.id,
        "minimumBidPrice": bid.map(Micros::dollars),
        "uninterruptablePrice": price.map(Micros::dollars),
        "stockStatus": status,
        "totalCount": total,
        "rentedCount": total - free,
        "maxUnreservedGpuCount": widest,
    })
}

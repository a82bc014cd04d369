//! REST v2: the catalogue of GPUs and data centres, with what is free at this moment.

use super::Cloud;
use super::account::{Account, Refusal};
use super::catalogue::{self, Availability, CUDA, DataCentre, Gpu, Tier};
use super::creation::version;
use super::rest::Error;
use crate::serve::json_answer;
use axum::body::Body;
use hyper::Response;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const GPU_FILTERS: [&str; 7] =
    ["include", "product", "count", "cloud", "countryCodes", "cudaVersions", "minCudaVersion"];
pub(crate) const PLACE_FILTERS: [&str; 5] =
    ["include", "regions", "networkVolumeTypes", "compliance", "globalNetwork"];

const REGIONS: [&str; 9] = [
    "NORTH_AMERICA",
    "SOUTH_AMERICA",
    "EUROPE",
    "ASIA",
    "MIDDLE_EAST",
    "AFRICA",
    "OCEANIA",
    "ANTARCTICA",
    "UNKNOWN",
];

type Query = BTreeMap<String, String>;

/// The comma-separated words of a parameter.
fn words<'a>(query: &'a Query, name: &str) -> Vec<&'a str> {
    query.get(name).map(|text| text.split(',').collect()).unwrap_or_default()
}

fn enumerated<'a>(query: &'a Query, name: &str, known: &[&str]) -> Result<Vec<&'a str>, Error> {
    let words = words(query, name);
    match words.iter().find(|word| !known.contains(word)) {
        Some(word) => Err(Error::invalid(&format!("{name}: {word:?} is not one of {}", known.join(", ")))),
        None => Ok(words),
    }
}

/// What availability is asked for.
struct Ask<'a> {
    tier: Tier,
    count: u32,
    countries: Vec<&'a str>,
    /// No machine has a CUDA version that is asked for.
    nowhere: bool,
}

fn ask(query: &Query) -> Result<Option<Ask<'_>>, Error> {
    let include = enumerated(query, "include", &["AVAILABILITY"])?;
    enumerated(query, "product", &["POD", "CLUSTER", "SERVERLESS"])?;
    let rule = |holds: bool, what: &str| if holds { Ok(()) } else { Err(Refusal::Invalid(what.to_owned())) };
    if include.is_empty() {
        for name in &GPU_FILTERS[1..] {
            rule(!query.contains_key(*name), &format!("{name} is valid only with include=AVAILABILITY"))?;
        }
        return Ok(None);
    }
    rule(query.contains_key("product"), "product is required with include=AVAILABILITY")?;
    let exact = words(query, "cudaVersions");
    let floor = query.get("minCudaVersion");
    rule(exact.is_empty() || floor.is_none(), "cudaVersions and minCudaVersion are mutually exclusive")?;
    if exact.iter().any(|one| version(one).is_none()) {
        return Err(Error::invalid("cudaVersions: each is major.minor"));
    }
    let floor = match floor {
        None => None,
        Some(text) => {
            let full = if text.contains('.') { text.clone() } else { format!("{text}.0") };
            Some(version(&full).ok_or_else(|| Error::invalid("minCudaVersion: major or major.minor"))?)
        }
    };
    let countries = words(query, "countryCodes");
    if countries.iter().any(|code| code.len() != 2 || !code.bytes().all(|byte| byte.is_ascii_uppercase())) {
        return Err(Error::invalid("countryCodes: each is two capital letters"));
    }
    let tier = match query.get("cloud").map(String::as_str) {
        None | Some("SECURE") => Tier::Secure,
        Some("COMMUNITY") => Tier::Community,
        Some(_) => return Err(Error::invalid("cloud must be one of SECURE, COMMUNITY")),
    };
    let count = query.get("count").map_or(Ok(1), |text| text.parse::<u32>()).unwrap_or(0);
    if count == 0 {
        return Err(Error::invalid("count must be a positive integer"));
    }
    let nowhere = (!exact.is_empty() && !exact.contains(&CUDA)) || floor > version(CUDA);
    Ok(Some(Ask { tier, count, countries, nowhere }))
}

pub(crate) fn gpus(cloud: &Cloud, query: &Query, only: Option<&str>) -> Result<Response<Body>, Error> {
    let ask = ask(query)?;
    let account = cloud.lock();
    if let Some(id) = only {
        let gpu = catalogue::gpu(id).ok_or_else(|| Error::Missing("gpu type not found".to_owned()))?;
        return Ok(json_answer(200, &gpu_shown(&account, gpu, ask.as_ref())));
    }
    let here = |gpu: &&Gpu| match &ask {
        Some(ask) if !ask.countries.is_empty() => !places(&account, gpu, ask).is_empty(),
        _ => true,
    };
    let gpus: Vec<_> =
        catalogue::GPUS.iter().filter(here).map(|gpu| gpu_shown(&account, gpu, ask.as_ref())).collect();
    Ok(json_answer(200, &json!({"gpus": gpus})))
}

/// Where a model stands, with what is free there.
fn places(account: &Account, gpu: &Gpu, ask: &Ask) -> Vec<(&'static DataCentre, Availability)> {
    let each = catalogue::DATA_CENTRES.iter().filter(|place| {
        (ask.countries.is_empty() || ask.countries.contains(&place.country))
            && account.books.shelves.iter().any(|shelf| shelf.gpu == gpu.id && shelf.data_center == place.id)
    });
    each.map(|place| {
        let free = if ask.nowhere || ask.count > gpu.max_count.of(ask.tier) {
            Availability::None
        } else {
            account.availability(gpu.id, place.id, ask.tier, ask.count)
        };
        (place, free)
    })
    .collect()
}

fn gpu_shown(account: &Account, gpu: &Gpu, ask: Option<&Ask>) -> Value {
    let mut shown = json!({
        "id": gpu.id,
        "name": gpu.name,
        "pool": gpu.pool,
        "manufacturer": "NVIDIA",
        "memory": gpu.memory_gb,
        "secure": gpu.offered(Tier::Secure),
        "community": gpu.offered(Tier::Community),
        "price": {"secure": gpu.price.secure.dollars(), "community": gpu.price.community.dollars()},
        "maxCount": {"secure": gpu.max_count.secure, "community": gpu.max_count.community},
    });
    if let Some(ask) = ask {
        let places = places(account, gpu, ask);
        let best = places.iter().map(|(_, free)| *free).max().unwrap_or(Availability::None);
        shown["availability"] = json!(best);
        shown["cudaVersions"] = json!([{"version": CUDA, "available": best != Availability::None}]);
        if !places.is_empty() {
            let each = places
                .iter()
                .map(|(place, free)| json!({"id": place.id, "name": place.name, "availability": free}));
            shown["dataCenters"] = each.collect();
        }
    }
    shown
}

pub(crate) fn data_centres(
    cloud: &Cloud,
    query: &Query,
    only: Option<&str>,
) -> Result<Response<Body>, Error> {
    let include = enumerated(query, "include", &["GPU_AVAILABILITY", "CPU_AVAILABILITY"])?;
    let regions = enumerated(query, "regions", &REGIONS)?;
    let volumes = enumerated(query, "networkVolumeTypes", &["STANDARD", "HIGH_PERFORMANCE"])?;
    let compliance = words(query, "compliance");
    let global = match query.get("globalNetwork").map(|text| text.parse::<bool>()) {
        None => None,
        Some(Ok(wanted)) => Some(wanted),
        Some(Err(_)) => return Err(Error::invalid("globalNetwork must be a boolean")),
    };
    let account = cloud.lock();
    let gpus = include.contains(&"GPU_AVAILABILITY");
    if let Some(id) = only {
        let place =
            catalogue::data_centre(id).ok_or_else(|| Error::Missing("data center not found".to_owned()))?;
        return Ok(json_answer(200, &place_shown(&account, place, gpus)));
    }
    let each = catalogue::DATA_CENTRES.iter().filter(|place| {
        (regions.is_empty() || regions.contains(&place.region))
            && volumes.iter().all(|wanted| place.volumes.contains(wanted))
            && compliance.iter().all(|wanted| place.compliance.contains(wanted))
            && global.is_none_or(|wanted| wanted == place.global_network)
    });
    let shown: Vec<_> = each.map(|place| place_shown(&account, place, gpus)).collect();
    Ok(json_answer(200, &json!({"dataCenters": shown})))
}

fn place_shown(account: &Account, place: &DataCentre, gpus: bool) -> Value {
    let mut shown = json!({
        "id": place.id,
        "name": place.name,
        "region": place.region,
        "globalNetwork": place.global_network,
        "networkVolumeTypes": place.volumes,
        "compliance": place.compliance,
    });
    if gpus {
        let here = catalogue::GPUS.iter().filter(|gpu| {
            account.books.shelves.iter().any(|shelf| shelf.gpu == gpu.id && shelf.data_center == place.id)
        });
        let each = here.map(|gpu| {
            let free = account.availability(gpu.id, place.id, Tier::Secure, 1);
            json!({"id": gpu.id, "name": gpu.name, "availability": free})
        });
        shown["gpuAvailability"] = each.collect();
    }
    shown
}

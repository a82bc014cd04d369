//! RunPod as a [`Provider`].

use std::{collections::HashMap, sync::Arc};

use app::ports::{Clock, Instance, Launch, Observation, Paid, Phase, Provider, ProviderError};
use async_trait::async_trait;
use domain::{
    AttemptId,
    job::Handle,
    money::{Currency, Money},
    placement::{Offer, ProviderName, Stock},
};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::value::RawValue;

use super::{
    NAME, Settings,
    client::Client,
    graphql, log,
    refusal::{self, Deed},
    wire::{self, dollars},
};
use crate::amount;

/// In front of the attempt in a pod's name.
const PREFIX: &str = "gpu-";
/// How many GPUs of a model are offered on one machine. Others are not what machines have.
const COUNTS: [u32; 4] = [1, 2, 4, 8];
/// The most lines that RunPod gives of the past.
const LOG_LINES: usize = 5_000;

/// Whose machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cloud {
    /// RunPod's own data centres.
    Secure,
    /// Private hosts.
    Community,
}

impl Cloud {
    const fn word(self) -> &'static str {
        match self {
            Self::Secure => "SECURE",
            Self::Community => "COMMUNITY",
        }
    }
}

/// An offer says whose machine it is by this ending of its instance type; RunPod's id of the GPU is what is before it.
const COMMUNITY: &str = " (community)";

fn instance_type(gpu: &str, cloud: Cloud) -> String {
    match cloud {
        Cloud::Secure => gpu.to_owned(),
        Cloud::Community => format!("{gpu}{COMMUNITY}"),
    }
}

fn gpu_and_cloud(instance_type: &str) -> (&str, Cloud) {
    match instance_type.strip_suffix(COMMUNITY) {
        Some(gpu) => (gpu, Cloud::Community),
        None => (instance_type, Cloud::Secure),
    }
}

/// The container's arguments in one line, as RunPod splits them: like a shell.
fn arguments() -> String {
    let plain = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    runner::START_ARGS.map(|word| if plain(word) { word.to_owned() } else { runner::quote(word) }).join(" ")
}

fn pod_name(attempt: AttemptId) -> String {
    format!("{PREFIX}{attempt}")
}

/// The attempt in a pod's name. A name that is only similar is somebody else's.
fn attempt(name: &str) -> Option<AttemptId> {
    name.strip_prefix(PREFIX)?.parse().ok()
}

/// RunPod behind the interface that all clouds share.
pub struct Adapter {
    client: Client,
    clock: Arc<dyn Clock>,
    clouds: Vec<Cloud>,
}

impl std::fmt::Debug for Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Adapter").field("clouds", &self.clouds).finish_non_exhaustive()
    }
}

impl Adapter {
    pub(super) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let Settings { api_key, url, community } = settings;
        let mut clouds = vec![Cloud::Secure];
        clouds.extend(community.then_some(Cloud::Community));
        Self { client: Client::new(url, api_key), clock, clouds }
    }

    fn handle(id: &str) -> Handle {
        Handle { provider: NAME.into(), region: String::new(), id: id.to_owned() }
    }

    async fn pods(&self) -> Result<Vec<Instance>, ProviderError> {
        let url = self.client.url(&["v2", "pods"]);
        let answer: wire::Pods = self.client.rest(Deed::Read, Method::GET, url, None::<&()>).await?;
        let ours = answer.pods.into_iter().filter_map(|pod| {
            let attempt = attempt(pod.name.as_deref()?)?;
            Some(instance(&pod, attempt))
        });
        Ok(ours.collect())
    }

    async fn catalogue(
        &self,
        cloud: Cloud,
        count: u32,
    ) -> Result<(Cloud, u32, wire::Catalogue), ProviderError> {
        let mut url = self.client.url(&["v2", "catalog", "gpus"]);
        url.query_pairs_mut()
            .append_pair("include", "AVAILABILITY")
            .append_pair("product", "POD")
            .append_pair("count", &count.to_string())
            .append_pair("cloud", cloud.word());
        let catalogue = self.client.rest(Deed::Read, Method::GET, url, None::<&()>).await?;
        Ok((cloud, count, catalogue))
    }

    /// Spot prices by GPU. Without them there are still on-demand offers, so a failure is told and passed over.
    async fn spot_prices(&self) -> HashMap<String, wire::SpotPrice> {
        let answer = self
            .client
            .graphql(Deed::Read, graphql::SPOT_PRICES, |data: wire::SpotPrices| Some(data.gpu_types))
            .await;
        match answer {
            Ok(prices) => prices.into_iter().map(|price| (price.id.clone(), price)).collect(),
            Err(error) => {
                tracing::warn!(provider = NAME, %error, "no spot prices: nothing is offered as spot");
                HashMap::new()
            }
        }
    }

    async fn launch_on_demand(&self, launch: &Launch) -> Result<Instance, ProviderError> {
        let Launch { offer, spec, env, .. } = launch;
        let (gpu, cloud) = gpu_and_cloud(&offer.instance_type);
        let body = wire::CreatePod {
            name: &pod_name(launch.attempt),
            image: &spec.image,
            args: &arguments(),
            disk: spec.disk_gib,
            env,
            gpu: wire::Gpu { id: gpu, count: offer.gpu_count },
            cloud: cloud.word(),
            data_centers: (!offer.region.is_empty()).then_some([offer.region.as_str()]),
        };
        let url = self.client.url(&["v2", "pods"]);
        let pod: wire::Pod = self.client.rest(Deed::Create, Method::POST, url, Some(&body)).await?;
        named(&pod.id)?;
        compare(launch, &pod.id, pod.cost.as_deref());
        Ok(instance(&pod, launch.attempt))
    }

    async fn launch_spot(&self, launch: &Launch) -> Result<Instance, ProviderError> {
        let offer = &launch.offer;
        let (gpu, cloud) = gpu_and_cloud(&offer.instance_type);
        // Rounded up: a bid a fraction below the floor is no bid.
        let count = i64::from(offer.gpu_count.max(1));
        let bid =
            Money::new((offer.price_per_hour.micros + count - 1) / count, offer.price_per_hour.currency);
        let query = graphql::rent(launch, &pod_name(launch.attempt), &arguments(), gpu, cloud.word(), bid);
        let pod = self.client.graphql(Deed::Create, &query, |data: wire::Rented| data.pod).await?;
        named(&pod.id)?;
        compare(launch, &pod.id, pod.cost_per_hr.as_deref());
        Ok(Instance {
            handle: Self::handle(&pod.id),
            attempt: Some(launch.attempt),
            created_at: None,
            phase: Phase::Starting,
        })
    }

    /// Why a pod stopped. Nobody of us stops a pod, so a spot pod that stopped was taken back.
    async fn stopped(&self, id: &str) -> Result<Observation, ProviderError> {
        let exited = |detail| Observation { phase: Phase::Exited { code: None }, detail };
        match self.client.graphql(Deed::Read, &graphql::look(id), |data: wire::Looked| data.pod).await {
            Ok(pod) => {
                let by_user = pod
                    .last_status_change
                    .as_deref()
                    .is_some_and(|text| text.to_lowercase().contains("by user"));
                let spot = pod.pod_type.as_deref() == Some("INTERRUPTABLE");
                let detail = pod.last_status_change.as_deref().map(refusal::bounded);
                if spot && !by_user {
                    Ok(Observation { phase: Phase::Preempted, detail })
                } else {
                    Ok(exited(detail))
                }
            }
            // A key for REST alone cannot have rented spot.
            Err(ProviderError::Credentials(_)) => Ok(exited(Some("EXITED".to_owned()))),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Provider for Adapter {
    fn name(&self) -> ProviderName {
        NAME.into()
    }

    async fn offers(&self) -> Result<Vec<Offer>, ProviderError> {
        let each = self.clouds.iter().flat_map(|cloud| COUNTS.map(|count| self.catalogue(*cloud, count)));
        let (catalogues, spot) = futures::join!(try_join_all(each), self.spot_prices());
        let seen_at = self.clock.now();
        let mut offers = Vec::new();
        for (cloud, count, catalogue) in catalogues? {
            for gpu in &catalogue.gpus {
                append_offers(&mut offers, gpu, cloud, count, spot.get(&gpu.id), seen_at);
            }
        }
        Ok(offers)
    }

    async fn launch(&self, launch: &Launch) -> Result<Instance, ProviderError> {
        if launch.offer.spot { self.launch_spot(launch).await } else { self.launch_on_demand(launch).await }
    }

    async fn find(&self, attempt: AttemptId, _offer: &Offer) -> Result<Vec<Instance>, ProviderError> {
        let mut pods = self.pods().await?;
        pods.retain(|pod| pod.attempt == Some(attempt));
        Ok(pods)
    }

    async fn observe(&self, handle: &Handle) -> Result<Observation, ProviderError> {
        let url = self.client.url(&["v2", "pods", &handle.id]);
        let pod: wire::Pod = self.client.rest(Deed::Read, Method::GET, url, None::<&()>).await?;
        match phase(pod.status.as_deref()) {
            Phase::Exited { .. } if pod.status.as_deref() == Some("EXITED") => self.stopped(&handle.id).await,
            phase => Ok(Observation { phase, detail: pod.status.as_deref().map(refusal::bounded) }),
        }
    }

    async fn terminate(&self, handle: &Handle) -> Result<(), ProviderError> {
        self.client.delete(self.client.url(&["v2", "pods", &handle.id])).await
    }

    async fn list(&self) -> Result<Vec<Instance>, ProviderError> {
        self.pods().await
    }

    async fn last_log(&self, handle: &Handle, lines: usize) -> Result<Vec<String>, ProviderError> {
        let lines = lines.min(LOG_LINES);
        if lines == 0 {
            return Ok(Vec::new());
        }
        let mut url = self.client.url(&["v2", "pods", &handle.id, "logs"]);
        url.query_pairs_mut().append_pair("source", "container").append_pair("tail", &lines.to_string());
        log::backfill(self.client.stream(url).await?, lines).await
    }

    async fn billed(&self, paid: &Paid) -> Result<Option<Money>, ProviderError> {
        let mut url = self.client.url(&["v2", "billing", "pods"]);
        // Few records, and so few amounts that were rounded.
        url.query_pairs_mut()
            .append_pair("bucketSize", "year")
            .append_pair("startTime", &format!("{:.0}", paid.from))
            .append_pair("endTime", &format!("{:.0}", paid.until + SignedDuration::from_secs(1)))
            .append_pair("podId", &paid.handle.id);
        let billing: wire::Billing = self.client.rest(Deed::Read, Method::GET, url, None::<&()>).await?;
        let of_pod = billing.records.iter().filter(|record| record.pod_id == paid.handle.id);
        Ok(amount::sum(of_pod.map(|record| amount::read(record.total_amount.get(), Currency::Usd))))
    }
}

fn instance(pod: &wire::Pod, attempt: AttemptId) -> Instance {
    Instance {
        handle: Adapter::handle(&pod.id),
        attempt: Some(attempt),
        created_at: pod.created_at.as_deref().and_then(|text| text.parse().ok()),
        phase: phase(pod.status.as_deref()),
    }
}

fn phase(status: Option<&str>) -> Phase {
    match status {
        Some("PROVISIONING" | "STARTING") => Phase::Starting,
        Some("RUNNING") => Phase::Running,
        // ERROR: the container will not come up. Neither says with which code anything ended.
        Some("EXITED" | "ERROR") => Phase::Exited { code: None },
        Some("TERMINATED") => Phase::Gone,
        Some(other) => Phase::Unknown(refusal::bounded(other)),
        None => Phase::Unknown("no status".to_owned()),
    }
}

/// An answer without an id is no answer: the pod may be there all the same.
fn named(id: &str) -> Result<(), ProviderError> {
    if id.is_empty() { Err(ProviderError::Unknown("a pod without an id".to_owned())) } else { Ok(()) }
}

/// The price that counts is the offer's; RunPod's bill may say another.
fn compare(launch: &Launch, id: &str, cost: Option<&RawValue>) {
    if let Some(cost) = dollars(cost)
        && cost != launch.offer.price_per_hour
    {
        tracing::warn!(
            provider = NAME, attempt.id = %launch.attempt, instance.id = id,
            offered = %launch.offer.price_per_hour, billed = %cost,
            "the instance has another price than its offer"
        );
    }
}

fn append_offers(
    offers: &mut Vec<Offer>,
    gpu: &wire::GpuType,
    cloud: Cloud,
    count: u32,
    spot: Option<&wire::SpotPrice>,
    seen_at: Timestamp,
) {
    let (offered, price, most) = match cloud {
        Cloud::Secure => (gpu.secure, &gpu.price.secure, gpu.max_count.secure),
        Cloud::Community => (gpu.community, &gpu.price.community, gpu.max_count.community),
    };
    if !offered || most.unwrap_or(0) < count {
        return;
    }
    let on_demand = dollars(price.as_deref());
    let spot = spot.and_then(|spot| match cloud {
        Cloud::Secure => dollars(spot.secure.as_deref()),
        // The lowest bid is that of private hosts.
        Cloud::Community => dollars(spot.community.as_deref())
            .or_else(|| dollars(spot.lowest.as_ref()?.minimum_bid_price.as_deref())),
    });
    let everywhere = [(String::new(), stock(gpu.availability.as_deref()))];
    let places: Vec<(String, Stock)> = gpu
        .data_centers
        .iter()
        .map(|place| (place.id.clone(), stock(place.availability.as_deref())))
        .collect();
    let places = if places.is_empty() { everywhere.to_vec() } else { places };
    for (spot, each) in [(false, on_demand), (true, spot)] {
        let Some(price) = each.and_then(|each| each.micros.checked_mul(i64::from(count))) else { continue };
        offers.extend(places.iter().map(|(region, stock)| Offer {
            provider: NAME.into(),
            region: region.clone(),
            gpu: gpu.name.clone().unwrap_or_else(|| gpu.id.clone()),
            instance_type: instance_type(&gpu.id, cloud),
            gpu_count: count,
            gpu_memory_gib: gpu.memory,
            cpus: None,
            memory_gib: None,
            spot,
            price_per_hour: Money::new(price, Currency::Usd),
            stock: *stock,
            seen_at,
        }));
    }
}

fn stock(word: Option<&str>) -> Stock {
    match word {
        Some("NONE") => Stock::None,
        Some("LOW") => Stock::Low,
        Some("MEDIUM") => Stock::Medium,
        Some("HIGH") => Stock::High,
        _ => Stock::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_nobody_knows_is_not_taken_for_one_that_we_know() {
        assert_eq!(phase(Some("RUNNING")), Phase::Running);
        assert_eq!(phase(Some("running")), Phase::Unknown("running".into()));
        assert_eq!(phase(Some("MIGRATING")), Phase::Unknown("MIGRATING".into()));
        assert_eq!(phase(None), Phase::Unknown("no status".into()));
        assert_eq!(stock(Some("PLENTY")), Stock::Unknown);
    }

    #[test]
    fn the_cloud_is_told_by_the_instance_type() {
        for cloud in [Cloud::Secure, Cloud::Community] {
            assert_eq!(gpu_and_cloud(&instance_type("NVIDIA L4", cloud)), ("NVIDIA L4", cloud));
        }
        assert!(domain::placement::same_model("L4", "L4", &instance_type("NVIDIA L4", Cloud::Community)));
    }
}

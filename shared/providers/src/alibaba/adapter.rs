//! Alibaba Cloud ECS as a [`Provider`].

use std::sync::Arc;

use app::ports::{Clock, Instance, Launch, Observation, Paid, Phase, Provider, ProviderError};
use async_trait::async_trait;
use domain::{
    AttemptId,
    job::Handle,
    money::Money,
    placement::{Offer, ProviderName},
};
use futures::future::{join_all, try_join_all};
use jiff::{SignedDuration, Timestamp};

use super::{
    NAME, assistant, bill, boot,
    client::Client,
    offers, refusal,
    settings::{Region, Settings},
    wire,
};

/// The tag that is the attempt's.
const TAG: &str = "gpu-attempt";
/// The cloud wants half an hour, and cuts what we say to the minute.
const RELEASE_SOONEST: SignedDuration = SignedDuration::from_mins(31);
/// So that a call repeated soon says the same time, for a short job too.
const RELEASE_USUAL: SignedDuration = SignedDuration::from_mins(60);
/// It takes three years at most.
const RELEASE_LATEST: SignedDuration = SignedDuration::from_hours(3 * 365 * 24 - 24);
/// GiB of the machine's own system beside the job's disk.
const SYSTEM_GIB: u32 = 40;
const DISK_MOST_GIB: u32 = 2_048;

/// An action's parameters.
type Parameters = Vec<(&'static str, String)>;

/// ECS behind the interface that all clouds share.
pub struct Adapter {
    client: Client,
    clock: Arc<dyn Clock>,
    settings: Settings,
}

impl std::fmt::Debug for Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Adapter").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Adapter {
    pub(super) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let key = (settings.access_key_id.clone(), settings.access_key_secret.clone());
        let client = Client::new(settings.url.clone(), key.0, key.1, Arc::clone(&clock));
        Self { client, clock, settings }
    }

    fn handle(region: &str, id: &str) -> Handle {
        Handle { provider: NAME.into(), region: region.to_owned(), id: id.to_owned() }
    }

    /// Instances with our tag: those of one attempt, or all.
    async fn tagged(&self, region: &str, attempt: Option<AttemptId>) -> Result<Vec<Instance>, ProviderError> {
        let mut found = Vec::new();
        let mut next = String::new();
        loop {
            let mut query = vec![
                ("RegionId", region.to_owned()),
                ("Tag.1.Key", TAG.to_owned()),
                ("MaxResults", "100".to_owned()),
            ];
            query.extend(attempt.map(|attempt| ("Tag.1.Value", attempt.to_string())));
            if !next.is_empty() {
                query.push(("NextToken", next));
            }
            let page: wire::Instances = self.client.call(region, "DescribeInstances", &query).await?;
            found.extend(page.instances.list.iter().filter_map(|one| instance(region, one)));
            next = page.next_token.unwrap_or_default();
            if next.is_empty() {
                return Ok(found);
            }
        }
    }

    fn run_instances(&self, launch: &Launch) -> Result<(&Region, Parameters), ProviderError> {
        let Launch { attempt, offer, spec, env, .. } = launch;
        let Some((region, vswitch)) = self.settings.place(&offer.region) else {
            return Err(ProviderError::Invalid(format!("the zone {} is not configured", offer.region)));
        };
        let disk = spec.disk_gib.saturating_add(SYSTEM_GIB).min(DISK_MOST_GIB);
        let mut query = vec![
            ("RegionId", region.id.clone()),
            ("ZoneId", offer.region.clone()),
            ("InstanceType", offer.instance_type.clone()),
            ("ImageId", region.image_id.clone()),
            ("VSwitchId", vswitch.to_owned()),
            ("SecurityGroupId", region.security_group_id.clone()),
            ("InstanceName", format!("gpu-{attempt}")),
            ("InstanceChargeType", "PostPaid".to_owned()),
            ("Amount", "1".to_owned()),
            ("MinAmount", "1".to_owned()),
            ("ClientToken", attempt.to_string()),
            ("Tag.1.Key", TAG.to_owned()),
            ("Tag.1.Value", attempt.to_string()),
            ("AutoReleaseTime", self.release(launch).strftime("%Y-%m-%dT%H:%M:00Z").to_string()),
            ("SystemDisk.Category", region.disk_category.clone()),
            ("SystemDisk.Size", disk.to_string()),
            ("UserData", boot::user_data(&spec.image, env)?),
        ];
        if region.internet_mbps > 0 {
            query.push(("InternetMaxBandwidthOut", region.internet_mbps.to_string()));
        }
        if offer.spot {
            query.push(("SpotStrategy", "SpotWithPriceLimit".to_owned()));
            query.push(("SpotPriceLimit", spot_limit(offer, spec.max_price_per_hour)));
            query.push(("SpotDuration", "0".to_owned()));
            query.push(("SpotInterruptionBehavior", "Terminate".to_owned()));
        }
        Ok((region, query))
    }

    /// When the cloud deletes the instance itself. It counts from when the attempt was meant, which its id tells, so that
    /// a repeated call says the same: the cloud refuses a token that comes again with another time.
    fn release(&self, launch: &Launch) -> Timestamp {
        let now = self.clock.now();
        let meant = meant_at(launch.attempt).filter(|at| *at <= now).unwrap_or(now);
        let wanted = launch.release_at.checked_sub(now.duration_since(meant)).unwrap_or(launch.release_at);
        wanted.max(meant + RELEASE_USUAL).clamp(now + RELEASE_SOONEST, now + RELEASE_LATEST)
    }
}

/// A UUIDv7 holds its time.
fn meant_at(attempt: AttemptId) -> Option<Timestamp> {
    let (seconds, nanos) = attempt.uuid().get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()
}

/// Yuan an hour with the three decimals that the cloud takes: the market's price is paid, and this is where we let go. Not
/// below the job's own ceiling, and rounded up: a limit a fraction below the market is no limit but a refusal.
fn spot_limit(offer: &Offer, ceiling: Option<Money>) -> String {
    let price = offer.price_per_hour;
    let ceiling =
        ceiling.filter(|ceiling| ceiling.currency == price.currency).map_or(0, |ceiling| ceiling.micros);
    let millis = (price.micros.max(ceiling).max(0) + 999) / 1_000;
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}

#[async_trait]
impl Provider for Adapter {
    fn name(&self) -> ProviderName {
        NAME.into()
    }

    async fn offers(&self) -> Result<Vec<Offer>, ProviderError> {
        let now = self.clock.now();
        let regions = &self.settings.regions;
        let answers =
            join_all(regions.iter().map(|region| offers::of_region(&self.client, region, now))).await;
        let mut all = Vec::new();
        let mut failed = Vec::new();
        for (region, answer) in regions.iter().zip(answers) {
            match answer {
                Ok(offers) => all.extend(offers),
                Err(error) => failed.push((region, error)),
            }
        }
        // One region that fails does not take the others with it.
        if failed.len() == regions.len() {
            return failed.into_iter().next().map_or(Ok(all), |(_, error)| Err(error));
        }
        for (region, error) in failed {
            tracing::warn!(provider = NAME, region = region.id, %error, "no offers of this region");
        }
        Ok(all)
    }

    async fn launch(&self, launch: &Launch) -> Result<Instance, ProviderError> {
        let (region, query) = self.run_instances(launch)?;
        let made: wire::Made = self.client.call(&region.id, "RunInstances", &query).await?;
        let Some(id) = made.instance_id_sets.ids.into_iter().find(|id| !id.is_empty()) else {
            // The instance may be there all the same.
            return Err(ProviderError::Unknown("an instance without an id".to_owned()));
        };
        let price = made.trade_price.as_deref().and_then(|raw| wire::price(raw, None));
        if let Some(price) = price
            && price.micros != launch.offer.price_per_hour.micros
        {
            tracing::warn!(
                provider = NAME, attempt.id = %launch.attempt, instance.id = id,
                offered = %launch.offer.price_per_hour, billed = %price,
                "the instance has another price than its offer"
            );
        }
        Ok(Instance {
            handle: Self::handle(&region.id, &id),
            attempt: Some(launch.attempt),
            created_at: None,
            phase: Phase::Starting,
        })
    }

    async fn find(&self, attempt: AttemptId, offer: &Offer) -> Result<Vec<Instance>, ProviderError> {
        if let Some((region, _)) = self.settings.place(&offer.region) {
            return self.tagged(&region.id, Some(attempt)).await;
        }
        // The zone was configured when the attempt was launched.
        let each = self.settings.regions.iter().map(|region| self.tagged(&region.id, Some(attempt)));
        Ok(try_join_all(each).await?.concat())
    }

    async fn observe(&self, handle: &Handle) -> Result<Observation, ProviderError> {
        let ids = serde_json::Value::from(vec![handle.id.as_str()]).to_string();
        let query = [("RegionId", handle.region.clone()), ("InstanceIds", ids)];
        let page: wire::Instances = self.client.call(&handle.region, "DescribeInstances", &query).await?;
        match page.instances.list.iter().find(|one| one.id == handle.id) {
            Some(one) => Ok(Observation { phase: phase(one), detail: Some(detail(one)) }),
            None => Err(ProviderError::NotFound(format!("{} has no instance {}", handle.region, handle.id))),
        }
    }

    async fn terminate(&self, handle: &Handle) -> Result<(), ProviderError> {
        let query = [
            ("RegionId", handle.region.clone()),
            ("InstanceId.1", handle.id.clone()),
            ("Force", "true".to_owned()),
        ];
        let _: wire::Done = self.client.call(&handle.region, "DeleteInstances", &query).await?;
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Instance>, ProviderError> {
        let each = self.settings.regions.iter().map(|region| self.tagged(&region.id, None));
        Ok(try_join_all(each).await?.concat())
    }

    async fn last_log(&self, handle: &Handle, lines: usize) -> Result<Vec<String>, ProviderError> {
        if lines == 0 {
            return Ok(Vec::new());
        }
        assistant::last_log(&self.client, &handle.region, &handle.id, lines).await
    }

    async fn billed(&self, paid: &Paid) -> Result<Option<Money>, ProviderError> {
        bill::of(&self.client, paid).await
    }
}

/// An instance with our tag; `None` where the tag holds no attempt, which is somebody else's.
fn instance(region: &str, one: &wire::Instance) -> Option<Instance> {
    let tag = one.tags.list.iter().find(|tag| tag.tag_key == TAG)?;
    let attempt: AttemptId = tag.tag_value.parse().ok()?;
    let minute: Option<Timestamp> = one.creation_time.as_deref().and_then(|text| text.parse().ok());
    Some(Instance {
        handle: Adapter::handle(region, &one.id),
        attempt: Some(attempt),
        // The cloud tells the minute alone, and nothing is made before it was meant.
        created_at: minute.map(|minute| meant_at(attempt).map_or(minute, |meant| meant.max(minute))),
        phase: phase(one),
    })
}

fn recycled(one: &wire::Instance) -> bool {
    one.operation_locks
        .list
        .iter()
        .any(|lock| lock.lock_reason.as_deref().is_some_and(|why| why.eq_ignore_ascii_case("recycling")))
}

fn phase(one: &wire::Instance) -> Phase {
    if recycled(one) {
        return Phase::Preempted;
    }
    match one.status.as_deref() {
        Some("Pending" | "Starting") => Phase::Starting,
        Some("Running") => Phase::Running,
        Some("Stopping" | "Stopped") => Phase::Exited { code: None },
        Some(other) => Phase::Unknown(refusal::bounded(other)),
        None => Phase::Unknown("no status".to_owned()),
    }
}

fn detail(one: &wire::Instance) -> String {
    let mut words = one.status.clone().unwrap_or_else(|| "no status".to_owned());
    for lock in &one.operation_locks.list {
        words = format!("{words}, locked: {}", lock.lock_reason.as_deref().unwrap_or("no reason"));
    }
    if let Some(strategy) = one.spot_strategy.as_deref().filter(|word| *word != "NoSpot") {
        words = format!("{words} ({strategy})");
    }
    refusal::bounded(&words)
}

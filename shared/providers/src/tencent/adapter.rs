//! Tencent Cloud as a [`Provider`].

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use app::ports::{Clock, Instance, Launch, Observation, Paid, Phase, Provider, ProviderError};
use async_trait::async_trait;
use domain::{
    AttemptId,
    job::Handle,
    money::Money,
    placement::{Offer, ProviderName, Stock},
};
use serde_json::json;

use super::{
    NAME, Settings,
    api::{Api, Service},
    bill, catalogue,
    cluster::Cluster,
    kubeconfig, manifest, pod, wire,
};

/// The most lines that are asked for of a log.
const LOG_LINES: usize = 10_000;

/// Tencent Cloud behind the interface that all clouds share.
pub struct Adapter {
    api: Api,
    clock: Arc<dyn Clock>,
    region: String,
    cluster: String,
    namespace: String,
    zones: Vec<String>,
    intranet: bool,
    /// Clusters that were reached. They are asked for again when one does not know us any more.
    clusters: Mutex<HashMap<String, Arc<Cluster>>>,
    /// The numbers of the region's zones, which do not change.
    numbers: Mutex<HashMap<String, String>>,
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapter")
            .field("cluster", &self.cluster)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// A job by its place.
struct Place {
    cluster: String,
    namespace: String,
    job: String,
}

impl Place {
    fn jobs(&self) -> [&str; 6] {
        ["apis", "batch", "v1", "namespaces", &self.namespace, "jobs"]
    }

    fn pods(&self) -> [&str; 5] {
        ["api", "v1", "namespaces", &self.namespace, "pods"]
    }

    fn secrets(&self) -> [&str; 5] {
        ["api", "v1", "namespaces", &self.namespace, "secrets"]
    }

    fn selector(&self) -> String {
        format!("batch.kubernetes.io/job-name={}", self.job)
    }
}

impl Adapter {
    pub(super) fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let Settings { secret_id, secret_key, region, cluster_id, namespace, zones, intranet, url } =
            settings;
        Self {
            api: Api::new(url, region.clone(), secret_id, secret_key, Arc::clone(&clock)),
            clock,
            region,
            cluster: cluster_id,
            namespace,
            zones,
            intranet,
            clusters: Mutex::default(),
            numbers: Mutex::default(),
        }
    }

    /// A handle says cluster, namespace and job, so that it is good after the settings name another cluster.
    fn handle(&self, job: &str) -> Handle {
        let id = format!("{}/{}/{job}", self.cluster, self.namespace);
        Handle { provider: NAME.into(), region: self.region.clone(), id }
    }

    fn place(&self, handle: &Handle) -> Place {
        let mut parts = handle.id.rsplitn(3, '/');
        let job = parts.next().unwrap_or_default().to_owned();
        let namespace = parts.next().map_or_else(|| self.namespace.clone(), str::to_owned);
        let cluster = parts.next().map_or_else(|| self.cluster.clone(), str::to_owned);
        Place { cluster, namespace, job }
    }

    fn here(&self, job: String) -> Place {
        Place { cluster: self.cluster.clone(), namespace: self.namespace.clone(), job }
    }

    fn instance(&self, job: &wire::Job, attempt: AttemptId) -> Instance {
        Instance {
            handle: self.handle(&job.metadata.name),
            attempt: Some(attempt),
            created_at: job.metadata.creation_timestamp.as_deref().and_then(|text| text.parse().ok()),
            phase: pod::phase(job),
        }
    }

    async fn cluster(&self, id: &str) -> Result<Arc<Cluster>, ProviderError> {
        let known = self.clusters.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some(cluster) = known {
            return Ok(cluster);
        }
        let (endpoints, kubeconfig) =
            (json!({"ClusterId": id}), json!({"ClusterId": id, "IsExtranet": !self.intranet}));
        let asked = futures::future::try_join(
            self.api.call::<wire::Endpoints>(Service::Tke, "DescribeClusterEndpoints", &endpoints),
            self.api.call::<wire::Kubeconfig>(Service::Tke, "DescribeClusterKubeconfig", &kubeconfig),
        );
        let (endpoints, kubeconfig) = asked.await.map_err(|error| match error {
            // Whoever asked wants to know about a job, and of that nothing is known.
            ProviderError::NotFound(why) | ProviderError::Invalid(why) => ProviderError::Credentials(
                format!("the cluster {id} of {} cannot be had: {why}", self.region),
            ),
            error => error,
        })?;
        let endpoint = if self.intranet {
            endpoints.cluster_intranet_endpoint
        } else {
            endpoints.cluster_external_endpoint
        };
        let endpoint = endpoint.filter(|address| !address.is_empty()).ok_or_else(|| {
            let side = if self.intranet { "inside its VPC" } else { "on the internet" };
            ProviderError::Credentials(format!("the cluster {id} has no endpoint {side}"))
        })?;
        let mut access = kubeconfig::parse(&kubeconfig.text)
            .map_err(|why| ProviderError::Credentials(format!("the kubeconfig of {id}: {why}")))?;
        // What stands in for the cloud stands in for its clusters: nothing goes past it.
        if let Some(base) = self.api.base() {
            access.server = base.clone();
        }
        let cluster = Arc::new(Cluster::new(access, Some(&endpoint))?);
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(clusters.entry(id.to_owned()).or_insert(cluster)))
    }

    /// Forgets how the cluster is reached where that may be the reason: a token that was changed, an endpoint that moved.
    fn heard<T>(&self, cluster: &str, answer: Result<T, ProviderError>) -> Result<T, ProviderError> {
        if let Err(ProviderError::Credentials(_) | ProviderError::RateLimited { retry_after: None, .. }) =
            &answer
        {
            self.clusters.lock().unwrap_or_else(PoisonError::into_inner).remove(cluster);
        }
        answer
    }

    async fn configurations(
        &self,
        filters: &[(&str, Vec<&str>)],
    ) -> Result<Vec<wire::Configuration>, ProviderError> {
        let filters: Vec<_> = filters
            .iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(name, values)| json!({"Name": name, "Values": values}))
            .collect();
        let body = json!({"Filters": filters});
        let answer: wire::Configurations =
            self.api.call(Service::Cvm, "DescribeZoneInstanceConfigInfos", &body).await?;
        Ok(answer.instance_type_quota_set)
    }

    /// Whether the cloud says that it has none of these. In a cluster a launch never fails for want of a machine: its pod
    /// would wait, and nothing else would be tried.
    async fn is_sold_out(&self, offer: &Offer) -> bool {
        let charge = if offer.spot { "SPOTPAID" } else { "POSTPAID_BY_HOUR" };
        let filters = [
            ("zone", vec![offer.region.as_str()]),
            ("instance-charge-type", vec![charge]),
            ("instance-type", vec![offer.instance_type.as_str()]),
        ];
        match self.configurations(&filters).await {
            Ok(found) => {
                found.iter().any(|one| one.instance_type == offer.instance_type)
                    && found.iter().all(|one| catalogue::stock(one) == Stock::None)
            }
            Err(error) => {
                tracing::warn!(provider = NAME, %error, "stock could not be asked for: the launch goes on");
                false
            }
        }
    }

    async fn zone_number(&self, zone: &str) -> Result<String, ProviderError> {
        let known = |numbers: &HashMap<String, String>| numbers.get(zone).cloned();
        if let Some(number) = known(&self.numbers.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(number);
        }
        let answer: wire::Zones = self.api.call(Service::Cvm, "DescribeZones", &json!({})).await?;
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.extend(answer.zone_set.into_iter().map(|zone| (zone.name, zone.number)));
        known(&numbers).ok_or_else(|| ProviderError::Invalid(format!("{} has no zone {zone}", self.region)))
    }

    async fn jobs(&self, selector: &str) -> Result<Vec<Instance>, ProviderError> {
        let here = self.here(String::new());
        let cluster = self.cluster(&here.cluster).await?;
        let jobs: Vec<wire::Job> = self.heard(&here.cluster, cluster.list(&here.jobs(), selector).await)?;
        let ours = jobs.iter().filter_map(|job| Some(self.instance(job, manifest::attempt(&job.metadata)?)));
        Ok(ours.collect())
    }

    async fn make(&self, launch: &Launch, cluster: &Cluster, zone: &str) -> Result<Instance, ProviderError> {
        let place = self.here(manifest::name(launch.attempt));
        let body = manifest::job(launch, zone, self.clock.now()).ok_or_else(|| {
            ProviderError::Invalid(format!("no super node has the GPU of {}", launch.offer.instance_type))
        })?;
        // The secret comes first: a job that was made without our hearing of it has all that it needs.
        let secret = cluster.create(cluster.url(&place.secrets()), &manifest::secret(launch)).await;
        let _: Option<serde_json::Value> = secret.map_err(not_begun)?;
        let made: Result<Option<wire::Job>, _> = cluster.create(cluster.url(&place.jobs()), &body).await;
        match made {
            Ok(Some(job)) => {
                Self::own(cluster, &place, &job.metadata).await;
                Ok(self.instance(&job, launch.attempt))
            }
            // A repeat of a call that was done.
            Ok(None) => {
                let job: wire::Job = cluster.get(Self::job_url(cluster, &place)).await?;
                if manifest::attempt(&job.metadata) != Some(launch.attempt) {
                    let why = format!("somebody else's job has the name {}", place.job);
                    return Err(ProviderError::Invalid(why));
                }
                Ok(self.instance(&job, launch.attempt))
            }
            Err(ProviderError::Unknown(why)) => Err(ProviderError::Unknown(why)),
            Err(refusal) => {
                Self::forget_secret(cluster, &place).await;
                Err(refusal)
            }
        }
    }

    /// Only a convenience: whoever terminates the job deletes its secret too.
    async fn own(cluster: &Cluster, place: &Place, job: &wire::Metadata) {
        let mut url = cluster.url(&place.secrets());
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(&place.job);
        }
        if let Err(error) = cluster.merge(url, &manifest::owner(job)).await {
            tracing::warn!(provider = NAME, job = place.job, %error, "the job does not own its secret");
        }
    }

    async fn forget_secret(cluster: &Cluster, place: &Place) {
        let mut url = cluster.url(&place.secrets());
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(&place.job);
        }
        match cluster.delete(url).await {
            Ok(()) | Err(ProviderError::NotFound(_)) => {}
            Err(error) => {
                tracing::warn!(provider = NAME, job = place.job, %error, "a job's secret could not be deleted");
            }
        }
    }

    fn job_url(cluster: &Cluster, place: &Place) -> url::Url {
        let mut url = cluster.url(&place.jobs());
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(&place.job);
        }
        url
    }

    async fn pods(cluster: &Cluster, place: &Place) -> Result<Vec<wire::Pod>, ProviderError> {
        cluster.list(&place.pods(), &place.selector()).await
    }

    async fn look(cluster: &Cluster, place: &Place) -> Result<Observation, ProviderError> {
        let mut url = Self::job_url(cluster, place);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push("status");
        }
        let (job, pods) = futures::join!(cluster.get::<wire::Job>(url), Self::pods(cluster, place));
        match job {
            Ok(job) => {
                let pods = pods?;
                let mut seen = pod::observation(&job, &pods);
                if pods.is_empty() && seen.phase == Phase::Starting {
                    seen.detail = Self::why_no_pod(cluster, place).await.or(seen.detail);
                }
                Ok(seen)
            }
            Err(ProviderError::NotFound(why)) => {
                // The cluster deletes the pods of a deleted job later, and until then they cost.
                if pods?.iter().any(pod::is_left) {
                    let detail = Some("the job is gone, its pod is not".to_owned());
                    return Ok(Observation { phase: Phase::Running, detail });
                }
                Err(ProviderError::NotFound(why))
            }
            Err(error) => Err(error),
        }
    }

    /// What the cluster says against the job's pod, such as a quota. A help for the reader: without it the look is as good.
    async fn why_no_pod(cluster: &Cluster, place: &Place) -> Option<String> {
        let mut url = cluster.url(&["api", "v1", "namespaces", &place.namespace, "events"]);
        url.query_pairs_mut().append_pair("fieldSelector", &format!("involvedObject.name={}", place.job));
        let events: wire::List<wire::Event> = cluster.get(url).await.ok()?;
        let warning = events.items.iter().rev().find(|event| event.kind.as_deref() == Some("Warning"))?;
        pod::join(warning.reason.as_deref(), warning.message.as_deref())
    }

    async fn end(cluster: &Cluster, place: &Place) -> Result<(), ProviderError> {
        let mut url = Self::job_url(cluster, place);
        url.query_pairs_mut().append_pair("propagationPolicy", "Background");
        let deleted = cluster.delete(url).await;
        if !matches!(deleted, Ok(()) | Err(ProviderError::NotFound(_))) {
            return deleted;
        }
        Self::forget_secret(cluster, place).await;
        if deleted.is_ok() {
            return Ok(());
        }
        let mut left = Self::pods(cluster, place).await?;
        left.retain(pod::is_left);
        if left.is_empty() {
            return deleted;
        }
        for pod in left {
            let mut url = cluster.url(&place.pods());
            if let Ok(mut segments) = url.path_segments_mut() {
                segments.push(&pod.metadata.name);
            }
            match cluster.delete(url).await {
                Ok(()) | Err(ProviderError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn log(cluster: &Cluster, place: &Place, lines: usize) -> Result<Vec<String>, ProviderError> {
        let pods = Self::pods(cluster, place).await?;
        let Some(pod) = pod::latest(&pods) else {
            // No pod yet, or no such job.
            return cluster.get::<wire::Job>(Self::job_url(cluster, place)).await.map(|_| Vec::new());
        };
        let mut url = cluster.url(&place.pods());
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend([&pod.metadata.name, "log"]);
        }
        url.query_pairs_mut()
            .append_pair("container", manifest::CONTAINER)
            .append_pair("tailLines", &lines.to_string());
        match cluster.text(url).await {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            // A container that has not begun has no log.
            Err(ProviderError::Invalid(why)) if why.contains("waiting to start") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// What failed before the job was asked for made none.
fn not_begun(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::Unknown(message) => ProviderError::RateLimited { retry_after: None, message },
        error => error,
    }
}

#[async_trait]
impl Provider for Adapter {
    fn name(&self) -> ProviderName {
        NAME.into()
    }

    async fn offers(&self) -> Result<Vec<Offer>, ProviderError> {
        let filters = [
            ("zone", self.zones.iter().map(String::as_str).collect()),
            ("instance-charge-type", vec!["POSTPAID_BY_HOUR", "SPOTPAID"]),
            ("instance-family", catalogue::families()),
        ];
        Ok(catalogue::offers(&self.configurations(&filters).await?, self.clock.now()))
    }

    async fn launch(&self, launch: &Launch) -> Result<Instance, ProviderError> {
        let offer = &launch.offer;
        let (sold_out, zone, cluster) = futures::join!(
            self.is_sold_out(offer),
            self.zone_number(&offer.region),
            self.cluster(&self.cluster)
        );
        let (zone, cluster) = (zone.map_err(not_begun)?, cluster.map_err(not_begun)?);
        if sold_out {
            return Err(ProviderError::Capacity(format!(
                "{} is sold out in {}",
                offer.instance_type, offer.region
            )));
        }
        self.heard(&self.cluster, self.make(launch, &cluster, &zone).await)
    }

    async fn find(&self, attempt: AttemptId, _offer: &Offer) -> Result<Vec<Instance>, ProviderError> {
        let mut jobs = self.jobs(&format!("{}={attempt}", manifest::ATTEMPT)).await?;
        jobs.retain(|job| job.attempt == Some(attempt));
        Ok(jobs)
    }

    async fn observe(&self, handle: &Handle) -> Result<Observation, ProviderError> {
        let place = self.place(handle);
        let cluster = self.cluster(&place.cluster).await?;
        self.heard(&place.cluster, Self::look(&cluster, &place).await)
    }

    async fn terminate(&self, handle: &Handle) -> Result<(), ProviderError> {
        let place = self.place(handle);
        let cluster = self.cluster(&place.cluster).await?;
        self.heard(&place.cluster, Self::end(&cluster, &place).await)
    }

    async fn list(&self) -> Result<Vec<Instance>, ProviderError> {
        let (label, value) = manifest::OURS;
        self.jobs(&format!("{label}={value}")).await
    }

    async fn last_log(&self, handle: &Handle, lines: usize) -> Result<Vec<String>, ProviderError> {
        let lines = lines.min(LOG_LINES);
        if lines == 0 {
            return Ok(Vec::new());
        }
        let place = self.place(handle);
        let cluster = self.cluster(&place.cluster).await?;
        self.heard(&place.cluster, Self::log(&cluster, &place, lines).await)
    }

    async fn billed(&self, paid: &Paid) -> Result<Option<Money>, ProviderError> {
        bill::of(&self.api, paid).await
    }
}

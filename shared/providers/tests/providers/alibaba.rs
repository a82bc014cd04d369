//! The Alibaba Cloud adapter: against the simulated ECS, against what the official client was recorded to send, and
//! against answers that no simulation gives.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::Arc,
    time::Duration,
};

use app::ports::{Clock, Instance, Launch, Observation, Phase, Provider, ProviderError};
use async_trait::async_trait;
use domain::{
    AttemptId,
    job::Handle,
    money::{Currency, Money},
    placement::{Offer, Stock},
};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use providers::{ApiKey, alibaba};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    contract::{self, Call, Cloud, Fault},
    peer::{Peer, Seen},
    values::{Noon, SEEN, attempt, launch},
};

const KEY_ID: &str = "LTAIFAKEFORTESTS";
const SECRET: &str = "not-a-real-secret";
const REGION: &str = "cn-hangzhou";
const ZONE: &str = "cn-hangzhou-i";

struct Now;

impl Clock for Now {
    #[expect(clippy::disallowed_methods, reason = "the simulation has the real time")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

fn settings(url: &str, secret: &str) -> alibaba::Settings {
    let region = alibaba::Region {
        id: REGION.to_owned(),
        zones: [ZONE, "cn-hangzhou-j"].map(|zone| (zone.to_owned(), "vsw-bp1".to_owned())).into(),
        security_group_id: "sg-bp1".to_owned(),
        image_id: "m-bp1".to_owned(),
        instance_types: Vec::new(),
        internet_mbps: 100,
        disk_category: "cloud_essd".to_owned(),
    };
    alibaba::Settings {
        access_key_id: KEY_ID.to_owned(),
        access_key_secret: ApiKey::new(secret),
        regions: vec![region],
        url: Some(url.parse().unwrap()),
    }
}

fn noon(url: &str) -> Arc<dyn Provider> {
    alibaba::provider(settings(url, SECRET), Arc::new(Noon))
}

fn handle(id: &str) -> Handle {
    Handle { provider: "alibaba".into(), region: REGION.to_owned(), id: id.to_owned() }
}

struct Ecs {
    simulation: simclouds::alibaba::Handle,
    http: reqwest::Client,
}

impl Ecs {
    async fn control(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/_sim/{path}", self.simulation.url);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path} {body}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    async fn instances(&self) -> Value {
        let url = format!("{}/_sim/instances", self.simulation.url);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// As the account's owner calls it, not as our adapter does: a signature of its own.
    async fn call(&self, action: &str, query: &[(&str, &str)]) -> Value {
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            })
        };
        let mut query = query.to_vec();
        query.sort_unstable();
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let query = query.join("&");
        let body = hex(&Sha256::digest(b""));
        let headers = [
            ("host", self.simulation.url.trim_start_matches("http://").to_owned()),
            ("x-acs-action", action.to_owned()),
            ("x-acs-content-sha256", body.clone()),
            ("x-acs-date", Now.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            ("x-acs-signature-nonce", Uuid::new_v4().to_string()),
            ("x-acs-version", "2014-05-26".to_owned()),
        ];
        let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let lines = lines.concat();
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let canonical = format!("POST\n/\n{query}\n{lines}\n{names}\n{body}");
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(format!("ACS3-HMAC-SHA256\n{}", hex(&Sha256::digest(canonical.as_bytes()))).as_bytes());
        let signature = hex(&mac.finalize().into_bytes());
        let said =
            format!("ACS3-HMAC-SHA256 Credential={KEY_ID},SignedHeaders={names},Signature={signature}");
        let mut request = self.http.post(format!("{}/?{query}", self.simulation.url));
        for (name, value) in headers.iter().skip(1) {
            request = request.header(*name, value);
        }
        let answer = request.header("authorization", said).send().await.unwrap();
        assert!(answer.status().is_success(), "{action}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }
}

#[async_trait]
impl Cloud for Ecs {
    async fn start() -> Self {
        let config = simclouds::alibaba::Config {
            boot: Duration::from_millis(20),
            ..simclouds::alibaba::Config::new(KEY_ID, SECRET)
        };
        Self { simulation: simclouds::alibaba::serve(config).await.unwrap(), http: reqwest::Client::new() }
    }

    fn provider(&self) -> Arc<dyn Provider> {
        alibaba::provider(settings(&self.simulation.url, SECRET), Arc::new(Now))
    }

    fn stranger(&self) -> Arc<dyn Provider> {
        alibaba::provider(settings(&self.simulation.url, "somebody-elses-secret"), Arc::new(Now))
    }

    fn handle(&self, id: &str) -> Handle {
        handle(id)
    }

    fn after_a_failed_boot(&self) -> Phase {
        // The cloud takes back what it could not start.
        Phase::Gone
    }

    async fn plan(&self, call: Call, fault: Fault) {
        let operation = match call {
            Call::Launch | Call::LaunchSpot => "RunInstances",
            Call::List | Call::Observe => "DescribeInstances",
            Call::Terminate => "DeleteInstances",
            Call::Offers => "DescribeInstanceTypes",
        };
        self.control("faults", fault.plan(operation)).await;
    }

    async fn sell_out(&self) {
        self.control("stock", json!({"count": 0})).await;
    }

    async fn spend_everything(&self) {
        self.control("settings", json!({"balance_micros": 0})).await;
    }

    async fn add_foreign(&self) -> Handle {
        let asked = [
            ("RegionId", REGION),
            ("ImageId", "m-bp1"),
            ("InstanceType", "ecs.gn6i-c4g1.xlarge"),
            ("InstanceName", "gpu-att_mine"),
            ("Tag.1.Key", "gpu-attempt"),
            ("Tag.1.Value", "att_mine"),
        ];
        let made = self.call("RunInstances", &asked).await;
        handle(made["InstanceIdSets"]["InstanceIdSet"][0].as_str().unwrap())
    }

    async fn preempt(&self, instance: &Handle) {
        self.control(&format!("instances/{}/preempt", instance.id), json!({})).await;
    }

    async fn stop(&self, instance: &Handle) {
        self.control(&format!("instances/{}/stop", instance.id), json!({})).await;
    }

    async fn lose(&self, instance: &Handle) {
        self.control(&format!("instances/{}/kill", instance.id), json!({"as": "gone"})).await;
    }

    async fn live(&self) -> u64 {
        self.instances().await["live"].as_u64().unwrap()
    }

    async fn spent(&self) -> i64 {
        let url = format!("{}/_sim/bill", self.simulation.url);
        let bill: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        bill["spent_micros"].as_i64().unwrap()
    }
}

contract::contract! { Ecs }

fn offer(spot: bool) -> Offer {
    Offer {
        provider: "alibaba".into(),
        region: ZONE.into(),
        gpu: "T4".into(),
        instance_type: "ecs.gn6i-c4g1.xlarge".into(),
        gpu_count: 1,
        gpu_memory_gib: 16,
        cpus: Some(4),
        memory_gib: Some(15),
        spot,
        price_per_hour: Money::new(7_920_000, Currency::Cny),
        stock: Stock::High,
        seen_at: SEEN.parse().unwrap(),
    }
}

/// An attempt that was meant at this moment.
fn meant(at: Timestamp) -> AttemptId {
    let time = uuid::Timestamp::from_unix(uuid::NoContext, u64::try_from(at.as_second()).unwrap(), 0);
    AttemptId::new(Uuid::new_v7(time))
}

#[tokio::test]
async fn a_launch_that_is_repeated_makes_no_second_instance() {
    let cloud = Ecs::start().await;
    let provider = cloud.provider();
    let launch = Launch { attempt: meant(Now.now()), ..launch(1, offer(false)) };
    let made = provider.launch(&launch).await.unwrap();
    assert_eq!(provider.launch(&launch).await.unwrap().handle, made.handle);

    // Something else under the same token is refused: the caller has to look.
    let other = Launch { release_at: "2026-01-01T00:00:00Z".parse().unwrap(), ..launch.clone() };
    let error = provider.launch(&other).await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Unknown(why) if why.contains("IdempotentParameterMismatch")),
        "{error:?}"
    );
    let found = provider.find(launch.attempt, &launch.offer).await.unwrap();
    assert_eq!(found.iter().map(|one| &one.handle).collect::<Vec<_>>(), [&made.handle]);
    assert_eq!(cloud.live().await, 1);
}

/// A machine's first boot leads to a runner that reports.
#[tokio::test]
async fn a_job_runs_on_the_machine_and_its_runner_is_heard() {
    let api = Peer::start(|_| (200, vec![], "go\nevery 1\n".to_owned())).await;
    let cloud = Ecs::start().await;
    let provider = cloud.provider();
    let mut launch = launch(7, offer(false));
    launch.env = BTreeMap::from([("GREETING".to_owned(), "it's\n\"$HOME\" 你好".to_owned())]);
    let environment = runner::Environment {
        api_url: api.url.clone(),
        attempt_id: launch.attempt.to_string(),
        job_id: "job_1".to_owned(),
        attempt: 1,
        token: runner::Token::new("fake-token"),
        command: [
            "sh",
            "-c",
            r#"printf '%s' "$GREETING${GPU_ENV-}$GPU_INSTANCE_ID" >"$GPU_OUTPUT"; echo hello"#,
        ]
        .map(str::to_owned)
        .to_vec(),
        timeout_seconds: 60,
        checkpoint_dir: "/tmp/gpu-checkpoint".to_owned(),
    };
    launch.env.extend(environment.variables());
    let made = provider.launch(&launch).await.unwrap();
    let exit = loop {
        let exit = |seen: &Seen| seen.target.ends_with("/exit");
        if let Some(seen) = api.seen().into_iter().find(exit) {
            break seen;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(exit.headers["authorization"], "Bearer fake-token");
    assert!(exit.body.starts_with("code 0\nreason exited\n"), "{}", exit.body);
    let output = format!("it's\n\"$HOME\" 你好{}", made.handle.id);
    assert!(exit.body.ends_with(&output), "{}", exit.body);
    // Who never hears the runner finds its mark in the log.
    let log = provider.last_log(&made.handle, 50).await.unwrap();
    assert!(log.contains(&"hello".to_owned()), "{log:?}");
    let code = runner::protocol::find_exit_marker(&log, &launch.attempt.to_string());
    assert_eq!(code, Some(0), "{log:?}");
}

#[tokio::test]
async fn a_region_that_fails_leaves_the_others() {
    let peer = Peer::start(|seen| {
        if seen.target.contains("cn-shanghai") {
            return (500, vec![], r#"{"Code": "InternalError", "Message": "down"}"#.to_owned());
        }
        (200, vec![], answer(seen))
    })
    .await;
    let mut settings = settings(&peer.url, SECRET);
    let mut other = settings.regions[0].clone();
    other.id = "cn-shanghai".to_owned();
    other.zones = BTreeMap::from([("cn-shanghai-l".to_owned(), "vsw-2".to_owned())]);
    settings.regions.push(other);
    let provider = alibaba::provider(settings, Arc::new(Noon));
    let offers = provider.offers().await.unwrap();
    assert!(!offers.is_empty() && offers.iter().all(|offer| offer.region.starts_with("cn-hangzhou")));
    // A list without a region is no list: what is missing would be taken for gone.
    assert!(matches!(provider.list().await, Err(ProviderError::Unknown(_))));
}

/// What the cloud answers to each action.
fn answer(seen: &Seen) -> String {
    let body = match seen.headers["x-acs-action"].as_str() {
        "RunInstances" => json!({"InstanceIdSets": {"InstanceIdSet": ["i-bp1"]}, "TradePrice": 7.92}),
        "DescribeInstances" => json!({"Instances": {"Instance": []}, "NextToken": ""}),
        "DeleteInstances" => json!({"RequestId": "x"}),
        "RunCommand" => json!({"InvokeId": "t-1", "CommandId": "c-1"}),
        "DescribeInvocationResults" => json!({"Invocation": {"InvocationResults": {"InvocationResult": [
            {"InvocationStatus": "Success", "ExitCode": 0, "Output": "MQoyCjMK"}]}}}),
        "DescribeInstanceTypes" => json!({"InstanceTypes": {"InstanceType": [
            {"InstanceTypeId": "ecs.gn6i-c4g1.xlarge", "GPUAmount": 1, "GPUSpec": "NVIDIA T4", "GPUMemorySize": 14.9,
             "CpuCoreCount": 4, "MemorySize": 15}]}}),
        "DescribeAvailableResource" => {
            let stock = if seen.target.contains("NoSpot") { "WithStock" } else { "ClosedWithStock" };
            let kinds = json!([
                {"Value": "ecs.gn6i-c4g1.xlarge", "StatusCategory": stock},
                {"Value": "ecs.g7.large", "StatusCategory": "WithStock"},
            ]);
            let resource = json!([{"SupportedResources": {"SupportedResource": kinds}}]);
            let zones = [ZONE, "cn-hangzhou-k"]
                .map(|zone| json!({"ZoneId": zone, "AvailableResources": {"AvailableResource": resource}}));
            json!({"AvailableZones": {"AvailableZone": zones}})
        }
        "DescribePrice" => json!({"PriceInfo": {"Price": {"TradePrice": 11.63, "Currency": "CNY"}}}),
        "DescribeSpotPriceHistory" => json!({"Currency": "CNY", "SpotPrices": {"SpotPriceType": [
            {"ZoneId": ZONE, "SpotPrice": 1.2, "Timestamp": "2026-06-01T12:00:00Z"},
            {"ZoneId": ZONE, "SpotPrice": 9.9, "Timestamp": "2026-06-01T11:00:00Z"}]}}),
        other => panic!("{other}"),
    };
    body.to_string()
}

#[tokio::test]
async fn offers_are_priced_and_placed() {
    let peer = Peer::start(|seen| (200, vec![], answer(seen))).await;
    let mut offers = noon(&peer.url).offers().await.unwrap();
    offers.sort_by_key(|offer| offer.spot);
    let cny = |micros| Money::new(micros, Currency::Cny);
    let expected = [
        Offer { price_per_hour: cny(11_630_000), ..offer(false) },
        Offer { price_per_hour: cny(1_200_000), stock: Stock::Low, ..offer(true) },
    ];
    assert_eq!(offers, expected, "only in zones that are configured");
}

fn parameters(seen: &Seen) -> BTreeMap<String, String> {
    let url = url::Url::parse(&format!("http://host{}", seen.target)).unwrap();
    url.query_pairs().into_owned().collect()
}

fn recorded(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../fixtures/alibaba_requests.json")).unwrap();
    all[name].clone()
}

/// The action and every parameter are as recorded, but for the values in `ours` and the names in `more` and `less`.
fn assert_as_recorded(seen: &Seen, name: &str, ours: &[(&str, &str)], more: &[&str], less: &[&str]) {
    let recorded = recorded(name);
    assert_eq!(seen.method, recorded["method"]);
    assert!(seen.target.starts_with(&format!("{}?", recorded["path"].as_str().unwrap())), "{}", seen.target);
    assert_eq!(seen.body, recorded["body"]);
    for (name, value) in recorded["headers"].as_object().unwrap() {
        assert_eq!(seen.headers.get(name).map(String::as_str), value.as_str(), "{name}");
    }
    let sent = parameters(seen);
    let mut expected: BTreeMap<String, String> =
        serde_json::from_value(recorded["parameters"].clone()).unwrap();
    expected.extend(ours.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    expected.retain(|name, _| !less.contains(&name.as_str()));
    for name in more {
        let value = sent.get(*name).unwrap_or_else(|| panic!("{name} in {sent:?}"));
        expected.insert((*name).to_owned(), value.clone());
    }
    assert_eq!(sent, expected, "{name}");
}

#[tokio::test]
async fn create() {
    let peer = Peer::start(|seen| (200, vec![], answer(seen))).await;
    let provider = noon(&peer.url);
    for spot in [false, true] {
        let mut launch = launch(1, offer(spot));
        launch.release_at = "2026-06-01T14:00:59Z".parse().unwrap();
        launch.spec.disk_gib = 40;
        let made = provider.launch(&launch).await.unwrap();
        assert_eq!(
            made,
            Instance {
                handle: handle("i-bp1"),
                attempt: Some(attempt(1)),
                created_at: None,
                phase: Phase::Starting
            }
        );
    }
    let seen = peer.seen();
    let [on_demand, spot] = &seen[..] else { panic!("two requests") };
    let name = format!("gpu-{}", attempt(1));
    let token = attempt(1).to_string();
    let ours = [
        ("ClientToken", token.as_str()),
        ("Tag.1.Key", "gpu-attempt"),
        ("Tag.1.Value", &token),
        ("InstanceName", &name),
        ("ImageId", "m-bp1"),
        ("VSwitchId", "vsw-bp1"),
        ("SecurityGroupId", "sg-bp1"),
        ("InternetMaxBandwidthOut", "100"),
        ("SpotPriceLimit", "7.920"),
    ];
    let other_tag = ["Tag.2.Key", "Tag.2.Value"];
    assert_as_recorded(spot, "run_spot", &ours, &["UserData"], &other_tag);
    assert_as_recorded(
        on_demand,
        "run",
        &ours,
        &["UserData"],
        &[other_tag[0], other_tag[1], "SpotPriceLimit"],
    );
}

#[tokio::test]
async fn a_spot_limit_is_never_below_the_offer_and_goes_to_the_jobs_ceiling() {
    let peer = Peer::start(|seen| (200, vec![], answer(seen))).await;
    let provider = noon(&peer.url);
    let ceiling = |micros, currency| Some(Money::new(micros, currency));
    let cases = [
        (7_920_001, None, "7.921"),
        (7_920_000, ceiling(9_000_000, Currency::Cny), "9.000"),
        (7_920_000, ceiling(1_000_000, Currency::Cny), "7.920"),
        (7_920_000, ceiling(9_000_000, Currency::Usd), "7.920"),
        (1, None, "0.001"),
    ];
    for (price, max_price_per_hour, _) in cases {
        let mut launch = launch(1, offer(true));
        launch.offer.price_per_hour = Money::new(price, Currency::Cny);
        launch.spec.max_price_per_hour = max_price_per_hour;
        provider.launch(&launch).await.unwrap();
    }
    for (seen, (_, _, limit)) in peer.seen().iter().zip(cases) {
        assert_eq!(parameters(seen)["SpotPriceLimit"], limit);
    }
}

#[tokio::test]
async fn the_cloud_gives_a_forgotten_instance_back() {
    let peer = Peer::start(|seen| (200, vec![], answer(seen))).await;
    let provider = noon(&peer.url);
    // Meant twenty minutes before noon: a repeat says what the first call said.
    let old = meant("2026-06-01T11:40:30Z".parse().unwrap());
    let cases = [
        (attempt(1), "2026-06-01T14:30:45Z", "2026-06-01T14:30:00Z"),
        (attempt(1), "2026-06-01T12:10:00Z", "2026-06-01T13:00:00Z"),
        (attempt(1), "2126-06-01T12:10:00Z", "2029-05-30T12:00:00Z"),
        (old, "2026-06-01T14:30:45Z", "2026-06-01T14:11:00Z"),
        (old, "2026-06-01T12:10:00Z", "2026-06-01T12:40:00Z"),
    ];
    for (attempt, release_at, _) in cases {
        let release_at = release_at.parse().unwrap();
        provider.launch(&Launch { attempt, release_at, ..launch(1, offer(false)) }).await.unwrap();
    }
    for (seen, (.., told)) in peer.seen().iter().zip(cases) {
        assert_eq!(parameters(seen)["AutoReleaseTime"], told);
    }
}

#[tokio::test]
async fn look_list_delete_log_and_market() {
    let peer = Peer::start(|seen| (200, vec![], answer(seen))).await;
    let provider = noon(&peer.url);
    let token = attempt(1).to_string();
    let id = "i-bp67acfmxazb4p****";
    let noted = |from: usize| peer.seen()[from..].to_vec();

    provider.list().await.unwrap();
    provider.find(attempt(1), &offer(false)).await.unwrap();
    let tag = ("Tag.1.Key", "gpu-attempt");
    assert_as_recorded(&noted(0)[0], "list", &[tag], &[], &["Tag.1.Value"]);
    assert_as_recorded(&noted(1)[0], "list", &[tag, ("Tag.1.Value", &token)], &[], &[]);

    assert!(matches!(provider.observe(&handle(id)).await, Err(ProviderError::NotFound(_))));
    assert_as_recorded(&noted(2)[0], "look", &[], &[], &[]);

    provider.terminate(&handle(id)).await.unwrap();
    assert_as_recorded(&noted(3)[0], "delete", &[("Force", "true")], &[], &["ClientToken"]);

    assert_eq!(provider.last_log(&handle(id), 2).await.unwrap(), ["2", "3"]);
    let ours = [("Timeout", "10"), ("Name", "gpu-log")];
    let less = ["ClientToken", "Tag.1.Key", "Tag.1.Value"];
    assert_as_recorded(&noted(4)[0], "command", &ours, &["CommandContent"], &less);
    assert_as_recorded(&noted(5)[0], "results", &[("InvokeId", "t-1")], &[], &[]);
    assert_eq!(provider.last_log(&handle(id), 0).await.unwrap(), [""; 0]);
    assert_eq!(peer.seen().len(), 6, "no lines need no call");

    provider.offers().await.unwrap();
    let market = noted(6);
    let of = |action: &str| {
        let found = market.iter().filter(move |seen| seen.headers["x-acs-action"] == action);
        found.cloned().collect::<Vec<_>>()
    };
    let all_kinds = ["InstanceTypes.1", "InstanceTypes.2"];
    assert_as_recorded(&of("DescribeInstanceTypes")[0], "types", &[], &["MinimumGPUAmount"], &all_kinds);
    let spot: BTreeSet<_> = of("DescribeAvailableResource")
        .iter()
        .map(|seen| {
            assert_as_recorded(seen, "stock", &[], &["SpotStrategy"], &["InstanceType"]);
            parameters(seen)["SpotStrategy"].clone()
        })
        .collect();
    assert_eq!(spot, BTreeSet::from(["NoSpot".to_owned(), "SpotAsPriceGo".to_owned()]));
    assert_as_recorded(
        &of("DescribePrice")[0],
        "price",
        &[],
        &[],
        &["SystemDisk.Category", "SystemDisk.Size"],
    );
    let since = [("StartTime", "2026-06-01T08:00:00Z")];
    assert_as_recorded(&of("DescribeSpotPriceHistory")[0], "history", &since, &[], &["ZoneId"]);
}

#[tokio::test]
async fn each_status_has_its_phase() {
    for (status, locks, phase) in [
        ("Pending", json!([]), Phase::Starting),
        ("Starting", json!([]), Phase::Starting),
        ("Running", json!([]), Phase::Running),
        ("Running", json!([{"LockReason": "financial"}]), Phase::Running),
        ("Running", json!([{"LockReason": "Recycling"}]), Phase::Preempted),
        ("Stopped", json!([{"LockReason": "recycling"}]), Phase::Preempted),
        ("Stopping", json!([]), Phase::Exited { code: None }),
        ("Stopped", json!([]), Phase::Exited { code: None }),
        ("Succeeded", json!([]), Phase::Unknown("Succeeded".into())),
    ] {
        let one = json!({"InstanceId": "x", "Status": status, "OperationLocks": {"LockReason": locks}});
        let peer = Peer::saying(200, &json!({"Instances": {"Instance": [one]}}).to_string()).await;
        let Observation { phase: seen, detail } = noon(&peer.url).observe(&handle("x")).await.unwrap();
        assert_eq!(seen, phase);
        assert!(detail.unwrap().contains(status));
    }
}

#[tokio::test]
async fn a_list_goes_to_its_last_page() {
    let peer = Peer::start(|seen| {
        let (number, next) = match parameters(seen).get("NextToken").map(String::as_str) {
            None => (1, "two"),
            Some("two") => (2, "three"),
            Some(_) => (3, ""),
        };
        let tags = json!({"Tag": [{"TagKey": "gpu-attempt", "TagValue": attempt(number).to_string()}]});
        let one =
            json!({"InstanceId": format!("i-{number}"), "Tags": tags, "CreationTime": "2026-06-01T12:00Z"});
        (200, vec![], json!({"Instances": {"Instance": [one]}, "NextToken": next}).to_string())
    })
    .await;
    let list = noon(&peer.url).list().await.unwrap();
    let attempts: Vec<_> = list.iter().map(|one| one.attempt.unwrap()).collect();
    assert_eq!(attempts, [attempt(1), attempt(2), attempt(3)]);
    assert_eq!(list[0].created_at, Some("2026-06-01T12:00:00Z".parse().unwrap()));
}

#[tokio::test]
async fn nonsense_keeps_the_clouds_own_words_and_no_secret() {
    for body in ["<html>maintenance", r#"{"ok": "maintenance"}"#, "[\"maintenance\"]"] {
        for status in [200, 403, 502] {
            let peer = Peer::saying(status, body).await;
            let provider = noon(&peer.url);
            for error in [
                provider.launch(&launch(1, offer(false))).await.unwrap_err(),
                provider.list().await.unwrap_err(),
                provider.find(attempt(1), &offer(false)).await.unwrap_err(),
                provider.observe(&handle("x")).await.unwrap_err(),
                provider.terminate(&handle("x")).await.unwrap_err(),
                provider.offers().await.unwrap_err(),
                provider.last_log(&handle("x"), 5).await.unwrap_err(),
            ] {
                assert!(matches!(error, ProviderError::Unknown(_)), "{status} {body}: {error:?}");
                assert!(error.to_string().contains("maintenance"), "{error}");
            }
        }
    }
    let body = json!({"Code": "SignatureDoesNotMatch", "Message": format!("{SECRET} is wrong")}).to_string();
    let peer = Peer::saying(400, &body).await;
    let error = noon(&peer.url).list().await.unwrap_err();
    assert_eq!(error, ProviderError::Credentials("SignatureDoesNotMatch: *** is wrong".into()));
    let text = format!("{:?}", alibaba::provider(settings(&peer.url, SECRET), Arc::new(Noon)));
    assert!(!text.contains(SECRET), "{text}");
}

#[tokio::test]
async fn a_wait_is_passed_on_from_either_header() {
    for (header, value, wait) in [("x-acs-retry-after", "1500", 1_500), ("retry-after", "12", 12_000)] {
        let body = r#"{"Code": "Throttling.User", "Message": "slow down"}"#;
        let peer = Peer::start(move |_| (429, vec![(header, value)], body.to_owned())).await;
        let error = noon(&peer.url).launch(&launch(1, offer(false))).await.unwrap_err();
        let ProviderError::RateLimited { retry_after, .. } = error else { panic!("{error:?}") };
        assert_eq!(retry_after, Some(Duration::from_millis(wait)));
        assert_eq!(peer.seen().len(), 1, "a create is sent once");
    }
}

#[tokio::test]
async fn a_zone_that_is_not_configured_is_not_asked_for() {
    let peer = Peer::start(|seen| (200, vec![], answer(seen))).await;
    let mut launch = launch(1, offer(false));
    launch.offer.region = "cn-hangzhou-z".into();
    let provider = noon(&peer.url);
    assert!(matches!(provider.launch(&launch).await, Err(ProviderError::Invalid(_))));
    assert_eq!(peer.seen().len(), 0);
    // What was launched there before is looked for everywhere.
    assert_eq!(provider.find(launch.attempt, &launch.offer).await.unwrap(), []);
    assert_eq!(peer.seen().len(), 1);
}

#[tokio::test]
async fn a_parameter_that_is_wrong_is_a_provider_that_says_so() {
    let cloud = providers::CLOUDS.iter().find(|cloud| cloud.name == "alibaba").unwrap();
    let (provider, wrong) = cloud.provider("{}", None, Arc::new(Noon));
    assert_eq!(wrong.as_deref(), Some("the parameter /providers/alibaba: regions is missing"));
    let error = provider.offers().await.unwrap_err();
    assert_eq!(error, ProviderError::Credentials(wrong.unwrap()));
    let right = json!({
        "access_key_id": KEY_ID, "access_key_secret": SECRET,
        "regions": [{"id": REGION, "zones": {ZONE: "vsw-1"}, "security_group_id": "sg-1", "image_id": "m-1"}],
    });
    let (provider, wrong) = cloud.provider(&right.to_string(), Some("http://127.0.0.1:9"), Arc::new(Noon));
    assert_eq!((provider.name().as_str(), wrong), ("alibaba", None));
    let (_, wrong) = cloud.provider(&right.to_string(), Some("nowhere"), Arc::new(Noon));
    assert!(wrong.unwrap().contains("ALIBABA_URL"));
}

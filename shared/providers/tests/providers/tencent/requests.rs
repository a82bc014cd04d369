//! What the adapter sends is what the official clients of Tencent Cloud and of Kubernetes were recorded to send.

use std::collections::BTreeMap;

use app::ports::Clock;
use serde_json::{Value, json};
use url::Url;

use super::{Now, cloud, handle, job, of, of_cluster, offer};
use crate::{
    peer::{Answer, Peer, Seen},
    values::{attempt, launch},
};

fn recorded(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../../fixtures/tencent_requests.json")).unwrap();
    all[name].clone()
}

/// Path and parameters, however they are spelt.
fn parts(target: &str) -> (String, BTreeMap<String, String>) {
    let url = Url::parse(&format!("http://x{target}")).unwrap();
    (url.path().to_owned(), url.query_pairs().into_owned().collect())
}

/// Method, path and the headers that matter.
fn assert_like(seen: &Seen, recorded: &Value) {
    assert_eq!(seen.method, recorded["method"]);
    for (name, value) in recorded["headers"].as_object().unwrap() {
        assert_eq!(seen.headers.get(name).map(String::as_str), value.as_str(), "{name} of {}", seen.target);
    }
}

fn action(peer: &Peer, name: &str) -> Seen {
    let is = |seen: &Seen| seen.headers.get("x-tc-action").is_some_and(|action| action == name);
    peer.seen().into_iter().find(is).unwrap_or_else(|| panic!("no {name}"))
}

fn body(seen: &Seen) -> Value {
    serde_json::from_str(&seen.body).unwrap()
}

/// A cluster with job 1, its pod and its log.
fn cluster(seen: &Seen) -> Answer {
    let (path, _) = parts(&seen.target);
    let answer = match path.rsplit('/').next().unwrap() {
        "log" => return (200, vec![], "line 1\nline 2\n".to_owned()),
        "pods" => {
            json!({"metadata": {}, "items": [{"metadata": {"name": "p-x7k2p"}, "status": {"phase": "Running"}}]})
        }
        "jobs" if seen.method == "GET" => json!({"metadata": {}, "items": [job(1, &json!({}))]}),
        "secrets" => json!({"metadata": {"name": "s"}}),
        _ => job(1, &json!({})),
    };
    (200, vec![], answer.to_string())
}

#[tokio::test]
async fn the_cluster_is_asked_for_once() {
    let peer = cloud(cluster).await;
    let provider = of(&peer);
    provider.list().await.unwrap();
    provider.list().await.unwrap();
    for (name, action_name) in
        [("endpoints", "DescribeClusterEndpoints"), ("kubeconfig", "DescribeClusterKubeconfig")]
    {
        let (seen, recorded) = (action(&peer, action_name), recorded(name));
        assert_like(&seen, &recorded);
        assert_eq!((seen.target.as_str(), body(&seen)), ("/", recorded["body"].clone()));
    }
    assert_eq!(peer.seen().len(), 4);
}

#[tokio::test]
async fn prices_and_stock() {
    let peer = cloud(cluster).await;
    of(&peer).offers().await.unwrap();
    let (seen, recorded) = (action(&peer, "DescribeZoneInstanceConfigInfos"), recorded("configurations"));
    assert_like(&seen, &recorded);
    let (ours, theirs) = (body(&seen), recorded["body"].clone());
    for (ours, theirs) in
        ours["Filters"].as_array().unwrap().iter().zip(theirs["Filters"].as_array().unwrap())
    {
        assert_eq!(ours["Name"], theirs["Name"]);
        let values = ours["Values"].as_array().unwrap();
        assert!(
            theirs["Values"].as_array().unwrap().iter().all(|value| values.contains(value)),
            "{values:?}"
        );
    }
}

#[tokio::test]
async fn create() {
    let peer = cloud(cluster).await;
    let mut launch = launch(1, offer());
    launch.spec.image = "busybox:1.36".into();
    launch.env = BTreeMap::from([("GP_JOB".to_owned(), "0001".to_owned())]);
    launch.release_at = Now.now() + jiff::SignedDuration::from_hours(1);
    let made = of(&peer).launch(&launch).await.unwrap();
    assert_eq!((made.handle, made.attempt), (handle(1), Some(attempt(1))));

    let [secret, seen, owner] = &of_cluster(&peer)[..] else { panic!("{:?}", of_cluster(&peer)) };
    let recorded = recorded("create");
    assert_like(seen, &recorded);
    assert_eq!(seen.target, recorded["target"]);
    let name = format!("gpu-{}", attempt(1)).replace('_', "-");
    let labels =
        json!({"gpu-attempt": attempt(1).to_string(), "app.kubernetes.io/managed-by": "gpu-control-plane"});

    // What is ours to choose.
    let (mut ours, mut theirs) = (body(seen), recorded["body"].clone());
    let seconds = ours["spec"]["activeDeadlineSeconds"].as_i64().unwrap();
    assert!((3590..=3600).contains(&seconds), "{seconds}");
    assert_eq!(ours["spec"]["template"]["spec"]["activeDeadlineSeconds"], seconds);
    theirs["metadata"] = json!({"name": name, "labels": labels});
    theirs["spec"].as_object_mut().unwrap().remove("podFailurePolicy");
    theirs["spec"]["activeDeadlineSeconds"] = json!(seconds);
    theirs["spec"]["ttlSecondsAfterFinished"] = json!(86_400);
    theirs["spec"]["template"]["metadata"] = json!({"labels": labels, "annotations": {
        "eks.tke.cloud.tencent.com/gpu-type": "T4", "eks.tke.cloud.tencent.com/gpu-count": "1",
        "eks.tke.cloud.tencent.com/resource-tag": r#"{"gpu-attempt":"att_00000000000000000000000000000001"}"#,
        "eks.tke.cloud.tencent.com/cpu": "4", "eks.tke.cloud.tencent.com/mem": "16Gi"}});
    let pod = &mut theirs["spec"]["template"]["spec"];
    let container = pod["containers"][0].as_object_mut().unwrap();
    container.remove("args");
    container.remove("env");
    container.insert("command".into(), json!(["sh", "-c", "eval \"$GPU_RUNNER\""]));
    container.insert("envFrom".into(), json!([{"secretRef": {"name": name}}]));
    container["resources"]["requests"]["nvidia.com/gpu"] = json!("1");
    pod["nodeSelector"] =
        json!({"node.kubernetes.io/instance-type": "eklet", "topology.kubernetes.io/zone": "100006"});
    let eklet =
        json!({"key": "eks.tke.cloud.tencent.com/eklet", "operator": "Exists", "effect": "NoSchedule"});
    pod["tolerations"].as_array_mut().unwrap().insert(0, eklet);
    pod["automountServiceAccountToken"] = json!(false);
    pod["enableServiceLinks"] = json!(false);
    ours["spec"]["template"]["spec"].as_object_mut().unwrap().remove("activeDeadlineSeconds");
    assert_eq!(ours, theirs);

    // The environment is where a list of jobs does not show it, and goes with the job.
    assert_eq!((secret.method.as_str(), secret.target.as_str()), ("POST", "/api/v1/namespaces/gpu/secrets"));
    let made = body(secret);
    assert_eq!((&made["metadata"]["name"], &made["data"]), (&json!(name), &json!({"GP_JOB": "MDAwMQ=="})));
    assert!(!seen.body.contains("GP_JOB"), "{}", seen.body);
    assert_eq!(
        (owner.method.as_str(), &owner.headers["content-type"][..]),
        ("PATCH", "application/merge-patch+json")
    );
    assert_eq!(body(owner)["metadata"]["ownerReferences"][0]["uid"], "u1");
}

#[tokio::test]
async fn create_spot_with_a_large_disk() {
    let peer = cloud(cluster).await;
    let mut launch = launch(1, offer());
    launch.offer.spot = true;
    launch.offer.instance_type = "PNV4.14XLARGE232".into();
    launch.offer.gpu_count = 2;
    launch.spec.disk_gib = 100;
    of(&peer).launch(&launch).await.unwrap();
    let made = body(&of_cluster(&peer)[1]);
    let annotations = &made["spec"]["template"]["metadata"]["annotations"];
    for (name, value) in
        [("spot-pod", "true"), ("gpu-type", "A10*PNV4"), ("gpu-count", "2"), ("root-cbs-size", "100")]
    {
        assert_eq!(annotations[format!("eks.tke.cloud.tencent.com/{name}")], value);
    }
}

#[tokio::test]
async fn look_list_and_delete() {
    let peer = cloud(cluster).await;
    let provider = of(&peer);
    provider.observe(&handle(1)).await.unwrap();
    provider.list().await.unwrap();
    provider.find(attempt(1), &offer()).await.unwrap();
    provider.terminate(&handle(1)).await.unwrap();
    assert_eq!(provider.last_log(&handle(1), 100).await.unwrap(), ["line 1", "line 2"]);

    let name = format!("gpu-{}", attempt(1)).replace('_', "-");
    let selector = |label: &str| BTreeMap::from([("labelSelector".to_owned(), label.to_owned())]);
    let seen = of_cluster(&peer);
    let check = |name_of: &str, path: &str, mut parameters: BTreeMap<String, String>| {
        let recorded = recorded(name_of);
        let (template, theirs) = parts(recorded["target"].as_str().unwrap());
        assert_eq!(parameters.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{name_of}");
        assert_eq!(path, template.replace("gp-job-0001-x7k2p", "p-x7k2p").replace("gp-job-0001", &name));
        let found = seen.iter().find(|seen| {
            let (at, mut given) = parts(&seen.target);
            // A list is read in pages.
            if given.remove("limit").is_some() {
                assert_eq!(given.get("continue"), None);
            }
            at == path && given == parameters && seen.method == recorded["method"]
        });
        assert_like(found.unwrap_or_else(|| panic!("{name_of}: {seen:?}")), &recorded);
        parameters.clear();
    };
    let jobs = "/apis/batch/v1/namespaces/gpu/jobs";
    let pods = "/api/v1/namespaces/gpu/pods";
    check("read", &format!("{jobs}/{name}/status"), BTreeMap::new());
    check("pods", pods, selector(&format!("batch.kubernetes.io/job-name={name}")));
    check("list", jobs, selector("app.kubernetes.io/managed-by=gpu-control-plane"));
    check("list", jobs, selector(&format!("gpu-attempt={}", attempt(1))));
    let background = BTreeMap::from([("propagationPolicy".to_owned(), "Background".to_owned())]);
    check("delete", &format!("{jobs}/{name}"), background);
    let log = seen.iter().find(|seen| seen.target.contains("/log?")).unwrap();
    assert_eq!(log.target, format!("{pods}/p-x7k2p/log?container=main&tailLines=100"));
}

//! A job from its making to its end.

use crate::harness::{JOBS, PODS, Sim, job, processes};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn an_exit_code_reaches_the_status() {
    let sim = Sim::start().await;
    sim.job("a", "echo out; echo err >&2; exit 3").await;
    let ended = sim.ended("a").await;
    let condition = &ended["status"]["conditions"][0];
    assert_eq!(
        (&condition["type"], &condition["reason"]),
        (&json!("Failed"), &json!("BackoffLimitExceeded"))
    );
    assert_eq!((&ended["status"]["failed"], &ended["status"]["active"]), (&json!(1), &json!(0)));
    let pods = sim.pods("a").await;
    let state = &pods[0]["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((pods.len(), &state["exitCode"], &state["reason"]), (1, &json!(3), &json!("Error")));
    assert_eq!(sim.log(&pods[0], "").await, "out\nerr\n");
    sim.job("b", "exit 0").await;
    let ended = sim.ended("b").await;
    assert_eq!(
        (&ended["status"]["succeeded"], &ended["status"]["conditions"][0]["type"]),
        (&json!(1), &json!("Complete"))
    );
    // As in any argument of a container, two dollars are one.
    sim.job("c", "kill -9 $$$$").await;
    sim.ended("c").await;
    let killed = &sim.pods("c").await[0]["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(killed["exitCode"], 137);
    sim.finish().await;
}

#[tokio::test]
async fn a_second_job_of_that_name_is_refused_and_not_run() {
    let sim = Sim::start().await;
    sim.job("a", "sleep 60").await;
    let (status, said) = sim.post(JOBS, job("a", "exit 1")).await;
    assert_eq!((status.as_u16(), &said["reason"]), (409, &json!("AlreadyExists")));
    assert_eq!(said["message"], "jobs.batch \"a\" already exists");
    let (_, all) = sim.get("/_sim/instances").await;
    assert_eq!(all["created"]["a"], 1);
    sim.finish().await;
}

#[tokio::test]
async fn the_environment_is_the_specs_and_secrets_are_waited_for() {
    let sim = Sim::start().await;
    let mut body = job("a", "echo $A $B $C; env | grep -c CARGO");
    let container = &mut body["spec"]["template"]["spec"]["containers"][0];
    container["env"] = json!([
        {"name": "A", "value": "x y"},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]);
    container["envFrom"] = json!([{"secretRef": {"name": "s"}}]);
    let (_, made) = sim.post(JOBS, body).await;
    let waits = |list: &Value| {
        let state = &list["items"][0]["status"]["containerStatuses"][0]["state"]["waiting"];
        state["reason"] == "CreateContainerConfigError"
    };
    sim.until(&format!("{PODS}?labelSelector=job-name%3Da"), "waiting", waits).await;
    let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "a", "uid": made["metadata"]["uid"]});
    let secret = json!({
        "metadata": {"name": "s", "ownerReferences": [owner]}, "stringData": {"k": "hush", "C": "more"},
    });
    assert_eq!(sim.post("/api/v1/namespaces/gpu/secrets", secret).await.0, 201);
    sim.ended("a").await;
    let pod = &sim.pods("a").await[0];
    assert_eq!(sim.log(pod, "").await, "x y hush more\n0\n");
    sim.delete(&format!("{JOBS}/a?propagationPolicy=Background")).await;
    assert_eq!(sim.get("/api/v1/namespaces/gpu/secrets/s").await.0, 404);
    sim.finish().await;
}

#[tokio::test]
async fn how_a_job_is_deleted_decides_about_its_pod() {
    let sim = Sim::start().await;
    for name in ["back", "fore", "none"] {
        sim.job(name, "sleep 3600").await;
        sim.pod(name, "Running").await;
    }
    let (_, said) = sim.delete(&format!("{JOBS}/back?propagationPolicy=Background")).await;
    assert_eq!((&said["kind"], &said["status"]), (&json!("Status"), &json!("Success")));
    sim.gone("back").await;
    let options = json!({"propagationPolicy": "Foreground"});
    let (_, said) = sim.call(Method::DELETE, &format!("{JOBS}/fore"), Some(options)).await;
    assert_eq!((&said["kind"], said["metadata"]["deletionTimestamp"].is_string()), (&json!("Job"), true));
    sim.gone("fore").await;
    sim.until(&format!("{JOBS}/fore"), "gone", |job| job["code"] == 404).await;
    let (status, _) = sim.delete(&format!("{JOBS}/none")).await;
    assert_eq!(status, 200);
    assert_eq!(sim.get(&format!("{JOBS}/none")).await.0, 404);
    // Without a word about it the pod stays, and costs.
    let pod = sim.pod("none", "Running").await;
    assert_ne!(processes(pod["metadata"]["uid"].as_str().unwrap()), Vec::<u32>::new());
    let name = pod["metadata"]["name"].as_str().unwrap();
    sim.delete(&format!("{PODS}/{name}?gracePeriodSeconds=0")).await;
    sim.gone("none").await;
    assert_eq!(sim.delete(&format!("{JOBS}/none")).await.0, 404);
    sim.finish().await;
}

#[tokio::test]
async fn a_deadline_ends_the_job_and_takes_the_pod() {
    let sim = Sim::start().await;
    let mut body = job("a", "sleep 3600");
    body["spec"]["activeDeadlineSeconds"] = json!(1);
    sim.post(JOBS, body).await;
    let ended = sim.ended("a").await;
    assert_eq!(ended["status"]["conditions"][0]["reason"], "DeadlineExceeded");
    sim.gone("a").await;
    let mut body = job("b", "sleep 3600");
    body["spec"]["template"]["spec"]["activeDeadlineSeconds"] = json!(1);
    sim.post(JOBS, body).await;
    sim.ended("b").await;
    assert_eq!(sim.pods("b").await[0]["status"]["reason"], "DeadlineExceeded");
    sim.finish().await;
}

#[tokio::test]
async fn a_job_is_tried_again_and_forgotten_as_it_asks() {
    let sim = Sim::start().await;
    sim.control("settings", json!({"backoff_ms": 10})).await;
    let mut body = job("a", "exit 1");
    body["spec"]["backoffLimit"] = json!(1);
    sim.post(JOBS, body).await;
    assert_eq!(sim.ended("a").await["status"]["failed"], 2);
    assert_eq!(sim.pods("a").await.len(), 2);
    let mut body = job("b", "exit 0");
    body["spec"]["ttlSecondsAfterFinished"] = json!(0);
    sim.post(JOBS, body).await;
    sim.until(&format!("{JOBS}/b"), "forgotten", |job| job["code"] == 404).await;
    sim.gone("b").await;
    sim.finish().await;
}

#[tokio::test]
async fn what_no_apiserver_would_take_is_refused() {
    let sim = Sim::start().await;
    let path = "spec.template.spec";
    for (place, value, status, word) in [
        ("/metadata/name", json!("Bad_Name"), 422, "metadata.name".to_owned()),
        ("/metadata/labels", json!({"gp:job": "1"}), 422, "metadata.labels".to_owned()),
        ("/spec/template/spec/restartPolicy", json!("Always"), 422, format!("{path}.restartPolicy")),
        ("/spec/template/spec/containers", json!([]), 422, format!("{path}.containers")),
        ("/spec/template/spec/containers/0/image", json!(""), 422, format!("{path}.containers[0].image")),
        ("/spec/template/spec/containers/0/args", json!([1]), 400, "args[0] of type string".to_owned()),
        ("/spec/backoffLimit", json!("0"), 400, "spec.backoffLimit of type int64".to_owned()),
        ("/spec/backoffLimit", json!(-1), 422, "spec.backoffLimit".to_owned()),
        ("/kind", json!("Pod"), 400, "cannot be handled as a Job".to_owned()),
    ] {
        let mut body = job("a", "true");
        *body.pointer_mut(place).unwrap() = value;
        let (got, said) = sim.post(JOBS, body).await;
        assert_eq!(got.as_u16(), status, "{place}: {said}");
        assert!(said["message"].as_str().unwrap().contains(&word), "{place}: {said}");
        assert_eq!(said["kind"], "Status");
    }
    let mut body = job("a", "true");
    body["spec"]["backofLimit"] = json!(0);
    let (status, said) = sim.post(&format!("{JOBS}?fieldValidation=Strict"), body.clone()).await;
    assert_eq!(status, 400);
    assert!(said["message"].as_str().unwrap().contains("unknown field \"spec.backofLimit\""), "{said}");
    let lax = sim.request(Method::POST, JOBS).body(body.to_string()).send().await.unwrap();
    assert_eq!(lax.status(), 201);
    assert!(lax.headers()["warning"].to_str().unwrap().contains("spec.backofLimit"));
    let nowhere = JOBS.replace("/gpu/", "/nowhere/");
    assert_eq!(sim.post(&nowhere, job("a", "true")).await.1["message"], "namespaces \"nowhere\" not found");
    sim.finish().await;
}

//! What the adapter makes of answers that no simulation gives.

use std::sync::atomic::{AtomicU32, Ordering};

use app::ports::{Phase, ProviderError};
use serde_json::{Value, json};

use super::{SECRET_KEY, TOKEN, cloud, handle, job, of, of_cluster, offer};
use crate::{
    peer::{Answer, Peer, Seen},
    values::{attempt, launch},
};

fn ok(body: &Value) -> Answer {
    (200, vec![], body.to_string())
}

fn status(code: u16, reason: &str, message: &str) -> Answer {
    let body =
        json!({"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code});
    (code, vec![], body.to_string())
}

fn is(seen: &Seen, method: &str, part: &str) -> bool {
    seen.method == method && seen.target.contains(part)
}

/// The cloud's own API with another answer to one action.
async fn instead(action: &'static str, answer: Value) -> Peer {
    Peer::start(move |seen| match seen.headers.get("x-tc-action") {
        Some(asked) if asked == action => ok(&json!({"Response": answer})),
        Some(asked) => ok(&json!({"Response": super::own(asked, seen)})),
        None => ok(&job(1, &json!({}))),
    })
    .await
}

#[tokio::test]
async fn a_repeat_finds_the_job_that_is_there() {
    let peer = cloud(|seen| match seen.method.as_str() {
        "POST" => status(409, "AlreadyExists", "jobs.batch already exists"),
        _ => ok(&job(1, &json!({"active": 1, "ready": 1}))),
    })
    .await;
    let made = of(&peer).launch(&launch(1, offer())).await.unwrap();
    assert_eq!((made.handle, made.phase), (handle(1), Phase::Running));
    assert_eq!(made.created_at.unwrap().to_string(), crate::values::SEEN);
}

#[tokio::test]
async fn somebody_elses_job_of_that_name_is_not_taken() {
    let peer = cloud(|seen| match seen.method.as_str() {
        "POST" => status(409, "AlreadyExists", "jobs.batch already exists"),
        _ => ok(&json!({"metadata": {"name": job(1, &json!({}))["metadata"]["name"]}})),
    })
    .await;
    let error = of(&peer).launch(&launch(1, offer())).await.unwrap_err();
    assert!(matches!(error, ProviderError::Invalid(_)), "{error:?}");
}

#[tokio::test]
async fn a_refused_job_leaves_no_secret() {
    let peer = cloud(|seen| {
        if is(seen, "POST", "/jobs") {
            return status(403, "Forbidden", "jobs.batch \"x\" is forbidden: exceeded quota: gpu");
        }
        ok(&json!({"metadata": {"name": "x"}}))
    })
    .await;
    let error = of(&peer).launch(&launch(1, offer())).await.unwrap_err();
    assert!(matches!(error, ProviderError::Quota(_)), "{error:?}");
    let seen = of_cluster(&peer);
    assert!(is(seen.last().unwrap(), "DELETE", "/secrets/gpu-att-"), "{seen:?}");
}

#[tokio::test]
async fn a_job_that_may_be_there_keeps_its_secret() {
    let peer = cloud(|seen| {
        if is(seen, "POST", "/jobs") {
            (504, vec![], "gateway".to_owned())
        } else {
            ok(&json!({"metadata": {"name": "x"}}))
        }
    })
    .await;
    let error = of(&peer).launch(&launch(1, offer())).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unknown(_)), "{error:?}");
    assert!(of_cluster(&peer).iter().all(|seen| seen.method != "DELETE"));
}

#[tokio::test]
async fn what_fails_before_the_job_made_none() {
    let peer =
        cloud(
            |seen| if is(seen, "POST", "/secrets") { (502, vec![], String::new()) } else { ok(&json!({})) },
        )
        .await;
    let error = of(&peer).launch(&launch(1, offer())).await.unwrap_err();
    assert!(matches!(error, ProviderError::RateLimited { .. }), "{error:?}");
    assert!(of_cluster(&peer).iter().all(|seen| !seen.target.contains("/jobs")));
}

#[tokio::test]
async fn what_is_sold_out_is_not_asked_for() {
    let gone = json!({"InstanceTypeQuotaSet": [{"Zone": "ap-guangzhou-6", "InstanceType": "GN7.2XLARGE32",
        "InstanceFamily": "GN7", "InstanceChargeType": "POSTPAID_BY_HOUR", "Status": "SOLD_OUT"}]});
    let peer = instead("DescribeZoneInstanceConfigInfos", gone).await;
    let error = of(&peer).launch(&launch(1, offer())).await.unwrap_err();
    assert!(matches!(error, ProviderError::Capacity(_)), "{error:?}");
    assert!(of_cluster(&peer).is_empty());
}

#[tokio::test]
async fn stock_that_cannot_be_asked_for_stops_no_launch() {
    let peer = instead(
        "DescribeZoneInstanceConfigInfos",
        json!({"Error": {"Code": "InternalError", "Message": "m"}}),
    )
    .await;
    of(&peer).launch(&launch(1, offer())).await.unwrap();
}

#[tokio::test]
async fn a_cluster_that_is_not_there_says_nothing_of_its_jobs() {
    for code in ["ResourceNotFound.ClusterNotFound", "InvalidParameter", "AuthFailure.SecretIdNotFound"] {
        let peer =
            instead("DescribeClusterKubeconfig", json!({"Error": {"Code": code, "Message": "m"}})).await;
        for error in [of(&peer).observe(&handle(1)).await.map(drop), of(&peer).terminate(&handle(1)).await] {
            assert!(matches!(error, Err(ProviderError::Credentials(_))), "{code}: {error:?}");
        }
    }
    let peer = instead("DescribeClusterEndpoints", json!({"ClusterExternalEndpoint": ""})).await;
    let error = of(&peer).list().await.unwrap_err();
    assert!(
        matches!(&error, ProviderError::Credentials(why) if why.contains("no endpoint on the internet")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_kubeconfig_that_cannot_be_used_is_told_without_its_values() {
    let key = "client-key-data: SElEREVO";
    for text in [
        format!("users: [{{{key}}}]"),
        format!(
            "clusters:\n- cluster:\n    server: https://127.0.0.1:1\n  name: c\nusers:\n- name: u\n  user:\n    client-certificate-data: SElEREVO\n    {key}\n"
        ),
    ] {
        let peer = instead("DescribeClusterKubeconfig", json!({"Kubeconfig": text})).await;
        let error = of(&peer).list().await.unwrap_err();
        assert!(matches!(error, ProviderError::Credentials(_)), "{error:?}");
        assert!(!error.to_string().contains("SElEREVO") && !error.to_string().contains("HIDDEN"), "{error}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_asked_for_again() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let peer = cloud(|_| match CALLS.fetch_add(1, Ordering::Relaxed) {
        0 => status(401, "Unauthorized", "Unauthorized"),
        _ => ok(&json!({"metadata": {}, "items": []})),
    })
    .await;
    let provider = of(&peer);
    assert!(matches!(provider.list().await, Err(ProviderError::Credentials(_))));
    assert_eq!(provider.list().await.unwrap(), []);
    let asked = peer.seen().iter().filter(|seen| seen.headers.contains_key("x-tc-action")).count();
    assert_eq!(asked, 4);
}

#[tokio::test]
async fn a_pod_without_its_job_still_costs() {
    let pods = |status: Value, deleted: Value| json!({"metadata": {}, "items": [{"metadata": {"name": "p", "deletionTimestamp": deleted}, "status": status}]});
    let left = pods(json!({"phase": "Running"}), Value::Null);
    let peer = cloud(move |seen| match seen.method.as_str() {
        "GET" if seen.target.contains("/pods") => ok(&left),
        "DELETE" if seen.target.contains("/pods/p") => ok(&json!({"kind": "Status"})),
        _ => status(404, "NotFound", "jobs.batch not found"),
    })
    .await;
    let seen = of(&peer).observe(&handle(1)).await.unwrap();
    assert_eq!(seen.phase, Phase::Running);
    of(&peer).terminate(&handle(1)).await.unwrap();
    assert!(of_cluster(&peer).iter().any(|seen| is(seen, "DELETE", "/pods/p")));

    for left in [
        pods(json!({"phase": "Succeeded"}), Value::Null),
        pods(json!({"phase": "Running"}), json!("2026-06-01T12:00:00Z")),
    ] {
        let peer = cloud(move |seen| {
            if seen.target.contains("/pods") {
                ok(&left)
            } else {
                status(404, "NotFound", "jobs.batch not found")
            }
        })
        .await;
        for gone in [of(&peer).observe(&handle(1)).await.map(drop), of(&peer).terminate(&handle(1)).await] {
            assert!(matches!(gone, Err(ProviderError::NotFound(_))), "{gone:?}");
        }
    }
}

#[tokio::test]
async fn a_page_of_the_load_balancer_says_nothing_of_a_job() {
    let peer = cloud(|_| (404, vec![], "<html>no backend".to_owned())).await;
    for error in [of(&peer).observe(&handle(1)).await.map(drop), of(&peer).terminate(&handle(1)).await] {
        assert!(matches!(error, Err(ProviderError::Unknown(_))), "{error:?}");
    }
}

#[tokio::test]
async fn a_list_is_read_to_its_end() {
    let peer = cloud(|seen| {
        let (next, number) = if seen.target.contains("continue=more") { ("", 2) } else { ("more", 1) };
        ok(&json!({"metadata": {"continue": next}, "items": [job(number, &json!({}))]}))
    })
    .await;
    let list = of(&peer).list().await.unwrap();
    let attempts: Vec<_> = list.iter().filter_map(|one| one.attempt).collect();
    assert_eq!(attempts, [attempt(1), attempt(2)]);
}

#[tokio::test]
async fn a_container_that_has_not_begun_has_no_log() {
    let peer = cloud(|seen| {
        if seen.target.contains("/log") {
            return status(
                400,
                "BadRequest",
                "container \"main\" in pod \"p\" is waiting to start: ContainerCreating",
            );
        }
        ok(&json!({"metadata": {}, "items": [{"metadata": {"name": "p"}}]}))
    })
    .await;
    assert_eq!(of(&peer).last_log(&handle(1), 10).await.unwrap(), [""; 0]);
    assert_eq!(of(&peer).last_log(&handle(1), 0).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_handle_is_good_for_the_cluster_that_it_names() {
    let peer = cloud(|_| ok(&job(1, &json!({})))).await;
    let mut elsewhere = handle(1);
    elsewhere.id = "cls-old/before/gpu-x".into();
    of(&peer).terminate(&elsewhere).await.unwrap();
    assert!(peer.seen().iter().any(|seen| seen.body.contains("cls-old")));
    assert!(of_cluster(&peer)[0].target.starts_with("/apis/batch/v1/namespaces/before/jobs/gpu-x?"));
}

#[tokio::test]
async fn keys_are_in_no_text() {
    let peer = cloud(|_| status(403, "Forbidden", &format!("no such token: {TOKEN}"))).await;
    let error = of(&peer).list().await.unwrap_err();
    assert_eq!(error, ProviderError::Credentials("403 Forbidden: no such token: ***".into()));
    let message = format!("no such key: {SECRET_KEY}");
    let peer = instead(
        "DescribeZoneInstanceConfigInfos",
        json!({"Error": {"Code": "AuthFailure", "Message": message}}),
    )
    .await;
    let error = of(&peer).offers().await.unwrap_err();
    assert_eq!(error, ProviderError::Credentials("AuthFailure: no such key: ***".into()));
}

#[tokio::test]
async fn a_cloud_that_is_not_there_did_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let provider = super::tencent(&url, SECRET_KEY, "cls-abcd1234", "gpu");
    let error = provider.launch(&launch(1, offer())).await.unwrap_err();
    assert!(matches!(error, ProviderError::RateLimited { retry_after: None, .. }), "{error:?}");
}

//! What the RunPod adapter makes of answers, the broken ones above all.

use std::time::Duration;

use app::ports::{Instance, Observation, Phase, ProviderError};
use domain::{money::Money, placement::Stock};
use tokio::{io::AsyncReadExt, net::TcpListener, sync::oneshot};

use crate::{
    peer::Peer,
    values::{KEY, attempt, handle, launch, offer, runpod},
};

#[tokio::test]
async fn a_made_pod_is_an_instance() {
    let body = r#"{"id": "7h9k2m4n6p", "name": "x", "status": "PROVISIONING", "cost": 0.44, "createdAt": "2026-06-01T12:00:00Z"}"#;
    let peer = Peer::saying(201, body).await;
    let made = runpod(&peer.url, KEY).launch(&launch(1, offer())).await.unwrap();
    let expected = Instance {
        handle: handle("7h9k2m4n6p"),
        attempt: Some(attempt(1)),
        created_at: Some("2026-06-01T12:00:00Z".parse().unwrap()),
        phase: Phase::Starting,
    };
    assert_eq!(made, expected);
}

#[tokio::test]
async fn the_list_holds_exactly_what_is_ours() {
    let ours = attempt(0xabc);
    let names = [
        format!("gpu-{ours}"),
        format!("gpu-{}", attempt(2)).to_uppercase(),
        format!("gpu-{ours}x"),
        format!("other-gpu-{ours}"),
        format!("gpu-dev-{ours}"),
        ours.to_string(),
        "gpu-".to_owned(),
        "gpu-test".to_owned(),
        "gpu-att_1".to_owned(),
    ];
    let mut pods: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(n, name)| serde_json::json!({"id": format!("pod{n}"), "name": name, "status": "RUNNING"}))
        .collect();
    pods.push(serde_json::json!({"id": "nameless"}));
    let peer = Peer::saying(200, &serde_json::json!({"pods": pods}).to_string()).await;
    let provider = runpod(&peer.url, KEY);
    let list = provider.list().await.unwrap();
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!((list[0].handle.id.as_str(), list[0].attempt), ("pod0", Some(ours)));
    assert_eq!(provider.find(ours, &offer()).await.unwrap(), list);
    assert_eq!(provider.find(attempt(1), &offer()).await.unwrap(), []);
}

#[tokio::test]
async fn each_status_has_its_phase() {
    for (status, phase) in [
        ("PROVISIONING", Phase::Starting),
        ("STARTING", Phase::Starting),
        ("RUNNING", Phase::Running),
        ("ERROR", Phase::Exited { code: None }),
        ("TERMINATED", Phase::Gone),
        ("SUCCEEDED", Phase::Unknown("SUCCEEDED".into())),
    ] {
        let peer = Peer::saying(200, &format!(r#"{{"id": "x", "status": "{status}"}}"#)).await;
        let seen = runpod(&peer.url, KEY).observe(&handle("x")).await.unwrap();
        assert_eq!(seen, Observation { phase, detail: Some(status.to_owned()) });
    }
}

#[tokio::test]
async fn a_stopped_pod_was_taken_back_if_it_is_spot() {
    let preempted = Phase::Preempted;
    let exited = Phase::Exited { code: None };
    for (pod_type, change, phase) in [
        ("INTERRUPTABLE", "Exited by Runpod: Tue Jun 02 2026", &preempted),
        ("INTERRUPTABLE", "Exited by User: Tue Jun 02 2026", &exited),
        ("RESERVED", "Exited by Runpod: Tue Jun 02 2026", &exited),
    ] {
        let graphql =
            format!(r#"{{"data": {{"pod": {{"podType": "{pod_type}", "lastStatusChange": "{change}"}}}}}}"#);
        let peer = Peer::start(move |seen| match seen.target.as_str() {
            "/graphql" => (200, vec![], graphql.clone()),
            _ => (200, vec![], r#"{"id": "x", "status": "EXITED"}"#.to_owned()),
        })
        .await;
        let seen = runpod(&peer.url, KEY).observe(&handle("x")).await.unwrap();
        assert_eq!(seen, Observation { phase: phase.clone(), detail: Some(change.to_owned()) });
    }
}

#[tokio::test]
async fn why_a_pod_stopped_may_be_unknown_but_not_for_want_of_a_spot_key() {
    for (status, expected) in [(401, true), (500, false)] {
        let peer = Peer::start(move |seen| match seen.target.as_str() {
            "/graphql" => (status, vec![], "{}".to_owned()),
            _ => (200, vec![], r#"{"id": "x", "status": "EXITED"}"#.to_owned()),
        })
        .await;
        let seen = runpod(&peer.url, KEY).observe(&handle("x")).await;
        assert_eq!(seen.is_ok_and(|seen| seen.phase == Phase::Exited { code: None }), expected, "{status}");
    }
}

#[tokio::test]
async fn offers_are_priced_and_placed() {
    let gpus = r#"{"gpus": [
        {"id": "NVIDIA L4", "name": "L4", "memory": 24, "secure": true, "community": false,
         "price": {"secure": 0.43000001, "community": 0}, "maxCount": {"secure": 2, "community": 0},
         "availability": "HIGH", "dataCenters": [{"id": "EU-RO-1", "name": "", "availability": "LOW"},
                                                 {"id": "US-KS-2", "name": "", "availability": "PLENTY"}]},
        {"id": "NVIDIA A40", "name": "A40", "memory": 48, "secure": true, "community": true,
         "price": {"secure": 0.39, "community": 0.3}, "maxCount": {"secure": 1, "community": 8}, "availability": "NONE"},
        {"id": "NVIDIA A30", "name": "A30", "memory": 24, "secure": false, "community": true,
         "price": {"secure": 0.2, "community": 0.1}, "maxCount": {"secure": 8, "community": 8}, "availability": "HIGH"},
        {"id": "NVIDIA H100", "name": "H100", "memory": 80, "secure": true, "community": false,
         "price": {"secure": null, "community": null}, "maxCount": {"secure": 8, "community": 8}}
    ]}"#;
    let spot = r#"{"data": {"gpuTypes": [
        {"id": "NVIDIA L4", "secureSpotPrice": 0.22, "communitySpotPrice": null, "lowestPrice": {"minimumBidPrice": 0.1}},
        {"id": "NVIDIA A40", "secureSpotPrice": null, "communitySpotPrice": 0.2, "lowestPrice": null}
    ]}}"#;
    let peer = Peer::start(move |seen| match seen.target.as_str() {
        "/graphql" => (200, vec![], spot.to_owned()),
        _ => (200, vec![], gpus.to_owned()),
    })
    .await;
    let offers = runpod(&peer.url, KEY).offers().await.unwrap();
    let rows: Vec<_> = offers
        .iter()
        .map(|offer| {
            let Money { micros, .. } = offer.price_per_hour;
            (
                offer.instance_type.as_str(),
                offer.region.as_str(),
                offer.gpu_count,
                offer.spot,
                micros,
                offer.stock,
            )
        })
        .collect();
    let l4 = "NVIDIA L4";
    let expected = [
        (l4, "EU-RO-1", 1, false, 430_000, Stock::Low),
        (l4, "US-KS-2", 1, false, 430_000, Stock::Unknown),
        (l4, "EU-RO-1", 1, true, 220_000, Stock::Low),
        (l4, "US-KS-2", 1, true, 220_000, Stock::Unknown),
        ("NVIDIA A40", "", 1, false, 390_000, Stock::None),
        (l4, "EU-RO-1", 2, false, 860_000, Stock::Low),
        (l4, "US-KS-2", 2, false, 860_000, Stock::Unknown),
        (l4, "EU-RO-1", 2, true, 440_000, Stock::Low),
        (l4, "US-KS-2", 2, true, 440_000, Stock::Unknown),
    ];
    assert_eq!(rows, expected);
    assert_eq!((offers[0].gpu.as_str(), offers[0].gpu_memory_gib), ("L4", 24));
    assert_eq!(offers[0].seen_at.to_string(), crate::values::SEEN);
}

#[tokio::test]
async fn without_spot_prices_there_is_still_on_demand() {
    let peer = Peer::start(|seen| {
        if seen.target == "/graphql" {
            return (500, vec![], "down".to_owned());
        }
        let gpu = r#"{"gpus": [{"id": "NVIDIA L4", "memory": 24, "secure": true, "community": false,
                "price": {"secure": 0.43, "community": 0}, "maxCount": {"secure": 1, "community": 0}}]}"#;
        (200, vec![], gpu.to_owned())
    })
    .await;
    let offers = runpod(&peer.url, KEY).offers().await.unwrap();
    assert_eq!(offers.len(), 1);
    assert!(!offers[0].spot);
}

#[tokio::test]
async fn what_was_made_beside_an_error_was_made() {
    let body =
        r#"{"errors": [{"message": "machine is slow"}], "data": {"podRentInterruptable": {"id": "x"}}}"#;
    let peer = Peer::saying(200, body).await;
    let mut offer = offer();
    offer.spot = true;
    let made = runpod(&peer.url, KEY).launch(&launch(1, offer)).await.unwrap();
    assert_eq!(made.handle, handle("x"));
}

#[tokio::test]
async fn nonsense_keeps_the_clouds_own_words() {
    for body in [
        "<html>maintenance",
        r#"{"ok": "maintenance"}"#,
        r#"{"data": null, "note": "maintenance"}"#,
        "[\"maintenance\"]",
    ] {
        for status in [200, 201, 502] {
            let peer = Peer::saying(status, body).await;
            let provider = runpod(&peer.url, KEY);
            let mut spot = offer();
            spot.spot = true;
            let errors = [
                provider.launch(&launch(1, offer())).await.unwrap_err(),
                provider.launch(&launch(1, spot)).await.unwrap_err(),
                provider.list().await.unwrap_err(),
                provider.find(attempt(1), &offer()).await.unwrap_err(),
                provider.observe(&handle("x")).await.unwrap_err(),
                provider.terminate(&handle("x")).await.unwrap_err(),
                provider.offers().await.unwrap_err(),
            ];
            for error in errors {
                assert!(matches!(error, ProviderError::Unknown(_)), "{status} {body}: {error:?}");
                assert!(error.to_string().contains("maintenance"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_pod_without_an_id_may_be_there() {
    for body in [r#"{"id": ""}"#, r#"{"data": {"podRentInterruptable": {"id": ""}}}"#] {
        let peer = Peer::saying(200, body).await;
        let mut offer = offer();
        offer.spot = body.contains("data");
        let error = runpod(&peer.url, KEY).launch(&launch(1, offer)).await.unwrap_err();
        assert!(matches!(error, ProviderError::Unknown(_)), "{error:?}");
    }
}

#[tokio::test]
async fn the_key_is_in_no_text() {
    let peer = Peer::saying(401, &format!("no such key: {KEY}")).await;
    let provider = runpod(&peer.url, KEY);
    let error = provider.list().await.unwrap_err();
    assert_eq!(error, ProviderError::Credentials("401: no such key: ***".into()));
    let settings = providers::runpod::Settings::new(providers::ApiKey::new(KEY));
    let text = format!(
        "{settings:?} {:?}",
        providers::runpod::provider(settings.clone(), std::sync::Arc::new(crate::values::Noon))
    );
    assert!(!text.contains(KEY), "{text}");
}

#[tokio::test]
async fn a_wait_is_passed_on() {
    let peer = Peer::start(|_| (429, vec![("retry-after", "12")], "{}".to_owned())).await;
    let error = runpod(&peer.url, KEY).launch(&launch(1, offer())).await.unwrap_err();
    let ProviderError::RateLimited { retry_after, .. } = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Some(Duration::from_secs(12)));
    assert_eq!(peer.seen().len(), 1, "a create is sent once");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let peer = Peer::start(|_| (307, vec![("location", "/elsewhere")], String::new())).await;
    let error = runpod(&peer.url, KEY).launch(&launch(1, offer())).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unknown(_)), "{error:?}");
    assert_eq!(peer.seen().len(), 1);
}

#[tokio::test]
async fn a_cloud_that_is_not_there_did_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = runpod(&url, KEY).launch(&launch(1, offer())).await.unwrap_err();
    assert!(matches!(error, ProviderError::RateLimited { retry_after: None, .. }), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_may_have_done_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let read = stream.read(&mut [0; 1024]).await.unwrap();
        drop(stream);
        // Nobody comes again: what was sent once is not sent twice.
        (read, tokio::time::timeout(Duration::from_millis(200), listener.accept()).await.is_err())
    });
    let error = runpod(&url, KEY).launch(&launch(1, offer())).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unknown(_)), "{error:?}");
    let (read, alone) = server.await.unwrap();
    assert!(read > 0 && alone);
}

#[tokio::test]
async fn a_cloud_that_never_answers_is_left_after_a_while() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (arrived, has_arrived) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let read = stream.read(&mut [0; 1024]).await.unwrap();
        assert!(read > 0);
        arrived.send(stream).unwrap();
    });
    let call = tokio::spawn(async move { runpod(&url, KEY).launch(&launch(1, offer())).await });
    let _open = has_arrived.await.unwrap();
    let from = tokio::time::Instant::now();
    tokio::time::pause();
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(&error, ProviderError::Unknown(words) if words.contains("timed out")), "{error:?}");
    let waited = from.elapsed().as_secs();
    assert!((15..=21).contains(&waited), "{waited}");
}

#[tokio::test]
async fn a_log_is_its_last_lines() {
    let line = |n| {
        format!(
            "id: {n}
data: {{\"ts\":\"x\",\"source\":\"container\",\"line\":\"line {n}\"}}

"
        )
    };
    let stream = [1, 2, 3, 4, 5].map(line).concat();
    let peer = Peer::saying(200, &stream).await;
    let provider = runpod(&peer.url, KEY);
    assert_eq!(provider.last_log(&handle("x"), 2).await.unwrap(), ["line 4", "line 5"]);
    assert_eq!(provider.last_log(&handle("x"), 50).await.unwrap().len(), 5);
    assert_eq!(provider.last_log(&handle("x"), 0).await.unwrap(), [""; 0]);
    assert_eq!(peer.seen().len(), 2, "no lines need no call");
}

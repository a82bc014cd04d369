//! Who is let in, by which of the two doors, and what the market says.

use crate::harness::{Call, ID, JOBS, Sim, T4, cvm, tke};
use serde_json::json;

const CLUSTER: &str = "cls-simulate";

#[tokio::test]
async fn every_wrong_call_has_the_clouds_own_code() {
    let sim = Sim::start().await;
    let good = || tke("DescribeClusterKubeconfig", json!({"ClusterId": CLUSTER}));
    for (code, call) in [
        ("AuthFailure.SignatureFailure", Call { key: "WRONG", ..good() }),
        ("AuthFailure.SecretIdNotFound", Call { id: "WRONG", ..good() }),
        ("AuthFailure.SignatureExpire", Call { off: -301, ..good() }),
        ("AuthFailure.SignatureExpire", Call { off: 303, ..good() }),
        ("NoSuchVersion", Call { version: "2017-03-12", ..good() }),
        ("NoSuchProduct", Call { service: "cbs", ..good() }),
        ("InvalidAction", tke("DescribeNothing", json!({}))),
        ("InvalidAction", tke("DescribeZones", json!({}))),
        ("UnknownParameter", tke("DescribeClusterKubeconfig", json!({"ClusterId": CLUSTER, "Id": 1}))),
        ("MissingParameter", tke("DescribeClusterKubeconfig", json!({}))),
        ("InvalidParameter", tke("DescribeClusterKubeconfig", json!({"ClusterId": 7}))),
        ("UnsupportedRegion", Call { region: "mars", ..good() }),
        ("ResourceNotFound.ClusterNotFound", Call { region: "ap-beijing", ..good() }),
        ("ResourceNotFound.ClusterNotFound", tke("DescribeClusterEndpoints", json!({"ClusterId": "cls-x"}))),
        (
            "InvalidFilter",
            cvm("DescribeZoneInstanceConfigInfos", json!({"Filters": [{"Name": "x", "Values": []}]})),
        ),
    ] {
        assert_eq!(sim.cloud(call).await["Error"]["Code"], code);
    }
    sim.finish().await;
}

#[tokio::test]
async fn the_kubeconfig_opens_the_cluster() {
    let sim = Sim::start().await;
    let answer =
        sim.cloud(tke("DescribeClusterKubeconfig", json!({"ClusterId": CLUSTER, "IsExtranet": true}))).await;
    let text = answer["Kubeconfig"].as_str().unwrap();
    let field =
        |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap().trim().to_owned();
    assert_eq!(field("server:"), sim.url);
    let list = || sim.client.get(format!("{}{JOBS}", sim.url));
    assert_eq!(list().bearer_auth(field("token:")).send().await.unwrap().status(), 200);
    for request in [list(), list().bearer_auth("wrong"), list().basic_auth(ID, Some("x"))] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        let said: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!((&said["kind"], &said["reason"]), (&json!("Status"), &json!("Unauthorized")));
    }
    sim.finish().await;
}

#[tokio::test]
async fn price_and_stock_are_what_the_control_made_them() {
    let sim = Sim::start().await;
    let zone = "ap-guangzhou-6";
    let filters = json!({"Filters": [
        {"Name": "zone", "Values": [zone]}, {"Name": "instance-type", "Values": [T4]},
        {"Name": "instance-charge-type", "Values": ["POSTPAID_BY_HOUR", "SPOTPAID"]},
    ]});
    let read = async || {
        let answer = sim.cloud(cvm("DescribeZoneInstanceConfigInfos", filters.clone())).await;
        let each = answer["InstanceTypeQuotaSet"].as_array().unwrap().clone();
        let each = each.into_iter().map(|one| {
            (
                one["InstanceChargeType"].clone(),
                one["Status"].clone(),
                one["Price"]["UnitPriceDiscount"].clone(),
            )
        });
        each.collect::<Vec<_>>()
    };
    let hourly = json!("POSTPAID_BY_HOUR");
    assert_eq!(read().await[0], (hourly.clone(), json!("SELL"), json!(8.28)));
    assert_eq!(read().await[1], (json!("SPOTPAID"), json!("SELL"), json!(1.656)));
    sim.control("stock", json!({"instance_type": T4, "zone": zone, "count": 0})).await;
    let moved = json!({"instance_type": T4, "zone": zone, "on_demand_micros_per_s": 5000});
    sim.control("prices", moved).await;
    assert_eq!(read().await[0], (hourly, json!("SOLD_OUT"), json!(18.0)));
    let asked =
        json!({"Placement": {"Zone": zone}, "ImageId": "img-1", "InstanceType": T4, "InstanceCount": 2});
    let price = sim.cloud(cvm("InquiryPriceRunInstances", asked)).await;
    assert_eq!(price["Price"]["InstancePrice"]["UnitPriceDiscount"], 36.0);
    sim.finish().await;
}

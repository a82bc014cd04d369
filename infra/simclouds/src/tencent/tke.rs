//! TKE: the one cluster, where it is and how to get in.

use super::Cloud;
use super::api::Parameters;
use super::error::Refusal;
use serde_json::{Value, json};

pub(super) const ACTIONS: &[(&str, &[&str])] = &[
    ("DescribeClusters", &["ClusterIds", "Offset", "Limit", "Filters", "ClusterType"]),
    ("DescribeClusterStatus", &["ClusterIds"]),
    ("DescribeClusterEndpoints", &["ClusterId"]),
    ("DescribeClusterEndpointStatus", &["ClusterId", "IsExtranet"]),
    ("DescribeClusterKubeconfig", &["ClusterId", "IsExtranet"]),
    ("DescribeClusterSecurity", &["ClusterId"]),
    ("DescribeClusterVirtualNode", &["ClusterId", "NodePoolId", "NodeNames"]),
    ("DescribeClusterNodePools", &["ClusterId", "Filters"]),
    ("DescribeClusterInstances", &["ClusterId", "Offset", "Limit", "InstanceIds", "InstanceRole", "Filters"]),
];

pub(super) fn act(cloud: &Cloud, action: &str, region: &str, asked: &Parameters) -> Result<Value, Refusal> {
    let here = region == cloud.region;
    let cluster = || {
        if asked.need("ClusterId")? == cloud.cluster_id && here {
            Ok(())
        } else {
            Err(Refusal::new("ResourceNotFound.ClusterNotFound", "cluster not found"))
        }
    };
    match action {
        "DescribeClusters" => {
            asked.filters(&["ClusterName", "ClusterType", "ClusterStatus", "Tags", "vpc-id", "tag-key"])?;
            let listed = here && named(cloud, asked)?;
            let (offset, limit) =
                (asked.number("Offset")?.unwrap_or(0), asked.number("Limit")?.unwrap_or(20));
            if !(1..=100).contains(&limit) {
                return Err(Refusal::value("Limit", "must be from 1 to 100"));
            }
            let one = json!({
                "ClusterId": cloud.cluster_id, "ClusterName": "simulated", "ClusterDescription": "",
                "ClusterVersion": "1.30.0", "ClusterType": "MANAGED_CLUSTER", "ClusterStatus": "Running",
                "ClusterOs": "tlinux3.1x86_64", "ClusterNodeNum": 0, "ContainerRuntime": "containerd",
                "CreatedTime": "2026-01-01T00:00:00Z", "DeletionProtection": false, "ClusterLevel": "L5",
            });
            let page = if listed && offset == 0 { json!([one]) } else { json!([]) };
            Ok(json!({"TotalCount": u8::from(listed), "Clusters": page}))
        }
        "DescribeClusterStatus" => {
            let listed = here && named(cloud, asked)?;
            let one = json!({
                "ClusterId": cloud.cluster_id, "ClusterState": "Running", "ClusterInstanceState": "AllNormal",
                "ClusterBMonitor": true, "ClusterInitNodeNum": 0, "ClusterRunningNodeNum": 0,
                "ClusterFailedNodeNum": 0, "ClusterClosedNodeNum": 0, "ClusterClosingNodeNum": 0,
                "ClusterDeletionProtection": false, "ClusterAuditEnabled": false,
            });
            let all = if listed { json!([one]) } else { json!([]) };
            Ok(json!({"ClusterStatusSet": all, "TotalCount": u8::from(listed)}))
        }
        "DescribeClusterEndpoints" => {
            cluster()?;
            let address = cloud.url.trim_start_matches("http://");
            Ok(json!({
                "CertificationAuthority": "", "ClusterExternalEndpoint": address, "ClusterIntranetEndpoint": address,
                "ClusterDomain": format!("{}.ccs.tencent-cloud.com", cloud.cluster_id),
                "ClusterExternalACL": ["127.0.0.0/8"], "ClusterExternalDomain": "", "ClusterIntranetDomain": "",
                "SecurityGroup": "", "ClusterIntranetSubnetId": "",
            }))
        }
        "DescribeClusterEndpointStatus" => {
            cluster()?;
            Ok(json!({"Status": "Created", "ErrorMsg": ""}))
        }
        "DescribeClusterKubeconfig" => {
            cluster()?;
            Ok(json!({"Kubeconfig": kubeconfig(cloud)}))
        }
        "DescribeClusterSecurity" => {
            cluster()?;
            Ok(json!({
                "UserName": "admin", "Password": cloud.token, "CertificationAuthority": "",
                "ClusterExternalEndpoint": cloud.url, "Domain": "", "PgwEndpoint": cloud.url,
                "SecurityPolicy": ["127.0.0.0/8"], "Kubeconfig": kubeconfig(cloud), "JnsGwEndpoint": "",
            }))
        }
        "DescribeClusterVirtualNode" => {
            cluster()?;
            let nodes: Vec<Value> = super::catalogue::zones(&cloud.region)
                .map(|zone| json!({"Name": format!("eklet-{}", zone.id), "SubnetId": "subnet-simulate", "Phase": "Running"}))
                .collect();
            Ok(json!({"TotalCount": nodes.len(), "Nodes": nodes}))
        }
        "DescribeClusterNodePools" => {
            cluster()?;
            Ok(json!({"TotalCount": 0, "NodePoolSet": []}))
        }
        "DescribeClusterInstances" => {
            cluster()?;
            // Super nodes are no instances.
            Ok(json!({"TotalCount": 0, "InstanceSet": [], "Errors": []}))
        }
        _ => Err(Refusal::new("InvalidAction", "The request action is invalid or not found.")),
    }
}

fn named(cloud: &Cloud, asked: &Parameters) -> Result<bool, Refusal> {
    let ids = asked.texts("ClusterIds")?;
    Ok(ids.is_empty() || ids.contains(&cloud.cluster_id.as_str()))
}

fn kubeconfig(cloud: &Cloud) -> String {
    let (id, url, token) = (&cloud.cluster_id, &cloud.url, &cloud.token);
    let context = format!("{id}-100000000001-context-default");
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    server: {url}\n  name: {id}\ncontexts:\n- context:\n    \
         cluster: {id}\n    user: \"100000000001\"\n  name: {context}\ncurrent-context: {context}\npreferences: {{}}\n\
         users:\n- name: \"100000000001\"\n  user:\n    token: {token}\n"
    )
}

"""The official Python clients: TKE and CVM under TC3, then the cluster through the kubeconfig that TKE gives."""

import base64
import json
import os
import threading
import time
import urllib.request
from unittest import mock

import yaml
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from tencentcloud.billing.v20180709 import billing_client, models as billing
from tencentcloud.common import abstract_client, credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.cvm.v20170312 import cvm_client, models as cvm
from tencentcloud.tke.v20180525 import models as tke, tke_client

BASE = os.environ["TENCENT_URL"]
HOST = BASE.removeprefix("http://")
REGION, ZONE, TYPE = "ap-guangzhou", "ap-guangzhou-6", "GN7.2XLARGE32"
CLUSTER, SPACE = "cls-simulate", "gpu"


def cloud(kind, key=os.environ["TENCENT_SECRET_ID"], secret=os.environ["TENCENT_SECRET_KEY"], method="POST"):
    http = HttpProfile(protocol="http", endpoint=HOST, reqMethod=method)
    return kind(credential.Credential(key, secret), REGION, ClientProfile(httpProfile=http))


def request(kind, **fields):
    made = kind()
    made.from_json_string(json.dumps(fields))
    return made


def control(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"{BASE}/_sim/{path}", data=data) as answer:
        return json.load(answer)


def until(what, read, holds):
    for _ in range(400):
        value = read()
        if holds(value):
            return value
        time.sleep(0.025)
    raise AssertionError(f"never {what}: {value}")


def refused(code, call, *args, **fields):
    try:
        call(*args, **fields)
    except TencentCloudSDKException as raised:
        assert raised.get_code() == code, raised
        return raised
    except ApiException as raised:
        assert raised.status == code, raised
        return json.loads(raised.body)
    raise AssertionError(f"{code} did not come")


control("settings", {"boot_ms": 50})
access = cloud(tke_client.TkeClient)
clusters = access.DescribeClusters(request(tke.DescribeClustersRequest, ClusterIds=[CLUSTER], Limit=20, Offset=0))
assert [one.ClusterStatus for one in clusters.Clusters] == ["Running"]
ends = access.DescribeClusterEndpoints(request(tke.DescribeClusterEndpointsRequest, ClusterId=CLUSTER))
assert ends.ClusterExternalEndpoint == HOST
status = access.DescribeClusterStatus(request(tke.DescribeClusterStatusRequest, ClusterIds=[CLUSTER]))
assert status.ClusterStatusSet[0].ClusterState == "Running"
ask = request(tke.DescribeClusterKubeconfigRequest, ClusterId=CLUSTER, IsExtranet=True)
kubeconfig = access.DescribeClusterKubeconfig(ask).Kubeconfig
lost = request(tke.DescribeClusterKubeconfigRequest, ClusterId="cls-none")
refused("ResourceNotFound.ClusterNotFound", access.DescribeClusterKubeconfig, lost)
refused("AuthFailure.SignatureFailure", cloud(tke_client.TkeClient, secret="WRONG").DescribeClusterKubeconfig, ask)
refused("AuthFailure.SecretIdNotFound", cloud(tke_client.TkeClient, key="WRONG").DescribeClusterKubeconfig, ask)
refused("InvalidAction", access.call_json, "DescribeNothing", {})
refused("UnknownParameter", access.call_json, "DescribeClusterStatus", {"ClusterIdz": []})
with mock.patch.object(abstract_client.time, "time", return_value=time.time() - 6 * 60):
    refused("AuthFailure.SignatureExpire", access.DescribeClusterKubeconfig, ask)
control("faults", {"operation": "DescribeClusters", "mode": "throttle"})
refused("RequestLimitExceeded", access.DescribeClusters, request(tke.DescribeClustersRequest))
print("tencentcloud-sdk-python-tke: ok")

filters = [
    {"Name": "zone", "Values": [ZONE]},
    {"Name": "instance-charge-type", "Values": ["POSTPAID_BY_HOUR", "SPOTPAID"]},
    {"Name": "instance-family", "Values": ["GN7"]},
]
for method in ["POST", "GET"]:
    market = cloud(cvm_client.CvmClient, method=method)
    asked = request(cvm.DescribeZoneInstanceConfigInfosRequest, Filters=filters)
    shelves = market.DescribeZoneInstanceConfigInfos(asked).InstanceTypeQuotaSet
    prices = {one.InstanceChargeType: one.Price.UnitPriceDiscount for one in shelves if one.InstanceType == TYPE}
    assert 0 < prices["SPOTPAID"] < prices["POSTPAID_BY_HOUR"]
    assert {one.Status for one in shelves} == {"SELL"} and {one.Zone for one in shelves} == {ZONE}
zones = market.DescribeZones(request(cvm.DescribeZonesRequest)).ZoneSet
assert ZONE in [one.Zone for one in zones]
offer = {"Placement": {"Zone": ZONE}, "ImageId": "img-487zeit5", "InstanceType": TYPE}
for charge, price in prices.items():
    told = cloud(cvm_client.CvmClient).InquiryPriceRunInstances(
        request(cvm.InquiryPriceRunInstancesRequest, InstanceChargeType=charge, **offer)
    )
    assert told.Price.InstancePrice.UnitPriceDiscount == price
print("tencentcloud-sdk-python-cvm: ok")

config.load_kube_config_from_dict(yaml.safe_load(kubeconfig))
batch, core = client.BatchV1Api(), client.CoreV1Api()
assert client.VersionApi().get_code().minor == "30"
assert client.BatchApi().get_api_group().preferred_version.version == "v1"
assert "jobs" in [one.name for one in batch.get_api_resources().resources]


def job(name, script, notes=None, **spec):
    container = client.V1Container(
        name="main",
        image="busybox:1.36",
        command=["sh", "-c"],
        args=[script],
        env=[
            client.V1EnvVar(name="GP_JOB", value="0001"),
            client.V1EnvVar(
                name="SECRET",
                value_from=client.V1EnvVarSource(
                    secret_key_ref=client.V1SecretKeySelector(name="env", key="k", optional=True)
                ),
            ),
        ],
        resources=client.V1ResourceRequirements(limits={"nvidia.com/gpu": "1", "cpu": "4", "memory": "16Gi"}),
    )
    labels = {"gp.io/job": name, "gp.io/managed-by": "gpu-platform"}
    annotations = {"eks.tke.cloud.tencent.com/gpu-type": "T4"} | (notes or {})
    return client.V1Job(
        metadata=client.V1ObjectMeta(name=name, labels=labels),
        spec=client.V1JobSpec(
            **({"backoff_limit": 0, "active_deadline_seconds": 3600} | spec),
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels=labels, annotations=annotations),
                spec=client.V1PodSpec(containers=[container], restart_policy="Never"),
            ),
        ),
    )


def pods(name):
    return core.list_namespaced_pod(SPACE, label_selector=f"batch.kubernetes.io/job-name={name}").items


def ended(name):
    done = lambda one: one.status.conditions and one.status.conditions[0].type in ("Complete", "Failed")
    return until("ended", lambda: batch.read_namespaced_job_status(name, SPACE), done).status


core.create_namespaced_secret(
    SPACE,
    client.V1Secret(metadata=client.V1ObjectMeta(name="env"), data={"k": base64.b64encode(b"hush").decode()}),
)
tag = {"eks.tke.cloud.tencent.com/resource-tag": '{"made-for": "one"}'}
made = batch.create_namespaced_job(
    SPACE, job("one", "echo hi $GP_JOB $SECRET; exit 3", tag), field_validation="Strict"
)
assert refused(409, batch.create_namespaced_job, SPACE, job("one", "true"))["reason"] == "AlreadyExists"
assert ended("one").conditions[0].reason == "BackoffLimitExceeded"
(pod,) = pods("one")
state = pod.status.container_statuses[0].state.terminated
assert (pod.status.phase, state.exit_code, state.reason) == ("Failed", 3, "Error")
assert core.read_namespaced_pod_log(pod.metadata.name, SPACE, container="main") == "hi 0001 hush\n"
stamped = core.read_namespaced_pod_log(pod.metadata.name, SPACE, tail_lines=1, timestamps=True)
assert stamped.endswith("Z hi 0001 hush\n"), stamped
events = core.list_namespaced_event(SPACE, field_selector=f"involvedObject.name={pod.metadata.name}").items
assert "Scheduled" in [one.reason for one in events]
assert core.list_node(label_selector=f"node.kubernetes.io/instance-type={TYPE}").items

seen = []
listed = batch.list_namespaced_job(SPACE, label_selector="gp.io/managed-by=gpu-platform")
follower = watch.Watch()


def look():
    since = listed.metadata.resource_version
    for event in follower.stream(batch.list_namespaced_job, SPACE, resource_version=since, timeout_seconds=30):
        seen.append((event["type"], event["object"].metadata.name))
        if event["type"] == "DELETED":
            return


thread = threading.Thread(target=look)
thread.start()
batch.create_namespaced_job(SPACE, job("two", "echo first; while [ ! -e go ]; do sleep 0.01; done; echo last"))
(pod,) = until("running", lambda: pods("two"), lambda all: all and all[0].status.phase == "Running")
lines = core.read_namespaced_pod_log(pod.metadata.name, SPACE, follow=True, _preload_content=False)
assert next(iter(lines.stream())) == b"first\n"
deleted = batch.delete_namespaced_job("two", SPACE, propagation_policy="Foreground")
until("gone", lambda: pods("two"), lambda all: not all)
thread.join(30)
assert seen[0] == ("ADDED", "two") and seen[-1] == ("DELETED", "two"), seen
refused(404, batch.read_namespaced_job, "two", SPACE)

control("stock", {"count": 0})
batch.create_namespaced_job(SPACE, job("three", "true", {"eks.tke.cloud.tencent.com/spot-pod": "true"}))
has = lambda all: all and all[0].status.conditions
(pod,) = until("unschedulable", lambda: pods("three"), has)
assert (pod.status.phase, pod.status.conditions[0].reason) == ("Pending", "Unschedulable")
control("stock", {"count": 9})
assert ended("three").succeeded == 1

wrong = job("Bad_Name", "true")
assert refused(422, batch.create_namespaced_job, SPACE, wrong)["reason"] == "Invalid"
control("settings", {"quota_jobs": 1})
batch.create_namespaced_job(SPACE, job("four", "sleep 60"))
assert "exceeded quota" in refused(403, batch.create_namespaced_job, SPACE, job("five", "true"))["message"]
control("settings", {"quota_jobs": 0})
until("running", lambda: pods("four"), lambda all: all and all[0].status.phase == "Running")
control("instances/four/preempt", {"notice_s": 0})
assert ended("four").failed == 1
assert pods("four")[0].status.reason == "Evicted"

page = batch.list_namespaced_job(SPACE, limit=2)
rest = batch.list_namespaced_job(SPACE, limit=2, _continue=page.metadata._continue)
assert [one.metadata.name for one in page.items + rest.items] == ["four", "one", "three"]
for name in ["one", "three", "four"]:
    batch.delete_namespaced_job(name, SPACE, propagation_policy="Background")
core.delete_namespaced_secret("env", SPACE)
until("gone", lambda: core.list_namespaced_pod(SPACE).items, lambda all: not all)

books = cloud(billing_client.BillingClient)


def bills(**more):
    fields = {"Offset": 0, "Limit": 10, "Month": time.strftime("%Y-%m", time.gmtime()), **more}
    return books.DescribeBillResourceSummary(request(billing.DescribeBillResourceSummaryRequest, **fields))


known = {one["name"]: one["cost_micros"] for one in control("bill")["instances"]}
tagged = bills(TagKey="made-for", TagValue="one").ResourceSummarySet
assert [float(one.RealTotalCost) for one in tagged] == [known["one"] / 1e6], tagged
assert (tagged[0].Tags[0].TagKey, tagged[0].Tags[0].TagValue) == ("made-for", "one")
assert bills(NeedRecordNum=1).Total == len(bills().ResourceSummarySet) > 1
assert not bills(TagKey="made-for", TagValue="two").ResourceSummarySet
refused("InvalidParameterValue", bills, Month="May")
print("tencentcloud-sdk-python-billing: ok")
nobody = client.ApiClient(client.Configuration(host=BASE))
refused(401, client.BatchV1Api(nobody).list_namespaced_job, SPACE)
assert control("instances")["live"] == 0 and control("bill")["spent_micros"] > 0
print("kubernetes: ok")

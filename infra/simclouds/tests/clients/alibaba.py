"""The official Python clients, signature V3 and V1: from creation to deletion, and every refusal that a launch meets."""

import base64
import json
import os
import time
import urllib.request

from unittest import mock

from alibabacloud_bssopenapi20171214 import models as bss
from alibabacloud_bssopenapi20171214.client import Client as Books
from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi import models as openapi, utils_models
from alibabacloud_tea_openapi.utils import Utils
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.auth.composer import rpc_signature_composer
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import RpcRequest
from darabonba.runtime import RuntimeOptions
from aliyunsdkecs.request.v20140526 import (
    DeleteInstancesRequest,
    DescribeInstancesRequest,
    DescribePriceRequest,
    RunInstancesRequest,
)

BASE = os.environ["ALIBABA_URL"]
HOST = BASE.removeprefix("http://")
REGION, ZONE, TYPE = "cn-hangzhou", "cn-hangzhou-i", "ecs.gn6i-c4g1.xlarge"


STALE = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 16 * 60))


def client(key=os.environ["ALIBABA_KEY_ID"], secret=os.environ["ALIBABA_KEY_SECRET"], kind=Client):
    return kind(
        openapi.Config(access_key_id=key, access_key_secret=secret, endpoint=HOST, protocol="HTTP", region_id=REGION)
    )


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


def refused(code, call, *args):
    try:
        call(*args)
    except ServerException as raised:
        assert raised.get_error_code() == code, raised
        return raised
    except Exception as raised:
        assert getattr(raised, "code", None) == code, repr(raised)
        return raised
    raise AssertionError(f"{code} did not come")


control("settings", {"boot_ms": 50})
v3 = client()
script = """#!/bin/sh
docker pull -q busybox:1.36
docker run -d --name job --gpus all -e 'A=b c' -e "QUOTE=it's" --rm=false busybox:1.36 sh -c 'echo "hi $A $QUOTE"; exit 3'
"""


def order(token, **more):
    fields = {
        "region_id": REGION,
        "zone_id": ZONE,
        "instance_type": TYPE,
        "image_id": "ubuntu_22_04_x64_20G_alibase_20240101.vhd",
        "instance_name": "gp-job-0001",
        "client_token": token,
        "user_data": base64.b64encode(script.encode()).decode(),
        "tag": [
            ecs.RunInstancesRequestTag(key="gp:job", value="0001"),
            ecs.RunInstancesRequestTag(key="gp:owner", value="a b/c*~"),
        ],
        "system_disk": ecs.RunInstancesRequestSystemDisk(category="cloud_essd", size="80"),
        "auto_release_time": time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(time.time() + 7200)),
    }
    return ecs.RunInstancesRequest(**(fields | more))


def instances(**more):
    found = v3.describe_instances(ecs.DescribeInstancesRequest(region_id=REGION, **more)).body
    return found.instances.instance


first = v3.run_instances(order("gp-0001-attempt-1")).body
(vm,) = first.instance_id_sets.instance_id_set
assert v3.run_instances(order("gp-0001-attempt-1")).body.instance_id_sets.instance_id_set == [vm]
refused("IdempotentParameterMismatch", v3.run_instances, order("gp-0001-attempt-1", instance_name="other"))
tag = ecs.DescribeInstancesRequestTag(key="gp:owner", value="a b/c*~")
up = until("running", lambda: instances(tag=[tag])[0], lambda one: one.status == "Running")
assert (up.instance_id, up.gpuamount, up.operation_locks.lock_reason) == (vm, 1, [])
assert [one.instance_id for one in instances(instance_ids=json.dumps([vm]))] == [vm]
assert instances(instance_ids='["i-none"]') == []
states = v3.describe_instance_status(ecs.DescribeInstanceStatusRequest(region_id=REGION, instance_id=[vm])).body
assert states.instance_statuses.instance_status[0].status == "Running"
told = v3.list_tag_resources(
    ecs.ListTagResourcesRequest(
        region_id=REGION, resource_type="instance", tag=[ecs.ListTagResourcesRequestTag(key="gp:job", value="0001")]
    )
).body.tag_resources.tag_resource
assert [(one.resource_id, one.tag_value) for one in told] == [(vm, "0001")]
helper = v3.describe_cloud_assistant_status(
    ecs.DescribeCloudAssistantStatusRequest(region_id=REGION, instance_id=[vm])
).body.instance_cloud_assistant_status_set.instance_cloud_assistant_status
assert helper[0].cloud_assistant_status == "true"

begun = v3.run_command(
    ecs.RunCommandRequest(
        region_id=REGION,
        type="RunShellScript",
        instance_id=[vm],
        content_encoding="Base64",
        command_content=base64.b64encode(
            b"until docker wait job 2>/dev/null; do sleep 0.05; done; docker logs job\n"
            b"exit $(docker inspect -f '{{.State.ExitCode}}' job)"
        ).decode(),
    )
).body
ask = ecs.DescribeInvocationResultsRequest(region_id=REGION, invoke_id=begun.invoke_id, content_encoding="Base64")
result = until(
    "finished",
    lambda: v3.describe_invocation_results(ask).body.invocation.invocation_results.invocation_result[0],
    lambda one: one.finished_time,
)
output = base64.b64decode(result.output).decode()
assert (result.exit_code, output) == (3, "3\nhi b c it's\n"), (result.exit_code, output)
listed = v3.describe_invocations(
    ecs.DescribeInvocationsRequest(region_id=REGION, invoke_id=begun.invoke_id, include_output=True)
).body.invocations.invocation[0]
assert (listed.invocation_status, listed.invoke_instances.invoke_instance[0].exit_code) == ("Failed", 3)

price = v3.describe_price(
    ecs.DescribePriceRequest(region_id=REGION, zone_id=ZONE, resource_type="instance", instance_type=TYPE)
).body.price_info.price
assert price.currency == "CNY" and price.trade_price == first.trade_price
points = v3.describe_spot_price_history(
    ecs.DescribeSpotPriceHistoryRequest(region_id=REGION, zone_id=ZONE, network_type="vpc", instance_type=TYPE)
).body.spot_prices.spot_price_type
market = points[-1].spot_price
assert 0 < market < price.trade_price
shelf = v3.describe_available_resource(
    ecs.DescribeAvailableResourceRequest(
        region_id=REGION, destination_resource="InstanceType", instance_type=TYPE, instance_charge_type="PostPaid"
    )
).body.available_zones.available_zone
assert {one.zone_id: one.status_category for one in shelf}[ZONE] == "WithStock"
kinds = v3.describe_instance_types(
    ecs.DescribeInstanceTypesRequest(instance_types=[TYPE, "ecs.gn7-c12g1.3xlarge"])
).body.instance_types.instance_type
assert {one.gpuspec for one in kinds} == {"NVIDIA T4", "NVIDIA A100"}

refused("IncorrectInstanceStatus", v3.delete_instance, ecs.DeleteInstanceRequest(instance_id=vm))
v3.delete_instance(ecs.DeleteInstanceRequest(instance_id=vm, force=True))
refused("InvalidInstanceId.NotFound", v3.delete_instance, ecs.DeleteInstanceRequest(instance_id=vm, force=True))
assert instances() == []

low = {"spot_strategy": "SpotWithPriceLimit", "spot_price_limit": market / 2}
refused("InvalidSpotPriceLimit.LowerThanPublicPrice", v3.run_instances, order("low", **low))
(spot,) = v3.run_instances(
    order("spot", spot_strategy="SpotWithPriceLimit", spot_price_limit=market)
).body.instance_id_sets.instance_id_set
control(f"instances/{spot}/preempt", {"notice_s": 60})
assert instances()[0].operation_locks.lock_reason[0].lock_reason == "Recycling"
control(f"instances/{spot}/preempt", {"notice_s": 0})
assert instances() == []

control("stock", {"instance_type": TYPE, "zone": ZONE, "count": 0})
assert refused("OperationDenied.NoStock", v3.run_instances, order("sold-out")).status_code == 403
control("faults", {"operation": "RunInstances", "mode": "throttle", "retry_after_s": 2})
assert refused("Throttling.User", v3.run_instances, order("slow")).retry_after == 2000
refused("SignatureDoesNotMatch", client(secret="WRONG").run_instances, order("x"))
refused("InvalidAccessKeyId.NotFound", client(key="WRONG").run_instances, order("x"))


def raw(action, version="2014-05-26", **query):
    how = utils_models.Params(
        action=action, version=version, protocol="HTTP", pathname="/", method="POST", auth_type="AK", style="RPC",
        req_body_type="formData", body_type="json",
    )
    return v3.call_api(how, utils_models.OpenApiRequest(query=query), RuntimeOptions())


assert raw("DescribeInstances", RegionId=REGION)["body"]["TotalCount"] == 0
refused("InvalidAction.NotFound", lambda: raw("DescribeNothing", RegionId=REGION))
refused("InvalidParameter", lambda: raw("DescribeInstances", RegionId=REGION, InstanceIdz="[]"))
refused("InvalidVersion", lambda: raw("DescribeInstances", "2017-12-14", RegionId=REGION))
with mock.patch.object(Utils, "get_timestamp", return_value=STALE):
    refused("InvalidTimeStamp.Expired", instances)
print("alibabacloud-ecs20140526 (V3): ok")

books = client(kind=Books)
month = time.strftime("%Y-%m", time.gmtime())


def bill(**more):
    asked = bss.DescribeInstanceBillRequest(billing_cycle=month, max_results=1, **more)
    return books.describe_instance_bill(asked).body.data


billed = {one["id"]: one["cost_micros"] for one in control("bill")["instances"]}
(item,) = bill(instance_id=vm).items
assert item.currency == "CNY" and round(item.pretax_amount * 1e6) == billed[vm] > 0
page = bill()
assert page.total_count == len(billed) > 1 and bill(next_token=page.next_token).items[0].instance_id != vm
assert not bill(instance_id="i-nobody").items
refused("InvalidParameter", lambda: books.describe_instance_bill(bss.DescribeInstanceBillRequest(billing_cycle="May")))
control("settings", {"bill_lag_ms": 3_600_000})
assert not bill(instance_id=vm).items
print("alibabacloud-bssopenapi20171214 (V3): ok")

old = AcsClient(os.environ["ALIBABA_KEY_ID"], os.environ["ALIBABA_KEY_SECRET"], REGION)


def call(request, **fields):
    request.set_endpoint(HOST)
    request.set_protocol_type("http")
    request.set_accept_format("json")
    for name, value in fields.items():
        getattr(request, f"set_{name}")(value)
    return json.loads(old.do_action_with_exception(request))


fields = {
    "ImageId": "ubuntu_22_04_x64",
    "InstanceType": TYPE,
    "ClientToken": "gp-0001-attempt-1-v1",
    "Tags": [{"Key": "gp:job", "Value": "a b/c*~"}],
}
for method in ["POST", "GET"]:
    request = RunInstancesRequest.RunInstancesRequest()
    request.set_method(method)
    made = call(request, **fields)["InstanceIdSets"]["InstanceIdSet"]
wanted = DescribeInstancesRequest.DescribeInstancesRequest()
found = call(wanted, Tags=[{"Key": "gp:job", "Value": "a b/c*~"}])
assert found["TotalCount"] == 1 and found["Instances"]["Instance"][0]["InstanceId"] == made[0]
call(DescribePriceRequest.DescribePriceRequest(), ResourceType="instance", InstanceType=TYPE)
call(DeleteInstancesRequest.DeleteInstancesRequest(), InstanceIds=made, Force=True)
again = DeleteInstancesRequest.DeleteInstancesRequest()
refused("InvalidInstanceId.NotFound", lambda: call(again, InstanceIds=made, Force=True))
assert control("instances")["live"] == 0


def nothing(action, **query):
    request = RpcRequest("Ecs", "2014-05-26", action)
    for name, value in query.items():
        request.add_query_param(name, value)
    return lambda: call(request)


refused("InvalidAction.NotFound", nothing("DescribeNothing"))
refused("InvalidParameter", nothing("DescribeInstances", InstanceIdz="[]"))
with mock.patch.object(rpc_signature_composer.helper, "get_iso_8061_date", return_value=STALE):
    refused("InvalidTimeStamp.Expired", nothing("DescribeInstances"))
right = (os.environ["ALIBABA_KEY_ID"], os.environ["ALIBABA_KEY_SECRET"])
for code, key in [("InvalidAccessKeySecret", (right[0], "WRONG")), ("InvalidAccessKeyId.NotFound", ("WRONG", right[1]))]:
    old = AcsClient(*key, REGION)
    refused(code, nothing("DescribeInstances"))
print("aliyun-python-sdk-ecs (V1): ok")

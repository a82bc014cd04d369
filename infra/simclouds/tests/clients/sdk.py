"""The official Python SDK uses GraphQL from creation to termination, and its transport rents a spot pod."""

import json
import os
import time
import urllib.request

import runpod
from runpod import error
from runpod.api.graphql import run_graphql_query

BASE = os.environ["RUNPOD_API_BASE_URL"]
GPU = "NVIDIA GeForce RTX 4090"
runpod.api_key = os.environ["RUNPOD_API_KEY"]


def control(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"{BASE}/_sim/{path}", data=data) as answer:
        return json.load(answer)


def until(pod_id, holds):
    for _ in range(400):
        pod = runpod.get_pod(pod_id)
        if holds(pod):
            return pod
        time.sleep(0.025)
    raise AssertionError(f"pod {pod_id} never got there: {pod}")


def refused(kind, call, *args, **more):
    try:
        call(*args, **more)
    except kind as raised:
        return str(raised)
    raise AssertionError(f"{call.__name__} was not refused")


assert any(gpu["id"] == GPU for gpu in runpod.get_gpus())
gpu = runpod.get_gpu(GPU, 2)
bid = gpu["lowestPrice"]["minimumBidPrice"]
assert bid < gpu["lowestPrice"]["uninterruptablePrice"]
assert runpod.get_user()["networkVolumes"] == []

wanted = {
    "name": "gp-job-0001",
    "image_name": "docker.io/library/busybox:1.36",
    "gpu_type_id": GPU,
    "cloud_type": "SECURE",
    "container_disk_in_gb": 20,
    "min_vcpu_count": 2,
    "min_memory_in_gb": 8,
    "docker_args": "bash -c 'echo hi; sleep 3600'",
    "env": {"GP_JOB": "0001", "A": "b c"},
    "ports": "22/tcp",
    "data_center_id": "EU-RO-1",
}
pod_id = runpod.create_pod(**wanted)["id"]
pod = until(pod_id, lambda pod: pod["runtime"])
assert pod["desiredStatus"] == "RUNNING" and sorted(pod["env"]) == ["A=b c", "GP_JOB=0001"]
assert [one["id"] for one in runpod.get_pods()] == [pod_id]
assert runpod.stop_pod(pod_id)["desiredStatus"] == "EXITED"
assert runpod.resume_pod(pod_id, 1)["desiredStatus"] == "RUNNING"
until(pod_id, lambda pod: pod["runtime"])
runpod.terminate_pod(pod_id)
assert runpod.get_pod(pod_id) is None
assert refused(error.QueryError, runpod.terminate_pod, pod_id) == "pod not found to terminate"

spot = run_graphql_query(
    f"""mutation {{ podRentInterruptable(input: {{ name: "spot", imageName: "busybox", gpuTypeId: "{GPU}",
        bidPerGpu: {bid}, cloudType: ALL, gpuCount: 1, dockerArgs: "sleep 3600", env: [] }}) {{ id costPerHr }} }}"""
)["data"]["podRentInterruptable"]
assert spot["costPerHr"] == bid
until(spot["id"], lambda pod: pod["runtime"])
control(f"pods/{spot['id']}/preempt", {"notice_s": 0})
assert until(spot["id"], lambda pod: pod["desiredStatus"] == "EXITED")["podType"] == "INTERRUPTABLE"
runpod.terminate_pod(spot["id"])

control("faults", {"operation": "graphql:podFindAndDeployOnDemand", "mode": "no_capacity"})
assert "no longer any instances" in refused(error.QueryError, runpod.create_pod, **wanted)
runpod.api_key = "rpa_WRONG"
refused(error.AuthenticationError, runpod.get_pods)
assert control("pods")["live"] == 0
print("PyPI runpod: ok")

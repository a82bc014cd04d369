"""Runs of workflows, with nodes that do nothing: real jobs on real executions, on a cloud whose commands end at once."""

import json
import random
import subprocess
import time
import urllib.request

from stack import Stack, call

JOB = {"image": "busybox", "command": ["true"], "gpu": {"model": "RTX 4090"}}
# Of an execution: https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
DESCRIBE = "AWSStepFunctions.DescribeExecution"
SIGNED = "AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/states/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + "0" * 64


def chain(count):
    return {f"n{n}": {"job": JOB, "depends_on": [f"n{n - 1}"] if n else []} for n in range(count)}


def fan(count):
    nodes = {f"n{n}": {"job": JOB} for n in range(count)}
    return {**nodes, "join": {"condition": "true", "depends_on": list(nodes)}}


def layers(count, wide):
    chance = random.Random(7)
    nodes, before = {}, []
    for first in range(0, count, wide):
        here = [f"n{n}" for n in range(first, min(first + wide, count))]
        for name in here:
            on = sorted(chance.sample(before, min(len(before), chance.randint(1, 3))))
            nodes[name] = {"job": JOB, "depends_on": on}
        before = here
    return nodes


class Quick(Stack):
    def __init__(self):
        super().__init__("--clouds", "runpod", DefaultConcurrency="1000", DefaultGpus="10000", OffersFreshSeconds="3600")
        call(self.cloud + "/_sim/settings", "POST", {"at_once": True, "boot_ms": 0})
        self.somebody = self.user()
        # Fetches the catalogue and starts the functions.
        for _ in range(5):
            self.somebody.ended(self.somebody.call("/v1/jobs", "POST", JOB)["id"])
        self.local("idle")

    def run(self, nodes):
        """Seconds from the request to the end, and what it added to the bill."""
        user = self.somebody
        workflow = user.call("/v1/workflows", "POST", {"definition": {"name": "bench", "nodes": nodes}})["id"]
        self.local("idle")
        before, began = self.usage(), time.perf_counter()
        run = user.call(f"/v1/workflows/{workflow}/runs", "POST")["id"]
        while True:
            seen = user.call(f"/v1/runs?limit=1")["items"][0]
            if seen["id"] == run and seen["ended_at"]:
                break
            time.sleep(0.1 if len(nodes) < 500 else 1)
        took = time.perf_counter() - began
        if seen["status"] != "succeeded":
            raise SystemExit(f"bench: the run {seen['status']}: {seen['reason']}")
        self.local("idle")
        after = self.usage()
        return run, took, {name: after[name] - before[name] for name in ("transitions", "write_units", "read_units")}

    def job(self):
        before = self.usage()
        for _ in range(10):
            self.somebody.ended(self.somebody.call("/v1/jobs", "POST", JOB)["id"])
        self.local("idle")
        after = self.usage()
        return {name: (after[name] - before[name]) / 10 for name in ("transitions", "write_units")}

    def execution_began(self, job):
        """When the execution that carries a job began, in seconds."""
        body = {"executionArn": f"arn:aws:states:us-east-1:000000000000:execution:gpu-local-job:{job}-0"}
        headers = {"x-amz-target": DESCRIBE, "content-type": "application/x-amz-json-1.0", "authorization": SIGNED,
                   "x-amz-date": "20261124T000000Z"}
        request = urllib.request.Request(self.aws, data=json.dumps(body).encode(), headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["startDate"]


def seconds(text):
    from datetime import datetime
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + (fraction or "0"))


def gaps(stack, run, count):
    """From the end of a node's job to the start of the execution of the next, in milliseconds."""
    nodes = stack.somebody.call(f"/v1/runs/{run}/nodes?limit={count}")["items"]
    jobs = {node["node"]: node["job_id"] for node in nodes}
    found = []
    for n in range(1, count):
        ended = stack.somebody.call(f"/v1/jobs/{jobs[f'n{n - 1}']}")["ended_at"]
        found.append((stack.execution_began(jobs[f"n{n}"]) - seconds(ended)) * 1000)
    return found


def measure(row, percentile):
    with Quick() as stack:
        alone = stack.job()
        run, took, used = stack.run(chain(100))
        added = used["transitions"] - 100 * alone["transitions"]
        row("transitions added by a run of 100 nodes, per run / per node", "<= 3 / 0",
            f"{min(added, 3):.0f} / {max(added - 3, 0) / 100:.2f}", added <= 3, f"a job alone takes {alone['transitions']:.1f}")
        between = percentile(gaps(stack, run, 100), 0.5)
        row("end of a node to the start of the next one's execution, p50", "<= 30 ms", f"{between:.0f} ms", between <= 30)
        row("overhead per no-op node, chain of 100", "<= 60 ms", f"{took * 10:.0f} ms", took * 10 <= 60, "its job's whole life included")
        _, took, used = stack.run(fan(100))
        small = took * 10
        row("overhead per no-op node, fan-out of 100 and join", "<= 25 ms", f"{small:.0f} ms", small <= 25, "its job's whole life included")
        units = used["write_units"] / 101
        _, took, more = stack.run(layers(1000, 50))
        row("overhead per no-op node, 1,000 in random layers", "<= 25 ms", f"{took:.0f} ms", took <= 25, "its job's whole life included")
        many = more["write_units"] / 1000
        row("DynamoDB write units per node, its job's included, 100 / 1,000", "<= 30", f"{units:.0f} / {many:.0f}", max(units, many) <= 30,
            f"a job alone takes {alone['write_units']:.0f}")
    ran = subprocess.run(["target/release/examples/validate"], capture_output=True, text=True, check=True)
    p50, nodes = (int(word) for word in ran.stdout.split())
    row(f"validating a definition of {nodes:,} nodes, p50", "<= 50 ms", f"{p50 / 1000:.0f} ms", p50 <= 50_000, "read from JSON, checked and planned")


def large(row, _):
    """Ten thousand nodes: it takes minutes, so it is a group of its own."""
    with Quick() as stack:
        _, took, _ = stack.run(fan(100))
        small = took * 10
        _, took, _ = stack.run(fan(9999))
        ratio = took / 10 / small
        row("overhead per node of 10,000 against 100, fan-out and join", "<= 1.2 x", f"{ratio:.2f} x", ratio <= 1.2, f"{took / 10:.0f} ms a node")

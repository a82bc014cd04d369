"""The release stack as a child process, and a client of its API."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid


# Where the binaries are: another folder is for trying the bench itself, not for figures.
BUILD = os.environ.get("BENCH_BUILD", "target/release")


class Stack:
    def __init__(self, *options, **parameters):
        defaults = {"Registration": "open", "HeartbeatSeconds": "60"}
        command = [f"{BUILD}/local", "--port", "0", "--memory", "--functions-dir", BUILD, *options]
        for name, value in {**defaults, **parameters}.items():
            command += ["--parameter", f"{name}={value}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("ready "):
            raise SystemExit("bench: the stack did not start")
        ready = json.loads(line[6:])
        self.api, self.aws, self.cloud = ready["api"], ready["aws"], ready["clouds"]["runpod"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def local(self, path, method="GET"):
        return call(f"{self.aws}/_local/{path}", method)

    def usage(self):
        return self.local("bill")["usage"]

    def memory_kib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def user(self):
        account = {"email": f"bench-{uuid.uuid4().hex[:12]}@example.com", "password": "fake-bench-password"}
        call(f"{self.api}/v1/auth/register", "POST", account)
        return User(self.api, call(f"{self.api}/v1/auth/login", "POST", account)["access_token"])


class User:
    def __init__(self, api, token):
        self.api, self.token = api, token

    def call(self, path, method="GET", body=None):
        return call(self.api + path, method, body, self.token)

    def submit(self, script, **changes):
        return self.call("/v1/jobs", "POST", job(script, **changes))["id"]

    def ended(self, job_id):
        """Waits on the job's own log: it is complete when the job has ended."""
        while True:
            found = self.call(f"/v1/jobs/{job_id}")
            if found["ended_at"]:
                return found
            time.sleep(0.05)


def job(script, **changes):
    return {"name": "bench", "image": "busybox", "command": ["sh", "-c", script], "gpu": {"model": "RTX 4090"}, **changes}


def call(url, method="GET", body=None, token=None):
    request = urllib.request.Request(url, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if body is not None or method == "POST":
        request.data = json.dumps(body if body is not None else {}).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"bench: {method} {url}: {error.code} {error.read().decode()[:300]}") from None
    return json.loads(text) if text else None

#!/usr/bin/env python3
"""A job from Python's standard library: register, sign in, submit, follow, read its result and its cost.

examples/job.py [API_URL]; EMAIL and PASSWORD in the environment name an account that exists.
"""

import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request

API = (sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080").rstrip("/")
PROGRAM = """
import json, os, time
for n in range(1, 6):
    print("step", n, flush=True)
    print(f"::progress {n / 5} step {n} of 5", flush=True)
    time.sleep(0.5)
json.dump({"sum": sum(range(1, 6))}, open(os.environ["GPU_OUTPUT"], "w"))
"""


def call(method, path, body=None, token=None, headers=None):
    request = urllib.request.Request(API + path, method=method, headers=dict(headers or {}))
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=35) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        problem = json.load(error)
        sys.exit(f"{error.code} {problem['code']}: {problem['detail']} {problem.get('errors') or ''}")


def sign_in():
    email, password = os.environ.get("EMAIL"), os.environ.get("PASSWORD")
    if not email:
        email, password = f"example+{secrets.token_hex(4)}@example.com", secrets.token_urlsafe(16)
        call("POST", "/v1/auth/register", {"email": email, "password": password})
    return call("POST", "/v1/auth/login", {"email": email, "password": password})["access_token"]


def main():
    token = sign_in()
    job = call(
        "POST",
        "/v1/jobs",
        {
            "name": "example",
            "image": "docker.io/library/python:3.12",
            "command": ["python3", "-c", PROGRAM],
            "gpu": {"model": "RTX 4090", "count": 1},
            "timeout_seconds": 600,
        },
        token,
        # The same key again answers with the same job: a lost answer never makes two.
        {"Idempotency-Key": secrets.token_hex(8)},
    )
    path = f"/v1/jobs/{job['id']}"
    print("submitted", job["id"])
    after, status = 0, job["status"]
    while status not in ("succeeded", "failed", "cancelled", "timed_out"):
        for event in call("GET", f"{path}/events?after={after}", token=token)["items"]:
            after, status = event["seq"], event["status"]
            print(event["at"][11:19], f"#{after}", event["event"]["type"], status)
        time.sleep(1)
    print(call("GET", f"{path}/log", token=token)["text"], end="")
    print("output", call("GET", path, token=token)["exit"]["output"] if status == "succeeded" else None)
    print("cost  ", call("GET", f"{path}/cost", token=token)["total"])
    return status != "succeeded"


if __name__ == "__main__":
    sys.exit(main())

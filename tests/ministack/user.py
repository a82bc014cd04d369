"""A user of the deployed API, as a program of theirs is one."""

import json

from websockets.sync.client import connect

from stack import call

PASSWORD = "correct-horse-battery-fake"


def shell_job(script, **changes):
    return {
        "name": "test",
        "image": "docker.io/library/busybox:1.36",
        "command": ["sh", "-c", script],
        "gpu": {"model": "RTX 4090"},
        "timeout_seconds": 120,
    } | changes


class User:
    def __init__(self, stack, name):
        self.api, self.token = stack.api, None
        account = {"email": f"{name}@example.com", "password": PASSWORD}
        self.ask("POST", "/v1/auth/register", account, 201)
        self.token = self.ask("POST", "/v1/auth/login", account)["access_token"]

    def ask(self, method, path, body=None, expected=200):
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        status, _, text = call(self.api + path, method, body, headers)
        if status != expected:
            raise AssertionError(f"{method} {path}: {status} {text}")
        return json.loads(text) if text else None

    def submit(self, job):
        return self.ask("POST", "/v1/jobs", job, 201)["id"]

    def job(self, id):
        return self.ask("GET", f"/v1/jobs/{id}")

    def live(self, id=None, run=None):
        of = {"run_id": run} if run else {"job_id": id}
        return Live(self.ask("POST", "/v1/realtime/ticket", {}, 201)["url"], of)


class Live:
    """The messages about a job or a run from its first event on."""

    def __init__(self, url, of):
        self.socket, self.seen = connect(url, open_timeout=60), []
        self.socket.send(json.dumps({"action": "subscribe", "after": 0, **of}))

    def until(self, wanted):
        """Reads on until a message for which `wanted` holds, and gives it."""
        for message in self.seen:
            if wanted(message):
                return message
        while True:
            told = json.loads(self.socket.recv(timeout=120))
            messages = told["messages"] if told["type"] == "batch" else [told]
            self.seen += messages
            for message in messages:
                if wanted(message):
                    return message
                # One with a number is an event: what went wrong in the job, not with us
                if message["type"] == "error" and "seq" not in message:
                    raise AssertionError(message)

    def status(self, status):
        return self.until(lambda message: message.get("status") == status)

    def of(self, kind):
        return [message for message in self.seen if message["type"] == kind]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

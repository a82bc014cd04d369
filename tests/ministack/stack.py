"""An emulated AWS account with the platform deployed into it by scripts/deploy.sh, beside a simulated RunPod."""

import json
import os
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request

import boto3

import template

ROOT = template.ROOT
TOOLS = ROOT / "target/venv-ministack/bin"
KEY = "fake-runpod-key"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A child with its own process group, so that nothing of it outlives the test. `line` is the first one it says with
    `ready` in it; all that it says is in `log`."""

    def __init__(self, command, log, environment, ready):
        self.child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        self.line, told = None, threading.Event()

        def listen():
            with open(log, "w", buffering=1) as file:
                for line in self.child.stdout:
                    file.write(line)
                    if self.line is None and ready in line:
                        self.line = line
                        told.set()
            told.set()

        threading.Thread(target=listen, daemon=True).start()
        told.wait(60)
        if self.line is None:
            self.stop()
            raise RuntimeError(f"{command[0]} did not start: {log.read_text()}")

    def stop(self):
        try:
            os.killpg(self.child.pid, signal.SIGTERM)
            self.child.wait(10)
            os.killpg(self.child.pid, signal.SIGKILL)
        except subprocess.TimeoutExpired:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Stack:
    """`clients` are AWS's own; `api` and `websocket` are where users connect."""

    def __init__(self, folder, binaries):
        self.folder, self.programs, self.port = folder, folder / "programs", free_port()
        self.aws = f"http://127.0.0.1:{self.port}"
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RUNPOD_", "ALIBABA_", "TENCENT_"))
        } | {
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "TMPDIR": str(folder),
            "RUNPOD_API_KEY": KEY,
        }
        self.processes = []
        try:
            self.start(binaries)
        except BaseException:
            self.stop()
            raise

    def start(self, binaries):
        clouds = Process([str(binaries / "simclouds"), "--key", KEY], self.folder / "clouds.log", self.environment, '"runpod"')
        self.processes.append(clouds)
        self.runpod = json.loads(clouds.line)["runpod"]["url"]
        emulator = Process([str(TOOLS / "ministack")], self.folder / "ministack.log", self.environment, "Running on http")
        self.processes.append(emulator)
        self.deploy(binaries)
        stack = self.client("cloudformation").describe_stacks(StackName="gpu-dev")["Stacks"][0]
        self.status = stack["StackStatus"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        apis = self.client("apigatewayv2").get_apis()["Items"]
        (api,) = [api["ApiId"] for api in apis if api["ProtocolType"] == "HTTP"]
        self.api = f"{self.aws}/_aws/execute-api/{api}"

    def deploy(self, binaries):
        """As a person does it, with times that suit a test."""
        self.programs.mkdir()
        for function in (ROOT / "functions").glob("*/Cargo.toml"):
            name = function.parent.name
            subprocess.run(["strip", "-o", str(self.programs / name), str(binaries / name)], check=True)
        self.deploy_script(
            *("--template", str(template.write(self.folder, self.port))),
            *("Registration=open", "HeartbeatSeconds=0.5", "WatchedSeconds=0.5", "CapacityBackoffSeconds=1"),
            *("OffersFreshSeconds=1", f"RunpodUrl={self.runpod}"),
        )

    def deploy_script(self, *arguments, **environment):
        """What scripts/deploy.sh says."""
        command = ["scripts/deploy.sh", "--from", str(self.programs), "--arch", "x86_64", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment | environment, capture_output=True, text=True)
        (self.folder / "deploy.log").write_text(done.stdout + done.stderr)
        if done.returncode:
            raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
        return done.stdout

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.aws,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def pages(self, path, method="GET"):
        """Status, headers and body as CloudFront answers them to a viewer."""
        host = self.outputs["DashboardUrl"].removeprefix("https://")
        return call(self.aws + path, method, headers={"Host": host, "X-Forwarded-Proto": "https"})

    def cloud(self, path, body=None):
        """What the simulated RunPod says about itself, or a fault that it is to have."""
        status, _, text = call(f"{self.runpod}/_sim/{path}", "GET" if body is None else "POST", body)
        assert status < 300, text
        return json.loads(text)

    def live_pods(self):
        """Names of the pods that bill."""
        return [pod["name"] for pod in self.cloud("pods")["pods"] if pod["status"] != "TERMINATED"]

    def stop(self):
        for process in reversed(self.processes):
            process.stop()


def call(url, method="GET", body=None, headers=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | (headers or {})
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers, answer.read().decode()

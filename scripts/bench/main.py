"""Every figure in turn. The numbers are what this run measured, or what it counted times AWS's list prices."""

import asyncio
import datetime
import http.client
import http.server
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

import websockets

import runs
from stack import Stack, call, job

ROWS = []


def row(figure, bar, measured, ok, note=""):
    verdict = "ok" if ok else "MISS"
    ROWS.append({"figure": figure, "bar": bar, "measured": measured, "verdict": verdict, "note": note})
    print(f"{figure:<62} {bar:<16} {measured:<24} {verdict:<5} {note}", flush=True)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


# ---------------------------------------------------------------- functions
FUNCTIONS = sorted(path.name for path in pathlib.Path("functions").iterdir() if path.is_dir())


def functions():
    """From exec to the first poll of the Lambda Runtime API, twenty times each, and what the process is then."""
    polled, held = threading.Event(), threading.Event()

    class Runtime(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.at = time.perf_counter()
            polled.set()
            held.wait(5)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Runtime)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"127.0.0.1:{server.server_port}"
    names = ["TABLE_NAME", "JOB_MACHINE_ARN", "RUN_MACHINE_ARN", "PARAMETER_PREFIX"]
    urls = ["API_URL", "WEBSOCKET_URL", "WEBSOCKET_ENDPOINT", "AWS_ENDPOINT_URL"]
    env = {"AWS_LAMBDA_RUNTIME_API": here, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test",
           "AWS_SECRET_ACCESS_KEY": "test", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "1",
           **dict.fromkeys(names, "/fake"), **dict.fromkeys(urls, "http://127.0.0.1:1")}
    starts, sizes, memory = {}, {}, {}
    for name in FUNCTIONS:
        program = f"target/release/{name}"
        sizes[name] = os.path.getsize(program)
        times = []
        for _ in range(21):
            polled.clear()
            held.clear()
            began = time.perf_counter()
            process = subprocess.Popen([program], env={**env, "AWS_LAMBDA_FUNCTION_NAME": name},
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if not polled.wait(5):
                raise SystemExit(f"bench: {name} never polled")
            times.append((server.at - began) * 1000)
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            memory[name] = int(re.search(r"VmRSS:\s+(\d+)", status)[1])
            process.kill()
            process.wait()
            held.set()
        starts[name] = statistics.median(times[1:])
    slow, big, fat = (max(found, key=found.get) for found in (starts, sizes, memory))
    row("release function: exec to first poll, median, worst function", "<= 15 ms", f"{starts[slow]:.1f} ms", starts[slow] <= 15, slow)
    row("release function: size, largest", "<= 8 MB", f"{sizes[big] / 1e6:.2f} MB", sizes[big] <= 8e6, big)
    row("release function: memory at first poll, most", "<= 10 MiB", f"{memory[fat] / 1024:.1f} MiB", memory[fat] <= 10240, fat)


# ---------------------------------------------------------------- jobs over HTTP
def jobs():
    with Stack(DefaultConcurrency="1") as stack:
        user = stack.user()
        before = stack.usage()["transitions"]
        user.ended(user.submit("true"))
        clean = stack.usage()["transitions"] - before
        row("state transitions of a clean job", "<= 5", str(clean), clean <= 5)

        # One job holds the only place, so that what is submitted waits and nothing runs beside the measurement.
        user.submit("sleep 3600")
        place = urllib.parse.urlsplit(stack.api)
        connection = http.client.HTTPConnection(place.hostname, place.port)
        headers = {"Authorization": f"Bearer {user.token}", "Content-Type": "application/json"}

        def timed(method, path, body=None):
            began = time.perf_counter()
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 300:
                raise SystemExit(f"bench: {method} {path}: {answer.status}")
            return (time.perf_counter() - began) * 1000

        body = json.dumps(job("true"))
        for _ in range(50):
            timed("POST", "/v1/jobs", body)
        times = [timed("POST", "/v1/jobs", body) for _ in range(1000)]
        p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
        row("submit over HTTP, warm, one connection, p50 / p99", "<= 8 / 14 ms", f"{p50:.1f} / {p99:.1f} ms", p50 <= 8 and p99 <= 14)
        for _ in range(6000 - 1050):
            timed("POST", "/v1/jobs", body)
        for _ in range(30):
            timed("GET", "/v1/jobs?limit=20")
        times = [timed("GET", "/v1/jobs?limit=20") for _ in range(300)]
        row("list 20 of 6,000 jobs, p50", "<= 4 ms", f"{percentile(times, 0.5):.1f} ms", percentile(times, 0.5) <= 4)


# ---------------------------------------------------------------- a burst, and the way to the cloud
def burst():
    """A thousand submits as fast as they are taken, from as many connections as a busy team has."""
    clients, each = 20, 50
    with Stack(DefaultConcurrency="4") as stack:
        user = stack.user()
        place = urllib.parse.urlsplit(stack.api)
        headers = {"Authorization": f"Bearer {user.token}", "Content-Type": "application/json"}
        body = json.dumps(job("sleep 3600"))
        times, statuses, begin = [], [], threading.Barrier(clients)

        def client():
            connection = http.client.HTTPConnection(place.hostname, place.port)
            begin.wait()
            for _ in range(each):
                began = time.perf_counter()
                connection.request("POST", "/v1/jobs", body, headers)
                answer = connection.getresponse()
                made = json.loads(answer.read())
                times.append((time.perf_counter() - began) * 1000)
                statuses.append(made["status"] if answer.status == 201 else answer.status)

        user.submit("true")
        threads = [threading.Thread(target=client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = sum(status == "queued" for status in statuses)
        p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
        row("burst of 1,000 submits, 20 connections, p50 / p99", "p99 <= 100 ms", f"{p50:.0f} / {p99:.0f} ms",
            p99 <= 100 and taken == clients * each, f"{taken} admitted or queued")


def launch():
    """From the moment before a job is submitted until the cloud has the call that makes its machine, by the clock of both.
    The launch decision lies in between, so it is nearer."""
    with Stack(OffersFreshSeconds="3600") as stack:
        user = stack.user()
        times = []
        for n in range(40):
            began = time.time()
            made = user.submit("true")
            user.ended(made)
            calls = call(f"{stack.cloud}/_sim/calls")["calls"]
            at = [one["at"] for one in calls if one["operation"] == "create"][-1]
            at = datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()
            if n >= 10:
                times.append((at - began) * 1000)
            stack.local("idle")
        p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
        row("submit to the cloud's create call, warm, p50 / p99", "p50 <= 50 ms", f"{p50:.0f} / {p99:.0f} ms", p50 <= 50)


# ---------------------------------------------------------------- the bill
REPORTS = 1440
LOG_BYTES = 1_000_000


def bill():
    """A day's calls in a minute: the reports come as often as they do in 24 hours, only closer together."""
    with Stack(HeartbeatSeconds="0.05") as stack:
        user = stack.user()
        line = "x" * 99
        lines = LOG_BYTES // 100 // 100
        script = f"n=0; while [ $n -lt 100 ]; do yes {line} | head -n {lines}; sleep 1; n=$((n+1)); done"
        stack.local("bill/reset", "POST")
        began = stack.local("calls?since=0")["last"]
        job_id = user.submit(script)
        user.ended(job_id)
        stack.local("idle")
        answer = stack.local("bill")
        calls = stack.local(f"calls?since={began}")["calls"]
        reports = sum(1 for c in calls if c["edge"] == "http" and c["function"] == "runner-events")
        # What asks for the job's status here is not part of the job's bill.
        asked = sum(1 for c in calls if c["edge"] == "http" and c["function"] == "jobs") - 1
        dollars = answer["dollars"] - asked * (1.0 + 0.2) / 1e6
        scaled = dollars * max(1, REPORTS / max(1, reports))
        row("AWS bill of a 24-hour job, counted calls x list prices", "<= $0.006", f"${scaled:.5f}", scaled <= 0.006,
            f"{reports} messages of the runner counted, scaled to {REPORTS}")
    with Stack() as stack:
        stack.local("invoke-schedule/sweeper", "POST")
        stack.local("idle")
        stack.local("bill/reset", "POST")
        for _ in range(10):
            stack.local("invoke-schedule/sweeper", "POST")
        stack.local("idle")
        month = stack.local("bill")["dollars"] / 10 * 12 * 24 * 30
        row("AWS bill of an idle month, counted calls x list prices", "<= $0.05", f"${month:.4f}", month <= 0.05,
            "8,640 sweeps; up to 10 alarms and standard parameters are free")


# ---------------------------------------------------------------- Step Functions
def states():
    folder = pathlib.Path(os.environ.get("ASL_CASES", "../shared/asl"))
    if not (folder / "run.py").exists():
        row("recorded Step Functions cases, outcome / history", "163 / 163", "not measured", False, "no recordings: set ASL_CASES")
        return
    passed = {}
    for level in ("outcome", "history"):
        with Stack("--test-functions") as stack:
            ran = subprocess.run([sys.executable, str(folder / "run.py"), "--endpoint", stack.aws, "--group", "all", "--lambda-mode", "stub",
                                  "--ids", str(folder / "profile.txt"), "--level", level], capture_output=True, text=True, check=False)
            found = re.search(r"(\d+) passed, (\d+) failed", ran.stdout)
            passed[level] = int(found[1]) if found else 0
    row("recorded Step Functions cases, outcome / history", "163 / 163", f"{passed['outcome']} / {passed['history']}",
        set(passed.values()) == {163}, "the whole local stack's AWS endpoint")


# ---------------------------------------------------------------- live
async def heard(user, job_id):
    """Every event of the job with the time at which it was heard."""
    ticket = await asyncio.to_thread(user.call, "/v1/realtime/ticket", "POST")
    events = []
    async with websockets.connect(ticket["url"]) as socket:
        await socket.send(json.dumps({"action": "subscribe", "job_id": job_id, "after": 0}))
        subscribed = False
        async for text in socket:
            now = time.time()
            message = json.loads(text)
            for one in message.get("messages", [message]):
                subscribed = subscribed or one["type"] == "subscribed"
                if "event" in one:
                    events.append((one, now, subscribed))
                if one["type"] == "completion":
                    return events


def seconds(text):
    from datetime import datetime
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + (fraction or "0"))


def live():
    """Events that were replayed to a new subscription are not pushes; only what came live counts."""
    pushes, ends = [], []
    with Stack(HeartbeatSeconds="1") as stack:
        user = stack.user()
        for _ in range(15):
            job_id = user.submit('sleep 1; printf \'{"at":%s}\' "$(date +%s%N)" >"$GPU_OUTPUT"')
            for message, at, is_live in asyncio.run(heard(user, job_id)):
                if is_live:
                    pushes.append((at - seconds(message["at"])) * 1000)
                if message["type"] == "completion":
                    ends.append(at - message["event"]["exit"]["output"]["at"] / 1e9)
    p50 = percentile(pushes, 0.5)
    row("commit of a status change to a WebSocket client, p50", "<= 50 ms", f"{p50:.0f} ms", p50 <= 50, f"{len(pushes)} events")
    p50, worst = percentile(ends, 0.5), max(ends)
    row("exit of the command to `succeeded` at the client, p50", "<= 1 s", f"{p50:.2f} s", p50 <= 1, f"worst of {len(ends)}: {worst:.2f} s")


def rank():
    """The rule alone, without the catalogue's read: three clouds' offers, each place with measurements."""
    ran = subprocess.run(["target/release/examples/rank"], capture_output=True, text=True, check=True)
    p50, p99, suitable = (int(word) for word in ran.stdout.split())
    row("ranking 5,000 offers, p50 / p99", "<= 2 ms", f"{p50 / 1000:.2f} / {p99 / 1000:.2f} ms", p50 <= 2000, f"{suitable} of them suitable")


def rest():
    with Stack("--idle", "1") as stack:
        user = stack.user()
        user.ended(user.submit("true"))
        while stack.local("status")["idle_processes"]:
            time.sleep(0.2)
        mib = stack.memory_kib() / 1024
        row("local stack at rest, functions scaled to zero", "<= 80 MiB", f"{mib:.0f} MiB", mib <= 80)


GROUPS = {"function": functions, "job": jobs, "burst": burst, "launch": launch, "bill": bill, "states": states, "live": live, "rank": rank, "run": lambda: runs.measure(row, percentile), "large": lambda: runs.large(row, percentile), "rest": rest}

if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    if wanted and wanted not in GROUPS:
        raise SystemExit(f"bench: no group {wanted}; there are {', '.join(GROUPS)}")
    print(f"{'figure':<62} {'bar':<16} {'measured':<24} verdict")
    for name, measure in GROUPS.items():
        if wanted in ("", name):
            measure()
    pathlib.Path("target/bench.json").write_text(json.dumps(ROWS, indent=2) + "\n")

"""The platform in an AWS account that we did not write: ministack, deployed into by scripts/deploy.sh.

    target/venv-ministack/bin/python tests/ministack/check.py [--binaries DIR] [TEST...]

The programs are those of `cargo build --workspace --bins`.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from stack import ROOT, Stack
from user import User, shell_job


def eventually(look):
    """What `look` gives once it gives something. The emulator has no event for what is waited for here."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen")


class Deployed(unittest.TestCase):
    binaries = ROOT / "target/debug"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="ministack-")
        cls.stack = Stack(pathlib.Path(cls.folder.name), cls.binaries.resolve())
        cls.addClassCleanup(cls.folder.cleanup)
        cls.addClassCleanup(cls.stack.stop)
        cls.user = User(cls.stack, "user")

    def execution(self, id, machine="job"):
        """The one execution of a job or run, once it has ended, with the states that it entered."""
        states = self.stack.client("stepfunctions")
        arn = self.stack.outputs["JobMachineArn"].removesuffix("job") + machine

        def ended():
            found = states.list_executions(stateMachineArn=arn)["executions"]
            (one,) = [execution for execution in found if execution["name"].startswith(id)]
            return one["status"] != "RUNNING" and one

        execution = eventually(ended)
        pages = states.get_paginator("get_execution_history").paginate(executionArn=execution["executionArn"])
        events = [event for page in pages for event in page["events"]]
        entered = [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]
        return execution["status"], entered

    def test_the_stack_is_complete(self):
        self.assertEqual(self.stack.status, "CREATE_COMPLETE")
        resources = self.stack.client("cloudformation").get_paginator("list_stack_resources")
        made = [one for page in resources.paginate(StackName="gpu-dev") for one in page["StackResourceSummaries"]]
        self.assertEqual({one["ResourceStatus"] for one in made}, {"CREATE_COMPLETE"})
        functions = self.stack.client("lambda").list_functions()["Functions"]
        folders = [path.parent.name for path in (ROOT / "functions").glob("*/Cargo.toml")]
        self.assertEqual({one["FunctionName"] for one in functions}, {f"gpu-dev-{name}" for name in folders})
        schema = self.stack.client("dynamodb").get_item(
            TableName=self.stack.outputs["TableName"], Key={"pk": {"S": "SCHEMA"}, "sk": {"S": "SCHEMA"}}
        )
        self.assertIn("version", schema["Item"], "the migration ran when the stack was made")
        key = self.stack.client("ssm").describe_parameters()["Parameters"]
        kinds = {parameter["Name"]: parameter["Type"] for parameter in key}
        for name in ("signing-key", "runner-key", "secrets-key", "providers/runpod"):
            self.assertEqual(kinds[f"/gpu/dev/{name}"], "SecureString")

    def test_a_dry_run_needs_no_aws_and_packs_the_same_bytes(self):
        archives = lambda: {path.name: path.read_bytes() for path in (ROOT / "target/lambda").glob("*.zip")}
        deployed = archives()
        nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
        said = self.stack.deploy_script("--dry-run", "--stage", "prod", "DefaultGpus=8", **nowhere)
        self.assertIn("would deploy infra/template.yaml as stage prod with:", said)
        for parameter in ("Stage=prod", "Protect=true", "Architecture=x86_64", "DefaultGpus=8"):
            self.assertIn(f"  {parameter}\n", said)
        self.assertEqual(archives(), deployed)
        for wrong in (["--stage", "nowhere"], ["--arch", "vax"], ["not a parameter"]):
            with self.assertRaises(RuntimeError):
                self.stack.deploy_script("--dry-run", *wrong, **nowhere)

    def test_one_origin_serves_dashboard_and_api(self):
        status, headers, page = self.stack.pages("/jobs/job_1")
        self.assertEqual((status, page), (200, (ROOT / "frontend/dist/index.html").read_text()), "it routes by itself")
        self.assertEqual(headers["Cache-Control"], "no-cache")
        policy = headers["Content-Security-Policy"]
        self.assertIn("script-src 'self';", policy)
        self.assertNotIn("unsafe", policy)
        self.assertIn("frame-ancestors 'none'", policy)
        self.assertEqual((headers["X-Content-Type-Options"], headers["X-Frame-Options"]), ("nosniff", "DENY"))
        self.assertIn("max-age=", headers["Strict-Transport-Security"])
        asset = next((ROOT / "frontend/dist/assets").glob("*.js")).name
        status, headers, _ = self.stack.pages(f"/assets/{asset}")
        self.assertEqual((status, headers["Cache-Control"]), (200, "public, max-age=31536000, immutable"))
        status, _, _ = self.stack.pages("/assets/none.js")
        self.assertIn(status, (403, 404))
        status, _, text = self.stack.pages("/healthz")
        self.assertEqual((status, json.loads(text)["status"]), (200, "ok"))
        status, _, text = self.stack.pages("/v1/me")
        self.assertEqual((status, json.loads(text)["code"]), (401, "not_authenticated"))

    def test_a_job_is_watched_to_its_end(self):
        id = self.user.submit(shell_job("echo hello; echo '::progress 0.5 half'; echo done"))
        with self.user.live(id) as live:
            live.status("succeeded")
        # What happens while a client subscribes comes live and among the events before
        events = sorted({message["seq"] for message in live.of("status")})
        self.assertEqual(events, list(range(1, len(events) + 1)), "no event is missing")
        self.assertEqual("".join(log["text"] for log in live.of("log")), "hello\n::progress 0.5 half\ndone\n")
        job = self.user.job(id)
        self.assertEqual((job["status"], job["exit"]["code"], job["attempt"]), ("succeeded", 0, 1))
        status, entered = self.execution(id)
        self.assertEqual((status, entered), ("SUCCEEDED", ["Launch", "Boot", "Listen", "Settle"]))
        self.assertNotIn(job["placement"], (None, {}))

    def test_a_job_that_fails_ends_its_execution_well(self):
        id = self.user.submit(shell_job("exit 3"))
        with self.user.live(id) as live:
            live.status("failed")
        self.assertEqual(self.user.job(id)["exit"]["code"], 3)
        self.assertEqual(self.execution(id)[0], "SUCCEEDED")

    def test_a_workflow_with_a_map_runs_to_its_end(self):
        square = shell_job('echo "$((N * N))" >"$GPU_OUTPUT"', env={"N": "${{ item }}"})
        total = {"condition": "true", "depends_on": ["squares"], "outputs": {"sum": "nodes.squares.output.sum()"}}
        nodes = {"squares": {"map": {"over": [1, 2, 3], "max_parallel": 2, "node": {"job": square}}}, "total": total}
        workflow = self.user.ask("POST", "/v1/workflows", {"definition": {"name": "squares", "nodes": nodes}}, 201)["id"]
        run = self.user.ask("POST", f"/v1/workflows/{workflow}/runs", {}, 201)["id"]
        with self.user.live(run=run) as live:
            live.until(lambda message: message.get("event", {}).get("type") == "ended")
        events = sorted({message["seq"] for message in live.of("run_event")})
        self.assertEqual(events, list(range(1, len(events) + 1)), "no event is missing")
        ended = self.user.ask("GET", f"/v1/runs/{run}")
        self.assertEqual((ended["status"], ended["counts"]["succeeded"]), ("succeeded", 2))
        total = self.user.ask("GET", f"/v1/runs/{run}/nodes/total")
        self.assertEqual(total["output"], {"sum": 14})
        status, entered = self.execution(run, "run")
        self.assertEqual((status, entered), ("SUCCEEDED", ["Run", "Finish"]))

    def test_cancel_gives_the_instance_back(self):
        id = self.user.submit(shell_job("sleep 600"))
        with self.user.live(id) as live:
            live.status("running")
            self.user.ask("POST", f"/v1/jobs/{id}/cancel", {}, 202)
            live.status("cancelled")
        self.assertEqual(self.execution(id)[0], "SUCCEEDED")
        attempt = self.user.job(id)["attempt_id"]
        self.assertEqual([pod for pod in self.stack.live_pods() if attempt in pod], [])

    def test_the_sweeper_gives_back_what_no_row_knows(self):
        schedule = self.stack.client("scheduler").get_schedule(Name="gpu-dev-sweeper")

        def sweep():
            target = schedule["Target"]
            answer = self.stack.client("lambda").invoke(FunctionName=target["Arn"], Payload=target["Input"])
            self.assertNotIn("FunctionError", answer)
            return json.load(answer["Payload"])

        self.stack.cloud("faults", {"operation": "create", "mode": "twice"})
        id = self.user.submit(shell_job("sleep 600"))
        with self.user.live(id) as live:
            live.status("running")
            attempt = self.user.job(id)["attempt_id"]
            pods = lambda: len([pod for pod in self.stack.live_pods() if attempt in pod])
            self.assertEqual(pods(), 2)
            self.assertEqual(sweep()["orphans"], 1)
            self.assertEqual((pods(), self.user.job(id)["status"]), (1, "running"))
            self.assertEqual(sweep()["orphans"], 0)
            self.user.ask("POST", f"/v1/jobs/{id}/cancel", {}, 202)
            live.status("cancelled")
        self.assertEqual(pods(), 0)

    def test_others_see_nothing(self):
        id = self.user.submit(shell_job("true"))
        stranger = User(self.stack, "stranger")
        stranger.ask("GET", f"/v1/jobs/{id}", expected=404)
        with self.user.live(id) as live:
            live.status("succeeded")
        with stranger.live(id) as refused:
            with self.assertRaisesRegex(AssertionError, "not_found"):
                refused.status("succeeded")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--binaries", type=pathlib.Path, default=Deployed.binaries)
    arguments.add_argument("tests", nargs="*")
    given = arguments.parse_args()
    Deployed.binaries = given.binaries
    names = [f"Deployed.{name}" for name in given.tests]
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromNames(names, sys.modules["__main__"]) if names else loader.loadTestsFromTestCase(Deployed)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors)
    print(f"ministack: {max(result.testsRun - failed, 0)} passed, {failed} failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()

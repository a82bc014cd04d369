"""What deploy_steps.py does with the keys: which it makes, and under which KMS key they are.

    target/venv/bin/python scripts/test_deploy_steps.py
"""

import contextlib
import io
import os
import pathlib
import sys
import types
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import deploy_steps

MINE = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"


class Parameters:
    """Parameter Store as far as a deployment uses it."""

    def __init__(self):
        self.rows = {}

    def get_parameters(self, Names, WithDecryption):
        assert WithDecryption
        return {"Parameters": [{"Name": n, "Value": self.rows[n]["Value"]} for n in Names if n in self.rows]}

    def describe_parameters(self, ParameterFilters):
        (name,) = ParameterFilters[0]["Values"]
        return {"Parameters": [{"Name": name, "KeyId": self.rows[name]["KeyId"]}] if name in self.rows else []}

    def put_parameter(self, Name, Value, Type, Overwrite, KeyId="alias/aws/ssm"):
        assert Type == "SecureString" and Overwrite
        self.rows[Name] = {"Value": Value, "KeyId": KeyId}


class Keys(unittest.TestCase):
    def setUp(self):
        self.store = Parameters()
        boto3 = types.SimpleNamespace(client=lambda service: {"ssm": self.store}[service])
        accounts = {name: "" for fields in deploy_steps.ACCOUNTS.values() for name in fields}
        for patch in [
            mock.patch.dict(sys.modules, boto3=boto3),
            mock.patch.dict(os.environ, {**accounts, "RUNPOD_API_KEY": "rpa_fake"}),
        ]:
            patch.start()
            self.addCleanup(patch.stop)

    def deploy(self, *given):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            deploy_steps.keys("dev", list(given))
        return said.getvalue()

    def held_by(self):
        return {row["KeyId"] for row in self.store.rows.values()}

    def test_every_key_is_made_once_and_kept(self):
        self.deploy()
        first = dict(self.store.rows)
        self.assertEqual(
            sorted(name.rsplit("/", 1)[1] for name in first), ["runner-key", "runpod", "secrets-key", "signing-key"]
        )
        self.deploy()
        self.assertEqual(self.store.rows, first)
        self.assertEqual(self.held_by(), {"alias/aws/ssm"})

    def test_a_key_of_ones_own_holds_everything_from_the_beginning(self):
        self.deploy(f"KmsKeyArn={MINE}")
        self.assertEqual(self.held_by(), {MINE})

    def test_a_key_that_is_named_later_takes_over_and_no_value_changes(self):
        self.deploy()
        values = {name: row["Value"] for name, row in self.store.rows.items()}
        said = self.deploy(f"KmsKeyArn={MINE}")
        self.assertEqual(said.count("encrypted"), 4, said)
        self.assertEqual(self.held_by(), {MINE})
        self.assertEqual({name: row["Value"] for name, row in self.store.rows.items()}, values)
        self.assertNotIn("encrypted", self.deploy(f"KmsKeyArn={MINE}"))


if __name__ == "__main__":
    unittest.main()

"""The steps of scripts/deploy.sh that are more than a command: merging parameters, making keys, uploading pages.

Run by the Python of target/venv, which has boto3. AWS_ENDPOINT_URL leads all of it to an emulator.
"""

import base64
import json
import mimetypes
import os
import pathlib
import subprocess
import sys

import tomlkit

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEYS = ("signing-key", "runner-key", "secrets-key")
# Accounts at the clouds, taken from these variables when they are set; docs/gpu-providers.md says what each holds.
ACCOUNTS = {
    "runpod": {"RUNPOD_API_KEY": None},
    "alibaba": {
        "ALIBABA_ACCESS_KEY_ID": "access_key_id",
        "ALIBABA_ACCESS_KEY_SECRET": "access_key_secret",
        "ALIBABA_REGIONS": "regions",
    },
    "tencent": {
        "TENCENT_SECRET_ID": "secret_id",
        "TENCENT_SECRET_KEY": "secret_key",
        "TENCENT_REGION": "region",
        "TENCENT_CLUSTER_ID": "cluster_id",
    },
}


def configuration():
    return tomlkit.parse((ROOT / "infra/samconfig.toml").read_text()).unwrap()


def parameters(stage, given):
    """The stage's parameters from samconfig.toml with the given ones over them."""
    config = configuration()
    if stage not in config or stage == "default":
        stages = ", ".join(name for name in config if name not in ("version", "default"))
        sys.exit(f"deploy.sh: infra/samconfig.toml has no stage {stage}; it has {stages}")
    merged = {}
    for pair in config[stage]["deploy"]["parameters"]["parameter_overrides"] + given:
        name, separator, value = pair.partition("=")
        if not separator:
            sys.exit(f"deploy.sh: {pair} is not NAME=VALUE")
        merged[name] = value
    return merged


def stack_name(stage):
    return configuration()[stage]["deploy"]["parameters"]["stack_name"]


def generated(name):
    """A new key: EC P-256 in PKCS#8 to sign with, 256 random bits for the others."""
    if name == "signing-key":
        command = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return base64.b64encode(os.urandom(32)).decode()


def account(provider):
    """What the environment says about an account at a cloud; None if nothing."""
    fields = ACCOUNTS[provider]
    values = {variable: os.environ.get(variable) for variable in fields}
    missing = [variable for variable, value in values.items() if not value]
    if len(missing) == len(fields):
        return None
    if missing:
        sys.exit(f"deploy.sh: {provider} needs {' and '.join(missing)} too")
    if provider == "runpod":
        return values["RUNPOD_API_KEY"]
    told = {field: values[variable] for variable, field in fields.items()}
    if provider == "alibaba":
        told["regions"] = json.loads(told["regions"])
    return json.dumps(told)


class ParameterStore:
    """SecureStrings under the prefix, a slash in front of it."""

    def __init__(self, prefix, key):
        import boto3

        self.client, self.prefix = boto3.client("ssm"), prefix
        self.key = {"KeyId": key} if key else {}

    def is_under_key(self, name):
        """Whether it is encrypted with the key that is named, if one is."""
        named = {"Key": "Name", "Values": [f"{self.prefix}/{name}"]}
        found = self.client.describe_parameters(ParameterFilters=[named])["Parameters"]
        return not self.key or (bool(found) and found[0].get("KeyId") == self.key["KeyId"])

    def read(self, name):
        found = self.client.get_parameters(Names=[f"{self.prefix}/{name}"], WithDecryption=True)["Parameters"]
        return found[0]["Value"] if found else None

    def write(self, name, value):
        name = f"{self.prefix}/{name}"
        self.client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True, **self.key)


class SecretsManager:
    """Secrets of the same names, without the slash in front."""

    def __init__(self, prefix, key):
        import boto3

        self.client, self.prefix = boto3.client("secretsmanager"), prefix.strip("/")
        self.key = {"KmsKeyId": key} if key else {}

    def is_under_key(self, name):
        """Whether it is encrypted with the key that is named, if one is."""
        found = self.client.describe_secret(SecretId=f"{self.prefix}/{name}")
        return not self.key or found.get("KmsKeyId") == self.key["KmsKeyId"]

    def read(self, name):
        try:
            return self.client.get_secret_value(SecretId=f"{self.prefix}/{name}")["SecretString"]
        except self.client.exceptions.ResourceNotFoundException:
            return None

    def write(self, name, value):
        name = f"{self.prefix}/{name}"
        try:
            self.client.create_secret(Name=name, SecretString=value, **self.key)
        except self.client.exceptions.ResourceExistsException:
            # With a key it is encrypted anew
            self.client.update_secret(SecretId=name, SecretString=value, **self.key)


def keys(stage, given):
    """Makes the keys that are missing, never another for one that is there, and stores the accounts of the environment.
    What is there and not under the key that KmsKeyArn names is encrypted anew with it: the same value."""
    merged = parameters(stage, given)
    store = SecretsManager if merged.get("SecretStore") == "secrets-manager" else ParameterStore
    store = store(merged["ParameterPrefix"], merged.get("KmsKeyArn"))
    for name in KEYS:
        kept = store.read(name)
        if kept is None:
            store.write(name, generated(name))
            print(f"made {merged['ParameterPrefix']}/{name}")
        elif not store.is_under_key(name):
            store.write(name, kept)
            print(f"encrypted {merged['ParameterPrefix']}/{name} anew")
    for provider in ACCOUNTS:
        value, kept = account(provider), store.read(f"providers/{provider}")
        if value is not None and kept != value:
            store.write(f"providers/{provider}", value)
            print(f"stored {merged['ParameterPrefix']}/providers/{provider}")
        elif kept is not None and not store.is_under_key(f"providers/{provider}"):
            store.write(f"providers/{provider}", kept)
            print(f"encrypted {merged['ParameterPrefix']}/providers/{provider} anew")
        elif value is None and kept is None:
            print(f"no account at {provider}: its offers will be missing")


def outputs(stage):
    import boto3

    stack = boto3.client("cloudformation").describe_stacks(StackName=stack_name(stage))["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def files(folder):
    """The dashboard's files in the order in which they may appear: a page never names a file that is not there yet."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and ".vite" not in path.parts]
    return sorted(found, key=lambda path: (path.name == "index.html", not path.relative_to(folder).parts[0] == "assets"))


def pages(stage):
    """Uploads the built dashboard. What the build names by content may be kept for ever; the rest is asked for anew."""
    import boto3

    folder, bucket, client = ROOT / "frontend/dist", outputs(stage)["DashboardBucket"], boto3.client("s3")
    for path in files(folder):
        name = path.relative_to(folder).as_posix()
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if kind.startswith("text/") or kind == "application/javascript":
            kind = f"{kind.replace('application/', 'text/')}; charset=utf-8"
        kept = "public, max-age=31536000, immutable" if name.startswith("assets/") else "no-cache"
        client.upload_file(str(path), bucket, name, ExtraArgs={"ContentType": kind, "CacheControl": kept})
    print(f"uploaded {len(files(folder))} files of the dashboard")


def main():
    step, stage, *rest = sys.argv[1:]
    if step == "parameters":
        print("\n".join(f"{name}={value}" for name, value in parameters(stage, rest).items()))
    elif step == "keys":
        keys(stage, rest)
    elif step == "pages":
        pages(stage)
    elif step == "outputs":
        for name, value in outputs(stage).items():
            print(f"{name:16} {value}")
    else:
        sys.exit(f"deploy_steps.py: no step {step}")


if __name__ == "__main__":
    main()

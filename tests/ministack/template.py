"""infra/template.yaml as the emulator can take it: the same file, less the few things that ministack 1.5.33 lacks.

Each difference is a function with its reason. docs/testing.md lists them for people.
"""

import json
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags."""


def _short_tag(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix in ("Ref", "Condition"):
        return {suffix: value}
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", _short_tag)


def load():
    return yaml.load((ROOT / "infra/template.yaml").read_text(), Loader)


def _texts(value, change):
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _texts(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_texts(inner, change) for inner in value]
    return value


def host_names(template, port):
    """APIs answer on one port below a path: names under execute-api do not resolve on loopback, and there is no TLS."""
    pattern = re.compile(r"\b(http|ws)s?(s)?://\$\{(\w+)\}\.execute-api\.\$\{AWS::Region\}\.\$\{AWS::URLSuffix\}")
    return _texts(template, lambda text: pattern.sub(rf"\1://127.0.0.1:{port}/_aws/execute-api/${{\3}}", text))


def paths(template):
    """The template lies elsewhere, so what it names relative to itself gets its whole path."""
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if "CodeUri" in properties:
            properties["CodeUri"] = str((ROOT / "infra" / properties["CodeUri"]).resolve())
    return template


def definitions(template, folder):
    """A task that waits for a token takes no expression for its times: such a one raises in the emulator. The seconds
    that stand in for it are longer than any job here takes."""
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if "DefinitionUri" in properties:
            source = (ROOT / "infra" / properties["DefinitionUri"]).resolve()
            text = re.sub(r'("(?:Timeout|Heartbeat)Seconds": )"\{%[^"]*%\}"', r"\g<1>600", source.read_text())
            target = folder / source.name
            target.write_text(text)
            properties["DefinitionUri"] = str(target)
    return template


def origin(template, port):
    """CloudFront reaches the API over the network, under the same path as everybody here."""
    distribution = template["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    (api,) = [origin for origin in distribution["Origins"] if origin["Id"] == "api"]
    api["DomainName"] = "localhost"
    api["OriginPath"] = {"Fn::Sub": "/_aws/execute-api/${HttpApi}"}
    api["CustomOriginConfig"] = {"OriginProtocolPolicy": "http-only", "HTTPPort": port}
    return template


def write(folder, port):
    """The template for an emulator at `port`, written into `folder`."""
    template = origin(paths(host_names(load(), port)), port)
    template = definitions(template, folder)
    target = folder / "template.json"
    target.write_text(json.dumps(template, indent=1))
    return target

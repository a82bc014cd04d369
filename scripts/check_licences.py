#!/usr/bin/env python3
"""Every crate that may be linked in has a licence that deny.toml allows. GPL and AGPL are never allowed."""

import json
import re
import subprocess
import sys
import tomllib

NEVER = ("AGPL", "GPL")


def tokens(expression):
    return re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))


def allowed(expression, licences):
    """Whether an SPDX expression can be satisfied: OR offers a choice, AND asks for both, WITH belongs to its licence."""
    parts = tokens(expression)

    def either():
        good = both()
        while parts and parts[0] == "OR":
            parts.pop(0)
            other = both()
            good = good or other
        return good

    def both():
        good = one()
        while parts and parts[0] == "AND":
            parts.pop(0)
            other = one()
            good = good and other
        return good

    def one():
        if not parts or parts[0] in (")", "OR", "AND"):
            raise ValueError(expression)
        part = parts.pop(0)
        if part == "(":
            good = either()
            if not parts or parts.pop(0) != ")":
                raise ValueError(expression)
            return good
        if parts and parts[0] == "WITH":
            parts.pop(0)
            part = f"{part} WITH {parts.pop(0)}"
        return part in licences and not part.startswith(NEVER)

    good = either()
    if parts:
        raise ValueError(expression)
    return good


def self_test():
    licences = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "GPL-3.0"}
    cases = {
        "MIT": True,
        "MIT/Apache-2.0": True,
        "MIT OR AGPL-3.0": True,
        "AGPL-3.0 OR GPL-2.0": False,
        "GPL-3.0": False,
        "MIT AND AGPL-3.0": False,
        "(MIT OR GPL-2.0) AND Apache-2.0": True,
        "Apache-2.0 WITH LLVM-exception": True,
        "LGPL-2.1": False,
    }
    wrong = [expression for expression, good in cases.items() if allowed(expression, licences) != good]
    if wrong:
        sys.exit(f"check_licences.py misreads {wrong}")


def main():
    self_test()
    with open("deny.toml", "rb") as file:
        rules = tomllib.load(file)
    licences = set(rules["licenses"]["allow"])
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1"]
    for target in rules["graph"]["targets"]:
        command += ["--filter-platform", target]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    linked = {node["id"] for node in metadata["resolve"]["nodes"]}
    refused = []
    for package in metadata["packages"]:
        if package["id"] not in linked:
            continue
        licence = package["license"]
        name = f"{package['name']} {package['version']}"
        try:
            if not licence or not allowed(licence, licences):
                refused.append(f"{name}: {licence or 'states no licence'}")
        except ValueError:
            refused.append(f"{name}: {licence} cannot be read")
    if refused:
        sys.exit("licences that deny.toml does not allow:\n  " + "\n  ".join(sorted(refused)))
    print(f"{len(linked)} crates, every licence allowed")


if __name__ == "__main__":
    main()

#!/bin/sh
# Measures what the project promises, on the release build, and prints a row each: figure, bar, measured, ok or MISS.
# A MISS is a finding, not a failure: the exit status is 0 if everything could be measured.
#   --only WORD   only the figures whose group is WORD: function, job, burst, launch, bill, states, live, rank, run, large, rest
#   --no-build    with what is built already
# ASL_CASES names the folder with the recorded Step Functions cases (run.py, cases.json, profile.txt); without it they
# are looked for in ../shared/asl.
set -eu
cd "$(dirname "$0")/.."
build=1 only=''
while [ $# -gt 0 ]; do
  case $1 in
  --only) only=${2:?--only needs a word}; shift ;;
  --no-build) build='' ;;
  *) echo "bench.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
if [ ! -x target/venv/bin/python ]; then python3 -m venv target/venv; fi
target/venv/bin/python -c 'import boto3, websockets' 2>/dev/null ||
  target/venv/bin/pip install --quiet --disable-pip-version-check boto3 websockets
if [ "$build" ]; then
  packages=local
  for function in functions/*/; do packages="$packages $(basename "$function")"; done
  # shellcheck disable=SC2046,SC2086 # one word per package
  cargo build --release $(printf -- '--package %s ' $packages) --bins >&2
  cargo build --release --package domain --features workflow --example rank --example validate >&2
fi
exec target/venv/bin/python scripts/bench/main.py "$only"

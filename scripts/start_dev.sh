#!/bin/sh
# Starts the whole platform on 127.0.0.1, runs a first job and a first workflow and shows them live, then keeps serving.
#   --once      end after them; the exit status is 0 only if both succeeded
#   --port P    port of the API (8080)
#   --data DIR  where everything is kept (.local/data)
#   --memory    keep nothing
set -eu
cd "$(dirname "$0")/.."

once='' port=8080 keep='--data .local/data'
while [ $# -gt 0 ]; do
  case $1 in
  --once) once=1 ;;
  --port) port=${2:?--port needs a number}; shift ;;
  --data) keep="--data ${2:?--data needs a directory}"; shift ;;
  --memory) keep=--memory ;;
  -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "start_dev.sh: unknown option $1; see --help" >&2; exit 2 ;;
  esac
  shift
done

command -v cargo >/dev/null || {
  echo "start_dev.sh: cargo is missing; install Rust first" >&2
  exit 2
}
if [ -n "${RUNPOD_API_KEY-}" ]; then
  echo "RUNPOD_API_KEY is set: jobs run on RunPod and cost money." >&2
else
  echo "No RUNPOD_API_KEY: jobs run on a simulated RunPod, as processes of this machine." >&2
fi

if command -v npm >/dev/null; then
  scripts/build_dashboard.sh >&2
else
  echo "npm is missing: the API is served without the dashboard." >&2
fi
cargo build --package demo >&2
work=$(mktemp -d)
mkfifo "$work/out"
# shellcheck disable=SC2086 # two words on purpose
scripts/start_backend.sh --port "$port" $keep >"$work/out" &
backend=$!
stop() {
  trap - EXIT INT TERM
  kill "$backend" 2>/dev/null || true
  wait "$backend" 2>/dev/null || true
  rm -rf "$work"
}
trap 'stop' EXIT
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM

# The backend holds the pipe open: reading ends with its ready line, or with its end.
ready=$(sed -n '/^ready /{p;q;}' "$work/out") || true
[ -n "$ready" ] || {
  echo "start_dev.sh: the platform did not start; see the lines above" >&2
  exit 1
}
echo "$ready"

status=0
target/debug/demo "http://127.0.0.1:$port" || status=$?
[ -z "$once" ] || exit "$status"

echo "Serving: the dashboard and the API on http://127.0.0.1:$port, its documentation on http://127.0.0.1:$port/docs. Ctrl-C ends it."
wait "$backend"

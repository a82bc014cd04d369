#!/bin/sh
# The platform alone: builds what is not built, then serves on 127.0.0.1 until it is told to stop.
# usage: start_backend.sh [--port P] [--data DIR] [--memory] [--test-functions] [any other option of `local`]
# GPU_PROFILE=release builds and runs what is deployed, instead of the quick debug build.
set -eu
cd "$(dirname "$0")/.."
profile=${GPU_PROFILE:-dev}
case $profile in
  dev) folder=debug ;;
  *) folder=$profile ;;
esac

build() {
  set -- --package local
  for function in functions/*/; do
    set -- "$@" --package "$(basename "$function")"
  done
  cargo build --profile "$profile" --bins "$@" >&2
}

build
target=${CARGO_TARGET_DIR:-target}/$folder
exec "$target/local" --functions-dir "$target" "$@"

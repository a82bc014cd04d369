#!/bin/sh
# Installs tools that are not part of Rust or Node below target, each set once and by itself.
# usage: install_tools.sh SET...   sam (SAM, boto3) | checkov | lambda (cargo-lambda, Zig) | ministack | webhooks
set -eu
cd "$(dirname "$0")/.."
mkdir -p target

# Named packages in a virtual environment of their own: their requirements contradict each other. A list that has
# changed is installed again.
environment() {
  folder=target/$1
  shift
  [ "$(cat "$folder/.installed" 2>/dev/null)" != "$*" ] || return 0
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
  echo "$*" >"$folder/.installed"
}

for set in "$@"; do
  case $set in
  sam) environment venv aws-sam-cli==1.170.0 boto3 ;;
  checkov) environment venv-checkov checkov==3.3.30 ;;
  lambda) environment venv-lambda cargo-lambda==1.9.2 ;;
  # The emulator and the clients that drive it. It expands SAM templates with AWS's own translator.
  ministack) environment venv-ministack ministack==1.5.33 aws-sam-translator==1.115.0 boto3==1.43.106 websockets==17.4 ;;
  # What receivers verify messages with, of two languages
  webhooks)
    environment venv-webhooks standardwebhooks==1.1.0
    [ -d target/node/node_modules/standardwebhooks ] ||
      npm install --silent --no-fund --no-audit --prefix target/node standardwebhooks@1.1.1
    ;;
  *) echo "install_tools.sh: there is no set $set" >&2; exit 2 ;;
  esac
done

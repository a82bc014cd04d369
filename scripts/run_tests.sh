#!/bin/sh
# Installs what the tests need, checks form and lints, runs every test, and ends with the count.
set -eu
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "tools"
missing=''
for tool in dash bash busybox wget curl shellcheck gzip openssl strip:binutils setsid:util-linux ps:procps; do
  command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool##*:}"
done
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    # shellcheck disable=SC2086 # a list
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
  else
    echo "run_tests.sh: please install:$missing" >&2
    exit 2
  fi
fi
command -v cargo-nextest >/dev/null || cargo install --locked cargo-nextest
# The deployment is checked with the tools that AWS's own users have, and made in an emulator that is not ours.
scripts/install_tools.sh sam checkov ministack webhooks
if [ ! -x target/node/node_modules/.bin/asl-validator ]; then
  npm install --silent --no-fund --no-audit --prefix target/node asl-validator@4
fi

step "form"
cargo fmt --all --check
shellcheck scripts/*.sh .ci/run

step "licences"
scripts/check_licences.py

step "lints"
cargo clippy --workspace --all-targets --quiet -- -D warnings

step "tests"
# With the tests in one go: alone, the functions would be built with other features of what they share, all of it twice.
cargo build --workspace --all-targets --quiet
cargo nextest run --workspace --no-fail-fast 2>&1 | tee target/tests.txt

step "the clouds' own clients against the simulated clouds"
SIMCLOUDS=target/debug/simclouds infra/simclouds/tests/clients/run.sh

step "keys of a deployment"
target/venv/bin/python scripts/test_deploy_steps.py

step "dashboard"
dashboard=ok
rm -f target/dashboard.json
(cd frontend && npm ci --silent && npx vue-tsc --noEmit &&
  npx vitest run --reporter=default --reporter=json --outputFile.json=../target/dashboard.json &&
  npm run --silent build -- --logLevel warn && npm run --silent size) || dashboard=''
count() { node -p "require('./target/dashboard.json').$1" 2>/dev/null || echo 0; }

step "deployment into another emulator"
target/venv-ministack/bin/python tests/ministack/check.py >target/ministack.txt 2>&1 || true
cat target/ministack.txt
emulated() { sed -n "s/^ministack: \(.*, \)\{0,1\}\([0-9]*\) $1.*/\2/p" target/ministack.txt; }
deployed=$(emulated passed)
undeployed=$(emulated failed)

summary=$(sed -n 's/.*Summary.*] *\([0-9]*\) tests run: *\([0-9]*\) passed.*/\2/p' target/tests.txt)
failed=$(sed -n 's/.*Summary.* \([0-9]*\) failed.*/\1/p' target/tests.txt)

passed=$((${summary:-0} + $(count numPassedTests) + ${deployed:-0}))
failed=$((${failed:-0} + $(count numFailedTests) + ${undeployed:-1}))
[ "$dashboard" ] || echo "run_tests.sh: the dashboard did not pass; see above" >&2
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "${summary:-0}" -gt 0 ] && [ "$dashboard" ]

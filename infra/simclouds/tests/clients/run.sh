#!/bin/sh
# The clouds' own clients, unmodified, against the simulated clouds.
# Installs them once under the build directory, starts the simulation and drives it with each.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../.." && pwd)
cache=${CARGO_TARGET_DIR:-$root/target}/official-clients
mkdir -p "$cache"

if [ ! -e "$cache/node_modules/@runpod/mcp-server/package.json" ]; then
    echo "installing @runpod/mcp-server 4.0.0"
    npm install --prefix "$cache" --no-audit --no-fund --loglevel=error @runpod/mcp-server@4.0.0
fi
if ! "$cache/venv/bin/python" -c 'import runpod' 2>/dev/null; then
    echo "installing runpod 1.12.0"
    python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check runpod==1.12.0
fi
if ! "$cache/venv/bin/python" -c 'import alibabacloud_ecs20140526, aliyunsdkecs' 2>/dev/null; then
    echo "installing alibabacloud-ecs20140526 7.11.8 and aliyun-python-sdk-ecs 4.24.83"
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check \
        alibabacloud-ecs20140526==7.11.8 aliyun-python-sdk-ecs==4.24.83
fi
if ! "$cache/venv/bin/python" -c 'import alibabacloud_bssopenapi20171214, tencentcloud.billing' 2>/dev/null; then
    echo "installing alibabacloud-bssopenapi20171214 5.1.2 and tencentcloud-sdk-python-billing 3.1.177"
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check \
        alibabacloud-bssopenapi20171214==5.1.2 tencentcloud-sdk-python-billing==3.1.177
fi
if ! "$cache/venv/bin/python" -c 'import tencentcloud.tke, tencentcloud.cvm, kubernetes' 2>/dev/null; then
    echo "installing tencentcloud-sdk-python-tke 3.1.193, tencentcloud-sdk-python-cvm 3.1.178 and kubernetes 37.0.1"
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check tencentcloud-sdk-python-common==3.1.195 \
        tencentcloud-sdk-python-tke==3.1.193 tencentcloud-sdk-python-cvm==3.1.178 kubernetes==37.0.1
fi

# SIMCLOUDS names a simulation that is built already.
if [ -z "${SIMCLOUDS:-}" ]; then
    cargo build --quiet --manifest-path "$root/Cargo.toml" -p simclouds
    SIMCLOUDS=${CARGO_TARGET_DIR:-$root/target}/debug/simclouds
fi
ready=$(mktemp)
"$SIMCLOUDS" --key rpa_FAKEKEYFORTESTS \
    --alibaba-key LTAIFAKEFORTESTS:FAKESECRETFORTESTS --tencent-key AKIDFAKEFORTESTS:FAKEKEYFORTESTS > "$ready" &
cloud=$!
trap 'kill "$cloud" 2>/dev/null || true; wait "$cloud" 2>/dev/null || true; rm -f "$ready"' EXIT INT TERM
until [ -s "$ready" ]; do
    kill -0 "$cloud"
    sleep 0.05
done

RUNPOD_API_BASE_URL=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).runpod.url' "$ready")
RUNPOD_API_KEY=rpa_FAKEKEYFORTESTS
export RUNPOD_API_BASE_URL RUNPOD_API_KEY

# The script is copied so that it finds the package beside it.
cp "$here/mcp.mjs" "$cache/mcp.mjs"
node "$cache/mcp.mjs"
"$cache/venv/bin/python" "$here/sdk.py"

ALIBABA_URL=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).alibaba.url' "$ready")
ALIBABA_KEY_ID=LTAIFAKEFORTESTS
ALIBABA_KEY_SECRET=FAKESECRETFORTESTS
export ALIBABA_URL ALIBABA_KEY_ID ALIBABA_KEY_SECRET
"$cache/venv/bin/python" -W ignore "$here/alibaba.py"

TENCENT_URL=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).tencent.url' "$ready")
TENCENT_SECRET_ID=AKIDFAKEFORTESTS
TENCENT_SECRET_KEY=FAKEKEYFORTESTS
export TENCENT_URL TENCENT_SECRET_ID TENCENT_SECRET_KEY
"$cache/venv/bin/python" -W ignore "$here/tencent.py"
echo "official clients: ok"

#!/bin/sh
# Builds the dashboard into frontend/dist, from where the local stack serves it at /.
set -eu
cd "$(dirname "$0")/../frontend"
command -v npm >/dev/null || {
  echo "build_dashboard.sh: npm is missing; install Node 20 or later first" >&2
  exit 2
}
installed=node_modules/.package-lock.json
if [ ! -f $installed ] || [ "$(find package-lock.json -newer $installed)" ]; then
  npm ci --silent
fi
npm run --silent build -- --logLevel warn

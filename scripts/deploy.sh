#!/bin/sh
# Builds everything and puts it into an AWS account; run again, it upgrades. docs/deploy.md tells the whole way.
# usage: deploy.sh [--stage dev|prod] [--dry-run] [--arch arm64|x86_64] [--from DIR] [--template FILE] [NAME=VALUE...]
#   --stage S      a stage of infra/samconfig.toml (dev)
#   --dry-run      do all that needs no AWS: build, check, and say what would be deployed
#   --arch A       what the functions run on; without it arm64 if Rust has that target, and x86_64 if not
#   --from DIR     pack the programs in DIR and take the dashboard as it was built last, instead of building
#   --template F   deploy F instead of infra/template.yaml (an emulator may need another)
#   NAME=VALUE     parameters of the template, over those of the stage
# Region and credentials are those of the environment, as for the AWS CLI.
set -eu
cd "$(dirname "$0")/.."

stage=dev dry='' arch='' from='' template=infra/template.yaml
while [ $# -gt 0 ]; do
  case $1 in
  --stage) stage=${2:?--stage needs a name}; shift ;;
  --dry-run) dry=1 ;;
  --arch) arch=${2:?--arch needs arm64 or x86_64}; shift ;;
  --from) from=${2:?--from needs a directory}; shift ;;
  --template) template=${2:?--template needs a file}; shift ;;
  -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
  -*) echo "deploy.sh: unknown option $1; see --help" >&2; exit 2 ;;
  *) break ;;
  esac
  shift
done
command -v openssl >/dev/null || {
  echo "deploy.sh: openssl is missing; it makes the key that signs access tokens" >&2
  exit 2
}

step() { printf '== %s\n' "$*" >&2; }
steps() { target/venv/bin/python scripts/deploy_steps.py "$@"; }

step "tools"
export SAM_CLI_TELEMETRY=0
scripts/install_tools.sh sam
# Wrong parameters are known before anything is built.
steps parameters "$stage" "$@" >/dev/null

step "functions"
scripts/build_lambdas.sh ${arch:+--arch "$arch"} ${from:+--from "$from"}
set -- "Architecture=$(cat target/lambda/arch)" "$@"

step "dashboard"
if [ -z "$from" ] || [ ! -f frontend/dist/index.html ]; then
  scripts/build_dashboard.sh
fi
du -sh frontend/dist

step "template"
if [ -n "$dry" ]; then
  AWS_DEFAULT_REGION=${AWS_DEFAULT_REGION:-us-east-1} target/venv/bin/sam validate --lint --template "$template"
  echo "would deploy $template as stage $stage with:"
  steps parameters "$stage" "$@" | sed 's/^/  /'
  exit 0
fi

step "keys"
steps keys "$stage" "$@"

step "stack"
overrides=$(steps parameters "$stage" "$@")
old_ifs=$IFS
IFS='
'
# shellcheck disable=SC2086 # one word a line
set -- $overrides
IFS=$old_ifs
target/venv/bin/sam deploy --config-file "$PWD/infra/samconfig.toml" --config-env "$stage" --template-file "$template" \
  --parameter-overrides "$@"

step "pages"
steps pages "$stage"

step "done"
steps outputs "$stage"

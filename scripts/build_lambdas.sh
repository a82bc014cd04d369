#!/bin/sh
# Builds every function for AWS Lambda into target/lambda/NAME.zip, the same bytes for the same commit.
# usage: build_lambdas.sh [--arch arm64|x86_64] [--from DIR] [NAME...]
#   --arch A    what to build for; without it arm64 if Rust has that target, and x86_64 if not
#   --from DIR  build nothing: pack the programs that are in DIR
#   NAME        only these functions
set -eu
cd "$(dirname "$0")/.."

arch='' from=''
while [ $# -gt 0 ]; do
  case $1 in
  --arch) arch=${2:?--arch needs arm64 or x86_64}; shift ;;
  --from) from=${2:?--from needs a directory}; shift ;;
  -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
  -*) echo "build_lambdas.sh: unknown option $1; see --help" >&2; exit 2 ;;
  *) break ;;
  esac
  shift
done
if [ $# = 0 ]; then
  for function in functions/*/Cargo.toml; do
    set -- "$@" "$(basename "$(dirname "$function")")"
  done
fi
for name in "$@"; do
  [ -f "functions/$name/Cargo.toml" ] || {
    echo "build_lambdas.sh: there is no function $name" >&2
    exit 2
  }
done

installed() {
  { rustup target list --installed 2>/dev/null || rustc -vV | sed -n 's/^host: //p'; } | grep -qx "$1"
}
if [ -z "$arch" ]; then
  arch=x86_64
  ! installed aarch64-unknown-linux-gnu || arch=arm64
fi
case $arch in
arm64) triple=aarch64-unknown-linux-gnu ;;
x86_64) triple=x86_64-unknown-linux-gnu ;;
*) echo "build_lambdas.sh: --arch is arm64 or x86_64, not $arch" >&2; exit 2 ;;
esac

mkdir -p target/lambda
if [ -z "$from" ]; then
  installed "$triple" || {
    echo "build_lambdas.sh: Rust lacks the target; run: rustup target add $triple" >&2
    exit 2
  }
  scripts/install_tools.sh lambda
  # Zig links against the C library of Lambda's Amazon Linux, which is older than that of most machines.
  packages=''
  for name in "$@"; do
    packages="$packages --package $name"
  done
  # Paths of this machine would make other bytes elsewhere.
  RUSTFLAGS="${RUSTFLAGS-} --remap-path-prefix=$PWD=/src --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
  export RUSTFLAGS
  # shellcheck disable=SC2086 # a list
  PATH="$PWD/target/venv-lambda/bin:$PATH" target/venv-lambda/bin/cargo-lambda lambda build \
    --release --target "$triple" --lambda-dir target/lambda/build --bins $packages >&2
fi

for name in "$@"; do
  # What is not for AWS is big and packed in a hurry.
  if [ -n "$from" ]; then
    program=$from/$name level=1
  else
    program=target/lambda/build/$name/bootstrap level=9
  fi
  # One entry with a fixed time and mode: the bytes depend on the program alone.
  python3 - "$program" "target/lambda/$name.zip" $level <<'PACK'
import sys, zipfile
program, archive, level = sys.argv[1:]
entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
entry.create_system, entry.external_attr, entry.compress_type = 3, 0o100755 << 16, zipfile.ZIP_DEFLATED
with open(program, "rb") as source, zipfile.ZipFile(archive, "w", compresslevel=int(level)) as target:
    target.writestr(entry, source.read())
PACK
done
echo "$arch" >target/lambda/arch
for name in "$@"; do
  printf '%s  %s\n' "$(sha256sum "target/lambda/$name.zip" | cut -c1-16)" "$(du -h "target/lambda/$name.zip")"
done

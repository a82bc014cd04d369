#!/bin/sh
# A job by curl: register, sign in, submit, follow, read its log and its cost.
#   examples/job.sh [API_URL]      needs curl and python3 (to read JSON)
# EMAIL and PASSWORD name an account that exists; without them a new one is registered.
set -eu
api=${1:-http://127.0.0.1:8080}

# field PATH: prints one field of the JSON on standard input.
field() {
  python3 -c '
import functools, json, sys
step = lambda value, key: value[int(key)] if isinstance(value, list) else value[key]
print(functools.reduce(step, sys.argv[1].split("."), json.load(sys.stdin)))' "$1"
}

# The token is read from standard input, so it is not in the arguments that other users of this machine can see.
call() {
  printf 'header = "Authorization: Bearer %s"\n' "$token" |
    curl --silent --show-error --fail-with-body --config - "$@"
}

if [ -n "${EMAIL-}" ]; then
  password=${PASSWORD:?set PASSWORD too}
else
  EMAIL="example+$$-$(date +%s)@example.com"
  password="example-$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')"
fi
account=$(EMAIL=$EMAIL PASSWORD=$password python3 -c '
import json, os
print(json.dumps({"email": os.environ["EMAIL"], "password": os.environ["PASSWORD"]}))')
sign() {
  printf %s "$account" | curl --silent --show-error --fail-with-body "$api/v1/auth/$1" \
    --header 'Content-Type: application/json' --data @-
}
[ -n "${PASSWORD-}" ] || sign register >/dev/null
token=$(sign login | field access_token)

# The same Idempotency-Key again answers with the same job: a lost answer never makes two.
# shellcheck disable=SC2016 # the variables are the job's
job=$(call "$api/v1/jobs" --header 'Content-Type: application/json' \
  --header "Idempotency-Key: example-$$-$(date +%s)" --data '{
    "name": "hello",
    "image": "docker.io/library/python:3.12",
    "command": ["sh", "-c", "for n in 1 2 3 4; do echo line $n; echo ::progress 0.$((n * 25 - (n == 4))); sleep 1; done; echo [1,2] >\"$GPU_OUTPUT\""],
    "gpu": { "model": "RTX 4090", "count": 1 },
    "max_price_per_hour": { "amount": "2", "currency": "USD" },
    "timeout_seconds": 600
  }')
id=$(printf %s "$job" | field id)
echo "submitted $id"

# Events have numbers without gaps: asking for those after the last one misses nothing.
after=0
status=queued
while :; do
  page=$(call "$api/v1/jobs/$id/events?after=$after")
  printf %s "$page" | python3 -c '
import json, sys
for e in json.load(sys.stdin)["items"]:
    print(e["at"][11:19], "#%d" % e["seq"], e["event"]["type"], e["status"])'
  count=$(printf %s "$page" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["items"]))')
  if [ "$count" -gt 0 ]; then
    after=$(printf %s "$page" | field "items.$((count - 1)).seq")
    status=$(printf %s "$page" | field "items.$((count - 1)).status")
  fi
  case $status in succeeded | failed | cancelled | timed_out) break ;; esac
  sleep 2
done

echo "log:"
call "$api/v1/jobs/$id/log" | field text
echo "output: $(call "$api/v1/jobs/$id" | field exit.output)"
echo "cost:   $(call "$api/v1/jobs/$id/cost" | field total)"
[ "$status" = succeeded ]

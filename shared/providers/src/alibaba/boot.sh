# Runs once, as root, at the machine's first boot: starts the job's container, and does nothing else. What goes wrong
# before there is a container is told by the runner itself, here on the machine, so that nobody waits for it.
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 077
run=${TMPDIR:-/run}
exec >"$run/gpu-host.log" 2>&1 </dev/null

told() { tail -n 3 "$run/gpu-host.log" | tr '\n' ' '; }

# give_up WHY: the runner's protocol with a command that cannot be started, whose name is the reason
give_up() {
  echo "gpu: $1"
  eval "$(cat "$run/gpu-runner.env")"
  GPU_COMMAND="'$(echo "gpu: $1" | tr "'" '"')'"
  export GPU_COMMAND
  exec sh -c 'eval "$GPU_RUNNER"'
}

[ -r "$run/gpu-job.env" ] && [ -r "$run/gpu-runner.env" ] || exit 1
command -v docker || give_up "the image of this machine has no docker"
tries=0
until docker info >"$run/gpu-docker-info" 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 30 ] || { cat "$run/gpu-docker-info"; give_up "docker does not run on this machine: $(told)"; }
  sleep 2
done
rm -f "$run/gpu-docker-info"

id=$(curl -fsS -m 5 "${ECS_METADATA_URL:-http://100.100.100.200}/latest/meta-data/instance-id" || :)
tries=0
until docker pull -q "$image"; do
  tries=$((tries + 1))
  [ $tries -lt 3 ] || give_up "the container's image cannot be pulled: $(told)"
  sleep $((tries * 5))
done

GPU_ENV=$(cat "$run/gpu-job.env" "$run/gpu-runner.env") GPU_INSTANCE_ID=$id
export GPU_ENV GPU_INSTANCE_ID
# Without the NVIDIA container toolkit docker refuses --gpus.
# shellcheck disable=SC2016
docker run -d --name gpu --gpus all --log-driver json-file --log-opt max-size=64m --log-opt max-file=2 \
  --ipc host --ulimit memlock=-1 -e GPU_ENV -e GPU_INSTANCE_ID "$image" \
  sh -c 'eval "$GPU_ENV"; unset GPU_ENV; eval "$GPU_RUNNER"' ||
  give_up "the container does not start: $(told)"
rm -f "$run/gpu-job.env" "$run/gpu-runner.env"

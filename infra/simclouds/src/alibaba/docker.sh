#!/bin/sh
# A container runtime as far as a runner needs one: the command becomes a local process with exactly the environment
# that was asked for. Images, GPUs, volumes, networks and limits are accepted and ignored.
state=$SIMCLOUD_PLACE/containers

fail() { echo "docker: $2" >&2; exit "$1"; }

# One word as the shell reads it again. The dot keeps newlines at the end.
quote() {
    text=$(printf '%s.' "$1" | sed "s/'/'\\\\''/g")
    printf " '%s'" "${text%.}"
}

folder() {
    [ -d "$state/$1" ] || fail 1 "Error response from daemon: No such container: $1"
    echo "$state/$1"
}

run() {
    name='' detach='' directory='' entrypoint='' remove=''
    id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    place=$state/.$id
    mkdir -p "$place/home"
    variables=''
    while [ $# -gt 0 ]; do
        word=$1
        case $word in
            --*=*) value=${word#*=}; word=${word%%=*}; has=1 ;;
            *) value=''; has='' ;;
        esac
        case $word in
            -d | --detach) detach=1; shift; continue ;;
            --rm) remove=1; shift; continue ;;
            -i | -t | -it | --init | --privileged | --interactive | --tty | --read-only | -q | --quiet) shift; continue ;;
            -*) ;;
            *) break ;;
        esac
        if [ -z "$has" ]; then
            [ $# -gt 1 ] || fail 125 "flag needs an argument: $word"
            value=$2; shift
        fi
        shift
        case $word in
            --name) name=$value ;;
            -w | --workdir) directory=$value ;;
            --entrypoint) entrypoint=$value ;;
            --cidfile) echo "$id" > "$value" ;;
            -e | --env)
                case $value in
                    *=*) ;;
                    # Without a value it is the caller's own.
                    *) value="$value=$(printenv "$value")" || continue ;;
                esac
                variables="$variables$(quote "$value")" ;;
            --env-file)
                file=$value
                [ -r "$file" ] || fail 125 "open $file: no such file or directory"
                while IFS= read -r line || [ -n "$line" ]; do
                    case $line in
                        '' | '#'*) ;;
                        *=*) variables="$variables$(quote "$line")" ;;
                        *) value=$(printenv "$line") && variables="$variables$(quote "$line=$value")" ;;
                    esac
                done < "$file" ;;
            --gpus | -v | --volume | --mount | --network | --net | --pull | --shm-size | --log-opt | --log-driver | --restart | \
                -u | --user | --ipc | --ulimit | -p | --publish | -l | --label | -h | --hostname | -m | --memory | --cpus | \
                --stop-timeout | --security-opt | --cap-add | --cap-drop | --device | --runtime | --add-host | --pid | \
                --tmpfs | --platform | --memory-swap | --stop-signal | --oom-score-adj | --pids-limit) ;;
            *) fail 125 "unknown flag: $word" ;;
        esac
    done
    [ $# -gt 0 ] || fail 125 "\"docker run\" requires at least 1 argument"
    image=$1; shift
    [ -z "$entrypoint" ] || set -- "$entrypoint" "$@"
    # Only the image knows its own command, and images are not simulated.
    [ $# -gt 0 ] || set -- sh -c 'while :; do sleep 3600; done'
    [ -n "$name" ] || name=$(printf %.12s "$id")
    if ! mv "$place" "$state/$name" 2>/dev/null || [ -d "$state/$name/.$id" ]; then
        rm -rf "$place" "$state/$name/.$id"
        fail 125 "Error response from daemon: Conflict. The container name \"/$name\" is already in use"
    fi
    place=$state/$name
    echo "$id" > "$place/id"
    echo "$image" > "$place/image"
    echo running > "$place/status"
    : > "$place/log"
    [ -d "$directory" ] || directory=$place/home
    if [ -n "$detach" ]; then
        contain "$@" > /dev/null 2>&1 < /dev/null &
        echo "$id"
        return 0
    fi
    contain "$@"
    code=$?
    [ -z "$remove" ] || rm -rf "$place"
    return $code
}

contain() {
    mkfifo "$place/pipe"
    tee -a "$place/log" < "$place/pipe" &
    tee=$!
    (
        cd "$directory" || exit 125
        # The last two variables are how the simulation finds the processes.
        eval "set -- $variables ECS_INSTANCE_ID=$ECS_INSTANCE_ID SIMCLOUD_CONTAINER=$id" \
            'sh -c '"'"'echo $$ > "$1"; shift; exec "$@"'"'"' sh "$place/pid" "$@"'
        exec env -i "PATH=$SIMCLOUD_PATH" "HOME=$place/home" "HOSTNAME=$(printf %.12s "$id")" "$@"
    ) > "$place/pipe" 2>&1 < /dev/null &
    child=$!
    trap '[ ! -s "$place/pid" ] || kill -TERM "$(cat "$place/pid")" 2>/dev/null' TERM
    trap '[ ! -s "$place/pid" ] || kill -INT "$(cat "$place/pid")" 2>/dev/null' INT
    wait "$child"; code=$?
    while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
    # A container dies with its main process.
    for one in /proc/[0-9]*; do
        if grep -qs "SIMCLOUD_CONTAINER=$id" "$one/environ"; then kill -KILL "${one#/proc/}" 2>/dev/null; fi
    done
    wait "$tee"
    rm -f "$place/pipe"
    echo "$code" > "$place/code"
    echo exited > "$place/status"
    return "$code"
}

field() {
    place=$1 format=$2
    status=$(cat "$place/status"); code=$(cat "$place/code" 2>/dev/null || echo 0)
    running=false; [ "$status" != running ] || running=true
    printf '%s\n' "$format" | sed -e "s/{{ *\.State\.ExitCode *}}/$code/g" -e "s/{{ *\.State\.Status *}}/$status/g" \
        -e "s/{{ *\.State\.Running *}}/$running/g" -e "s/{{ *\.Id *}}/$(cat "$place/id")/g" \
        -e "s/{{ *\.State\.OOMKilled *}}/false/g"
}

[ $# -gt 0 ] || fail 1 "usage: docker COMMAND"
verb=$1; shift
case $verb in
    container | image) verb=$1; shift ;;
esac
case $verb in
    run) run "$@" ;;
    pull) for image in "$@"; do :; done; echo "Status: Image is up to date for $image" ;;
    info | version | login | --version) echo "Docker version 0, simulated" ;;
    logs)
        lines=''
        while [ $# -gt 1 ]; do
            case $1 in
                --tail | -n) lines=$2; shift ;;
                --tail=*) lines=${1#*=} ;;
            esac
            shift
        done
        place=$(folder "$1") || exit 1
        case $lines in
            '' | all) cat "$place/log" ;;
            *) tail -n "$lines" "$place/log" ;;
        esac ;;
    wait)
        place=$(folder "$1") || exit 1
        until [ -s "$place/code" ]; do sleep 0.05; done
        cat "$place/code" ;;
    inspect)
        format=''
        while [ $# -gt 1 ]; do
            case $1 in
                -f | --format) format=$2; shift ;;
                --format=*) format=${1#*=} ;;
            esac
            shift
        done
        place=$(folder "$1") || exit 1
        [ -n "$format" ] || format='[{"Id":"{{.Id}}","State":{"Status":"{{.State.Status}}","Running":{{.State.Running}},"ExitCode":{{.State.ExitCode}}}}]'
        field "$place" "$format" ;;
    ps)
        for place in "$state"/*/; do
            [ ! -s "$place/id" ] || printf '%.12s\t%s\t%s\t%s\n' "$(cat "$place/id")" "$(cat "$place/image")" \
                "$(cat "$place/status")" "$(basename "$place")"
        done ;;
    stop | kill)
        for name in "$@"; do case $name in -*) ;; *) last=$name ;; esac; done
        place=$(folder "$last") || exit 1
        signal=TERM; [ "$verb" = stop ] || signal=KILL
        [ ! -s "$place/pid" ] || kill -"$signal" "$(cat "$place/pid")" 2>/dev/null
        if [ "$verb" = stop ]; then
            left=100
            until [ -s "$place/code" ] || [ $left = 0 ]; do sleep 0.1; left=$((left - 1)); done
            [ -s "$place/code" ] || kill -KILL "$(cat "$place/pid")" 2>/dev/null
        fi
        echo "$last" ;;
    rm)
        for name in "$@"; do
            case $name in
                -*) ;;
                *)
                    place=$(folder "$name") || exit 1
                    [ -s "$place/code" ] || kill -KILL "$(cat "$place/pid")" 2>/dev/null
                    rm -rf "$place"
                    echo "$name" ;;
            esac
        done ;;
    *) fail 1 "'$verb' is not simulated" ;;
esac

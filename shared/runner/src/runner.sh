# shellcheck shell=sh
# The runner: a wrapper around the user's command inside a rented container. Its promises are in docs/runner.md.
# One process reads events from a FIFO (fd 3) and everything slow happens in the background and answers there, so
# that a signal, the end of the command or a stop is never kept waiting by the network.
# Names start with _ in order not to touch the user's environment, which the command must get as it came.
_token=${GPU_RUNNER_TOKEN-} _lc=${LC_ALL-} _lcset=${LC_ALL+y} _umask=$(umask)
_step=${GPU_RUNNER_BACKOFF_MS:-1000} _grace=${GPU_RUNNER_GRACE:-30}
_api=$GPU_API_URL/v1/runner/$GPU_ATTEMPT_ID
unset GPU_RUNNER GPU_RUNNER_TOKEN GPU_RUNNER_BACKOFF_MS GPU_RUNNER_GRACE
export LC_ALL=C # text tools must take any bytes
umask 077       # the token stands in a file
_p='' _eof='' _busy='' _msg='' _term='' _reason='' _code=0 _every=60 _seq=0 _pos=0 _back=$_step
_prog='' _carry='' _sampling='' _ended='' _tick=0 _sender='' _phase=probe _clients='' _client=''
_base=1000000000000000 # log pieces are named by offset + _base: of one width, so a glob sorts them
_keep=5242880          # of the head and of the tail of the log
_python='import sys,urllib.request as u,urllib.error as e
a=sys.argv
try:
 q=u.Request(a[1],open(a[3],"rb").read(),dict(l.rstrip("\n").split(": ",1) for l in open(a[2])))
 try:r=u.urlopen(q,timeout=30)
 except e.HTTPError as x:r=x
 open(a[4],"wb").write(r.read());print(r.getcode())
except Exception:print("000")'

has() { command -v "$1" >/dev/null 2>&1; }
locale() { if [ "$_lcset" ]; then LC_ALL=$_lc; else unset LC_ALL; fi; } # the user's own again
size() { echo $(($(wc -c <"$1"))); }

# alarm EVENT SECONDS: says EVENT after SECONDS. hush EVENT: forgets it.
alarm() {
  hush "$1"
  (
    _s=${!-}
    trap '' TERM INT HUP # as everywhere in the background: a signal to the whole group is the main process's affair
    trap '[ "$!" = "$_s" ] || kill -s KILL "$!"; exit 0' USR1
    sleep "$2" 3>&- &
    # a sleep without decimals refuses at once
    wait "$!" || { sleep $((${2%%.*} + 1)) 3>&- & wait "$!"; }
    echo "$1" >&3
  ) </dev/null >/dev/null 2>&1 &
  eval "_t_$1=\$!"
}
hush() {
  eval "_t=\${_t_$1-}; _t_$1="
  [ -z "$_t" ] || { kill -s USR1 "$_t"; wait "$_t"; } 2>/dev/null
}

# ---- HTTP: send prints the status of one try, 000 if there was none
send() {
  : >"$_d/reply"
  case $_client in
  curl)
    { sed 's/.*/header = "&"/' "$_d/head"; echo 'header = "Expect:"'; } >"$_d/conf"
    curl -q -s -K "$_d/conf" -m 60 --connect-timeout 10 --data-binary "@$_d/body" -o "$_d/reply" \
      -w '%{http_code}' "$_url" ;;
  wget)
    sed 's/^/header = /' "$_d/head" >"$_d/conf"
    wget --config="$_d/conf" -S -T 30 -t 1 -O "$_d/reply" --post-file="$_d/body" "$_url" 2>&1 | status ;;
  busybox) # its only way to give a header is an argument; without -T in its help it crashes on it
    set --
    case $_help in *' -T '*) set -- -T 30 ;; esac
    while read -r _h; do set -- "$@" --header "$_h"; done <"$_d/head"
    if _o=$(wget -q -O "$_d/reply" "$@" --post-file "$_d/body" "$_url" 2>&1); then echo 200
    else echo "$_o" | status; fi ;;
  python3) python3 -I -S -c "$_python" "$_url" "$_d/head" "$_d/body" "$_d/reply" ;;
  esac
}
status() {
  _r=000
  while read -r _l; do
    case $_l in *HTTP/*' '[1-5][0-9][0-9]*) _l=${_l##*HTTP/}; _l=${_l#* }; _r=${_l%"${_l#???}"} ;; esac
  done
  echo "$_r"
}
post() {
  _busy=1
  ( trap '' TERM INT HUP; echo "sent $(send)" >&3 ) </dev/null >/dev/null 2>&1 &
  _sender=$!
  alarm stuck 90
}

# ---- The log: capture cuts it into pieces of at most 192 KiB; take picks up the oldest that is not yet delivered.
# Pieces beyond the head are removed from the oldest on when the tail outgrows its share.
capture() {
  trap '' PIPE TERM INT HUP
  _at=0
  set --
  while :; do
    _f=$_d/l/$((_base + _at)) _len=0
    while [ "$_len" -lt 98304 ]; do
      dd bs=16384 count=6 2>"$_d/dd" | tee -a "$_f"
      _len=$(size "$_f")
      while read -r _r _w _; do [ "$_w" != records ] || break; done <"$_d/dd"
      # `0+6 records in`: fewer than six means the end
      case $_r in [0-6]+[0-6]) [ $((${_r%+*} + ${_r#*+})) -ge 6 ] || return ;; *) return ;; esac
    done
    [ "$_at" -lt "$_keep" ] || set -- "$@" "$_at"
    _at=$((_at + _len))
    while [ $# -gt 1 ] && [ $((_at - $2)) -ge "$_keep" ]; do
      rm -f "$_d/l/$((_base + $1))"
      shift
    done
  done
}
take() {
  _at=$_pos _drop=0 _len=0 _done='' _more=''
  : >"$_d/chunk"
  while :; do
    set -- "$_d"/l/*
    [ -e "$1" ] || return 0
    _done='' _more='' _at=$((${1##*/} - _base)) _skip=0 _drop=0
    [ $# -eq 1 ] || { _done=$1; _more=1; }
    if [ "$_at" -lt "$_pos" ]; then _skip=$((_pos - _at)); else _drop=$((_at - _pos)); fi
    _at=$((_at + _skip))
    tail -c +$((_skip + 1)) "$1" >"$_d/chunk" 2>/dev/null || continue # capture has just removed it
    _len=$(size "$_d/chunk")
    if [ "$_len" -gt 0 ] || [ -z "$_more" ]; then break; fi
    rm -f "$1"
  done
  scan
}
# Progress: the last whole line `::progress FRACTION TEXT`, even if it stands in two chunks
scan() {
  [ "$_drop" -eq 0 ] || _carry=x
  _end=''
  [ "$_phase" != flush ] || [ "$_more" ] || _end=1
  [ "$_len" -gt 0 ] || [ "$_end" ] || return 0
  { printf %s "$_carry"; cat "$_d/chunk"; [ -z "$_end" ] || echo; echo E; } | tr '\r' '\n' | tr '\000' '\n' >"$_d/scan"
  _carry=$(sed -n '$s/E$//p' "$_d/scan")
  [ ${#_carry} -le 1000 ] || _carry=x
  _l=$(sed -n -e '$d' \
    -e 's/^::progress[[:space:]]\{1,\}\(0\(\.[0-9]\{0,40\}\)\{0,1\}\)\([[:space:]].*\)\{0,1\}$/\1 \3/p' \
    -e 's/^::progress[[:space:]]\{1,\}\(1\(\.0\{0,40\}\)\{0,1\}\)\([[:space:]].*\)\{0,1\}$/\1 \3/p' \
    "$_d/scan" | tail -n 1)
  [ -z "$_l" ] || _prog="${_l%% *} $(printf %s "${_l#* }" | od -An -v -tx1 -N 400 | tr -d '\n' | tr -s ' ' '%')"
}

# ---- Messages
letter() { # letter KIND: a new message; a repeat of it keeps its number
  _msg=$1 _url=$_api/$1 _seq=$((_seq + 1))
  : >"$_d/body"
  {
    echo "Authorization: Bearer $_token"
    echo "Content-Type: application/octet-stream"
    echo "X-Runner-Id: $_id"
    echo "X-Runner-Seq: $_seq"
  } >"$_d/head"
}
hello() {
  letter start
  {
    echo "runner 1"
    echo "client $_client"
    # How the cloud names this machine: of two that were made for one attempt, it tells which has it
    _n=${GPU_INSTANCE_ID:-${RUNPOD_POD_ID-}}
    case $_n in '' | *[!A-Za-z0-9._-]*) ;; *) echo "instance $_n" ;; esac
    [ ! -s "$_d/gpus" ] || tr -cd ' -~\n' <"$_d/gpus" | sed -n '/,/s/^/gpu /p'
    _n=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null) && echo "cpus $_n"
    { read -r _ _n _ </proc/meminfo; } 2>/dev/null && echo "memory_kib $_n"
  } >"$_d/body"
}
report() {
  letter report
  {
    echo "X-Log-Offset: $_at"
    [ "$_drop" -eq 0 ] || echo "X-Log-Dropped: $_drop"
    [ -z "$_prog" ] || echo "X-Gpu-Progress: $_prog"
    [ ! -s "$_d/metrics" ] || echo "X-Gpu-Metrics: $(cat "$_d/metrics")"
  } >>"$_d/head"
  rm -f "$_d/metrics"
  _coding=
  if [ "$_len" -gt 0 ] && has gzip && gzip -c <"$_d/chunk" >"$_d/body" 2>/dev/null; then _coding=gzip
  else cat "$_d/chunk" >"$_d/body"; fi
  if [ "$_client" = busybox ] && [ "$_len" -gt 0 ]; then
    mv "$_d/body" "$_d/raw"
    hex <"$_d/raw" >"$_d/body"
    _coding=${_coding:+$_coding, }x-hex
  fi
  [ -z "$_coding" ] || echo "Content-Encoding: $_coding" >>"$_d/head"
}
# The wget of busybox cuts a body at its first NUL
hex() { od -An -v -tx1 | tr -d ' \n'; }
farewell() {
  letter exit
  _n=0
  [ ! -f "$_d/out/output" ] || _n=$(size "$_d/out/output")
  {
    echo "code $_code"
    echo "reason $_reason"
    if [ "$_n" -gt 65536 ]; then echo "output_too_large $_n"
    elif [ "$_n" -gt 0 ] && [ "$_client" = busybox ]; then echo output_hex; hex <"$_d/out/output"
    elif [ "$_n" -gt 0 ]; then echo output; cat "$_d/out/output"; fi
  } >"$_d/body"
}
# next: sends what is due unless a message is on its way; `next more` only if there is more log
next() {
  [ -z "$_busy" ] && [ "$_client" ] || return 0
  if [ -z "$_msg" ]; then
    case $_phase in
    start) hello ;;
    run)
      take
      if [ "${1-}" ] && [ "$_len" -eq 0 ]; then alarm tick "$_every"; return; fi
      report ;;
    flush)
      take
      if [ "$_len$_drop$_prog" = 00 ]; then farewell; else report; fi ;;
    *) return 0 ;;
    esac
  fi
  post
}
sent() {
  [ "$_busy" ] || return 0
  hush stuck
  wait "$_sender" 2>/dev/null
  _busy=
  case $_msg:$1 in
  *:2??) heard ;;
  *:401 | *:403 | *:404 | *:409 | *:410) gone ;;
  report:408 | report:429 | report:[!4]*) again "$1" ;;
  report:4*) : >"$_d/reply"; heard ;; # refused for what it says: repeating it would block all that follow
  *) again "$1" ;;
  esac
}
again() {
  case $1:$_clients in 000:*' '*) # perhaps this client lacks certificates: the next one tries
    _clients="${_clients#* } ${_clients%% *}" _client=${_clients%% *} ;;
  esac
  alarm tick "$((_back / 1000)).$(printf %03d $((_back % 1000)))"
  _back=$((_back * 2))
  [ "$_back" -le $((_step * 30)) ] || _back=$((_step * 30))
}
heard() {
  _was=$_msg _msg='' _back=$_step _stop=''
  while read -r _w _x _; do
    case $_w in
    stop) _stop=$_x ;;
    every) case $_x in '' | *[!0-9.]* | *.*.* | .) ;; *[1-9]*) _every=$_x ;; esac ;;
    esac
  done <"$_d/reply"
  if [ "$_was" = report ]; then
    _pos=$((_at + _len)) _prog=
    [ -z "$_done" ] || rm -f "$_done"
  fi
  [ "$_was" != exit ] || idle
  case $_stop in superseded | gone) gone; return ;; esac
  if [ "$_was" = start ] && [ "$_stop" ]; then
    halt "$_stop"
    _code=143 _phase=flush
  elif [ "$_was" = start ]; then
    launch
  elif [ "$_stop" ] && [ "$_phase" = run ]; then
    halt "$_stop"
  fi
  case $_phase in
  run) if [ "$_more" ] && [ "$_was" = report ]; then next more; else alarm tick "$_every"; fi ;;
  flush) next ;;
  esac
}

# ---- The command
signal() { # to the command and what it started
  [ -z "$_p" ] || kill -s "$1" -- "-$_p" 2>/dev/null || kill -s "$1" "$_p" 2>/dev/null
}
halt() { # halt WHY: SIGTERM now, SIGKILL after the grace
  [ -z "$_reason" ] || return 0
  case $1 in timeout | terminated) _reason=$1 ;; *) _reason=cancelled ;; esac
  [ "$_phase" = run ] || return 0
  signal TERM
  alarm grace "$_grace"
}
gone() { # somebody else has the attempt, or nobody: not another word
  if [ "$_phase" = run ] || [ "$_phase" = drain ]; then
    _phase=gone
    signal KILL
  else idle; fi
}
unbase64() {
  { printf %s "$1"; echo; } | fold -w 4 | while read -r _g; do
    _n=0 _k=0 _o=
    for _ in 1 2 3 4; do
      _c=${_g%"${_g#?}"} _g=${_g#?} _n=$((_n * 64))
      case $_c in [A-Za-z0-9+/])
        _i=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/
        _i=${_i%%"$_c"*}
        _n=$((_n + ${#_i})) _k=$((_k + 1)) ;;
      esac
    done
    for _b in $((_n >> 16)) $((_n >> 8 & 255)) $((_n & 255)); do
      _k=$((_k - 1))
      [ "$_k" -lt 1 ] || _o=$_o\\$((_b >> 6))$((_b >> 3 & 7))$((_b & 7))
    done
    # shellcheck disable=SC2059 # octal escapes and nothing else
    printf "$_o"
  done
}
launch() {
  _phase=run
  : >"$_d/secrets"
  [ -z "$_client" ] || mv "$_d/reply" "$_d/secrets"
  if [ "$_client" ]; then
    ( exec <"$_d/log"; capture; echo eof >&3 ) 2>/dev/null &
  else # nobody else can tell that the command runs
    _eof=1
    echo "::gpu-start $GPU_ATTEMPT_ID"
  fi
  (
    trap : TERM INT HUP # whoever signals the whole group must not cost us the exit code
    while read -r _w _n _v; do
      case $_w:$_n in secret:[0-9]* | secret:*[!A-Za-z0-9_]* | secret:) continue ;; esac
      [ "$_w" = secret ] || continue
      _v=$(unbase64 "$_v"; echo x)
      export "$_n=${_v%x}"
    done <"$_d/secrets"
    rm -f "$_d/secrets"
    export GPU_OUTPUT="$_d/out/output" GPU_CHECKPOINT_DIR="${GPU_CHECKPOINT_DIR:-/tmp/gpu-checkpoint}"
    umask "$_umask"
    mkdir -p "$GPU_CHECKPOINT_DIR" 2>/dev/null
    locale
    eval "set -- ${GPU_COMMAND-}"
    unset GPU_COMMAND
    # $0 is a file that is made only if the command could not be executed
    # shellcheck disable=SC2016
    set -- sh -c 'trap '\''echo >"$0"'\'' EXIT; trap - INT QUIT
      shopt -s execfail 2>/dev/null; exec "$@"; exit' "$_d/failed" "$@"
    if has setsid; then set -- setsid "$@"; elif [ "${BASH_VERSION-}" ]; then set -m; fi
    if [ "$_client" ]; then "$@" </dev/null >"$_d/log" 2>&1 3>&- &
    else "$@" </dev/null 3>&- & fi
    _p=$!
    echo "pid $_p" >&3
    while :; do
      wait "$_p"
      _c=$?
      kill -0 "$_p" 2>/dev/null || break
    done
    echo "end $_c" >&3
  ) &
  case ${GPU_TIMEOUT-} in '' | *[!0-9]*) ;; *) [ "$GPU_TIMEOUT" -eq 0 ] || alarm timeout "$GPU_TIMEOUT" ;; esac
}
ended() {
  hush timeout
  hush grace
  _code=$1 _ended=1
  [ ! -e "$_d/failed" ] || _reason=${_reason:-command_not_started}
  _reason=${_reason:-exited}
  [ "$_phase" = gone ] || _phase=drain
  # What the command left running may still be writing its last lines
  if [ "$_eof" ]; then drained; else alarm drain 2; fi
}
drained() {
  hush drain
  hush eof
  signal KILL
  _p=
  [ "$_phase" != gone ] || idle
  set -- "$_d"/l/*
  for _f; do :; done
  [ ! -s "$_f" ] || [ -z "$(tail -c 1 "$_f")" ] || echo
  echo "::gpu-exit $GPU_ATTEMPT_ID $_code"
  [ "$_client" ] || idle
  _phase=flush _back=$_step
  hush tick
  next
}
# A cloud may restart a container whose entrypoint ends, so it waits to be taken down.
idle() {
  for _e in stuck tick timeout grace drain eof probed metrics; do hush "$_e"; done
  rm -rf "$_d"
  [ -z "$_term" ] || exit "$_code"
  while :; do
    read -r _e <&3
    [ "$_e" != term ] || exit "$_code"
  done
}

# ---- Begin
{ read -r _id </proc/sys/kernel/random/uuid; } 2>/dev/null || _id=$$-$(date +%s)
for _d in "${TMPDIR:-/tmp}" /tmp /var/tmp /dev/shm; do
  _d=$_d/gpu-runner.$_id
  { mkdir "$_d" && mkdir "$_d/l" "$_d/out" && mkfifo "$_d/events" "$_d/log"; } 2>/dev/null && break
  _d=
done
if [ -z "$_d" ]; then # nowhere to write: the command runs all the same
  eval "set -- ${GPU_COMMAND-}"
  ( umask "$_umask"; locale; unset GPU_COMMAND; exec "$@" ) </dev/null
  echo "::gpu-exit $GPU_ATTEMPT_ID $?"
  trap 'kill $!; exit 0' TERM
  while :; do sleep 3600 & wait $!; done
fi
exec 3<>"$_d/events"
trap 'echo term >&3' TERM INT HUP
! has curl || _clients=curl
if has wget; then
  _help=$(wget --help 2>&1)
  case $_help in
  *GNU*--config*) _clients="$_clients wget" ;;
  *--post-file*) _clients="$_clients busybox" ;;
  esac
fi
! has python3 || _clients="$_clients python3"
_clients=${_clients# }
_client=${_clients%% *}
if [ -z "$_client" ]; then launch
elif has nvidia-smi; then
  ( nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader >"$_d/gpus.new" &&
    mv "$_d/gpus.new" "$_d/gpus"; echo probed >&3 ) </dev/null >/dev/null 2>&1 &
  alarm probed 10
else echo probed >&3; fi

while :; do
  read -r _e _x <&3 || continue
  case $_e in
  probed) [ "$_phase" != probe ] || { _phase=start; next; } ;;
  sent) sent "$_x" ;;
  pid)
    _p=$_x
    if [ "$_phase" = gone ]; then signal KILL; elif [ "$_reason" ]; then signal TERM; fi ;;
  tick)
    hush tick
    _tick=$((_tick + 1))
    # A driver that hangs costs the figures, not the heartbeat
    if [ "$_phase$_msg$_sampling" = run ] && has nvidia-smi; then
      _sampling=1
      ( nvidia-smi --query-gpu=index,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw \
        --format=csv,noheader,nounits | tr -cd '0-9A-Za-z.,/[]\n-' |
        sed -n '/^[0-9]\{1,4\}\(,[^,]*\)\{5\}$/p' | tr '\n' ';' | sed 's/;$//' >"$_d/metrics.new"
        mv "$_d/metrics.new" "$_d/metrics"; echo "metrics $_tick" >&3 ) </dev/null >/dev/null 2>&1 &
      alarm metrics 3
    else next; fi ;;
  metrics)
    [ -z "$_x" ] || _sampling=
    case $_x in
    '' | "$_tick")
      hush metrics
      _tick=$((_tick + 1)) # only the first of sampler and alarm counts
      next ;;
    esac ;;
  end) ended "$_x" ;;
  eof)
    _eof=1
    [ -z "$_ended" ] || [ "$_phase" = flush ] || drained ;;
  drain) signal KILL; alarm eof 1 ;;
  grace) signal KILL ;;
  timeout) halt timeout ;;
  stuck)
    kill -s KILL "$_sender" 2>/dev/null
    sent 000 ;;
  term)
    _term=1
    case $_phase in
    probe | start) _code=143; idle ;;
    run) halt terminated ;;
    esac ;;
  esac
done

# Sourced by the findings: fetches the pinned servers, runs them on Unix sockets in a temporary folder,
# compares what they say with what was seen, and leaves nothing running or lying about.
#
#   ORACLES=DIR   servers that tests/oracles has fetched already (target/oracles), to save the download
set -u
export LC_ALL=C
folder=$(mktemp -d) || exit 2
pids=()
verdict="as seen"

clean_up() {
    local pid
    for pid in ${pids[@]+"${pids[@]}"}; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
    rm -rf "$folder"
}
trap clean_up EXIT

no_servers() {
    echo "not run: $*"
    exit 2
}

if [ -z "${ORACLES:-}" ]; then
    CARGO_TARGET_DIR=$folder "$(dirname "$0")/../tests/oracles" || no_servers "tests/oracles failed"
    ORACLES=$folder/oracles
fi
for program in redis-server-8 redis-cli-8 valkey-server-9; do
    [ -x "$ORACLES/bin/$program" ] || no_servers "$program could not be had"
done

# launch NAME [OPTION...]: runs redis or valkey in the folder NAME of its own, without waiting for it.
launch() {
    local name=$1 program=redis-server-8
    shift
    case $name in valkey*) program=valkey-server-9 ;; esac
    mkdir -p "$folder/$name"
    "$ORACLES/bin/$program" --port 0 --unixsocket "$folder/$name/socket" --dir "$folder/$name" \
        --save "" --enable-debug-command local "$@" >"$folder/$name/log" 2>&1 &
    server=$!
    pids+=("$server")
}

# start NAME [OPTION...]: the same, and waits until it serves.
start() {
    local tries
    launch "$@"
    for tries in $(seq 100); do
        [ "$(ask "$1" PING 2>/dev/null)" = PONG ] && break
        sleep 0.1
    done
    [ "$(ask "$1" PING 2>/dev/null)" = PONG ] || no_servers "$1 does not serve"
    echo "$1: $(ask "$1" INFO server | grep -oE '(redis|valkey)_version:[0-9.]+' | tail -n 1)"
}

# stop: ends the server launched last.
stop() {
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
}

# ask NAME WORD...: the reply, on one line.
ask() {
    local name=$1
    shift
    timeout 10 "$ORACLES/bin/redis-cli-8" -s "$folder/$name/socket" --no-raw "$@" |
        sed 's/\\r\\n/\n/g' | paste -s -d ' '
}

# see WHAT SEEN NOW: prints it, and remembers whether it is what was seen when this was written.
see() {
    echo "  $1: $3"
    [ "$2" = "$3" ] && return
    echo "    which was: $2"
    verdict=changed
}

# listen NAME, then heard NAME: the keyspace events from then on, in their order, as `event key`.
listen() {
    ask "$1" CONFIG SET notify-keyspace-events EA >/dev/null
    timeout 60 "$ORACLES/bin/redis-cli-8" -s "$folder/$1/socket" --csv \
        PSUBSCRIBE '__keyevent@0__:*' >"$folder/$1/events" 2>&1 &
    listener=$!
    pids+=("$listener")
    await "$1" psubscribe
}
heard() {
    ask "$1" PUBLISH '__keyevent@0__:end' now >/dev/null
    await "$1" '__:end"'
    kill "$listener" 2>/dev/null
    wait "$listener" 2>/dev/null
    sed -nE 's/.*,"__keyevent@0__:([a-z]+)","([^"]*)"$/\1 \2/p' "$folder/$1/events" |
        grep -v '^end ' | paste -s -d ',' | sed 's/,/, /g'
}
await() {
    local tries
    for tries in $(seq 100); do
        grep -q "$2" "$folder/$1/events" && return
        sleep 0.1
    done
    no_servers "$1 sends no events"
}

finish() {
    echo "$verdict"
    [ "$verdict" = "as seen" ]
    exit
}

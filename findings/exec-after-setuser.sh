#!/usr/bin/env bash
# Rights that are taken away between queueing and EXEC: what is queued is asked about again by EXEC. Redis
# 8.6.3 asks about commands, but no longer about their keys: a user who has lost a key reads it once more.
# Valkey 9.1.2 refuses both, and so did Redis 7.0.
. "$(dirname "$0")/common.sh"

# exec_after NAME RULES...: what EXEC replies to a queued GET when the rules have changed before it.
exec_after() {
    local name=$1
    shift
    ask "$name" SET other secret >/dev/null
    ask "$name" ACL SETUSER limited reset on nopass '~*' +@all >/dev/null
    {
        printf 'AUTH limited any\nMULTI\nGET other\n'
        sleep 0.5
        ask "$name" ACL SETUSER limited "$@" >/dev/null
        printf 'EXEC\n'
    } | timeout 10 "$ORACLES/bin/redis-cli-8" -s "$folder/$name/socket" --no-raw | tail -n 1 | cut -c 1-50
}

refused="1) (error) NOPERM ACLs rules changed between the m"
start redis
see "Redis, the command was taken away" "$refused" "$(exec_after redis -get)"
see "Redis, the key was taken away" '1) "secret"' "$(exec_after redis resetkeys '~mine:*')"
start valkey
see "Valkey, the command was taken away" "$refused" "$(exec_after valkey -get)"
see "Valkey, the key was taken away" "$refused" "$(exec_after valkey resetkeys '~mine:*')"
finish

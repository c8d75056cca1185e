#!/usr/bin/env bash
# A deadline that has passed already deletes at once, under other names in two servers.
#
# Redis 8.6.3 reports what it does, a deletion: `hdel` for a field (HEXPIRE 0), `del` for a key
# (EXPIRE -1, GETEX EXAT 1). Valkey 9.1.2 reports why: `hexpired` and `expired`. A listener that counts
# expiries counts deletions by request in Valkey, and one that follows `del` and `hdel` misses them.
# SET .. EXAT 1 is no `set` at all in Valkey if the key is there, while Redis reports `set` and `expire`
# and removes the key later; HSETEX EXAT 1 sets and deletes in both, Valkey with `hexpire` between.
#
# Seen: see the lines below; the two are alike only in `hset`, and in `del` of the emptied hash.
. "$(dirname "$0")/common.sh"

requests() {
    ask "$1" DEBUG SET-ACTIVE-EXPIRE 0
    ask "$1" HSET h f 1
    ask "$1" SET e 1
    ask "$1" SET g 1
    ask "$1" SET s 1
    listen "$1"
    ask "$1" HEXPIRE h 0 FIELDS 1 f
    ask "$1" EXPIRE e -1
    ask "$1" GETEX g EXAT 1
    ask "$1" SET s 1 EXAT 1
    ask "$1" HSETEX n EXAT 1 FIELDS 1 f 1
} >/dev/null

start redis
requests redis
see Redis "hdel h, del h, del e, del g, set s, expire s, hset n, hdel n, del n" "$(heard redis)"
start valkey
requests valkey
see Valkey "hexpired h, del h, expired e, expired g, expired s, hset n, hexpire n, hexpired n, del n" \
    "$(heard valkey)"
finish

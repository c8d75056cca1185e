#!/usr/bin/env bash
# MSETEX reports its events the other way round than SET, in one of two servers.
#
# Redis 8.6.3: SET .. EX sends `set` and then `expire`; MSETEX .. EX sends `expire` and then `set` for
# each key. Valkey 9.1.2 sends `set`, `expire` for both. In SET a `set` behind an `expire` means that
# the deadline is gone, and a listener that keeps deadlines in that way loses those that MSETEX gave,
# though TTL says that they stand.
#
# Seen for SET a 1 EX 100 and MSETEX 2 b 1 c 2 EX 100:
#   Redis:  set a, expire a, expire b, set b, expire c, set c     TTL b 100
#   Valkey: set a, expire a, set b, expire b, set c, expire c     TTL b 100
. "$(dirname "$0")/common.sh"

requests() {
    listen "$1"
    ask "$1" SET a 1 EX 100
    ask "$1" MSETEX 2 b 1 c 2 EX 100
} >/dev/null

has_deadline() { [ "$(ask "$1" PTTL b | tr -dc 0-9)" -gt 90000 ] && echo yes; }

start redis
requests redis
see Redis "set a, expire a, expire b, set b, expire c, set c" "$(heard redis)"
see "Redis, b has its deadline" yes "$(has_deadline redis)"
start valkey
requests valkey
see Valkey "set a, expire a, set b, expire b, set c, expire c" "$(heard valkey)"
see "Valkey, b has its deadline" yes "$(has_deadline valkey)"
finish

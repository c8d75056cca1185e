#!/usr/bin/env bash
# OBJECT ENCODING of one and the same string is embstr or raw as its key is short or long.
#
# Redis 8.6.3 and Valkey 9.1.2 keep key and value in one allocation, and call a string embstr while both
# fit: 41 bytes of key and value together in Redis, 113 in Valkey. Up to Redis 7 it was the value alone,
# 44 bytes of it, and that is the number people know. Who sizes values to stay below a limit, or asserts
# an encoding in a test, has to reckon with the key's name.
#
# Seen, key and value in bytes:  Redis 1+40 and 30+11 embstr, 1+41 and 30+12 raw;
#                               Valkey 1+112 and 30+83 embstr, 1+113 and 30+84 raw.
. "$(dirname "$0")/common.sh"

encoding() {
    local key value
    key=$(printf "%$2s" | tr ' ' k)
    value=$(printf "%$3s" | tr ' ' v)
    ask "$1" SET "$key" "$value" >/dev/null
    ask "$1" OBJECT ENCODING "$key"
}

start redis
see "Redis, 1+40" '"embstr"' "$(encoding redis 1 40)"
see "Redis, 1+41" '"raw"' "$(encoding redis 1 41)"
see "Redis, 30+11" '"embstr"' "$(encoding redis 30 11)"
see "Redis, 30+12" '"raw"' "$(encoding redis 30 12)"
start valkey
see "Valkey, 1+112" '"embstr"' "$(encoding valkey 1 112)"
see "Valkey, 1+113" '"raw"' "$(encoding valkey 1 113)"
see "Valkey, 30+83" '"embstr"' "$(encoding valkey 30 83)"
see "Valkey, 30+84" '"raw"' "$(encoding valkey 30 84)"
finish

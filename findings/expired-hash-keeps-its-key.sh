#!/usr/bin/env bash
# A hash whose fields have all expired shows no field, and yet keeps its key from SET .. NX.
#
# Valkey 9.1.2: reads never remove it. Until a round of active expiry comes by, HGETALL is empty while
# EXISTS and DBSIZE count the key, HLEN counts the fields, SET .. NX and RENAMENX refuse the name, and
# HDEL of the field replies 0 and leaves the key. Redis 8.6.3: HLEN and EXISTS count likewise, but the
# first read of the fields removes the hash, so that the same requests behind an HGET find no key.
# Active expiry is switched off here so that the moment can be looked at; it lasts as long as the
# rounds need on a server with many deadlines.
#
# Seen behind HGET of both fields (nil, nil):
#   Redis:  HLEN 0, EXISTS 0, DBSIZE 0, SET h x NX: OK
#   Valkey: HLEN 2, EXISTS 1, DBSIZE 1, SET h x NX: nil; HDEL h a b: 0, and EXISTS 1 still
. "$(dirname "$0")/common.sh"

for name in redis valkey; do
    start $name
    ask $name DEBUG SET-ACTIVE-EXPIRE 0 >/dev/null
    ask $name HSET h a 1 b 2 >/dev/null
    ask $name HPEXPIRE h 1 FIELDS 2 a b >/dev/null
    sleep 0.1
    see "$name, HLEN before any read" "(integer) 2" "$(ask $name HLEN h)"
    see "$name, EXISTS before any read" "(integer) 1" "$(ask $name EXISTS h)"
    see "$name, HGET a" "(nil)" "$(ask $name HGET h a)"
    see "$name, HGET b" "(nil)" "$(ask $name HGET h b)"
    see "$name, HGETALL" "(empty array)" "$(ask $name HGETALL h)"
done
see "Redis, HLEN" "(integer) 0" "$(ask redis HLEN h)"
see "Redis, EXISTS" "(integer) 0" "$(ask redis EXISTS h)"
see "Redis, DBSIZE" "(integer) 0" "$(ask redis DBSIZE)"
see "Redis, SET h x NX" "OK" "$(ask redis SET h x NX)"
see "Valkey, HLEN" "(integer) 2" "$(ask valkey HLEN h)"
see "Valkey, EXISTS" "(integer) 1" "$(ask valkey EXISTS h)"
see "Valkey, DBSIZE" "(integer) 1" "$(ask valkey DBSIZE)"
see "Valkey, SET h x NX" "(nil)" "$(ask valkey SET h x NX)"
ask valkey SET s 1 >/dev/null
see "Valkey, RENAMENX s h" "(integer) 0" "$(ask valkey RENAMENX s h)"
see "Valkey, HDEL h a b" "(integer) 0" "$(ask valkey HDEL h a b)"
see "Valkey, EXISTS behind HDEL" "(integer) 1" "$(ask valkey EXISTS h)"
finish

#!/usr/bin/env bash
# A dump.rdb that holds two strings goes from neither server to the other, because of its first bytes.
#
# Redis 8.6.3 writes RDB version 13 whatever the data need; Valkey 9.1.2 knows 11 and its own 80, under
# another magic, and takes the numbers between for foreign. So neither starts with the other's file, and
# neither restores the other's DUMP. The strings themselves are written alike: Valkey loads the file when
# told not to mind the number (rdb-version-check relaxed), Redis when the nine bytes of magic and number
# are its own. (Both servers write without checksums here, so that nothing else has to change with them.)
#
# Seen: Redis's file begins REDIS0013. Valkey: "Can't handle RDB format version 13", and it ends;
# relaxed, it loads 2 keys. Valkey's file begins VALKEY080. Redis: "Wrong signature trying to load DB from
# file", and it ends; with REDIS0013 in their place it loads 2 keys. RESTORE: an error in both; Valkey
# takes it when relaxed.
. "$(dirname "$0")/common.sh"

write() {
    start "$1" --rdbchecksum no
    ask "$1" MSET a 1 b two >/dev/null
    ask "$1" SAVE >/dev/null
    see "$1 writes" "$2" "$(head -c 9 "$folder/$1/dump.rdb")"
    "$ORACLES/bin/redis-cli-8" -s "$folder/$1/socket" DUMP b | head -c -1 >"$folder/$1/payload"
    stop
}
# ended NAME TEXT: the server launched last has ended, and its log says so.
ended() {
    local tries
    for tries in $(seq 100); do kill -0 "$server" 2>/dev/null || break; sleep 0.1; done
    kill -0 "$server" 2>/dev/null && echo "it runs" && return
    grep -oF "$2" "$folder/$1/log"
}
restore() {
    "$ORACLES/bin/redis-cli-8" -s "$folder/$1/socket" -x RESTORE c 0 <"$folder/$2/payload"
}

write redis REDIS0013
write valkey VALKEY080

mkdir "$folder"/{valkey-strict,valkey-relaxed,redis-strict,redis-renamed}
cp "$folder/redis/dump.rdb" "$folder/valkey-strict"
cp "$folder/redis/dump.rdb" "$folder/valkey-relaxed"
cp "$folder/valkey/dump.rdb" "$folder/redis-strict"
sed '1s/^VALKEY080/REDIS0013/' "$folder/valkey/dump.rdb" >"$folder/redis-renamed/dump.rdb"

launch valkey-strict
see "Valkey with Redis's file" "Can't handle RDB format version 13" \
    "$(ended valkey-strict "Can't handle RDB format version 13")"
start valkey-relaxed --rdb-version-check relaxed
see "Valkey, relaxed" '1) "1" 2) "two"' "$(ask valkey-relaxed MGET a b)"
see "Valkey, relaxed, RESTORE" OK "$(restore valkey-relaxed redis)"
ask valkey-relaxed CONFIG SET rdb-version-check strict >/dev/null
ask valkey-relaxed DEL c >/dev/null
see "Valkey, strict, RESTORE" "ERR DUMP payload version or checksum are wrong" \
    "$(restore valkey-relaxed redis)"
stop

launch redis-strict
see "Redis with Valkey's file" "Wrong signature trying to load DB from file" \
    "$(ended redis-strict "Wrong signature trying to load DB from file")"
start redis-renamed
see "Redis, nine bytes changed" '1) "1" 2) "two"' "$(ask redis-renamed MGET a b)"
see "Redis, RESTORE" "ERR DUMP payload version or checksum are wrong" "$(restore redis-renamed valkey)"
finish

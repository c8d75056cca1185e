#!/usr/bin/env bash
# A field's deadline of one millisecond past a full second is one second apart in two servers.
#
# Redis 8.6.3: HEXPIRETIME and HTTL round up, while EXPIRETIME and TTL of a key round to the nearest
# second: in one server, one deadline, two answers. Valkey 9.1.2: all four round to the nearest.
# Whoever copies deadlines with HEXPIRETIME and HEXPIREAT lengthens or shortens them by up to a second,
# as the source is; HPEXPIRETIME and HPEXPIREAT are exact in both.
#
# Seen for a deadline at ...800001 ms:  Redis HEXPIRETIME ...801, EXPIRETIME ...800; Valkey ...800 twice.
# At ...800500 ms all say ...801. With 1,400 ms left: Redis HTTL 2, TTL 1; Valkey 1 and 1.
. "$(dirname "$0")/common.sh"

start redis
start valkey
for name in redis valkey; do
    ask $name HSET h f v >/dev/null
    ask $name SET s v >/dev/null
done
fields() { ask "$1" HPEXPIREAT h "$2" FIELDS 1 f >/dev/null; ask "$1" HEXPIRETIME h FIELDS 1 f; }
keys() { ask "$1" PEXPIREAT s "$2" >/dev/null; ask "$1" EXPIRETIME s; }
# In a script no time passes between the two.
left() {
    ask "$1" EVAL "redis.call('HPEXPIRE', 'h', 1400, 'FIELDS', 1, 'f')
        return redis.call('HTTL', 'h', 'FIELDS', 1, 'f')" 1 h
}
left_key() { ask "$1" EVAL "redis.call('PEXPIRE', 's', 1400) return redis.call('TTL', 's')" 1 s; }

see "Redis, field at 800001" "1) (integer) 4102444801" "$(fields redis 4102444800001)"
see "Redis, key at 800001" "(integer) 4102444800" "$(keys redis 4102444800001)"
see "Valkey, field at 800001" "1) (integer) 4102444800" "$(fields valkey 4102444800001)"
see "Valkey, key at 800001" "(integer) 4102444800" "$(keys valkey 4102444800001)"
see "Redis, field at 800500" "1) (integer) 4102444801" "$(fields redis 4102444800500)"
see "Valkey, field at 800500" "1) (integer) 4102444801" "$(fields valkey 4102444800500)"
see "Redis, field with 1400 ms left" "1) (integer) 2" "$(left redis)"
see "Redis, key with 1400 ms left" "(integer) 1" "$(left_key redis)"
see "Valkey, field with 1400 ms left" "1) (integer) 1" "$(left valkey)"
see "Valkey, key with 1400 ms left" "(integer) 1" "$(left_key valkey)"
finish

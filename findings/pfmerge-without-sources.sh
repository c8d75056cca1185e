#!/usr/bin/env bash
# PFMERGE with a destination alone writes a key that the user may not touch: the declaration of the
# sources finds no key, and then none is asked about, the destination neither. With a source it is refused.
. "$(dirname "$0")/common.sh"

refused="NOPERM No permissions to access a key"
for name in redis valkey; do
    start "$name"
    ask "$name" ACL SETUSER limited on nopass +@all '~mine:*' >/dev/null
    as_limited() { ask "$name" --no-auth-warning --user limited --pass any "$@"; }
    see "SET other v" "(error) $refused" "$(as_limited SET other v)"
    see "PFMERGE other mine:1" "(error) $refused" "$(as_limited PFMERGE other mine:1)"
    see "PFMERGE other" "OK" "$(as_limited PFMERGE other)"
    see "EXISTS other" "(integer) 1" "$(ask "$name" EXISTS other)"
    stop
done
finish

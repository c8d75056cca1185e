//! Which words the stream is in: all replicas get the same, so they are words that Redis 7.0
//! understands, as do all servers since.
//!
//! | what was done | words |
//! | --- | --- |
//! | what Redis 7.0 can do | the effect as it is |
//! | what newer servers can do | a script that tries the effect, and else does what old ones can |
//! | what only Redstart can do | what others can of it, and the effect wrapped |
//!
//! A wrapped request is `REPLCONF capa TEXT`, which every server passes over; the text is
//! [`WRAPPED`] and the request, which Redstart runs.
//!
//! What old servers do not hold: deadlines of fields and members (they are told when one is gone),
//! references to entries of streams that were removed, messages of producers.

use super::stream::{Unit, bulk, header};
use bytes::Bytes;
use redstart_engine::run::effect::Effect;

/// What a wrapped word begins with; behind it stands the word, as a request in RESP.
pub const WRAPPED: &[u8] = b"redstart ";

/// The longest name that is looked for here.
const NAME_MAX: usize = 16;
/// Parts of a value that one script names at most: Lua has a limit.
const PARTS_MAX: usize = 500;

/// Tries the first `ARGV[1]` words behind it; if the server does not know them, the others, if
/// there are any.
const TRY: &str = "local n=tonumber(ARGV[1])+1 \
    local r=redis.pcall(unpack(ARGV,2,n)) \
    if type(r)=='table' and r.err and ARGV[n+1] then redis.call(unpack(ARGV,n+1)) end";

/// LMOVEM: from which end, to which, how many, in which order they lie then.
const MOVE: &str = "local from,to,n,obo=ARGV[1],ARGV[2],tonumber(ARGV[3]),ARGV[4]=='1' \
    local v={} \
    for i=1,n do \
      local e=redis.call(from=='LEFT' and 'LPOP' or 'RPOP',KEYS[1]) \
      if not e then break end \
      v[i]=e \
    end \
    local first,last,step=1,#v,1 \
    if from==to and not obo then first,last,step=#v,1,-1 end \
    for i=first,last,step do redis.call(to=='LEFT' and 'LPUSH' or 'RPUSH',KEYS[2],v[i]) end";

/// Adds the words of an effect.
pub fn add(effect: &Effect, to: &mut Unit) {
    let Effect { db, args } = effect;
    let (db, mut name) = (*db, [0; NAME_MAX]);
    let len = args[0].len().min(NAME_MAX);
    for (upper, byte) in name.iter_mut().zip(&args[0][..]) {
        *upper = byte.to_ascii_uppercase();
    }
    match &name[..len] {
        b"TAG.ADD" | b"TAG.DROP" | b"LOCK.FENCE" | b"MEMCACHED.NOTE" | b"SPEXPIREAT"
        | b"SPERSIST" => wrap(effect, to),
        b"SADDEX" => {
            let members = parts_behind(args, b"MEMBERS");
            to.add(db, [word(b"SADD"), args[1].clone()].iter().chain(members));
            wrap(effect, to);
        }
        b"HSETEX" => set_fields(db, args, to),
        b"HPEXPIREAT" | b"HPERSIST" => {
            let head = args.iter().take_while(|arg| &arg[..] != b"FIELDS");
            let head: Vec<Bytes> = head.cloned().collect();
            for fields in parts_behind(args, b"FIELDS").chunks(PARTS_MAX) {
                attempt(db, &with_parts(&head, fields, fields.len()), &[], to);
            }
        }
        b"LMOVEM" => move_many(db, args, to),
        b"XDELEX" => {
            let ids = parts_behind(args, b"IDS");
            for ids in ids.chunks(PARTS_MAX) {
                let head = [word(b"XDELEX"), args[1].clone(), args[2].clone(), word(b"IDS")];
                let tried = [&head[..], &[number(ids.len())], ids].concat();
                let old = [&[word(b"XDEL"), args[1].clone()][..], ids].concat();
                attempt(db, &tried, &old, to);
            }
        }
        b"XTRIM" if args.len() > 5 => attempt(db, args, &args[..5], to),
        b"XNACK" | b"XIDMPRECORD" | b"XCFGSET" => attempt(db, args, &[], to),
        _ => to.add(db, args.iter()),
    }
}

fn word(text: &'static [u8]) -> Bytes {
    Bytes::from_static(text)
}

fn number(n: usize) -> Bytes {
    Bytes::copy_from_slice(itoa::Buffer::new().format(n).as_bytes())
}

/// What stands behind a word and its count.
fn parts_behind<'a>(args: &'a [Bytes], word: &[u8]) -> &'a [Bytes] {
    let at = args.iter().position(|arg| arg.eq_ignore_ascii_case(word));
    at.and_then(|at| args.get(at + 2..)).unwrap_or_default()
}

/// `head FIELDS count parts`.
fn with_parts(head: &[Bytes], parts: &[Bytes], count: usize) -> Vec<Bytes> {
    [head, &[word(b"FIELDS"), number(count)], parts].concat()
}

/// `HSETEX key [PXAT time | KEEPTTL] FIELDS count field value ...`
fn set_fields(db: usize, args: &[Bytes], to: &mut Unit) {
    let (key, pairs) = (&args[1], parts_behind(args, b"FIELDS"));
    let keeps = args[2].eq_ignore_ascii_case(b"KEEPTTL");
    for pairs in pairs.chunks(2 * PARTS_MAX) {
        let set = [&[word(b"HSET"), key.clone()], pairs].concat();
        if keeps {
            let head = [word(b"HSETEX"), key.clone(), word(b"KEEPTTL")];
            attempt(db, &with_parts(&head, pairs, pairs.len() / 2), &set, to);
            continue;
        }
        to.add(db, set.iter());
        if args[2].eq_ignore_ascii_case(b"PXAT") {
            let fields: Vec<Bytes> = pairs.iter().step_by(2).cloned().collect();
            let head = [word(b"HPEXPIREAT"), key.clone(), args[3].clone()];
            attempt(db, &with_parts(&head, &fields, fields.len()), &[], to);
        }
    }
}

/// `LMOVEM source destination from to [COUNT | EXACTLY count OBO | BULK]`
fn move_many(db: usize, args: &[Bytes], to: &mut Unit) {
    let upper = |at: usize| Bytes::from(args[at].to_ascii_uppercase());
    let one = || word(b"1");
    let count = args.get(6).cloned().unwrap_or_else(one);
    let by_one = args.get(7).is_none_or(|order| order.eq_ignore_ascii_case(b"OBO"));
    let words = [
        word(b"EVAL"),
        word(MOVE.as_bytes()),
        word(b"2"),
        args[1].clone(),
        args[2].clone(),
        upper(3),
        upper(4),
        count,
        word(if by_one { b"1" } else { b"0" }),
    ];
    to.add(db, words.iter());
}

/// Adds an effect that new servers know, and what old ones are to do instead.
fn attempt(db: usize, tried: &[Bytes], old: &[Bytes], to: &mut Unit) {
    let head =
        [word(b"EVAL"), word(TRY.as_bytes()), word(b"1"), tried[1].clone(), number(tried.len())];
    to.add(db, head.iter().chain(tried).chain(old));
}

/// Adds an effect that only Redstart understands.
fn wrap(effect: &Effect, to: &mut Unit) {
    let mut text = WRAPPED.to_vec();
    header(b'*', effect.args.len(), &mut text);
    effect.args.iter().for_each(|arg| bulk(arg, &mut text));
    to.add(effect.db, [word(b"REPLCONF"), word(b"capa"), text.into()].iter());
}

/// The request that a capability of `REPLCONF capa` wraps, if it is none.
pub fn unwrap(capability: &[u8]) -> Option<&[u8]> {
    capability.strip_prefix(WRAPPED)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of an effect, without the texts of scripts.
    fn words(effect: &str) -> String {
        let args = effect.split(' ').map(|word| Bytes::copy_from_slice(word.as_bytes())).collect();
        let mut unit = Unit::default();
        add(&Effect { db: 0, args }, &mut unit);
        let mut text = String::from_utf8(unit.bytes).expect("it is text");
        text = text.replace(TRY, "TRY").replace(MOVE, "MOVE");
        let kept = text.split("\r\n").filter(|line| !line.starts_with('$'));
        kept.collect::<Vec<_>>().join(" ").trim_end().to_owned()
    }

    #[test]
    fn old_servers_understand_every_word() {
        for (effect, wanted) in [
            ("SET k v PXAT 9", "*5 SET k v PXAT 9"),
            ("tag.add k t", "*3 REPLCONF capa redstart *3 tag.add k t"),
            (
                "SADDEX k PXAT 9 MEMBERS 1 m",
                "*3 SADD k m *3 REPLCONF capa redstart *7 SADDEX k PXAT 9 MEMBERS 1 m",
            ),
            ("HSETEX k FIELDS 1 f v", "*4 HSET k f v"),
            (
                "HSETEX k PXAT 9 FIELDS 1 f v",
                "*4 HSET k f v *11 EVAL TRY 1 k 6 HPEXPIREAT k 9 FIELDS 1 f",
            ),
            (
                "HSETEX k KEEPTTL FIELDS 1 f v",
                "*16 EVAL TRY 1 k 7 HSETEX k KEEPTTL FIELDS 1 f v HSET k f v",
            ),
            ("HPERSIST k FIELDS 2 f g", "*11 EVAL TRY 1 k 6 HPERSIST k FIELDS 2 f g"),
            (
                "xtrim k MAXLEN = 3 DELREF",
                "*16 EVAL TRY 1 k 6 xtrim k MAXLEN = 3 DELREF xtrim k MAXLEN = 3",
            ),
            ("XTRIM k MAXLEN = 3", "*5 XTRIM k MAXLEN = 3"),
            (
                "XDELEX k DELREF IDS 1 1-1",
                "*14 EVAL TRY 1 k 6 XDELEX k DELREF IDS 1 1-1 XDEL k 1-1",
            ),
            ("LMOVEM a b LEFT left EXACTLY 2 BULK", "*9 EVAL MOVE 2 a b LEFT LEFT 2 0"),
        ] {
            assert_eq!(words(effect), wanted, "{effect}");
        }
    }

    #[test]
    fn what_is_wrapped_can_be_unwrapped() {
        let args = ["LOCK.FENCE", "k", "7"].map(|word| Bytes::copy_from_slice(word.as_bytes()));
        let mut unit = Unit::default();
        wrap(&Effect { db: 0, args: args.to_vec() }, &mut unit);
        let text = String::from_utf8(unit.bytes).expect("it is text");
        let capability = &text[text.find("redstart").expect("it is wrapped")..text.len() - 2];
        let inner = unwrap(capability.as_bytes()).expect("it is wrapped");
        assert_eq!(inner, b"*3\r\n$10\r\nLOCK.FENCE\r\n$1\r\nk\r\n$1\r\n7\r\n");
        assert_eq!(unwrap(b"eof"), None);
    }
}

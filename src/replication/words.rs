//! Which words the stream is in: all replicas get the same, so they are words that Redis 7.0
//! understands, as do all servers since.
//!
//! | what was done | words |
//! | --- | --- |
//! | what Redis 7.0 can do | the effect as it is |
//! | what newer servers can do | a script that tries the effect, and else does what the old ones can |
//! | what only Redstart can do | what others can of it, and the effect wrapped |
//!
//! A wrapped request is `REPLCONF capa TEXT`, which every server passes over; the text is
//! [`WRAPPED`] and the request. Redstart runs what is in it, and what the script would try.

use super::stream::{Unit, bulk, header};
use bytes::Bytes;
use redstart_engine::run::effect::Effect;
use redstart_protocol::{Args, Limits, OwnedArgs, Parser, Step};

/// What a wrapped word begins with; behind it stands the word, as a request in RESP.
pub const WRAPPED: &[u8] = b"redstart ";

/// Tries the first `ARGV[1]` words behind it; if the server does not know them, the others, if
/// there are any.
const TRY: &str = "local n=tonumber(ARGV[1])+1 \
    local r=redis.pcall(unpack(ARGV,2,n)) \
    if type(r)=='table' and r.err and ARGV[n+1] then redis.call(unpack(ARGV,n+1)) end";

/// Adds the words of an effect.
pub fn add(effect: &Effect, to: &mut Unit) {
    let Effect { db, args } = effect;
    match &args[0][..] {
        b"TAG.ADD" | b"TAG.DROP" | b"LOCK.FENCE" | b"MEMCACHED.NOTE" | b"SPEXPIREAT"
        | b"SPERSIST" => wrap(effect, to),
        _ => {
            to.begin(*db, args.len());
            args.iter().for_each(|arg| to.argument(arg));
        }
    }
}

/// Adds an effect that only Redstart understands.
fn wrap(effect: &Effect, to: &mut Unit) {
    let mut text = WRAPPED.to_vec();
    header(b'*', effect.args.len(), &mut text);
    effect.args.iter().for_each(|arg| bulk(arg, &mut text));
    to.begin(effect.db, 3);
    for word in [Bytes::from_static(b"REPLCONF"), Bytes::from_static(b"capa"), text.into()] {
        to.argument(&word);
    }
}

/// What Redstart runs in place of a request of the stream, if it is wrapped or tried.
pub fn own(args: Args<'_>) -> Option<OwnedArgs> {
    let is =
        |at: usize, word: &[u8]| args.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word));
    if args.len() == 3 && is(0, b"REPLCONF") && is(1, b"capa") {
        let mut request = args[2].strip_prefix(WRAPPED)?.to_vec();
        let (mut spans, len) = (Vec::new(), request.len());
        let step = Parser::default().parse(&mut request, 0, &mut spans, &Limits::DEFAULT);
        let whole = matches!(step, Ok(Step::Complete { end }) if end == len) && !spans.is_empty();
        let words: Vec<&[u8]> = Args::new(&request, &spans).iter().collect();
        return whole.then(|| OwnedArgs::from_slices(&words));
    }
    if is(0, b"EVAL") && args.len() > 4 && &args[1] == TRY.as_bytes() {
        let keys = redstart_protocol::parse_u64(&args[2])? as usize;
        let count = args.get(keys.checked_add(3)?)?;
        let count = redstart_protocol::parse_u64(count)? as usize;
        let words: Vec<&[u8]> = args.iter().skip(keys + 4).take(count).collect();
        return (count > 0 && words.len() == count).then(|| OwnedArgs::from_slices(&words));
    }
    None
}

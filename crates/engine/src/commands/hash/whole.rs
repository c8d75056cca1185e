//! A hash as a whole: all of its fields, some of them drawn, a walk over it.

use crate::commands::drawn_bytes_max;
use crate::commands::scan::{Filter, parse_cursor};
use crate::commands::value::write_value;
use crate::error::Error;
use crate::hasher::Hasher;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::entry::Value;
use crate::storage::value::Object;
use crate::storage::value::hash::Hash;
use redstart_protocol::{Protocol, Reply, Rest, parse_i64};

/// HGETALL key
pub static HGETALL: DataCommand = declare("hgetall", Group::Hash, Exactly(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.0.0")
    .complexity("O(N) with N fields in the hash.")
    .summary("Returns all fields of a hash with their values.")
    .syntax("key")
    .run(|call| list(call, Part::Both));

/// HKEYS key
pub static HKEYS: DataCommand = declare("hkeys", Group::Hash, Exactly(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.0.0")
    .complexity("O(N) with N fields in the hash.")
    .summary("Returns all fields of a hash.")
    .syntax("key")
    .run(|call| list(call, Part::Field));

/// HVALS key
pub static HVALS: DataCommand = declare("hvals", Group::Hash, Exactly(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.0.0")
    .complexity("O(N) with N fields in the hash.")
    .summary("Returns the values of all fields of a hash.")
    .syntax("key")
    .run(|call| list(call, Part::Value));

/// Fields of a large hash that are replied before it is looked how long the reply is.
const SCANNED: u64 = 64;

/// What of a pair is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Field,
    Value,
    Both,
}

impl Part {
    #[inline]
    fn write(self, reply: &mut Reply, field: &[u8], value: Value<'_>) {
        if self != Part::Value {
            reply.bulk(field);
        }
        if self != Part::Field {
            write_value(reply, value);
        }
    }
}

fn list(call: &mut Call<'_>, part: Part) -> Result<(), Error> {
    let key = call.key(0);
    let hash = call.space.read_hash(key)?;
    let len = hash.map_or(0, |hash| hash.len());
    match part {
        Part::Both => call.reply.map(len),
        Part::Field | Part::Value => call.reply.array(len),
    }
    let bytes = hash.map_or(0, |hash| hash.allocated());
    if call.reply.takes_rest(bytes) {
        let Some(Object::Hash(hash)) = call.space.freeze(key) else {
            unreachable!("a hash is an object")
        };
        let hasher = call.space.hasher().clone();
        call.reply.put_rest(Box::new(RestOfHash { hash, cursor: 0, hasher, part }));
        return Ok(());
    }
    if let Some(hash) = hash {
        hash.for_each(|field, value| part.write(call.reply, field, value));
    }
    Ok(())
}

/// Fields of a hash that are yet to be replied, in the order of a scan.
struct RestOfHash {
    hash: Hash,
    cursor: u64,
    hasher: Hasher,
    part: Part,
}

impl Rest for RestOfHash {
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
        let RestOfHash { hash, cursor, hasher, part } = self;
        let start = reply.len();
        loop {
            *cursor = hash.scan(*cursor, SCANNED, hasher, |field, value| {
                part.write(reply, field, value);
            });
            if *cursor == 0 || reply.len() - start >= bytes {
                return *cursor != 0;
            }
        }
    }

    fn shed(&mut self) -> bool {
        self.hash.shed()
    }
}

/// Fields that are yet to be drawn from a hash, any of them as often as it comes.
struct RestOfDraw {
    hash: Hash,
    random: fastrand::Rng,
    left: u64,
    part: Part,
    nested: bool,
}

impl Rest for RestOfDraw {
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
        let RestOfDraw { hash, random, left, part, nested } = self;
        let start = reply.len();
        hash.draw(*left, random, |field, value| {
            if *nested {
                reply.array(2);
            }
            part.write(reply, field, value);
            *left -= 1;
            reply.len() - start < bytes
        });
        *left > 0
    }

    fn shed(&mut self) -> bool {
        self.hash.shed()
    }
}

/// HRANDFIELD key [count [WITHVALUES]]
pub static HRANDFIELD: DataCommand = declare("hrandfield", Group::Hash, AtLeast(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("6.2.0")
    .complexity("O(N) with N fields returned.")
    .summary("Returns fields of a hash, drawn at random.")
    .syntax("key [count [WITHVALUES]]")
    .run(random);

fn random(call: &mut Call<'_>) -> Result<(), Error> {
    let (count, part) = match call.args.len() {
        2 => (None, Part::Field),
        _ => random_options(call)?,
    };
    let seed = call.space.random().u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let key = call.key(0);
    let Some(hash) = call.space.read_hash(key)? else {
        match count {
            None => call.reply.null(),
            Some(_) => call.reply.array(0),
        }
        return Ok(());
    };
    let (reply, len) = (&mut *call.reply, hash.len());
    // RESP3 has a pair as an array of its own, RESP2 all of them in a row.
    let nested = part == Part::Both && reply.protocol() == Protocol::Resp3;
    let head = |reply: &mut Reply, pairs: usize| {
        reply.array(if part == Part::Both && !nested { 2 * pairs } else { pairs });
    };
    let write = |reply: &mut Reply, field: &[u8], value: Value<'_>| {
        if nested {
            reply.array(2);
        }
        part.write(reply, field, value);
    };
    match count {
        None => hash.draw(1, &mut random, |field, _| {
            reply.bulk(field);
            true
        }),
        Some(0) => reply.array(0),
        Some(count @ ..0) => {
            let (mark, start, most) = (reply.mark(), reply.len(), drawn_bytes_max(call.options));
            let mut fits = true;
            head(reply, count.unsigned_abs() as usize);
            let field_bytes = hash.allocated() / len.max(1) + 1;
            let bytes = field_bytes.saturating_mul(count.unsigned_abs() as usize);
            if reply.takes_rest(bytes) && bytes as u64 <= call.options.string_bytes_max() {
                let left = count.unsigned_abs();
                let Some(Object::Hash(hash)) = call.space.freeze(key) else {
                    unreachable!("a hash is an object")
                };
                reply.put_rest(Box::new(RestOfDraw { hash, random, left, part, nested }));
                return Ok(());
            }
            hash.draw(count.unsigned_abs(), &mut random, |field, value| {
                write(reply, field, value);
                fits = reply.len() - start <= most;
                fits
            });
            if !fits {
                reply.rewind(mark);
                return Err(Error::OUT_OF_RANGE);
            }
        }
        Some(count) if count as u64 >= len as u64 => {
            head(reply, len);
            hash.for_each(|field, value| write(reply, field, value));
        }
        Some(count) => {
            head(reply, count as usize);
            hash.draw_distinct(count as usize, &mut random, |field, value| {
                write(reply, field, value);
            });
        }
    }
    Ok(())
}

/// The count, and whether values are wanted too.
fn random_options(call: &Call<'_>) -> Result<(Option<i64>, Part), Error> {
    let count = parse_i64(call.args.at(2)).ok_or(Error::NOT_INTEGER)?;
    if count == i64::MIN {
        return Err(Error::NOT_NEGATABLE);
    }
    match call.args.get(3) {
        None => Ok((Some(count), Part::Field)),
        Some(word) if call.args.len() == 4 && word.eq_ignore_ascii_case(b"WITHVALUES") => {
            if count.unsigned_abs() > i64::MAX as u64 / 2 {
                return Err(Error::OUT_OF_RANGE);
            }
            Ok((Some(count), Part::Both))
        }
        Some(_) => Err(Error::SYNTAX),
    }
}

/// HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]
pub static HSCAN: DataCommand = declare("hscan", Group::Hash, AtLeast(3))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.8.0")
    .complexity("O(1) a call, O(N) for a whole scan over N fields.")
    .summary("Walks over the fields of a hash, some of them in each call.")
    .syntax("key cursor [MATCH pattern] [COUNT count] [NOVALUES]")
    .run(scan);

fn scan(call: &mut Call<'_>) -> Result<(), Error> {
    let cursor = parse_cursor(call.args.at(2)).ok_or(Error::INVALID_CURSOR)?;
    let (key, args, hasher) = (call.key(0), call.args, call.space.hasher());
    let Some(hash) = call.space.read_hash(key)? else {
        call.reply.array(2);
        call.reply.bulk(b"0");
        call.reply.array(0);
        return Ok(());
    };
    let (mut count, mut filter, mut part) = (10, Filter::default(), Part::Both);
    let mut at = 3;
    while let Some(word) = args.get(at) {
        let value = args.get(at + 1);
        at += 2;
        if let Some(value) = value
            && word.eq_ignore_ascii_case(b"COUNT")
        {
            count = parse_i64(value).ok_or(Error::NOT_INTEGER)?;
            if count < 1 {
                return Err(Error::SYNTAX);
            }
        } else if let Some(value) = value
            && word.eq_ignore_ascii_case(b"MATCH")
        {
            filter = Filter::new(value);
        } else if word.eq_ignore_ascii_case(b"NOVALUES") {
            part = Part::Field;
            at -= 1;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    let mut found = Vec::new();
    let next = hash.scan(cursor, count as u64, hasher, |field, value| {
        if filter.passes(field) {
            found.push((field, value));
        }
    });
    filter.check()?;
    call.reply.array(2);
    call.reply.bulk(next.to_string().as_bytes());
    call.reply.array(found.len() * if part == Part::Both { 2 } else { 1 });
    for (field, value) in found {
        part.write(call.reply, field, value);
    }
    Ok(())
}

//! A set as a whole: all of its members, some of them drawn, a walk over it.

use super::access::{change_set, find_set, read_set, set_at, write_member};
use crate::commands::scan::{Filter, parse_count, parse_cursor};
use crate::commands::{Lottery, drawn_bytes_max};
use crate::error::Error;
use crate::hasher::Hasher;
use crate::run::apart::{Made, Work};
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::run::event_classes::SET;
use crate::spec::*;
use crate::storage::table::Slot;
use crate::storage::value::set::Set;
use crate::storage::value::{Object, ObjectRef};
use redstart_protocol::{Reply, Rest, parse_i64};

/// SMEMBERS key
pub static SMEMBERS: DataCommand = declare("smembers", Group::Set, Exactly(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("1.0.0")
    .complexity("O(N) with N members in the set.")
    .summary("Returns all members of a set.")
    .syntax("key")
    .run(list);

fn list(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let set = read_set(&mut call.space, key)?;
    call.reply.set(set.map_or(0, |set| set.len()));
    if call.reply.takes_rest(set.map_or(0, |set| set.allocated())) {
        put_rest(call, key, Left::Scan(0));
        return Ok(());
    }
    if let Some(set) = set {
        set.for_each(|member| write_member(call.reply, member));
    }
    Ok(())
}

/// What of a set is yet to be replied.
enum Left {
    /// The members from a cursor on.
    Scan(u64),
    /// So many that are drawn, any of them as often as it comes.
    Draw(u64, fastrand::Rng),
    /// Of the members from a cursor on, those that are taken.
    Some(u64, Lottery),
    /// Of the members from a cursor on, those that are not in another set.
    Gone(u64, Object),
}

struct RestOfSet {
    set: Object,
    hasher: Hasher,
    left: Left,
}

/// Members that are replied before it is looked how long the reply is.
const SCANNED: u64 = 64;

fn put_rest(call: &mut Call<'_>, key: Key<'_>, left: Left) {
    let hasher = call.space.hasher().clone();
    let set = call.space.freeze(key).expect("the key was seen to hold a set");
    call.reply.put_rest(Box::new(RestOfSet { set, hasher, left }));
}

impl Rest for RestOfSet {
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
        let RestOfSet { set, hasher, left } = self;
        let ObjectRef::Set(set) = set.view() else { return false };
        let (start, mut passed) = (reply.len(), 0);
        while reply.len() - start < bytes {
            match left {
                Left::Draw(0, _) => return false,
                Left::Draw(count, random) => {
                    *count -= 1;
                    if let Some(member) = set.draw(random) {
                        write_member(reply, member);
                    }
                }
                Left::Scan(cursor) => {
                    *cursor =
                        set.scan(*cursor, SCANNED, hasher, |member| write_member(reply, member));
                    if *cursor == 0 {
                        return false;
                    }
                }
                Left::Some(cursor, lottery) => {
                    *cursor = set.scan(*cursor, SCANNED, hasher, |member| {
                        if lottery.takes() {
                            write_member(reply, member);
                        }
                    });
                    if lottery.wanted == 0 {
                        return false;
                    }
                    passed += SCANNED;
                    if passed >= Lottery::PASSED_AT_ONCE {
                        return true;
                    }
                }
                Left::Gone(cursor, left_in) => {
                    let ObjectRef::Set(left_in) = left_in.view() else { return false };
                    *cursor = set.scan(*cursor, SCANNED, hasher, |member| {
                        member.with(|text| {
                            if !left_in.contains(text, hasher) {
                                reply.bulk(text);
                            }
                        });
                    });
                    if *cursor == 0 {
                        return false;
                    }
                    passed += SCANNED;
                    if passed >= Lottery::PASSED_AT_ONCE {
                        return true;
                    }
                }
            }
        }
        !matches!(left, Left::Draw(0, _))
    }

    fn shed(&mut self) -> bool {
        if let Left::Gone(_, left_in) = &mut self.left
            && left_in.shed()
        {
            return true;
        }
        self.set.shed()
    }
}

/// SPOP key [count]
pub static SPOP: DataCommand = declare("spop", Group::Set, AtLeast(2))
    .flags(WRITE | FAST | NONDETERMINISTIC | OWN_EVENT)
    .keys(&[KeySpec::at(1, RW | ACCESS | DELETE)])
    .since("1.0.0")
    .complexity("O(N) with N members returned.")
    .summary("Removes members from a set, drawn at random, and returns them.")
    .syntax("key [count]")
    .run(pop);

fn pop(call: &mut Call<'_>) -> Result<(), Error> {
    match call.args.len() {
        2 => pop_one(call),
        3 => pop_several(call),
        _ => Err(Error::SYNTAX),
    }
}

fn pop_one(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, hasher) = (call.key(0), call.space.hasher());
    let Some(slot) = find_set(&mut call.space, key)? else {
        call.reply.null();
        return Ok(());
    };
    let mut random = fastrand::Rng::with_seed(call.space.random().u64(..));
    let (reply, wanted) = (&mut *call.reply, call.space.listened_to());
    let mut popped = Vec::new();
    change_set(&mut call.space, key, slot, |set| {
        set.pop(&mut random, hasher, |member| {
            write_member(reply, member);
            if wanted {
                popped = member.to_vec();
            }
        })
    });
    call.space.count_changes(1);
    call.space.emit(|| [b"SREM", key.bytes, &popped]);
    Ok(())
}

fn pop_several(call: &mut Call<'_>) -> Result<(), Error> {
    let count = parse_i64(call.args.at(2)).filter(|count| *count >= 0);
    let count = usize::try_from(count.ok_or(Error::NOT_POSITIVE)?).unwrap_or(usize::MAX);
    let (key, hasher) = (call.key(0), call.space.hasher());
    let found = find_set(&mut call.space, key)?;
    let Some(slot) = found.filter(|_| count > 0) else {
        call.reply.set(0);
        return Ok(());
    };
    let set = set_at(&mut call.space, key, slot);
    let len = set.len();
    if count >= len {
        call.reply.set(len);
        if call.reply.takes_rest(set.allocated()) {
            put_rest(call, key, Left::Scan(0));
        } else {
            set.for_each(|member| write_member(call.reply, member));
        }
        call.space.note_event(SET, "spop", key);
        call.space.remove(key, slot);
        call.space.count_changes(len);
        call.space.emit(|| [&b"DEL"[..], key.bytes]);
        return Ok(());
    }
    let mut random = fastrand::Rng::with_seed(call.space.random().u64(..));
    let is_large = count >= APART_MIN && count >= len / APART_SHARE;
    let begin = |call: &mut Call<'_>| -> Box<dyn Work> {
        let copy = call.space.copy_of(key, slot);
        let rest = if let Some(Object::Set(set)) = copy { set } else { Set::default() };
        Box::new(Drawing { rest, left: count, random: random.clone(), hasher: hasher.clone() })
    };
    match call.changed_apart(key, is_large, begin) {
        Made::Now(Object::Set(rest)) => {
            take_the_others(call, key, slot, rest, count);
            return Ok(());
        }
        Made::Later => return Ok(()),
        Made::Now(_) | Made::Never => {}
    }
    let (reply, wanted) = (&mut *call.reply, call.space.listened_to());
    let mut popped = Vec::new();
    reply.set(count);
    change_set(&mut call.space, key, slot, |set| {
        for _ in 0..count {
            set.pop(&mut random, hasher, |member| {
                write_member(reply, member);
                if wanted {
                    popped.push(member.to_vec());
                }
            });
        }
        true
    });
    call.space.count_changes(count);
    let head = [&b"SREM"[..], key.bytes];
    call.space.emit(|| head.into_iter().chain(popped.iter().map(|member| &member[..])));
    Ok(())
}

/// From so many members on, and from this share of a set on, they are drawn apart. Fewer are drawn
/// in less time than all of the set is copied.
const APART_MIN: usize = 16 * 1024;
const APART_SHARE: usize = 8;
/// Members that are drawn in one piece of the work.
const DRAWN: usize = 512;

/// Draws members from a copy of a set.
struct Drawing {
    rest: Set,
    left: usize,
    random: fastrand::Rng,
    hasher: Hasher,
}

impl Work for Drawing {
    fn go_on(&mut self) -> bool {
        let count = self.left.min(DRAWN);
        for _ in 0..count {
            self.rest.pop(&mut self.random, &self.hasher, |_| {});
        }
        self.left -= count;
        self.left > 0
    }

    fn take(&mut self) -> Result<Object, Error> {
        Ok(Object::Set(std::mem::take(&mut self.rest)))
    }

    fn shed(&mut self) -> bool {
        self.rest.shed()
    }
}

/// Replies with all members but those of `rest`, which takes the place of the set.
fn take_the_others(call: &mut Call<'_>, key: Key<'_>, slot: Slot, mut rest: Set, count: usize) {
    let hasher = call.space.hasher();
    let (left_in, mut old) = (rest.copy(), Set::default());
    change_set(&mut call.space, key, slot, |set| {
        old = std::mem::replace(set, rest);
        true
    });
    call.space.count_changes(count);
    let mut popped = Vec::new();
    if call.space.listened_to() {
        old.view().for_each(|member| {
            let text = member.to_vec();
            if !left_in.view().contains(&text, hasher) {
                popped.push(text);
            }
        });
    }
    let head = [&b"SREM"[..], key.bytes];
    call.space.emit(|| head.into_iter().chain(popped.iter().map(|member| &member[..])));
    call.reply.set(count);
    let (set, left) = (Object::Set(old), Left::Gone(0, Object::Set(left_in)));
    call.reply.put_rest(Box::new(RestOfSet { set, hasher: hasher.clone(), left }));
}

/// SRANDMEMBER key [count]
pub static SRANDMEMBER: DataCommand = declare("srandmember", Group::Set, AtLeast(2))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("1.0.0")
    .complexity("O(N) with N members returned.")
    .summary("Returns members of a set, drawn at random.")
    .syntax("key [count]")
    .run(random);

fn random(call: &mut Call<'_>) -> Result<(), Error> {
    let count = match call.args.len() {
        2 => None,
        3 => Some(parse_i64(call.args.at(2)).ok_or(Error::NOT_INTEGER)?),
        _ => return Err(Error::SYNTAX),
    };
    if count == Some(i64::MIN) {
        return Err(Error::NOT_NEGATABLE);
    }
    let mut random = fastrand::Rng::with_seed(call.space.random().u64(..));
    let key = call.key(0);
    let set = read_set(&mut call.space, key)?;
    let reply = &mut *call.reply;
    let (Some(set), Some(count)) = (set, count) else {
        match set.and_then(|set| set.draw(&mut random)) {
            Some(member) => write_member(reply, member),
            None if count.is_some() => reply.array(0),
            None => reply.null(),
        }
        return Ok(());
    };
    match count {
        ..0 => {
            let (mark, start, most) = (reply.mark(), reply.len(), drawn_bytes_max(call.options));
            reply.array(count.unsigned_abs() as usize);
            let member_bytes = set.allocated() / set.len().max(1) + 1;
            let bytes = member_bytes.saturating_mul(count.unsigned_abs() as usize);
            if reply.takes_rest(bytes) && bytes as u64 <= call.options.string_bytes_max() {
                put_rest(call, key, Left::Draw(count.unsigned_abs(), random));
                return Ok(());
            }
            for _ in 0..count.unsigned_abs() {
                let Some(member) = set.draw(&mut random) else { break };
                write_member(reply, member);
                if reply.len() - start > most {
                    reply.rewind(mark);
                    return Err(Error::OUT_OF_RANGE);
                }
            }
        }
        _ if count as u64 >= set.len() as u64 => {
            reply.array(set.len());
            if reply.takes_rest(set.allocated()) {
                put_rest(call, key, Left::Scan(0));
                return Ok(());
            }
            set.for_each(|member| write_member(reply, member));
        }
        _ => {
            let (count, len) = (count as usize, set.len());
            reply.array(count);
            if reply.takes_rest(set.allocated() / len * count)
                && let Some(lottery) = Lottery::of_many(count, len, &random)
            {
                put_rest(call, key, Left::Some(0, lottery));
                return Ok(());
            }
            set.draw_distinct(count, &mut random, |member| write_member(reply, member));
        }
    }
    Ok(())
}

/// SSCAN key cursor [MATCH pattern] [COUNT count]
pub static SSCAN: DataCommand = declare("sscan", Group::Set, AtLeast(3))
    .flags(READONLY | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.8.0")
    .complexity("O(1) a call, O(N) for a whole scan over N members.")
    .summary("Walks over the members of a set, some of them in each call.")
    .syntax("key cursor [MATCH pattern] [COUNT count]")
    .run(scan);

fn scan(call: &mut Call<'_>) -> Result<(), Error> {
    let cursor = parse_cursor(call.args.at(2)).ok_or(Error::INVALID_CURSOR)?;
    let (key, args, hasher) = (call.key(0), call.args, call.space.hasher());
    let Some(set) = read_set(&mut call.space, key)? else {
        call.reply.array(2);
        call.reply.bulk(b"0");
        call.reply.array(0);
        return Ok(());
    };
    let (mut count, mut filter) = (10, Filter::default());
    for at in (3..args.len()).step_by(2) {
        let word = args.at(at);
        if word.eq_ignore_ascii_case(b"NOVALUES") {
            return Err(Error::NOVALUES);
        }
        let value = args.get(at + 1).ok_or(Error::SYNTAX)?;
        if word.eq_ignore_ascii_case(b"COUNT") {
            count = parse_count(value)?;
        } else if word.eq_ignore_ascii_case(b"MATCH") {
            filter = Filter::new(value);
        } else {
            return Err(Error::SYNTAX);
        }
    }
    let mut found = Reply::new(call.reply.protocol());
    let mut len = 0;
    let next = set.scan(cursor, count, hasher, |member| {
        if member.with(|text| filter.passes(text)) {
            len += 1;
            write_member(&mut found, member);
        }
    });
    filter.check()?;
    call.reply.array(2);
    call.reply.bulk(next.to_string().as_bytes());
    call.reply.array(len);
    append(call.reply, &found);
    Ok(())
}

/// Adds what was written elsewhere.
pub fn append(reply: &mut Reply, written: &Reply) {
    for piece in written.pieces(0) {
        reply.raw(piece);
    }
}

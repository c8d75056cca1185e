//! SORT and SORT_RO: the elements of a list, a set or a sorted set in another order, by themselves
//! or by what other keys hold, and what other keys hold in their place.
//!
//! The keys that a pattern names follow from the elements, so they are not known beforehand: a SORT
//! with a real pattern locks every shard, one without locks its own keys.

mod order;
mod pattern;
mod pieces;

use crate::commands::list::access::{limit, list_of, put_list};
use crate::commands::value::write_value;
use crate::error::Error;
use crate::run::apart::Made;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::entry::Entry;
use crate::storage::value::list::{End, List, ListRef};
use crate::storage::value::{Object, ObjectRef, Type};
use order::Order;
use pattern::Pattern;
use redstart_protocol::{Args, parse_i64};
use std::ops::ControlFlow;

/// The commands of this file.
pub static COMMANDS: &[&DataCommand] = &[&SORT, &SORT_RO];

const KEYS: &[KeySpec] = &[
    KeySpec::at(1, RO | ACCESS),
    KeySpec { begin: Begin::Search(pattern_at), find: Find::Anywhere, access: RO | ACCESS },
    KeySpec {
        begin: Begin::Search(store_at),
        find: Find::Range { last: 0, step: 1 },
        access: OW | UPDATE,
    },
];

/// Look-ups by patterns that a command does, some ten milliseconds of them.
const LOOK_UPS_MAX: usize = 100_000;
/// Elements written again that cost as much as a look-up.
const OTHERS_FOR_ONE: usize = 16;

/// SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA] [STORE dst]
pub static SORT: DataCommand = declare("sort", Group::Generic, AtLeast(2))
    .flags(WRITE | DENYOOM | DANGEROUS | REACHES | REPLACES)
    .keys(KEYS)
    .since("1.0.0")
    .complexity("O(N*log(N)) with N elements; all shards are locked if a pattern names keys.")
    .summary(
        "Returns or stores the elements of a list in order, or what keys named after \
         them hold.",
    )
    .syntax(
        "key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] \
         [ASC | DESC] [ALPHA] [STORE destination]",
    )
    .run(|call| sort(call, Store::Allowed));

/// SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA]
pub static SORT_RO: DataCommand = declare("sort_ro", Group::Generic, AtLeast(2))
    .flags(READONLY | DANGEROUS | REACHES)
    .keys(KEYS.split_at(2).0)
    .since("7.0.0")
    .complexity("O(N*log(N)) with N elements; all shards are locked if a pattern names keys.")
    .summary("Returns the elements of a list in order, or what keys named after them hold.")
    .syntax(
        "key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] \
         [ASC | DESC] [ALPHA]",
    )
    .run(|call| sort(call, Store::Refused));

/// Calls `f` with the index of every option that has arguments all of which are there.
fn each_option(args: Args<'_>, mut f: impl FnMut(usize)) {
    let mut at = 2;
    while let Some(word) = args.get(at) {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let size = if is("LIMIT") {
            3
        } else if is("BY") || is("GET") || is("STORE") {
            2
        } else {
            1
        };
        if size == 2 && at + 1 < args.len() {
            f(at);
        }
        at += size;
    }
}

/// Where the key to store to is: the last one counts.
fn store_at(args: Args<'_>) -> Option<usize> {
    let mut found = None;
    each_option(args, |at| {
        if args[at].eq_ignore_ascii_case(b"STORE") {
            found = Some(at + 1);
        }
    });
    found
}

/// Where a pattern is that names keys.
fn pattern_at(args: Args<'_>) -> Option<usize> {
    let mut found = None;
    each_option(args, |at| {
        if !args[at].eq_ignore_ascii_case(b"STORE") && Pattern::parse(args.at(at + 1)).is_some() {
            found = Some(at + 1);
        }
    });
    found
}

/// Whether STORE is an option.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    Allowed,
    Refused,
}

/// What takes an element's place.
enum Get<'a> {
    Element,
    Value(Pattern<'a>),
    /// A pattern without a star names nothing.
    Nothing,
}

/// What SORT is to do.
struct Options<'a> {
    order: Order<'a>,
    offset: i64,
    count: i64,
    gets: Vec<Get<'a>>,
    stores: bool,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>, store: Store, denies_reach: bool) -> Result<Options<'a>, Error> {
        let mut options = Options {
            order: Order::default(),
            offset: 0,
            count: -1,
            gets: Vec::new(),
            stores: false,
        };
        let mut at = 2;
        while let Some(word) = args.get(at) {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let left = args.len() - at - 1;
            let order = &mut options.order;
            if is("ASC") {
                order.descends = false;
            } else if is("DESC") {
                order.descends = true;
            } else if is("ALPHA") {
                order.alphabetic = true;
            } else if is("LIMIT") && left >= 2 {
                let number = |at| parse_i64(args.at(at)).ok_or(Error::NOT_INTEGER);
                (options.offset, options.count) = (number(at + 1)?, number(at + 2)?);
                at += 2;
            } else if store == Store::Allowed && is("STORE") && left >= 1 {
                options.stores = true;
                at += 1;
            } else if is("BY") && left >= 1 {
                if denies_reach && args.at(at + 1).contains(&b'*') {
                    return Err(Error::SORT_BY_DENIED);
                }
                order.by = Pattern::parse(args.at(at + 1));
                order.none |= order.by.is_none();
                at += 1;
            } else if is("GET") && left >= 1 {
                if denies_reach {
                    return Err(Error::SORT_GET_DENIED);
                }
                let get = match args.at(at + 1) {
                    b"#" => Get::Element,
                    text => Pattern::parse(text).map_or(Get::Nothing, Get::Value),
                };
                options.gets.push(get);
                at += 1;
            } else {
                return Err(Error::SYNTAX);
            }
            at += 1;
        }
        options.order.stores = options.stores;
        Ok(options)
    }

    /// Which of `len` elements in order are wanted.
    fn range(&self, len: usize) -> std::ops::Range<usize> {
        let bounded = |number: i64| usize::try_from(number).map(|number| number.min(len));
        let start = bounded(self.offset).unwrap_or(0);
        let count = bounded(self.count).unwrap_or(len);
        start..start.saturating_add(count).min(len)
    }

    /// Refuses to look up very much for so many elements, because all shards are locked meanwhile.
    fn check_look_ups(&self, len: usize) -> Result<(), Error> {
        let looks_up = |get: &&Get<'_>| matches!(get, Get::Value(_));
        let gets = self.gets.iter().filter(looks_up).count();
        let by = if self.order.by.is_some() { len } else { 0 };
        // What is no look-up costs little, unless it is asked for often.
        let others = self.gets.len().saturating_sub(gets + 1);
        let replied = self.range(len).len();
        let work = replied.saturating_mul(gets).saturating_add(by);
        let work = work.saturating_add(replied.saturating_mul(others) / OTHERS_FOR_ONE);
        if work > LOOK_UPS_MAX { Err(Error::SORT_TOO_MUCH) } else { Ok(()) }
    }

    /// The elements of a list, the members of a set or of a sorted set. Of a sorted set that is to
    /// stay in its order only those that are wanted; then nothing is left to be done.
    fn elements_of(&mut self, entry: &Entry) -> Result<Vec<Box<[u8]>>, Error> {
        match entry.object() {
            Some(ObjectRef::SortedSet(set)) if self.order.none => {
                let wanted = self.range(set.len());
                (self.offset, self.count) = (0, -1);
                let descends = std::mem::take(&mut self.order.descends);
                let text = |(member, _): (&[u8], f64)| member.into();
                Ok(match descends {
                    _ if wanted.is_empty() => Vec::new(),
                    true => {
                        let last = set.len() - 1 - wanted.start;
                        set.iter_back(last).take(wanted.len()).map(text).collect()
                    }
                    false => set.iter(wanted.start).take(wanted.len()).map(text).collect(),
                })
            }
            Some(ObjectRef::SortedSet(set)) => {
                Ok(set.iter(0).map(|(member, _)| member.into()).collect())
            }
            Some(ObjectRef::Set(set)) => {
                // Members that stay as they lie have no last one to begin with.
                self.order.descends &= !self.order.none;
                let mut members = Vec::with_capacity(set.len());
                set.for_each(|member| members.push(member.with(|text| text.into())));
                Ok(members)
            }
            _ => {
                let list = list_of(entry)?;
                if !self.order.none {
                    return Ok(copied(list, 0, list.len()));
                }
                let wanted = self.range(list.len());
                (self.offset, self.count) = (0, -1);
                let from = if self.order.descends { list.len() - wanted.end } else { wanted.start };
                Ok(copied(list, from, wanted.len()))
            }
        }
    }
}

fn sort(call: &mut Call<'_>, store: Store) -> Result<(), Error> {
    let denies_reach = call.space.local.reach.is_some();
    let mut options = Options::parse(call.args, store, denies_reach)?;
    let source = call.key(0);
    let mut elements = Vec::new();
    let in_script = call.space.local.in_script;
    if let Some(entry) = call.space.read(source) {
        // What is stored must not depend on where a set's members lie, nor what a script sees.
        let is_table = entry.kind() == Type::Set && entry.encoding() == "hashtable";
        let must_be_same = options.stores || in_script || is_table;
        if options.order.none && entry.kind() == Type::Set && must_be_same {
            options.order = Order { alphabetic: true, by: None, none: false, ..options.order };
        }
        let bytes = sortable(entry)?;
        let is_large = pieces::is_possible(&options) && call.reply.takes_rest(bytes);
        if options.stores {
            let begin = |call: &mut Call<'_>| pieces::making(call, source, &options);
            match call.made_apart(&[source], is_large, begin)? {
                Made::Now(Object::List(list)) => {
                    let (target, len) = (call.key(1), list.len());
                    put(call, target, list);
                    call.reply.integer(len as i64);
                    return Ok(());
                }
                Made::Later => return Ok(()),
                Made::Now(_) | Made::Never => {}
            }
        } else if is_large {
            pieces::put_rest(call, source, &options);
            return Ok(());
        }
        let Some(entry) = call.space.peek(source) else { return Ok(()) };
        options.check_look_ups(sortable_len(entry)?)?;
        elements = options.elements_of(entry)?;
    }
    let sorted = options.order.sort(&mut call.space, &elements)?;
    let wanted = &sorted[options.range(sorted.len())];
    let size = wanted.len() * options.gets.len().max(1);
    if options.stores {
        return keep(call, &options, wanted, size);
    }
    call.reply.array(size);
    for element in wanted {
        if options.gets.is_empty() {
            call.reply.bulk(element);
        }
        for get in &options.gets {
            match get {
                Get::Element => call.reply.bulk(element),
                Get::Nothing => call.reply.null(),
                Get::Value(pattern) => {
                    let reply = &mut *call.reply;
                    let found = pattern.with_value(&mut call.space, element, |value| {
                        write_value(reply, value);
                    });
                    if found.is_none() {
                        call.reply.null();
                    }
                }
            }
        }
    }
    Ok(())
}

/// The number of elements of a list, a set or a sorted set.
fn sortable_len(entry: &Entry) -> Result<usize, Error> {
    match entry.object() {
        Some(ObjectRef::List(list)) => Ok(list.len()),
        Some(ObjectRef::Set(set)) => Ok(set.len()),
        Some(ObjectRef::SortedSet(set)) => Ok(set.len()),
        _ => Err(Error::WRONG_TYPE),
    }
}

/// The bytes that they take beside the entry.
fn sortable(entry: &Entry) -> Result<usize, Error> {
    match entry.object() {
        Some(ObjectRef::List(_) | ObjectRef::Set(_) | ObjectRef::SortedSet(_)) => {
            Ok(entry.whole().map_or(0, Object::allocated))
        }
        _ => Err(Error::WRONG_TYPE),
    }
}

/// Elements, copied, because what they lead to is looked up while they are read.
fn copied(list: ListRef<'_>, from: usize, count: usize) -> Vec<Box<[u8]>> {
    let mut elements = Vec::with_capacity(count);
    if count > 0 {
        let _ = list.walk(from, End::Head, |element| {
            elements.push(element.as_bytes().into());
            if elements.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
    }
    elements
}

/// Stores what is wanted as a list of `size` elements: nothing there is an empty one.
fn keep(
    call: &mut Call<'_>,
    options: &Options<'_>,
    wanted: &[&[u8]],
    size: usize,
) -> Result<(), Error> {
    let (target, limit) = (call.key(1), limit(call));
    let mut list = List::default();
    for &element in wanted {
        if options.gets.is_empty() {
            list.push(End::Tail, element, limit);
        }
        for get in &options.gets {
            match get {
                Get::Element => list.push(End::Tail, element, limit),
                Get::Nothing => list.push(End::Tail, b"", limit),
                Get::Value(pattern) => {
                    let found = pattern.with_value(&mut call.space, element, |value| {
                        value.with(|bytes| list.push(End::Tail, bytes, limit));
                    });
                    if found.is_none() {
                        list.push(End::Tail, b"", limit);
                    }
                }
            }
        }
    }
    put(call, target, list);
    call.reply.integer(size as i64);
    Ok(())
}

/// Puts a list in the place of whatever the key holds; an empty one is none. The effect
/// is the whole list, since what it was made of may change before a replay.
fn put(call: &mut Call<'_>, target: Key<'_>, list: List) {
    let slot = call.space.find(target);
    if slot.is_some() {
        call.space.emit(|| [&b"DEL"[..], target.bytes]);
    }
    if call.space.listened_to() && !list.is_empty() {
        let elements = copied(ListRef::Whole(&list), 0, list.len());
        let head = [&b"RPUSH"[..], target.bytes];
        call.space.emit(|| head.into_iter().chain(elements.iter().map(|element| &element[..])));
    }
    match slot {
        Some(slot) if list.is_empty() => call.space.remove(target, slot),
        _ if list.is_empty() => {}
        slot => {
            let len = list.len();
            call.space.note_overwrite(target, slot, Type::List);
            put_list(&mut call.space, target, slot, list);
            if let Some(slot) = call.space.find(target) {
                call.space.emit_tags(target, slot);
            }
            call.space.count_changes(len);
        }
    }
}

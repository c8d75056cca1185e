//! DEBUG subcommands that look at keys and values, or make some.

use crate::session::Context;
use redstart_engine::hasher::SHARDS;
use redstart_engine::keyspace::LockedShards;
use redstart_engine::run::command::Runner;
use redstart_engine::storage::entry::Entry;
use redstart_engine::storage::value::ObjectRef;
use redstart_engine::storage::value::stream::Stream;
use redstart_engine::storage::value::stream::id::Id;
use redstart_engine::{Error, KeyAt, Prepared};
use redstart_protocol::{OwnedArgs, Protocol, Reply};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;

/// Keys that POPULATE makes at most.
const POPULATE_MAX: i64 = 1 << 32;

/// A digest in forty hexadecimal digits: 160 bits, which are added up by exclusive or.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest([u64; 3]);

impl Digest {
    /// The digest of parts in this order.
    fn of(parts: &[&[u8]]) -> Digest {
        let word = |seed: u64| {
            let mut hasher = DefaultHasher::new();
            seed.hash(&mut hasher);
            parts.hash(&mut hasher);
            hasher.finish()
        };
        Digest([word(1), word(2), word(3) >> 32])
    }

    fn add(&mut self, other: Digest) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, others)| *mine ^= others);
    }

    fn bytes(self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// The digits.
    pub fn text(self) -> String {
        format!("{:016x}{:016x}{:08x}", self.0[0], self.0[1], self.0[2])
    }
}

/// The digest of a value and of whether it expires. Where no client can rely on the order of the
/// parts choice it does not matter.
fn digest(entry: &Entry) -> Digest {
    let mut sum = match entry.object() {
        None => Digest::of(&[b"string", &entry.value().to_vec()]),
        Some(ObjectRef::List(list)) => {
            let mut all = Digest::of(&[b"list"]);
            let end = redstart_engine::storage::value::list::End::Head;
            let _ = list.walk::<()>(0, end, |element| {
                all = Digest::of(&[&all.bytes(), element.as_bytes()]);
                ControlFlow::Continue(())
            });
            all
        }
        Some(ObjectRef::Hash(hash)) => {
            let mut all = Digest::of(&[b"hash"]);
            hash.for_each(|field, value| all.add(Digest::of(&[field, &value.to_vec()])));
            all
        }
        Some(ObjectRef::SortedSet(set)) => {
            let mut all = Digest::of(&[b"zset"]);
            let members = set.iter(0);
            members.for_each(|(member, score)| {
                all.add(Digest::of(&[member, &score.to_le_bytes()]));
            });
            all
        }
        Some(ObjectRef::Stream(stream)) => digest_stream(stream),
        Some(ObjectRef::Set(set)) => {
            let mut all = Digest::of(&[b"set"]);
            set.for_each(|member| member.with(|text| all.add(Digest::of(&[text]))));
            all
        }
    };
    if entry.deadline_ms() != 0 {
        sum.add(Digest::of(&[b"expires"]));
    }
    sum
}

/// The digest of a stream: of its entries, its counters, and what its groups have pending. When
/// consumers were seen does not count.
fn digest_stream(stream: &Stream) -> Digest {
    let mut all = Digest::of(&[b"stream", &stream.last_id().to_text()]);
    let mut add = |parts: &[&[u8]]| {
        let before = all.bytes();
        let whole: Vec<&[u8]> = std::iter::once(&before[..]).chain(parts.iter().copied()).collect();
        all = Digest::of(&whole);
    };
    add(&[&stream.added().to_le_bytes(), &stream.max_deleted_id().to_text()]);
    for item in stream.from(Id::MIN) {
        add(&[&item.id.to_text()]);
        item.fields.iter().for_each(|(name, value)| add(&[name, value]));
    }
    for group in stream.groups() {
        let read = group.read.unwrap_or(u64::MAX).to_le_bytes();
        add(&[group.name(), &group.last.to_text(), &read]);
        for consumer in group.consumers() {
            add(&[consumer.name()]);
        }
        for pending in group.pending().iter() {
            let (given, count) = (pending.given_ms.to_le_bytes(), pending.count.to_le_bytes());
            add(&[&pending.id.to_text(), group.name_of(pending.consumer), &given, &count]);
        }
    }
    all
}

/// Runs `f` with the shards that a transaction holds, or all.
fn with_view<R>(context: &mut Context<'_>, f: impl FnOnce(&mut LockedShards) -> R) -> R {
    match context.held.as_deref_mut() {
        Some(view) => f(view),
        None => f(&mut context.session.server.engine.keyspace.lock_all()),
    }
}

/// Runs `f` with a key's entry, if there is one that has not expired.
fn with_entry<R>(context: &mut Context<'_>, key: &[u8], f: impl FnOnce(&Entry) -> R) -> Option<R> {
    let hash = context.session.server.engine.keyspace.hasher().hash(key);
    let (db, now_ms) = (context.session.db, context.now.mono_ms);
    with_view(context, |view| {
        let db = view.shard(hash).db(db)?;
        let entry = db.table().get(hash, key)?.1;
        let expired = (1..=now_ms).contains(&entry.deadline_ms()) || entry.is_dropped();
        (!expired).then(|| f(entry))
    })
}

/// DEBUG OBJECT.
pub fn object(context: &mut Context<'_>, key: &[u8]) -> Result<(), Error> {
    let (now, aging) = (context.now, context.session.server.engine.options.aging());
    let text = with_entry(context, key, |entry| {
        let idle_s = aging.idle_s(entry.age(), now).unwrap_or(0);
        let (encoding, bytes, age) = (entry.encoding(), entry.allocated(), entry.age());
        format!(
            "Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{bytes} lru:{age} \
             lru_seconds_idle:{idle_s}"
        )
    });
    let text = text.ok_or(Error::NO_SUCH_KEY)?;
    context.session.out.simple(&text);
    Ok(())
}

/// DEBUG DIGEST.
pub fn digest_all(context: &mut Context<'_>) {
    let now_ms = context.now.mono_ms;
    let sum = with_view(context, |view| {
        let mut sum = Digest::default();
        for shard in 0..SHARDS {
            for (index, db) in view.shard_at(shard).dbs() {
                let live = |e: &&Entry| !(1..=now_ms).contains(&e.deadline_ms()) && !e.is_dropped();
                for entry in db.table().iter().filter(live) {
                    let index = (index as u64).to_le_bytes();
                    sum.add(Digest::of(&[&index, entry.key(), &digest(entry).bytes()]));
                }
            }
        }
        sum
    });
    context.session.out.simple(&sum.text());
}

/// DEBUG DIGEST-VALUE.
pub fn digest_values<'a>(context: &mut Context<'_>, keys: impl ExactSizeIterator<Item = &'a [u8]>) {
    context.session.out.array(keys.len());
    for key in keys {
        let sum = with_entry(context, key, digest).unwrap_or_default();
        context.session.out.simple(&sum.text());
    }
}

/// DEBUG POPULATE: makes the keys `prefix:0`, `prefix:1` ..., which are left alone where they are.
pub fn populate(
    context: &mut Context<'_>,
    count: i64,
    prefix: &[u8],
    size: Option<usize>,
) -> Result<(), Error> {
    if context.held.is_some() || !(0..=POPULATE_MAX).contains(&count) {
        return Err(Error::NOT_POSITIVE);
    }
    let server = context.session.server;
    let Some(registered) = server.registry.get(b"set") else { return Ok(()) };
    let Runner::Data(run, _) = registered.runner else { return Ok(()) };
    for number in 0..count {
        let key = [prefix, format!(":{number}").as_bytes()].concat();
        let mut value = format!("value:{number}").into_bytes();
        if let Some(size) = size {
            value.resize(size, 0);
        }
        let args = OwnedArgs::from_slices(&[b"SET", &key, &value, b"NX"]);
        let hash = server.engine.keyspace.hasher().hash(&key);
        let prepared = Prepared {
            command: registered.command,
            run,
            args: args.as_args(),
            keys: &[KeyAt { arg: 1, hash }],
            db: context.session.db,
        };
        let mut reply = Reply::new(Protocol::Resp2);
        server.engine.run(context.local, prepared, context.now, &mut reply);
    }
    context.session.out.ok();
    Ok(())
}

/// DEBUG HTSTATS: how the table of a database is filled.
pub fn table_stats(context: &mut Context<'_>, db: usize) {
    let text = with_view(context, |view| {
        let (mut keys, mut volatile, mut segments, mut slots) = (0, 0, 0, 0);
        for shard in 0..SHARDS {
            if let Some(db) = view.shard_at(shard).db(db) {
                keys += db.table().len();
                volatile += db.expires().volatile();
                segments += db.table().capacity().0;
                slots += db.table().capacity().1;
            }
        }
        format!(
            "[Dictionary HT]\nShards: {SHARDS}\n segments: {segments}\n table size: {slots}\n \
             number of elements: {keys}\n[Expires HT]\n number of elements: {volatile}\n"
        )
    });
    context.session.out.verbatim("txt", text.as_bytes());
}

/// DEBUG HTSTATS-KEY.
pub fn value_stats(context: &mut Context<'_>, key: &[u8]) -> Result<(), Error> {
    let found = with_entry(context, key, |entry| {
        let parts = entry.object().filter(|object| object.encoding() == "hashtable");
        parts.map(ObjectRef::parts)
    });
    let parts = found.ok_or(Error::NO_SUCH_KEY)?.ok_or_else(|| {
        Error::text(
            "ERR The value stored at the specified key is not represented using an hash \
            table",
        )
    })?;
    let text = format!("[Hash table]\n number of parts: {parts}\n");
    context.session.out.verbatim("txt", text.as_bytes());
    Ok(())
}

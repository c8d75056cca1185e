//! The lines of the throughput tables, with their bars, which are over Valkey 9.1.2.

use super::plan::Group;
use super::workload::{Action, Dataset, SMALL, Workload};
use super::{bitmaps, hashes, lists, release, sets, sorted_sets, streams, strings};

/// Every throughput workload, in the order of the tables.
pub const WORKLOADS: &[Workload] = &[
    string("GET p1", strings::Action::Get, 1, 0.92),
    string("SET p1", strings::Action::Set, 1, 0.92),
    string("GET p16", strings::Action::Get, 16, 0.58),
    string("SET p16", strings::Action::Set, 16, 0.42),
    string("GET p64", strings::Action::Get, 64, 0.38),
    string("SET p64", strings::Action::Set, 64, 0.25),
    command("INCR p1", strings::Action::Incr, 1, 0.92),
    command("INCR p16", strings::Action::Incr, 16, 0.60),
    command("MSET of 10 p1", strings::Action::Mset, 1, 0.92),
    command("MSET of 10 p16", strings::Action::Mset, 16, 0.35),
    command("MGET of 10 p1", strings::Action::Mget, 1, 0.92),
    command("MGET of 10 p16", strings::Action::Mget, 16, 0.35),
    command("lock cycle p1", strings::Action::LockCycle, 1, 0.92),
    command("lock cycle p16", strings::Action::LockCycle, 16, 0.38),
    large("GET 1 KiB p1", KIB_1, strings::Action::Get, 1),
    large("SET 1 KiB p1", KIB_1, strings::Action::Set, 1),
    large("GET 1 KiB p16", KIB_1, strings::Action::Get, 16),
    large("SET 1 KiB p16", KIB_1, strings::Action::Set, 16),
    large("GET 16 KiB p1", KIB_16, strings::Action::Get, 1),
    large("SET 16 KiB p1", KIB_16, strings::Action::Set, 1),
    large("GET 16 KiB p16", KIB_16, strings::Action::Get, 16),
    large("SET 16 KiB p16", KIB_16, strings::Action::Set, 16),
    hash("HSET small p1", SMALL_HASHES, hashes::Action::Set, 1, 0.92),
    hash("HSET small p16", SMALL_HASHES, hashes::Action::Set, 16, 0.60),
    hash("HGET small p1", SMALL_HASHES, hashes::Action::Get, 1, 0.92),
    hash("HGET small p16", SMALL_HASHES, hashes::Action::Get, 16, 0.60),
    hash("HINCRBY small p1", SMALL_HASHES, hashes::Action::Incr, 1, 0.92),
    hash("HINCRBY small p16", SMALL_HASHES, hashes::Action::Incr, 16, 0.75),
    hash("HGETALL of 10 p1", TEN_FIELDS, hashes::Action::GetAll, 1, 0.92),
    hash("HGETALL of 10 p16", TEN_FIELDS, hashes::Action::GetAll, 16, 0.70),
    hash("HSET big p1", BIG_HASH, hashes::Action::SetBig, 1, 0.92),
    hash("HSET big p16", BIG_HASH, hashes::Action::SetBig, 16, 0.50),
    hash("HGET big p16", BIG_HASH, hashes::Action::GetBig, 16, 0.75),
    list("LPUSH p1", QUEUE, lists::Action::Push, 1, 0.92),
    list("LPUSH p16", QUEUE, lists::Action::Push, 16, 0.55),
    list("RPOP p1", QUEUE, lists::Action::Rpop, 1, 0.92),
    list("RPOP p16", QUEUE, lists::Action::Rpop, 16, 0.55),
    list("LRANGE_100 p1", LONG_LIST, lists::Action::Range, 1, 0.92),
    list("LRANGE_100 p16", LONG_LIST, lists::Action::Range, 16, 0.25),
    list("LINDEX middle p1", LONG_LIST, lists::Action::Index, 1, 0.92),
    list("LINDEX middle p16", LONG_LIST, lists::Action::Index, 16, 0.5),
    list("LSET middle p1", LONG_LIST, lists::Action::Set, 1, 0.92),
    list("LSET middle p16", LONG_LIST, lists::Action::Set, 16, 0.5),
    set("SADD new members p1", BIG_SET, sets::Action::AddOther, 1, 0.95),
    set("SADD new members p16", BIG_SET, sets::Action::AddOther, 16, 0.55),
    set("SREM p1", BIG_SET, sets::Action::RemoveOther, 1, 0.95),
    set("SREM p16", BIG_SET, sets::Action::RemoveOther, 16, 0.55),
    set("SISMEMBER p1", BIG_SET, sets::Action::Contains, 1, 0.95),
    set("SISMEMBER p16", BIG_SET, sets::Action::Contains, 16, 0.55),
    set("SPOP p1", BIG_SET, sets::Action::Pop, 1, 0.95),
    set("SPOP p16", BIG_SET, sets::Action::Pop, 16, 0.55),
    set("SADD small p1", SMALL_SETS, sets::Action::AddSmall, 1, 0.95),
    set("SADD small p16", SMALL_SETS, sets::Action::AddSmall, 16, 0.60),
    set("SISMEMBER small p1", SMALL_SETS, sets::Action::ContainsSmall, 1, 0.95),
    set("SISMEMBER small p16", SMALL_SETS, sets::Action::ContainsSmall, 16, 0.60),
    set("SINTER of 10,000 p1", SET_PAIR, sets::Action::Inter, 1, 0.50),
    set("SUNION of 10,000 p1", SET_PAIR, sets::Action::Union, 1, 0.50),
    set("SDIFF of 10,000 p1", SET_PAIR, sets::Action::Diff, 1, 0.50),
    set("SINTER of 10,000 integers p1", INTEGER_PAIR, sets::Action::InterIntegers, 1, 0.50),
    sorted("ZADD new members p1", BIG_SORTED_SET, sorted_sets::Action::AddOther, 1, 0.95),
    sorted("ZADD new members p16", BIG_SORTED_SET, sorted_sets::Action::AddOther, 16, 0.50),
    sorted("ZREM p1", BIG_SORTED_SET, sorted_sets::Action::RemoveOther, 1, 0.95),
    sorted("ZREM p16", BIG_SORTED_SET, sorted_sets::Action::RemoveOther, 16, 0.55),
    sorted("ZADD new scores p1", BIG_SORTED_SET, sorted_sets::Action::Rescore, 1, 0.95),
    sorted("ZADD new scores p16", BIG_SORTED_SET, sorted_sets::Action::Rescore, 16, 0.50),
    sorted("ZINCRBY by 1 p1", BIG_SORTED_SET, sorted_sets::Action::Incr, 1, 0.95),
    sorted("ZINCRBY by 1 p16", BIG_SORTED_SET, sorted_sets::Action::Incr, 16, 0.40),
    sorted("ZSCORE p1", BIG_SORTED_SET, sorted_sets::Action::Score, 1, 0.95),
    sorted("ZSCORE p16", BIG_SORTED_SET, sorted_sets::Action::Score, 16, 0.35),
    sorted("ZRANK p1", BIG_SORTED_SET, sorted_sets::Action::Rank, 1, 0.95),
    sorted("ZRANK p16", BIG_SORTED_SET, sorted_sets::Action::Rank, 16, 0.35),
    sorted("ZCOUNT p1", BIG_SORTED_SET, sorted_sets::Action::Count, 1, 0.95),
    sorted("ZCOUNT p16", BIG_SORTED_SET, sorted_sets::Action::Count, 16, 0.35),
    sorted("ZRANGE 100 by rank p1", BIG_SORTED_SET, sorted_sets::Action::RangeByRank, 1, 0.95),
    sorted("ZRANGE 100 by rank p16", BIG_SORTED_SET, sorted_sets::Action::RangeByRank, 16, 0.50),
    sorted("ZRANGE 100 by score p1", BIG_SORTED_SET, sorted_sets::Action::RangeByScore, 1, 0.95),
    sorted("ZRANGE 100 by score p16", BIG_SORTED_SET, sorted_sets::Action::RangeByScore, 16, 0.50),
    sorted("ZPOPMIN p1", BIG_SORTED_SET, sorted_sets::Action::PopMin, 1, 0.95),
    sorted("ZPOPMIN p16", BIG_SORTED_SET, sorted_sets::Action::PopMin, 16, 0.35),
    sorted("ZRANGE 100 by lex p1", LEX_SET, sorted_sets::Action::RangeByLex, 1, 0.95),
    sorted("ZRANGE 100 by lex p16", LEX_SET, sorted_sets::Action::RangeByLex, 16, 0.50),
    sorted("ZADD small p1", SMALL_SORTED_SETS, sorted_sets::Action::AddSmall, 1, 0.95),
    sorted("ZADD small p16", SMALL_SORTED_SETS, sorted_sets::Action::AddSmall, 16, 0.60),
    sorted("ZRANGE small p1", SMALL_SORTED_SETS, sorted_sets::Action::RangeSmall, 1, 0.95),
    sorted("ZRANGE small p16", SMALL_SORTED_SETS, sorted_sets::Action::RangeSmall, 16, 0.60),
    stream("XADD of 2 fields p16", STREAM, streams::Action::Add),
    stream("XADD MAXLEN ~ p16", STREAM, streams::Action::AddCapped),
    stream("XREAD COUNT 100 p16", STREAM, streams::Action::Read),
    stream("XRANGE of 100 p16", STREAM, streams::Action::Range),
    stream("XREADGROUP and XACK of 10 p16", QUEUES, streams::Action::ReadGroup),
    bitmap("SETBIT in 100M bits p16", BITMAP, bitmaps::Action::Set, 16, 0.60),
    bitmap("GETBIT in 100M bits p16", BITMAP, bitmaps::Action::Get, 16, 0.60),
    bitmap("BITCOUNT of 64 MB p1", LARGE_BITMAPS, bitmaps::Action::Count, 1, 0.70),
    bitmap("BITOP AND of two of 64 MB p1", LARGE_BITMAPS, bitmaps::Action::And, 1, 0.70),
    bitmap("PFADD p16", SKETCHES, bitmaps::Action::AddElement, 16, 0.60),
    bitmap("PFCOUNT p16", SKETCHES, bitmaps::Action::CountElements, 16, 0.60),
    bitmap("PFMERGE of 100 dense p1", SKETCHES, bitmaps::Action::Merge, 1, 0.70),
    release("release by EVALSHA p1", 1, 0.9),
    release("release by EVALSHA p16", 16, 0.5),
];

/// Values of 1 KiB.
const KIB_1: Dataset = Dataset::strings(100_000, 1 << 10);
/// Values of 16 KiB.
const KIB_16: Dataset = Dataset::strings(10_000, 16 << 10);

const SMALL_HASHES: Dataset = hash_set(1_000_000, hashes::Action::MakeSmall);
const TEN_FIELDS: Dataset = hash_set(200_000, hashes::Action::MakeTen);
const BIG_HASH: Dataset = hash_set(1_000_000, hashes::Action::SetBig);

const fn hash_set(keys: usize, fill: hashes::Action) -> Dataset {
    Dataset { keys, value_bytes: hashes::VALUE_BYTES, fill: Action::Hash(fill) }
}

const BIG_SET: Dataset = sets_of(1_000_000, sets::Action::Add);
const SMALL_SETS: Dataset = sets_of(1_000_000, sets::Action::MakeSmall);
const SET_PAIR: Dataset = sets_of(sets::PAIR_KEYS, sets::Action::AddPair);
const INTEGER_PAIR: Dataset = sets_of(sets::PAIR_KEYS, sets::Action::AddIntegerPair);

const fn sets_of(keys: usize, fill: sets::Action) -> Dataset {
    Dataset { keys, value_bytes: 16, fill: Action::Set(fill) }
}

const BIG_SORTED_SET: Dataset = sorted_sets_of(sorted_sets::Action::Add);
const LEX_SET: Dataset = sorted_sets_of(sorted_sets::Action::AddEqual);
const SMALL_SORTED_SETS: Dataset = sorted_sets_of(sorted_sets::Action::MakeSmall);

const fn sorted_sets_of(fill: sorted_sets::Action) -> Dataset {
    Dataset { keys: 1_000_000, value_bytes: 16, fill: Action::SortedSet(fill) }
}

const STREAM: Dataset = streams_of(streams::Action::Make);
const QUEUES: Dataset = streams_of(streams::Action::MakeQueues);

const fn streams_of(fill: streams::Action) -> Dataset {
    Dataset { keys: 1_000_000, value_bytes: 16, fill: Action::Stream(fill) }
}

const BITMAP: Dataset = bitmaps_of(1_000_000, bitmaps::Action::Make);
const LARGE_BITMAPS: Dataset = bitmaps_of(bitmaps::PIECES, bitmaps::Action::MakeLarge);
const SKETCHES: Dataset = bitmaps_of(1_000_000, bitmaps::Action::MakeSketch);

const fn bitmaps_of(keys: usize, fill: bitmaps::Action) -> Dataset {
    Dataset { keys, value_bytes: 16, fill: Action::Bitmap(fill) }
}

const QUEUE: Dataset = list_set(500_000, lists::Action::Push);
const LONG_LIST: Dataset = list_set(lists::LONG / lists::PER_PUSH, lists::Action::MakeLong);

const fn list_set(keys: usize, fill: lists::Action) -> Dataset {
    Dataset { keys, value_bytes: lists::VALUE_BYTES, fill: Action::List(fill) }
}

/// Locks that are taken, to be released by script.
pub const LOCKS: Dataset = Dataset {
    keys: 500_000,
    value_bytes: release::TOKEN_BYTES,
    fill: Action::Script(release::Action::Take),
};

const fn string(
    name: &'static str,
    action: strings::Action,
    pipeline: usize,
    cpu_ratio_max: f64,
) -> Workload {
    by_cpu(Group::Strings, name, SMALL, Action::String(action), pipeline, cpu_ratio_max)
}

const fn command(
    name: &'static str,
    action: strings::Action,
    pipeline: usize,
    cpu_ratio_max: f64,
) -> Workload {
    by_cpu(Group::Commands, name, SMALL, Action::String(action), pipeline, cpu_ratio_max)
}

const fn large(
    name: &'static str,
    dataset: Dataset,
    action: strings::Action,
    pipeline: usize,
) -> Workload {
    let large = dataset.value_bytes > KIB_1.value_bytes;
    let cpu_ratio_max = match (large, pipeline) {
        (false, 1) => 0.92,
        (false, _) => 0.70,
        (true, 1) => 0.95,
        (true, _) => 0.60,
    };
    by_cpu(Group::Large, name, dataset, Action::String(action), pipeline, cpu_ratio_max)
}

const fn hash(
    name: &'static str,
    dataset: Dataset,
    action: hashes::Action,
    pipeline: usize,
    cpu_ratio_max: f64,
) -> Workload {
    by_cpu(Group::Hashes, name, dataset, Action::Hash(action), pipeline, cpu_ratio_max)
}

const fn list(
    name: &'static str,
    dataset: Dataset,
    action: lists::Action,
    pipeline: usize,
    cpu_ratio_max: f64,
) -> Workload {
    by_cpu(Group::Lists, name, dataset, Action::List(action), pipeline, cpu_ratio_max)
}

const fn set(
    name: &'static str,
    dataset: Dataset,
    action: sets::Action,
    pipeline: usize,
    cpu_ratio_max: f64,
) -> Workload {
    by_cpu(Group::Sets, name, dataset, Action::Set(action), pipeline, cpu_ratio_max)
}

const fn sorted(
    name: &'static str,
    dataset: Dataset,
    action: sorted_sets::Action,
    pipeline: usize,
    cpu_ratio_max: f64,
) -> Workload {
    by_cpu(Group::SortedSets, name, dataset, Action::SortedSet(action), pipeline, cpu_ratio_max)
}

const fn stream(name: &'static str, dataset: Dataset, action: streams::Action) -> Workload {
    by_cpu(Group::Streams, name, dataset, Action::Stream(action), 16, 0.50)
}

/// The bars of long work are over the better of Valkey and the newest Redis.
const fn bitmap(
    name: &'static str,
    dataset: Dataset,
    action: bitmaps::Action,
    pipeline: usize,
    cpu_ratio_max: f64,
) -> Workload {
    by_cpu(Group::Bitmaps, name, dataset, Action::Bitmap(action), pipeline, cpu_ratio_max)
}

const fn release(name: &'static str, pipeline: usize, cpu_ratio_max: f64) -> Workload {
    let action = Action::Script(release::Action::Release);
    by_cpu(Group::Scripts, name, LOCKS, action, pipeline, cpu_ratio_max)
}

const fn by_cpu(
    group: Group,
    name: &'static str,
    dataset: Dataset,
    action: Action,
    pipeline: usize,
    cpu_ratio_max: f64,
) -> Workload {
    Workload { name, group, dataset, action, pipeline, cpu_ratio_max }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), WORKLOADS.len());
    }
}

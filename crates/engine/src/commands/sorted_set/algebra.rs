//! Sorted sets of several keys together: ZUNION, ZINTER, ZDIFF, their STORE forms, and ZINTERCARD.
//!
//! What they make is gathered (`gather.rs`), sorted once, and then replied or built in order.

use super::arguments::{write_head, write_member};
use super::gather::{Aggregate, Inputs, Of, Scored, Source};
use super::pieces::{self, Wanted};
use crate::error::Error;
use crate::run::apart::Made;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::value::Object;
use crate::storage::value::sorted_set::{Limits, SortedSet};
use redstart_protocol::{Args, Reply, parse_f64, parse_i64};

/// What becomes of the result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Reply,
    Store,
    Count,
}

const READS: &[KeySpec] = &[KeySpec::counted(1, 1, RO | ACCESS)];
const STORES: &[KeySpec] = &[KeySpec::at(1, OW | UPDATE), KeySpec::counted(2, 1, RO | ACCESS)];

/// ZUNION numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE how] [WITHSCORES]
pub static ZUNION: DataCommand = declare("zunion", Group::SortedSet, AtLeast(3))
    .flags(READONLY)
    .keys(READS)
    .since("6.2.0")
    .complexity("O(N)+O(M*log(M)) with N members in all sets, and M in the result.")
    .summary("Returns the members of several sorted sets, each once.")
    .syntax(
        "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>] \
         [WITHSCORES]",
    )
    .run(|call| run(call, Of::Union, End::Reply));

/// ZINTER numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE how] [WITHSCORES]
pub static ZINTER: DataCommand = declare("zinter", Group::SortedSet, AtLeast(3))
    .flags(READONLY)
    .keys(READS)
    .since("6.2.0")
    .complexity("O(N*K)+O(M*log(M)) with N members in the smallest of K sets, and M in the result.")
    .summary("Returns the members that several sorted sets have in common.")
    .syntax(
        "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX | COUNT>] \
         [WITHSCORES]",
    )
    .run(|call| run(call, Of::Intersection, End::Reply));

/// ZDIFF numkeys key [key ...] [WITHSCORES]
pub static ZDIFF: DataCommand = declare("zdiff", Group::SortedSet, AtLeast(3))
    .flags(READONLY)
    .keys(READS)
    .since("6.2.0")
    .complexity("O(N*K) with N members in the first of K sets.")
    .summary("Returns the members of a sorted set that several others do not have.")
    .syntax("numkeys key [key ...] [WITHSCORES]")
    .run(|call| run(call, Of::Difference, End::Reply));

/// ZINTERCARD numkeys key [key ...] [LIMIT limit]
pub static ZINTERCARD: DataCommand = declare("zintercard", Group::SortedSet, AtLeast(3))
    .flags(READONLY)
    .keys(READS)
    .since("7.0.0")
    .complexity("O(N*K) with N members in the smallest of K sets.")
    .summary("Tells how many members several sorted sets have in common.")
    .syntax("numkeys key [key ...] [LIMIT limit]")
    .run(|call| run(call, Of::Intersection, End::Count));

/// ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE how]
pub static ZUNIONSTORE: DataCommand = declare("zunionstore", Group::SortedSet, AtLeast(4))
    .flags(WRITE | DENYOOM)
    .keys(STORES)
    .since("2.0.0")
    .complexity("O(N)+O(M*log(M)) with N members in all sets, and M in the result.")
    .summary("Stores the members of several sorted sets.")
    .syntax(
        "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | \
         MAX | COUNT>]",
    )
    .run(|call| run(call, Of::Union, End::Store));

/// ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE how]
pub static ZINTERSTORE: DataCommand = declare("zinterstore", Group::SortedSet, AtLeast(4))
    .flags(WRITE | DENYOOM)
    .keys(STORES)
    .since("2.0.0")
    .complexity("O(N*K)+O(M*log(M)) with N members in the smallest of K sets, and M in the result.")
    .summary("Stores the members that several sorted sets have in common.")
    .syntax(
        "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | \
         MAX | COUNT>]",
    )
    .run(|call| run(call, Of::Intersection, End::Store));

/// ZDIFFSTORE destination numkeys key [key ...]
pub static ZDIFFSTORE: DataCommand = declare("zdiffstore", Group::SortedSet, AtLeast(4))
    .flags(WRITE | DENYOOM)
    .keys(STORES)
    .since("6.2.0")
    .complexity("O(N*K) with N members in the first of K sets.")
    .summary("Stores the members of a sorted set that several others do not have.")
    .syntax("destination numkeys key [key ...]")
    .run(|call| run(call, Of::Difference, End::Store));

/// Look-ups of members in sorted sets that are made at once: some milliseconds.
const LOOKED_UP: usize = 16 * 1024;
/// So many are made at once if all other members would be walked over instead.
const LOOKED_UP_MAX: usize = 128 * 1024;
/// Members that are walked over in the time of a look-up.
const WALKED: usize = 8;

/// The options behind the keys.
struct Options {
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    most: usize,
}

impl Options {
    fn parse(
        args: Args<'_>,
        mut at: usize,
        keys: usize,
        of: Of,
        end: End,
    ) -> Result<Options, Error> {
        let mut options = Options {
            weights: vec![1.0; keys],
            aggregate: Aggregate::Sum,
            with_scores: false,
            most: usize::MAX,
        };
        let has_scores = of != Of::Difference && end != End::Count;
        while at < args.len() {
            let is = |word: &[u8]| args.at(at).eq_ignore_ascii_case(word);
            let behind = args.len() - at - 1;
            if has_scores && is(b"WEIGHTS") && behind >= keys {
                for (nth, weight) in options.weights.iter_mut().enumerate() {
                    *weight = parse_f64(args.at(at + 1 + nth)).ok_or(Error::WEIGHT)?;
                }
                at += 1 + keys;
            } else if has_scores && is(b"AGGREGATE") && behind >= 1 {
                options.aggregate = Aggregate::parse(args.at(at + 1))?;
                at += 2;
            } else if end == End::Reply && is(b"WITHSCORES") {
                options.with_scores = true;
                at += 1;
            } else if end == End::Count && is(b"LIMIT") && behind >= 1 {
                let most = parse_i64(args.at(at + 1)).and_then(|most| usize::try_from(most).ok());
                let most = most.ok_or(Error::NEGATIVE_LIMIT)?;
                options.most = if most == 0 { usize::MAX } else { most };
                at += 2;
            } else {
                return Err(Error::SYNTAX);
            }
        }
        Ok(options)
    }
}

fn run(call: &mut Call<'_>, of: Of, end: End) -> Result<(), Error> {
    let args = call.args;
    let first = (end == End::Store) as usize;
    let keys = parse_i64(args.at(1 + first)).ok_or(Error::NOT_INTEGER)?;
    if keys < 1 {
        return Err(Error::no_input_key(call.command.name));
    }
    if keys as u64 > (args.len() - first) as u64 - 2 {
        return Err(Error::SYNTAX);
    }
    let keys = keys as usize;
    // What has expired is gone afterwards, and a wrong type is an error.
    for key in call.keys().skip(first) {
        Source::of(call.space.read(key))?;
    }
    let options = Options::parse(args, 2 + first + keys, keys, of, end)?;
    let (hasher, limits) = (call.space.hasher(), call.space.sorted_set_limits(call.options));
    let sources = call.keys().skip(first).map(|key| Source::of(call.space.peek(key)));
    let sources: Vec<Source<'_>> = sources.collect::<Result<_, Error>>()?;
    let is_large = is_large(call.reply, of, &sources);
    let keys: Vec<Key<'_>> = call.keys().skip(first).collect();
    let wanted = |options: &Options| {
        let Options { weights, aggregate, with_scores, most } = options;
        let counted = (end == End::Count).then_some(*most);
        let weights = weights.clone();
        Wanted { of, weights, aggregate: *aggregate, with_scores: *with_scores, counted }
    };
    if end == End::Store {
        let begin = |call: &mut Call<'_>| pieces::making(call, &keys, wanted(&options));
        match call.made_apart(&keys, is_large, begin)? {
            Made::Now(Object::SortedSet(made)) => {
                put(call, made);
                return Ok(());
            }
            Made::Later => return Ok(()),
            Made::Now(_) | Made::Never => {}
        }
    } else if is_large {
        pieces::put_rest(call, &keys, wanted(&options));
        return Ok(());
    }
    let sources = keys.iter().map(|key| Source::of(call.space.peek(*key)));
    let sources: Vec<Source<'_>> = sources.collect::<Result<_, Error>>()?;
    let inputs = Inputs::new(sources, options.weights, options.aggregate, hasher);
    if end == End::Count {
        call.reply.integer(inputs.count(options.most) as i64);
        return Ok(());
    }
    let texts = inputs.texts(of);
    let result = inputs.gather(of, &texts);
    if end == End::Reply {
        write_head(call.reply, result.len(), options.with_scores);
        for (score, member) in result {
            write_member(call.reply, member, score, options.with_scores);
        }
        return Ok(());
    }
    let set = build(&result, limits);
    put(call, set);
    Ok(())
}

/// Stores what was made.
fn put(call: &mut Call<'_>, made: SortedSet) {
    if call.store_sorted_set(call.key(0), made) {
        // Before Redis 8.8 nothing can be counted.
        match counts(call.args) {
            true => call.emit_sorted_set(call.key(0)),
            false => call.emit_as_is(),
        }
    }
}

/// Whether a request may say AGGREGATE COUNT.
fn counts(args: Args<'_>) -> bool {
    let is = |at: usize, word: &[u8]| args.at(at).eq_ignore_ascii_case(word);
    (4..args.len()).any(|at| is(at - 1, b"AGGREGATE") && is(at, b"COUNT"))
}

/// Whether so much is to be looked at that the reply is to come in pieces.
fn is_large(reply: &Reply, of: Of, sources: &[Source<'_>]) -> bool {
    let lens = || sources.iter().map(|source| source.len());
    let all: usize = lens().sum();
    let look_ups = match of {
        Of::Union => {
            return reply.takes_rest(sources.iter().map(|source| source.allocated()).sum());
        }
        Of::Intersection => lens().min().unwrap_or(0) * sources.len(),
        Of::Difference => lens().next().unwrap_or(0) * sources.len(),
    };
    // In pieces, all sets are walked over, also those in which little is looked up.
    let is_worth_it = look_ups > LOOKED_UP_MAX || all / WALKED <= look_ups;
    reply.takes_rest(usize::MAX) && look_ups > LOOKED_UP && is_worth_it
}

/// A sorted set of members that are in order.
fn build(members: &[Scored<'_>], limits: Limits<'_>) -> SortedSet {
    let mut set = SortedSet::default();
    let longest = members.iter().map(|(_, member)| member.len()).max().unwrap_or(0);
    set.fit(members.len(), longest, limits);
    set.extend(members.iter().map(|(score, member)| (*member, *score)), limits);
    set
}

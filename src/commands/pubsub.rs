//! SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE and their ends; PUBLISH, SPUBLISH, PUBSUB.

use crate::commands::declare::{Container, SessionCommand};
use crate::notify::pubsub::Kind;
use crate::session::Context;
use redstart_engine::spec::*;
use redstart_engine::{Command, Error};
use redstart_protocol::Args;

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[
    &SUBSCRIBE,
    &PSUBSCRIBE,
    &SSUBSCRIBE,
    &UNSUBSCRIBE,
    &PUNSUBSCRIBE,
    &SUNSUBSCRIBE,
    &PUBLISH,
    &SPUBLISH,
    &CHANNELS,
    &NUMSUB,
    &NUMPAT,
    &SHARDCHANNELS,
    &SHARDNUMSUB,
    &HELP,
];

const LISTEN: Flags =
    PUBSUB | NOSCRIPT | LOADING | STALE | WHILE_SUBSCRIBED | REPLIES_ARE_PUSHED | CONVERSES;

const KEY_ONE: &[KeySpec] = &[KeySpec::at(1, NOT_KEY)];
const KEY_LIST: &[KeySpec] = &[KeySpec::from(1, 1, NOT_KEY)];

const fn listening(
    name: &'static str,
    arity: Arity,
    since: &'static str,
    summary: &'static str,
    syntax: &'static str,
) -> Command {
    declare(name, Group::PubSub, arity)
        .flags(LISTEN)
        .since(since)
        .complexity("O(N) where N is the number of channels or patterns")
        .summary(summary)
        .syntax(syntax)
}

/// SUBSCRIBE channel [channel ...]
static SUBSCRIBE: SessionCommand = listening(
    "subscribe",
    Arity::AtLeast(2),
    "2.0.0",
    "Listens to channels.",
    "channel [channel ...]",
)
.flags(DENYOOM | LISTENS)
.run(|context, args| {
    context.session.subscribe(args.iter().skip(1), Kind::Channel);
    Ok(())
});

/// PSUBSCRIBE pattern [pattern ...]
static PSUBSCRIBE: SessionCommand = listening(
    "psubscribe",
    Arity::AtLeast(2),
    "2.0.0",
    "Listens to all channels that match patterns.",
    "pattern [pattern ...]",
)
.flags(DENYOOM | LISTENS_BY_PATTERN)
.run(|context, args| {
    context.session.subscribe(args.iter().skip(1), Kind::Pattern);
    Ok(())
});

/// SSUBSCRIBE shardchannel [shardchannel ...]
static SSUBSCRIBE: SessionCommand = listening(
    "ssubscribe",
    Arity::AtLeast(2),
    "7.0.0",
    "Listens to shard channels.",
    "shardchannel [shardchannel ...]",
)
.flags(DENYOOM | LISTENS)
.keys(KEY_LIST)
.run(|context, args| {
    context.session.subscribe(args.iter().skip(1), Kind::Shard);
    Ok(())
});

/// UNSUBSCRIBE [channel [channel ...]]
static UNSUBSCRIBE: SessionCommand = listening(
    "unsubscribe",
    Arity::AtLeast(1),
    "2.0.0",
    "Listens to channels no more, or to none.",
    "[channel [channel ...]]",
)
.run(|context, args| {
    context.session.unsubscribe(args.iter().skip(1), Kind::Channel);
    Ok(())
});

/// PUNSUBSCRIBE [pattern [pattern ...]]
static PUNSUBSCRIBE: SessionCommand = listening(
    "punsubscribe",
    Arity::AtLeast(1),
    "2.0.0",
    "Listens to patterns no more, or to none.",
    "[pattern [pattern ...]]",
)
.run(|context, args| {
    context.session.unsubscribe(args.iter().skip(1), Kind::Pattern);
    Ok(())
});

/// SUNSUBSCRIBE [shardchannel [shardchannel ...]]
static SUNSUBSCRIBE: SessionCommand = listening(
    "sunsubscribe",
    Arity::AtLeast(1),
    "7.0.0",
    "Listens to shard channels no more, or to none.",
    "[shardchannel [shardchannel ...]]",
)
.keys(KEY_LIST)
.run(|context, args| {
    context.session.unsubscribe(args.iter().skip(1), Kind::Shard);
    Ok(())
});

/// PUBLISH channel message
static PUBLISH: SessionCommand = declare("publish", Group::PubSub, Arity::Exactly(3))
    .flags(PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE | PUBLISHES)
    .since("2.0.0")
    .complexity("O(N+M) where N is the number of listeners and M that of patterns")
    .summary("Sends a message to all who listen to a channel.")
    .syntax("channel message")
    .run(|context, args| publish(context, args, Kind::Channel));

/// SPUBLISH shardchannel message
static SPUBLISH: SessionCommand = declare("spublish", Group::PubSub, Arity::Exactly(3))
    .flags(PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE | PUBLISHES)
    .since("7.0.0")
    .complexity("O(N) where N is the number of listeners")
    .summary("Sends a message to all who listen to a shard channel.")
    .syntax("shardchannel message")
    .keys(KEY_ONE)
    .run(|context, args| publish(context, args, Kind::Shard));

fn publish(context: &mut Context<'_>, args: Args<'_>, kind: Kind) -> Result<(), Error> {
    let server = context.session.server;
    // Keyspace events from before are sent before.
    if let Some(events) = context.local.take_events_so_far() {
        server.pubsub.publish_events(server.engine.events(), events);
    }
    let count = server.pubsub.publish(kind, &args[1], &args[2]);
    // Clients of replicas listen, too.
    server.replication.feed_request(context.session.db, args);
    context.session.out.integer(count as i64);
    Ok(())
}

/// PUBSUB
pub static PUBSUB_COMMAND: Command =
    Container { name: "pubsub", group: Group::PubSub, since: "2.8.0" }.declare(
        "Looks into the channels.",
        &[
            &CHANNELS.spec,
            &HELP.spec,
            &NUMPAT.spec,
            &NUMSUB.spec,
            &SHARDCHANNELS.spec,
            &SHARDNUMSUB.spec,
        ],
    );

const fn asking(
    name: &'static str,
    arity: Arity,
    since: &'static str,
    complexity: &'static str,
    summary: &'static str,
    syntax: &'static str,
) -> Command {
    declare(name, Group::PubSub, arity)
        .flags(PUBSUB | LOADING | STALE)
        .since(since)
        .complexity(complexity)
        .summary(summary)
        .syntax(syntax)
}

const PER_CHANNEL: &str = "O(N) where N is the number of channels";

/// PUBSUB CHANNELS [pattern]
static CHANNELS: SessionCommand = asking(
    "channels",
    Arity::AtLeast(2),
    "2.8.0",
    PER_CHANNEL,
    "Lists the channels that somebody listens to.",
    "[pattern]",
)
.run(|context, args| channels(context, args, Kind::Channel));

/// PUBSUB SHARDCHANNELS [pattern]
static SHARDCHANNELS: SessionCommand = asking(
    "shardchannels",
    Arity::AtLeast(2),
    "7.0.0",
    PER_CHANNEL,
    "Lists the shard channels that somebody listens to.",
    "[pattern]",
)
.run(|context, args| channels(context, args, Kind::Shard));

fn channels(context: &mut Context<'_>, args: Args<'_>, kind: Kind) -> Result<(), Error> {
    if args.len() > 3 {
        return Err(Error::subcommand_syntax("pubsub", &args[1]));
    }
    let session = &mut *context.session;
    let names = session.server.pubsub.names(kind, args.get(2));
    session.out.array(names.len());
    names.iter().for_each(|name| session.out.bulk(name));
    Ok(())
}

/// PUBSUB NUMSUB [channel [channel ...]]
static NUMSUB: SessionCommand = asking(
    "numsub",
    Arity::AtLeast(2),
    "2.8.0",
    "O(N) for N names",
    "Counts those who listen to channels.",
    "[channel [channel ...]]",
)
.run(|context, args| counts(context, args, Kind::Channel));

/// PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]]
static SHARDNUMSUB: SessionCommand = asking(
    "shardnumsub",
    Arity::AtLeast(2),
    "7.0.0",
    "O(N) for N names",
    "Counts those who listen to shard channels.",
    "[shardchannel [shardchannel ...]]",
)
.run(|context, args| counts(context, args, Kind::Shard));

fn counts(context: &mut Context<'_>, args: Args<'_>, kind: Kind) -> Result<(), Error> {
    let session = &mut *context.session;
    session.out.array((args.len() - 2) * 2);
    for name in args.iter().skip(2) {
        session.out.bulk(name);
        session.out.integer(session.server.pubsub.count(kind, name) as i64);
    }
    Ok(())
}

/// PUBSUB NUMPAT
static NUMPAT: SessionCommand = asking(
    "numpat",
    Arity::Exactly(2),
    "2.8.0",
    "O(1)",
    "Counts the patterns that somebody listens to.",
    "",
)
.run(|context, _| {
    let count = context.session.server.pubsub.len(Kind::Pattern);
    context.session.out.integer(count as i64);
    Ok(())
});

/// PUBSUB HELP
static HELP: SessionCommand = Command {
    flags: LOADING | STALE,
    ..asking("help", Arity::Exactly(2), "6.2.0", "O(1)", "Returns what PUBSUB can do.", "")
}
.run(|context, _| {
    const LINES: [&str; 13] = [
        "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CHANNELS [<pattern>]",
        "    Return the currently active channels matching a <pattern> (default: '*').",
        "NUMPAT",
        "    Return number of subscriptions to patterns.",
        "NUMSUB [<channel> ...]",
        "    Return the number of subscribers for the specified channels, excluding",
        "    pattern subscriptions(default: no channels).",
        "SHARDCHANNELS [<pattern>]",
        "    Return the currently active shard level channels matching a <pattern> \
             (default: '*').",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    Return the number of subscribers for the specified shard level channel(s)",
        "HELP",
    ];
    let out = &mut context.session.out;
    out.array(LINES.len() + 1);
    LINES.iter().for_each(|line| out.simple(line));
    out.simple("    Prints this help.");
    Ok(())
});

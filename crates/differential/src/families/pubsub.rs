//! Messages, which the [`crate::listener`] hears, and questions about subscribers.

use super::Generator;
use crate::source::Source;
use crate::stream::Command;

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "PUBLISH", weight: 8, draw: publish },
    Generator { name: "SPUBLISH", weight: 4, draw: publish },
    Generator { name: "PUBSUB", weight: 8, draw: pubsub },
];

fn channel(source: &mut Source) -> Vec<u8> {
    const CHANNELS: &[&str] = &["news", "other", "news", "shard", "nobody", "", "n[e]ws"];
    source.pick(CHANNELS).into()
}

fn publish(source: &mut Source, command: &mut Command) {
    command.args.extend([channel(source), source.value()]);
}

fn pubsub(source: &mut Source, command: &mut Command) {
    let words = ["CHANNELS", "NUMSUB", "NUMPAT", "SHARDCHANNELS", "SHARDNUMSUB", "NOSUCH"];
    let word = source.pick(&words);
    command.args.push(source.cased(word));
    let count = source.below(3);
    let pattern = |source: &mut Source| source.pick(&["*", "n*", "o?her", "[ns]*", "", "x"]).into();
    match word {
        "CHANNELS" | "SHARDCHANNELS" if count > 0 => command.args.push(pattern(source)),
        "NUMSUB" | "SHARDNUMSUB" => command.args.extend((0..count).map(|_| channel(source))),
        _ => {}
    }
}

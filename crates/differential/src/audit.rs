//! What is asked of both servers when a stream has ended, and what may be heard in another order.

use crate::families::SETS;
use crate::known::is_event;
use crate::stream::{Command, Step};

/// More misses than this are not put in order.
const MISSES_MAX: usize = 1000;

/// The command that shows the whole value of a key, by TYPE's reply.
pub fn value_command(kind: &[u8], key: &[u8]) -> Option<Command> {
    let (name, more): (&str, &[&str]) = match kind {
        b"+string\r\n" => ("GET", &[]),
        b"+list\r\n" => ("LRANGE", &["0", "-1"]),
        b"+hash\r\n" => ("HGETALL", &[]),
        b"+set\r\n" => ("SMEMBERS", &[]),
        b"+zset\r\n" => ("ZRANGE", &["0", "-1", "WITHSCORES"]),
        b"+stream\r\n" => ("XRANGE", &["-", "+"]),
        _ => return None,
    };
    let words = [name.as_bytes(), key].into_iter();
    Some(Command::new(words.chain(more.iter().map(|word| word.as_bytes()))))
}

/// The commands that show everything about the streams among `values`, the commands that show the
/// values of keys.
pub fn stream_commands(values: &[Command]) -> Vec<Command> {
    let pairs = values.chunks(2).filter(|pair| pair.len() == 2 && pair[1].is("XRANGE"));
    let commands = pairs.flat_map(|pair| {
        let key = &pair[1].args[1][..];
        [pair[0].clone(), Command::new([&b"XINFO"[..], b"STREAM", key, b"FULL", b"COUNT", b"0"])]
    });
    commands.collect()
}

/// Whether keys are looked up for the members of sets, in the order in which these lie.
pub fn looks_up_in_any_order(steps: &[Step]) -> bool {
    steps.iter().any(|step| {
        let Step::Send(command) = step else { return false };
        let is = |arg: &Vec<u8>, words: &[&str]| {
            words.iter().any(|word| arg.eq_ignore_ascii_case(word.as_bytes()))
        };
        let has = |words: &[&str]| command.args.iter().any(|arg| is(arg, words));
        has(&["SORT", "SORT_RO"]) && has(&["BY"]) && has(SETS)
    })
}

/// How many messages at the beginnings of both say the same in another order: that keys were looked
/// for in vain.
pub fn same_misses(oracle: &[Vec<u8>], subject: &[Vec<u8>]) -> Option<usize> {
    let misses = |heard: &[Vec<u8>]| {
        heard.iter().take_while(|message| is_event(message, "keymiss")).count().min(MISSES_MAX)
    };
    let most = misses(oracle).min(misses(subject));
    (1..=most).find(|count| {
        let sorted = |heard: &[Vec<u8>]| {
            let mut all = heard[..*count].to_vec();
            all.sort_unstable();
            all
        };
        sorted(oracle) == sorted(subject)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misses_may_come_in_another_order() {
        let heard = |events: &str| {
            let event = |event: &str| {
                let (name, key) = event.split_once(':').unwrap_or_default();
                format!("*4\r\n$8\r\n__keyevent@0__:{name}\r\n$1\r\n{key}\r\n").into_bytes()
            };
            events.split(' ').map(event).collect::<Vec<_>>()
        };
        let ours = heard("keymiss:a keymiss:b keymiss:c set:a");
        assert_eq!(same_misses(&heard("keymiss:b keymiss:a keymiss:d"), &ours), Some(2));
        assert_eq!(same_misses(&heard("keymiss:b set:a"), &ours), None);
        let sort = |line: &str| [Step::Send(Command::new(line.split(' ')))];
        assert!(looks_up_in_any_order(&sort("sort s1 by w:* get #")));
        assert!(!looks_up_in_any_order(&sort("SORT s1 ALPHA")));
    }
}

//! Functions: a few libraries that replace each other, and their calls.

use super::Generator;
use super::scripting::INNER;
use crate::source::Source;
use crate::stream::Command;

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "FUNCTION", weight: 10, draw: function },
    Generator { name: "FCALL", weight: 12, draw: fcall },
    Generator { name: "FCALL_RO", weight: 4, draw: fcall },
];

/// Each has one function, so that no order is left to a server.
const LIBRARIES: &[&str] = &[
    "#!lua name=one\nredis.register_function('get_one', function(keys, args) \
     return redis.call('get', keys[1]) end)",
    "#!lua name=one\nredis.register_function('run', function(keys, args) \
     return redis.pcall(unpack(args)) end)",
    "#!lua name=two\nredis.register_function('run', function(keys, args) \
     return redis.call(unpack(args)) end)",
    "#!lua name=two\nredis.register_function{function_name='look', description='looks', \
     flags={'no-writes'}, callback=function(keys, args) return redis.pcall(unpack(args)) end}",
    "#!lua name=three\nlocal n = 0 redis.register_function('count', function(keys, args) \
     n = n + 1 return {n, #keys, args[1]} end)",
    "#!lua name=bad\nredis.register_function('bad', 1)",
    "#!lua name=bad\nreturn 1",
    "#!lua name=bad\nredis.call('get', 'a')",
    "#!lua name=no-name\nredis.register_function('f', function() end)",
    "#!lua\nredis.register_function('f', function() end)",
    "redis.register_function('f', function() end)",
    "#!other name=o\nreturn 1",
];

fn library(source: &mut Source) -> Vec<u8> {
    let good = source.chance(85);
    source.pick(if good { &LIBRARIES[..5] } else { LIBRARIES }).into()
}

fn name(source: &mut Source) -> Vec<u8> {
    source.pick(&["one", "two", "three", "bad", "nosuch", ""]).into()
}

fn function(source: &mut Source, command: &mut Command) {
    match source.below(20) {
        0..11 => {
            command.args.push(source.cased("LOAD"));
            if source.chance(60) {
                command.args.push(source.cased("REPLACE"));
            }
            command.args.push(library(source));
        }
        11..13 => command.args.extend([source.cased("DELETE"), name(source)]),
        13..17 => {
            command.args.push(source.cased("LIST"));
            if source.chance(50) {
                let pattern = source.pick(&["*", "t*", "one", "?w*", "x"]).into();
                command.args.extend([source.cased("LIBRARYNAME"), pattern]);
            }
            if source.chance(50) {
                command.args.push(source.cased("WITHCODE"));
            }
        }
        17 => command.args.push(source.cased("FLUSH")),
        18 => command.args.push(source.cased("KILL")),
        _ => command.args.push(source.pick(&["NOSUCH", "", "load"]).into()),
    }
}

fn fcall(source: &mut Source, command: &mut Command) {
    let name = source.pick(&["run", "run", "look", "get_one", "count", "f", "nosuch"]);
    let keys: Vec<Vec<u8>> = if source.chance(80) { vec![source.key()] } else { Vec::new() };
    command.args.extend([name.into(), keys.len().to_string().into_bytes()]);
    command.args.extend(keys);
    if name == "run" || name == "look" {
        command.args.push(INNER.to_vec());
    } else {
        command.args.push(source.value());
    }
}

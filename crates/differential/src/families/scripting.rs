//! Scripts: a pool of texts that do the same whenever they run, some of which run a command that
//! is drawn from the whole plan.

use super::Generator;
use crate::source::Source;
use crate::stream::Command;
use sha1::{Digest, Sha1};

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "EVAL", weight: 40, draw: eval },
    Generator { name: "EVALSHA", weight: 15, draw: eval },
    Generator { name: "EVAL_RO", weight: 8, draw: eval },
    Generator { name: "EVALSHA_RO", weight: 4, draw: eval },
    Generator { name: "SCRIPT", weight: 8, draw: script },
];

/// Stands in a script's arguments where the words of another command are to be put.
pub const INNER: &[u8] = b"(a command)";

/// Scripts that run their arguments as a command.
const RUNNING: &[&str] = &[
    "return redis.call(unpack(ARGV))",
    "return redis.pcall(unpack(ARGV))",
    "redis.setresp(3) return redis.pcall(unpack(ARGV))",
    "redis.call('incr', 'counter') return redis.call(unpack(ARGV))",
    "local r = redis.pcall(unpack(ARGV)) if type(r) == 'table' and r.err then return r.err end \
     return type(r)",
    "#!lua flags=no-writes\nreturn redis.pcall(unpack(ARGV))",
    "redis.call('select', '1') return redis.pcall(unpack(ARGV))",
];

/// Scripts that use their keys and arguments.
const OTHERS: &[&str] = &[
    "return redis.call('get', KEYS[1])",
    "redis.call('set', KEYS[1], ARGV[1]) return redis.call('get', KEYS[1])",
    "return {KEYS, ARGV, #KEYS, #ARGV}",
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0",
    "local n = redis.call('incr', KEYS[1]) if n > 3 then redis.call('del', KEYS[1]) end return n",
    "redis.call('rpush', KEYS[1], unpack(ARGV)) return redis.call('lrange', KEYS[1], 0, -1)",
    "redis.call('hset', KEYS[1], ARGV[1], #ARGV) return redis.call('hget', KEYS[1], ARGV[1])",
    "return redis.call('set', ARGV[1], KEYS[1])",
    "redis.call('set', KEYS[1], 1) return redis.call('append', ARGV[1] .. ':far', 'x')",
    "for i = 1, 5 do redis.call('rpush', KEYS[1] .. i, i) end return redis.call('dbsize') > 0",
    "return {1, 2.9, 'three', {4, false, true, {}}, nil, 6}",
    "return redis.error_reply('MY ' .. ARGV[1])",
    "return redis.error_reply('-MY ' .. ARGV[1])",
    "return redis.status_reply(ARGV[1])",
    "return {err = ARGV[1]}",
    "return {ok = ARGV[1]}",
    "return {double = 3.25}",
    "return {map = {a = 1}}",
    "return {big_number = '123456789012345678901234567890'}",
    "return {verbatim_string = {string = 'text', format = 'txt'}}",
    "redis.setresp(3) return {redis.call('get', 'nothing'), true, false}",
    "return redis.sha1hex(ARGV[1])",
    "return {cjson.encode({ARGV[1], 1, 1.5, true}), cjson.encode({a = ARGV[1]})}",
    "return cjson.decode(cjson.encode({ARGV[1], {ARGV[2]}}))",
    "return {cmsgpack.pack(ARGV[1], 1, -1, 1.5, {1, 2}, true), \
     cmsgpack.unpack(cmsgpack.pack(ARGV))}",
    "return {struct.pack('>I2i4s', 513, -2, ARGV[1]), struct.unpack('<I2', 'ab')}",
    "return {bit.band(255, 15), bit.tohex(-1), bit.lshift(1, 31), bit.bnot(0), bit.rol(1, 33)}",
    "return {#ARGV[1], ARGV[1]:upper(), ARGV[1]:rep(2), ARGV[1]:sub(2, -2), ARGV[1]:reverse()}",
    "return {string.format('%d %s %5.2f %x %q', 3, 'x', 1.005, 255, 'a\\nb'), tostring(1e15)}",
    "return {tostring(10 / 2), tostring(1 / 3), 7 % 3, -7 % 3, 2 ^ 10, math.floor(-3.5)}",
    "return {ARGV[1]:find('[0-9]+'), ARGV[1]:match('(%a+)'), (ARGV[1]:gsub('%s', '_'))}",
    "local t = {} for w in ARGV[1]:gmatch('%a+') do t[#t + 1] = w end table.sort(t) return t",
    "local n = tonumber(ARGV[1]) if n and n < 1e15 and n > -1e15 then return math.floor(n) end",
    "return redis.call('nosuch', KEYS[1])",
    "return redis.call('get')",
    "return redis.call('get', {})",
    "return redis.call()",
    "return redis.call('eval', 'return 1', 0)",
    "return redis.call('subscribe', 'a')",
    "local ok, e = pcall(redis.call, 'incr', KEYS[1]) return {ok, type(e)}",
    "redis.call('publish', 'news', ARGV[1]) return redis.call('exists', KEYS[1])",
    "error({err = 'ERR mine'})",
    "#!lua flags=no-writes\nreturn redis.call('set', KEYS[1], 1)",
    "#!lua flags=nosuch\nreturn 1",
    "#!lua\nreturn redis.call('strlen', KEYS[1])",
    "#!other\nreturn 1",
    "return redis.REDIS_VERSION_NUM >= 0x00070000 and redis.LOG_WARNING",
];

fn text(source: &mut Source) -> &'static str {
    if source.chance(50) { source.pick(RUNNING) } else { source.pick(OTHERS) }
}

fn digest(text: &str) -> Vec<u8> {
    let digest = Sha1::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes()
}

fn eval(source: &mut Source, command: &mut Command) {
    let text = text(source);
    let by_digest = command.name().to_ascii_uppercase().starts_with(b"EVALSHA");
    command.args.push(if by_digest { digest(text) } else { text.into() });
    let keys: Vec<Vec<u8>> = match source.below(10) {
        0..7 => vec![source.key()],
        7 => Vec::new(),
        _ => source.some_keys(),
    };
    let count = match source.below(40) {
        0 => source.small_integer(),
        _ => keys.len().to_string().into_bytes(),
    };
    command.args.push(count);
    command.args.extend(keys);
    if RUNNING.contains(&text) {
        command.args.push(INNER.to_vec());
    } else {
        let count = 1 + source.below(3);
        command.args.extend((0..count).map(|_| source.value()));
    }
}

fn script(source: &mut Source, command: &mut Command) {
    match source.below(10) {
        0..5 => command.args.extend([source.cased("LOAD"), text(source).into()]),
        5..8 => {
            command.args.push(source.cased("EXISTS"));
            let count = source.below(3);
            command.args.extend((0..count).map(|_| digest(text(source))));
            if source.chance(20) {
                command.args.push(source.value());
            }
        }
        8 if source.chance(30) => {
            command.args.push(source.cased("FLUSH"));
            if source.chance(60) {
                command.args.push(source.pick(&["SYNC", "async", "NOW"]).into());
            }
        }
        8 => command.args.push(source.cased("KILL")),
        _ => command.args.push(source.pick(&["NOSUCH", "", "load"]).into()),
    }
}

/// Whether this runs a script, or a function.
pub fn is_eval(command: &Command) -> bool {
    let names = ["EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"];
    names.iter().any(|name| command.is(name))
}

/// The command that a script is given as its arguments, if it may be one.
pub fn inner(command: &Command) -> Option<Command> {
    if !is_eval(command) {
        return None;
    }
    let count = std::str::from_utf8(command.args.get(2)?).ok()?.parse::<usize>().ok()?;
    let words = command.args.get(count.checked_add(3)?..).filter(|words| !words.is_empty())?;
    Some(Command { args: words.to_vec() })
}

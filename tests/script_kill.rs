//! No function that scripts can call keeps a worker to itself: each is called again and again with
//! an input of 10 MB, and the worker's other client is told BUSY, and ends the script, within
//! milliseconds. The functions are asked of the server, so that a new one has to be added here.

#[allow(dead_code, reason = "shared with the other tests, which use other parts")]
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::{self, Value};
use support::server::Server;
use support::talk::{connect, ok};

/// From when on a script is too long.
const THRESHOLD: Duration = Duration::from_millis(50);
/// How much later other clients are told so; and how soon a script ends that is killed. A server
/// that is not optimised takes longer.
const LATE_MAX: Duration = Duration::from_millis(if cfg!(debug_assertions) { 150 } else { 50 });
/// Other programs run on the machine, too: one try in so many has to be in time.
const TRIES: usize = 10;

/// A text of ten million bytes.
const TEXT: &str = "local s = string.rep('aaaaaaaab ', 1e6) ";
/// As many items as take ten megabytes.
const ITEMS: &str = "local t = {} for i = 1, 655360 do t[i] = i * 7 % 65521 end ";
const BOTH: &str = "local s = string.rep('aaaaaaaab ', 1e6) local t = {} \
    for i = 1, 655360 do t[i] = i * 7 % 65521 end ";
const NONE: &str = "";

/// What each function is called with, and what is there before. What only looks at its arguments is
/// called with them, too.
const CALLS: &[(&str, &[(&str, &str)])] = &[
    (
        TEXT,
        &[
            ("__redis__err__handler", "__redis__err__handler(s)"),
            ("assert", "pcall(assert, false, s)"),
            ("bit.arshift", "pcall(bit.arshift, s, 1)"),
            ("bit.bnot", "pcall(bit.bnot, s)"),
            ("bit.bswap", "pcall(bit.bswap, s)"),
            ("bit.lshift", "pcall(bit.lshift, s, 1)"),
            ("bit.rol", "pcall(bit.rol, s, 1)"),
            ("bit.ror", "pcall(bit.ror, s, 1)"),
            ("bit.rshift", "pcall(bit.rshift, s, 1)"),
            ("bit.tobit", "pcall(bit.tobit, s)"),
            ("bit.tohex", "pcall(bit.tohex, s)"),
            ("cjson.encode", "cjson.encode(s)"),
            ("cjson.decode", "pcall(cjson.decode, '\"' .. s .. '\"') pcall(cjson.decode, s)"),
            ("cjson.decode_invalid_numbers", "pcall(cjson.decode_invalid_numbers, s)"),
            ("cjson.decode_max_depth", "pcall(cjson.decode_max_depth, s)"),
            ("cjson.encode_invalid_numbers", "pcall(cjson.encode_invalid_numbers, s)"),
            ("cjson.encode_keep_buffer", "pcall(cjson.encode_keep_buffer, s)"),
            ("cjson.encode_max_depth", "pcall(cjson.encode_max_depth, s)"),
            ("cjson.encode_number_precision", "pcall(cjson.encode_number_precision, s)"),
            ("cjson.encode_sparse_array", "pcall(cjson.encode_sparse_array, s)"),
            ("cmsgpack.pack", "cmsgpack.pack(s)"),
            ("cmsgpack.unpack", "pcall(cmsgpack.unpack, s)"),
            ("cmsgpack.unpack_one", "cmsgpack.unpack_one('\\219\\0\\152\\150\\128' .. s)"),
            ("cmsgpack.unpack_limit", "cmsgpack.unpack_limit(s, 7000)"),
            ("collectgarbage", "collectgarbage('collect')"),
            ("coroutine.create", "coroutine.create(string.lower)"),
            ("coroutine.resume", "coroutine.resume(coroutine.create(string.lower), s)"),
            ("coroutine.running", "coroutine.running()"),
            ("coroutine.status", "coroutine.status(coroutine.create(string.lower))"),
            ("coroutine.wrap", "coroutine.wrap(string.upper)(s)"),
            ("coroutine.yield", "coroutine.wrap(coroutine.yield)(s)"),
            ("error", "pcall(error, s)"),
            ("gcinfo", "gcinfo()"),
            ("load", "load(function() local x = s s = nil return x end) s = string.rep('x=', 5e6)"),
            ("loadstring", "loadstring('return {' .. string.rep('f(1),', 2e6) .. '}')"),
            ("os.clock", "os.clock()"),
            ("pcall", "pcall(string.lower, s)"),
            ("redis.acl_check_cmd", "pcall(redis.acl_check_cmd, s, s)"),
            ("redis.breakpoint", "redis.breakpoint()"),
            ("redis.call", "redis.call('ECHO', s)"),
            ("redis.debug", "redis.debug(s)"),
            ("redis.error_reply", "redis.error_reply(string.rep('\\r', 1e7))"),
            ("redis.log", "pcall(redis.log, 0, s)"),
            ("redis.pcall", "redis.pcall('ECHO', s)"),
            ("redis.replicate_commands", "redis.replicate_commands()"),
            ("redis.set_repl", "pcall(redis.set_repl, s)"),
            ("redis.setresp", "pcall(redis.setresp, s)"),
            ("redis.sha1hex", "redis.sha1hex(s)"),
            ("redis.status_reply", "redis.status_reply(s)"),
            ("select", "select(-1, s, s)"),
            ("string.byte", "string.byte(s, -7000, -1)"),
            ("string.dump", "pcall(string.dump, string.lower)"),
            ("string.find", "string.find(s, 'a-a-a-a-a-c') string.find(s, '%b()')"),
            ("string.format", "string.format('%s%q%5.3s' .. s, s, s, s)"),
            ("string.gfind", "for w in string.gfind(s, '.-.-c') do end"),
            ("string.gmatch", "for w in string.gmatch(s, '.-.-c') do end"),
            ("string.gsub", "string.gsub(s, '.', string.upper)"),
            ("string.len", "string.len(s)"),
            ("string.lower", "string.lower(s)"),
            ("string.match", "string.match(s, '(.-)(.-)%2%1c')"),
            ("string.rep", "string.rep('x', 1e7) string.rep(s, 3)"),
            ("string.reverse", "string.reverse(s)"),
            ("string.sub", "string.sub(s, 2)"),
            ("string.upper", "string.upper(s)"),
            ("struct.pack", "struct.pack('s', s)"),
            ("struct.size", "struct.size(string.rep('i', 1e7))"),
            ("struct.unpack", "pcall(struct.unpack, string.rep('c0', 5e6), s)"),
            ("tonumber", "tonumber(string.rep('1', 1e7))"),
            ("tostring", "tostring(s)"),
            ("type", "type(s)"),
            ("xpcall", "xpcall(function() return string.lower(s) end, type)"),
        ],
    ),
    (
        ITEMS,
        &[
            ("bit.band", "bit.band(unpack(t, 1, 7000))"),
            ("bit.bor", "bit.bor(unpack(t, 1, 7000))"),
            ("bit.bxor", "bit.bxor(unpack(t, 1, 7000))"),
            ("cjson.encode", "cjson.encode(t)"),
            ("cmsgpack.pack", "cmsgpack.pack(t)"),
            ("getmetatable", "getmetatable(t)"),
            ("ipairs", "for k in ipairs(t) do end"),
            ("math.max", "math.max(unpack(t, 1, 7000))"),
            ("math.min", "math.min(unpack(t, 1, 7000))"),
            ("next", "local k repeat k = next(t, k) until not k"),
            ("pairs", "for k in pairs(t) do end"),
            ("rawequal", "rawequal(t, t)"),
            ("rawget", "rawget(t, 1)"),
            ("rawset", "rawset(t, 1, 1)"),
            ("setmetatable", "setmetatable(t, nil)"),
            ("string.char", "string.char(string.byte(string.rep('x', 7000), 1, -1))"),
            ("table.concat", "table.concat(t)"),
            ("table.foreach", "table.foreach(t, rawequal)"),
            ("table.foreachi", "table.foreachi(t, rawequal)"),
            ("table.getn", "table.getn(t)"),
            ("table.insert", "table.insert(t, 1, 1) t[655361] = nil"),
            ("table.maxn", "table.maxn(t)"),
            ("table.remove", "table.insert(t, table.remove(t, 1))"),
            ("table.setn", "pcall(table.setn, t, 1)"),
            ("table.sort", "table.sort(t) t[1] = 65521 table.sort(t, rawequal)"),
            ("unpack", "unpack(t, 1, 7000)"),
        ],
    ),
    (
        BOTH,
        &[
            ("string.gsub", "string.gsub(s, 'a', t) string.gsub(s, '(a)(a)', '%2%1')"),
            ("string.find", "string.find(s, s:sub(5e6) .. 'x', 1, true)"),
            ("table.concat", "table.concat(t, ', ', 2, 655359)"),
            ("cjson.decode", "cjson.decode(cjson.encode(t))"),
            ("cmsgpack.unpack", "cmsgpack.unpack(cmsgpack.pack(t))"),
        ],
    ),
    (
        NONE,
        &[
            ("cjson.new", "cjson.new()"),
            ("cjson.decode", "cjson.decode('[' .. string.rep('1,', 5e6) .. '1]')"),
            ("cjson.decode", "cjson.decode(string.rep(' ', 1e7) .. '1')"),
            ("cjson.decode", "cjson.decode('\"' .. string.rep('\\\\n', 5e6) .. '\"')"),
            ("cjson.encode", "cjson.encode(string.rep('\\n', 1e7))"),
            ("cmsgpack.unpack", "pcall(cmsgpack.unpack, string.rep('\\1', 1e6))"),
            ("string.find", "string.find(string.rep('(', 1e7), '%b()')"),
            ("string.find", "string.find(string.rep('a', 1e7), '(.*)%1b')"),
            ("string.find", "string.find(string.rep('a', 1e7), ('a'):rep(5000) .. 'b', 1, true)"),
            ("string.format", "string.format(string.rep('%%', 5e6))"),
            ("string.gsub", "string.gsub(string.rep('a', 1e4), 'a', string.rep('b', 1e4))"),
            ("string.gsub", "string.gsub(string.rep('a', 1e7), '', 'b')"),
            ("tonumber", "tonumber(string.rep('z', 1e7), 36)"),
            ("tonumber", "tonumber(string.rep(' ', 1e7) .. '1')"),
            ("math.abs", "math.abs(1)"),
            ("math.acos", "math.acos(1)"),
            ("math.asin", "math.asin(1)"),
            ("math.atan", "math.atan(1)"),
            ("math.atan2", "math.atan2(1, 1)"),
            ("math.ceil", "math.ceil(1.5)"),
            ("math.cos", "math.cos(1)"),
            ("math.cosh", "math.cosh(1)"),
            ("math.deg", "math.deg(1)"),
            ("math.exp", "math.exp(1)"),
            ("math.floor", "math.floor(1.5)"),
            ("math.fmod", "math.fmod(1e308, 3)"),
            ("math.frexp", "math.frexp(1)"),
            ("math.ldexp", "math.ldexp(1, 2^31 - 1)"),
            ("math.log", "math.log(2)"),
            ("math.log10", "math.log10(2)"),
            ("math.mod", "math.mod(1e308, 3)"),
            ("math.modf", "math.modf(1.5)"),
            ("math.pow", "math.pow(2, 1023)"),
            ("math.rad", "math.rad(1)"),
            ("math.random", "math.random()"),
            ("math.randomseed", "math.randomseed(1)"),
            ("math.sin", "math.sin(1e308)"),
            ("math.sinh", "math.sinh(1)"),
            ("math.sqrt", "math.sqrt(2)"),
            ("math.tan", "math.tan(1e308)"),
            ("math.tanh", "math.tanh(1)"),
        ],
    ),
];

/// Returns the names of all functions that scripts find; `server` is `redis` by another name.
const NAMES: &str = "local names = {} \
    local function walk(table, prefix) \
        for name, value in pairs(table) do \
            if type(value) == 'function' then names[#names + 1] = prefix .. name end \
            if type(value) == 'table' and name ~= '_G' and name ~= 'server' then \
                walk(value, prefix .. name .. '.') \
            end \
        end \
    end \
    walk(_G, '') \
    return names";

fn send(client: &mut Client, args: &[&str]) {
    let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
    client.send(&resp::request(&args)).expect("the request is sent");
}

/// Runs a script that does not end, and ends it. Returns how long after its beginning another
/// client was told, and how soon it ended.
fn run(script: &str, caller: &mut Client, other: &mut Client) -> (Duration, Duration) {
    let begun = Instant::now();
    send(caller, &["EVAL", script, "0"]);
    // It may be read before the script.
    let told = loop {
        match other.call(&["PING"]).expect("the worker answers") {
            Value::Error(text) if text.starts_with(b"BUSY") => break begun.elapsed(),
            reply => assert_eq!(reply, Value::Simple(b"PONG".to_vec()), "{script}"),
        }
    };
    let killed = Instant::now();
    assert_eq!(other.call(&["SCRIPT", "KILL"]).expect("the worker answers"), ok());
    let ended = caller.reply().expect("the script ends");
    let is_end =
        matches!(&ended, Value::Error(text) if text.starts_with(b"ERR Script killed by user"));
    assert!(is_end, "{script}: {ended:?}");
    (told, killed.elapsed())
}

#[test]
fn every_function_can_be_ended() {
    let threshold = THRESHOLD.as_millis().to_string();
    let args = ["--save", "", "--threads", "1", "--busy-reply-threshold", &threshold];
    let server =
        Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &args).expect("redstart starts");
    let (mut caller, mut other) = (connect(&server), connect(&server));
    let Value::Items(_, names) = caller.call(&["EVAL", NAMES, "0"]).expect("answers") else {
        panic!("there are functions");
    };
    let mut uncalled: BTreeMap<String, ()> = BTreeMap::new();
    for name in names {
        let Value::Bulk(name) = name else { panic!("{name:?} is no name") };
        uncalled.insert(String::from_utf8_lossy(&name).into_owned(), ());
    }
    let mut late = Vec::new();
    for (prepare, calls) in CALLS {
        for (name, call) in *calls {
            uncalled.remove(*name);
            let script = format!("{prepare} while true do {call} end");
            let mut tries = (0..TRIES).map(|_| run(&script, &mut caller, &mut other));
            let is_soon = |(told, ended): &(Duration, Duration)| {
                *told <= THRESHOLD + LATE_MAX && *ended <= LATE_MAX
            };
            let mut all = Vec::new();
            let in_time = tries.any(|took| {
                all.push(took);
                is_soon(&took)
            });
            if !in_time {
                late.push(format!("{name}: {call}: {all:?}"));
            }
        }
    }
    assert!(late.is_empty(), "told and ended too late:\n{}", late.join("\n"));
    let uncalled: Vec<_> = uncalled.into_keys().collect();
    assert!(uncalled.is_empty(), "new functions, to be called here: {uncalled:?}");
}

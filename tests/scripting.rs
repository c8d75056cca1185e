//! Scripts that want to do harm, and scripts of real libraries: the former end in an error each,
//! and the server goes on; the latter do what they do on Redis.

#[allow(dead_code, reason = "shared with the other tests, which use other parts")]
mod support;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use support::client::Client;
use support::resp::{Kind, Value};
use support::server::Server;
use support::talk::field;

fn start(arguments: &[&str]) -> Server {
    let mut all = vec!["--save", ""];
    all.extend(arguments);
    Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &all).expect("redstart starts")
}

fn eval(client: &mut Client, script: &str) -> Value {
    client.call(&["EVAL", script, "0"]).expect("answers")
}

fn assert_served(client: &mut Client) {
    let pong = client.call(&["PING"]).expect("answers");
    assert_eq!(pong, Value::Simple(b"PONG".to_vec()));
}

fn assert_refused(client: &mut Client, script: &str) {
    let reply = eval(client, script);
    assert!(matches!(reply, Value::Error(_)), "{script}: {reply:?}");
    assert_served(client);
}

#[test]
fn harmful_scripts_end_in_an_error() {
    let server = start(&[]);
    let mut client = Client::connect(server.port()).expect("connects");
    for script in [
        "return unpack({},1,1e8)",
        "return string.rep('x', 2e9)",
        "local t={} for i=1,1e9 do t[i]=string.rep('x',1e6)..i end",
        "local function f() return f()+1 end return f()",
        "getmetatable('').__index = function() return 1 end",
        "getmetatable('').__add = function() return 1 end",
        "string.sub = nil",
        "x = 1",
        "_G.x = 1",
        "rawset(_G, 'x', 1)",
        "setmetatable(_G, nil)",
        "redis.call = nil",
        "cjson.encode = nil",
        "KEYS = 1",
        "local t = {} t[1] = t return cjson.encode(t)",
        "local t = {} t[1] = t return t",
        "local t = {} for i = 1, 5000 do t = {t} end return t",
        "return cjson.decode(string.rep('[', 100000))",
        "return cjson.decode(string.rep('{\"a\":', 100000))",
        "return cmsgpack.unpack(string.rep('\\145', 100000))",
        "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
        "return cmsgpack.unpack('\\223\\255\\255\\255\\255')",
        "return struct.pack('>I2147483648', 1)",
        "return struct.unpack('c2147483647', 'abc')",
        "return struct.unpack('!2147483648i', 'abcd')",
        "return struct.pack('i99999999999999999999', 1)",
        "return loadstring('\\27Lua')()",
        "return loadstring(string.char(6, 3, 0, 0))()",
        "return redis.call('eval', 'return 1', 0)",
        "return {err = 'ERR a\\r\\n+OK\\r\\n'}",
        "error('a\\r\\nb')",
        "return redis.error_reply('a\\r\\n$5\\r\\n')",
        "return coroutine.wrap(function() error('x') end)()",
        "return string.format('%99999d', 1)",
        "return ('a'):rep(300):find(('(a)'):rep(300))",
        "return select(-1e9, 1)",
        "return table.concat({}, 'x', 1, 2^31 - 1)",
        "cjson.encode_max_depth(1e9) local t = {} for i = 1, 1e5 do t = {t} end \
         return cjson.encode(t)",
        "local t = {} for i = 1, 1e5 do t = {t} end return cjson.encode(t)",
        "cjson.decode_max_depth(1e9) return cjson.decode(string.rep('[', 1e6))",
        "cjson.decode_max_depth(1e9) return cjson.decode(string.rep('{\"a\":', 1e6))",
        "local t = {} t[2^31] = 1 return cjson.encode(t)",
        "local t = {} for i = 1, 1e6 do t[i] = i end return cmsgpack.pack(unpack(t))",
        "return cmsgpack.unpack(string.rep('\\1', 1000000))",
        "return {string.byte(string.rep('a', 1e6), 1, -1)}",
        "return redis.call('set', 'k', unpack({}, 1, 7999))",
        "return string.format(string.rep('%d', 1e5), 1)",
        "return ('x'):rep(1e9, ('y'):rep(1e9))",
        "return loadstring('return [' .. string.rep('=', 1e6) .. '[x')()",
        "return loadstring('return ' .. string.rep('(', 1e5) .. '1' .. string.rep(')', 1e5))()",
        "return loadstring('return ' .. string.rep('{', 1e5) .. string.rep('}', 1e5))()",
        "return struct.pack(string.rep('i', 1e6))",
        "getmetatable(1).__add = 1",
        "debug.setmetatable('', {})",
        "setfenv(1, {})",
        "newproxy(true)",
        "local co co = coroutine.wrap(function() co() end) co()",
        "local function f() return coroutine.wrap(f)() end return f()",
        "local function f() return (string.gsub('a', 'a', f)) end return f()",
        "local function f() table.sort({1, 2}, f) end f()",
        "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
    ] {
        assert_refused(&mut client, script);
    }
}

#[test]
fn odd_scripts_do_no_harm() {
    let server = start(&[]);
    let mut client = Client::connect(server.port()).expect("connects");
    for script in [
        "return bit.tohex(65535, -2147483648)",
        "return bit.lshift(1, 2^31)",
        "return bit.tobit(1e300)",
        "return bit.lshift(1, -1)",
        "return bit.tohex(1, 2^31)",
        "return bit.band(0/0)",
        "return bit.rol(1, -2^31)",
        "local t = {} for i = 1, 1e5 do t = {t} end return #cmsgpack.pack(t)",
        "return select('#', xpcall(error, error))",
        "local n = 0 local function f() n = n + 1 return pcall(f) end f() return n",
        "local n = 0 local function f() n = n + 1 return xpcall(f, error) end f() return n",
        "local function f() return pcall(unpack, {}, 1, 7000) end return select('#', f())",
        "local t = {} t.x = t return #cmsgpack.pack(t)",
        "return table.getn({n = 1e9})",
        "return tostring(setmetatable({}, {__tostring = function() return 'x' end}))",
        "local s = 0 for i = 1, 1e6 do s = s + i end return s",
        "return {1, 2, {3, nil, 4}}",
        "return collectgarbage('count') > 0",
        "return pcall(redis.call, 'nosuch')",
    ] {
        let reply = eval(&mut client, script);
        assert!(!matches!(reply, Value::Error(_)), "{script}: {reply:?}");
        assert_served(&mut client);
    }
}

#[test]
fn line_ends_in_errors_do_not_split_the_reply() {
    let server = start(&[]);
    let mut client = Client::connect(server.port()).expect("connects");
    let reply = eval(&mut client, "return {err = 'ERR a\\r\\n+OK\\r\\nb'}");
    assert_eq!(reply, Value::Error(b"ERR a  +OK  b".to_vec()));
    let reply = eval(&mut client, "return {ok = 'a\\r\\nb'}");
    assert_eq!(reply, Value::Simple(b"a  b".to_vec()));
    assert_served(&mut client);
}

#[test]
fn many_different_scripts_cost_bounded_memory() {
    let server = start(&["--threads", "1"]);
    let mut client = Client::connect(server.port()).expect("connects");
    let padding = "-".repeat(2000);
    for n in 0..5000 {
        let reply = eval(&mut client, &format!("return {n} --{padding}"));
        assert_eq!(reply, Value::Int(n));
    }
    let reply = client.call(&["INFO", "memory"]).expect("answers");
    let Value::Bulk(text) = reply else { panic!("INFO is a bulk string") };
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("used_memory_rss:"));
    let resident: usize = line.and_then(|n| n.parse().ok()).expect("INFO has the memory");
    assert!(resident < 200 << 20, "5,000 scripts cost {resident} bytes");
}

#[test]
fn a_script_that_does_not_end_is_killed_from_another_worker() {
    let server = start(&["--threads", "2", "--busy-reply-threshold", "50"]);
    let port = server.port();
    let mut other = Client::connect(port).expect("connects");
    let runaway = thread::spawn(move || {
        let mut client = Client::connect(port).expect("connects");
        let script = "while true do pcall(function() while true do end end) end";
        eval(&mut client, script);
        eval(&mut client, "return 1")
    });
    // The acceptor gives the second connection to the worker with the least load: the other one.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let reply = other.call(&["SCRIPT", "KILL"]).expect("answers");
        if reply == Value::Simple(b"OK".to_vec()) || runaway.is_finished() {
            break;
        }
        assert!(Instant::now() < deadline, "{reply:?}");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(runaway.join().expect("the client ends"), Value::Int(1));
    assert_served(&mut other);
}

#[test]
fn undeclared_keys_work() {
    let server = start(&["--threads", "2"]);
    let mut client = Client::connect(server.port()).expect("connects");
    // Another path through the script, taken after it was learnt to stay within its keys.
    let script = "if ARGV[1] == 'far' then return redis.call('incr', 'elsewhere') end \
                  return redis.call('incr', KEYS[1])";
    for n in 1..=3 {
        let reply = client.call(&["EVAL", script, "1", "near", "x"]).expect("answers");
        assert_eq!(reply, Value::Int(n));
    }
    for n in 1..=3 {
        let reply = client.call(&["EVAL", script, "1", "near", "far"]).expect("answers");
        assert_eq!(reply, Value::Int(n));
    }
    let script = "redis.call('set', KEYS[1], 'v') \
                  if ARGV[1] == 'far' then for i = 1, 50 do redis.call('set', 'k'..i, i) end end";
    client.call(&["EVAL", script, "1", "near", "x"]).expect("answers");
    // It has written already when it reaches for the first of them.
    let reply = client.call(&["EVAL", script, "1", "near", "far"]).expect("answers");
    assert_eq!(reply, Value::Nil);
    assert_eq!(client.call(&["EXISTS", "k50"]).expect("answers"), Value::Int(1));
}

#[test]
fn a_known_script_runs_on_every_worker() {
    let server = start(&["--threads", "2"]);
    let mut first = Client::connect(server.port()).expect("connects");
    let Value::Bulk(digest) = first.call(&["SCRIPT", "LOAD", "return 42"]).expect("answers") else {
        panic!("the digest is a bulk string")
    };
    for _ in 0..4 {
        let mut client = Client::connect(server.port()).expect("connects");
        let reply = client.call(&[&b"EVALSHA"[..], &digest, b"0"]).expect("answers");
        assert_eq!(reply, Value::Int(42));
    }
    first.call(&["SCRIPT", "FLUSH"]).expect("answers");
    let reply = first.call(&[&b"EVALSHA"[..], &digest, b"0"]).expect("answers");
    assert!(matches!(reply, Value::Error(text) if text.starts_with(b"NOSCRIPT")));
}

#[test]
fn a_script_that_is_used_stays_known_on_every_worker() {
    let server = start(&["--threads", "2"]);
    let [mut user, mut other] = [(); 2].map(|()| Client::connect(server.port()).expect("connects"));
    assert_eq!(eval(&mut user, "return 43"), Value::Int(43));
    let digest = "04e9d38570d6a3d8215891e76dd6be951012eaf9";
    for n in 0..2000 {
        assert_eq!(eval(&mut other, &format!("return {n} -- another")), Value::Int(n));
        if n % 50 == 0 {
            let reply = user.call(&["EVALSHA", digest, "0"]).expect("answers");
            assert_eq!(reply, Value::Int(43));
        }
    }
    for _ in 0..6 {
        let mut client = Client::connect(server.port()).expect("connects");
        let reply = client.call(&["EVALSHA", digest, "0"]).expect("answers");
        assert_eq!(reply, Value::Int(43));
    }
    assert_eq!(field(&mut user, "number_of_cached_scripts"), "500");
}

const RELEASE: &str =
    "if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('del', KEYS[1])";

/// Adds to what is left of the lock's time; the sum is a number that a script computes.
const EXTEND: &str = "
    local left = redis.call('pttl', KEYS[1])
    if redis.call('get', KEYS[1]) ~= ARGV[1] or left < 0 then
        return 0
    end
    return redis.call('pexpire', KEYS[1], ARGV[2] + left)
";

#[test]
fn lock_scripts_work() {
    let server = start(&[]);
    let mut client = Client::connect(server.port()).expect("connects");
    client.call(&["SET", "lock", "token", "NX", "PX", "30000"]).expect("answers");
    let reply = client.call(&["EVAL", EXTEND, "1", "lock", "token", "1000"]);
    assert_eq!(reply.expect("answers"), Value::Int(1));
    let reply = client.call(&["PTTL", "lock"]).expect("answers");
    assert!(matches!(reply, Value::Int(30_000..=31_000)), "{reply:?}");
    let reply = client.call(&["EVAL", RELEASE, "1", "lock", "other"]).expect("answers");
    assert_eq!(reply, Value::Int(0));
    let reply = client.call(&["EVAL", RELEASE, "1", "lock", "token"]).expect("answers");
    assert_eq!(reply, Value::Int(1));
    assert_eq!(client.call(&["EXISTS", "lock"]).expect("answers"), Value::Int(0));
}

#[test]
fn a_queue_with_packed_options_works() {
    let server = start(&[]);
    let mut client = Client::connect(server.port()).expect("connects");
    // As job queues do it: options packed by the client, keys made from a prefix.
    let script = "
        local prefix, args = KEYS[1], cmsgpack.unpack(ARGV[1])
        local id = redis.call('INCR', prefix .. 'id')
        local key = prefix .. id
        redis.call('HMSET', key, 'name', args[1], 'opts', cjson.encode(args[2]))
        redis.call('LPUSH', prefix .. 'wait', id)
        return {id, redis.call('HGET', key, 'opts'), redis.call('LRANGE', prefix .. 'wait', 0, -1)}
    ";
    let packed = b"\x92\xa4mail\x81\xa8attempts\x03";
    for id in 1..=2 {
        let args = [&b"EVAL"[..], script.as_bytes(), b"1", b"bull:q:", packed];
        let Value::Items(Kind::Array, items) = client.call(&args).expect("answers") else {
            panic!("the reply is an array")
        };
        assert_eq!(items[0], Value::Int(id));
        assert_eq!(items[1], Value::Bulk(b"{\"attempts\":3}".to_vec()));
    }
}

/// A script's measure of one way to go through texts: it returns the CPU time that a long text
/// takes over that of as many bytes in short texts, in percent.
fn long_over_short(client: &mut Client, piece: &str, walk: &str) -> i64 {
    let script = format!(
        "local function time(text, times) \
            local start = os.clock() \
            for n = 1, times do {walk} end \
            return os.clock() - start \
        end \
        local short, long = string.rep('{piece}', 1000), string.rep('{piece}', 100000) \
        time(short, 10) \
        return time(long, 1) / time(short, 100) * 100"
    );
    match eval(client, &script) {
        Value::Int(percent) => percent,
        other => panic!("{walk}: {other:?}"),
    }
}

#[test]
fn long_texts_are_matched_as_fast_as_short_ones() {
    let server = start(&[]);
    let mut client = Client::connect(server.port()).expect("connects");
    for (piece, walk) in [
        ("ab, ", "string.gsub(text, ',%s*', ';')"),
        ("ab  cd ", "string.gsub(text, '%s+', ' ')"),
        ("abc,defgh,", "for word in string.gmatch(text, '[^,]+') do end"),
        ("ab=cd;", "for key, value in string.gmatch(text, '(%w+)=(%w+)') do end"),
        ("ab=cd;", "string.gsub(text, '%w+', { ab = 'x' })"),
        ("ab=cd;", "string.find(text, 'x', 1, true)"),
    ] {
        let best = (0..5).map(|_| long_over_short(&mut client, piece, walk)).min();
        assert!(best.is_some_and(|percent| percent < 200), "{walk}: {best:?} %");
    }
}

#[test]
fn what_luau_has_and_lua_has_not_is_out_of_reach() {
    let server = start(&[]);
    let mut client = Client::connect(server.port()).expect("connects");
    for script in [
        "return bit32",
        "return bit32.band(7, 3)",
        "return bit32.extract(255, 0, 4)",
        "return math.clamp(5, 1, 3)",
        "return math.sign(-5)",
        "return math.round(1.5)",
        "return type(vector.create(1, 2, 3))",
        "return tostring(vector.create(1, 2, 3) + vector.create(1, 2, 3))",
        "return tostring(vector.zero)",
        "return typeof(1)",
        "return rawlen({ 1, 2 })",
        "return buffer.len(buffer.create(1))",
        "return utf8.char(65)",
        "return table.clone({})",
        "return table.pack(1).n",
        "return newproxy()",
        "local b = bit32 return 1",
        "return string.format('%*', 1)",
        "return ('a b'):split(' ')",
    ] {
        assert_refused(&mut client, script);
    }
}

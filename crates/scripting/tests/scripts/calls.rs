//! `redis.call` and `redis.pcall`: replies, errors with their places, keys, and what a script must
//! not do.

use crate::support::Worker;
use redstart_engine::keyspace::LockedShards;
use redstart_protocol::Protocol;
use redstart_scripting::{Access, Existing, digest, hex};

/// The error of a script, with the digest in it as the name.
fn error(script: &str, text: &str, line: u32) -> String {
    let name = hex(&digest(script.as_bytes()));
    format!("-{text} script: {name}, on @user_script:{line}.\r\n")
}

/// A key whose shard is not that of `key`.
fn elsewhere(worker: &Worker, key: &str) -> String {
    let hasher = worker.parts.engine.keyspace.hasher();
    let shard = |key: &str| LockedShards::index_of(hasher.hash(key.as_bytes()));
    let mut others = (0..).map(|n| format!("other{n}"));
    others.find(|other| shard(other) != shard(key)).expect("there are many")
}

#[test]
fn a_script_reads_what_it_has_written() {
    let mut worker = Worker::new();
    let script = "redis.call('set', KEYS[1], ARGV[1]) return redis.call('get', KEYS[1])";
    assert_eq!(worker.eval_with(script, &["k"], &["v"]), "$1\r\nv\r\n");
    let long = "x".repeat(40_000);
    assert_eq!(worker.eval_with(script, &["k"], &[&long]), format!("$40000\r\n{long}\r\n"));
    assert_eq!(worker.eval("return redis.call('incr', 'n')"), ":1\r\n");
    assert_eq!(worker.eval("return redis.call('incrby', 'n', 41)"), ":42\r\n");
    assert_eq!(worker.eval("return redis.call('append', 'n', 0.5)"), ":5\r\n");
    assert_eq!(worker.eval("return redis.call('get', 'nothing')"), "$-1\r\n");
    assert_eq!(worker.eval("return redis.call('set', 'k', 'v')"), "+OK\r\n");
    let list = "redis.call('rpush', 'l', 'a', 'b') return redis.call('lrange', 'l', 0, -1)";
    assert_eq!(worker.eval(list), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
}

#[test]
fn results_are_replied_by_the_rules_of_scripts() {
    let mut worker = Worker::new();
    for (script, reply) in [
        ("return 3.99", ":3\r\n"),
        ("return {1, 'a', nil, 2}", "*2\r\n:1\r\n$1\r\na\r\n"),
        ("return true", ":1\r\n"),
        ("return false", "$-1\r\n"),
        ("return {ok = 'fine'}", "+fine\r\n"),
        ("return redis.error_reply('MINE no')", "-MINE no\r\n"),
        ("return redis.status_reply('yes')", "+yes\r\n"),
        ("return redis.sha1hex('')", "$40\r\nda39a3ee5e6b4b0d3255bfef95601890afd80709\r\n"),
        ("return redis.REDIS_VERSION", "$5\r\n7.2.4\r\n"),
        ("return redis.REDIS_VERSION_NUM", ":459268\r\n"),
    ] {
        assert_eq!(worker.eval(script), reply, "{script}");
    }
    worker.protocol = Protocol::Resp3;
    assert_eq!(worker.eval("return false"), "_\r\n");
    assert_eq!(worker.eval("redis.setresp(3) return true"), "#t\r\n");
}

#[test]
fn an_error_says_where_it_happened() {
    let mut worker = Worker::new();
    worker.eval("return redis.call('rpush', 'l', 1)");
    let wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
    for (script, text, line) in [
        ("\n\nreturn redis.call('get', 'l')", wrong_type, 3),
        ("return redis.call('nosuch')", "ERR Unknown Redis command called from script", 1),
        (
            "return redis.call('get')",
            "ERR Wrong number of args calling Redis command from script",
            1,
        ),
        (
            "return redis.call('get', {})",
            "ERR Lua redis lib command arguments must be strings or integers",
            1,
        ),
        (
            "return redis.call()",
            "ERR Please specify at least one argument for this redis lib call",
            1,
        ),
        ("local a\nreturn a.b", "ERR user_script:2: attempt to index nil with 'b'", 2),
        (
            "return nosuch",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'nosuch'",
            1,
        ),
        ("return redis.call('choose', -1)", "ERR no such database", 1),
    ] {
        assert_eq!(worker.eval(script), error(script, text, line), "{script}");
    }
    let reply = worker.eval("return =");
    assert!(reply.starts_with("-ERR Error compiling script (new function): "), "{reply}");
}

#[test]
fn pcall_hands_the_error_to_the_script() {
    let mut worker = Worker::new();
    worker.eval("return redis.call('rpush', 'l', 1)");
    let script = "local r = redis.pcall('get', 'l') return {r.err, redis.call('llen', 'l')}";
    let text = "WRONGTYPE Operation against a key holding the wrong kind of value";
    assert_eq!(worker.eval(script), format!("*2\r\n${}\r\n{text}\r\n:1\r\n", text.len()));
    let script = "local ok, text = pcall(redis.call, 'nosuch') return {tostring(ok), text}";
    let text = "ERR Unknown Redis command called from script";
    assert_eq!(worker.eval(script), format!("*2\r\n$5\r\nfalse\r\n${}\r\n{text}\r\n", text.len()));
    assert_eq!(
        worker.eval("return redis.pcall('get', 'l')"),
        format!("-{}\r\n", { "WRONGTYPE Operation against a key holding the wrong kind of value" })
    );
}

#[test]
fn a_script_that_reaches_beyond_its_keys_runs_all_the_same() {
    let mut worker = Worker::new();
    let other = elsewhere(&worker, "k");
    let script = "local n = redis.call('incr', KEYS[1]) \
                  if ARGV[1] ~= '' then n = n + redis.call('incr', ARGV[1]) end return n";
    // It is first seen to stay within its keys, and so holds only these from then on.
    assert_eq!(worker.eval_with(script, &["k"], &[""]), ":1\r\n");
    assert_eq!(worker.eval_with(script, &["k"], &[&other]), ":3\r\n");
    assert_eq!(worker.eval_with(script, &["k"], &[&other]), ":5\r\n");
    let reads = "if ARGV[1] ~= '' then redis.call('get', ARGV[1]) end \
                 return redis.call('incr', KEYS[1])";
    assert_eq!(worker.eval_with(reads, &["k"], &[""]), ":4\r\n");
    // It starts again with all shards, before it has written.
    assert_eq!(worker.eval_with(reads, &["k"], &[&other]), ":5\r\n");
    let all = "if ARGV[1] ~= '' then return redis.call('dbsize') end return 0";
    assert_eq!(worker.eval_with(all, &["k"], &[""]), ":0\r\n");
    assert_eq!(worker.eval_with(all, &["k"], &["x"]), ":2\r\n");
}

#[test]
fn under_the_locks_of_a_transaction_nothing_is_locked_again() {
    let mut worker = Worker::new();
    worker.holds = true;
    let script = "redis.call('set', 'a', 1) return redis.call('dbsize')";
    assert_eq!(worker.eval(script), ":1\r\n");
    assert_eq!(worker.eval_with("return redis.call('get', KEYS[1])", &["a"], &[]), "$1\r\n1\r\n");
    worker.holds = false;
    assert_eq!(worker.eval("return redis.call('get', 'a')"), "$1\r\n1\r\n");
}

#[test]
fn a_script_that_must_not_write_does_not() {
    let mut worker = Worker::new();
    worker.access = Access::ReadOnly;
    let script = "return redis.call('set', 'k', 1)";
    let text = "ERR Write commands are not allowed from read-only scripts.";
    assert_eq!(worker.eval(script), error(script, text, 1));
    let said = "#!lua\nreturn 1";
    let refused = "-ERR Can not execute a script with write flag using *_ro command.\r\n";
    assert_eq!(worker.eval(said), refused);
    worker.access = Access::ReadWrite;
    let script = "#!lua flags=no-writes\nreturn redis.call('set', 'k', 1)";
    assert_eq!(worker.eval(script), error(script, text, 2));
    assert_eq!(worker.eval("return redis.call('get', 'k')"), "$-1\r\n");
}

#[test]
fn a_failing_disk_refuses_the_first_write_only() {
    let mut worker = Worker::new();
    worker.host.refuses.set(true);
    let script = "redis.call('get', 'k') return redis.call('set', 'k', 1)";
    assert_eq!(worker.eval(script), error(script, "MISCONF the disk fails", 1));
    assert_eq!(worker.eval("#!lua\nreturn 1"), "-MISCONF the disk fails\r\n");
    assert_eq!(worker.eval("return redis.call('get', 'k')"), "$-1\r\n");
    worker.host.refuses.set(false);
    // A command of the host writes, as far as is known: what follows goes on to its end.
    let script = "redis.call('pause', 1) return redis.call('set', 'k', 1)";
    worker.host.refuses.set(true);
    assert_eq!(worker.eval(script), "+OK\r\n");
}

#[test]
fn without_memory_a_script_runs_until_it_asks_for_some() {
    let mut worker = Worker::new();
    worker.lacks_room = true;
    let script = "redis.call('get', 'k') return redis.call('set', 'k', 1)";
    let text = "OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(worker.eval(script), error(script, text, 1));
    let script = "redis.call('del', 'k') return redis.call('set', 'k', 1)";
    assert_eq!(worker.eval(script), "+OK\r\n");
    assert_eq!(worker.eval("#!lua\nreturn 1"), format!("-{text}\r\n"));
    assert_eq!(worker.eval("#!lua flags=allow-oom\nreturn 1"), ":1\r\n");
}

#[test]
fn the_host_runs_its_own_commands_within_the_script() {
    let mut worker = Worker::new();
    let script = "redis.call('choose', 3) redis.call('set', 'k', 'three') \
                  return redis.call('pause', 0)";
    assert_eq!(worker.eval(script), ":3\r\n");
    // The next script begins in its client's database.
    assert_eq!(worker.eval("return redis.call('get', 'k')"), "$-1\r\n");
    assert_eq!(
        worker.eval("redis.call('choose', 3) return redis.call('get', 'k')"),
        "$5\r\nthree\r\n"
    );
}

#[test]
fn the_host_sees_what_it_wants_to_see() {
    let mut worker = Worker::new();
    worker.eval("return redis.call('get', 'k')");
    assert_eq!(worker.lines(), [""; 0]);
    worker.host.monitored.set(true);
    worker.eval("redis.call('choose', 2) redis.call('get', 'k') redis.pcall('nosuch')");
    assert_eq!(worker.lines(), ["shown 2 choose 2", "shown 2 get k"]);
    worker.host.monitored.set(false);
    worker.tracks_reads = true;
    worker.eval_with("redis.call('set', 'x', 1) redis.call('get', 'x')", &["a", "b"], &[]);
    assert_eq!(worker.lines(), ["read x"]);
    worker.tracks_reads = false;
    worker.eval_with("redis.call('get', 'x')", &["a", "b"], &[]);
    worker.eval("redis.log(redis.LOG_WARNING, 'a', 1) redis.log(redis.LOG_DEBUG, 'b')");
    assert_eq!(worker.lines(), ["Warning a 1", "Debug b"]);
}

#[test]
fn a_script_is_found_by_its_digest_on_every_worker() {
    let mut worker = Worker::new();
    let missing = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
    let name = hex(&digest(b"return 7"));
    assert_eq!(worker.evalsha(&name), missing);
    assert_eq!(worker.evalsha("7"), missing);
    assert_eq!(worker.runtime.load_script(b"return 7").unwrap(), name);
    let mut other = Worker::beside(worker.parts);
    for worker in [&mut worker, &mut other] {
        assert_eq!(worker.evalsha(&name), ":7\r\n");
        assert_eq!(worker.evalsha(&name.to_uppercase()), ":7\r\n");
    }
    worker.parts.scripts.flush();
    assert_eq!(other.evalsha(&name), missing);
}

#[test]
fn of_scripts_that_came_along_the_one_goes_that_was_used_longest_ago() {
    let mut worker = Worker::new();
    let mut other = Worker::beside(worker.parts);
    let [used, idle, loaded] = ["return 1 -- used", "return 1 -- idle", "return 1 -- loaded"];
    let name = |script: &str| hex(&digest(script.as_bytes()));
    worker.eval(used);
    worker.eval(idle);
    assert_eq!(other.evalsha(&name(idle)), ":1\r\n");
    worker.eval(loaded);
    other.runtime.load_script(loaded.as_bytes()).unwrap();
    for n in 0..1000 {
        worker.eval(&format!("return {n} -- one of many"));
        assert_eq!(other.evalsha(&name(used)), ":1\r\n", "after {n}");
    }
    for worker in [&mut worker, &mut other] {
        assert_eq!(worker.evalsha(&name(loaded)), ":1\r\n");
        assert!(worker.evalsha(&name(idle)).starts_with("-NOSCRIPT"));
        assert_eq!(worker.evalsha(&name("return 501 -- one of many")), ":501\r\n");
        assert!(worker.evalsha(&name("return 500 -- one of many")).starts_with("-NOSCRIPT"));
    }
    assert_eq!(worker.parts.scripts.evicted.load(std::sync::atomic::Ordering::Relaxed), 502);
    assert_eq!(other.eval(idle), ":1\r\n");
    assert_eq!(worker.evalsha(&name(idle)), ":1\r\n");
}

#[test]
fn valkeys_name_of_the_library_is_known() {
    let mut worker = Worker::new();
    assert_eq!(worker.eval("return server.call('set', 'k', 1)"), "+OK\r\n");
    assert_eq!(worker.eval("return server == redis"), ":1\r\n");
    let code = "#!lua name=l\nserver.register_function('f', function() \
                return server.call('get', 'k') end)";
    worker.load(code, Existing::Keep).unwrap();
    assert_eq!(worker.call("f", &["k"], &[]), "$1\r\n1\r\n");
}

#[test]
fn a_command_that_is_refused_is_counted_so() {
    let mut worker = Worker::new();
    worker.eval("redis.pcall('get') redis.pcall('get', 'k') redis.pcall('incr', 'a', 'b')");
    let rejected = |worker: &Worker, name: &[u8]| {
        let id = worker.parts.registry.get(name).unwrap().id as usize;
        (worker.local.stats.calls[id].value(), worker.local.stats.times[id].rejected.value())
    };
    assert_eq!(rejected(&worker, b"get"), (1, 1));
    assert_eq!(rejected(&worker, b"incr"), (0, 1));
    worker.access = Access::ReadOnly;
    worker.eval("redis.pcall('set', 'k', 1)");
    assert_eq!(rejected(&worker, b"set"), (0, 1));
}

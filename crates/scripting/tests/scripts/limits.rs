//! What a script cannot do: run for ever, take any amount of memory, leave its sandbox.

use crate::support::Worker;
use redstart_scripting::store::Kind;
use redstart_scripting::{Existing, Parts};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A worker whose scripts are too long after ten milliseconds; each reading of its clock takes
/// one. Whenever it may serve others meanwhile, `meanwhile` is called.
fn hurried(meanwhile: impl Fn(Parts) + Send + Sync + 'static) -> (Worker, Arc<AtomicU32>) {
    let worker = Worker::new();
    let (parts, count) = (worker.parts, Arc::new(AtomicU32::new(0)));
    parts.scripts.configure(10, "7.2.4");
    worker.host.step_ns.set(1_000_000);
    let counted = count.clone();
    parts.engine.keyspace.busy.watch(move || {
        counted.fetch_add(1, Relaxed);
        meanwhile(parts);
    });
    (worker, count)
}

#[test]
fn a_script_that_does_not_end_serves_others_until_it_is_killed() {
    let (mut worker, served) = hurried(|parts| {
        assert!(parts.engine.keyspace.busy.is_set());
        let _ = parts.scripts.kill(Kind::Script, 1_100, 0);
    });
    for script in ["while true do end", "local function f() return f() end return f()"] {
        served.store(0, Relaxed);
        let reply = worker.eval(script);
        assert!(reply.starts_with("-ERR Script killed by user with SCRIPT KILL."), "{reply}");
        assert_eq!(served.load(Relaxed), 1);
        assert_eq!(worker.lines(), ["Warning A script takes long; others are told so."]);
        assert!(!worker.parts.engine.keyspace.busy.is_set());
    }
    assert_eq!(worker.eval("return 1"), ":1\r\n");
}

#[test]
fn a_script_cannot_catch_its_end() {
    let (mut worker, _) = hurried(|parts| {
        let _ = parts.scripts.kill(Kind::Script, 1_100, 0);
    });
    let reply = worker.eval("while true do pcall(function() while true do end end) end");
    assert!(reply.starts_with("-ERR Script killed by user"), "{reply}");
}

#[test]
fn a_script_that_has_written_is_not_killed() {
    let (mut worker, served) = hurried(|parts| {
        let killed = parts.scripts.kill(Kind::Script, 1_100, 0);
        assert!(killed.unwrap_err().as_bytes().starts_with(b"UNKILLABLE"));
        let killed = parts.scripts.kill(Kind::Function, 1_100, 0);
        assert!(killed.unwrap_err().as_bytes().starts_with(b"UNKILLABLE"));
    });
    let script = "redis.call('set', 'k', 1) for i = 1, 5000 do end return 1";
    assert_eq!(worker.eval(script), ":1\r\n");
    assert!(served.load(Relaxed) > 10);
}

#[test]
fn a_short_script_serves_nobody() {
    let (mut worker, served) = hurried(|_| ());
    assert_eq!(worker.eval("for i = 1, 300 do end return 1"), ":1\r\n");
    assert_eq!(served.load(Relaxed), 0);
    // Without a threshold, no script is too long.
    worker.parts.scripts.configure(0, "7.2.4");
    assert_eq!(worker.eval("for i = 1, 5000 do end return 1"), ":1\r\n");
    assert_eq!(served.load(Relaxed), 0);
}

#[test]
fn a_function_that_runs_is_named_with_its_request() {
    let (mut worker, served) = hurried(|parts| {
        let (called, _) = parts.scripts.running_function(1_100).unwrap();
        assert_eq!((&called.name[..], called.request.len()), (&b"f"[..], 4));
        parts.scripts.kill(Kind::Script, 1_100, 0).unwrap_err();
        parts.scripts.kill(Kind::Function, 1_100, 0).unwrap();
    });
    let code = "#!lua name=l\nredis.register_function('f', function() while true do end end)";
    worker.load(code, Existing::Keep).unwrap();
    let reply = worker.call("f", &["k"], &[]);
    assert!(reply.starts_with("-ERR Script killed by user"), "{reply}");
    assert_eq!(served.load(Relaxed), 1);
    assert!(worker.parts.scripts.running_function(1_100).is_none());
}

#[test]
fn a_library_that_does_not_end_is_given_up() {
    let mut worker = Worker::new();
    worker.host.step_ns.set(1_000_000);
    let code = "#!lua name=l\nwhile true do end";
    let error = worker.load(code, Existing::Keep).unwrap_err();
    assert!(error.ends_with("FUNCTION LOAD timeout"), "{error}");
    let ms = worker.host.now_ns.get() / 1_000_000 - 1_000;
    assert!((500..520).contains(&ms), "given up after {ms} ms");
    assert_eq!(worker.eval("return 1"), ":1\r\n");
}

#[test]
fn memory_is_bounded() {
    let mut worker = Worker::new();
    let script = "local t = {} \
                  for i = 1, tonumber(ARGV[1]) do t[i] = string.rep('x', 1e6) .. i end \
                  return #t";
    let whole = "local s = string.rep('x', 1e8) for i = 1, 9 do s = s .. s end return #s";
    for _ in 0..2 {
        assert_eq!(worker.eval_with(script, &[], &["200"]), ":200\r\n");
        for reply in [worker.eval_with(script, &[], &["600"]), worker.eval(whole)] {
            assert!(reply.starts_with("-ERR not enough memory"), "{reply}");
        }
    }
}

#[test]
fn recursion_is_bounded() {
    let mut worker = Worker::new();
    for script in [
        "local function f() return f() + 1 end return f()",
        "local t = {} t[1] = t return t",
        "local t = {} t[1] = t return cjson.encode(t)",
    ] {
        let reply = worker.eval(script);
        assert!(reply.starts_with('-'), "{script}: {reply}");
    }
}

#[test]
fn the_sandbox_holds() {
    let mut worker = Worker::new();
    for script in [
        "x = 1",
        "_G.x = 1",
        "rawset(_G, 'x', 1)",
        "setmetatable(_G, nil)",
        "redis.call = nil",
        "string.sub = nil",
        "getmetatable('').__index = function() return 1 end",
        "KEYS = 1",
        "ARGV = {}",
        "return getfenv()",
        "return os.time()",
        "return io.open('x')",
        "return require('x')",
        "return debug.info(1, 'f')",
        "return loadstring(string.char(6, 3, 0, 0))()",
    ] {
        let reply = worker.eval(script);
        assert!(reply.starts_with("-ERR"), "{script}: {reply}");
    }
    // What a script changes of its own tables, the next one does not see.
    assert_eq!(worker.eval("local k = KEYS k[1] = 'x' return #k"), ":1\r\n");
    assert_eq!(worker.eval("return #KEYS"), ":0\r\n");
}

//! Libraries of functions: loading them, calling them, and what each worker sees of them.

use crate::support::Worker;
use redstart_scripting::{Access, Existing, Loader};

const LIBRARY: &str = "#!lua name=one\n\
    redis.register_function('put', function(keys, args) \
        return redis.call('set', keys[1], args[1]) end)\n\
    redis.register_function{function_name = 'look', flags = {'no-writes'}, \
        description = 'Looks.', callback = function(keys) \
        return redis.call('get', keys[1]) end}";

fn library(name: &str, body: &str) -> String {
    format!("#!lua name={name}\n{body}")
}

#[test]
fn functions_of_a_library_are_called_by_name_in_any_case() {
    let mut worker = Worker::new();
    assert_eq!(worker.call("put", &["k"], &["v"]), "-ERR Function not found\r\n");
    assert_eq!(worker.load(LIBRARY, Existing::Keep), Ok("one".into()));
    assert_eq!(worker.call("put", &["k"], &["v"]), "+OK\r\n");
    assert_eq!(worker.call("LOOK", &["k"], &[]), "$1\r\nv\r\n");
    let about = worker.parts.scripts.functions.libraries.read()["one".as_bytes()].functions.clone();
    assert_eq!(about[1].description.as_deref(), Some(&b"Looks."[..]));
    worker.access = Access::ReadOnly;
    let refused = "-ERR Can not execute a script with write flag using *_ro command.\r\n";
    assert_eq!(worker.call("put", &["k"], &["w"]), refused);
    assert_eq!(worker.call("look", &["k"], &[]), "$1\r\nv\r\n");
}

#[test]
fn an_error_in_a_function_names_the_function() {
    let mut worker = Worker::new();
    let code = library("e", "redis.register_function('f', function()\nreturn nosuch end)");
    worker.load(&code, Existing::Keep).unwrap();
    let text = "user_function:3: Script attempted to access nonexistent global variable 'nosuch'";
    let reply = format!("-ERR {text} script: f, on @user_function:3.\r\n");
    assert_eq!(worker.call("f", &[], &[]), reply);
}

#[test]
fn what_is_no_library_is_refused() {
    let mut worker = Worker::new();
    worker.load(LIBRARY, Existing::Keep).unwrap();
    for (code, error) in [
        ("return 1", "ERR Missing library metadata"),
        ("#!lua\nreturn 1", "ERR Library name was not given"),
        ("#!js name=x\nreturn 1", "ERR Engine 'js' not found"),
        ("#!lua name=x\nreturn 1", "ERR No functions registered"),
        ("#!lua name=one\nreturn 1", "ERR Library 'one' already exists"),
        (
            "#!lua name=x\nredis.register_function('PUT', function() end)",
            "ERR Function put already exists",
        ),
        (
            "#!lua name=x\nredis.register_function('a-b', function() end)",
            "ERR Error registering functions: ERR Library names can only contain letters, \
             numbers, or underscores(_) and must be at least one character long",
        ),
        (
            "#!lua name=x\nredis.register_function('f')",
            "ERR Error registering functions: ERR calling redis.register_function with a single \
             argument is only applicable to Lua table (representing named arguments).",
        ),
        (
            "#!lua name=x\nredis.call('get', 'k')",
            "ERR Error registering functions: ERR redis.call/pcall can only be called inside a \
             script invocation",
        ),
    ] {
        assert_eq!(worker.load(code, Existing::Keep), Err(error.into()), "{code}");
    }
    let register = "redis.register_function('f', function() end)";
    let reply = worker.eval(register);
    assert!(reply.starts_with("-ERR"), "{reply}");
    assert!(worker.load("#!lua name=x\nreturn =", Existing::Keep).is_err());
}

#[test]
fn every_worker_follows_what_replaces_a_library() {
    let mut one = Worker::new();
    let mut two = Worker::beside(one.parts);
    let returns =
        |n: u8| library("l", &format!("redis.register_function('f', function() return {n} end)"));
    one.load(&returns(1), Existing::Keep).unwrap();
    assert_eq!([one.call("f", &[], &[]), two.call("f", &[], &[])], [":1\r\n"; 2]);
    two.load(&returns(2), Existing::Replace).unwrap();
    assert_eq!([one.call("f", &[], &[]), two.call("f", &[], &[])], [":2\r\n"; 2]);
    one.parts.scripts.functions.set(Default::default(), || ());
    assert_eq!(two.call("f", &[], &[]), "-ERR Function not found\r\n");
}

#[test]
fn saved_libraries_are_published_together() {
    let mut worker = Worker::new();
    let mut loader = Loader::new(Worker::beside(worker.parts).runtime);
    loader.add(LIBRARY.as_bytes(), Existing::Keep).unwrap();
    let code = library("two", "redis.register_function('f', function() return 1 end)");
    loader.add(code.as_bytes(), Existing::Keep).unwrap();
    loader.remove(b"one");
    assert_eq!(worker.call("f", &[], &[]), "-ERR Function not found\r\n");
    loader.publish();
    assert_eq!(worker.call("f", &[], &[]), ":1\r\n");
    assert_eq!(worker.call("put", &["k"], &["v"]), "-ERR Function not found\r\n");
}

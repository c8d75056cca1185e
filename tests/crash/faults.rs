//! A disk that fails under a running server: reads go on, writes are refused, no write is
//! acknowledged that is not kept, and service resumes by itself.
//!
//! strace injects the faults; without it these tests say so and pass.

use crate::process::{Process, scratch};
use crate::support::client::Client;
use crate::support::resp::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// Has a system call of a server fail for a while.
struct Injected(Child);

impl Injected {
    fn start(
        server: &Process,
        call: &str,
        error: &str,
        when: &str,
        path: Option<&Path>,
    ) -> Option<Injected> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-q", "-o", "/dev/null", "-p", &server.id().to_string()]);
        if let Some(path) = path {
            strace.arg("-P").arg(path);
        }
        strace.args(["-e", &format!("trace={call}")]);
        strace.args(["-e", &format!("inject={call}:error={error}:when={when}")]);
        let child = strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let mut injected = Injected(child);
        // strace attaches, or ends where it is not permitted.
        thread::sleep(Duration::from_millis(500));
        matches!(injected.0.try_wait(), Ok(None)).then_some(injected)
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        // strace handles this signal, and detaches from the server.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// A write on a connection of its own; returns the reply, None if there was none.
fn write(server: &Process, key: &str) -> Option<String> {
    let mut client = Client::connect(server.port()).ok()?;
    match client.call(&["SET", key, "1"]).ok()? {
        Value::Simple(text) | Value::Error(text) => {
            Some(String::from_utf8_lossy(&text).into_owned())
        }
        other => panic!("SET answered {other:?}"),
    }
}

/// Writes until a reply is not OK, and then until one is OK again; every key that was acknowledged
/// must be there after a kill.
fn fails_and_resumes(
    directory: &Path,
    args: &[&str],
    inject: impl FnOnce(&Process) -> Option<Injected>,
) {
    let mut server = Process::start(directory, args);
    server.wait_until_ready();
    assert_eq!(write(&server, "before").as_deref(), Some("OK"));
    let Some(injected) = inject(&server) else {
        eprintln!("SKIPPED: strace is not installed or must not attach");
        return;
    };
    let mut kept = vec!["before".to_owned()];
    let (mut unanswered, mut refused) = (0, 0);
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut resumed = false;
    for n in 0.. {
        assert!(Instant::now() < deadline, "it never resumed: {}", server.output());
        let key = format!("key:{n}");
        match write(&server, &key) {
            None => unanswered += 1,
            Some(text) if text == "OK" => {
                kept.push(key);
                if refused > 0 {
                    resumed = true;
                    break;
                }
            }
            Some(text) => {
                assert!(text.starts_with("MISCONF Errors writing to the AOF file: "), "{text}");
                refused += 1;
                let mut reader = server.client();
                let value = reader.call(&["GET", "before"]).expect("reads go on");
                assert_eq!(value, Value::Bulk(b"1".to_vec()));
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    drop(injected);
    assert!(resumed && unanswered > 0, "{unanswered} unanswered, {refused} refused");
    server.kill();
    let mut server = Process::start(directory, args);
    server.wait_until_ready();
    let mut client = server.client();
    for key in kept {
        let value = client.call(&["GET", &key]).expect("it lives");
        assert_eq!(value, Value::Bulk(b"1".to_vec()), "{key} was acknowledged");
    }
    server.kill();
    std::fs::remove_dir_all(directory).expect("the directory is ours");
}

#[test]
fn a_failed_fsync_is_answered_by_a_new_log() {
    let args = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
    fails_and_resumes(&scratch("fsync"), &args, |server| {
        Injected::start(server, "fdatasync", "EIO", "2..3", None)
    });
}

#[test]
fn a_full_disk_is_waited_for() {
    let directory = scratch("full");
    let args = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""];
    let segment = directory.join("appendonlydir/appendonly.00000000000000000001.log");
    fails_and_resumes(&directory, &args, |server| {
        Injected::start(server, "write", "ENOSPC", "1..2", Some(&segment))
    });
}

/// Every write is refused, also in a script, a function or a transaction that began before; reads
/// go on.
#[test]
fn writes_are_refused_after_a_snapshot_failed() {
    let directory = scratch("misconf");
    let data = directory.join("data");
    std::fs::create_dir(&data).expect("the directory is ours");
    let path = data.to_string_lossy().into_owned();
    let mut server = Process::start(&directory, &["--save", "3600 1000", "--dir", &path]);
    server.wait_until_ready();
    let mut client = server.client();
    assert_eq!(write(&server, "key").as_deref(), Some("OK"));
    let library = "#!lua name=l\nredis.register_function('w', function() \
        return redis.call('set', 'key', '2') end)\nredis.register_function{function_name='r', \
        callback=function() return redis.call('get', 'key') end, flags={'no-writes'}}";
    assert!(matches!(client.call(&["FUNCTION", "LOAD", library]), Ok(Value::Bulk(_))));
    let mut queues = server.client();
    for words in [&["MULTI"][..], &["SET", "key", "2"]] {
        assert!(matches!(queues.call(words), Ok(Value::Simple(_))));
    }
    std::fs::remove_dir_all(&data).expect("the directory is ours");
    assert!(matches!(client.call(&["SAVE"]), Ok(Value::Error(_))));
    assert_eq!(write(&server, "key").as_deref(), Some("OK"), "SAVE was answered with the error");
    assert!(matches!(client.call(&["BGSAVE"]), Ok(Value::Simple(_))));
    let deadline = Instant::now() + PATIENCE;
    while write(&server, "key").as_deref() == Some("OK") {
        assert!(Instant::now() < deadline, "writes are never refused: {}", server.output());
        thread::sleep(Duration::from_millis(20));
    }
    assert!(write(&server, "key").is_some_and(|text| text.starts_with("MISCONF Redis is")));
    let refused = |client: &mut Client, words: &[&str], beginning: &str| {
        let reply = client.call(words).expect("it lives");
        let Value::Error(text) = &reply else { panic!("{words:?}: {reply:?}") };
        assert!(text.starts_with(beginning.as_bytes()), "{words:?}: {reply:?}");
    };
    let misconf = "MISCONF Redis is configured to save RDB snapshots";
    refused(&mut client, &["EVAL", "return redis.call('set', 'key', '2')", "0"], misconf);
    refused(&mut client, &["EVAL", "#!lua\nreturn 1", "0"], misconf);
    refused(&mut client, &["FCALL", "w", "0"], misconf);
    refused(&mut client, &["FCALL_RO", "w", "0"], misconf);
    let aborted = format!("EXECABORT Transaction discarded because of: {misconf}");
    refused(&mut queues, &["EXEC"], &aborted);
    let one = || Some(Value::Bulk(b"1".to_vec()));
    assert_eq!(client.call(&["EVAL", "return redis.call('get', 'key')", "0"]).ok(), one());
    assert_eq!(client.call(&["EVAL", "#!lua flags=no-writes\nreturn '1'", "0"]).ok(), one());
    assert_eq!(client.call(&["FCALL", "r", "0"]).ok(), one());
    assert_eq!(client.call(&["GET", "key"]).ok(), one());
    std::fs::create_dir(&data).expect("the directory is ours");
    assert_eq!(client.call(&["SAVE"]).ok(), Some(Value::Simple(b"OK".to_vec())));
    assert_eq!(write(&server, "key").as_deref(), Some("OK"));
    assert!(matches!(client.call(&["FCALL", "w", "0"]), Ok(Value::Simple(_))));
    server.kill();
    std::fs::remove_dir_all(&directory).expect("the directory is ours");
}

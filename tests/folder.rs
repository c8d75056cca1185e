//! One folder, one writer: a second server that would write the same files does not start, whatever
//! the first is doing, and says who has them; when the first has ended, however that was, the next
//! one has everything that was acknowledged. Servers that only cache may share a folder.

#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "crash/process.rs"]
mod process;
#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use process::{Process, binary, scratch};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::Value;

const PATIENCE: Duration = Duration::from_secs(60);
/// Keys that make loading take some time, and a save with a delay for each key last.
const BALLAST: i64 = 200_000;
const LOGGED: &[&str] =
    &["--appendonly", "yes", "--save", "3600 1", "--enable-debug-command", "yes"];
const SAVED: &[&str] = &["--save", "3600 1", "--enable-debug-command", "yes"];
const CACHE_ONLY: &[&str] = &["--save", "", "--appendonly", "no"];

fn call(client: &mut Client, line: &str) -> Value {
    let words: Vec<&str> = line.split(' ').collect();
    client.call(&words).unwrap_or_else(|error| panic!("{line}: {error:?}"))
}

fn is_ok(reply: &Value) -> bool {
    matches!(reply, Value::Simple(_))
}

/// The text of an error reply.
fn error_of(reply: &Value) -> String {
    match reply {
        Value::Error(text) => String::from_utf8_lossy(text).into_owned(),
        other => panic!("{other:?} is no error"),
    }
}

/// What a server says that is started where another one is, and does not start.
fn refused(directory: &Path, args: &[&str]) -> String {
    let port = support::server::free_port().to_string();
    let mut second = Command::new(binary())
        .args(["--port", &port, "--bind", "127.0.0.1", "--dir"])
        .arg(directory)
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the server's binary is there");
    let deadline = Instant::now() + PATIENCE;
    while second.try_wait().expect("it is our child").is_none() {
        let serves = Client::connect(port.parse().expect("it is a number")).is_ok();
        if serves || Instant::now() > deadline {
            let _ = second.kill();
            let _ = second.wait();
            panic!("a second server serves from {}", directory.display());
        }
        thread::sleep(Duration::from_millis(5));
    }
    let output = second.wait_with_output().expect("it is our child");
    assert!(!output.status.success(), "it started, and ended well");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Writes numbers until the server is gone; the last one that was acknowledged.
fn write_numbers(port: u16, last: &AtomicU64, stop: &AtomicBool) {
    let Ok(mut client) = Client::connect(port) else { return };
    while !stop.load(Relaxed) {
        let next = last.load(Relaxed) + 1;
        match client.call(&["SET", "n", &next.to_string()]) {
            Ok(Value::Simple(_)) => last.store(next, Relaxed),
            // Loading, or a disk that fails on purpose.
            Ok(_) => thread::sleep(Duration::from_millis(1)),
            Err(_) => return,
        }
    }
}

/// Ends the writer, also of a test that fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn wait_for(client: &mut Client, field: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Value::Bulk(info) = call(client, "INFO persistence")
            && String::from_utf8_lossy(&info).contains(field)
        {
            return;
        }
        assert!(Instant::now() < deadline, "{field} does not come");
        thread::sleep(Duration::from_millis(2));
    }
}

/// What the first server is brought to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Serving,
    Loading,
    Saving,
    Rewriting,
    Ending,
}

const STATES: [State; 5] =
    [State::Serving, State::Loading, State::Saving, State::Rewriting, State::Ending];

/// A server that is doing this.
fn first(directory: &Path, args: &[&str], state: State) -> Process {
    let mut server = Process::start(directory, args);
    if state == State::Loading {
        // It has the folder before it has anything to load.
        let deadline = Instant::now() + PATIENCE;
        let lock = directory.join("dump.redstart.lock");
        let id = format!("process {} ", server.id());
        while !fs::read_to_string(&lock).is_ok_and(|text| text.starts_with(&id)) {
            assert!(Instant::now() < deadline, "it does not start: {}", server.output());
        }
        return server;
    }
    server.wait_until_ready();
    let mut client = server.client();
    assert!(is_ok(&call(&mut client, "CONFIG SET rdb-key-save-delay 10")));
    match state {
        State::Saving => {
            call(&mut client, "BGSAVE");
            wait_for(&mut client, "rdb_bgsave_in_progress:1");
        }
        State::Rewriting => {
            call(&mut client, "BGREWRITEAOF");
            wait_for(&mut client, "aof_rewrite_in_progress:1");
        }
        State::Ending => {
            client.send(b"SHUTDOWN SAVE\r\n").expect("the server lives");
            let deadline = Instant::now() + PATIENCE;
            while !server.output().contains("Saving the final snapshot") {
                assert!(Instant::now() < deadline, "it does not end: {}", server.output());
                thread::sleep(Duration::from_millis(1));
            }
        }
        State::Serving | State::Loading => {}
    }
    server
}

/// Fifty tries in all states, with the log and with snapshots alone.
#[test]
fn a_second_server_never_starts_and_nothing_is_lost() {
    for (args, name, rounds) in [(LOGGED, "logged", 5), (SAVED, "saved", 6)] {
        let directory = scratch(&format!("folder-{name}"));
        let mut server = Process::start(&directory, args);
        server.wait_until_ready();
        let mut client = server.client();
        assert!(is_ok(&call(&mut client, &format!("DEBUG POPULATE {BALLAST}"))));
        assert!(is_ok(&call(&mut client, "SAVE")));
        server.kill();
        let last = AtomicU64::new(0);
        for _ in 0..rounds {
            // Without a log nothing is rewritten.
            let states =
                STATES.iter().filter(|&&state| state != State::Rewriting || args == LOGGED);
            states.for_each(|&state| one_try(&directory, args, state, &last));
        }
        fs::remove_dir_all(&directory).expect("the directory is ours");
    }
}

/// A second server fails while the first does this; then the first ends, and a third finds all.
fn one_try(directory: &Path, args: &[&str], state: State, last: &AtomicU64) {
    let mut server = first(directory, args, state);
    let (id, port, stop) = (server.id(), server.port(), AtomicBool::new(false));
    let error = thread::scope(|scope| {
        scope.spawn(|| write_numbers(port, last, &stop));
        let _stop = Stop(&stop);
        refused(directory, args)
    });
    let who = format!("process {id} (port {port})");
    assert!(error.contains(&who), "{state:?}: {error} does not name {who}");
    if state == State::Ending {
        assert!(server.wait().success());
    } else {
        let running = Client::connect(port).and_then(|mut client| client.call(&["PING"]));
        assert!(running.is_ok(), "{state:?}: the first server is gone: {}", server.output());
        server.kill();
    }
    let mut next = Process::start(directory, args);
    next.wait_until_ready();
    let mut client = next.client();
    let found = match call(&mut client, "GET n") {
        Value::Bulk(text) => String::from_utf8_lossy(&text).parse().expect("a number"),
        _ => 0,
    };
    // The last number may have been kept without its reply. Without a log, a kill takes what was
    // written since the last save.
    let acknowledged = last.swap(found, Relaxed);
    let keeps_all = args == LOGGED || state == State::Ending;
    assert!(found <= acknowledged + 1, "{state:?}: {found} was never sent");
    assert!(found >= acknowledged || !keeps_all, "{state:?}: {found}, not {acknowledged}");
    let Value::Int(keys) = call(&mut client, "DBSIZE") else { panic!("DBSIZE gives a number") };
    assert!(keys >= BALLAST, "{state:?}: {keys} keys");
    assert_eq!(unfinished(directory), Vec::<PathBuf>::new(), "{state:?}: a killed server's");
    next.kill();
}

fn unfinished(directory: &Path) -> Vec<PathBuf> {
    let folders = [directory.to_owned(), directory.join("appendonlydir")];
    let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let paths = files.filter_map(|file| Some(file.ok()?.path()));
    paths.filter(|path| path.to_string_lossy().contains("/temp-")).collect()
}

#[test]
fn servers_that_only_cache_share_a_folder_until_one_writes() {
    let directory = scratch("folder-caches");
    let mut servers: Vec<Process> =
        (0..3).map(|_| Process::start(&directory, CACHE_ONLY)).collect();
    servers.iter_mut().for_each(Process::wait_until_ready);
    let [mut a, mut b, mut c] = [0, 1, 2].map(|at| servers[at].client());
    assert!(!directory.join("dump.redstart.lock").exists());
    assert!(is_ok(&call(&mut a, "SET who a")) && is_ok(&call(&mut b, "SET who b")));
    assert!(is_ok(&call(&mut a, "SAVE")));
    let who = format!("process {} (port {})", servers[0].id(), servers[0].port());
    for line in [
        "SAVE",
        "BGSAVE",
        "BGSAVE SCHEDULE",
        "CONFIG SET appendonly yes",
        "CONFIG SET save 60",
        "CONFIG SET save 3600",
    ] {
        // `save` takes two words in one argument.
        let words: Vec<String> = line.split(' ').map(|word| word.replace("60", "60 1")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let error = error_of(&b.call(&words).expect("the server lives"));
        assert!(error.contains(&who), "{line}: {error}");
    }
    assert_eq!(call(&mut b, "CONFIG GET save"), call(&mut c, "CONFIG GET save"));
    // In a transaction a save is only scheduled: its failure stands in the log, once.
    call(&mut b, "MULTI");
    call(&mut b, "BGSAVE");
    call(&mut b, "EXEC");
    thread::sleep(Duration::from_millis(500));
    let told = servers[1].output().matches("could not be started").count();
    assert_eq!(told, 1, "{}", servers[1].output());
    // It ends all the same, and what the first one saved stays.
    assert!(error_of(&call(&mut b, "SHUTDOWN SAVE")).contains("Errors trying to SHUTDOWN"));
    let _ = b.call(&["SHUTDOWN", "NOSAVE"]);
    servers[1].wait();
    assert!(error_of(&call(&mut c, "SAVE")).contains(&who));
    // With the first one's end, the next may write.
    servers[0].kill();
    assert!(is_ok(&call(&mut c, "SAVE")));
    drop(servers);
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// A server that writes is refused where one that only cached has begun to write.
#[test]
fn other_names_in_one_folder_are_other_files() {
    let directory = scratch("folder-names");
    let mut first = Process::start(&directory, SAVED);
    first.wait_until_ready();
    let other = ["--save", "3600 1", "--dbfilename", "other.rdb"];
    let mut second = Process::start(&directory, &other);
    second.wait_until_ready();
    assert!(refused(&directory, &other).contains(&format!("process {} ", second.id())));
    for server in [&first, &second] {
        assert!(is_ok(&call(&mut server.client(), "SAVE")));
    }
    // The log's name is the same.
    assert!(is_ok(&call(&mut first.client(), "CONFIG SET appendonly yes")));
    let error = error_of(&call(&mut second.client(), "CONFIG SET appendonly yes"));
    assert!(error.contains(&format!("process {} ", first.id())), "{error}");
    drop((first, second));
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

#[test]
fn config_set_dir_moves_the_claim() {
    let (here, there) = (scratch("folder-here"), scratch("folder-there"));
    let mut args = SAVED.to_vec();
    args.extend(["--enable-protected-configs", "yes"]);
    let mut first = Process::start(&here, &args);
    let mut second = Process::start(&there, &args);
    first.wait_until_ready();
    second.wait_until_ready();
    let (mut client, to) = (first.client(), there.display().to_string());
    let error = error_of(&call(&mut client, &format!("CONFIG SET dir {to}")));
    assert!(error.contains(&format!("process {} ", second.id())), "{error}");
    // It is still where it was, and has it still.
    assert!(is_ok(&call(&mut client, "SAVE")) && here.join("dump.redstart").exists());
    assert!(refused(&here, SAVED).contains(&format!("process {} ", first.id())));
    second.kill();
    assert!(is_ok(&call(&mut client, &format!("CONFIG SET dir {to}"))));
    assert!(is_ok(&call(&mut client, "SAVE")) && there.join("dump.redstart").exists());
    assert!(refused(&there, SAVED).contains(&format!("process {} ", first.id())));
    let mut third = Process::start(&here, SAVED);
    third.wait_until_ready();
    drop((first, third));
    fs::remove_dir_all(&here).expect("the directory is ours");
    fs::remove_dir_all(&there).expect("the directory is ours");
}

#[test]
fn convert_does_not_write_what_a_server_writes() {
    let directory = scratch("folder-convert");
    let mut server = Process::start(&directory, SAVED);
    server.wait_until_ready();
    let mut client = server.client();
    assert!(is_ok(&call(&mut client, "SET a b")) && is_ok(&call(&mut client, "SAVE")));
    let convert = |from: &str, to: &str| {
        let output = Command::new(binary())
            .args(["convert", from, to])
            .current_dir(&directory)
            .output()
            .expect("the server's binary is there");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(convert("dump.redstart", "copy.rdb").0);
    let (done, error) = convert("copy.rdb", "dump.redstart");
    assert!(!done && error.contains(&format!("process {} ", server.id())), "{error}");
    server.kill();
    assert!(convert("copy.rdb", "dump.redstart").0);
    let locks = fs::read_dir(&directory).expect("it is there").flatten();
    let locks = locks.filter(|file| file.file_name().to_string_lossy().ends_with(".lock"));
    assert_eq!(locks.count(), 0);
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// Who empties a folder takes the lock file along: another server may start then, and writes are
/// its own.
#[test]
fn a_removed_lock_file_is_noticed_by_the_next_save() {
    let directory = scratch("folder-removed");
    let mut first = Process::start(&directory, SAVED);
    first.wait_until_ready();
    let mut client = first.client();
    let lock = directory.join("dump.redstart.lock");
    fs::remove_file(&lock).expect("it is there");
    assert!(is_ok(&call(&mut client, "SAVE")) && lock.exists());
    fs::remove_file(&lock).expect("it is there again");
    let mut second = Process::start(&directory, SAVED);
    second.wait_until_ready();
    let error = error_of(&call(&mut client, "SAVE"));
    assert!(error.contains(&format!("process {} ", second.id())), "{error}");
    drop((first, second));
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// Where nothing can be locked, a server says so and serves.
#[test]
fn a_folder_that_cannot_be_locked_is_served_with_a_warning() {
    let directory = scratch("folder-unlockable");
    // Root may write anywhere, but not a file where a folder is.
    fs::create_dir(directory.join("dump.redstart.lock")).expect("the directory is ours");
    let mut server = Process::start(&directory, SAVED);
    server.wait_until_ready();
    assert!(is_ok(&call(&mut server.client(), "SAVE")));
    let warnings = server.output().matches("cannot be locked").count();
    assert_eq!(warnings, 1, "{}", server.output());
    server.kill();
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

//! From the start to the first reply, and to the end: clients are told LOADING only where there is
//! something to load; what is missing beside the data is warned of, or named.

#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "crash/process.rs"]
mod process;
#[path = "start/sandbox.rs"]
mod sandbox;
#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use process::{Process, binary, scratch};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// The first reply of a server that starts.
fn first_reply(server: &Process, words: &[&str]) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Not a moment later than the port opens.
        if let Ok(mut client) = Client::connect(server.port()) {
            return client.call(words).expect("it answers");
        }
        assert!(Instant::now() < deadline, "it does not start: {}", server.output());
    }
}

#[test]
fn the_first_command_of_a_server_without_data_is_run() {
    for (args, starts) in [(["--appendonly", "no"], 150), (["--appendonly", "yes"], 50)] {
        for start in 0..starts {
            let directory = scratch(&format!("start-{}", args[1]));
            let mut server = Process::start(&directory, &args);
            let reply = first_reply(&server, &["SET", "a", "b"]);
            assert_eq!(reply, Value::Simple(b"OK".to_vec()), "{args:?}, start {start}");
            server.kill();
        }
        fs::remove_dir_all(scratch(&format!("start-{}", args[1]))).expect("it is ours");
    }
}

/// Where there is much to load, clients are told so, and not left waiting.
#[test]
fn much_data_is_loading() {
    let directory = scratch("start-much");
    let args = "--enable-debug-command yes --enable-protected-configs yes --save 3600 1";
    let args: Vec<&str> = args.split(' ').collect();
    let mut server = Process::start(&directory, &args);
    server.wait_until_ready();
    let mut client = server.client();
    for line in ["DEBUG POPULATE 2000000", "SAVE"] {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(client.call(&words).ok(), Some(Value::Simple(b"OK".to_vec())), "{line}");
    }
    server.kill();
    let server = Process::start(&directory, &args);
    let reply = first_reply(&server, &["GET", "key:1"]);
    assert!(matches!(&reply, Value::Error(text) if text.starts_with(b"LOADING")), "{reply:?}");
    // Where the data comes from stays as it is until it is there.
    let moved = server.client().call(&["CONFIG", "SET", "timeout", "0", "dir", "/"]);
    let moved = moved.expect("there is a reply");
    assert!(matches!(&moved, Value::Error(text) if text.starts_with(b"LOADING")), "{moved:?}");
    drop(server);
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

#[test]
fn a_pidfile_is_there_as_long_as_the_server() {
    let directory = scratch("start-pid");
    let file = directory.join("redis.pid");
    for end in [&["SHUTDOWN", "NOSAVE"][..], &[]] {
        let mut server = Process::start(&directory, &["--pidfile", "redis.pid"]);
        server.wait_until_ready();
        let text = fs::read_to_string(&file).expect("it is written");
        assert_eq!(text, format!("{}\n", server.id()));
        if end.is_empty() {
            server.terminate();
        } else {
            let _ = server.client().call(end);
        }
        assert!(server.wait().success());
        assert!(!file.exists(), "after {end:?}");
    }
    // Another process's stays.
    let mut server = Process::start(&directory, &["--pidfile", "redis.pid"]);
    server.wait_until_ready();
    fs::write(&file, "1\n").expect("it is ours");
    server.terminate();
    server.wait();
    assert_eq!(fs::read_to_string(&file).ok().as_deref(), Some("1\n"));
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

#[test]
fn a_server_that_does_not_start_leaves_the_pidfile_of_the_one_that_runs() {
    let directory = scratch("start-pid-two");
    let args = ["--pidfile", "redis.pid"];
    let mut first = Process::start(&directory, &args);
    first.wait_until_ready();
    let mut second = Process::start(&directory, &args);
    assert!(!second.wait().success());
    let text = fs::read_to_string(directory.join("redis.pid")).ok();
    assert_eq!(text, Some(format!("{}\n", first.id())));
    drop((first, second));
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

#[test]
fn a_pidfile_without_a_folder_is_warned_of() {
    let directory = scratch("start-pid-none");
    let mut server = Process::start(&directory, &["--pidfile", "none/redis.pid"]);
    server.wait_until_ready();
    let output = server.output();
    let warning = "Failed to write the PID file 'none/redis.pid': No such file or directory";
    assert!(output.contains(warning), "{output}");
    server.kill();
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// What the system refuses is named, with what was tried and what helps.
#[test]
fn errors_at_the_start_name_their_paths() {
    let directory = scratch("start-errors");
    fs::write(directory.join("file"), "").expect("it is ours");
    let taken = Process::start(&directory, &["--save", ""]);
    let port = taken.port().to_string();
    first_reply(&taken, &["PING"]);
    let missing = directory.join("none");
    let missing = missing.to_str().expect("it is text");
    let no_log = format!("log file '{missing}/redis.log': No such file or directory. Make");
    let no_dir = format!("dir \"{missing}\"'\nNo such file or directory");
    let in_use = format!("port {port}, at 127.0.0.1:{port}: Address already in use");
    for (args, said) in [
        (&["--dir", missing][..], &no_dir[..]),
        (&["--logfile", &format!("{missing}/redis.log")], &no_log),
        (&["--port", &port, "--bind", "127.0.0.1", "--save", ""], &in_use),
        (&["--unixsocket", "none/socket", "--save", ""], "none/socket: No such file"),
        (
            &["--appendonly", "yes", "--appenddirname", "file"],
            "/file cannot be used: it is not a folder",
        ),
        (&["--dbfilename", "dir.rdb", "--save", ""], "dir.redstart cannot be used: "),
    ] {
        fs::create_dir_all(directory.join("dir.redstart")).expect("it is ours");
        let output = Command::new(binary())
            .args(["--port", "0"])
            .args(args)
            .current_dir(&directory)
            .output()
            .expect("the server's binary is there");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(said), "{args:?}: {error}, not {said}");
    }
    drop(taken);
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// Debian's configuration files start the server, but for the folders that its packages make.
#[test]
fn configuration_files_of_debian_s_packages_start_the_server() {
    let oracles = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/oracles");
    let root = oracles.join("root").join("etc");
    let directory = scratch("start-debian");
    for file in [
        Path::new("/etc/redis/redis.conf").to_owned(),
        root.join("redis/redis.conf"),
        root.join("valkey/valkey.conf"),
    ] {
        let Ok(text) = fs::read_to_string(&file) else {
            eprintln!("SKIPPED: there is no {}", file.display());
            continue;
        };
        // Where the packages keep data and log; the folder of the pidfile is made by systemd.
        let place = directory.display().to_string();
        let moved: String = text
            .lines()
            .map(|line| match line.split_once(' ') {
                Some(("dir", _)) => format!("dir {place}\n"),
                Some(("logfile", _)) => format!("logfile {place}/server.log\n"),
                Some(("pidfile", _)) => format!("pidfile {place}/run/server.pid\n"),
                // The test's own, on the command line.
                Some(("port" | "bind", _)) => String::new(),
                _ => format!("{line}\n"),
            })
            .collect();
        let conf = directory.join("server.conf");
        fs::write(&conf, moved).expect("it is ours");
        let mut program = Command::new(binary());
        program.arg(&conf);
        let mut server = Process::spawn(program, &directory, &[]);
        server.wait_until_ready();
        let reply = first_reply(&server, &["SET", "a", "b"]);
        assert_eq!(reply, Value::Simple(b"OK".to_vec()), "{}", file.display());
        server.terminate();
        assert!(server.wait().success(), "{}", file.display());
        let log = fs::read_to_string(directory.join("server.log")).unwrap_or_default();
        assert!(log.contains("Failed to write the PID file"), "{}: {log}", file.display());
        fs::remove_file(directory.join("server.log")).expect("it is there");
    }
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

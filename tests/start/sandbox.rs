//! `sandbox yes`: the server works with what its settings name, and reaches nothing else.

use crate::process::{Process, scratch};
use crate::support::client::Client;
use crate::support::resp::Value;
use crate::support::server::free_port;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

fn call(client: &mut Client, line: &str) -> Value {
    let words: Vec<&str> = line.split(' ').collect();
    client.call(&words).unwrap_or_else(|error| panic!("{line}: {error:?}"))
}

fn said(reply: Value) -> String {
    match reply {
        Value::Bulk(text) | Value::Simple(text) | Value::Error(text) => {
            String::from_utf8_lossy(&text).into_owned()
        }
        other => format!("{other:?}"),
    }
}

fn is_made(path: &Path) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !path.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    path.exists()
}

#[test]
fn a_server_in_a_sandbox_works_and_reaches_nothing_else() {
    let (directory, outside) = (scratch("sandbox"), scratch("sandbox-outside"));
    let conf = directory.join("server.conf");
    fs::write(&conf, "save \"\"\nappendonly yes\n").expect("it is ours");
    let socket = directory.join("socket").to_string_lossy().into_owned();
    let users = directory.join("users.acl").to_string_lossy().into_owned();
    fs::write(&users, "").expect("it is ours");
    let key = outside.join("a.key").to_string_lossy().into_owned();
    fs::write(&key, "12".repeat(32)).expect("it is ours");
    let protected = "--enable-protected-configs yes --sandbox yes";
    let mut args = vec!["--unixsocket", &socket, "--aclfile", &users, "--logfile", "server.log"];
    args.extend(protected.split(' '));
    let place = conf.to_string_lossy().into_owned();
    let mut program = std::process::Command::new(crate::binary());
    program.arg(&place);
    let mut server = Process::spawn(program, &directory, &args);
    server.wait_until_ready();
    let mut client = server.client();
    let info = said(call(&mut client, "INFO server"));
    let state = info.lines().find_map(|line| line.strip_prefix("sandbox:")).expect("it is told");
    if state == "missing" {
        println!("this system has no Landlock");
        return;
    }
    for line in ["SET a 1", "SAVE", "CONFIG SET timeout 7", "CONFIG REWRITE", "ACL SAVE"] {
        assert_eq!(said(call(&mut client, line)), "OK", "{line}");
    }
    call(&mut client, "BGREWRITEAOF");
    assert!(is_made(&directory.join("appendonlydir/appendonly.00000000000000000001.base")));
    assert!(fs::read_to_string(&conf).expect("it is there").contains("timeout 7"));
    assert!(said(call(&mut client, "INFO memory")).contains("used_memory_rss:"));
    // Files, folders and ports that the settings did not name at the start.
    let other = free_port();
    for line in
        [format!("CONFIG SET encryption-key-file {key}"), format!("CONFIG SET port {other}")]
    {
        assert!(matches!(call(&mut client, &line), Value::Error(_)), "{line}");
    }
    call(&mut client, &format!("CONFIG SET dir {}", outside.display()));
    assert!(matches!(call(&mut client, "SAVE"), Value::Error(_)));
    assert!(!outside.join("dump.redstart").exists());
    server.kill();
    let log = fs::read_to_string(directory.join("server.log")).expect("it was written");
    assert!(log.contains("sandbox"), "{log}");
    for folder in [directory, outside] {
        fs::remove_dir_all(folder).expect("it is ours");
    }
}

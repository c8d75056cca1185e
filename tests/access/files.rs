//! Users in files: ACL files, redis.conf, and what CONFIG REWRITE makes of it.

use crate::support::client::Client;
use crate::support::resp::Value;
use crate::support::server::{Server, free_port};
use crate::support::talk::{call, connect, ok, text, until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("redstart-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder is made");
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).expect("the file is written");
        path.to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_redstart");

fn start(args: &[&str]) -> Server {
    Server::start(Path::new(PROGRAM), args).expect("redstart starts")
}

/// What a server says that does not start.
fn failure(args: &[&str]) -> String {
    let command = Command::new(PROGRAM).args(args).stdin(Stdio::null()).output();
    let output = command.expect("it runs");
    assert!(!output.status.success());
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn users(client: &mut Client) -> String {
    let Value::Items(_, users) = call(client, "ACL LIST") else { panic!("no list") };
    users.into_iter().map(text).collect::<Vec<_>>().join("\n")
}

/// A server that is started with a file, which it may rewrite.
struct WithFile(Child);

impl WithFile {
    fn start(path: &str) -> (WithFile, Client) {
        let port = free_port();
        let child = Command::new(PROGRAM)
            .args([path, "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let server = WithFile(child);
        until("it answers", || Client::connect(port).is_ok());
        (server, Client::connect(port).expect("it takes connections"))
    }
}

impl Drop for WithFile {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_acl_file_is_loaded_saved_and_refused_as_a_whole() {
    let folder = Folder::new("acl-file");
    let path = folder.file("users.acl", "user a on >secret ~k* +get (foo +set)\n\nuser b\n");
    let first = failure(&["--port", "0", "--aclfile", &path]);
    assert!(first.contains("users.acl:1: "), "{first}");
    let path = folder.file("users.acl", "user a on >secret ~k* +get (%R~x +set)\n\nuser b\n");
    let server = start(&["--save", "", "--aclfile", &path]);
    let mut client = connect(&server);
    call(&mut client, "ACL SETUSER c on nopass allchannels");
    assert_eq!(call(&mut client, "ACL SAVE"), ok());
    let saved = fs::read_to_string(&path).expect("there is a file");
    assert_eq!(saved.lines().count(), 4, "{saved}");
    let before = users(&mut client);
    // A file with a mistake changes nothing.
    let bad = "user default on nopass ~* &* +@all\nuser d on\nuser e +nosuch\n";
    folder.file("users.acl", bad);
    let said = text(call(&mut client, "ACL LOAD"));
    assert!(said.contains("users.acl:3: Error in applying operation '+nosuch'"), "{said}");
    assert_eq!(users(&mut client), before);
    folder.file("users.acl", &saved);
    assert_eq!(call(&mut client, "ACL LOAD"), ok());
    assert_eq!(users(&mut client), before);
    // Users that are not in the file are gone, and so are their clients.
    let mut gone = connect(&server);
    assert_eq!(call(&mut gone, "AUTH c x"), ok());
    folder.file("users.acl", "user a on >secret\n");
    assert_eq!(call(&mut client, "ACL LOAD"), ok());
    assert!(gone.call(&["PING"]).is_err());
    assert!(users(&mut client).contains("user default on nopass sanitize-payload ~* &* +@all"));
}

#[test]
fn redis_conf_declares_users_and_config_rewrite_keeps_them() {
    let folder = Folder::new("acl-conf");
    let path =
        folder.file("redis.conf", "# mine\nsave \"\"\nuser a on >secret ~k* +get\ntimeout 0\n");
    let (server, mut client) = WithFile::start(&path);
    assert_eq!(call(&mut client, "ACL SETUSER b on +@read ~x"), ok());
    assert_eq!(call(&mut client, "CONFIG REWRITE"), ok());
    let before = users(&mut client);
    drop(server);
    let written = fs::read_to_string(&path).expect("there is a file");
    let are_users = written.lines().skip(2).take(3).all(|line| line.starts_with("user "));
    let is_right = are_users && !written.contains("secret") && written.starts_with("# mine\n");
    assert!(is_right, "{written}");
    let (_server, mut client) = WithFile::start(&path);
    assert_eq!(users(&mut client), before);
    // Without users but `default` there is nothing to keep.
    assert_eq!(call(&mut client, "ACL DELUSER a b"), Value::Int(2));
    assert_eq!(call(&mut client, "CONFIG REWRITE"), ok());
    let written = fs::read_to_string(&path).expect("there is a file");
    assert!(!written.contains("user "), "{written}");
}

#[test]
fn what_is_wrong_with_users_ends_the_start() {
    let folder = Folder::new("acl-wrong");
    let with = |lines: &str| {
        let path = folder.file("redis.conf", &format!("port 0\nsave \"\"\n{lines}\n"));
        failure(&[&path])
    };
    assert!(with("user a +nosuch").contains("Unknown command or category name in ACL"));
    assert!(with("user \"a b\" on").contains("Spaces not allowed"));
    assert!(with("user a on\nuser a off").contains("Duplicate user found"));
    assert!(with("user a (~x").contains("Unmatched parenthesis"));
    assert!(with("user a on\naclfile users.acl").contains("in one of both"));
    assert!(with("aclfile nosuch.acl").contains("No such file or directory"));
}

//! `redstart report`: the page about a server, Redstart or a real one, about a snapshot of ours,
//! and about an RDB file that redis-server wrote; with names of keys that are HTML.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use support::client::Client;
use support::oracles::{all, oracle};
use support::resp::Value;
use support::server::Server;
use support::talk::{call, connect, ok, until};

const REDSTART: &str = env!("CARGO_BIN_EXE_redstart");
const HOSTILE: &str = "<script>alert(1)</script>:\"'&:1";
const SHOWN: &str = "&lt;script&gt;alert(1)&lt;/script&gt;:&quot;&#39;&amp;:1";

/// A folder of its own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let name = format!("redstart-report-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder is made");
        Folder(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(args: &[&str]) -> (Output, String, String) {
    let output = Command::new(REDSTART).arg("report").args(args).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

/// The page that is made.
fn page(folder: &Folder, args: &[&str]) -> String {
    let file = folder.path("page.html");
    let (output, out, err) = run(&[args, &["--output", &file]].concat());
    assert!(output.status.success() && err.is_empty(), "{err}");
    assert!(out.starts_with(&format!("{file}: ")), "{out}");
    fs::read_to_string(file).expect("it is written")
}

/// Keys of every type in two databases.
fn fill(client: &mut Client) {
    for number in 0..100 {
        call(client, &format!("SET user:{number} {}", "x".repeat(100)));
        call(client, &format!("SET session:{number}:data 1 EX {}", 30 + 3600 * (number % 2)));
    }
    call(client, "RPUSH list 1 2 3");
    call(client, "HSET hash:1 a 1 b 2");
    call(client, "SADD set:1 1 2 3");
    call(client, "ZADD zset:1 1 a");
    call(client, "XADD stream:1 * a 1");
    let big = vec![b'y'; 100_000];
    let set = client.call(&[b"SET", HOSTILE.as_bytes(), &big]);
    assert_eq!(set.expect("it is set"), ok());
    call(client, "SELECT 3");
    call(client, "SET elsewhere 1");
    call(client, "SELECT 0");
}

/// What every page about those keys has.
fn check(page: &str, name: &str) {
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{name}");
    assert!(!page.contains("<script"), "{name}: a key's name became a tag");
    for outside in ["http://", "https://", "src=", "url(", "@import", "onload", "<link"] {
        assert!(!page.contains(outside), "{name}: {outside}");
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    for text in [
        SHOWN,
        "<dd>207<small>in 2 databases</small></dd>",
        "Memory by type",
        "<td><code>user:</code></td><td class=\"number\">100</td>",
        "<td><code>session:*:</code></td><td class=\"number\">100</td>",
        "<td>≤ 1 min</td><td class=\"number\">50</td>",
        "<td>≤ 6 h</td><td class=\"number\">50</td>",
        "<td>none</td><td class=\"number\">107</td>",
        "<td>stream</td>",
        "<td>zset</td>",
        "<td>hash</td><td>listpack</td><td class=\"number\">1</td>",
        "database 3",
    ] {
        assert!(page.contains(text), "{name}: {text} is not in\n{page}");
    }
}

#[test]
fn the_page_tells_of_each_server() {
    let args = ["--maxmemory", "512mb", "--slowlog-log-slower-than", "0"];
    for asked in all(REDSTART, &args) {
        let (name, folder) = (asked.name, Folder::new());
        fill(&mut connect(&asked.server));
        let port = asked.server.port().to_string();
        let page = page(&folder, &["--port", &port]);
        check(&page, name);
        for text in
            ["maxmemory-policy", "Slow commands", "<td><code>maxmemory</code></td>", "536870912"]
        {
            assert!(page.contains(text), "{name}: {text} is not in\n{page}");
        }
        // The hostile key is by far the largest.
        let first = page.split("The keys that take most").nth(1).expect("there is a table");
        let row = first.split("<tr>").nth(2).expect("there is a row");
        assert!(row.contains(SHOWN), "{name}: {row}");
        // Old servers would count that as a use of the key.
        assert_eq!(row.contains("<td class=\"number\">100,000</td>"), !asked.is_old, "{row}");
        let restful = run(&["--port", &port, "--gentle", "--output", &folder.path("again.html")]);
        assert!(restful.0.status.success(), "{}", restful.2);
    }
}

#[test]
fn the_page_tells_of_a_snapshot() {
    let folder = Folder::new();
    let args = ["--dir", &folder.path(""), "--dbfilename", "<b>.rdb"];
    let server = Server::start(REDSTART.as_ref(), &args).expect("it starts");
    let mut client = connect(&server);
    fill(&mut client);
    assert_eq!(call(&mut client, "SAVE"), ok());
    let page = page(&folder, &["--file", &folder.path("<b>.redstart")]);
    check(&page, "snapshot");
    assert!(page.contains("<h1>&lt;b&gt;.redstart</h1>") && !page.contains("<b>"), "{page}");
    assert!(page.contains("snapshot of Redstart 0.1.0") && !page.contains("Slow commands"));
    assert!(page.contains("<td class=\"number\">100,000</td>"));
}

#[test]
fn the_page_tells_of_a_file_of_redis() {
    let folder = Folder::new();
    let args = ["--dir", &folder.path(""), "--dbfilename", "dump.rdb"];
    let Some(asked) = oracle("redis-7", &args) else { return };
    let mut client = connect(&asked.server);
    fill(&mut client);
    assert_eq!(call(&mut client, "SAVE"), ok());
    let page = page(&folder, &["--file", &folder.path("dump.rdb")]);
    check(&page, "RDB file");
    assert!(page.contains("written by Redis 7.0"), "{page}");
}

#[test]
fn what_was_no_longer_there_and_what_has_passed_is_told() {
    let folder = Folder::new();
    let args = ["--dir", &folder.path(""), "--dbfilename", "dump.rdb"];
    let server = Server::start(REDSTART.as_ref(), &args).expect("it starts");
    let mut client = connect(&server);
    call(&mut client, "SET short 1 PX 400");
    call(&mut client, "SAVE");
    until("the deadline has passed", || call(&mut client, "EXISTS short") == Value::Int(0));
    let page = page(&folder, &["--file", &folder.path("dump.redstart")]);
    assert!(page.contains("<td>passed</td><td class=\"number\">1</td>"), "{page}");
}

#[test]
fn what_goes_wrong_is_said_in_a_line() {
    let folder = Folder::new();
    let refused = |args: &[&str], why: &str| {
        let (output, out, err) = run(args);
        assert!(!output.status.success() && out.is_empty(), "{out}");
        assert!(err.starts_with("redstart report: ") && err.lines().count() == 1, "{err}");
        assert!(err.contains(why), "{err}");
    };
    let page = folder.path("page.html");
    fs::write(folder.path("data"), "REDSTART").expect("it is written");
    let data = folder.path("data");
    refused(&["--port", "1", "--output", &data], "no HTML page");
    refused(&["--port", "1", "--output", &page], "nothing listens there");
    refused(&["--output", &folder.path("none/page.html")], "there is no folder");
    refused(&["--file", &data, "--output", &page], "data");
    refused(&["--file", &folder.path("none"), "--output", &page], "none");
    assert!(!Path::new(&page).exists());
    let (output, _, err) = run(&["--file", &data, "--port", "7000"]);
    assert!(!output.status.success() && err.contains("cannot be used with"), "{err}");
    let (output, help, _) = run(&["--help"]);
    assert!(output.status.success() && help.contains("Examples"), "{help}");
}

#[test]
fn a_user_who_may_not_ask_gets_a_page_that_says_so() {
    let folder = Folder::new();
    let server = Server::start(REDSTART.as_ref(), &[]).expect("it starts");
    let mut client = connect(&server);
    let eve = "ACL SETUSER eve on >secret ~* +ping +info +scan +type +pttl +select";
    assert_eq!(call(&mut client, eve), ok());
    call(&mut client, "SET a 1");
    let port = server.port().to_string();
    let page = page(&folder, &["--port", &port, "--user", "eve", "--password", "secret"]);
    assert!(page.contains("MEMORY USAGE is not told: NOPERM"), "{page}");
    assert!(page.contains("The settings are not told: NOPERM"), "{page}");
    assert!(page.contains("<dd>1<small>in 1 database</small></dd>"), "{page}");
}

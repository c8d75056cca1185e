//! Talking to a server in lines: words separated by blanks, sent as one command.

use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::resp::{self, Value};
use super::server::Server;

/// How long something may take that is bound to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A new connection.
pub fn connect(server: &Server) -> Client {
    Client::connect(server.port()).expect("the server takes connections")
}

/// Sends a command and does not wait.
pub fn send(client: &mut Client, line: &str) {
    let args: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    client.send(&resp::request(&args)).expect("the request is sent");
}

/// Waits for a reply.
pub fn reply(client: &mut Client) -> Value {
    client.reply().expect("there is a reply")
}

/// Sends a command and waits for its reply.
pub fn call(client: &mut Client, line: &str) -> Value {
    send(client, line);
    reply(client)
}

/// What a command says that has nothing else to say.
pub fn ok() -> Value {
    Value::Simple("OK".into())
}

/// A reply that is text.
pub fn text(value: Value) -> String {
    let bytes = match value {
        Value::Bulk(bytes) | Value::Simple(bytes) | Value::Error(bytes) => bytes,
        Value::Verbatim(_, bytes) => bytes,
        other => panic!("{other:?} is no text"),
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A field of INFO.
pub fn field(client: &mut Client, name: &str) -> String {
    let told = text(call(client, "INFO everything"));
    let value = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("INFO does not tell {name}")).to_owned()
}

/// A figure of a quota in INFO.
pub fn quota(client: &mut Client, nth: usize, name: &str) -> u64 {
    let told = text(call(client, "INFO quotas"));
    let line = told.lines().find_map(|line| line.strip_prefix(&format!("quota{nth}:")));
    let mut words = line.expect("the quota").split(',').filter_map(|word| word.split_once('='));
    let found = words.find(|(found, _)| *found == name).expect("there is such a figure");
    found.1.parse().expect("a number")
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never so: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until so many clients wait.
pub fn until_blocked(control: &mut Client, count: usize) {
    let count = count.to_string();
    until(&format!("{count} clients wait"), || field(control, "blocked_clients") == count);
}

//! What is known of a connection, in a line: CLIENT LIST and ACL LOG show it.

use crate::clients::client::{ClientInfo, KeptFor, shown};
use crate::server::Server;
use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;

/// Appends a connection's line. Buffers that belong to a worker and not to the connection count
/// as none.
pub fn line(text: &mut Vec<u8>, client: &ClientInfo, server: &Server, now_ms: u64) {
    let seconds = |since_ms: u64| now_ms.saturating_sub(since_ms) / 1000;
    let command = match client.last_command.load(Relaxed) {
        u16::MAX => "NULL".to_string(),
        id => server.registry.at(id).full_name(),
    };
    let (input, output) = (client.input_bytes.load(Relaxed), client.unread());
    let names = client.names.lock();
    let mut put = |name: &str, value: &dyn std::fmt::Display| {
        let space = if name == "id" { "" } else { " " };
        // Writing to memory does not fail.
        let _ = write!(text, "{space}{name}={value}");
    };
    put("id", &client.id);
    put("addr", &client.addr);
    put("laddr", &client.laddr);
    put("fd", &client.fd);
    put("name", &String::from_utf8_lossy(shown(&names.name)));
    put("age", &seconds(client.connected_ms));
    put("idle", &seconds(client.active_ms.load(Relaxed)));
    put("flags", &client.flags());
    put("db", &client.db.load(Relaxed));
    for (name, count) in ["sub", "psub", "ssub"].iter().zip(&client.listening) {
        put(name, &count.load(Relaxed));
    }
    put("multi", &client.queued.load(Relaxed));
    put("watch", &client.watched.load(Relaxed));
    put("qbuf", &input);
    for name in ["qbuf-free", "argv-mem"] {
        put(name, &0);
    }
    put("multi-mem", &client.kept(KeptFor::Transaction));
    put("rbs", &output);
    put("rbp", &output);
    put("obl", &output);
    put("oll", &0);
    put("omem", &output);
    put("tot-mem", &client.memory());
    put("events", &"r");
    put("cmd", &command);
    put("user", &String::from_utf8_lossy(&names.user));
    put("redir", &client.redirect());
    put("resp", &client.resp.load(Relaxed));
    put("lib-name", &String::from_utf8_lossy(shown(&names.library)));
    put("lib-ver", &String::from_utf8_lossy(shown(&names.version)));
    text.push(b'\n');
}

//! The same life for every server: keys that are hit, missed, expire and are evicted, clients of
//! every kind, errors, scripts, a snapshot.

use crate::support::client::Client;
use crate::support::resp::Value;
use crate::support::server::Server;
use crate::support::talk::{call, connect, field, send, until, until_blocked};
use std::time::Duration;

/// Bytes of the values that are there at the end.
pub const DATA_BYTES: usize = KEYS * VALUE_BYTES;
const KEYS: usize = 20_000;
const VALUE_BYTES: usize = 1000;
/// By then every server has removed what has expired: asking whether it has would count.
const EXPIRY_PATIENCE: Duration = Duration::from_millis(500);

/// Clients that are still there when INFO is asked for.
pub struct Guests {
    _kept: Vec<Client>,
}

/// Does it all; `fields_expire` says whether the server knows deadlines of fields.
pub fn work(server: &Server, client: &mut Client, fields_expire: bool) -> Guests {
    evict(client);
    call(client, "CONFIG RESETSTAT");
    commands(client);
    expire(client, fields_expire);
    free_lazily(client);
    refuse(server, client);
    save(client);
    fill(client);
    let _kept = guests(server, client);
    Guests { _kept }
}

/// All keys go, and the limit with them.
fn evict(client: &mut Client) {
    for line in ["SET a 1", "SET b 1", "CONFIG SET maxmemory-policy allkeys-random"] {
        call(client, line);
    }
    call(client, "CONFIG SET maxmemory 1");
    until("all keys are evicted", || call(client, "DBSIZE") == Value::Int(0));
    for line in ["CONFIG SET maxmemory 0", "CONFIG SET maxmemory-policy noeviction"] {
        call(client, line);
    }
}

fn commands(client: &mut Client) {
    for line in [
        "SET string 1",
        "SET volatile 1 EX 1000",
        "LPUSH string x",
        "GET string",
        "GET string",
        "GET absent",
        "EXISTS string absent",
        "NOPE",
        "GET",
        "EVALSHA 0000000000000000000000000000000000000000 0",
        "EVAL redis.call('GET','string')redis.call('EXISTS','absent') 0",
        "SCRIPT LOAD return",
        "CONFIG GET maxmemory",
        "CONFIG SET maxmemory wrong",
        "SELECT 3",
        "RPUSH list a b c",
        "HSET hash a 1 b 2",
        "MULTI",
        "SET string 2",
        "NOPE",
        "EXEC",
        "MULTI",
        "SET string 2",
        "LPUSH string x",
        "EXEC",
        "SELECT 0",
        "PUBLISH nobody hears",
        "RESTORE bad 0 payload",
        "BGREWRITEAOF later",
    ] {
        call(client, line);
    }
    let library = "#!lua name=mine\nredis.register_function('f', function() return 1 end)";
    client.call(&["FUNCTION", "LOAD", library]).expect("there is a reply");
    call(client, "FCALL f 0");
}

/// Keys and fields go that no command comes upon.
fn expire(client: &mut Client, fields_expire: bool) {
    for n in 0..10 {
        call(client, &format!("SET soon:{n} 1 PX 1"));
    }
    std::thread::sleep(EXPIRY_PATIENCE);
    if fields_expire {
        call(client, "HSET fields a 1 b 2 c 3");
        call(client, "HPEXPIRE fields 1 FIELDS 2 a b");
        std::thread::sleep(EXPIRY_PATIENCE);
        call(client, "DEL fields");
    }
}

/// A value that takes long to free.
fn free_lazily(client: &mut Client) {
    let elements = vec!["x".repeat(8000); 100].join(" ");
    for _ in 0..10 {
        call(client, &format!("RPUSH large {elements}"));
    }
    call(client, "UNLINK large");
}

/// Connections and passwords that are refused.
fn refuse(server: &Server, client: &mut Client) {
    call(client, "CONFIG SET requirepass secret");
    let mut stranger = connect(server);
    call(&mut stranger, "AUTH wrong");
    call(&mut stranger, "GET string");
    stranger.close();
    call(client, "CONFIG SET requirepass ");
    call(client, "CONFIG SET maxclients 1");
    let mut refused = connect(server);
    // The error comes unasked.
    assert!(matches!(refused.reply(), Ok(Value::Error(_))));
    assert!(refused.is_closed());
    call(client, "CONFIG SET maxclients 100");
}

fn save(client: &mut Client) {
    call(client, "BGSAVE");
    until("a snapshot is saved", || field(client, "rdb_bgsave_in_progress") == "0");
    call(client, "SET string 3");
}

fn fill(client: &mut Client) {
    let value = "v".repeat(VALUE_BYTES);
    for n in 0..KEYS {
        send(client, &format!("SET filled:{n:05} {value}"));
        if n % 100 == 99 {
            (0..100).for_each(|_| drop(client.reply().expect("there is a reply")));
        }
    }
}

/// Clients that wait, listen, watch and cache.
fn guests(server: &Server, client: &mut Client) -> Vec<Client> {
    let [mut waiting, mut patient, mut listening, mut watching, mut caching, mut broadcast] =
        [(); 6].map(|()| connect(server));
    send(&mut waiting, "BLPOP nothing other 100");
    send(&mut patient, "BLPOP nothing 0");
    until_blocked(client, 2);
    for line in ["SUBSCRIBE channel", "SSUBSCRIBE shard", "PSUBSCRIBE pattern*"] {
        call(&mut listening, line);
    }
    call(&mut watching, "WATCH string list");
    for line in ["HELLO 3", "CLIENT TRACKING on", "GET string", "GET volatile"] {
        call(&mut caching, line);
    }
    for line in ["HELLO 3", "CLIENT TRACKING on BCAST PREFIX user: PREFIX order:"] {
        call(&mut broadcast, line);
    }
    until("all is freed", || field(client, "lazyfree_pending_objects") == "0");
    vec![waiting, patient, listening, watching, caching, broadcast]
}

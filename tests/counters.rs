//! The counters of INFO that tell what commands did: they go by commands that ran, wherever they
//! ran, as on Redis 8, Valkey 9 and Redis 7. What scripts may take of a memory that is full is
//! here, too, since a counter is how that came to be seen.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use support::client::Client;
use support::oracles::{Asked, all};
use support::resp::Value;
use support::talk::{call, connect, field, ok, text};

/// Redstart, and every oracle that is here.
fn servers() -> Vec<Asked> {
    all(env!("CARGO_BIN_EXE_redstart"), &["--save", "", "--appendonly", "no"])
}

fn number(client: &mut Client, name: &str) -> i64 {
    field(client, name).parse().expect("a number")
}

/// By how much a counter grows while lines are called; looking at it counts as a command itself.
fn growth(client: &mut Client, name: &str, lines: &[&str]) -> i64 {
    let before = number(client, name);
    for line in lines {
        call(client, line);
    }
    number(client, name) - before - i64::from(name == "total_commands_processed")
}

#[test]
fn commands_are_counted_when_they_run() {
    for Asked { name, server, .. } in servers() {
        println!("{name}");
        let mut client = connect(&server);
        for (lines, ran) in [
            (&["SET a 1", "GET a"][..], 2),
            (&["NOSUCH", "GET", "CLIENT"], 0),
            (&["LPUSH a x"], 1),
            (&["MULTI", "SET a 1", "GET a", "EXEC"], 4),
            (&["MULTI", "SET a 1", "NOSUCH", "EXEC"], 2),
            (&["MULTI", "SET a 1", "DISCARD"], 2),
            (&["EVAL redis.call('SET','a',1)redis.call('GET','a') 0"], 3),
            (&["EVAL redis.pcall('NOSUCH') 0"], 1),
        ] {
            let grown = growth(&mut client, "total_commands_processed", lines);
            assert_eq!(grown, ran, "{lines:?}");
        }
    }
}

#[test]
fn reads_and_writes_are_counted_by_the_call() {
    for Asked { name, server, .. } in servers() {
        println!("{name}");
        let mut client = connect(&server);
        let numbers = |client: &mut Client| {
            ["total_reads_processed", "total_writes_processed"].map(|name| number(client, name))
        };
        let grown = |client: &mut Client, bytes: &[u8], replies: usize| {
            let before = numbers(client);
            client.send(bytes).expect("it is sent");
            (0..replies).for_each(|_| drop(client.reply().expect("there is a reply")));
            let after = numbers(client);
            // Asking for the two takes two calls of each kind.
            [after[0] - before[0] - 2, after[1] - before[1] - 2]
        };
        assert_eq!(grown(&mut client, b"", 0), [0, 0]);
        assert_eq!(grown(&mut client, b"PING\r\n", 1), [1, 1]);
        // Requests that come together are read together, and answered so.
        let [reads, writes] = grown(&mut client, &b"PING\r\n".repeat(100), 100);
        assert!((1..100).contains(&reads) && (1..100).contains(&writes), "{reads}, {writes}");
        call(&mut client, "CONFIG RESETSTAT");
        let [reads, writes] = numbers(&mut client);
        assert!((1..10).contains(&reads) && (1..10).contains(&writes), "{reads}, {writes}");
    }
}

#[test]
fn looking_at_an_object_is_a_hit_or_a_miss() {
    for Asked { name, server, .. } in servers() {
        println!("{name}");
        let mut client = connect(&server);
        call(&mut client, "SET a 1");
        for (line, hits, misses) in [
            ("GET a", 1, 0),
            ("GET absent", 0, 1),
            ("OBJECT ENCODING a", 1, 0),
            ("OBJECT IDLETIME a", 1, 0),
            ("OBJECT REFCOUNT a", 1, 0),
            ("OBJECT ENCODING absent", 0, 1),
            ("OBJECT FREQ absent", 0, 1),
            ("SET a 1", 0, 0),
            ("DEL absent", 0, 0),
        ] {
            let found = growth(&mut client, "keyspace_hits", &[line]);
            let missed = growth(&mut client, "keyspace_misses", &[line]);
            assert_eq!((found, missed), (hits, misses), "{line}");
        }
    }
}

#[test]
fn what_fails_in_a_script_has_failed() {
    for Asked { name, server, .. } in servers() {
        println!("{name}");
        let mut client = connect(&server);
        call(&mut client, "SET a 1");
        call(&mut client, "EVAL redis.pcall('LPUSH','a','x') 0");
        call(&mut client, "EVAL redis.call('LPUSH','a','x') 0");
        let told = field(&mut client, "cmdstat_lpush");
        assert!(told.starts_with("calls=2,"), "{told}");
        assert!(told.ends_with(",failed_calls=2"), "{told}");
    }
}

/// The commands in the slow log, oldest first, each with whether a script ran it.
fn slow(client: &mut Client) -> Vec<(String, bool)> {
    let Value::Items(_, entries) = call(client, "SLOWLOG GET") else { panic!("not a list") };
    let command = |entry: Value| {
        let Value::Items(_, entry) = entry else { panic!("not an entry") };
        let Value::Items(_, args) = entry[3].clone() else { panic!("no arguments") };
        (text(args[0].clone()), ["", "?:0"].contains(&&*text(entry[4].clone())))
    };
    entries.into_iter().rev().map(command).collect()
}

#[test]
fn what_a_script_calls_is_timed() {
    for Asked { name, is_valkey, server, .. } in servers() {
        println!("{name}");
        let mut client = connect(&server);
        let elements = vec!["x"; 1000].join(" ");
        (0..50).for_each(|_| drop(call(&mut client, &format!("RPUSH l {elements}"))));
        let sort = "return #redis.call('sort',KEYS[1],'alpha')";
        let library =
            format!("#!lua name=l\nredis.register_function('f',function(KEYS){sort} end)");
        client.call(&["FUNCTION", "LOAD", &library]).expect("there is a reply");
        let eval = format!("EVAL {} 1 l", sort.replace(' ', "\t"));
        for (lines, ran) in [
            (&[&eval[..]][..], &["EVAL"][..]),
            (&["FCALL f 1 l"], &["FCALL"]),
            (&["MULTI", &eval, "FCALL f 1 l", "EXEC"], &["EVAL", "FCALL"]),
        ] {
            call(&mut client, "CONFIG SET slowlog-log-slower-than 0");
            call(&mut client, "CONFIG RESETSTAT");
            call(&mut client, "SLOWLOG RESET");
            lines.iter().for_each(|line| drop(call(&mut client, line)));
            call(&mut client, "CONFIG SET slowlog-log-slower-than -1");
            let mut noted = slow(&mut client);
            noted.retain(|(name, _)| name == "sort" || ran.contains(&&name[..]));
            // In Valkey, what a script runs is its client's.
            let own = |name: &&str| [("sort".to_owned(), !is_valkey), (name.to_string(), false)];
            assert_eq!(noted, ran.iter().flat_map(own).collect::<Vec<_>>(), "{lines:?}");
            let counted = field(&mut client, "cmdstat_sort");
            let (calls, us) = counted.split_once(",usec=").expect("it is timed");
            assert_eq!(calls, format!("calls={}", ran.len()), "{lines:?}");
            assert!(!us.starts_with("0,"), "{counted}");
            let histogram = call(&mut client, "LATENCY HISTOGRAM sort");
            assert!(matches!(histogram, Value::Items(_, items) if items.len() == 2), "{lines:?}");
        }
    }
}

#[test]
fn a_script_takes_no_memory_that_is_not_there() {
    for Asked { name, server, .. } in servers() {
        println!("{name}");
        let mut client = connect(&server);
        assert_eq!(call(&mut client, "SET a 1"), ok());
        assert_eq!(call(&mut client, "CONFIG SET maxmemory 1"), ok());
        let mut said = |script: &str| {
            let reply = client.call(&["EVAL", script, "1", "a"]).expect("there is a reply");
            text(reply)
        };
        let refused = "OOM command not allowed when used memory > 'maxmemory'";
        let set = "return redis.call('SET', KEYS[1], 2)";
        assert!(said(set).starts_with(refused));
        assert_eq!(said("return redis.call('GET', KEYS[1])"), "1");
        // What has begun to write may end.
        assert_eq!(said(&format!("redis.call('DEL', KEYS[1]) {set}")), "OK");
        assert!(said(&format!("#!lua\n{set}")).starts_with(refused));
        assert_eq!(said(&format!("#!lua flags=allow-oom\n{set}")), "OK");
        assert_eq!(said("#!lua flags=no-writes\nreturn redis.call('GET', KEYS[1])"), "2");
        assert_eq!(call(&mut client, "CONFIG SET maxmemory 0"), ok());
        assert_eq!(text(client.call(&["EVAL", set, "1", "a"]).expect("a reply")), "OK");
    }
}

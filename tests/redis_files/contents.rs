//! Keys of every encoding, and all that a server holds as text that can be compared.

use crate::support::client::Client;
use crate::support::resp::Value;
use std::fmt::Write;

/// What is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// What servers before Redis 7.4 and Valkey 9 can hold.
    WithoutFieldDeadlines,
    /// That, and hashes whose fields expire.
    All,
}

/// Settings of the oracle, with which it writes different encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settings {
    /// The defaults.
    Default,
    /// Small thresholds: tables, lists of many nodes, compressed and plain ones; with frequencies.
    Small,
    /// Nothing compressed or summed; with times of last use.
    Plain,
    /// Large thresholds: what is packed is as long as it gets, with elements of all lengths.
    Wide,
}

impl Settings {
    pub const ALL: [Settings; 4] =
        [Settings::Default, Settings::Small, Settings::Plain, Settings::Wide];
    /// Those that there are golden files of.
    pub const GOLDEN: &[Settings] = Settings::ALL.split_at(3).0;

    pub fn name(self) -> &'static str {
        ["default", "small", "plain", "wide"][self as usize]
    }

    /// The oracle's arguments.
    pub fn args(self) -> &'static [&'static str] {
        match self {
            Settings::Default => &[],
            Settings::Small => &[
                "--list-max-listpack-size",
                "3",
                "--list-compress-depth",
                "1",
                "--hash-max-listpack-entries",
                "2",
                "--maxmemory-policy",
                "allkeys-lfu",
            ],
            Settings::Plain => &[
                "--rdbcompression",
                "no",
                "--rdbchecksum",
                "no",
                "--maxmemory-policy",
                "allkeys-lru",
            ],
            Settings::Wide => &[
                "--list-max-listpack-size",
                "-5",
                "--list-compress-depth",
                "2",
                "--hash-max-listpack-entries",
                "2000",
                "--hash-max-listpack-value",
                "20000",
            ],
        }
    }

    /// Redstart's arguments.
    pub fn args_here(self) -> &'static [&'static str] {
        match self {
            Settings::Small => {
                &["--list-max-listpack-size", "3", "--hash-max-listpack-entries", "2"]
            }
            Settings::Wide => {
                &["--list-max-listpack-size", "-5", "--hash-max-listpack-value", "20000"]
            }
            Settings::Default | Settings::Plain => &[],
        }
    }
}

/// A command as append-only files hold it.
pub fn logged_command(words: &[&str]) -> String {
    let word = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
    format!("*{}\r\n{}", words.len(), words.iter().map(word).collect::<String>())
}

/// Runs a command that must not fail.
pub fn line(client: &mut Client, text: &str) -> Value {
    let words: Vec<&str> = text.split(' ').collect();
    let reply = client.call(&words).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert!(!matches!(reply, Value::Error(_)), "{text}: {reply:?}");
    reply
}

const LIBRARY: &str = "#!lua name=golden\nredis.register_function('answer', function() \
    return 42 end)";

/// Stores keys of every encoding.
pub fn fill(client: &mut Client, settings: Settings, contents: Contents) {
    if settings == Settings::Small {
        // Only Redis has it: elements of so many bytes are nodes of their own.
        let _ = client.call(&["DEBUG", "QUICKLIST-PACKED-THRESHOLD", "100b"]);
    }
    let long = "abcdefgh".repeat(40);
    let random: String = (0..3000u32).map(|n| char::from(33 + (n * n % 89) as u8)).collect();
    for (key, value) in [
        ("int8", "-7"),
        ("int16", "12345"),
        ("int32", "-2000000000"),
        ("int64", "9223372036854775807"),
        ("zeros", "007"),
        ("short", "hello"),
        ("packed", &long),
        ("unpacked", &random),
        ("expires", "v"),
    ] {
        client.call(&["SET", key, value]).expect("it lives");
    }
    client.call(&["SET", "", "an empty name"]).expect("it lives");
    line(client, "PEXPIREAT expires 4102444800000");
    let elements: Vec<String> = (0..600)
        .map(|n| match n % 4 {
            0 => format!("{}", i64::from(n) * 1_000_003 * if n % 8 == 0 { -1 } else { 1 }),
            1 => "x".repeat(n as usize % 70),
            2 => format!("element-{n}"),
            _ => long[..n as usize % 300].to_owned(),
        })
        .collect();
    for (key, count) in [("list", 5), ("long-list", 600)] {
        let mut words = vec!["RPUSH", key];
        words.extend(elements[..count].iter().map(String::as_str));
        client.call(&words).expect("it lives");
    }
    client.call(&["RPUSH", "wide-list", &random.repeat(5), "", &long]).expect("it lives");
    line(client, "HSET hash f v 17 -70000");
    client.call(&["HSET", "long-field", &long, "", "", &random]).expect("it lives");
    for n in 0..600 {
        line(client, &format!("HSET long-hash field-{n} {}", n * n * n));
    }
    line(client, "PEXPIREAT hash 4102444800123");
    if contents == Contents::All {
        fill_timed(client, &long);
    }
    line(client, "SELECT 9");
    line(client, "SET elsewhere 1");
    line(client, "RPUSH list-elsewhere a");
    line(client, "SELECT 0");
    let loaded = client.call(&["FUNCTION", "LOAD", "REPLACE", LIBRARY]);
    assert_eq!(loaded.ok(), Some(Value::Bulk(b"golden".to_vec())));
}

/// Stores sets and sorted sets of every encoding.
fn fill_members(client: &mut Client) {
    let long = "abcdefgh".repeat(40);
    line(client, "SADD small-integers 1 -2 32767");
    line(client, "SADD integers 70000 -70000");
    line(client, "SADD large-integers 9223372036854775807 -9223372036854775808 0");
    line(client, "SADD packed-set a 17 -70000 0123");
    line(client, "PEXPIREAT packed-set 4102444800000");
    client.call(&["SADD", "long-member-set", &long, "", "17"]).expect("it lives");
    line(client, "ZADD packed-scores 1 a -3 b 0.1 c 1e300 d inf e -inf f 123456789012 17 0.5 -9");
    client.call(&["ZADD", "long-member-scores", "0.1", &long, "2", "", "3", "17"]).expect("ok");
    line(client, "PEXPIREAT long-member-scores 4102444800000");
    for n in 0..600 {
        line(client, &format!("SADD many-integers {}", n * n * n));
        line(client, &format!("SADD many-members member-{n}"));
        line(client, &format!("ZADD many-scores {}.{n} member-{n}", n % 7));
    }
}

/// Stores numbers and texts at every edge of what packed values tell apart, and sets.
pub fn fill_edges(client: &mut Client) {
    fill_members(client);
    for n in [7, 12, 13, 15, 16, 23, 24, 31, 32, 52, 63] {
        for number in [(1i128 << n) - 1, 1 << n, -(1 << n), -(1 << n) - 1] {
            line(client, &format!("RPUSH edges {number}"));
            line(client, &format!("HSET edge-fields {number} {number}"));
            line(client, &format!("SET edge{number} {number}"));
        }
    }
    for len in [0, 1, 63, 64, 126, 127, 128, 4095, 4096, 8186, 8192, 16_383, 16_384] {
        let text = "e".repeat(len);
        client.call(&["RPUSH", "lengths", &text]).expect("it lives");
        client.call(&["HSET", "long-fields", &format!("{len}"), &text]).expect("it lives");
        client.call(&["SET", &format!("length{len}"), &text]).expect("it lives");
    }
}

/// Stores hashes some of whose fields expire.
fn fill_timed(client: &mut Client, long: &str) {
    line(client, "HSET timed f v 17 -70000 g w h x");
    line(client, "HPEXPIREAT timed 4102444800000 FIELDS 2 f 17");
    line(client, "HPEXPIREAT timed 4102444900001 FIELDS 1 g");
    line(client, "HSET all-timed f v g 1");
    line(client, "HPEXPIREAT all-timed 4102444800000 FIELDS 2 f g");
    line(client, "PEXPIREAT all-timed 4102444700000");
    client.call(&["HSET", "timed-long-field", long, "", "", long]).expect("it lives");
    line(client, "HPEXPIREAT timed-long-field 4102444800000 FIELDS 1 ");
    for n in 0..600u64 {
        line(client, &format!("HSET timed-long-hash field-{n} {}", n * n * n));
        if n % 3 > 0 {
            let at = 4_102_444_800_000 + n * n;
            line(client, &format!("HPEXPIREAT timed-long-hash {at} FIELDS 1 field-{n}"));
        }
    }
    // A field whose deadline was taken away.
    line(client, "HSET no-longer-timed f v");
    line(client, "HPEXPIREAT no-longer-timed 4102444800000 FIELDS 1 f");
    line(client, "HPERSIST no-longer-timed FIELDS 1 f");
}

/// All keys of all databases with their values and times, and what the function answers.
pub fn contents(client: &mut Client) -> String {
    let answer = line(client, "FCALL answer 0");
    format!("{}{answer:?}", keys(client))
}

/// All keys of all databases with their values and times.
pub fn keys(client: &mut Client) -> String {
    let mut text = String::new();
    for db in 0..16 {
        line(client, &format!("SELECT {db}"));
        for key in names(client) {
            let mut ask = |words: &[&[u8]]| {
                let words: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
                client.call(&words).expect("it lives")
            };
            let kind = ask(&[b"TYPE", &key]);
            let value = match &kind {
                Value::Simple(kind) => match &kind[..] {
                    b"string" => ask(&[b"GET", &key]),
                    b"list" => ask(&[b"LRANGE", &key, b"0", b"-1"]),
                    b"hash" => pairs(&mut ask, &key),
                    b"set" => members(ask(&[b"SMEMBERS", &key])),
                    b"zset" => scores(ask(&[b"ZRANGE", &key, b"0", b"-1", b"WITHSCORES"])),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            };
            let time = ask(&[b"PEXPIRETIME", &key]);
            let key = key.escape_ascii();
            writeln!(text, "{db} {key} {kind:?} {time:?} {value:?}").expect("memory takes it");
        }
    }
    line(client, "SELECT 0");
    text
}

/// A set's members in their order.
fn members(value: Value) -> Value {
    let Value::Items(kind, mut items) = value else { panic!("SMEMBERS answers a list") };
    items.sort_by_key(|item| format!("{item:?}"));
    Value::Items(kind, items)
}

/// A sorted set's members with their scores, which servers write with more or fewer digits.
fn scores(value: Value) -> Value {
    let Value::Items(kind, mut items) = value else { panic!("ZRANGE answers a list") };
    for score in items.iter_mut().skip(1).step_by(2) {
        let Value::Bulk(text) = score else { panic!("a score is a text") };
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
        let number = number.unwrap_or_else(|| panic!("{} is no number", text.escape_ascii()));
        *score = Value::Bulk(format!("{number:?}").into_bytes());
    }
    Value::Items(kind, items)
}

fn names(client: &mut Client) -> Vec<Vec<u8>> {
    let Value::Items(_, items) = line(client, "KEYS *") else { panic!("KEYS answers a list") };
    let name = |item| match item {
        Value::Bulk(name) => name,
        other => panic!("{other:?}"),
    };
    let mut names: Vec<_> = items.into_iter().map(name).collect();
    names.sort();
    names
}

/// A hash's fields in their order, each with its value and its time; where the server knows no
/// times of fields, none has one.
fn pairs(mut ask: impl FnMut(&[&[u8]]) -> Value, key: &[u8]) -> Value {
    let Value::Items(kind, items) = ask(&[b"HGETALL", key]) else {
        panic!("HGETALL answers a list")
    };
    let (pairs, _) = items.as_chunks::<2>();
    let mut rows: Vec<_> = pairs
        .iter()
        .map(|[field, value]| {
            let Value::Bulk(name) = field else { panic!("a field is a string") };
            let time = match ask(&[b"HPEXPIRETIME", key, b"FIELDS", b"1", name]) {
                Value::Items(_, times) => times[0].clone(),
                _ => Value::Int(-1),
            };
            [field.clone(), value.clone(), time]
        })
        .collect();
    rows.sort_by_key(|row| format!("{:?}", row[0]));
    Value::Items(kind, rows.concat())
}

/// Restores in `to` all keys as `from` dumps them; returns what `to` holds then.
pub fn restored(from: &mut Client, to: &mut Client) -> String {
    line(to, "FLUSHALL");
    for db in 0..16 {
        for client in [&mut *from, &mut *to] {
            line(client, &format!("SELECT {db}"));
        }
        for key in names(from) {
            let mut ask = |words: &[&[u8]]| {
                let words: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
                from.call(&words).expect("it lives")
            };
            let (dumped, time) = (ask(&[b"DUMP", &key]), ask(&[b"PEXPIRETIME", &key]));
            let (Value::Bulk(payload), Value::Int(time)) = (dumped, time) else {
                panic!("DUMP and PEXPIRETIME answer a string and a number")
            };
            let time = time.max(0).to_string().into_bytes();
            let words =
                [b"RESTORE".to_vec(), key.clone(), time, payload, b"ABSTTL".to_vec()].to_vec();
            let reply = to.call(&words).expect("it lives");
            assert_eq!(reply, Value::Simple(b"OK".to_vec()), "{}", key.escape_ascii());
        }
    }
    keys(to)
}

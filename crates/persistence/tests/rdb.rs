//! Redis's files: what is written is read again; encodings of servers of old, made by hand; what
//! is cut, damaged or means nothing is refused where it is wrong.

mod common;

use common::files::{driver, entry, fault, file, listpack, payload, string, ziplist};
use common::{disturb, golden, load_rdb, save_rdb, state};
use proptest::prelude::*;
use redstart_engine::driver::Driver;
use redstart_persistence::rdb::{Compression, Input, Reader, Version, crc64, payload as payloads};

const LIBRARY: &[u8] = b"#!lua name=library\n";

#[test]
fn everything_comes_back() {
    for seed in 0..6 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut from = driver(seed);
        for _ in 0..random.usize(..4000) {
            disturb(&mut from, &mut random);
        }
        let compression = [Compression::None, Compression::Lzf][seed as usize % 2];
        let bytes = save_rdb(&from, Version::TIMED, compression);
        let mut to = driver(99);
        to.now = from.now;
        let (about, libraries) = load_rdb(&to, &bytes).expect("it was written whole");
        assert_eq!(state(&to), state(&from), "seed {seed}");
        assert_eq!(about.entries as usize, state(&from).len());
        assert_eq!(libraries, [LIBRARY]);
        assert_eq!(about.writer.as_deref(), Some("Redstart test"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn any_value_survives_dump_and_restore(
        parts in proptest::collection::vec(
            proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'1'), Just(b'x')], 0..200),
            1..60,
        ),
        number in any::<i64>(),
        packed_max in prop_oneof![Just(-2i64), Just(3)],
    ) {
        let mut from = driver(1);
        from.engine.options.set_list_packed_max(packed_max);
        from.engine.options.set_hash_packed_fields_max(if packed_max == 3 { 3 } else { 512 });
        from.engine.options.set_set_packed_members_max(if packed_max == 3 { 3 } else { 128 });
        from.engine.options.set_set_integers_max(if packed_max == 3 { 3 } else { 512 });
        let number = number.to_string();
        from.call(&[b"SET", b"string", &parts[0]]);
        from.call(&[b"SET", b"number", number.as_bytes()]);
        for (n, part) in parts.iter().enumerate() {
            from.call(&[b"RPUSH", b"list", part]);
            from.call(&[b"HSET", b"hash", part, number.as_bytes()]);
            from.call(&[b"HSET", b"timed", part, part]);
            from.call(&[b"SADD", b"set", part, number.as_bytes()]);
            let integer = (n as i64 - 30).pow(1 + n as u32 % 11).to_string();
            from.call(&[b"SADD", b"integers", integer.as_bytes()]);
            if n % 3 == 0 {
                let at = format!("{}", 1_800_000_000_000i64 + n as i64);
                from.call(&[b"HPEXPIREAT", b"timed", at.as_bytes(), b"FIELDS", b"1", part]);
            }
        }
        let to = {
            let mut to = driver(2);
            to.now = from.now;
            for key in ["string", "number", "list", "hash", "timed", "set", "integers"] {
                let dumped = from.call(&[b"DUMP", key.as_bytes()]);
                let start = dumped.iter().position(|&byte| byte == b'\n').expect("a bulk") + 1;
                let dumped = &dumped[start..dumped.len() - 2];
                let reply = to.call(&[b"RESTORE", key.as_bytes(), b"0", dumped]);
                prop_assert_eq!(&reply[..], b"+OK\r\n");
            }
            to
        };
        prop_assert_eq!(state(&to), state(&from));
    }
}

/// Some of everything, small.
fn filled() -> Driver {
    let mut driver = driver(1);
    for line in [
        "SET text hello PXAT 4102444800000",
        "SET number -12345",
        "MEMCACHED.NOTE number 77 0",
        "SET packed xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "RPUSH list a 17 -70000 bc",
        "HSET hash f 1 g two",
        "SADD set a 17 -70000 bc",
        "SADD integers 1 -70000 5000000000",
        "ZADD scores -1.5 a 17 bc inf 0",
        "HSET timed f 1 g two",
        "HPEXPIREAT timed 4102444800000 FIELDS 1 f",
    ] {
        let reply = driver.line(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    driver.db = 3;
    driver.line("SET elsewhere 1");
    driver
}

#[test]
fn no_cut_and_no_flipped_bit_goes_unnoticed() {
    for version in Version::WRITTEN.into_iter().filter(|&version| version >= Version::TIMED) {
        let whole = save_rdb(&filled(), version, Compression::Lzf);
        let target = driver(2);
        assert!(load_rdb(&driver(3), &whole).is_ok());
        for len in 0..whole.len() {
            assert!(load_rdb(&target, &whole[..len]).is_err(), "cut to {len} of {}", whole.len());
        }
        let mut flipped = whole.clone();
        for bit in 0..whole.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(load_rdb(&target, &flipped).is_err(), "bit {} of byte {}", bit % 8, bit / 8);
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(load_rdb(&target, &[&whole[..], b"x"].concat()).is_err());
        assert!(state(&target).is_empty());
    }
}

/// The same of files that real servers wrote, here and there in them.
#[test]
fn real_files_do_not_lose_anything_unnoticed() {
    let mut random = fastrand::Rng::with_seed(3);
    for name in ["redis-7.0.15-small", "redis-8.6.3-default", "valkey-9.1.2-small"] {
        let whole = golden(&format!("{name}.rdb"));
        let target = driver(2);
        assert!(load_rdb(&driver(3), &whole).is_ok(), "{name}");
        for len in (0..whole.len()).filter(|len| len % 397 == 0 || whole.len() - len < 20) {
            assert!(load_rdb(&target, &whole[..len]).is_err(), "{name}: cut to {len}");
        }
        let mut flipped = whole.clone();
        for _ in 0..300 {
            let (at, bit) = (random.usize(..whole.len()), random.u32(..8));
            flipped[at] ^= 1 << bit;
            assert!(load_rdb(&target, &flipped).is_err(), "{name}: bit {bit} of byte {at}");
            flipped[at] ^= 1 << bit;
        }
        assert!(state(&target).is_empty());
    }
}

/// Every damage to a payload is found, whoever's it is.
#[test]
fn no_damage_to_a_payload_goes_unnoticed() {
    let mut from = filled();
    from.db = 0;
    let target = driver(2);
    for version in [10, 12, 13, 80] {
        from.engine.options.set_rdb_version(version);
        for key in
            ["text", "number", "packed", "list", "hash", "timed", "set", "integers", "scores"]
        {
            let dumped = from.call(&[b"DUMP", key.as_bytes()]);
            let start = dumped.iter().position(|&byte| byte == b'\n').expect("a bulk") + 1;
            let whole = &dumped[start..dumped.len() - 2];
            let restored = |bytes: &[u8]| payloads::restore(bytes, common::builder(&target)).err();
            assert_eq!(restored(whole), None, "{key}, {version}");
            for len in 0..whole.len() {
                let cut = restored(&whole[..len]);
                assert_eq!(cut, Some(payloads::Refused::Footer), "{key}, {version}, {len}");
            }
            let mut flipped = whole.to_vec();
            for bit in 0..whole.len() * 8 {
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(restored(&flipped).is_some(), "{key}, {version}, bit {bit}");
                flipped[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}

/// Whatever is damaged under a right checksum is refused or is a value: never a panic.
#[test]
fn damage_under_a_right_checksum_is_survived() {
    let target = driver(5);
    let mut random = fastrand::Rng::with_seed(7);
    let templates = [
        &b"\xf2\x07\x02\x01a\x02bb"[..],
        &entry(32, b"\x07\x01x\xc0\x05"),
        b"\xfe\x01",
        &entry(30, &string(&listpack(&[b"\x07", b"\x81x", b"\x05"]))),
        b"\xfe\x02",
        &entry(31, b"\x01\x02\x01a\x02bb\x01x\xc0\x05"),
        b"\xfe\x03\xf3\x01\x01\xf5\xc4\x24\x05\x03abc\x00",
        &entry(0, b"\x01v"),
        b"\xf7\x81\x44\x9d\xa5\x2b\x62\xc0\x00\x00\x02\x01\x05\x03abc\x00",
    ];
    let written = [Version::TIMED, Version::WRITTEN[4]];
    let files = written.map(|version| save_rdb(&filled(), version, Compression::None));
    for whole in files.into_iter().chain([file("REDIS0016", &templates.concat())]) {
        assert!(load_rdb(&driver(6), &whole).is_ok());
        let body = &whole[..whole.len() - 8];
        for _ in 0..6000 {
            let mut damaged = body.to_vec();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(9..damaged.len());
                match random.u32(..3) {
                    0 => damaged[at] = random.u8(..),
                    1 => drop(damaged.remove(at)),
                    _ => damaged.insert(at, random.u8(..)),
                }
            }
            let sum = crc64(0, &damaged).to_le_bytes();
            damaged.extend_from_slice(&sum);
            let source = Box::new(&damaged[..]);
            let Ok(mut reader) = Reader::new(Input::new("rdb", source, damaged.len() as u64))
            else {
                continue;
            };
            while let Ok(Some(_)) = reader.next(common::builder(&target)) {}
        }
    }
}

#[test]
fn encodings_of_old_are_read() {
    let long = [&[0x41u8, 0x2c][..], &[b'z'; 300]].concat();
    let longer = [&[0x80u8, 0, 0, 0x50, 0][..], &[b'w'; 0x5000]].concat();
    let numbers: [&[u8]; 9] = [
        b"\x01a",
        &long,
        b"\xc0\x00\x80",
        b"\xd0\x00\x00\x00\x80",
        b"\xe0\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\xf0\x00\x00\x80",
        b"\xfe\x80",
        b"\xf1",
        b"\xfd",
    ];
    let list = ziplist(&numbers);
    let huge = ziplist(&[&longer, b"\xf2"]);
    let huge = [&[0x80][..], &(huge.len() as u32).to_be_bytes(), &huge].concat();
    let elements =
        format!("a {} -32768 -2147483648 9223372036854775807 -8388608 -128 0 12", "z".repeat(300));
    let pairs = ziplist(&[b"\x01f", b"\xf8", b"\x01g", b"\x01w"]);
    let zipmap = b"\x02\x01f\x01\x027..\x01g\x01\x00w\xff";
    let cases: [(u8, Vec<u8>, String); 8] = [
        (1, [&b"\x02"[..], &string(b"a"), b"\xc0\x11"].concat(), "RPUSH key a 17".into()),
        (10, string(&list), format!("RPUSH key {elements}")),
        (10, huge, format!("RPUSH key {} 1", "w".repeat(0x5000))),
        (
            14,
            [&b"\x02"[..], &string(&list), &string(&ziplist(&[b"\xf2"]))].concat(),
            format!("RPUSH key {elements} 1"),
        ),
        (4, [&b"\x02"[..], b"\x01f\xc0\x07\x01g\x01w"].concat(), "HSET key f 7 g w".into()),
        (9, string(zipmap), "HSET key f 7 g w".into()),
        (13, string(&pairs), "HSET key f 7 g w".into()),
        (0, b"\xc3\x04\x09\x01xx\x60\x00x"[..].to_vec(), String::new()),
    ];
    for (kind, value, line) in cases {
        for version in ["REDIS0001", "REDIS0004", "REDIS0006", "REDIS0009", "VALKEY080"] {
            let mut bytes = file(version, &entry(kind, &value));
            if version < "REDIS0005" {
                bytes.truncate(bytes.len() - 8);
            }
            let loaded = driver(1);
            let read = load_rdb(&loaded, &bytes);
            if line.is_empty() {
                assert!(read.is_err());
                continue;
            }
            read.unwrap_or_else(|error| panic!("{kind} in {version}: {error}"));
            let mut wanted = driver(2);
            wanted.line(&line);
            assert_eq!(state(&loaded), state(&wanted), "{kind} in {version}");
        }
    }
}

#[test]
fn deadlines_of_fields_are_read() {
    let at: i64 = 4_102_444_800_000;
    let time = at.to_le_bytes();
    let bytes_of = |at: i64| [&[0xf4][..], &at.to_le_bytes()].concat();
    let packed = listpack(&[b"\x81f", b"\x07", &bytes_of(at), b"\x81g", b"\x81w", b"\x00"]);
    let plain = b"\x02\x01\x01f\xc0\x07\x00\x01g\x01w";
    let whole = [&b"\x02\x81"[..], &at.to_be_bytes(), b"\x01f\xc0\x07\x00\x01g\x01w"].concat();
    let none = (-1i64).to_le_bytes();
    let valkey = [&b"\x02\x01f\xc0\x07"[..], &time, b"\x01g\x01w", &none].concat();
    for (version, kind, value) in [
        ("REDIS0012", 24, [&time[..], plain].concat()),
        ("REDIS0012", 25, [&time[..], &string(&packed)].concat()),
        ("REDIS0013", 25, [&time[..], &string(&packed)].concat()),
        ("REDIS0012", 22, whole),
        ("REDIS0012", 23, string(&packed)),
        ("VALKEY080", 22, valkey),
    ] {
        let loaded = driver(1);
        let read = load_rdb(&loaded, &file(version, &entry(kind, &value)));
        read.unwrap_or_else(|error| panic!("{kind} in {version}: {error}"));
        let mut wanted = driver(2);
        wanted.line("HSET key f 7 g w");
        wanted.line(&format!("HPEXPIREAT key {at} FIELDS 1 f"));
        assert_eq!(state(&loaded), state(&wanted), "{kind} in {version}");
    }
}

#[test]
fn what_stands_between_entries_is_understood() {
    let parts = [
        &b"\xfa\x09redis-ver\x057.2.4\xfa\x0aredis-bits\xc0\x40"[..],
        b"\xf5\x13#!lua name=library\n",
        b"\xfe\x02\xfb\x01\x01\xf4\x01\x02\x03",
        b"\xfd\x80\xd8\xdb\x70\x00\x01a\x01x",
        b"\xfc\x00\xd8\xc3\x2c\xbb\x03\x00\x00\xf8\x50\x00\x00\x01b\x01y",
        b"\xf9\x7f\x00\x01c\x01z",
    ]
    .concat();
    let loaded = driver(1);
    let (about, libraries) =
        load_rdb(&loaded, &file("REDIS0011", &parts)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((about.version.number(), about.entries, about.libraries), (11, 3, 1));
    assert_eq!(about.writer.as_deref(), Some("Redis 7.2.4"));
    assert_eq!(libraries, [LIBRARY]);
    let all: Vec<_> = state(&loaded).into_values().collect();
    assert_eq!(all.len(), 3);
    assert!(all[0].ends_with("until 1893456000000"), "{}", all[0]);
    assert!(all[1].ends_with("until 4102444800000"), "{}", all[1]);
    // A sum of zero is none.
    let mut unsummed = file("REDIS0011", &parts);
    let end = unsummed.len();
    unsummed[end - 8..].fill(0);
    assert!(load_rdb(&driver(2), &unsummed).is_ok());
}

/// A note of memcached before what is about a key.
fn noted(note: &str, rest: &[u8]) -> Vec<u8> {
    [b"\xfa", &string(b"redstart-memcached")[..], &string(note.as_bytes()), rest].concat()
}

#[test]
fn notes_of_memcached_come_back() {
    let parts = [
        noted("4294967295 1", &entry(0, b"\x01a")),
        noted("7 0", &[&b"\xfc\x00\xd8\xc3\x2c\xbb\x03\x00\x00"[..], b"\x00\x01b\x017"].concat()),
        b"\x00\x01c\x01z".to_vec(),
    ]
    .concat();
    let loaded = driver(1);
    load_rdb(&loaded, &file("REDIS0011", &parts)).unwrap_or_else(|error| panic!("{error}"));
    let all: Vec<_> = state(&loaded).into_values().collect();
    assert_eq!(
        all,
        ["[55] noted 7 0 until 4102444800000", "[122] until 0", "[97] noted 4294967295 1 until 0"]
    );
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let odd = string(&listpack(&[b"\x81f", b"\x81v", b"\x81g"]));
    let twice = string(&listpack(&[b"\x81f", b"\x81v", b"\x81f", b"\x81v"]));
    let cases: Vec<(Vec<u8>, u64, &str)> = vec![
        (entry(5, b"\x01\x01a\0\0\0\0\0\0\xf8\x7f"), 15, "a score is not a number"),
        (entry(3, b"\x02\x01a\xfe\x01a\x011"), 18, "a member occurs twice"),
        (entry(3, b"\x01\x01a\xfd"), 17, "a score is not a number"),
        (entry(17, &string(&listpack(&[b"\x81m"]))), 14, "a member without a score"),
        (entry(17, &string(&listpack(&[b"\x81m", b"\x81x"]))), 14, "a score is not a number"),
        (entry(21, b"\x01"), 14, "elements are announced"),
        (entry(7, b"\x81\x44\x9d\xa5\x2b\x62\xc0\x00\x00"), 14, "a module's type (RJ2lK2LAA)"),
        (entry(77, b""), 14, "an unknown type"),
        (entry(16, &odd), 14, "a field without a value"),
        (entry(16, &twice), 14, "a field occurs twice"),
        (entry(4, b"\x02\x01f\x01v\x01f\x01w"), 19, "a field occurs twice"),
        (entry(1, b"\x81\xff\xff\xff\xff\xff\xff\xff\xff"), 14, "elements are announced"),
        (entry(0, b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff"), 23, "bytes are announced"),
        (entry(0, b"\xc3\x02\x80\x7f\xff\xff\xff\x00a"), 14, "a compressed string is damaged"),
        (entry(18, b"\x01\x03\x01a"), 15, "a part of a list is of an unknown kind"),
        (entry(9, b"\x07\xff\x01f\x01\x00v\xff"), 14, "a zipmap's count is not right"),
        (entry(18, b"\x01\x01\x00"), 15, "an empty element as a part of a list"),
        (entry(6, b"\x81\x44\x9d\xa5\x2b\x62\xc0\x00\x00"), 14, "a module's type (RJ2lK2LAA)"),
        (
            b"\xf7\x81\x44\x9d\xa5\x2b\x62\xc0\x00\x00\x01\x01\x00".to_vec(),
            19,
            "data of the module RJ2lK2LAA is damaged",
        ),
        (
            b"\xf7\x81\x44\x9d\xa5\x2b\x62\xc0\x00\x00\x02\x01\x06".to_vec(),
            21,
            "what a module wrote is damaged",
        ),
        (noted("1", &entry(0, b"\x01a")), 9, "no two numbers"),
        (noted("4294967296 0", &entry(0, b"\x01a")), 9, "no two numbers"),
        (noted("1 0", b"\xfe\x00"), 33, "what is said of a key, without a key"),
        (noted("1 0", &noted("1 0", &entry(0, b"\x01a"))), 33, "without a key"),
        (noted("1 0", &entry(1, b"\x01\x01a")), 33, "of a value that is no string"),
        (b"\xf6\x01a".to_vec(), 9, "no released server"),
        (b"\xf0".to_vec(), 9, "a part of an unknown kind, number 240"),
        (b"\xfe\x10".to_vec(), 9, "there is no database 16"),
        (
            b"\xfc\x00\x00\x00\x00\x00\x00\x00\x00\xfe\x00".to_vec(),
            18,
            "what is said of a key, without a key",
        ),
    ];
    for (parts, offset, what) in cases {
        let fault = fault(&file("REDIS0010", &parts));
        assert!(fault.what.contains(what), "{fault}, not {what}");
        assert_eq!(fault.offset, offset, "{fault}");
        let is_entry = parts.len() > 4 && parts[1..].starts_with(b"\x03key");
        assert_eq!(fault.what.contains("(key \"key\", at byte 9)"), is_entry, "{fault}");
    }
}

/// Servers before Redis 7 wrote some by mistake; Redis passes them over, too.
#[test]
fn keys_without_elements_are_passed_over() {
    let listpack = string(&listpack(&[]));
    let ziplist = b"\x0b\x0b\x00\x00\x00\x0a\x00\x00\x00\x00\x00\xff";
    let full = b"\x02\x0d\x0d\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\xf2\xff";
    let parts = [
        entry(1, b"\x00"),
        // It had a deadline, which is not that of the next one.
        [&b"\xfc\x00\xd8\xc3\x2c\xbb\x03\x00\x00"[..], &entry(4, b"\x00")].concat(),
        entry(10, ziplist),
        entry(13, ziplist),
        entry(14, &[b"\x01", &ziplist[..]].concat()),
        entry(16, &listpack),
        entry(18, &[&b"\x01\x02"[..], &listpack].concat()),
        // A part may be empty, as long as another one is not.
        entry(14, &[full, &ziplist[..]].concat()),
    ]
    .concat();
    let loaded = driver(1);
    let (about, _) =
        load_rdb(&loaded, &file("REDIS0010", &parts)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((about.entries, about.empty), (1, 7));
    let mut loaded = loaded;
    assert_eq!(loaded.line("LRANGE key 0 -1"), "*1\r\n$1\r\n1\r\n");
    assert_eq!(loaded.line("TTL key"), ":-1\r\n");
}

#[test]
fn a_payload_ends_where_its_value_does() {
    let of = |body: &[u8]| {
        let target = driver(1);
        payloads::restore(&payload(body, 10), common::builder(&target)).err()
    };
    assert_eq!(of(b"\x00\x05hello"), None);
    assert_eq!(of(b"\x00\x05hellox"), Some(payloads::Refused::Body));
    assert_eq!(of(b"\x00\x06hello"), Some(payloads::Refused::Body));
    assert_eq!(of(b"\x04\x00"), Some(payloads::Refused::Body));
}

//! Where Redis's numbers and Valkey's differ: each is read by its maker's table, what does not
//! exist here is refused by its name, and what is written for one maker is its own.

mod common;

use common::files::{driver, entry, fault, file, listpack, payload, string};
use common::{builder, load_rdb, save_rdb, state};
use redstart_persistence::rdb::payload::{Refused, restore};
use redstart_persistence::rdb::{Compression, Version};

const AT_MS: i64 = 4_102_444_800_000;

/// What an engine holds after these commands, in its first database.
fn after(lines: &[&str]) -> String {
    let mut driver = driver(2);
    for line in lines {
        let reply = driver.line(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    format!("{:?}", state(&driver))
}

fn loaded(head: &str, parts: &[u8]) -> Result<String, String> {
    let driver = driver(1);
    load_rdb(&driver, &file(head, parts)).map_err(|error| error.to_string())?;
    Ok(format!("{:?}", state(&driver)))
}

/// The value in a payload, by the name that files made by hand give their key.
fn restored(body: &[u8], version: u16) -> Result<String, Refused> {
    let mut driver = driver(1);
    let value = restore(&payload(body, version), builder(&driver));
    drop(value?);
    let reply = driver.call(&[b"RESTORE", b"key", b"0", &payload(body, version)]);
    assert_eq!(&reply[..], b"+OK\r\n");
    Ok(format!("{:?}", state(&driver)))
}

/// A hash of two fields, one of which expires, as Redis 7.4 RC, Redis and Valkey write it.
fn timed() -> [(u8, Vec<u8>); 5] {
    let time = AT_MS.to_le_bytes();
    let number = [&[0xf4][..], &time].concat();
    let packed = string(&listpack(&[b"\x81f", b"\x07", &number, b"\x81g", b"\x81w", b"\x00"]));
    let above = b"\x02\x01\x01f\xc0\x07\x00\x01g\x01w";
    let whole = [&b"\x02\x81"[..], &AT_MS.to_be_bytes(), b"\x01f\xc0\x07\x00\x01g\x01w"].concat();
    let none = (-1i64).to_le_bytes();
    [
        (22, whole),
        (23, packed.clone()),
        (24, [&time[..], above].concat()),
        (25, [&time[..], &packed].concat()),
        (22, [&b"\x02\x01f\xc0\x07"[..], &time, b"\x01g\x01w", &none].concat()),
    ]
}

#[test]
fn the_same_number_is_read_as_its_makers() {
    let expire = format!("HPEXPIREAT key {AT_MS} FIELDS 1 f");
    let wanted = after(&["HSET key f 7 g w", &expire]);
    let [redis @ .., valkey] = timed();
    for (kind, value) in redis {
        for number in [12, 13, 16] {
            let head = format!("REDIS{number:04}");
            assert_eq!(loaded(&head, &entry(kind, &value)), Ok(wanted.clone()), "{kind}, {head}");
            let body = [&[kind][..], &value].concat();
            assert_eq!(restored(&body, number), Ok(wanted.clone()), "{kind}, {number}");
        }
        for number in [80, 81] {
            assert!(loaded(&format!("VALKEY{number:03}"), &entry(kind, &value)).is_err(), "{kind}");
            assert!(restored(&[&[kind][..], &value].concat(), number).is_err(), "{kind}");
        }
    }
    let (kind, value) = valkey;
    for number in [80, 81] {
        let head = format!("VALKEY{number:03}");
        assert_eq!(loaded(&head, &entry(kind, &value)), Ok(wanted.clone()), "{head}");
        assert_eq!(restored(&[&[kind][..], &value].concat(), number), Ok(wanted.clone()));
    }
    assert!(loaded("REDIS0012", &entry(kind, &value)).is_err());
    assert!(restored(&[&[kind][..], &value].concat(), 12).is_err());
}

#[test]
fn what_does_not_exist_here_is_named() {
    let cases = [
        ("REDIS0014", &[28][..], "the value is an array, encoding"),
        ("REDIS0016", &[33], "the value is a rate limiter (GCRA), encoding"),
        ("REDIS0016", &[34, 35, 36, 37], "the value is a set whose members expire, or"),
        ("REDIS0016", &[8, 38, 77, 127], "the value is of an unknown type, encoding"),
        ("VALKEY081", &[23], "the value is a path hash, encoding"),
        ("VALKEY081", &[24, 25, 26, 27, 28, 29, 33], "the value is of an unknown type, encoding"),
    ];
    for (head, kinds, what) in cases {
        for &kind in kinds {
            let found = fault(&file(head, &entry(kind, b"\x01\x01a")));
            let wanted = format!(" {kind}, which does not exist here (key \"key\", at byte 9)");
            assert!(found.what.starts_with(what) && found.what.ends_with(&wanted), "{found}");
            assert_eq!(found.offset, 14, "{found}");
        }
    }
    // What comes first in a module's value is its name.
    let vectors = b"\x81\xbd\xe7\x2d\xa2\xbb\x1e\xb4\x00".to_vec();
    let found = fault(&file("REDIS0013", &entry(7, &vectors)));
    assert!(found.what.starts_with("the value is a vector set, enc"), "{found}");
    for (head, part, what) in [
        ("VALKEY080", 243, "the import of a cluster's slot, half done, number 243"),
        ("VALKEY081", 242, "a command that ran while the file was written, number 242"),
        ("VALKEY081", 241, "a part of an unknown kind, number 241"),
        ("REDIS0016", 240, "a part of an unknown kind, number 240"),
        ("REDIS0016", 128, "a part of an unknown kind, number 128"),
        ("REDIS0010", 246, "no released server writes it, number 246"),
    ] {
        let found = fault(&file(head, &[part, 1, 0]));
        assert!(found.what.ends_with(what) && found.offset == 9, "{found}");
    }
    for (head, at) in [("REDIS0017", 5), ("REDIS0080", 5), ("VALKEY082", 6), ("VALKEY012", 6)] {
        let found = fault(&file(head, b""));
        assert!(found.what.starts_with("a version of RDB that is not known: "), "{found}");
        assert_eq!(found.offset, at, "{found}");
    }
    assert!(fault(b"REDSTART\x01").what.contains("not an RDB file"));
    assert_eq!(restored(b"\x00\x01v", 17), Err(Refused::Footer));
    assert_eq!(restored(b"\x00\x01v", 79), Err(Refused::Footer));
    assert_eq!(restored(b"\x00\x01v", 82), Err(Refused::Footer));
}

/// A class of metadata `JMT1` of version 0, whose flags are these.
fn class(flags: u8) -> [u8; 4] {
    (0x24c4_f500 | u32::from(flags)).to_le_bytes()
}

/// One of each thing that modules write.
const OF_A_MODULE: &[u8] = b"\x01\x05\x02\x81\0\0\0\0\0\0\0\x07\x03abcd\x04abcdefgh\x05\x03abc\x00";

#[test]
fn what_modules_note_is_passed_over() {
    let wanted = after(&["SET key v", &format!("PEXPIREAT key {AT_MS}")]);
    let metadata = |flags| [b"\xf3\x02", &class(1)[..], OF_A_MODULE, &class(flags), b"\0"].concat();
    let time = [&b"\xfc"[..], &AT_MS.to_le_bytes()].concat();
    let aux = [&b"\xf7\x81\x44\x9d\xa5\x2b\x62\xc0\x00\x00\x02\x01"[..], OF_A_MODULE].concat();
    let entry = entry(0, b"\x01v");
    let parts = [&aux[..], &time, b"\xf1", &metadata(1), &entry, &aux].concat();
    let driver = driver(1);
    let (about, _) = load_rdb(&driver, &file("REDIS0016", &parts)).expect("it is whole");
    assert_eq!(format!("{:?}", state(&driver)), wanted);
    let passed_over: Vec<_> = about.passed_over.into_iter().collect();
    let counted = [
        ("data of the module RJ2lK2LAA", 2),
        ("metadata JMT1 of a module", 2),
        ("protection from eviction", 1),
    ];
    assert_eq!(passed_over, counted.map(|(what, count)| (what.to_owned(), count)));
    let body = [&metadata(1)[..], b"\xf1\x00\x01v"].concat();
    assert_eq!(restored(&body, 13), Ok(after(&["SET key v"])));
    // What must not be ignored, and what no key follows.
    let strict = loaded("REDIS0013", &[&metadata(0)[..], &entry].concat());
    assert!(strict.is_err_and(|what| what.contains("metadata JMT1 of a module, which does not")));
    assert_eq!(restored(&[&metadata(0)[..], b"\x00\x01v"].concat(), 13), Err(Refused::Body));
    for parts in [&metadata(1)[..], b"\xf1", &time] {
        let lost = loaded("REDIS0016", &[parts, b"\xfe\x00", &entry].concat());
        assert!(lost.is_err_and(|what| what.ends_with("what is said of a key, without a key")));
    }
    // The same numbers are something else in Valkey's.
    assert!(loaded("VALKEY080", &[&metadata(1)[..], &entry].concat()).is_err());
    assert_eq!(restored(&body, 80), Err(Refused::Body));
}

#[test]
fn hashes_of_templates_are_hashes() {
    let template = b"\xf2\x07\x03\x01a\x02bb\xc0\x11";
    let names = b"\x01\x03\x01a\x02bb\xc0\x11";
    let packed_names = string(&listpack(&[b"\x81a", b"\x82bb", b"\x11"]));
    let packed_names = [&b"\x00"[..], &packed_names].concat();
    let packed = |number: &[u8]| string(&listpack(&[number, b"\x81x", b"\x05", b"\x80"]));
    let values = b"\x01x\xc0\x05\x00";
    let wanted = after(&["HSET key a x bb 5 17 _", "HSET key 17 "]);
    for (kind, value) in [
        (29, [&names[..], &packed(b"\x00")].concat()),
        (29, [&packed_names[..], &packed(b"\x7f")].concat()),
        (31, [&names[..], values].concat()),
        (31, [&packed_names[..], values].concat()),
    ] {
        assert_eq!(loaded("REDIS0015", &entry(kind, &value)), Ok(wanted.clone()), "{kind}");
        let body = [&[kind][..], &value].concat();
        assert_eq!(restored(&body, 15), Ok(wanted.clone()), "{kind}");
        assert_eq!(restored(&body, 81), Err(Refused::Body), "{kind}");
    }
    for (kind, value) in [(30, packed(b"\x07")), (32, [&b"\x07"[..], values].concat())] {
        let parts = [&template[..], &entry(kind, &value)].concat();
        assert_eq!(loaded("REDIS0016", &parts), Ok(wanted.clone()), "{kind}");
        // There are no templates in a payload.
        assert_eq!(restored(&[&[kind][..], &value].concat(), 15), Err(Refused::Body), "{kind}");
        let lost = loaded("REDIS0015", &entry(kind, &value));
        assert!(lost.is_err_and(|what| what.contains("there is no template 7 (key \"key\"")));
    }
    let few = string(&listpack(&[b"\x07", b"\x81x"]));
    let many = string(&listpack(&[b"\x07", b"\x81x", b"\x05", b"\x80", b"\x01"]));
    let unnumbered = string(&listpack(&[b"\x81x", b"\x05", b"\x80"]));
    for (parts, what) in [
        ([&template[..], &entry(30, &few)].concat(), "a field without a value"),
        ([&template[..], &entry(30, &many)].concat(), "a value without a field"),
        ([&template[..], &entry(30, &unnumbered)].concat(), "without the number of its template"),
        ([&template[..], template].concat(), "the template 7 occurs twice"),
        (b"\xf2\x07\x00".to_vec(), "a template without fields"),
        (entry(31, b"\x01\x00"), "a template without fields"),
        (entry(31, &[&b"\x00"[..], &string(&listpack(&[]))].concat()), "a template without fields"),
        (entry(31, b"\x02\x01\x01a\x01v"), "names of fields of an unknown kind"),
        (entry(31, b"\x01\x02\x01a\x01a\x01v\x01v"), "a field occurs twice"),
        (b"\xf2\x07\x81\x7f\xff\xff\xff\xff\xff\xff\xff".to_vec(), "elements are announced"),
    ] {
        let found = loaded("REDIS0015", &parts).expect_err(what);
        assert!(found.contains(what), "{found}, not {what}");
    }
}

#[test]
fn each_version_that_is_written_is_read() {
    let expire = format!("HPEXPIREAT timed {AT_MS} FIELDS 1 f");
    let lines = ["SET text hello", "RPUSH list a 17", "HSET hash f 1", "HSET timed f 1 g two"];
    for version in Version::WRITTEN {
        let mut from = driver(1);
        lines.iter().for_each(|line| drop(from.line(line)));
        if version >= Version::TIMED {
            from.line(&expire);
        }
        let bytes = save_rdb(&from, version, Compression::None);
        assert!(bytes.starts_with(version.head().as_bytes()));
        let to = driver(2);
        let (about, _) = load_rdb(&to, &bytes).expect("it was written whole");
        assert_eq!((about.version, state(&to)), (version, state(&from)));
    }
    // A payload is of the version that can hold it.
    let mut driver = driver(1);
    lines.iter().chain([&&expire[..]]).for_each(|line| drop(driver.line(line)));
    for (asked, key, version, kind) in [
        (10, "text", 10, 0),
        (10, "timed", 12, 24),
        (13, "timed", 13, 24),
        (13, "hash", 13, 16),
        (80, "timed", 80, 22),
        (80, "list", 80, 18),
    ] {
        driver.engine.options.set_rdb_version(asked);
        let dumped = driver.call(&[b"DUMP", key.as_bytes()]);
        let start = dumped.iter().position(|&byte| byte == b'\n').expect("a bulk") + 1;
        let footer = dumped.len() - 2 - 10;
        assert_eq!(dumped[start], kind, "{key}");
        assert_eq!(dumped[footer..footer + 2], u16::to_le_bytes(version), "{key}");
    }
}

/// Integers as Redis packs them, in a string.
fn integers(width: u32, members: &[i64]) -> Vec<u8> {
    let mut bytes = [width.to_le_bytes(), (members.len() as u32).to_le_bytes()].concat();
    for n in members {
        bytes.extend_from_slice(&n.to_le_bytes()[..width as usize]);
    }
    string(&bytes)
}

#[test]
fn sets_are_read_in_every_encoding() {
    let all = ["SADD key 5 -70000 17", "SADD key a 17 bc"].map(|line| after(&[line]));
    let [numbers, mixed] = &all;
    for head in ["REDIS0005", "REDIS0006", "REDIS0013", "REDIS0016", "VALKEY081"] {
        let plain = entry(2, b"\x03\xc0\x05\xc2\x90\xee\xfe\xff\x0217");
        assert_eq!(loaded(head, &plain).as_ref(), Ok(numbers), "{head}");
        let packed = entry(11, &integers(4, &[-70000, 5, 17]));
        assert_eq!(loaded(head, &packed).as_ref(), Ok(numbers), "{head}");
        let wide = entry(11, &integers(8, &[-70000, 5, 17]));
        assert_eq!(loaded(head, &wide).as_ref(), Ok(numbers), "{head}");
        let listpack = entry(20, &string(&listpack(&[b"\x81a", b"\x11", b"\x82bc"])));
        assert_eq!(loaded(head, &listpack).as_ref(), Ok(mixed), "{head}");
    }
}

#[test]
fn damaged_sets_are_refused() {
    let twice = string(&listpack(&[b"\x81a", b"\x11", b"\x8217"]));
    let short = string(&[2, 0, 0, 0, 1, 0, 0]);
    let uneven = string(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2]);
    let endless = string(&[8, 0, 0, 0, 255, 255, 255, 255]);
    for (kind, value, what) in [
        (2, b"\x02\xc0\x05\x015".to_vec(), "a member occurs twice"),
        (2, b"\x03\x01a\x01b\x01a".to_vec(), "a member occurs twice"),
        (20, twice, "a member occurs twice"),
        (11, integers(2, &[1, 1]), "integers are not in order"),
        (11, integers(4, &[5, -5]), "integers are not in order"),
        (11, integers(3, &[1]), "integers are of an unknown width"),
        (11, integers(0, &[]), "integers are of an unknown width"),
        (11, short, "integers are too short"),
        (11, uneven, "the count of integers is not right"),
        (11, endless, "the count of integers is not right"),
    ] {
        let found = fault(&file("REDIS0013", &entry(kind, &value)));
        assert!(found.what.starts_with(what), "{kind}: {found}");
        assert!(restored(&[&[kind][..], &value].concat(), 13).is_err());
    }
    // What is empty is no value of a key.
    assert!(restored(b"\x02\x00", 13).is_err());
    assert!(restored(&[&b"\x0b"[..], &integers(2, &[])].concat(), 13).is_err());
    assert!(restored(&[&b"\x14"[..], &string(&listpack(&[]))].concat(), 13).is_err());
}

/// A stream without entries, and a group of which nobody has an entry pending, as Redis 8.8 says.
#[test]
fn what_was_given_back_is_nobodys_and_written_as_of_a_consumer_without_a_name() {
    let id = |ms: u64| [ms.to_be_bytes(), 0u64.to_be_bytes()].concat();
    let pending =
        |ms, time: i64, count| [id(ms), time.to_le_bytes().to_vec(), vec![count]].concat();
    let seen = 7i64.to_le_bytes();
    let consumer = [&b"\x01\x01c"[..], &seen, &seen, b"\x01", &id(1)].concat();
    let group = [&b"\x01\x01g\x02\x00\x02\x02"[..], &pending(1, 7, 3), &pending(2, 0, 1)].concat();
    let (head, tail) = (b"\x00\x00\x02\x00\x00\x00\x00\x00\x02", b"\x14\x14\x00\x00\x00");
    let body = |free: &[u8]| [&head[..], &group, &consumer, free, tail].concat();
    let value = body(&[&b"\x01"[..], &id(2)].concat());
    let found = loaded("REDIS0014", &entry(27, &value)).unwrap();
    assert_eq!(restored(&[&[27][..], &value].concat(), 14), Ok(found.clone()));
    // Before Redis 8.8 each entry is a consumer's, and behind it nothing can follow.
    for (free, what) in
        [(vec![0], "no consumer's"), ([&b"\x01"[..], &id(1)].concat(), "not pending")]
    {
        let error = loaded("REDIS0014", &entry(27, &body(&free))).unwrap_err();
        assert!(error.contains(what), "{error}");
    }
    let mut driver = driver(1);
    load_rdb(&driver, &file("REDIS0014", &entry(27, &value))).unwrap();
    let shown = driver.line("XPENDING key g - + 9");
    assert!(shown.contains("$3\r\n2-0\r\n$0\r\n\r\n:-1\r\n:1\r\n"), "{shown}");
    for version in Version::WRITTEN {
        let mut other = driver_of(&save_rdb(&driver, version, Compression::None));
        assert_eq!(
            other.line("XPENDING key g"),
            "*4\r\n:2\r\n$3\r\n1-0\r\n$3\r\n2-0\r\n\
            *2\r\n*2\r\n$0\r\n\r\n$1\r\n1\r\n*2\r\n$1\r\nc\r\n$1\r\n1\r\n",
            "{version}"
        );
    }
}

fn driver_of(bytes: &[u8]) -> redstart_engine::driver::Driver {
    let driver = driver(1);
    load_rdb(&driver, bytes).expect("it is whole");
    driver
}

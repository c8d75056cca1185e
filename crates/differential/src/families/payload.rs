//! DUMP and RESTORE. What one server dumps is not what the other dumps, byte by byte; so both are
//! given the same payloads to restore: such as a redis-server 7.0.15 has dumped, such as servers
//! before it did, and damaged ones.
//!
//! What either server dumps of a stream's keys, the other restores at the stream's end.

use super::Generator;
use crate::deadline::{Clock, deadline};
use crate::source::{Choice, Source};
use crate::stream::Command;

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "DUMP", weight: 8, draw: |s, c| c.args.push(s.key()) },
    Generator { name: "RESTORE", weight: 30, draw: restore },
];

/// What redis-server dumped.
const DUMPED: &[&str] = &[
    // -7
    "00c0f90a005e26d130d7a242ab",
    // 12345
    "00c139300a009d94ea2793fc08b9",
    // -2000000000
    "00c2006cca880a0035ffaebd7f1d7a67",
    // The largest integer, as text.
    "0013393232333337323033363835343737353830370a003a657e9481e85f22",
    // 007
    "00033030370a007258e27b4c69bad9",
    // An empty string.
    "00000a005d9b5c400f7fa2da",
    // hello
    "000568656c6c6f0a006372df766534200a",
    // Four bytes that are no text.
    "0004ff000d0a0a009a3182a3d5220fa6",
    // Sixty times "ab", compressed.
    "00c30a407802616261e06a010161620a00b288708c530716d2",
    // A string whose length takes two bytes.
    "0040446162636465666768696a6b6c6d6e6f707172737475767778797a30313233343536373839414243\
     4445464748494a4b4c4d4e4f505152535455565758595a2d5f2e2c3b3a0a004bfb9b4c5d4b6e5e",
    // A list of two nodes, the second compressed.
    "120202141400000004008161020101ded402f270110104ff02c31e405e0c5e000000030082ff0003e046\
     78e03c000648f400f2052a0120570109ff0a00f5591bb02ceb2daa",
    // A list with an element that is a node of its own, compressed.
    "1203020a0a0000000100816102ff01c30921017979e01400017979020a0a0000000100816202ff0a008d\
     3f1c7492a1487b",
    // A small hash.
    "101919000000060081660201018167028374776f048001dffb02ff0a006bbe3227e3bf4ff3",
    // A larger one.
    "040501651478787878787878787878787878787878787878780164c0040163c0030162c0020161c0010a\
     0051cf707c462d52a0",
];

/// The polynomial of the payloads' CRC-64, reflected.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
/// Bytes behind a value: its version and the checksum.
const VERSION: usize = 2;
const CHECKSUM: usize = 8;

/// Kinds of values of old servers, by their first byte.
const STRING: u8 = 0;
const LIST: u8 = 1;
const HASH: u8 = 4;
const ZIPMAP_HASH: u8 = 9;
const ZIPLIST: u8 = 10;
const ZIPLIST_HASH: u8 = 13;
const ZIPLISTS: u8 = 14;
/// And of Redis 7.
const LISTPACK_HASH: u8 = 16;
const LISTPACKS: u8 = 18;

fn restore(source: &mut Source, command: &mut Command) {
    let absolute = source.chance(30);
    let ttl = match source.below(10) {
        0..6 => b"0".to_vec(),
        6..9 if absolute => deadline(source, Clock::UnixMillis),
        6..9 => deadline(source, Clock::Millis),
        _ => source.pick(&["-1", "x", "", "00", "1.5"]).into(),
    };
    let key = source.key();
    command.args.extend([key, ttl, payload(source)]);
    source.options(
        command,
        &[
            (70, Choice::Word("REPLACE")),
            (if absolute { 100 } else { 0 }, Choice::Word("ABSTTL")),
            (10, Choice::With("IDLETIME", |s| s.pick(&["0", "5", "1000", "-1", "x"]).into())),
            (10, Choice::With("FREQ", |s| s.pick(&["0", "5", "255", "256", "-1", "x"]).into())),
            (2, Choice::Word("XX")),
        ],
    );
}

/// A value's payload, which may be damaged.
///
/// With a right checksum only what is within a packed value is: of what is outside the oracle reads
/// as much as the value says, whether or not the value ends there.
fn payload(source: &mut Source) -> Vec<u8> {
    let mut body = match source.below(10) {
        0..6 => {
            let dumped = bytes(source.pick(DUMPED));
            dumped[..dumped.len() - VERSION - CHECKSUM].to_vec()
        }
        _ => old_value(source),
    };
    let mut version: u16 = 10;
    match source.below(100) {
        0..65 => {}
        // Versions that no server has known yet, and versions long past.
        65..70 => version = *source.pick(&[&1, &6, &9, &200, &u16::MAX]),
        70..90 => {
            let packed = packed(&body);
            if !packed.is_empty() {
                let at = packed.start + source.below(packed.len());
                body[at] = match source.below(3) {
                    0 => body[at] ^ 1 << source.below(8),
                    1 => source.below(256) as u8,
                    _ => *source.pick(&[&0, &1, &0x80, &0xc0, &0xfe, &0xff]),
                };
            }
        }
        _ => return spoilt(sealed(body, version), source),
    }
    sealed(body, version)
}

/// Where the first packed value of a body lies, if it has one that is not compressed.
fn packed(body: &[u8]) -> std::ops::Range<usize> {
    let at = match body[0] {
        ZIPMAP_HASH | ZIPLIST | ZIPLIST_HASH | LISTPACK_HASH => 1,
        ZIPLISTS => 2,
        LISTPACKS => 3,
        _ => return 0..0,
    };
    match (body[at] >> 6, body[at] as usize & 0x3f) {
        (0, len) => at + 1..at + 1 + len,
        (1, high) => at + 2..at + 2 + (high << 8 | body[at + 1] as usize),
        _ => 0..0,
    }
}

/// A payload whose checksum is not right any more, or which is none.
fn spoilt(mut payload: Vec<u8>, source: &mut Source) -> Vec<u8> {
    match source.below(3) {
        0 => payload.truncate(source.below(payload.len())),
        1 => {
            let at = source.below(payload.len());
            payload[at] ^= 1 << source.below(8);
        }
        _ => return source.junk(),
    }
    payload
}

/// A value with its version and checksum.
fn sealed(mut body: Vec<u8>, version: u16) -> Vec<u8> {
    body.extend_from_slice(&version.to_le_bytes());
    let sum = crc64(&body);
    body.extend_from_slice(&sum.to_le_bytes());
    body
}

fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u64::from(*byte), |sum, _| {
            (sum >> 1) ^ if sum & 1 == 1 { POLYNOMIAL } else { 0 }
        })
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: &u8| (*byte as char).to_digit(16).unwrap_or_default() as u8;
    let (pairs, _) = hex.as_bytes().as_chunks::<2>();
    pairs.iter().map(|[high, low]| digit(high) << 4 | digit(low)).collect()
}

/// A value as servers before 7 dumped it.
fn old_value(source: &mut Source) -> Vec<u8> {
    let kinds = [&STRING, &LIST, &HASH, &ZIPMAP_HASH, &ZIPLIST, &ZIPLIST_HASH, &ZIPLISTS];
    let kind = *source.pick(&kinds);
    // An odd number of a hash's texts, or the same field twice, is no hash.
    let count = if source.chance(90) { 2 * (1 + source.below(4)) } else { source.below(6) };
    let text = |at: usize| {
        let value = if source.chance(30) { source.small_integer() } else { source.value() };
        let is_field = at.is_multiple_of(2) && source.chance(95);
        if is_field { format!("{at}").into_bytes() } else { value }
    };
    let mut texts: Vec<Vec<u8>> = (0..count).map(text).collect();
    let mut body = vec![kind];
    match kind {
        STRING => string(&source.value(), &mut body),
        LIST | HASH => {
            body.push(if kind == HASH { count / 2 } else { count } as u8);
            let whole = if kind == HASH { count & !1 } else { count };
            texts[..whole].iter().for_each(|text| string(text, &mut body));
        }
        ZIPMAP_HASH => {
            texts.iter_mut().for_each(|text| text.truncate(250));
            string(&zipmap(&texts), &mut body);
        }
        ZIPLISTS => {
            let (first, second) = texts.split_at(count / 2);
            body.push(2);
            string(&ziplist(first), &mut body);
            string(&ziplist(second), &mut body);
        }
        _ => string(&ziplist(&texts), &mut body),
    }
    body
}

/// A text behind its length.
fn string(text: &[u8], body: &mut Vec<u8>) {
    match text.len() {
        len @ 0..64 => body.push(len as u8),
        len @ 64..0x4000 => body.extend([0x40 | (len >> 8) as u8, len as u8]),
        len => {
            body.push(0x80);
            body.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
    body.extend_from_slice(text);
}

/// Fields and values of less than 254 bytes, with a free byte behind some values.
fn zipmap(texts: &[Vec<u8>]) -> Vec<u8> {
    let mut map = vec![(texts.len() / 2) as u8];
    for (at, text) in texts.iter().enumerate() {
        map.push(text.len() as u8);
        let free = at % 4 == 3;
        if at % 2 == 1 {
            map.push(free.into());
        }
        map.extend_from_slice(text);
        map.extend(free.then_some(0));
    }
    map.push(0xff);
    map
}

/// The number that a text is, if it is a small one.
fn small(text: &[u8]) -> Option<i16> {
    let number: i16 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}

/// `bytes | offset of the last | count | entries | FF`, an entry as
/// `length of the one before | encoding | text`.
fn ziplist(texts: &[Vec<u8>]) -> Vec<u8> {
    let (mut entries, mut last, mut before) = (Vec::new(), 0, 0usize);
    for text in texts {
        last = entries.len();
        match before {
            0..254 => entries.push(before as u8),
            _ => {
                entries.push(0xfe);
                entries.extend_from_slice(&(before as u32).to_le_bytes());
            }
        }
        match small(text) {
            Some(number) => {
                entries.push(0xc0);
                entries.extend_from_slice(&number.to_le_bytes());
            }
            None => string(text, &mut entries),
        }
        before = entries.len() - last;
    }
    let header = 10u32;
    let mut list = (header + entries.len() as u32 + 1).to_le_bytes().to_vec();
    list.extend_from_slice(&(header + last as u32).to_le_bytes());
    list.extend_from_slice(&(texts.len() as u16).to_le_bytes());
    list.extend(entries);
    list.push(0xff);
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_dumped_is_sealed_as_it_was() {
        for hex in DUMPED {
            let dumped = bytes(hex);
            let body = dumped[..dumped.len() - VERSION - CHECKSUM].to_vec();
            assert_eq!(sealed(body, 10), dumped);
        }
    }
}

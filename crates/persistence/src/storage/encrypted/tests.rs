//! Encrypted files as they are written and read, and what becomes of damaged ones.

use super::block::{BESIDE, CONTENT_MAX, HEAD};
use super::*;
use crate::log::{End, Log, SegmentReader, Start as LogStart};
use crate::names::segment;
use crate::snapshot::{Header, Reader, Writer};
use crate::storage::memory::{Faults, Memory};
use bytes::Bytes;
use redstart_engine::Now;
use redstart_engine::run::effect::{Effect, Sink};
use redstart_engine::storage::entry::{Entry, NewValue};

fn by_chance(bytes: &mut [u8]) -> io::Result<()> {
    bytes.fill_with(|| fastrand::u8(..));
    Ok(())
}

fn key(byte: u8) -> Key {
    Key::new([byte; 32])
}

fn over(memory: &Memory, keys: &[Key]) -> Encrypted<Memory> {
    let keys = Keys { keys: keys.to_vec(), takes_plain: false };
    Encrypted::new(memory.clone(), Arc::new(keys), by_chance)
}

fn read_all(storage: &dyn Storage, name: &str) -> io::Result<(Vec<u8>, u64)> {
    let (mut input, len) = storage.open(name)?;
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    Ok((bytes, len))
}

/// Reads a snapshot to its end.
fn read_snapshot(storage: &dyn Storage) -> Result<u64, crate::ReadError> {
    let mut reader = Reader::open(storage, "dump")?;
    while reader.next_section()?.is_some() {}
    Ok(reader.counts().entries)
}

/// Reads a segment; returns its records, how it ends, and where its whole part does.
fn read_segment(storage: &dyn Storage) -> Result<(Vec<Vec<u8>>, End, u64), crate::ReadError> {
    let mut reader = SegmentReader::open(storage, &segment("log", 1), 1)?;
    let (mut records, mut payload) = (Vec::new(), Vec::new());
    loop {
        match reader.next_record(&mut payload)? {
            Ok(_) => records.push(payload.clone()),
            Err(end) => return Ok((records, end, reader.offset())),
        }
    }
}

fn set(key: usize, value: usize) -> Effect {
    let args = ["SET".to_owned(), key.to_string(), "v".repeat(value)].map(Bytes::from);
    Effect { db: 0, args: args.to_vec() }
}

/// A log whose records are written two at a time.
fn logged(storage: &dyn Storage, writes: &[[usize; 2]]) -> Log {
    let log = Log::default();
    log.rotate(&LogStart { storage, prefix: "log" }).unwrap();
    for (at, values) in writes.iter().enumerate() {
        values.iter().for_each(|&value| log.append(&[set(at, value)]));
        log.write_out(log.appended()).unwrap();
    }
    log
}

/// Where the blocks of a file begin, and where the last one ends, if the file is whole.
fn blocks(bytes: &[u8]) -> Vec<usize> {
    let mut places = vec![START];
    while let Some(len) = bytes[places[places.len() - 1]..].first_chunk::<4>() {
        let len = (u32::from_le_bytes(*len) & !(1 << 31)) as usize;
        places.push(places[places.len() - 1] + len + BESIDE);
    }
    places
}

#[test]
fn what_is_written_as_a_stream_is_read_again() {
    for len in [0, 1, CONTENT_MAX - 1, CONTENT_MAX, CONTENT_MAX + 1, 3 * CONTENT_MAX - 5] {
        let memory = Memory::default();
        let storage = over(&memory, &[key(1), key(2)]);
        let bytes: Vec<u8> = (0..len).map(|at| (at / 7 % 251) as u8).collect();
        let mut stream = storage.create_stream("file").unwrap();
        bytes.chunks(30_007).for_each(|part| stream.write(part).unwrap());
        stream.finish().unwrap();
        assert!(read_all(&storage, "file").unwrap() == (bytes, len as u64), "{len} bytes");
        // Any of the keys reads it; nobody else does.
        assert!(read_all(&over(&memory, &[key(3), key(1)]), "file").is_ok());
        let refused = read_all(&over(&memory, &[key(2)]), "file").unwrap_err().to_string();
        assert!(refused.contains("another key") && refused.contains(&key(1).id().to_string()));
        let refused = read_all(&over(&memory, &[]), "file").unwrap_err().to_string();
        assert!(refused.contains("encryption-key-file"), "{refused}");
        assert_eq!(storage.key_of("file").unwrap(), Some(key(1).id()));
        assert!(storage.is_current("file").unwrap());
        assert!(!over(&memory, &[key(2), key(1)]).is_current("file").unwrap());
    }
}

#[test]
fn plain_files_are_read_where_that_is_said() {
    let memory = Memory::default();
    over(&memory, &[]).create("file").unwrap().write(b"some bytes").unwrap();
    let mut storage = over(&memory, &[key(1)]);
    let refused = read_all(&storage, "file").unwrap_err().to_string();
    assert!(refused.contains("encryption-plain-files"), "{refused}");
    assert!(storage.append("file", 4).is_err());
    storage.keys = Arc::new(Keys { takes_plain: true, ..(*storage.keys).clone() });
    assert_eq!(read_all(&storage, "file").unwrap(), (b"some bytes".to_vec(), 10));
    assert!(!storage.is_current("file").unwrap());
    storage.append("file", 4).unwrap().write(b"!").unwrap();
    assert_eq!(memory.bytes("file").unwrap(), b"some!");
}

#[test]
fn damaged_snapshots_are_refused() {
    let memory = Memory::default();
    let storage = over(&memory, &[key(1)]);
    let now = Now::new(1 << 40, 1 << 40);
    let mut writer = Writer::create(&storage, "dump", &Header::default(), now).unwrap();
    for key in ["a", "b", "c"] {
        writer.entry(0, &Entry::new(key.as_bytes(), NewValue::Str(b"value"), 0));
    }
    writer.finish().unwrap();
    assert_eq!(read_snapshot(&storage).unwrap(), 3);
    let whole = memory.bytes("dump").unwrap();
    for len in 0..whole.len() {
        memory.put("dump", &whole[..len]);
        assert!(read_snapshot(&storage).is_err(), "cut to {len} bytes");
    }
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        memory.put("dump", &flipped);
        assert!(read_snapshot(&storage).is_err(), "bit {bit}");
    }
    memory.put("dump", &[&whole[..], b"!"].concat());
    assert!(read_snapshot(&storage).is_err());
    memory.put("dump", &[&whole[..], &whole[START..]].concat());
    assert!(read_snapshot(&storage).is_err());
}

#[test]
fn blocks_stay_where_they_were_written() {
    let memory = Memory::default();
    let storage = over(&memory, &[key(1)]);
    let bytes = vec![7; 4 * CONTENT_MAX];
    let write = || {
        let mut stream = storage.create_stream("file").unwrap();
        stream.write(&bytes).unwrap();
        stream.finish().unwrap();
        memory.bytes("file").unwrap()
    };
    let (one, other) = (write(), write());
    let block = CONTENT_MAX + BESIDE;
    let at = |file: &[u8], nth: usize| file[START + nth * block..][..block].to_vec();
    let with = |start: &[u8], blocks: &[Vec<u8>]| [&start[..START], &blocks.concat()].concat();
    let [a, b, c, d] = [0, 1, 2, 3].map(|nth| at(&one, nth));
    let theirs = at(&other, 1);
    let same = with(&one, &[a.clone(), b.clone(), c.clone(), d.clone()]);
    assert!(same == one, "the file was taken apart as it is made");
    for (what, wrong) in [
        ("swapped", with(&one, &[a.clone(), c.clone(), b.clone(), d.clone()])),
        ("left out", with(&one, &[a.clone(), c.clone(), d.clone()])),
        ("the last alone", with(&one, std::slice::from_ref(&d))),
        ("twice", with(&one, &[a.clone(), b.clone(), b.clone(), c.clone(), d.clone()])),
        ("another file's", with(&one, &[a.clone(), theirs, c.clone(), d.clone()])),
        ("another file's beginning", with(&other, &[a, b, c, d])),
    ] {
        memory.put("file", &wrong);
        assert!(read_all(&storage, "file").is_err(), "{what}");
    }
}

#[test]
fn a_log_that_is_cut_ends_there_and_goes_on() {
    let memory = Memory::default();
    let storage = over(&memory, &[key(1)]);
    // The last write is two blocks, and its first record ends in the second of them.
    let log = logged(&storage, &[[5, 6], [7, CONTENT_MAX], [3, 9]]);
    drop(log);
    let name = segment("log", 1);
    let (records, end, _) = read_segment(&storage).unwrap();
    assert_eq!((records.len(), end), (6, End::Whole));
    let whole = memory.bytes(&name).unwrap();
    let places = blocks(&whole);
    assert_eq!((places.len(), places.last()), (6, Some(&whole.len())));
    let interesting = |len: &usize| {
        *len < 400
            || places.iter().any(|place| place.abs_diff(*len) < 60)
            || len.is_multiple_of(997)
    };
    for len in (0..whole.len()).filter(interesting) {
        memory.put(&name, &whole[..len]);
        if len < places[1] {
            assert!(read_segment(&storage).is_err(), "not even its beginning is there: {len}");
            continue;
        }
        let (found, end, offset) = read_segment(&storage).unwrap();
        assert!(records.starts_with(&found), "cut to {len} bytes");
        let is_whole = places.contains(&len) && len != places[3];
        assert_eq!(end == End::Whole, is_whole, "cut to {len} bytes: {end:?}");
        let log = Log::default();
        log.reopen(&storage, &name, offset, found.len() as u64).unwrap();
        log.append(&[set(9, 9)]);
        log.write_out(log.appended()).unwrap();
        let (again, end, _) = read_segment(&storage).unwrap();
        assert_eq!((again.len(), end), (found.len() + 1, End::Whole), "cut to {len} bytes");
        assert!(again.starts_with(&found), "cut to {len} bytes");
        // What a file system leaves that made the file longer, and did not write it any more.
        let mut zeroed = whole[..len].to_vec();
        zeroed.resize((len + 5000).max(whole.len()), 0);
        memory.put(&name, &zeroed);
        let (found, end, _) = read_segment(&storage).unwrap();
        assert!(records.starts_with(&found) && end != End::Whole, "zeros behind {len} bytes");
    }
}

#[test]
fn a_log_that_is_damaged_is_refused() {
    let memory = Memory::default();
    let storage = over(&memory, &[key(1)]);
    logged(&storage, &[[5, 6], [7, 8], [3, 9]]);
    let name = segment("log", 1);
    let whole = memory.bytes(&name).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        memory.put(&name, &flipped);
        assert!(read_segment(&storage).is_err(), "bit {bit}");
    }
    let places = blocks(&whole);
    let part = |nth: usize| &whole[places[nth]..places[nth + 1]];
    for (what, order) in [("swapped", &[0, 2, 1, 3][..]), ("left out", &[0, 2, 3])] {
        let parts: Vec<&[u8]> = order.iter().map(|&nth| part(nth)).collect();
        memory.put(&name, &[&whole[..START], &parts.concat()].concat());
        assert!(read_segment(&storage).is_err(), "{what}");
    }
}

/// A write that fails leaves a part of itself, which is cut off. What comes in its place must not
/// be encrypted with a nonce that was used before.
#[test]
fn what_replaces_a_failed_write_has_other_nonces() {
    let memory = Memory::default();
    let storage = over(&memory, &[key(1)]);
    let log = logged(&storage, &[[5, 6]]);
    let (name, before) = (segment("log", 1), memory.bytes(&segment("log", 1)).unwrap().len());
    let at = Some(memory.operations() + 1);
    memory.set_faults(Faults { at, ..Faults::default() });
    log.append(&[set(1, 2000)]);
    assert!(log.write_out(3).is_err());
    memory.set_faults(Faults::default());
    assert_eq!(memory.bytes(&name).unwrap().len(), before, "it is cut off");
    log.retry().unwrap();
    let first = memory.bytes(&name).unwrap();
    let (records, end, offset) = read_segment(&storage).unwrap();
    assert_eq!((records.len(), end), (3, End::Whole));
    // The same record in the same place, after the file was opened again.
    let cut = &first[..first.len() - 1];
    memory.put(&name, cut);
    let (records, _, at) = read_segment(&storage).unwrap();
    assert!(at < offset);
    let log = Log::default();
    log.reopen(&storage, &name, at, records.len() as u64).unwrap();
    log.append(&[set(1, 2000)]);
    log.write_out(3).unwrap();
    let second = memory.bytes(&name).unwrap();
    assert_eq!(first.len(), second.len());
    assert_ne!(first[before..before + HEAD], second[before..before + HEAD]);
    assert_eq!(read_segment(&storage).unwrap().0.len(), 3);
}

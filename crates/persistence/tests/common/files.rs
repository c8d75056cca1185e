//! Files of Redis's and Valkey's made by hand, byte by byte.
#![allow(dead_code, reason = "each test binary uses a part")]

use super::load_rdb;
use redstart_engine::driver::Driver;
use redstart_persistence::commands::COMMANDS;
use redstart_persistence::rdb::crc64;
use redstart_persistence::{Fault, ReadError};

/// An empty engine that knows DUMP and RESTORE.
pub fn driver(seed: u64) -> Driver {
    let plain = Driver::new(seed);
    Driver::of(plain.engine, seed, plain.now, COMMANDS)
}

/// A string as files hold it.
pub fn string(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("they are short");
    let head = if len < 64 { vec![len as u8] } else { (0x4000 | len).to_be_bytes().to_vec() };
    [&head[..], bytes].concat()
}

/// A whole file: its head, these parts, its end.
pub fn file(version: &str, parts: &[u8]) -> Vec<u8> {
    let mut bytes = [version.as_bytes(), parts, b"\xff"].concat();
    let sum = crc64(0, &bytes).to_le_bytes();
    bytes.extend_from_slice(&sum);
    bytes
}

/// The entry `key` with a value of this encoding.
pub fn entry(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &string(b"key"), value].concat()
}

/// A ziplist of elements that are given with their heads.
pub fn ziplist(elements: &[&[u8]]) -> Vec<u8> {
    let (mut body, mut before, mut last) = (Vec::new(), 0usize, 10);
    for element in elements {
        last = 10 + body.len();
        let start = body.len();
        match u8::try_from(before) {
            Ok(len @ ..254) => body.push(len),
            _ => {
                body.push(0xfe);
                body.extend_from_slice(&(before as u32).to_le_bytes());
            }
        }
        body.extend_from_slice(element);
        before = body.len() - start;
    }
    let len = (10 + body.len() + 1) as u32;
    let count = (elements.len() as u16).to_le_bytes();
    let head = [&len.to_le_bytes()[..], &(last as u32).to_le_bytes(), &count].concat();
    [&head[..], &body, b"\xff"].concat()
}

/// A listpack of elements that are given with their heads, all short.
pub fn listpack(elements: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    for element in elements {
        body.extend_from_slice(element);
        body.push(element.len() as u8);
    }
    let head = ((body.len() + 7) as u32).to_le_bytes();
    [&head[..], &(elements.len() as u16).to_le_bytes(), &body, b"\xff"].concat()
}

/// A payload: its body, a version, and the sum.
pub fn payload(body: &[u8], version: u16) -> Vec<u8> {
    let mut bytes = [body, &version.to_le_bytes()].concat();
    let sum = crc64(0, &bytes).to_le_bytes();
    bytes.extend_from_slice(&sum);
    bytes
}

/// What is wrong with a file that is refused.
pub fn fault(bytes: &[u8]) -> Fault {
    match load_rdb(&driver(1), bytes) {
        Err(ReadError::Fault(fault)) => fault,
        Err(ReadError::Io(error)) => panic!("{error}"),
        Ok(_) => panic!("it was read"),
    }
}

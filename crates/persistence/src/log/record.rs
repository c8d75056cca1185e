//! The bytes of a segment's beginning and of a record, as `mod.rs` draws them.

use crate::checksum::checksum;
use crate::codec::{self, Blob};
use redstart_engine::run::effect::Effect;

/// The first bytes of every segment.
pub const MAGIC: &[u8; 8] = b"REDSTLOG";
const VERSION: u32 = 1;
/// Bytes before a segment's first record.
pub const START: usize = 8 + 4 + 8 + 8;
/// Bytes of a record before its payload.
pub const FRAME: usize = 4 + 8 + 8;

/// The first bytes of the segment whose first record is `first`.
pub fn segment_start(first: u64) -> [u8; START] {
    let mut start = [0; START];
    start[..8].copy_from_slice(MAGIC);
    start[8..12].copy_from_slice(&VERSION.to_le_bytes());
    start[12..20].copy_from_slice(&first.to_le_bytes());
    let sum = checksum(&start[..20], &[]);
    start[20..].copy_from_slice(&sum.to_le_bytes());
    start
}

/// Appends a record to `to`.
pub fn encode(sequence: u64, unit: &[Effect], to: &mut Vec<u8>) {
    let at = to.len();
    to.extend_from_slice(&[0; FRAME]);
    // As a sequence of pairs would be encoded: lengths first.
    codec::encode(&(unit.len() as u64), to);
    for effect in unit {
        codec::encode(&(effect.db as u32, effect.args.len() as u64), to);
        effect.args.iter().for_each(|arg| codec::encode(&Blob(arg), to));
    }
    let (frame, payload) = to[at..].split_at_mut(FRAME);
    let len = u32::try_from(payload.len()).expect("a request is limited to less than 4 GB");
    frame[..4].copy_from_slice(&len.to_le_bytes());
    frame[4..12].copy_from_slice(&sequence.to_le_bytes());
    let sum = checksum(&frame[..12], payload);
    frame[12..].copy_from_slice(&sum.to_le_bytes());
}

/// One effect of a record that was read: its database and the command's words.
pub type Words<'a> = (usize, Vec<&'a [u8]>);

/// Reads a record's payload.
///
/// # Errors
/// What is wrong with it.
pub fn decode(payload: &[u8]) -> Result<Vec<Words<'_>>, String> {
    let effects: Vec<(u32, Vec<Blob<'_>>)> = codec::decode_all(payload)?;
    let unit = effects
        .into_iter()
        .map(|(db, args)| (db as usize, args.into_iter().map(|Blob(arg)| arg).collect()));
    Ok(unit.collect())
}

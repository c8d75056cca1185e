//! Reading a segment, strictly but for its torn end.

use super::record::{FRAME, START, segment_start};
use crate::checksum::checksum;
use crate::fault::{Fault, ReadError};
use crate::storage::Storage;
use std::io::{BufReader, Read};

/// A segment that is being read.
pub struct SegmentReader {
    file: String,
    input: BufReader<Box<dyn Read + Send>>,
    len: u64,
    /// Where the next record begins.
    at: u64,
    /// The next record's sequence number.
    sequence: u64,
}

/// How a segment ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With its last record.
    Whole,
    /// With a record that is cut or wrong; no whole one follows.
    Torn(Fault),
}

impl SegmentReader {
    /// Opens the segment whose first record is `first`.
    ///
    /// # Errors
    /// When it cannot be read or is not that segment.
    pub fn open(storage: &dyn Storage, name: &str, first: u64) -> Result<Self, ReadError> {
        let (mut input, len) = storage.open(name)?;
        let fault = |what: &str| Fault { file: name.to_owned(), offset: 0, what: what.to_owned() };
        if len < START as u64 {
            return Err(fault("it is too short for a segment of the log").into());
        }
        let mut start = [0; START];
        input.read_exact(&mut start)?;
        if start != segment_start(first) {
            return Err(fault("it is not the segment of the log that its name tells").into());
        }
        let input = BufReader::with_capacity(256 * 1024, input);
        Ok(SegmentReader { file: name.to_owned(), input, len, at: START as u64, sequence: first })
    }

    /// Where the next record begins.
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// The sequence number that the next record must have.
    pub fn next_sequence(&self) -> u64 {
        self.sequence
    }

    /// The file's length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no record, read or not.
    pub fn is_empty(&self) -> bool {
        self.len == START as u64
    }

    /// Reads the next record's payload into `payload`; returns its sequence number, or how the
    /// segment ends.
    ///
    /// # Errors
    /// When the storage fails, or a record is wrong and another one follows.
    pub fn next_record(&mut self, payload: &mut Vec<u8>) -> Result<Result<u64, End>, ReadError> {
        let left = self.len - self.at;
        if left == 0 {
            return Ok(Err(End::Whole));
        }
        let mut frame = [0; FRAME];
        if left < FRAME as u64 {
            let mut rest = vec![0; left as usize];
            self.input.read_exact(&mut rest)?;
            return self.judge(rest, "a record is cut");
        }
        self.input.read_exact(&mut frame)?;
        let (len, sequence, sum) = split(&frame);
        if sequence != self.sequence || u64::from(len) > left - FRAME as u64 {
            let what = if sequence == self.sequence { "a record is cut" } else { "no record" };
            return self.judge(frame.to_vec(), what);
        }
        payload.clear();
        payload.resize(len as usize, 0);
        self.input.read_exact(payload)?;
        if checksum(&frame[..12], payload) != sum {
            let seen = [&frame[..], payload].concat();
            return self.judge(seen, "a record's checksum is not right");
        }
        self.at += (FRAME + payload.len()) as u64;
        self.sequence += 1;
        Ok(Ok(sequence))
    }

    /// Decides whether a wrong record is a torn end or damage: damage, if any record that could
    /// follow is found whole behind it.
    fn judge(&mut self, mut rest: Vec<u8>, what: &str) -> Result<Result<u64, End>, ReadError> {
        let fault = Fault { file: self.file.clone(), offset: self.at, what: what.to_owned() };
        self.input.read_to_end(&mut rest)?;
        let most = self.sequence.saturating_add((rest.len() / FRAME) as u64);
        for at in 1..rest.len() {
            let Some((frame, behind)) = rest[at..].split_first_chunk::<FRAME>() else { break };
            let (len, sequence, sum) = split(frame);
            let follows = sequence > self.sequence && sequence <= most;
            if follows
                && let Some(payload) = behind.get(..len as usize)
                && checksum(&frame[..12], payload) == sum
            {
                return Err(fault.into());
            }
        }
        Ok(Err(End::Torn(fault)))
    }
}

/// Length, sequence number and checksum of a record.
fn split(frame: &[u8; FRAME]) -> (u32, u64, u64) {
    let (mut len, mut sequence, mut sum) = ([0; 4], [0; 8], [0; 8]);
    len.copy_from_slice(&frame[..4]);
    sequence.copy_from_slice(&frame[4..12]);
    sum.copy_from_slice(&frame[12..]);
    (u32::from_le_bytes(len), u64::from_le_bytes(sequence), u64::from_le_bytes(sum))
}

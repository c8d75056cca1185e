//! Reading a segment, strictly but for its torn end.

use super::record::{FRAME, START, segment_start};
use crate::checksum::checksum;
use crate::fault::{Fault, ReadError};
use crate::storage::{Cut, Storage};
use std::io::{self, BufReader, Read, Take};

/// A segment that is being read.
pub struct SegmentReader {
    file: String,
    input: BufReader<Take<Box<dyn Read + Send>>>,
    /// No fewer bytes than there are to be read.
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
    /// With a record that is cut or wrong, in the last so many bytes; no whole one follows.
    Torn(Fault, u64),
}

impl SegmentReader {
    /// Opens the segment whose first record is `first`.
    ///
    /// # Errors
    /// When it cannot be read or is not that segment.
    pub fn open(storage: &dyn Storage, name: &str, first: u64) -> Result<Self, ReadError> {
        let (input, len) = storage.open(name)?;
        let input = BufReader::with_capacity(256 * 1024, input.take(len));
        let (file, at, sequence) = (name.to_owned(), START as u64, first);
        let mut reader = SegmentReader { file, input, len, at, sequence };
        let mut start = [0; START];
        let fault = |what: &str| Fault { file: name.to_owned(), offset: 0, what: what.to_owned() };
        match reader.fill(&mut start)? {
            (_, Some(cut)) => return Err(cut.fault.into()),
            (START, None) => {}
            _ => return Err(fault("it is too short for a segment of the log").into()),
        }
        if start != segment_start(first) {
            return Err(fault("it is not the segment of the log that its name tells").into());
        }
        Ok(reader)
    }

    /// Where the next record begins.
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// The sequence number that the next record must have.
    pub fn next_sequence(&self) -> u64 {
        self.sequence
    }

    /// The file's length in bytes, or somewhat more than there are to be read.
    pub fn file_len(&self) -> u64 {
        self.len
    }

    /// Reads the next record's payload into `payload`; returns its sequence number, or how the
    /// segment ends.
    ///
    /// # Errors
    /// When the storage fails, or a record is wrong and another one follows.
    pub fn next_record(&mut self, payload: &mut Vec<u8>) -> Result<Result<u64, End>, ReadError> {
        let mut frame = [0; FRAME];
        match self.fill(&mut frame)? {
            (0, None) => return Ok(Err(End::Whole)),
            (0, Some(cut)) => return Ok(Err(End::Torn(cut.fault, cut.bytes))),
            (FRAME, _) => {}
            (seen, cut) => return self.judge(frame[..seen].to_vec(), cut, "a record is cut"),
        }
        let (len, sequence, sum) = split(&frame);
        let left = (self.len - self.at).saturating_sub(FRAME as u64);
        if sequence != self.sequence || u64::from(len) > left {
            let what = if sequence == self.sequence { "a record is cut" } else { "no record" };
            return self.judge(frame.to_vec(), None, what);
        }
        payload.clear();
        payload.resize(len as usize, 0);
        let (seen, cut) = self.fill(payload)?;
        let what = match seen {
            _ if seen < payload.len() => "a record is cut",
            _ => "a record's checksum is not right",
        };
        if seen < payload.len() || checksum(&frame[..12], payload) != sum {
            let seen = [&frame[..], &payload[..seen]].concat();
            return self.judge(seen, cut, what);
        }
        self.at += (FRAME + payload.len()) as u64;
        self.sequence += 1;
        Ok(Ok(sequence))
    }

    /// Decides whether a wrong record is a torn end or damage: damage, if any record that could
    /// follow is found whole behind it.
    fn judge(
        &mut self,
        mut rest: Vec<u8>,
        mut cut: Option<Cut>,
        what: &str,
    ) -> Result<Result<u64, End>, ReadError> {
        let fault = Fault { file: self.file.clone(), offset: self.at, what: what.to_owned() };
        if cut.is_none()
            && let Err(error) = self.input.read_to_end(&mut rest)
        {
            cut = Some(cut_of(error)?);
        }
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
        let bytes = rest.len() as u64 + cut.map_or(0, |cut| cut.bytes);
        Ok(Err(End::Torn(fault, bytes)))
    }

    /// Reads until `to` is full or the file ends; returns how much that was, and why there is no
    /// more, where the storage knows.
    fn fill(&mut self, to: &mut [u8]) -> Result<(usize, Option<Cut>), ReadError> {
        let mut seen = 0;
        while seen < to.len() {
            match self.input.read(&mut to[seen..]) {
                Ok(0) => break,
                Ok(more) => seen += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok((seen, Some(cut_of(error)?))),
            }
        }
        Ok((seen, None))
    }
}

/// The cut that an error is about.
///
/// # Errors
/// Any other error.
fn cut_of(error: io::Error) -> Result<Cut, ReadError> {
    Ok(error.downcast::<Cut>()?)
}

/// Length, sequence number and checksum of a record.
fn split(frame: &[u8; FRAME]) -> (u32, u64, u64) {
    let (mut len, mut sequence, mut sum) = ([0; 4], [0; 8], [0; 8]);
    len.copy_from_slice(&frame[..4]);
    sequence.copy_from_slice(&frame[4..12]);
    sum.copy_from_slice(&frame[12..]);
    (u32::from_le_bytes(len), u64::from_le_bytes(sequence), u64::from_le_bytes(sum))
}

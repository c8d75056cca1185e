//! Large files that are written once or read once, past the system's page cache.
//!
//! The page cache takes new memory for every page of a file. While clients are served this costs:
//! the system has to find the memory, in a virtual machine the host has to, and meanwhile the core
//! stands still for milliseconds. So these files go straight between the disk and one buffer, which
//! is aligned as the system demands and used again and again. Where the file system has no direct
//! way, they go through the page cache all the same.
//!
//! ```text
//!  file   |  buffer  |  buffer  |  buffer  | tail |
//!          '------------ direct -----------''cached'
//! ```

use parking_lot::Mutex;
use redstart_persistence::storage::Stream;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};

/// What the addresses, offsets and lengths of direct transfers are multiples of, in bytes. No disk
/// that is in use has larger blocks.
const ALIGNMENT: usize = 4096;
/// Bytes that are written at a time: the fewer calls, the less time the thread that saves takes
/// from a worker on the same core.
const WRITE_BYTES: usize = 1 << 20;
/// Bytes that are read at a time, at most.
const READ_BYTES: usize = 1 << 20;

/// Memory at an aligned address.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    /// `len` bytes, each of them touched, so that the system has given them all.
    fn new(len: usize) -> Buffer {
        let bytes = vec![1; len + ALIGNMENT];
        let start = bytes.as_ptr().align_offset(ALIGNMENT);
        // Where the address is not known, it may be any; then transfers fall back to the cache.
        Buffer { bytes, start: start.min(ALIGNMENT) }
    }

    fn aligned(&mut self) -> &mut [u8] {
        let len = self.bytes.len() - ALIGNMENT;
        &mut self.bytes[self.start..][..len]
    }
}

/// A file, and whether it is read or written past the page cache.
struct Direct {
    file: File,
    is_direct: bool,
}

impl Direct {
    fn new(file: File) -> Direct {
        let mut direct = Direct { file, is_direct: false };
        direct.is_direct = direct.switch(true);
        direct
    }

    /// Turns direct transfers on or off; false where the system refuses.
    #[cfg(target_os = "linux")]
    fn switch(&self, directly: bool) -> bool {
        use rustix::fs::OFlags;
        let flags = if directly { OFlags::DIRECT } else { OFlags::empty() };
        rustix::fs::fcntl_setfl(&self.file, flags).is_ok()
    }

    /// Elsewhere there is no such flag.
    #[cfg(not(target_os = "linux"))]
    fn switch(&self, directly: bool) -> bool {
        !directly
    }

    /// Goes through the page cache from here on.
    fn fall_back(&mut self) {
        if std::mem::take(&mut self.is_direct) {
            // It was turned on, so it can be turned off.
            self.switch(false);
        }
    }

    /// Runs a transfer; runs it again through the page cache if the system refuses it: after a
    /// transfer that ended in the middle of a block, or where blocks are larger than expected.
    fn run(
        &mut self,
        mut transfer: impl FnMut(&mut File) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            match transfer(&mut self.file) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::InvalidInput && self.is_direct => {
                    self.fall_back();
                }
                result => return result,
            }
        }
    }
}

/// The buffer of the file that was written last, for the next one.
static SPARE: Mutex<Option<Buffer>> = Mutex::new(None);

/// Makes the buffer for the next file that is written.
pub fn prepare() {
    *SPARE.lock() = Some(Buffer::new(WRITE_BYTES));
}

/// A file that is being written.
pub struct Writing {
    direct: Direct,
    buffer: Buffer,
    /// Bytes in the buffer.
    held: usize,
}

impl Writing {
    /// A writer of `file`, which is empty.
    pub fn new(file: File) -> Writing {
        let buffer = SPARE.lock().take().unwrap_or_else(|| Buffer::new(WRITE_BYTES));
        Writing { direct: Direct::new(file), buffer, held: 0 }
    }

    /// Writes what is held. All of it is aligned, except for the file's tail.
    fn write_out(&mut self) -> io::Result<()> {
        let mut bytes = &self.buffer.aligned()[..self.held];
        while !bytes.is_empty() {
            let aligned = bytes.len() / ALIGNMENT * ALIGNMENT;
            if aligned == 0 {
                self.direct.fall_back();
            }
            let part = if self.direct.is_direct { &bytes[..aligned] } else { bytes };
            let written = self.direct.run(|file| file.write(part))?;
            if written == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
        }
        self.held = 0;
        Ok(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        *SPARE.lock() = Some(std::mem::take(&mut self.buffer));
    }
}

impl Stream for Writing {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let free = &mut self.buffer.aligned()[self.held..];
            let (now, later) = bytes.split_at(bytes.len().min(free.len()));
            free[..now.len()].copy_from_slice(now);
            self.held += now.len();
            bytes = later;
            if self.held == WRITE_BYTES {
                self.write_out()?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.direct.file.sync_data()
    }
}

/// A file that is being read.
pub struct Reading {
    direct: Direct,
    buffer: Buffer,
    /// Bytes in the buffer, and how many of them the caller has.
    held: usize,
    taken: usize,
}

impl Reading {
    /// A reader of `file` of `len` bytes, from its beginning. A small file takes a small buffer.
    pub fn new(file: File, len: u64) -> Reading {
        let room = len.clamp(1, READ_BYTES as u64) as usize;
        let buffer = Buffer::new(room.next_multiple_of(ALIGNMENT));
        Reading { direct: Direct::new(file), buffer, held: 0, taken: 0 }
    }
}

impl Read for Reading {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.held {
            let into = self.buffer.aligned();
            self.held = self.direct.run(|file| file.read(into))?;
            self.taken = 0;
        }
        let held = &self.buffer.aligned()[self.taken..self.held];
        let len = held.len().min(to.len());
        to[..len].copy_from_slice(&held[..len]);
        self.taken += len;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::path::PathBuf;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("redstart-direct-{}-{name}", std::process::id()))
    }

    /// Writes in uneven parts and reads in others; `spoil` may end direct transfers before.
    fn travels(name: &str, len: usize, spoil: fn(&mut Direct)) {
        let path = path(name);
        let bytes: Vec<u8> = (0..len).map(|at| (at / 7 % 251) as u8).collect();
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path).unwrap();
        let mut writing = Writing::new(file);
        spoil(&mut writing.direct);
        for part in bytes.chunks(300_007) {
            writing.write(part).unwrap();
        }
        writing.finish().unwrap();
        drop(writing);
        assert!(std::fs::read(&path).unwrap() == bytes, "{len} bytes written");
        let mut reading = Reading::new(File::open(&path).unwrap(), len as u64);
        spoil(&mut reading.direct);
        let (mut read, mut part) = (Vec::new(), vec![0; 100_003]);
        loop {
            match reading.read(&mut part).unwrap() {
                0 => break,
                taken => read.extend_from_slice(&part[..taken]),
            }
        }
        assert!(read == bytes, "{len} bytes read");
        std::fs::remove_file(&path).unwrap();
    }

    const LENGTHS: [usize; 9] = [
        0,
        1,
        4095,
        4096,
        4097,
        WRITE_BYTES,
        WRITE_BYTES + 1,
        2 * WRITE_BYTES + 4096,
        3 * WRITE_BYTES - 5,
    ];

    #[test]
    fn what_is_written_directly_is_read_directly() {
        LENGTHS.into_iter().for_each(|len| travels("direct", len, |_| ()));
    }

    #[test]
    fn what_cannot_go_directly_goes_through_the_page_cache() {
        LENGTHS.into_iter().for_each(|len| travels("cached", len, Direct::fall_back));
    }

    /// As where blocks are larger than expected: the system refuses, and the file goes on cached.
    #[test]
    fn a_refused_transfer_is_done_once_more() {
        let path = path("refused");
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path).unwrap();
        let mut direct = Direct { file, is_direct: true };
        let mut refusals = 0;
        let written = direct.run(|file| match refusals {
            0 => {
                refusals += 1;
                Err(ErrorKind::InvalidInput.into())
            }
            _ => file.write(b"12345"),
        });
        assert_eq!((written.unwrap(), direct.is_direct), (5, false));
        let refused = direct.run(|_| Err(ErrorKind::InvalidInput.into()));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
        std::fs::remove_file(&path).unwrap();
    }
}

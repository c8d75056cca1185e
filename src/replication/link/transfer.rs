//! The data set on its way from a master, into a file: the old data set stays until the new one is
//! here, whole.
//!
//! ```text
//!   $<length>\r\n bytes                   a master that has a file of it
//!   $EOF:<40 bytes>\r\n bytes <40 bytes>  one that sends what it makes at the same time
//! ```

use super::wire::Wire;
use redstart_persistence::storage::Stream as File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The length of the mark behind a data set whose length is not known before.
const MARK: usize = 40;

/// How far a transfer is.
#[derive(Default)]
pub struct Transfer {
    /// Bytes in all; zero where the master does not know.
    pub total_bytes: AtomicU64,
    /// Bytes that have come.
    pub bytes: AtomicU64,
    /// When the last of them came, in monotonic milliseconds.
    pub last_io_ms: AtomicU64,
}

/// What the length of a data set is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Known(u64),
    Until([u8; MARK]),
}

/// Receives a data set; what comes behind it stays in the wire. `now_ms` is the monotonic clock.
///
/// # Errors
/// When the connection or the file fails, or the master says why there is none.
pub fn receive(
    wire: &mut Wire,
    file: &mut dyn File,
    transfer: &Transfer,
    now_ms: impl Fn() -> u64,
) -> io::Result<()> {
    let head = wire.full_line()?;
    let Some(length) = length(&head) else {
        let text = format!("the master sends {} in place of its data", head.escape_ascii());
        return Err(io::Error::other(text));
    };
    transfer.bytes.store(0, Relaxed);
    transfer.last_io_ms.store(now_ms(), Relaxed);
    let note = |count: usize| {
        transfer.bytes.fetch_add(count as u64, Relaxed);
        transfer.last_io_ms.store(now_ms(), Relaxed);
    };
    match length {
        Length::Known(total) => {
            transfer.total_bytes.store(total, Relaxed);
            receive_counted(wire, file, total, note)?;
        }
        Length::Until(mark) => {
            transfer.total_bytes.store(0, Relaxed);
            receive_marked(wire, file, &mark, note)?;
        }
    }
    file.finish()
}

fn length(head: &[u8]) -> Option<Length> {
    let text = head.strip_prefix(b"$")?;
    match text.strip_prefix(b"EOF:") {
        Some(mark) => mark.try_into().ok().map(Length::Until),
        None => std::str::from_utf8(text).ok()?.parse().ok().map(Length::Known),
    }
}

fn receive_counted(
    wire: &mut Wire,
    file: &mut dyn File,
    total: u64,
    note: impl Fn(usize),
) -> io::Result<()> {
    let mut left = total;
    while left > 0 {
        let bytes = wire.next()?;
        let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.write(&bytes[..count])?;
        wire.take(count);
        note(count);
        left -= count as u64;
    }
    Ok(())
}

/// The last bytes that could be the beginning of the mark are held back until the next ones come.
fn receive_marked(
    wire: &mut Wire,
    file: &mut dyn File,
    mark: &[u8; MARK],
    note: impl Fn(usize),
) -> io::Result<()> {
    let mut held: Vec<u8> = Vec::new();
    loop {
        let bytes = wire.next()?;
        let (before, count) = (held.len(), bytes.len());
        held.extend_from_slice(bytes);
        note(count);
        if let Some(at) = memchr::memmem::find(&held, mark) {
            file.write(&held[..at])?;
            wire.take(at + MARK - before);
            return Ok(());
        }
        wire.take(count);
        let whole = held.len().saturating_sub(MARK - 1);
        file.write(&held[..whole])?;
        held.drain(..whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_head_are_known() {
        assert_eq!(length(b"$17"), Some(Length::Known(17)));
        let mark = [b'x'; MARK];
        assert_eq!(length(&[b"$EOF:", &mark[..]].concat()), Some(Length::Until(mark)));
        for wrong in [&b""[..], b"17", b"$", b"$-1", b"$EOF:", b"$EOF:xyz", b"-ERR no"] {
            assert_eq!(length(wrong), None, "{}", wrong.escape_ascii());
        }
    }
}

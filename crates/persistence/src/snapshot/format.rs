//! The fixed numbers of the format, and what header and trailer hold.

use crate::codec::Blob;
use serde::{Deserialize, Serialize};

/// The first bytes of every snapshot.
pub const MAGIC: &[u8; 8] = b"REDSTART";
/// The versions that are read, the last of which is written. Each two differ by two bits at least:
/// no checksum covers them, and a flipped bit must not make one of another.
pub const VERSIONS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
/// The version that is written.
pub const VERSION: u32 = VERSIONS[VERSIONS.len() - 1];

/// Bytes before the first section.
pub const START: usize = MAGIC.len() + 4;
/// Bytes of a section before its payload.
pub const FRAME: usize = 1 + 4 + 8 + 8;

/// The kind of the first section.
pub const HEADER: u8 = 1;
/// The kind of a section of whole entries.
pub const ENTRIES: u8 = 2;
/// The kind of the last section.
pub const TRAILER: u8 = 3;
/// The kind of a section of libraries' texts; since version 2.
pub const LIBRARIES: u8 = 4;
/// Bytes of an entry that goes on in the next section of this kind or the next; since version 4.
pub const BEGUN: u8 = 5;
/// Its last bytes.
pub const ENDED: u8 = 6;

/// The kind of a section about locks with fences; since version 32.
pub const LOCKS: u8 = 7;

/// This bit of a kind says that the payload is packed; since version 8. Header and trailer never
/// are.
pub const PACKED: u8 = 0x80;
/// The first version that has packed sections.
pub const PACKS_SINCE: u32 = 8;

/// What a snapshot says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of Redstart that wrote it.
    pub writer: String,
    /// The moment that it holds, in milliseconds since the Unix epoch.
    pub wall_ms: i64,
    /// The last record of the log whose effect it holds; zero without a log.
    pub sequence: u64,
}

/// A lock as it is saved: database, name, owner, fence.
pub type Lock<'a> = (u32, Blob<'a>, Blob<'a>, u64);

/// The payload of a section about locks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Locks<'a> {
    /// The last fence that was drawn.
    pub last_fence: u64,
    /// The locks that were held.
    #[serde(borrow)]
    pub held: Vec<Lock<'a>>,
}

/// What a snapshot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Sections, the trailer not counted.
    pub sections: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes before the trailer.
    pub bytes: u64,
}

/// What a section's checksum covers beside the payload.
pub fn seal(number: u64, kind: u8, count: u32, len: u64) -> [u8; 21] {
    let mut frame = [kind; 21];
    frame[1..9].copy_from_slice(&number.to_le_bytes());
    frame[9..13].copy_from_slice(&count.to_le_bytes());
    frame[13..].copy_from_slice(&len.to_le_bytes());
    frame
}

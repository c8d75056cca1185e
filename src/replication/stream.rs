//! The bytes of the stream: what replicas have yet to get, and the backlog behind them.
//!
//! ```text
//!   begin                                              end
//!     | part | part | large argument | part | ... | open |
//!            ^ a replica that is behind              ^ one that is not
//! ```
//!
//! Parts are shared: what a replica is sent of them is not copied, and the thread that feeds the
//! stream, which holds shards, only appends. The thread that sends drops what nobody needs.
//!
//! An offset is the number of bytes before it.

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

/// A part is closed at so many bytes.
const PART_BYTES: usize = 32 * 1024;
/// An argument of this size is a part of its own: it is shared and not copied, in bytes.
pub const LARGE_BYTES: usize = PART_BYTES;

/// The stream.
#[derive(Default)]
pub struct Stream {
    inner: Mutex<Inner>,
    /// The offset of what is made next.
    end: AtomicU64,
    /// The offset behind the last change of data.
    changed: AtomicU64,
    /// Bytes that are kept behind the end (`repl-backlog-size`).
    keeps: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    /// Whether bytes are kept at all.
    is_kept: bool,
    closed: VecDeque<Part>,
    open: Vec<u8>,
    /// Where `open` begins.
    open_at: u64,
    /// The database that was selected last; None if that is not known to everybody.
    db: Option<usize>,
}

struct Part {
    at: u64,
    bytes: Bytes,
}

/// What is there of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Whether bytes are kept.
    pub is_kept: bool,
    /// The first byte that is there.
    pub begin: u64,
    /// Where the next one will be.
    pub end: u64,
}

impl Inner {
    fn end(&self) -> u64 {
        self.open_at + self.open.len() as u64
    }

    fn begin(&self) -> u64 {
        self.closed.front().map_or(self.open_at, |part| part.at)
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            let full = std::mem::replace(&mut self.open, Vec::with_capacity(PART_BYTES));
            self.push(Bytes::from(full));
        }
    }

    fn push(&mut self, bytes: Bytes) {
        let at = self.open_at;
        self.open_at += bytes.len() as u64;
        self.closed.push_back(Part { at, bytes });
    }

    fn append(&mut self, bytes: &[u8]) {
        if !self.is_kept {
            self.open_at += bytes.len() as u64;
            return;
        }
        if self.open.len() + bytes.len() > PART_BYTES {
            self.close();
        }
        if bytes.len() >= PART_BYTES {
            return self.push(Bytes::copy_from_slice(bytes));
        }
        self.open.extend_from_slice(bytes);
    }

    fn append_shared(&mut self, bytes: &Bytes) {
        if self.is_kept {
            self.close();
            self.push(bytes.clone());
        } else {
            self.open_at += bytes.len() as u64;
        }
    }
}

/// One unit on its way into the stream: requests, and large arguments between them.
#[derive(Default)]
pub struct Unit {
    /// The bytes but for the large arguments.
    pub bytes: Vec<u8>,
    /// Large arguments, and before which of the bytes they stand.
    pub large: Vec<(usize, Bytes)>,
    /// How many requests it is.
    pub requests: usize,
    /// The databases of the first request and the last one.
    pub dbs: Option<(usize, usize)>,
}

impl Unit {
    /// As empty as a new one.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(PART_BYTES);
        self.large.clear();
        self.requests = 0;
        self.dbs = None;
    }

    /// Adds an argument or another piece of a request.
    fn argument(&mut self, argument: &Bytes) {
        header(b'$', argument.len(), &mut self.bytes);
        if argument.len() >= LARGE_BYTES {
            self.large.push((self.bytes.len(), argument.clone()));
        } else {
            self.bytes.extend_from_slice(argument);
        }
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Begins a request of so many arguments, in a database.
    fn begin(&mut self, db: usize, arguments: usize) {
        match &mut self.dbs {
            Some((_, last)) => {
                if std::mem::replace(last, db) != db {
                    select(db, &mut self.bytes);
                }
            }
            none => *none = Some((db, db)),
        }
        self.requests += 1;
        header(b'*', arguments, &mut self.bytes);
    }

    /// Adds a request, in a database.
    pub fn add<'a>(&mut self, db: usize, words: impl Iterator<Item = &'a Bytes> + Clone) {
        self.begin(db, words.clone().count());
        words.for_each(|word| self.argument(word));
    }
}

/// Appends the head of an array or of a string.
pub fn header(kind: u8, len: usize, to: &mut Vec<u8>) {
    to.push(kind);
    to.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
    to.extend_from_slice(b"\r\n");
}

/// Appends a string.
pub fn bulk(text: &[u8], to: &mut Vec<u8>) {
    header(b'$', text.len(), to);
    to.extend_from_slice(text);
    to.extend_from_slice(b"\r\n");
}

/// Appends a request.
pub fn request(words: &[&[u8]], to: &mut Vec<u8>) {
    header(b'*', words.len(), to);
    words.iter().for_each(|word| bulk(word, to));
}

fn select(db: usize, to: &mut Vec<u8>) {
    request(&[b"SELECT", itoa::Buffer::new().format(db).as_bytes()], to);
}

impl Stream {
    /// How many bytes are kept behind the end, beside what replicas need.
    pub fn keep(&self, bytes: usize) {
        self.keeps.store(bytes, Relaxed);
    }

    /// The offset of what is made next.
    #[inline]
    pub fn end(&self) -> u64 {
        self.end.load(SeqCst)
    }

    /// The offset behind the last change of data: what comes after it, replicas need not have.
    pub fn changed(&self) -> u64 {
        self.changed.load(SeqCst)
    }

    /// What is there.
    pub fn extent(&self) -> Extent {
        let inner = self.inner.lock();
        Extent { is_kept: inner.is_kept, begin: inner.begin(), end: inner.end() }
    }

    /// The database that is selected at the end.
    pub fn db(&self) -> Option<usize> {
        self.inner.lock().db
    }

    /// Whoever reads from here on knows of no database: the next unit selects its own.
    pub fn forget_db(&self) {
        self.inner.lock().db = None;
    }

    /// Keeps bytes from now on, or no more.
    pub fn set_kept(&self, kept: bool) {
        let mut inner = self.inner.lock();
        if inner.is_kept != kept {
            let (at, db) = (inner.end(), inner.db);
            *inner = Inner { is_kept: kept, open_at: at, db, ..Inner::default() };
        }
    }

    /// Begins anew at an offset: nothing is there of what was before.
    pub fn restart(&self, offset: u64) {
        let mut inner = self.inner.lock();
        *inner = Inner { is_kept: true, open_at: offset, ..Inner::default() };
        self.end.store(offset, SeqCst);
        self.changed.store(offset, SeqCst);
    }

    /// Appends a unit, as a transaction if it is several requests.
    pub fn append(&self, unit: &Unit) {
        let Some((first, last)) = unit.dbs else { return };
        let mut inner = self.inner.lock();
        if inner.db != Some(first) {
            let mut bytes = Vec::with_capacity(32);
            select(first, &mut bytes);
            inner.append(&bytes);
        }
        inner.db = Some(last);
        let several = unit.requests > 1;
        if several {
            inner.append(b"*1\r\n$5\r\nMULTI\r\n");
        }
        let mut from = 0;
        for (at, large) in &unit.large {
            inner.append(&unit.bytes[from..*at]);
            inner.append_shared(large);
            from = *at;
        }
        inner.append(&unit.bytes[from..]);
        if several {
            inner.append(b"*1\r\n$4\r\nEXEC\r\n");
        }
        let end = inner.end();
        self.changed.store(end, SeqCst);
        self.end.store(end, SeqCst);
    }

    /// Appends bytes that change no data.
    pub fn append_aside(&self, bytes: &[u8]) {
        let mut inner = self.inner.lock();
        inner.append(bytes);
        self.end.store(inner.end(), SeqCst);
    }

    /// Appends what a master sent; `db` is selected behind it.
    pub fn append_as_is(&self, bytes: &[u8], db: usize) {
        let mut inner = self.inner.lock();
        inner.append(bytes);
        inner.db = Some(db);
        let end = inner.end();
        self.changed.store(end, SeqCst);
        self.end.store(end, SeqCst);
    }

    /// What follows an offset, up to about `most` bytes; empty at the end. None if it is not there
    /// any more.
    pub fn read(&self, offset: u64, most: usize) -> Option<Vec<Bytes>> {
        let inner = self.inner.lock();
        if offset < inner.begin() || offset > inner.end() {
            return None;
        }
        let (mut read, mut bytes, mut at) = (Vec::new(), 0, offset);
        let first = inner.closed.partition_point(|part| part.at + part.bytes.len() as u64 <= at);
        for part in inner.closed.range(first..) {
            if bytes >= most {
                return Some(read);
            }
            let skipped = (at - part.at) as usize;
            read.push(part.bytes.slice(skipped..));
            bytes += part.bytes.len() - skipped;
            at = part.at + part.bytes.len() as u64;
        }
        let rest = &inner.open[(at - inner.open_at) as usize..];
        if !rest.is_empty() && bytes < most {
            read.push(Bytes::copy_from_slice(rest));
        }
        Some(read)
    }

    /// Drops what neither the backlog nor a replica at `needed` wants. Returns it, to be freed
    /// without the lock.
    pub fn trim(&self, needed: Option<u64>) -> Vec<Bytes> {
        let mut inner = self.inner.lock();
        let kept_from = inner.end().saturating_sub(self.keeps.load(Relaxed) as u64);
        let from = needed.map_or(kept_from, |needed| needed.min(kept_from));
        let mut dropped = Vec::new();
        while let Some(part) = inner.closed.front()
            && part.at + part.bytes.len() as u64 <= from
        {
            dropped.extend(inner.closed.pop_front().map(|part| part.bytes));
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(unit: &mut Unit, db: usize, words: &[&str]) {
        let words: Vec<Bytes> =
            words.iter().map(|word| Bytes::copy_from_slice(word.as_bytes())).collect();
        unit.add(db, words.iter());
    }

    fn all(stream: &Stream, from: u64) -> Vec<u8> {
        let (mut read, mut at) = (Vec::new(), from);
        loop {
            let pieces = stream.read(at, 1000).expect("it is there");
            if pieces.is_empty() {
                return read;
            }
            for piece in pieces {
                at += piece.len() as u64;
                read.extend_from_slice(&piece);
            }
        }
    }

    #[test]
    fn a_unit_selects_its_database_and_several_requests_are_a_transaction() {
        let stream = Stream::default();
        stream.restart(7);
        let mut unit = Unit::default();
        add(&mut unit, 0, &["DEL", "a"]);
        stream.append(&unit);
        stream.append(&unit);
        add(&mut unit, 3, &["DEL", "b"]);
        stream.append(&unit);
        unit.clear();
        add(&mut unit, 3, &["DEL", "c"]);
        stream.append(&unit);
        let text = String::from_utf8(all(&stream, 7)).expect("it is text").replace("\r\n", " ");
        let del = |key| format!("*2 $3 DEL $1 {key} ");
        let select = |db| format!("*2 $6 SELECT $1 {db} ");
        let wanted = [
            select(0),
            del("a"),
            del("a"),
            "*1 $5 MULTI ".to_owned(),
            del("a"),
            select(3),
            del("b"),
            "*1 $4 EXEC ".to_owned(),
            del("c"),
        ];
        assert_eq!(text, wanted.concat());
        assert_eq!(stream.end(), 7 + all(&stream, 7).len() as u64);
    }

    #[test]
    fn what_is_read_is_what_was_appended_from_any_offset() {
        let (stream, mut model) = (Stream::default(), Vec::new());
        let mut random = fastrand::Rng::with_seed(1);
        stream.restart(0);
        for _ in 0..400 {
            let len = [3, 100, 20_000, PART_BYTES, 100_000][random.usize(..5)];
            let bytes: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
            stream.append_as_is(&bytes, 0);
            model.extend_from_slice(&bytes);
        }
        for _ in 0..50 {
            let from = random.usize(..=model.len());
            assert!(all(&stream, from as u64) == model[from..]);
        }
        assert_eq!(stream.read(model.len() as u64 + 1, 1), None);
        stream.keep(500_000);
        let needed = model.len() as u64 - 900_000;
        stream.trim(Some(needed));
        let begin = stream.extent().begin;
        assert!(begin <= needed && begin + 100_000 >= needed);
        stream.trim(None);
        let begin = stream.extent().begin;
        assert!(begin > needed && begin <= model.len() as u64 - 500_000);
        assert_eq!(stream.read(begin - 1, 1), None);
        assert!(all(&stream, begin) == model[begin as usize..]);
    }

    #[test]
    fn large_arguments_are_shared() {
        let stream = Stream::default();
        stream.restart(0);
        let large = Bytes::from(vec![b'x'; LARGE_BYTES]);
        let mut unit = Unit::default();
        let words = [Bytes::from_static(b"SET"), Bytes::from_static(b"k"), large.clone()];
        unit.add(0, words.iter());
        stream.append(&unit);
        let read = stream.read(0, usize::MAX).expect("it is there");
        assert!(read.iter().any(|piece| piece.as_ptr() == large.as_ptr()));
        let mut plain = Vec::new();
        select(0, &mut plain);
        request(&[b"SET", b"k", &large], &mut plain);
        assert!(all(&stream, 0) == plain);
    }

    #[test]
    fn what_is_not_kept_still_counts() {
        let stream = Stream::default();
        let mut unit = Unit::default();
        add(&mut unit, 0, &["DEL", "a"]);
        stream.append(&unit);
        let end = stream.end();
        assert!(end > 0 && stream.extent() == Extent { is_kept: false, begin: end, end });
        stream.set_kept(true);
        stream.append(&unit);
        assert!(!all(&stream, end).is_empty());
    }
}

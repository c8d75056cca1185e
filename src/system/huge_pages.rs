//! Full parts of the heap become huge pages, on a thread of its own.
//!
//! Random reads of much data wait for the page table's entries more than for the data, unless pages
//! are huge. But whoever first touches a huge page waits until it is zeroed: .3 ms, and 7 to 30 ms
//! where a hypervisor has to find the memory; and a huge page of which a part is used is resident
//! as a whole, for each thread and each kind of block. So workers touch small pages only: the heap
//! is resident as far as it is used, and grows by a microsecond at a time. What has become full is
//! copied into a huge page later, here. The system picks that page itself: the one that was freed
//! last, and this thread has just touched and freed one, so that the copy, for which others may
//! wait, is short.
//!
//! This file holds `unsafe`: three calls of the system about memory.
#![allow(unsafe_code)]

use super::allocator::allocated;
use super::pace::Served;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Bytes of a huge page.
const HUGE: usize = 2 << 20;
/// Bytes of a small one. Where pages have another size, all stay as they are.
const SMALL: usize = 4096;
/// Small pages of a part that may be missing when it becomes a huge one, which has them all: fewer
/// than mimalloc gives back at a time, or they would come again at once.
const MISSING_MAX: usize = 8;
/// Where mimalloc asks for the memory that it divides; the system puts all else elsewhere.
const HEAP: Range<usize> = 2 << 40..30 << 40;
/// Bytes handed out from which on huge pages pay.
const FROM: usize = 4 << 20;
/// How much more or less must be handed out until the heap is looked through again, in bytes.
const CHANGE: usize = HUGE;
/// Between two looks through the heap.
const PAUSE: Duration = Duration::from_millis(100);
/// While others are at work, the thread rests so many times longer than it works.
const REST: u32 = 10;
/// After so long a part that became huge is looked at again: parts of it may have been given back.
const REVIEW: Duration = Duration::from_secs(60);

static IS_WANTED: AtomicBool = AtomicBool::new(false);
/// What was handed out when the thread was last woken, in bytes.
static SEEN: AtomicUsize = AtomicUsize::new(0);
static THREAD: OnceLock<Thread> = OnceLock::new();

/// Says whether full parts of the heap are to become huge pages from now on.
pub fn set_wanted(is_wanted: bool) {
    IS_WANTED.store(is_wanted, Relaxed);
}

/// Run by the system before anything of Rust's, whose first blocks would come in huge pages where
/// the system gives these unasked.
// SAFETY: the section holds functions of this type; this one needs nothing that is made later.
#[unsafe(link_section = ".init_array")]
#[used]
static BEGIN_SMALL: extern "C" fn() = {
    extern "C" fn begin_small() {
        allow(false);
    }
    begin_small
};

/// Whether new pages of this process may be huge.
fn allow(allowed: bool) {
    // A system that cannot do so has no huge pages either.
    let _ = rustix::thread::disable_transparent_huge_pages(!allowed);
}

/// Wakes the thread if there is much more data, or much less, than when it last began. Called by
/// every tick.
pub fn follow_data() {
    let bytes = allocated();
    let has_changed = SEEN.load(Relaxed).abs_diff(bytes) >= CHANGE;
    if has_changed && bytes >= FROM && IS_WANTED.load(Relaxed) {
        SEEN.store(bytes, Relaxed);
        if let Some(thread) = THREAD.get() {
            thread.unpark();
        }
    }
}

/// Makes huge pages of what others fill, for ever; returns where the system cannot do that.
pub fn run(served: Served) {
    let Ok(mut heap) = Heap::open(served) else { return };
    if rustix::param::page_size() != SMALL || THREAD.set(std::thread::current()).is_err() {
        return;
    }
    loop {
        std::thread::park();
        // As long as there is something to do, more is becoming full meanwhile.
        loop {
            match heap.look_through() {
                Ok(0) => break,
                Ok(_) => std::thread::sleep(PAUSE),
                Err(_) => return,
            }
        }
    }
}

/// What is known of this process's heap.
struct Heap {
    /// 8 bytes a page; the highest bit says whether it is resident.
    pagemap: File,
    /// Where huge pages begin.
    huge: HashSet<usize>,
    reviewed: Instant,
    served: Served,
}

impl Heap {
    fn open(served: Served) -> io::Result<Heap> {
        let pagemap = File::open("/proc/self/pagemap")?;
        Ok(Heap { pagemap, huge: HashSet::new(), reviewed: Instant::now(), served })
    }

    /// Makes huge pages of all parts that have become full. Returns how many these were.
    ///
    /// # Errors
    /// The system cannot do it, and will not be able to.
    fn look_through(&mut self) -> io::Result<usize> {
        if self.reviewed.elapsed() >= REVIEW {
            self.huge.clear();
            self.reviewed = Instant::now();
        }
        let mut collapsed = 0;
        for range in heap_ranges(&std::fs::read_to_string("/proc/self/maps")?) {
            let first = range.start.next_multiple_of(HUGE);
            for start in (first..range.end.saturating_sub(HUGE - 1)).step_by(HUGE) {
                if !IS_WANTED.load(Relaxed) {
                    return Ok(0);
                }
                if self.huge.contains(&start) || !self.is_full(start)? {
                    continue;
                }
                collapsed += usize::from(self.collapse(start)?);
            }
        }
        Ok(collapsed)
    }

    /// Whether nearly all pages of a part are resident.
    fn is_full(&self, start: usize) -> io::Result<bool> {
        const ENTRY: usize = size_of::<u64>();
        let offset = (start / SMALL * ENTRY) as u64;
        let is_missing = |entry: &&[u8]| entry[ENTRY - 1] & 0x80 == 0;
        let mut entries = [0; HUGE / SMALL * ENTRY];
        // Most parts that are not full have nothing at their end.
        let end = HUGE / SMALL * ENTRY - 2 * MISSING_MAX * ENTRY;
        self.pagemap.read_exact_at(&mut entries[end..], offset + end as u64)?;
        if entries[end..].chunks_exact(ENTRY).filter(is_missing).count() > MISSING_MAX {
            return Ok(false);
        }
        self.pagemap.read_exact_at(&mut entries, offset)?;
        Ok(entries.chunks_exact(ENTRY).filter(is_missing).count() <= MISSING_MAX)
    }

    /// Makes a huge page of a part, and rests if clients are being served or data is being loaded.
    /// Returns whether it is one now.
    fn collapse(&mut self, start: usize) -> io::Result<bool> {
        let began = Instant::now();
        let busy = || (self.served.bytes(), allocated() / SMALL);
        let before = busy();
        // Where the system gives huge pages unasked, others may be given some now. So be it.
        allow(true);
        let result = touch_and_free().and_then(|()| collapse(start));
        allow(false);
        match result {
            // Parts of it may have been given back: then it is tried again when it is full again.
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => return Ok(false),
            // Given back as a whole, or the system has no huge page left.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::EBUSY)) => {
                return Ok(false);
            }
            result => result?,
        }
        let is_busy = busy() != before;
        self.huge.insert(start);
        if is_busy {
            std::thread::sleep(began.elapsed() * REST);
        }
        Ok(true)
    }
}

/// The ranges of the address space that lie in the heap, of a text as `/proc/self/maps` is one.
fn heap_ranges(maps: &str) -> impl Iterator<Item = Range<usize>> {
    let bounds = maps.lines().filter_map(|line| {
        let (start, rest) = line.split_once('-')?;
        let (end, rest) = rest.split_once(' ')?;
        let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        rest.starts_with("rw").then_some(range)
    });
    bounds.filter(|range| HEAP.contains(&range.start))
}

/// Touches a huge page and gives it back, so that the next one that the system takes is this one,
/// and need not be found or zeroed then.
fn touch_and_free() -> io::Result<()> {
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // A huge page lies somewhere in twice its size.
    // SAFETY: the system chooses a place where nothing is; the page in it is aligned, and what was
    // mapped is unmapped as a whole.
    unsafe {
        let mapped = mmap_anonymous(std::ptr::null_mut(), 2 * HUGE, access, MapFlags::PRIVATE)?;
        let page = mapped.wrapping_byte_add(mapped.align_offset(HUGE));
        let touched = madvise(page, HUGE, Advice::LinuxHugepage)
            .and_then(|()| madvise(page, HUGE, Advice::LinuxPopulateWrite));
        munmap(mapped, 2 * HUGE)?;
        touched?;
    }
    Ok(())
}

/// Makes a huge page of a part of the address space.
fn collapse(start: usize) -> io::Result<()> {
    let start = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: what lies there is the same afterwards, whoever uses it, and nothing may lie there.
    match unsafe { libc::madvise(start, HUGE, libc::MADV_COLLAPSE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_is_where_mimalloc_asks_for_memory() {
        let maps = "20000000000-20040000000 rw-p 00000000 00:00 0 \n\
                    20040000000-20080000000 ---p 00000000 00:00 0 \n\
                    55e0d9ff1000-55e0da02e000 rw-p 00977000 fe:00 2  /usr/bin/redstart\n\
                    7fef40000000-7fef40021000 rw-p 00000000 00:00 0 \n";
        let found: Vec<_> = heap_ranges(maps).collect();
        assert_eq!(found.as_slice(), std::slice::from_ref(&(0x200_0000_0000..0x200_4000_0000)));
    }

    #[test]
    fn a_full_part_becomes_a_huge_page_and_keeps_what_is_in_it() {
        let mut heap = Heap::open(Served(&[])).unwrap();
        // The last of three huge pages' room is not filled.
        let mut bytes: Vec<u8> = Vec::with_capacity(3 * HUGE);
        let start = bytes.as_ptr().expose_provenance().next_multiple_of(HUGE);
        let filled = start - bytes.as_ptr().addr() + HUGE;
        bytes.extend((0..filled).map(|index| index as u8));
        assert!(heap.is_full(start).unwrap());
        assert!(!heap.is_full(start + HUGE).unwrap());
        match heap.collapse(start) {
            Ok(is_huge) => assert!(is_huge),
            Err(error) => println!("SKIPPED: no huge pages by madvise here ({error})"),
        }
        assert!(bytes.iter().enumerate().all(|(index, &byte)| byte == index as u8));
    }
}

//! The allocator: mimalloc, called so that small blocks take the short way.
//!
//! The usual binding always asks for an alignment, and mimalloc meets any alignment of a size
//! that is no power of two by allocating more. Nearly everything here is aligned to 8 bytes or
//! less, which its plain entry guarantees. Chosen over jemalloc and the system's by bytes per key
//! and speed.
//!
//! On Linux a huge block is a mapping of its own, since what takes an allocator milliseconds takes
//! the system none: it grows by moving its pages and not their bytes, and it is zero without being
//! written to. Giving it back does take long, 40 ms for 512 MB, and would happen on the thread of
//! the last owner; so a thread of its own does it ([`unmap_for_others`]).
//!
//! Every thread counts what it allocates and frees in a slot of its own ([`allocated`] adds them
//! up), as size classes, so that the sum is what the allocator has handed out.
//!
//! This file holds `unsafe`: it is the boundary to a C library and to the system. The contracts are
//! those of [`GlobalAlloc`]; a block's layout says whether mimalloc or the system gave it.
#![allow(unsafe_code)]

use libmimalloc_sys::{
    mi_collect, mi_free, mi_malloc, mi_malloc_aligned, mi_option_set, mi_option_t, mi_realloc,
    mi_realloc_aligned, mi_zalloc, mi_zalloc_aligned,
};
use redstart_engine::storage::memory::size_class;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering::Relaxed};

/// The alignment of every block that mimalloc gives, in bytes.
const PLAIN_ALIGN: usize = 8;
/// Blocks from this size on are mappings, in bytes.
const HUGE_MIN: usize = 4 << 20;
/// Blocks from this size on are large: while memory is short, the pages in them go back to the
/// system as soon as they are freed, in bytes.
const LARGE_MIN: usize = 32 << 10;

/// Whether a block of this layout is a mapping.
#[inline]
fn is_huge(layout: Layout) -> bool {
    cfg!(target_os = "linux") && layout.size() >= HUGE_MIN && layout.align() <= huge::ALIGN
}

pub use huge::unmap_for_others;

/// Threads that have a slot of their own. Those that start later, and come and go, share one.
const SLOTS: usize = 128;

/// What a thread has allocated less what it has freed, in bytes: below zero where a thread frees
/// what others allocate. A cache line of its own.
#[repr(align(64))]
struct Slot(AtomicIsize);

static OWN: [Slot; SLOTS] = [const { Slot(AtomicIsize::new(0)) }; SLOTS];
static SHARED: Slot = Slot(AtomicIsize::new(0));
/// How many threads have asked for a slot.
static ASKED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread's slot. It has no destructor: an allocator must not need one.
    static MINE: Cell<Option<&'static Slot>> = const { Cell::new(None) };
    /// Whether this thread has asked for one.
    static HAS_ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Bytes that the allocator has handed out and not got back, in all threads.
pub fn allocated() -> usize {
    let taken = ASKED.load(Relaxed).min(SLOTS);
    let slots = OWN[..taken].iter().chain([&SHARED]);
    let sum = slots.fold(0isize, |sum, slot| sum.wrapping_add(slot.0.load(Relaxed)));
    // The slots are not read at one moment.
    usize::try_from(sum).unwrap_or(0)
}

/// Notes that this thread has so many bytes more, or fewer.
#[inline]
fn note(bytes: isize) {
    match MINE.get() {
        // Only this thread writes there.
        Some(slot) => slot.0.store(slot.0.load(Relaxed).wrapping_add(bytes), Relaxed),
        None => note_without_slot(bytes),
    }
}

#[cold]
fn note_without_slot(bytes: isize) {
    if !HAS_ASKED.replace(true) {
        let index = ASKED.fetch_add(1, Relaxed);
        MINE.set(OWN.get(index));
        if MINE.get().is_some() {
            return note(bytes);
        }
    }
    SHARED.0.fetch_add(bytes, Relaxed);
}

/// The bytes that a block of this layout takes.
#[inline]
fn taken(layout: Layout) -> isize {
    let bytes =
        if is_huge(layout) { huge::rounded(layout.size()) } else { size_class(layout.size()) };
    // No block is larger than half of the address space.
    bytes as isize
}

/// Notes a block that was asked for, if there is one.
#[inline]
fn note_new(block: *mut u8, layout: Layout) -> *mut u8 {
    if !block.is_null() {
        note(taken(layout));
    }
    block
}

/// Whether memory is short.
static IS_SHORT: AtomicBool = AtomicBool::new(false);

/// Says whether memory is short: then large blocks are freed more slowly, but leave nothing behind
/// for others of their size.
pub fn set_short(is_short: bool) {
    IS_SHORT.store(is_short, Relaxed);
}

/// mimalloc.
pub struct Mimalloc;

/// Gives what this thread no longer needs back to the system.
pub fn purge() {
    // SAFETY: it may be called at any time, on any thread.
    unsafe { mi_collect(true) }
}

/// Takes back what other threads have freed of this thread's blocks, and gives pages that are empty
/// then back to the system, a little later.
pub fn collect() {
    // SAFETY: it may be called at any time, on any thread.
    unsafe { mi_collect(false) }
}

/// What is worth more: speed, or few resident bytes beside those that are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thrift {
    /// What is full becomes huge pages (`huge_pages.rs`); memory goes back after a second.
    Fast,
    /// Pages stay small, go back at once, and threads share what they have.
    Small,
}

/// mimalloc's `purge_delay`, in milliseconds, by its place among the options.
const PURGE_DELAY: mi_option_t = 15;
/// Its `page_max_reclaim`: a thread that frees a block in a page of its own which was full takes
/// the page back if it has at most so many of that size. Others find a page's free blocks only
/// while nobody has it.
const PAGE_MAX_RECLAIM: mi_option_t = 41;

/// Sets how memory comes and goes from now on.
pub fn set_thrift(thrift: Thrift) {
    let (delay_ms, pages) = match thrift {
        Thrift::Fast => (1000, -1),
        Thrift::Small => (10, 4),
    };
    // SAFETY: an option may be set at any time, on any thread.
    unsafe {
        mi_option_set(PURGE_DELAY, delay_ms);
        mi_option_set(PAGE_MAX_RECLAIM, pages);
    }
    #[cfg(target_os = "linux")]
    super::huge_pages::set_wanted(thrift == Thrift::Fast);
}

/// A block of every size up to 8 KiB. mimalloc gives each thread pages of its own for each size,
/// and the first block of a size may be the first touch of new memory. A thread that must not wait
/// for that later takes these blocks and holds on to them, a page of 64 KiB each.
pub fn small_blocks() -> Vec<Vec<u8>> {
    const SMALL: usize = 8192;
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for size in 1..=SMALL {
        let class = redstart_engine::storage::memory::size_class(size);
        if blocks.last().is_none_or(|block| block.len() < class) {
            blocks.push(vec![1; class]);
        }
    }
    blocks
}

// SAFETY: mimalloc's blocks are as large as asked, aligned to 8 bytes by the plain functions and
// to any power of two by the aligned ones; each is freed and grown by the same library.
unsafe impl GlobalAlloc for Mimalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: a layout's size and alignment are what mimalloc takes.
        let block = unsafe {
            match align <= PLAIN_ALIGN {
                _ if is_huge(layout) => huge::map(size),
                true => mi_malloc(size).cast(),
                false => mi_malloc_aligned(size, align).cast(),
            }
        };
        note_new(block, layout)
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: a layout's size and alignment are what mimalloc takes.
        let block = unsafe {
            match align <= PLAIN_ALIGN {
                // What the system gives is zero.
                _ if is_huge(layout) => huge::map(size),
                true => mi_zalloc(size).cast(),
                false => mi_zalloc_aligned(size, align).cast(),
            }
        };
        note_new(block, layout)
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note(-taken(layout));
        if layout.size() >= LARGE_MIN {
            if is_huge(layout) {
                // SAFETY: a block of this layout is a mapping that its owner gives up.
                return unsafe { huge::unmap_later(block, layout.size()) };
            }
            if IS_SHORT.load(Relaxed) {
                // SAFETY: the caller gives up the block; mimalloc keeps nothing in it yet.
                unsafe { give_back_pages(block, layout.size()) }
            }
        }
        // SAFETY: the caller's block came from one of the functions here.
        unsafe { mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller has checked that the size, rounded up, is no overflow.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let (size, align) = (layout.size(), layout.align());
        // mimalloc leaves a block where it is while half of it is used: the rest would be lost.
        let gets_smaller = new_size < size && size_class(new_size) < size_class(size);
        // SAFETY: the caller's block came from one of the functions here, with this layout.
        let grown = unsafe {
            match (is_huge(layout), is_huge(new_layout)) {
                (false, false) if gets_smaller => return self.replace(block, layout, new_layout),
                (false, false) if align <= PLAIN_ALIGN => mi_realloc(block.cast(), new_size).cast(),
                (false, false) => mi_realloc_aligned(block.cast(), new_size, align).cast(),
                (true, true) => huge::remap(block, size, new_size),
                _ => return self.replace(block, layout, new_layout),
            }
        };
        if !grown.is_null() {
            note(taken(new_layout) - taken(layout));
        }
        grown
    }
}

impl Mimalloc {
    /// Copies a block into one of another size or kind.
    ///
    /// # Safety
    /// As of `realloc`.
    unsafe fn replace(&self, block: *mut u8, layout: Layout, new_layout: Layout) -> *mut u8 {
        // SAFETY: the new block is another one, and both are at least as long as what is copied;
        // the old one is freed as what it is.
        unsafe {
            let new_block = self.alloc(new_layout);
            if !new_block.is_null() {
                let kept = layout.size().min(new_layout.size());
                std::ptr::copy_nonoverlapping(block, new_block, kept);
                self.dealloc(block, layout);
            }
            new_block
        }
    }
}

/// Gives the pages that lie in a block back to the system. They are zero when they are used again.
///
/// # Safety
/// `size` bytes at `block` are a block of mimalloc's that is about to be freed.
#[cold]
unsafe fn give_back_pages(block: *mut u8, size: usize) {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{Advice, madvise};
        let page = rustix::param::page_size();
        let start = block.align_offset(page);
        let len = size.saturating_sub(start) / page * page;
        // SAFETY: the pages lie in the block, which nobody uses any more; it stays mapped.
        // What the system does not take stays.
        let _ = unsafe { madvise(block.wrapping_add(start).cast(), len, Advice::LinuxDontNeed) };
    }
    // Elsewhere they stay.
    #[cfg(not(target_os = "linux"))]
    let _ = (block, size);
}

/// Blocks that are mappings.
#[cfg(target_os = "linux")]
mod huge {
    use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap_anonymous, mremap, munmap};
    use std::ptr::null_mut;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicPtr, Ordering};
    use std::thread::Thread;

    /// The alignment of a mapping, in bytes.
    pub const ALIGN: usize = 4096;
    /// Mappings are as long as whole tables of pages, which move by one entry each.
    const STEP: usize = 2 << 20;
    /// Bytes given back at a time: the system changes no other mapping meanwhile.
    const PIECE: usize = 2 * STEP;

    /// At the beginning of a mapping that waits to be given back.
    struct Freed {
        next: *mut Freed,
        size: usize,
    }

    static FREED: AtomicPtr<Freed> = AtomicPtr::new(null_mut());
    static UNMAPPER: OnceLock<Thread> = OnceLock::new();

    /// How long the mapping of a block of `size` bytes is.
    pub fn rounded(size: usize) -> usize {
        size.next_multiple_of(STEP)
    }

    /// A zeroed mapping, or null.
    pub fn map(size: usize) -> *mut u8 {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the system chooses a place where nothing is.
        let mapped =
            unsafe { mmap_anonymous(null_mut(), rounded(size), access, MapFlags::PRIVATE) };
        mapped.map_or(null_mut(), |block| block.cast())
    }

    /// The mapping with another size, wherever it then is, or null when it stays as it is.
    ///
    /// # Safety
    /// `block` came from here with `size`, and is used no more.
    pub unsafe fn remap(block: *mut u8, size: usize, new_size: usize) -> *mut u8 {
        let (size, new_size) = (rounded(size), rounded(new_size));
        // SAFETY: the caller's promise.
        let moved = unsafe { mremap(block.cast(), size, new_size, MremapFlags::MAYMOVE) };
        moved.map_or(null_mut(), |block| block.cast())
    }

    /// Leaves a mapping to the thread that gives back, or gives it back if there is none.
    ///
    /// # Safety
    /// `block` came from here with `size`, and is used no more.
    pub unsafe fn unmap_later(block: *mut u8, size: usize) {
        let Some(unmapper) = UNMAPPER.get() else {
            // SAFETY: the caller's promise.
            return unsafe { unmap(block, rounded(size)) };
        };
        let freed: *mut Freed = block.cast();
        let mut next = FREED.load(Ordering::Relaxed);
        loop {
            // SAFETY: a mapping is writable, aligned to a page, and larger than this.
            unsafe { freed.write(Freed { next, size: rounded(size) }) };
            match FREED.compare_exchange_weak(next, freed, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break,
                Err(newer) => next = newer,
            }
        }
        unmapper.unpark();
    }

    /// Gives back what all threads free, for ever.
    pub fn unmap_for_others() {
        if UNMAPPER.set(std::thread::current()).is_err() {
            return;
        }
        loop {
            let mut freed = FREED.swap(null_mut(), Ordering::Acquire);
            if freed.is_null() {
                std::thread::park();
            }
            while !freed.is_null() {
                // SAFETY: the thread that freed the mapping wrote this, and has given it up.
                let Freed { next, size } = unsafe { freed.read() };
                // SAFETY: as above; it was taken off the list, so this happens once.
                unsafe { unmap(freed.cast(), size) };
                freed = next;
            }
        }
    }

    /// # Safety
    /// `size` bytes at `block` are a mapping that is used no more.
    unsafe fn unmap(block: *mut u8, size: usize) {
        for at in (0..size).step_by(PIECE) {
            // SAFETY: the piece lies within the mapping.
            // A mapping that cannot be given back stays.
            let _ = unsafe { munmap(block.add(at).cast(), PIECE.min(size - at)) };
        }
    }
}

/// On other systems no block is a mapping.
#[cfg(not(target_os = "linux"))]
mod huge {
    pub const ALIGN: usize = 1;

    pub fn rounded(size: usize) -> usize {
        size
    }

    pub fn map(_: usize) -> *mut u8 {
        std::ptr::null_mut()
    }

    pub unsafe fn remap(_: *mut u8, _: usize, _: usize) -> *mut u8 {
        std::ptr::null_mut()
    }

    pub unsafe fn unmap_later(_: *mut u8, _: usize) {}

    /// Does nothing: there is nothing to give back.
    pub fn unmap_for_others() {}
}

#[cfg(test)]
mod tests {
    /// What is at an offset in the blocks below.
    fn byte(at: usize) -> u8 {
        (at / 4096 % 251) as u8
    }

    #[test]
    fn what_is_allocated_is_counted_on_whichever_thread() {
        const LARGE: usize = 300 << 20;
        let at_first = super::allocated();
        // Other tests run at the same time, and allocate far less than this.
        let near = |expected: usize| super::allocated().abs_diff(at_first + expected) < LARGE / 4;
        let many: Vec<Vec<u8>> = (0..LARGE / 1024).map(|_| Vec::with_capacity(1024)).collect();
        assert!(near(LARGE));
        let one: Vec<u8> = Vec::with_capacity(LARGE);
        assert!(near(2 * LARGE));
        std::thread::spawn(move || drop(many)).join().expect("a thread that drops");
        assert!(near(LARGE));
        let mut grown = one;
        grown.reserve_exact(2 * LARGE);
        assert!(near(2 * LARGE));
        grown.shrink_to(1024);
        assert!(near(0));
    }

    #[test]
    fn huge_blocks_keep_their_bytes_as_they_grow_and_shrink() {
        let mut block = Vec::new();
        let pages = |range: std::ops::Range<usize>| range.map(|page| [byte(page * 4096); 4096]);
        for page in pages(0..10_000) {
            block.extend_from_slice(&page);
        }
        for len in [block.len(), 20 << 20, 4 << 20, (4 << 20) - 1, 4096] {
            block.truncate(len);
            block.shrink_to_fit();
            assert!(block.iter().enumerate().all(|(at, &found)| found == byte(at)), "{len}");
        }
        for page in pages(1..2000) {
            block.extend_from_slice(&page);
        }
        assert!(block.iter().enumerate().all(|(at, &found)| found == byte(at)));
        drop(block);
        assert!(vec![0u8; 9 << 20].iter().all(|&found| found == 0));
    }
}

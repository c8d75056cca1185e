//! The allocator: mimalloc, called so that small blocks take the short way.
//!
//! The usual binding always asks for an alignment, and mimalloc meets any alignment of a size
//! that is no power of two by allocating more. Nearly everything here is aligned to 8 bytes or
//! less, which its plain entry guarantees. Chosen over jemalloc and the system's by bytes per key
//! and speed.
//!
//! This file holds `unsafe`: it is the boundary to a C library. Each function hands its arguments
//! on as they are; the contracts are those of [`GlobalAlloc`].
#![allow(unsafe_code)]

use libmimalloc_sys::{
    mi_collect, mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc,
    mi_zalloc_aligned,
};
use std::alloc::{GlobalAlloc, Layout};

/// The alignment of every block that mimalloc gives, in bytes.
const PLAIN_ALIGN: usize = 8;

/// mimalloc.
pub struct Mimalloc;

/// Gives what this thread no longer needs back to the system.
pub fn purge() {
    // SAFETY: it may be called at any time, on any thread.
    unsafe { mi_collect(true) }
}

// SAFETY: mimalloc's blocks are as large as asked, aligned to 8 bytes by the plain functions and
// to any power of two by the aligned ones; each is freed and grown by the same library.
unsafe impl GlobalAlloc for Mimalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: a layout's size and alignment are what mimalloc takes.
        unsafe {
            match layout.align() <= PLAIN_ALIGN {
                true => mi_malloc(layout.size()).cast(),
                false => mi_malloc_aligned(layout.size(), layout.align()).cast(),
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: a layout's size and alignment are what mimalloc takes.
        unsafe {
            match layout.align() <= PLAIN_ALIGN {
                true => mi_zalloc(layout.size()).cast(),
                false => mi_zalloc_aligned(layout.size(), layout.align()).cast(),
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller's block came from one of the functions here.
        unsafe { mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's block came from one of the functions here, with this layout.
        unsafe {
            match layout.align() <= PLAIN_ALIGN {
                true => mi_realloc(block.cast(), new_size).cast(),
                false => mi_realloc_aligned(block.cast(), new_size, layout.align()).cast(),
            }
        }
    }
}

//! What the structures here know of the machine: the allocator's size classes, and how to have a
//! cache line fetched ahead.
//!
//! This file holds `unsafe` for the prefetch instruction, which reads nothing.
#![allow(unsafe_code)]

/// Asks the processor to fetch the cache line at `at`. Never faults, whatever the address.
#[inline]
pub fn prefetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint: it reads nothing that the program can see and never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at as *const i8);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// The bytes that an allocation of `size` bytes takes: size classes are eight bytes apart up to
/// 64, then four a doubling, as mimalloc has them.
#[inline]
pub fn size_class(size: usize) -> usize {
    // A power of two, which the compiler is not told: a mask, for a division takes long.
    let step = (size.next_power_of_two() / 8).max(8);
    (size + step - 1) & !(step - 1)
}

#[cfg(test)]
mod tests {
    use super::size_class;

    #[test]
    fn size_classes_are_the_allocators() {
        let classes = [(1, 8), (57, 64), (65, 80), (81, 96), (128, 128), (129, 160), (1025, 1280)];
        for (size, class) in classes {
            assert_eq!(size_class(size), class, "{size}");
        }
    }
}

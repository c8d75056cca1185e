//! The order of a result: by distance.
//!
//! Of members that are equally far, those come first that were come upon first, as long as all are
//! wanted. Where only some are, which of them are taken, and in what order, is what the field's
//! servers do by the way that they sort: with the quicksort of J. L. Bentley and M. D. McIlroy
//! ("Engineering a Sort Function", 1993), in which parts that are not wanted are left as they are.

use std::cmp::Ordering;

/// From so many items on, the pivot is the middle one of nine, not of three.
const NINTHER_MIN: usize = 41;
/// So many items are sorted by insertion.
const INSERTION_MAX: usize = 6;

/// Sorts as far as to have the first `wanted` items in their places.
pub fn sort_first<T>(items: &mut [T], wanted: usize, compare: impl Fn(&T, &T) -> Ordering + Copy) {
    if wanted >= items.len() {
        items.sort_by(compare);
    } else {
        sort_part(items, 0, items.len(), wanted, compare);
    }
}

/// Sorts the items from `start` to `end`, of all of which the first `wanted` are to be right.
fn sort_part<T>(
    all: &mut [T],
    mut start: usize,
    end: usize,
    wanted: usize,
    compare: impl Fn(&T, &T) -> Ordering + Copy,
) {
    loop {
        let items = &mut all[start..end];
        let count = items.len();
        if count <= INSERTION_MAX {
            return insert_all(items, compare);
        }
        let pivot = pivot(items, compare);
        items.swap(0, pivot);
        let (less, greater) = partition(items, compare);
        if less > 1 && start < wanted {
            sort_part(all, start, start + less, wanted, compare);
        }
        start = end - greater;
        if greater <= 1 || start >= wanted {
            return;
        }
    }
}

fn insert_all<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    for from in 1..items.len() {
        let mut at = from;
        while at > 0 && compare(&items[at - 1], &items[at]) == Ordering::Greater {
            items.swap(at - 1, at);
            at -= 1;
        }
    }
}

/// The middle one of three.
fn middle<T>(items: &[T], [a, b, c]: [usize; 3], compare: impl Fn(&T, &T) -> Ordering) -> usize {
    let is_less = |one: usize, other: usize| compare(&items[one], &items[other]) == Ordering::Less;
    let is_more =
        |one: usize, other: usize| compare(&items[one], &items[other]) == Ordering::Greater;
    match is_less(a, b) {
        true if is_less(b, c) => b,
        true if is_less(a, c) => c,
        true => a,
        false if is_more(b, c) => b,
        false if is_less(a, c) => a,
        false => c,
    }
}

fn pivot<T>(items: &[T], compare: impl Fn(&T, &T) -> Ordering + Copy) -> usize {
    let (half, last) = (items.len() / 2, items.len() - 1);
    if items.len() <= INSERTION_MAX + 1 {
        return half;
    }
    let (mut low, mut mid, mut high) = (0, half, last);
    if items.len() >= NINTHER_MIN {
        let eighth = items.len() / 8;
        low = middle(items, [low, low + eighth, low + 2 * eighth], compare);
        mid = middle(items, [mid - eighth, mid, mid + eighth], compare);
        high = middle(items, [high - 2 * eighth, high - eighth, high], compare);
    }
    middle(items, [low, mid, high], compare)
}

/// Deals out the items by the first one: the smaller ones to the front, the equal ones to the
/// middle. Returns how many are smaller, and how many are greater.
///
/// ```text
///  | equal | smaller | not yet seen | greater | equal |
///  0     same      low            high      other   end
/// ```
fn partition<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) -> (usize, usize) {
    let end = items.len();
    let (mut same, mut low) = (1, 1);
    // One behind the last item of each.
    let (mut high, mut other) = (end, end);
    loop {
        while low < high {
            match compare(&items[low], &items[0]) {
                Ordering::Greater => break,
                Ordering::Equal => {
                    items.swap(same, low);
                    same += 1;
                }
                Ordering::Less => {}
            }
            low += 1;
        }
        while low < high {
            match compare(&items[high - 1], &items[0]) {
                Ordering::Less => break,
                Ordering::Equal => {
                    items.swap(high - 1, other - 1);
                    other -= 1;
                }
                Ordering::Greater => {}
            }
            high -= 1;
        }
        if low >= high {
            break;
        }
        items.swap(low, high - 1);
        (low, high) = (low + 1, high - 1);
    }
    let (less, greater) = (low - same, other - high);
    exchange(items, 0, low, same.min(less));
    exchange(items, low, end, greater.min(end - other));
    (less, greater)
}

/// Exchanges the first `count` items from `start` on with the last ones before `end`.
fn exchange<T>(items: &mut [T], start: usize, end: usize, count: usize) {
    (0..count).for_each(|n| items.swap(start + n, end - count + n));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_ones_are_the_smallest(
            items in prop::collection::vec(0..50u8, 0..200),
            wanted in 0..200usize,
        ) {
            let (mut sorted, mut partly) = (items.clone(), items);
            sorted.sort_unstable();
            sort_first(&mut partly, wanted, u8::cmp);
            let wanted = wanted.min(sorted.len());
            prop_assert_eq!(&partly[..wanted], &sorted[..wanted]);
            partly.sort_unstable();
            prop_assert_eq!(partly, sorted);
        }
    }
}

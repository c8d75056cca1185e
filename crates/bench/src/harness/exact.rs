//! Policies played exactly, with as many items as a server had room for: what its draws and its
//! few bits a key cost is the distance to these.

use std::collections::{BTreeSet, HashMap, VecDeque};

/// Uses for each item after which counts are halved, and the part of the items that is the window:
/// those of Redstart's `tinylfu`.
const PERIOD_USES: usize = 10;
const WINDOW_PART: usize = 100;
/// The most uses that are told apart.
const USES_MAX: u32 = 63;

/// The hits of a cache that evicts what was not used for longest.
pub fn lru(keys: &[u32], items: usize) -> usize {
    let (mut used_at, mut order) = (HashMap::new(), BTreeSet::new());
    let mut hits = 0;
    for (now, &key) in keys.iter().enumerate() {
        if let Some(before) = used_at.insert(key, now) {
            hits += 1;
            order.remove(&(before, key));
        } else if order.len() >= items
            && let Some((_, oldest)) = order.pop_first()
        {
            used_at.remove(&oldest);
        }
        order.insert((now, key));
    }
    hits
}

/// What is known of an item, there or gone.
#[derive(Clone, Copy)]
struct Use {
    uses: u32,
    period: usize,
    at: usize,
    /// Whether it is in the window.
    is_new: bool,
}

impl Use {
    fn lately(&self, period: usize) -> u32 {
        self.uses.checked_shr((period - self.period) as u32).unwrap_or(0)
    }

    /// Its place in an order that time does not change: halving all leaves it as it is.
    fn rank(&self) -> (u64, usize) {
        let worth = f64::from(self.uses).log2() + self.period as f64;
        ((worth * 1e6) as u64, self.at)
    }
}

/// The hits of a cache that refuses newcomers which are used less than all others, with a window
/// that does not change.
pub fn tinylfu(keys: &[u32], items: usize) -> usize {
    let (window, period_uses) = ((items / WINDOW_PART).max(1), items * PERIOD_USES);
    let (mut there, mut gone) = (HashMap::<u32, Use>::new(), HashMap::<u32, Use>::new());
    let (mut order, mut new, mut left) = (BTreeSet::new(), VecDeque::new(), VecDeque::new());
    let mut hits = 0;
    for (at, &key) in keys.iter().enumerate() {
        let period = at / period_uses.max(1);
        if let Some(known) = there.get_mut(&key) {
            hits += 1;
            order.remove(&(known.rank(), key));
            let uses = (known.lately(period) + 1).min(USES_MAX);
            *known = Use { uses, period, at, ..*known };
            if !known.is_new {
                order.insert((known.rank(), key));
            }
            continue;
        }
        if there.len() >= items {
            let oldest = if new.len() >= window { new.pop_front() } else { None };
            let least = order.first().map(|(_, key)| *key);
            let lately = |key: &u32| there[key].lately(period);
            let goes = match (oldest, least) {
                (Some(new), Some(least)) => {
                    let ahead = u32::from(lately(&least) >= 2);
                    if lately(&new) > lately(&least) + ahead { least } else { new }
                }
                (one, other) => one.or(other).unwrap_or(key),
            };
            if let Some(settled) =
                oldest.and_then(|key| there.get_mut(&key).map(|use_| (key, use_)))
            {
                settled.1.is_new = false;
                order.insert((settled.1.rank(), settled.0));
            }
            if let Some(last) = there.remove(&goes) {
                order.remove(&(last.rank(), goes));
                gone.insert(goes, last);
                left.push_back((goes, last.at));
            }
            while left.len() > items
                && let Some((old, at)) = left.pop_front()
            {
                if gone.get(&old).is_some_and(|known| known.at == at) {
                    gone.remove(&old);
                }
            }
        }
        let before = gone.remove(&key).map_or(0, |known| known.lately(period));
        let fresh = Use { uses: (before + 1).min(USES_MAX), period, at, is_new: true };
        there.insert(key, fresh);
        new.push_back(key);
        if new.len() > window {
            settle(new.pop_front(), &mut there, &mut order);
        }
    }
    hits
}

/// An item leaves the window.
fn settle(
    key: Option<u32>,
    there: &mut HashMap<u32, Use>,
    order: &mut BTreeSet<((u64, usize), u32)>,
) {
    if let Some((key, known)) = key.and_then(|key| Some((key, there.get_mut(&key)?))) {
        known.is_new = false;
        order.insert((known.rank(), key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_is_too_long_is_kept_in_part() {
        let keys: Vec<u32> = (0..1500).cycle().take(60_000).collect();
        assert_eq!(lru(&keys, 1000), 0);
        assert!(tinylfu(&keys, 1000) > 30_000);
        let short: Vec<u32> = (0..900).cycle().take(9000).collect();
        assert_eq!(lru(&short, 1000), 8100);
    }
}

//! What the 24 bits of an entry's age mean: when it was last used, or how often it is used.
//!
//! ```text
//!            23            8 7         0
//! Idle      | seconds of the last use   |
//! Modified  | of the last change        |
//! Frequency | minutes       | frequency |
//!
//!             23         22                  6 5    0
//! Popularity | newcomer | moment of the last use | uses |
//! ```
//!
//! A frequency is a Morris counter, after Redis's: a use makes it grow by one with a probability
//! that falls as it grows, so that eight bits distinguish ten uses from a million; and it falls by
//! one for every so many minutes since the minutes that stand beside it. A new entry begins above
//! zero, or it would be the first to go.
//!
//! Popularity counts uses up to 63, and halves them whenever a period has passed. A period is ten
//! uses for each key that there is, and a moment is a sixty-fourth of it: what is popular depends
//! on what else is used, however fast. A newcomer has yet to be compared with those that would go
//! in its place; see `src/memory/popularity.rs`.
//!
//! The meaning is the server's and not the entry's: after a change of the policy, ages mean
//! nothing until the entries are used again.

use crate::clock::Now;

/// The frequency of a new entry.
const NEW: u8 = 5;
/// All bits of an age.
const BITS: u32 = 0x00ff_ffff;
/// The place of the decay time among the bits of a packed rule, and the mark of one that counts.
const DECAY_AT: u32 = 32;
const COUNTS: u64 = 1 << 31;

/// The place of the moment among the bits of an age and of a packed rule, and its width.
const MOMENT_AT: u32 = 6;
const MOMENT_BITS: u32 = 17;
const PACKED_MOMENT_AT: u32 = 32;
/// The binary logarithm of how many moments are a period.
const PERIOD_BITS: u32 = 6;
/// The bit of a newcomer, and the most uses.
const NEWCOMER: u32 = 1 << (MOMENT_AT + MOMENT_BITS);
const USES_MAX: u32 = (1 << MOMENT_AT) - 1;
/// A newcomer of so many periods ago was forgotten, and is one no more.
const NEWCOMER_PERIODS: u32 = 2;

/// Of an age that is ahead of the moment at which it is looked at by less than this: the entry was
/// used since. The clocks of ages go round, so that it would look like their longest time.
const AHEAD_S: u32 = 24 * 60 * 60;

/// What a snapshot keeps of an age, whatever the clocks say when it is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Seconds since the last use.
    Idle(u32),
    /// How often the entry is used.
    Frequency(u8),
}

/// What ages mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// When the entry was last used.
    #[default]
    Idle,
    /// When it was last changed: a read is no use (the policies of `lrm`).
    Modified,
    /// How often it is used.
    Frequency {
        /// How fast the probability falls (`lfu-log-factor`).
        log_factor: u32,
        /// Minutes after which a frequency falls by one, zero for never (`lfu-decay-time`).
        decay_min: u32,
    },
    /// How often it was used lately, and when last (the policies of `tinylfu`).
    Popularity {
        /// Now.
        moment: u32,
    },
}

impl Rule {
    /// The rule in one word.
    pub fn pack(self) -> u64 {
        match self {
            Rule::Idle => 0,
            Rule::Modified => 1,
            Rule::Frequency { log_factor, decay_min } => {
                let log_factor = u64::from(log_factor).min(COUNTS - 1);
                u64::from(decay_min) << DECAY_AT | COUNTS | log_factor
            }
            Rule::Popularity { moment } => u64::from(moment) << PACKED_MOMENT_AT | 2,
        }
    }

    /// The rule of [`Rule::pack`].
    #[inline]
    pub fn unpack(word: u64) -> Rule {
        match word {
            0 => Rule::Idle,
            1 => Rule::Modified,
            _ if word as u32 == 2 => Rule::Popularity { moment: (word >> PACKED_MOMENT_AT) as u32 },
            _ => Rule::Frequency {
                log_factor: (word & (COUNTS - 1)) as u32,
                decay_min: (word >> DECAY_AT) as u32,
            },
        }
    }

    /// The age of a new entry.
    #[inline]
    pub fn fresh(self, now: Now) -> u32 {
        match self {
            Rule::Idle | Rule::Modified => now.access_clock(),
            Rule::Frequency { .. } => minutes(now) << 8 | u32::from(NEW),
            Rule::Popularity { moment } => moment << MOMENT_AT | 1,
        }
    }

    /// The age of a new entry that was used so often before it went the last time.
    pub fn returned(moment: u32, uses: u8, is_newcomer: bool) -> u32 {
        let mark = if is_newcomer { NEWCOMER } else { 0 };
        mark | moment << MOMENT_AT | (u32::from(uses) + 1).min(USES_MAX)
    }

    /// Whether an entry has yet to be compared.
    pub fn is_newcomer(self, age: u32) -> bool {
        let Rule::Popularity { moment } = self else { return false };
        age & NEWCOMER != 0 && periods(age, moment) < NEWCOMER_PERIODS
    }

    /// The age of an entry that is no newcomer any more.
    pub fn settled(age: u32) -> u32 {
        age & !NEWCOMER
    }

    /// The moment and the number of the period after so many more moments.
    pub fn moment_after(moment: u32, moments: u32) -> u32 {
        moment.wrapping_add(moments) & ((1 << MOMENT_BITS) - 1)
    }

    /// The period that a moment is in.
    pub fn period_of(moment: u32) -> u32 {
        moment >> PERIOD_BITS
    }

    /// The age of an entry of which it is known how long it was idle, or how often it is used.
    pub fn known(self, idle_s: Option<u32>, frequency: Option<u8>, now: Now) -> u32 {
        match (self, idle_s, frequency) {
            (Rule::Idle | Rule::Modified, Some(idle_s), _) => {
                now.access_clock().wrapping_sub(idle_s.min(BITS)) & BITS
            }
            (Rule::Frequency { .. }, _, Some(frequency)) => {
                minutes(now) << 8 | u32::from(frequency)
            }
            (Rule::Popularity { moment }, _, Some(frequency)) => {
                Rule::returned(moment, frequency.saturating_sub(1), false)
            }
            _ => self.fresh(now),
        }
    }

    /// The age of an entry that was just used.
    #[inline]
    pub fn used(self, age: u32, now: Now, random: &mut fastrand::Rng) -> u32 {
        match self {
            Rule::Idle | Rule::Modified => now.access_clock(),
            Rule::Frequency { log_factor, decay_min } => {
                let frequency = decayed(age, now, decay_min);
                let above = f64::from(frequency.saturating_sub(NEW));
                let grows = random.f64() * (above * f64::from(log_factor) + 1.0) < 1.0;
                minutes(now) << 8 | u32::from(frequency.saturating_add(grows.into()))
            }
            Rule::Popularity { moment } => {
                let uses = (uses_lately(age, moment) + 1).min(USES_MAX);
                age & NEWCOMER | moment << MOMENT_AT | uses
            }
        }
    }

    /// How often an entry is used now; None when that is not counted.
    pub fn frequency(self, age: u32, now: Now) -> Option<u8> {
        match self {
            Rule::Idle | Rule::Modified => None,
            Rule::Frequency { decay_min, .. } => Some(decayed(age, now, decay_min)),
            Rule::Popularity { moment } => Some(uses_lately(age, moment) as u8),
        }
    }

    /// What a snapshot of this moment keeps of an age. The entry may have been used since.
    pub fn kept(self, age: u32, now: Now) -> Kept {
        match self {
            Rule::Idle | Rule::Modified => {
                let idle_s = now.access_clock().wrapping_sub(age) & BITS;
                Kept::Idle(if idle_s > BITS - AHEAD_S { 0 } else { idle_s })
            }
            Rule::Frequency { decay_min, .. } => {
                let ahead_min = (age >> 8).wrapping_sub(minutes(now)) & 0xffff;
                let is_ahead = ahead_min < AHEAD_S / 60;
                Kept::Frequency(if is_ahead { age as u8 } else { decayed(age, now, decay_min) })
            }
            Rule::Popularity { moment } => Kept::Frequency(uses_lately(age, moment) as u8),
        }
    }

    /// Seconds since the last use; None when that is not noted.
    pub fn idle_s(self, age: u32, now: Now) -> Option<u32> {
        // The clock goes round.
        matches!(self, Rule::Idle | Rule::Modified)
            .then(|| now.access_clock().wrapping_sub(age) & BITS)
    }

    /// How good a candidate for eviction an entry is: the higher, the better.
    pub fn staleness(self, age: u32, now: Now) -> u32 {
        if let Rule::Popularity { moment } = self {
            let unused = moment.wrapping_sub(age >> MOMENT_AT) & ((1 << MOMENT_BITS) - 1);
            return (USES_MAX - uses_lately(age, moment)) << MOMENT_BITS | unused;
        }
        match self.frequency(age, now) {
            Some(frequency) => u32::from(u8::MAX - frequency),
            None => now.access_clock().wrapping_sub(age) & BITS,
        }
    }
}

/// The clock of frequencies, which goes round after 45 days.
fn minutes(now: Now) -> u32 {
    (now.present().mono_ms / 60_000) as u32 & 0xffff
}

/// The frequency in an age, less what it has lost since.
fn decayed(age: u32, now: Now, decay_min: u32) -> u8 {
    let since = minutes(now).wrapping_sub(age >> 8) & 0xffff;
    let lost = since.checked_div(decay_min).unwrap_or(0);
    (age as u8).saturating_sub(u8::try_from(lost).unwrap_or(u8::MAX))
}

/// How many periods have begun since an age's moment.
fn periods(age: u32, moment: u32) -> u32 {
    let since = |moment: u32| moment >> PERIOD_BITS;
    let last = age >> MOMENT_AT & ((1 << MOMENT_BITS) - 1);
    since(moment).wrapping_sub(since(last)) & ((1 << (MOMENT_BITS - PERIOD_BITS)) - 1)
}

/// The uses in an age, halved for each period since.
fn uses_lately(age: u32, moment: u32) -> u32 {
    (age & USES_MAX) >> periods(age, moment).min(MOMENT_AT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule::Frequency { log_factor: 10, decay_min: 1 };

    fn at(minutes: u64) -> Now {
        Now::new(minutes * 60_000 + 7, 0)
    }

    #[test]
    fn a_rule_survives_its_word() {
        let long = Rule::Frequency { log_factor: i32::MAX as u32, decay_min: i32::MAX as u32 };
        let none = Rule::Frequency { log_factor: 0, decay_min: 0 };
        let popular = Rule::Popularity { moment: (1 << MOMENT_BITS) - 1 };
        for rule in [Rule::Idle, Rule::Modified, RULE, long, none, popular] {
            assert_eq!(Rule::unpack(rule.pack()), rule);
        }
    }

    /// The figures that Redis documents for a factor of ten, within a wide margin.
    #[test]
    fn uses_are_told_apart_by_orders_of_magnitude() {
        let mut random = fastrand::Rng::with_seed(1);
        for (uses, low, high) in [(100, 8, 13), (1_000, 14, 22), (100_000, 130, 155)] {
            let mut age = RULE.fresh(at(1));
            for _ in 0..uses {
                age = RULE.used(age, at(1), &mut random);
            }
            let frequency = RULE.frequency(age, at(1)).expect("it is counted");
            assert!((low..=high).contains(&frequency), "{frequency} after {uses} uses");
        }
    }

    #[test]
    fn a_snapshot_keeps_what_the_clocks_do_not_matter_to() {
        let at = |seconds: u64| Now::new(seconds * 1000, 0);
        for rule in [Rule::Idle, Rule::Modified] {
            let age = rule.fresh(at(100));
            assert_eq!(rule.kept(age, at(400)), Kept::Idle(300));
            assert_eq!(rule.kept(age, at(30)), Kept::Idle(0), "used since");
            let known = rule.known(Some(300), None, at(7000));
            assert_eq!(rule.kept(known, at(7001)), Kept::Idle(301));
        }
        let age = RULE.known(None, Some(9), at(6000));
        assert_eq!(RULE.kept(age, at(6000)), Kept::Frequency(9));
        assert_eq!(RULE.kept(age, at(6300)), Kept::Frequency(4));
        assert_eq!(RULE.kept(age, at(5000)), Kept::Frequency(9), "used since");
    }

    #[test]
    fn what_is_not_used_is_forgotten() {
        let age = RULE.fresh(at(65_534));
        assert_eq!(RULE.frequency(age, at(65_534)), Some(5));
        // The clock goes round meanwhile.
        assert_eq!(RULE.frequency(age, at(65_538)), Some(1));
        assert_eq!(RULE.frequency(age, at(65_600)), Some(0));
        let keeps = Rule::Frequency { log_factor: 10, decay_min: 0 };
        assert_eq!(keeps.frequency(age, at(65_600)), Some(5));
        assert!(RULE.staleness(age, at(65_600)) > RULE.staleness(age, at(65_535)));
        assert_eq!(RULE.idle_s(age, at(65_600)), None);
    }

    #[test]
    fn uses_are_halved_by_periods_and_a_newcomer_stays_one_for_a_while() {
        let (mut random, period) = (fastrand::Rng::with_seed(1), 1 << PERIOD_BITS);
        let rule = |periods: u32| Rule::Popularity {
            moment: Rule::moment_after((1 << MOMENT_BITS) - period, periods * period),
        };
        let Rule::Popularity { moment } = rule(0) else { panic!("it is one") };
        let mut age = Rule::returned(moment, 3, true);
        for _ in 0..8 {
            age = rule(0).used(age, at(0), &mut random);
        }
        // The clock goes round meanwhile.
        let uses = |periods| rule(periods).frequency(age, at(0));
        assert_eq!([uses(0), uses(1), uses(2), uses(9)], [Some(12), Some(6), Some(3), Some(0)]);
        assert!(rule(1).is_newcomer(age) && !rule(2).is_newcomer(age));
        assert!(!rule(0).is_newcomer(Rule::settled(age)));
        assert_eq!(rule(0).frequency(Rule::settled(age), at(0)), Some(12));
        assert!(rule(1).staleness(age, at(0)) > rule(0).staleness(age, at(0)));
        for _ in 0..100 {
            age = rule(1).used(age, at(0), &mut random);
        }
        assert_eq!(rule(1).frequency(age, at(0)), Some(63));
        assert_eq!(rule(1).idle_s(age, at(0)), None);
    }
}

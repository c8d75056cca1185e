//! Deadlines that cannot make a stream depend on the clock.
//!
//! The two servers execute a command at slightly different times, so a stream is only
//! deterministic while every deadline is either already past or far away, and any two
//! deadlines that GT and LT may compare are further apart than a stream takes.
//! [`settle`] rewrites a command until that is so; [`is_settled`] is what the shrinker asks.
//!
//! ```text
//!   0 ........ now ..|.. 20,000 s ... relative ...|.. 2100-01-01 + 10 s * n ..|.. 158 years
//!   past: as it is       now + 20,000 s + 10 s * u      absolute: exact            relative
//! ```
//!
//! `u` is unique in a stream, and `n` is not, since equal absolute deadlines are equal on both.

use crate::source::Source;
use crate::stream::Command;

/// The first second of the year 2100. Deadlines given as absolute times start here.
pub const ABSOLUTE_S: i64 = 4_102_444_800;
/// The absolute deadlines' span, in seconds.
pub const ABSOLUTE_SPAN_S: i64 = 1_000_000;
/// Where relative deadlines start, in seconds; each base is followed by its window.
const RELATIVE_S: [i64; 3] = [20_000, 5_000_000_000, 9_223_300_000_000_000];
/// The window after a base: ten seconds for each of [`Source::unique`]'s numbers.
const RELATIVE_SPAN_S: i64 = 10 * 65_536;
/// From here a relative deadline overflows when the time of day is added, on every server.
const OVERFLOW_S: i64 = 9_223_371_000_000_000;
/// Absolute times that a test run may happen in, or shortly before: 2020 to 2099.
const NEAR_S: std::ops::Range<i64> = 1_577_836_800..4_070_908_800;

/// How a deadline is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Seconds from now: EX.
    Seconds,
    /// Milliseconds from now: PX.
    Millis,
    /// Seconds since 1970: EXAT.
    UnixSeconds,
    /// Milliseconds since 1970: PXAT.
    UnixMillis,
}

impl Clock {
    fn of_keyword(word: &[u8]) -> Option<Self> {
        [
            ("EX", Clock::Seconds),
            ("PX", Clock::Millis),
            ("EXAT", Clock::UnixSeconds),
            ("PXAT", Clock::UnixMillis),
        ]
        .into_iter()
        .find_map(|(name, clock)| word.eq_ignore_ascii_case(name.as_bytes()).then_some(clock))
    }

    fn unit(self) -> i64 {
        if matches!(self, Clock::Seconds | Clock::UnixSeconds) { 1 } else { 1000 }
    }

    fn is_absolute(self) -> bool {
        matches!(self, Clock::UnixSeconds | Clock::UnixMillis)
    }
}

/// A deadline for a command's argument: far, past, at an edge, or no number.
pub fn deadline(source: &mut Source, clock: Clock) -> Vec<u8> {
    match source.below(100) {
        0..75 => far(source, clock),
        75..88 => past(source, clock),
        _ => source.integer(),
    }
}

fn far(source: &mut Source, clock: Clock) -> Vec<u8> {
    let (unit, below_unit) = (clock.unit(), source.below(clock.unit() as usize) as i64);
    let seconds = if clock.is_absolute() {
        ABSOLUTE_S + 10 * source.below(4000) as i64
    } else {
        let base = match source.below(10) {
            0..7 => RELATIVE_S[0],
            7..9 => RELATIVE_S[1],
            _ => RELATIVE_S[2],
        };
        base + 10 * source.unique() as i64
    };
    (seconds * unit + below_unit).to_string().into_bytes()
}

fn past(source: &mut Source, clock: Clock) -> Vec<u8> {
    let choices: &[&str] = if clock.is_absolute() {
        &["1", "0", "-1", "1000", "1000000000", "-9223372036854775808"]
    } else {
        &["0", "-1", "-100", "-1000000000", "-9223372036854775", "-9223372036854775808"]
    };
    source.pick(choices).as_bytes().to_vec()
}

/// Where `command` carries deadlines: the argument's index and how it is written.
fn deadlines(command: &Command) -> Vec<(usize, Clock)> {
    let fixed = [
        ("EXPIRE", Clock::Seconds),
        ("PEXPIRE", Clock::Millis),
        ("SETEX", Clock::Seconds),
        ("PSETEX", Clock::Millis),
        ("EXPIREAT", Clock::UnixSeconds),
        ("PEXPIREAT", Clock::UnixMillis),
        ("HEXPIRE", Clock::Seconds),
        ("HPEXPIRE", Clock::Millis),
        ("HEXPIREAT", Clock::UnixSeconds),
        ("HPEXPIREAT", Clock::UnixMillis),
    ];
    if let Some((_, clock)) = fixed.iter().find(|(name, _)| command.is(name)) {
        return if command.args.len() > 2 { vec![(2, *clock)] } else { Vec::new() };
    }
    if command.is("RESTORE") {
        let absolute = |word: &Vec<u8>| word.eq_ignore_ascii_case(b"ABSTTL");
        let clock = match command.args.iter().skip(4).any(absolute) {
            true => Clock::UnixMillis,
            false => Clock::Millis,
        };
        return if command.args.len() > 2 { vec![(2, clock)] } else { Vec::new() };
    }
    if !["SET", "GETEX", "HGETEX", "HSETEX", "MSETEX"].iter().any(|name| command.is(name)) {
        return Vec::new();
    }
    let after = |(i, word): (usize, &Vec<u8>)| Some((i + 1, Clock::of_keyword(word)?));
    let found = command.args.iter().enumerate().skip(1).filter_map(after);
    found.filter(|(i, _)| *i < command.args.len()).collect()
}

/// Whether the servers, executing this a little apart, may come to different results.
fn is_unsettled(text: &[u8], clock: Clock) -> bool {
    let Some(number) = std::str::from_utf8(text).ok().and_then(|t| t.parse::<i64>().ok()) else {
        return false;
    };
    let seconds = number / clock.unit();
    if clock.is_absolute() {
        return NEAR_S.contains(&seconds);
    }
    let is_far = RELATIVE_S.iter().any(|base| (*base..base + RELATIVE_SPAN_S).contains(&seconds));
    number > 0 && seconds < OVERFLOW_S && !is_far
}

/// Whether every deadline of `command` is past or far.
pub fn is_settled(command: &Command) -> bool {
    deadlines(command).into_iter().all(|(i, clock)| !is_unsettled(&command.args[i], clock))
}

/// Replaces the deadlines that are neither past, far nor an error by fresh far ones.
pub fn settle(command: &mut Command, source: &mut Source) {
    for (i, clock) in deadlines(command) {
        if is_unsettled(&command.args[i], clock) {
            command.args[i] = far(source, clock);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(words: &str) -> String {
        let mut command = Command::new(words.split(' '));
        settle(&mut command, &mut Source::new(3));
        assert!(is_settled(&command), "{command:?}");
        String::from_utf8(command.args.join(&b' ')).unwrap()
    }

    #[test]
    fn near_deadlines_move_away() {
        for near in [
            "EXPIRE k 5",
            "SET k v px 100 NX",
            "PEXPIREAT k 1800000000000",
            "GETEX k EX 4294967296",
        ] {
            assert!(!is_settled(&Command::new(near.split(' '))), "{near}");
            assert_ne!(settled(near), near);
        }
    }

    #[test]
    fn past_far_and_wrong_ones_stay() {
        for kept in [
            "EXPIRE k -1",
            "EXPIRE k 0",
            "EXPIRE k abc",
            "EXPIRE k 9223372036854775807",
            "EXPIREAT k 1000000000",
            "SET k EX 30000",
            "GETEX k EXAT 4102444800",
            "GET EX",
        ] {
            assert_eq!(settled(kept), kept);
        }
    }

    #[test]
    fn what_is_drawn_for_a_place_is_settled_there() {
        let mut source = Source::new(9);
        for (name, clock) in [("EXPIRE", Clock::Seconds), ("PEXPIREAT", Clock::UnixMillis)] {
            for _ in 0..2000 {
                let time = far(&mut source, clock);
                assert!(is_settled(&Command::new([name.as_bytes(), b"k", &time])));
            }
        }
    }
}

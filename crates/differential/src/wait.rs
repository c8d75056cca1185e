//! Timeouts that end: a command that waits for ever, or for long, would stop the stream.

use crate::stream::Command;

/// What a longer wait becomes.
const SHORT: &[u8] = b"0.001";
/// The longest wait, in seconds.
const LONGEST_S: f64 = 0.005;
/// From here on a timeout is refused, because no clock counts so far.
const REFUSED_S: f64 = 1e16;

/// Where a command has its timeout.
fn timeout(command: &Command) -> Option<usize> {
    let last = command.args.len() - 1;
    let is = |names: &[&str]| names.iter().any(|name| command.is(name));
    match () {
        () if last == 0 => None,
        () if is(&["BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BZPOPMIN", "BZPOPMAX"]) => Some(last),
        () if is(&["BLMPOP", "BZMPOP"]) => Some(1),
        () => None,
    }
}

fn is_long(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    match text.parse::<f64>() {
        // Redis has wider floats: what is infinite here is to be left out.
        Ok(seconds) if seconds.is_infinite() => text.contains(|c: char| c.is_ascii_digit()),
        // What is just below zero is rounded up to it.
        Ok(seconds) => {
            (-0.001..=0.0).contains(&seconds) || (LONGEST_S..REFUSED_S).contains(&seconds)
        }
        // Redis reads hexadecimal numbers, too.
        Err(_) => text.trim_start_matches(['+', '-']).to_ascii_lowercase().starts_with("0x"),
    }
}

/// Whether a command waits for a moment at most.
pub fn is_settled(command: &Command) -> bool {
    timeout(command).is_none_or(|at| !is_long(&command.args[at]))
}

/// Makes a long wait a short one.
pub fn settle(command: &mut Command) {
    if let Some(at) = timeout(command)
        && is_long(&command.args[at])
    {
        command.args[at] = SHORT.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_waits_become_short_ones() {
        for long in [
            "BLPOP a 0",
            "BLPOP 1",
            "BLMPOP 10 1 a LEFT",
            "BRPOP a b -0",
            "BRPOP a b -1e-17",
            "BLPOP a 1e400",
            "BZPOPMAX a 0",
            "BZMPOP 0 1 a MIN",
            "blmove a b 0x1",
        ] {
            let mut command = Command::new(long.split(' '));
            assert!(!is_settled(&command), "{long}");
            settle(&mut command);
            assert!(is_settled(&command), "{long}");
        }
        for short in ["BLPOP a .001", "BLPOP a -1", "BLPOP a x1", "BLPOP a 1e30", "LPOP a 5"] {
            assert!(is_settled(&Command::new(short.split(' '))), "{short}");
        }
    }
}

//! Timeouts that end: a command that waits for ever, or for long, would stop the stream.

use crate::stream::Command;

/// What a longer wait becomes.
const SHORT: &[u8] = b"0.001";
/// The same in milliseconds.
const SHORT_MS: &[u8] = b"1";
/// The longest wait, in seconds.
const LONGEST_S: f64 = 0.005;
/// From here on a timeout is refused, because no clock counts so far.
const REFUSED_S: f64 = 1e16;
/// The same in milliseconds.
const LONGEST_MS: i64 = 5;

/// Where a command has timeouts.
fn timeouts(command: &Command) -> Vec<usize> {
    let last = command.args.len() - 1;
    let is = |names: &[&str]| names.iter().any(|name| command.is(name));
    match () {
        () if last == 0 => Vec::new(),
        () if is(&["BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BZPOPMIN", "BZPOPMAX"]) => vec![last],
        () if is(&["BLMPOP", "BZMPOP"]) => vec![1],
        () if is_of_streams(command) => {
            let is_block = |at: &usize| command.args[at - 1].eq_ignore_ascii_case(b"BLOCK");
            (2..=last).filter(is_block).collect()
        }
        () => Vec::new(),
    }
}

/// Whether a command counts its timeout in milliseconds.
fn is_of_streams(command: &Command) -> bool {
    command.is("XREAD") || command.is("XREADGROUP")
}

fn is_long_for(command: &Command, at: usize) -> bool {
    let text = &command.args[at];
    if !is_of_streams(command) {
        return is_long(text);
    }
    let ms = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    // Redis 7.0 refuses none.
    ms.is_some_and(|ms| ms == 0 || ms > LONGEST_MS)
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
    timeouts(command).into_iter().all(|at| !is_long_for(command, at))
}

/// Makes a long wait a short one.
pub fn settle(command: &mut Command) {
    for at in timeouts(command) {
        if is_long_for(command, at) {
            let short = if is_of_streams(command) { SHORT_MS } else { SHORT };
            command.args[at] = short.to_vec();
        }
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
            "XREAD BLOCK 0 STREAMS a 1",
            "xreadgroup GROUP g c COUNT 1 block 6 BLOCK 0 STREAMS a >",
        ] {
            let mut command = Command::new(long.split(' '));
            assert!(!is_settled(&command), "{long}");
            settle(&mut command);
            assert!(is_settled(&command), "{long}");
        }
        for short in [
            "BLPOP a .001",
            "BLPOP a -1",
            "BLPOP a x1",
            "BLPOP a 1e30",
            "LPOP a 5",
            "XREAD BLOCK 5 STREAMS a 1",
            "XREAD BLOCK",
        ] {
            assert!(is_settled(&Command::new(short.split(' '))), "{short}");
        }
    }
}

//! The flags of meta commands: a letter each, some with a number behind it.

use super::decode::{signed, unsigned};

/// The longest opaque word, in bytes, its letter included.
const OPAQUE_BYTES_MAX: usize = 32;

/// The flags of one meta command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Which letters are there: a bit each.
    given: u64,
    /// `M`: how to store or count.
    pub mode: u8,
    /// `F`: the client's flags.
    pub flags: u32,
    /// `T`: the new time to live.
    pub exptime: i32,
    /// `N`: the time to live of what is made where there is nothing.
    pub vivify: i32,
    /// `R`: below which time to live a client is told to compute the value anew.
    pub recache: i32,
    /// `C`: the version that the value must have.
    pub version: u64,
    /// `E`: the version that the value gets.
    pub new_version: u64,
    /// `J`: what a counter that is not there begins with.
    pub initial: u64,
    /// `D`: by how much to count.
    pub delta: u64,
}

/// Why flags are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In the words of `mg` and `ms`.
    pub text: &'static str,
    /// Whether it is about a letter or its number: `md` and `ma` have one text for these.
    pub of_letter: bool,
}

const BAD_TOKEN: &str = "CLIENT_ERROR bad token in command line format";

fn bit(letter: u8) -> u64 {
    match letter {
        b'a'..=b'z' => 1 << (letter - b'a'),
        b'A'..=b'Z' => 1 << (letter - b'A' + 26),
        _ => 0,
    }
}

impl Meta {
    /// No flags: to count is to count by one.
    pub(super) fn none() -> Meta {
        Meta { delta: 1, ..Meta::default() }
    }

    /// Whether a flag is there.
    #[inline]
    pub fn has(&self, letter: u8) -> bool {
        self.given & bit(letter) != 0
    }

    /// The version that the value must have, if that is said.
    pub fn wanted_version(&self) -> Option<u64> {
        self.has(b'C').then_some(self.version)
    }

    /// The version that the value is to get, if that is said.
    pub fn given_version(&self) -> Option<u64> {
        self.has(b'E').then_some(self.new_version)
    }

    /// Takes one word of the line.
    pub(super) fn take(&mut self, word: &[u8]) -> Result<(), Refusal> {
        let refuse = |text| Err(Refusal { text, of_letter: true });
        let (Some(&letter), number) = (word.first(), word.get(1..).unwrap_or_default()) else {
            return Ok(());
        };
        if self.has(letter) {
            return refuse("CLIENT_ERROR duplicate flag");
        }
        self.given |= bit(letter);
        let set = |to: &mut i32| signed(number).map(|n| *to = n).ok_or(BAD_TOKEN);
        let set_long = |to: &mut u64| unsigned(number).map(|n| *to = n);
        let done = match letter {
            b'T' => set(&mut self.exptime),
            b'N' => set(&mut self.vivify),
            b'R' => set(&mut self.recache),
            b'F' => unsigned(number)
                .map(|n| self.flags = n as u32)
                .ok_or("CLIENT_ERROR bad command line format"),
            b'C' => set_long(&mut self.version).ok_or(BAD_TOKEN),
            b'E' => set_long(&mut self.new_version).ok_or(BAD_TOKEN),
            b'J' => set_long(&mut self.initial).ok_or("CLIENT_ERROR invalid numeric initial value"),
            b'D' => set_long(&mut self.delta).ok_or("CLIENT_ERROR invalid numeric delta value"),
            b'M' => match number {
                [mode] => {
                    self.mode = *mode;
                    Ok(())
                }
                _ => Err("CLIENT_ERROR incorrect length for M token"),
            },
            b'O' if word.len() > OPAQUE_BYTES_MAX => {
                let text = "CLIENT_ERROR opaque token too long";
                return Err(Refusal { text, of_letter: false });
            }
            b'b' | b'c' | b'f' | b'h' | b'k' | b'l' | b'q' | b's' | b't' | b'u' | b'v' | b'x' => {
                Ok(())
            }
            b'I' | b'L' | b'O' | b'P' => Ok(()),
            _ => Err("CLIENT_ERROR invalid flag"),
        };
        done.or_else(refuse)
    }
}

//! What a stream is made of: commands, and sleeps between them.

use std::fmt;

/// A command as its arguments, the name first. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Name and arguments, as they go over the wire.
    pub args: Vec<Vec<u8>>,
}

impl Command {
    /// A command from its words.
    pub fn new<A: Into<Vec<u8>>>(args: impl IntoIterator<Item = A>) -> Self {
        Self { args: args.into_iter().map(Into::into).collect() }
    }

    /// The name, as it was written.
    pub fn name(&self) -> &[u8] {
        &self.args[0]
    }

    /// Whether this is the command `name`, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    /// Appends the request's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        number_line(out, b'*', self.args.len());
        for arg in &self.args {
            number_line(out, b'$', arg.len());
            out.extend_from_slice(arg);
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn number_line(out: &mut Vec<u8>, kind: u8, mut number: usize) {
    let (mut digits, mut at) = ([0u8; 20], 20);
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.push(kind);
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// One step of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this to both and compare.
    Send(Command),
    /// Let both servers' clocks run: milliseconds.
    Sleep(u64),
}

/// The protocol version that a stream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resp {
    /// As a fresh connection speaks.
    Two,
    /// After `HELLO 3`.
    Three,
}

/// A whole stream: what one connection to each server is sent, after a FLUSHALL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The seed that it was made from.
    pub seed: u64,
    /// The protocol that both connections speak.
    pub resp: Resp,
    /// What is sent, in order.
    pub steps: Vec<Step>,
}

impl fmt::Display for Resp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resp::Two => "RESP2",
            Resp::Three => "RESP3",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        let mut out = Vec::new();
        Command::new(["SET", "", "0123456789"]).encode(&mut out);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$10\r\n0123456789\r\n");
    }
}

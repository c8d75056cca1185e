//! What is queued between MULTI and EXEC, so that EXEC's replies can be compared one by one.

use crate::known::Differences;
use crate::normalise::{Rule, same};
use crate::reply::frame_len;
use crate::stream::Command;

/// The commands that wait for EXEC, according to the replies.
#[derive(Debug, Default)]
pub struct Queue(Option<Vec<Command>>);

impl Queue {
    /// Whether commands that are sent now are queued, as far as is known without their replies.
    pub fn is_open_after(command: &Command, was_open: bool) -> bool {
        let alone = command.args.len() == 1;
        match () {
            () if command.is("MULTI") => was_open || alone,
            () if command.is("EXEC") => false,
            () if command.is("DISCARD") => was_open && !alone,
            () => was_open,
        }
    }

    /// Takes note of a reply of the oracle's. True if it says that a command is queued.
    pub fn note(&mut self, command: &Command, reply: &[u8]) -> bool {
        if let Some(queued) = &mut self.0
            && reply == b"+QUEUED\r\n"
        {
            queued.push(command.clone());
            return true;
        }
        if command.is("MULTI") && reply == b"+OK\r\n" {
            self.0 = Some(Vec::new());
        } else if command.is("DISCARD") && reply == b"+OK\r\n" {
            self.0 = None;
        }
        false
    }

    /// Compares the replies to an EXEC, by the rules of what was queued and what is known of it.
    pub fn end(&mut self, oracle: &[u8], subject: &[u8], known: &mut Differences) -> bool {
        let queued = self.0.take().unwrap_or_default();
        if oracle == subject {
            return true;
        }
        let (Some(oracle), Some(subject)) = (frames(oracle), frames(subject)) else { return false };
        let pairs = oracle.iter().zip(&subject);
        oracle.len() == subject.len()
            && oracle.len() == queued.len()
            && pairs.zip(&queued).all(|((x, y), command)| {
                same(Rule::of(command).alone(), x, y) || known.covers(command, x, y)
            })
    }
}

/// The elements of an array, as frames.
fn frames(array: &[u8]) -> Option<Vec<&[u8]>> {
    let end = array.iter().position(|byte| *byte == b'\n')?;
    let mut rest = array.strip_prefix(b"*")?.get(end..)?;
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let (frame, behind) = rest.split_at(frame_len(rest).ok()??);
        frames.push(frame);
        rest = behind;
    }
    Some(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_compared_by_the_rules_of_their_commands() {
        let run = |oracle: &[u8], subject: &[u8]| {
            let mut queue = Queue::default();
            for (line, reply) in
                [("MULTI", "+OK\r\n"), ("KEYS *", "+QUEUED\r\n"), ("GET a", "+QUEUED\r\n")]
            {
                let command = Command::new(line.split(' '));
                queue.note(&command, reply.as_bytes());
            }
            queue.end(oracle, subject, &mut Differences::none())
        };
        let (one, other) =
            (b"*2\r\n*2\r\n+a\r\n+b\r\n$1\r\nx\r\n", b"*2\r\n*2\r\n+b\r\n+a\r\n$1\r\nx\r\n");
        assert!(run(one, other));
        assert!(!run(one, b"*2\r\n*2\r\n+b\r\n+a\r\n$1\r\ny\r\n"));
        assert!(!run(one, b"*-1\r\n"));
        assert!(!run(one, b"*1\r\n*2\r\n+a\r\n+b\r\n"));
    }
}

//! What a replica says before it is sent anything, in Redis's and Valkey's order:
//!
//! ```text
//!   PING                                       +PONG, or why not
//!   AUTH [user] password                       +OK
//!   REPLCONF listening-port 6380               the errors of these are no matter: an older master
//!   REPLCONF ip-address 10.0.0.2               does not know all of them
//!   REPLCONF capa eof capa psync2 ...
//!   REPLCONF version 9.1.0                     so that Valkey sends what it would send to its own
//!   PSYNC id offset                            +FULLRESYNC id offset, +CONTINUE [id]
//! ```

use super::wire::Wire;
use crate::replication::Id;
use std::io;

/// The version that Valkey takes this replica for: without one it ends a full sync at the first
/// deadline of a field, which RDB 11 cannot hold.
const VERSION: &[u8] = b"9.1.0";

/// What a replica says of itself.
#[derive(Clone, Debug, Default)]
pub struct Introduction {
    /// `masteruser`; nothing for none.
    pub user: Vec<u8>,
    /// `masterauth`; nothing for none.
    pub password: Vec<u8>,
    /// The port where its clients connect.
    pub port: i64,
    /// Where they connect, if that is not where it connects from.
    pub address: Vec<u8>,
}

/// What the master says to PSYNC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The data set comes, and then the stream from this offset on.
    Full {
        /// The stream's id.
        id: Id,
        /// Where it begins.
        offset: u64,
        /// The database that is selected there, if the master says so: one of ours does.
        db: Option<usize>,
    },
    /// The stream goes on where it broke off.
    Continues {
        /// Its id, if the master says one.
        id: Option<Id>,
    },
}

/// Says who the replica is.
///
/// # Errors
/// Why the master does not want it.
pub fn introduce(wire: &mut Wire, about: &Introduction) -> io::Result<()> {
    wire.send(&[b"PING"])?;
    let pong = wire.full_line()?;
    let may_go_on = [&b"-NOAUTH"[..], b"-NOPERM", b"-ERR operation not permitted"];
    if !pong.starts_with(b"+") && !may_go_on.iter().any(|known| pong.starts_with(known)) {
        return refused("PING", &pong);
    }
    if !about.password.is_empty() {
        let (user, password) = (&about.user[..], &about.password[..]);
        match user {
            [] => wire.send(&[b"AUTH", password])?,
            user => wire.send(&[b"AUTH", user, password])?,
        }
        let answer = wire.full_line()?;
        if !answer.starts_with(b"+") {
            return refused("AUTH", &answer);
        }
    }
    let port = about.port.to_string();
    replconf(wire, &[b"listening-port", port.as_bytes()])?;
    if !about.address.is_empty() {
        replconf(wire, &[b"ip-address", &about.address])?;
    }
    replconf(wire, &[b"capa", b"eof", b"capa", b"psync2"])?;
    replconf(wire, &[b"capa", b"redstart"])?;
    replconf(wire, &[b"version", VERSION])
}

fn replconf(wire: &mut Wire, words: &[&[u8]]) -> io::Result<()> {
    wire.send(&[&[&b"REPLCONF"[..]], words].concat())?;
    let answer = wire.full_line()?;
    // Rights that lack show here first, and in PSYNC at last.
    if answer.starts_with(b"-NOAUTH") { refused("REPLCONF", &answer) } else { Ok(()) }
}

/// Asks for the stream behind what is here; None asks for everything.
///
/// # Errors
/// Why there is none.
pub fn ask(wire: &mut Wire, from: Option<(Id, u64)>) -> io::Result<Answer> {
    match from {
        Some((id, offset)) => wire.send(&[b"PSYNC", &id, (offset + 1).to_string().as_bytes()])?,
        None => wire.send(&[b"PSYNC", b"?", b"-1"])?,
    }
    let line = wire.full_line()?;
    match understand(&line) {
        Some(answer) => Ok(answer),
        None => refused("PSYNC", &line),
    }
}

/// Reads the answer to PSYNC.
fn understand(line: &[u8]) -> Option<Answer> {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let id = |word: &[u8]| Id::try_from(word).ok();
    match words.next()? {
        b"+FULLRESYNC" => {
            let id = id(words.next()?)?;
            let offset = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
            // An offset counts bytes in an i64 everywhere else.
            let is_sound = offset <= i64::MAX as u64;
            let db = match words.next() {
                None => None,
                Some(word) => Some(std::str::from_utf8(word).ok()?.parse().ok()?),
            };
            is_sound.then_some(Answer::Full { id, offset, db })
        }
        b"+CONTINUE" => match words.next() {
            None => Some(Answer::Continues { id: None }),
            Some(word) => id(word).map(|id| Answer::Continues { id: Some(id) }),
        },
        _ => None,
    }
}

fn refused<T>(asked: &str, answer: &[u8]) -> io::Result<T> {
    let text = format!("the master answers {asked} with {}", answer.escape_ascii());
    Err(io::Error::other(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_psync_are_read_strictly() {
        let id = [b'a'; 40];
        let name = "a".repeat(40);
        let read = |text: String| understand(text.as_bytes());
        assert_eq!(
            read(format!("+FULLRESYNC {name} 7")),
            Some(Answer::Full { id, offset: 7, db: None })
        );
        let ours = Some(Answer::Full { id, offset: 7, db: Some(3) });
        assert_eq!(read(format!("+FULLRESYNC {name} 7 3")), ours);
        assert_eq!(read("+CONTINUE".into()), Some(Answer::Continues { id: None }));
        assert_eq!(read(format!("+CONTINUE {name}")), Some(Answer::Continues { id: Some(id) }));
        for wrong in [
            String::new(),
            "+OK".into(),
            "+FULLRESYNC".into(),
            format!("+FULLRESYNC {name}"),
            format!("+FULLRESYNC {name} -1"),
            format!("+FULLRESYNC {name} 7 x"),
            format!("+FULLRESYNC {name} {}", u64::MAX),
            format!("+FULLRESYNC {name}b 7"),
            "+CONTINUE abc".into(),
            "-NOMASTERLINK Can't SYNC while not connected with my master".into(),
        ] {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
    }
}

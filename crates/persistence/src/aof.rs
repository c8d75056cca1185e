//! Redis's append-only files: commands as clients send them, perhaps behind an RDB file.
//!
//! ```text
//! *3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n        a command
//! #TS:1700000000\r\n                              a note, passed over
//! MULTI ... EXEC                                  all or nothing
//! ```
//!
//! Since Redis 7 there are several, and a manifest that says in which order they are read.

use crate::fault::ReadError;
use crate::rdb::Input;

/// The most words of a command.
const WORDS_MAX: u64 = 1 << 30;
/// The most bytes of a line that announces a length.
const LINE_MAX: usize = 1 << 16;

/// A command's words.
pub type Words = Vec<Vec<u8>>;

/// Commands that take effect together, and where they begin.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Where in the file.
    pub offset: u64,
    /// The commands.
    pub commands: Vec<Words>,
}

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Commands.
    Unit(Unit),
    /// The end.
    End,
    /// The end, in the middle of what begins there.
    Torn(u64),
}

/// Reads the next commands.
///
/// # Errors
/// What is wrong, other than that the file ends too early.
pub fn next(input: &mut Input<'_>) -> Result<Next, ReadError> {
    let mut unit = Unit { offset: input.at(), commands: Vec::new() };
    let mut transaction = false;
    loop {
        let read = skip_notes(input).and_then(|()| {
            let offset = input.at();
            if !transaction {
                unit.offset = offset;
            }
            Ok((offset, command(input)?))
        });
        let (offset, words) = match read {
            Ok((offset, Some(words))) => (offset, words),
            Ok((_, None)) if transaction => return Ok(Next::Torn(unit.offset)),
            Ok((_, None)) => return Ok(Next::End),
            Err(ReadError::Fault(_)) if input.ran_out() => return Ok(Next::Torn(unit.offset)),
            Err(error) => return Err(error),
        };
        let is = |name: &str| words[0].eq_ignore_ascii_case(name.as_bytes());
        match (is("multi"), is("exec")) {
            (true, _) if transaction => return Err(input.fault(offset, "MULTI within MULTI")),
            (true, _) => transaction = true,
            (_, true) if transaction => return Ok(Next::Unit(unit)),
            (_, true) => return Err(input.fault(offset, "EXEC without MULTI")),
            _ => {
                unit.commands.push(words);
                if !transaction {
                    return Ok(Next::Unit(unit));
                }
            }
        }
    }
}

fn skip_notes(input: &mut Input<'_>) -> Result<(), ReadError> {
    while input.peek()? == Some(b'#') {
        line(input)?;
    }
    Ok(())
}

/// The next command; None at the end.
fn command(input: &mut Input<'_>) -> Result<Option<Words>, ReadError> {
    let offset = input.at();
    match input.peek()? {
        None => Ok(None),
        Some(b'*') => {
            let count = announced(input, b'*')?;
            if count == 0 || count > WORDS_MAX {
                return Err(input.fault(offset, "a command without words, or with too many"));
            }
            // A word takes a byte at least.
            input.expect(count)?;
            (0..count).map(|_| word(input)).collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(input.fault(offset, "no command begins here")),
    }
}

fn word(input: &mut Input<'_>) -> Result<Vec<u8>, ReadError> {
    let len = announced(input, b'$')?;
    let word = input.bytes(len)?;
    let offset = input.at();
    if input.array::<2>()? != *b"\r\n" {
        return Err(input.fault(offset, "a word is longer than announced"));
    }
    Ok(word)
}

/// A line that announces how much follows.
fn announced(input: &mut Input<'_>, mark: u8) -> Result<u64, ReadError> {
    let offset = input.at();
    let line = line(input)?;
    let digits = line.strip_prefix(&[mark]).and_then(|line| line.strip_suffix(b"\r\n"));
    let number = digits.and_then(redstart_protocol::parse_i64);
    let number = number.and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| input.fault(offset, "a length is due here"))
}

/// A line with its end.
fn line(input: &mut Input<'_>) -> Result<Vec<u8>, ReadError> {
    let offset = input.at();
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.push(input.byte()?);
        if line.len() > LINE_MAX {
            return Err(input.fault(offset, "a line is too long"));
        }
    }
    Ok(line)
}

/// What a manifest says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is read first.
    Base,
    /// It follows.
    Increment,
    /// It is not read any more.
    History,
}

/// A line of a manifest: `file NAME seq NUMBER type b|i|h`, as words.
///
/// # Errors
/// What is wrong with it.
pub fn manifest_line(words: &[Vec<u8>]) -> Result<(String, u64, Role), &'static str> {
    let (mut name, mut number, mut role) = (None, None, None);
    let (pairs, rest) = words.as_chunks::<2>();
    for [key, value] in pairs {
        match &key.to_ascii_lowercase()[..] {
            b"file" => name = String::from_utf8(value.clone()).ok(),
            b"seq" => {
                let parsed = redstart_protocol::parse_i64(value);
                number = parsed.and_then(|number| u64::try_from(number).ok()).filter(|n| *n > 0);
            }
            b"type" => {
                role = match &value[..] {
                    b"b" => Some(Role::Base),
                    b"i" => Some(Role::Increment),
                    b"h" => Some(Role::History),
                    _ => return Err("Unknown AOF file type"),
                };
            }
            // Words of servers to come.
            _ => {}
        }
    }
    let (Some(name), Some(number), Some(role), []) = (name, number, role, rest) else {
        return Err("Invalid AOF manifest file format");
    };
    if name.is_empty() || name.contains('/') {
        return Err("File can't be a path, just a filename");
    }
    Ok((name, number, role))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Vec<(u64, usize)>, Option<Next>) {
        let mut input = Input::new("aof", Box::new(bytes), bytes.len() as u64);
        let mut units = Vec::new();
        loop {
            match next(&mut input) {
                Ok(Next::Unit(unit)) => units.push((unit.offset, unit.commands.len())),
                Ok(end) => return (units, Some(end)),
                Err(_) => return (units, None),
            }
        }
    }

    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
    const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

    #[test]
    fn a_cut_file_is_torn_where_its_last_unit_begins() {
        let bytes = [SET, b"#TS:17\r\n", MULTI, SET, SET, EXEC].concat();
        let multi = SET.len() as u64 + 8;
        assert_eq!(read(&bytes), (vec![(0, 1), (multi, 2)], Some(Next::End)));
        for len in SET.len() + 9..bytes.len() {
            assert_eq!(read(&bytes[..len]), (vec![(0, 1)], Some(Next::Torn(multi))), "{len}");
        }
        for len in 1..SET.len() {
            assert_eq!(read(&bytes[..len]), (vec![], Some(Next::Torn(0))), "{len}");
        }
    }

    #[test]
    fn what_is_no_command_is_a_fault() {
        for bytes in [&b"x"[..], b"*0\r\n", b"*1\r\n:3\r\nGET\r\n", b"*1\r\n$3\r\nGETx\r\n", EXEC] {
            assert_eq!(read(bytes), (vec![], None), "{bytes:?}");
        }
        assert_eq!(read(&[MULTI, MULTI].concat()), (vec![], None));
    }

    #[test]
    fn a_manifest_names_files_of_its_own_folder() {
        let words = |line: &str| line.split(' ').map(|word| word.into()).collect::<Vec<Vec<u8>>>();
        let line = manifest_line(&words("file a.1.base.rdb seq 1 type b"));
        assert_eq!(line, Ok(("a.1.base.rdb".to_owned(), 1, Role::Base)));
        // Redis 8.6 says where in its stream of commands a file begins and ends.
        for more in ["startoffset 8", "startoffset 0 endoffset 17", "endoffset -1", "future word"] {
            let line = manifest_line(&words(&format!("file a.2.incr.aof seq 2 type i {more}")));
            assert_eq!(line, Ok(("a.2.incr.aof".to_owned(), 2, Role::Increment)), "{more}");
        }
        for wrong in ["file a seq x type b", "file ../a seq 1 type b", "file a seq 1", "file"] {
            assert!(manifest_line(&words(wrong)).is_err(), "{wrong}");
        }
    }
}

//! A stream as text: the conformance transcripts' format, so that a found difference can be
//! pasted into tests/conformance once its cause is known.

use crate::reply::{Reply, decode};
use crate::stream::Command;

/// The `> NAME argument ...` line of a command, quoted as redis-cli quotes.
pub fn command_line(command: &Command) -> String {
    let words: Vec<String> = command.args.iter().map(|arg| quote(arg)).collect();
    format!("> {}", words.join(" "))
}

/// A word as redis-cli reads it: bare where it can be, else with escapes in double quotes.
pub fn quote(word: &[u8]) -> String {
    let is_plain = |b: &u8| b.is_ascii_graphic() && !b"\"'\\#".contains(b);
    if !word.is_empty() && word.iter().all(is_plain) {
        return word.iter().map(|&b| b as char).collect();
    }
    quoted(word)
}

fn quoted(word: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in word {
        match byte {
            b'\\' | b'"' => out.extend(['\\', byte as char]),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b' '..=b'~' => out.push(byte as char),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// The lines of a reply, indented by `depth`.
pub fn reply_lines(reply: &Reply, depth: usize, out: &mut Vec<String>) {
    let bare = |text: &[u8]| {
        let quoted = quoted(text).replace("\\\"", "\"");
        quoted[1..quoted.len() - 1].to_string()
    };
    let line = match reply {
        Reply::Simple(text) => format!("+{}", bare(text)),
        Reply::Error(text) => format!("-{}", bare(text)),
        Reply::Integer(number) => format!(":{number}"),
        Reply::Bulk(text) => quoted(text),
        Reply::Null(b'*') => "nil-array".into(),
        Reply::Null(_) => "nil".into(),
        Reply::Scalar(kind, text) => format!("{}{}", *kind as char, bare(text)),
        Reply::Aggregate(kind, items) => {
            let count = if *kind == b'%' { items.len() / 2 } else { items.len() };
            format!("{}{count}", *kind as char)
        }
    };
    out.push(format!("{}{line}", "  ".repeat(depth)));
    if let Reply::Aggregate(_, items) = reply {
        items.iter().for_each(|item| reply_lines(item, depth + 1, out));
    }
}

/// The lines of a frame; its bytes, quoted, if they are no reply.
pub fn frame_lines(frame: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    match decode(frame) {
        Ok(reply) => reply_lines(&reply, 0, &mut out),
        Err(_) => out.push(format!("# malformed: {}", quoted(frame))),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_they_must_be() {
        let command = Command::new([b"SET".as_slice(), b"", b"a b", b"\x00\"\r\n", b"x"]);
        assert_eq!(command_line(&command), r#"> SET "" "a b" "\x00\"\r\n" x"#);
    }

    #[test]
    fn replies_are_drawn_as_trees() {
        let frame = b"*4\r\n$3\r\na b\r\n%1\r\n+k\r\n:-1\r\n$-1\r\n-ERR \"x\"\r\n";
        let lines = ["*4", "  \"a b\"", "  %1", "    +k", "    :-1", "  nil", "  -ERR \"x\""];
        assert_eq!(frame_lines(frame), lines);
    }
}

//! Replies as they came, in RESP2 and RESP3: where a frame ends, and what is in it.
//!
//! The comparison is of bytes, and only where bytes differ of trees. So [`frame_len`] finds
//! the end of a frame without building anything, and [`Reply`] keeps what a client library
//! would throw away: the order of maps and sets, duplicates in them, the text of a double,
//! and whether an absence was `$-1`, `*-1` or `_`. This is why it is not a client library's.

/// One reply. Numbers that are compared as text stay text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    /// `+text`
    Simple(Vec<u8>),
    /// `-CODE text` (and RESP3's `!`)
    Error(Vec<u8>),
    /// `:n`
    Integer(i64),
    /// `$n`, and RESP3's `=n` with its three-letter format in front
    Bulk(Vec<u8>),
    /// `$-1`, `*-1` or `_`, by its first byte
    Null(u8),
    /// `*`, `~`, `>` or `%` (keys and values in turn), by its first byte
    Aggregate(u8, Vec<Reply>),
    /// `,` `#` `(`, by its first byte, with the text as it came
    Scalar(u8, Vec<u8>),
}

/// Bytes that are no reply, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Offset of the line that is wrong, from the start of the frame.
    pub at: usize,
}

/// The line that starts at `at`, without its end, and where the next begins.
fn line(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    let end = rest.iter().position(|&b| b == b'\n')?;
    let text = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
    Some((text, at + end + 1))
}

fn number(text: &[u8], at: usize) -> Result<i64, Malformed> {
    std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()).ok_or(Malformed { at })
}

/// Length of the first frame in `bytes`; `None` while it is incomplete.
pub fn frame_len(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let (mut at, mut missing) = (0, 1u64);
    while missing > 0 {
        let Some((text, next)) = line(bytes, at) else { return Ok(None) };
        let (&kind, rest) = text.split_first().ok_or(Malformed { at })?;
        missing -= 1;
        match kind {
            b'$' | b'=' | b'!' => {
                let len = number(rest, at)?;
                at = next + if len < 0 { 0 } else { len as usize + 2 };
                if at > bytes.len() {
                    return Ok(None);
                }
                continue;
            }
            b'*' | b'~' | b'>' => missing += number(rest, at)?.max(0) as u64,
            b'%' => missing += 2 * number(rest, at)?.max(0) as u64,
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {}
            _ => return Err(Malformed { at }),
        }
        at = next;
    }
    Ok(Some(at))
}

/// The tree of a whole frame, as [`frame_len`] delimits it.
pub fn decode(frame: &[u8]) -> Result<Reply, Malformed> {
    decode_at(frame, &mut 0)
}

fn decode_at(bytes: &[u8], at: &mut usize) -> Result<Reply, Malformed> {
    let wrong = Malformed { at: *at };
    let (text, next) = line(bytes, *at).ok_or(wrong.clone())?;
    let (&kind, rest) = text.split_first().ok_or(wrong.clone())?;
    *at = next;
    Ok(match kind {
        b'+' => Reply::Simple(rest.to_vec()),
        b'-' => Reply::Error(rest.to_vec()),
        b':' => Reply::Integer(number(rest, next)?),
        b'_' => Reply::Null(kind),
        b',' | b'#' | b'(' => Reply::Scalar(kind, rest.to_vec()),
        b'$' | b'=' | b'!' => {
            let len = number(rest, next)?;
            if len < 0 {
                return Ok(Reply::Null(kind));
            }
            let body = bytes.get(next..next + len as usize).ok_or(wrong)?.to_vec();
            *at = next + len as usize + 2;
            if kind == b'!' { Reply::Error(body) } else { Reply::Bulk(body) }
        }
        _ => {
            let count = number(rest, next)?;
            if count < 0 {
                return Ok(Reply::Null(kind));
            }
            let count = if kind == b'%' { 2 * count } else { count };
            let items = (0..count).map(|_| decode_at(bytes, at)).collect::<Result<_, _>>()?;
            Reply::Aggregate(kind, items)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NESTED: &[u8] = b"*3\r\n:1\r\n$2\r\n\r\n\r\n%1\r\n+a\r\n*-1\r\n";

    #[test]
    fn a_frame_ends_where_its_last_part_ends() {
        for cut in 0..NESTED.len() {
            assert_eq!(frame_len(&NESTED[..cut]), Ok(None), "cut at {cut}");
        }
        let two = [NESTED, b"+OK\r\n"].concat();
        assert_eq!(frame_len(&two), Ok(Some(NESTED.len())));
        assert_eq!(frame_len(b"?\r\n"), Err(Malformed { at: 0 }));
        assert_eq!(frame_len(b"*1\r\n$x\r\n"), Err(Malformed { at: 4 }));
    }

    #[test]
    fn a_tree_keeps_order_and_kinds() {
        let map = Reply::Aggregate(b'%', vec![Reply::Simple(b"a".into()), Reply::Null(b'*')]);
        let tree = vec![Reply::Integer(1), Reply::Bulk(b"\r\n".into()), map];
        assert_eq!(decode(NESTED), Ok(Reply::Aggregate(b'*', tree)));
        assert_eq!(decode(b",1.5\r\n"), Ok(Reply::Scalar(b',', b"1.5".into())));
        assert_eq!(decode(b"!5\r\nERR x\r\n"), Ok(Reply::Error(b"ERR x".into())));
    }
}

//! Figures and names as people read them: for `top` and `report`.

/// A count with its thousands apart: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of something a second: whole from ten on.
pub fn rate(number: f64) -> String {
    if !(0.05..9.95).contains(&number) {
        count(number.round() as u64)
    } else {
        format!("{number:.1}")
    }
}

/// Bytes: `512 B`, `1.5 kB`, `23 MB`, in powers of 1024, as INFO counts.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut size, mut unit) = (bytes as f64 / 1024.0, 0);
    while size >= 999.5 && unit + 1 < UNITS.len() {
        (size, unit) = (size / 1024.0, unit + 1);
    }
    let digits = usize::from(size < 9.95) + usize::from(size < 0.995);
    format!("{size:.digits$} {}", UNITS[unit])
}

/// A part as a percentage: `97.3 %`.
pub fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

/// Microseconds: `12 µs`, `3.4 ms`, `2.1 s`.
pub fn duration_us(us: f64) -> String {
    let (size, unit) = match us {
        us if us < 999.5 => (us, "µs"),
        us if us < 999_500.0 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    let digits = usize::from(size < 99.95) * usize::from(size.fract() != 0.0);
    format!("{size:.digits$} {unit}")
}

/// Seconds as a span: `45 s`, `3 min`, `5 h`, `12 d`.
pub fn span_s(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Bytes that a client chose, such as a key: what is text is shown as it is, and what else there is
/// as `\x00`, so that nothing of it moves a cursor. Cut to `most` characters.
pub fn name(bytes: &[u8], most: usize) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if char.is_control() || is_invisible(char) {
                let mut buffer = [0; 4];
                char.encode_utf8(&mut buffer).bytes().for_each(|byte| escape(&mut text, byte));
            } else {
                text.push(char);
            }
        }
        chunk.invalid().iter().for_each(|byte| escape(&mut text, *byte));
        // What is cut off need not be made. An escape is four characters.
        if text.len() > 8 * most.max(64) {
            break;
        }
    }
    cut(text, most)
}

/// Marks of direction, which would turn the rest of a line around, and what has no width.
fn is_invisible(char: char) -> bool {
    let marks = ['\u{200b}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2060}'..='\u{2069}'];
    char == '\u{feff}' || marks.iter().any(|range| range.contains(&char))
}

fn escape(text: &mut String, byte: u8) {
    text.push_str(&format!("\\x{byte:02x}"));
}

/// Cuts a text to so many characters; that there was more is told by a mark.
pub fn cut(mut text: String, most: usize) -> String {
    let mut ends = text.char_indices().map(|(at, _)| at).skip(most.saturating_sub(1));
    if let (Some(end), Some(_)) = (ends.next(), ends.next()) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.4, 9.94, 9.96, 1234.5].map(rate), ["0", "0.4", "9.9", "10", "1,235"]);
        let sizes = [0, 999, 1000, 1536, 10_240, 1_048_000, 1 << 30, u64::MAX];
        let shown = ["0 B", "999 B", "0.98 kB", "1.5 kB", "10 kB", "1.0 MB", "1.0 GB", "16 EB"];
        assert_eq!(sizes.map(bytes), shown);
        let times = [0.0, 12.0, 3.25, 1500.0, 250_000.0, 2_100_000.0].map(duration_us);
        assert_eq!(times, ["0 µs", "12 µs", "3.2 µs", "1.5 ms", "250 ms", "2.1 s"]);
        let spans = [59, 125, 7200, 200_000].map(span_s);
        assert_eq!(spans, ["59 s", "2 min", "2 h", "2 d"]);
        assert_eq!(percent(0.9731), "97.3 %");
    }

    #[test]
    fn names_move_no_cursor() {
        let shown = |text: &[u8]| name(text, 20);
        assert_eq!(shown(b"user:1"), "user:1");
        assert_eq!(shown("gr\u{fc}n".as_bytes()), "gr\u{fc}n");
        assert_eq!(shown(b"a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
        assert_eq!(shown(b"\xff\x00"), "\\xff\\x00");
        assert_eq!(shown("\u{202e}x".as_bytes()), "\\xe2\\x80\\xaex");
        assert_eq!(name(b"0123456789", 10), "0123456789");
        assert_eq!(name(b"0123456789a", 10), "012345678…");
    }
}

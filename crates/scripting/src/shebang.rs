//! The first line of a script or library: `#!lua name=LIBRARY flags=FLAG,FLAG`.

use redstart_engine::Error;

/// A script's flags, joined with `|`.
pub type Flags = u8;
/// It writes nothing.
pub const NO_WRITES: Flags = 1 << 0;
/// It may run when memory is out.
pub const ALLOW_OOM: Flags = 1 << 1;
/// It may run on a replica with stale data.
pub const ALLOW_STALE: Flags = 1 << 2;
/// It does not run in a cluster.
pub const NO_CLUSTER: Flags = 1 << 3;
/// It may use keys of several slots.
pub const CROSS_SLOT_KEYS: Flags = 1 << 4;

/// The names of the flags.
pub const FLAG_NAMES: &[(Flags, &str)] = &[
    (NO_WRITES, "no-writes"),
    (ALLOW_OOM, "allow-oom"),
    (ALLOW_STALE, "allow-stale"),
    (NO_CLUSTER, "no-cluster"),
    (CROSS_SLOT_KEYS, "allow-cross-slot-keys"),
];

/// The flag of a name.
pub fn flag(name: &[u8]) -> Option<Flags> {
    FLAG_NAMES.iter().find(|(_, known)| known.as_bytes() == name).map(|(flag, _)| *flag)
}

/// A script's flags; `None` without such a line, which promises nothing.
///
/// # Errors
/// When the line is not one that scripts may have.
pub fn of_script(text: &[u8]) -> Result<Option<Flags>, Error> {
    if !text.starts_with(b"#!") {
        return Ok(None);
    }
    let Some(end) = text.iter().position(|&byte| byte == b'\n') else {
        return Err(Error::text("ERR Invalid script shebang"));
    };
    let mut words = words(&text[..end]);
    let engine = words.next().unwrap_or_default();
    if engine != b"#!lua" {
        return Err(Error::quoting("ERR Unexpected engine in script shebang: ", engine, ""));
    }
    let mut flags = 0;
    for word in words {
        let Some(list) = word.strip_prefix(b"flags=") else {
            return Err(Error::quoting("ERR Unknown lua shebang option: ", word, ""));
        };
        for name in list.split(|&byte| byte == b',').filter(|name| !name.is_empty()) {
            let text = "ERR Unexpected flag in script shebang: ";
            flags |= flag(name).ok_or_else(|| Error::quoting(text, name, ""))?;
        }
    }
    Ok(Some(flags))
}

/// The words of a line.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

/// The text without the line, but with its line end, so that lines keep their numbers.
pub fn strip(text: &[u8]) -> &[u8] {
    if !text.starts_with(b"#!") {
        return text;
    }
    let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    &text[end..]
}

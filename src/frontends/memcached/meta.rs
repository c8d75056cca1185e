//! The meta commands: `mg`, `ms`, `md`, `ma`, `me`. A reply is two letters, and what the client
//! asked for by flags, in their order.

use super::answer::Run;
use super::execute::Asked;
use redstart_engine::commands::memcached::{
    Count, Counted, Delete, Deleted, Expiry, Look, Mode, Seen, Store, Stored, count, delete, end,
    look, store, version as version_of, write_data,
};
use redstart_engine::{Error, KeyAt, Now};
use redstart_protocol::Reply;
use redstart_protocol::memcached::{Verb, base64_encode, number, words};

const BAD_SET_MODE: &str = "CLIENT_ERROR invalid mode for ms M token";
const BAD_COUNT_MODE: &str = "CLIENT_ERROR invalid mode for ma M token";

/// What a reply may tell of a value.
#[derive(Clone, Copy, Default)]
struct Facts {
    version: u64,
    flags: u32,
    was_fetched: bool,
    idle_s: u64,
    len: usize,
    left_s: i64,
}

/// Runs a meta command.
///
/// # Errors
/// When a script holds its key for too long.
pub fn run(run: &mut Run<'_, '_>, key: &KeyAt) -> Result<(), Error> {
    match run.asked.request.verb {
        Verb::MetaGet => get(run, key),
        Verb::MetaSet => set(run, key),
        Verb::MetaDelete => remove(run, key),
        Verb::MetaArithmetic => arithmetic(run, key),
        _ => debug(run, key),
    }
}

/// A time to live, if the flag is there.
fn expiry(asked: Asked<'_>, letter: u8, seconds: i32, now: Now) -> Option<Expiry> {
    asked.meta.has(letter).then(|| Expiry::of(seconds, now))
}

/// Writes the flags of a reply that are told, in the order in which the client has named them: the
/// word and the key that it has sent, and of the facts, where there are any, those of `letters`.
fn tell(out: &mut Reply, asked: Asked<'_>, facts: Option<Facts>, letters: &[u8]) {
    let first = if asked.request.verb == Verb::MetaSet { 3 } else { 2 };
    let buf = out.buf_mut();
    for word in asked.args.from(first).iter() {
        let letter = word[0];
        match (letter, facts) {
            (b'O', _) => {
                buf.push(b' ');
                buf.extend_from_slice(word);
            }
            (b'k', _) => {
                buf.extend_from_slice(b" k");
                write_key(buf, asked);
            }
            (_, Some(facts)) if letters.contains(&letter) => {
                buf.extend_from_slice(&[b' ', letter]);
                match letter {
                    b'c' => number(buf, facts.version),
                    b'f' => number(buf, facts.flags.into()),
                    b'h' => number(buf, facts.was_fetched.into()),
                    b'l' => number(buf, facts.idle_s),
                    b's' => number(buf, facts.len as u64),
                    _ if facts.left_s < 0 => buf.extend_from_slice(b"-1"),
                    _ => number(buf, facts.left_s as u64),
                }
            }
            _ => {}
        }
    }
}

/// Writes the key as the client has written it.
fn write_key(buf: &mut Vec<u8>, asked: Asked<'_>) {
    let key = asked.args.at(1);
    if asked.meta.has(b'b') {
        base64_encode(key, buf);
        buf.extend_from_slice(b" b");
    } else {
        buf.extend_from_slice(key);
    }
}

fn get(run: &mut Run<'_, '_>, key: &KeyAt) -> Result<(), Error> {
    let (asked, now) = (run.asked, run.now);
    let meta = asked.meta;
    let wanted = Look {
        vivify: expiry(asked, b'N', meta.vivify, now),
        recache: expiry(asked, b'R', meta.recache, now),
        touch: expiry(asked, b'T', meta.exptime, now),
        new_version: meta.given_version(),
        is_idle: meta.has(b'u'),
        wants_version: meta.has(b'c'),
    };
    let found = run.on(key, |call| {
        let seen = look(call, &wanted)?;
        let out = &mut *call.reply;
        if meta.has(b'v') {
            out.raw(b"VA ");
            number(out.buf_mut(), seen.len as u64);
        } else {
            out.raw(b"HD");
        }
        tell(out, asked, Some(facts(&seen)), b"cfhlst");
        let marks = [(seen.is_leased, b" Z"), (seen.note.is_stale(), b" X"), (seen.wins, b" W")];
        marks.iter().filter(|(is, _)| *is).for_each(|(_, mark)| out.raw(*mark));
        out.raw(b"\r\n");
        if meta.has(b'v') {
            write_data(call, &seen);
        }
        if wanted.touch == Some(Expiry::Past) {
            end(call, &seen);
        }
        Some(())
    })?;
    if found.is_none() && !asked.request.quiet {
        let out = &mut run.session.out;
        out.raw(b"EN");
        tell(out, asked, None, b"");
        out.raw(b"\r\n");
    }
    Ok(())
}

fn facts(seen: &Seen) -> Facts {
    Facts {
        version: seen.version,
        flags: seen.note.flags,
        was_fetched: seen.was_fetched,
        idle_s: seen.idle_s,
        len: seen.len,
        left_s: seen.left_s,
    }
}

fn set(run: &mut Run<'_, '_>, key: &KeyAt) -> Result<(), Error> {
    let (asked, now) = (run.asked, run.now);
    let meta = asked.meta;
    let mode = match meta.mode {
        0 | b'S' | b's' => Mode::Set,
        b'E' | b'e' => Mode::Add,
        b'A' | b'a' => Mode::Append,
        b'P' | b'p' => Mode::Prepend,
        b'R' | b'r' => Mode::Replace,
        _ => {
            run.line(BAD_SET_MODE);
            return Ok(());
        }
    };
    let version = meta.wanted_version().filter(|_| mode != Mode::Add);
    let mode = match mode {
        Mode::Set | Mode::Replace if version.is_some() => Mode::Cas,
        mode => mode,
    };
    let wanted = Store {
        mode,
        flags: meta.flags,
        expiry: Expiry::of(meta.exptime, now),
        version,
        new_version: meta.given_version(),
        takes_older: meta.has(b'I'),
        vivify: expiry(asked, b'N', meta.vivify, now),
        bytes_max: run.value_bytes_max(),
    };
    let (stored, version) = run.on(key, |call| {
        let stored = store(call, &wanted);
        let told = stored == Stored::Stored && meta.has(b'c');
        (stored, if told { version_of(call) } else { 0 })
    })?;
    if stored == Stored::Stored && asked.request.quiet {
        return Ok(());
    }
    let letters: &[u8] = match stored {
        Stored::Stored => b"HD",
        Stored::NotStored => b"NS",
        Stored::Exists => b"EX",
        Stored::NotFound => b"NF",
    };
    let facts = Facts { len: asked.args.at(2).len(), version, ..Facts::default() };
    answer(run, letters, Some(facts).filter(|_| stored == Stored::Stored));
    Ok(())
}

/// A reply that is only a line.
fn answer(run: &mut Run<'_, '_>, letters: &[u8], facts: Option<Facts>) {
    let out = &mut run.session.out;
    out.raw(letters);
    tell(out, run.asked, facts, b"cs");
    out.raw(b"\r\n");
}

fn remove(run: &mut Run<'_, '_>, key: &KeyAt) -> Result<(), Error> {
    let (asked, now) = (run.asked, run.now);
    let meta = asked.meta;
    let wanted = Delete {
        version: meta.wanted_version(),
        marks_stale: meta.has(b'I'),
        new_version: meta.given_version(),
        expiry: expiry(asked, b'T', meta.exptime, now),
        empties: meta.has(b'x').then_some(meta.flags),
    };
    let deleted = run.on(key, |call| delete(call, &wanted))?;
    if deleted == Deleted::Deleted && asked.request.quiet {
        return Ok(());
    }
    let letters = match deleted {
        Deleted::Deleted => b"HD",
        Deleted::NotFound => b"NF",
        Deleted::Exists => b"EX",
    };
    answer(run, letters, None);
    Ok(())
}

fn arithmetic(run: &mut Run<'_, '_>, key: &KeyAt) -> Result<(), Error> {
    let (asked, now) = (run.asked, run.now);
    let meta = asked.meta;
    let up = match meta.mode {
        0 | b'I' | b'i' | b'+' => true,
        b'D' | b'd' | b'-' => false,
        _ => {
            run.line(BAD_COUNT_MODE);
            return Ok(());
        }
    };
    let wanted = Count {
        up,
        by: meta.delta,
        version: meta.wanted_version(),
        new_version: meta.given_version(),
        vivify: expiry(asked, b'N', meta.vivify, now).map(|expiry| (meta.initial, expiry)),
        expiry: expiry(asked, b'T', meta.exptime, now),
        wants_version: meta.has(b'c'),
    };
    let counted = run.on(key, |call| count(call, &wanted))?;
    let (to, left_s, version) = match counted {
        Counted::NotFound => {
            answer(run, b"NF", None);
            return Ok(());
        }
        Counted::Exists => {
            answer(run, b"EX", None);
            return Ok(());
        }
        Counted::NotNumber => {
            run.line(words::NOT_NUMBER);
            return Ok(());
        }
        Counted::To { number, left_s, version } => (number, left_s, version),
    };
    if asked.request.quiet {
        return Ok(());
    }
    let mut digits = Vec::new();
    number(&mut digits, to);
    let out = &mut run.session.out;
    if meta.has(b'v') {
        out.raw(b"VA ");
        number(out.buf_mut(), digits.len() as u64);
    } else {
        out.raw(b"HD");
    }
    let facts = Facts { version, left_s, len: digits.len(), ..Facts::default() };
    tell(out, asked, Some(facts), b"ct");
    out.raw(b"\r\n");
    if meta.has(b'v') {
        out.raw(&digits);
        out.raw(b"\r\n");
    }
    Ok(())
}

/// `me`: what is known of a key, for people.
fn debug(run: &mut Run<'_, '_>, key: &KeyAt) -> Result<(), Error> {
    let asked = run.asked;
    let wanted = Look { is_idle: true, wants_version: true, ..Look::default() };
    let found = run.on(key, |call| {
        let seen = look(call, &wanted)?;
        let buf = call.reply.buf_mut();
        buf.extend_from_slice(b"ME ");
        if asked.meta.has(b'b') {
            base64_encode(asked.args.at(1), buf);
        } else {
            buf.extend_from_slice(asked.args.at(1));
        }
        let fetch = if seen.was_fetched { "yes" } else { "no" };
        let Seen { left_s, idle_s, version, allocated, .. } = seen;
        let rest = format!(
            " exp={left_s} la={idle_s} cas={version} fetch={fetch} cls=1 size={allocated}\r\n"
        );
        buf.extend_from_slice(rest.as_bytes());
        Some(())
    })?;
    if found.is_none() {
        run.line("EN");
    }
    Ok(())
}

//! The server's own log: lines in Redis's form, on standard output or in `logfile`.
//!
//! A thread that writes to a busy disk waits, for seconds at times. Threads that serve clients do
//! not: they hand their lines to a thread of its own, which writes them.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

static FILE: OnceLock<File> = OnceLock::new();
/// Sends lines to the thread that writes for others.
static WRITER: OnceLock<Sender<Piece>> = OnceLock::new();
/// How long the end of the process waits for lines that are not written yet.
const FLUSH: Duration = Duration::from_secs(1);

thread_local! {
    /// Whether this thread hands its lines over instead of writing them.
    static NEVER_BLOCKS: Cell<bool> = const { Cell::new(false) };
}

/// What the thread that writes takes.
enum Piece {
    /// A line, with its end.
    Line(String),
    /// Answered when all lines before it are written.
    Flush(Sender<()>),
}

/// Starts the thread that writes for others.
///
/// # Errors
/// When the system has no thread to give.
pub fn start() -> io::Result<()> {
    let (send, pieces) = channel();
    let body = move || {
        for piece in pieces {
            match piece {
                Piece::Line(line) => put(&line),
                // The thread that asked may no longer wait.
                Piece::Flush(done) => drop(done.send(())),
            }
        }
    };
    std::thread::Builder::new().name("log-lines".into()).spawn(body)?;
    // The server starts once.
    let _ = WRITER.set(send);
    Ok(())
}

/// From now on, lines of this thread are written by the other one: it serves clients, and must not
/// wait for a disk.
pub fn never_block_this_thread() {
    NEVER_BLOCKS.set(true);
}

/// Waits until the lines of threads that serve clients are written, unless that takes long.
pub fn flush() {
    let (done, is_done) = channel();
    if let Some(writer) = WRITER.get()
        && writer.send(Piece::Flush(done)).is_ok()
    {
        // The process is about to end, with or without these lines.
        let _ = is_done.recv_timeout(FLUSH);
    }
}

/// Writes the log to a file from now on.
///
/// # Errors
/// When the file cannot be opened for appending.
pub fn to_file(path: &str) -> io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    // Called once, at start.
    let _ = FILE.set(file);
    Ok(())
}

/// What is not written.
static LEFT_OUT: AtomicU8 = AtomicU8::new(LeftOut::None as u8);

/// What of the log is not written.
enum LeftOut {
    None,
    Notices,
    Everything,
}

/// Writes as much as a `loglevel` says.
pub fn set_level(level: &str) {
    let left_out = match level {
        "nothing" => LeftOut::Everything,
        "warning" => LeftOut::Notices,
        _ => LeftOut::None,
    };
    LEFT_OUT.store(left_out as u8, Relaxed);
}

/// Logs something that the person who starts the server should know at once: it is on the terminal
/// too, where the log is not.
pub fn tell(text: impl std::fmt::Display) {
    warning(&text);
    if FILE.get().is_some() {
        eprintln!("redstart: {text}");
    }
}

/// Tells why the server ends, on the terminal, and in the log where that is a file: once each.
pub fn fatal(text: impl std::fmt::Display) {
    if FILE.get().is_some() {
        warning(&text);
    }
    eprintln!("redstart: {text}");
}

/// A count with its noun: `1 key`, `2 keys`.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Logs something that a user may want to know.
pub fn notice(text: impl std::fmt::Display) {
    if LEFT_OUT.load(Relaxed) < LeftOut::Notices as u8 {
        write('*', &text);
    }
}

/// Logs something that a user should do something about.
pub fn warning(text: impl std::fmt::Display) {
    if LEFT_OUT.load(Relaxed) < LeftOut::Everything as u8 {
        write('#', &text);
    }
}

fn write(level: char, text: &dyn std::fmt::Display) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let when = date(now.as_secs(), now.subsec_millis());
    let line = format!("{}:M {when} {level} {text}\n", std::process::id());
    match WRITER.get() {
        // The thread lives as long as the process.
        Some(writer) if NEVER_BLOCKS.get() => drop(writer.send(Piece::Line(line))),
        _ => put(&line),
    }
}

fn put(line: &str) {
    // Where the log cannot be written, there is nowhere to say so.
    let _ = match FILE.get() {
        Some(mut file) => file.write_all(line.as_bytes()),
        None => io::stdout().write_all(line.as_bytes()),
    };
}

/// A moment in UTC, as `01 Jan 2026 12:00:00.000`.
pub fn date(unix_s: u64, ms: u32) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    // The civil calendar by eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = year_of_era + era * 400 + u64::from(month < 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let name = MONTHS[month as usize];
    format!("{day:02} {name} {year} {hour:02}:{minute:02}:{second:02}.{ms:03}")
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_the_calendars() {
        assert_eq!(date(0, 0), "01 Jan 1970 00:00:00.000");
        assert_eq!(date(951_782_400, 7), "29 Feb 2000 00:00:00.007");
        assert_eq!(date(1_798_761_599, 999), "31 Dec 2026 23:59:59.999");
    }
}

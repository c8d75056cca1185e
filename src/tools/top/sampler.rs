//! The thread that asks the server: once in an interval, and at once where another screen is looked
//! at. It connects anew whenever the connection is lost.

use super::model::Screen;
use crate::system::clock;
use crate::tools::facts::{Client, Info, Prefix, Slow, bytes};
use crate::tools::link::{Link, Silence, Target};
use redis_protocol::resp2::types::OwnedFrame;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How long an answer may take before the server counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// After how long a lost server is looked for again, at the earliest.
const RETRY: Duration = Duration::from_secs(1);
/// How many entries of the slow log are looked at.
const SLOW_MAX: &[u8] = b"128";

/// What a server told at one moment. Where it refused, there is what it said.
pub struct Sample {
    /// When it was, for differences.
    pub at: Instant,
    /// When it was, in seconds since the Unix epoch.
    pub wall_s: i64,
    /// INFO.
    pub info: Result<Info, String>,
    /// The slow log.
    pub slow: Result<Vec<Slow>, String>,
    /// From how many microseconds on a command is in it, where that may be known.
    pub slow_from_us: Option<i64>,
    /// Prefixes.
    pub prefixes: Result<Vec<Prefix>, String>,
    /// Clients; none while they are not looked at.
    pub clients: Option<Result<Vec<Client>, String>>,
}

/// What the sampler tells.
pub enum Update {
    /// How things stand.
    Sample(Box<Sample>),
    /// There is no answer.
    Lost(Silence),
}

/// Asks until nobody listens any more. `wanted` says which screen is looked at.
pub fn run(
    target: &Target,
    interval: Duration,
    wanted: &Receiver<Screen>,
    updates: &Sender<Update>,
) {
    let (mut link, mut screen) = (None, Screen::Overview);
    loop {
        let began = Instant::now();
        let (update, rest) = match sample_at(target, &mut link, screen) {
            Ok(sample) => (Update::Sample(Box::new(sample)), interval),
            Err(silence) => {
                link = None;
                (Update::Lost(silence), interval.max(RETRY))
            }
        };
        if updates.send(update).is_err() {
            return;
        }
        match wanted.recv_timeout(rest.saturating_sub(began.elapsed())) {
            Ok(other) => screen = other,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // Of several keys in a row the last one counts.
        if let Some(last) = wanted.try_iter().last() {
            screen = last;
        }
    }
}

/// Connects, unless there is a connection, and asks.
fn sample_at(target: &Target, link: &mut Option<Link>, screen: Screen) -> Result<Sample, Silence> {
    let open = match link {
        Some(open) => open,
        None => {
            let open = connect(target)?;
            link.insert(open)
        }
    };
    sample(open, screen).map_err(|error| silence(open, &error))
}

/// Connects, and says who asks.
///
/// # Errors
/// When nothing answers, or what answers lets nobody in.
pub fn connect(target: &Target) -> Result<Link, Silence> {
    let mut link = target.connect(PATIENCE)?;
    // Servers that know no names are no worse for it.
    match link.call(&[b"CLIENT", b"SETNAME", b"redstart-top"]) {
        Ok(_) => Ok(link),
        Err(error) => Err(silence(&link, &error)),
    }
}

fn silence(link: &Link, error: &io::Error) -> Silence {
    Silence { place: link.place().to_owned(), reason: link.plain(error) }
}

/// Asks for everything that the screens show; for clients only where they are looked at, because
/// there may be ten thousand.
///
/// # Errors
/// When the connection is lost.
pub fn sample(link: &mut Link, screen: Screen) -> io::Result<Sample> {
    let shows_clients = screen == Screen::Clients;
    link.ask(&[b"INFO", b"all"]);
    link.ask(&[b"SLOWLOG", b"GET", SLOW_MAX]);
    link.ask(&[b"CONFIG", b"GET", b"slowlog-log-slower-than"]);
    link.ask(&[b"PREFIX.STATS"]);
    if shows_clients {
        link.ask(&[b"CLIENT", b"LIST"]);
    }
    link.flush()?;
    let info = told(link.reply()?, |reply| Info::read(&bytes(reply)));
    let at = Instant::now();
    let slow = told(link.reply()?, Slow::read_all);
    let setting = told(link.reply()?, crate::tools::facts::pairs).unwrap_or_default();
    let slow_from_us = setting
        .into_iter()
        .next()
        .and_then(|(_, value)| String::from_utf8_lossy(&bytes(value)).parse().ok());
    let prefixes = told(link.reply()?, Prefix::read_all);
    let clients = match shows_clients {
        true => Some(told(link.reply()?, |reply| Client::read_all(&bytes(reply)))),
        false => None,
    };
    let wall_s = (clock::wall_us() / 1_000_000) as i64;
    Ok(Sample { at, wall_s, info, slow, slow_from_us, prefixes, clients })
}

/// What a reply says, or the error that it is.
fn told<T>(reply: OwnedFrame, read: impl FnOnce(OwnedFrame) -> T) -> Result<T, String> {
    match reply {
        OwnedFrame::Error(text) => Err(text),
        reply => Ok(read(reply)),
    }
}

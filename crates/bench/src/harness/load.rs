//! The load: one thread, one epoll, a closed loop on every connection.
//!
//! A connection writes a batch of requests from its own part of a strip, waits for all their
//! replies, notes the time, and writes the next one. What happens per batch is one read, one write
//! and one look at the clock; nothing is rendered, parsed or allocated.
//!
//! Replies that are known beforehand are counted by bytes: a wrong one that is shorter leaves the
//! connection waiting until the patience ends, a longer one overruns its batch, and both are
//! failures. Beyond that the first byte of each batch is compared, and on every
//! `check_every`-th batch all bytes. Replies that are not known go through the skipper.
//!
//! A latency is that of a batch, from before its write to after its last reply.
//!
//! ```text
//! strip     |    lap of connection 0    |    lap of connection 1    | ...
//!            '-batch-''-batch-''-batch-'
//! ```

use super::histogram::Histogram;
use super::outcome::{Failure, Outcome};
use super::plan::Timing;
use super::server::{Cpu, thread_cpu};
use super::skipper::Skipper;
use super::strip::{Replies, Strip};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Laps are multiples of this, so that batches of 1, 16 and 64 and pairs of requests divide them.
pub const LAP_UNIT: usize = 64;
/// With nothing heard for so long, the server is held to be stuck.
const PATIENCE_SECONDS: i64 = 20;
const READ_BYTES: usize = 256 << 10;

/// Connections that do the same.
#[derive(Clone)]
pub struct Stream<'a> {
    pub strip: &'a Strip,
    /// The part of the strip that is sent; the connections share it out.
    pub requests: Range<usize>,
    pub connections: usize,
    /// Requests in one batch.
    pub pipeline: usize,
    pub laps: Laps,
    /// All bytes of every so-many-th batch's replies are compared.
    pub check_every: u32,
}

impl<'a> Stream<'a> {
    /// All of `strip`, a sample checked; fewer connections when it has no lap for so many.
    pub fn new(strip: &'a Strip, connections: usize, pipeline: usize, laps: Laps) -> Self {
        let requests = 0..strip.len();
        let connections = connections.min(strip.len() / LAP_UNIT).max(1);
        Self { strip, requests, connections, pipeline, laps, check_every: 61 }
    }

    /// The requests of connection `at`: equal shares in units, and the remainder to the last.
    pub fn lap(&self, at: usize) -> Range<usize> {
        let share = self.requests.len() / self.connections / LAP_UNIT * LAP_UNIT;
        let start = self.requests.start + at * share;
        let last = at + 1 == self.connections;
        start..if last { self.requests.end } else { start + share }
    }
}

/// How often a stream runs through its requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Laps {
    Once,
    /// Until the time is over, or all streams that run once are through.
    Endless,
}

/// What one stream did.
pub struct Tally {
    /// Replies received.
    pub operations: u64,
    /// Times of batches.
    pub latency: Histogram,
}

/// What a load did in its measured part.
pub struct Measured {
    pub elapsed: Duration,
    pub server_cpu: Duration,
    pub load_cpu: Duration,
    pub tallies: Vec<Tally>,
}

struct Connection<'a> {
    socket: TcpStream,
    stream: usize,
    lap: Range<usize>,
    /// The requests whose replies are awaited.
    batch: Range<usize>,
    batches: u32,
    unsent: &'a [u8],
    awaited: Awaited<'a>,
    skipper: Skipper,
    sent_at: Instant,
    watches_writable: bool,
}

/// What is still missing of a batch's replies.
enum Awaited<'a> {
    /// Exactly these bytes.
    Exact(&'a [u8]),
    /// As many bytes as these, of which only the first is compared.
    Sized(&'a [u8]),
    /// As many replies.
    Replies(usize),
}

/// Drives `streams` against the server on `port` until `timing` is over or, without one, until
/// every stream that runs once is through.
pub fn run(
    port: u16,
    streams: &[Stream<'_>],
    timing: Option<Timing>,
    server_cpu: &Cpu,
) -> Outcome<Measured> {
    Load::connect(port, streams)?.drive(timing, server_cpu)
}

/// Drives `streams`, which are endless, until `enough` is set.
pub fn run_until(
    port: u16,
    streams: &[Stream<'_>],
    enough: &AtomicBool,
    server_cpu: &Cpu,
) -> Outcome<Measured> {
    let mut load = Load::connect(port, streams)?;
    load.enough = Some(enough);
    load.drive(None, server_cpu)
}

struct Load<'a> {
    epoll: OwnedFd,
    streams: &'a [Stream<'a>],
    connections: Vec<Connection<'a>>,
    tallies: Vec<Tally>,
    buffer: Vec<u8>,
    /// Connections that have not ended, of streams that run once and of all.
    busy_once: usize,
    busy: usize,
    stopping: bool,
    /// Set by another thread when the load is to stop.
    enough: Option<&'a AtomicBool>,
}

/// The accounts at one moment.
struct Mark {
    at: Instant,
    server_cpu: Duration,
    load_cpu: Duration,
}

impl Mark {
    fn now(server_cpu: &Cpu) -> Outcome<Self> {
        let (server_cpu, load_cpu) = (server_cpu.used()?, thread_cpu());
        Ok(Self { at: Instant::now(), server_cpu, load_cpu })
    }
}

impl<'a> Load<'a> {
    fn connect(port: u16, streams: &'a [Stream<'a>]) -> Outcome<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::new();
        for (stream, what) in streams.iter().enumerate() {
            for at in 0..what.connections {
                let lap = what.lap(at);
                if lap.is_empty() {
                    return Err(Failure("a strip too short for its connections".into()));
                }
                let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
                socket.set_nodelay(true)?;
                socket.set_nonblocking(true)?;
                let data = epoll::EventData::new_u64(connections.len() as u64);
                epoll::add(&epoll, &socket, data, epoll::EventFlags::IN)?;
                connections.push(Connection {
                    socket,
                    stream,
                    batch: lap.start..lap.start,
                    lap,
                    batches: 0,
                    unsent: &[],
                    awaited: Awaited::Replies(0),
                    skipper: Skipper::default(),
                    sent_at: Instant::now(),
                    watches_writable: false,
                });
            }
        }
        let tally = |_| Tally { operations: 0, latency: Histogram::new() };
        let once = |connection: &&Connection| streams[connection.stream].laps == Laps::Once;
        let busy_once = connections.iter().filter(once).count();
        Ok(Self {
            epoll,
            streams,
            busy: connections.len(),
            busy_once,
            connections,
            tallies: (0..streams.len()).map(tally).collect(),
            buffer: vec![0; READ_BYTES],
            stopping: false,
            enough: None,
        })
    }

    fn drive(&mut self, timing: Option<Timing>, server_cpu: &Cpu) -> Outcome<Measured> {
        let mut started = Mark::now(server_cpu)?;
        let mut warm = timing.is_none();
        let mut measured = None;
        for at in 0..self.connections.len() {
            self.next_batch(at, Instant::now())?;
        }
        let mut events = Vec::with_capacity(self.connections.len());
        while self.busy > 0 {
            let patience = Timespec { tv_sec: PATIENCE_SECONDS, tv_nsec: 0 };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&patience)) {
                Ok(0) => return Err(Failure("the server answers too little, or no more".into())),
                Err(error) if error != rustix::io::Errno::INTR => return Err(error.into()),
                _ => {}
            }
            for event in events.drain(..) {
                self.handle(event.data.u64() as usize, event.flags)?;
            }
            self.stopping |= self.enough.is_some_and(|enough| enough.load(Relaxed));
            if let Some(timing) = timing {
                if !warm && started.at.elapsed() >= timing.warm_up {
                    warm = true;
                    self.clear_tallies();
                    started = Mark::now(server_cpu)?;
                } else if warm && !self.stopping && started.at.elapsed() >= timing.measured {
                    measured = Some(self.measured(&started, server_cpu)?);
                    self.stopping = true;
                }
            }
        }
        match measured {
            Some(measured) => Ok(measured),
            None => self.measured(&started, server_cpu),
        }
    }

    fn clear_tallies(&mut self) {
        for tally in &mut self.tallies {
            tally.operations = 0;
            tally.latency.clear();
        }
    }

    /// What was done since `started`; takes the tallies.
    fn measured(&mut self, started: &Mark, server_cpu: &Cpu) -> Outcome<Measured> {
        let now = Mark::now(server_cpu)?;
        let fresh = |_: &Tally| Tally { operations: 0, latency: Histogram::new() };
        let fresh = self.tallies.iter().map(fresh).collect();
        Ok(Measured {
            elapsed: now.at - started.at,
            server_cpu: now.server_cpu.saturating_sub(started.server_cpu),
            load_cpu: now.load_cpu.saturating_sub(started.load_cpu),
            tallies: std::mem::replace(&mut self.tallies, fresh),
        })
    }

    fn handle(&mut self, at: usize, flags: epoll::EventFlags) -> Outcome<()> {
        if flags.contains(epoll::EventFlags::OUT) {
            self.connections[at].write(&self.epoll, at)?;
        }
        if !flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP) {
            return Ok(());
        }
        let connection = &mut self.connections[at];
        let received = match (&connection.socket).read(&mut self.buffer) {
            Ok(0) => return Err(Failure("the server closed a connection".into())),
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if !connection.take(&self.buffer[..received])? {
            return Ok(());
        }
        let now = Instant::now();
        let tally = &mut self.tallies[connection.stream];
        tally.operations += connection.batch.len() as u64;
        tally.latency.record(now - connection.sent_at);
        self.next_batch(at, now)
    }

    /// Sends the connection's next batch, or ends it when it has none.
    fn next_batch(&mut self, at: usize, now: Instant) -> Outcome<()> {
        let connection = &mut self.connections[at];
        let stream = &self.streams[connection.stream];
        let mut start = connection.batch.end;
        if start == connection.lap.end {
            start = connection.lap.start;
        }
        let through = connection.batches > 0 && start == connection.lap.start;
        // Requests go in pairs: a lock that was set is deleted before the end.
        let pair_ended = start.is_multiple_of(2);
        if (self.stopping && pair_ended) || (stream.laps == Laps::Once && through) {
            self.busy -= 1;
            if stream.laps == Laps::Once {
                self.busy_once -= 1;
                self.stopping |= self.busy_once == 0;
            }
            return Ok(());
        }
        connection.batch = start..(start + stream.pipeline).min(connection.lap.end);
        connection.unsent = stream.strip.requests.span(&connection.batch);
        let checked = connection.batches.is_multiple_of(stream.check_every);
        connection.awaited = match &stream.strip.replies {
            Replies::Exact(replies) if checked => Awaited::Exact(replies.span(&connection.batch)),
            Replies::Exact(replies) => Awaited::Sized(replies.span(&connection.batch)),
            Replies::Kind(kind) => {
                connection.skipper.expect_kind(*kind);
                Awaited::Replies(connection.batch.len())
            }
        };
        connection.batches = connection.batches.wrapping_add(1).max(1);
        connection.sent_at = now;
        connection.write(&self.epoll, at)
    }
}

impl Connection<'_> {
    /// Writes what the socket takes, and watches for more room while it does not take all.
    fn write(&mut self, epoll: &OwnedFd, at: usize) -> Outcome<()> {
        while !self.unsent.is_empty() {
            match (&self.socket).write(self.unsent) {
                Ok(written) => self.unsent = &self.unsent[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        if self.watches_writable == self.unsent.is_empty() {
            self.watches_writable = !self.unsent.is_empty();
            let mut flags = epoll::EventFlags::IN;
            flags.set(epoll::EventFlags::OUT, self.watches_writable);
            epoll::modify(epoll, &self.socket, epoll::EventData::new_u64(at as u64), flags)?;
        }
        Ok(())
    }

    /// Takes received bytes; true when the batch is answered.
    fn take(&mut self, received: &[u8]) -> Outcome<bool> {
        match &mut self.awaited {
            Awaited::Replies(left) => {
                let completed = self.skipper.feed(received)?;
                if completed > *left {
                    return Err(Failure("more replies than requests".into()));
                }
                *left -= completed;
                Ok(*left == 0)
            }
            Awaited::Exact(left) => match left.strip_prefix(received) {
                Some(rest) => {
                    *left = rest;
                    Ok(rest.is_empty())
                }
                None => Err(wrong_reply(received, left)),
            },
            Awaited::Sized(left) => {
                if received.len() > left.len() || received[0] != left[0] {
                    return Err(wrong_reply(received, left));
                }
                // Within a reply, pieces may start anywhere: the comparison above still holds,
                // because the expected bytes are consumed in step.
                *left = &left[received.len()..];
                Ok(left.is_empty())
            }
        }
    }
}

fn wrong_reply(received: &[u8], expected: &[u8]) -> Failure {
    let at = received.iter().zip(expected).take_while(|(got, want)| got == want).count();
    let text = |bytes: &[u8]| {
        let bytes = &bytes[at.min(bytes.len())..(at + 60).min(bytes.len())];
        format!("{:?}", String::from_utf8_lossy(bytes))
    };
    Failure(format!("wrong reply: {} where {} was due", text(received), text(expected)))
}

#[cfg(test)]
mod tests {
    use super::super::strip::fill_strip;
    use super::*;

    #[test]
    fn laps_cover_all_requests_once() {
        let strip = fill_strip(10_000, &[]);
        for (connections, requests) in [(1, 0..10_000), (50, 0..10_000), (3, 100..777)] {
            let mut stream = Stream::new(&strip, connections, 16, Laps::Once);
            stream.requests = requests.clone();
            let mut next = requests.start;
            for at in 0..connections {
                let lap = stream.lap(at);
                assert_eq!(lap.start, next);
                assert!(at + 1 == connections || lap.len().is_multiple_of(LAP_UNIT));
                next = lap.end;
            }
            assert_eq!(next, requests.end);
        }
    }

    #[test]
    fn a_wrong_reply_is_shown_from_where_it_differs() {
        let Failure(text) = wrong_reply(b"$3\r\nabc\r\n", b"$3\r\nabd\r\n");
        assert_eq!(text, r#"wrong reply: "c\r\n" where "d\r\n" was due"#);
    }

    /// A server of one connection that answers whatever arrives with `reply`, once.
    fn answering(reply: &'static [u8]) -> Outcome<u16> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        std::thread::spawn(move || -> Outcome<()> {
            let (mut socket, _) = listener.accept()?;
            let mut asked = [0; 4096];
            if socket.read(&mut asked)? > 0 {
                socket.write_all(reply)?;
            }
            // Until the other side has seen the reply and closes.
            while socket.read(&mut asked)? > 0 {}
            Ok(())
        });
        Ok(port)
    }

    fn set_twice(port: u16) -> Outcome<Measured> {
        let strip = fill_strip(2, &[]);
        run(port, &[Stream::new(&strip, 1, 2, Laps::Once)], None, &Cpu::own())
    }

    #[test]
    fn only_the_right_replies_count() -> Outcome<()> {
        let measured = set_twice(answering(b"+OK\r\n+OK\r\n")?)?;
        assert_eq!((measured.tallies[0].operations, measured.tallies[0].latency.total()), (2, 1));
        for wrong in [&b"+OK\r\n+OK\r\n+"[..], b"-ERR no\r\n", b"+OK\r\n-ERR\r\n", b"$2\r\nOK\r\n"]
        {
            assert!(set_twice(answering(wrong)?).is_err());
        }
        Ok(())
    }

    #[test]
    fn a_load_ends_by_time_with_its_streams_side_by_side() -> Outcome<()> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        std::thread::spawn(move || -> Outcome<()> {
            for socket in listener.incoming() {
                let mut socket = socket?;
                std::thread::spawn(move || -> Outcome<()> {
                    let mut asked = [0; 4096];
                    while socket.read(&mut asked)? > 0 {
                        socket.write_all(b":7\r\n")?;
                    }
                    Ok(())
                });
            }
            Ok(())
        });
        let mut strip = fill_strip(128, &[]);
        strip.replies = Replies::Kind(b':');
        let stream = Stream::new(&strip, 2, 1, Laps::Endless);
        let short = Duration::from_millis(20);
        let timing = Timing { warm_up: short, measured: short };
        let measured = run(port, &[stream.clone(), stream], Some(timing), &Cpu::own())?;
        assert!(measured.elapsed >= short && measured.tallies.len() == 2);
        assert!(measured.tallies.iter().all(|tally| tally.operations > 0));
        Ok(())
    }
}

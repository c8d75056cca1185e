//! A client of each server that listens to everything while a stream runs: to messages, and to the
//! events of keys. Both must hear the same, in the same order.

use std::io;

use crate::known::says;
use crate::link::Link;
use crate::oracle::{Oracle, Product};
use crate::server::Server;
use crate::stream::{Command, Resp};

/// What it listens to, each with as many answers as it has names. One pattern alone: which of
/// several comes first is left to a server.
const SUBSCRIPTIONS: &[&str] = &["SUBSCRIBE news other", "PSUBSCRIBE *", "SSUBSCRIBE shard"];
/// Where the streams' ends are announced.
const ENDS: &str = "(end)";
/// All classes but the expired keys, which each server notices when it does.
const EVENTS: &str = "KEg$lshznm";
/// And those of values that took the place of others, where they are known.
const MORE_EVENTS: &str = "KEg$lshznmoc";

/// The classes of events that are compared with an oracle's.
pub fn events(oracle: &Oracle) -> &'static str {
    match oracle.product {
        Product::Redis if oracle.series() >= (8, 2) => MORE_EVENTS,
        _ => EVENTS,
    }
}

/// The listener of one server.
#[derive(Debug)]
pub struct Listener {
    link: Link,
    streams: u64,
}

impl Listener {
    /// Listens to a server from now on.
    pub fn start(server: &Server, events: &str) -> io::Result<Listener> {
        let mut setup = Link::open(server, Resp::Two, None)?;
        setup.call(&Command::new(["CONFIG", "SET", "notify-keyspace-events", events]))?;
        let mut link = Link::open(server, Resp::Two, None)?;
        for line in SUBSCRIPTIONS {
            let command = Command::new(line.split(' '));
            link.call(&command)?;
            for _ in 2..command.args.len() {
                link.frame(&command)?;
            }
        }
        Ok(Listener { link, streams: 0 })
    }

    /// Announces, by a client's connection, that a stream begins.
    pub fn begin(&mut self, client: &mut Link) -> io::Result<()> {
        self.streams += 1;
        self.announce(client, "begin")
    }

    /// Announces that it has ended; everything that was heard between.
    pub fn end(&mut self, client: &mut Link) -> io::Result<Vec<Vec<u8>>> {
        self.announce(client, "end")?;
        let (begin, end) = (self.announcement("begin"), self.announcement("end"));
        let mut heard = Vec::new();
        loop {
            let frame = self.link.frame(&end)?;
            let is = |command: &Command| says(frame, &command.args[2]);
            if is(&begin) {
                heard.clear();
            } else if is(&end) {
                return Ok(heard);
            } else {
                heard.push(frame.to_vec());
            }
        }
    }

    fn announcement(&self, what: &str) -> Command {
        Command::new(["PUBLISH", ENDS, &format!("{ENDS} {what} {};", self.streams)])
    }

    fn announce(&self, client: &mut Link, what: &str) -> io::Result<()> {
        client.call(&self.announcement(what)).map(drop)
    }
}

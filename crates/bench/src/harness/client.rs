//! A blocking client for single questions: is it there, how many keys, which version.

use super::outcome::{Failure, Outcome};
use super::strip::render;
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// A reply may take so long while a server is busy with a fill.
const REPLY_PATIENCE: Duration = Duration::from_secs(10);

/// One connection.
pub struct Client {
    socket: TcpStream,
    received: Vec<u8>,
}

impl Client {
    pub fn connect(port: u16) -> Outcome<Self> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(REPLY_PATIENCE))?;
        Ok(Self { socket, received: Vec::new() })
    }

    /// Has replies waited for up to so long.
    pub fn wait_up_to(&self, patience: Duration) -> Outcome<()> {
        Ok(self.socket.set_read_timeout(Some(patience))?)
    }

    /// Sends one command and waits for its reply.
    pub fn ask(&mut self, args: &[&[u8]]) -> Outcome<OwnedFrame> {
        let mut request = Vec::new();
        render(&mut request, args);
        self.socket.write_all(&request)?;
        self.received.clear();
        let mut piece = [0; 4096];
        loop {
            let bytes = self.socket.read(&mut piece)?;
            if bytes == 0 {
                return Err(Failure("the server closed the connection".into()));
            }
            self.received.extend_from_slice(&piece[..bytes]);
            let decoded = decode(&self.received)
                .map_err(|error| Failure(format!("unreadable reply: {error}")))?;
            match decoded {
                Some((OwnedFrame::Error(text), _)) => return Err(Failure(text)),
                Some((frame, _)) => return Ok(frame),
                None => {}
            }
        }
    }

    pub fn ping(&mut self) -> Outcome<()> {
        match self.ask(&[b"PING"])? {
            OwnedFrame::SimpleString(text) if text == b"PONG" => Ok(()),
            other => Err(Failure(format!("PING was answered with {other:?}"))),
        }
    }

    /// How many keys the server counts, those included that are past their deadline and not yet
    /// removed.
    pub fn dbsize(&mut self) -> Outcome<usize> {
        match self.ask(&[b"DBSIZE"])? {
            OwnedFrame::Integer(keys) => Ok(usize::try_from(keys).unwrap_or(0)),
            other => Err(Failure(format!("DBSIZE was answered with {other:?}"))),
        }
    }

    /// A field of INFO, if there is one.
    pub fn info(&mut self, field: &str) -> Option<String> {
        let OwnedFrame::BulkString(text) = self.ask(&[b"INFO"]).ok()? else {
            return None;
        };
        let text = String::from_utf8(text).ok()?;
        let mut values = text.lines().filter_map(|line| line.split_once(':'));
        values.find(|(name, _)| *name == field).map(|(_, value)| value.trim().to_string())
    }

    /// A field of INFO that is a number.
    pub fn info_number(&mut self, field: &str) -> Outcome<f64> {
        let number = self.info(field).and_then(|text| text.parse().ok());
        number.ok_or_else(|| Failure(format!("INFO has no {field}")))
    }
}

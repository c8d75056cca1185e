//! The conversation with one replica: what it asks for, the full sync if it needs one, the stream,
//! and what it says it has.

use super::sync::{Body, Start};
use super::{Ask, Newcomer, Replica, State, Transport};
use crate::replication::{Id, Replication};
use crate::system::log;
use bytes::{Buf, Bytes, BytesMut};
use redstart_config::Setting;
use redstart_protocol::{Args, Limits, Parser, Step, parse_u64};
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Notify, oneshot};

/// Bytes of the stream that are sent at a time, about.
const SEND_BYTES: usize = 256 * 1024;
/// Bytes of a file that are sent at a time.
const FILE_BYTES: usize = 64 * 1024;
/// How often a replica that waits is sent the end of a line, so that it knows of the wait.
const PATIENCE: Duration = Duration::from_secs(1);
/// What a replica may send; it says little.
const LIMITS: Limits = Limits { bulk_bytes_max: 64 * 1024, args_max: 64, ..Limits::DEFAULT };

/// The end of a full sync whose length is not known before.
type Mark = Id;

impl Replication {
    /// Takes a client on as a replica, until its connection ends.
    pub(in crate::replication) async fn serve(&'static self, newcomer: Newcomer) {
        let now_ms = self.parts.clock.now().mono_ms;
        let replica = Arc::new(Replica::new(&newcomer, now_ms));
        self.replicas.add(&replica);
        let addr = &replica.info.addr;
        let ended = match (newcomer.open)() {
            Ok(stream) => self.converse(&replica, stream, newcomer.asks).await,
            Err(error) => Err(error),
        };
        self.replicas.remove(&replica);
        self.parts.clients.remove(replica.info.id);
        replica.info.release();
        match ended {
            _ if replica.info.is_ended() => {
                log::notice(format_args!("The connection with replica {addr} was ended"));
            }
            Ok(()) => log::notice(format_args!("Connection with replica {addr} lost.")),
            Err(error) => {
                log::notice(format_args!("Connection with replica {addr} lost: {error}"));
            }
        }
        self.count_good(self.parts.clock.now().mono_ms);
    }

    async fn converse(
        &'static self,
        replica: &Arc<Replica>,
        stream: Box<dyn Transport>,
        asks: Ask,
    ) -> io::Result<()> {
        let (reads, writes) = tokio::io::split(stream);
        let acked = Notify::new();
        let killed = poll_fn(|cx| match replica.info.is_killed(cx.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        let writer = Writer { replication: self, replica, out: writes, acked: &acked };
        tokio::select! {
            ended = self.hear(replica, reads, &acked) => ended,
            ended = writer.run(asks) => ended,
            () = killed => Ok(()),
        }
    }

    /// Reads what a replica says until its connection ends.
    async fn hear(
        &self,
        replica: &Replica,
        mut reads: ReadHalf<Box<dyn Transport>>,
        acked: &Notify,
    ) -> io::Result<()> {
        let (mut input, mut parser, mut spans) = (BytesMut::new(), Parser::default(), Vec::new());
        loop {
            if reads.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
            loop {
                spans.clear();
                match parser.parse(&mut input, 0, &mut spans, &LIMITS) {
                    Ok(Step::Complete { end }) => {
                        self.note_said(replica, Args::new(&input, &spans), acked);
                        input.advance(end);
                    }
                    Ok(Step::Incomplete { .. }) => break,
                    Err(_) => return Err(io::ErrorKind::InvalidData.into()),
                }
                if input.is_empty() {
                    break;
                }
            }
        }
    }

    /// `REPLCONF ACK offset [FACK offset]`; whatever else a replica says needs no answer.
    fn note_said(&self, replica: &Replica, args: Args<'_>, acked: &Notify) {
        let is = |at: usize, word: &str| {
            args.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
        };
        if !is(0, "replconf") {
            return;
        }
        for at in (1..args.len().saturating_sub(1)).step_by(2) {
            let Some(offset) = parse_u64(&args[at + 1]) else { continue };
            if is(at, "ack") {
                replica.acked.fetch_max(offset, AcqRel);
                replica.acked_ms.store(self.parts.clock.now().mono_ms, Relaxed);
                acked.notify_one();
            } else if is(at, "fack") {
                replica.acked_disk.fetch_max(offset, AcqRel);
            }
        }
        self.settle_waits();
    }
}

/// What writes to a replica.
struct Writer<'a> {
    replication: &'static Replication,
    replica: &'a Arc<Replica>,
    out: WriteHalf<Box<dyn Transport>>,
    /// The replica has said what it has.
    acked: &'a Notify,
}

impl Writer<'_> {
    async fn run(mut self, asks: Ask) -> io::Result<()> {
        let position = match self.go_on(&asks) {
            Some((position, reply)) => {
                self.write(reply.as_bytes()).await?;
                position
            }
            None => self.sync_fully(&asks).await?,
        };
        self.replica.set_state(State::Online);
        self.replica.acked_ms.store(self.now_ms(), Relaxed);
        log::notice(format_args!("Replica {} is online", self.replica.info.addr));
        self.replication.count_good(self.now_ms());
        self.send_stream(position).await
    }

    fn now_ms(&self) -> u64 {
        self.replication.parts.clock.now().mono_ms
    }

    /// Where the replica can go on, and what it is told then; None if it needs everything.
    fn go_on(&self, asks: &Ask) -> Option<(u64, String)> {
        let Ask::From(id, offset) = asks else { return None };
        let Replication { stream, ids, replicas, .. } = self.replication;
        let addr = &self.replica.info.addr;
        let ids = ids.lock().clone();
        let position = u64::try_from(*offset).ok().and_then(|offset| offset.checked_sub(1));
        // Held before it is looked at whether it is there, so that it stays.
        self.replica.position.store(position.unwrap_or(super::NOTHING), Release);
        let extent = stream.extent();
        let known = ids.knows(id, *offset) && extent.is_kept;
        match position.filter(|at| known && (extent.begin..=extent.end).contains(at)) {
            Some(position) => {
                replicas.partial.fetch_add(1, Relaxed);
                log::notice(format_args!(
                    "Partial resynchronization request from {addr} accepted. Sending {} bytes of \
                     backlog starting from offset {offset}.",
                    extent.end - position
                ));
                let id = String::from_utf8_lossy(&ids.id);
                let reply = match self.replica.said.renames {
                    true => format!("+CONTINUE {id}\r\n"),
                    false => "+CONTINUE\r\n".to_owned(),
                };
                Some((position, reply))
            }
            None => {
                self.replica.position.store(super::NOTHING, Release);
                if &id[..] != b"?" {
                    replicas.refused.fetch_add(1, Relaxed);
                    log::notice(format_args!(
                        "Partial resynchronization not accepted: {addr} asks for {} from offset \
                         {offset}",
                        id.escape_ascii()
                    ));
                }
                None
            }
        }
    }

    /// Sends everything; returns where the stream goes on.
    async fn sync_fully(&mut self, asks: &Ask) -> io::Result<u64> {
        self.replication.replicas.full.fetch_add(1, Relaxed);
        let started = self.replication.join_sync(self.replica);
        let Start { id, offset, db, body } = self.await_start(started).await?;
        self.replica.set_state(State::Syncs);
        let id = String::from_utf8_lossy(&id);
        let mut head = match asks {
            Ask::All => String::new(),
            // An RDB says itself which database is selected.
            Ask::From(..) if self.replica.said.is_ours => {
                format!("+FULLRESYNC {id} {offset} {db}\r\n")
            }
            Ask::From(..) => format!("+FULLRESYNC {id} {offset}\r\n"),
        };
        match body {
            Body::File(file, len) => {
                head += &format!("${len}\r\n");
                self.write(head.as_bytes()).await?;
                self.send_file(&file, len).await?;
            }
            Body::Pieces(mut pieces) => {
                let mark: Mark = crate::replication::id::random();
                head += &format!("$EOF:{}\r\n", String::from_utf8_lossy(&mark));
                self.write(head.as_bytes()).await?;
                let mut last = false;
                while let Some(piece) = pieces.recv().await {
                    last = piece.is_empty();
                    self.write(&piece).await?;
                }
                if !last {
                    return Err(io::Error::other("the snapshot was given up"));
                }
                self.write(&mark).await?;
            }
        }
        if self.replica.said.file_only {
            self.replica.position.store(super::NOTHING, Release);
            self.replica.set_state(State::Done);
            // It ends the connection itself.
            std::future::pending::<()>().await;
        }
        if matches!(asks, Ask::From(..)) && head.contains("$EOF:") {
            // Bytes that come with the mark would be taken for the snapshot's.
            self.acked.notified().await;
        }
        Ok(offset)
    }

    /// Waits for the beginning of the full sync, and lets the replica know of the wait.
    async fn await_start(&mut self, mut started: oneshot::Receiver<Start>) -> io::Result<Start> {
        loop {
            tokio::select! {
                start = &mut started => {
                    return start.map_err(|_| io::Error::other("the snapshot was given up"));
                }
                () = tokio::time::sleep(PATIENCE) => self.write(b"\n").await?,
            }
        }
    }

    async fn send_file(&mut self, file: &File, len: u64) -> io::Result<()> {
        let (mut at, mut piece) = (0, vec![0; FILE_BYTES]);
        while at < len {
            let most = (len - at).min(FILE_BYTES as u64) as usize;
            let read = file.read_at(&mut piece[..most], at)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.write(&piece[..read]).await?;
            at += read as u64;
        }
        Ok(())
    }

    /// Sends the stream from `position` on.
    async fn send_stream(&mut self, mut position: u64) -> io::Result<()> {
        loop {
            let read = self.replication.stream.read(position, SEND_BYTES);
            let pieces = read.ok_or_else(|| io::Error::other("the stream is not there"))?;
            if pieces.is_empty() {
                self.replica.info.set_output(0, 0);
                self.replica.more.notified().await;
                continue;
            }
            self.write_all(&pieces).await?;
            let sent: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
            position += sent;
            self.replica.position.store(position, Release);
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(&[Bytes::copy_from_slice(bytes)]).await
    }

    /// Writes pieces one behind the other. A replica that takes nothing for too long is lost.
    async fn write_all(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        let timeout_s = self.replication.parts.config.read().count(Setting::ReplTimeout) as u64;
        let timeout = Duration::from_secs(timeout_s);
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = &mut slices[..];
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            let written = tokio::time::timeout(timeout, self.out.write_vectored(left)).await??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.replication.replicas.sent.fetch_add(written as u64, Relaxed);
            IoSlice::advance_slices(&mut left, written);
        }
        Ok(())
    }
}

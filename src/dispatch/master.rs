//! The stream of this server's master: its requests go the way of a client's, batch by batch, and
//! past all gates. What has run counts for the offset, and is passed on as it came.
//!
//! While a batch runs, nobody takes a snapshot for a replica: the snapshot would hold what its
//! offset does not count.

use crate::dispatch::SHARED_ARGUMENT_MIN;
use crate::dispatch::batch::{Source, What, look_up, parse_batch};
use crate::dispatch::execute::execute_batch;
use crate::dispatch::worker::Worker;
use crate::replication::link::Link;
use crate::replication::words;
use crate::session::Session;
use bytes::{Buf, BytesMut};
use redstart_protocol::{Args, Limits, Parser, Span, Step};
use std::ops::Range;

/// Runs the requests in the worker's buffer; what is left of it is kept by the session.
pub fn run_shared(session: &mut Session, worker: &mut Worker, input: &mut [u8]) {
    hear(session);
    let mut used = 0;
    while let Some(end) = parse_batch(session, worker, input, used) {
        let from = std::mem::replace(&mut used, end);
        run_batch(session, worker, Source::Borrowed(input), from..end);
        if !goes_on(session, worker) {
            break;
        }
    }
    if !session.closing {
        session.keep_input(&input[used..]);
    }
}

/// Runs the requests in the session's own input.
pub fn run_kept(session: &mut Session, worker: &mut Worker) {
    hear(session);
    session.input_waits = false;
    let mut input = std::mem::take(&mut session.input);
    while let Some(end) = parse_batch(session, worker, &mut input, 0) {
        if worker.spans.iter().any(|span| span.len >= SHARED_ARGUMENT_MIN) {
            let shared = input.split_to(end).freeze();
            run_batch(session, worker, Source::Shared(&shared), 0..end);
        } else {
            run_batch(session, worker, Source::Borrowed(&input), 0..end);
            input.advance(end);
        }
        if !session.input.is_empty() {
            session.input.extend_from_slice(&input);
            input = std::mem::take(&mut session.input);
        }
        if !goes_on(session, worker) {
            break;
        }
    }
    if session.closing {
        return;
    }
    if input.is_empty() {
        session.wanted = 0;
        input = BytesMut::new();
    }
    session.input = input;
    session.info.set_input(session.input.len());
}

fn hear(session: &Session) {
    if let Some(master) = &session.master {
        master.heard(session.server.clock.now().mono_ms);
    }
}

/// Whether the next batch runs at once.
fn goes_on(session: &mut Session, worker: &Worker) -> bool {
    if session.is_waiting() || worker.turns.is_over() {
        session.input_waits = true;
    }
    !session.closing && !session.input_waits
}

/// Runs a batch, which is these bytes.
fn run_batch(session: &mut Session, worker: &mut Worker, source: Source<'_>, bytes: Range<usize>) {
    let replication = session.server.replication;
    let turn = session.master.as_ref().and_then(|master| master.turn(replication));
    let Some(_turn) = turn else {
        session.closing = true;
        return;
    };
    let input = match source {
        Source::Borrowed(input) => input,
        Source::Shared(input) => input,
    };
    unwrap(session, worker, input);
    worker.local.insists = true;
    Link::applying(|| execute_batch(session, worker, source));
    worker.local.insists = false;
    session.out.clear();
    let bytes = &input[bytes];
    let ran =
        if session.input.is_empty() { bytes.len() } else { end_of(bytes, worker.batch.len()) };
    if ran < bytes.len() {
        // What has to wait was put back, but not always as it came.
        session.input.clear();
        session.input.extend_from_slice(&bytes[ran..]);
    }
    let (db, in_transaction) = (session.db, session.queue.is_some());
    if let Some(master) = &mut session.master {
        master.ran(&bytes[..ran], db, in_transaction, replication);
        if let Some(answer) = master.answer(replication.offset()) {
            session.out.raw(&answer);
        }
    }
}

/// Where the first `count` requests end in what was parsed before.
fn end_of(bytes: &[u8], count: usize) -> usize {
    let (mut copy, mut parser, mut spans) = (bytes.to_vec(), Parser::default(), Vec::new());
    let (mut end, mut found) = (0, 0);
    while found < count {
        spans.clear();
        match parser.parse(&mut copy, end, &mut spans, &Limits::DEFAULT) {
            Ok(Step::Complete { end: next }) => end = next,
            _ => break,
        }
        found += usize::from(!spans.is_empty());
    }
    end
}

/// Puts what only Redstart understands in the place of what it is wrapped in.
fn unwrap(session: &Session, worker: &mut Worker, input: &[u8]) {
    let Worker { spans, keys, batch, .. } = worker;
    for request in batch {
        let [name, option, text] = spans[request.args.clone()] else { continue };
        let word = |span: Span| &input[span.start as usize..][..span.len as usize];
        let is = |span, known: &str| word(span).eq_ignore_ascii_case(known.as_bytes());
        if !is(name, "replconf") || !is(option, "capa") {
            continue;
        }
        let Some(wrapped) = words::unwrap(word(text)) else { continue };
        let at = text.start + (text.len - wrapped.len() as u32);
        let (mut copy, mut inner) = (wrapped.to_vec(), Vec::new());
        let step = Parser::default().parse(&mut copy, 0, &mut inner, &Limits::DEFAULT);
        if step != Ok(Step::Complete { end: wrapped.len() }) {
            request.what = What::Unknown;
            continue;
        }
        let (first, first_key) = (spans.len(), keys.len());
        spans.extend(inner.iter().map(|span| Span { start: span.start + at, len: span.len }));
        let args = Args::new(input, &spans[first..]);
        request.what = look_up(session, 0, args, keys, &mut false).0;
        (request.args, request.keys) = (first..spans.len(), first_key..keys.len());
    }
}

//! The request parser against itself and against an independent one.
//!
//! The input is two bytes of how to cut, then a stream. Two laws:
//!
//! - However the stream is cut into reads, the same requests and the same error come out of it.
//! - Where the stream begins with an array of bulk strings in its one right encoding, our parser
//!   and redis-protocol's see the same arguments, ending at the same byte.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use redstart_protocol::{Args, Limits, Parser, ProtocolError, Step};

type Request = Vec<Vec<u8>>;

#[derive(Debug, PartialEq)]
struct Outcome {
    requests: Vec<Request>,
    /// Bytes of an incomplete request, or what was wrong.
    end: Result<usize, ProtocolError>,
}

fuzz_target!(|data: &[u8]| {
    let [how, size, stream @ ..] = data else { return };
    let limits = if how & 1 == 0 { Limits::DEFAULT } else { Limits::UNAUTHENTICATED };
    let limits = Limits { inline_bytes_max: 512, ..limits };
    // Reads of one size, or of sizes that the stream's own bytes give.
    let mut reads = Vec::new();
    let mut rest = stream;
    while let [first, ..] = rest {
        let len = usize::from(if how & 2 == 0 { *size } else { first % (size | 1) }) + 1;
        let (read, after) = rest.split_at(len.min(rest.len()));
        reads.push(read);
        rest = after;
    }
    let kept_max = usize::from(how >> 2);
    let whole = feed(&[stream], 0, &limits);
    assert_eq!(whole, feed(&reads, kept_max, &limits));
    compare(stream);
});

/// What comes out of a stream that arrives in these reads. Used bytes are dropped from the input
/// when they are more than `kept_max`, so that a request is resumed elsewhere than it began.
fn feed(reads: &[&[u8]], kept_max: usize, limits: &Limits) -> Outcome {
    let (mut parser, mut input, mut used) = (Parser::default(), Vec::new(), 0);
    let (mut requests, mut spans) = (Vec::new(), Vec::new());
    for read in reads {
        input.extend_from_slice(read);
        loop {
            spans.clear();
            match parser.parse(&mut input, used, &mut spans, limits) {
                Ok(Step::Complete { end }) => {
                    assert!(parser.is_idle() && end > used && end <= input.len());
                    used = end;
                    requests.push(owned(Args::new(&input, &spans)));
                }
                Ok(Step::Incomplete { need }) => {
                    assert!(need > 0 && spans.is_empty());
                    assert_eq!(parser.is_idle(), used == input.len());
                    break;
                }
                Err(error) => {
                    assert!(spans.is_empty());
                    return Outcome { requests, end: Err(error) };
                }
            }
        }
        if used > kept_max {
            input.drain(..used);
            used = 0;
        }
    }
    Outcome { requests, end: Ok(input.len() - used) }
}

fn compare(stream: &[u8]) {
    // Their recursion has no bound of its own.
    if stream.iter().filter(|&&byte| byte == b'*').count() > 20 {
        return;
    }
    let (mut input, mut spans) = (stream.to_vec(), Vec::new());
    let step = Parser::default().parse(&mut input, 0, &mut spans, &Limits::DEFAULT);
    let request = owned(Args::new(&input, &spans));
    match (their_request(stream), step) {
        (Some(theirs), Ok(Step::Complete { end })) => assert_eq!((request, end), theirs),
        (Some(theirs), other) => panic!("{other:?}, but there is {theirs:?}"),
        (None, Ok(Step::Complete { end })) => assert_ne!(encode(&request), stream[..end]),
        (None, _) => {}
    }
}

/// The array of bulk strings that the stream begins with, and its length, when it is encoded as
/// we would encode it.
fn their_request(stream: &[u8]) -> Option<(Request, usize)> {
    let (OwnedFrame::Array(frames), len) = decode(stream).ok()?? else { return None };
    let argument = |frame| match frame {
        OwnedFrame::BulkString(bytes) => Some(bytes),
        _ => None,
    };
    let request: Request = frames.into_iter().map(argument).collect::<Option<_>>()?;
    (encode(&request) == stream[..len]).then_some((request, len))
}

fn encode(request: &Request) -> Vec<u8> {
    let mut stream = format!("*{}\r\n", request.len()).into_bytes();
    for argument in request {
        stream.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        stream.extend_from_slice(argument);
        stream.extend_from_slice(b"\r\n");
    }
    stream
}

fn owned(args: Args) -> Request {
    args.iter().map(<[u8]>::to_vec).collect()
}

//! The request parser from outside: every class of malformed input with Redis's answer, and the
//! law of resumption: however a stream is cut into reads, the same requests come out of it.

use proptest::prelude::*;
use redstart_protocol::ProtocolError::*;
use redstart_protocol::{Args, Limits, Parser, ProtocolError, Span, Step};

type Request = Vec<Vec<u8>>;

/// What a stream gives: its whole requests, and how it ends.
#[derive(Debug, PartialEq)]
struct Outcome {
    requests: Vec<Request>,
    end: Result<Rest, ProtocolError>,
}

/// Bytes of an incomplete request.
type Rest = usize;

/// Feeds a stream to a parser as a connection does: read, parse what is whole, go on. What was
/// used is dropped from the input only when it is more than `kept_max`, so that a request is
/// resumed at another place than it began.
fn feed(reads: &[&[u8]], kept_max: usize, limits: &Limits) -> Outcome {
    let (mut parser, mut input, mut used) = (Parser::default(), Vec::new(), 0);
    let mut requests = Vec::new();
    for read in reads {
        input.extend_from_slice(read);
        let mut spans: Vec<Span> = vec![Span::default(); 3];
        loop {
            let from = spans.len();
            let was_idle = parser.is_idle();
            check_plain(&parser, &input, used, &spans, limits);
            match parser.parse(&mut input, used, &mut spans, limits) {
                Ok(Step::Complete { end }) => {
                    assert!(end > used && end <= input.len() && parser.is_idle());
                    used = end;
                    let args = Args::new(&input, &spans[from..]);
                    requests.push(args.iter().map(<[u8]>::to_vec).collect());
                }
                Ok(Step::Incomplete { need }) => {
                    assert!(need > 0 && spans.len() == from);
                    assert_eq!(parser.is_idle(), used == input.len() && was_idle);
                    break;
                }
                Err(error) => return Outcome { requests, end: Err(error) },
            }
        }
        if used > kept_max {
            input.drain(..used);
            used = 0;
        }
    }
    Outcome { requests, end: Ok(input.len() - used) }
}

/// What is parsed as a plain request is what the whole parser finds, and its first word.
fn check_plain(parser: &Parser, input: &[u8], start: usize, spans: &[Span], limits: &Limits) {
    let (mut plain, mut all) = (spans.to_vec(), spans.to_vec());
    let Some((name, end)) = parser.parse_plain(input, start, &mut plain, limits) else {
        assert_eq!(plain, spans);
        return;
    };
    assert!(parser.is_idle());
    let step = Parser::default().parse(&mut input.to_vec(), start, &mut all, limits);
    assert_eq!((step, &plain), (Ok(Step::Complete { end }), &all));
    let first = &Args::new(input, &plain[spans.len()..])[0];
    let mut word = [0; 8];
    word[..first.len()].copy_from_slice(first);
    assert!(name == u64::from_le_bytes(word) && first.last() != Some(&0), "{first:?}");
}

/// Well-formed requests that are plain, and some that are nearly.
#[test]
fn plain_requests_are_those_with_few_arguments_and_short_names() {
    let is_plain = |stream: &[u8]| {
        let mut spans = Vec::new();
        let plain = Parser::default().parse_plain(stream, 0, &mut spans, &Limits::DEFAULT);
        plain.is_some_and(|(_, end)| end == stream.len())
    };
    for (args, plain) in [
        (vec!["GET", "k"], true),
        (vec!["PFCOUNT8", "k"], true),
        (vec!["SISMEMBER", "k", "m"], false),
        (vec!["GET\0", "k"], false),
        (vec!["G\0T", "k"], true),
        (vec!["SET", "a", "b", "c", "d", "e", "f", "g", "h"], true),
        (vec!["SET", "a", "b", "c", "d", "e", "f", "g", "h", "i"], false),
    ] {
        let stream = encode(&request(&args));
        assert_eq!(is_plain(&stream), plain, "{args:?}");
        (0..stream.len()).for_each(|end| assert!(!is_plain(&stream[..end]), "{args:?} {end}"));
    }
}

fn whole(stream: &[u8], limits: &Limits) -> Outcome {
    feed(&[stream], usize::MAX, limits)
}

fn bytewise(stream: &[u8], limits: &Limits) -> Outcome {
    feed(&stream.chunks(1).collect::<Vec<_>>(), 0, limits)
}

fn request(args: &[&str]) -> Request {
    args.iter().map(|arg| arg.as_bytes().to_vec()).collect()
}

/// Each was asked of Redis 7.0.15 over a raw socket, but for the zero byte.
#[test]
fn what_breaks_the_protocol() {
    let table: &[(&[u8], ProtocolError)] = &[
        (b"*2147483648\r\n", InvalidCount),
        (b"*9999999999999999999999\r\n", InvalidCount),
        (b"*\r\n", InvalidCount),
        (b"*+1\r\n", InvalidCount),
        (b"*01\r\n", InvalidCount),
        (b"* 1\r\n", InvalidCount),
        (b"*a\r\n", InvalidCount),
        (b"*-0\r\n", InvalidCount),
        (b"*00\r\n", InvalidCount),
        (b"*1\n$4\r\nPING\r\n", InvalidCount),
        (b"*1:\r\n", InvalidCount),
        (b"*\0\r\n", InvalidCount),
        (b"*1\r\n$-1\r\n", InvalidBulkLength),
        (b"*1\r\n$536870913\r\n", InvalidBulkLength),
        (b"*1\r\n$9223372036854775807\r\n", InvalidBulkLength),
        (b"*1\r\n$9223372036854775808\r\n", InvalidBulkLength),
        (b"*1\r\n$a\r\n", InvalidBulkLength),
        (b"*1\r\n$\r\n", InvalidBulkLength),
        (b"*1\r\n$04\r\nPING\r\n", InvalidBulkLength),
        (b"*1\r\n$004\r\nPING\r\n", InvalidBulkLength),
        (b"*1\r\n$0004\r\nPING\r\n", InvalidBulkLength),
        (b"*1\r\n$+4\r\nPING\r\n", InvalidBulkLength),
        (b"*2\r\n$4\r\nECHO\r\n$x\r\n", InvalidBulkLength),
        (b"*1\r\n4\r\nPING\r\n", ExpectedBulk(b'4')),
        (b"*1\r\n:4\r\n", ExpectedBulk(b':')),
        (b"*1\r\n*1\r\n$4\r\nPING\r\n", ExpectedBulk(b'*')),
        (b"*1\r\n\r\n", ExpectedBulk(b'\r')),
        (b"*1\r\n\n\r\n", ExpectedBulk(b'\n')),
        (b"*1\r\n\xff\r\n", ExpectedBulk(0xff)),
        (b"*1\r\n\0\r\n", ExpectedBulk(0)),
        (b"PING \"a\"b\r\n", UnbalancedQuotes),
        (b"PING 'a\r\n", UnbalancedQuotes),
        (b"PING \"a\\\r\n", UnbalancedQuotes),
    ];
    for (stream, error) in table {
        let after_a_ping = [b"*1\r\n$4\r\nPING\r\n", *stream].concat();
        for (stream, before) in [(*stream, 0), (&after_a_ping[..], 1)] {
            let outcome = whole(stream, &Limits::DEFAULT);
            assert_eq!(outcome.end, Err(*error), "{}", stream.escape_ascii());
            assert_eq!(outcome.requests.len(), before);
            assert_eq!(outcome, bytewise(stream, &Limits::DEFAULT));
        }
    }
}

/// Each was asked of Redis 7.0.15 over a raw socket.
#[test]
fn what_an_unauthenticated_client_may_not_send() {
    let table: &[(&[u8], Option<ProtocolError>)] = &[
        (b"*10\r\n", None),
        (b"*11\r\n", Some(UnauthenticatedCount)),
        (b"*1048577\r\n", Some(UnauthenticatedCount)),
        (b"*2147483648\r\n", Some(InvalidCount)),
        (b"*1\r\n$16384\r\n", None),
        (b"*1\r\n$16385\r\n", Some(UnauthenticatedBulkLength)),
        (b"*1\r\n$536870913\r\n", Some(InvalidBulkLength)),
        (b"PING a b c d e f g h i j k l m n\r\n", None),
    ];
    for (stream, error) in table {
        let outcome = whole(stream, &Limits::UNAUTHENTICATED);
        assert_eq!(outcome.end.as_ref().err(), error.as_ref(), "{}", stream.escape_ascii());
        assert_eq!(outcome, bytewise(stream, &Limits::UNAUTHENTICATED));
        assert!(whole(stream, &Limits::DEFAULT).end.is_ok() || *error == outcome.end.err());
    }
    let argument = format!("*1\r\n$16385\r\n{}\r\n", "x".repeat(16385));
    let outcome = whole(argument.as_bytes(), &Limits::UNAUTHENTICATED);
    assert_eq!(outcome.end, Err(UnauthenticatedBulkLength));
}

/// Each was asked of Redis 7.0.15 over a raw socket.
#[test]
fn what_is_forgiven() {
    let ping = request(&["PING"]);
    let table: &[(&[u8], &[Request])] = &[
        (b"", &[]),
        (b"*0\r\n*-1\r\n*-9223372036854775808\r\n", &[vec![], vec![], vec![]]),
        (b"\r\n\n\r\r\n   \r\n", &[vec![], vec![], vec![], vec![]]),
        (b"*1\rx$4\r\nPING\r\n", std::slice::from_ref(&ping)),
        (b"*1\r\n$4\rxPINGxx*1\r\n$4\r\nPING\r\n", &[ping.clone(), ping.clone()]),
        (b"PING\r\nPING\n", &[ping.clone(), ping.clone()]),
        (b"PING\r\r\n", std::slice::from_ref(&ping)),
        (b"*1\r\n$0\r\n\r\n", &[request(&[""])]),
        (b"GET \"a b\"\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", {
            &[request(&["GET", "a b"]), request(&["GET", "k"])]
        }),
    ];
    for (stream, requests) in table {
        let outcome = whole(stream, &Limits::DEFAULT);
        assert_eq!(outcome.end, Ok(0), "{}", stream.escape_ascii());
        assert_eq!(outcome.requests, *requests, "{}", stream.escape_ascii());
        assert_eq!(outcome, bytewise(stream, &Limits::DEFAULT));
    }
}

#[test]
fn what_is_only_begun() {
    let table: &[(&[u8], usize)] = &[
        (b"", 1),
        (b"*", 1),
        (b"*2147483647\r\n", 1),
        (b"*3\r", 1),
        (b"*1\r\nPING", 1),
        (b"*1\r\n:", 1),
        (b"*1\r\n$4\r", 1),
        (b"*1\r\n$4\r\n", 6),
        (b"*1\r\n$4\r\nPING", 2),
        (b"*1\r\n$4\r\nPING\r", 1),
        (b"*2\r\n$4\r\nPING\r\n", 1),
        (b"*1\r\n$536870912\r\nx", 536_870_913),
        (b"PING", 1),
        (b"PING\r", 1),
        (b"PING \"a", 1),
    ];
    for (stream, expected) in table {
        let (mut parser, mut args) = (Parser::default(), Vec::new());
        let step = parser.parse(&mut stream.to_vec(), 0, &mut args, &Limits::DEFAULT);
        assert_eq!(step, Ok(Step::Incomplete { need: *expected }), "{}", stream.escape_ascii());
        assert_eq!(parser.is_idle(), stream.is_empty());
        assert!(args.is_empty());
        assert_eq!(bytewise(stream, &Limits::DEFAULT).end, Ok(stream.len()));
    }
}

/// The longest line is one byte and its end longer than the limit, as Redis looks only at what it
/// has when no end is in sight.
#[test]
fn lines_have_a_longest_length() {
    let limit = Limits::DEFAULT.inline_bytes_max;
    // What stands before the line, its first byte, its end, and the error.
    let table: [(&[u8], u8, &[u8], ProtocolError); 4] = [
        (b"", b'1', b"\n", InlineTooLong),
        (b"", b'*', b"\r\n", CountLineTooLong),
        (b"*1\r\n", b'1', b"\r\n", BulkLineTooLong),
        (b"*2\r\n$4\r\nPING\r\n", b'$', b"\r\n", BulkLineTooLong),
    ];
    for (before, first, line_end, error) in table {
        let line = |len: usize| [before, &[first], &vec![b'1'; len - 1][..]].concat();
        assert!(whole(&line(limit), &Limits::DEFAULT).end.is_ok());
        assert_eq!(whole(&line(limit + 1), &Limits::DEFAULT).end, Err(error));
        assert_eq!(bytewise(&line(limit + 1), &Limits::DEFAULT).end, Err(error));
        let ended = |len: usize| [&line(len)[..], line_end].concat();
        assert_ne!(whole(&ended(limit), &Limits::DEFAULT).end, Err(error));
        assert_eq!(whole(&ended(limit + 1), &Limits::DEFAULT).end, Err(error));
    }
}

#[test]
fn configured_limits_hold() {
    let limits = Limits { bulk_bytes_max: 1_000_000, args_max: 3, ..Limits::DEFAULT };
    let bulk = |len: usize| format!("*1\r\n${len}\r\n{}\r\n", "x".repeat(len)).into_bytes();
    assert_eq!(whole(&bulk(1_000_000), &limits).end, Ok(0));
    assert_eq!(whole(&bulk(1_000_001), &limits).end, Err(InvalidBulkLength));
    assert_eq!(whole(b"*3\r\n", &limits).end, Ok(4));
    assert_eq!(whole(b"*4\r\n", &limits).end, Err(InvalidCount));
    let limits = Limits { bulk_bytes_max: usize::MAX, args_max: usize::MAX, ..Limits::DEFAULT };
    assert_eq!(whole(b"*1\r\n$4294967296\r\n", &limits).end, Err(InvalidBulkLength));
    assert_eq!(whole(b"*9223372036854775807\r\n$9223372036854775807\r\n", &limits).end, {
        Err(InvalidBulkLength)
    });
}

#[test]
fn many_arguments_in_many_reads() {
    let values: Vec<Vec<u8>> = (0..10_000).map(|i| vec![b'v'; i % 50]).collect();
    let stream = encode(&values);
    let reads: Vec<&[u8]> = stream.chunks(stream.len() / 1000).collect();
    let expected = Outcome { requests: vec![values], end: Ok(0) };
    assert_eq!(feed(&reads, 0, &Limits::DEFAULT), expected);
    assert_eq!(whole(&stream, &Limits::DEFAULT), expected);
}

#[test]
fn a_large_argument_tells_what_it_needs() {
    let stream = encode(&[b"SET".to_vec(), b"k".to_vec(), vec![b'v'; 10_000_000]]);
    let (mut parser, mut args, mut arrived) = (Parser::default(), Vec::new(), 64);
    loop {
        let mut input = stream[..arrived].to_vec();
        match parser.parse(&mut input, 0, &mut args, &Limits::DEFAULT) {
            Ok(Step::Incomplete { need }) => arrived += need,
            Ok(Step::Complete { end }) => break assert_eq!(end, stream.len()),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(arrived, stream.len());
    assert_eq!(args[2].len, 10_000_000);
}

fn encode(args: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        stream.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        stream.extend_from_slice(arg);
        stream.extend_from_slice(b"\r\n");
    }
    stream
}

/// A request as bytes: mostly whole ones, some lines, some garbage that looks like protocol.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let arg = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..20),
        1 => prop::collection::vec(any::<u8>(), 90..110),
        1 => prop::collection::vec(any::<u8>(), 990..1010),
    ];
    prop_oneof![
        6 => prop::collection::vec(arg, 0..12).prop_map(|args| encode(&args)),
        2 => "[ a-c\"'\\\\x0-9\r\t]{0,20}\r?\n".prop_map(String::into_bytes),
        1 => Just(b"*-1\r\n".to_vec()),
        1 => "[*$:0-9a\r\n-]{1,12}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_cut_gives_the_same_requests(
        pieces in prop::collection::vec(piece(), 1..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        kept_max in prop_oneof![Just(0), Just(50), Just(usize::MAX)],
        authenticated: bool,
    ) {
        let limits = if authenticated { Limits::DEFAULT } else { Limits::UNAUTHENTICATED };
        let stream = pieces.concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let reads: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
        let expected = whole(&stream, &limits);
        prop_assert_eq!(&feed(&reads, kept_max, &limits), &expected);
        prop_assert_eq!(&bytewise(&stream, &limits), &expected);
    }

    #[test]
    fn every_boundary_can_be_a_cut(args in prop::collection::vec("[a-z]{0,12}", 1..8)) {
        let args: Request = args.into_iter().map(String::into_bytes).collect();
        let stream = encode(&args);
        let expected = Outcome { requests: vec![args], end: Ok(0) };
        for cut in 0..=stream.len() {
            let reads = [&stream[..cut], &stream[cut..]];
            prop_assert_eq!(&feed(&reads, 0, &Limits::DEFAULT), &expected);
        }
    }
}

//! The redis-protocol crate as the oracle: it reads what `Reply` writes, and our parser reads
//! what it writes.

use proptest::prelude::*;
use redis_protocol::resp2::types::{OwnedFrame as Frame2, Resp2Frame};
use redis_protocol::resp3::types::{OwnedFrame as Frame3, VerbatimStringFormat};
use redis_protocol::{resp2, resp3};
use redstart_protocol::{Args, Limits, Parser, Protocol, Reply, Step, format_f64};
use std::collections::HashSet;

/// A reply, told by what a handler calls.
#[derive(Clone, Debug)]
enum Value {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    BulkInteger(i64),
    Null,
    NullArray,
    Double(f64),
    Boolean(bool),
    BigNumber(String),
    Verbatim(Vec<u8>),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Push(Vec<Value>),
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        "[ -~]{0,10}".prop_map(Value::Simple),
        "ERR [ -~]{0,10}".prop_map(Value::Error),
        any::<i64>().prop_map(Value::Integer),
        (-20i64..20).prop_map(Value::Integer),
        prop::collection::vec(any::<u8>(), 0..120).prop_map(Value::Bulk),
        any::<i64>().prop_map(Value::BulkInteger),
        Just(Value::Null),
        Just(Value::NullArray),
        any::<f64>().prop_map(|value| Value::Double(if value.is_nan() { 0.5 } else { value })),
        any::<bool>().prop_map(Value::Boolean),
        "-?[1-9][0-9]{20,40}".prop_map(Value::BigNumber),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Verbatim),
    ];
    leaf.prop_recursive(3, 40, 6, |inner| {
        let pair = (hashable(), inner.clone());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec(inner, 1..6).prop_map(Value::Push),
            prop::collection::vec(hashable(), 0..6).prop_map(Value::Set),
            prop::collection::vec(pair, 0..4).prop_map(|pairs| Value::Map(distinct(pairs))),
        ]
    })
}

/// The pairs with no key twice, for then the oracle keeps one of them.
fn distinct(mut pairs: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    let mut seen = HashSet::new();
    pairs.retain(|(key, _)| seen.insert(format!("{key:?}")));
    pairs
}

/// What the oracle takes as a map's key or a set's element.
fn hashable() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bulk),
        any::<i64>().prop_map(Value::Integer),
    ]
}

fn write(value: &Value, reply: &mut Reply) {
    match value {
        Value::Simple(text) => reply.simple(text),
        Value::Error(text) => reply.error(text),
        Value::Integer(value) => reply.integer(*value),
        Value::Bulk(bytes) => reply.bulk(bytes),
        Value::BulkInteger(value) => reply.bulk_integer(*value),
        Value::Null => reply.null(),
        Value::NullArray => reply.null_array(),
        Value::Double(value) => reply.double(*value),
        Value::Boolean(value) => reply.boolean(*value),
        Value::BigNumber(digits) => reply.big_number(digits),
        Value::Verbatim(text) => reply.verbatim("mkd", text),
        Value::Array(elements) => {
            reply.array(elements.len());
            elements.iter().for_each(|element| write(element, reply));
        }
        Value::Set(elements) => {
            reply.set(elements.len());
            elements.iter().for_each(|element| write(element, reply));
        }
        Value::Push(elements) => {
            reply.push(elements.len());
            elements.iter().for_each(|element| write(element, reply));
        }
        Value::Map(pairs) => {
            reply.map(pairs.len());
            for (key, value) in pairs {
                write(key, reply);
                write(value, reply);
            }
        }
    }
}

/// What a RESP2 client should read.
fn in_resp2(value: &Value) -> Frame2 {
    match value {
        Value::Simple(text) => Frame2::SimpleString(text.as_bytes().to_vec()),
        Value::Error(text) => Frame2::Error(text.clone()),
        Value::Integer(value) => Frame2::Integer(*value),
        Value::Bulk(bytes) | Value::Verbatim(bytes) => Frame2::BulkString(bytes.clone()),
        Value::BulkInteger(value) => Frame2::BulkString(value.to_string().into_bytes()),
        Value::Null | Value::NullArray => Frame2::Null,
        Value::Double(value) => Frame2::BulkString(format_f64(*value, &mut [0; 32]).into()),
        Value::Boolean(value) => Frame2::Integer(i64::from(*value)),
        Value::BigNumber(digits) => Frame2::BulkString(digits.clone().into_bytes()),
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            Frame2::Array(elements.iter().map(in_resp2).collect())
        }
        Value::Map(pairs) => {
            Frame2::Array(pairs.iter().flat_map(|(k, v)| [in_resp2(k), in_resp2(v)]).collect())
        }
    }
}

/// What a RESP3 client should read.
fn in_resp3(value: &Value) -> Frame3 {
    let attributes = None;
    let all = |elements: &[Value]| elements.iter().map(in_resp3).collect();
    match value {
        Value::Simple(text) => Frame3::SimpleString { data: text.as_bytes().into(), attributes },
        Value::Error(text) => Frame3::SimpleError { data: text.clone(), attributes },
        Value::Integer(value) => Frame3::Number { data: *value, attributes },
        Value::Bulk(bytes) => Frame3::BlobString { data: bytes.clone(), attributes },
        Value::BulkInteger(value) => {
            Frame3::BlobString { data: value.to_string().into_bytes(), attributes }
        }
        Value::Null | Value::NullArray => Frame3::Null,
        Value::Double(value) => Frame3::Double { data: *value, attributes },
        Value::Boolean(value) => Frame3::Boolean { data: *value, attributes },
        Value::BigNumber(digits) => {
            Frame3::BigNumber { data: digits.clone().into_bytes(), attributes }
        }
        Value::Verbatim(text) => Frame3::VerbatimString {
            data: text.clone(),
            format: VerbatimStringFormat::Markdown,
            attributes,
        },
        Value::Array(elements) => Frame3::Array { data: all(elements), attributes },
        Value::Push(elements) => Frame3::Push { data: all(elements), attributes },
        Value::Set(elements) => {
            Frame3::Set { data: elements.iter().map(in_resp3).collect(), attributes }
        }
        Value::Map(pairs) => {
            let data = pairs.iter().map(|(k, v)| (in_resp3(k), in_resp3(v))).collect();
            Frame3::Map { data, attributes }
        }
    }
}

fn written(value: &Value, protocol: Protocol) -> Vec<u8> {
    let mut reply = Reply::new(protocol);
    write(value, &mut reply);
    reply.to_vec()
}

/// The arguments of the one request in `stream`.
fn parsed(mut stream: Vec<u8>) -> Vec<Vec<u8>> {
    let mut spans = Vec::new();
    let step = Parser::default().parse(&mut stream, 0, &mut spans, &Limits::DEFAULT);
    assert_eq!(step, Ok(Step::Complete { end: stream.len() }));
    Args::new(&stream, &spans).iter().map(<[u8]>::to_vec).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn it_reads_what_we_write_in_resp2(value in value()) {
        let bytes = written(&value, Protocol::Resp2);
        let (frame, len) = resp2::decode::decode(&bytes).unwrap().expect("a whole frame");
        prop_assert_eq!(len, bytes.len());
        prop_assert_eq!(frame, in_resp2(&value));
    }

    #[test]
    fn it_reads_what_we_write_in_resp3(value in value()) {
        let bytes = written(&value, Protocol::Resp3);
        let (frame, len) = resp3::decode::complete::decode(&bytes).unwrap().expect("a whole frame");
        prop_assert_eq!(len, bytes.len());
        prop_assert_eq!(frame, in_resp3(&value));
    }

    #[test]
    fn we_read_what_it_writes(
        args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..150), 1..20),
    ) {
        let frame = Frame2::Array(args.iter().cloned().map(Frame2::BulkString).collect());
        let mut bytes = vec![0; frame.encode_len(false)];
        resp2::encode::encode(&mut bytes, &frame, false).unwrap();
        prop_assert_eq!(&parsed(bytes), &args);

        let bulk = |data: &Vec<u8>| Frame3::BlobString { data: data.clone(), attributes: None };
        let frame = Frame3::Array { data: args.iter().map(bulk).collect(), attributes: None };
        let mut bytes = vec![0; bytes_len(&frame)];
        resp3::encode::complete::encode(&mut bytes, &frame, false).unwrap();
        prop_assert_eq!(&parsed(bytes), &args);
    }
}

fn bytes_len(frame: &Frame3) -> usize {
    use redis_protocol::resp3::types::Resp3Frame;
    frame.encode_len(false)
}

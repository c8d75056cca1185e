//! A reply that comes in pieces is the reply that would have come at once, as the values were at
//! the moment of the command, whatever becomes of them between the pieces.

use redstart_engine::driver::Driver;
use redstart_protocol::Protocol;
use std::collections::BTreeSet;

const ELEMENTS: usize = 30_000;

/// A driver with a large value of each type. Numbers are in no order, in pairs of equal ones.
fn filled(protocol: Protocol) -> Driver {
    let mut driver = Driver::new(7);
    driver.protocol = protocol;
    let number = |n: usize| (n / 2 * 7919 % ELEMENTS).to_string();
    let fill = |driver: &mut Driver, command: &str, words: &dyn Fn(usize) -> Vec<String>| {
        let command: Vec<String> = command.split(' ').map(String::from).collect();
        for first in (0..ELEMENTS).step_by(500) {
            let all = command.iter().cloned().chain((first..first + 500).flat_map(words));
            let all: Vec<String> = all.collect();
            driver.call(&all.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
        }
    };
    fill(&mut driver, "RPUSH list", &|n| vec![format!("{:0>30}", number(n))]);
    fill(&mut driver, "RPUSH words", &|n| vec![format!("w{:0>30}", number(n))]);
    fill(&mut driver, "SADD set", &|n| vec![format!("{n:030}")]);
    fill(&mut driver, "SADD other", &|n| vec![format!("{:030}", n + ELEMENTS / 2)]);
    fill(&mut driver, "HSET hash", &|n| vec![format!("{n:030}"), n.to_string()]);
    fill(&mut driver, "ZADD sorted", &|n| vec![number(n), format!("{n:030}")]);
    driver
}

/// The same, and if a line names a stream, two of them.
fn filled_for(line: &str, protocol: Protocol) -> Driver {
    let mut driver = filled(protocol);
    for key in ["stream", "next"].iter().filter(|_| line.contains("stream")) {
        for n in 1..=ELEMENTS / 2 {
            driver.line(&format!("XADD {key} {n}-{} field {n:060}", n % 3));
        }
        driver.line(&format!("XGROUP CREATE {key} read 0"));
        driver.line(&format!("XGROUP CREATE {key} new 0"));
        driver.line(&format!("XREADGROUP GROUP read one STREAMS {key} >"));
        driver.line(&format!("XDEL {key} 7-1 100-1 101-2"));
    }
    driver
}

/// What is changed between two pieces: all of it, and then again a part.
fn change(driver: &mut Driver) {
    for line in [
        "LPUSH list new",
        "LSET list 7 7",
        "SADD set new",
        "SREM other 000000000000000000000000020000",
        "HSET hash new 1 000000000000000000000000000003 changed",
        "ZADD sorted 3 new 99999 000000000000000000000000000003",
        "ZREM sorted 000000000000000000000000000100",
        "DEL words",
        "XADD stream MAXLEN 100 * field new",
        "XDEL next 500-2 10000-1",
    ] {
        driver.line(line);
    }
}

/// The reply at once and the reply in pieces.
fn both(line: &str, protocol: Protocol) -> (String, String, usize) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("all is text");
    let whole = text(filled_for(line, protocol).call(&words(line)));
    let mut driver = filled_for(line, protocol);
    let (reply, pieces) = driver.call_in_pieces(&words(line), change);
    (whole, text(reply), pieces)
}

fn words(line: &str) -> Vec<&[u8]> {
    line.split(' ').map(str::as_bytes).collect()
}

#[test]
fn what_has_an_order_comes_in_it() {
    for line in [
        "LRANGE list 0 -1",
        "LRANGE list 5 -5",
        "LPOP list 25000",
        "RPOP list 30000",
        "LMPOP 1 list RIGHT COUNT 29000",
        "ZRANGE sorted 0 -1 WITHSCORES",
        "ZREVRANGE sorted 10 -10",
        "ZRANGEBYSCORE sorted (5 +inf LIMIT 3 25000",
        "ZPOPMIN sorted 25000",
        "ZPOPMAX sorted 40000",
        "ZMPOP 1 sorted MAX COUNT 30000",
        "ZRANDMEMBER sorted 40000 WITHSCORES",
        "SORT list",
        "SORT list DESC LIMIT 100 20000 GET # GET nothing GET #",
        "SORT_RO list ALPHA DESC",
        "SORT words ALPHA",
        "SORT set DESC",
        "SORT sorted LIMIT 29000 -1",
        "SINTERCARD 2 set other",
        "SINTERCARD 2 set other LIMIT 12345",
        "SUNIONCARD 3 set other set",
        "SDIFFCARD 2 set other",
        "ZUNION 2 sorted other",
        "ZUNION 3 sorted other sorted WEIGHTS 1 -2 0.5 AGGREGATE MIN WITHSCORES",
        "ZINTER 2 sorted other WITHSCORES",
        "ZINTER 3 other sorted sorted WEIGHTS 1.5 inf 3 AGGREGATE MAX WITHSCORES",
        "ZINTER 3 sorted missing other",
        "ZDIFF 2 sorted other WITHSCORES",
        "ZDIFF 2 sorted sorted",
        "ZINTERCARD 2 sorted other",
        "ZINTERCARD 2 sorted other LIMIT 1234",
        "XRANGE stream - +",
        "XREVRANGE stream + -",
        "XRANGE stream 5 14990",
        "XRANGE stream (9-0 14990-1 COUNT 12000",
        "XREVRANGE stream 14990 8 COUNT 12001",
        "XREAD STREAMS stream next 0 0",
        "XREAD COUNT 10000 STREAMS next stream 14999 100-1",
        "XREADGROUP GROUP new one STREAMS stream next stream > > >",
        "XREADGROUP GROUP new one COUNT 14000 NOACK STREAMS stream >",
        "XAUTOCLAIM stream read two 0 9 COUNT 14900",
        "XINFO STREAM stream FULL COUNT 14000",
    ] {
        // Pairs are arrays of their own in RESP3.
        let both_ways = [Protocol::Resp3, Protocol::Resp2];
        for protocol in &both_ways[..if line.contains("sorted") { 2 } else { 1 }] {
            let (whole, reply, pieces) = both(line, *protocol);
            assert!(whole == reply, "{line}: {} and {}", whole.len(), reply.len());
            assert!(pieces > 1 || line.contains("missing"), "{line} in one piece");
        }
    }
}

#[test]
fn what_has_no_order_comes_whole() {
    for line in [
        "SMEMBERS set",
        "SINTER set other",
        "SINTER set missing",
        "SUNION set other",
        "SDIFF set other",
        "SDIFF set other set set set set set set set set set",
        "SPOP set 40000",
        "SRANDMEMBER set 40000",
        "HGETALL hash",
        "HKEYS hash",
        "HVALS hash",
        "HRANDFIELD hash 40000 WITHVALUES",
    ] {
        let (whole, reply, pieces) = both(line, Protocol::Resp3);
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.split("\r\n").map(String::from).collect();
            lines.sort();
            lines
        };
        assert!(sorted(&whole) == sorted(&reply), "{line}: {} and {}", whole.len(), reply.len());
        assert_eq!(whole.lines().next(), reply.lines().next(), "{line}");
        assert!(pieces > 1 || line.ends_with("missing"), "{line} in one piece");
    }
}

#[test]
fn what_is_no_number_is_told_when_it_is_seen() {
    let mut driver = filled(Protocol::Resp2);
    driver.line("RPUSH list word");
    let (reply, pieces) = driver.call_in_pieces(&words("SORT list"), change);
    assert_eq!(reply, b"-ERR One or more scores can't be converted into double\r\n");
    assert!(pieces > 1);
}

#[test]
fn what_is_taken_is_gone() {
    for (line, then, reply) in [
        ("LPOP list 25000", "LLEN list", ":5000\r\n"),
        ("RPOP list 30000", "EXISTS list", ":0\r\n"),
        ("SPOP set 30000", "EXISTS set", ":0\r\n"),
        ("ZPOPMIN sorted 29999", "ZCARD sorted", ":1\r\n"),
    ] {
        let mut driver = filled(Protocol::Resp2);
        let mut left = String::new();
        driver.call_in_pieces(&words(line), |driver| left = driver.line(then));
        assert_eq!(left, reply, "{line}");
    }
}

#[test]
fn what_is_drawn_is_drawn_evenly() {
    for (line, each) in [
        ("SRANDMEMBER set 20000", 1),
        ("ZRANDMEMBER sorted 20000", 1),
        ("HRANDFIELD hash 20000", 1),
        ("SRANDMEMBER set -40000", 2),
        ("ZRANDMEMBER sorted -40000", 2),
        ("HRANDFIELD hash -40000", 2),
    ] {
        let mut driver = filled(Protocol::Resp2);
        let (reply, pieces) = driver.call_in_pieces(&words(line), change);
        let reply = String::from_utf8(reply).expect("all is text");
        let drawn: Vec<usize> = reply.lines().filter_map(|it| it.parse().ok()).collect();
        assert_eq!(drawn.len(), each * 20_000, "{line}");
        let different: BTreeSet<_> = drawn.iter().collect();
        let all = if each == 1 { 20_000..20_001 } else { 21_000..23_500 };
        assert!(all.contains(&different.len()), "{line}: {}", different.len());
        let low = drawn.iter().filter(|number| **number < ELEMENTS / 3).count();
        let share = low as f64 / drawn.len() as f64;
        assert!((0.3..0.37).contains(&share) && pieces > 1, "{line}: {share}, {pieces}");
    }
}

#[test]
fn what_would_take_long_is_refused() {
    let mut driver = filled(Protocol::Resp2);
    let refused = "-ERR SORT would look up too much at once by its patterns\r\n";
    let many = " GET v_*".repeat(10);
    assert_eq!(driver.line(&format!("SORT list BY w_*{many}")), refused);
    assert_eq!(driver.line(&format!("SORT list LIMIT 0 10 BY w_*{many}")).lines().count(), 101);
    assert_eq!(driver.line(&format!("SORT list STORE to{}", " GET #".repeat(200))), refused);
    // A scan's count is a hint.
    for first in (0..70_000).step_by(1000) {
        let members: String = (first..first + 1000).map(|n| format!(" {n}")).collect();
        driver.line(&format!("SADD numbers{members}"));
    }
    let scanned = driver.line("SSCAN numbers 0 COUNT 1000000000");
    let seen = scanned.lines().count() / 2;
    assert!((65_536..66_000).contains(&seen) && !scanned.starts_with("*2\r\n$1\r\n0"), "{seen}");
}

//! What the clients of a history do: they draw operations, run them, and note when.

use super::checker::Call;
use super::group::{COUNTING, Operation, REACHING};
use super::support::client::Client;
use super::support::resp::{self, Kind, Value};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// A mistake that a client makes on purpose, as a server could make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None.
    None,
    /// A read is answered with what was read there before.
    StaleRead,
    /// An increment is a read and a write.
    LostUpdate,
    /// A transaction is a series of commands.
    OpenTransaction,
}

/// One client of a history.
pub struct Recorder<'a> {
    /// Its number.
    pub client: usize,
    /// Its connection.
    pub connection: &'a mut Client,
    /// Gives each moment a number.
    pub clock: &'a AtomicU64,
    /// What it draws from.
    pub random: fastrand::Rng,
    /// The history's number, which is a part of its keys.
    pub history: usize,
    /// What it does wrong.
    pub fault: Fault,
    /// The value that a stale read finds.
    stale: Option<Value>,
}

/// A call of an operation on a group.
pub type Recorded = (usize, Call<Operation, Value>);

impl<'a> Recorder<'a> {
    /// A client of a history; its operations come from the seed.
    pub fn new(
        connection: &'a mut Client,
        clock: &'a AtomicU64,
        (client, history, seed): (usize, usize, u64),
        fault: Fault,
    ) -> Recorder<'a> {
        let random = fastrand::Rng::with_seed(seed ^ (history * 1000 + client) as u64);
        Recorder { client, connection, clock, random, history, fault, stale: None }
    }

    /// Draws and runs so many operations on one of so many groups each.
    pub fn record(&mut self, operations: usize, groups: usize) -> Vec<Recorded> {
        let draw = |me: &mut Self| {
            let (group, operation) = (me.random.usize(..groups), me.draw());
            (group, me.run(group, operation))
        };
        (0..operations).map(|_| draw(self)).collect()
    }

    /// Reads everything of a group in its last state.
    pub fn read(&mut self, group: usize) -> Recorded {
        let reads = ["MGET @s @t", "HGETALL @h", "LRANGE @p 0 -1", "LRANGE @q 0 -1"];
        (group, self.run(group, Operation::Multi(reads.map(words).into())))
    }

    fn draw(&mut self) -> Operation {
        let value = self.random.u32(..100_000).to_string();
        let (key, other) = if self.random.bool() { ("@s", "@t") } else { ("@t", "@s") };
        let (list, behind) = if self.random.u8(..4) > 0 { ("@p", "@q") } else { ("@q", "@p") };
        let field = ["a", "b", "n"][self.random.usize(..3)];
        let one = |line: String| Operation::One(words(&line));
        match self.random.u32(..100) {
            0..10 => one(format!("GET {key}")),
            10..15 => one(format!("SET {key} {value}")),
            15..25 => one(format!("INCR {key}")),
            25..28 => one(format!("GETSET {key} {value}")),
            28..30 => one(format!("SETNX {key} {value}")),
            30..32 => one(format!("GETDEL {key}")),
            32..36 => one(format!("MGET {key} {other}")),
            36..39 => one(format!("MSET {key} {value} {other} {value}")),
            39..43 => one(format!("HSET @h {field} {value}")),
            43..47 => one(format!("HGET @h {field}")),
            47..50 => one(format!("HINCRBY @h {field} 7")),
            50..52 => one(format!("HDEL @h {field}")),
            52..55 => one("HGETALL @h".into()),
            55..60 => one(format!("RPUSH {list} {value}")),
            60..62 => one(format!("LPUSH {list} {value}")),
            62..66 => one(format!("LPOP {list}")),
            66..68 => one(format!("RPOP {list}")),
            68..71 => one(format!("LRANGE {list} 0 -1")),
            71..74 => one(format!("LMOVE {list} {behind} LEFT RIGHT")),
            74..80 => one(format!("BLMOVE {list} {behind} LEFT RIGHT 0.03")),
            80..86 => Operation::Counting(key),
            86..92 => Operation::Reaching(self.random.u8(..3) == 0),
            _ => self.draw_transaction(&value),
        }
    }

    fn draw_transaction(&mut self, value: &str) -> Operation {
        let lines = [
            "INCR @s".to_owned(),
            "INCR @t".into(),
            "GET @s".into(),
            format!("HSET @h a {value}"),
            "HGET @h a".into(),
            format!("RPUSH @p {value}"),
            "LMOVE @p @q LEFT RIGHT".into(),
            "MGET @s @t".into(),
        ];
        let count = 2 + self.random.usize(..3);
        let mut draw = |_| words(&lines[self.random.usize(..lines.len())]);
        Operation::Multi((0..count).map(&mut draw).collect())
    }

    /// Runs an operation and notes it.
    fn run(&mut self, group: usize, operation: Operation) -> Call<Operation, Value> {
        let called = self.clock.fetch_add(1, SeqCst);
        let mut reply = match &operation {
            Operation::One(words) => self.one(group, words),
            Operation::Multi(commands) => self.transaction(group, commands),
            Operation::Counting(key) => {
                let keys = [key, "@h", "@p"].map(|key| self.named(group, key));
                self.script(COUNTING, &keys, &[])
            }
            Operation::Reaching(reaches) => {
                let keys = ["@s", "@h"].map(|key| self.named(group, key));
                let other = if *reaches { keys[1].clone() } else { String::new() };
                self.script(REACHING, &keys[..1], &[other])
            }
        };
        let returned = self.clock.fetch_add(1, SeqCst);
        let reads = [Operation::One(words("GET @s")), Operation::One(words("GET @t"))];
        if self.fault == Fault::StaleRead && operation == reads[0] && group == 0 {
            reply = self.stale.replace(reply.clone()).unwrap_or(reply);
        }
        Call { client: self.client, called, returned, operation, reply }
    }

    fn named(&self, group: usize, word: &str) -> String {
        match word.strip_prefix('@') {
            Some(name) => format!("{}:{group}:{name}", self.history),
            None => word.to_owned(),
        }
    }

    fn call(&mut self, words: &[String]) -> Value {
        self.connection.call(words).expect("the server answers")
    }

    fn one(&mut self, group: usize, words: &[String]) -> Value {
        let named: Vec<String> = words.iter().map(|word| self.named(group, word)).collect();
        if self.fault == Fault::LostUpdate && named[0] == "INCR" {
            let read = self.call(&["GET".into(), named[1].clone()]);
            let Value::Bulk(text) = read else { return self.call(&named) };
            let text = String::from_utf8(text).expect("a number");
            let sum = text.parse::<i64>().expect("a number") + 1;
            self.call(&["SET".into(), named[1].clone(), sum.to_string()]);
            return Value::Int(sum);
        }
        settle(&named[0], self.call(&named))
    }

    /// A transaction in one write, as clients send it.
    fn transaction(&mut self, group: usize, commands: &[Vec<String>]) -> Value {
        if self.fault == Fault::OpenTransaction {
            let replies = commands.iter().map(|command| self.one(group, command)).collect();
            return Value::Items(Kind::Array, replies);
        }
        let request = |words: &[String]| {
            let args = words.iter().map(|word| self.named(group, word).into_bytes());
            resp::request(&args.collect::<Vec<_>>())
        };
        let mut bytes = request(&["MULTI".into()]);
        commands.iter().for_each(|words| bytes.extend(request(words)));
        bytes.extend(request(&["EXEC".into()]));
        self.connection.send(&bytes).expect("the server takes it");
        let mut reply = || self.connection.reply().expect("the server answers");
        for _ in 0..=commands.len() {
            assert!(!matches!(reply(), Value::Error(_)), "{commands:?}");
        }
        let Value::Items(kind, items) = reply() else { panic!("EXEC is an array") };
        let settled = commands.iter().zip(items).map(|(words, item)| settle(&words[0], item));
        Value::Items(kind, settled.collect())
    }

    /// Runs a script that is this history's own, so that what is learnt of it is learnt anew.
    fn script(&mut self, text: &str, keys: &[String], args: &[String]) -> Value {
        let head = ["EVAL".to_owned(), format!("{text} -- {}", self.history)];
        let count = [keys.len().to_string()];
        let all: Vec<String> = [&head[..], &count, keys, args].concat();
        self.call(&all)
    }
}

/// A reply in the form in which the model gives it: fields in the order of their names, and one
/// nothing.
fn settle(command: &str, reply: Value) -> Value {
    match reply {
        Value::NilArray => Value::Nil,
        Value::Items(kind, items) if command == "HGETALL" => {
            let mut pairs: Vec<&[Value]> = items.chunks(2).collect();
            pairs.sort_by_key(|pair| match &pair[0] {
                Value::Bulk(name) => name.clone(),
                _ => Vec::new(),
            });
            Value::Items(kind, pairs.concat())
        }
        reply => reply,
    }
}

/// The words of a line.
fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

//! A client that numbers its writes, and knows which of them were acknowledged and which were on
//! their way when the server died.

use crate::support::client::Client;
use crate::support::resp::{Value, request};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

/// Requests in one write at most.
const PIPELINE: u64 = 12;

/// One client.
pub struct Writer {
    id: usize,
    /// The last number that was acknowledged.
    acknowledged: u64,
    /// The last number that was sent.
    sent: u64,
    before: u64,
    /// When which number was acknowledged.
    history: Vec<(Instant, u64)>,
    /// Whether the server may refuse writes, which ends them.
    pub may_be_refused: bool,
}

/// The requests that write number `n`: a string, a list, a counter, and a transaction over two
/// more keys. The last one's reply acknowledges all.
fn requests(id: usize, n: u64) -> Vec<Vec<String>> {
    let number = n.to_string();
    let words = |line: String| line.split(' ').map(str::to_owned).collect();
    vec![
        words(format!("RPUSH list:{id} {number}")),
        words(format!("INCR counter:{id}")),
        words("MULTI".into()),
        words(format!("SET first:{id} {number}")),
        words(format!("HSET second:{id} n {number} also {number}")),
        words("EXEC".into()),
        words(format!("SET string:{id} {number}")),
    ]
}

impl Writer {
    /// A client that has written nothing.
    pub fn new(id: usize) -> Writer {
        let history = Vec::new();
        Writer { id, acknowledged: 0, sent: 0, before: 0, history, may_be_refused: false }
    }

    /// How many numbers have been acknowledged since the last look at what the server knows.
    pub fn acknowledged_now(&self) -> u64 {
        self.acknowledged - self.before
    }

    /// Writes number after number until the server is gone.
    pub fn write_until_closed(&mut self, port: u16, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let Ok(mut client) = Client::connect(port) else { return };
        loop {
            let first = self.sent + 1;
            let last = self.sent + random.u64(1..=PIPELINE);
            let all: Vec<_> = (first..=last).flat_map(|n| requests(self.id, n)).collect();
            let bytes: Vec<u8> = all
                .iter()
                .flat_map(|words| {
                    let words: Vec<_> = words.iter().map(|word| word.clone().into()).collect();
                    request(&words)
                })
                .collect();
            self.sent = last;
            if client.send(&bytes).is_err() {
                return;
            }
            for n in first..=last {
                for words in requests(self.id, n) {
                    match client.reply() {
                        Ok(Value::Error(text))
                            if self.may_be_refused && text.starts_with(b"MISCONF") =>
                        {
                            return;
                        }
                        Ok(Value::Error(text)) => {
                            panic!("{words:?}: {}", String::from_utf8_lossy(&text))
                        }
                        Ok(_) => {}
                        Err(_) => return,
                    }
                }
                self.acknowledged = n;
            }
            self.history.push((Instant::now(), last));
        }
    }

    /// What was acknowledged after this moment may be lost; all of it, if none is given.
    pub fn admit_loss(&mut self, since: Option<Instant>) {
        let kept = self.history.iter().rev().find(|(at, _)| since.is_some_and(|since| *at < since));
        self.acknowledged = kept.map_or(self.before, |(_, n)| *n).max(self.before);
    }

    /// Compares what the server knows with what it must and may know, and goes on from there.
    pub fn verify(&mut self, client: &mut Client) -> Result<(), String> {
        let (id, may) = (self.id, self.acknowledged..=self.sent);
        let mut ask = |words: &[String]| {
            client.call(words).map_err(|error| format!("writer {id}: {error:?}"))
        };
        let mut number = |line: String| -> Result<u64, String> {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            match ask(&words)? {
                Value::Bulk(text) => {
                    let text = String::from_utf8_lossy(&text).into_owned();
                    text.parse().map_err(|_| format!("writer {id}: {line} is {text:?}"))
                }
                Value::Nil => Ok(0),
                other => Err(format!("writer {id}: {line} is {other:?}")),
            }
        };
        let string = number(format!("GET string:{id}"))?;
        let counter = number(format!("GET counter:{id}"))?;
        let first = number(format!("GET first:{id}"))?;
        let second = number(format!("HGET second:{id} n"))?;
        let also = number(format!("HGET second:{id} also"))?;
        let list = match ask(&["LRANGE".into(), format!("list:{id}"), "0".into(), "-1".into()])? {
            Value::Items(_, items) => items,
            other => return Err(format!("writer {id}: the list is {other:?}")),
        };
        for (n, item) in (1u64..).zip(&list) {
            if *item != Value::Bulk(n.to_string().into_bytes()) {
                return Err(format!("writer {id}: element {n} of the list is {item:?}"));
            }
        }
        let found = [list.len() as u64, counter, first, string];
        if found.iter().any(|found| !may.contains(found)) {
            return Err(format!("writer {id}: {found:?} is not within {may:?}"));
        }
        if first != second || second != also {
            return Err(format!("writer {id}: half a transaction, {first} {second} {also}"));
        }
        // In the order of the requests, what comes later cannot be further.
        if !found.is_sorted_by(|a, b| a >= b) || found[0] > string + 1 {
            return Err(format!("writer {id}: {found:?} has a hole"));
        }
        // All of them begin anew at one number.
        let n = found[0];
        let mut repair = |line: String| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            ask(&words).map(drop)
        };
        repair(format!("SET string:{id} {n}"))?;
        repair(format!("SET counter:{id} {n}"))?;
        repair(format!("SET first:{id} {n}"))?;
        repair(format!("HSET second:{id} n {n} also {n}"))?;
        (self.acknowledged, self.sent, self.before) = (n, n, n);
        self.history.clear();
        Ok(())
    }
}

/// Moves money between random accounts until told to stop.
pub fn transfer(port: u16, random: &mut fastrand::Rng, accounts: usize, stop: &AtomicBool) {
    let Ok(mut client) = Client::connect(port) else { return };
    while !stop.load(Relaxed) {
        let (from, to, sum) =
            (random.usize(..accounts), random.usize(..accounts), random.u32(1..9));
        let lines = [
            "MULTI".to_owned(),
            format!("DECRBY account:{from} {sum}"),
            format!("INCRBY account:{to} {sum}"),
            "EXEC".to_owned(),
        ];
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let reply = client.call(&words).expect("the server lives");
            assert!(!matches!(reply, Value::Error(_)), "{line}: {reply:?}");
        }
    }
}

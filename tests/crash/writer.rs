//! A client that numbers its writes, and knows which of them were acknowledged and which were on
//! their way when the server died.
//!
//! Its keys belong to one generation until their list is long; then it deletes them, which must not
//! be lost either, and begins the next generation at one.

use crate::support::client::Client;
use crate::support::resp::{Value, request};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

/// Requests in one write at most.
const PIPELINE: u64 = 12;

/// Where a generation ends.
const LONG: u64 = 2000;

/// The keys of a generation.
const KEYS: [&str; 11] = [
    "list", "set", "counter", "first", "second", "sorted", "third", "fourth", "fifth", "sixth",
    "string",
];

/// Writes two keys.
const SCRIPT: &str = "redis.call('SET',KEYS[1],ARGV[1]) redis.call('APPEND',KEYS[1],'0') \
    return redis.call('SET',KEYS[2],ARGV[1])";

/// One client.
pub struct Writer {
    id: usize,
    generation: u64,
    /// The last number that was acknowledged.
    acknowledged: u64,
    /// The last number that was sent.
    sent: u64,
    before: u64,
    /// When which number was acknowledged.
    history: Vec<(Instant, u64)>,
    /// What the last check found lost.
    loss: Option<Loss>,
    /// Whether the server may refuse writes, which ends them.
    pub may_be_refused: bool,
}

/// What a cut took of the writes that were acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// When the first of what is lost was acknowledged.
    pub from: Instant,
    /// When the last of it was.
    pub to: Instant,
}

fn encoded(words: &[String]) -> Vec<u8> {
    let words: Vec<_> = words.iter().map(|word| word.clone().into()).collect();
    request(&words)
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// The requests that write number `n`: a list, a set, a counter, a transaction over two keys, a
/// sorted set, one command over two, a script over two, a string. The last one's reply
/// acknowledges all.
fn requests(name: &str, n: u64) -> Vec<Vec<String>> {
    let script = |key: &str, other: &str| {
        let (keys, number) = ([key, other].map(|key| format!("{key}:{name}")), n.to_string());
        let [key, other] = keys;
        vec!["EVAL".into(), SCRIPT.into(), "2".into(), key, other, number]
    };
    vec![
        words(&format!("RPUSH list:{name} {n}")),
        words(&format!("SADD set:{name} {n}")),
        words(&format!("INCR counter:{name}")),
        words("MULTI"),
        words(&format!("SET first:{name} {n}")),
        words(&format!("HSET second:{name} n {n} also {n}")),
        words("EXEC"),
        words(&format!("ZADD sorted:{name} {n} {n}")),
        words(&format!("MSET third:{name} {n} fourth:{name} {n}")),
        script("fifth", "sixth"),
        words(&format!("SET string:{name} {n}")),
    ]
}

impl Writer {
    /// A client that has written nothing.
    pub fn new(id: usize) -> Writer {
        Writer {
            id,
            generation: 0,
            acknowledged: 0,
            sent: 0,
            before: 0,
            history: Vec::new(),
            loss: None,
            may_be_refused: false,
        }
    }

    /// How many numbers have been acknowledged since the last check.
    pub fn acknowledged_now(&self) -> u64 {
        self.acknowledged - self.before
    }

    /// How many keys the server has of this client, after a check.
    pub fn keys(&self) -> usize {
        if self.acknowledged == 0 { 0 } else { KEYS.len() }
    }

    fn name(&self, generation: u64) -> String {
        format!("{}.{generation}", self.id)
    }

    /// Writes number after number until the server is gone.
    pub fn write_until_closed(&mut self, port: u16, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let Ok(mut client) = Client::connect(port) else { return };
        let name = self.name(self.generation);
        loop {
            let first = self.sent + 1;
            let last = self.sent + random.u64(1..=PIPELINE);
            let all: Vec<_> = (first..=last).map(|n| requests(&name, n)).collect();
            let bytes: Vec<u8> = all.iter().flatten().flat_map(|words| encoded(words)).collect();
            self.sent = last;
            if client.send(&bytes).is_err() {
                return;
            }
            for (n, requests) in (first..).zip(&all) {
                for words in requests {
                    match client.reply() {
                        Ok(Value::Error(text)) => {
                            let text = String::from_utf8_lossy(&text);
                            // EXEC gives the reason behind its own word.
                            assert!(
                                self.may_be_refused && text.contains("MISCONF"),
                                "{words:?}: {text}"
                            );
                            return;
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

    /// What was acknowledged from `cut` on counts as never acknowledged; what was before, may be
    /// lost or not.
    pub fn admit_loss(&mut self, cut: Instant, may_be_lost: bool) {
        self.history.retain(|(at, _)| *at < cut);
        let kept = self.history.last().filter(|_| !may_be_lost);
        self.acknowledged = kept.map_or(self.before, |(_, n)| *n);
    }

    /// What the last check found lost.
    pub fn loss(&self) -> Option<Loss> {
        self.loss
    }

    /// Checks that the server has what it must have, and no more than it may; goes on from there.
    pub fn verify(&mut self, client: &mut Client) -> Result<(), String> {
        let found = self.look(client)?;
        let (id, may) = (self.id, self.acknowledged..=self.sent);
        if found.iter().any(|found| !may.contains(found)) {
            return Err(format!("writer {id}: {found:?} is not within {may:?}"));
        }
        // Later requests cannot have got further than earlier ones.
        if !found.is_sorted_by(|a, b| a >= b) || found[0] > found[found.len() - 1] + 1 {
            return Err(format!("writer {id}: {found:?} has a hole"));
        }
        let lost = |(_, n): &&(Instant, u64)| *n > found[found.len() - 1];
        let from = self.history.iter().find(lost);
        self.loss = from.zip(self.history.last()).map(|(from, to)| Loss { from: from.0, to: to.0 });
        self.begin_at(client, found[0])
    }

    /// How far each kind of write got.
    fn look(&self, client: &mut Client) -> Result<Vec<u64>, String> {
        let (id, name) = (self.id, self.name(self.generation));
        let mut ask = |line: String| {
            client.call(&words(&line)).map_err(|error| format!("writer {id}: {line}: {error:?}"))
        };
        if self.generation > 0 {
            let old = self.name(self.generation - 1);
            let keys: String = KEYS.map(|key| format!(" {key}:{old}")).concat();
            match ask(format!("EXISTS{keys}"))? {
                Value::Int(0) => {}
                other => return Err(format!("writer {id}: {other:?} deleted keys are back")),
            }
        }
        let list = match ask(format!("LRANGE list:{name} 0 -1"))? {
            Value::Items(_, items) => items,
            other => return Err(format!("writer {id}: the list is {other:?}")),
        };
        for (n, item) in (1u64..).zip(&list) {
            if *item != Value::Bulk(n.to_string().into_bytes()) {
                return Err(format!("writer {id}: element {n} of the list is {item:?}"));
            }
        }
        let members = match ask(format!("SCARD set:{name}"))? {
            Value::Int(count) => count as u64,
            other => return Err(format!("writer {id}: the set is {other:?}")),
        };
        let sorted = match ask(format!("ZRANGE sorted:{name} 0 -1 WITHSCORES"))? {
            Value::Items(_, items) => items,
            other => return Err(format!("writer {id}: the sorted set is {other:?}")),
        };
        for (at, item) in sorted.iter().enumerate() {
            if *item != Value::Bulk((at / 2 + 1).to_string().into_bytes()) {
                return Err(format!("writer {id}: item {at} of the sorted set is {item:?}"));
            }
        }
        let sorted = sorted.len() as u64 / 2;
        let mut number = |line: String| -> Result<u64, String> {
            match ask(line.clone())? {
                Value::Bulk(text) => {
                    let text = String::from_utf8_lossy(&text).into_owned();
                    text.parse().map_err(|_| format!("writer {id}: {line} is {text:?}"))
                }
                Value::Nil => Ok(0),
                other => Err(format!("writer {id}: {line} is {other:?}")),
            }
        };
        let mut get = |key: &str| number(format!("GET {key}:{name}"));
        let (counter, first) = (get("counter")?, get("first")?);
        let (third, fourth) = (get("third")?, get("fourth")?);
        // The script multiplies it by ten.
        let (fifth, sixth, string) = (get("fifth")?, get("sixth")?, get("string")?);
        let second = number(format!("HGET second:{name} n"))?;
        let also = number(format!("HGET second:{name} also"))?;
        let halves = [(first, second), (second, also), (third, fourth), (fifth, sixth * 10)];
        if let Some((one, other)) = halves.iter().find(|(one, other)| one != other) {
            return Err(format!("writer {id}: half of it happened, {one} and {other}"));
        }
        Ok(vec![list.len() as u64, members, counter, first, sorted, third, sixth, string])
    }

    /// Brings all keys to one number, or begins the next generation.
    fn begin_at(&mut self, client: &mut Client, n: u64) -> Result<(), String> {
        let (id, name) = (self.id, self.name(self.generation));
        let is_long = n > LONG;
        let requests = if n == 0 || is_long {
            let keys: String = KEYS.map(|key| format!(" {key}:{name}")).concat();
            vec![words(&format!("DEL{keys}"))]
        } else {
            // The list has the number already.
            let mut requests = requests(&name, n);
            requests[0] = words(&format!("LLEN list:{name}"));
            requests[2] = words(&format!("SET counter:{name} {n}"));
            requests
        };
        for words in requests {
            match client.call(&words) {
                Ok(Value::Error(text)) => {
                    let text = String::from_utf8_lossy(&text);
                    return Err(format!("writer {id}: {words:?}: {text}"));
                }
                Ok(_) => {}
                Err(error) => return Err(format!("writer {id}: {words:?}: {error:?}")),
            }
        }
        self.generation += u64::from(is_long);
        let n = if is_long { 0 } else { n };
        (self.acknowledged, self.sent, self.before) = (n, n, n);
        self.history.clear();
        Ok(())
    }
}

/// Moves money between random accounts until `stop` is set.
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

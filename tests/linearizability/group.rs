//! The model: what the commands of a history do to one group of keys.
//!
//! A group is two strings, a hash and two lists, each with a name of its own and so mostly in
//! different shards. An operation stays within one group, be it a command, a transaction or a
//! script. So each group is an object for itself, and a history is linearizable if the part of it
//! that concerns each group is.

use super::checker::Model;
use super::support::resp::{Kind, Value};
use std::collections::{BTreeMap, VecDeque};

/// Counts in a string, notes the count in the hash, and appends it to a list.
pub const COUNTING: &str = "
    local n = redis.call('incr', KEYS[1])
    redis.call('hset', KEYS[2], 'n', n)
    return {n, redis.call('rpush', KEYS[3], n)}
";

/// Counts in its own key, and then at times in another one, which it did not declare.
pub const REACHING: &str = "
    local n = redis.call('incr', KEYS[1])
    if ARGV[1] ~= '' then
        return {n, redis.call('hincrby', ARGV[1], 'n', n)}
    end
    return {n}
";

/// What a client asks for. A word that begins with `@` is a key of the group.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// One command.
    One(Vec<String>),
    /// A transaction.
    Multi(Vec<Vec<String>>),
    /// [`COUNTING`], with two strings to choose from.
    Counting(&'static str),
    /// [`REACHING`]; whether it reaches for the hash.
    Reaching(bool),
}

/// The state of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Group {
    strings: BTreeMap<String, String>,
    hash: BTreeMap<String, String>,
    lists: BTreeMap<String, VecDeque<String>>,
}

/// Whether a script ended because it had crossed with another; it keeps what it had written.
pub fn has_crossed(reply: &Value) -> bool {
    let text = b"the other way round";
    matches!(reply, Value::Error(error) if error.windows(text.len()).any(|part| part == text))
}

impl Model for Group {
    type Operation = Operation;
    type Reply = Value;

    fn step(&self, operation: &Operation, reply: &Value) -> Option<Group> {
        let mut next = self.clone();
        let expected = match operation {
            Operation::One(words) => next.run(words),
            Operation::Multi(commands) => {
                array(commands.iter().map(|words| next.run(words)).collect())
            }
            Operation::Counting(key) => {
                let n = next.add("strings", key, 1);
                next.hash.insert("n".into(), n.to_string());
                array(vec![Value::Int(n), next.push("@p", n.to_string(), false)])
            }
            Operation::Reaching(reaches) => {
                let n = next.add("strings", "@s", 1);
                if has_crossed(reply) {
                    return Some(next);
                }
                let reached = reaches.then(|| Value::Int(next.add("hash", "n", n)));
                array([Value::Int(n)].into_iter().chain(reached).collect())
            }
        };
        (expected == *reply).then_some(next)
    }
}

impl Group {
    /// Runs a command and returns its reply.
    fn run(&mut self, words: &[String]) -> Value {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["GET", key] => bulk(self.strings.get(key)),
            ["SET", key, value] => {
                self.strings.insert(key.into(), value.into());
                ok()
            }
            ["GETSET", key, value] => bulk(self.strings.insert(key.into(), value.into()).as_ref()),
            ["SETNX", key, value] => {
                let is_new = !self.strings.contains_key(key);
                if is_new {
                    self.strings.insert(key.into(), value.into());
                }
                Value::Int(is_new.into())
            }
            ["GETDEL", key] => bulk(self.strings.remove(key).as_ref()),
            ["INCR", key] => Value::Int(self.add("strings", key, 1)),
            ["MGET", a, b] => array([a, b].map(|key| bulk(self.strings.get(key))).into()),
            ["MSET", a, x, b, y] => {
                self.strings.extend([(a.into(), x.into()), (b.into(), y.into())]);
                ok()
            }
            ["HSET", _, field, value] => {
                let old = self.hash.insert(field.into(), value.into());
                Value::Int(old.is_none().into())
            }
            ["HGET", _, field] => bulk(self.hash.get(field)),
            ["HDEL", _, field] => Value::Int(self.hash.remove(field).is_some().into()),
            ["HINCRBY", _, field, by] => {
                Value::Int(self.add("hash", field, by.parse().expect("a number")))
            }
            ["HGETALL", _] => {
                let pairs = self.hash.iter().flat_map(|(field, value)| [field, value]);
                array(pairs.map(|text| bulk(Some(text))).collect())
            }
            _ => self.run_on_lists(&words),
        }
    }

    fn run_on_lists(&mut self, words: &[&str]) -> Value {
        match *words {
            ["RPUSH", key, element] => self.push(key, element.into(), false),
            ["LPUSH", key, element] => self.push(key, element.into(), true),
            ["LPOP", key] => bulk(self.lists.entry(key.into()).or_default().pop_front().as_ref()),
            ["RPOP", key] => bulk(self.lists.entry(key.into()).or_default().pop_back().as_ref()),
            ["LRANGE", key, "0", "-1"] => {
                array(self.lists.get(key).into_iter().flatten().map(|e| bulk(Some(e))).collect())
            }
            ["LMOVE" | "BLMOVE", from, to, "LEFT", "RIGHT", ..] => {
                let element = self.lists.entry(from.into()).or_default().pop_front();
                if let Some(element) = &element {
                    self.push(to, element.clone(), false);
                }
                bulk(element.as_ref())
            }
            _ => panic!("{words:?} is not in the model"),
        }
    }

    fn push(&mut self, key: &str, element: String, at_head: bool) -> Value {
        let list = self.lists.entry(key.into()).or_default();
        if at_head {
            list.push_front(element)
        } else {
            list.push_back(element)
        }
        Value::Int(list.len() as i64)
    }

    fn add(&mut self, to: &str, name: &str, by: i64) -> i64 {
        let numbers = if to == "hash" { &mut self.hash } else { &mut self.strings };
        let number = numbers.entry(name.into()).or_insert_with(|| "0".into());
        let sum = number.parse::<i64>().expect("all values are numbers") + by;
        *number = sum.to_string();
        sum
    }
}

fn ok() -> Value {
    Value::Simple(b"OK".to_vec())
}

fn bulk(text: Option<&String>) -> Value {
    text.map_or(Value::Nil, |text| Value::Bulk(text.as_bytes().to_vec()))
}

fn array(items: Vec<Value>) -> Value {
    Value::Items(Kind::Array, items)
}

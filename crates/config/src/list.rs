//! Values that are more than one word, from text and to text.

use crate::error::Reason;
use crate::kind::Kind;
use crate::scalar::{choice, loose_integer, memory, strict_integer};
use crate::value::{OutputLimit, Value};
use redstart_engine::run::event_classes;

/// The addresses that Redis listens at, at most.
const ADDRESSES_MAX: usize = 16;

/// Reads a list, if that is what the kind takes.
pub fn parse(kind: Kind, words: &[Vec<u8>], current: &Value) -> Result<Option<Value>, Reason> {
    let value = match kind {
        Kind::Flags(names) => flags(words, names)?,
        Kind::Save => save(words)?,
        Kind::OutputLimits => output_limits(words, current)?,
        Kind::Addresses => {
            if words.len() > ADDRESSES_MAX {
                return Err("Too many bind addresses specified.".into());
            }
            let words = if words.iter().all(Vec::is_empty) { &[] } else { words };
            Value::Words(words.to_vec())
        }
        Kind::OomScores => oom_scores(words)?,
        Kind::Percentiles => percentiles(words)?,
        Kind::Primary => primary(words)?,
        _ => return Ok(None),
    };
    Ok(Some(value))
}

/// The canonical text of a list.
pub fn format(value: &Value, kind: Kind) -> Vec<u8> {
    match value {
        Value::Words(words) => words.join(&b' '),
        Value::Flags(names) => match kind {
            Kind::Flags(all) if names.is_empty() => all[0].into(),
            _ => names.join(" ").into(),
        },
        Value::Save(points) => {
            join(points.iter().map(|(seconds, changes)| format!("{seconds} {changes}")))
        }
        Value::OutputLimits(limits) => {
            join(["normal", "slave", "pubsub"].iter().zip(limits).map(|(class, limit)| {
                let OutputLimit { hard_bytes, soft_bytes, soft_s } = limit;
                format!("{class} {hard_bytes} {soft_bytes} {soft_s}")
            }))
        }
        Value::Events(events) => event_classes::format(*events),
        Value::OomScores(scores) => join(scores.iter().map(i64::to_string)),
        Value::Percentiles(percentiles) => join(percentiles.iter().map(|percentile| {
            let text = format!("{percentile:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        })),
        Value::YesNo(_) | Value::Integer(_) | Value::Text(_) | Value::Choice(_) => {
            unreachable!("not a list")
        }
    }
}

fn join(words: impl Iterator<Item = String>) -> Vec<u8> {
    words.collect::<Vec<_>>().join(" ").into()
}

fn flags(words: &[Vec<u8>], names: &'static [&'static str]) -> Result<Value, Reason> {
    if words.is_empty() {
        choice(b"", names)?;
    }
    let chosen: Vec<&str> =
        words.iter().map(|word| choice(word, names)).collect::<Result<_, _>>()?;
    if chosen.contains(&"save") && chosen.contains(&"nosave") {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
    }
    Ok(Value::Flags(names[1..].iter().copied().filter(|name| chosen.contains(name)).collect()))
}

fn save(words: &[Vec<u8>]) -> Result<Value, Reason> {
    if let [word] = words
        && word.is_empty()
    {
        return Ok(Value::Save(Vec::new()));
    }
    let (pairs, []) = words.as_chunks::<2>() else {
        return Err("Invalid save parameters".into());
    };
    let point = |[seconds, changes]: &[Vec<u8>; 2]| {
        let seconds = loose_integer(seconds).filter(|seconds| *seconds >= 1)?;
        let changes = loose_integer(changes).filter(|changes| *changes >= 0)?;
        Some((seconds, i32::try_from(changes).unwrap_or(i32::MAX)))
    };
    let points: Option<_> = pairs.iter().map(point).collect();
    points.map(Value::Save).ok_or_else(|| "Invalid save parameters".into())
}

fn output_limits(words: &[Vec<u8>], current: &Value) -> Result<Value, Reason> {
    let Value::OutputLimits(mut limits) = *current else {
        unreachable!("limits are kept as limits");
    };
    let (groups, []) = words.as_chunks::<4>() else {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    };
    for [class, hard, soft, soft_s] in groups {
        let class = match class.to_ascii_lowercase().as_slice() {
            b"normal" => 0,
            b"slave" | b"replica" => 1,
            b"pubsub" => 2,
            _ => {
                let reason = "Invalid client class specified in buffer limit configuration.";
                return Err(reason.into());
            }
        };
        let limit = || {
            Some(OutputLimit {
                hard_bytes: memory(hard)?,
                soft_bytes: memory(soft)?,
                soft_s: loose_integer(soft_s).filter(|seconds| *seconds >= 0)?,
            })
        };
        limits[class] = limit()
            .ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?;
    }
    Ok(Value::OutputLimits(limits))
}

/// Reads the letters of keyspace events.
pub fn events(text: &[u8]) -> Result<Value, Reason> {
    let reason = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    event_classes::parse(text).map(Value::Events).ok_or_else(|| reason.into())
}

fn oom_scores(words: &[Vec<u8>]) -> Result<Value, Reason> {
    let words: &[Vec<u8>; 3] = words.try_into().map_err(|_| "wrong number of arguments")?;
    let mut scores = [0; 3];
    for (score, word) in scores.iter_mut().zip(words) {
        *score = loose_integer(word)
            .filter(|score| (-2000..=2000).contains(score))
            .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")?;
    }
    Ok(Value::OomScores(scores))
}

fn percentiles(words: &[Vec<u8>]) -> Result<Value, Reason> {
    let words = if words == [b""] { &[] } else { words };
    let mut percentiles = Vec::with_capacity(words.len());
    for word in words {
        let value: f64 = std::str::from_utf8(word)
            .ok()
            .and_then(|word| word.parse().ok())
            .filter(|value: &f64| !value.is_nan())
            .ok_or("Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&value) {
            let reason = "latency-tracking-info-percentiles parameters should sit between \
                          [0.0,100.0]";
            return Err(reason.into());
        }
        percentiles.push(value);
    }
    Ok(Value::Percentiles(percentiles))
}

fn primary(words: &[Vec<u8>]) -> Result<Value, Reason> {
    match words {
        [] => Ok(Value::Words(Vec::new())),
        [no, one] if no.eq_ignore_ascii_case(b"no") && one.eq_ignore_ascii_case(b"one") => {
            Ok(Value::Words(Vec::new()))
        }
        [_, port] if strict_integer(port).is_some_and(|port| (0..=65_535).contains(&port)) => {
            Ok(Value::Words(words.to_vec()))
        }
        [_, _] => Err("Invalid master port".into()),
        _ => Err("wrong number of arguments".into()),
    }
}

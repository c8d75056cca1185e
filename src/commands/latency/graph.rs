//! What people read of the latency monitor: a drawing of an event's samples, and advice.

use crate::metrics::latency::Event;

/// Rows of a drawing.
const ROWS: u64 = 4;

/// Draws the samples of an event, the oldest to the left, with how long ago each was below it.
pub fn draw(name: &str, event: &Event, now_s: u64) -> String {
    let ms = || event.samples.iter().map(|(_, ms)| *ms);
    let (low, high) = (ms().min().unwrap_or(0), ms().max().unwrap_or(0));
    let mut text =
        format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", event.worst_ms);
    text += &"-".repeat(80);
    text.push('\n');
    for row in (0..ROWS).rev() {
        for ms in ms() {
            let height = (ms - low) * (ROWS * 3 - 1) / (high - low).max(1);
            text.push(match height.checked_sub(row * 3) {
                None if row == 0 => '_',
                None => ' ',
                Some(0) => '_',
                Some(1) => 'o',
                Some(2) => '#',
                Some(_) => '|',
            });
        }
        text.push('\n');
    }
    text.push('\n');
    let ages: Vec<Vec<u8>> =
        event.samples.iter().map(|(then_s, _)| age(now_s.saturating_sub(*then_s))).collect();
    for row in 0..ages.iter().map(Vec::len).max().unwrap_or(0) {
        let letters = ages.iter().map(|age| char::from(age.get(row).copied().unwrap_or(b' ')));
        text.extend(letters);
        text.push('\n');
    }
    text
}

fn age(seconds: u64) -> Vec<u8> {
    let text = match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    };
    text.into_bytes()
}

/// Tells what the events mean and what may be done about them.
pub fn advise(threshold_ms: u64, events: &[(&str, Event)]) -> String {
    if threshold_ms == 0 {
        return "The latency monitor is off. Turn it on with CONFIG SET \
            latency-monitor-threshold <milliseconds>, wait for something slow, and ask again.\n"
            .into();
    }
    if events.is_empty() {
        return format!("Nothing has taken {threshold_ms} milliseconds or more.\n");
    }
    let mut text = String::new();
    for (number, (name, event)) in events.iter().enumerate() {
        let count = event.samples.len() as u64;
        let mean = event.samples.iter().map(|(_, ms)| ms).sum::<u64>() / count.max(1);
        text += &format!(
            "{}. {name}: {count} slow seconds, {mean} ms on average, {} ms at worst.\n   {}\n",
            number + 1,
            event.worst_ms,
            advice(name)
        );
    }
    text
}

fn advice(name: &str) -> &'static str {
    match name {
        "command" => {
            "Look at SLOWLOG GET for commands that do much at once; SCAN and its like do less at \
             a time than KEYS, SMEMBERS or HGETALL of what is large."
        }
        "fast-command" => {
            "Commands that should take no time did: is the machine short of processors or memory?"
        }
        "eviction-cycle" => "Keys are evicted to keep within maxmemory: is it large enough?",
        _ => "See what else was going on at these times.",
    }
}

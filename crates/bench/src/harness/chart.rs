//! What the page opens with, for people who only want to know whether it is worth their while: a
//! chart of throughput, what it means, and how many bars are not met.

use super::report::{Section, ratio, short};

/// The title of the chart's section, which stands before all others.
pub const TITLE: &str = "In short";

/// The workloads that the chart shows, if they were measured.
const SHOWN: [&str; 6] = ["GET p1", "SET p1", "GET p16", "SET p16", "GET p64", "SET p64"];
/// The length of the longest bar.
const WIDTH: f64 = 50.0;

/// The chart, as Markdown: a workload's name, and what the peer and Redstart did of it, in
/// thousand operations a second.
pub fn chart<'a>(
    peer: &str,
    lines: impl IntoIterator<Item = (&'a str, Option<f64>, Option<f64>)>,
) -> String {
    let shown: Vec<(&str, f64, f64)> = lines
        .into_iter()
        .filter(|(name, ..)| SHOWN.contains(name))
        .filter_map(|(name, theirs, ours)| Some((name, theirs?, ours?)))
        .collect();
    let most = shown.iter().map(|(_, theirs, ours)| theirs.max(*ours)).fold(0.0, f64::max);
    if most <= 0.0 {
        return "The workloads of the chart were not measured.\n".into();
    }
    let mut out = "Thousand operations a second of one core, 32-byte values, 50 connections; p16 \
        and p64 send that many requests at once:\n\n```text\n"
        .to_string();
    for (name, theirs, ours) in &shown {
        for (name, server, kops) in [(*name, peer, theirs), ("", "redstart", ours)] {
            let bar = "#".repeat(((kops / most * WIDTH).round() as usize).max(1));
            out += &format!("{name:<8} {server:<13} {bar} {kops:.0}\n");
        }
    }
    out += "```\n\n";
    for depth in ["p1", "p16", "p64"] {
        let of = |command: &str| {
            let name = format!("{command} {depth}");
            let (_, theirs, ours) = shown.iter().find(|(shown, ..)| *shown == name)?;
            ratio(*ours, *theirs).map(short)
        };
        if let (Some(get), Some(set)) = (of("GET"), of("SET")) {
            out += &format!("- {depth}: {get} times {peer}'s GETs, {set} times its SETs.\n");
        }
    }
    out + "\nWithout pipelining the system's network code takes most of the time on either side. \
        More cores are more workers: see *Two workers*.\n"
}

/// What stands before the facts, and the sections that stand behind them.
pub fn opening(sections: &[Section]) -> (String, &[Section]) {
    let [first, rest @ ..] = sections else { return (String::new(), sections) };
    if first.title != TITLE {
        return (String::new(), sections);
    }
    let missed = |section: &Section| section.text.matches("| **no** |").count();
    let missed = rest.iter().map(|section| (&section.title, missed(section)));
    let missed: Vec<String> = missed
        .filter(|(_, count)| *count > 0)
        .map(|(title, count)| format!("{title}: {count}"))
        .collect();
    let verdict = match missed.is_empty() {
        true => "Every bar below is met.".to_string(),
        false => format!("Bars that are not met: {}.", missed.join(", ")),
    };
    (format!("## {TITLE}\n\n{}\n{verdict}\n\n", first.text), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_figures() {
        let lines = [
            ("GET p1", Some(100.0), Some(110.0)),
            ("SET p1", Some(100.0), Some(120.0)),
            ("INCR p1", Some(1.0), Some(1000.0)),
            ("GET p64", Some(110.0), Some(440.0)),
            ("SET p64", None, Some(400.0)),
        ];
        let chart = chart("redis-server", lines);
        let bar = |length: usize| "#".repeat(length);
        let expected = [
            format!("GET p1   redis-server  {} 100", bar(11)),
            format!("         redstart      {} 110", bar(13)),
            format!("SET p1   redis-server  {} 100", bar(11)),
            format!("         redstart      {} 120", bar(14)),
            format!("GET p64  redis-server  {} 110", bar(13)),
            format!("         redstart      {} 440", bar(50)),
        ];
        let bars: Vec<&str> = chart.lines().filter(|line| line.contains('#')).collect();
        assert_eq!(bars, expected);
        let said = "- p1: 1.10 times redis-server's GETs, 1.20 times its SETs.";
        assert!(chart.contains(said), "{chart}");
        assert!(!chart.contains("- p64"), "{chart}");
        assert!(!super::chart("redis-server", []).contains("text"));
    }

    #[test]
    fn the_opening_counts_what_is_not_met() {
        let section = |title: &str, text: &str| Section {
            title: title.into(),
            text: text.into(),
            complete: true,
        };
        let sections = [
            section(TITLE, "the chart\n"),
            section("Memory", "| a | yes |"),
            section("Stalls", "| a | **no** |\n| b | **no** |\n"),
        ];
        let (text, rest) = opening(&sections);
        assert!(text.ends_with("the chart\n\nBars that are not met: Stalls: 2.\n\n"), "{text}");
        assert_eq!(rest.len(), 2);
        assert_eq!(opening(&sections[1..]).1.len(), 2);
    }
}

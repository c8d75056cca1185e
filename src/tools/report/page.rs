//! The page: one HTML file without scripts and without anything from elsewhere. What is not known
//! is left out, and said where somebody would look for it.

use super::Subject;
use super::html::{Column, escape, paragraph, section, table};
use super::plot::{Bar, Span, bars, columns};
use super::server::Facts;
use super::tally::{Large, SIZES, Share, TTLS, Tally, shown};
use crate::system::log::date;
use crate::tools::facts::Info;
use crate::tools::show::{bytes, count, duration_us, percent, span_s};
use std::time::Duration;

/// Prefixes that have a bar, and those that have a row.
const PREFIX_BARS: usize = 15;
const PREFIX_ROWS: usize = 100;
/// Commands that have a row.
const COMMAND_ROWS: usize = 20;

/// How the page begins.
pub const BEGINNING: &[u8] = b"<!doctype html>";

/// What the page is made of.
pub struct Report<'a> {
    /// What it is about.
    pub subject: &'a Subject,
    /// The keys.
    pub tally: &'a Tally,
    /// What a server told besides.
    pub facts: Option<&'a Facts>,
    /// When it was made, in seconds since the Unix epoch.
    pub now_s: u64,
    /// How long that took.
    pub took: Duration,
}

/// The whole page.
pub fn page(report: &Report<'_>) -> String {
    let Report { subject, tally, facts, .. } = report;
    let mut sections = vec![
        ("types", "Types", types(tally)),
        ("prefixes", "Prefixes", prefixes(tally)),
        ("ttl", "Times to live", ttls(tally)),
        ("sizes", "Sizes", sizes(tally)),
        ("largest", "Largest keys", largest(report)),
        ("encodings", "Encodings", encodings(tally)),
    ];
    if let Some(facts) = facts {
        sections.push(("server", "The server", server(&facts.info)));
        sections.push(("commands", "Commands", commands(&facts.info)));
        sections.push(("slow", "Slow log", slow(facts)));
        sections.push(("settings", "Settings that were changed", settings(facts)));
    }
    let links = sections.iter().map(|(id, title, _)| format!("<a href=\"#{id}\">{title}</a>\n"));
    let links: String = links.collect();
    let bodies: String =
        sections.iter().map(|(id, title, body)| section(id, title, body)).collect();
    let title = escape(&subject.title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\n<title>{title}: what is in it</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n{}{}\
         <nav aria-label=\"Sections\">\n{links}</nav>\n</header>\n<main>\n{bodies}</main>\n\
         </body>\n</html>\n",
        include_str!("style.css"),
        head(report),
        tiles(tally),
    )
}

fn head(report: &Report<'_>) -> String {
    let Report { subject, now_s, took, .. } = report;
    let when = date(*now_s, 0);
    let when = when.trim_end_matches(".000");
    let made = format!(
        "{}. Made by redstart report on {when} UTC, in {}.",
        subject.about,
        duration_us(took.as_micros() as f64)
    );
    let mut html = paragraph("faint", &made);
    html.extend(subject.notes.iter().map(|note| paragraph("note", note)));
    html
}

fn tiles(tally: &Tally) -> String {
    let all = tally.all;
    let mean = all.bytes.checked_div(all.keys).unwrap_or(0);
    let tile = |name: &str, value: String, more: String| {
        let (name, value, more) = (escape(name), escape(&value), escape(&more));
        format!("<div><dt>{name}</dt><dd>{value}<small>{more}</small></dd></div>\n")
    };
    let dbs = tally.dbs.len() as u64;
    let dbs = format!("in {dbs} database{}", if dbs == 1 { "" } else { "s" });
    format!(
        "<dl>\n{}{}{}{}</dl>\n",
        tile("Keys", count(all.keys), dbs),
        tile("Memory of keys and values", bytes(all.bytes), format!("{} a key", bytes(mean))),
        tile("With a deadline", part_of(all.expires, all.keys), count(all.expires)),
        tile("Types", count(tally.kinds.len() as u64), most_common(tally)),
    )
}

fn most_common(tally: &Tally) -> String {
    let most = tally.kinds.iter().max_by_key(|(_, share)| share.keys);
    most.map_or(String::new(), |(kind, _)| format!("most are of type {kind}"))
}

fn part_of(part: u64, all: u64) -> String {
    match part as f64 / all as f64 {
        _ if all == 0 => "–".to_owned(),
        share if share > 0.0 && share < 0.0005 => "< 0.1 %".to_owned(),
        share => percent(share),
    }
}

/// A share beside all: keys, memory, the parts that these are, a key's mean, deadlines.
fn cells(share: &Share, all: &Share) -> [String; 6] {
    [
        count(share.keys),
        part_of(share.keys, all.keys),
        bytes(share.bytes),
        part_of(share.bytes, all.bytes),
        share.bytes.checked_div(share.keys).map_or("–".to_owned(), bytes),
        part_of(share.expires, share.keys),
    ]
}

const SHARE: [Column; 6] = [
    Column::Number("Keys"),
    Column::Number("of all"),
    Column::Number("Memory"),
    Column::Number("of all"),
    Column::Number("A key"),
    Column::Number("With a deadline"),
];

/// Bars of memory, and a table of the rest, for shares by name.
fn shares(
    title: &str,
    first: Column,
    rows: &[(String, Share)],
    most: usize,
    all: &Share,
) -> String {
    let bar = |(name, share): &(String, Share)| Bar {
        name: name.clone(),
        value: share.bytes as f64,
        text: format!("{}, {}", bytes(share.bytes), part_of(share.bytes, all.bytes)),
    };
    let drawn: Vec<Bar> = rows.iter().take(most).map(bar).collect();
    let columns: Vec<Column> = [first].into_iter().chain(SHARE).collect();
    let rows = rows
        .iter()
        .map(|(name, share)| [name.clone()].into_iter().chain(cells(share, all)).collect());
    let rows: Vec<Vec<String>> = rows.collect();
    format!("{}{}", bars(title, &drawn), table(title, &columns, &rows))
}

fn by_memory<K>(
    map: impl Iterator<Item = (K, Share)>,
    name: fn(K) -> String,
) -> Vec<(String, Share)> {
    let mut rows: Vec<(String, Share)> = map.map(|(key, share)| (name(key), share)).collect();
    rows.sort_by(|a, b| (b.1.bytes, b.1.keys).cmp(&(a.1.bytes, a.1.keys)).then(a.0.cmp(&b.0)));
    rows
}

fn types(tally: &Tally) -> String {
    if tally.all.keys == 0 {
        return paragraph("faint", "There are no keys.");
    }
    let kinds = tally.kinds.iter().map(|(kind, share)| (kind, *share));
    let rows = by_memory(kinds, String::clone);
    let mut html = shares("Memory by type", Column::Text("Type"), &rows, rows.len(), &tally.all);
    if tally.dbs.len() > 1 {
        let dbs = tally.dbs.iter().map(|(db, share)| (*db, *share));
        let rows = by_memory(dbs, |db| match db {
            usize::MAX => "(others)".to_owned(),
            db => format!("database {db}"),
        });
        html += &shares("Memory by database", Column::Text("Database"), &rows, 16, &tally.all);
    }
    html
}

fn prefixes(tally: &Tally) -> String {
    let (some, others) = tally.prefixes(PREFIX_ROWS);
    let mut rows: Vec<(String, Share)> =
        some.iter().map(|(name, share)| (shown(name), *share)).collect();
    if others.keys > 0 {
        rows.push(("(no prefix, and others)".to_owned(), others));
    }
    let mut html = paragraph(
        "faint",
        "A prefix is the first parts of a name; a star stands for numbers and other marks of one \
         thing.",
    );
    if tally.prefixes_joined {
        html += &paragraph(
            "note",
            "There are more prefixes than are told apart. The smallest are counted with the keys \
             that have none.",
        );
    } else if tally.prefixes_len() > PREFIX_ROWS {
        let all = count(tally.prefixes_len() as u64);
        html += &paragraph("faint", &format!("There are {all}; these take most."));
    }
    html + &shares("Memory by prefix", Column::Code("Prefix"), &rows, PREFIX_BARS, &tally.all)
}

fn span(name: &str, share: &Share, all: &Share) -> Span {
    let part = |part: u64, all: u64| if all == 0 { 0.0 } else { part as f64 / all as f64 };
    Span {
        name: name.to_owned(),
        keys: part(share.keys, all.keys),
        bytes: part(share.bytes, all.bytes),
        text: format!("{} keys, {}", count(share.keys), bytes(share.bytes)),
    }
}

/// A histogram and its table.
fn histogram(title: &str, first: &'static str, spans: &[(String, Share)], all: &Share) -> String {
    let drawn: Vec<Span> = spans.iter().map(|(name, share)| span(name, share, all)).collect();
    let head: Vec<Column> = [Column::Text(first)].into_iter().chain(SHARE).collect();
    let rows = spans
        .iter()
        .filter(|(_, share)| share.keys > 0)
        .map(|(name, share)| [name.clone()].into_iter().chain(cells(share, all)).collect());
    let rows: Vec<Vec<String>> = rows.collect();
    format!("{}{}", columns(title, &drawn), table(title, &head, &rows))
}

/// The names of spans by their upper ends.
fn ends(names: &[(u64, &'static str)], shares: &[Share]) -> Vec<(String, Share)> {
    let spans = names.iter().zip(shares).enumerate().map(|(at, ((_, name), share))| {
        let before = at.checked_sub(1).map(|at| names[at].1);
        let name = match (*name, before) {
            ("more", Some(before)) => format!("> {before}"),
            (name, _) => format!("≤ {name}"),
        };
        (name, *share)
    });
    spans.collect()
}

fn ttls(tally: &Tally) -> String {
    let mut spans = ends(&TTLS, &tally.ttls);
    spans.push(("none".to_owned(), tally.forever));
    if tally.expired.keys > 0 {
        spans.insert(0, ("passed".to_owned(), tally.expired));
    }
    histogram("Time to live of keys", "Left", &spans, &tally.all)
}

fn sizes(tally: &Tally) -> String {
    let spans = ends(&SIZES, &tally.sizes);
    histogram("What keys take, with their values", "Size", &spans, &tally.all)
}

fn largest(report: &Report<'_>) -> String {
    let own;
    let keys: &[Large] = match report.facts {
        Some(facts) => &facts.largest,
        None => {
            own = report.tally.largest();
            &own
        }
    };
    let row = |key: &Large| {
        vec![
            shown(&key.name),
            key.kind.to_string(),
            bytes(key.bytes),
            key.elements.map_or("–".to_owned(), count),
            key.left_ms.map_or("–".to_owned(), |ms| span_s(ms / 1000)),
            key.encoding.to_string(),
            key.db.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
    let columns = [
        Column::Code("Key"),
        Column::Text("Type"),
        Column::Number("Memory"),
        Column::Number("Elements, or bytes"),
        Column::Number("Left"),
        Column::Text("Encoding"),
        Column::Number("Database"),
    ];
    table("The keys that take most", &columns, &rows)
}

fn encodings(tally: &Tally) -> String {
    let mut all: Vec<(&(String, String), &Share)> = tally.encodings.iter().collect();
    all.sort_by_key(|(name, share)| (&name.0, std::cmp::Reverse(share.keys)));
    let rows = all.into_iter().map(|((kind, encoding), share)| {
        let encoding = if encoding.is_empty() { "–" } else { encoding };
        let names = [kind.clone(), encoding.to_owned()];
        names.into_iter().chain(cells(share, &tally.all)).collect()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let columns: Vec<Column> =
        [Column::Text("Type"), Column::Text("Encoding")].into_iter().chain(SHARE).collect();
    table("How values are kept", &columns, &rows)
}

/// Fields of INFO that are shown, and what they are.
const FIELDS: &[(&str, &str, Unit)] = &[
    ("os", "System", Unit::Text),
    ("uptime_in_seconds", "Up", Unit::Seconds),
    ("role", "Role", Unit::Text),
    ("used_memory", "Memory used", Unit::Bytes),
    ("used_memory_peak", "at most", Unit::Bytes),
    ("used_memory_rss", "resident", Unit::Bytes),
    ("maxmemory", "limit (maxmemory; 0 is none)", Unit::Bytes),
    ("maxmemory_policy", "what goes then (maxmemory-policy)", Unit::Text),
    ("connected_clients", "Clients", Unit::Count),
    ("blocked_clients", "waiting", Unit::Count),
    ("maxclients", "at most (maxclients)", Unit::Count),
    ("rejected_connections", "Connections refused", Unit::Count),
    ("total_connections_received", "Connections so far", Unit::Count),
    ("total_commands_processed", "Commands so far", Unit::Count),
    ("instantaneous_ops_per_sec", "Commands a second", Unit::Count),
    ("keyspace_hits", "Lookups that found a key", Unit::Count),
    ("keyspace_misses", "Lookups that found none", Unit::Count),
    ("expired_keys", "Keys that expired", Unit::Count),
    ("evicted_keys", "Keys that were evicted", Unit::Count),
    ("total_net_input_bytes", "Bytes that came", Unit::Bytes),
    ("total_net_output_bytes", "Bytes that went", Unit::Bytes),
    ("total_error_replies", "Error replies", Unit::Count),
    ("rdb_changes_since_last_save", "Changes since the last snapshot", Unit::Count),
    ("rdb_last_bgsave_status", "The last snapshot went", Unit::Text),
    ("aof_enabled", "Log of every change (1 is yes)", Unit::Text),
    ("aof_last_write_status", "Its last write went", Unit::Text),
    ("connected_slaves", "Replicas", Unit::Count),
];

/// What a field counts.
#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    Count,
    Seconds,
    Text,
}

fn server(info: &Info) -> String {
    let row = |(name, title, unit): &(&str, &str, Unit)| {
        let text = info.text(name)?;
        let number = text.parse::<u64>().ok();
        let value = match (unit, number) {
            (Unit::Bytes, Some(number)) => bytes(number),
            (Unit::Count, Some(number)) => count(number),
            (Unit::Seconds, Some(number)) => span_s(number),
            _ => text.to_owned(),
        };
        Some(vec![(*title).to_owned(), value, (*name).to_owned()])
    };
    let mut rows: Vec<Vec<String>> = FIELDS.iter().filter_map(row).collect();
    let ratio = |hits: u64, misses: u64| part_of(hits, hits + misses);
    if let (Some(hits), Some(misses)) = (info.count("keyspace_hits"), info.count("keyspace_misses"))
    {
        rows.push(vec!["Hit ratio".to_owned(), ratio(hits, misses), String::new()]);
    }
    for (name, times) in info.errors().into_iter().take(20) {
        let field = format!("errorstat_{name}");
        rows.push(vec![format!("Errors {name}"), count(times), field]);
    }
    let columns = [Column::Text("What"), Column::Text("Value"), Column::Code("Field of INFO")];
    let told = "How it did when the report was made. To ask it about its keys counts as commands \
                and as lookups.";
    format!("{}{}", paragraph("faint", told), table("INFO", &columns, &rows))
}

fn commands(info: &Info) -> String {
    let mut costs = info.commands();
    let all: f64 = costs.iter().map(|cost| cost.us).sum();
    costs.sort_by(|a, b| b.us.total_cmp(&a.us));
    if costs.is_empty() {
        return paragraph("faint", "The server does not tell (INFO commandstats).");
    }
    let bar = |cost: &crate::tools::facts::CommandCost| Bar {
        name: cost.name.clone(),
        value: cost.us,
        text: format!("{}, {}", percent(cost.us / all.max(1.0)), duration_us(cost.us)),
    };
    let drawn: Vec<Bar> = costs.iter().take(10).map(bar).collect();
    let rows = costs.iter().take(COMMAND_ROWS).map(|cost| {
        let at = |nth: usize| match cost.percentiles_us.get(nth) {
            Some((_, us)) => duration_us(*us),
            None => "–".to_owned(),
        };
        vec![
            cost.name.clone(),
            count(cost.calls),
            duration_us(cost.us / cost.calls.max(1) as f64),
            at(0),
            at(1),
            at(2),
            count(cost.failed),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let columns = [
        Column::Code("Command"),
        Column::Number("Calls"),
        Column::Number("Mean"),
        Column::Number("p50"),
        Column::Number("p99"),
        Column::Number("p99.9"),
        Column::Number("Failed"),
    ];
    let title = "Time by command, since the server began to count";
    format!("{}{}", bars(title, &drawn), table(title, &columns, &rows))
}

fn slow(facts: &Facts) -> String {
    if facts.slow.is_empty() {
        return paragraph("faint", "No command was slow.");
    }
    let row = |slow: &crate::tools::facts::Slow| {
        let words: Vec<String> =
            slow.words.iter().map(|word| crate::tools::show::name(word, 120)).collect();
        let at = date(slow.at_s.max(0) as u64, 0);
        vec![
            at.trim_end_matches(".000").to_owned(),
            duration_us(slow.us as f64),
            words.join(" "),
            crate::tools::show::name(&slow.client, 60),
        ]
    };
    let rows: Vec<Vec<String>> = facts.slow.iter().map(row).collect();
    let columns = [
        Column::Text("When (UTC)"),
        Column::Number("Took"),
        Column::Code("Command"),
        Column::Code("Client"),
    ];
    table("Slow commands, the newest first", &columns, &rows)
}

fn settings(facts: &Facts) -> String {
    if facts.changed.is_empty() {
        return paragraph("faint", "None, as far as the server tells.");
    }
    let row = |one: &super::server::Changed| {
        vec![one.name.clone(), one.value.clone(), one.default.clone(), one.meaning.replace('`', "")]
    };
    let rows: Vec<Vec<String>> = facts.changed.iter().map(row).collect();
    let columns = [
        Column::Code("Parameter"),
        Column::Code("Value"),
        Column::Code("Default"),
        Column::Text("What it means"),
    ];
    let told = "Defaults are Redstart's, which are those of Redis 8.6 where it has the parameter. \
                Meanings are Redstart's, too.";
    format!("{}{}", paragraph("faint", told), table("CONFIG GET *", &columns, &rows))
}

//! The screens that are tables: rows that can be sorted and scrolled, columns that leave when the
//! window is narrow.

use super::model::Model;
use super::view::remark;
use crate::tools::facts::{Client, CommandCost, Info, Prefix, Slow};
use crate::tools::show::{bytes, count, duration_us, name, percent, rate, span_s};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// How much room a table has: lines for rows, and columns.
pub struct Place {
    /// Rows that are seen.
    pub rows: usize,
    /// Characters of a row.
    pub width: u16,
}

/// A column: its title, its width (0 takes what is left), and from which width of the window on it
/// is there, which leaves some twenty characters for what is left.
struct Column {
    title: &'static str,
    width: u16,
    from: u16,
}

/// Figures stand at the right of their column.
const fn column(title: &'static str, width: u16, from: u16) -> Column {
    Column { title, width, from }
}

/// A table as it is drawn.
pub struct Listing {
    title: String,
    columns: Vec<&'static Column>,
    /// The cells of the rows that are seen.
    rows: Vec<Vec<String>>,
    /// What is said where there are no rows.
    empty: &'static str,
}

impl Listing {
    /// Makes the rows of `all` that are seen, sorted, and the cells of the columns that fit.
    fn of<T>(
        model: &Model,
        place: &Place,
        what: &str,
        columns: &'static [Column],
        mut all: Vec<T>,
        order: impl Fn(&T, &T, usize) -> Ordering,
        cells: impl Fn(&T) -> Vec<String>,
    ) -> Listing {
        let (by, reversed) = model.order();
        all.sort_by(|a, b| if reversed { order(b, a, by) } else { order(a, b, by) });
        let most = all.len().saturating_sub(place.rows);
        let first = model.scroll.min(most);
        let last = (first + place.rows).min(all.len());
        let range = match all.len() > place.rows {
            true => format!(
                "{}–{} of {}",
                count(first as u64 + 1),
                count(last as u64),
                count(all.len() as u64)
            ),
            false => count(all.len() as u64),
        };
        let sorted = model.screen.orders().get(by).map_or(String::new(), |order| {
            format!(", by {order}{}", if reversed { ", reversed" } else { "" })
        });
        let title = format!(" {what}: {range}{sorted}");
        let fits = |column: &&Column| place.width >= column.from;
        let rows = all[first..last].iter().map(|row| {
            let cells = columns.iter().zip(cells(row)).filter(|(column, _)| fits(column));
            cells.map(|(_, cell)| cell).collect()
        });
        let rows = rows.collect();
        Listing { title, columns: columns.iter().filter(fits).collect(), rows, empty: "" }
    }

    fn or(self, empty: &'static str) -> Listing {
        Listing { empty, ..self }
    }

    /// How many rows are seen.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect) {
        if !self.title.is_empty() {
            frame.render_widget(
                Paragraph::new(remark(self.title.clone())),
                Rect { height: 1, ..area },
            );
        }
        let used = u16::from(!self.title.is_empty()).min(area.height);
        let area = Rect { y: area.y + used, height: area.height - used, ..area };
        if self.rows.is_empty() {
            let lines = vec![Line::default(), Line::raw(format!(" {}", self.empty))];
            frame.render_widget(Paragraph::new(lines), area);
            return;
        }
        let aligned = |column: &Column, text: String| match column.width {
            0 => Line::raw(text),
            _ if column.title.ends_with(' ') => Line::raw(text),
            _ => Line::raw(text).right_aligned(),
        };
        let row = |cells: Vec<String>| {
            let cells = self.columns.iter().zip(cells);
            Row::new(cells.map(|(column, text)| Cell::from(aligned(column, text))))
        };
        let titles = self.columns.iter().map(|column| column.title.trim_end().to_owned()).collect();
        let style = Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
        let widths = self.columns.iter().map(|column| match column.width {
            0 => Constraint::Fill(1),
            width => Constraint::Length(width),
        });
        let table = Table::new(self.rows.iter().cloned().map(row), widths)
            .header(row(titles).style(style))
            .column_spacing(1);
        let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        frame.render_widget(table, inner);
    }
}

/// The larger number first.
fn falling(a: f64, b: f64) -> Ordering {
    b.total_cmp(&a)
}

/// What a command has cost, and how much of it since the sample before.
struct Cost {
    command: CommandCost,
    calls: f64,
    us: f64,
    /// The part of all commands' time.
    share: f64,
}

impl Cost {
    fn mean_us(&self) -> f64 {
        self.command.us / (self.command.calls.max(1) as f64)
    }

    fn percentile(&self, index: usize) -> String {
        self.command.percentiles_us.get(index).map_or("–".to_owned(), |(_, us)| duration_us(*us))
    }

    fn slowest_us(&self) -> f64 {
        self.command.percentiles_us.last().map_or(self.mean_us(), |(_, us)| *us)
    }
}

/// What each command costs. Without a sample before, or where nothing ran since, shares are of all
/// that was.
fn costs(model: &Model, info: &Info) -> Vec<Cost> {
    let before: BTreeMap<String, CommandCost> = match &model.before {
        Some((before, _)) => {
            before.commands().into_iter().map(|it| (it.name.clone(), it)).collect()
        }
        None => BTreeMap::new(),
    };
    let seconds = model.before.as_ref().map(|(_, seconds)| *seconds);
    let mut costs: Vec<Cost> = info
        .commands()
        .into_iter()
        .map(|command| {
            let was = before.get(&command.name).cloned().unwrap_or_default();
            let (calls, us) = match seconds {
                // Less than before: CONFIG RESETSTAT.
                Some(seconds) if command.calls >= was.calls => {
                    ((command.calls - was.calls) as f64 / seconds, (command.us - was.us) / seconds)
                }
                _ => (0.0, 0.0),
            };
            Cost { command, calls, us, share: 0.0 }
        })
        .collect();
    let sum: f64 = costs.iter().map(|cost| cost.us).sum();
    let ever: f64 = costs.iter().map(|cost| cost.command.us).sum();
    for cost in &mut costs {
        let (part, of) = if sum > 0.0 { (cost.us, sum) } else { (cost.command.us, ever) };
        cost.share = if of > 0.0 { part / of } else { 0.0 };
    }
    costs
}

/// What each command costs.
pub fn commands(model: &Model, place: &Place) -> Listing {
    static COLUMNS: &[Column] = &[
        column("Command ", 18, 0),
        column("Calls/s", 9, 0),
        column("Calls", 13, 0),
        column("Time taken", 10, 0),
        column("Mean", 9, 0),
        column("p50", 9, 90),
        column("p99", 9, 76),
        column("p99.9", 9, 100),
        column("Failed", 9, 110),
        column("Refused", 9, 120),
        column("", 0, 120),
    ];
    let costs = model.info().map(|info| costs(model, info)).unwrap_or_default();
    let order = |a: &Cost, b: &Cost, by: usize| match by {
        0 => falling(a.share, b.share).then(falling(a.command.us, b.command.us)),
        1 => falling(a.calls, b.calls).then(b.command.calls.cmp(&a.command.calls)),
        2 => falling(a.mean_us(), b.mean_us()),
        3 => falling(a.slowest_us(), b.slowest_us()),
        _ => a.command.name.cmp(&b.command.name),
    };
    let cells = |cost: &Cost| {
        vec![
            name(cost.command.name.as_bytes(), 40),
            rate(cost.calls),
            count(cost.command.calls),
            percent(cost.share),
            duration_us(cost.mean_us()),
            cost.percentile(0),
            cost.percentile(1),
            cost.percentile(2),
            count(cost.command.failed),
            count(cost.command.rejected),
            String::new(),
        ]
    };
    let listing = Listing::of(model, place, "Commands", COLUMNS, costs, order, cells);
    listing.or("No command has run yet, or the server does not count them (INFO commandstats).")
}

/// The commands that take most of the time, for the first screen.
pub fn busiest(model: &Model, place: &Place) -> Listing {
    static COLUMNS: &[Column] = &[
        column("Busiest commands ", 20, 0),
        column("Calls/s", 10, 0),
        column("Time taken", 12, 0),
        column("Mean", 10, 0),
        column("p99", 10, 0),
        column("", 0, 0),
    ];
    let costs = model.info().map(|info| costs(model, info)).unwrap_or_default();
    let order =
        |a: &Cost, b: &Cost, _| falling(a.share, b.share).then(falling(a.command.us, b.command.us));
    let cells = |cost: &Cost| {
        vec![
            name(cost.command.name.as_bytes(), 20),
            rate(cost.calls),
            percent(cost.share),
            duration_us(cost.mean_us()),
            cost.percentile(1),
            String::new(),
        ]
    };
    let listing = Listing::of(model, place, "", COLUMNS, costs, order, cells);
    Listing { title: String::new(), ..listing.or("No command has run yet.") }
}

/// What keys that begin alike bring and take.
///
/// # Errors
/// Why there is nothing to show.
pub fn prefixes(model: &Model, place: &Place) -> Result<Listing, String> {
    static COLUMNS: &[Column] = &[
        column("Prefix", 0, 0),
        column("Keys", 11, 0),
        column("Memory", 9, 0),
        column("Hits", 11, 0),
        column("Misses", 11, 0),
        column("Hit ratio", 9, 0),
        column("Most misses", 16, 100),
        column("In", 9, 120),
        column("Out", 9, 120),
        column("p50", 9, 140),
        column("p99", 9, 140),
    ];
    let Some(sample) = &model.sample else { return Ok(nothing()) };
    let all: Vec<&Prefix> = match &sample.prefixes {
        Ok(all) => all.iter().collect(),
        Err(text) if text.contains("stats-prefixes") => {
            return Err("Nothing is counted by prefix yet. To begin: \
                CONFIG SET stats-prefixes :\n (docs/parameters.md)."
                .to_owned());
        }
        Err(text) if text.starts_with("ERR unknown") => {
            return Err("This server counts nothing by prefix: PREFIX.STATS is Redstart's.\n \
                What keys take by prefix: redstart report."
                .to_owned());
        }
        Err(text) => return Err(format!("! The server does not tell (PREFIX.STATS): {text}")),
    };
    let order = |a: &&Prefix, b: &&Prefix, by: usize| match by {
        0 => b.bytes.cmp(&a.bytes).then(b.hits.cmp(&a.hits)),
        1 => b.keys.cmp(&a.keys),
        2 => b.hits.cmp(&a.hits),
        3 => b.missed().cmp(&a.missed()),
        _ => a.name.cmp(&b.name),
    };
    let cells = |prefix: &&Prefix| {
        let cause = prefix.misses.iter().filter(|(_, times)| *times > 0);
        let cause = cause.max_by_key(|(_, times)| *times);
        vec![
            match prefix.name.is_empty() {
                true => "(all others)".to_owned(),
                false => name(&prefix.name, 60),
            },
            count(prefix.keys),
            bytes(prefix.bytes),
            count(prefix.hits),
            count(prefix.missed()),
            prefix.hit_ratio().map_or("–".to_owned(), percent),
            cause.map_or("–".to_owned(), |(cause, _)| name(cause.as_bytes(), 16)),
            bytes(prefix.bytes_in),
            bytes(prefix.bytes_out),
            duration_us(prefix.p50_us as f64),
            duration_us(prefix.p99_us as f64),
        ]
    };
    let listing = Listing::of(model, place, "Prefixes", COLUMNS, all, order, cells);
    Ok(listing.or("No key was used or found by a walk yet."))
}

/// The slow log.
///
/// # Errors
/// Why there is nothing to show.
pub fn slow(model: &Model, place: &Place) -> Result<Listing, String> {
    static COLUMNS: &[Column] = &[
        column("When", 10, 0),
        column("Took", 9, 0),
        column("Client ", 22, 100),
        column("Command", 0, 0),
    ];
    let Some(sample) = &model.sample else { return Ok(nothing()) };
    let all: Vec<&Slow> = match &sample.slow {
        Ok(all) => all.iter().collect(),
        Err(text) => return Err(format!("! The server does not tell (SLOWLOG): {text}")),
    };
    let order = |a: &&Slow, b: &&Slow, by: usize| match by {
        0 => b.id.cmp(&a.id),
        _ => b.us.cmp(&a.us),
    };
    let cells = |slow: &&Slow| {
        let ago_s = sample.wall_s.saturating_sub(slow.at_s).max(0) as u64;
        let words: Vec<String> = slow.words.iter().map(|word| name(word, 60)).collect();
        vec![
            format!("{} ago", span_s(ago_s)),
            duration_us(slow.us as f64),
            name(&slow.client, 22),
            words.join(" "),
        ]
    };
    let what = match sample.slow_from_us {
        Some(..0) => "Slow commands (none is noted: slowlog-log-slower-than -1)".to_owned(),
        Some(us) => format!("Slow commands (from {} on)", duration_us(us as f64)),
        None => "Slow commands".to_owned(),
    };
    let listing = Listing::of(model, place, &what, COLUMNS, all, order, cells);
    Ok(listing.or("No command was slow."))
}

/// The clients.
///
/// # Errors
/// Why there is nothing to show.
pub fn clients(model: &Model, place: &Place) -> Result<Listing, String> {
    static COLUMNS: &[Column] = &[
        column("Id", 6, 0),
        column("Address ", 21, 0),
        column("Name", 0, 0),
        column("User ", 10, 110),
        column("Age", 7, 60),
        column("Idle", 7, 0),
        column("Memory", 8, 0),
        column("Unread", 8, 100),
        column("Db", 3, 120),
        column("State ", 9, 130),
        column("Last command ", 14, 90),
    ];
    let sample = model.sample.as_ref().and_then(|sample| sample.clients.as_ref());
    let all: Vec<&Client> = match sample {
        None if model.paused => return Err("Paused before the clients were read.".to_owned()),
        None => return Err("Asking the server…".to_owned()),
        Some(Ok(all)) => all.iter().collect(),
        Some(Err(text)) => return Err(format!("! The server does not tell (CLIENT LIST): {text}")),
    };
    // Servers before Redis 6.2 do not tell what a client takes.
    let memory = |client: &Client| client.count("tot-mem").max(client.count("omem"));
    let most = |a: u64, b: u64| b.cmp(&a);
    let order = |a: &&Client, b: &&Client, by: usize| match by {
        0 => most(memory(a), memory(b)),
        1 => most(a.count("age"), b.count("age")),
        2 => most(a.count("idle"), b.count("idle")),
        3 => most(a.count("omem"), b.count("omem")),
        _ => a.text("name").cmp(b.text("name")),
    };
    let cells = |client: &&Client| {
        let text = |field: &str, most: usize| name(client.text(field).as_bytes(), most);
        vec![
            text("id", 12),
            text("addr", 21),
            text("name", 40),
            text("user", 10),
            span_s(client.count("age")),
            span_s(client.count("idle")),
            bytes(memory(client)),
            bytes(client.count("omem")),
            text("db", 3),
            state(client.text("flags")).to_owned(),
            text("cmd", 14),
        ]
    };
    let listing = Listing::of(model, place, "Clients", COLUMNS, all, order, cells);
    Ok(listing.or("There are no clients."))
}

/// What a client's flags say, in a word.
fn state(flags: &str) -> &'static str {
    let words = [
        ('M', "primary"),
        ('S', "replica"),
        ('O', "monitor"),
        ('b', "waits"),
        ('P', "listens"),
        ('x', "multi"),
    ];
    words.iter().find(|(flag, _)| flags.contains(*flag)).map_or("", |(_, word)| word)
}

fn nothing() -> Listing {
    Listing { title: String::new(), columns: vec![], rows: vec![], empty: "" }
}

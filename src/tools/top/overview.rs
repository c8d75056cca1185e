//! The first screen: how the server does, with what was before, the commands that take most of its
//! time, and its databases.

use super::listing;
use super::model::{Model, Point};
use super::view::{heading, plot, remark};
use crate::tools::facts::Info;
use crate::tools::show::{bytes, count, percent, rate, span_s};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// From so many columns on, commands and databases stand beside the figures.
const WIDE: u16 = 120;
/// Columns of a figure's name, its value, and what is said beside it.
const NAME: usize = 12;
const VALUE: usize = 12;
const BESIDE: usize = 31;

/// One line: a figure, what it was, what else there is to say.
struct Figure {
    name: &'static str,
    value: String,
    beside: String,
    past: Option<fn(&Point) -> f64>,
}

/// Draws the screen.
pub fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let Some(info) = model.info() else { return };
    let is_wide = area.width >= WIDE;
    let left = if is_wide { Rect { width: area.width * 11 / 20, ..area } } else { area };
    let figures = figures(model, info);
    let lines: Vec<Line<'_>> =
        figures.iter().map(|figure| line(figure, model, left.width.into())).collect();
    let used = lines.len() as u16;
    frame.render_widget(Paragraph::new(lines), left);
    let right = match is_wide {
        true => Rect { x: left.right() + 2, width: area.width - left.width - 2, ..area },
        false => {
            let used = (used + 1).min(area.height);
            Rect { y: area.y + used, height: area.height - used, ..area }
        }
    };
    let dbs = info.dbs();
    // A heading, and up to three databases where there is little room.
    let for_dbs = (dbs.len().clamp(1, if is_wide { 16 } else { 3 }) + 1) as u16;
    let for_commands = right.height.saturating_sub(for_dbs);
    let place = listing::Place { rows: for_commands.saturating_sub(1).into(), width: right.width };
    let busiest = listing::busiest(model, &place);
    let for_commands = for_commands.min(busiest.rows().max(1) as u16 + 1);
    if for_commands > 1 {
        busiest.draw(frame, Rect { height: for_commands, ..right });
    }
    let gap = u16::from(is_wide);
    let used = (for_commands + gap).min(right.height);
    let databases = Rect { y: right.y + used, height: right.height - used, ..right };
    frame.render_widget(Paragraph::new(database_lines(&dbs, databases.height.into())), databases);
}

fn line(figure: &Figure, model: &Model, width: usize) -> Line<'static> {
    let (name, value, beside) = (figure.name, &figure.value, &figure.beside);
    let told = format!(" {name:<NAME$}{value:>VALUE$}  {beside:<BESIDE$} ");
    let room = width.saturating_sub(told.chars().count() + 1);
    let drawn = match figure.past {
        Some(past) if room >= 8 && model.past.len() > 1 => {
            plot(model.past.iter().map(past), room, model.blocks)
        }
        _ => String::new(),
    };
    Line::from(vec![Span::raw(told), Span::raw(drawn)])
}

fn figures(model: &Model, info: &Info) -> Vec<Figure> {
    let figure = |name, value, beside, past| Figure { name, value, beside, past };
    let now = model.now();
    let is_known = !model.past.is_empty();
    let a_second = |number: f64| match is_known {
        true => format!("{} /s", rate(number)),
        false => "…".to_owned(),
    };
    let bytes_a_second = |number: f64| match is_known {
        true => format!("{}/s", bytes(number as u64)),
        false => "…".to_owned(),
    };
    let peak = model.past.iter().map(|point| point.rates.operations).fold(0.0, f64::max);
    let total = |name: &str| info.count(name).unwrap_or(0);
    let peak = if is_known { format!("at most {} /s", rate(peak)) } else { String::new() };
    let mut figures = vec![
        figure("Operations", a_second(now.rates.operations), peak, Some(|it| it.rates.operations)),
        hits(&now, is_known, info),
    ];
    figures.extend(memory(info));
    let expires: u64 = info.dbs().iter().map(|db| db.expires).sum();
    let clients = format!(
        "{} waiting, {} at most",
        count(total("blocked_clients")),
        info.count("maxclients").map_or("?".to_owned(), count)
    );
    let errors = most_errors(info);
    let processor = match is_known {
        true => percent(now.rates.processor),
        false => "…".to_owned(),
    };
    let (input, output) = (now.rates.input_bytes, now.rates.output_bytes);
    let in_all = |name: &str| format!("{} in all", count(total(name)));
    figures.extend([
        figure("Clients", count(total("connected_clients")), clients, Some(|it| it.clients)),
        figure("Network in", bytes_a_second(input), String::new(), Some(|it| it.rates.input_bytes)),
        figure("    out", bytes_a_second(output), String::new(), Some(|it| it.rates.output_bytes)),
        figure(
            "Keys",
            count(info.dbs().iter().map(|db| db.keys).sum()),
            format!("{} with a deadline", count(expires)),
            Some(|it| it.keys),
        ),
        figure(
            "Expired",
            a_second(now.rates.expired),
            in_all("expired_keys"),
            Some(|it| it.rates.expired),
        ),
        figure(
            "Evicted",
            a_second(now.rates.evicted),
            in_all("evicted_keys"),
            Some(|it| it.rates.evicted),
        ),
        figure("Errors", a_second(now.rates.errors), errors, Some(|it| it.rates.errors)),
        figure("Processor", processor, "of one core".to_owned(), Some(|it| it.rates.processor)),
    ]);
    figures
}

fn hits(now: &Point, is_known: bool, info: &Info) -> Figure {
    let total = |name: &str| info.number(name).unwrap_or(0.0);
    let (hits, misses) = (total("keyspace_hits"), total("keyspace_misses"));
    let ever = match hits + misses > 0.0 {
        true => format!("{} since the start", percent(hits / (hits + misses))),
        false => "nothing was looked up yet".to_owned(),
    };
    let value = match now.rates.hit_ratio() {
        Some(ratio) => percent(ratio),
        None if is_known => "no reads".to_owned(),
        None => "…".to_owned(),
    };
    let past: fn(&Point) -> f64 = |it| it.rates.hit_ratio().unwrap_or(0.0);
    Figure { name: "Hit ratio", value, beside: ever, past: Some(past) }
}

/// Memory in use and what of it is resident.
fn memory(info: &Info) -> [Figure; 2] {
    let total = |name: &str| info.count(name).unwrap_or(0);
    let (used, limit) = (total("used_memory"), total("maxmemory"));
    let policy = info.text("maxmemory_policy").unwrap_or_default();
    let beside = match limit {
        0 => format!("no limit, peak {}", bytes(total("used_memory_peak"))),
        limit => {
            format!("{:.0} % of {}, {policy}", used as f64 / limit as f64 * 100.0, bytes(limit))
        }
    };
    let past: Option<fn(&Point) -> f64> = Some(|it| it.used_bytes);
    let resident = total("used_memory_rss");
    let also = format!("{:.2} times what is used", resident as f64 / used.max(1) as f64);
    [
        Figure { name: "Memory used", value: bytes(used), beside, past },
        Figure { name: "    resident", value: bytes(resident), beside: also, past: None },
    ]
}

/// The errors that were replied most often.
fn most_errors(info: &Info) -> String {
    let mut errors = info.errors();
    errors.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let shown = errors.iter().take(2).map(|(name, times)| {
        format!("{} {}", crate::tools::show::name(name.as_bytes(), 14), count(*times))
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn database_lines(dbs: &[crate::tools::facts::Db], rows: usize) -> Vec<Line<'static>> {
    let title = format!(
        " {:<10}{:>14}{:>18}{:>20}",
        "Database", "Keys", "With a deadline", "Left on average"
    );
    let mut lines = vec![heading(title)];
    if dbs.is_empty() {
        lines.push(remark(" There are no keys."));
    }
    let room = rows.saturating_sub(1);
    let most = if dbs.len() > room { room.saturating_sub(1) } else { dbs.len() };
    for db in &dbs[..most] {
        let left = match db.mean_ttl_ms {
            0 => "–".to_owned(),
            ms => span_s(ms / 1000),
        };
        let (number, keys, expires) = (db.number, count(db.keys), count(db.expires));
        lines.push(Line::raw(format!(" {number:<10}{keys:>14}{expires:>18}{left:>20}")));
    }
    if most < dbs.len() {
        lines.push(remark(format!(" and {} more", dbs.len() - most)));
    }
    lines
}

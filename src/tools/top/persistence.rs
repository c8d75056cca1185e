//! The screen of snapshots and the log: what is on disk, what is under way, and how it went.

use super::model::Model;
use super::view::heading;
use crate::tools::facts::Info;
use crate::tools::show::{bytes, count, percent, span_s};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

/// Draws the screen.
pub fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let (Some(info), Some(sample)) = (model.info(), &model.sample) else { return };
    let mut lines = vec![];
    loading(info, &mut lines);
    snapshots(info, sample.wall_s, &mut lines);
    log(info, &mut lines);
    replication(info, &mut lines);
    frame.render_widget(Paragraph::new(lines), area);
}

fn put(lines: &mut Vec<Line<'static>>, name: &str, value: impl std::fmt::Display) {
    lines.push(Line::raw(format!(" {name:<28}{value}")));
}

/// How far, as a bar: `[#####-----] 50.0 %`.
fn bar(part: f64) -> String {
    let done = (part.clamp(0.0, 1.0) * 30.0) as usize;
    format!("[{}{}] {}", "#".repeat(done), "-".repeat(30 - done), percent(part))
}

fn is(info: &Info, name: &str) -> bool {
    info.count(name).is_some_and(|number| number != 0)
}

fn loading(info: &Info, lines: &mut Vec<Line<'static>>) {
    if !is(info, "loading") {
        return;
    }
    lines.push(heading(" Data is being loaded"));
    let part = info.number("loading_loaded_perc").unwrap_or(0.0) / 100.0;
    put(lines, "So far", bar(part));
    if let Some(left_s) = info.count("loading_eta_seconds") {
        put(lines, "Left", span_s(left_s));
    }
    lines.push(Line::default());
}

/// How the last job went, by the words of INFO.
fn how(info: &Info, name: &str) -> &'static str {
    match info.text(name) {
        Some("ok") => "well",
        Some(_) => "! failed: see the server's log",
        None => "not told",
    }
}

fn snapshots(info: &Info, now_s: i64, lines: &mut Vec<Line<'static>>) {
    lines.push(heading(" Snapshots"));
    let saved_s = info.text("rdb_last_save_time").and_then(|text| text.parse::<i64>().ok());
    let last = match saved_s.filter(|saved_s| *saved_s > 0) {
        Some(saved_s) => format!("{} ago", span_s(now_s.saturating_sub(saved_s).max(0) as u64)),
        None => "none yet".to_owned(),
    };
    // Servers say the time of their start before there is one.
    put(lines, "Last one, or the start", last);
    let changes = info.count("rdb_changes_since_last_save").map_or("?".to_owned(), count);
    put(lines, "Changes since then", changes);
    put(lines, "It went", how(info, "rdb_last_bgsave_status"));
    if let Some(seconds) = info.count("rdb_last_bgsave_time_sec") {
        put(lines, "It took", span_s(seconds));
    }
    if is(info, "rdb_bgsave_in_progress") {
        put(lines, "One is under way", under_way(info, "rdb_current_bgsave_time_sec"));
    }
    lines.push(Line::default());
}

/// How far a job is, and since when.
fn under_way(info: &Info, since: &str) -> String {
    let counted = |name: &str| info.number(name).unwrap_or(0.0);
    let (done, all) = (counted("current_save_keys_processed"), counted("current_save_keys_total"));
    let since = info.count(since).map_or(String::new(), |s| format!(", for {}", span_s(s)));
    match all > 0.0 {
        true => format!("{}{since}", bar(done / all)),
        false => format!("yes{since}"),
    }
}

fn log(info: &Info, lines: &mut Vec<Line<'static>>) {
    lines.push(heading(" Log of every change (appendonly)"));
    if !is(info, "aof_enabled") {
        put(lines, "Written", "no: changes since the snapshot can be lost");
        lines.push(Line::default());
        return;
    }
    put(lines, "Written", "yes");
    if let Some(size) = info.count("aof_current_size") {
        let base = info.count("aof_base_size").unwrap_or(0);
        put(lines, "Size", format!("{}, {} when it was rewritten", bytes(size), bytes(base)));
    }
    put(lines, "Last write went", how(info, "aof_last_write_status"));
    put(lines, "Last rewrite went", how(info, "aof_last_bgrewrite_status"));
    if let Some(late) = info.count("aof_delayed_fsync") {
        put(lines, "Syncs that were late", count(late));
    }
    if is(info, "aof_rewrite_in_progress") {
        put(lines, "A rewrite is under way", under_way(info, "aof_current_rewrite_time_sec"));
    }
    lines.push(Line::default());
}

/// Only where there is any.
fn replication(info: &Info, lines: &mut Vec<Line<'static>>) {
    let role = info.text("role").unwrap_or("master");
    let replicas = info.count("connected_slaves").unwrap_or(0);
    if role == "master" && replicas == 0 {
        return;
    }
    lines.push(heading(" Replication"));
    if role == "master" {
        put(lines, "Replicas", count(replicas));
    } else {
        let host = info.text("master_host").unwrap_or("?");
        put(lines, "Replica of", crate::tools::show::name(host.as_bytes(), 60));
        let state = if info.text("master_link_status") == Some("up") { "up" } else { "! down" };
        put(lines, "The link is", state);
    }
}

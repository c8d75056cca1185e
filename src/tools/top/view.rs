//! A screen as it is drawn: a line that says what server this is, a line of screens, what the
//! screen shows, a line of keys.
//!
//! Nothing is told by colour alone: the screen that is looked at stands in brackets, what is wrong
//! begins with an exclamation mark.

use super::listing::{self, Listing};
use super::model::{Model, Screen};
use super::{overview, persistence};
use crate::tools::show;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Clear, Paragraph};

/// Lines of a screen that are not its own: two above, one below.
pub const FRAME_ROWS: u16 = 3;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);

const HELP: &str = "\
 1 to 6, Tab, arrows   the screens
 s, S                  sort the rows by something else
 r                     the other way round
 j, k, arrows, pages   scroll; g is the top, G the end
 p, blank              pause: what is shown stays; again: go on
 q, Esc, Ctrl-C        quit
 ? or h                this; any key closes it

 Operations are all commands that the server runs, with the
 four a second of this program. A hit is a lookup that found
 a key. Time taken is the share of all time that commands
 take. Percentiles are since the server began to count
 (CONFIG RESETSTAT begins anew).";

/// Draws the screen that is looked at.
pub fn draw(frame: &mut Frame<'_>, model: &Model) {
    let area = frame.area();
    let rows = area.height;
    let line = |row: u16| Rect { y: area.y + row, height: 1, ..area };
    if rows < FRAME_ROWS + 2 || area.width < 20 {
        frame.render_widget(Paragraph::new("The window is too small."), area);
        return;
    }
    frame.render_widget(Paragraph::new(title(model, area.width)), line(0));
    frame.render_widget(Paragraph::new(screens(model, area.width)), line(1));
    let body = Rect { y: area.y + 2, height: rows - FRAME_ROWS, ..area };
    match (&model.sample, &model.lost) {
        (None, None) => frame.render_widget(Paragraph::new("\n Asking the server…"), body),
        (None, Some(_)) => frame.render_widget(Paragraph::new("\n No answer yet."), body),
        (Some(_), _) => draw_body(frame, body, model),
    }
    frame.render_widget(Paragraph::new(foot(model)), line(rows - 1));
    if model.helps {
        draw_help(frame, body);
    }
}

fn draw_body(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let refused = model.sample.as_ref().and_then(|sample| sample.info.as_ref().err());
    let of_info = matches!(model.screen, Screen::Overview | Screen::Commands | Screen::Persistence);
    if let Some(text) = refused.filter(|_| of_info) {
        let text = format!("\n ! The server does not tell how it does (INFO): {text}");
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let place = listing::Place { rows: area.height.saturating_sub(2).into(), width: area.width };
    let listing: Result<Listing, String> = match model.screen {
        Screen::Overview => return overview::draw(frame, area, model),
        Screen::Persistence => return persistence::draw(frame, area, model),
        Screen::Commands => Ok(listing::commands(model, &place)),
        Screen::Prefixes => listing::prefixes(model, &place),
        Screen::Slow => listing::slow(model, &place),
        Screen::Clients => listing::clients(model, &place),
    };
    match listing {
        Ok(listing) => listing.draw(frame, area),
        Err(why) => frame.render_widget(Paragraph::new(format!("\n {why}")), area),
    }
}

/// What server this is, and for how long.
fn title(model: &Model, width: u16) -> Line<'static> {
    let mut text = format!(" redstart top   {}", model.place);
    if let Some(info) = model.info() {
        text += &format!("   {}", info.product());
        if let Some(uptime_s) = info.count("uptime_in_seconds") {
            text += &format!(", up {}", show::span_s(uptime_s));
        }
        if info.text("role").is_some_and(|role| role != "master") {
            text += ", a replica";
        }
    }
    let mut spans = vec![Span::styled(show::cut(text, width.into()), BOLD)];
    if model.paused {
        spans.push(Span::styled("   [PAUSED: p goes on]", REVERSED));
    }
    Line::from(spans)
}

/// The screens; narrow windows have room for the one that is looked at and the numbers of others.
fn screens(model: &Model, width: u16) -> Line<'static> {
    let is_wide = width >= 76;
    let spans = Screen::ALL.iter().enumerate().map(|(at, screen)| {
        let (number, title) = (at + 1, screen.title());
        match *screen == model.screen {
            true => Span::styled(format!("[{number} {title}]"), REVERSED.patch(BOLD)),
            false if is_wide => Span::raw(format!(" {number} {title} ")),
            false => Span::raw(format!(" {number} ")),
        }
    });
    Line::from(spans.collect::<Vec<_>>())
}

/// What is wrong, or the keys.
fn foot(model: &Model) -> Line<'static> {
    if let Some(lost) = &model.lost {
        return Line::styled(format!(" ! {lost}; trying again"), REVERSED);
    }
    let sorts = if model.screen.orders().is_empty() { "" } else { "   s sort   r reverse" };
    let text = format!(" 1-6 screens{sorts}   p pause   ? help   q quit");
    Line::styled(text, DIM)
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let text = Text::from(HELP);
    let (width, height) = (text.width() as u16 + 4, text.height() as u16 + 2);
    let (width, height) = (width.min(area.width), height.min(area.height));
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, place);
    let block = ratatui::widgets::Block::bordered().title(" Keys ");
    frame.render_widget(Paragraph::new(text).block(block), place);
}

/// A heading.
pub fn heading(text: impl Into<String>) -> Line<'static> {
    Line::styled(text.into(), BOLD.add_modifier(Modifier::UNDERLINED))
}

/// What is told beside figures.
pub fn remark(text: impl Into<String>) -> Line<'static> {
    Line::styled(text.into(), DIM)
}

/// A plot of one row: the latest values at the right, the largest as high as a character.
pub fn plot(values: impl DoubleEndedIterator<Item = f64>, width: usize, blocks: bool) -> String {
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const ASCII: [char; 9] = [' ', '_', '.', '-', '-', '=', '=', '#', '#'];
    let levels = if blocks { BLOCKS } else { ASCII };
    let mut latest: Vec<f64> = values.rev().take(width).collect();
    latest.reverse();
    let most = latest.iter().copied().fold(0.0, f64::max);
    let level = |value: f64| match value > 0.0 {
        // What is more than nothing can be seen.
        true => ((value / most * 8.0).round() as usize).clamp(1, 8),
        false => 0,
    };
    let drawn: String = latest.iter().map(|value| levels[level(*value)]).collect();
    format!("{drawn:>width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_shows_the_latest_values() {
        assert_eq!(plot([0.0, 1.0, 4.0, 8.0].into_iter(), 6, true), "   ▁▄█");
        assert_eq!(plot([8.0, 1.0, 0.001].into_iter(), 2, true), "█▁");
        assert_eq!(plot([0.0, 0.0].into_iter(), 2, true), "  ");
        assert_eq!(plot([1.0, 2.0].into_iter(), 2, false), "-#");
    }
}

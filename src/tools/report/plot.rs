//! The plots: SVG, put together by hand, that takes its colours from the page. Each is described
//! for those who do not see it, and what it shows stands in a table beside it, too.

use super::html::escape;
use crate::tools::show::cut;

/// A bar: its name, its length, and what is written behind it.
pub struct Bar {
    /// Its name.
    pub name: String,
    /// Its length, in whatever unit.
    pub value: f64,
    /// What is written behind it.
    pub text: String,
}

/// The width of a plot; the page scales it.
const WIDTH: f64 = 760.0;
/// Where bars begin, and how long the longest is.
const BARS_AT: f64 = 210.0;
const BAR_MAX: f64 = 350.0;
const BAR_ROW: f64 = 24.0;

/// Bars below each other.
pub fn bars(title: &str, bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let height = BAR_ROW * bars.len() as f64 + 4.0;
    let mut svg = open(title, height);
    for (at, bar) in bars.iter().enumerate() {
        let y = BAR_ROW * at as f64 + 2.0;
        let len = if most > 0.0 { BAR_MAX * bar.value / most } else { 0.0 };
        // What is more than nothing can be seen.
        let len = if bar.value > 0.0 { len.max(1.0) } else { 0.0 };
        let middle = y + BAR_ROW / 2.0 + 3.0;
        let name = escape(&cut(bar.name.clone(), 28));
        let whole = escape(&bar.name);
        let text = escape(&bar.text);
        svg += &format!(
            "<g><title>{whole}: {text}</title>\
             <text x=\"{:.0}\" y=\"{middle:.0}\" text-anchor=\"end\">{name}</text>\
             <rect class=\"one\" x=\"{BARS_AT:.0}\" y=\"{y:.0}\" width=\"{len:.1}\" \
             height=\"{:.0}\" rx=\"2\"/>\
             <text class=\"faint\" x=\"{:.0}\" y=\"{middle:.0}\">{text}</text></g>\n",
            BARS_AT - 8.0,
            BAR_ROW - 6.0,
            BARS_AT + len + 6.0,
        );
    }
    svg + "</svg>\n"
}

/// Two columns for each span of a histogram: parts of all keys, and parts of all memory.
pub struct Span {
    /// Its name.
    pub name: String,
    /// The part of the keys, from 0 to 1.
    pub keys: f64,
    /// The part of the memory.
    pub bytes: f64,
    /// What is told of it.
    pub text: String,
}

/// The height of the columns' plot.
const COLUMNS_HEIGHT: f64 = 220.0;
/// The room below columns for their names, and left of them for percentages.
const BELOW: f64 = 26.0;
const LEFT: f64 = 44.0;

/// Columns beside each other.
pub fn columns(title: &str, spans: &[Span]) -> String {
    let room = COLUMNS_HEIGHT - BELOW - 10.0;
    let most = spans.iter().map(|span| span.keys.max(span.bytes)).fold(0.0, f64::max);
    // The lines stand at tenths where that is enough, otherwise at quarters.
    let (step, top) = match most {
        most if most <= 0.2 => (0.05, 0.2),
        most if most <= 0.5 => (0.1, 0.5),
        _ => (0.25, 1.0),
    };
    let y_of = |part: f64| 10.0 + room * (1.0 - part / top);
    let mut svg = open(title, COLUMNS_HEIGHT);
    let mut line = 0.0;
    while line <= top + step / 2.0 {
        let y = y_of(line);
        svg += &format!(
            "<line class=\"rule\" x1=\"{LEFT:.0}\" y1=\"{y:.1}\" x2=\"{WIDTH:.0}\" y2=\"{y:.1}\"/>\
             <text class=\"faint\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{:.0} %</text>\n",
            LEFT - 6.0,
            y + 4.0,
            line * 100.0,
        );
        line += step;
    }
    let wide = (WIDTH - LEFT) / spans.len().max(1) as f64;
    let each = (wide * 0.36).min(30.0);
    for (at, span) in spans.iter().enumerate() {
        let middle = LEFT + wide * (at as f64 + 0.5);
        svg += &format!("<g><title>{}: {}</title>", escape(&span.name), escape(&span.text));
        for (class, part, x) in [("one", span.keys, middle - each), ("two", span.bytes, middle)] {
            let (y, bottom) = (y_of(part), y_of(0.0));
            let height = if part > 0.0 { (bottom - y).max(1.0) } else { 0.0 };
            svg += &format!(
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" \
                 height=\"{height:.1}\"/>",
                bottom - height,
                each - 1.0,
            );
        }
        svg += &format!(
            "<text x=\"{middle:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text></g>\n",
            COLUMNS_HEIGHT - 8.0,
            escape(&span.name)
        );
    }
    svg += "</svg>\n";
    svg + "<p class=\"legend\"><span class=\"one\"></span> part of all keys \
           <span class=\"two\"></span> part of all memory</p>\n"
}

fn open(title: &str, height: f64) -> String {
    let title = escape(title);
    format!(
        "<svg viewBox=\"0 0 {WIDTH:.0} {height:.0}\" role=\"img\" aria-label=\"{title}\">\
         <title>{title}</title>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_what_they_show() {
        let bar = |name: &str, value| Bar { name: name.into(), value, text: "<t>".into() };
        let svg = bars("<b>", &[bar("<a>", 2.0), bar("b", 1.0), bar("c", 0.0), bar("d", 1e-9)]);
        for width in ["350.0", "175.0", "0.0", "1.0"] {
            assert!(svg.contains(&format!("width=\"{width}\"")), "{width} in {svg}");
        }
        assert!(!svg.contains("<a>") && !svg.contains("<t>") && !svg.contains("<b>"));
        assert!(!bars("none", &[]).contains("NaN"));
    }

    #[test]
    fn columns_stand_for_parts() {
        let span = |keys, bytes| Span { name: "1 h".into(), keys, bytes, text: String::new() };
        let svg = columns("t", &[span(1.0, 0.0), span(0.0, 0.5)]);
        let room = COLUMNS_HEIGHT - BELOW - 10.0;
        for height in [room, room / 2.0] {
            assert!(svg.contains(&format!("height=\"{height:.1}\"")), "{height} in {svg}");
        }
        assert!(svg.contains("100 %"));
        assert!(!columns("t", &[]).contains("NaN"));
    }
}

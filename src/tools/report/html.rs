//! HTML as it is put together: what is text is always escaped, so that a key that holds a tag is a
//! text that shows one.

/// A text in HTML, between tags or in quotes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A column of a table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Figures, at the right.
    Number(&'static str),
    /// Words.
    Text(&'static str),
    /// What a person or a program chose: shown letter by letter.
    Code(&'static str),
}

/// A table; cells are texts.
pub fn table(caption: &str, columns: &[Column], rows: &[Vec<String>]) -> String {
    let mut html = format!("<div class=\"scroll\"><table><caption>{}</caption>\n", escape(caption));
    html += "<thead><tr>";
    for column in columns {
        let (class, title) = match column {
            Column::Number(title) => (" class=\"number\"", title),
            Column::Text(title) | Column::Code(title) => ("", title),
        };
        html += &format!("<th scope=\"col\"{class}>{}</th>", escape(title));
    }
    html += "</tr></thead>\n<tbody>\n";
    for row in rows {
        html += "<tr>";
        for (column, cell) in columns.iter().zip(row) {
            let cell = escape(cell);
            html += &match column {
                Column::Number(_) => format!("<td class=\"number\">{cell}</td>"),
                Column::Text(_) => format!("<td>{cell}</td>"),
                Column::Code(_) => format!("<td><code>{cell}</code></td>"),
            };
        }
        html += "</tr>\n";
    }
    html + "</tbody></table></div>\n"
}

/// A section with a heading that can be linked to.
pub fn section(id: &str, title: &str, body: &str) -> String {
    format!("<section id=\"{id}\"><h2>{}</h2>\n{body}</section>\n", escape(title))
}

/// A paragraph.
pub fn paragraph(class: &str, text: &str) -> String {
    format!("<p class=\"{class}\">{}</p>\n", escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let hostile = "<script>alert(\"1\")</script>&'";
        let safe = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;";
        assert_eq!(escape(hostile), safe);
        let row = vec![vec![hostile.to_owned(); 3]];
        let columns = [Column::Number("n"), Column::Text("t"), Column::Code("c")];
        let html = table(hostile, &columns, &row);
        assert_eq!((html.matches(safe).count(), html.matches("<script").count()), (4, 0));
    }
}

//! A terminal's text as an SVG: the few escape sequences that cck uses, on a dark ground.

use std::fmt::Write;

const WIDTH: f64 = 8.4;
const HEIGHT: usize = 19;
const MARGIN: usize = 16;

/// How many columns the terminal has.
const COLUMNS: usize = 80;

/// The picture of a session: commands, and what each printed.
pub fn render(session: &[(&str, String)]) -> String {
    let mut lines = Vec::new();
    for (at, (command, output)) in session.iter().enumerate() {
        if at > 0 {
            lines.push(String::new());
        }
        lines.push(format!("\u{1b}[1m$ {command}\u{1b}[0m"));
        lines.extend(output.trim_end().lines().map(str::to_owned));
    }
    for line in &lines {
        let length: usize = spans(line).iter().map(|(_, text)| text.chars().count()).sum();
        assert!(length <= COLUMNS, "wider than the picture: {line:?}");
    }
    let width = (COLUMNS as f64 * WIDTH) as usize + 2 * MARGIN;
    let height = lines.len() * HEIGHT + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"ui-monospace,Menlo,Consolas,monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#16181d\"/>\n"
    );
    for (row, line) in lines.iter().enumerate() {
        let y = MARGIN + (row + 1) * HEIGHT - 5;
        let _ =
            write!(svg, "<text x=\"{MARGIN}\" y=\"{y}\" xml:space=\"preserve\" fill=\"#d5d9e0\">");
        for (style, text) in spans(line) {
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            let _ = match style.as_str() {
                "" => write!(svg, "{text}"),
                style => write!(svg, "<tspan{style}>{text}</tspan>"),
            };
        }
        svg.push_str("</text>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// A line cut where its style changes.
fn spans(line: &str) -> Vec<(String, String)> {
    let mut spans = Vec::new();
    let mut codes: Vec<String> = Vec::new();
    for (at, part) in line.split("\u{1b}[").enumerate() {
        let text = match part.split_once('m') {
            Some((code, text)) if at > 0 => {
                for code in code.split(';') {
                    match code {
                        "" | "0" => codes.clear(),
                        code => codes.push(code.to_owned()),
                    }
                }
                text
            }
            _ => part,
        };
        if !text.is_empty() {
            spans.push((codes.iter().map(|code| attribute(code)).collect(), text.to_owned()));
        }
    }
    spans
}

fn attribute(code: &str) -> &'static str {
    match code {
        "1" => " font-weight=\"bold\"",
        "2" => " opacity=\"0.6\"",
        "31" | "91" => " fill=\"#f47067\"",
        "32" | "92" => " fill=\"#57ab5a\"",
        "33" | "93" => " fill=\"#e0a84e\"",
        "34" | "94" => " fill=\"#6cb6ff\"",
        "35" | "95" => " fill=\"#dcbdfb\"",
        "36" | "96" => " fill=\"#76d9e6\"",
        other => panic!("no colour for the code {other}"),
    }
}

//! How a file is laid out, read off its members, so that what is added looks like what is there.

use std::ops::Range;

use crate::json::{self, BLANKS, Member};

#[derive(Clone, Debug)]
pub(crate) struct Style {
    /// The line end before each member; `None` where all is on one line.
    pub newline: Option<&'static str>,
    /// The blanks before a member on its line.
    pub indent: String,
    /// What each further level adds to the indent.
    pub unit: String,
    /// What stands between name and value.
    pub colon: String,
    /// What stands between the members, up to the next one's name.
    pub separator: String,
}

impl Style {
    /// The layout around the top level: as the client writes it, in two-space steps, with the line ends of `text`.
    pub(crate) fn around(text: &str) -> Style {
        // The first line tells; a file of one huge line is not searched to its end.
        let start = &text.as_bytes()[..text.len().min(4096)];
        let crlf = start.windows(2).any(|pair| pair == b"\r\n");
        Style {
            newline: Some(if crlf { "\r\n" } else { "\n" }),
            indent: String::new(),
            unit: "  ".into(),
            colon: ": ".into(),
            separator: ", ".into(),
        }
    }

    /// The layout of an object inside one with this layout, where it has no members to tell its own.
    pub(crate) fn deeper(&self) -> Style {
        let mut style = self.clone();
        if let Some(newline) = self.newline {
            style.indent.push_str(&self.unit);
            style.separator = format!(",{newline}{}", style.indent);
        }
        style
    }

    /// The layout of the object with these members, which lies in `text`; `outer` is that of the object around it.
    pub(crate) fn of(text: &str, members: &[Member<'_>], outer: &Style) -> Style {
        let Some((last, before)) = members.split_last() else { return outer.deeper() };
        let name = json::span(text, last.name);
        let value = json::span(text, last.value);
        let colon = &text[name.end..value.start];
        let colon = if has_break(colon) { ": " } else { colon };
        let lead = match before.last() {
            Some(previous) => &text[json::span(text, previous.value).end..name.start],
            None => blanks_before(&text[..name.start]),
        };
        let separator = match lead.split_once(',') {
            Some((left, right)) => format!("{},{}", last_line(left), last_line(right)),
            // One member shows no separator: a blank after its colon lets expect one after a comma.
            None if lead.is_empty() && colon.ends_with(' ') => ", ".to_owned(),
            None => format!(",{}", last_line(lead)),
        };
        let newline = last_break(lead).map(|at| match &lead[at] {
            "\r\n" => "\r\n",
            "\n" => "\n",
            _ => "\r",
        });
        let mut style = Style {
            newline,
            indent: String::new(),
            unit: outer.unit.clone(),
            colon: colon.to_owned(),
            separator,
        };
        if newline.is_some() {
            style.indent = leading_blanks(after_break(lead)).to_owned();
            let rest = &text[value.end..];
            let closing = after_break(leading_blanks(rest));
            if let Some(unit) = style.indent.strip_prefix(closing).filter(|unit| !unit.is_empty()) {
                style.unit = unit.to_owned();
            }
        }
        style
    }

    /// This layout on the line where `member` starts.
    pub(crate) fn at(&self, text: &str, member: Member<'_>) -> Style {
        let lead = blanks_before(&text[..json::span(text, member.name).start]);
        let mut style = self.clone();
        if self.newline.is_some() && has_break(lead) {
            style.indent = after_break(lead).to_owned();
        }
        style
    }

    /// What stands between two members, or before the first one of an object that was empty.
    pub(crate) fn line_start(&self) -> String {
        self.newline.map_or(String::new(), |newline| format!("{newline}{}", self.indent))
    }

    /// This layout, for a value in place of `old`: a list that was on one line stays on one line.
    pub(crate) fn replacing(&self, old: &str) -> Style {
        let filled = old.len() > 2 && old.starts_with(['{', '[']) && !has_break(old);
        if self.newline.is_none() || !filled {
            return self.clone();
        }
        let separator = if self.colon.ends_with(' ') { ", " } else { "," };
        Style { newline: None, separator: separator.to_owned(), ..self.clone() }
    }

    /// JSON text laid out as the value of a member in this layout. Strings and numbers stay as they are written.
    pub(crate) fn format(&self, json: &str) -> String {
        let mut out = String::with_capacity(json.len() * 2);
        // Counted from the member's own line.
        let mut indent = 0;
        let line = |out: &mut String, depth: usize| {
            if let Some(newline) = self.newline {
                out.push_str(newline);
                out.push_str(&self.indent);
                out.push_str(&self.unit.repeat(depth));
            }
        };
        let mut rest = json.trim_start_matches(BLANKS);
        while let Some(first) = rest.chars().next() {
            let mut length = first.len_utf8();
            match first {
                '"' => {
                    length = string_length(rest);
                    out.push_str(&rest[..length]);
                }
                '{' | '[' => {
                    out.push(first);
                    let inside = rest[1..].trim_start_matches(BLANKS);
                    if inside.starts_with(['}', ']']) {
                        out.push_str(&inside[..1]);
                        length = rest.len() - inside.len() + 1;
                    } else {
                        indent += 1;
                        line(&mut out, indent);
                    }
                }
                '}' | ']' => {
                    indent -= 1;
                    line(&mut out, indent);
                    out.push(first);
                }
                ',' if self.newline.is_some() => {
                    out.push(',');
                    line(&mut out, indent);
                }
                ',' => out.push_str(&self.separator),
                ':' => out.push_str(&self.colon),
                _ => out.push(first),
            }
            rest = rest[length..].trim_start_matches(BLANKS);
        }
        out
    }
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn has_break(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// Where the last line end of a text stands.
fn last_break(text: &str) -> Option<Range<usize>> {
    let at = text.rfind(['\n', '\r'])?;
    Some(at - usize::from(text[..=at].ends_with("\r\n"))..at + 1)
}

fn after_break(text: &str) -> &str {
    last_break(text).map_or("", |at| &text[at.end..])
}

/// `text` from its last line end on; all of it where it has none.
fn last_line(text: &str) -> &str {
    last_break(text).map_or(text, |at| &text[at.start..])
}

fn leading_blanks(text: &str) -> &str {
    &text[..text.len() - text.trim_start_matches(BLANKS).len()]
}

fn blanks_before(text: &str) -> &str {
    &text[text.trim_end_matches(BLANKS).len()..]
}

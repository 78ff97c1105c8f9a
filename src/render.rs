//! Text for people.

pub mod json;
pub mod text;

use std::borrow::Cow;

/// Replaces what could drive a terminal (control characters, escapes, direction marks) in text from outside.
pub fn sanitize(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if text.contains(harmful) {
        text.replace(harmful, "\u{fffd}").into()
    } else {
        text.into()
    }
}

/// Text from outside on one line.
pub fn one_line(text: &str) -> String {
    sanitize(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_a_terminal_is_replaced() {
        assert_eq!(
            sanitize("a\x1b[31mb\u{202e}c\u{7}"),
            "a\u{fffd}[31mb\u{fffd}c\u{fffd}"
        );
        assert_eq!(sanitize("plain 键\n"), "plain 键\n");
        assert_eq!(one_line("a\nb"), "a b");
    }
}

//! Text for people.

use std::borrow::Cow;

/// Whether a character could drive a terminal, or make text look like other text: control characters and escapes,
/// direction marks, characters without width.
fn harmful(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// JSON text with what is harmful escaped. Outside of strings JSON has none of it, so the value is the same.
pub(crate) fn escape(json: &str) -> Cow<'_, str> {
    if !json.contains(harmful) {
        return json.into();
    }
    let mut text = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if harmful(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(c);
        }
    }
    text.into()
}

/// Replaces what could drive a terminal in text from outside.
pub fn sanitize(text: &str) -> Cow<'_, str> {
    if text.contains(harmful) { text.replace(harmful, "\u{fffd}").into() } else { text.into() }
}

/// Text from outside on one line.
pub(crate) fn one_line(text: &str) -> String {
    sanitize(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_a_terminal_is_replaced() {
        assert_eq!(sanitize("a\x1b[31mb\u{202e}c\u{7}"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}");
        assert_eq!(sanitize("plain 键\n"), "plain 键\n");
        assert_eq!(one_line("a\nb"), "a b");
    }

    #[test]
    fn what_is_escaped_is_the_same_value() {
        let text = "a\u{9b}31m\u{202e}\u{e0041}键\u{7f}";
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        let escaped = escape(&json);
        assert!(!escaped.contains(harmful), "{escaped}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&escaped).unwrap(), [text]);
    }
}

//! `ANTHROPIC_CUSTOM_HEADERS`: one `Name: value` a line. Pure.

use super::Client;
use super::version::since;

/// What custom headers say of credentials.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Custom<'a> {
    /// The value of the last `x-api-key` line.
    pub x_api_key: Option<&'a str>,
    /// The value of the last `authorization` line.
    pub authorization: Option<&'a str>,
    /// The values of all other lines.
    pub others: Vec<&'a str>,
    /// Whether a line's name is empty.
    pub has_empty_name: bool,
    /// Whether a line's name is none that HTTP allows.
    pub has_bad_name: bool,
}

/// Reads the text of the variable as `client` does: lines are trimmed, names compared without case, a line without a colon
/// is skipped, the last of duplicates counts (2.0.77, 2.1.330, observed 2026-11).
pub fn parse(client: Client, text: &str) -> Custom<'_> {
    let skips_breaks = client < since::BREAKS_OF_HEADERS_STOP;
    let has_break = |text: &str| text.contains(['\r', '\u{2028}', '\u{2029}']);
    let mut custom = Custom::default();
    for line in text.split('\n') {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        if skips_breaks && (has_break(name) || has_break(value)) {
            continue;
        }
        if name.is_empty() {
            custom.has_empty_name = true;
        } else if !name.bytes().all(is_of_name) {
            custom.has_bad_name = true;
        } else if name.eq_ignore_ascii_case("x-api-key") {
            custom.x_api_key = Some(value);
        } else if name.eq_ignore_ascii_case("authorization") {
            custom.authorization = Some(value);
        } else {
            custom.others.push(value);
        }
    }
    custom
}

/// What RFC 9110 allows in a header's name.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Custom<'_> {
        super::parse(Client::V2, text)
    }

    #[test]
    fn credentials_are_found_among_other_headers() {
        let found = parse(
            "X-Team: a\nX-Api-Key: sk-1\r\nx-api-key: sk-2\nauthorization:Bearer t\nnonsense",
        );
        let expected = Custom {
            x_api_key: Some("sk-2"),
            authorization: Some("Bearer t"),
            others: vec!["a"],
            ..Custom::default()
        };
        assert_eq!(found, expected);
        assert_eq!(parse(""), Custom::default());
        assert_eq!(parse("x-api-key:").x_api_key, Some(""));
        for (version, key) in [("2.1.87", None), ("2.1.88", Some("k\rX: b"))] {
            let custom = super::parse(version.parse().unwrap(), "x-api-key: k\rX: b");
            assert_eq!(custom.x_api_key, key, "{version}");
        }
        assert!(parse(": x").has_empty_name && parse("x y: z").has_bad_name);
    }
}

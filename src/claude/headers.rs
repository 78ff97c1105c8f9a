//! `ANTHROPIC_CUSTOM_HEADERS`: one `Name: value` a line. Pure.

/// The credentials among custom headers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The value of the last `x-api-key` line.
    pub x_api_key: Option<&'a str>,
    /// The value of the last `authorization` line.
    pub authorization: Option<&'a str>,
}

/// Finds the credentials in the text of the variable. Names are compared without case (2.1.330, observed 2026-11).
pub fn credentials(text: &str) -> Credentials<'_> {
    let mut found = Credentials::default();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = Some(value.trim());
        match name.trim().to_ascii_lowercase().as_str() {
            "x-api-key" => found.x_api_key = value,
            "authorization" => found.authorization = value,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_among_other_headers() {
        let found = credentials("X-Team: a\nX-Api-Key: sk-1\r\nauthorization:Bearer t\nnonsense");
        let expected = Credentials {
            x_api_key: Some("sk-1"),
            authorization: Some("Bearer t"),
        };
        assert_eq!(found, expected);
        assert_eq!(credentials(""), Credentials::default());
    }
}

//! JSON values as the client's `JSON.parse` takes them, looked into on demand: the last of duplicate members counts, a lone
//! surrogate is not an error, bytes that are not UTF-8 are replaced, and a leading BOM is skipped.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::json;
pub(crate) use crate::json::NotJson;

/// The text that the client would parse: a BOM is gone, bytes that are not UTF-8 are replaced.
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(json::without_bom(bytes))
}

/// A value of a JSON text that was checked before, not yet looked into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a>(pub &'a str);

impl<'a> Json<'a> {
    /// The wanted members of an object, in the order of `wanted`; all absent if the text holds another value.
    pub(crate) fn pick<const N: usize>(
        text: &'a str,
        wanted: [&str; N],
    ) -> Result<[Option<Json<'a>>; N], NotJson> {
        let members = json::members(text)?;
        Ok(wanted.map(|name| json::last(&members, name).map(|member| Json(member.value))))
    }

    /// The members of a text that holds an object, the last of duplicates; `None` where it holds another value.
    pub(crate) fn object(text: &'a str) -> Result<Option<BTreeMap<String, Json<'a>>>, NotJson> {
        json::members(text)?;
        let json = Json(text.trim_matches(json::BLANKS));
        Ok(json.is_object().then(|| json.members()))
    }

    pub(crate) fn get(self, name: &str) -> Option<Json<'a>> {
        json::last(&json::object(self.0)?, name).map(|member| Json(member.value))
    }

    /// The members of an object, the last of duplicates only, by name; none for other values.
    pub(crate) fn members(self) -> BTreeMap<String, Json<'a>> {
        // Not `collect`, here and for other maps: it sorts first, and each type's sort is 5 KB of code.
        let mut members = BTreeMap::new();
        members.extend(self.entries());
        members
    }

    /// The members of an object in their order, duplicates too; none for other values.
    pub(crate) fn entries(self) -> Vec<(String, Json<'a>)> {
        let found = json::object(self.0).unwrap_or_default().into_iter();
        found.map(|member| (text(member.name), Json(member.value))).collect()
    }

    pub(crate) fn items(self) -> Option<Vec<Json<'a>>> {
        Some(json::items(self.0)?.into_iter().map(Json).collect())
    }

    /// What `includes` says of a list, or of a text, which it searches; none for other values, which do not have it.
    pub(crate) fn includes(self, wanted: &str) -> Option<bool> {
        match (self.items(), self.string()) {
            (Some(items), _) => Some(items.iter().any(|it| it.string().as_deref() == Some(wanted))),
            (_, text) => text.map(|text| text.contains(wanted)),
        }
    }

    /// The text of a string; `None` for other values. A lone surrogate is replaced.
    pub(crate) fn string(self) -> Option<String> {
        self.is_string().then(|| text(self.0))
    }

    pub(crate) fn literal(self) -> Option<&'a str> {
        (!self.0.starts_with(['"', '{', '['])).then_some(self.0)
    }

    pub(crate) fn number(self) -> Option<f64> {
        self.literal()?.parse().ok()
    }

    pub(crate) fn is_empty_object(self) -> bool {
        self.is_object() && self.entries().is_empty()
    }

    pub(crate) fn is_string(self) -> bool {
        self.0.starts_with('"')
    }

    pub(crate) fn to_js_string(self) -> String {
        if let Some(text) = self.string() {
            return text;
        }
        if let Some(items) = self.items() {
            let text = |item: Json<'_>| match item.literal() {
                Some("null") => String::new(),
                _ => item.to_js_string(),
            };
            return items.into_iter().map(text).collect::<Vec<_>>().join(",");
        }
        // Rust and JavaScript both print the shortest text that reads back, until it needs an exponent.
        match self.number() {
            Some(0.0) => "0".to_owned(),
            Some(number) if (1e-6..1e21).contains(&number.abs()) => number.to_string(),
            _ => self.literal().unwrap_or("[object Object]").to_owned(),
        }
    }

    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }

    pub(crate) fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    pub(crate) fn is_truthy(self) -> bool {
        match self.literal() {
            Some("true") => true,
            Some("false" | "null") => false,
            Some(_) => self.number().is_some_and(|number| number != 0.0),
            None => self.0 != "\"\"",
        }
    }

    pub(crate) fn kind(self) -> &'static str {
        match self.0.as_bytes().first() {
            Some(b'"') => "a string",
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }
}

/// What a string says, given with its quotes.
fn text(string: &str) -> String {
    String::from_utf8_lossy(&json::decode(string)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(text: &str) -> Result<Option<String>, NotJson> {
        Json::pick(text, ["k"]).map(|[value]| value.and_then(Json::string))
    }

    #[test]
    fn it_reads_as_the_client_does() {
        let found = |text| pick(text).unwrap();
        assert_eq!(
            found(r#"{"k": "a", "k": "b"}"#).as_deref(),
            Some("b"),
            "the last of duplicates"
        );
        assert_eq!(found(r#"{"\u006b": "a"}"#).as_deref(), Some("a"), "an escaped name");
        assert_eq!(
            found(r#"{"x": "\ud800", "\udfff": 1, "k": "a\ud800b"}"#).as_deref(),
            Some("a\u{fffd}\u{fffd}\u{fffd}b")
        );
        assert_eq!(
            found(r#"{"k": "a", "x": 1e999}"#).as_deref(),
            Some("a"),
            "numbers are not looked at"
        );
        assert_eq!(found(r#"{"k": 5}"#), None);
        assert_eq!(found("[1]"), None);
        assert_eq!(decode(b"\xef\xbb\xbf{\xff}"), "{\u{fffd}}");
        let deep = format!(r#"{{"x": {}{}, "k": "a"}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(found(&deep).as_deref(), Some("a"), "no limit of depth");
    }

    #[test]
    fn what_is_not_json_is_placed() {
        for (text, line, column) in
            [("{\n  \"k\": }", 2, 8), ("{} x", 1, 4), ("{'k': 1}", 1, 2), ("{\"k\": 1,}", 1, 9)]
        {
            let error = pick(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text} {}", error.why);
        }
        assert!(pick("").is_err() && pick("  ").is_err());
    }

    #[test]
    fn values_become_text_as_in_javascript() {
        for (text, expected) in [
            ("null", "null"),
            ("5.0", "5"),
            ("-0", "0"),
            ("1e3", "1000"),
            ("0.1", "0.1"),
            ("true", "true"),
            ("[]", ""),
            (r#"["x", null, [1, 2]]"#, "x,,1,2"),
            ("{}", "[object Object]"),
            (r#""a""#, "a"),
        ] {
            assert_eq!(Json(text).to_js_string(), expected, "{text}");
        }
    }

    #[test]
    fn members_and_truth_are_javascripts() {
        let text = r#"{"a": "", "b": 0, "c": [], "d": "0", "e": null, "a": 1}"#;
        let [_, object] =
            Json::pick(&format!(r#"{{"x": 1, "o": {text}}}"#), ["x", "o"]).unwrap().map(|value| {
                value.map(|value| {
                    value
                        .members()
                        .iter()
                        .map(|(name, value)| (name.clone(), value.is_truthy()))
                        .collect::<Vec<_>>()
                })
            });
        let expected = [("a", true), ("b", false), ("c", true), ("d", true), ("e", false)]
            .map(|(name, truth)| (name.to_owned(), truth));
        assert_eq!(object.unwrap(), expected);
    }
}

//! Splits an object into its members. serde_json validates and finds the ends; nothing is decoded but escaped names.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Malformed;

/// What JSON counts as blank.
pub const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// A member of an object, as two spans of the source.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    /// The name with its quotes and escapes.
    pub name: &'a str,
    /// The value's text.
    pub value: &'a str,
}

impl Member<'_> {
    /// Whether this is the member called `name`, whatever escapes it is written with.
    pub fn is(&self, name: &str) -> bool {
        let bare = &self.name[1..self.name.len() - 1];
        if bare.contains('\\') {
            *decode(self.name) == *name.as_bytes()
        } else {
            bare == name
        }
    }
}

/// A string as bytes: UTF-8, but for lone surrogates, which no `&str` can equal.
fn decode(string: &str) -> Cow<'_, [u8]> {
    struct Bytes;
    impl<'de> Visitor<'de> for Bytes {
        type Value = Cow<'de, [u8]>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }
        fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
            Ok(Cow::Borrowed(bytes))
        }
        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            Ok(Cow::Owned(bytes.to_vec()))
        }
    }
    // The string was validated with the document; were it not, its own text equals no other name's.
    serde_json::Deserializer::from_str(string)
        .deserialize_bytes(Bytes)
        .unwrap_or(Cow::Borrowed(string.as_bytes()))
}

/// The last member called `name`: the one that `JSON.parse` keeps.
pub fn last<'a>(members: &[Member<'a>], name: &str) -> Option<Member<'a>> {
    members.iter().rev().find(|member| member.is(name)).copied()
}

/// The members of a value that was validated before; `None` where it is no object.
pub fn object(value: &str) -> Option<Vec<Member<'_>>> {
    if value.starts_with('{') {
        members(value).ok()
    } else {
        None
    }
}

/// Where `part` lies in `text`, of which it is a slice.
pub fn span(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

/// The members of the object that `text` is.
pub fn members(text: &str) -> Result<Vec<Member<'_>>, Malformed> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<Member<'de>>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                members.push(Member {
                    name: name.get(),
                    value: value.get(),
                });
            }
            Ok(members)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let members = reader.deserialize_map(Members);
    members
        .and_then(|members| reader.end().map(|()| members))
        .map_err(|error| syntax(text, &error))
}

/// Checks that `text` is one JSON value.
pub fn value(text: &str) -> Result<(), Malformed> {
    serde_json::from_str::<&RawValue>(text)
        .map(|_| ())
        .map_err(|error| syntax(text, &error))
}

/// serde_json's error without its own account of the place, and with the column in characters, as editors count.
fn syntax(text: &str, error: &serde_json::Error) -> Malformed {
    let message = error.to_string();
    let message = match message.rfind(" at line ") {
        Some(end) => message[..end].to_owned(),
        None => message,
    };
    let bytes = text.as_bytes();
    let line = bytes
        .split(|byte| *byte == b'\n')
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default();
    // Skipping over a control character, serde_json (1.0.154) names the byte before it.
    let skipped = usize::from(message.starts_with("control character"));
    let before = &line[..(error.column() + skipped).saturating_sub(1).min(line.len())];
    let column = before.iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1;
    Malformed::Syntax {
        line: error.line(),
        column,
        message,
    }
}

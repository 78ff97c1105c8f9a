//! The members of an object that is in memory, as spans of its text.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{NotJson, Scan};

/// A member of an object, as two spans of the source.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    /// The name with its quotes and escapes.
    pub name: &'a str,
    pub value: &'a str,
}

impl Member<'_> {
    /// Whether this is the member called `name`, whatever escapes it is written with.
    pub(crate) fn is(&self, name: &str) -> bool {
        *decode(self.name) == *name.as_bytes()
    }
}

/// The members of the object that `text` is, in their order; none where it is another value.
pub(crate) fn members(text: &str) -> Result<Vec<Member<'_>>, NotJson> {
    let spans = spans(text.as_bytes())?.into_iter();
    Ok(spans.map(|(name, value)| Member { name: &text[name], value: &text[value] }).collect())
}

/// Where names and values stand, in bytes.
pub(crate) type Spans = Vec<(Range<usize>, Range<usize>)>;

impl super::Visitor for Spans {
    fn depth(&self) -> usize {
        1
    }

    fn name(&mut self, _: usize, _: &[u8], span: Range<usize>) -> bool {
        self.push((span, 0..0));
        false
    }

    fn value(&mut self, _: usize, span: Range<usize>, _: &[u8]) {
        if let Some(member) = self.last_mut() {
            member.1 = span;
        }
    }
}

/// Where name and value of each member stand, of the object that `text` is; none where it is another value.
pub(crate) fn spans(text: &[u8]) -> Result<Spans, NotJson> {
    Scan::of(text, Spans::new())
}

/// The members of a value that was checked before; `None` if it is not an object.
pub(crate) fn object(value: &str) -> Option<Vec<Member<'_>>> {
    value.starts_with('{').then(|| members(value).ok()).flatten()
}

/// The items of a value that was checked before, in their order; `None` if it is not an array.
pub(crate) fn items(value: &str) -> Option<Vec<&str>> {
    let items: Vec<&RawValue> = serde_json::from_str(value).ok()?;
    Some(items.into_iter().map(RawValue::get).collect())
}

/// The last member called `name`: the one that `JSON.parse` keeps.
pub(crate) fn last<'a>(members: &[Member<'a>], name: &str) -> Option<Member<'a>> {
    members.iter().rev().find(|member| member.is(name)).copied()
}

/// Where `part` lies in `text`, of which it is a slice.
pub(crate) fn span(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.len()
}

/// A string, given without its quotes.
pub(crate) fn bare(string: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(string);
    if !text.contains('\\') {
        return text;
    }
    let decoded = decode(&format!("\"{text}\"")).into_owned();
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

/// A string, given with its quotes, as bytes: UTF-8, except for lone surrogates, which no `&str` can equal.
pub(crate) fn decode(string: &str) -> Cow<'_, [u8]> {
    if !string.contains('\\') {
        return Cow::Borrowed(string.trim_matches('"').as_bytes());
    }
    // The string was checked before; were it not, its own text equals no other name's.
    let decoded = serde_json::from_str::<Bytes>(string);
    decoded.map_or(Cow::Borrowed(string.as_bytes()), |bytes| Cow::Owned(bytes.into()))
}

//! JSON, checked as it streams by. What JavaScript's `JSON.parse` takes is taken: lone surrogates, `1e400`, any depth.
//!
//! Nothing is decoded, and nothing kept but what a [`Visitor`] asks for: a file of hundreds of megabytes costs one pass
//! through a small buffer. Bytes that are not UTF-8 pass inside strings, as the client decodes a file before it parses.

mod members;
mod number;
mod pick;
mod plain;
mod scan;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub(crate) use members::{Member, Spans, bare, decode, items, last, members, object, span, spans};
pub(crate) use pick::Pick;
pub(crate) use scan::Scan;

pub(crate) const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// The byte order mark in UTF-8. A text may begin with one; to the checker it is not JSON.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

pub(crate) fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(BOM).unwrap_or(text)
}

/// What is called for the members of objects; for those inside a member whose text is wanted, it is not.
pub(crate) trait Visitor {
    /// The deepest members that it is called for; those of the top-level object have depth 1, and an array adds one too.
    fn depth(&self) -> usize;

    /// A member begins: its name without the quotes, and where that stands, quotes included. Whether its text is wanted.
    fn name(&mut self, depth: usize, name: &[u8], span: Range<usize>) -> bool;

    /// The value of the member that began last at this depth, or an item of an array there, has ended. `text` is empty
    /// if it was not wanted.
    fn value(&mut self, depth: usize, span: Range<usize>, text: &[u8]);
}

/// Where a text stops being JSON, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotJson {
    /// Bytes before the place.
    pub offset: usize,
    pub line: usize,
    /// Bytes from the start of the line, counted from 1.
    pub column: usize,
    /// The reason, in words of the syntax: never content.
    pub why: &'static str,
}

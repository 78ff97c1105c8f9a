//! Bytes and edits → bytes, in which only the named members differ. Nothing here touches the disk.
//!
//! The source is split into spans over its raw text; what is not edited is never decoded, so order, spacing, numbers,
//! escapes, line ends and a byte order mark stay as they are. What JavaScript's `JSON.parse` accepts is accepted here
//! (lone surrogates, `1e400`, any depth), and of duplicate members the last is read and edited, as the client does.

mod plan;
#[cfg(test)]
pub(crate) mod properties;
mod style;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use plan::{Plan, equal};

use crate::json::{self, Member, NotJson, Spans};

pub struct Edit {
    path: Vec<String>,
    /// The value as JSON text; `None` to remove the member.
    value: Option<Zeroizing<String>>,
}

impl Edit {
    /// Sets the member at `path`, named from the top-level object down; objects that are missing on the way are made.
    pub fn set(path: &[&str], value: &(impl Serialize + ?Sized)) -> Edit {
        let text = serde_json::to_string(value).expect("texts, numbers, lists and maps are JSON");
        Edit { value: Some(Zeroizing::new(text)), ..Edit::remove(path) }
    }

    /// Removes the member at `path`, all its duplicates included.
    pub fn remove(path: &[&str]) -> Edit {
        Edit { path: path.iter().map(|name| (*name).to_owned()).collect(), value: None }
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = if self.value.is_some() { "set" } else { "remove" };
        write!(f, "Edit({action} {})", self.path.join("."))
    }
}

/// A JSON document whose top level is an object, as spans over its source.
pub struct Document<'a> {
    source: &'a [u8],
    /// The source without its byte order mark.
    text: &'a str,
    members: Vec<Member<'a>>,
    cut: &'a [usize],
    /// Whether one of them was asked for.
    missed: Cell<bool>,
}

impl<'a> Document<'a> {
    pub fn parse(source: &'a [u8]) -> Result<Self, Malformed> {
        let bytes = json::without_bom(source);
        let text = std::str::from_utf8(bytes).map_err(|error| Malformed::NotUtf8 {
            offset: source.len() - bytes.len() + error.valid_up_to(),
        })?;
        let start = text.trim_start_matches(json::BLANKS);
        // The client starts over with defaults on a file without a text, so it counts as `{}`.
        if start.is_empty() {
            return Ok(Document::outlined(source, text, &Spans::new(), &[]));
        }
        let spans = json::spans(bytes).map_err(|error| syntax(text, error))?;
        if !start.starts_with('{') {
            return Err(Malformed::TopLevel);
        }
        Ok(Document::outlined(source, text, &spans, &[]))
    }

    /// An object with these members. `source` is `text` and what stands before it; the values that end at `cut` in `text`
    /// are longer than what is there of them.
    pub(crate) fn outlined(
        source: &'a [u8],
        text: &'a str,
        spans: &Spans,
        cut: &'a [usize],
    ) -> Self {
        let members = spans
            .iter()
            .map(|(name, value)| Member { name: &text[name.clone()], value: &text[value.clone()] });
        Document { source, text, members: members.collect(), cut, missed: Cell::new(false) }
    }

    /// Whether a value was asked for, or is to be edited, that is cut short: then nothing that was told counts.
    pub(crate) fn missed(&self) -> bool {
        self.missed.get()
    }

    /// The last top-level member called `name`, if the whole of it is there.
    fn member(&self, name: &str) -> Option<Member<'a>> {
        let member = json::last(&self.members, name)?;
        let is_cut = self.cut.binary_search(&json::span(self.text, member.value).end).is_ok();
        self.missed.set(self.missed.get() || is_cut);
        (!is_cut).then_some(member)
    }

    /// The raw JSON text of the member at `path`; of duplicates, the last.
    pub(crate) fn raw(&self, path: &[&str]) -> Option<&'a str> {
        let (first, rest) = path.split_first()?;
        let mut value = self.member(first)?.value;
        for name in rest {
            value = json::last(&json::object(value)?, name)?.value;
        }
        Some(value)
    }

    pub fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Option<T> {
        serde_json::from_str(self.raw(path)?).ok()
    }

    /// The document with these edits made, one after the other.
    ///
    /// A member that is there already, with a value that is equal as JSON, is left as it is.
    pub fn apply(&self, edits: &[Edit]) -> Result<Edited<'a>, Malformed> {
        let plan = Plan::new(edits)?;
        for name in edits.iter().filter_map(|edit| edit.path.first()) {
            self.member(name);
        }
        let changes = plan.edits(&[]).into_iter().map(|edit| self.change(edit));
        let changes = changes.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok(Edited { pieces: self.pieces(plan.splices(self.text, &self.members)), changes })
    }

    /// What this edit changes; none if it is as wanted.
    fn change(&self, Edit { path, value }: Edit) -> Result<Option<Change>, Malformed> {
        let mut found = json::last(&self.members, &path[0]);
        for (depth, name) in path.iter().enumerate().skip(1) {
            let Some(member) = found else { break };
            let inner = json::object(member.value);
            if inner.is_none() && value.is_some() {
                return Err(Malformed::NotAnObject { path: path[..depth].to_vec() });
            }
            found = inner.and_then(|inner| json::last(&inner, name));
        }
        let before = found.map(|member| member.value);
        let is_so = match (before, &value) {
            (Some(before), Some(value)) => equal(before, value),
            (before, value) => before.is_none() && value.is_none(),
        };
        let after = || value.map(|value| value.to_string());
        let change = || Change { path, before: before.map(str::to_owned), after: after() };
        Ok((!is_so).then(change))
    }

    /// The source with the splices made, which are in its order, the unchanged parts borrowed from it.
    fn pieces(&self, splices: Vec<plan::Splice>) -> Vec<Cow<'a, [u8]>> {
        let bom = self.source.len() - self.text.len();
        let mut pieces = Vec::with_capacity(2 * splices.len() + 1);
        let mut from = 0;
        for splice in splices {
            let to = bom + splice.range.start;
            if from < to {
                pieces.push(Cow::Borrowed(&self.source[from..to]));
            }
            if !splice.text.is_empty() {
                pieces.push(Cow::Owned(splice.text.into_bytes()));
            }
            from = bom + splice.range.end;
        }
        if from < self.source.len() {
            pieces.push(Cow::Borrowed(&self.source[from..]));
        }
        pieces
    }
}

/// The error with its column in characters, as editors count.
fn syntax(text: &str, error: NotJson) -> Malformed {
    let line = &text.as_bytes()[error.offset + 1 - error.column..error.offset];
    let before = line.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    Malformed::Syntax { line: error.line, column: before + 1, message: error.why }
}

/// An edited document: the pieces that make it up, and what changed.
pub struct Edited<'a> {
    pub pieces: Vec<Cow<'a, [u8]>>,
    /// The members that changed; empty where the pieces are the source.
    pub changes: Vec<Change>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    pub path: Vec<String>,
    /// The value before; `None` where there was none. It may be a key.
    pub before: Option<String>,
    /// The value after; `None` where the member was removed. It may be a key.
    pub after: Option<String>,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| if value.is_some() { "…" } else { "absent" };
        let (before, after) = (shown(&self.before), shown(&self.after));
        write!(f, "Change({}: {before} → {after})", self.path.join("."))
    }
}

/// Why a source cannot be edited. No variant holds any of its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// `JSON.parse` would refuse it here.
    #[error("{line}:{column}: {message}")]
    Syntax { line: usize, column: usize, message: &'static str },
    #[error("1:1: the top level is not an object")]
    TopLevel,
    #[error("`{}` is not an object", path.join("."))]
    NotAnObject { path: Vec<String> },
    #[error("not UTF-8 text from byte {} on", offset + 1)]
    NotUtf8 { offset: usize },
}

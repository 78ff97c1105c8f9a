//! Edits as a tree over the document's members, and the splices that it comes to.

use std::ops::Range;

use serde_json::Value;
use zeroize::Zeroizing;

use super::style::Style;
use super::{Document, Edit, Malformed};
use crate::json::{self, Member};

pub(crate) struct Splice {
    pub range: Range<usize>,
    pub text: String,
}

/// What is to become of the members of one object, by name. Each name occurs once.
#[derive(Default)]
pub(crate) struct Plan(Vec<(String, Node)>);

enum Node {
    Set(Zeroizing<String>),
    Remove,
    Inner(Plan),
}

impl Plan {
    /// The plan that does the same as these edits made in turn.
    pub(crate) fn new(edits: &[Edit]) -> Result<Plan, Malformed> {
        let mut plan = Plan::default();
        // An edit that names no member has nothing to do.
        for edit in edits.iter().filter(|edit| !edit.path.is_empty()) {
            plan.add(&edit.path, 0, edit.value.as_ref())?;
        }
        Ok(plan)
    }

    fn add(
        &mut self,
        path: &[String],
        depth: usize,
        value: Option<&Zeroizing<String>>,
    ) -> Result<(), Malformed> {
        let name = &path[depth];
        let at = self.0.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.0.push((name.clone(), Node::Inner(Plan::default())));
            self.0.len() - 1
        });
        let node = &mut self.0[at].1;
        if depth + 1 == path.len() {
            *node = value.map_or(Node::Remove, |value| Node::Set(value.clone()));
            return Ok(());
        }
        match (&mut *node, value) {
            (Node::Inner(plan), _) => plan.add(path, depth + 1, value)?,
            (Node::Remove, Some(_)) => {
                let mut plan = Plan::default();
                plan.add(path, depth + 1, value)?;
                if let Some(value) = plan.as_value() {
                    *node = Node::Set(Zeroizing::new(value));
                }
            }
            (Node::Remove, None) => {}
            // As in a document: where no object is, there is nothing to remove.
            (Node::Set(old), None) if !old.starts_with('{') => {}
            (Node::Set(old), _) => {
                let edit = Edit { path: path[depth + 1..].to_vec(), value: value.cloned() };
                let not_an_object = |_| Malformed::NotAnObject { path: path[..=depth].to_vec() };
                let document = Document::parse(old.as_bytes()).map_err(not_an_object)?;
                let pieces = document.apply(&[edit]).map_err(not_an_object)?.pieces.concat();
                *old = Zeroizing::new(String::from_utf8_lossy(&pieces).into_owned());
            }
        }
        Ok(())
    }

    /// The edits that this plan comes to, of members below `path`; none is undone by another.
    pub(crate) fn edits(&self, path: &[String]) -> Vec<Edit> {
        let mut edits = Vec::new();
        for (name, node) in &self.0 {
            let path = [path, &[name.clone()][..]].concat();
            match node {
                Node::Set(value) => edits.push(Edit { path, value: Some(value.clone()) }),
                Node::Remove => edits.push(Edit { path, value: None }),
                Node::Inner(plan) => edits.extend(plan.edits(&path)),
            }
        }
        edits
    }

    /// The object that this plan makes of nothing, as compact JSON; `None` where it sets nothing.
    fn as_value(&self) -> Option<String> {
        let member = |(name, node): &(String, Node)| Some(quoted(name) + ":" + &node.as_value()?);
        let members: Vec<_> = self.0.iter().filter_map(member).collect();
        (!members.is_empty()).then(|| format!("{{{}}}", members.join(",")))
    }

    /// The splices, in the order of the text, that make this plan true of the top-level object `text`, or of a blank one.
    pub(crate) fn splices(&self, text: &str, members: &[Member<'_>]) -> Vec<Splice> {
        let blanks = text.len() - text.trim_start_matches(json::BLANKS).len();
        let style = Style::around(text);
        if blanks == text.len() {
            let value = self.as_value().map(|value| style.format(&value));
            let text = value.map(|value| value + style.newline.unwrap_or("\n"));
            return text.map(|text| Splice { range: 0..blanks, text }).into_iter().collect();
        }
        let whole = blanks..text.trim_end_matches(json::BLANKS).len();
        let mut splices = self.edit(text, &whole, members, &style);
        splices.sort_by_key(|splice| splice.range.start);
        splices
    }

    fn edit(
        &self,
        text: &str,
        whole: &Range<usize>,
        members: &[Member<'_>],
        outer: &Style,
    ) -> Vec<Splice> {
        let style = Style::of(text, members, outer);
        let (mut splices, mut gone, mut added) = (Vec::new(), Vec::new(), Vec::new());
        for (name, node) in &self.0 {
            let Some(old) = json::last(members, name) else {
                let value = node.as_value().map(|value| style.format(&value));
                added.extend(value.map(|value| quoted(name) + &style.colon + &value));
                continue;
            };
            let range = json::span(text, old.value);
            match node {
                Node::Set(value) if equal(old.value, value) => {}
                Node::Set(value) => {
                    let text = style.at(text, old).replacing(old.value).format(value);
                    splices.push(Splice { range, text });
                }
                Node::Remove => {
                    gone.resize(members.len(), false);
                    for (gone, member) in gone.iter_mut().zip(members) {
                        *gone |= member.is(name);
                    }
                }
                Node::Inner(plan) => {
                    if let Some(inner) = json::object(old.value) {
                        splices.extend(plan.edit(text, &range, &inner, &style.at(text, old)));
                    }
                }
            }
        }
        splices.extend(remove_and_add(text, whole, members, &gone, &added, &style, outer));
        splices
    }
}

impl Node {
    /// What this node makes of a member that is not there, as compact JSON; `None` where it sets nothing.
    fn as_value(&self) -> Option<String> {
        match self {
            Node::Set(value) => Some(value.to_string()),
            Node::Remove => None,
            Node::Inner(plan) => plan.as_value(),
        }
    }
}

/// Takes the members marked `gone` out of the object at `whole`, each with one comma, and adds the new ones.
fn remove_and_add(
    text: &str,
    whole: &Range<usize>,
    members: &[Member<'_>],
    gone: &[bool],
    added: &[String],
    style: &Style,
    outer: &Style,
) -> Vec<Splice> {
    let inside = whole.start + 1..whole.end - 1;
    let is_gone = |at: &usize| gone.get(*at).copied().unwrap_or(false);
    let start = |at: usize| json::span(text, members[at].name).start;
    let end = |at: usize| json::span(text, members[at].value).end;
    let Some(first_kept) = (0..members.len()).find(|at| !is_gone(at)) else {
        let items = added.join(&style.separator);
        let (range, text) = match (members.len(), added.is_empty()) {
            (0, true) => return Vec::new(),
            (_, true) => (inside, items),
            (0, false) => {
                let close = style.newline.map(|newline| format!("{newline}{}", outer.indent));
                (inside, style.line_start() + &items + &close.unwrap_or_default())
            }
            (count, false) => (start(0)..end(count - 1), items),
        };
        return vec![Splice { range, text }];
    };
    let cut = |at: usize| {
        let range = if at < first_kept { start(at)..start(at + 1) } else { end(at - 1)..end(at) };
        Splice { range, text: String::new() }
    };
    let mut splices: Vec<_> = (0..gone.len()).filter(is_gone).map(cut).collect();
    if !added.is_empty() {
        let at = end(members.len() - 1);
        let text = added.iter().flat_map(|item| [style.separator.as_str(), item]).collect();
        splices.push(Splice { range: at..at, text });
    }
    splices
}

fn quoted(name: &str) -> String {
    Value::from(name).to_string()
}

/// Whether two values are the same JSON, however they are written.
pub(crate) fn equal(one: &str, other: &str) -> bool {
    let parse = |text| serde_json::from_str::<Value>(text);
    match (parse(one), parse(other)) {
        (Ok(one), Ok(other)) => one == other,
        // Lone surrogates, numbers beyond f64 and great depths have no `Value`: compare the text without its blanks.
        _ => {
            let compact = Style { newline: None, ..Style::around("") };
            compact.format(one) == compact.format(other)
        }
    }
}

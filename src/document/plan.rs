//! Edits as a tree over the document's members, and the splices that it comes to.

use std::ops::Range;

use serde_json::Value;
use zeroize::Zeroizing;

use super::style::Style;
use super::{Change, Document, Edit, Malformed};
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
        let at = self.0.iter().position(|(known, _)| known == name);
        if depth + 1 == path.len() {
            let node = value.map_or(Node::Remove, |value| Node::Set(value.clone()));
            match at {
                Some(at) => self.0[at].1 = node,
                None => self.0.push((name.clone(), node)),
            }
            return Ok(());
        }
        let at = at.unwrap_or_else(|| {
            self.0.push((name.clone(), Node::Inner(Plan::default())));
            self.0.len() - 1
        });
        let node = &mut self.0[at].1;
        match (&mut *node, value) {
            (Node::Inner(plan), _) => plan.add(path, depth + 1, value)?,
            (Node::Remove, Some(_)) => {
                let mut plan = Plan::default();
                plan.add(path, depth + 1, value)?;
                if let Some((value, _)) = plan.as_value(&[]) {
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

    /// Whether this plan sets anything, so that an object to hold it is needed.
    fn sets(&self) -> bool {
        self.0.iter().any(|(_, node)| match node {
            Node::Set(_) => true,
            Node::Remove => false,
            Node::Inner(plan) => plan.sets(),
        })
    }

    /// The object that this plan makes of nothing at `path`, as compact JSON, and the changes in it; `None` where it sets
    /// nothing.
    pub(crate) fn as_value(&self, path: &[String]) -> Option<(String, Vec<Change>)> {
        if !self.sets() {
            return None;
        }
        let mut members = Vec::new();
        let mut changes = Vec::new();
        for (name, node) in &self.0 {
            let here = [path, &[name.clone()][..]].concat();
            let value = match node {
                Node::Set(value) => {
                    let after = Some(value.to_string());
                    changes.push(Change { path: here, before: None, after });
                    value.to_string()
                }
                Node::Remove => continue,
                Node::Inner(plan) => match plan.as_value(&here) {
                    Some((value, inner)) => {
                        changes.extend(inner);
                        value
                    }
                    None => continue,
                },
            };
            members.push(format!("{}:{value}", quoted(name)));
        }
        Some((format!("{{{}}}", members.join(",")), changes))
    }

    /// Adds the splices, in the order of the text, that make this plan true of the top-level object `text`, and returns what they change.
    pub(crate) fn splices(
        &self,
        text: &str,
        members: &[Member<'_>],
        splices: &mut Vec<Splice>,
    ) -> Result<Vec<Change>, Malformed> {
        let blanks = text.len() - text.trim_start_matches(json::BLANKS).len();
        let whole = blanks..text.trim_end_matches(json::BLANKS).len();
        let mut site = Site { text, splices, changes: Vec::new() };
        self.edit(&mut site, &whole, members, &Style::around(text), &[])?;
        Ok(site.changes)
    }

    fn edit(
        &self,
        site: &mut Site<'_>,
        whole: &Range<usize>,
        members: &[Member<'_>],
        outer: &Style,
        path: &[String],
    ) -> Result<(), Malformed> {
        let text = site.text;
        let style = Style::of(text, members, outer);
        let mut gone = Vec::new();
        let mut added = Vec::new();
        for (name, node) in &self.0 {
            let found = json::last(members, name);
            let here = || [path, &[name.clone()][..]].concat();
            match (node, found) {
                (Node::Set(value), Some(old)) if !equal(old.value, value) => {
                    let text = style.at(text, old).replacing(old.value).format(value);
                    site.splice(json::span(site.text, old.value), text);
                    site.changed(here(), Some(old.value), Some(value.as_str()));
                }
                (Node::Set(value), None) => {
                    added.push(quoted(name) + &style.colon + &style.format(value));
                    site.changed(here(), None, Some(value.as_str()));
                }
                (Node::Remove, Some(old)) => {
                    gone.resize(members.len(), false);
                    for (gone, member) in gone.iter_mut().zip(members) {
                        *gone |= member.is(name);
                    }
                    site.changed(here(), Some(old.value), None);
                }
                (Node::Inner(plan), Some(old)) => match json::object(old.value) {
                    Some(inner) => {
                        let span = json::span(text, old.value);
                        plan.edit(site, &span, &inner, &style.at(text, old), &here())?;
                    }
                    None if plan.sets() => return Err(Malformed::NotAnObject { path: here() }),
                    None => {}
                },
                (Node::Inner(plan), None) => {
                    if let Some((value, changes)) = plan.as_value(&here()) {
                        added.push(quoted(name) + &style.colon + &style.format(&value));
                        site.changes.extend(changes);
                    }
                }
                (Node::Set(_), Some(_)) | (Node::Remove, None) => {}
            }
        }
        site.remove_and_add(whole, members, &gone, &added, &style, outer);
        Ok(())
    }
}

struct Site<'s> {
    text: &'s str,
    splices: &'s mut Vec<Splice>,
    changes: Vec<Change>,
}

impl Site<'_> {
    fn splice(&mut self, range: Range<usize>, text: String) {
        let at = self.splices.partition_point(|splice| splice.range.start <= range.start);
        self.splices.insert(at, Splice { range, text });
    }

    fn changed(&mut self, path: Vec<String>, before: Option<&str>, after: Option<&str>) {
        self.changes.push(Change {
            path,
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        });
    }

    /// Takes the members marked `gone` out of the object at `whole`, each with one comma, and adds the new ones.
    fn remove_and_add(
        &mut self,
        whole: &Range<usize>,
        members: &[Member<'_>],
        gone: &[bool],
        added: &[String],
        style: &Style,
        outer: &Style,
    ) {
        let text = self.text;
        let inside = whole.start + 1..whole.end - 1;
        let is_gone = |at: usize| gone.get(at).copied().unwrap_or(false);
        let first_kept = (0..members.len()).find(|at| !is_gone(*at));
        let start = |at: usize| json::span(text, members[at].name).start;
        let end = |at: usize| json::span(text, members[at].value).end;
        let Some(first_kept) = first_kept else {
            if added.is_empty() {
                if !members.is_empty() {
                    self.splice(inside, String::new());
                }
                return;
            }
            let items = added.join(&style.separator);
            match members.len() {
                0 => {
                    let close = style
                        .newline
                        .map_or(String::new(), |newline| format!("{newline}{}", outer.indent));
                    self.splice(inside, style.line_start() + &items + &close);
                }
                count => self.splice(start(0)..end(count - 1), items),
            }
            return;
        };
        for at in (0..gone.len()).filter(|at| is_gone(*at)) {
            let range =
                if at < first_kept { start(at)..start(at + 1) } else { end(at - 1)..end(at) };
            self.splice(range, String::new());
        }
        if !added.is_empty() {
            let at = end(members.len() - 1);
            let items: String =
                added.iter().flat_map(|item| [style.separator.as_str(), item]).collect();
            self.splice(at..at, items);
        }
    }
}

fn quoted(name: &str) -> String {
    Value::from(name).to_string()
}

/// Whether two values are the same JSON, however they are written.
fn equal(one: &str, other: &str) -> bool {
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

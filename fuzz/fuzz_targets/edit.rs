//! The edit against serde_json and against the JSON grammar.
//!
//! An input is a line an edit (`a/b=VALUE` sets, `a/b` removes), an empty line, and the document. What is checked:
//!
//! - a document is taken exactly where it is UTF-8 and the grammar has it as an object (or blanks);
//! - where serde_json can hold the document, the result holds what the same edit of its `Value` gives;
//! - names and values of members that no edit names, what stands between two of them, and what stands around the object
//!   are the same bytes, at every depth;
//! - the same edits again change nothing; no change is told where no byte differs, and some is where one does.
#![no_main]

mod json;

use cck::document::{Document, Edit};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

struct Op {
    path: Vec<String>,
    value: Option<Box<RawValue>>,
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((ops, source)) = split(data) else {
        return Corpus::Reject;
    };
    check(&ops, source);
    Corpus::Keep
});

fn split(data: &[u8]) -> Option<(Vec<Op>, &[u8])> {
    let mut ops = Vec::new();
    let mut rest = data;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(&rest[..end]).ok()?;
        rest = &rest[end + 1..];
        if line.is_empty() {
            return Some((ops, rest));
        }
        // Each step of a path costs a scan of what is below it; cck's own are three deep at most.
        if ops.len() == 4 || line.matches('/').count() > 8 {
            return None;
        }
        let (path, value) = match line.split_once('=') {
            Some((path, value)) => (path, Some(RawValue::from_string(value.to_owned()).ok()?)),
            None => (line, None),
        };
        ops.push(Op { path: path.split('/').map(str::to_owned).collect(), value });
    }
}

fn edits(ops: &[Op]) -> Vec<Edit> {
    ops.iter()
        .map(|op| {
            let path: Vec<&str> = op.path.iter().map(String::as_str).collect();
            match &op.value {
                Some(value) => Edit::set(&path, value),
                None => Edit::remove(&path),
            }
        })
        .collect()
}

fn check(ops: &[Op], source: &[u8]) {
    let text =
        std::str::from_utf8(source).ok().map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
    let blank = text.is_some_and(|text| text.trim_matches([' ', '\t', '\n', '\r']).is_empty());
    let is_object =
        text.is_some_and(|text| matches!(json::read(text), Some(json::Value::Object(..))));
    let parsed = Document::parse(source);
    assert_eq!(parsed.is_ok(), blank || is_object, "what is a document");
    let (Ok(document), Some(text)) = (parsed, text) else {
        return;
    };
    let edits = edits(ops);
    let wanted = if blank { Ok(Value::Object(Map::new())) } else { serde_json::from_str(text) };
    let wanted = wanted.ok().map(|value| model(value, ops));
    let edited = match document.apply(&edits) {
        Ok(edited) => edited,
        Err(error) => {
            if let Some(Ok(_)) = wanted {
                panic!("refused: {error}");
            }
            return;
        }
    };
    let result = edited.pieces.concat();
    assert_eq!(edited.changes.is_empty(), result == source, "what counts as a change");
    let again = Document::parse(&result).expect("the result is a document");
    let twice = again.apply(&edits).expect("the same edits");
    assert!(twice.changes.is_empty() && twice.pieces.concat() == result, "twice is once");

    let after = std::str::from_utf8(&result).expect("the result is text");
    let after = after.strip_prefix('\u{feff}').unwrap_or(after);
    if let Some(Ok(wanted)) = wanted
        && !leaves_husks(ops)
        && !after.is_empty()
        && let Ok(is) =
            serde_json::from_str::<Value>(if blank && result == source { "{}" } else { after })
    {
        assert_eq!(is, wanted, "what serde_json makes of it");
    }
    if !blank {
        let paths: Vec<&[String]> = ops.iter().map(|op| &op.path[..]).collect();
        untouched(text, after, &paths);
    }
}

/// The edits of serde_json's value, one after the other; an error where one leads through a value that is not an object.
fn model(mut document: Value, ops: &[Op]) -> Result<Value, ()> {
    for op in ops {
        match &op.value {
            Some(value) => {
                set(&mut document, &op.path, serde_json::from_str(value.get()).map_err(|_| ())?)?
            }
            None => remove(&mut document, &op.path),
        }
    }
    Ok(document)
}

fn set(at: &mut Value, path: &[String], value: Value) -> Result<(), ()> {
    let [name, below @ ..] = path else {
        *at = value;
        return Ok(());
    };
    let members = at.as_object_mut().ok_or(())?;
    set(members.entry(name.as_str()).or_insert_with(|| Value::Object(Map::new())), below, value)
}

fn remove(at: &mut Value, path: &[String]) {
    match (path, at.as_object_mut()) {
        ([name], Some(members)) => {
            members.remove(name);
        }
        ([name, below @ ..], Some(members)) => {
            if let Some(inner) = members.get_mut(name) {
                remove(inner, below);
            }
        }
        _ => {}
    }
}

/// Whether a later edit takes out what an earlier one has set: the objects made on the way may then stay or not.
fn leaves_husks(ops: &[Op]) -> bool {
    ops.iter().enumerate().any(|(at, op)| {
        op.value.is_none()
            && ops[..at]
                .iter()
                .any(|before| before.value.is_some() && before.path.starts_with(&op.path[..1]))
    })
}

/// Checks that what no path names is the same bytes.
fn untouched(before: &str, after: &str, paths: &[&[String]]) {
    let (Some(json::Value::Object(was, old)), Some(json::Value::Object(is, new))) =
        (json::read(before), json::read(after))
    else {
        return;
    };
    assert_eq!(before[..was.start], after[..is.start], "before the object");
    assert_eq!(before[was.end..], after[is.end..], "after the object");
    let named = |text: &str, member: &json::Member| {
        let name: Option<String> = serde_json::from_str(&text[member.name.clone()]).ok();
        name.filter(|name| paths.iter().any(|path| path[0] == *name))
    };
    let kept = |text: &str, members: &[json::Member]| -> Vec<usize> {
        (0..members.len()).filter(|at| named(text, &members[*at]).is_none()).collect()
    };
    let (left, right) = (kept(before, &old), kept(after, &new));
    assert_eq!(left.len(), right.len(), "members that no edit names");
    for (at, (one, other)) in left.iter().zip(&right).enumerate() {
        let (one, other) = (&old[*one], &new[*other]);
        assert_eq!(before[one.name.start..one.value.end], after[other.name.start..other.value.end]);
        if at > 0 && left[at - 1] + 1 == left[at] && right[at - 1] + 1 == right[at] {
            let (previous, previous_after) = (&old[left[at - 1]], &new[right[at - 1]]);
            assert_eq!(
                before[previous.value.end..one.name.start],
                after[previous_after.value.end..other.name.start],
                "between two members"
            );
        }
    }
    for member in &old {
        let Some(name) = named(before, member) else {
            continue;
        };
        let below: Vec<&[String]> =
            paths.iter().filter(|path| path[0] == name).map(|path| &path[1..]).collect();
        // Only where every edit goes deeper, and the member is the one that counts.
        let last = old.iter().rfind(|other| named(before, other).as_ref() == Some(&name));
        let (Some(last), false) = (last, below.iter().any(|path| path.is_empty())) else {
            continue;
        };
        let same = new
            .iter()
            .rfind(|other| named(after, other).as_ref() == Some(&name))
            .expect("the member stays");
        if std::ptr::eq(last, member) {
            untouched(&before[member.value.clone()], &after[same.value.clone()], &below);
        }
    }
}

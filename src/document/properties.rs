//! Properties over generated documents. The generator knows where each member lies, so the expected bytes are put
//! together without the code under test.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Values that are easy to get wrong: what `JSON.parse` takes and a typed parser refuses or rewrites.
const ODD: [&str; 18] = [
    "1e400",
    "-0",
    "0.1e-7",
    "123456789012345678901234567890",
    "1.10",
    r#""\ud800""#,
    r#""\uDFFF\u0041""#,
    r#""\ud83d\ude00 😀""#,
    r#""}{][,:\"\\""#,
    r#""\u0000\b\f\/""#,
    "\"\u{7f}\u{2028}\u{feff}键\"",
    "{}",
    "[ ]",
    "{ \"k\" : {\"k\":[]} }",
    "[1 ,\n2]",
    "true",
    "null",
    "\"\"",
];

/// Names, some of them the same one in other escapes, some of them the ones that are edited.
const NAMES: [&str; 10] = [
    r#""k""#,
    r#""\u006b""#,
    r#""K""#,
    r#""o""#,
    r#""""#,
    r#""\ud800""#,
    r#""键""#,
    r#""a b""#,
    r#""k\u0000""#,
    r#""\"k\"""#,
];

fn blank() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(String::new()),
        2 => Just(" ".to_owned()),
        2 => prop::sample::select(vec!["\n  ", "\r\n\t", "\n", "\r", "\t", "\n\n    "]).prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        8 => prop::sample::select(ODD.to_vec()).prop_map(str::to_owned),
        2 => any::<String>().prop_map(|text| Value::from(text).to_string()),
        2 => any::<f64>().prop_filter("JSON has no NaN", |number| number.is_finite()).prop_map(|number| number.to_string()),
        1 => (200usize..2000).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth))),
        1 => (200usize..1000).prop_map(|depth| format!("{}1{}", "{\"k\":".repeat(depth), "}".repeat(depth))),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec((blank(), inner.clone(), blank()), 0..6).prop_map(|items| {
                let items: Vec<String> =
                    items.into_iter().map(|(l, value, r)| l + &value + &r).collect();
                format!("[{}]", items.join(","))
            }),
            source_of(inner, 0..6).prop_map(|source| source.text()),
        ]
    })
}

/// A member: blanks, name, blanks around the colon, value, blanks.
pub(crate) type Part = (String, String, String, String, String, String);

/// An object, as the parts that its text is put together from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    before: &'static str,
    /// Its members.
    pub parts: Vec<Part>,
    inside: String,
    after: &'static str,
}

impl Source {
    /// Its text.
    pub(crate) fn text(&self) -> String {
        self.text_with(|_, value| value.to_owned())
    }

    fn text_with(&self, change: impl Fn(usize, &str) -> String) -> String {
        let parts = self.parts.iter().enumerate().map(|(at, (a, name, b, c, value, d))| {
            let value = change(at, value);
            format!("{a}{name}{b}:{c}{value}{d}")
        });
        let parts: Vec<String> = parts.collect();
        let inside = if parts.is_empty() { self.inside.clone() } else { parts.join(",") };
        format!("{}{{{inside}}}{}", self.before, self.after)
    }

    /// Where the last member called `k` is.
    fn last_k(&self) -> Option<usize> {
        self.parts.iter().rposition(|part| is_k(&part.1))
    }
}

fn is_k(name: &str) -> bool {
    name == r#""k""# || name == r#""\u006b""#
}

fn source_of(
    value: impl Strategy<Value = String> + 'static,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = Source> {
    let name = prop_oneof![
        prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned),
        "[a-z]{1,8}".prop_map(|name| format!("{name:?}")),
    ];
    let part = (blank(), name, blank(), blank(), value, blank());
    (prop::collection::vec(part, count), blank()).prop_map(|(parts, inside)| Source {
        before: "",
        parts,
        inside,
        after: "",
    })
}

/// A whole document, some with a byte order mark, blanks around, a final newline.
pub(crate) fn document() -> impl Strategy<Value = Source> {
    let around = prop::sample::select(vec![
        ("", ""),
        ("", "\n"),
        ("\u{feff}", "\r\n"),
        (" \n", "\n\n"),
        ("\u{feff}\t", " "),
    ]);
    let count = prop_oneof![8 => Just(0..12usize), 1 => Just(100..200usize)];
    let source = count.prop_flat_map(|count| source_of(value(), count));
    (source, around).prop_map(|(source, (before, after))| Source { before, after, ..source })
}

/// The styles that programs write: every member on a line of its own, or all on one.
fn styled() -> impl Strategy<Value = (String, Value)> {
    let value = prop::collection::btree_map("[a-z]{1,3}", plain(), 0..6);
    let style = prop::sample::select(vec!["  ", "    ", "\t", "compact"]);
    (value, style, any::<bool>()).prop_map(|(map, style, crlf)| {
        let value = Value::Object(map.into_iter().collect());
        let mut text = pretty(&value, style);
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        (text, value)
    })
}

fn plain() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\"\\\\é]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn pretty(value: &Value, style: &str) -> String {
    use serde_json::ser::{PrettyFormatter, Serializer};

    if style == "compact" {
        return value.to_string();
    }
    let mut text = Vec::new();
    let mut out =
        Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(style.as_bytes()));
    value.serialize(&mut out).unwrap();
    String::from_utf8(text).unwrap() + "\n"
}

fn apply(source: &str, edits: &[Edit]) -> (String, usize) {
    let edited = Document::parse(source.as_bytes()).unwrap().apply(edits).unwrap();
    (String::from_utf8(edited.pieces.concat()).unwrap(), edited.changes.len())
}

fn apply_twice(source: &str, edits: &[Edit]) -> String {
    let (once, changes) = apply(source, edits);
    assert_eq!(changes == 0, once == source);
    assert_eq!(apply(&once, edits), (once.clone(), 0), "the second time changes nothing");
    once
}

// Deep documents are slow without optimisation; PROPTEST_CASES has no effect on a number that is given here.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn setting_a_member_changes_its_bytes_alone(source in document(), key in "[!-~]{0,20}") {
        let text = source.text();
        let literal = Value::from(key.as_str()).to_string();
        let result = apply_twice(&text, &[Edit::set(&["k"], &key)]);
        match source.last_k() {
            Some(last) if serde_json::from_str(&source.parts[last].4).ok() == Some(Value::from(key.as_str())) => {
                prop_assert_eq!(result, text);
            }
            Some(last) => {
                let expected = source.text_with(|at, value| if at == last { literal.clone() } else { value.to_owned() });
                prop_assert_eq!(result, expected);
            }
            None => {
                // A member more, behind the last value, and not a byte else.
                let blanks_at_end = source.parts.last().map_or(source.inside.len(), |part| part.5.len());
                let rest = source.after.len() + 1 + blanks_at_end;
                let (head, tail) = text.split_at(text.len() - rest);
                let tail = if source.parts.is_empty() { &tail[blanks_at_end..] } else { tail };
                prop_assert!(result.starts_with(head) && result.ends_with(tail));
                let added = result[head.len()..result.len() - tail.len()].trim();
                let added = if source.parts.is_empty() { added } else { added.strip_prefix(',').unwrap().trim_start() };
                let value = added.strip_prefix("\"k\"").unwrap().trim_start().strip_prefix(':').unwrap().trim_start();
                prop_assert_eq!(value, literal);
            }
        }
    }

    #[test]
    fn removing_a_member_keeps_all_others_as_they_are(source in document()) {
        let text = source.text();
        let result = apply_twice(&text, &[Edit::remove(&["k"])]);
        let kept: Vec<_> = source.parts.iter().filter(|part| !is_k(&part.1)).map(|part| (&*part.1, &*part.4)).collect();
        let document = Document::parse(result.as_bytes()).unwrap();
        let found: Vec<_> = document.members.iter().map(|member| (member.name, member.value)).collect();
        prop_assert_eq!(found, kept);
        prop_assert!(result.starts_with(source.before) && result.ends_with(source.after));
        if source.last_k().is_none() {
            prop_assert_eq!(result, text);
        }
    }

    #[test]
    fn a_nested_edit_touches_one_top_level_member(source in document(), value in plain()) {
        let text = source.text();
        let document = Document::parse(text.as_bytes()).unwrap();
        let outer = document.raw(&["o"]);
        let edits = [Edit::set(&["o", "k"], &value), Edit::remove(&["o", "a"])];
        if outer.is_some_and(|outer| !outer.starts_with('{')) {
            let error = document.apply(&edits).err();
            prop_assert_eq!(error, Some(Malformed::NotAnObject { path: vec!["o".into()] }));
            return Ok(());
        }
        let result = apply_twice(&text, &edits);
        let after = Document::parse(result.as_bytes()).unwrap();
        prop_assert_eq!(after.get::<Value>(&["o", "k"]), Some(value));
        prop_assert_eq!(after.raw(&["o", "a"]), None);
        let o = |member: &&Member<'_>| !member.is("o");
        let others = |document: &Document<'_>| -> Vec<String> {
            document.members.iter().filter(o).map(|member| format!("{}:{}", member.name, member.value)).collect()
        };
        prop_assert_eq!(others(&after), others(&document));
    }

    #[test]
    fn a_styled_file_is_edited_as_its_program_would_write_it(
        (text, mut value) in styled(),
        new in plain(),
        name in "[a-z]{1,3}",
    ) {
        let result = apply_twice(&text, &[Edit::set(&[name.as_str()], &new)]);
        let edited = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        value[name.as_str()] = new;
        prop_assert_eq!(edited(&result), value.clone());
        // serde_json sorts what it writes, so lay the result out anew and compare without the order.
        let lines = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
            lines.sort();
            lines
        };
        let style = ["    ", "  ", "\t"].into_iter().find(|unit| text.lines().nth(1).is_some_and(|line| line.starts_with(unit)));
        if let Some(style) = style {
            prop_assert_eq!(lines(&result), lines(&pretty(&value, style)));
            prop_assert_eq!(result.contains("\r\n"), text.contains("\r\n"));
        }
    }
}

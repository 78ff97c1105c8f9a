//! Against serde_json, which is right about what is JSON; and in blocks of every size, which must not matter.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::{plain::plain, *};

/// What is told, as text.
#[derive(Default)]
struct Events(Vec<String>, &'static str);

impl Visitor for Events {
    fn depth(&self) -> usize {
        3
    }
    fn name(&mut self, depth: usize, name: &[u8], span: Range<usize>) -> bool {
        let name = String::from_utf8_lossy(name);
        self.0.push(format!("{depth} {name} {span:?}"));
        name == self.1
    }
    fn value(&mut self, depth: usize, span: Range<usize>, text: &[u8]) {
        self.0.push(format!("{depth} = {span:?} {}", String::from_utf8_lossy(text)));
    }
}

fn scan(text: &[u8], block: usize, wanted: &'static str) -> Result<Vec<String>, NotJson> {
    let mut scan = Scan::new(Events(Vec::new(), wanted));
    for block in text.chunks(block) {
        scan.feed(block)?;
    }
    Ok(scan.finish()?.0)
}

#[test]
fn members_are_told_with_their_places() {
    let text = br#"{"a": {"b" :[1, {"c": 2}], "x": "y"}, "d":-0.5e+3 , "e": {}}"#;
    let told = scan(text, text.len(), "e").unwrap();
    assert_eq!(
        told,
        [
            "1 a 1..4",
            "2 b 7..10",
            "3 = 13..14 ",
            "3 = 16..24 ",
            "2 = 12..25 ",
            "2 x 27..30",
            "2 = 32..35 ",
            "1 = 6..36 ",
            "1 d 38..41",
            "1 = 42..49 ",
            "1 e 52..55",
            "1 = 57..59 {}",
        ]
    );
    let told = scan(text, text.len(), "a").unwrap();
    assert_eq!(told[..2], ["1 a 1..4", r#"1 = 6..36 {"b" :[1, {"c": 2}], "x": "y"}"#]);
}

#[test]
fn what_javascript_takes_is_taken() {
    for text in [r#""\ud800""#, "1e400", "-0", "[]", " {} \r\n", "0.0E-0", "[[],[{}],\"\"]"] {
        assert!(scan(text.as_bytes(), 1, "").is_ok(), "{text}");
    }
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert!(scan(deep.as_bytes(), 4096, "").is_ok());
    assert!(scan(b"\"\xff\"", 1, "").is_ok(), "it is decoded before it is parsed");
    assert!(scan(b"\xff", 1, "").is_err());
}

/// Texts that are nearly JSON.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"k\":",
        "1",
        "0",
        "-",
        ".",
        "e",
        "E+",
        "true",
        "fals",
        "null",
        " ",
        "\n",
        "\\",
        "\\u00e9",
        "\\n",
        "ä",
        "\u{1}",
        "\"0123456789012345678901234567890123456789\"",
        "\t",
        "12.5e3",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Texts that are JSON.
fn valid() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1",
        "-0.5e3",
        "\"x\"",
        "\"\\\"\\u0041ä\"",
        "true",
        "null",
        "\"a longer text, over more than one word of it\"",
        "[]",
        "{ }",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 5, |inner| {
        let name = prop::sample::select(vec![
            "\"k\"",
            "\"\\u006b\"",
            "\"a name over more than one word\"",
            "\"\"",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(" ,\n"))),
            prop::collection::vec((name, inner), 0..4).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                format!("{{{}\t}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn it_agrees_with_serde_on_what_is_json(text in prop_oneof![nearly(), valid()]) {
        let expected = serde_json::from_str::<IgnoredAny>(&text);
        let found = scan(text.as_bytes(), text.len().max(1), "");
        prop_assert_eq!(found.is_ok(), expected.is_ok(), "{:?} {:?}", expected, found);
        if let (Ok(_), Err(error)) = (&expected, &found) {
            prop_assert!(error.offset <= text.len());
        }
    }

    #[test]
    fn the_size_of_blocks_does_not_matter(text in prop_oneof![nearly(), valid()], block in 1usize..40) {
        let whole = scan(text.as_bytes(), text.len().max(1), "k");
        prop_assert_eq!(scan(text.as_bytes(), block, "k"), whole);
    }

    #[test]
    fn a_string_goes_on_up_to_its_first_special_byte(bytes in prop::collection::vec(prop_oneof![8 => b' '..=255u8, 1 => 0..=255u8], 0..100)) {
        let end = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
        prop_assert_eq!(plain(&bytes), end.unwrap_or(bytes.len()));
    }
}

fn picked(text: &str, block: usize) -> Vec<Option<String>> {
    let paths = [vec!["key"], vec!["projects", "/p", "trusted"], vec!["projects", "/q", "trusted"]];
    let mut pick = Scan::new(Pick::new(&paths));
    for block in text.as_bytes().chunks(block) {
        pick.feed(block).unwrap();
    }
    let found = pick.finish().unwrap().found;
    found.into_iter().map(|value| value.map(|value| value.to_string())).collect()
}

#[test]
fn the_last_of_duplicates_is_picked_with_all_that_is_in_it() {
    for (text, expected) in [
        (r#"{"key": 1, "k\u0065y": "two"}"#, [Some("\"two\""), None, None]),
        (r#"{"x": {"key": 1}, "y": [{"key": 1}]}"#, [None; 3]),
        (r#"[{"key": 1}]"#, [None; 3]),
        (
            r#"{"projects": {"/p": {"trusted": true, "x": {"trusted": 0}}, "/q": {"trusted": [1 ]}}}"#,
            [None, Some("true"), Some("[1 ]")],
        ),
        (r#"{"projects": {"/p": {"trusted": true}}, "projects": {}}"#, [None; 3]),
        (
            r#"{"projects": {"/p": {"trusted": true}, "/p": 1, "/q": {"trusted": 2}}}"#,
            [None, None, Some("2")],
        ),
        (
            r#"{"projects": [{"/p": {"trusted": true}}], "key": {"trusted": 1}}"#,
            [Some(r#"{"trusted": 1}"#), None, None],
        ),
    ] {
        for block in [1, 3, 1000] {
            assert_eq!(
                picked(text, block),
                expected.map(|value| value.map(str::to_owned)),
                "{text}"
            );
        }
    }
}

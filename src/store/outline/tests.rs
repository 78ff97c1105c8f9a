use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::document::Edit;
use crate::document::properties::document;

/// Just long enough to be cut in the tests.
const LONG_HERE: usize = 4500;
const KEPT_HERE: usize = 4200;

fn file(text: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text).unwrap();
    file
}

fn content(pieces: &[Piece<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bytes(part) => bytes.extend_from_slice(part),
            Piece::Range(file, range) => append(file, range.clone(), &mut bytes).unwrap(),
        }
    }
    bytes
}

fn edits() -> Vec<Vec<Edit>> {
    vec![
        vec![Edit::set(&["k"], "v")],
        vec![Edit::remove(&["k"])],
        vec![Edit::set(&["o", "k"], &1), Edit::remove(&["a b"])],
        vec![Edit::set(&["new"], &["x"]), Edit::set(&["k"], &serde_json::json!({"a": 1}))],
        vec![],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_edit_of_an_outline_is_that_of_the_file_or_none(
        source in document(),
        long in prop::collection::vec((0usize..12, 0usize..3, 4400usize..9000), 0..4),
    ) {
        let mut source = source;
        for (at, kind, length) in long {
            if let Some(part) = source.parts.get_mut(at) {
                part.4 = match kind {
                    0 => format!("\"{}\"", "a😀é\\n€".repeat(length / 14)),
                    1 => format!("[{}\r\n1]", "\"ä\", ".repeat(length / 7)),
                    _ => format!("{{{}}}", vec!["\"k\":\"€\""; length / 10].join(",\n")),
                };
            }
        }
        let text = source.text();
        let file = file(text.as_bytes());
        let outline = Outline::cut(&file, LONG_HERE, KEPT_HERE).unwrap();
        let whole = Document::parse(text.as_bytes()).unwrap();
        let is_cut = source.parts.iter().any(|part| part.4.len() > LONG_HERE);
        prop_assert_eq!(!outline.ends.is_empty(), is_cut);
        for name in ["k", "o", "new"] {
            let document = outline.document();
            let value = document.raw(&[name]);
            let is_long = whole.raw(&[name]).is_some_and(|value| value.len() > LONG_HERE);
            prop_assert_eq!(document.missed(), is_long, "{}", name);
            prop_assert!(is_long || value == whole.raw(&[name]));
        }
        for edits in edits() {
            let document = outline.document();
            let edited = document.apply(&edits);
            if document.missed() {
                prop_assert!(is_cut);
                continue;
            }
            match (edited, whole.apply(&edits)) {
                (Ok(edited), Ok(expected)) => {
                    prop_assert!(content(&outline.pieces(&edited.pieces)) == expected.pieces.concat());
                    prop_assert_eq!(edited.changes, expected.changes);
                }
                (edited, expected) => prop_assert_eq!(edited.err(), expected.err()),
            }
        }
    }

    #[test]
    fn utf8_is_told_whatever_the_blocks(
        mut bytes in "[a€😀é]{0,8}".prop_map(String::into_bytes),
        change in prop::option::of((0usize..32, any::<u8>())),
        block in 4usize..9,
    ) {
        if let Some((at, byte)) = change && let Some(old) = bytes.get_mut(at) {
            *old = byte;
        }
        let is_utf8 = is_utf8(&file(&bytes), block).is_some();
        prop_assert_eq!(is_utf8, std::str::from_utf8(&bytes).is_ok());
    }
}

#[test]
fn what_is_no_object_has_no_outline() {
    for text in ["", "  ", "[1]", "1", "{\"a\":1", "{\"a\":1}}", "\u{feff}\u{feff}{}"] {
        assert!(Outline::read(&file(text.as_bytes())).is_none(), "{text:?}");
    }
    assert!(Outline::read(&file(b"{\"a\":\"\xff\"}")).is_none());
    assert!(Outline::read(&file(b"{\"a\":\"\xe2\x82\"}")).is_none());
    // In what the outline does not hold.
    let mut long = format!("{{\"a\":\"{}\"}}", "x".repeat(2 * LONG)).into_bytes();
    assert!(Outline::read(&file(&long)).is_some());
    long[LONG + LONG / 2] = 0xff;
    assert!(Outline::read(&file(&long)).is_none());
    assert!(Outline::read(&file("\u{feff} {\"a\":1}\n".as_bytes())).is_some());
}

#[test]
fn a_long_value_takes_no_memory() {
    let text = format!("{{\"a\":1,\"h\":[{}1],\"k\":\"v\"}}", "\"é\", ".repeat(BLOCK));
    let file = file(text.as_bytes());
    let outline = Outline::read(&file).unwrap();
    assert!(outline.source.len() < KEPT + 100);
    let document = outline.document();
    assert_eq!((document.raw(&["k"]), document.missed()), (Some("\"v\""), false));
    assert_eq!((document.raw(&["h"]), document.missed()), (None, true));
}

use super::*;

/// The document after these edits, and the paths of what changed.
fn edited(source: &str, edits: &[Edit]) -> (String, Vec<String>) {
    let document = Document::parse(source.as_bytes()).unwrap();
    let edited = document.apply(edits).unwrap();
    let text = String::from_utf8(edited.pieces.concat()).unwrap();
    (text, edited.changes.iter().map(|change| change.path.join(".")).collect())
}

fn set(source: &str, path: &[&str], value: impl Serialize) -> String {
    edited(source, &[Edit::set(path, &value)]).0
}

fn remove(source: &str, path: &[&str]) -> String {
    edited(source, &[Edit::remove(path)]).0
}

#[test]
fn a_value_is_replaced_and_nothing_else() {
    assert_eq!(
        set("{\"a\" : 1e400,\r\n\t\"k\":\"x\" , \"b\":[ ]}\n", &["k"], "y"),
        "{\"a\" : 1e400,\r\n\t\"k\":\"y\" , \"b\":[ ]}\n"
    );
    assert_eq!(set(r#"{"k":1,"k":2}"#, &["k"], 3), r#"{"k":1,"k":3}"#, "the client reads the last");
    assert_eq!(
        set(r#"{"primaryApi\u004bey":1}"#, &["primaryApiKey"], 2),
        r#"{"primaryApi\u004bey":2}"#
    );
    assert_eq!(set("\u{feff}{\"k\":1}", &["k"], 2), "\u{feff}{\"k\":2}");
}

#[test]
fn an_equal_value_is_no_change() {
    for source in [r#"{"k":"a"}"#, r#"{ "k" : "\u0061" }"#, r#"{"k":0,"k":"a"}"#] {
        assert_eq!(edited(source, &[Edit::set(&["k"], "a")]), (source.to_owned(), vec![]));
    }
    let source = r#"{"k": {"b":[1, 2],"a" :true}}"#;
    let value = serde_json::json!({"a": true, "b": [1, 2]});
    assert_eq!(edited(source, &[Edit::set(&["k"], &value)]), (source.to_owned(), vec![]));
}

#[test]
fn a_new_member_looks_like_the_others() {
    for (source, expected) in [
        ("{}", "{\n  \"k\": 1\n}"),
        ("{ }\r\n", "{\r\n  \"k\": 1\r\n}\r\n"),
        ("", "{\n  \"k\": 1\n}\n"),
        (" \n", "{\n  \"k\": 1\n}\n"),
        ("\u{feff}", "\u{feff}{\n  \"k\": 1\n}\n"),
        ("{\"a\":1}", "{\"a\":1,\"k\":1}"),
        ("{\"a\": 1}", "{\"a\": 1, \"k\": 1}"),
        ("{ \"a\": 1 }", "{ \"a\": 1, \"k\": 1 }"),
        ("{\"a\" :1 ,\"b\" :2}", "{\"a\" :1 ,\"b\" :2 ,\"k\" :1}"),
        ("{\n\t\"a\": 1\n}\n", "{\n\t\"a\": 1,\n\t\"k\": 1\n}\n"),
        ("{\r\n    \"a\": 1\r\n}", "{\r\n    \"a\": 1,\r\n    \"k\": 1\r\n}"),
        ("{\n\n  \"a\": 1,\n\n  \"b\": 2\n\n}", "{\n\n  \"a\": 1,\n\n  \"b\": 2,\n  \"k\": 1\n\n}"),
        ("{\n  \"a\": 1\n, \"b\": 2\n}", "{\n  \"a\": 1\n, \"b\": 2\n, \"k\": 1\n}"),
        ("{\"a\"\n:\n1}", "{\"a\"\n:\n1, \"k\": 1}"),
    ] {
        assert_eq!(set(source, &["k"], 1), expected, "{source:?}");
    }
}

#[test]
fn a_new_object_is_laid_out_like_the_file() {
    let list = ["x"];
    for (source, expected) in [
        ("{}", "{\n  \"o\": {\n    \"l\": [\n      \"x\"\n    ]\n  }\n}"),
        ("{\"a\":1}", "{\"a\":1,\"o\":{\"l\":[\"x\"]}}"),
        (
            "{\n\t\"a\": {}\n}",
            "{\n\t\"a\": {},\n\t\"o\": {\n\t\t\"l\": [\n\t\t\t\"x\"\n\t\t]\n\t}\n}",
        ),
        (
            "{\n    \"o\": {}\n}",
            "{\n    \"o\": {\n        \"l\": [\n            \"x\"\n        ]\n    }\n}",
        ),
        (
            "{\n  \"o\": {\n    \"l\": []\n  }\n}",
            "{\n  \"o\": {\n    \"l\": [\n      \"x\"\n    ]\n  }\n}",
        ),
        ("{\n  \"o\": { \"l\": [\"y\", \"z\"] }\n}", "{\n  \"o\": { \"l\": [\"x\"] }\n}"),
        (
            "{\n  \"o\": {\n    \"l\": [\"y\", \"z\"]\n  }\n}",
            "{\n  \"o\": {\n    \"l\": [\"x\"]\n  }\n}",
        ),
    ] {
        assert_eq!(set(source, &["o", "l"], list), expected, "{source:?}");
    }
}

#[test]
fn what_stood_on_one_line_stays_on_one() {
    assert_eq!(
        set("{\n  \"l\": [1],\n  \"z\": 0\n}", &["l"], [1, 2]),
        "{\n  \"l\": [1, 2],\n  \"z\": 0\n}"
    );
    assert_eq!(
        set("{\n  \"a\": 1,  \"o\": {}\n}", &["o", "k"], true),
        "{\n  \"a\": 1,  \"o\": {\"k\": true}\n}"
    );
    assert_eq!(
        set("{\n  \"a\": 1,  \"o\": 5,\n  \"z\": 0\n}", &["o"], serde_json::json!({"k": 1})),
        "{\n  \"a\": 1,  \"o\": {\n    \"k\": 1\n  },\n  \"z\": 0\n}"
    );
}

#[test]
fn the_line_ends_of_the_file_are_used() {
    for end in ["\n", "\r\n", "\r"] {
        let source = format!("{{{end}  \"a\": 1{end}}}");
        let expected =
            format!("{{{end}  \"a\": 1,{end}  \"k\": {{{end}    \"x\": 2{end}  }}{end}}}");
        assert_eq!(set(&source, &["k"], serde_json::json!({"x": 2})), expected);
    }
}

#[test]
fn a_removed_member_takes_one_comma_with_it() {
    for (source, expected) in [
        ("{\"k\":1}", "{}"),
        ("{\n  \"k\": 1\n}\n", "{}\n"),
        ("{\"k\":1,\"a\":2}", "{\"a\":2}"),
        ("{\"a\":2,\"k\":1}", "{\"a\":2}"),
        ("{\n  \"k\": 1,\n  \"a\": 2,\n  \"k\": 3\n}", "{\n  \"a\": 2\n}"),
        ("{\"a\":1, \"k\":2, \"k\":3, \"b\":4}", "{\"a\":1, \"b\":4}"),
        ("{\"k\":1, \"k\":2 , \"b\":4}", "{\"b\":4}"),
        ("{\"a\":1}", "{\"a\":1}"),
    ] {
        assert_eq!(remove(source, &["k"]), expected, "{source:?}");
    }
    assert_eq!(remove(r#"{"o":{"k":1},"p":3}"#, &["o", "k"]), r#"{"o":{},"p":3}"#);
    assert_eq!(remove(r#"{"o":3}"#, &["o", "k"]), r#"{"o":3}"#, "there is nothing to remove");
}

#[test]
fn edits_are_made_in_turn() {
    let edits = [
        Edit::remove(&["a"]),
        Edit::set(&["k"], &1),
        Edit::set(&["o", "x"], &true),
        Edit::set(&["o", "y"], &false),
        Edit::remove(&["o", "x"]),
        Edit::set(&["n"], &serde_json::json!({})),
        Edit::set(&["n", "m"], &2),
    ];
    assert_eq!(
        edited("{\"a\":0,\"o\":{\"x\":1}}", &edits),
        (
            "{\"o\":{\"y\":false},\"k\":1,\"n\":{\"m\":2}}".into(),
            ["a", "k", "o.x", "o.y", "n"].map(String::from).to_vec()
        )
    );
    assert_eq!(edited("{\"a\":0}", &[Edit::remove(&["a"]), Edit::set(&["b"], &1)]).0, "{\"b\":1}");
    assert_eq!(
        edited("{\"o\":1}", &[Edit::remove(&["o"]), Edit::set(&["o", "k"], &1)]).0,
        "{\"o\":{\"k\":1}}"
    );
}

/// Found by fuzzing: it was an error.
#[test]
fn there_is_nothing_to_remove_from_a_value_that_was_set() {
    let edits = [Edit::set(&["a"], &3), Edit::remove(&["a", "b"])];
    assert_eq!(edited(r#"{"a":[1]}"#, &edits).0, r#"{"a":3}"#);
    let object = serde_json::json!({"b": 1, "c": 2});
    let edits = [Edit::set(&["a"], &object), Edit::remove(&["a", "b"])];
    assert_eq!(edited(r#"{"a":[1]}"#, &edits).0, r#"{"a":{"c":2}}"#);
}

#[test]
fn what_javascript_accepts_is_accepted() {
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let source = format!(
        r#"{{"\ud800":1,"n":-1e-400,"big":{},"deep":{deep},"k":"\udfff"}}"#,
        "9".repeat(5000)
    );
    let document = Document::parse(source.as_bytes()).unwrap();
    assert_eq!(document.raw(&["k"]), Some(r#""\udfff""#));
    assert_eq!(document.get::<String>(&["k"]), None);
    assert_eq!(set(&source, &["k"], "v"), source.replace(r#""\udfff""#, r#""v""#));
    assert_eq!(document.raw(&["deep", "k"]), None);
}

#[test]
fn malformed_sources_are_refused_with_their_place() {
    for (source, expected) in [
        ("{\n  \"ä\": 1,\n  \"ä\" 2\n}", "3:7: expected `:`"),
        ("{\"a\":1", "1:6: EOF while parsing an object"),
        ("{\"a\":1,}", "1:8: trailing comma"),
        ("{\"a\":01}", "1:7: invalid number"),
        ("{} x", "1:4: trailing characters"),
        ("[1, \"sk-ant-secret\"]", "1:1: the top level is not an object"),
        ("\"sk-ant-secret", "1:14: EOF while parsing a string"),
        ("null", "1:1: the top level is not an object"),
        ("{'a':1}", "1:2: key must be a string"),
        (
            "{\"a\":\"\u{1}\"}",
            "1:7: control character (\\u0000-\\u001F) found while parsing a string",
        ),
    ] {
        let error = Document::parse(source.as_bytes())
            .err()
            .unwrap_or_else(|| panic!("{source:?} is accepted"));
        assert_eq!(error.to_string(), expected, "{source:?}");
    }
    let error = Document::parse(b"{\"a\":\"\xff\"}").err();
    assert_eq!(error, Some(Malformed::NotUtf8 { offset: 6 }));
}

#[test]
fn an_object_is_never_made_of_something_else() {
    let document = Document::parse(br#"{"o":{"l":[1]},"s":"x"}"#).unwrap();
    for path in [&["s", "k"][..], &["o", "l", "k"]] {
        let error = document.apply(&[Edit::set(path, &1)]).err();
        let owner = path[..path.len() - 1].iter().map(ToString::to_string).collect();
        let error = error.unwrap();
        assert_eq!(
            error.to_string(),
            format!("`{}` is not an object", path[..path.len() - 1].join("."))
        );
        assert_eq!(error, Malformed::NotAnObject { path: owner });
    }
}

#[test]
fn nothing_stays_nothing() {
    assert_eq!(remove("", &["k"]), "");
    assert_eq!(remove(" \n", &["o", "k"]), " \n");
}

#[test]
fn debug_output_shows_no_value() {
    let edit = Edit::set(&["k"], "sk-ant-secret");
    let document = Document::parse(br#"{"k":"sk-ant-old"}"#).unwrap();
    let changes = document.apply(std::slice::from_ref(&edit)).unwrap().changes;
    let shown = format!("{edit:?} {changes:?}");
    assert_eq!(shown, "Edit(set k) [Change(k: … → …)]");
    assert_eq!(format!("{:?}", Edit::remove(&["o", "k"])), "Edit(remove o.k)");
}

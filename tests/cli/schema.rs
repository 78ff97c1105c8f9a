//! Every `--json` report of these tests against its JSON Schema in docs/schema, and the schemas against docs/json.md.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Checks a report of `cck ARGS`, where it is one for programs.
#[track_caller]
pub fn check(args: &[String], stdout: &str) {
    let command: Vec<&str> = args
        .iter()
        .map(String::as_str)
        .take_while(|arg| *arg != "--")
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let name = match command.as_slice() {
        ["profile", "list" | "ls", ..] => "profile-list",
        ["profile", "show", ..] => "profile-show",
        [name, ..] => name,
        [] => return,
    };
    let file = docs().join(format!("schema/{name}.json"));
    let schema = fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; each --json has its schema", file.display()));
    let report: Value = serde_json::from_str(stdout).unwrap_or_else(|error| {
        panic!("{args:?}: the report is not JSON: {error}: {stdout}");
    });
    if let Err(why) = conforms(&report, &serde_json::from_str(&schema).unwrap()) {
        panic!("{args:?}: {} does not describe it: {why}", file.display());
    }
}

/// Whether a value conforms, by the few words of JSON Schema that ours use.
fn conforms(value: &Value, schema: &Value) -> Result<(), String> {
    for (word, rule) in schema.as_object().unwrap() {
        let fits = match word.as_str() {
            "$schema" | "title" | "description" => true,
            "type" => match rule {
                Value::Array(types) => types.iter().any(|name| is(value, name)),
                name => is(value, name),
            },
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "anyOf" => rule.as_array().unwrap().iter().any(|rule| conforms(value, rule).is_ok()),
            "required" => {
                let names = rule.as_array().unwrap();
                names.iter().all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "items" => {
                let mut items = value.as_array().into_iter().flatten();
                items.try_for_each(|item| conforms(item, rule))?;
                true
            }
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    if let Some(rule) = rule.get(name) {
                        conforms(member, rule).map_err(|why| format!("{name}: {why}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = &schema["properties"];
                if let Some((name, _)) = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .find(|(name, _)| known.get(name).is_none())
                {
                    return Err(format!("the field {name} is not in it"));
                }
                *rule == Value::Bool(false)
            }
            other => panic!("the validator does not know the word {other}"),
        };
        if !fits {
            return Err(format!("{value} is not {word} {rule}"));
        }
    }
    Ok(())
}

fn is(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("a type {other}"),
    }
}

/// The path of each field in a schema, with what it means.
fn fields(schema: &Value, prefix: &str, found: &mut Vec<(String, String)>) {
    for schema in schema["anyOf"].as_array().into_iter().flatten() {
        fields(schema, prefix, found);
    }
    if schema.get("items").is_some() {
        fields(&schema["items"], &format!("{}[].", prefix.trim_end_matches('.')), found);
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let meaning = member["description"].as_str().unwrap_or_default();
        found.push((format!("{prefix}{name}"), meaning.to_owned()));
        fields(member, &format!("{prefix}{name}."), found);
    }
}

#[test]
fn every_field_is_described() {
    let page = fs::read_to_string(docs().join("json.md")).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(docs().join("schema")).unwrap() {
        let path = entry.unwrap().path();
        let schema: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let title = format!("## `{}`\n", schema["title"].as_str().unwrap());
        let section = page.split(&title).nth(1).unwrap_or_else(|| panic!("no {title}"));
        let section = section.split("\n## ").next().unwrap();
        let mut found = Vec::new();
        fields(&schema, "", &mut found);
        for (field, meaning) in found {
            let row = section.lines().find(|line| line.starts_with(&format!("| `{field}` |")));
            let row = row.unwrap_or_else(|| panic!("docs/json.md has no `{field}` in {title}"));
            assert!(!meaning.is_empty() && row.ends_with(&format!("| {meaning} |")), "{row}");
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn a_report_that_does_not_conform_is_found() {
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(docs().join("schema/profile-list.json")).unwrap())
            .unwrap();
    let good = serde_json::json!({"schema": 1, "profiles": []});
    assert_eq!(conforms(&good, &schema), Ok(()));
    for bad in [
        serde_json::json!({"schema": 2, "profiles": []}),
        serde_json::json!({"schema": 1}),
        serde_json::json!({"schema": 1, "profiles": {}}),
        serde_json::json!({"schema": 1, "profiles": [{"name": "a"}]}),
        serde_json::json!({"schema": 1, "profiles": [], "more": 1}),
    ] {
        assert!(conforms(&bad, &schema).is_err(), "{bad}");
    }
}

//! The text of profiles.toml, whose fields are in `docs/sources.md`. Pure: text in, entries or text out.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use toml_edit::{Document, DocumentMut, Item, Table};

use super::limits::Budget;
use crate::context::Context;
use crate::error::fail;
use crate::key::shape::holds_key;
use crate::key::source::{DEFAULT_TIMEOUT, KeySource, Place, StoredSourceArgs, is_variable};

/// One profile as it is written. Of the first three members it has exactly one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Entry {
    #[serde(deserialize_with = "text")]
    pub key_command: Option<String>,
    #[serde(deserialize_with = "text")]
    pub key_env: Option<String>,
    #[serde(deserialize_with = "text")]
    pub key_file: Option<String>,
    #[serde(deserialize_with = "seconds")]
    pub(crate) timeout: Option<u64>,
    #[serde(deserialize_with = "text")]
    pub(crate) config_dir: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) base_url: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) description: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(crate) on_alert: Option<String>,
    pub(crate) any_shape: bool,
    pub(crate) locked: bool,
    #[serde(deserialize_with = "at_least_one")]
    pub(crate) groups: Vec<String>,
    pub(crate) budget: Vec<Budget>,
    #[serde(deserialize_with = "at_least_one")]
    pub(crate) allow_models: Vec<String>,
    pub(crate) require_log: bool,
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    if text.trim().is_empty() {
        return Err(D::Error::custom("the text is empty"));
    }
    Ok(Some(text))
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    match u64::deserialize(from)? {
        seconds @ 1..=3600 => Ok(Some(seconds)),
        _ => Err(D::Error::custom("a timeout is a number of seconds from 1 to 3600")),
    }
}

/// Nobody is meant by an empty list, or everybody? Better asked than guessed.
fn at_least_one<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let list = Vec::<String>::deserialize(from)?;
    if list.is_empty() {
        return Err(D::Error::custom("the list is empty; name one, or leave it out for all"));
    }
    Ok(list)
}

impl Entry {
    /// The entry with the source that the flags name; `None` if they name none.
    pub(crate) fn of(args: StoredSourceArgs, context: &Context) -> Option<Entry> {
        let whole = |path| context.cwd().join(path).to_string_lossy().into_owned();
        let entry = Entry {
            key_command: args.key_command,
            key_env: args.key_env,
            key_file: args.key_file.map(whole),
            timeout: args.timeout,
            any_shape: args.any_shape,
            ..Entry::default()
        };
        entry.key_member().is_some().then_some(entry)
    }

    /// The member that names the source of the key, and its value; `None` if there is not exactly one.
    pub(crate) fn key_member(&self) -> Option<(&'static str, &str)> {
        match (&self.key_command, &self.key_env, &self.key_file) {
            (Some(command), None, None) => Some(("key-command", command)),
            (None, Some(name), None) => Some(("key-env", name)),
            (None, None, Some(file)) => Some(("key-file", file)),
            _ => None,
        }
    }

    pub(crate) fn key_source(&self, file: &Path, context: &Context) -> anyhow::Result<KeySource> {
        let timeout = self.timeout.map_or(DEFAULT_TIMEOUT, Duration::from_secs);
        let place = match self.key_member() {
            Some(("key-command", command)) => Place::Command(command.to_owned(), timeout),
            Some(("key-env", name)) => Place::Env(name.to_owned()),
            member => {
                let path = member.map_or("", |(_, path)| path);
                Place::File(expand(path, "key-file", file, context)?, timeout)
            }
        };
        Ok(KeySource { any_shape: self.any_shape, ..KeySource::new(place) })
    }

    /// What no parser of TOML can see: members that hold a key, or that cannot be used.
    pub(crate) fn check(&self, name: &str) -> Result<(), String> {
        let Some((member, value)) = self.key_member() else {
            return Err(format!("`{name}` needs exactly one of key-command, key-env, key-file"));
        };
        let optional = [&self.config_dir, &self.base_url, &self.description];
        if holds_key(value) || optional.into_iter().flatten().any(|text| holds_key(text)) {
            return Err(format!("the profile `{name}` holds what looks like a key (sk-ant-…)"));
        }
        if member == "key-env" && !is_variable(value) {
            return Err("`key-env` is not the name of a variable".into());
        }
        self.base_url.as_deref().map_or(Ok(()), check_base_url)
    }
}

pub(crate) fn expand(
    path: &str,
    member: &str,
    file: &Path,
    context: &Context,
) -> anyhow::Result<PathBuf> {
    let expanded = match path.strip_prefix("~/") {
        Some(rest) => context.require_home()?.join(rest),
        None => PathBuf::from(path),
    };
    if expanded.is_absolute() {
        return Ok(expanded);
    }
    Err(fail(
        format!("{}: {member} `{path}` is not absolute", file.display()),
        "write it from / or from ~/",
    ))
}

/// Whether `name` can be a profile's: it becomes the name of a directory, and a word on a command line.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty()
        || name.len() > 64
        || !name.chars().all(fits)
        || name.starts_with(['.', '-'])
        || name.contains("..")
    {
        return Err(format!("`{name}` cannot be a profile's name: up to 64 of A-Z a-z 0-9 . _ -"));
    }
    Ok(())
}

pub(crate) fn check_base_url(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if rest.is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic() && c != '@')
    }) {
        return Ok(());
    }
    Err("the base URL is not an address of the form https://HOST[:PORT][/PATH], without a password in it".into())
}

/// Where the text is wrong, and what is: `LINE:COLUMN: PROBLEM`, the column in characters, both from 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

impl Malformed {
    fn at(text: &str, span: Option<Range<usize>>, problem: impl Display) -> Malformed {
        let start = span.map_or(0, |span| span.start.min(text.len()));
        let start = (0..=start).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        let before = &text[..start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        Malformed(format!("{line}:{column}: {problem}"))
    }

    fn of(text: &str, error: &toml_edit::de::Error) -> Malformed {
        let message = error.message().replace('\n', ", ");
        // Not the value that was found: it may be a key.
        let problem = match message.split_once(", expected ") {
            Some((found, expected)) if found.starts_with("invalid ") => {
                let expected = match expected {
                    "a sequence" => "a list",
                    "a map" => "a table",
                    "u64" => "a number",
                    other => other,
                };
                format!("this is not {expected}")
            }
            _ => message,
        };
        Malformed::at(text, error.span(), problem)
    }
}

pub fn parse(text: &str) -> Result<BTreeMap<String, Entry>, Malformed> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        profiles: BTreeMap<String, Entry>,
    }
    let file: File = toml_edit::de::from_str(text).map_err(|e| Malformed::of(text, &e))?;
    for (name, entry) in &file.profiles {
        check_name(name).and_then(|()| entry.check(name)).map_err(|problem| {
            let span = Document::parse(text)
                .ok()
                .and_then(|document| document.get("profiles")?.as_table_like()?.key(name)?.span());
            Malformed::at(text, span, problem)
        })?;
    }
    Ok(file.profiles)
}

/// The text with the profile `name` added or replaced. All other text stays as it is.
pub fn with(text: &str, name: &str, entry: &Entry) -> Result<String, Malformed> {
    let mut document = edit(text)?;
    let mut table = toml_edit::ser::to_document(entry)
        .map_err(|error| Malformed::at(text, None, error.to_string()))?
        .as_table()
        .clone();
    // What an absent member means is not written.
    let is_empty = |item: &Item| item.as_array().is_some_and(toml_edit::Array::is_empty);
    table.retain(|_, item| item.as_bool() != Some(false) && !is_empty(item));
    if !document.contains_key("profiles") {
        let mut profiles = Table::new();
        profiles.set_implicit(true);
        document.insert("profiles", Item::Table(profiles));
    }
    if let Some(profiles) = document.get_mut("profiles").and_then(Item::as_table_like_mut) {
        // The comment above a replaced table stays, and so does its place in the file.
        if let Some(old) = profiles.get(name).and_then(Item::as_table) {
            *table.decor_mut() = old.decor().clone();
            table.set_position(old.position());
        } else if !text.is_empty() {
            table.decor_mut().set_prefix("\n");
        }
        profiles.insert(name, Item::Table(table));
    }
    Ok(document.to_string())
}

/// The text without the profile `name`; `None` where there is none.
pub fn without(text: &str, name: &str) -> Result<Option<String>, Malformed> {
    let mut document = edit(text)?;
    let removed = document
        .get_mut("profiles")
        .and_then(Item::as_table_like_mut)
        .and_then(|profiles| profiles.remove(name));
    Ok(removed.map(|_| document.to_string()))
}

/// The text for an edit that keeps its comments. What is wrong with any profile in it comes first.
fn edit(text: &str) -> Result<DocumentMut, Malformed> {
    parse(text)?;
    text.parse()
        .map_err(|error: toml_edit::TomlError| Malformed::at(text, error.span(), error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# mine\n[profiles.acme]  # the first\nkey-command = 'pass show acme'\n\n\
        # and this\n[profiles.\"b.c\"]\nkey-file = \"~/k\"\ngroups = [ \"dev\" ]\nlocked = true\n# end\n";

    #[test]
    fn entries_are_read() {
        let entries = parse(TEXT).unwrap();
        assert_eq!(entries.keys().collect::<Vec<_>>(), ["acme", "b.c"]);
        assert_eq!(entries["acme"].key_command.as_deref(), Some("pass show acme"));
        assert_eq!((entries["b.c"].locked, entries["b.c"].groups.len()), (true, 1));
        assert_eq!(parse(""), Ok(BTreeMap::new()));
    }

    #[test]
    fn what_is_wrong_has_a_line_and_a_column() {
        let head = "[profiles.a]\nkey-env = \"K\"\n";
        for (text, line, column, word) in [
            ("[profiles.a\n".to_owned(), 1, 12, "unclosed"),
            (format!("{head}key-comand = 'x'\n"), 3, 1, "key-comand"),
            (format!("{head}key-file = 'x'\n"), 1, 11, "exactly one"),
            ("[profiles.a]\n".to_owned(), 1, 11, "exactly one"),
            (format!("{head}locked = 'yes'\n"), 3, 10, "not a boolean"),
            (format!("{head}timeout = 0\n"), 3, 11, "seconds"),
            (format!("{head}timeout = 'sk-ant-secret'\n"), 3, 11, "this is not a number"),
            (format!("{head}groups = []\n"), 3, 10, "leave it out"),
            (format!("{head}groups = [1]\n"), 3, 11, "not a string"),
            (format!("{head}description = 'é' x\n"), 3, 19, ""),
            (format!("{head}base-url = 'ftp://x'\n"), 1, 11, "http"),
            (format!("{head}budget = ['5eur']\n"), 3, 10, "5eur"),
            (format!("{head}budget = '5usd'\n"), 3, 10, "not a list"),
            (format!("{head}allow-models = []\n"), 3, 16, "leave it out"),
            (format!("{head}require-log = 1\n"), 3, 15, "not a boolean"),
            ("profile = 1\n".to_owned(), 1, 1, "unknown field"),
            ("profiles.a = 1\n".to_owned(), 1, 14, "not a table"),
            ("profiles = 1\n".to_owned(), 1, 12, "not a table"),
            ("[profiles.\"../x\"]\nkey-env = 'K'\n".to_owned(), 1, 11, "name"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.0.contains(word), "{text}: {error:?}");
            assert!(error.0.starts_with(&format!("{line}:{column}: ")), "{text}: {error:?}");
        }
    }

    #[test]
    fn limits_are_written_as_they_are_read() {
        let text = "[profiles.a]\nkey-env = \"K\"\non-alert = \"mail me\"\nbudget = [\"5usd/day\", \"1Mtok\"]\nallow-models = [\"claude-*\"]\nrequire-log = true\n";
        let entries = parse(text).unwrap();
        assert_eq!(entries["a"].budget.len(), 2);
        assert_eq!(with("", "a", &entries["a"]).unwrap(), text);
    }

    #[test]
    fn an_edit_leaves_the_rest_as_it_is() {
        let new = Entry { key_env: Some("K".into()), ..Entry::default() };
        let added = with(TEXT, "new", &new).unwrap();
        assert!(added.contains("[profiles.new]\nkey-env = \"K\"\n"), "{added}");
        assert_eq!(without(&added, "new").unwrap().unwrap(), TEXT);
        assert_eq!(without(TEXT, "none").unwrap(), None);

        let replaced = with(TEXT, "acme", &new).unwrap();
        assert!(
            replaced.starts_with(
                "# mine\n[profiles.acme]  # the first\nkey-env = \"K\"\n\n# and this\n[profiles.\"b.c\"]"
            ),
            "{replaced}"
        );
        assert_eq!(with("", "new", &new).unwrap(), "[profiles.new]\nkey-env = \"K\"\n");
        for text in ["profiles = { a = { key-env = 'K' } }\n", "profiles.a.key-env = 'K'\n"] {
            let names: Vec<_> =
                parse(&with(text, "new", &new).unwrap()).unwrap().into_keys().collect();
            assert_eq!(names, ["a", "new"]);
        }
    }

    #[test]
    fn a_name_is_a_plain_word() {
        for name in ["a", "acme", "Acme_2.prod-eu"] {
            assert_eq!(check_name(name), Ok(()));
        }
        let long = "a".repeat(65);
        for name in ["", ".", "..", ".a", "-a", "a/b", "a..b", "../a", "a b", "é", "a\n", &long] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_variable_has_a_plain_name() {
        assert!(is_variable("ACME_KEY") && !is_variable("2X") && !is_variable("A-B"));
    }
}

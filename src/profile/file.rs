//! The text of profiles.toml. Pure: text in, entries or text out.
//!
//! ```toml
//! [profiles.acme]
//! key-command = "pass show anthropic/acme"   # or key-env, or key-file
//! timeout = 30                               # seconds, for key-command
//! config-dir = "~/tenants/acme"              # default: a directory of cck's own
//! base-url = "https://gateway.example"
//! any-shape = true                           # the key does not start with sk-ant-: a gateway's
//! description = "Acme's production key"
//! locked = true                              # in /etc only: no user's profile replaces it
//! groups = ["acme"]                          # only members of one of these use it
//! budget = ["5usd/day"]                      # what `cck run` may use
//! allow-models = ["claude-sonnet-*"]
//! on-alert = "notify-send cck"               # a shell command that gets each alert as JSON
//! require-log = true                         # no call without its line in the log
//! ```

use std::ops::Range;

use super::limits::Limits;
use toml_edit::{Array, Document, DocumentMut, Item, Table, TableLike, value};

/// The members that name the source of the key. A profile has exactly one.
pub(crate) const SOURCES: [&str; 3] = ["key-command", "key-env", "key-file"];

/// One profile as it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Which of [`SOURCES`] it has, and the value.
    pub source: (String, String),
    /// `timeout`, in seconds.
    pub timeout: Option<u64>,
    /// `config-dir`.
    pub config_dir: Option<String>,
    /// `base-url`.
    pub base_url: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `any-shape`.
    pub any_shape: bool,
    /// `locked`.
    pub locked: bool,
    /// `groups`; none is everybody.
    pub groups: Vec<String>,
    /// `budget`, `allow-models`, `on-alert` and `require-log`.
    pub limits: Limits,
}

/// What is wrong with the text, and where (both count from 1).
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
}

impl Malformed {
    fn at(text: &str, span: Option<Range<usize>>, problem: impl Into<String>) -> Malformed {
        let mut start = span.map_or(0, |span| span.start).min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &text[..start];
        Malformed {
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1,
            problem: problem.into(),
        }
    }
}

/// Reads every profile of the text.
pub fn parse(text: &str) -> Result<Vec<Entry>, Malformed> {
    let document = Document::parse(text)
        .map_err(|error| Malformed::at(text, error.span(), error.message().replace('\n', ", ")))?;
    let mut entries = Vec::new();
    for (key, item) in document.iter() {
        let span = || document.as_table().key(key).and_then(|key| key.span());
        if key != "profiles" {
            return Err(Malformed::at(
                text,
                span(),
                format!("unknown member `{key}`; profiles are tables [profiles.NAME]"),
            ));
        }
        let profiles = item
            .as_table_like()
            .ok_or_else(|| Malformed::at(text, span(), "`profiles` is not a table"))?;
        for (name, item) in profiles.iter() {
            let span = profiles.key(name).and_then(|key| key.span());
            let at = |problem: String| Malformed::at(text, span.clone(), problem);
            let table = item
                .as_table_like()
                .ok_or_else(|| at(format!("the profile `{name}` is not a table")))?;
            super::check_name(name).map_err(&at)?;
            entries.push(entry(text, name, table, span.clone())?);
        }
    }
    Ok(entries)
}

fn entry(
    text: &str,
    name: &str,
    table: &dyn TableLike,
    span: Option<Range<usize>>,
) -> Result<Entry, Malformed> {
    let mut entry = Entry { name: name.to_owned(), ..Entry::default() };
    let mut sources = Vec::new();
    for (key, item) in table.iter() {
        let span = item.span().or_else(|| table.key(key).and_then(|key| key.span()));
        let wrong =
            |kind: &str| Malformed::at(text, span.clone(), format!("`{key}` is not {kind}"));
        let string = || {
            let string = item.as_str().filter(|string| !string.trim().is_empty());
            string.map(str::to_owned).ok_or_else(|| wrong("a text"))
        };
        let strings = |kind: &'static str| {
            let strings =
                item.as_array().map(|list| list.iter().map(|one| one.as_str().map(str::to_owned)));
            let strings = strings.and_then(Iterator::collect::<Option<Vec<_>>>);
            strings.ok_or_else(|| wrong(kind))
        };
        let limits = &mut entry.limits;
        match key {
            _ if SOURCES.contains(&key) => sources.push((key.to_owned(), string()?)),
            "config-dir" => entry.config_dir = Some(string()?),
            "base-url" => entry.base_url = Some(string()?),
            "description" => entry.description = Some(string()?),
            "any-shape" => {
                entry.any_shape = item.as_bool().ok_or_else(|| wrong("true or false"))?;
            }
            "locked" => entry.locked = item.as_bool().ok_or_else(|| wrong("true or false"))?,
            "timeout" => {
                let seconds = item.as_integer().filter(|seconds| (1..=3600).contains(seconds));
                let seconds = seconds.ok_or_else(|| wrong("a number of seconds from 1 to 3600"))?;
                entry.timeout = Some(seconds.unsigned_abs());
            }
            "groups" => {
                entry.groups = strings("a list of group names")?;
                // Nobody is meant, or everybody? Better asked than guessed.
                if entry.groups.is_empty() {
                    return Err(wrong("a list with a group in it; leave it out for everybody"));
                }
            }
            "budget" => {
                let texts = strings("a list of budgets, as in [\"5usd/day\"]")?.into_iter();
                let budgets = texts.map(|text| text.parse());
                limits.budgets = budgets
                    .collect::<Result<_, _>>()
                    .map_err(|problem: String| Malformed::at(text, span.clone(), problem))?;
            }
            "allow-models" => {
                limits.models = strings("a list of models, as in [\"claude-sonnet-*\"]")?;
                // No model, or every one? Better asked than guessed.
                if limits.models.is_empty() {
                    return Err(wrong("a list with a model in it; leave it out for every model"));
                }
            }
            "on-alert" => limits.on_alert = Some(string()?),
            "require-log" => {
                limits.require_log = item.as_bool().ok_or_else(|| wrong("true or false"))?;
            }
            _ => {
                let span = table.key(key).and_then(|key| key.span());
                return Err(Malformed::at(
                    text,
                    span,
                    format!("unknown member `{key}` of the profile `{name}`"),
                ));
            }
        }
    }
    if sources.len() != 1 {
        let problem = format!("the profile `{name}` needs exactly one of {}", SOURCES.join(", "));
        return Err(Malformed::at(text, span, problem));
    }
    entry.source = sources.swap_remove(0);
    super::check_entry(&entry).map_err(|problem| Malformed::at(text, span, problem))?;
    Ok(entry)
}

/// The text with `entry` added, or instead of the profile of its name. All other text stays as it is.
pub fn with(text: &str, entry: &Entry) -> Result<String, Malformed> {
    parse(text)?;
    let mut document = edit(text)?;
    let mut table = Table::new();
    table.insert(&entry.source.0, value(entry.source.1.as_str()));
    if let Some(timeout) = entry.timeout {
        table.insert("timeout", value(i64::try_from(timeout).unwrap_or(i64::MAX)));
    }
    for (name, text) in [
        ("config-dir", &entry.config_dir),
        ("base-url", &entry.base_url),
        ("description", &entry.description),
        ("on-alert", &entry.limits.on_alert),
    ] {
        if let Some(text) = text {
            table.insert(name, value(text.as_str()));
        }
    }
    if entry.any_shape {
        table.insert("any-shape", value(true));
    }
    let budgets = entry.limits.budgets.iter().map(|budget| &budget.text).collect::<Array>();
    for (name, list) in [
        ("groups", entry.groups.iter().collect::<Array>()),
        ("budget", budgets),
        ("allow-models", entry.limits.models.iter().collect::<Array>()),
    ] {
        if !list.is_empty() {
            table.insert(name, value(list));
        }
    }
    if entry.limits.require_log {
        table.insert("require-log", value(true));
    }
    if !document.contains_key("profiles") {
        let mut profiles = Table::new();
        profiles.set_implicit(true);
        document.insert("profiles", Item::Table(profiles));
    }
    if let Some(profiles) = document.get_mut("profiles").and_then(Item::as_table_like_mut) {
        // The comment above a replaced table stays, and so does its place in the file.
        if let Some(old) = profiles.get(&entry.name).and_then(Item::as_table) {
            *table.decor_mut() = old.decor().clone();
            table.set_position(old.position());
        } else if !text.is_empty() {
            table.decor_mut().set_prefix("\n");
        }
        profiles.insert(&entry.name, Item::Table(table));
    }
    Ok(document.to_string())
}

/// The text without the profile `name`; `None` where there is none.
pub fn without(text: &str, name: &str) -> Result<Option<String>, Malformed> {
    parse(text)?;
    let mut document = edit(text)?;
    let removed = document
        .get_mut("profiles")
        .and_then(Item::as_table_like_mut)
        .and_then(|profiles| profiles.remove(name));
    Ok(removed.map(|_| document.to_string()))
}

fn edit(text: &str) -> Result<DocumentMut, Malformed> {
    Document::parse(text.to_owned())
        .map(Document::into_mut)
        .map_err(|error| Malformed::at(text, error.span(), error.message().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# mine\n[profiles.acme]  # the first\nkey-command = 'pass show acme'\n\n\
        # and this\n[profiles.\"b.c\"]\nkey-file = \"~/k\"\ngroups = [ \"dev\" ]\nlocked = true\n# end\n";

    #[test]
    fn entries_are_read() {
        let entries = parse(TEXT).unwrap();
        assert_eq!(entries[0].name, "acme");
        assert_eq!(entries[0].source, ("key-command".into(), "pass show acme".into()));
        assert_eq!(entries[1].name, "b.c");
        assert_eq!((entries[1].locked, entries[1].groups.len()), (true, 1));
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn what_is_wrong_has_a_line_and_a_column() {
        let head = "[profiles.a]\nkey-env = \"K\"\n";
        for (text, line, column, word) in [
            ("[profiles.a\n".to_owned(), 1, 12, "unclosed"),
            (format!("{head}key-comand = 'x'\n"), 3, 1, "key-comand"),
            (format!("{head}key-file = 'x'\n"), 1, 11, "exactly one"),
            ("[profiles.a]\n".to_owned(), 1, 11, "exactly one"),
            (format!("{head}locked = 'yes'\n"), 3, 10, "true or false"),
            (format!("{head}timeout = 0\n"), 3, 11, "seconds"),
            (format!("{head}groups = []\n"), 3, 10, "everybody"),
            (format!("{head}groups = [1]\n"), 3, 10, "group names"),
            (format!("{head}description = 'é' x\n"), 3, 19, ""),
            (format!("{head}base-url = 'ftp://x'\n"), 1, 11, "http"),
            (format!("{head}budget = ['5eur']\n"), 3, 10, "5eur"),
            (format!("{head}budget = '5usd'\n"), 3, 10, "a list"),
            (format!("{head}allow-models = []\n"), 3, 16, "every model"),
            (format!("{head}require-log = 1\n"), 3, 15, "true or false"),
            ("profile = 1\n".to_owned(), 1, 1, "unknown member"),
            ("profiles = 1\n".to_owned(), 1, 1, "not a table"),
            ("[profiles.\"../x\"]\nkey-env = 'K'\n".to_owned(), 1, 11, "name"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.problem.contains(word), "{text}: {error:?}");
            assert_eq!((error.line, error.column), (line, column), "{text}: {error:?}");
        }
    }

    #[test]
    fn limits_are_written_as_they_are_read() {
        let text = "[profiles.a]\nkey-env = \"K\"\non-alert = \"mail me\"\nbudget = [\"5usd/day\", \"1Mtok\"]\nallow-models = [\"claude-*\"]\nrequire-log = true\n";
        let entries = parse(text).unwrap();
        assert_eq!(entries[0].limits.budgets.len(), 2);
        assert_eq!(with("", &entries[0]).unwrap(), text);
    }

    #[test]
    fn an_edit_leaves_the_rest_as_it_is() {
        let new = Entry {
            name: "new".into(),
            source: ("key-env".into(), "K".into()),
            ..Entry::default()
        };
        let added = with(TEXT, &new).unwrap();
        assert!(added.contains("[profiles.new]\nkey-env = \"K\"\n"), "{added}");
        assert_eq!(without(&added, "new").unwrap().unwrap(), TEXT);
        assert_eq!(without(TEXT, "none").unwrap(), None);

        let replaced = with(TEXT, &Entry { name: "acme".into(), ..new.clone() }).unwrap();
        assert!(
            replaced.starts_with(
                "# mine\n[profiles.acme]  # the first\nkey-env = \"K\"\n\n# and this\n[profiles.\"b.c\"]"
            ),
            "{replaced}"
        );
        assert_eq!(with("", &new).unwrap(), "[profiles.new]\nkey-env = \"K\"\n");
        for text in ["profiles = { a = { key-env = 'K' } }\n", "profiles.a.key-env = 'K'\n"] {
            let names: Vec<_> =
                parse(&with(text, &new).unwrap()).unwrap().into_iter().map(|e| e.name).collect();
            assert_eq!(names, ["a", "new"]);
        }
    }
}

//! What the command line of `claude` may hold, by version: the lists of `options.txt`, and how they are read.

use std::iter::Peekable;

use super::{Client, Json, js_trim};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Flag,
    /// Whatever comes next, an option too.
    One,
    /// The same, and all that follows up to an option.
    Many,
    /// One value, if what follows is not an option.
    Optional,
}

impl Kind {
    /// Takes the values of an option from what follows it.
    pub(super) fn take<'a>(
        self,
        rest: &mut Peekable<impl Iterator<Item = &'a str>>,
    ) -> Vec<&'a str> {
        let (any, others) = match self {
            Kind::Flag => (0, 0),
            Kind::One => (1, 0),
            Kind::Many => (1, usize::MAX),
            Kind::Optional => (0, 1),
        };
        let mut values: Vec<_> = rest.by_ref().take(any).collect();
        values.extend((0..others).map_while(|_| rest.next_if(|next| !is_option(next))));
        values
    }
}

pub(super) fn is_option(arg: &str) -> bool {
    arg.len() > 1 && arg.starts_with('-')
}

/// An option as one client knows it.
#[derive(Clone, Copy)]
pub(super) struct Definition {
    /// The last of its names.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What each value has to be, as for [`fits`].
    pub(super) values: &'static str,
}

/// Whether a value is one of some words, or of the kind that is named. Nothing at all is anything.
pub(super) fn fits(values: &str, value: &str) -> bool {
    // What JavaScript's `Number` makes of it, where that is finite.
    let number = || match js_trim(value) {
        "" => Some(0.0),
        digits => digits.parse::<f64>().ok().filter(|number| number.is_finite()),
    };
    let object = || Json::object(value).is_ok_and(|object| object.is_some());
    match values {
        "" => true,
        "NUMBER" => number().is_some(),
        "POSITIVE" => number().is_some_and(|number| number > 0.0),
        "COUNT" => number().is_some_and(|number| number > 0.0 && number.fract() == 0.0),
        "UUID" => value.is_empty() || is_uuid(value),
        "JSON" => value.is_empty() || Json::object(value).is_ok(),
        "OBJECT" => value.is_empty() || object(),
        // A file, or an object.
        "FILE" => Json::object(value)
            .map_or_else(|_| !js_trim(value).starts_with('{'), |object| object.is_some()),
        words => match words.strip_prefix('~') {
            Some(words) => words.split('|').any(|word| word.eq_ignore_ascii_case(value)),
            // `server:` is what begins so.
            None => words.split('|').any(|word| {
                word == value || (word.ends_with([':', '/']) && value.starts_with(word))
            }),
        },
    }
}

fn is_uuid(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(digits)
}

const LISTS: &str = include_str!("options.txt");

/// The text of a list in `options.txt`.
pub(super) fn list(name: &str) -> &'static str {
    let mut lists = LISTS.split('[');
    let text = lists.find_map(|text| text.strip_prefix(name)?.strip_prefix(']'));
    text.unwrap_or_default()
}

/// The words of a list that hold for this client: those after `FROM..`, or `FROM..UNTIL`, hold for these versions.
pub(super) fn words(list: &'static str, client: Client) -> impl Iterator<Item = &'static str> {
    let mut holds = false;
    list.split_whitespace().filter(move |word| {
        let Some((from, until)) = word.split_once("..") else { return holds };
        let bound = |text: &str| text.parse().unwrap_or_default();
        holds = client >= bound(from) && (until.is_empty() || client < bound(until));
        false
    })
}

/// The option of that name.
pub(super) fn find(among: &str, name: &str, client: Client) -> Option<Definition> {
    words(list(among), client).find_map(|word| {
        let (names, values) = word.split_once('=').map_or((word, None), |(n, v)| (n, Some(v)));
        names.split(',').find(|known| *known == name)?;
        let (kind, values) = match values.map(|values| (values, values.get(..1))) {
            None => (Kind::Flag, ""),
            Some((values, Some("*"))) => (Kind::Many, &values[1..]),
            Some((values, Some("?"))) => (Kind::Optional, &values[1..]),
            Some((values, _)) => (Kind::One, values),
        };
        Some(Definition { name: names.rsplit(',').next()?, kind, values })
    })
}

/// Whether the client would ask if a command was meant: a character is wrong, missing or too many, two changed places, or
/// capitals differ. One that does not belong there is a letter or a dash.
pub(super) fn is_nearly(word: &str, command: &str) -> bool {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
    word.eq_ignore_ascii_case(command) || is_plain && strsim::osa_distance(word, command) <= 1
}

/// Why this client ends where these options are given, in this order, by their last names: at once with the `conflicts`,
/// after its questions with the `late conflicts`.
pub(super) fn conflict(among: &str, given: &[(&str, String)], client: Client) -> Option<String> {
    let last =
        |name: &str| given.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| value);
    let holds = |condition: &str| {
        let (name, values) = condition.split_once('=').unwrap_or((condition, "!"));
        last(name).is_some_and(|value| match values.split_at_checked(1) {
            Some(("!", "")) => true,
            Some(("!", values)) => !fits(values, value),
            Some(("@", other)) => last(other) == Some(value),
            _ => values == value,
        })
    };
    words(list(among), client).find_map(|word| {
        let (options, needs) = word.split_once(':').unwrap_or((word, ""));
        let lacks = needs.split(':').find(|need| !need.split('|').any(holds))?;
        let options = options.split('&').all(holds).then(|| options.replace('&', " with "))?;
        let (options, value) = options.split_once(['!', '@']).unwrap_or((&options, ""));
        let options = options.trim_end_matches('=');
        Some(match (lacks, value) {
            ("", "") => format!("`claude {options}` does not start a session"),
            ("", _) => format!("{options} does not take its value"),
            _ => format!("{options} needs {}", lacks.replace('|', " or ")),
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::ffi::OsString;

    use super::*;
    use crate::client::Launch;

    /// By option, command or line, and by version, what was seen.
    type Seen = BTreeMap<String, BTreeMap<String, String>>;

    fn seen() -> [Seen; 4] {
        serde_json::from_str(include_str!("../../tests/data/options.json")).unwrap()
    }

    fn found(what: usize, name: &str, client: Client) -> &'static str {
        if what == 3 {
            let line: Vec<OsString> = name.split(' ').map(OsString::from).collect();
            return if Launch::parse(&line, client).refused.is_some() { "ends" } else { "starts" };
        }
        if what == 2 {
            return if words(list("commands"), client).any(|word| word == name) {
                "known"
            } else {
                "unknown"
            };
        }
        match find(["options", "skipped"][what], name, client).map(|known| known.kind) {
            None => "unknown",
            Some(Kind::Flag) => "flag",
            Some(Kind::One) => "one",
            Some(Kind::Many) => "many",
            Some(Kind::Optional) => "optional",
        }
    }

    #[test]
    fn each_version_is_as_it_was_seen() {
        let mut wrong = Vec::new();
        for (what, seen) in seen().iter().enumerate() {
            for (name, versions) in seen {
                for (version, expected) in versions {
                    let found = found(what, name, version.parse().unwrap());
                    if found != expected {
                        wrong.push(format!("{name} at {version}: {found}, and not {expected}"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_bound_was_seen_from_both_sides() {
        // Each name, and where something about it was seen to change.
        let mut changes = BTreeSet::new();
        let mut known = BTreeSet::new();
        for (name, versions) in seen().iter().flatten() {
            let mut versions: Vec<(Client, &String)> =
                versions.iter().map(|(version, what)| (version.parse().unwrap(), what)).collect();
            versions.sort_by_key(|(version, _)| *version);
            let pairs = versions.windows(2).filter(|pair| pair[0].1 != pair[1].1);
            let bounds: Vec<_> = pairs.map(|pair| pair[1].0.to_string()).collect();
            for word in name.split([' ', '=']) {
                known.insert(word.to_owned());
                changes.extend(bounds.iter().map(|bound| (word.to_owned(), bound.clone())));
            }
        }
        let mut wrong = Vec::new();
        for list in ["options", "skipped", "conflicts", "late conflicts", "commands"] {
            let mut bounds = vec![];
            for word in super::list(list).split_whitespace() {
                if let Some((from, until)) = word.split_once("..") {
                    bounds = vec![from, until];
                    bounds.retain(|bound| !["", "0.0.0"].contains(bound));
                    continue;
                }
                let names = word.split(['=', '&', ':']).next().unwrap();
                for name in names.split(',') {
                    if !known.contains(name) {
                        wrong.push(format!("{name} was not seen"));
                    }
                    for bound in &bounds {
                        if !changes.contains(&(name.to_owned(), (*bound).to_owned())) {
                            wrong.push(format!("{name} was not seen to change at {bound}"));
                        }
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

//! What a profile may be called and hold. Pure.

use super::file::Entry;
use crate::key::shape::holds_key;

/// Whether `name` can be a profile's: it becomes the name of a directory, and a word on a command line.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty()
        || name.len() > 64
        || !name.chars().all(fits)
        || name.starts_with(['.', '-'])
        || name.contains("..")
    {
        return Err(format!(
            "`{name}` cannot be a profile's name: 1 to 64 of A-Z a-z 0-9 . _ -, not starting with . or -, no `..`"
        ));
    }
    Ok(())
}

/// What no parser of TOML can tell: members that hold a key, or that cannot be used.
pub(crate) fn check_entry(entry: &Entry) -> Result<(), String> {
    let (kind, what) = &entry.source;
    let optional = [&entry.config_dir, &entry.base_url, &entry.description];
    if std::iter::once(what).chain(optional.into_iter().flatten()).any(|text| holds_key(text)) {
        return Err(format!(
            "the profile `{}` holds what looks like a key (sk-ant-…); a profile says where the key comes from",
            entry.name
        ));
    }
    if kind == "key-env" && !is_variable(what) {
        return Err("`key-env` is not the name of a variable".into());
    }
    entry.base_url.as_deref().map_or(Ok(()), check_base_url)
}

/// Whether the text can be the API's address.
pub(crate) fn check_base_url(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if rest.is_some_and(|rest| {
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic() && c != '@')
    }) {
        return Ok(());
    }
    Err("the base URL is not an address of the form https://HOST[:PORT][/PATH], without a password in it".into())
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The name that was probably meant, if one is near.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, other)| *distance <= 1 + name.len().max(other.len()) / 4)
        .min()
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_nearest_name_is_offered_only_where_it_is_near() {
        let names = ["acme", "globex", "acme-eu"];
        assert_eq!(nearest("amce", names.into_iter()), Some("acme"));
        assert_eq!(nearest("acme_eu", names.into_iter()), Some("acme-eu"));
        assert_eq!(nearest("initech", names.into_iter()), None);
    }

    #[test]
    fn a_variable_has_a_plain_name() {
        assert!(is_variable("ACME_KEY") && !is_variable("2X") && !is_variable("A-B"));
    }
}

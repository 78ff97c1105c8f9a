//! Profiles: where each tenant's key comes from, and the client's directory that is its own.
//!
//! A profile never holds a key. A user's profiles are in `~/.config/cck/profiles.toml`; those of the whole machine in
//! `/etc/cck/profiles.d/*.toml`, where `locked = true` keeps a user's profile from taking the name.

pub mod file;
mod groups;
mod place;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cmd::completions::profile_names;
use crate::context::Context;
use crate::document::edit::Edit;
use crate::failure::fail;
use crate::key::source::Source;
use file::Entry;

pub use place::{ready_dir, update, user_file};

/// The time that a key-command may take where nothing is said.
const DEFAULT_TIMEOUT: u64 = 30;

/// `--profile`, for the commands that work on one.
#[derive(Clone, Debug, Default, Args)]
pub struct ProfileArg {
    /// Work on this profile: its key's source and its own CLAUDE_CONFIG_DIR (see `cck profile`)
    #[arg(long, value_name = "NAME", add = profile_names())]
    pub profile: Option<String>,
}

impl ProfileArg {
    /// Enters the profile, if one was named: see [`enter`].
    ///
    /// # Errors
    /// As [`enter`].
    pub fn enter(&self, context: &mut Context) -> anyhow::Result<Option<Profile>> {
        self.profile
            .as_deref()
            .map(|name| enter(name, context))
            .transpose()
    }
}

/// One profile, resolved.
#[derive(Clone)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The file that it is written in.
    pub file: PathBuf,
    /// Whether that file is the machine's and not the user's.
    pub system: bool,
    /// Where its key comes from.
    pub source: Source,
    /// Its CLAUDE_CONFIG_DIR.
    pub config_dir: PathBuf,
    /// The API's address, where it is not the usual one.
    pub base_url: Option<String>,
    /// What a person wrote about it.
    pub description: Option<String>,
    /// Whether a user's profile of the same name is ignored.
    pub locked: bool,
    /// Who may use it; empty is everybody.
    pub groups: Vec<String>,
}

/// Every profile there is, and the users' profiles that a locked one hides.
#[derive(Default)]
pub struct Profiles {
    /// Those in force, by name.
    pub list: Vec<Profile>,
    /// What the user should know: a profile that is ignored and why, a file that cannot be read.
    pub notes: Vec<String>,
}

impl Profiles {
    /// Reads the machine's profiles and then the user's.
    ///
    /// # Errors
    /// Malformed files, with line and column, and files that others could have written.
    pub fn load(context: &Context) -> anyhow::Result<Profiles> {
        let mut profiles = Profiles::default();
        for file in place::system_files(context)? {
            match place::read(&file) {
                Ok(Some(text)) => profiles.add_all(&file, true, &text, context)?,
                Ok(None) => {}
                // A file for other people. Not an error: its profiles are not ours to use.
                Err(error) if place::is_denied(&error) => {
                    profiles.notes.push(format!(
                        "{} is not readable for you; its profiles are left out",
                        file.display()
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        // Without a home there are no user's profiles, and those of the machine still work.
        if let Ok(file) = user_file(context)
            && let Some(text) = place::read(&file)?
        {
            profiles.add_all(&file, false, &text, context)?;
        }
        profiles.list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(profiles)
    }

    fn add_all(&mut self, file: &Path, system: bool, text: &str, context: &Context) -> anyhow::Result<()> {
        for entry in file::parse(text).map_err(|malformed| malformed_error(file, &malformed))? {
            let profile = resolve(entry, file, system, context)?;
            let Some(old) = self.list.iter_mut().find(|old| old.name == profile.name) else {
                self.list.push(profile);
                continue;
            };
            if old.locked {
                self.notes.push(format!(
                    "the profile {} of {} is ignored: {} has it locked",
                    profile.name,
                    file.display(),
                    old.file.display()
                ));
            } else {
                *old = profile;
            }
        }
        Ok(())
    }

    /// The profile of this name.
    ///
    /// # Errors
    /// Where there is none; the error names the nearest name there is.
    pub fn find(&self, name: &str) -> anyhow::Result<&Profile> {
        if let Err(problem) = check_name(name) {
            return Err(fail(problem, "cck profile list shows the profiles there are"));
        }
        self.list
            .iter()
            .find(|profile| profile.name == name)
            .ok_or_else(|| {
                let names = self.list.iter().map(|profile| profile.name.as_str());
                let advice = match nearest(name, names) {
                    Some(near) => format!("did you mean {near}? cck profile list shows them all"),
                    None if self.list.is_empty() => {
                        format!("there are none yet: cck profile add {name} --key-command CMD")
                    }
                    None => "cck profile list shows the profiles there are".into(),
                };
                fail(format!("there is no profile {name}"), advice)
            })
    }
}

impl Profile {
    /// What gives the client of the profile's directory its base URL, if it has one: a member of its settings.
    pub fn base_url_edit(&self) -> Option<Edit> {
        self.base_url
            .as_deref()
            .map(|url| Edit::set(&["env", "ANTHROPIC_BASE_URL"], url))
    }

    /// Whether the user of this process may use it.
    ///
    /// # Errors
    /// Where the user's groups cannot be found out.
    pub fn is_usable(&self, context: &Context) -> anyhow::Result<bool> {
        Ok(self.groups.is_empty() || groups::is_member(&self.groups, context)?)
    }
}

/// Finds the profile, checks that the user may use it, readies its directory, and makes that the CLAUDE_CONFIG_DIR of
/// everything that follows in this run.
///
/// # Errors
/// No such profile, a user outside of its groups, a directory that others own or may write to.
pub fn enter(name: &str, context: &mut Context) -> anyhow::Result<Profile> {
    let profiles = Profiles::load(context)?;
    let found = profiles.find(name).cloned();
    for note in profiles
        .notes
        .iter()
        .filter(|note| found.is_err() || note.contains(&format!(" {name} ")))
    {
        context.warn(note);
    }
    let profile = found?;
    if !profile.is_usable(context)? {
        return Err(fail(
            format!(
                "the profile {name} is for members of {}",
                profile.groups.join(", ")
            ),
            format!(
                "ask for membership, or choose another profile; `id` shows your groups ({})",
                profile.file.display()
            ),
        ));
    }
    ready_dir(&profile.config_dir)?;
    context.set_var("CLAUDE_CONFIG_DIR", profile.config_dir.as_os_str());
    Ok(profile)
}

/// The entry with its paths made whole.
///
/// # Errors
/// A path in it that is not absolute; no home where one is needed.
pub fn resolve(entry: Entry, file: &Path, system: bool, context: &Context) -> anyhow::Result<Profile> {
    let (kind, what) = &entry.source;
    let source = match kind.as_str() {
        "key-command" => Source::Command(
            what.clone(),
            Duration::from_secs(entry.timeout.unwrap_or(DEFAULT_TIMEOUT)),
        ),
        "key-env" => Source::Env(what.clone()),
        _ => Source::File(place::expand(what, "key-file", file, context)?),
    };
    let config_dir = match &entry.config_dir {
        Some(dir) => place::expand(dir, "config-dir", file, context)?,
        None => context.data_home()?.join("cck/profiles").join(&entry.name),
    };
    Ok(Profile {
        source,
        config_dir,
        file: file.to_path_buf(),
        system,
        name: entry.name,
        base_url: entry.base_url,
        description: entry.description,
        // A user has nobody to lock out.
        locked: entry.locked && system,
        groups: entry.groups,
    })
}

/// Whether `name` can be a profile's: it becomes the name of a directory, and a word on a command line.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
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
///
/// # Errors
/// What is wrong; the text of a member that may be a key is not in it.
pub fn check_entry(entry: &Entry) -> Result<(), String> {
    let (kind, what) = &entry.source;
    let optional = [&entry.config_dir, &entry.base_url, &entry.description];
    if std::iter::once(what)
        .chain(optional.into_iter().flatten())
        .any(|text| holds_key(text))
    {
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
///
/// # Errors
/// What it should look like. A password in it would end up in a file and in the environment.
pub fn check_base_url(url: &str) -> Result<(), String> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    if rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic() && c != '@')) {
        return Ok(());
    }
    Err("the base URL is no address of the form https://HOST[:PORT][/PATH], without a password in it".into())
}

/// Whether the text has a whole key in it, and not just the prefix that all keys have.
fn holds_key(text: &str) -> bool {
    text.match_indices("sk-ant-").any(|(at, prefix)| {
        let rest = &text[at + prefix.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        end.unwrap_or(rest.len()) >= 16
    })
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, other)| *distance <= 1 + name.len().max(other.len()) / 4)
        .min()
        .map(|(_, other)| other)
}

/// A malformed file as an error with its place.
pub fn malformed_error(file: &Path, malformed: &file::Malformed) -> anyhow::Error {
    fail(
        format!(
            "{}:{}:{}: {}",
            file.display(),
            malformed.line,
            malformed.column,
            malformed.problem
        ),
        "correct the file; cck leaves it as it is until then",
    )
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
        for name in [
            "", ".", "..", ".a", "-a", "a/b", "a..b", "../a", "a b", "é", "a\n", &long,
        ] {
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
    fn a_key_in_a_profile_is_found_and_a_prefix_is_not() {
        assert!(holds_key("echo sk-ant-api03-0123456789abcdef"));
        assert!(!holds_key("pass show sk-ant-prod"));
        assert!(is_variable("ACME_KEY") && !is_variable("2X") && !is_variable("A-B"));
    }
}

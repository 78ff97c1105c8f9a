//! Profiles: where each tenant's key comes from, and the client's directory that is its own.
//!
//! A profile never holds a key. A user's profiles are in `~/.config/cck/profiles.toml`; those of the whole machine in
//! `/etc/cck/profiles.d/*.toml`, where `locked = true` keeps a user's profile from taking the name.

mod check;
pub mod file;
mod groups;
pub mod limits;
mod place;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use crate::context::Context;
use crate::document::{Document, Edit};
use crate::error::fail;
use crate::key::source::{KeySource, Place, SourceArgs};
use file::Entry;

pub(crate) use check::{check_base_url, check_entry, check_name};
pub(crate) use place::{ready_dir, update, user_file};

/// The time that a key-command may take where nothing is said.
const DEFAULT_TIMEOUT: u64 = 30;

/// `--profile`, for the commands that work on one.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ProfileArg {
    /// Work on this profile (see `cck profile`)
    #[arg(long, value_name = "NAME", add = profile_names())]
    pub profile: Option<String>,
}

impl ProfileArg {
    /// Enters the profile, if one was named: see [`enter`].
    pub(crate) fn enter(&self, context: &mut Context) -> anyhow::Result<Option<Profile>> {
        self.profile.as_deref().map(|name| enter(name, context)).transpose()
    }
}

/// The names of the profiles there are, for an argument that is one. Files that cannot be read offer nothing.
pub(crate) fn profile_names() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let profiles = Profiles::load(&Context::from_process()).unwrap_or_default();
        let candidate = |profile: &Profile| {
            CompletionCandidate::new(&profile.name)
                .help(Some(profile.source.place.describe().into()))
        };
        profiles.list.iter().map(candidate).collect()
    })
}

/// The source that the flags name; if they name none, the profile's, whatever the environment and standard input hold.
pub(crate) fn key_source(
    args: SourceArgs,
    profile: Option<&Profile>,
    context: &mut Context,
) -> anyhow::Result<KeySource> {
    match profile {
        Some(profile) if !args.names_one() => Ok(args.or(profile.key_source())),
        _ => KeySource::resolve(args, context),
    }
}

/// One profile, resolved.
#[derive(Clone)]
pub(crate) struct Profile {
    /// Its name.
    pub name: String,
    /// The file that it is written in.
    pub file: PathBuf,
    /// Whether that file is the machine's and not the user's.
    pub system: bool,
    /// Where its key comes from.
    pub source: KeySource,
    /// Its CLAUDE_CONFIG_DIR.
    pub config_dir: PathBuf,
    /// The API's address, where it is not the usual one.
    pub base_url: Option<String>,
    /// What a person wrote about it.
    pub description: Option<String>,
    /// Whether a user's profile of the same name is ignored.
    pub locked: bool,
    /// Who may use it; empty is everyone.
    pub groups: Vec<String>,
    /// What its runs may use.
    pub(crate) limits: limits::Limits,
}

/// Every profile there is, and the users' profiles that a locked one hides.
#[derive(Default)]
pub(crate) struct Profiles {
    /// Those in force, by name.
    pub list: Vec<Profile>,
    /// What the user should know: a profile that is ignored and why, a file that cannot be read.
    pub notes: Vec<String>,
}

impl Profiles {
    /// Reads the machine's profiles and then the user's.
    pub(crate) fn load(context: &Context) -> anyhow::Result<Profiles> {
        let mut profiles = Profiles::default();
        for file in place::system_files(context)? {
            // One bad file does not take the profiles of the others away.
            let read = place::read(&file).and_then(|text| {
                text.map_or(Ok(()), |text| profiles.add_all(&file, true, &text, context))
            });
            match read {
                Ok(()) => {}
                // A file for other people: its profiles are not ours to use.
                Err(error) if place::is_denied(&error) => {
                    profiles.notes.push(format!(
                        "{} is not readable for you; its profiles are left out",
                        file.display()
                    ));
                }
                Err(error) => {
                    profiles
                        .notes
                        .push(format!("{error:#}; the profiles of this file are left out"));
                }
            }
        }
        // Without a home there are no user's profiles, and those of the machine still work.
        if let Ok(file) = user_file(context)
            && let Some(text) = place::read(&file)?
        {
            profiles.add_all(&file, false, &text, context)?;
        }
        Ok(profiles)
    }

    fn add_all(
        &mut self,
        file: &Path,
        system: bool,
        text: &str,
        context: &Context,
    ) -> anyhow::Result<()> {
        let entries = file::parse(text).map_err(|malformed| malformed_error(file, &malformed))?;
        let resolved = entries.into_iter().map(|entry| resolve(entry, file, system, context));
        for profile in resolved.collect::<anyhow::Result<Vec<_>>>()? {
            let Some(old) = self.list.iter_mut().find(|old| old.name == profile.name) else {
                let at = self.list.partition_point(|other| other.name < profile.name);
                self.list.insert(at, profile);
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
    pub(crate) fn find(&self, name: &str) -> anyhow::Result<&Profile> {
        if let Err(problem) = check_name(name) {
            return Err(fail(problem, "cck profile list shows the profiles there are"));
        }
        self.list.iter().find(|profile| profile.name == name).ok_or_else(|| {
            let names = self.list.iter().map(|profile| profile.name.as_str());
            let advice = match check::nearest(name, names) {
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
    /// The source of its key, with its name.
    pub(crate) fn key_source(&self) -> KeySource {
        KeySource { profile: Some(self.name.clone()), ..self.source.clone() }
    }

    /// The edit of the profile's settings that gives its client its base URL, if it has one.
    pub(crate) fn base_url_edit(&self, settings: &Document<'_>) -> Option<Edit> {
        let url = self.base_url.as_deref()?;
        // Undo removes all that was made, so the object is one change with its member.
        Some(match settings.raw(&["env"]) {
            None => Edit::set(&["env"], &BTreeMap::from([("ANTHROPIC_BASE_URL", url)])),
            Some(_) => Edit::set(&["env", "ANTHROPIC_BASE_URL"], url),
        })
    }

    /// Whether the user of this process may use it.
    pub(crate) fn is_usable(&self, context: &Context) -> anyhow::Result<bool> {
        Ok(self.groups.is_empty() || groups::is_member(&self.groups, context)?)
    }
}

/// Finds the profile, checks that the user may use it, readies its directory, and makes that the CLAUDE_CONFIG_DIR of
/// everything that follows in this run.
pub(crate) fn enter(name: &str, context: &mut Context) -> anyhow::Result<Profile> {
    let profiles = Profiles::load(context)?;
    let found = profiles.find(name).cloned();
    for note in
        profiles.notes.iter().filter(|note| found.is_err() || note.contains(&format!(" {name} ")))
    {
        context.warn(note);
    }
    let profile = found?;
    if !profile.is_usable(context)? {
        return Err(fail(
            format!("the profile {name} is for members of {}", profile.groups.join(", ")),
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
pub(crate) fn resolve(
    entry: Entry,
    file: &Path,
    system: bool,
    context: &Context,
) -> anyhow::Result<Profile> {
    let (kind, what) = &entry.source;
    let timeout = Duration::from_secs(entry.timeout.unwrap_or(DEFAULT_TIMEOUT));
    let place = match kind.as_str() {
        "key-command" => Place::Command(what.clone(), timeout),
        "key-env" => Place::Env(what.clone()),
        _ => Place::File(place::expand(what, "key-file", file, context)?, timeout),
    };
    let source = KeySource { any_shape: entry.any_shape, ..KeySource::new(place) };
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
        // A user has no one to lock out.
        locked: entry.locked && system,
        groups: entry.groups,
        limits: entry.limits,
    })
}

/// A malformed file as an error with its place.
pub(crate) fn malformed_error(file: &Path, malformed: &file::Malformed) -> anyhow::Error {
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
#[cfg(unix)]
#[allow(clippy::disallowed_methods, reason = "a test lays its files")]
mod tests {
    use super::*;

    #[test]
    fn one_bad_file_of_the_machine_does_not_take_the_others_away() {
        let etc = tempfile::tempdir().unwrap();
        let dir = etc.path().join("cck/profiles.d");
        std::fs::create_dir_all(&dir).unwrap();
        for (name, text) in [
            ("a.toml", "[profiles.a]\nkey-env = \n"),
            ("b.toml", "[profiles.b]\nkey-env = 'B'\n"),
            ("c.toml", "[profiles.c]\nkey-file = 'relative'\n[profiles.d]\nkey-env = 'D'\n"),
        ] {
            std::fs::write(dir.join(name), text).unwrap();
        }
        let context = Context::for_test(&[], &[("HOME", "/none")], Path::new("/"), etc.path());
        let profiles = Profiles::load(&context).unwrap();
        let names: Vec<&str> = profiles.list.iter().map(|profile| &*profile.name).collect();
        assert_eq!(names, ["b"]);
        let notes = profiles.notes.join("\n");
        assert!(notes.contains("a.toml:2:") && notes.contains("c.toml: key-file"), "{notes}");
    }
}

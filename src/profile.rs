//! Profiles: where each tenant's key comes from, never the key, and the client's directory that is its own. A user's are in
//! `~/.config/cck/profiles.toml`, the machine's in `/etc/cck/profiles.d/*.toml`; with `locked = true` no user's takes the name.

pub mod file;
mod groups;
pub mod limits;
mod place;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use crate::context::Context;
use crate::document::{Document, Edit};
use crate::error::fail;
use crate::key::source::{KeySource, SourceArgs};
use file::Entry;

pub(crate) use file::{check_base_url, check_name};
pub(crate) use place::{ready_dir, update, user_file};

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ProfileArg {
    /// Work on this profile (see `cck profile`)
    #[arg(long, value_name = "NAME", add = profile_names())]
    pub profile: Option<String>,
}

impl ProfileArg {
    /// Finds the profile, checks that the user may use it, and makes its directory the CLAUDE_CONFIG_DIR of this run.
    pub(crate) fn enter(&self, context: &mut Context) -> anyhow::Result<Option<Profile>> {
        let Some(name) = &self.profile else { return Ok(None) };
        let profiles = Profiles::load(context)?;
        let found = profiles.find(name).cloned();
        let is_about = |note: &&String| found.is_err() || note.contains(&format!(" {name} "));
        profiles.notes.iter().filter(is_about).for_each(|note| context.warn(note));
        let profile = found?;
        if !profile.is_usable(context)? {
            let (groups, file) = (profile.entry.groups.join(", "), profile.file.display());
            let problem = format!("the profile {name} is for members of {groups} ({file})");
            return Err(fail(problem, "choose another profile; `id` shows your groups"));
        }
        ready_dir(&profile.config_dir)?;
        context.set_var("CLAUDE_CONFIG_DIR", profile.config_dir.as_os_str());
        Ok(Some(profile))
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
        Some(Profile { source, .. }) if !args.names_one() => {
            let any_shape = source.any_shape || args.stored.any_shape;
            Ok(KeySource { any_shape, ..source.clone() })
        }
        _ => KeySource::resolve(args, context),
    }
}

#[derive(Clone)]
pub(crate) struct Profile {
    pub name: String,
    pub file: PathBuf,
    pub system: bool,
    pub source: KeySource,
    pub config_dir: PathBuf,
    /// As it is written; a user's is never locked.
    pub entry: Entry,
}

#[derive(Default)]
pub(crate) struct Profiles {
    pub list: Vec<Profile>,
    pub notes: Vec<String>,
}

impl Profiles {
    pub(crate) fn load(context: &Context) -> anyhow::Result<Profiles> {
        let mut profiles = Profiles::default();
        for file in place::system_files(context)? {
            // One bad file does not take the profiles of the others away.
            let read = place::read(&file).and_then(|text| {
                text.map_or(Ok(()), |text| profiles.add_all(&file, true, &text, context))
            });
            let Err(error) = read else { continue };
            let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
            // A file for other people: its profiles are not ours to use.
            profiles.notes.push(if kind == Some(io::ErrorKind::PermissionDenied) {
                format!("{} is not readable for you; its profiles are left out", file.display())
            } else {
                format!("{error}; the profiles of this file are left out")
            });
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
        let resolved =
            entries.into_iter().map(|(name, entry)| resolve(&name, entry, file, system, context));
        for profile in resolved.collect::<anyhow::Result<Vec<_>>>()? {
            let Some(old) = self.list.iter_mut().find(|old| old.name == profile.name) else {
                let at = self.list.partition_point(|other| other.name < profile.name);
                self.list.insert(at, profile);
                continue;
            };
            if old.entry.locked {
                let (name, file, other) = (profile.name, file.display(), old.file.display());
                let note = format!("the profile {name} of {file} is ignored: {other} locks it");
                self.notes.push(note);
            } else {
                *old = profile;
            }
        }
        Ok(())
    }

    pub(crate) fn find(&self, name: &str) -> anyhow::Result<&Profile> {
        if let Err(problem) = check_name(name) {
            return Err(fail(problem, "cck profile list shows the profiles there are"));
        }
        self.list.iter().find(|profile| profile.name == name).ok_or_else(|| {
            let names = self.list.iter().map(|profile| profile.name.as_str());
            let advice = match nearest(name, names) {
                Some(near) => format!("did you mean {near}? cck profile list shows them all"),
                None if self.list.is_empty() => {
                    format!("there are none yet: cck profile add {name} --key-command CMD")
                }
                None => "cck profile list shows the profiles there are".into(),
            };
            fail(format!("the profile {name} does not exist"), advice)
        })
    }
}

impl Profile {
    /// The edit of the profile's settings that gives its client its base URL, if it has one.
    pub(crate) fn base_url_edit(&self, settings: &Document<'_>) -> Option<Edit> {
        let url = self.entry.base_url.as_deref()?;
        // Undo removes all that was made, so the object is one change with its member.
        Some(match settings.raw(&["env"]) {
            None => Edit::set(&["env"], &BTreeMap::from([("ANTHROPIC_BASE_URL", url)])),
            Some(_) => Edit::set(&["env", "ANTHROPIC_BASE_URL"], url),
        })
    }

    pub(crate) fn is_usable(&self, context: &Context) -> anyhow::Result<bool> {
        Ok(self.entry.groups.is_empty() || groups::is_member(&self.entry.groups, context)?)
    }
}

/// The name that was probably meant, if one is near.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, other)| *distance <= 1 + name.len().max(other.len()) / 4)
        .min()
        .map(|(_, other)| other)
}

pub(crate) fn resolve(
    name: &str,
    mut entry: Entry,
    file: &Path,
    system: bool,
    context: &Context,
) -> anyhow::Result<Profile> {
    // A user has no one to lock out.
    entry.locked &= system;
    let config_dir = match &entry.config_dir {
        Some(dir) => file::expand(dir, "config-dir", file, context)?,
        None => context.data_home()?.join("cck/profiles").join(name),
    };
    let source = entry.key_source(file, context)?;
    Ok(Profile {
        name: name.to_owned(),
        file: file.to_path_buf(),
        system,
        source: KeySource { profile: Some(name.to_owned()), ..source },
        config_dir,
        entry,
    })
}

fn malformed_error(file: &Path, malformed: &file::Malformed) -> anyhow::Error {
    let problem = format!("{}:{malformed}", file.display());
    fail(problem, "correct the file; cck leaves it as it is until then")
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

    #[test]
    fn the_nearest_name_is_offered_only_where_it_is_near() {
        let names = ["acme", "globex", "acme-eu"];
        assert_eq!(nearest("amce", names.into_iter()), Some("acme"));
        assert_eq!(nearest("acme_eu", names.into_iter()), Some("acme-eu"));
        assert_eq!(nearest("initech", names.into_iter()), None);
    }
}

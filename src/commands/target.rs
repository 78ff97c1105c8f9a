//! The config that a command edits: the flags that all such commands share, and how their changes are shown.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::client::{ChosenBy, Client, ConfigFile, Paths, Roots, advice, gather};
use crate::context::Context;
use crate::document::{Change, Document};
use crate::error::fail;
use crate::key;
use crate::output::one_line;
use crate::profile::{Profile, ProfileArg};
use crate::records::audit::AuditArgs;
use crate::shell;
use crate::store;

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub profile: ProfileArg,
    /// Edit this file instead of the client's
    #[arg(long, value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// Show what would change and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Report as JSON
    #[arg(long)]
    pub json: bool,
    /// How long to wait for another process that is writing the file
    #[arg(long, value_name = "SECONDS", default_value_t = store::LOCK_TIMEOUT.as_secs(), value_parser = clap::value_parser!(u64).range(0..=600), hide_short_help = true)]
    lock_timeout: u64,
    #[command(flatten)]
    pub audit: AuditArgs,
}

impl ChangeArgs {
    pub(crate) fn cck(&self, command: &str) -> String {
        let file = self.config_file.as_ref().map(|file| shell::word(file.display()));
        advice::cck(command, self.profile.profile.as_deref(), file)
    }
}

pub(crate) struct Target {
    pub args: ChangeArgs,
    pub profile: Option<Profile>,
    pub paths: Paths,
    pub file: ConfigFile,
    pub options: store::Options,
}

impl Target {
    /// Enters the profile, and finds the config as the client would.
    pub(crate) fn locate(args: &ChangeArgs, context: &mut Context) -> anyhow::Result<Target> {
        let profile = args.profile.enter(context)?;
        let paths = Roots::locate(context, None, args.config_file.as_deref())?.paths(Client::V2);
        let file = paths.config_file(|path| gather::is_legacy_config(Client::V2, path));
        check_place(&file, context)?;
        let lock_timeout = Duration::from_secs(args.lock_timeout);
        let options = store::Options { lock_timeout, dry_run: args.dry_run, ..Default::default() };
        Ok(Target { args: args.clone(), profile, paths, file, options })
    }

    /// The same, if a config that the user named exists.
    pub(crate) fn existing(self) -> anyhow::Result<Target> {
        let is_missing = self.file.chosen_by == ChosenBy::Flag && !self.file.path.exists();
        if is_missing { Err(no_config(&self.file.path)) } else { Ok(self) }
    }

    /// The key in the config, if there is one.
    pub(crate) fn key(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        let (mut key, options) = (None, store::Options { dry_run: true, ..self.options });
        store::update(&self.file.path, &options, |document| {
            key = primary_key(document);
            Ok(Vec::new())
        })?;
        Ok(key)
    }
}

pub(crate) fn primary_key(document: &Document<'_>) -> Option<Zeroizing<String>> {
    let key = Zeroizing::new(document.get::<String>(&["primaryApiKey"])?.trim().to_owned());
    (!key.is_empty()).then_some(key)
}

pub(crate) fn no_config(file: &Path) -> anyhow::Error {
    let problem = format!("the file {} does not exist", file.display());
    fail(problem, "check the path of --config-file")
}

/// Refuses a file of the working directory, which is the project's, and a home that does not exist.
fn check_place(file: &ConfigFile, context: &Context) -> anyhow::Result<()> {
    let dir = context.var_os("CLAUDE_CONFIG_DIR").map(Path::new);
    let how = match (dir, file.chosen_by) {
        (_, ChosenBy::Flag) => None,
        (Some(dir), ChosenBy::Legacy) if dir.as_os_str().is_empty() => Some("empty"),
        (Some(dir), _) if !dir.has_root() && !dir.as_os_str().is_empty() => Some("relative"),
        _ => None,
    };
    if let Some(how) = how {
        return Err(is_of_directory(how, &file.path));
    }
    if file.chosen_by == ChosenBy::Default
        && let Some(home) = file.path.parent().filter(|home| !home.exists())
    {
        let problem = format!("the home directory {} does not exist", home.display());
        return Err(fail(problem, "set HOME to yours, or CLAUDE_CONFIG_DIR to a directory"));
    }
    Ok(())
}

pub(crate) fn is_of_directory(how: &str, file: &Path) -> anyhow::Error {
    let file = file.display();
    fail(
        format!("CLAUDE_CONFIG_DIR is {how}: {file} would be a file of this directory"),
        "unset it or make it absolute; or name the config: --config-file FILE",
    )
}

/// A changed member as it may be shown: of a key only its hint and fingerprint.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ShownChange {
    pub file: String,
    pub member: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

impl ShownChange {
    pub(crate) fn new(file: &Path, change: &Change) -> Self {
        let shown = |raw: &Option<String>| raw.as_deref().map(|raw| redact(&change.path, raw));
        ShownChange {
            file: file.to_string_lossy().into_owned(),
            member: change.path.join("."),
            before: shown(&change.before),
            after: shown(&change.after),
        }
    }

    pub(crate) fn diff(&self) -> String {
        let line = |sign, value: &Option<String>| {
            value.as_ref().map_or(String::new(), |value| {
                format!("{sign} {}: {value}\n", one_line(&self.member))
            })
        };
        line('-', &self.before) + &line('+', &self.after)
    }
}

/// The members that are shown as they are; any other may hold a key or a piece of one.
const PLAIN: [&str; 2] = ["hasCompletedOnboarding", "lastOnboardingVersion"];

const LONGEST_SHOWN: usize = 60;

fn redact(path: &[String], raw: &str) -> String {
    if path.len() == 1 && PLAIN.contains(&path[0].as_str()) && raw.len() <= LONGEST_SHOWN {
        return one_line(raw);
    }
    match serde_json::from_str(raw) {
        Ok(Value::String(text)) => {
            one_line(&format!("\"{}\" ({})", key::hint(text.trim()), key::fingerprint(text.trim())))
        }
        Ok(Value::Array(items)) => format!("a list of {}", items.len()),
        Ok(Value::Object(members)) => format!("an object of {}", members.len()),
        Ok(Value::Number(_)) => "a number".into(),
        Ok(value) => value.to_string(),
        Err(_) => "a value".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_change_keeps_the_key() {
        let key = "sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz";
        let change = |member: &str, before: Option<&str>, after: &str| Change {
            path: vec![member.into()],
            before: before.map(Into::into),
            after: Some(after.into()),
        };
        let shown = ShownChange::new(
            Path::new("f"),
            &change("primaryApiKey", Some("5"), &format!("\"{key}\"")),
        );
        let diff = "- primaryApiKey: a number\n+ primaryApiKey: \"sk-ant-api03-…wxyz\" (sha256:457ae52225a3)\n";
        assert_eq!(shown.diff(), diff);
        let shown =
            ShownChange::new(Path::new("f"), &change("hasCompletedOnboarding", None, "true"));
        assert_eq!(shown.diff(), "+ hasCompletedOnboarding: true\n");
        let nested = ShownChange::new(Path::new("f"), &change("x", None, &format!("[\"{key}\"]")));
        assert_eq!(nested.diff(), "+ x: a list of 1\n");
    }
}

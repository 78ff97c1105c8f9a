//! `cck helper`: has the client ask cck for the key (`apiKeyHelper`), so that none rests in its config.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::change::{self, ChangeArgs};
use super::target::Target;
use crate::client::Client;
use crate::client::paths::{Paths, display};
use crate::context::{Context, StdinKind};
use crate::document::{Document, Edit};
use crate::error::Exit;
use crate::error::fail;
use crate::key::source::Source;
use crate::key::stored::StoredSourceArgs;
use crate::output::one_line;
use crate::profile::{self, Profile, ProfileArg};
use crate::shell;
use crate::store;

/// The member of settings.
const HELPER: &str = "apiKeyHelper";

/// The arguments of `cck helper`.
#[derive(Debug, Args)]
pub(crate) struct HelperArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Set apiKeyHelper to `cck get-key` for a profile or a source
    Install(InstallArgs),
    /// Remove apiKeyHelper, if it is cck's
    Remove(RemoveArgs),
    /// Show apiKeyHelper, and whether it is cck's
    Show(ShowArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck helper install --profile acme --remove-primary-key
  cck helper install --key-command 'pass show anthropic' --ttl 300

With a profile the settings are those in the profile's config directory; start the
client there with CLAUDE_CONFIG_DIR, or see `cck run`. Without, they are your own.
The client asks again every 5 minutes, or CLAUDE_CODE_API_KEY_HELPER_TTL_MS.")]
struct InstallArgs {
    #[command(flatten)]
    profile: ProfileArg,
    /// Have cck keep the key in memory for so long (see `cck get-key`)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    ttl: Option<u64>,
    /// Replace a helper that is not cck's
    #[arg(long)]
    force: bool,
    /// Remove primaryApiKey from the config, once the helper has given a key
    #[arg(long)]
    remove_primary_key: bool,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    source: StoredSourceArgs,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    #[command(flatten)]
    profile: ProfileArg,
    /// Remove a helper that is not cck's, too
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    profile: ProfileArg,
    /// Report as JSON
    #[arg(long)]
    json: bool,
}

/// The report for programs.
#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    settings: &'a str,
    helper: Option<&'a str>,
    ours: bool,
}

/// Runs `cck helper`.
pub(crate) fn run(args: HelperArgs, context: &mut Context) -> anyhow::Result<Exit> {
    match args.action {
        Action::Install(args) => install(args, context),
        Action::Remove(args) => remove(&args, context),
        Action::Show(args) => show(&args, context),
    }
}

fn install(args: InstallArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let profile = args.profile.enter(context)?;
    let (flags, source) = what_to_ask(args.source, profile.as_ref(), context)?;
    let helper = command(&context.program(), &flags, args.ttl)?;
    let target = Target::locate(&args.change.target, context)?;
    let settings = target.paths.user_settings.clone();
    let shown = display(&settings, context.home_var());
    let dry_run = args.change.target.dry_run;

    let outcome = store::update(&settings, target.options(), |document| {
        check_is_ours(document, args.force, &shown)?;
        let mut edits = vec![Edit::set(&[HELPER], &helper)];
        edits.extend(profile.as_ref().and_then(Profile::base_url_edit));
        Ok(edits)
    })?;
    if args.change.target.json {
        let settings = settings.to_string_lossy();
        context.say_json(&Report {
            schema: 1,
            settings: &settings,
            helper: Some(&helper),
            ours: true,
        })?;
    } else if outcome.changes.is_empty() {
        context.say(format!("{shown} already has this helper; nothing to change"));
    } else if dry_run {
        context
            .say(format!("{shown} would get the helper {helper} (dry run, nothing was written)"));
    } else {
        context.say(format!("{shown} now has the helper {helper}"));
    }
    primary_key(&args.change, args.remove_primary_key, &target, &source, context)?;
    Ok(Exit::Done)
}

/// A key that rests in the config is of no use beside a helper: removes it if asked to, else tells of it.
fn primary_key(
    change: &ChangeArgs,
    remove: bool,
    target: &Target,
    source: &Source,
    context: &mut Context,
) -> anyhow::Result<()> {
    let bytes = store::read(&target.file.path)?.map(zeroize::Zeroizing::new);
    let rests = bytes
        .as_ref()
        .and_then(|bytes| Document::parse(bytes).ok())
        .is_some_and(|document| document.raw(&["primaryApiKey"]).is_some());
    if !rests {
        return Ok(());
    }
    let shown = target.shown(context);
    let quiet = change.target.json || change.target.dry_run;
    if !remove && (quiet || !confirm(&format!("{shown} still holds a key; remove it?"), context)) {
        context.warn(&format!("{shown} still holds a key; --remove-primary-key removes it"));
        return Ok(());
    }
    // Without a key from the helper the one in the config may be the last that works.
    if let Err(error) = source.read(context) {
        context.warn(&format!("the key in {shown} stays, as the helper would give none"));
        return Err(error);
    }
    let changed =
        change::apply(change, target, "helper-install", Some(source.kind()), context, |_| {
            Ok(vec![Edit::remove(&["primaryApiKey"])])
        })?;
    if !quiet && !changed.shown.is_empty() {
        context.say(format!(
            "removed the key from {shown}; cck unset-key --scrub finds the copies of it"
        ));
    }
    Ok(())
}

/// Asks on the terminal; without one the answer is no.
fn confirm(question: &str, context: &mut Context) -> bool {
    use std::io::{BufRead, BufReader};

    if context.stdin_kind() != StdinKind::Terminal {
        return false;
    }
    context.warn_raw(&format!("{question} [y/N] "));
    let mut answer = String::new();
    let read = context.claim_stdin().map(|stdin| BufReader::new(stdin).read_line(&mut answer));
    matches!(read, Ok(Ok(_))) && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// The arguments of `get-key`, and the source that they mean.
fn what_to_ask(
    source: StoredSourceArgs,
    profile: Option<&Profile>,
    context: &Context,
) -> anyhow::Result<(Vec<String>, Source)> {
    match (source.into_entry(context.cwd()), profile) {
        (Some(_), Some(_)) => Err(fail(
            "a profile has its source, and a second one was given",
            "leave one of them out; cck profile add --replace changes the profile's",
        )),
        (None, Some(profile)) => {
            let source = Source::Profile(profile.name.clone(), Box::new(profile.source.clone()));
            Ok((vec!["--profile".into(), shell::quote(&profile.name)], source))
        }
        (Some(((member, what), timeout)), None) => {
            let entry = profile::file::Entry {
                name: "helper".into(),
                source: (member.clone(), what.clone()),
                timeout,
                ..profile::file::Entry::default()
            };
            profile::check_entry(&entry)
                .map_err(|problem| fail(problem, "name the place that the key comes from"))?;
            let source =
                profile::resolve(entry, &PathBuf::from("the command line"), false, context)?.source;
            let mut flags = vec![format!("--{member}"), shell::quote(&what)];
            flags.extend(timeout.map(|timeout| format!("--timeout {timeout}")));
            Ok((flags, source))
        }
        (None, None) => Err(fail(
            "the helper has to know where the key comes from",
            "name a profile (--profile NAME), or --key-command, --key-env or --key-file",
        )),
    }
}

fn command(
    program: &std::path::Path,
    flags: &[String],
    ttl: Option<u64>,
) -> anyhow::Result<String> {
    let program =
        program.to_str().context("the path of cck is not UTF-8, which settings cannot hold")?;
    let mut words = vec![shell::quote_program(program), "get-key".into()];
    words.extend_from_slice(flags);
    words.extend(ttl.map(|ttl| format!("--ttl {ttl}")));
    let line = words.join(" ");
    if cfg!(windows) && line.contains(['\r', '\n']) {
        return Err(fail(
            "a command of several lines cannot be the helper on Windows",
            "put it into a script, and name that",
        ));
    }
    Ok(line)
}

fn remove(args: &RemoveArgs, context: &mut Context) -> anyhow::Result<Exit> {
    args.profile.enter(context)?;
    let settings = settings(context)?;
    let shown = display(&settings, context.home_var());
    if store::read(&settings)?.is_none() {
        context.say(format!("{shown} does not exist; nothing to remove"));
        return Ok(Exit::Done);
    }
    let outcome = store::update(&settings, &store::Options::default(), |document| {
        check_is_ours(document, args.force, &shown)?;
        Ok(vec![Edit::remove(&[HELPER])])
    })?;
    context.say(if outcome.changes.is_empty() {
        format!("{shown} has no helper; nothing to remove")
    } else {
        format!("removed the helper from {shown}; `cck verify` tells what the client sends now")
    });
    Ok(Exit::Done)
}

fn show(args: &ShowArgs, context: &mut Context) -> anyhow::Result<Exit> {
    args.profile.enter(context)?;
    let settings = settings(context)?;
    let bytes = store::read(&settings)?.unwrap_or_default();
    let document = Document::parse(&bytes).map_err(|malformed| {
        fail(
            format!("{}: {malformed}", settings.display()),
            "correct the file; the client ignores it until then",
        )
    })?;
    let helper: Option<String> = document.get(&[HELPER]);
    let ours = helper.as_deref().is_some_and(is_ours);
    if args.json {
        let settings = settings.to_string_lossy();
        context.say_json(&Report {
            schema: 1,
            settings: &settings,
            helper: helper.as_deref(),
            ours,
        })?;
    } else {
        let shown = display(&settings, context.home_var());
        context.say(match &helper {
            Some(helper) if ours => format!("{shown} has cck's helper: {}", one_line(helper)),
            Some(helper) => format!("{shown} has another helper: {}", one_line(helper)),
            None => format!("{shown} has no helper"),
        });
    }
    Ok(if helper.is_some() { Exit::Done } else { Exit::No })
}

fn settings(context: &Context) -> anyhow::Result<PathBuf> {
    Ok(Paths::locate(context, Client::V2, None, None)?.user_settings)
}

fn check_is_ours(document: &Document<'_>, force: bool, shown: &str) -> anyhow::Result<()> {
    let Some(raw) = document.raw(&[HELPER]).filter(|_| !force) else {
        return Ok(());
    };
    // What is no text, or an empty one, helps nobody.
    match serde_json::from_str::<String>(raw) {
        Ok(helper) if !helper.trim().is_empty() && !is_ours(&helper) => Err(fail(
            format!("{shown} has a helper that is not cck's: {}", one_line(&helper)),
            "--force if it can go",
        )),
        _ => Ok(()),
    }
}

/// Whether a helper is one that cck has set: `'/path/to/cck' get-key …`.
fn is_ours(helper: &str) -> bool {
    let words = shell::words(helper);
    let program = words.first().map(PathBuf::from);
    program.as_deref().and_then(std::path::Path::file_name).is_some_and(|name| {
        name == "cck" || (cfg!(windows) && name.eq_ignore_ascii_case("cck.exe"))
    }) && words.get(1).is_some_and(|word| word == "get-key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_of_cck_is_known_by_its_command() {
        let flags = ["--profile".into(), shell::quote("acme")];
        let helper = command("/opt/it's/cck".as_ref(), &flags, Some(60)).unwrap();
        #[cfg(unix)]
        assert_eq!(helper, r"'/opt/it'\''s/cck' get-key --profile 'acme' --ttl 60");
        #[cfg(windows)]
        assert_eq!(helper, r#""/opt/it's/cck" get-key --profile acme --ttl 60"#);
        assert!(is_ours(&helper) && is_ours("cck get-key"));
        for foreign in
            ["", "/usr/bin/vault read", "/x/cck-wrapper get-key", "cck verify", "echo cck get-key"]
        {
            assert!(!is_ours(foreign), "{foreign}");
        }
    }
}

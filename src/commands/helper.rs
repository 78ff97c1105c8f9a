//! `cck helper`: has the client ask cck for the key (`apiKeyHelper`), so that its config holds none.

use std::path::Path;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::change::{self, FilePlan};
use super::in_force;
use super::target::{ChangeArgs, Target, is_of_directory};
use crate::client::{Client, Roots};
use crate::context::Context;
use crate::document::{Document, Edit};
use crate::error::{Exit, fail};
use crate::key::source::{KeySource, NAME_STORED, StoredSourceArgs};
use crate::output::one_line;
use crate::profile::{Profile, ProfileArg, file::Entry};
use crate::shell;
use crate::store;

const HELPER: &str = "apiKeyHelper";

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
    Remove {
        /// Remove a helper that is not cck's, too
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Show apiKeyHelper, and whether it is cck's
    Show {
        #[command(flatten)]
        profile: ProfileArg,
        /// Report as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck helper install --profile acme --remove-primary-key
  cck helper install --key-command 'pass show anthropic'

With --profile, the settings in the profile's config directory change: start the client with CLAUDE_CONFIG_DIR set to \
it, or see `cck run`. The client asks for the key every 5 minutes, or CLAUDE_CODE_API_KEY_HELPER_TTL_MS.")]
struct InstallArgs {
    /// Keep the key in memory for so long (see `cck get-key`)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86400))]
    ttl: Option<u64>,
    /// Replace a helper that is not cck's
    #[arg(long)]
    force: bool,
    /// Remove primaryApiKey from the config, if the helper works
    #[arg(long)]
    remove_primary_key: bool,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    source: StoredSourceArgs,
}

pub(crate) fn run(args: HelperArgs, context: &mut Context) -> anyhow::Result<Exit> {
    match args.action {
        Action::Install(args) => install(args, context),
        Action::Remove { force, change } => remove(force, &change, context),
        Action::Show { profile, json } => show(&profile, json, context),
    }
}

fn install(args: InstallArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let target = locate(&args.change, context)?;
    let profile = target.profile.as_ref();
    let (flags, source) = what_to_ask(args.source, profile, context)?;
    let program = context.program();
    let helper = command(&program, &flags, args.ttl)?;
    let settings = &target.paths.user_settings;
    let (shown, config) = (context.show(settings), context.show(&target.file.path));
    // Without a key from the helper the one in the config may be the last that works.
    source.read(context)?;
    warn_if_temporary(&program, context);
    let mut files = vec![FilePlan::new(settings, |document| {
        check_is_ours(document, args.force, &program, &shown)?;
        let mut edits = vec![Edit::set(&[HELPER], &helper)];
        edits.extend(profile.and_then(|profile| profile.base_url_edit(document)));
        Ok(edits)
    })];
    if args.remove_primary_key {
        files.push(FilePlan::removal(&target.file.path, "primaryApiKey"));
    }
    let changed = change::apply(&target, "helper-install", Some(source.kind()), files, context)?;
    in_force::warn_if_led_away(&target.file, context);
    if !args.remove_primary_key && matches!(target.key(), Ok(Some(_))) {
        let scrub = args.change.cck("unset-key --scrub");
        context.warn(&format!("{config} still holds a key; `{scrub}` removes it"));
    }
    let lines = [
        format!("{shown} already has this helper; nothing to change"),
        format!("{shown} would get the helper {helper} (dry run, nothing was written)"),
        format!("{shown} now has the helper {helper}"),
    ];
    let report = json!({"settings": settings.to_string_lossy(), "helper": helper, "ours": true});
    changed.report(&target, report, lines, context)?;
    if !(changed.old_keys.is_empty() || args.change.dry_run || args.change.json) {
        let scrub = args.change.cck("unset-key --scrub");
        context.say(format!("removed the key from {config}; `{scrub}` finds copies"));
    }
    Ok(Exit::Done)
}

fn locate(args: &ChangeArgs, context: &mut Context) -> anyhow::Result<Target> {
    let target = Target::locate(args, context)?;
    // Then the client takes it for its own directory.
    if target.paths.claude_dir == target.paths.project {
        return Err(is_of_directory("empty", &target.paths.user_settings));
    }
    Ok(target)
}

fn warn_if_temporary(program: &Path, context: &mut Context) {
    let has = |name: &str| program.components().any(|part| part.as_os_str() == name);
    let is_build = has("target") && (has("debug") || has("release"));
    let is_temporary = program.starts_with("/tmp") || program.starts_with("/var/tmp");
    let why = if is_build {
        "is in a build directory"
    } else if has("_npx") {
        "is in npx's cache, which npm may empty"
    } else if is_temporary {
        "is in a directory for temporary files"
    } else {
        return;
    };
    let program = program.display();
    context.warn(&format!("{program} {why}: without it Claude Code gets no key; install cck"));
}

fn what_to_ask(
    source: StoredSourceArgs,
    profile: Option<&Profile>,
    context: &Context,
) -> anyhow::Result<(Vec<String>, KeySource)> {
    match (Entry::of(source, context), profile) {
        (Some(_), Some(_)) => Err(fail(
            "a profile has its source, and a second one was given",
            "leave one of them out; cck profile add --replace changes the profile's",
        )),
        (None, Some(profile)) => {
            Ok((vec!["--profile".into(), shell::quote(&profile.name)], profile.source.clone()))
        }
        (Some(entry), None) => {
            entry
                .check("helper")
                .map_err(|problem| fail(problem, "name the place that the key comes from"))?;
            let member = entry.key_member().into_iter();
            let mut flags: Vec<String> = member
                .flat_map(|(member, what)| [format!("--{member}"), shell::quote(what)])
                .collect();
            flags.extend(entry.timeout.map(|timeout| format!("--timeout {timeout}")));
            flags.extend(entry.any_shape.then(|| "--any-shape".to_owned()));
            Ok((flags, entry.key_source(Path::new("the command line"), context)?))
        }
        (None, None) => Err(fail(
            "the helper needs a source for the key",
            format!("{NAME_STORED}, or a profile: --profile NAME"),
        )),
    }
}

fn command(program: &Path, flags: &[String], ttl: Option<u64>) -> anyhow::Result<String> {
    let program =
        program.to_str().context("the path of cck is not UTF-8, which settings cannot hold")?;
    let mut words = vec![shell::quote_program(program), "get-key".into()];
    words.extend_from_slice(flags);
    words.extend(ttl.map(|ttl| format!("--ttl {ttl}")));
    let line = words.join(" ");
    if cfg!(windows) && line.contains(['\r', '\n']) {
        return Err(fail("on Windows the helper is one line", "put the command in a script"));
    }
    Ok(line)
}

fn remove(force: bool, change: &ChangeArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let target = locate(change, context)?;
    let settings = &target.paths.user_settings;
    let (shown, program) = (context.show(settings), context.program());
    let file = FilePlan::new(settings, |document| {
        check_is_ours(document, force, &program, &shown)?;
        Ok(vec![Edit::remove(&[HELPER])])
    });
    let changed = change::apply(&target, "helper-remove", None, vec![file], context)?;
    let verify = change.cck("verify");
    let lines = [
        format!("{shown} has no helper; nothing to remove"),
        format!("the helper would be removed from {shown} (dry run, nothing was written)"),
        format!("removed the helper from {shown}; `{verify}` shows what the client sends now"),
    ];
    let report = json!({"settings": settings.to_string_lossy(), "helper": null, "ours": false});
    changed.report(&target, report, lines, context)?;
    Ok(Exit::Done)
}

fn show(profile: &ProfileArg, json: bool, context: &mut Context) -> anyhow::Result<Exit> {
    profile.enter(context)?;
    let settings = Roots::locate(context, None, None)?.paths(Client::V2).user_settings;
    let bytes = store::read(&settings)?.unwrap_or_default();
    let document = Document::parse(&bytes).map_err(|malformed| {
        let problem = format!("{}: {malformed}", settings.display());
        fail(problem, "correct the file; the client ignores it until then")
    })?;
    let helper: Option<String> = document.get(&[HELPER]);
    let ours = helper.as_deref().is_some_and(|helper| is_ours(helper, &context.program()));
    if json {
        let settings = settings.to_string_lossy();
        let report = json!({"schema": 1, "settings": settings, "helper": helper, "ours": ours});
        context.say_json(&report)?;
    } else {
        let shown = context.show(&settings);
        context.data(match &helper {
            Some(helper) if ours => format!("{shown} has cck's helper: {}", one_line(helper)),
            Some(helper) => format!("{shown} has another helper: {}", one_line(helper)),
            None => format!("{shown} has no helper"),
        });
    }
    Ok(if helper.is_some() { Exit::Done } else { Exit::No })
}

fn check_is_ours(
    document: &Document<'_>,
    force: bool,
    program: &Path,
    shown: &str,
) -> anyhow::Result<()> {
    let Some(raw) = document.raw(&[HELPER]).filter(|_| !force) else { return Ok(()) };
    // What is not text, or is empty, is useless.
    match serde_json::from_str::<String>(raw) {
        Ok(helper) if !helper.trim().is_empty() && !is_ours(&helper, program) => Err(fail(
            format!("{shown} has a helper that is not cck's: {}", one_line(&helper)),
            "--force if it can go",
        )),
        _ => Ok(()),
    }
}

/// Whether a helper is one that cck has set: `'/path/to/cck' get-key …`, or with `this` program's own name.
fn is_ours(helper: &str, this: &Path) -> bool {
    helper.match_indices(" get-key").any(|(at, word)| {
        let Some(program) = shell::unquote(helper[..at].trim()) else { return false };
        let name = Path::new(&program).file_name().unwrap_or_default();
        let is_exe = cfg!(windows) && name.eq_ignore_ascii_case("cck.exe");
        (name == "cck" || is_exe || Path::new(&program) == this)
            && helper[at + word.len()..].chars().next().is_none_or(char::is_whitespace)
    })
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
        let this = Path::new("/x/mine");
        assert!(is_ours(&helper, this) && is_ours("cck get-key", this));
        assert!(is_ours("/x/mine get-key --key-env K", this));
        assert!(is_ours(" cck  get-key $(x)", this));
        for foreign in [
            "",
            "/usr/bin/vault read",
            "/x/cck-wrapper get-key",
            "cck verify",
            "echo cck get-key",
            "cck get-keys",
            "'a' 'cck' get-key",
            "a;/x/cck get-key",
            "$(x)/cck get-key",
        ] {
            assert!(!is_ours(foreign, this), "{foreign}");
        }
    }
}

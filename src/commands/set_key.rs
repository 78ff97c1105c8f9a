//! `cck set-key`: puts a key into the config, and what the client needs beside it to start at the prompt.

use clap::Args;
use serde::Serialize;

use super::change::{self, ChangeArgs, FilePlan, Plan};
use super::in_force;
use super::target::Target;
use crate::client::DEFAULT_ONBOARDING_VERSION;
use crate::context::Context;
use crate::document::{Document, Edit};
use crate::error::Exit;
use crate::key::ApiKey;
use crate::key::source::SourceArgs;
use crate::profile::{self, ProfileArg};

/// The arguments of `cck set-key`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck set-key                                   ask for the key, or read $ANTHROPIC_API_KEY
  pass show anthropic | cck set-key --stdin     take it from another program
  cck set-key --key-file /run/secrets/key       in a container
  cck set-key --key-env TEAM_KEY --dry-run      see what would change

Without a source: $ANTHROPIC_API_KEY if set, else standard input if it is not
a terminal, else a hidden prompt. If both may hold a key, cck asks which.")]
pub(crate) struct SetKeyArgs {
    /// Set lastOnboardingVersion to this (default: leave it, or 0.2.107 where there is none)
    #[arg(long, value_name = "V", value_parser = clap::builder::NonEmptyStringValueParser::new(), hide_short_help = true)]
    onboarding_version: Option<String>,
    #[command(flatten)]
    profile: ProfileArg,
    #[command(flatten)]
    change: ChangeArgs,
    // Last: its heading holds for all flags that follow.
    #[command(flatten)]
    source: SourceArgs,
}

/// What the report for programs adds.
#[derive(Serialize)]
struct Report {
    source: &'static str,
    hint: String,
    fingerprint: String,
    created: bool,
}

/// Runs `cck set-key`.
pub(crate) fn run(args: SetKeyArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let profile = args.profile.enter(context)?;
    let target = Target::locate(&args.change.target, context)?;
    let source = profile::key_source(args.source, profile.as_ref(), context)?;
    let key = source.read(context)?;
    let version = args.onboarding_version.as_deref();
    let mut files = Vec::new();
    if let Some(profile) = profile.as_ref().filter(|profile| profile.base_url.is_some()) {
        // Before the key: the client of the profile's directory must never send it to the usual host.
        files.push(FilePlan::new(&target.paths.user_settings, |settings| {
            Ok(profile.base_url_edit(settings).into_iter().collect())
        }));
    }
    files.push(FilePlan::new(&target.file.path, |document| Ok(edits(document, &key, version))));
    let plan = Plan { action: "set-key", source: Some(source.kind()), files };
    let changed = change::apply(&args.change, &target, plan, context)?;
    let dry_run = args.change.target.dry_run;

    if !dry_run {
        in_force::warn_if_shadowed(&target.file, context);
    }

    if args.change.target.json {
        let report = Report {
            source: source.kind(),
            hint: key.hint(),
            fingerprint: key.fingerprint(),
            created: changed.created,
        };
        return changed.print_json(&args.change, &target, report, context);
    }
    let (shown, hint, from) = (target.shown(context), key.hint(), source.describe());
    if changed.shown.is_empty() {
        context.say(format!("{shown} already holds the key {hint}; nothing to change"));
    } else if dry_run {
        context
            .say(format!("{shown} would change (dry run, nothing was written); key from {from}:"));
        changed.print_diff(context);
    } else {
        context.done(format!("wrote the key {hint} from {from} to {shown}"));
    }
    if let Some(note) = target.note(context) {
        context.say(format!("note: {note}"));
    }
    Ok(Exit::Done)
}

/// What makes the client start at the prompt and send `key`.
///
/// `lastOnboardingVersion` is kept where the config has one, as the client itself writes it.
fn edits(document: &Document<'_>, key: &ApiKey, onboarding_version: Option<&str>) -> Vec<Edit> {
    let mut edits = vec![
        Edit::set(&["primaryApiKey"], &key.reveal()),
        Edit::set(&["hasCompletedOnboarding"], &true),
    ];
    let present = document.raw(&["lastOnboardingVersion"]).is_some();
    let version = onboarding_version.or((!present).then_some(DEFAULT_ONBOARDING_VERSION));
    edits.extend(version.map(|version| Edit::set(&["lastOnboardingVersion"], &version)));
    edits
}

//! `cck set-key`: puts a key into the config, and what the client needs beside it to start at the prompt.

use clap::Args;
use serde_json::json;

use super::change::{self, FilePlan};
use super::in_force;
use super::target::{ChangeArgs, Target};
use crate::client::{ChosenBy, DEFAULT_ONBOARDING_VERSION, Source, keychain};
use crate::context::Context;
use crate::document::{Document, Edit};
use crate::error::{Exit, fail};
use crate::key::source::SourceArgs;
use crate::profile;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cck set-key                               ask for the key
  pass show anthropic | cck set-key --stdin
  cck set-key --key-file /run/secrets/key
  cck set-key --key-env TEAM_KEY --dry-run

Without a source: $ANTHROPIC_API_KEY if it is set, else standard input if it is not a terminal, else a hidden prompt.")]
pub(crate) struct SetKeyArgs {
    /// Set lastOnboardingVersion to this (default: leave it, or 0.2.107 if it is missing)
    #[arg(long, value_name = "V", value_parser = clap::builder::NonEmptyStringValueParser::new(), hide_short_help = true)]
    onboarding_version: Option<String>,
    /// Put the key into the macOS Keychain, as the client does, and not into the config
    #[arg(long)]
    keychain: bool,
    #[command(flatten)]
    change: ChangeArgs,
    // Last: its heading holds for all flags that follow.
    #[command(flatten)]
    source: SourceArgs,
}

pub(crate) fn run(args: SetKeyArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let target = Target::locate(&args.change, context)?;
    let source = profile::key_source(args.source, target.profile.as_ref(), context)?;
    let key = source.read(context)?;
    let version = args.onboarding_version.as_deref();
    let mut files = Vec::new();
    if let Some(profile) = target.profile.as_ref().filter(|it| it.entry.base_url.is_some()) {
        // Before the key: the client of the profile's directory must never send it to the usual host.
        files.push(FilePlan::new(&target.paths.user_settings, |settings| {
            Ok(profile.base_url_edit(settings).into_iter().collect())
        }));
    }
    if args.keychain {
        let item = keychain::place(context).ok_or_else(|| {
            fail("--keychain: this system has no Keychain", "leave --keychain out")
        })?;
        // Before the config loses its key: the client has one at every moment.
        files
            .push(FilePlan::new(&item, |_| Ok(vec![Edit::set(&[keychain::MEMBER], key.reveal())])));
    }
    files.push(FilePlan::new(&target.file.path, |document| {
        let key = match args.keychain {
            true => Edit::remove(&["primaryApiKey"]),
            false => Edit::set(&["primaryApiKey"], key.reveal()),
        };
        Ok([key].into_iter().chain(onboarding(document, version)).collect())
    }));
    let changed = change::apply(&target, "set-key", Some(source.kind()), files, context)?;
    if !args.change.dry_run {
        let own = if args.keychain { Source::KeychainKey } else { Source::PrimaryKey };
        in_force::warn_if_shadowed(&own, &target, context);
    }

    let (shown, hint, from) = (context.show(&target.file.path), key.hint(), source.describe());
    let place = if args.keychain { "the Keychain" } else { &shown };
    let lines = [
        format!("{place} already holds the key {hint}; nothing to change"),
        format!("{place} would change (dry run, nothing was written); key from {from}:"),
        format!("wrote the key {hint} from {from} to {place}"),
    ];
    let report = json!({
        "source": source.kind(),
        "hint": hint,
        "fingerprint": key.fingerprint(),
        "created": changed.created,
    });
    changed.report(&target, report, lines, context)?;
    if args.change.json {
        return Ok(Exit::Done);
    }
    if args.keychain || args.change.dry_run {
        changed.print_diff(context);
    }
    if target.file.chosen_by == ChosenBy::Legacy {
        let usual = context.show(&target.paths.global_config);
        context.say(format!("note: {shown} exists, so the client reads it instead of {usual}"));
    }
    Ok(Exit::Done)
}

/// What makes the client start at the prompt. `lastOnboardingVersion` is kept where the config has one, as the client itself
/// writes it.
pub(super) fn onboarding(document: &Document<'_>, version: Option<&str>) -> Vec<Edit> {
    let present = document.raw(&["lastOnboardingVersion"]).is_some();
    let version = version.or((!present).then_some(DEFAULT_ONBOARDING_VERSION));
    let version = version.map(|version| Edit::set(&["lastOnboardingVersion"], &version));
    [Edit::set(&["hasCompletedOnboarding"], &true)].into_iter().chain(version).collect()
}

//! `cck rotate`: swaps a new key in for the old, and leaves nothing of the old behind.
//!
//! Up to the swap, a failure changes nothing. Before it a record of the rotation is laid down, which names the old key by
//! its hints; it stays until every step is done and the old key is named, so that the same command again completes what
//! was cut off, and a rotation to yet another key names the old keys of both.

mod check;
mod pending;
mod report;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::Duration;

use clap::Args;
use zeroize::Zeroizing;

use super::approve;
use super::change::{self, ChangeArgs, FilePlan, Plan};
use super::in_force;
use super::target::Target;
use super::unset_key;
use crate::admin::{self, Admin, Listed};
use crate::client::sessions;
use crate::context::Context;
use crate::document::{Document, Edit};
use crate::error::Exit;
use crate::error::{fail, said};
use crate::key::command;
use crate::key::source::SourceArgs;
use crate::key::{self, ApiKey};
use crate::profile::{self, ProfileArg};
use crate::records::audit::Event;
use crate::records::scrub::Keys;
use crate::records::undo;
use crate::store;
use pending::Pending;

/// The arguments of `cck rotate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pass show anthropic-new | cck rotate --stdin --online    check it first
  cck rotate --key-file new --retire-old                   the old one: inactive
  cck rotate --key-env NEW --command-after './revoke.sh'   or in your own way

If a step fails after the swap, the same command again completes it.
The command of --command-after finds CCK_OLD_HINT, CCK_OLD_FINGERPRINT,
CCK_NEW_FINGERPRINT and CCK_CONFIG in its environment.")]
pub(crate) struct RotateArgs {
    /// Change nothing unless the API takes the new key
    #[arg(long)]
    online: bool,
    /// Set the old key inactive through the Admin API (key in ANTHROPIC_ADMIN_KEY); implies --online
    #[arg(long)]
    retire_old: bool,
    /// Retire the old key even if sessions are running that use it
    #[arg(long, hide_short_help = true)]
    yes: bool,
    /// Where the Admin API is
    #[arg(long, value_name = "URL", default_value = admin::DEFAULT_URL, hide_default_value = true, hide_short_help = true)]
    admin_url: String,
    /// A shell command to run when the old key is gone
    #[arg(long, value_name = "CMD")]
    command_after: Option<String>,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    profile: ProfileArg,
    // Last: its heading holds for all flags that follow.
    #[command(flatten)]
    source: SourceArgs,
}

/// How long the command of `--command-after` may take.
const AFTER_TIMEOUT: Duration = Duration::from_secs(300);

/// Runs `cck rotate`. The exit code is 1 if the new key is in place and something is left to do.
pub(crate) fn run(args: RotateArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let profile = args.profile.enter(context)?;
    let target = Target::locate(&args.change.target, context)?;
    target.require_named()?;
    let source = profile::key_source(args.source.clone(), profile.as_ref(), context)?;
    let new = source.read(context)?;
    if args.retire_old {
        // Its key has to be there before anything changes.
        Admin::new(&args.admin_url, context)?;
    }
    let old = current(&target, context)?;
    let rotation = Rotation::plan(&old, &new, &target, context)?;
    let running = sessions::running(&target.paths, context);
    if args.retire_old && running > 0 && !args.yes {
        return Err(fail(
            unset_key::still_running(running),
            "restart them after a rotation without --retire-old; --yes retires the old key now",
        ));
    }
    if args.online || args.retire_old {
        check::check(&new, context)?;
    }
    let dry_run = args.change.target.dry_run;
    let digests = rotation.olds.iter().map(|old| old.old_fingerprint.clone());
    let keys = Keys::other_than(new.reveal(), digests.collect());
    keys.add(&old);
    undo::keys(&target.file.path, context).iter().for_each(|key| keys.add(key));
    if let Some(this) = rotation.this.as_ref().filter(|_| !dry_run) {
        this.save().inspect_err(|_| _ = this.remove())?;
    }
    let swap = FilePlan::new(&target.file.path, |document| edits(document, &old, &rotation, &new));
    let plan = Plan { action: "rotate", source: Some(source.kind()), files: vec![swap] };
    let changed = change::apply(&args.change, &target, plan, context).inspect_err(|_| {
        // If the swap is in place, copies of the old key are left, and the record is what completes the rotation.
        if let Some(this) = rotation.this.as_ref().filter(|_| !dry_run && !context.changed) {
            let _ = this.remove();
        }
    });
    let steps = "the steps after the swap are";
    let changed = changed.map_err(|error| change::with_left(error, steps, context))?;
    let mut done = report::Done { running, ..report::Done::default() };
    let Some(last) = rotation.olds.last() else {
        report::print_nothing(&args, &target, &source, &new, &changed, context)?;
        return Ok(Exit::Done);
    };
    done.scrubbed = target.scrub(&keys, context);
    for (name, value) in context.vars() {
        if keys.has(value.to_string_lossy().trim()) {
            let name = name.to_string_lossy();
            done.failed.push(("update the environment", format!("${name} is the old key")));
        }
    }
    if !dry_run {
        finish(&args, &target, &new, &rotation.olds, &mut done, context);
        if rotation.this.is_none() {
            let event = Event {
                action: "rotate",
                config: &target.file.path,
                source: Some(source.kind()),
                old: Some(last.fingerprint().to_owned()),
                new: Some(new.fingerprint()),
            };
            args.change.audit.log(&event, "resumed", context);
        }
        in_force::warn_if_shadowed(&target.file, context);
    }
    report::print(&args, &target, &source, &new, &rotation.olds, &changed, &done, context)?;
    if !done.left().is_empty() {
        return Ok(Exit::No);
    }
    if dry_run {
        return Ok(Exit::Done);
    }
    // Until the report is written, nobody knows the name of the key to revoke.
    match context.flush() {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Exit::Done),
        Err(error) => {
            return Err(fail(
                format!("cannot write the report to standard output: {error}"),
                "run the same command again: it names the old key to revoke",
            ));
        }
    }
    let records = rotation.unfinished.iter().chain(&rotation.this);
    let left: Vec<_> = records.filter_map(|record| record.remove().err()).collect();
    match left.first() {
        None => Ok(Exit::Done),
        Some(error) => Err(fail(
            format!("the new key is in place, but the record of this rotation is left: {error:#}"),
            "run the same command again: it removes the record",
        )),
    }
}

/// What is rotated.
struct Rotation {
    /// The record of this rotation; none if the config holds the new key already.
    this: Option<Pending>,
    /// The records of rotations before it that were cut off.
    unfinished: Vec<Pending>,
    /// The rotations whose old keys are still to be named or retired, each key once, this one's last.
    olds: Vec<Pending>,
}

impl Rotation {
    fn plan(
        old: &str,
        new: &ApiKey,
        target: &Target,
        context: &Context,
    ) -> anyhow::Result<Rotation> {
        let config = &target.file.path;
        let make = || Pending::new(old, new, config, context);
        let this = (old != new.reveal()).then(make).transpose()?;
        let mut olds = Pending::all(config, context)?;
        olds.extend((old != new.reveal()).then(make).transpose()?);
        let mut seen = vec![key::digest(new.reveal())];
        olds.reverse();
        olds.retain(|pending| {
            let is_new = !seen.contains(&pending.old_fingerprint);
            seen.push(pending.old_fingerprint.clone());
            is_new
        });
        olds.reverse();
        Ok(Rotation { this, unfinished: Pending::all(config, context)?, olds })
    }
}

/// The key that the config holds now.
fn current(target: &Target, context: &Context) -> anyhow::Result<Zeroizing<String>> {
    let bytes = Zeroizing::new(store::read(&target.file.path)?.unwrap_or_default());
    if let Some(key) = Document::parse(&bytes).ok().and_then(|document| primary_key(&document)) {
        return Ok(key);
    }
    // A malformed file holds no key that could be found; the store says what is wrong with it.
    let options = store::Options { dry_run: true, ..*target.options() };
    store::update(&target.file.path, &options, |_| Ok(Vec::new()))?;
    Err(no_key(&target.shown(context)))
}

fn no_key(shown: &str) -> anyhow::Error {
    fail(
        format!("{shown} holds no key to rotate"),
        "write the first one with cck set-key; a key from `cck helper` is replaced at its source, and open sessions pick it up",
    )
}

fn primary_key(document: &Document<'_>) -> Option<Zeroizing<String>> {
    let key = Zeroizing::new(document.get::<String>(&["primaryApiKey"])?.trim().to_owned());
    (!key.is_empty()).then_some(key)
}

/// Swaps the key and carries the old one's approval over.
fn edits(
    document: &Document<'_>,
    old: &str,
    rotation: &Rotation,
    new: &ApiKey,
) -> anyhow::Result<Vec<Edit>> {
    let now = primary_key(document);
    if now.as_ref().is_none_or(|now| **now != old && **now != new.reveal()) {
        return Err(fail("another program changed the key just now", "run this again"));
    }
    let mut edits = vec![Edit::set(&["primaryApiKey"], new.reveal())];
    if let Some(this) = &rotation.this {
        edits.extend(approve::carry(document, &this.old_suffix, new.suffix()));
    }
    Ok(edits)
}

/// The steps after the swap and the scrub. What fails is noted, and the others are done anyway.
fn finish(
    args: &RotateArgs,
    target: &Target,
    new: &ApiKey,
    olds: &[Pending],
    done: &mut report::Done,
    context: &mut Context,
) {
    for pending in olds.iter().filter(|_| args.retire_old) {
        match retire(args, pending, context) {
            Ok(listed) => done.retired.push(listed),
            Err(error) => done.failed.push(("retire the old key", said(&error))),
        }
    }
    let Some((after, pending)) = args.command_after.as_ref().zip(olds.last()) else { return };
    let config = target.file.path.to_string_lossy();
    let fingerprint = new.fingerprint();
    let variables = BTreeMap::from([
        ("CCK_OLD_HINT", pending.old_hint.as_str()),
        ("CCK_OLD_FINGERPRINT", pending.fingerprint()),
        ("CCK_NEW_FINGERPRINT", &fingerprint),
        ("CCK_CONFIG", &config),
    ]);
    let cwd = context.cwd().to_path_buf();
    let problem = match command::output_with(after, &cwd, AFTER_TIMEOUT, &variables) {
        Ok(Ok(_)) => return,
        Ok(Err(ended)) => format!("it {ended}"),
        Err(error) => format!("{error:#}"),
    };
    done.failed.push(("run the command of --command-after", problem));
}

fn retire(args: &RotateArgs, pending: &Pending, context: &Context) -> anyhow::Result<Listed> {
    let trace = pending
        .old_trace
        .as_ref()
        .ok_or_else(|| fail("the old value was not a key", "there is nothing to retire"))?;
    Admin::new(&args.admin_url, context)?.retire(trace)
}

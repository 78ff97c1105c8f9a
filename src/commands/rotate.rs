//! `cck rotate`: swaps a new key in for the old, and leaves nothing of the old behind.
//!
//! Up to the swap, a failure changes nothing. Before it a record of the rotation is laid down, which names the old key by
//! its hints; it stays until every step is done, so that the same command again completes what was cut off.

mod check;
mod pending;
mod report;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use zeroize::Zeroizing;

use super::approve;
use super::change::{self, ChangeArgs};
use super::in_force;
use super::target::Target;
use crate::admin::{self, Admin, Listed, Trace};
use crate::context::Context;
use crate::document::{Document, Edit};
use crate::error::Exit;
use crate::error::{fail, said};
use crate::key::command;
use crate::key::source::{Source, SourceArgs};
use crate::key::{self, ApiKey};
use crate::profile::ProfileArg;
use crate::records::audit::Event;
use crate::store;
use pending::Pending;

/// The arguments of `cck rotate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pass show anthropic-new | cck rotate --stdin --online    check it first
  cck rotate --key-file new --retire-old                   the old one: inactive
  cck rotate --key-env NEW --command-after './revoke.sh'   or in your own way

Where a step fails after the swap, the same command again completes it.
The command of --command-after finds CCK_OLD_HINT, CCK_OLD_FINGERPRINT,
CCK_NEW_FINGERPRINT and CCK_CONFIG in its environment.")]
pub(crate) struct RotateArgs {
    /// Change nothing unless the API takes the new key
    #[arg(long)]
    online: bool,
    /// Set the old key inactive through the Admin API (key in ANTHROPIC_ADMIN_KEY); implies --online
    #[arg(long)]
    retire_old: bool,
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

/// Runs `cck rotate`. The exit code is 1 where the new key is in place and something is left to do.
pub(crate) fn run(args: RotateArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let profile = args.profile.enter(context)?;
    let target = Target::locate(&args.change.target, context)?;
    let source = Source::resolve_for(args.source.clone(), profile.as_ref(), context)?;
    let new = source.read(context)?;
    if args.retire_old {
        // Its key has to be there before anything changes.
        Admin::new(&args.admin_url, context)?;
    }
    let dry_run = args.change.target.dry_run;
    let (pending, resumed) = plan(&target, &new, context)?;
    if args.online || args.retire_old {
        check::check(&new, context)?;
    }
    let lay = !dry_run && !resumed;
    if lay {
        pending
            .save(&target.file.path, context)
            .inspect_err(|_| abandon(&target, &new, context))?;
    }
    let changed =
        change::apply(&args.change, &target, "rotate", Some(source.kind()), context, |document| {
            edits(document, &pending, &new)
        })
        .inspect_err(|_| {
            if lay {
                abandon(&target, &new, context);
            }
        })?;
    let old = changed.old_key.as_deref().map(String::as_str).filter(|old| *old != new.reveal());
    let mut done = report::Done {
        scrubbed: target.scrub(Some(new.reveal()), old, context),
        ..report::Done::default()
    };
    if !dry_run {
        finish(&args, &target, &pending, &mut done, context);
        if resumed {
            let event = Event {
                action: "rotate",
                config: &target.file.path,
                source: Some(source.kind()),
                old: Some(pending.old_fingerprint.clone()),
                new: Some(new.fingerprint()),
            };
            args.change.audit.log(&event, "resumed", context);
        }
        if done.left().is_empty()
            && let Err(error) = Pending::remove(&target.file.path, context)
        {
            done.failed.push(("forget this rotation", said(&error)));
        }
        in_force::warn_if_shadowed(&target.file, context);
    }
    report::tell(&args, &target, &source, &new, &pending, &changed, &done, context)?;
    Ok(if done.left().is_empty() { Exit::Done } else { Exit::No })
}

/// Removes the record of a rotation that failed, unless the key was swapped all the same: a disk may refuse to make
/// sure of what it has. Then there are copies of the old key left, and the record is what completes the rotation.
fn abandon(target: &Target, new: &ApiKey, context: &Context) {
    let is_old = store::read(&target.file.path).is_ok_and(|bytes| {
        let bytes = Zeroizing::new(bytes.unwrap_or_default());
        Document::parse(&bytes)
            .ok()
            .and_then(|document| primary_key(&document))
            .is_none_or(|key| *key != new.reveal())
    });
    if is_old {
        let _ = Pending::remove(&target.file.path, context);
    }
}

/// What is rotated: the record of it, and whether it goes on with one that was cut off.
fn plan(target: &Target, new: &ApiKey, context: &Context) -> anyhow::Result<(Pending, bool)> {
    let bytes = Zeroizing::new(store::read(&target.file.path)?.unwrap_or_default());
    let old: Option<Zeroizing<String>> =
        Document::parse(&bytes).ok().and_then(|document| primary_key(&document));
    let shown = target.shown(context);
    match old {
        Some(old) if *old == new.reveal() => match Pending::load(&target.file.path, context)? {
            Some(pending) if pending.new_fingerprint == new.fingerprint() => Ok((pending, true)),
            _ => Err(fail(
                format!(
                    "the new key is the one that {shown} holds already: there is nothing to rotate"
                ),
                "give the new key; to take copies of older keys away, use cck unset-key --scrub and cck set-key",
            )),
        },
        Some(old) => Ok((
            Pending {
                schema: 1,
                old_hint: key::hint(&old),
                old_fingerprint: key::fingerprint(&old),
                old_suffix: key::suffix(&old).to_owned(),
                old_trace: ApiKey::parse(&old).ok().map(|old| Trace::of(&old)),
                new_fingerprint: new.fingerprint(),
            },
            false,
        )),
        // A malformed file holds no key that could be found; the store says what is wrong with it.
        None if !bytes.is_empty() => {
            target.update_dry()?;
            Err(no_key(&shown))
        }
        None => Err(no_key(&shown)),
    }
}

fn no_key(shown: &str) -> anyhow::Error {
    fail(
        format!("{shown} holds no key that could be rotated"),
        "put the first key in with cck set-key",
    )
}

fn primary_key(document: &Document<'_>) -> Option<Zeroizing<String>> {
    let key = Zeroizing::new(document.get::<String>(&["primaryApiKey"])?.trim().to_owned());
    (!key.is_empty()).then_some(key)
}

/// Swaps the key and carries the old one's approval over.
fn edits(document: &Document<'_>, pending: &Pending, new: &ApiKey) -> anyhow::Result<Vec<Edit>> {
    let now = primary_key(document).map(|key| key::fingerprint(&key));
    if now.as_ref().is_none_or(|now| *now != pending.old_fingerprint && *now != new.fingerprint()) {
        return Err(fail("the key was changed by somebody else just now", "run this again"));
    }
    let mut edits = vec![Edit::set(&["primaryApiKey"], new.reveal())];
    edits.extend(approve::carry(document, &pending.old_suffix, new.suffix()));
    Ok(edits)
}

/// The steps after the swap and the scrub. What fails is noted, and the others are done all the same.
fn finish(
    args: &RotateArgs,
    target: &Target,
    pending: &Pending,
    done: &mut report::Done,
    context: &mut Context,
) {
    if args.retire_old {
        match retire(args, pending, context) {
            Ok(listed) => done.retired = Some(listed),
            Err(error) => done.failed.push(("retire the old key", said(&error))),
        }
    }
    if let Some(after) = &args.command_after {
        let config = target.file.path.to_string_lossy();
        let variables = BTreeMap::from([
            ("CCK_OLD_HINT", pending.old_hint.as_str()),
            ("CCK_OLD_FINGERPRINT", &pending.old_fingerprint),
            ("CCK_NEW_FINGERPRINT", &pending.new_fingerprint),
            ("CCK_CONFIG", &config),
        ]);
        let cwd = context.cwd().to_path_buf();
        match command::output_with(after, &cwd, AFTER_TIMEOUT, &variables) {
            Ok(Ok(_)) => {}
            Ok(Err(ended)) => {
                done.failed.push(("run the command of --command-after", format!("it {ended}")));
            }
            Err(error) => {
                done.failed.push(("run the command of --command-after", format!("{error:#}")));
            }
        }
    }
}

fn retire(args: &RotateArgs, pending: &Pending, context: &Context) -> anyhow::Result<Listed> {
    let trace = pending
        .old_trace
        .as_ref()
        .ok_or_else(|| fail("the old value was no key", "nothing is to retire"))?;
    Admin::new(&args.admin_url, context)?.retire(trace)
}

//! What `cck rotate` says.

use serde::Serialize;

use super::super::change::Changed;
use super::super::target::Target;
use super::super::unset_key;
use super::{Pending, RotateArgs};
use crate::admin::Listed;
use crate::context::Context;
use crate::key::ApiKey;
use crate::key::source::KeySource;
use crate::output::one_line;
use crate::records::scrub::Scrubbed;

/// What was done after the swap.
#[derive(Default)]
pub(crate) struct Done {
    /// What became of the copies.
    pub scrubbed: Scrubbed,
    /// The old keys, as the Admin API has them now.
    pub retired: Vec<Listed>,
    /// The steps that failed, and why.
    pub failed: Vec<(&'static str, String)>,
    /// How many sessions are running that still have the old key.
    pub running: usize,
}

impl Done {
    /// What is left to do, a line each.
    pub(crate) fn left(&self) -> Vec<String> {
        let copies = self.scrubbed.left.iter();
        let copies = copies
            .map(|left| format!("remove the old key from {}: {}", left.path.display(), left.why));
        copies.chain(self.failed.iter().map(|(step, why)| format!("{step}: {why}"))).collect()
    }
}

#[derive(Serialize)]
struct Named<'a> {
    hint: &'a str,
    fingerprint: &'a str,
}

impl<'a> From<&'a Pending> for Named<'a> {
    fn from(old: &'a Pending) -> Self {
        Named { hint: &old.old_hint, fingerprint: old.fingerprint() }
    }
}

/// What the report for programs adds.
#[derive(Serialize)]
struct Report<'a> {
    source: &'static str,
    old: Named<'a>,
    new: Named<'a>,
    /// The old keys of rotations before this one that were cut off.
    older: Vec<Named<'a>>,
    checked_online: bool,
    scrubbed: &'a Scrubbed,
    retired: Option<&'a Listed>,
    left: &'a [String],
    running: usize,
}

/// Reports that the config holds the new key already, and that no rotation to it was cut off.
pub(crate) fn print_nothing(
    args: &RotateArgs,
    target: &Target,
    source: &KeySource,
    new: &ApiKey,
    changed: &Changed,
    context: &mut Context,
) -> anyhow::Result<()> {
    let (hint, fingerprint) = (new.hint(), new.fingerprint());
    if args.change.target.json {
        let named = || Named { hint: &hint, fingerprint: &fingerprint };
        let report = Report {
            source: source.kind(),
            old: named(),
            new: named(),
            older: Vec::new(),
            checked_online: args.online || args.retire_old,
            scrubbed: &Scrubbed::default(),
            retired: None,
            left: &[],
            running: 0,
        };
        changed.print_json(&args.change, target, report, context)?;
    } else {
        let shown = target.shown(context);
        context.say(format!("{shown} already holds the key {hint}; there is nothing to rotate"));
    }
    Ok(())
}

/// Prints the report.
#[expect(clippy::too_many_arguments, reason = "it reports on the whole command")]
pub(crate) fn print(
    args: &RotateArgs,
    target: &Target,
    source: &KeySource,
    new: &ApiKey,
    olds: &[Pending],
    changed: &Changed,
    done: &Done,
    context: &mut Context,
) -> anyhow::Result<()> {
    let Some((old, older)) = olds.split_last() else { return Ok(()) };
    let left = done.left();
    let (new_hint, new_fingerprint) = (new.hint(), new.fingerprint());
    let dry_run = args.change.target.dry_run;
    if args.change.target.json {
        let report = Report {
            source: source.kind(),
            old: old.into(),
            new: Named { hint: &new_hint, fingerprint: &new_fingerprint },
            older: older.iter().map(Named::from).collect(),
            checked_online: args.online || args.retire_old,
            scrubbed: &done.scrubbed,
            retired: done.retired.last(),
            left: &left,
            running: done.running,
        };
        changed.print_json(&args.change, target, report, context)?;
        return Ok(());
    }
    let (shown, old_hint) = (target.shown(context), &old.old_hint);
    let line = match (changed.shown.is_empty(), dry_run) {
        (_, true) => {
            format!(
                "{old_hint} would be replaced with {new_hint} in {shown} (dry run, nothing was written)"
            )
        }
        (true, _) => format!("{new_hint} was already in {shown}; went on with what was left"),
        (false, _) => format!("replaced {old_hint} with {new_hint} in {shown}"),
    };
    context.done_if(!dry_run, line);
    if !changed.shown.is_empty() || dry_run {
        changed.print_diff(context);
    }
    unset_key::tell(&done.scrubbed, dry_run, context);
    for key in &done.retired {
        context.say(format!("the old key is {}: {} {}", key.status, key.id, one_line(&key.name)));
    }
    if !dry_run && done.retired.is_empty() && left.is_empty() {
        for old in olds {
            context.say(format!("revoke the old key: {}", old.name()));
        }
    }
    if done.running > 0 && !dry_run {
        context.warn(&unset_key::still_running(done.running));
    }
    if !left.is_empty() {
        let steps = if left.len() == 1 { "this is" } else { "these steps are" };
        context.warn(&if dry_run {
            "the new key would be in place, with this left to do:".to_owned()
        } else {
            format!(
                "the new key is in place, and {steps} left to do; run the same command again after:"
            )
        });
        for step in &left {
            context.warn(step);
        }
    }
    Ok(())
}

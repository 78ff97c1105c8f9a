//! What `cck rotate` says.

use serde::Serialize;

use super::super::change::Changed;
use super::super::target::{ShownChange, Target};
use super::super::unset_key;
use super::{Pending, RotateArgs};
use crate::admin::Listed;
use crate::context::Context;
use crate::key::ApiKey;
use crate::key::source::Source;
use crate::output::one_line;
use crate::records::scrub::Scrubbed;

/// What was done after the swap.
#[derive(Default)]
pub(crate) struct Done {
    /// What became of the copies.
    pub scrubbed: Scrubbed,
    /// The old key, as the Admin API has it now.
    pub retired: Option<Listed>,
    /// The steps that failed, and why.
    pub failed: Vec<(&'static str, String)>,
}

impl Done {
    /// What is left to do, a line each.
    pub(crate) fn left(&self) -> Vec<String> {
        let copies = self.scrubbed.left.iter();
        let copies = copies
            .map(|left| format!("take the old key out of {}: {}", left.path.display(), left.why));
        copies.chain(self.failed.iter().map(|(step, why)| format!("{step}: {why}"))).collect()
    }
}

#[derive(Serialize)]
struct Named<'a> {
    hint: &'a str,
    fingerprint: &'a str,
}

#[derive(Serialize)]
struct Report<'a> {
    schema: u32,
    path: &'a str,
    source: &'static str,
    old: Named<'a>,
    new: Named<'a>,
    checked_online: bool,
    changed: bool,
    dry_run: bool,
    changes: &'a [ShownChange],
    scrubbed: &'a Scrubbed,
    retired: Option<&'a Listed>,
    left: &'a [String],
}

/// Prints the report.
#[expect(clippy::too_many_arguments, reason = "it reports on the whole command")]
pub(crate) fn tell(
    args: &RotateArgs,
    target: &Target,
    source: &Source,
    new: &ApiKey,
    pending: &Pending,
    changed: &Changed,
    done: &Done,
    context: &mut Context,
) -> anyhow::Result<()> {
    let left = done.left();
    let (old_hint, new_hint, new_fingerprint) = (&pending.old_hint, new.hint(), new.fingerprint());
    let dry_run = args.change.target.dry_run;
    if args.change.target.json {
        let report = Report {
            schema: 1,
            path: &target.file.path.to_string_lossy(),
            source: source.kind(),
            old: Named { hint: old_hint, fingerprint: &pending.old_fingerprint },
            new: Named { hint: &new_hint, fingerprint: &new_fingerprint },
            checked_online: args.online || args.retire_old,
            changed: !changed.shown.is_empty(),
            dry_run,
            changes: &changed.shown,
            scrubbed: &done.scrubbed,
            retired: done.retired.as_ref(),
            left: &left,
        };
        context.say(serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let shown = target.shown(context);
    context.say(match (changed.shown.is_empty(), dry_run) {
        (_, true) => {
            format!("{old_hint} would be replaced by {new_hint} in {shown} (dry run, nothing was written)")
        }
        (true, _) => format!("{new_hint} was in {shown} already; went on with what was left"),
        (false, _) => format!("replaced {old_hint} by {new_hint} in {shown}"),
    });
    if !changed.shown.is_empty() || dry_run {
        let diff: String = changed.shown.iter().map(ShownChange::diff).collect();
        context.say_diff(&diff);
    }
    unset_key::tell(&done.scrubbed, dry_run, context);
    let old = format!("{old_hint} ({})", pending.old_fingerprint);
    match &done.retired {
        Some(key) => context.say(format!(
            "the old key {old} is {}: {} {}",
            key.status,
            key.id,
            one_line(&key.name)
        )),
        None if !dry_run => context.say(format!("revoke the old key: {old}")),
        None => {}
    }
    if !left.is_empty() {
        context.warn(&format!(
            "the new key is in place, and {} left to do; run the same command again after:",
            if left.len() == 1 { "this is" } else { "these steps are" }
        ));
        for step in &left {
            context.warn(step);
        }
    }
    Ok(())
}
